//! Findings of the family `DEV` about the network stack of the build: TCP, DNS, sockets, transports.

use towpath_proto::Rung;

use crate::catalogue::{esp_idf, linux, zephyr};
use crate::{Finding, Proof, Side};

pub(in crate::catalogue) const FINDINGS: &[Finding] = &[
    Finding {
        id: "TP-DEV-001",
        rung: Rung::Tcp,
        side: Side::Device,
        cause: "the build has no TCP, so the socket for MQTT can't be made",
        fix: "Set CONFIG_NET_TCP=y.",
        about: "Zephyr refuses a stream socket with EPROTOTYPE when its own TCP is not in the build. With \
                Thread this surprises: OpenThread brings a TCP of its own (TCPlp), but Zephyr's sockets do \
                not use it, and the OpenThread samples do not switch Zephyr's on. The name was \
                resolved and not one packet to the broker was sent.",
        decided_by: "EPROTOTYPE comes back from socket() or mqtt_connect() at once, with no packet on the air, \
                     or the build says CONFIG_NET_TCP=n. Neighbours of the same call: EPROTONOSUPPORT is \
                     missing TLS (TP-DEV-004), EPFNOSUPPORT or EAFNOSUPPORT a missing address family (TP-DEV-005). \
                     In the nRF91's modem library the number 41 is EPROTOTYPE too, and there it came from \
                     asking for a version of TLS that the modem lacks.",
        remedies: &[zephyr(
            "Put Zephyr's own TCP into the build; on Thread it runs over OpenThread's link layer.",
            "CONFIG_NETWORKING=y\nCONFIG_NET_TCP=y\nCONFIG_NET_SOCKETS=y",
        )],
        administrator: "",
        symptoms: &[
            "mqtt_connect: -EPROTOTYPE",
            "EPROTOTYPE",
            "-107 (EPROTOTYPE of newlib and picolibc)",
            "-41 (EPROTOTYPE of nrfxlib)",
            "STREAM socket type disabled.",
        ],
        proofs: &[
            Proof::Log("zephyr-eprototype.log"),
            Proof::Lint("no-tcp"),
            Proof::Code("EPROTOTYPE"),
        ],
        sources: &[
            "https://devzone.nordicsemi.com/f/nordic-q-a/110551/mqtt-over-thread/485109",
            "https://github.com/nrf-rs/nrfxlib/issues/19",
        ],
    },
    Finding {
        id: "TP-DEV-002",
        rung: Rung::Dns,
        side: Side::Device,
        cause: "the build has no DNS resolver, so every host name is unknown",
        fix: "Set CONFIG_DNS_RESOLVER=y and name a DNS server.",
        about: "Without CONFIG_DNS_RESOLVER Zephyr's getaddrinfo() still exists, but it reads address literals \
                only and answers -2 (DNS_EAI_NONAME) for each name. OpenThread's DNS client is another one: \
                otDnsClientResolveIp4Address() or `dns resolve4` may give the address while getaddrinfo() does not.",
        decided_by: "getaddrinfo() answers -2 for every name at once, and no DNS question leaves the device; or the \
                     build says CONFIG_DNS_RESOLVER=n. With a resolver but no server the answer is -11 and EINVAL \
                     (TP-DEV-003). A name that really does not exist (TP-DNS-005) needs a round trip first.",
        remedies: &[
            zephyr(
                "Put the resolver into the build and name a DNS server that the device can reach. On Thread that is \
                 an IPv6 address: the border router's, or a public one behind NAT64.",
                "CONFIG_DNS_RESOLVER=y\n\
                 CONFIG_DNS_SERVER_IP_ADDRESSES=y\n\
                 CONFIG_DNS_SERVER1=\"2001:db8::53\"",
            ),
            zephyr(
                "Or, on Thread, resolve in the program with otDnsClientResolveIp4Address(): it makes the NAT64 address \
                 of a broker that has IPv4 only. Connect to that address and leave the host name to TLS.",
                "",
            ),
        ],
        administrator: "",
        symptoms: &[
            "getaddrinfo() returns -2",
            "getaddrinfo failed: -2",
            "DNS_EAI_NONAME",
            "getaddrinfo: -ENOENT for AF_INET and AF_INET6",
        ],
        proofs: &[
            Proof::Log("zephyr-no-resolver.log"),
            Proof::Lint("no-resolver"),
            Proof::Code("getaddrinfo -2"),
        ],
        sources: &[
            "https://devzone.nordicsemi.com/f/nordic-q-a/110551/mqtt-over-thread/485109",
            "https://github.com/nrfconnect/sdk-nrf/pull/28703",
        ],
    },
    Finding {
        id: "TP-DEV-003",
        rung: Rung::Dns,
        side: Side::Device,
        cause: "the build has a DNS resolver and no DNS server",
        fix: "Name a DNS server: CONFIG_DNS_SERVER_IP_ADDRESSES=y and CONFIG_DNS_SERVER1.",
        about: "The resolver starts with an empty list, says \"No DNS servers defined\", and each getaddrinfo() ends \
                with -11 (DNS_EAI_SYSTEM) and errno EINVAL. DHCP and router advertisements fill the list only where \
                those are in the build; Zephyr does not learn a server from a Thread border router.",
        decided_by: "-11 together with errno 22 (EINVAL), or the line \"No DNS servers defined\". -11 with errno 2 means \
                     that the questions could not be sent: look for a route (TP-ADDR-001). -2 is a build without \
                     resolver (TP-DEV-002).",
        remedies: &[zephyr(
            "Write a server into the build; take the ones of DHCP or of router advertisements too if there are any.",
            "CONFIG_DNS_SERVER_IP_ADDRESSES=y\n\
             CONFIG_DNS_SERVER1=\"2001:db8::53\"\n\
             CONFIG_NET_IPV6_RA_RDNSS=y",
        )],
        administrator: "",
        symptoms: &[
            "No DNS servers defined",
            "getaddrinfo() returns -11",
            "DNS_EAI_SYSTEM errno 22",
        ],
        proofs: &[
            Proof::Log("zephyr-no-dns-server.log"),
            Proof::Lint("no-dns-server"),
        ],
        sources: &["https://github.com/zephyrproject-rtos/zephyr/issues/65805"],
    },
    Finding {
        id: "TP-DEV-004",
        rung: Rung::Tls,
        side: Side::Device,
        cause: "the build has no TLS sockets",
        fix: "Set CONFIG_NET_SOCKETS_SOCKOPT_TLS=y and CONFIG_MQTT_LIB_TLS=y.",
        about: "Zephyr makes TLS a kind of socket (IPPROTO_TLS_1_2). Without CONFIG_NET_SOCKETS_SOCKOPT_TLS the request \
                falls through to plain sockets, which do not know that protocol and refuse it. Nothing is sent.",
        decided_by: "EPROTONOSUPPORT from socket() or mqtt_connect() at once, or the build says \
                     CONFIG_NET_SOCKETS_SOCKOPT_TLS=n while the URL wants TLS. EPROTOTYPE is a missing TCP (TP-DEV-001).",
        remedies: &[zephyr(
            "Put TLS sockets and Mbed TLS into the build.",
            "CONFIG_NET_SOCKETS_SOCKOPT_TLS=y\n\
             CONFIG_MQTT_LIB_TLS=y\n\
             CONFIG_MBEDTLS=y",
        )],
        administrator: "",
        symptoms: &[
            "mqtt_connect: -EPROTONOSUPPORT",
            "EPROTONOSUPPORT",
            "-123 (EPROTONOSUPPORT of newlib and picolibc)",
        ],
        proofs: &[
            Proof::Log("zephyr-eprotonosupport.log"),
            Proof::Lint("no-tls-sockets"),
            Proof::Code("EPROTONOSUPPORT"),
        ],
        sources: &["https://devzone.nordicsemi.com/f/nordic-q-a/110551/mqtt-over-thread/485109"],
    },
    Finding {
        id: "TP-DEV-005",
        rung: Rung::Address,
        side: Side::Device,
        cause: "the build lacks the address family of the server's address",
        fix: "Set CONFIG_NET_IPV6=y or CONFIG_NET_IPV4=y, whichever the address needs.",
        about: "A socket can be made only for an address family that is in the build. EPFNOSUPPORT says that IPv4 or \
                IPv6 is not compiled in; EAFNOSUPPORT often says that the address structure was never filled, because \
                the lookup before it failed and its result was used all the same.",
        decided_by: "EPFNOSUPPORT or EAFNOSUPPORT from socket() at once, or a build with one family and a server address of \
                     the other. If both families are in the build, look at the line before: a failed lookup is the \
                     cause then.",
        remedies: &[
            zephyr(
                "Put both families in, unless the memory is too small.",
                "CONFIG_NET_IPV4=y\nCONFIG_NET_IPV6=y",
            ),
            esp_idf(
                "IPv6 is on by default; somebody switched it off.",
                "CONFIG_LWIP_IPV6=y",
            ),
        ],
        administrator: "",
        symptoms: &[
            "EPFNOSUPPORT",
            "EAFNOSUPPORT",
            "-96 (EPFNOSUPPORT of newlib and picolibc)",
            "-106 (EAFNOSUPPORT of newlib and picolibc)",
        ],
        proofs: &[
            Proof::Log("zephyr-epfnosupport.log"),
            Proof::Lint("no-ipv4"),
            Proof::Code("EPFNOSUPPORT"),
        ],
        sources: &["https://devzone.nordicsemi.com/f/nordic-q-a/110551/mqtt-over-thread/485109"],
    },
    Finding {
        id: "TP-DEV-006",
        rung: Rung::Tcp,
        side: Side::Device,
        cause: "the network stack has no connection context left",
        fix: "Raise CONFIG_NET_MAX_CONTEXTS and CONFIG_NET_MAX_CONN.",
        about: "Zephyr keeps a fixed number of contexts and connections; each DNS server, each socket and each listener \
                takes one. The build is too small for what the program opens, or sockets of failed attempts are never \
                closed, so that it works after a restart and fails some hours later.",
        decided_by: "The log names the symbol (\"Consider increasing CONFIG_NET_MAX_CONN\"), or socket() answers ENOENT \
                     although TCP is in the build. When a larger number only delays it, something leaks: close the socket \
                     of each failed attempt. ENFILE and ENOMEM are file descriptors (TP-DEV-007).",
        remedies: &[
            zephyr(
                "Count what is open at once (DNS, SNTP, MQTT, a shell) and leave room for two more.",
                "CONFIG_NET_MAX_CONTEXTS=16\nCONFIG_NET_MAX_CONN=16",
            ),
            esp_idf(
                "Each TCP connection and each socket counts.",
                "CONFIG_LWIP_MAX_ACTIVE_TCP=16\nCONFIG_LWIP_MAX_SOCKETS=16",
            ),
        ],
        administrator: "",
        symptoms: &[
            "Not enough connection contexts. Consider increasing CONFIG_NET_MAX_CONN",
            "net_conn_register(): -2",
        ],
        proofs: &[Proof::Log("zephyr-contexts.log")],
        sources: &["https://github.com/zephyrproject-rtos/zephyr/issues/95456"],
    },
    Finding {
        id: "TP-DEV-007",
        rung: Rung::Tcp,
        side: Side::Device,
        cause: "the device has no file descriptor left for another socket",
        fix: "Raise CONFIG_ZVFS_OPEN_MAX (CONFIG_POSIX_MAX_FDS before Zephyr 4.0).",
        about: "On Zephyr a secure WebSocket takes three descriptors: one for TCP, one for TLS, one for the WebSocket; \
                DNS, SNTP and the console take more. When the table is full, socket() fails before any packet. \
                Programs that forget to close after a failed attempt run into the same wall later.",
        decided_by: "ENFILE, EMFILE or ENOMEM from socket() with no packet sent, often only with wss and not with mqtts. A \
                     message about contexts is TP-DEV-006, one about TLS contexts TP-DEV-037.",
        remedies: &[
            zephyr(
                "The name of the setting depends on the version: before Zephyr 4.0 it is CONFIG_POSIX_MAX_FDS.",
                "CONFIG_ZVFS_OPEN_MAX=32",
            ),
            esp_idf(
                "Raise the number of sockets (at most 16 in most versions).",
                "CONFIG_LWIP_MAX_SOCKETS=16",
            ),
            linux(
                "Raise the limit of the shell or of the service (LimitNOFILE=).",
                "ulimit -n 4096",
            ),
        ],
        administrator: "",
        symptoms: &[
            "socket() failed: ENFILE",
            "ENFILE",
            "-23 (ENFILE)",
            "Too many open files",
        ],
        proofs: &[
            Proof::Log("zephyr-descriptors.log"),
            Proof::Lint("few-descriptors"),
            Proof::Code("ENFILE"),
        ],
        sources: &[
            "https://devzone.nordicsemi.com/f/nordic-q-a/118802",
            "https://github.com/zephyrproject-rtos/zephyr/pull/29748",
        ],
    },
    Finding {
        id: "TP-DEV-016",
        rung: Rung::Ws,
        side: Side::Device,
        cause: "the MQTT library of this build has no WebSocket transport",
        fix: "Switch MQTT over WebSocket on in the build, or use mqtts:// on port 8883.",
        about: "MQTT over WebSocket is a part of its own in the MQTT libraries of Zephyr and ESP-IDF, and it can be left \
                out. A program that asks for it then does not compile, refuses the scheme, or quietly takes another \
                transport.",
        decided_by: "The URL begins with ws or wss and the build says so, or the log refuses the scheme before a packet. If \
                     the GET is sent, the transport is there.",
        remedies: &[
            zephyr(
                "Put the WebSocket client and the transport of the MQTT library in.",
                "CONFIG_HTTP_CLIENT=y\nCONFIG_WEBSOCKET_CLIENT=y\nCONFIG_MQTT_LIB_WEBSOCKET=y",
            ),
            esp_idf(
                "The transports of ESP-MQTT.",
                "CONFIG_WS_TRANSPORT=y\n\
                 CONFIG_MQTT_TRANSPORT_WEBSOCKET=y\n\
                 CONFIG_MQTT_TRANSPORT_WEBSOCKET_SECURE=y",
            ),
        ],
        administrator: "",
        symptoms: &[
            "CONFIG_MQTT_LIB_WEBSOCKET is not set",
            "There are no transports valid, stop mqtt client, config scheme = wss",
        ],
        proofs: &[
            Proof::Lint("no-websocket"),
            Proof::Log("esp-idf-no-websocket.log"),
        ],
        sources: &[
            "https://docs.zephyrproject.org/latest/connectivity/networking/api/websocket.html",
        ],
    },
    Finding {
        id: "TP-DEV-033",
        rung: Rung::Dns,
        side: Side::Device,
        cause: "the device looks an address literal up in DNS, and that fails",
        fix: "Use a firmware whose DNS64 client leaves literals alone, or give the broker by name.",
        about: "With ESP-IDF's OpenThread DNS64 client a hook repeats each lookup as one for IPv4, literals included. A \
                broker that is given by an IPv6 address can then not be \"resolved\", although nothing has to be resolved.",
        decided_by: "The broker is written as an IPv6 address, and still a resolver error comes (-6 in ESPHome's log). With a \
                     name the same device gets further.",
        remedies: &[esp_idf(
            "Where no IPv4 name has to be reached, leave the hook out; else update the component that installs it.",
            "CONFIG_OPENTHREAD_DNS64_CLIENT=n",
        )],
        administrator: "",
        symptoms: &["Error resolving broker IP address: -6"],
        proofs: &[Proof::Log("esphome-literal.log")],
        sources: &["https://github.com/esphome/esphome/pull/19269"],
    },
    Finding {
        id: "TP-DEV-034",
        rung: Rung::Proxy,
        side: Side::Device,
        cause: "a proxy is set, but this transport goes past it",
        fix: "Take the WebSocket transport (wss on port 443), which the proxy setting applies to.",
        about: "Several device SDKs honour their proxy setting for MQTT over WebSocket only: over plain TCP or TLS they \
                connect directly without a word. The firewall then drops what should have gone to the proxy, or everything works and \
                the proxy was never used.",
        decided_by: "A proxy is configured and the connection goes to the server's address, not to the proxy's. It can be read \
                     from the settings alone: a proxy together with a transport that is not WebSocket.",
        remedies: &[
            linux(
                "Azure's SDKs: choose MQTT over WebSocket (Mqtt_WebSocket_Only in C#, websockets=True in Python), in Node \
                 give the agent as webSocketAgent. towpath itself takes each scheme through a proxy.",
                "towpath doctor --proxy http://proxy.example:3128 URL",
            ),
            esp_idf(
                "ESP-MQTT has no proxy setting: put the device where it needs none, or a relay beside it.",
                "",
            ),
        ],
        administrator: "Please tell us whether devices may connect to port 8883 directly, or have to use the proxy.",
        symptoms: &["connect failure 10060", "proxy_data is ignored"],
        proofs: &[
            Proof::Log("azure-python-proxy.log"),
            Proof::Lint("proxy-ignored"),
        ],
        sources: &[
            "https://github.com/Azure/azure-iot-sdk-node/issues/394",
            "https://github.com/Azure/azure-iot-sdk-python/issues/222",
            "https://github.com/Azure/azure-iot-sdk-csharp/issues/2242",
        ],
    },
    Finding {
        id: "TP-DEV-037",
        rung: Rung::Tls,
        side: Side::Device,
        cause: "the build has fewer TLS sockets than the program opens",
        fix: "Raise CONFIG_NET_SOCKETS_TLS_MAX_CONTEXTS.",
        about: "Zephyr keeps a fixed number of TLS contexts, one by default. A second secure connection, such as a \
                provisioning service beside the hub or an update beside MQTT, finds none; so does a retry when the socket of the \
                attempt before was not closed.",
        decided_by: "socket() with a TLS protocol answers ENOMEM while plain sockets can still be made, or the log says that \
                     no TLS context could be allocated.",
        remedies: &[zephyr(
            "One for each secure connection that is open at the same time; each needs its buffers on the heap of Mbed TLS.",
            "CONFIG_NET_SOCKETS_TLS_MAX_CONTEXTS=2",
        )],
        administrator: "",
        symptoms: &["Failed to allocate TLS context", "socket() failed: ENOMEM"],
        proofs: &[
            Proof::Log("zephyr-tls-contexts.log"),
            Proof::Lint("few-tls-contexts"),
        ],
        sources: &["https://github.com/zephyrproject-rtos/zephyr/pull/29748"],
    },
];
