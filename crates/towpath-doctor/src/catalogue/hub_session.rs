//! Findings of an IoT hub: twin, topics, files, and the life of a connection.

use towpath_proto::Rung;

use super::{esp_idf, linux, network, server, zephyr};
use crate::{Finding, Proof, Side};

pub(super) const FINDINGS: &[Finding] = &[
    Finding {
        id: "TP-HUB-011",
        rung: Rung::Hub,
        side: Side::Account,
        cause: "the hub throttles this device or all of them (429001)",
        fix: "Send less often, spread the starts of a fleet, or add units.",
        about: "A hub has rates for connections, messages and twin operations, by tier and unit. \
                Above them it first lets messages wait, so that PUBACK comes late, then refuses: \
                429 for twins and REST, \"server unavailable\" for logins.",
        decided_by: "429001 to 429005 in the hub's log or in a REST answer. A twin request that \
                     gets 429 is TP-HUB-014; messages without any acknowledgement are \
                     TP-HUB-027.",
        remedies: &[
            server(
                "See the metric \"throttling errors\", and add a unit.",
                "az iot hub update --name contoso --sku S1 --unit 2",
            ),
            linux(
                "Spread the starts: towpath device chooses its pauses for the fleet's size.",
                "fleet = { devices = 5000, rate = 100 }",
            ),
            zephyr(
                "Wait for a random time before the first connection after a power cut.",
                "",
            ),
            esp_idf(
                "Wait for a random time before the first connection after a power cut.",
                "",
            ),
        ],
        administrator: "",
        symptoms: &[
            "429001",
            "ThrottlingException",
            "ThrottleBacklogLimitExceeded",
        ],
        proofs: &[Proof::Code("429001")],
        sources: &["https://learn.microsoft.com/en-us/azure/iot-hub/troubleshoot-error-codes"],
    },
    Finding {
        id: "TP-HUB-012",
        rung: Rung::Hub,
        side: Side::Device,
        cause: "the hub calls the twin request malformed (400)",
        fix: "Correct the reported properties: JSON, at most 10 levels, keys without dot, dollar \
              sign and space.",
        about: "What a device reports has to be a JSON object whose keys are short and plain and \
                whose depth is limited. The hub answers 400 and changes nothing.",
        decided_by: "400 on $iothub/twin/res for a request of this device. 413 is the size \
                     (TP-HUB-013).",
        remedies: &[
            linux(
                "See the answer.",
                "towpath device twin --config device.toml --trace",
            ),
            zephyr(
                "Build the JSON by a library; no key may hold a dot, a dollar sign or a space.",
                "",
            ),
            esp_idf(
                "Build the JSON by a library; no key may hold a dot, a dollar sign or a space.",
                "",
            ),
            server(
                "The rules stand in the hub's documentation of device twins.",
                "",
            ),
        ],
        administrator: "",
        symptoms: &["$iothub/twin/res/400", "twin 400"],
        proofs: &[Proof::Lab("twin-400"), Proof::Code("$iothub/twin/res/400")],
        sources: &[],
    },
    Finding {
        id: "TP-HUB-013",
        rung: Rung::Hub,
        side: Side::Device,
        cause: "the twin is larger than the hub takes (413)",
        fix: "Report less: 32 kB for all reported properties together.",
        about: "Reported properties and desired properties may have 32 kB each, strings 4 kB, \
                keys 1 kB. Logs and measurements don't belong there; they go as messages.",
        decided_by: "413 on $iothub/twin/res for a request of this device.",
        remedies: &[
            linux(
                "See what is in the twin.",
                "towpath device twin --config device.toml",
            ),
            server(
                "Delete what is no longer needed: report it as null.",
                "{\"old\": null}",
            ),
            zephyr(
                "Report null for what is no longer needed, and send measurements as telemetry.",
                "",
            ),
            esp_idf(
                "Report null for what is no longer needed, and send measurements as telemetry.",
                "",
            ),
        ],
        administrator: "",
        symptoms: &["$iothub/twin/res/413", "413001"],
        proofs: &[Proof::Code("$iothub/twin/res/413")],
        sources: &[],
    },
    Finding {
        id: "TP-HUB-014",
        rung: Rung::Hub,
        side: Side::Account,
        cause: "the hub has too many twin requests (429)",
        fix: "Ask less often; the request is repeated later.",
        about: "Twin reads and updates have rates of their own, per hub. A fleet that reads its \
                twins after a power cut goes over them.",
        decided_by: "429 on $iothub/twin/res. The login and messages still work.",
        remedies: &[
            linux(
                "Spread the starts: towpath device chooses its pauses for the fleet's size.",
                "fleet = { devices = 5000, rate = 100 }",
            ),
            server(
                "Add a unit.",
                "az iot hub update --name contoso --sku S1 --unit 2",
            ),
            zephyr(
                "Repeat after some seconds, longer each time, with some chance in it.",
                "",
            ),
            esp_idf(
                "Repeat after some seconds, longer each time, with some chance in it.",
                "",
            ),
        ],
        administrator: "",
        symptoms: &["$iothub/twin/res/429"],
        proofs: &[Proof::Lab("twin-429"), Proof::Code("$iothub/twin/res/429")],
        sources: &[],
    },
    Finding {
        id: "TP-HUB-015",
        rung: Rung::Hub,
        side: Side::Server,
        cause: "the hub does not give the device's twin",
        fix: "Ask again later; with a hub of the basic tier do without twins.",
        about: "The hub answered with a status that is not the device's fault, mostly 5xx, which \
                passes. A hub of the basic tier has no twins, methods and cloud-to-device \
                messages at all.",
        decided_by: "A status other than 200, 204, 400, 413 and 429 on $iothub/twin/res; it \
                     stands in the evidence.",
        remedies: &[
            server(
                "See the hub's tier.",
                "az iot hub show --name contoso --query sku",
            ),
            linux(
                "Leave the twin out of the device's file: no [desired], no [reported].",
                "",
            ),
            zephyr(
                "Don't ask for the twin at each start.",
                "CONFIG_AZURE_IOT_HUB_AUTO_DEVICE_TWIN_REQUEST=n",
            ),
        ],
        administrator: "",
        symptoms: &[
            "TwinRefused",
            "403010",
            "$iothub/twin/res/500",
            "$iothub/twin/res/503",
        ],
        proofs: &[Proof::Lab("twin-500"), Proof::Code("TwinRefused")],
        sources: &[],
    },
    Finding {
        id: "TP-HUB-016",
        rung: Rung::Hub,
        side: Side::Server,
        cause: "the hub does not answer for the device's twin",
        fix: "Ask again; if it stays, look at the hub and at the subscription to \
              $iothub/twin/res/#.",
        about: "The request was sent, and acknowledged if it had QoS 1, and no answer came. A \
                device that did not subscribe to $iothub/twin/res/# first never gets one.",
        decided_by: "No message on $iothub/twin/res with this request's $rid within the time. If \
                     nothing at all is acknowledged it is TP-HUB-027.",
        remedies: &[
            linux(
                "Ask by hand.",
                "towpath device twin --config device.toml --trace",
            ),
            zephyr(
                "Subscribe to $iothub/twin/res/# and wait for SUBACK before the request.",
                "",
            ),
            esp_idf(
                "Subscribe to $iothub/twin/res/# and wait for SUBACK before the request.",
                "",
            ),
            server("Look at the status page of the cloud if it lasts.", ""),
        ],
        administrator: "",
        symptoms: &["TwinSilent"],
        proofs: &[Proof::Lab("twin-silent"), Proof::Code("TwinSilent")],
        sources: &[],
    },
    Finding {
        id: "TP-HUB-024",
        rung: Rung::Hub,
        side: Side::Device,
        cause: "the device used a topic that the hub forbids",
        fix: "Use the hub's topics to the letter: devices/DEVICE/messages/events/ to send.",
        about: "An IoT hub is no general broker: it has a handful of topics for each device, and \
                it closes the connection on any other, directly and without a word. The device \
                comes back, does it again, and loops each second. Bridges of Mosquitto trip it \
                by unsubscribing and by their own status topic.",
        decided_by: "The end follows a PUBLISH, SUBSCRIBE or UNSUBSCRIBE within milliseconds, \
                     each time; that packet stands in the evidence. QoS 2 is TP-HUB-025.",
        remedies: &[
            linux(
                "Send by the device's file, which knows the topics.",
                "towpath device send --config device.toml -m '{\"hello\":1}'",
            ),
            zephyr(
                "Topic of telemetry: devices/meter-4/messages/events/, with the device's own id.",
                "",
            ),
            esp_idf(
                "Topic of telemetry: devices/meter-4/messages/events/, with the device's own id.",
                "",
            ),
            server(
                "A bridge of Mosquitto:",
                "topic messages/events/ out 1 \"\" devices/meter-4/\n\
                 bridge_attempt_unsubscribe false\n\
                 notifications false\n\
                 try_private false",
            ),
        ],
        administrator: "",
        symptoms: &[
            "rc=7",
            "disconnected rc 7",
            "The connection was lost",
            "Bad Request",
        ],
        proofs: &[
            Proof::Log("azure-wrong-topic.log"),
            Proof::Capture("hub-wrong-topic"),
        ],
        sources: &[
            "https://github.com/MicrosoftDocs/azure-docs/issues/93606",
            "https://github.com/eclipse-mosquitto/mosquitto/issues/953",
            "https://github.com/eclipse-mosquitto/mosquitto/issues/1446",
        ],
    },
    Finding {
        id: "TP-HUB-025",
        rung: Rung::Hub,
        side: Side::Device,
        cause: "the device publishes with QoS 2, which the hub does not have",
        fix: "Publish with QoS 1.",
        about: "IoT hubs have QoS 0 and 1. The documentation says that a QoS 2 message closes \
                the connection; in one case of 2025 the hub answered PUBACK instead of PUBREC, \
                which some clients can't bear. Either way it does not work.",
        decided_by: "PUBLISH with QoS 2 went to a hub, and an end or a PUBACK for it followed. \
                     It can be said from the settings without a packet.",
        remedies: &[
            linux(
                "Send with QoS 1.",
                "towpath device send --config device.toml -m '{\"hello\":1}'",
            ),
            zephyr("Publish with MQTT_QOS_1_AT_LEAST_ONCE.", ""),
            esp_idf("Publish with qos 1 in esp_mqtt_client_publish().", ""),
            server(
                "A bridge of Mosquitto: 1 behind the direction.",
                "topic messages/events/ out 1 \"\" devices/meter-4/",
            ),
        ],
        administrator: "",
        symptoms: &["double free", "rc=7"],
        proofs: &[
            Proof::Lint("hub-qos2"),
            Proof::Capture("hub-qos2"),
            Proof::Log("azure-qos2.log"),
        ],
        sources: &[
            "https://github.com/eclipse-paho/paho.mqtt.c/issues/1617",
            "https://github.com/MicrosoftDocs/azure-docs/pull/4608",
        ],
    },
    Finding {
        id: "TP-HUB-026",
        rung: Rung::Hub,
        side: Side::Device,
        cause: "an identifier or a payload that can't be said to the hub",
        fix: "Correct what is named: identifiers have no +, # or control characters.",
        about: "Device ids, method names and properties become parts of topics, where + and # \
                mean something else. What is told to the provisioning service beside the \
                registration id has to be a JSON object.",
        decided_by: "It was found before a packet was sent; the rule stands in the evidence.",
        remedies: &[
            linux(
                "Check the file.",
                "towpath device check --config device.toml",
            ),
            zephyr(
                "Choose another id:",
                "CONFIG_AZURE_IOT_HUB_DEVICE_ID=\"meter-4\"",
            ),
        ],
        administrator: "",
        symptoms: &["HubName"],
        proofs: &[Proof::Code("HubName")],
        sources: &[],
    },
    Finding {
        id: "TP-HUB-027",
        rung: Rung::Hub,
        side: Side::Server,
        cause: "the hub accepted the connection and acknowledges nothing",
        fix: "Look at the proxy or firewall on the way if it lasts; the device comes back by \
              itself.",
        about: "CONNACK came, and then neither SUBACK nor PUBACK. Something on the way lets the \
                beginning of a connection pass and swallows the rest, or the hub is stuck behind \
                its front end.",
        decided_by: "CONNACK 0, then a SUBSCRIBE or PUBLISH without an acknowledgement within \
                     the time, while TCP takes the bytes. If PINGRESP is missing too it is \
                     TP-MQTT-013.",
        remedies: &[
            linux(
                "Compare with the other port, and past the proxy.",
                "towpath doctor --config device.toml --proxy none",
            ),
            network("Exempt the hub from inspection.", ""),
        ],
        administrator: "Please exempt *.azure-devices.net and *.azure-devices-provisioning.net \
                        from TLS inspection.",
        symptoms: &["HubSilent"],
        proofs: &[Proof::Code("HubSilent")],
        sources: &[],
    },
    Finding {
        id: "TP-HUB-028",
        rung: Rung::Hub,
        side: Side::Account,
        cause: "the hub refuses a subscription",
        fix: "Leave out what a hub of the basic tier lacks: messages to the device, methods, \
              twins.",
        about: "A hub of the basic tier takes telemetry only. It answers SUBACK with 0x80 to the \
                topics of the other features.",
        decided_by: "SUBACK 0x80 from a hub; the filter stands in the evidence. For any other \
                     broker it is TP-MQTT-012.",
        remedies: &[
            server(
                "See the tier, and change it.",
                "az iot hub show --name contoso --query sku",
            ),
            linux(
                "Leave [methods], [desired] and [reported] out of the device's file.",
                "",
            ),
            zephyr(
                "Don't ask for the twin.",
                "CONFIG_AZURE_IOT_HUB_AUTO_DEVICE_TWIN_REQUEST=n",
            ),
        ],
        administrator: "",
        symptoms: &["HubFilterRefused", "SUBACK 0x80"],
        proofs: &[Proof::Code("HubFilterRefused")],
        sources: &[],
    },
    Finding {
        id: "TP-HUB-029",
        rung: Rung::Hub,
        side: Side::Device,
        cause: "the connection ends when its token does",
        fix: "Make a new token and reconnect at 80 to 85 percent of its life.",
        about: "MQTT 3.1.1 can't renew a login. When the token's time is over, and a few minutes \
                of grace, the hub ends the connection: with tokens of an hour that is once an \
                hour, at the same minute. A few seconds later the device is back, so it is only \
                a gap.",
        decided_by: "Ends at equal distances that agree with the token's life; 401003, then \
                     404104 in the hub's log. Irregular ends are TP-MQTT-015.",
        remedies: &[
            linux(
                "towpath device renews in time; the life is a setting.",
                "token_life = 3600",
            ),
            zephyr("Reconnect with a new token before the old one ends.", ""),
            esp_idf(
                "Make a new token, esp_mqtt_set_config(), reconnect, before the old one ends.",
                "",
            ),
            server(
                "X.509 has no tokens: enrol the device by a certificate.",
                "",
            ),
        ],
        administrator: "",
        symptoms: &["401003", "404104", "The specified SAS token is expired"],
        proofs: &[Proof::Log("azure-hourly.log")],
        sources: &[
            "https://github.com/Azure/azure-iot-sdk-java/issues/609",
            "https://learn.microsoft.com/en-us/azure/iot-hub/troubleshoot-error-codes",
        ],
    },
    Finding {
        id: "TP-HUB-030",
        rung: Rung::Hub,
        side: Side::Account,
        cause: "the hub does not take the file upload",
        fix: "Link a storage account and a container to the hub.",
        about: "A file goes into a storage account that the hub names. Without a linked account, \
                with more than ten uploads of a device under way, or with a refused login, the \
                hub refuses at the first step.",
        decided_by: "The hub's REST answer to the request for an upload; the status stands in \
                     the evidence. 403006 is ten uploads under way. If the storage refused it is \
                     TP-HUB-031.",
        remedies: &[
            server(
                "Link a container.",
                "az iot hub update --name contoso --fileupload-storage-connectionstring \"...\" --fileupload-storage-container-name files",
            ),
            linux(
                "Check the login first: the same credentials are used.",
                "towpath doctor --config device.toml",
            ),
        ],
        administrator: "",
        symptoms: &["UploadRefused", "403006", "400015"],
        proofs: &[Proof::Code("UploadRefused"), Proof::Code("403006")],
        sources: &["https://github.com/Azure/azure-iot-sdk-c/pull/2032"],
    },
    Finding {
        id: "TP-HUB-031",
        rung: Rung::Hub,
        side: Side::Account,
        cause: "the storage does not take the file",
        fix: "Upload again; then look at the storage account's firewall.",
        about: "The hub gave a place for the file with a signature that lasts an hour at most, \
                and the storage account refused: too late, its firewall does not know the \
                device's network, or the container is gone.",
        decided_by: "The status came from the storage's host, not from the hub. 403 is signature \
                     or firewall, 404 the container.",
        remedies: &[
            server(
                "Let the storage account take the device's network.",
                "az storage account network-rule add --account-name contosofiles --ip-address 192.0.2.0/24",
            ),
            linux(
                "Look at the device's clock: the signature has a beginning and an end.",
                "timedatectl",
            ),
            network("Allow HTTPS to the storage account.", ""),
        ],
        administrator: "Please allow TCP port 443 from these devices to *.blob.core.windows.net.",
        symptoms: &[
            "StorageRefused",
            "AuthorizationFailure",
            "AuthenticationFailed",
        ],
        proofs: &[Proof::Code("StorageRefused")],
        sources: &[],
    },
    Finding {
        id: "TP-HUB-032",
        rung: Rung::Hub,
        side: Side::Server,
        cause: "no complete answer to the HTTP request",
        fix: "Try again, or raise the time for a rung.",
        about: "A REST call or a download was answered not at all or not to its end, while the \
                connection stands. A proxy that scans a whole file before it passes it on does \
                that, and so does a server in trouble.",
        decided_by: "The request was sent, and the head or the body did not come within the \
                     time. If the connection ended it is TP-HUB-034.",
        remedies: &[
            linux(
                "Give it more time.",
                "towpath doctor --config device.toml --timeout 30",
            ),
            network("Exempt the host from inspection.", ""),
        ],
        administrator: "Please let HTTPS to this host pass without inspection.",
        symptoms: &["HttpTimeout"],
        proofs: &[Proof::Code("HttpTimeout")],
        sources: &[],
    },
    Finding {
        id: "TP-HUB-033",
        rung: Rung::Hub,
        side: Side::Server,
        cause: "the HTTP answer can't be read",
        fix: "Check host and port; a box in between may have damaged the answer.",
        about: "What came is no HTTP/1.1 answer, or its lengths disagree. Another service \
                listens at this address, or a box in between rewrites what passes.",
        decided_by: "The client says what can't be read. With a first line that is no HTTP, \
                     somebody else listens there.",
        remedies: &[
            linux(
                "See who answers.",
                "curl -v https://contoso.azure-devices.net/",
            ),
            network("Exempt the host from boxes that rewrite answers.", ""),
        ],
        administrator: "",
        symptoms: &["HttpMalformed"],
        proofs: &[Proof::Code("HttpMalformed")],
        sources: &[],
    },
    Finding {
        id: "TP-HUB-034",
        rung: Rung::Hub,
        side: Side::Network,
        cause: "the connection ended before the HTTP answer did",
        fix: "Ask again; a download goes on where it ended.",
        about: "A download of firmware or the answer to a REST call broke off in the middle. On \
                weak networks that happens; proxies with a limit on size or time do it at the \
                same place each time.",
        decided_by: "Fewer bytes came than Content-Length or the last chunk say; the number \
                     stands in the evidence. An end at the same count each time is a limit of a \
                     proxy.",
        remedies: &[
            linux(
                "See where it ends.",
                "curl -o /dev/null https://contoso.azure-devices.net/",
            ),
            network(
                "Raise the proxy's limits on size and time for this host.",
                "",
            ),
        ],
        administrator: "Please raise the proxy's limits on size and duration of downloads for \
                        these devices.",
        symptoms: &["HttpCut"],
        proofs: &[Proof::Code("HttpCut")],
        sources: &[],
    },
    Finding {
        id: "TP-HUB-035",
        rung: Rung::Hub,
        side: Side::Device,
        cause: "a message came while the device slept, and the hub gave the connection up",
        fix: "Ask for no messages while the device sleeps, or accept a new connection after each \
              sleep.",
        about: "With power saving mode (PSM) or long eDRX cycles a modem can't be reached for \
                minutes to hours. When the hub sends something then, TCP gets no \
                acknowledgement, sends it again for a while, and resets the connection. The \
                device pays a full TLS handshake for it.",
        decided_by: "A PUBLISH from the hub, retransmissions without an acknowledgement, then a \
                     reset or silence, while the device's log shows the modem asleep. Without a \
                     downlink the same connection lives on.",
        remedies: &[
            zephyr(
                "Ask the network for a short sleep, or none, while connected.",
                "CONFIG_LTE_PSM_REQ=n\n\
                 CONFIG_LTE_EDRX_REQ=n",
            ),
            esp_idf(
                "Disconnect before a long sleep, and come back after it.",
                "",
            ),
            server(
                "Let messages to the device wait until it asks: a message to a device that is \
                 away stays in the hub's queue.",
                "",
            ),
        ],
        administrator: "",
        symptoms: &["-104", "ECONNRESET"],
        proofs: &[
            Proof::Capture("hub-downlink-asleep"),
            Proof::Log("ncs-psm-reset.log"),
        ],
        sources: &[
            "https://developer.nordicsemi.com/nRF_Connect_SDK/doc-legacy/2.7.0/nrf/libraries/networking/azure_iot_hub.html",
        ],
    },
];
