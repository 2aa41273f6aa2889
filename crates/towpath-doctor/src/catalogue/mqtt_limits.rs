//! Findings of MQTT: what the server does not grant, and packets that break what was agreed.

use towpath_proto::Rung;

use super::{esp_idf, linux, server, zephyr};
use crate::{Finding, Proof, Side};

pub(super) const FINDINGS: &[Finding] = &[
    Finding {
        id: "TP-MQTT-012",
        rung: Rung::Mqtt,
        side: Side::Account,
        cause: "the server refuses a subscription",
        fix: "Check the filter and the rights of this user.",
        about: "SUBACK has a code for each filter; 0x80 and above is a refusal, and the \
                connection goes on. So a client that does not look at SUBACK waits for messages \
                that never come.",
        decided_by: "SUBACK with 0x80, or 0x87 (not authorized), 0x8f (filter not valid), 0x9e, \
                     0xa1, 0xa2 of MQTT 5. Granted 0, 1 or 2 is no refusal.",
        remedies: &[
            linux("Subscribe by hand.", "towpath sub URL 'plant/#' --trace"),
            server(
                "Mosquitto: give the right in the ACL file.",
                "user meter4\n\
                 topic read plant/#",
            ),
            zephyr(
                "Look at evt->param.suback.return_codes in MQTT_EVT_SUBACK.",
                "",
            ),
            esp_idf(
                "Look at event->error_handle or the data of MQTT_EVENT_SUBSCRIBED.",
                "",
            ),
        ],
        administrator: "",
        symptoms: &[
            "SUBACK 0x80",
            "SUBACK 128",
            "All subscription requests were denied.",
            "0x8f",
        ],
        proofs: &[Proof::Lab("suback-refused"), Proof::Code("0x8f")],
        sources: &[],
    },
    Finding {
        id: "TP-MQTT-019",
        rung: Rung::Mqtt,
        side: Side::Device,
        cause: "a packet larger than agreed",
        fix: "Send smaller messages, or raise the limit on the side that refuses.",
        about: "Brokers limit the size of packets, and hubs do (256 kB). With MQTT 5 the limit \
                is told in CONNACK and the refusal has a number; with 3.1.1 the connection is \
                reset. Since a message of QoS 1 is sent again after each reconnect, the same \
                message breaks every connection from then on.",
        decided_by: "0x95 in DISCONNECT, or a reset directly after a PUBLISH of this size. With \
                     the packet's size below the limit in CONNACK it is something else. When the \
                     device can't take what comes, it is TP-DEV-017.",
        remedies: &[
            linux(
                "See the limit that the server tells.",
                "towpath doctor URL --verbose",
            ),
            server("Mosquitto, in bytes:", "max_packet_size 1048576"),
            server("EMQX:", "mqtt.max_packet_size = 10MB"),
            zephyr(
                "Split the message, and drop one that was refused twice from the queue.",
                "",
            ),
            esp_idf(
                "Split the message; the device's own buffers are these.",
                "CONFIG_MQTT_USE_CUSTOM_CONFIG=y\n\
                 CONFIG_MQTT_BUFFER_SIZE=8192",
            ),
        ],
        administrator: "",
        symptoms: &[
            "0x95",
            "Packet too large",
            "PacketTooLarge",
            "oversize packet",
        ],
        proofs: &[
            Proof::Capture("mqtt-too-large"),
            Proof::Code("0x95"),
            Proof::Code("PacketTooLarge"),
        ],
        sources: &["https://github.com/mqttjs/MQTT.js/issues/768"],
    },
    Finding {
        id: "TP-MQTT-020",
        rung: Rung::Mqtt,
        side: Side::Server,
        cause: "a packet that is not allowed here",
        fix: "Look at the packet in the evidence; the server or a proxy breaks MQTT.",
        about: "The packet is well formed and has no business at this point: a second CONNACK, a \
                PUBACK for nothing, a packet that only clients send. Or the other side says so \
                about this one, with 0x82 (protocol error).",
        decided_by: "The clause that was broken stands in the evidence. If the bytes are no MQTT \
                     at all it is TP-MQTT-009.",
        remedies: &[
            linux("See packet and clause.", "towpath doctor URL --verbose"),
            server("Update the broker, or the plugin that makes packets.", ""),
            zephyr(
                "Update the MQTT library, and send nothing before MQTT_EVT_CONNACK.",
                "",
            ),
        ],
        administrator: "",
        symptoms: &["ProtocolError", "0x82", "Protocol error"],
        proofs: &[Proof::Code("0x82"), Proof::Code("ProtocolError")],
        sources: &[],
    },
    Finding {
        id: "TP-MQTT-021",
        rung: Rung::Mqtt,
        side: Side::Server,
        cause: "the server goes beyond what was agreed in MQTT 5",
        fix: "Update the server; as a way round announce a larger receive maximum, or use MQTT \
              3.1.1.",
        about: "In MQTT 5 both sides tell how many unacknowledged messages (receive maximum) and \
                how many topic aliases they take. The server sent more, or used an alias that \
                nobody agreed on.",
        decided_by: "The client counts: more QoS 1 and 2 messages without an acknowledgement \
                     than it announced, or an alias of 0 or above the maximum. 0x93 and 0x94 are \
                     the codes for it.",
        remedies: &[
            linux(
                "Use 3.1.1, which has neither.",
                "towpath doctor URL --mqtt 3.1.1",
            ),
            server(
                "Update the broker; Mosquitto can be told not to use aliases.",
                "max_topic_alias 0",
            ),
            esp_idf(
                "Set the receive maximum of the connection property, or use 3.1.1.",
                "CONFIG_MQTT_PROTOCOL_311=y",
            ),
        ],
        administrator: "",
        symptoms: &[
            "ReceiveMaximum",
            "TopicAlias",
            "0x93",
            "0x94",
            "Receive maximum exceeded",
            "Topic alias invalid",
        ],
        proofs: &[Proof::Code("0x93"), Proof::Code("0x94")],
        sources: &[],
    },
    Finding {
        id: "TP-MQTT-026",
        rung: Rung::Mqtt,
        side: Side::Account,
        cause: "this client may not publish or subscribe here",
        fix: "Give the client the right for this topic at the broker.",
        about: "The login is good and the topic is not allowed. MQTT 5 says it with 0x87 in \
                PUBACK or SUBACK. In 3.1.1 a broker may acknowledge and drop the message \
                (Mosquitto does), or close the connection (AWS does), and neither says why.",
        decided_by: "0x87 in PUBACK or SUBACK; or an end directly after SUBSCRIBE or PUBLISH, \
                     each time. A hub has rules of its own: TP-HUB-024. A broker of 3.1.1 that \
                     acknowledges and drops can't be seen by the client at all.",
        remedies: &[
            linux(
                "Ask with MQTT 5, which has a word for it.",
                "towpath pub URL plant/boiler -m 1 -q 1 --mqtt 5 --trace",
            ),
            server(
                "Mosquitto's ACL file:",
                "user meter4\n\
                 topic readwrite plant/meter4/#",
            ),
            server(
                "AWS: allow Publish, Subscribe and Receive in the policy for these topics and \
                 filters.",
                "\"Action\": [\"iot:Publish\", \"iot:Subscribe\", \"iot:Receive\"]",
            ),
            zephyr(
                "Look at the result codes of MQTT_EVT_PUBACK and MQTT_EVT_SUBACK.",
                "",
            ),
            esp_idf("See the codes by MQTT 5.", "CONFIG_MQTT_PROTOCOL_5=y"),
        ],
        administrator: "",
        symptoms: &[
            "PUBACK 0x87",
            "Denied PUBLISH",
            "Not authorized",
            "SUBACK 0x87",
        ],
        proofs: &[
            Proof::Log("aws-subscribe-closed.log"),
            Proof::Capture("mqtt-subscribe-closed"),
        ],
        sources: &["https://github.com/emqx/MQTTX/issues/502"],
    },
    Finding {
        id: "TP-MQTT-028",
        rung: Rung::Mqtt,
        side: Side::Server,
        cause: "the server does not grant something that was asked for",
        fix: "Do without it (QoS 2, retain, shared subscriptions, wildcards), or have the server \
              allow it.",
        about: "A server of MQTT 5 says in CONNACK what it lacks, and refuses it with 0x9b \
                (QoS), 0x9a (retain), 0x9e (shared subscriptions), 0xa1 (subscription \
                identifiers) or 0xa2 (wildcards). The libraries often print the number only.",
        decided_by: "One of these numbers in CONNACK, PUBACK, SUBACK or DISCONNECT.",
        remedies: &[
            linux("See what is granted.", "towpath doctor URL --verbose"),
            server(
                "Mosquitto:",
                "max_qos 2\n\
                 retain_available true",
            ),
            esp_idf("Publish and subscribe with QoS 1 and without retain.", ""),
            zephyr(
                "Publish and subscribe with QoS 1 and without retain: MQTT_QOS_1_AT_LEAST_ONCE, \
                 retain_flag 0.",
                "",
            ),
        ],
        administrator: "",
        symptoms: &[
            "0x9b",
            "0x9a",
            "0x9e",
            "0xa2",
            "QoS not supported",
            "Retain not supported",
            "Shared Subscriptions not supported",
        ],
        proofs: &[
            Proof::SetUp("mqtt-retain"),
            Proof::SetUp("mqtt-max-qos"),
            Proof::Code("0x9b"),
            Proof::Code("0x9a"),
            Proof::Code("0x9e"),
            Proof::Code("0xa2"),
        ],
        sources: &[],
    },
    Finding {
        id: "TP-MQTT-029",
        rung: Rung::Mqtt,
        side: Side::Server,
        cause: "the server sends the client to another one",
        fix: "Use the server that it names, or ask whoever runs it.",
        about: "MQTT 5 has two words for \"not here\": 0x9c use another server for now, 0x9d the \
                server has moved. A reference may say which. Clients don't follow by themselves, \
                because credentials would go to a place that nobody chose.",
        decided_by: "0x9c or 0x9d in CONNACK or DISCONNECT; the Server Reference stands in the \
                     evidence if it was given.",
        remedies: &[
            linux(
                "Use the other one.",
                "towpath doctor mqtts://other.example:8883",
            ),
            server(
                "Say where to, in Server Reference, and keep the old name pointing to the new \
                 address.",
                "",
            ),
            esp_idf("Write the new address into the URI.", ""),
            zephyr(
                "Write the new host into the build. With NCS and AWS:",
                "CONFIG_AWS_IOT_BROKER_HOST_NAME=\"other.example\"",
            ),
        ],
        administrator: "",
        symptoms: &["0x9c", "0x9d", "Use another server", "Server moved"],
        proofs: &[Proof::Code("0x9c"), Proof::Code("0x9d")],
        sources: &[],
    },
    Finding {
        id: "TP-MQTT-034",
        rung: Rung::Mqtt,
        side: Side::Account,
        cause: "the server limits rate or quota",
        fix: "Send less often, or have the limit raised.",
        about: "The server counts messages, connections or bytes of this client, and the count \
                is full: 0x96 means too fast, 0x97 that a quota is used up. Trying again at once \
                makes it worse.",
        decided_by: "0x96 or 0x97 in CONNACK, PUBACK or DISCONNECT. At an IoT hub it is \
                     TP-HUB-008 or TP-HUB-011.",
        remedies: &[
            linux("Send less often, several readings in one message.", ""),
            server(
                "EMQX: raise the listener's rates, if the machine can carry it.",
                "listeners.tcp.default.messages_rate = \"1000/s\"",
            ),
            zephyr(
                "Wait longer after each refusal, with some chance in it.",
                "",
            ),
            esp_idf(
                "Wait longer between attempts: network.reconnect_timeout_ms.",
                "",
            ),
        ],
        administrator: "",
        symptoms: &["0x96", "0x97", "Message rate too high", "Quota exceeded"],
        proofs: &[Proof::Code("0x96"), Proof::Code("0x97")],
        sources: &[],
    },
];
