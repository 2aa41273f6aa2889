//! Findings of the HTTP upgrade: an HTTP status in place of 101, and requests that a server answers so.

use towpath_proto::Rung;

use super::{esp_idf, linux, network, server, zephyr};
use crate::{Finding, Proof, Side};

pub(super) const FINDINGS: &[Finding] = &[
    Finding {
        id: "TP-UPG-003",
        rung: Rung::Upgrade,
        side: Side::Server,
        cause: "the server did not switch to WebSocket",
        fix: "Check the path of the URL: there is no WebSocket.",
        about: "The server answered with an ordinary status, often 200 with a web page. It knows \
                the path but serves something else there, or its proxy dropped the Upgrade \
                header and it saw a plain GET.",
        decided_by: "A status that is neither 101 nor one with an entry of its own. 200 with \
                     text/html is a page; the Server header names who answered.",
        remedies: &[
            linux(
                "Try the paths that brokers use.",
                "towpath doctor wss://broker.example/mqtt\n\
                 towpath doctor wss://broker.example/ws",
            ),
            server(
                "nginx has to pass the upgrade on.",
                "location /mqtt {\n\
                     proxy_pass http://127.0.0.1:8080;\n\
                     proxy_http_version 1.1;\n\
                     proxy_set_header Upgrade $http_upgrade;\n\
                     proxy_set_header Connection \"upgrade\";\n\
                 }",
            ),
            zephyr(
                "Write the path into the url field of struct websocket_request, such as /mqtt.",
                "",
            ),
            esp_idf("The path stands in the URI, or in broker.address.path.", ""),
        ],
        administrator: "",
        symptoms: &[
            "Unexpected response code: 200",
            "WebSocket handshake error, connection not upgraded",
            "HTTP 200",
        ],
        proofs: &[
            Proof::Lab("upgrade-status=200"),
            Proof::SetUp("upgrade-200"),
            Proof::Code("HTTP 200"),
        ],
        sources: &["https://github.com/moscajs/mosca/pull/44"],
    },
    Finding {
        id: "TP-UPG-011",
        rung: Rung::Upgrade,
        side: Side::Device,
        cause: "the server calls the upgrade request bad",
        fix: "Check path, query and subprotocol of the request.",
        about: "HTTP 400 to the upgrade. An IoT hub says it to a wrong path or subprotocol, \
                nginx to plain HTTP on its TLS port, other servers to a request line that they \
                can't read.",
        decided_by: "Status 400; the Server header tells who said it. If the hub's path gets a \
                     101 it is TP-UPG-023; \"sent to HTTPS port\" in the text is TP-TLS-048; a \
                     request line without a path is TP-UPG-026.",
        remedies: &[
            linux("See the answer.", "towpath doctor URL --verbose"),
            server(
                "An IoT hub wants this path and the subprotocol mqtt.",
                "wss://contoso.azure-devices.net/$iothub/websocket",
            ),
            zephyr(
                "For an IoT hub: url = \"/$iothub/websocket\" and optional_headers with \
                 \"Sec-WebSocket-Protocol: mqtt\" in struct websocket_request.",
                "",
            ),
            esp_idf(
                "For an IoT hub write /$iothub/websocket into the URI or into broker.address.path.",
                "",
            ),
        ],
        administrator: "",
        symptoms: &[
            "WS handshake resp 400",
            "HTTP 400",
            "Unexpected server response: 400",
            "BadRequest",
        ],
        proofs: &[
            Proof::Lab("upgrade-status=400"),
            Proof::SetUp("upgrade-400"),
            Proof::Code("HTTP 400"),
        ],
        sources: &[
            "https://github.com/MicrosoftDocs/azure-docs/issues/21306",
            "https://github.com/cesanta/mongoose/issues/1111",
        ],
    },
    Finding {
        id: "TP-UPG-012",
        rung: Rung::Upgrade,
        side: Side::Account,
        cause: "the server asks for HTTP credentials",
        fix: "Give the credentials that the server's front end wants, in a header.",
        about: "HTTP 401: something in front of the broker wants a login of its own before \
                MQTT's login is even seen. The MQTT user name and password do not count there.",
        decided_by: "Status 401 to the upgrade; WWW-Authenticate says which kind. A refused MQTT \
                     login comes later, as CONNACK (TP-MQTT-007).",
        remedies: &[
            linux(
                "Send what it wants, from a file because others can see a command line: towpath \
                 doctor URL --config broker.toml.",
                "[websocket]\n\
                 headers = { Authorization = \"Basic ...\" }",
            ),
            server("Or leave the login to MQTT; nginx:", "auth_basic off;"),
            esp_idf(
                "Add a header to the transport: esp_transport_ws_set_headers(ws, \
                 \"Authorization: ...\").",
                "",
            ),
        ],
        administrator: "",
        symptoms: &[
            "HTTP 401",
            "Unexpected server response: 401",
            "Unauthorized",
        ],
        proofs: &[
            Proof::Lab("upgrade-status=401"),
            Proof::SetUp("upgrade-401"),
            Proof::Code("HTTP 401"),
        ],
        sources: &[],
    },
    Finding {
        id: "TP-UPG-013",
        rung: Rung::Upgrade,
        side: Side::Account,
        cause: "the server forbids the upgrade",
        fix: "Check the path, the client certificate and the server's access list.",
        about: "HTTP 403: the front end knows the request and does not allow it. By address, by \
                a missing client certificate, or by the Origin header. A company's proxy says it \
                too, about hosts that it does not know.",
        decided_by: "Status 403. With TLS 1.3 and a client certificate first exclude TP-TLS-039 \
                     by one climb with TLS 1.2.",
        remedies: &[
            linux(
                "Bring the certificate, then with TLS 1.2.",
                "towpath doctor URL --cert device.pem --key device.key --tls-max 1.2",
            ),
            server(
                "Look into the front end's access rules; nginx:",
                "allow 192.0.2.0/24;",
            ),
            network(
                "If the status is a proxy's (see Server), allow the server there.",
                "",
            ),
        ],
        administrator: "Please allow HTTPS with WebSocket to this server; the proxy answers 403.",
        symptoms: &[
            "HTTP 403",
            "HTTP/1.0 403 Forbidden",
            "Unexpected server response: 403",
        ],
        proofs: &[
            Proof::Lab("upgrade-status=403"),
            Proof::SetUp("upgrade-403"),
            Proof::Code("HTTP 403"),
        ],
        sources: &[],
    },
    Finding {
        id: "TP-UPG-014",
        rung: Rung::Upgrade,
        side: Side::Device,
        cause: "the server has no such path",
        fix: "Check the path of the URL (often /mqtt), and that the port is the WebSocket one.",
        about: "HTTP 404. The port is served by a web server that has nothing at that path: the \
                broker's dashboard, or the site next to it. EMQX wants /mqtt on 8083 and 8084, \
                an IoT hub /$iothub/websocket; Mosquitto takes any path.",
        decided_by: "Status 404; the Server header names who answered. If another path of the \
                     same host is upgraded it is TP-UPG-023.",
        remedies: &[
            linux(
                "Try the usual path.",
                "towpath doctor wss://broker.example:8084/mqtt",
            ),
            server(
                "Set the path at the broker; EMQX:",
                "listeners.wss.default.websocket.mqtt_path = \"/mqtt\"",
            ),
            zephyr(
                "Write the path into the url field of struct websocket_request, such as /mqtt.",
                "",
            ),
            esp_idf(
                "Write the path into the URI or into broker.address.path, such as /mqtt.",
                "",
            ),
        ],
        administrator: "",
        symptoms: &["Unexpected response code: 404", "HTTP 404", "NotFound"],
        proofs: &[
            Proof::Lab("upgrade-status=404"),
            Proof::SetUp("upgrade-404"),
            Proof::Capture("upgrade-404"),
            Proof::Code("HTTP 404"),
            Proof::Log("node-ws-404.log"),
        ],
        sources: &[
            "https://github.com/mqttjs/MQTT.js/issues/990",
            "https://github.com/mqttjs/MQTT.js/issues/785",
        ],
    },
    Finding {
        id: "TP-UPG-016",
        rung: Rung::Upgrade,
        side: Side::Server,
        cause: "the server wants another protocol version",
        fix: "Have the server speak WebSocket version 13 (RFC 6455), or update it.",
        about: "HTTP 426 (Upgrade Required): the server knows the path and does not know this \
                version of the protocol, or it wants HTTP/2, or TLS. Servers from before 2011 \
                spoke drafts with other numbers.",
        decided_by: "Status 426; its Upgrade and Sec-WebSocket-Version headers say what it wants.",
        remedies: &[
            linux("See the answer.", "towpath doctor URL --verbose"),
            server("Update the WebSocket library of the server.", ""),
            esp_idf(
                "The transport speaks version 13; look for a proxy that changes the header.",
                "",
            ),
        ],
        administrator: "",
        symptoms: &["HTTP 426", "Upgrade Required"],
        proofs: &[Proof::SetUp("upgrade-426"), Proof::Code("HTTP 426")],
        sources: &[],
    },
    Finding {
        id: "TP-UPG-017",
        rung: Rung::Upgrade,
        side: Side::Server,
        cause: "the server redirects the request",
        fix: "Use the address that Location names.",
        about: "HTTP 301, 302, 307 or 308: what is wanted lies elsewhere. Web servers redirect \
                http to https and add slashes; MQTT clients don't follow, on purpose, because \
                credentials would go to a place that nobody chose.",
        decided_by: "Status 3xx; Location stands in the evidence. When it names a foreign host, \
                     and other hosts get the same, it is a captive portal: TP-UPG-024.",
        remedies: &[
            linux(
                "Use the new address.",
                "towpath doctor wss://broker.example/mqtt",
            ),
            server(
                "Serve the WebSocket where the URL points; nginx: no redirect in that location.",
                "location = /mqtt { proxy_pass http://127.0.0.1:8080; }",
            ),
            esp_idf("Write the final address into the URI.", ""),
        ],
        administrator: "",
        symptoms: &[
            "HTTP 301",
            "HTTP 302",
            "Unexpected server response: 301",
            "Redirected",
        ],
        proofs: &[
            Proof::Lab("upgrade-status=302"),
            Proof::SetUp("upgrade-301"),
            Proof::Code("HTTP 302"),
        ],
        sources: &[],
    },
    Finding {
        id: "TP-UPG-018",
        rung: Rung::Upgrade,
        side: Side::Server,
        cause: "the server failed",
        fix: "Look at the broker behind the front end; the front end itself is alive.",
        about: "HTTP 5xx. 502 and 504: the front end can't reach the broker or gets no sense \
                from it. 503: overloaded or in maintenance. 500: its own error. The network up \
                to the front end works.",
        decided_by: "Status 500 to 599; the Server header names the front end. 502 with \
                     \"Server: nginx\" means nginx is there and the broker is not.",
        remedies: &[
            linux("See whether it lasts.", "towpath doctor URL --verbose"),
            server(
                "Check the upstream's port and that the broker runs; nginx:",
                "proxy_pass http://127.0.0.1:8080;",
            ),
            network(
                "If the status is a proxy's (see Server), look whether it can reach the server.",
                "",
            ),
        ],
        administrator: "",
        symptoms: &[
            "HTTP 502",
            "HTTP 503",
            "502 Bad Gateway",
            "Unexpected server response: 502",
            "ServerError",
        ],
        proofs: &[
            Proof::Lab("upgrade-status=503"),
            Proof::SetUp("upgrade-502"),
            Proof::Capture("upgrade-502"),
            Proof::Code("HTTP 502"),
        ],
        sources: &["https://github.com/websockets/ws/issues/727"],
    },
    Finding {
        id: "TP-UPG-023",
        rung: Rung::Upgrade,
        side: Side::Device,
        cause: "the path of the URL is not the server's WebSocket",
        fix: "Use the path at which the server does upgrade; the evidence names it.",
        about: "The same host upgrades another path. An IoT hub takes /$iothub/websocket only, \
                EMQX /mqtt, RabbitMQ /ws; the libraries' default is often another one.",
        decided_by: "400 or 404 at the given path and 101 at another, asked right after. Nothing \
                     was sent behind that 101.",
        remedies: &[
            linux(
                "An IoT hub; the quotes keep the shell away from $iothub.",
                "towpath doctor 'wss://contoso.azure-devices.net/$iothub/websocket'",
            ),
            zephyr(
                "Write the path into the url field of struct websocket_request; for an IoT hub \
                 /$iothub/websocket.",
                "",
            ),
            esp_idf(
                "Write the path into the URI or into broker.address.path; for an IoT hub \
                 /$iothub/websocket.",
                "",
            ),
            server(
                "Or serve the path that devices ask for; nginx:",
                "location /mqtt {\n\
                     proxy_pass http://127.0.0.1:8083/mqtt;\n\
                     proxy_http_version 1.1;\n\
                     proxy_set_header Upgrade $http_upgrade;\n\
                     proxy_set_header Connection \"upgrade\";\n\
                 }",
            ),
        ],
        administrator: "",
        symptoms: &["HTTP 400", "HTTP 404", "Unexpected response code: 404"],
        proofs: &[
            Proof::SetUp("upgrade-hub-path"),
            Proof::SetUp("upgrade-other-path"),
        ],
        sources: &[
            "https://github.com/MicrosoftDocs/azure-docs/issues/21306",
            "https://github.com/mqttjs/MQTT.js/issues/990",
            "https://github.com/mqttjs/MQTT.js/issues/785",
        ],
    },
    Finding {
        id: "TP-UPG-024",
        rung: Rung::Upgrade,
        side: Side::Network,
        cause: "a captive portal answers in place of the server",
        fix: "Log in to this network's portal, or have the device exempted from it.",
        about: "Guest networks catch HTTP until somebody has clicked a button, and send every \
                request to a page of theirs. A device can't click. With TLS the same network \
                shows a wrong certificate or closes.",
        decided_by: "A redirect to, or a page of, a host that has nothing to do with the URL, \
                     from an address or a Server header that is not the server's. A redirect \
                     within the server's own domain is TP-UPG-017.",
        remedies: &[
            linux("See where it leads.", "curl -sI http://broker.example/"),
            network(
                "Exempt the device by its MAC address, or put devices into a network without a \
                 portal.",
                "",
            ),
        ],
        administrator: "Please exempt this device (by its MAC address) from the login page of \
                        the guest network.",
        symptoms: &["HTTP 302", "HTTP 511", "Network Authentication Required"],
        proofs: &[Proof::SetUp("upgrade-captive-portal")],
        sources: &[],
    },
    Finding {
        id: "TP-UPG-025",
        rung: Rung::Upgrade,
        side: Side::Device,
        cause: "the server refuses a request that offers several subprotocols",
        fix: "Offer mqtt alone.",
        about: "A request may list several subprotocols and the server picks one. Some compare \
                the whole header with one word and then refuse or close.",
        decided_by: "The climb with several names fails, the same with mqtt alone is upgraded.",
        remedies: &[
            linux("Offer one.", "towpath doctor URL --subprotocol mqtt"),
            esp_idf(
                "Offer one: esp_transport_ws_set_subprotocol(ws, \"mqtt\").",
                "",
            ),
            server(
                "Update the server: it has to choose one name out of the list (RFC 6455 section \
                 4.2.2).",
                "",
            ),
        ],
        administrator: "",
        symptoms: &["Sec-WebSocket-Protocol"],
        proofs: &[Proof::SetUp("upgrade-many-subprotocols")],
        sources: &["https://github.com/shamblett/mqtt_client/issues/101"],
    },
    Finding {
        id: "TP-UPG-026",
        rung: Rung::Upgrade,
        side: Side::Device,
        cause: "the request line has no path",
        fix: "End the URL with a slash or with the server's path.",
        about: "ws://host:3001 without a slash made the client write a request line with nothing \
                between GET and HTTP/1.1, which the server could not read. A correct client \
                writes a single slash then.",
        decided_by: "The request line in the capture or log has an empty target, and 400 or a \
                     close followed.",
        remedies: &[
            linux(
                "Write the path out.",
                "towpath doctor ws://broker.example:3001/",
            ),
            zephyr(
                "Set the url field of struct websocket_request: at least a slash.",
                "",
            ),
            esp_idf(
                "Write the path into the URI, at least a slash: ws://broker.example:3001/",
                "",
            ),
        ],
        administrator: "",
        symptoms: &["WS handshake resp 400", "GET  HTTP/1.1"],
        proofs: &[
            Proof::Log("mongoose-no-path.log"),
            Proof::Capture("upgrade-no-path"),
        ],
        sources: &["https://github.com/cesanta/mongoose/issues/1111"],
    },
];
