//! Findings of the family `TCP`: from the first SYN to a connection that carries packets of every size.

use towpath_proto::Rung;

use super::{esp_idf, linux, network, server, zephyr};
use crate::{Finding, Proof, Side};

pub(super) const FINDINGS: &[Finding] = &[
    Finding {
        id: "TP-TCP-001",
        rung: Rung::Tcp,
        side: Side::Server,
        cause: "the peer closed the connection",
        fix: "Look at the peer's log; with mqtt:// or ws:// on a TLS port, use mqtts:// or wss://.",
        about: "The connection was opened and ended in order (FIN) before anything was agreed on. Load balancers close like that when no server stands behind them, and servers that have \
                reached their number of connections.",
        decided_by: "A FIN from the other side on a rung below the WebSocket upgrade. Inside a TLS handshake it is TP-TLS-001, after CONNECT TP-MQTT-001. A reset is TP-TCP-002.",
        remedies: &[
            server(
                "Mosquitto: the log says why, and how many connections are allowed.",
                "# mosquitto.conf\nlog_type all\nmax_connections -1",
            ),
            linux(
                "See whether TLS is spoken there.",
                "openssl s_client -connect broker.example.com:8883",
            ),
        ],
        administrator: "",
        symptoms: &[
            "Connection closed by peer",
            "EOF",
            "connection closed unexpectedly",
        ],
        proofs: &[
            Proof::SetUp("tcp-closed"),
            Proof::SetUp("mqtt-max-connections"),
            Proof::Code("Closed"),
        ],
        sources: &[],
    },
    Finding {
        id: "TP-TCP-002",
        rung: Rung::Tcp,
        side: Side::Network,
        cause: "the connection was reset",
        fix: "The peer or a middlebox cut it; look at the peer's log. A TLS port does this to plain MQTT.",
        about: "A reset (RST) ends a connection without a word. Servers send it when they close with unread bytes, such as a TLS listener that got plain MQTT; firewalls send it in the name of both sides when a \
                rule or their table of connections says so.",
        decided_by: "RST after the connection stood. One right after our SYN is a refusal (TP-TCP-010). If TLS on the same port is answered, it is TP-TLS-048. A reset that comes after a constant idle time \
                     is a middlebox (TP-MQTT-023).",
        remedies: &[
            linux(
                "See who sends it: compare the TTL of the RST with that of the SYN/ACK.",
                "tcpdump -nvi any 'tcp[tcpflags] & (tcp-rst|tcp-syn) != 0'",
            ),
            server(
                "Look at the server's log at that second.",
                "journalctl -u mosquitto --since -5min",
            ),
            network("Look at the firewall's log for this connection.", ""),
        ],
        administrator: "Please look in the firewall's log whether it resets our connections to the broker, and allow them.",
        symptoms: &[
            "Connection reset by peer",
            "ECONNRESET",
            "errno 104",
            "-104 (ECONNRESET)",
            "MBEDTLS_ERR_NET_CONN_RESET",
            "-0x0050",
        ],
        proofs: &[
            Proof::Lab("accept-reset"),
            Proof::SetUp("tcp-reset"),
            Proof::Code("ECONNRESET"),
            Proof::Code("Reset"),
        ],
        sources: &[],
    },
    Finding {
        id: "TP-TCP-010",
        rung: Rung::Tcp,
        side: Side::Server,
        cause: "connection refused: nothing listens on this port",
        fix: "Check the port, and that the server runs.",
        about: "The address answered, and said that nobody listens there. The server is down, listens on another port, or on localhost only. A firewall that is set to reject with a reset looks exactly the same.",
        decided_by: "RST in answer to the SYN. A firewall that rejects by ICMP is TP-TCP-011, one that drops TP-TCP-013; if 443 of the same host answers, look at TP-TCP-014.",
        remedies: &[
            server("See what listens, and on which addresses.", "ss -ltnp"),
            server(
                "Mosquitto 2 listens on localhost only unless it is told otherwise.",
                "# mosquitto.conf\nlistener 8883",
            ),
            linux(
                "Give the port in the URL: 1883 plain, 8883 TLS, 443 or what the server has for WebSocket.",
                "towpath doctor mqtts://broker.example.com:8883",
            ),
        ],
        administrator: "",
        symptoms: &[
            "Connection refused",
            "ECONNREFUSED",
            "errno 111",
            "mqtt_connect, error: -111",
            "0x8004",
            "ESP_ERR_ESP_TLS_FAILED_CONNECT_TO_HOST",
        ],
        proofs: &[
            Proof::SetUp("tcp-refused"),
            Proof::Capture("refused"),
            Proof::Code("ECONNREFUSED"),
            Proof::Code("Refused"),
        ],
        sources: &[],
    },
    Finding {
        id: "TP-TCP-011",
        rung: Rung::Tcp,
        side: Side::Network,
        cause: "no route to the host",
        fix: "Check the address and the route; a firewall may reject it.",
        about: "Somebody on the way, or this machine itself, says that the host can't be reached. On the same network nobody answers to the address (ARP, neighbour discovery); further away a router or a \
                firewall refuses by ICMP, with \"administratively prohibited\" for instance.",
        decided_by: "EHOSTUNREACH. After milliseconds and for a far address it is a firewall that rejects; after seconds and for an address of one's own network the host is not there. A missing route altogether is TP-TCP-012.",
        remedies: &[
            linux(
                "See who answers and where the way leads.",
                "ip route get 192.0.2.10\ntcpdump -nvi any icmp or icmp6",
            ),
            network(
                "Allow the connection to the broker in the firewall.",
                "nft add rule inet filter forward ip daddr 192.0.2.10 tcp dport 8883 accept",
            ),
        ],
        administrator: "Please allow TCP connections from this device to our broker's address and port in the firewall.",
        symptoms: &[
            "No route to host",
            "EHOSTUNREACH",
            "errno 113",
            "Host is unreachable",
        ],
        proofs: &[
            Proof::SetUp("tcp-prohibited"),
            Proof::SetUp("tcp-prohibited-ipv6"),
            Proof::Capture("prohibited"),
            Proof::Code("EHOSTUNREACH"),
            Proof::Code("HostUnreachable"),
        ],
        sources: &[],
    },
    Finding {
        id: "TP-TCP-012",
        rung: Rung::Tcp,
        side: Side::Network,
        cause: "the network is unreachable",
        fix: "Check that this machine has a route and the address family.",
        about: "This machine, or the router next to it, has no route to the server's address. There is no default route, or none for this family: an IPv4 address from a machine with IPv6 only, or the other way round.",
        decided_by: "ENETUNREACH at once. If the machine has no address but a link-local one, it is TP-ADDR-001.",
        remedies: &[
            linux(
                "See the default routes of both families.",
                "ip -4 route show default\nip -6 route show default",
            ),
            zephyr(
                "Wait for the network (NET_EVENT_L4_CONNECTED) before connecting.",
                "CONFIG_NET_CONNECTION_MANAGER=y",
            ),
        ],
        administrator: "Please check that this network hands out a default route (DHCP option 3, router advertisement).",
        symptoms: &[
            "Network is unreachable",
            "ENETUNREACH",
            "errno 101",
            "-114 (ENETUNREACH of newlib and picolibc)",
        ],
        proofs: &[
            Proof::SetUp("tcp-no-route"),
            Proof::Code("ENETUNREACH"),
            Proof::Code("NetUnreachable"),
        ],
        sources: &[],
    },
    Finding {
        id: "TP-TCP-013",
        rung: Rung::Tcp,
        side: Side::Network,
        cause: "no answer to the connection request",
        fix: "A firewall drops it, or the host is down; try port 443.",
        about: "The request for a connection (SYN) was sent, repeated, and nobody answered. A firewall that drops packets leaves exactly this, and so does a host that is off. Companies and guest networks often let \
                nothing out but web traffic.",
        decided_by: "SYN without SYN/ACK, RST or ICMP until the time is up. If port 443 of the same host answers, the port is blocked (TP-TCP-014). If the connection is made and large packets vanish, it is TP-TCP-015.",
        remedies: &[
            linux(
                "Try the port that networks let through.",
                "towpath doctor wss://broker.example.com/mqtt",
            ),
            linux(
                "Or go through the network's proxy.",
                "towpath doctor --proxy http://proxy.example:3128 URL",
            ),
            network(
                "Allow outgoing TCP to the broker's port.",
                "nft add rule inet filter forward ip daddr 192.0.2.10 tcp dport 8883 accept",
            ),
            server(
                "Check that the server runs, and its own firewall.",
                "ss -ltn 'sport = :8883'",
            ),
        ],
        administrator: "Please allow outgoing TCP connections from this device to our broker's port (8883 for MQTT over TLS, or 443).",
        symptoms: &[
            "Connection timed out",
            "ETIMEDOUT",
            "errno 110",
            "-116 (ETIMEDOUT of newlib and picolibc)",
            "er_timeout",
            "Operation timed out",
        ],
        proofs: &[
            Proof::SetUp("tcp-silent"),
            Proof::Capture("syn-silent"),
            Proof::Code("ConnectTimeout"),
        ],
        sources: &["https://github.com/Azure/iot-edge-opc-proxy/issues/14"],
    },
    Finding {
        id: "TP-TCP-014",
        rung: Rung::Tcp,
        side: Side::Network,
        cause: "this port is blocked: port 443 of the same host answers",
        fix: "Use MQTT over WebSocket on port 443, or have the port allowed.",
        about: "The host is there and reachable, only not on this port. Company networks, guest networks and some mobile ones let ports 80 and 443 out and drop the rest, 8883 among them. MQTT over WebSocket on 443 was made for \
                that.",
        decided_by: "No answer or a refusal on the port, and an answer on 443 of the same host in the same minute. If 443 is as silent, it is TP-TCP-013 or TP-TCP-010. A refusal may also mean that the server does not listen there: \
                     a try from another network decides.",
        remedies: &[
            linux(
                "Azure's hub has the path /$iothub/websocket, many brokers /mqtt.",
                "towpath doctor wss://broker.example.com/mqtt",
            ),
            zephyr(
                "",
                "CONFIG_HTTP_CLIENT=y\nCONFIG_WEBSOCKET_CLIENT=y\nCONFIG_MQTT_LIB_WEBSOCKET=y",
            ),
            esp_idf(
                "Use a wss:// URI.",
                "CONFIG_MQTT_TRANSPORT_WEBSOCKET=y\nCONFIG_MQTT_TRANSPORT_WEBSOCKET_SECURE=y",
            ),
            network(
                "Allow outgoing TCP to port 8883 of the broker.",
                "nft add rule inet filter forward ip daddr 192.0.2.10 tcp dport 8883 accept",
            ),
        ],
        administrator: "Please allow outgoing TCP connections to port 8883 of our broker, beside port 443 which works.",
        symptoms: &["er_timeout", "Connection timed out", "ETIMEDOUT on 8883"],
        proofs: &[Proof::SetUp("tcp-port-blocked")],
        sources: &["https://github.com/Azure/iot-edge-opc-proxy/issues/14"],
    },
    Finding {
        id: "TP-TCP-015",
        rung: Rung::Tls,
        side: Side::Network,
        cause: "small packets pass, large ones vanish: the path's MTU is smaller than announced, and nothing says so",
        fix: "Give --mss (1200, or 400 if that is too much), or let the router clamp the MSS to its path's MTU.",
        about: "A tunnel or a mobile link on the way carries smaller packets than the ends believe. The router there should say so by ICMP; when a firewall drops that, large packets are lost without a trace. The connection is made at once, \
                small questions are answered, and then the first large message (a long ClientHello, the server's certificates) never arrives.",
        decided_by: "TCP connects in one round trip, small messages pass, and a flight of more than some 500 to 1400 bytes is repeated without an answer; with a smaller segment size the same connection works. If small ones are lost too, it is \
                     TP-TLS-002.",
        remedies: &[
            linux(
                "Smaller segments on this side.",
                "towpath doctor --mss 1200 URL",
            ),
            network(
                "Clamp the MSS where the narrow link begins.",
                "iptables -t mangle -A FORWARD -p tcp --tcp-flags SYN,RST SYN -j TCPMSS --clamp-mss-to-pmtu",
            ),
            network(
                "Let \"fragmentation needed\" and \"packet too big\" through.",
                "nft add rule inet filter forward icmp type destination-unreachable accept\nnft add rule inet filter forward icmpv6 type packet-too-big accept",
            ),
            esp_idf(
                "Smaller segments of this device.",
                "CONFIG_LWIP_TCP_MSS=1200",
            ),
        ],
        administrator: "Please let ICMP \"fragmentation needed\" and ICMPv6 \"packet too big\" through, or clamp the TCP MSS at the tunnel.",
        symptoms: &[
            "hangs after ClientHello",
            "connects and then times out in the TLS handshake",
            "works with curl, not with a large ClientHello",
        ],
        proofs: &[
            Proof::SetUp("tcp-large-lost"),
            Proof::Capture("large-lost"),
            Proof::Code("LargePacketsLost"),
        ],
        sources: &["https://github.com/Start9Labs/start-technologies/pull/3262"],
    },
    Finding {
        id: "TP-TCP-016",
        rung: Rung::Tcp,
        side: Side::Device,
        cause: "the SYN carries ECE and CWR and gets no answer: it comes from OpenThread's TCP, not from Zephyr's",
        fix: "Use Zephyr's own TCP (CONFIG_NET_TCP=y), or let the middlebox pass SYNs with ECN.",
        about: "ECE and CWR on a SYN ask for congestion notification. Zephyr's TCP does not set them; the TCP that comes with OpenThread (TCPlp) does, on its first SYN and on the next three. So the program runs over \
                another stack than was thought, and some old firewalls drop such SYNs, which costs the first four of them.",
        decided_by: "SYN with the flags E and W (ECE, CWR) from the device, no answer. That it is OpenThread's stack is certain from the flags; that a middlebox drops them for that is likely, and a SYN without them that is answered \
                     decides.",
        remedies: &[
            zephyr(
                "Sockets over Zephyr's TCP; OpenThread's own is not needed for MQTT.",
                "CONFIG_NET_TCP=y\nCONFIG_NET_SOCKETS=y\nCONFIG_OPENTHREAD_TCP_ENABLE=n",
            ),
            network(
                "Let SYNs with ECE and CWR pass; they are ordinary (RFC 3168).",
                "",
            ),
            linux(
                "See the flags: [SEW].",
                "tcpdump -ni any 'tcp[13] & 0xc2 = 0xc2'",
            ),
        ],
        administrator: "Please let TCP connections with ECN (ECE and CWR set on the SYN) through the firewall.",
        symptoms: &["Flags [SEW]", "SYN, ECE, CWR", "[SYN, ECN, CWR]"],
        proofs: &[Proof::Capture("ecn-syn"), Proof::Log("tcpdump-ecn-syn.log")],
        sources: &["https://devzone.nordicsemi.com/f/nordic-q-a/110551/mqtt-over-thread/494261"],
    },
    Finding {
        id: "TP-TCP-017",
        rung: Rung::Tcp,
        side: Side::Network,
        cause: "one address family to the server is dead, the other works",
        fix: "Mend or withdraw the dead family: clients that try it first wait for nothing.",
        about: "The server has IPv4 and IPv6 addresses, and through one of them nothing comes. towpath tries both side by side and gets through; a device that tries one after the other waits until the first gives up, and \
                one that tries only the first fails.",
        decided_by: "Addresses of both families were tried: one connected, the other did not answer. It is a warning.",
        remedies: &[
            linux(
                "Hold a simple client to the family that works.",
                "towpath doctor -4 URL",
            ),
            network(
                "Mend the route of the dead family, or do not announce it.",
                "ping -6 -c 3 broker.example.com\nping -4 -c 3 broker.example.com",
            ),
            server(
                "Listen on both families, or take the address out of the DNS.",
                "# mosquitto.conf\nlistener 8883 ::",
            ),
        ],
        administrator: "Please check IPv6 in this network: addresses are handed out, but the internet is not reached with them.",
        symptoms: &["connecting takes seconds", "works with -4"],
        proofs: &[Proof::SetUp("tcp-dead-family")],
        sources: &[],
    },
    Finding {
        id: "TP-TCP-018",
        rung: Rung::Tcp,
        side: Side::Device,
        cause: "the source address that was chosen has no way to the server",
        fix: "Choose another source address, or give the interface a route.",
        about: "With --bind the connection starts from a chosen address. The address exists, but its interface does not lead to the server: the other one has the default route, or the router drops what comes from the wrong side.",
        decided_by: "With the chosen source nothing answers, and without it the server does. An address that does not exist here is TP-DEV-024.",
        remedies: &[linux(
            "Leave --bind away, or route by source address.",
            "ip rule add from 192.0.2.7 table 100\nip route add default via 192.0.2.1 dev wwan0 table 100",
        )],
        administrator: "",
        symptoms: &["works without --bind"],
        proofs: &[Proof::SetUp("tcp-bound-source")],
        sources: &[],
    },
];
