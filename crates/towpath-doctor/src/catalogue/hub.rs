//! Findings of an IoT hub: the login and the identity.

use towpath_proto::Rung;

use super::{esp_idf, linux, network, server, zephyr};
use crate::{Finding, Proof, Side};

pub(super) const FINDINGS: &[Finding] = &[
    Finding {
        id: "TP-HUB-001",
        rung: Rung::Hub,
        side: Side::Account,
        cause: "another connection took over this device's identity (400027)",
        fix: "Give every device its own identity, and stop the program that still uses this one.",
        about: "A hub takes one connection of a device. A second one with the same identity \
                wins, and the first is closed without a word, comes back and throws the second \
                out. A forgotten gateway, a copied image and a test with the device's own key \
                are the usual ones.",
        decided_by: "400027 (ConnectionForcefullyClosedOnNewConnection) in the hub's log. The \
                     device sees only an end, every few seconds; towpath device tells it when it \
                     repeats. With MQTT 5 brokers it is TP-MQTT-018.",
        remedies: &[
            server(
                "Find the addresses of both in the hub's log: diagnostic settings, category \
                 Connections.",
                "",
            ),
            linux(
                "Test with an identity of its own.",
                "towpath doctor --config test-device.toml",
            ),
            zephyr(
                "Take the identity from the chip, not from the image.",
                "CONFIG_AZURE_IOT_HUB_DEVICE_ID_APP=y",
            ),
            esp_idf("Take the device id from the chip: esp_read_mac().", ""),
        ],
        administrator: "",
        symptoms: &[
            "400027",
            "ConnectionForcefullyClosedOnNewConnection",
            "LinkStolen",
        ],
        proofs: &[Proof::Code("400027"), Proof::Log("azure-takeover.log")],
        sources: &["https://learn.microsoft.com/en-us/azure/iot-hub/troubleshoot-error-codes"],
    },
    Finding {
        id: "TP-HUB-002",
        rung: Rung::Hub,
        side: Side::Server,
        cause: "the hub closed the connection for maintenance (400029)",
        fix: "Come back after a short pause; nothing needs to be set.",
        about: "Hubs move connections between machines, for updates and for balance. The \
                connection ends, and a new one works at once. A device that reconnects with a \
                growing pause does not notice.",
        decided_by: "400029 in the hub's log. Seen by the device it is an end after which the \
                     next attempt succeeds.",
        remedies: &[
            server(
                "Nothing to do; if it lasts, look at the status page of the cloud.",
                "",
            ),
            linux(
                "towpath device comes back by itself.",
                "towpath device --config device.toml",
            ),
            zephyr(
                "Reconnect after a pause of a few seconds, longer each time.",
                "",
            ),
            esp_idf(
                "The MQTT client comes back by itself after network.reconnect_timeout_ms.",
                "",
            ),
        ],
        administrator: "",
        symptoms: &["400029"],
        proofs: &[Proof::Code("400029")],
        sources: &["https://learn.microsoft.com/en-us/azure/iot-hub/troubleshoot-error-codes"],
    },
    Finding {
        id: "TP-HUB-003",
        rung: Rung::Hub,
        side: Side::Server,
        cause: "the hub is moving to another region (400030, 404012)",
        fix: "Come back with growing pauses; a failover takes minutes to hours.",
        about: "In a failover the hub's name points to another region afterwards. Until then \
                connections end or are refused. A device that keeps the hub's address instead of \
                its name never arrives.",
        decided_by: "400030 or 404012 in the hub's log or in its REST answer. If the name no \
                     longer exists it is TP-DNS-005.",
        remedies: &[
            server(
                "Look at the hub's failover page in the portal, and at the status page of the \
                 cloud.",
                "",
            ),
            linux(
                "Resolve the name anew for each attempt, as towpath does.",
                "towpath resolve contoso.azure-devices.net",
            ),
            zephyr(
                "Call getaddrinfo() before each connection; keep no address.",
                "",
            ),
            esp_idf(
                "Keep no address: the client resolves the name of the URI each time.",
                "",
            ),
        ],
        administrator: "",
        symptoms: &["400030", "404012"],
        proofs: &[Proof::Code("400030")],
        sources: &["https://learn.microsoft.com/en-us/azure/iot-hub/troubleshoot-error-codes"],
    },
    Finding {
        id: "TP-HUB-004",
        rung: Rung::Hub,
        side: Side::Account,
        cause: "the token has expired (401003)",
        fix: "Make a new token; with towpath device it is made from the key in time.",
        about: "A shared access signature ends at the time in its se field. A token that was \
                pasted into firmware works until that day. The hub allows a few minutes beyond, \
                then says \"not authorized\" like for everything else.",
        decided_by: "The se of the token lies before now, by a clock that agrees with the hub's \
                     Date header. If the clock is the one that is wrong it is TP-HUB-005; a \
                     connection that ends when its token does is TP-HUB-029.",
        remedies: &[
            linux(
                "See when it ends, and make it from the key.",
                "date -u -d @1795293446\n\
                 towpath doctor --config device.toml",
            ),
            zephyr(
                "Make the token in the device, at each connection, from the key and the time.",
                "",
            ),
            esp_idf(
                "Make the token in the device, at each connection, from the key and the time.",
                "",
            ),
            server(
                "For a test only:",
                "az iot hub generate-sas-token --hub-name contoso --device-id meter-4 --duration 3600",
            ),
        ],
        administrator: "",
        symptoms: &[
            "The specified SAS token is expired",
            "401003",
            "IotHubUnauthorized",
            "CONNACK 5",
        ],
        proofs: &[Proof::Lint("sas-expired")],
        sources: &[
            "https://github.com/Azure/azure-iot-sdks/issues/152",
            "https://github.com/Azure/azure-iot-sdk-csharp/issues/113",
        ],
    },
    Finding {
        id: "TP-HUB-005",
        rung: Rung::Hub,
        side: Side::Device,
        cause: "the clock is wrong, so tokens begin or end at the wrong time",
        fix: "Set the clock (NTP) before the token is made.",
        about: "The device computes when its token ends from its own clock. If that runs more \
                than five minutes late, a fresh token is expired already at the hub. With a \
                clock in 1970 every token is.",
        decided_by: "The hub's Date header and this clock differ by more than five minutes, and \
                     the login is refused. If the clocks agree and se has passed it is \
                     TP-HUB-004.",
        remedies: &[
            linux("Set the clock and keep it.", "timedatectl set-ntp true"),
            zephyr(
                "Wait for the time before the first connection.",
                "CONFIG_SNTP=y\n\
                 CONFIG_NET_CONFIG_CLOCK_SNTP_INIT=y\n\
                 CONFIG_NET_CONFIG_SNTP_INIT_SERVER=\"pool.ntp.org\"",
            ),
            zephyr("NCS:", "CONFIG_DATE_TIME=y"),
            esp_idf(
                "Wait for SNTP before the token is made: esp_netif_sntp_init(), then \
                 esp_netif_sntp_sync_wait().",
                "",
            ),
            network("Let devices reach a time server (UDP 123).", ""),
        ],
        administrator: "Please allow UDP port 123 (NTP) from these devices to a time server.",
        symptoms: &[
            "The specified SAS token is expired",
            "Time:Tue Nov 30 00:00:00 1999",
            "401003",
            "CONNACK 5",
        ],
        proofs: &[Proof::Lab("clock-skew=604800"), Proof::SetUp("hub-clock")],
        sources: &[
            "https://github.com/Azure/azure-iot-sdks/issues/987",
            "https://github.com/Azure/azure-iot-sdk-c/issues/230",
            "https://github.com/Azure/azure-iot-sdks/issues/152",
        ],
    },
    Finding {
        id: "TP-HUB-006",
        rung: Rung::Hub,
        side: Side::Account,
        cause: "there is no hub of this name (401001)",
        fix: "Check the hub's host name against the portal.",
        about: "The front end answers for a whole region, so TLS and even the upgrade work for a \
                name that has no hub behind it. A deleted hub, another subscription's name and a \
                typing error look alike.",
        decided_by: "401001 (IoTHubNotFound) from the REST interface with the same credentials; \
                     MQTT says only \"not authorized\". If the name does not resolve it is \
                     TP-DNS-005.",
        remedies: &[
            server(
                "List the hubs' names.",
                "az iot hub list --query \"[].properties.hostName\" -o tsv",
            ),
            linux(
                "Try the right one.",
                "towpath doctor mqtts://contoso.azure-devices.net -i meter-4",
            ),
            zephyr(
                "The name in the build:",
                "CONFIG_AZURE_IOT_HUB_HOSTNAME=\"contoso.azure-devices.net\"",
            ),
            esp_idf(
                "Write the right host into the URI and into the user name.",
                "",
            ),
        ],
        administrator: "",
        symptoms: &["401001", "IoTHubNotFound", "CONNACK 5"],
        proofs: &[Proof::Lab("hub-not-found"), Proof::Code("401001")],
        sources: &["https://learn.microsoft.com/en-us/azure/iot-hub/troubleshoot-error-codes"],
    },
    Finding {
        id: "TP-HUB-007",
        rung: Rung::Hub,
        side: Side::Account,
        cause: "the hub is suspended (403001)",
        fix: "Have the subscription activated again.",
        about: "A hub whose subscription ran out, or that broke its terms, stays there and takes \
                nobody. Devices see \"not authorized\" or \"server unavailable\".",
        decided_by: "403001 (IoTHubSuspended) from the REST interface with the same credentials.",
        remedies: &[server(
            "Look at the state of subscription and hub.",
            "az iot hub show --name contoso --query properties.state\n\
                 az account show --query state",
        )],
        administrator: "",
        symptoms: &["403001", "IoTHubSuspended"],
        proofs: &[Proof::Lab("hub-suspended"), Proof::Code("403001")],
        sources: &["https://learn.microsoft.com/en-us/azure/iot-hub/troubleshoot-error-codes"],
    },
    Finding {
        id: "TP-HUB-008",
        rung: Rung::Hub,
        side: Side::Account,
        cause: "the messages of the day are used up (403002)",
        fix: "Add units to the hub, or send less; the count starts anew at midnight UTC.",
        about: "Each unit of a hub has so many messages a day, counted in blocks of 4 kB (0.5 kB \
                in the free tier). When they are used up, messages are refused until the next \
                day, while the connection may stand.",
        decided_by: "403002 (IotHubQuotaExceeded) from the REST interface, or messages that stay \
                     unacknowledged from a certain hour on until 00:00 UTC.",
        remedies: &[
            server(
                "See the use, and add a unit.",
                "az iot hub show-quota-metrics --name contoso\n\
                 az iot hub update --name contoso --sku S1 --unit 2",
            ),
            linux(
                "Put several readings into one message. towpath device keeps what waits in its \
                 outbox.",
                "towpath device --config device.toml",
            ),
            zephyr("Put several readings into one message of up to 4 kB.", ""),
            esp_idf("Put several readings into one message of up to 4 kB.", ""),
        ],
        administrator: "",
        symptoms: &["403002", "IotHubQuotaExceeded"],
        proofs: &[Proof::Code("403002")],
        sources: &["https://learn.microsoft.com/en-us/azure/iot-hub/troubleshoot-error-codes"],
    },
    Finding {
        id: "TP-HUB-009",
        rung: Rung::Hub,
        side: Side::Account,
        cause: "the device is disabled at the hub (403012)",
        fix: "Enable the device at the hub.",
        about: "Somebody switched the device off in the portal, or a rule did. Its key and \
                certificate are as good as ever, and the login is refused.",
        decided_by: "403012 from the REST interface with the same credentials, or \"disabled\" \
                     in the device's page; MQTT says only \"not authorized\".",
        remedies: &[server(
            "See it and enable it.",
            "az iot hub device-identity show --hub-name contoso --device-id meter-4 --query status\n\
                 az iot hub device-identity update --hub-name contoso --device-id meter-4 --status enabled",
        )],
        administrator: "",
        symptoms: &["403012", "CONNACK 5"],
        proofs: &[Proof::Lab("device-disabled"), Proof::Code("403012")],
        sources: &["https://learn.microsoft.com/en-us/azure/iot-hub/troubleshoot-error-codes"],
    },
    Finding {
        id: "TP-HUB-010",
        rung: Rung::Hub,
        side: Side::Account,
        cause: "the hub does not know this device (404001)",
        fix: "Create the device at this hub, or provision it anew.",
        about: "The device id is not in the hub's registry: it was deleted, it belongs to \
                another hub, or its case differs, for device ids are case sensitive.",
        decided_by: "404001 (DeviceNotFound) from the REST interface with the same credentials; \
                     MQTT says only \"not authorized\".",
        remedies: &[
            server(
                "Look for it, and create it.",
                "az iot hub device-identity list --hub-name contoso --query \"[].deviceId\"\n\
                 az iot hub device-identity create --hub-name contoso --device-id meter-4",
            ),
            linux(
                "Ask the provisioning service again.",
                "towpath device provision --config device.toml",
            ),
            zephyr(
                "The id in the build, with its case:",
                "CONFIG_AZURE_IOT_HUB_DEVICE_ID=\"meter-4\"",
            ),
            esp_idf(
                "Set credentials.client_id and the user name to the same id, with its case.",
                "",
            ),
        ],
        administrator: "",
        symptoms: &["404001", "DeviceNotFound", "CONNACK 5"],
        proofs: &[Proof::Code("404001")],
        sources: &["https://learn.microsoft.com/en-us/azure/iot-hub/troubleshoot-error-codes"],
    },
    Finding {
        id: "TP-HUB-021",
        rung: Rung::Hub,
        side: Side::Account,
        cause: "the hub does not take this device",
        fix: "Check key or certificate, the clock, and that the device exists at this hub and is \
              enabled.",
        about: "A hub has one word, \"not authorized\", for a wrong key, an expired token, a \
                wrong clock, a device that is unknown or disabled, a certificate with another \
                thumbprint and a user name in the wrong form. The REST interface of the same hub \
                says more with the same credentials.",
        decided_by: "CONNACK 5 from a hub, and neither the form of the login, nor the clock, nor \
                     REST tells more. Whatever they tell is one of TP-HUB-004 to TP-HUB-010, \
                     TP-HUB-022, TP-HUB-023.",
        remedies: &[
            linux(
                "Ask with the device's own file, which tries REST too.",
                "towpath doctor --config device.toml",
            ),
            server(
                "See how the hub knows the device.",
                "az iot hub device-identity show --hub-name contoso --device-id meter-4",
            ),
            zephyr(
                "Client id, user name and password in the hub's form: id meter-4, user \
                 contoso.azure-devices.net/meter-4/?api-version=2021-04-12.",
                "",
            ),
            esp_idf(
                "Client id, user name and password in the hub's form: id meter-4, user \
                 contoso.azure-devices.net/meter-4/?api-version=2021-04-12.",
                "",
            ),
        ],
        administrator: "",
        symptoms: &[
            "CONNACK 5",
            "401002",
            "401003",
            "Not authorized",
            "RefusedNotAuthorized",
            "UnauthorizedError",
        ],
        proofs: &[
            Proof::Lab("token-expired"),
            Proof::Lab("device-unknown"),
            Proof::SetUp("hub-wrong-key"),
            Proof::Code("HubUnauthorized"),
        ],
        sources: &["https://github.com/MicrosoftDocs/azure-docs/issues/38897"],
    },
    Finding {
        id: "TP-HUB-022",
        rung: Rung::Hub,
        side: Side::Server,
        cause: "the client certificate was never asked for on port 443",
        fix: "Use port 8883 with the certificate, or a token on 443.",
        about: "On 8883 the hub asks for the client certificate in the handshake. On 443 the \
                front end asks later, by renegotiation, or not at all; then MQTT arrives without \
                a proof and is refused. For years X.509 over 443 was not supported for that \
                reason; whether it is now can only be seen by trying.",
        decided_by: "The same certificate gets CONNACK 0 on 8883 and CONNACK 5 on 443, where no \
                     CertificateRequest was seen. If one came and was refused by this side, it \
                     is TP-TLS-031.",
        remedies: &[
            linux(
                "Use the other port.",
                "towpath doctor mqtts://contoso.azure-devices.net:8883 --cert device.pem --key device.key -i meter-4",
            ),
            zephyr("Use the other port:", "CONFIG_AZURE_IOT_HUB_PORT=8883"),
            esp_idf("Use mqtts:// with port 8883 in the URI.", ""),
            network("Open TCP port 8883 to the hub.", ""),
        ],
        administrator: "Please allow TCP port 8883 from these devices to *.azure-devices.net and \
                        *.azure-devices-provisioning.net, without TLS inspection.",
        symptoms: &["CONNECT failed: RefusedNotAuthorized", "CONNACK 5"],
        proofs: &[Proof::Lab("renegotiate-none")],
        sources: &[
            "https://github.com/Azure/azure-iot-sdk-csharp/issues/534",
            "https://github.com/Azure/azure-iot-sdk-java/issues/278",
        ],
    },
    Finding {
        id: "TP-HUB-023",
        rung: Rung::Hub,
        side: Side::Device,
        cause: "user name, client id or token do not have the form that the hub wants",
        fix: "Correct what is named in the evidence: the hub's form is fixed to the letter.",
        about: "The client id is the device id; the user name is \
                HOST/DEVICE/?api-version=2021-04-12; the token is signed for \
                HOST/devices/DEVICE. Upper and lower case have to agree in all three. \
                Placeholder brackets that were left in, a missing slash and a token of another \
                device are the usual faults.",
        decided_by: "It can be said without a packet; the field and what it should be stand in \
                     the evidence. If the form is right it is one of the other TP-HUB findings.",
        remedies: &[
            linux(
                "Let towpath build them from the device's file.",
                "towpath doctor --config device.toml",
            ),
            zephyr(
                "With NCS the library builds them from these.",
                "CONFIG_AZURE_IOT_HUB_HOSTNAME=\"contoso.azure-devices.net\"\n\
                 CONFIG_AZURE_IOT_HUB_DEVICE_ID=\"meter-4\"",
            ),
            esp_idf(
                "credentials.client_id = \"meter-4\", credentials.username = \
                 \"contoso.azure-devices.net/meter-4/?api-version=2021-04-12\".",
                "",
            ),
            server(
                "A bridge of Mosquitto:",
                "remote_clientid meter-4\n\
                 remote_username contoso.azure-devices.net/meter-4/?api-version=2021-04-12",
            ),
        ],
        administrator: "",
        symptoms: &["CONNACK 5", "Connection Refused: not authorised.", "rc=5"],
        proofs: &[
            Proof::Lint("hub-username"),
            Proof::Lint("hub-client-id"),
            Proof::Lint("hub-token-scope"),
            Proof::Lint("hub-token-brackets"),
            Proof::Lint("hub-token-is-key"),
            Proof::Lint("hub-case"),
            Proof::SetUp("hub-username"),
        ],
        sources: &[
            "https://github.com/MicrosoftDocs/azure-docs/issues/38897",
            "https://github.com/shamblett/mqtt_client/issues/185",
            "https://github.com/eclipse-mosquitto/mosquitto/issues/1059",
        ],
    },
];
