//! Findings of a device provisioning service.

use towpath_proto::Rung;

use super::{esp_idf, linux, network, server, zephyr};
use crate::{Finding, Proof, Side};

pub(super) const FINDINGS: &[Finding] = &[
    Finding {
        id: "TP-DPS-003",
        rung: Rung::Hub,
        side: Side::Account,
        cause: "the provisioning service does not take this device's proof",
        fix: "Check ID scope, registration ID and key or certificate against the enrolment, and \
              the clock.",
        about: "The service knows an enrolment that fits and could not verify the device: the \
                key is that of the group in place of the one derived from it, the certificate \
                has another common name than the registration ID, the intermediates were not \
                sent, the CA was not verified, a test certificate is over, or the clock is \
                wrong.",
        decided_by: "401 with errorCode 401002 on $dps/registrations/res. With no enrolment at \
                     all it is 404 (TP-DPS-004). What can be compared without a packet (common \
                     name, dates, order of the chain) is said first: TP-DPS-016, TP-DEV-031, \
                     TP-DEV-032.",
        remedies: &[
            linux(
                "Ask the service alone.",
                "towpath device provision --config device.toml --trace",
            ),
            server(
                "Look at the enrolment; for certificates at the state of the CA.",
                "az iot dps enrollment-group list --dps-name contoso-dps --resource-group iot",
            ),
            server(
                "A device of a group has a key of its own, derived from the group's.",
                "az iot dps enrollment-group compute-device-key --key GROUP_KEY --registration-id meter-4",
            ),
            zephyr(
                "Scope and id in the build:",
                "CONFIG_AZURE_IOT_HUB_DPS=y\n\
                 CONFIG_AZURE_IOT_HUB_DPS_ID_SCOPE=\"0ne00000001\"\n\
                 CONFIG_AZURE_IOT_HUB_DEVICE_ID=\"meter-4\"",
            ),
            esp_idf(
                "With a certificate send leaf and intermediates, one behind the other.",
                "",
            ),
        ],
        administrator: "",
        symptoms: &[
            "401002",
            "Unauthorized access",
            "Invalid certificate",
            "CA certificate not found",
            "Provisioning Failure",
        ],
        proofs: &[
            Proof::Lab("dps-unauthorized"),
            Proof::Code("DpsUnauthorized"),
            Proof::Code("401002"),
            Proof::Log("dps-401002.log"),
        ],
        sources: &[
            "https://github.com/Azure/azure-iot-sdk-c/issues/2362",
            "https://github.com/rwatjen/AzureIoTDPSCertificates/issues/3",
            "https://github.com/Azure/azure-iot-sdk-node/issues/679",
        ],
    },
    Finding {
        id: "TP-DPS-004",
        rung: Rung::Hub,
        side: Side::Account,
        cause: "the provisioning service has no enrolment for this device",
        fix: "Check ID scope and registration ID, or create an enrolment.",
        about: "The service was found by the ID scope, and neither an individual enrolment nor a \
                group fits. A scope of another instance looks the same as an enrolment that was \
                never made.",
        decided_by: "404 with errorCode 404201 or 404202 on $dps/registrations/res.",
        remedies: &[
            server(
                "See the scope, and create an enrolment.",
                "az iot dps show --name contoso-dps --query properties.idScope\n\
                 az iot dps enrollment create --dps-name contoso-dps --resource-group iot --enrollment-id meter-4 --attestation-type symmetricKey",
            ),
            linux(
                "Check the file.",
                "towpath device check --config device.toml",
            ),
            zephyr(
                "Scope and id in the build:",
                "CONFIG_AZURE_IOT_HUB_DPS_ID_SCOPE=\"0ne00000001\"\n\
                 CONFIG_AZURE_IOT_HUB_DEVICE_ID=\"meter-4\"",
            ),
        ],
        administrator: "",
        symptoms: &["404201", "404202", "Registration not found"],
        proofs: &[
            Proof::Lab("dps-not-found"),
            Proof::Code("404201"),
            Proof::Code("DpsNotFound"),
        ],
        sources: &["https://github.com/MicrosoftDocs/azure-docs/issues/57082"],
    },
    Finding {
        id: "TP-DPS-005",
        rung: Rung::Hub,
        side: Side::Account,
        cause: "another registration of this device is under way (409)",
        fix: "Wait for it, and let one program only register this device.",
        about: "The service works on one registration of a device at a time. A device that \
                restarts in the middle, or two programs with one registration ID, meet 409.",
        decided_by: "409 on $dps/registrations/res. It passes by itself within a minute unless \
                     two register in turn.",
        remedies: &[
            linux(
                "Once more, later.",
                "towpath device provision --config device.toml",
            ),
            server("Look in the service's log which addresses register.", ""),
            zephyr(
                "Keep the operation id over a restart, or wait a minute.",
                "",
            ),
        ],
        administrator: "",
        symptoms: &["status 409"],
        proofs: &[Proof::Lab("dps-conflict")],
        sources: &[],
    },
    Finding {
        id: "TP-DPS-006",
        rung: Rung::Hub,
        side: Side::Account,
        cause: "the provisioning service has too many requests",
        fix: "Keep the assignment over restarts, and spread the starts of a fleet.",
        about: "The service takes some hundred registrations a minute. Devices that ask at each \
                start, instead of remembering their hub, use that up when the power comes back.",
        decided_by: "429 with retry-after on $dps/registrations/res.",
        remedies: &[
            linux(
                "Give towpath device a place to remember: state.",
                "state = \"state\"",
            ),
            server(
                "See whether devices register more than once a day; add an instance if the fleet \
                 really is that large.",
                "",
            ),
            zephyr(
                "Keep the assignment; NCS does when it may store settings.",
                "CONFIG_SETTINGS=y\n\
                 CONFIG_NVS=y",
            ),
            esp_idf(
                "Keep the assigned hub in NVS, and ask again only when that hub refuses.",
                "",
            ),
        ],
        administrator: "",
        symptoms: &["429", "retry-after", "DpsThrottled"],
        proofs: &[Proof::Lab("dps-throttle"), Proof::Code("DpsThrottled")],
        sources: &[],
    },
    Finding {
        id: "TP-DPS-007",
        rung: Rung::Hub,
        side: Side::Server,
        cause: "the provisioning service can't answer now",
        fix: "It is asked again later; look at the status page of the cloud if it lasts.",
        about: "The service had an error of its own, 500 to 599. A device that knows its hub \
                does not need the service.",
        decided_by: "5xx on $dps/registrations/res.",
        remedies: &[
            linux(
                "Ask again.",
                "towpath device provision --config device.toml",
            ),
            server("Look at the status page of the cloud.", ""),
            zephyr(
                "Repeat after some seconds, longer each time, with some chance in it.",
                "",
            ),
        ],
        administrator: "",
        symptoms: &["DpsBusy", "500"],
        proofs: &[Proof::Lab("dps-500"), Proof::Code("DpsBusy")],
        sources: &[],
    },
    Finding {
        id: "TP-DPS-008",
        rung: Rung::Hub,
        side: Side::Account,
        cause: "the enrolment of this device is disabled",
        fix: "Enable the enrolment at the provisioning service.",
        about: "The service knows the device and its proof is good, but somebody switched the \
                enrolment off. Until it is on again, every registration ends like this.",
        decided_by: "Status \"disabled\" in the answer to the registration.",
        remedies: &[
            server(
                "Enable it.",
                "az iot dps enrollment update --dps-name contoso-dps --resource-group iot --enrollment-id meter-4 --provisioning-status enabled",
            ),
            linux(
                "Ask again.",
                "towpath device provision --config device.toml",
            ),
        ],
        administrator: "",
        symptoms: &["DpsDisabled", "\"status\":\"disabled\""],
        proofs: &[Proof::Lab("dps-disabled"), Proof::Code("DpsDisabled")],
        sources: &[],
    },
    Finding {
        id: "TP-DPS-009",
        rung: Rung::Hub,
        side: Side::Account,
        cause: "the provisioning service refuses the registration",
        fix: "Look at number and text; payload, certificate request or allocation function are \
              the usual causes.",
        about: "The registration came to its end with \"failed\". The function that chooses a \
                hub returned an error or took too long, the hub did not take the device, or what \
                the device sent along was not understood.",
        decided_by: "Status \"failed\" with an errorCode in registrationState; both stand in the \
                     evidence. 400 at once is TP-DPS-013.",
        remedies: &[
            linux(
                "See number and text.",
                "towpath device provision --config device.toml --trace",
            ),
            server(
                "Look at the log of the allocation function, and at the device in the hub.",
                "az iot dps enrollment show --dps-name contoso-dps --resource-group iot --enrollment-id meter-4",
            ),
        ],
        administrator: "",
        symptoms: &["DpsFailed", "\"status\":\"failed\"", "400209"],
        proofs: &[Proof::Lab("dps-failed"), Proof::Code("DpsFailed")],
        sources: &["https://github.com/Azure/azure-iot-sdk-c/issues/273"],
    },
    Finding {
        id: "TP-DPS-010",
        rung: Rung::Hub,
        side: Side::Account,
        cause: "the provisioning service knows the device and assigned no hub",
        fix: "Link a hub to the service, or look at the enrolment's allocation policy.",
        about: "The enrolment fits, and there is no hub to assign: none is linked, or the policy \
                leaves none.",
        decided_by: "Status \"unassigned\" in the answer to the registration.",
        remedies: &[
            server(
                "Link a hub.",
                "az iot dps linked-hub create --dps-name contoso-dps --hub-name contoso",
            ),
            linux(
                "Ask again.",
                "towpath device provision --config device.toml",
            ),
        ],
        administrator: "",
        symptoms: &["DpsUnassigned", "\"status\":\"unassigned\""],
        proofs: &[Proof::Lab("dps-unassigned"), Proof::Code("DpsUnassigned")],
        sources: &[],
    },
    Finding {
        id: "TP-DPS-011",
        rung: Rung::Dns,
        side: Side::Account,
        cause: "the device was assigned to a hub whose name does not resolve",
        fix: "Link a hub that exists to the provisioning service, then let the device register \
              again.",
        about: "The service told the device a hub that DNS does not know: it was deleted or \
                renamed after it was linked, or the private network lacks the record for its \
                private endpoint.",
        decided_by: "The name in assignedHub does not exist in DNS, while that of the service \
                     does. A name that the user typed is TP-DNS-005.",
        remedies: &[
            server(
                "See the linked hubs, and remove the one that is gone.",
                "az iot dps linked-hub list --dps-name contoso-dps",
            ),
            linux("Resolve it.", "towpath resolve contoso.azure-devices.net"),
            network(
                "With a private endpoint: put the hub's name into the private DNS zone \
                 privatelink.azure-devices.net.",
                "",
            ),
        ],
        administrator: "Please resolve *.azure-devices.net in this network; for private \
                        endpoints by the zone privatelink.azure-devices.net.",
        symptoms: &["NXDOMAIN", "assignedHub"],
        proofs: &[Proof::Lab("dps-wrong-hub")],
        sources: &[],
    },
    Finding {
        id: "TP-DPS-012",
        rung: Rung::Hub,
        side: Side::Server,
        cause: "the provisioning service does not answer",
        fix: "Ask again later; look at the status page of the cloud if it lasts.",
        about: "The service accepted the connection and the subscription, and no answer to the \
                registration came. It is asked again with growing pauses, so that nothing needs \
                to be done at first.",
        decided_by: "The registration was sent and acknowledged, and nothing came on \
                     $dps/registrations/res within the time. A device that did not subscribe \
                     first gets no answer either.",
        remedies: &[
            linux(
                "Ask again with the steps shown.",
                "towpath device provision --config device.toml --trace",
            ),
            zephyr(
                "Subscribe to $dps/registrations/res/# and wait for SUBACK before registering.",
                "",
            ),
            server("Look at the status page of the cloud.", ""),
        ],
        administrator: "",
        symptoms: &["DpsSilent"],
        proofs: &[Proof::Lab("dps-silent"), Proof::Code("DpsSilent")],
        sources: &[],
    },
    Finding {
        id: "TP-DPS-013",
        rung: Rung::Hub,
        side: Side::Device,
        cause: "the provisioning service calls the registration malformed (400)",
        fix: "Correct what the device sends along: a JSON object with its registration ID.",
        about: "The body of the registration is not what the service takes: no JSON, another \
                registration ID than that of the connection, a payload that is no object, a \
                certificate request that can't be read.",
        decided_by: "400 with an errorCode from 400000 on in the answer; the text stands in the \
                     evidence.",
        remedies: &[
            linux(
                "Check the file.",
                "towpath device check --config device.toml",
            ),
            zephyr(
                "The body is {\"registrationId\":\"meter-4\"}; NCS's payload has to be a JSON \
                 object.",
                "",
            ),
            esp_idf("The body is {\"registrationId\":\"meter-4\"}.", ""),
        ],
        administrator: "",
        symptoms: &["$dps/registrations/res/400", "status 400"],
        proofs: &[
            Proof::Lab("dps-400"),
            Proof::Code("$dps/registrations/res/400"),
        ],
        sources: &[],
    },
    Finding {
        id: "TP-DPS-014",
        rung: Rung::Hub,
        side: Side::Server,
        cause: "the provisioning service's answer can't be read",
        fix: "Check the host name of the service; this may be another server.",
        about: "What came on the answer's topic is no JSON, or lacks what an assignment needs. \
                Another server stands at this address, or a broker that echoes.",
        decided_by: "The answer came and the client says what is missing. A general broker at \
                     that address may answer to anything.",
        remedies: &[
            linux(
                "See the answer.",
                "towpath device provision --config device.toml --trace",
            ),
            zephyr(
                "The host of the service:",
                "CONFIG_AZURE_IOT_HUB_DPS_HOSTNAME=\"global.azure-devices-provisioning.net\"",
            ),
        ],
        administrator: "",
        symptoms: &["DpsMalformed"],
        proofs: &[Proof::Code("DpsMalformed")],
        sources: &[],
    },
    Finding {
        id: "TP-DPS-015",
        rung: Rung::Hub,
        side: Side::Device,
        cause: "the device uses a stored assignment that is out of date",
        fix: "Let the device register again when its hub refuses it.",
        about: "After the first registration the device remembers its hub and skips the service. \
                When it is moved to another hub, or deleted there, it goes on to the old one and \
                is refused for ever, while the service would tell it the new one.",
        decided_by: "The log says that an assignment was reused, and the hub refuses with \
                     CONNACK 5 or the name no longer resolves; the service, asked anew, names \
                     another hub.",
        remedies: &[
            linux(
                "Forget the stored hub.",
                "towpath device provision --config device.toml",
            ),
            zephyr(
                "Call azure_iot_hub_dps_reset() when the hub refuses, then start the service \
                 again.",
                "",
            ),
            esp_idf("Delete the stored hub from NVS when the hub refuses.", ""),
            server("Or put the device back to the hub it knows.", ""),
        ],
        administrator: "",
        symptoms: &[
            "Already assigned to an IoT hub, skipping DPS",
            "Device has been assigned to an IoT hub",
        ],
        proofs: &[Proof::Log("ncs-dps-stale.log")],
        sources: &["https://devzone.nordicsemi.com/f/nordic-q-a/118802"],
    },
    Finding {
        id: "TP-DPS-016",
        rung: Rung::Hub,
        side: Side::Device,
        cause: "the certificate's common name is not the registration ID",
        fix: "Register with the common name of the certificate, or have the certificate issued \
              for the registration ID.",
        about: "With X.509 the service takes the registration ID from the certificate: the \
                common name of the leaf has to be the same, letter for letter. A certificate of \
                a whole batch, or one with a serial number in place of the id, is refused with \
                401002.",
        decided_by: "It can be said without a packet; both names stand in the evidence.",
        remedies: &[
            linux(
                "See the common name.",
                "openssl x509 -noout -subject -in device.pem",
            ),
            zephyr(
                "Use the common name as device id:",
                "CONFIG_AZURE_IOT_HUB_DEVICE_ID=\"meter-4\"",
            ),
            server(
                "Or enrol this certificate individually, under its own common name.",
                "",
            ),
        ],
        administrator: "",
        symptoms: &["401002", "Invalid certificate"],
        proofs: &[Proof::Lint("dps-common-name")],
        sources: &["https://github.com/rwatjen/AzureIoTDPSCertificates/issues/3"],
    },
];
