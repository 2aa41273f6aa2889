//! Findings of the family `PROXY`: HTTP and SOCKS proxies, and those that nobody chose.

use towpath_proto::Rung;

use super::{linux, network};
use crate::{Finding, Proof, Side};

pub(super) const FINDINGS: &[Finding] = &[
    Finding {
        id: "TP-PROXY-001",
        rung: Rung::Proxy,
        side: Side::Device,
        cause: "the proxy can't be asked for this",
        fix: "Change what is named here: a host name that is too long, or characters that the proxy's protocol can't carry.",
        about: "A SOCKS request has one byte for the length of a name, user or password, and an HTTP request can carry no line breaks or control characters. What was given does not fit, so nothing is sent.",
        decided_by: "It is said before the request to the proxy, and names the part.",
        remedies: &[linux(
            "Correct the host name, or the file with the proxy's password.",
            "towpath doctor --proxy http://proxy.example:3128 --proxy-user NAME --proxy-password-file FILE URL",
        )],
        administrator: "",
        symptoms: &["ProxyName"],
        proofs: &[Proof::SetUp("proxy-name"), Proof::Code("ProxyName")],
        sources: &[],
    },
    Finding {
        id: "TP-PROXY-002",
        rung: Rung::Proxy,
        side: Side::Device,
        cause: "what answers is no proxy of this kind",
        fix: "Check the proxy's scheme (http:// or socks5://), host and port.",
        about: "Something answered at the proxy's address, in a way that no proxy of this kind does: a web server that does not know CONNECT, a SOCKS proxy that was spoken to in HTTP, or a proxy that wants TLS.",
        decided_by: "The answer to CONNECT or to the SOCKS greeting is none: another protocol, or 400, 404, 405, 501 of a web server. A proxy that refuses is TP-PROXY-005.",
        remedies: &[
            linux(
                "See who is there.",
                "curl -v --proxy http://proxy.example:3128 https://example.com/",
            ),
            linux(
                "A SOCKS proxy is given by its scheme.",
                "towpath doctor --proxy socks5://proxy.example:1080 URL",
            ),
        ],
        administrator: "Please tell us the kind (HTTP or SOCKS5), host and port of the proxy for devices.",
        symptoms: &[
            "Received HTTP code 405 from proxy after CONNECT",
            "unexpected SOCKS version",
            "Proxy CONNECT aborted",
        ],
        proofs: &[Proof::SetUp("proxy-web-server"), Proof::Code("NotProxy")],
        sources: &[],
    },
    Finding {
        id: "TP-PROXY-003",
        rung: Rung::Proxy,
        side: Side::Proxy,
        cause: "the proxy does not answer",
        fix: "The proxy is overloaded or can't reach the server; look at its log.",
        about: "The connection to the proxy stands, and it has not answered the request to open one to the server. Most proxies answer only when they have tried, so a server that is silent behind the proxy looks like this too.",
        decided_by: "Connected to the proxy, request sent, nothing until the time is up. A connection to the proxy itself that is not made is TP-TCP-013; 504 from the proxy is TP-PROXY-008.",
        remedies: &[
            network(
                "squid: look at the log, and let it give up sooner than its clients.",
                "# squid.conf\nconnect_timeout 8 seconds",
            ),
            linux(
                "Ask through the proxy for something else.",
                "curl -v --proxy http://proxy.example:3128 https://example.com/",
            ),
        ],
        administrator: "Please look in the proxy's log whether it reaches our broker's name and port, and how long that takes.",
        symptoms: &["Proxy CONNECT timed out", "ProxyTimeout"],
        proofs: &[Proof::SetUp("proxy-silent"), Proof::Code("ProxyTimeout")],
        sources: &[],
    },
    Finding {
        id: "TP-PROXY-004",
        rung: Rung::Proxy,
        side: Side::Proxy,
        cause: "the proxy closed the connection without an answer",
        fix: "Check the proxy's scheme and port, and its access rules.",
        about: "The proxy took the connection and ended it without a word. It may be of another kind (SOCKS, or HTTP over TLS), may not serve this device's address, or close what it takes for no web traffic.",
        decided_by: "FIN or RST from the proxy before its answer. An answer that refuses is TP-PROXY-005.",
        remedies: &[
            network(
                "squid: allow the device's network before the last deny.",
                "# squid.conf\nacl devices src 192.0.2.0/24\nhttp_access allow devices",
            ),
            linux(
                "Try the other kind.",
                "towpath doctor --proxy socks5://proxy.example:1080 URL",
            ),
        ],
        administrator: "Please allow this device's address in the proxy's access rules.",
        symptoms: &["Proxy CONNECT aborted", "Empty reply from proxy"],
        proofs: &[Proof::SetUp("proxy-closes"), Proof::Code("ProxyClosed")],
        sources: &[],
    },
    Finding {
        id: "TP-PROXY-005",
        rung: Rung::Proxy,
        side: Side::Proxy,
        cause: "the proxy forbids the connection",
        fix: "Have the server's name and port allowed in the proxy's rules; many allow port 443 only.",
        about: "The proxy says 403 (or SOCKS says that its rules forbid it). Its rules list names and ports, and squid's usual ones allow CONNECT to port 443 only, so 8883 is refused where wss on 443 would pass.",
        decided_by: "403 to CONNECT. 407 is about credentials (TP-PROXY-006, TP-PROXY-007), 502 to 504 about the server behind (TP-PROXY-008).",
        remedies: &[
            network(
                "squid: allow the port for CONNECT.",
                "# squid.conf\nacl SSL_ports port 443 8883\nacl Safe_ports port 8883",
            ),
            linux(
                "Use port 443.",
                "towpath doctor --proxy http://proxy.example:3128 wss://broker.example.com/mqtt",
            ),
        ],
        administrator: "Please allow CONNECT to our broker's name on port 443 (and 8883 if possible) in the proxy's rules.",
        symptoms: &[
            "Received HTTP code 403 from proxy after CONNECT",
            "TCP_DENIED/403",
            "ERR_ACCESS_DENIED",
        ],
        proofs: &[Proof::SetUp("proxy-403"), Proof::Code("ProxyRefused")],
        sources: &[],
    },
    Finding {
        id: "TP-PROXY-006",
        rung: Rung::Proxy,
        side: Side::Account,
        cause: "the proxy does not take these credentials",
        fix: "Check user and password of the proxy.",
        about: "The proxy asked for credentials, got some, and asks again. The user does not exist there, the password is another one or has ended, or a domain belongs before the user's name.",
        decided_by: "407 to a request that carried credentials. They are sent once only, because accounts lock. Without any credentials the first 407 is TP-PROXY-013.",
        remedies: &[linux(
            "The password is read from a file, without the line end.",
            "towpath doctor --proxy http://proxy.example:3128 --proxy-user NAME --proxy-password-file FILE URL",
        )],
        administrator: "Please check the proxy account of this device, and whether it is locked.",
        symptoms: &["407 Proxy Authentication Required", "TCP_DENIED/407"],
        proofs: &[
            Proof::SetUp("proxy-password"),
            Proof::Code("ProxyAuthFailed"),
        ],
        sources: &[],
    },
    Finding {
        id: "TP-PROXY-007",
        rung: Rung::Proxy,
        side: Side::Proxy,
        cause: "the proxy offers only kinds of authentication that are not known here",
        fix: "Let the proxy offer Basic or Digest to this device.",
        about: "Company proxies like to ask for Negotiate or NTLM, which log the machine's user in by Windows. Devices have no such user, and most device libraries know Basic or Digest at best.",
        decided_by: "407 whose Proxy-Authenticate headers name neither Basic nor Digest.",
        remedies: &[
            network(
                "squid: offer Basic or Digest to the devices, or let their addresses pass without.",
                "# squid.conf\nacl devices src 192.0.2.0/24\nhttp_access allow devices",
            ),
            linux(
                "A relay that speaks NTLM to the proxy, such as cntlm, can stand between.",
                "towpath doctor --proxy http://localhost:3128 URL",
            ),
        ],
        administrator: "Please let devices pass the proxy by Basic or Digest authentication, or by their address: they can't do Negotiate or NTLM.",
        symptoms: &[
            "Proxy-Authenticate: Negotiate",
            "Proxy-Authenticate: NTLM",
            "407 Proxy Authentication Required",
        ],
        proofs: &[Proof::SetUp("proxy-ntlm"), Proof::Code("ProxyAuthScheme")],
        sources: &[],
    },
    Finding {
        id: "TP-PROXY-008",
        rung: Rung::Proxy,
        side: Side::Proxy,
        cause: "the proxy can't reach the server",
        fix: "Check the server's name and port, and from the proxy's network.",
        about: "The proxy tried and says that it failed: 502, 503 or 504. It resolves the name by its own DNS and goes through its own firewall, so what works from this machine says little about it.",
        decided_by: "502, 503 or 504 to CONNECT; the proxy's page often says whether it was the name, the refusal or the time. The proxy itself works.",
        remedies: &[
            network(
                "On the proxy's machine:",
                "dig broker.example.com\ncurl -v telnet://broker.example.com:8883",
            ),
            network(
                "squid's log has the reason.",
                "tail -f /var/log/squid/access.log",
            ),
        ],
        administrator: "Please check from the proxy's machine whether it resolves our broker's name and reaches its port.",
        symptoms: &[
            "Received HTTP code 503 from proxy after CONNECT",
            "ERR_DNS_FAIL",
            "ERR_CONNECT_FAIL",
            "502 Bad Gateway",
        ],
        proofs: &[Proof::SetUp("proxy-502"), Proof::Code("ProxyBadGateway")],
        sources: &[],
    },
    Finding {
        id: "TP-PROXY-009",
        rung: Rung::Proxy,
        side: Side::Proxy,
        cause: "the proxy did not open the connection",
        fix: "Look at the proxy's log.",
        about: "The proxy answered with a status that is neither yes nor one of the usual noes, such as 429 for too many requests.",
        decided_by: "A status other than 2xx, 403, 407 and 502 to 504 from something that is a proxy.",
        remedies: &[network(
            "Look for the status in the proxy's log.",
            "tail -f /var/log/squid/access.log",
        )],
        administrator: "Please look in the proxy's log why it answers our CONNECT with this status.",
        symptoms: &["Received HTTP code 429 from proxy after CONNECT"],
        proofs: &[Proof::SetUp("proxy-429"), Proof::Code("ProxyStatus")],
        sources: &[],
    },
    Finding {
        id: "TP-PROXY-010",
        rung: Rung::Proxy,
        side: Side::Proxy,
        cause: "the SOCKS proxy did not open the connection",
        fix: "Look at the reason; the proxy's rules, or the server's name and port.",
        about: "A SOCKS proxy answers with a number: its rules forbid it (2), the network or host is unreachable (3, 4), the server refused (5), or it failed in general (1).",
        decided_by: "The reply code of SOCKS5. 2 is about rules, 3 to 5 about the server behind the proxy.",
        remedies: &[
            network(
                "Dante: allow the server and port.",
                "# danted.conf\nsocks pass {\n  from: 192.0.2.0/24 to: 0.0.0.0/0 port = 8883\n  command: connect\n}",
            ),
            linux(
                "Try from the same proxy with another program.",
                "curl -v --proxy socks5h://proxy.example:1080 telnet://broker.example.com:8883",
            ),
        ],
        administrator: "Please allow connections to our broker's name and port in the SOCKS proxy's rules.",
        symptoms: &[
            "Can't complete SOCKS5 connection",
            "SOCKS5 reply 2",
            "not allowed by its rules",
        ],
        proofs: &[Proof::SetUp("proxy-socks-rule"), Proof::Code("SocksFailed")],
        sources: &[],
    },
    Finding {
        id: "TP-PROXY-011",
        rung: Rung::Proxy,
        side: Side::Device,
        cause: "the SOCKS proxy takes none of the offered authentication methods",
        fix: "Give the proxy's user and password, or none if it wants none.",
        about: "A SOCKS client offers the ways in which it can log in, and the proxy picks one. This one took none: it wants a user and password where none was given, or something else such as GSSAPI.",
        decided_by: "Method 0xff in the proxy's first answer. Credentials that were sent and refused are TP-PROXY-012.",
        remedies: &[
            linux(
                "Give the credentials.",
                "towpath doctor --proxy socks5://proxy.example:1080 --proxy-user NAME --proxy-password-file FILE URL",
            ),
            network(
                "Dante: which methods are taken.",
                "# danted.conf\nsocksmethod: username none",
            ),
        ],
        administrator: "Please tell us whether the SOCKS proxy wants a user and password from devices.",
        symptoms: &[
            "No authentication method was acceptable",
            "SOCKS5 method 0xff",
        ],
        proofs: &[
            Proof::SetUp("proxy-socks-method"),
            Proof::Code("SocksMethod"),
        ],
        sources: &[],
    },
    Finding {
        id: "TP-PROXY-012",
        rung: Rung::Proxy,
        side: Side::Account,
        cause: "the SOCKS proxy does not take these credentials",
        fix: "Check user and password of the proxy.",
        about: "The SOCKS proxy asked for user and password (RFC 1929) and refused what it got. It says no more than that.",
        decided_by: "A status other than 0 in the answer to user and password. They are sent once only.",
        remedies: &[linux(
            "The password is read from a file, without the line end.",
            "towpath doctor --proxy socks5://proxy.example:1080 --proxy-user NAME --proxy-password-file FILE URL",
        )],
        administrator: "Please check the SOCKS account of this device, and whether it is locked.",
        symptoms: &["User was rejected by the SOCKS5 server"],
        proofs: &[
            Proof::SetUp("proxy-socks-password"),
            Proof::Code("SocksAuthFailed"),
        ],
        sources: &[],
    },
    Finding {
        id: "TP-PROXY-013",
        rung: Rung::Proxy,
        side: Side::Device,
        cause: "a proxy asks for credentials",
        fix: "Give the proxy's user and password.",
        about: "Something on the way wants to know who this is: the proxy that was given, or one that nobody chose and that answers in the server's place (a transparent proxy). It says 407.",
        decided_by: "407, and no credentials were sent. As an answer to the upgrade request of a plain ws:// URL it comes from a proxy that was not configured. After credentials it is TP-PROXY-006.",
        remedies: &[
            linux(
                "Give the credentials.",
                "towpath doctor --proxy http://proxy.example:3128 --proxy-user NAME --proxy-password-file FILE URL",
            ),
            network(
                "squid: let the devices pass without.",
                "# squid.conf\nacl devices src 192.0.2.0/24\nhttp_access allow devices",
            ),
        ],
        administrator: "Please give this device an account at the proxy, or let its address pass without one.",
        symptoms: &["407 Proxy Authentication Required", "HTTP 407"],
        proofs: &[
            Proof::SetUp("proxy-407"),
            Proof::Lab("upgrade-status=407"),
            Proof::Code("ProxyAuthRequired"),
        ],
        sources: &[],
    },
    Finding {
        id: "TP-PROXY-014",
        rung: Rung::Tls,
        side: Side::Proxy,
        cause: "something between inspects TLS: the server's certificate is signed by its own CA",
        fix: "Have the broker's name exempted from TLS inspection.",
        about: "Company networks open TLS on the way: a box answers in the server's name, with a certificate of the company's own CA, and makes a second connection to the server. Computers of the company trust that CA, devices do not. Trusting it \
                makes the handshake work, but a client certificate can't pass through, so logging in by X.509 still fails behind such a box.",
        decided_by: "The certificate is for the right name and its issuer is none that the server uses: a product's or the company's name (Zscaler, Fortinet, SSLInspect). Seen from another network the same server shows \
                     another issuer. An unknown CA without such signs is TP-TLS-013.",
        remedies: &[
            network(
                "squid: pass the broker through unopened.",
                "# squid.conf\nacl broker ssl::server_name .azure-devices.net .azure-devices-provisioning.net\nssl_bump splice broker",
            ),
            linux(
                "See who signed it.",
                "openssl s_client -connect HOST:PORT -servername HOST </dev/null | openssl x509 -noout -issuer",
            ),
            linux(
                "Where no client certificate is used, the company's CA can be trusted beside the others.",
                "towpath doctor --cafile roots-and-company.pem URL",
            ),
        ],
        administrator: "Please exempt our broker's name (for Azure *.azure-devices.net and *.azure-devices-provisioning.net) from TLS inspection: devices log in with their own certificates, which inspection breaks.",
        symptoms: &[
            "unable to get local issuer certificate",
            "self-signed certificate in certificate chain",
            "Zscaler Intermediate Root CA",
            "SSLInspect",
            "FortiGate CA",
        ],
        proofs: &[Proof::SetUp("proxy-inspects")],
        sources: &[
            "https://github.com/Azure/azure-iot-explorer/issues/604",
            "https://github.com/Azure/iotedge/issues/6877",
            "https://github.com/Azure/iotedge/issues/6291",
            "https://github.com/umati/Dashboard-OPCUA-Client/issues/376",
        ],
    },
    Finding {
        id: "TP-PROXY-015",
        rung: Rung::Tcp,
        side: Side::Device,
        cause: "the direct way is closed, and the proxy that the environment names leads through",
        fix: "Give the proxy with --proxy, or in the device's config.",
        about: "This network lets traffic out through its proxy only, and the environment (https_proxy, all_proxy) says which. The client was not told: its library does not read the environment, or nobody set the proxy in the device's \
                config.",
        decided_by: "Nothing answers directly, and the same climb through the environment's proxy gets further. If it fails there as well, the proxy's own finding is the answer.",
        remedies: &[
            linux(
                "Take the environment's proxy.",
                "towpath doctor --proxy \"$https_proxy\" URL",
            ),
            linux(
                "Node: give the SDK an agent: client.setOptions({ mqtt: { webSocketAgent: agent } }).",
                "",
            ),
        ],
        administrator: "",
        symptoms: &[
            "works in the browser, times out in the program",
            "connect failure 10060",
        ],
        proofs: &[Proof::SetUp("proxy-in-environment")],
        sources: &["https://github.com/Azure/azure-iot-sdk-node/issues/394"],
    },
    Finding {
        id: "TP-PROXY-016",
        rung: Rung::Proxy,
        side: Side::Proxy,
        cause: "past the proxy it works, so the proxy is what breaks it",
        fix: "Go without the proxy, or have it mended.",
        about: "The same server is reached directly, and through the proxy that was set it is not. Proxies that are meant for web pages break long connections, other ports and WebSockets.",
        decided_by: "The climb through the proxy fails, the direct one gets further in the same minute. Where a proxy refuses with a reason of its own (403, 407), that is said instead.",
        remedies: &[
            linux(
                "Leave --proxy away, or exempt the broker from the environment's proxy.",
                "export no_proxy=broker.example.com",
            ),
            network(
                "Let the proxy pass CONNECT to the broker without looking into it or ending idle connections.",
                "# squid.conf\nread_timeout 1 hour",
            ),
        ],
        administrator: "Please look in the proxy's log what it does to connections to our broker: directly they work.",
        symptoms: &["works without the proxy"],
        proofs: &[Proof::SetUp("proxy-breaks")],
        sources: &["https://github.com/Azure/azure-iot-sdk-csharp/issues/2242"],
    },
];
