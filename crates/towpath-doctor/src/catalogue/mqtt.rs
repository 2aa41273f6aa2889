//! Findings of MQTT: the login, from CONNECT to CONNACK.

use towpath_proto::Rung;

use super::{esp_idf, linux, server, zephyr};
use crate::{Finding, Proof, Side};

pub(super) const FINDINGS: &[Finding] = &[
    Finding {
        id: "TP-MQTT-001",
        rung: Rung::Mqtt,
        side: Side::Server,
        cause: "the peer closed the connection without a CONNACK",
        fix: "Look at the broker's log; it had CONNECT and hung up.",
        about: "The CONNECT was sent and the connection ended without an answer. Brokers do that \
                when they are full, when they dislike the packet so much that they can't answer, \
                when a rule of the account forbids it, or when the port speaks another protocol.",
        decided_by: "Last sent is CONNECT, last received nothing, then the end. With a client \
                     certificate and TLS in order it is likely TP-MQTT-030; if the port turns \
                     out to be TLS it is TP-TLS-048; a reset in place of an end is TP-MQTT-032.",
        remedies: &[
            linux(
                "See what the same port says to TLS and to WebSocket.",
                "towpath doctor mqtts://broker.example:8883\n\
                 towpath doctor URL --verbose",
            ),
            server(
                "Mosquitto says why in a line; -1 is no limit.",
                "log_type all\n\
                 max_connections -1",
            ),
            zephyr(
                "Check client id, user name and protocol version of struct mqtt_client; print \
                 what goes out.",
                "CONFIG_MQTT_LOG_LEVEL_DBG=y",
            ),
            esp_idf(
                "See the dialogue: esp_log_level_set(\"mqtt_client\", ESP_LOG_VERBOSE).",
                "",
            ),
        ],
        administrator: "",
        symptoms: &[
            "The connection was lost",
            "Error: The connection was lost.",
            "Missing Connection Acknowledgement",
            "Connection closed: MQTT connack not received",
            "max_connections exceeded",
        ],
        proofs: &[Proof::Lab("connect-close"), Proof::Capture("mqtt-closed")],
        sources: &[],
    },
    Finding {
        id: "TP-MQTT-002",
        rung: Rung::Mqtt,
        side: Side::Server,
        cause: "no CONNACK",
        fix: "Check that this port is an MQTT server, and whether it is overloaded.",
        about: "The CONNECT left, the connection stands, and nothing came back. A server that \
                speaks another protocol and waits, a broker whose login back-end hangs, or a \
                frame that did not arrive whole have this look.",
        decided_by: "Last sent is CONNECT and nothing was received in the time for a rung. If \
                     the end came it is TP-MQTT-001. If the packet was larger than the path \
                     carries it is TP-TCP-015.",
        remedies: &[
            linux("Give it more time.", "towpath doctor URL --timeout 30"),
            server(
                "Look at the broker's login back-end (a database, an HTTP call): while that \
                 hangs, CONNECT hangs.",
                "",
            ),
            zephyr(
                "Keep the wait at half a minute at least: the poll timeout before mqtt_input() \
                 in the application.",
                "",
            ),
            esp_idf(
                "Give it more time: network.timeout_ms of the MQTT client; and update the TLS \
                 library.",
                "",
            ),
        ],
        administrator: "",
        symptoms: &[
            "mqtt_client timed out waiting for CONNACK",
            "Timeout connecting to broker",
            "ConnackTimeout",
        ],
        proofs: &[
            Proof::Lab("connect-silent"),
            Proof::Lab("connack-slow"),
            Proof::Code("ConnackTimeout"),
            Proof::Log("azure-c-connack-timeout.log"),
            Proof::Log("towpath-json.log"),
        ],
        sources: &[
            "https://github.com/Azure/azure-iot-sdk-c/issues/1120",
            "https://github.com/Azure/azure-iot-sdk-c/issues/312",
        ],
    },
    Finding {
        id: "TP-MQTT-003",
        rung: Rung::Mqtt,
        side: Side::Server,
        cause: "the server does not speak this version of MQTT",
        fix: "Use the version that the server speaks: 3.1.1 (level 4) or 5.",
        about: "CONNECT carries a protocol level, 4 for MQTT 3.1.1 and 5 for MQTT 5, and the \
                server does not have this one. Azure IoT Hub and the provisioning service speak \
                3.1.1; older brokers do too.",
        decided_by: "CONNACK 1, or 0x84 of MQTT 5. Newer Mosquitto gives 0x84 to old clients as \
                     well (TP-MQTT-031).",
        remedies: &[
            linux("Use 3.1.1.", "towpath doctor URL --mqtt 3.1.1"),
            zephyr(
                "Version of the library, before mqtt_connect(): client.protocol_version = \
                 MQTT_VERSION_3_1_1.",
                "",
            ),
            esp_idf(
                "Build and choose the version: session.protocol_ver = MQTT_PROTOCOL_V_3_1_1.",
                "CONFIG_MQTT_PROTOCOL_311=y",
            ),
            server(
                "Update the broker: Mosquitto has MQTT 5 from 1.6 on. Azure IoT Hub stays with \
                 3.1.1.",
                "",
            ),
        ],
        administrator: "",
        symptoms: &[
            "CONNACK 1",
            "Connection Refused: unacceptable protocol version",
            "Connection refused, bad protocol",
            "Unsupported Protocol Version",
            "0x84",
        ],
        proofs: &[
            Proof::Lab("connack-1"),
            Proof::Code("CONNACK 1"),
            Proof::Code("0x84"),
        ],
        sources: &[],
    },
    Finding {
        id: "TP-MQTT-004",
        rung: Rung::Mqtt,
        side: Side::Device,
        cause: "the server does not take this client identifier",
        fix: "Choose another client id: not empty, of letters and digits, and unique.",
        about: "The identifier is too long, has characters that the server forbids, or is empty \
                while the session is to be kept. MQTT promises 23 letters and digits to \
                everyone; more is up to the server.",
        decided_by: "CONNACK 2, or 0x85. Some brokers say 3 or 0x88 for an empty identifier, so \
                     look at the request too. A rule about identifiers may say 5 instead: \
                     TP-MQTT-025.",
        remedies: &[
            linux("Give one.", "towpath doctor URL -i meter4"),
            zephyr(
                "Set client.client_id. NCS with Azure:",
                "CONFIG_AZURE_IOT_HUB_DEVICE_ID=\"meter4\"",
            ),
            esp_idf(
                "Set credentials.client_id; without it one is made from the chip's address.",
                "",
            ),
            server(
                "Mosquitto may make identifiers itself.",
                "allow_zero_length_clientid true",
            ),
        ],
        administrator: "",
        symptoms: &[
            "CONNACK 2",
            "Connection Refused: identifier rejected",
            "Client Identifier not valid",
            "0x85",
        ],
        proofs: &[
            Proof::Lab("connack-2"),
            Proof::SetUp("mqtt-empty-id"),
            Proof::Code("CONNACK 2"),
            Proof::Code("0x85"),
        ],
        sources: &["https://github.com/rmqtt/rmqtt/pull/461"],
    },
    Finding {
        id: "TP-MQTT-005",
        rung: Rung::Mqtt,
        side: Side::Server,
        cause: "the server is not available",
        fix: "Try again later; if it stays, look at the server's state.",
        about: "The broker is there and does not take logins: it starts, is in maintenance, is \
                full, or what it asks about logins does not answer. A hub may say it too while \
                it limits how many connect.",
        decided_by: "CONNACK 3, or 0x88 (server unavailable) or 0x89 (busy). Some brokers misuse \
                     it for an empty client id.",
        remedies: &[
            linux("See whether it lasts.", "towpath doctor URL"),
            server("Look at the broker's health; EMQX:", "emqx ctl status"),
            zephyr(
                "Wait before the next attempt, longer each time, with some chance in it.",
                "",
            ),
            esp_idf(
                "Wait longer between attempts: network.reconnect_timeout_ms.",
                "",
            ),
        ],
        administrator: "",
        symptoms: &[
            "CONNACK 3",
            "Connection Refused: broker unavailable",
            "Connection refused, server unavailable",
            "Server unavailable",
            "0x88",
            "0x89",
        ],
        proofs: &[
            Proof::Lab("connack-3"),
            Proof::Code("CONNACK 3"),
            Proof::Code("0x88"),
        ],
        sources: &["https://github.com/rmqtt/rmqtt/pull/461"],
    },
    Finding {
        id: "TP-MQTT-006",
        rung: Rung::Mqtt,
        side: Side::Account,
        cause: "the server does not take user name or password",
        fix: "Check user name and password; the server says that one of them is wrong.",
        about: "The login was read and refused. A line end in the password, a password that was \
                hashed twice, and a user of another listener are the usual causes. Mosquitto \
                says 5 instead of 4 to wrong passwords.",
        decided_by: "CONNACK 4, or 0x86. 5 or 0x87 is TP-MQTT-007. The same credentials are not \
                     sent again by the doctor, because accounts lock.",
        remedies: &[
            linux(
                "Read the password from a file.",
                "towpath doctor URL -u meter4 --password-file password.txt",
            ),
            zephyr(
                "Set client.user_name and client.password, with their lengths, not counting the \
                 zero byte at the end.",
                "",
            ),
            esp_idf(
                "Set credentials.username and credentials.authentication.password.",
                "",
            ),
            server(
                "Write the password into Mosquitto's file again.",
                "mosquitto_passwd /etc/mosquitto/passwd meter4",
            ),
        ],
        administrator: "",
        symptoms: &[
            "CONNACK 4",
            "Connection Refused: bad user name or password",
            "Connection refused, bad username or password",
            "Bad User Name or Password",
            "0x86",
        ],
        proofs: &[
            Proof::Lab("connack-4"),
            Proof::Code("CONNACK 4"),
            Proof::Code("0x86"),
        ],
        sources: &[],
    },
    Finding {
        id: "TP-MQTT-007",
        rung: Rung::Mqtt,
        side: Side::Account,
        cause: "the server does not allow this login",
        fix: "Check user, password and client id, and the server's access rules; the server has \
              one word for all of them.",
        about: "\"Not authorized\" is the widest refusal of MQTT: a wrong password at Mosquitto, \
                anonymous clients that are not allowed, a client id outside a rule, a \
                certificate that was not presented, an expired token at a hub. The code alone \
                can't tell them apart.",
        decided_by: "CONNACK 5, or 0x87. If another client id is taken it is TP-MQTT-025; at an \
                     IoT hub it is one of the TP-HUB findings; if no credentials were sent, that \
                     is the cause.",
        remedies: &[
            linux(
                "Give user and password; look at the server's log meanwhile.",
                "towpath doctor URL -u meter4 --password-file password.txt",
            ),
            zephyr(
                "Set client.user_name and client.password, with their lengths, not counting the \
                 zero byte at the end.",
                "",
            ),
            esp_idf(
                "Set credentials.username and credentials.authentication.password.",
                "",
            ),
            server(
                "Mosquitto 2 allows nobody without one of these.",
                "password_file /etc/mosquitto/passwd\n\
                 log_type all",
            ),
        ],
        administrator: "",
        symptoms: &[
            "CONNACK 5",
            "Connection Refused: not authorised.",
            "Connection refused, not authorized",
            "RefusedNotAuthorized",
            "Not authorized",
            "rc=5",
            "20 02 00 05",
            "0x87",
        ],
        proofs: &[
            Proof::Lab("connack-5"),
            Proof::SetUp("mqtt-bad-password"),
            Proof::SetUp("mqtt-anonymous"),
            Proof::Capture("mqtt-connack-5"),
            Proof::Code("CONNACK 5"),
            Proof::Code("0x87"),
            Proof::Code("20 02 00 05"),
            Proof::Log("esp-connack-5.log"),
        ],
        sources: &[],
    },
    Finding {
        id: "TP-MQTT-009",
        rung: Rung::Mqtt,
        side: Side::Server,
        cause: "a malformed packet",
        fix: "Check port and scheme: what answers does not speak MQTT, or breaks it.",
        about: "The bytes that came are no MQTT packet. Behind CONNECT that usually means \
                another protocol on this port; later it means a broker or a proxy that damages \
                what it passes.",
        decided_by: "The first bytes stand in the evidence. If they are HTTP it is TP-MQTT-022, \
                     if TLS TP-TLS-048.",
        remedies: &[
            linux("See the bytes.", "towpath doctor URL --verbose"),
            server(
                "Look which program listens on the port.",
                "ss -ltnp 'sport = :1883'",
            ),
            esp_idf("Let scheme and port in the URI agree.", ""),
        ],
        administrator: "",
        symptoms: &["Malformed packet", "0x81", "Malformed"],
        proofs: &[
            Proof::SetUp("mqtt-other-protocol"),
            Proof::Code("Malformed"),
            Proof::Code("0x81"),
        ],
        sources: &[],
    },
    Finding {
        id: "TP-MQTT-016",
        rung: Rung::Mqtt,
        side: Side::Server,
        cause: "the server refused the connection",
        fix: "Look at the reason code and at the server's log.",
        about: "CONNACK came with a code that has no entry of its own here: the server is banned \
                for this client (0x8a), the authentication method is not known (0x8c), the will \
                is not acceptable (0x90, 0x99), the packet is too large (0x95), a quota is used \
                up (0x97).",
        decided_by: "The code stands in the evidence, with the reason text if the server gave one.",
        remedies: &[
            linux("See code and text.", "towpath doctor URL --verbose"),
            server("Look into the broker's log; Mosquitto:", "log_type all"),
            zephyr(
                "Leave the will and MQTT 5 properties out, one after the other.",
                "",
            ),
            esp_idf("Leave session.last_will out, then try again.", ""),
        ],
        administrator: "",
        symptoms: &["ConnectRefused", "0x8a", "0x8c", "0x90", "Banned"],
        proofs: &[Proof::Code("ConnectRefused"), Proof::Code("0x8a")],
        sources: &[],
    },
    Finding {
        id: "TP-MQTT-022",
        rung: Rung::Mqtt,
        side: Side::Device,
        cause: "the peer is an HTTP server",
        fix: "Use ws:// or wss:// for this port, or the broker's MQTT port (often 1883).",
        about: "HTTP came in answer to CONNECT. The port is a web server's, or the broker's \
                WebSocket port, which wants an upgrade first. Mosquitto's WebSocket listener \
                answers \"HTTP/1.0 403 Forbidden\" to raw MQTT.",
        decided_by: "The answer begins with HTTP/. The other way round, a GET to a raw listener, \
                     is TP-UPG-001.",
        remedies: &[
            linux(
                "Climb by WebSocket, or on the MQTT port.",
                "towpath doctor ws://broker.example:8080/mqtt\n\
                 towpath doctor mqtt://broker.example:1883",
            ),
            zephyr(
                "Use the WebSocket transport for this port.",
                "CONFIG_MQTT_LIB_WEBSOCKET=y",
            ),
            esp_idf(
                "Use the scheme ws:// or wss:// for this port.",
                "CONFIG_MQTT_TRANSPORT_WEBSOCKET=y",
            ),
            server("Or give Mosquitto a raw listener too.", "listener 1883"),
        ],
        administrator: "",
        symptoms: &[
            "HTTP/1.0 403 Forbidden",
            "HTTP/1.1 400 Bad Request",
            "PeerSpeaksHttp",
        ],
        proofs: &[
            Proof::Lab("connack-garbage"),
            Proof::SetUp("mqtt-http"),
            Proof::Code("PeerSpeaksHttp"),
        ],
        sources: &[],
    },
    Finding {
        id: "TP-MQTT-025",
        rung: Rung::Mqtt,
        side: Side::Account,
        cause: "the server takes these credentials with another client id only",
        fix: "Use a client id that the server's rule allows.",
        about: "Some brokers tie the client id to the user: a prefix, the user's own name, the \
                certificate's common name. They answer \"not authorized\" rather than \
                \"identifier rejected\", so that the password is suspected first.",
        decided_by: "CONNACK 5 (or 0x87) with the chosen id, and 0 with a random one and the \
                     same credentials. That one question is asked once.",
        remedies: &[
            linux(
                "Give the id that the rule wants.",
                "towpath doctor URL -i meter4-a",
            ),
            server(
                "Mosquitto: the prefix that ids must have.",
                "clientid_prefixes meter",
            ),
            zephyr(
                "Set client.client_id. NCS with the AWS library:",
                "CONFIG_AWS_IOT_CLIENT_ID_STATIC=\"meter4\"",
            ),
            esp_idf("Set credentials.client_id.", ""),
        ],
        administrator: "",
        symptoms: &["CONNACK 5", "Connection Refused: not authorised."],
        proofs: &[Proof::SetUp("mqtt-id-rule")],
        sources: &["https://github.com/eclipse-mosquitto/mosquitto/issues/3580"],
    },
    Finding {
        id: "TP-MQTT-030",
        rung: Rung::Mqtt,
        side: Side::Account,
        cause: "the server knows the client certificate and gives it no right to connect",
        fix: "Attach a policy to the certificate that allows Connect with this client id.",
        about: "TLS is about who the device is, the policy about what it may do. AWS IoT and \
                brokers like it take the certificate, read CONNECT, find no right and close \
                without a CONNACK. So TLS looks fine and MQTT says nothing.",
        decided_by: "TLS with a client certificate stood, CONNECT was sent, the end came without \
                     CONNACK. It is likely, not certain: the server's log decides. Without a \
                     client certificate it is TP-MQTT-001.",
        remedies: &[
            server(
                "AWS: attach a policy that has iot:Connect for this client id.",
                "aws iot attach-policy --policy-name meters --target arn:aws:iot:REGION:ACCOUNT:cert/ID",
            ),
            server(
                "AWS: see whether the certificate is active.",
                "aws iot describe-certificate --certificate-id ID --query certificateDescription.status",
            ),
            linux(
                "Connect with the id that the policy names.",
                "towpath doctor URL --cert device.pem --key device.key -i meter4",
            ),
            zephyr(
                "The client id has to be the one of the policy:",
                "CONFIG_AWS_IOT_CLIENT_ID_STATIC=\"meter4\"",
            ),
            esp_idf("Set credentials.client_id to the one of the policy.", ""),
        ],
        administrator: "",
        symptoms: &[
            "Missing Connection Acknowledgement",
            "AWS_ERROR_MQTT_UNEXPECTED_HANGUP",
            "The connection was lost",
        ],
        proofs: &[Proof::SetUp("mqtt-no-policy")],
        sources: &["https://github.com/shamblett/mqtt_client/issues/538"],
    },
    Finding {
        id: "TP-MQTT-031",
        rung: Rung::Mqtt,
        side: Side::Server,
        cause: "the server answers a client of 3.1.1 with a code of MQTT 5",
        fix: "Read the code as MQTT 5 reads it; the cause is the one behind that code.",
        about: "CONNACK of 3.1.1 knows 0 to 5. Some brokers, among them newer Mosquitto, send a \
                code above 0x7f to a client of 3.1.1, and the client prints \"unknown return \
                code\".",
        decided_by: "A return code of 0x80 or more while CONNECT had level 4 or 3. 0x84 is the \
                     version (TP-MQTT-003), 0x85 the id, 0x86 and 0x87 the login.",
        remedies: &[
            linux("Ask once with MQTT 5.", "towpath doctor URL --mqtt 5"),
            server(
                "Update the broker: the code is a fault of its own, which later versions mend.",
                "",
            ),
            esp_idf(
                "Use MQTT 5, or 3.1.1 with a broker that answers so.",
                "CONFIG_MQTT_PROTOCOL_5=y",
            ),
        ],
        administrator: "",
        symptoms: &[
            "Unknown return code",
            "Connection refused, Unknow reason",
            "CONNACK 132",
            "0x84",
        ],
        proofs: &[
            Proof::Log("mosquitto-connack-84.log"),
            Proof::Capture("mqtt-connack-84"),
        ],
        sources: &["https://github.com/eclipse-mosquitto/mosquitto/issues/3578"],
    },
    Finding {
        id: "TP-MQTT-032",
        rung: Rung::Mqtt,
        side: Side::Server,
        cause: "the connection was reset without a CONNACK",
        fix: "Check whether this port wants TLS; else look at the broker's log.",
        about: "CONNECT was sent and a TCP reset came. A listener that expects TLS reads MQTT as \
                garbage and cuts; Mosquitto does. A reset long after CONNECT comes from a \
                firewall or a broker that died.",
        decided_by: "Reset after CONNECT and before CONNACK. If the same port answers a \
                     ClientHello it is TP-TLS-048. An orderly end is TP-MQTT-001.",
        remedies: &[
            linux(
                "Ask the port with TLS.",
                "towpath doctor mqtts://broker.example:8883",
            ),
            server(
                "Look at the broker's log: \"wrong version number\" there means plain MQTT on \
                 its TLS port.",
                "log_type all",
            ),
            esp_idf(
                "Let scheme and port in the URI agree: mqtts:// with 8883.",
                "",
            ),
            zephyr(
                "Transport and port have to agree. With NCS:",
                "CONFIG_MQTT_LIB_TLS=y\n\
                 CONFIG_MQTT_HELPER_PORT=8883",
            ),
        ],
        administrator: "Please check whether a firewall resets MQTT connections to this server \
                        and port.",
        symptoms: &[
            "Connection reset by peer",
            "ECONNRESET",
            "-104",
            "Unable to connect (A TLS error occurred.)",
        ],
        proofs: &[Proof::SetUp("mqtt-reset"), Proof::Capture("mqtt-reset")],
        sources: &["https://github.com/eclipse-mosquitto/mosquitto/issues/2600"],
    },
];
