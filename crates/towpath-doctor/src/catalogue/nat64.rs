//! Findings of the family `NAT64`: an IPv4 server seen from a network with IPv6 only.

use towpath_proto::Rung;

use super::{linux, network, server, zephyr};
use crate::{Finding, Proof, Side};

pub(super) const FINDINGS: &[Finding] = &[
    Finding {
        id: "TP-NAT64-001",
        rung: Rung::Nat64,
        side: Side::Network,
        cause: "the server has IPv4 addresses only, this network offers IPv6 only, and no NAT64 prefix is known",
        fix: "Give the prefix with --nat64-prefix (a Thread border router lists it in its network data), or use a network with NAT64.",
        about: "A device with IPv6 only reaches an IPv4 server through a translator, by an IPv6 address that is made of the translator's prefix and the \
                IPv4 address. Nobody told the prefix: not the router's advertisement (PREF64), not the DNS (RFC 7050), not the settings. OpenThread's border router has a prefix in \
                the Thread network data and on purpose does not answer the DNS question for it.",
        decided_by: "The name has A records only, there is no IPv4 address here, and each source of a prefix came up empty. In OpenThread's CLI `InvalidState` from `dns resolve4` says the \
                     same: no entry with the flag n in `netdata show`. A prefix that is known and dead is TP-NAT64-004.",
        remedies: &[
            linux(
                "Give the prefix that the border router or the provider uses.",
                "towpath doctor --nat64-prefix 64:ff9b::/96 URL",
            ),
            network(
                "OpenThread border router:",
                "ot-ctl nat64 enable\not-ctl nat64 state",
            ),
            network(
                "Announce the prefix (radvd 2.20 or later).",
                "interface eth0 {\n  AdvSendAdvert on;\n  nat64prefix 64:ff9b::/96 { };\n};",
            ),
            zephyr(
                "On Thread make the address with otNat64SynthesizeIp6Address() or otDnsClientResolveIp4Address().",
                "",
            ),
        ],
        administrator: "Please enable NAT64 in this IPv6-only network and announce its prefix (PREF64 in router advertisements, or DNS64).",
        symptoms: &[
            "Error 13: InvalidState",
            "InvalidState",
            "OT_ERROR_INVALID_STATE",
        ],
        proofs: &[
            Proof::SetUp("nat64-no-prefix"),
            Proof::Log("openthread-no-nat64.log"),
            Proof::Code("Nat64NoPrefix"),
        ],
        sources: &[
            "https://github.com/openthread/openthread/pull/8212",
            "https://github.com/openthread/openthread/pull/6783",
        ],
    },
    Finding {
        id: "TP-NAT64-002",
        rung: Rung::Nat64,
        side: Side::Device,
        cause: "this is no NAT64 prefix",
        fix: "Give an IPv6 prefix of length 32, 40, 48, 56, 64 or 96 whose bits 64 to 71 are zero (RFC 6052).",
        about: "RFC 6052 allows six lengths, and keeps one byte at zero, so that an address can be read back to the IPv4 address in it. What was given has another \
                length, or something in that byte.",
        decided_by: "It is said before a packet is sent.",
        remedies: &[linux(
            "The well-known prefix, where the network uses it:",
            "towpath doctor --nat64-prefix 64:ff9b::/96 URL",
        )],
        administrator: "",
        symptoms: &["Nat64PrefixInvalid"],
        proofs: &[Proof::Code("Nat64PrefixInvalid")],
        sources: &["https://www.rfc-editor.org/rfc/rfc6052"],
    },
    Finding {
        id: "TP-NAT64-003",
        rung: Rung::Nat64,
        side: Side::Network,
        cause: "the server's IPv4 address is private, and the well-known NAT64 prefix 64:ff9b::/96 may not carry private addresses",
        fix: "Let the network use a prefix of its own for NAT64, or give the server a public or an IPv6 address.",
        about: "RFC 6052 forbids addresses such as 192.168.1.2 behind 64:ff9b::/96, because that prefix is the same everywhere and private addresses are not. Translators obey: \
                tayga drops such packets without a word, while public addresses work through the same translator.",
        decided_by: "The prefix is 64:ff9b::/96 and the server's address is private (RFC 1918 and the like); no packet is needed.",
        remedies: &[
            network(
                "tayga: a prefix out of the network's own addresses.",
                "# /etc/tayga.conf\nprefix fd00:64::/96",
            ),
            network(
                "Jool:",
                "jool instance add \"lan\" --netfilter --pool6 fd00:64::/96",
            ),
            server(
                "Give the broker an IPv6 address: then nothing has to be translated.",
                "# mosquitto.conf\nlistener 8883 ::",
            ),
        ],
        administrator: "Please run NAT64 with a prefix of this network's own in place of 64:ff9b::/96: our broker has a private IPv4 address.",
        symptoms: &["64:ff9b::c0a8:", "64:ff9b::192.168.", "64:ff9b::a00:"],
        proofs: &[
            Proof::SetUp("nat64-private"),
            Proof::Lint("private-behind-well-known"),
            Proof::Code("Nat64Private"),
        ],
        sources: &["https://github.com/openthread/ot-br-posix/issues/225"],
    },
    Finding {
        id: "TP-NAT64-004",
        rung: Rung::Nat64,
        side: Side::Network,
        cause: "no answer through NAT64",
        fix: "The translator is dead, or the server behind it is; try another IPv4 address through the same prefix to tell.",
        about: "The address behind the prefix was asked for a connection, and nothing came back. The translator may not run (tayga missing from a border router's image), the \
                route to it may lead nowhere, or the server itself is silent: from here both look the same.",
        decided_by: "No answer by any address behind the prefix. If another IPv4 server answers through the same prefix, the server is the cause (TP-TCP-013). A router that says \
                     \"no route\" is TP-NAT64-005.",
        remedies: &[
            network(
                "On the border router: is there an interface and a route for the prefix, and does the translator run?",
                "ip -6 route get 64:ff9b::8.8.8.8\nsystemctl status tayga\not-ctl nat64 state",
            ),
            linux(
                "Ask another server through the same prefix.",
                "ping -6 -c 3 64:ff9b::8.8.8.8",
            ),
        ],
        administrator: "Please check the NAT64 translator of this network: addresses behind its prefix do not answer.",
        symptoms: &[
            "ping 64:ff9b::8.8.8.8 times out",
            "64:ff9b::808:808 unreachable",
        ],
        proofs: &[Proof::SetUp("nat64-silent"), Proof::Code("Nat64Silent")],
        sources: &["https://github.com/openthread/ot-br-posix/issues/1322"],
    },
    Finding {
        id: "TP-NAT64-005",
        rung: Rung::Nat64,
        side: Side::Network,
        cause: "no route through NAT64",
        fix: "NAT64 was withdrawn, the prefix is an old one, or the IPv4 host behind it is down: look at the router's NAT64 and its prefix, then at the host.",
        about: "A router answered that it has no way to the address behind the prefix. Either it no longer translates, or the prefix was that of another network or of yesterday, or the \
                translator could not reach the IPv4 host and passed that on.",
        decided_by: "ICMPv6 \"no route\" or \"address unreachable\" for an address behind the prefix. Silence is TP-NAT64-004; another prefix that is announced now \
                     is TP-NAT64-006.",
        remedies: &[
            network(
                "On the border router:",
                "ip -6 route show\not-ctl nat64 state\not-ctl netdata show",
            ),
            linux(
                "Ask the network anew which prefix it has, without giving one.",
                "towpath doctor URL",
            ),
        ],
        administrator: "Please check the route to the NAT64 prefix in this network, and whether NAT64 still runs.",
        symptoms: &["Destination unreachable: No route", "No route to host"],
        proofs: &[Proof::SetUp("nat64-withdrawn"), Proof::Code("Nat64NoRoute")],
        sources: &["https://github.com/openthread/ot-br-posix/issues/1322"],
    },
    Finding {
        id: "TP-NAT64-006",
        rung: Rung::Nat64,
        side: Side::Device,
        cause: "another NAT64 prefix is in use than the network announces",
        fix: "Take the prefix that the network announces, and do not write one down.",
        about: "Addresses are made with one prefix, often the well-known 64:ff9b::/96, while the translator listens on another. OpenThread's border router has a prefix of its own in the \
                Thread network data; its state says Active, and still its table of mappings stays empty, because no packet ever reaches it.",
        decided_by: "The prefix in use differs from the one in router advertisements, the DNS or the network data, and with the latter the server \
                     answers; in OpenThread's CLI `nat64 mappings` is empty while `nat64 state` says Active. If the announced prefix is dead too, it is TP-NAT64-004.",
        remedies: &[
            linux(
                "Leave --nat64-prefix away: towpath asks the network.",
                "towpath doctor URL",
            ),
            zephyr(
                "On Thread let OpenThread make the address: otNat64SynthesizeIp6Address() takes the prefix of the network data.",
                "",
            ),
            network(
                "See which prefix the border router has.",
                "ot-ctl netdata show\not-ctl nat64 mappings",
            ),
        ],
        administrator: "",
        symptoms: &["nat64 mappings is empty", "Translator: Active"],
        proofs: &[
            Proof::SetUp("nat64-other-prefix"),
            Proof::Log("openthread-other-prefix.log"),
        ],
        sources: &[
            "https://github.com/openthread/ot-br-posix/issues/1858",
            "https://github.com/openthread/ot-docs/pull/117",
        ],
    },
    Finding {
        id: "TP-NAT64-007",
        rung: Rung::Nat64,
        side: Side::Network,
        cause: "the border router's translator does not run, likely because it has no IPv4 itself",
        fix: "Give the border router IPv4, or let it use the NAT64 of the network before it.",
        about: "A translator needs IPv4 on its other side. A border router that has none publishes no translator: `nat64 state` then shows the prefix manager alone, or the translator as not \
                running. Such a border router can use NAT64 of the network that it is in, and pass its prefix on.",
        decided_by: "`nat64 state` has no line with Translator: Active. That a missing IPv4 address is the reason is likely; `ip -4 route` on the border router decides.",
        remedies: &[
            network(
                "On the border router: is there an IPv4 address and a default route?",
                "ip -4 route show default\not-ctl nat64 enable\not-ctl nat64 state",
            ),
            network(
                "Or publish the prefix of the network's own NAT64 as a route with the flag n.",
                "ot-ctl route add 64:ff9b::/96 sn\not-ctl netdata register",
            ),
        ],
        administrator: "Please give the Thread border router IPv4 access (DHCP), or NAT64 in the network that it is connected to.",
        symptoms: &[
            "PrefixManager: NotRunning",
            "Translator: NotRunning",
            "nat64 state without Translator",
        ],
        proofs: &[Proof::Log("openthread-no-translator.log")],
        sources: &["https://github.com/espressif/esp-thread-br/issues/86"],
    },
    Finding {
        id: "TP-NAT64-008",
        rung: Rung::Nat64,
        side: Side::Device,
        cause: "it was tried on the border router itself, which does not stand for the Thread device",
        fix: "Try it on the Thread device.",
        about: "Commands in the border router's own container or shell use its own network and its own DNS. `ot-ctl dns resolve` fails there although a Thread node resolves the same name, \
                because the border router's OpenThread does not ask itself. One public case changed settings for days while the node had worked all the time.",
        decided_by: "The failing command was given on the border router (ot-ctl, a Docker container of OTBR). Whether the node works only the node can say.",
        remedies: &[
            zephyr(
                "On the node, in OpenThread's CLI; 8.8.8.8 is made into a NAT64 address there.",
                "CONFIG_OPENTHREAD_SHELL=y\nCONFIG_OPENTHREAD_DNS_CLIENT=y",
            ),
            network(
                "On the node:",
                "ot dns resolve4 broker.example.com 64:ff9b::808:808\not ping 64:ff9b::808:808",
            ),
        ],
        administrator: "",
        symptoms: &["ot-ctl dns resolve", "docker exec otbr ot-ctl dns resolve"],
        proofs: &[Proof::Log("otbr-own-dns.log")],
        sources: &["https://github.com/openthread/ot-br-posix/issues/1865"],
    },
];
