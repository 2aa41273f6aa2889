//! Findings of the family `DNS`: the name, the resolver, its answer.

use towpath_proto::Rung;

use super::{esp_idf, linux, network, zephyr};
use crate::{Finding, Proof, Remedy, Side};

/// Another DNS server for this client: it mends much, and tells the rest apart.
const OTHER_SERVER: Remedy = linux(
    "Ask another DNS server; if that one knows, the first is at fault.",
    "towpath doctor --resolver 192.0.2.53 URL",
);

pub(super) const FINDINGS: &[Finding] = &[
    Finding {
        id: "TP-DNS-001",
        rung: Rung::Dns,
        side: Side::Network,
        cause: "no DNS server is known",
        fix: "Give one with --resolver, or let the network announce one (RDNSS, DHCP).",
        about: "The host is a name, and nothing told this machine whom to ask for its address. Networks announce their \
                DNS server by DHCP or, with IPv6, in the router's advertisement (RDNSS). A namespace, a container or a \
                chroot often has an empty list although the machine around it has one.",
        decided_by: "The list of DNS servers is empty before a question is sent. If a server is known and does not answer, it is \
                     TP-DNS-002.",
        remedies: &[
            linux(
                "Name a DNS server for towpath, or put one into /etc/resolv.conf.",
                "towpath doctor --resolver 192.0.2.53 URL",
            ),
            zephyr(
                "Write a DNS server into the build that the device can reach.",
                "CONFIG_DNS_RESOLVER=y\n\
                 CONFIG_DNS_SERVER_IP_ADDRESSES=y\n\
                 CONFIG_DNS_SERVER1=\"192.0.2.53\"",
            ),
            esp_idf(
                "Take the DNS server that an IPv6 router announces; else set one in the program with esp_netif_set_dns_info().",
                "CONFIG_LWIP_IPV6_RDNSS_MAX_DNS_SERVERS=2",
            ),
            network(
                "Announce a DNS server by DHCP (option 6) and in router advertisements (RDNSS).",
                "",
            ),
        ],
        administrator: "Please let DHCP and the router advertisements of this network name a DNS server.",
        symptoms: &[
            "no DNS server is known",
            "NoResolver",
            "Temporary failure in name resolution",
        ],
        proofs: &[Proof::SetUp("dns-none"), Proof::Code("NoResolver")],
        sources: &[],
    },
    Finding {
        id: "TP-DNS-002",
        rung: Rung::Dns,
        side: Side::Network,
        cause: "no DNS server answered",
        fix: "Check the DNS servers of this network, or give another with --resolver.",
        about: "The question was sent, repeated, and nothing came back from any of the servers. The server may be down, its address old, or a firewall \
                drops port 53 to all but the network's own server. Behind a Thread border router the border router's own upstream server \
                may be the one that is silent.",
        decided_by: "Questions on the wire and no answer until the time is up. An answer that refuses is TP-DNS-003, one that failed \
                     TP-DNS-004. On Thread, `Error 28: ResponseTimeout` without a default route is TP-ADDR-003.",
        remedies: &[
            OTHER_SERVER,
            zephyr(
                "Name a server that this network can reach; several are asked in turn.",
                "CONFIG_DNS_SERVER1=\"192.0.2.53\"\nCONFIG_DNS_SERVER2=\"2001:db8::53\"\nCONFIG_DNS_RESOLVER_MAX_SERVERS=2",
            ),
            esp_idf(
                "Set a second server in the program: esp_netif_set_dns_info(netif, ESP_NETIF_DNS_BACKUP, &dns).",
                "",
            ),
            network(
                "Let UDP and TCP port 53 through to the DNS server that DHCP names; on a border router check its upstream server.",
                "dig @192.0.2.53 broker.example.com",
            ),
        ],
        administrator: "Please check that the DNS server announced in this network answers this device (UDP and TCP port 53).",
        symptoms: &[
            "Temporary failure in name resolution",
            "EAI_AGAIN",
            "getaddrinfo() returns -101",
            "DNS_EAI_CANCELED",
            "Error 28: ResponseTimeout",
        ],
        proofs: &[
            Proof::SetUp("dns-silent"),
            Proof::Log("openthread-dns-timeout.log"),
            Proof::Capture("dns-silent"),
            Proof::Code("ResolverSilent"),
        ],
        sources: &["https://github.com/openthread/ot-br-posix/issues/2593"],
    },
    Finding {
        id: "TP-DNS-003",
        rung: Rung::Dns,
        side: Side::Network,
        cause: "the DNS server refuses the question",
        fix: "Use a DNS server that serves this network (--resolver).",
        about: "The server answers with REFUSED: it serves other networks than this one, or it filters the name. Servers of a provider refuse \
                questions that come from another provider's network, and filters refuse names they do not like.",
        decided_by: "RCODE 5 (REFUSED). If another server of the same network gives the name, that one is TP-DNS-013.",
        remedies: &[
            OTHER_SERVER,
            esp_idf(
                "Set a server in the program: esp_netif_set_dns_info(netif, ESP_NETIF_DNS_MAIN, &dns).",
                "",
            ),
            zephyr(
                "Name another server.",
                "CONFIG_DNS_SERVER_IP_ADDRESSES=y\nCONFIG_DNS_SERVER1=\"192.0.2.53\"",
            ),
            network(
                "unbound: allow the device's network.",
                "server:\n  access-control: 192.0.2.0/24 allow",
            ),
        ],
        administrator: "Please let the DNS server answer questions of this device's network, for the name of our broker.",
        symptoms: &[
            "REFUSED",
            "RCODE 5",
            "0x8001",
            "ESP_ERR_ESP_TLS_CANNOT_RESOLVE_HOSTNAME",
            "couldn't get hostname for",
        ],
        proofs: &[Proof::SetUp("dns-refused"), Proof::Code("ResolverRefused")],
        sources: &["https://github.com/espressif/esp-mqtt/issues/189"],
    },
    Finding {
        id: "TP-DNS-004",
        rung: Rung::Dns,
        side: Side::Network,
        cause: "the DNS server failed",
        fix: "Ask another DNS server (--resolver); this one can't reach the name's own servers, or does not trust their answer.",
        about: "SERVFAIL: the server took the question and could not answer it. Either it does not reach the servers of the name's zone, or it checks DNSSEC and \
                the zone's signatures do not hold, or its clock is so wrong that none do.",
        decided_by: "RCODE 2 (SERVFAIL). If a server that does not check DNSSEC gives the name, the zone's signatures or that server's clock are \
                     the cause.",
        remedies: &[
            OTHER_SERVER,
            network(
                "Ask with and without the check: an answer only with +cd means DNSSEC.",
                "dig @192.0.2.53 broker.example.com\ndig +cd @192.0.2.53 broker.example.com",
            ),
        ],
        administrator: "Please look why the DNS server answers SERVFAIL for the name of our broker: does it reach the internet, and is its clock right?",
        symptoms: &["SERVFAIL", "RCODE 2", "EAI_FAIL"],
        proofs: &[Proof::SetUp("dns-servfail"), Proof::Code("ResolverFailed")],
        sources: &[],
    },
    Finding {
        id: "TP-DNS-005",
        rung: Rung::Dns,
        side: Side::Device,
        cause: "the name does not exist",
        fix: "Check the host name; if it is right, check the DNS server of this network.",
        about: "The DNS says that there is no such name (NXDOMAIN). A slip of the pen is the usual cause, then a hub that was deleted or never created, a name \
                that exists only inside another network, or a filter that denies names.",
        decided_by: "RCODE 3 (NXDOMAIN) in an answer. If another server gives the name, the first one hides it (TP-DNS-013). getaddrinfo() -2 without a question \
                     on the wire is a build without resolver (TP-DEV-002).",
        remedies: &[
            linux(
                "Ask the DNS directly, and a server outside this network too.",
                "dig broker.example.com A broker.example.com AAAA",
            ),
            zephyr(
                "Correct the host name of the build; for the nRF Connect SDK's Azure library:",
                "CONFIG_AZURE_IOT_HUB_HOSTNAME=\"your-hub.azure-devices.net\"",
            ),
        ],
        administrator: "",
        symptoms: &[
            "NXDOMAIN",
            "Name or service not known",
            "ENOTFOUND",
            "nodename nor servname provided, or not known",
            "getaddrinfo() returns -2",
        ],
        proofs: &[Proof::SetUp("dns-no-name"), Proof::Code("NameNotFound")],
        sources: &[],
    },
    Finding {
        id: "TP-DNS-006",
        rung: Rung::Dns,
        side: Side::Server,
        cause: "the name exists but has no usable address",
        fix: "Check the name's A and AAAA records.",
        about: "The DNS knows the name and has no address for it: other records only, or an address of the kind that this device can't use. A device with IPv6 only \
                gets nothing for a server that has IPv4 only, unless DNS64 or the client itself makes an address for NAT64.",
        decided_by: "RCODE 0 with no A or AAAA record that could be used. NXDOMAIN is TP-DNS-005.",
        remedies: &[
            linux(
                "See what the name has.",
                "dig broker.example.com A broker.example.com AAAA broker.example.com CNAME",
            ),
            network(
                "Give the name an A and an AAAA record; for IPv6-only devices let the DNS server do DNS64.",
                "# unbound.conf\nserver:\n  module-config: \"dns64 iterator\"\n  dns64-prefix: 64:ff9b::/96",
            ),
            zephyr(
                "On Thread, resolve with otDnsClientResolveIp4Address(): it asks for A and makes the NAT64 address.",
                "",
            ),
        ],
        administrator: "Please add an address record for the name of our broker, or enable DNS64 on the DNS server of this IPv6-only network.",
        symptoms: &[
            "No address associated with hostname",
            "EAI_NODATA",
            "DNS_EAI_NODATA",
            "getaddrinfo() returns -5",
            "ENODATA",
        ],
        proofs: &[Proof::SetUp("dns-no-address"), Proof::Code("NoAddress")],
        sources: &[],
    },
    Finding {
        id: "TP-DNS-007",
        rung: Rung::Dns,
        side: Side::Server,
        cause: "the name's aliases (CNAME) go in a circle or have no end",
        fix: "Mend the CNAME records of the name.",
        about: "The name is an alias of another one, and so on, and no address comes at the end. Most DNS servers notice and answer SERVFAIL; one that has the \
                zone itself may leave the walk to the client.",
        decided_by: "A chain of CNAME records that meets a name twice, or is longer than what a client follows.",
        remedies: &[network(
            "Follow the chain by hand and correct the record that leads back.",
            "dig +trace broker.example.com CNAME",
        )],
        administrator: "Please correct the CNAME records of the name of our broker: they lead in a circle.",
        symptoms: &["CNAME loop", "too many CNAMEs"],
        proofs: &[Proof::SetUp("dns-alias-loop"), Proof::Code("AliasLoop")],
        sources: &[],
    },
    Finding {
        id: "TP-DNS-008",
        rung: Rung::Dns,
        side: Side::Network,
        cause: "the DNS server's answer can't be read",
        fix: "A middlebox may have damaged it; give another server with --resolver.",
        about: "An answer came from the right address with the right number, and its contents break the rules of DNS: lengths that lead outside, names without \
                end. Home routers and filters that write their own answers are the usual source.",
        decided_by: "The answer to our own question can't be decoded. An answer that is only cut short is TP-DNS-009.",
        remedies: &[
            OTHER_SERVER,
            linux("Look at the bytes.", "tcpdump -ni any -X udp port 53"),
        ],
        administrator: "Please check the device that answers DNS in this network: its answers break the protocol.",
        symptoms: &[
            "Message parser reports malformed message packet",
            "dropped malformed message",
        ],
        proofs: &[
            Proof::SetUp("dns-malformed"),
            Proof::Code("AnswerMalformed"),
        ],
        sources: &[],
    },
    Finding {
        id: "TP-DNS-009",
        rung: Rung::Dns,
        side: Side::Device,
        cause: "a large DNS answer was cut by the client's 512 byte buffer",
        fix: "Give the resolver a larger buffer, or let it ask again over TCP.",
        about: "Without EDNS a DNS answer over UDP has at most 512 bytes. Some servers, in public clouds among them, send more all the same, and a client with a \
                buffer of 512 bytes then reads a piece, finds no end, and drops it. To the program it looks as if nobody answered.",
        decided_by: "An answer of more than 512 bytes to a question without EDNS (no OPT record), or a client that complains of an unexpected end of \
                     input. towpath reads answers up to its own limit and says so when one is larger (TP-DEV-022).",
        remedies: &[
            linux(
                "See whether the sizes differ.",
                "dig +noedns broker.example.com\ndig +tcp broker.example.com",
            ),
            zephyr(
                "Ask for one kind of address, so that the answer is shorter, and give the resolver's buffers their full size.",
                "CONFIG_DNS_RESOLVER_ADDITIONAL_BUF_CTR=2",
            ),
            network(
                "Let the DNS server keep to 512 bytes without EDNS, or the zone have fewer records.",
                "# unbound.conf\nserver:\n  minimal-responses: yes",
            ),
        ],
        administrator: "Please let the DNS server cut answers without EDNS at 512 bytes (with the TC flag), as RFC 1035 has it.",
        symptoms: &["dropped malformed message", "unexpected end of input"],
        proofs: &[
            Proof::Capture("dns-large-answer"),
            Proof::Log("hickory-large-answer.log"),
        ],
        sources: &["https://github.com/hickory-dns/hickory-dns/pull/2578"],
    },
    Finding {
        id: "TP-DNS-010",
        rung: Rung::Dns,
        side: Side::Device,
        cause: "this is no valid host name",
        fix: "Correct the host name; names beyond ASCII are written in punycode (xn--).",
        about: "A host name has parts of at most 63 characters between its dots, none of them empty, and 253 in all. What was given breaks that: two dots in a row, \
                a blank, a part of the URL, a placeholder that was never filled in.",
        decided_by: "It is said before a question is sent.",
        remedies: &[linux(
            "Write names beyond ASCII in punycode.",
            "idn2 bücher.example",
        )],
        administrator: "",
        symptoms: &["NameInvalid", "invalid host name"],
        proofs: &[Proof::SetUp("dns-bad-name"), Proof::Code("NameInvalid")],
        sources: &[],
    },
    Finding {
        id: "TP-DNS-011",
        rung: Rung::Dns,
        side: Side::Device,
        cause: "the DNS server is an IPv4 address, and the device has no IPv4",
        fix: "Name the DNS server by an IPv6 address that the device can reach.",
        about: "The build names a DNS server such as 8.8.8.8, and the device is on a network with IPv6 only, as every Thread device is. The question can't even be sent. NAT64 \
                does not help by itself: the resolver would have to make the NAT64 address of its own server first, and Zephyr's does not.",
        decided_by: "An IPv4 literal as DNS server together with a build or an interface without IPv4. On Thread, OpenThread's own DNS client works \
                     meanwhile, which shows that the network is all right.",
        remedies: &[
            zephyr(
                "The border router's address, or the server behind NAT64: 2 hexadecimal digits for each number, behind the prefix of the network data.",
                "CONFIG_DNS_SERVER1=\"fd00:64::808:808\"",
            ),
            zephyr("Or resolve with otDnsClientResolveIp4Address().", ""),
        ],
        administrator: "",
        symptoms: &[
            "getaddrinfo() returns -11 with errno 2",
            "DNS_EAI_SYSTEM",
            "CONFIG_DNS_SERVER1=\"8.8.8.8\"",
        ],
        proofs: &[
            Proof::Lint("ipv4-dns-server"),
            Proof::Log("zephyr-ipv4-dns-server.log"),
        ],
        sources: &[
            "https://devzone.nordicsemi.com/f/nordic-q-a/110551/mqtt-over-thread/485109",
            "https://github.com/nrfconnect/sdk-nrf/pull/28703",
        ],
    },
    Finding {
        id: "TP-DNS-012",
        rung: Rung::Dns,
        side: Side::Device,
        cause: "the network announces its DNS server in router advertisements (RDNSS), and the build does not take it",
        fix: "Switch RDNSS on in the build.",
        about: "On a network with IPv6 only, the router's advertisement brings the prefix and, in the same packet, the DNS server. Taking the second is a setting of its own, and it is off by \
                default in ESP-IDF: the device has a global address and nobody to ask.",
        decided_by: "The advertisement on the wire has option 25 (RDNSS), and the device's list of DNS servers stays empty; or the build says that RDNSS is \
                     off while there is no other source. Without option 25 nobody announced a server (TP-DNS-001).",
        remedies: &[
            esp_idf(
                "RDNSS, and stateless DHCPv6 for routers that use that instead.",
                "CONFIG_LWIP_IPV6_RDNSS_MAX_DNS_SERVERS=2\nCONFIG_LWIP_IPV6_DHCP6=y",
            ),
            zephyr("", "CONFIG_NET_IPV6_RA_RDNSS=y\nCONFIG_DNS_RESOLVER=y"),
        ],
        administrator: "",
        symptoms: &[
            "no IPv6 DNS server",
            "couldn't get hostname for",
            "getaddrinfo() returns 202",
        ],
        proofs: &[Proof::Lint("no-rdnss"), Proof::Capture("rdnss-ignored")],
        sources: &["https://github.com/espressif/arduino-esp32/issues/9143"],
    },
    Finding {
        id: "TP-DNS-013",
        rung: Rung::Dns,
        side: Side::Network,
        cause: "the first DNS server does not give the name, another one of this network does",
        fix: "Ask the server that knows the name first, or mend the other one.",
        about: "All DNS servers of a network are expected to say the same, and clients believe the first answer. If one of them denies or refuses a name that another one \
                gives, programs fail or work depending on which they ask: internal names known to one server only, a filter on one of them, a provider's server beside a company's.",
        decided_by: "The same question to each server of the list: one gives an address, the one that was asked first does not.",
        remedies: &[
            linux(
                "Put the server that knows the name first, or name it alone.",
                "towpath doctor --resolver 192.0.2.53 URL",
            ),
            esp_idf(
                "Set the server in the program: esp_netif_set_dns_info(netif, ESP_NETIF_DNS_MAIN, &dns).",
                "",
            ),
            zephyr(
                "Name that server alone.",
                "CONFIG_DNS_SERVER1=\"192.0.2.53\"",
            ),
            network(
                "Announce only servers that give the same names, or forward the zone.",
                "# unbound.conf\nforward-zone:\n  name: \"example.com\"\n  forward-addr: 192.0.2.53",
            ),
        ],
        administrator: "Please let all DNS servers that this network announces answer alike for the name of our broker.",
        symptoms: &[
            "works with 8.8.8.8, not with the network's DNS",
            "0x8001",
            "couldn't get hostname for",
        ],
        proofs: &[Proof::SetUp("dns-second-server")],
        sources: &["https://github.com/espressif/esp-mqtt/issues/189"],
    },
];
