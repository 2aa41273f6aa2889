//! Findings of the family `ADDR`: the device's own address, and its way out of its own link.

use towpath_proto::Rung;

use super::{esp_idf, linux, network, zephyr};
use crate::{Finding, Proof, Side};

pub(super) const FINDINGS: &[Finding] = &[
    Finding {
        id: "TP-ADDR-001",
        rung: Rung::Address,
        side: Side::Network,
        cause: "this device has no address that reaches beyond its own link",
        fix: "Wait for the network's router advertisement or DHCP, or look why none comes.",
        about: "The interface has a link-local address only (fe80::/10 or 169.254.0.0/16), or none. A device gets an address \
                that is good for more from DHCP, from a router advertisement, or from the mobile network; until one comes no packet \
                can leave the link.",
        decided_by: "The list of this machine's addresses, before a packet is sent. An address that is there and a route that is \
                     missing is TP-TCP-012.",
        remedies: &[
            linux(
                "See which addresses and routes there are, and ask for some.",
                "ip -brief address\nip -6 route show default",
            ),
            zephyr(
                "Take addresses from DHCP and from router advertisements, and connect only after NET_EVENT_L4_CONNECTED.",
                "CONFIG_NET_DHCPV4=y\nCONFIG_NET_IPV6_ND=y\nCONFIG_NET_CONNECTION_MANAGER=y",
            ),
            esp_idf(
                "Connect only after IP_EVENT_STA_GOT_IP or IP_EVENT_GOT_IP6; with IPv6, make addresses from advertisements.",
                "CONFIG_LWIP_IPV6_AUTOCONFIG=y",
            ),
            network(
                "Let the router advertise a prefix on this link, and let DHCP have addresses left.",
                "",
            ),
        ],
        administrator: "Please check that DHCP and router advertisements reach this device's port or network.",
        symptoms: &[
            "Network is unreachable",
            "169.254.",
            "fe80:: only",
            "getaddrinfo() returns -11 with errno 2",
        ],
        proofs: &[
            Proof::SetUp("address-link-local"),
            Proof::Code("NoSourceAddress"),
        ],
        sources: &[],
    },
    Finding {
        id: "TP-ADDR-002",
        rung: Rung::Address,
        side: Side::Device,
        cause: "the name or address exists only in the other address family",
        fix: "Allow both families, or use a name that has addresses of this one.",
        about: "The client was held to IPv4 or to IPv6, and the server is given by an address of the other family. No \
                translation helps there: the choice itself excludes the server.",
        decided_by: "The family that was asked for against the addresses that are known; no packet is needed. A device that has no IPv4 and a \
                     server that has nothing else is a matter for NAT64 (TP-NAT64-001).",
        remedies: &[
            linux("Leave -4 and -6 away.", "towpath doctor URL"),
            zephyr(
                "Ask getaddrinfo() for any family (AF_UNSPEC) and have both in the build.",
                "CONFIG_NET_IPV4=y\nCONFIG_NET_IPV6=y",
            ),
        ],
        administrator: "",
        symptoms: &[
            "Address family for hostname not supported",
            "EAI_ADDRFAMILY",
            "DNS_EAI_ADDRFAMILY",
        ],
        proofs: &[
            Proof::SetUp("address-family"),
            Proof::Code("FamilyUnavailable"),
        ],
        sources: &[],
    },
    Finding {
        id: "TP-ADDR-003",
        rung: Rung::Address,
        side: Side::Network,
        cause: "the Thread network data has no default route, so nothing leaves the mesh",
        fix: "Let the border router publish a prefix with the flags for default route and on-mesh use.",
        about: "A Thread device learns from the network data which border router leads out. If no prefix there bears the flag for a default \
                route (r) and none is on-mesh (o), the device has an address and still no way out: pings and DNS questions to NAT64 \
                addresses time out, although a computer behind the same border router reaches everything.",
        decided_by: "`netdata show` on the device has no prefix with r among its flags, and `Error 28: ResponseTimeout` follows. If there is a \
                     default route and the list of routes lacks an n, NAT64 is missing (TP-NAT64-001).",
        remedies: &[network(
            "On the border router, with the prefix of this mesh (newer ones: `netdata publish prefix`).",
            "ot-ctl prefix add fd11:22::/64 paros\not-ctl netdata register",
        )],
        administrator: "Please check that the Thread border router publishes an on-mesh prefix with a default route.",
        symptoms: &["Error 28: ResponseTimeout", "netdata show without r"],
        proofs: &[Proof::Log("openthread-no-route.log")],
        sources: &["https://github.com/openthread/openthread/issues/6680"],
    },
    Finding {
        id: "TP-ADDR-004",
        rung: Rung::Address,
        side: Side::Device,
        cause: "an IPv4 address was chosen on a device that has no IPv4",
        fix: "Choose among the server's addresses by what this device has.",
        about: "A server with both kinds of addresses was looked up, and the program took the first answer, an IPv4 address, on a network that \
                gives IPv6 only. Connecting fails at once, because there is no address to connect from; with the server's IPv6 address, or \
                NAT64, the same device would get through.",
        decided_by: "EHOSTUNREACH or ENETUNREACH within a few milliseconds, no SYN sent, an IPv4 destination, and no IPv4 address on \
                     any interface. A rejection that a router sends (TP-TCP-011) needs a round trip and an own address.",
        remedies: &[
            esp_idf(
                "Walk the whole list of getaddrinfo() and prefer IPv6 when there is a global IPv6 address; recent Arduino cores do.",
                "CONFIG_LWIP_IPV6=y",
            ),
            zephyr(
                "Ask getaddrinfo() for AF_INET6 on a network without IPv4.",
                "CONFIG_NET_IPV6=y\nCONFIG_NET_IPV4=n",
            ),
            linux(
                "Programs that try one address only: force the family.",
                "towpath doctor -6 URL",
            ),
        ],
        administrator: "",
        symptoms: &[
            "EHOSTUNREACH",
            "-118 (EHOSTUNREACH of newlib and picolibc)",
            "No route to host",
            "Host is unreachable",
        ],
        proofs: &[
            Proof::Log("esp-idf-ipv4-chosen.log"),
            Proof::Capture("ipv4-without-ipv4"),
        ],
        sources: &[
            "https://github.com/espressif/esp-idf/issues/13255",
            "https://github.com/espressif/arduino-esp32/pull/9443",
        ],
    },
    Finding {
        id: "TP-ADDR-005",
        rung: Rung::Address,
        side: Side::Device,
        cause: "the modem's link is up, but it brought no DNS server or no access to the internet",
        fix: "Check the APN, ask for DNS servers in PPP (IPCP), or set one by hand.",
        about: "PPP reports that the link stands as soon as both ends agree. Whether the mobile network lets data through depends on the APN, and whether there \
                is a DNS server on IPCP handing one over. With either missing, every name fails although the modem says that all is well. Which of the two \
                it was in the public case was never stated.",
        decided_by: "PPP is up and the first lookup fails (202 in lwIP). It is likely one of the two: an empty list of DNS servers points to IPCP, a list that is there \
                     with silence points to the APN. A ping of a known address decides.",
        remedies: &[
            esp_idf(
                "Read the APN back with AT+CGDCONT?, and set a DNS server with esp_netif_set_dns_info() if PPP brings none.",
                "CONFIG_LWIP_PPP_SUPPORT=y",
            ),
            zephyr(
                "Write a DNS server into the build beside what the network gives.",
                "CONFIG_DNS_SERVER_IP_ADDRESSES=y\nCONFIG_DNS_SERVER1=\"192.0.2.53\"",
            ),
            linux(
                "Let pppd take the servers of the network.",
                "# /etc/ppp/peers/provider\nusepeerdns\ndefaultroute",
            ),
        ],
        administrator: "Please tell us the APN of this SIM, and whether its data plan hands out DNS servers.",
        symptoms: &["couldn't get hostname for", "getaddrinfo() returns 202"],
        proofs: &[Proof::Log("esp-idf-ppp.log")],
        sources: &["https://github.com/espressif/esp-idf/issues/11153"],
    },
];
