//! Logs of devices, and what `explain` makes of them. Each is written after how the systems print; the names of the files
//! are those that the catalogue gives as proofs.

use std::{
    fs,
    io::{self, Read},
    path::{Path, PathBuf},
};

use proptest::prelude::*;
use towpath_doctor::{
    Diagnosis, Proof, catalogue,
    diagnosis::{State, Verdict},
    explain,
};
use towpath_proto::{Code, Fault, Rung};

/// File, finding.
const BROKEN: &[(&str, &str)] = &[
    // The first story: over WebSocket to a hub, with a client certificate.
    ("ncs-renegotiation.log", "TP-TLS-031"),
    ("ncs-upgrade-timeout.log", "TP-UPG-010"),
    ("ncs-upgrade-silent.log", "TP-UPG-002"),
    ("ncs-dps-stale.log", "TP-DPS-015"),
    ("ncs-psm-reset.log", "TP-HUB-035"),
    // The second: over Thread.
    ("zephyr-no-resolver.log", "TP-DEV-002"),
    ("zephyr-eprototype.log", "TP-DEV-001"),
    ("tcpdump-ecn-syn.log", "TP-TCP-016"),
    ("zephyr-no-hello.log", "TP-DEV-039"),
    ("zephyr-openthread-rsa.log", "TP-DEV-019"),
    // Zephyr and NCS.
    ("zephyr-no-dns-server.log", "TP-DEV-003"),
    ("zephyr-eprotonosupport.log", "TP-DEV-004"),
    ("zephyr-epfnosupport.log", "TP-DEV-005"),
    ("zephyr-contexts.log", "TP-DEV-006"),
    ("zephyr-descriptors.log", "TP-DEV-007"),
    ("zephyr-tls-contexts.log", "TP-DEV-037"),
    ("zephyr-ca-parse.log", "TP-DEV-012"),
    ("zephyr-no-suite.log", "TP-DEV-015"),
    ("zephyr-ipv4-dns-server.log", "TP-DNS-011"),
    ("zephyr-disconnect.log", "TP-MQTT-015"),
    ("zephyr-azure-baltimore.log", "TP-TLS-053"),
    ("zephyr-timeout.log", "TP-TCP-013"),
    ("nrf91-sec-tag.log", "TP-DEV-018"),
    ("nrf91-refused.log", "TP-TCP-010"),
    // ESP-IDF and what stands on it.
    ("esp-idf-no-verification.log", "TP-DEV-011"),
    ("esp-idf-alloc.log", "TP-DEV-008"),
    ("esp-idf-fragmented.log", "TP-DEV-009"),
    ("esp-idf-ipv4-chosen.log", "TP-ADDR-004"),
    ("esp-idf-ppp.log", "TP-ADDR-005"),
    ("esp-idf-no-name.log", "TP-DNS-002"),
    ("esp-idf-no-address.log", "TP-ADDR-001"),
    ("esp-idf-no-rdnss.log", "TP-DNS-012"),
    ("esp-idf-no-websocket.log", "TP-DEV-016"),
    ("esp-idf-ws-header.log", "TP-DEV-040"),
    ("esp-idf-ws-raw.log", "TP-UPG-001"),
    ("esp-slow-signature.log", "TP-DEV-021"),
    ("esp-clock-future.log", "TP-TLS-055"),
    ("esp-verify-future.log", "TP-TLS-011"),
    ("esp-clock-unset.log", "TP-DEV-029"),
    ("esp-2700.log", "TP-TLS-056"),
    ("esp-verify-expired.log", "TP-TLS-010"),
    ("esp-verify-untrusted.log", "TP-TLS-013"),
    ("esp-verify-name.log", "TP-TLS-012"),
    ("esp-connack-5.log", "TP-MQTT-007"),
    ("esp-tcp-refused.log", "TP-TCP-010"),
    ("esp-ping.log", "TP-MQTT-013"),
    ("esphome-literal.log", "TP-DEV-033"),
    ("arduino-buffer.log", "TP-DEV-017"),
    // Mbed TLS alone.
    ("mbedtls-eof-hello.log", "TP-TLS-001"),
    ("mbedtls-eof-certificate.log", "TP-TLS-004"),
    ("mbedtls-fetch-7100.log", "TP-TLS-017"),
    ("mbedtls-record-7200.log", "TP-TLS-024"),
    ("mbedtls-3b00.log", "TP-TLS-046"),
    ("mbedtls-262e.log", "TP-TLS-050"),
    ("mbedtls-x509-alloc.log", "TP-DEV-010"),
    ("mbedtls-psa.log", "TP-DEV-013"),
    ("mbedtls-ticket.log", "TP-DEV-014"),
    ("mbedtls-alert-40-certificate.log", "TP-TLS-026"),
    ("mbedtls-alert-70.log", "TP-TLS-021"),
    ("mbedtls-unknown-ca-sent.log", "TP-TLS-013"),
    // OpenThread's CLI.
    ("openthread-no-route.log", "TP-ADDR-003"),
    ("openthread-dns-timeout.log", "TP-DNS-002"),
    ("openthread-no-nat64.log", "TP-NAT64-001"),
    ("openthread-other-prefix.log", "TP-NAT64-006"),
    ("openthread-no-translator.log", "TP-NAT64-007"),
    ("otbr-own-dns.log", "TP-NAT64-008"),
    // Programs of hosts.
    ("hickory-large-answer.log", "TP-DNS-009"),
    ("azure-python-proxy.log", "TP-DEV-034"),
    ("azure-c-no-clock.log", "TP-DEV-029"),
    ("azure-c-connack-timeout.log", "TP-MQTT-002"),
    ("azure-takeover.log", "TP-HUB-001"),
    ("azure-wrong-topic.log", "TP-HUB-024"),
    ("azure-qos2.log", "TP-HUB-025"),
    ("azure-hourly.log", "TP-HUB-029"),
    ("aws-subscribe-closed.log", "TP-MQTT-026"),
    ("mosquitto-takeover.log", "TP-MQTT-018"),
    ("mosquitto-connack-84.log", "TP-MQTT-031"),
    ("mosquitto-exceeded-timeout.log", "TP-MQTT-027"),
    ("mosquitto-lookup.log", "TP-DNS-005"),
    ("mosquitto-tls.log", "TP-TLS-001"),
    ("mosquitto-unknown-ca.log", "TP-TLS-013"),
    ("mongoose-no-path.log", "TP-UPG-026"),
    ("hivemq-web-split.log", "TP-WS-009"),
    ("idle-reset.log", "TP-MQTT-023"),
    ("nginx-idle-60.log", "TP-MQTT-024"),
    ("towpath-no-puback.log", "TP-MQTT-010"),
    ("towpath-refused.log", "TP-TCP-010"),
    ("towpath-json.log", "TP-MQTT-002"),
    // towpath on a device, as defmt decodes it and as text.
    ("towpath-defmt-refused.log", "TP-TCP-010"),
    ("towpath-defmt-renegotiation.log", "TP-TLS-031"),
    ("towpath-board.log", "TP-MQTT-002"),
    ("go-renegotiation.log", "TP-TLS-031"),
    ("openssl-zscaler.log", "TP-PROXY-014"),
    ("node-ws-404.log", "TP-UPG-014"),
    ("dps-401002.log", "TP-DPS-003"),
];

/// Where everything connects.
const HEALTHY: &[&str] = &[
    "healthy-zephyr.log",
    "healthy-ncs-azure.log",
    "healthy-ncs-renegotiated.log",
    "healthy-esp-idf.log",
    "healthy-esp-retried.log",
    "healthy-mosquitto-pub.log",
    "healthy-towpath.log",
    "healthy-towpath-defmt.log",
    "healthy-reconnect.log",
];

/// Where nothing is known: neither a fault nor a connection.
const UNKNOWN: &[&str] = &["healthy-openthread.log", "ncs-cut.log", "unrelated.log"];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/logs")
}

fn explain(name: &str) -> Diagnosis {
    let bytes = fs::read(folder().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    explain::log(name, bytes.as_slice()).unwrap()
}

fn named(diagnosis: &Diagnosis) -> Option<&'static str> {
    diagnosis.found.first().map(|found| found.finding.id)
}

/// The answer in a line.
fn short(answer: &Diagnosis) -> String {
    let evidence = answer.found.iter().flat_map(|found| &found.evidence);
    let lines: Vec<_> = evidence
        .map(|seen| format!("{}: {}", seen.what, seen.seen))
        .collect();
    format!("{:?} {:?} by {lines:?}", answer.verdict, named(answer))
}

#[test]
fn each_broken_log_has_exactly_one_cause() {
    let mut wrong = Vec::new();
    for &(name, id) in BROKEN {
        let answer = explain(name);
        if named(&answer) != Some(id)
            || answer.found.len() != 1
            || answer.verdict != Verdict::Broken
        {
            wrong.push(format!("{name}: {id} was expected, not {}", short(&answer)));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

#[test]
fn a_log_where_everything_connects_raises_no_alarm() {
    for &name in HEALTHY {
        let answer = explain(name);
        assert!(
            matches!(answer.verdict, Verdict::Ready(_)),
            "{name}: {}",
            short(&answer)
        );
        assert!(answer.found.is_empty(), "{name}: {}", short(&answer));
    }
    for &name in UNKNOWN {
        let answer = explain(name);
        assert_eq!(
            answer.verdict,
            Verdict::Unknown,
            "{name}: {}",
            short(&answer)
        );
    }
}

#[test]
fn every_log_that_the_catalogue_names_proves_its_finding() {
    let mut wrong = Vec::new();
    for finding in catalogue::all() {
        for proof in finding.proofs {
            if let Proof::Log(name) = proof {
                let known = BROKEN.contains(&(*name, finding.id));
                if !known {
                    wrong.push(format!("{} by {name}", finding.id));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[test]
fn every_file_is_in_a_table() {
    for entry in fs::read_dir(folder()).unwrap() {
        let name = entry.unwrap().file_name();
        let name = name.to_str().unwrap();
        let known = BROKEN.iter().any(|(known, _)| *known == name)
            || HEALTHY.contains(&name)
            || UNKNOWN.contains(&name);
        assert!(known, "{name} is in no table");
    }
}

#[test]
fn every_code_that_the_catalogue_names_is_explained_by_its_finding() {
    let mut wrong = Vec::new();
    for finding in catalogue::all() {
        for proof in finding.proofs {
            let Proof::Code(code) = proof else { continue };
            let answer = explain::code(code);
            let found = answer.as_ref().and_then(|answer| answer.found.first());
            let told = found.is_some_and(|found| {
                found.finding.id == finding.id
                    || found.or_else.iter().any(|other| other.id == finding.id)
            });
            if !told {
                wrong.push(format!(
                    "{code}: {}, not {:?}",
                    finding.id,
                    found.map(|found| found.finding.id)
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// The line of a fault names its finding, whatever words are in it and whatever is known of the device besides.
#[test]
fn the_line_of_any_fault_is_explained_by_its_finding() {
    let rungs = [Rung::Dns, Rung::Tcp, Rung::Tls, Rung::Upgrade, Rung::Mqtt];
    for code in Code::ALL {
        for rung in rungs {
            let fault = Fault::new(rung, *code).number(5);
            for before in ["", "2.5 [ERROR] ", "towpath: ", "2.5 [INFO ] azure\nERROR "] {
                let line = format!("{before}{fault}");
                let answer = explain::log("device", line.as_bytes()).unwrap();
                assert_eq!(named(&answer), Some(fault.finding()), "{line}");
            }
        }
    }
}

#[test]
fn what_looks_bad_and_is_not_is_a_note() {
    for name in ["ncs-renegotiation.log", "healthy-ncs-azure.log"] {
        let notes = explain(name).notes.join("\n");
        assert!(notes.contains("(-103) is no failure"), "{name}: {notes}");
        assert!(notes.contains("(-4) is not the fault"), "{name}: {notes}");
    }
}

#[test]
fn a_log_that_is_cut_names_no_cause_and_says_where_it_ends() {
    let answer = explain("ncs-cut.log");
    assert_eq!(answer.verdict, Verdict::Unknown);
    assert!(
        answer.notes[0].contains("the log ends after TCP open"),
        "{:?}",
        answer.notes
    );
}

#[test]
fn what_has_many_causes_is_not_told_as_sure() {
    for name in [
        "esp-idf-no-name.log",
        "mosquitto-lookup.log",
        "mosquitto-tls.log",
    ] {
        let found = &explain(name).found[0];
        assert!(
            found.cause.contains("does not say why"),
            "{name}: {}",
            found.cause
        );
        assert!(!found.or_else.is_empty(), "{name}");
    }
}

#[test]
fn the_renegotiation_that_was_refused_is_told_with_its_lines() {
    let answer = explain("ncs-renegotiation.log");
    let found = &answer.found[0];
    assert_eq!(found.rung, Rung::Tls);
    assert!(
        found
            .evidence
            .iter()
            .any(|seen| seen.what.starts_with("line ")
                && seen.seen.contains("refusing renegotiation"))
    );
    assert!(
        found
            .evidence
            .iter()
            .any(|seen| seen.seen.contains("-0x7280")),
        "{found:#?}"
    );
    let state = |rung| {
        answer
            .ladder
            .iter()
            .find(|step| step.rung == rung)
            .unwrap()
            .state
    };
    assert_eq!(state(Rung::Dns), State::Ok);
    assert_eq!(state(Rung::Tls), State::Problem);
    assert_eq!(state(Rung::Mqtt), State::NotReached);
    assert!(answer.profile.contains("NCS"));
}

#[test]
fn what_can_not_be_known_is_said() {
    for name in ["ncs-upgrade-timeout.log", "ncs-upgrade-silent.log"] {
        let notes = explain(name).notes.join("\n");
        assert!(
            notes.contains("no cause is known for certain"),
            "{name}: {notes}"
        );
        assert!(notes.contains("To try"), "{name}: {notes}");
    }
}

#[test]
fn secrets_of_a_log_stay_in_it() {
    let log = "uart:~$ wifi connect -s plant -k 1 -p hunter22\n\
        connecting to mqtts://dev:hunter22@broker.example\n\
        E (1) mqtt_client: SharedAccessSignature sr=h&sig=aHVudGVyMjI%3D&se=1 Connection refused, not authorized\n";
    let answer = explain::log("secret.log", log.as_bytes()).unwrap();
    assert_eq!(named(&answer), Some("TP-MQTT-007"));
    let all = format!("{answer:?}");
    assert!(
        !all.contains("hunter22") && !all.contains("aHVudGVy"),
        "{all}"
    );
}

/// Gives bytes in pieces of these lengths, as a serial port does.
struct Pieces<'a> {
    bytes: &'a [u8],
    len: usize,
}

impl Read for Pieces<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let len = self.len.min(buffer.len()).min(self.bytes.len());
        buffer[..len].copy_from_slice(&self.bytes[..len]);
        self.bytes = &self.bytes[len..];
        Ok(len)
    }
}

#[test]
fn a_long_log_is_read_in_bounded_memory() {
    // Some MB that nobody holds: a line that says something, lines that say nothing, a line without end.
    let line = b"[00:00:06.056,823] <err> mqtt_helper: mqtt_connect, error: -116\nnothing here\n";
    let much = io::repeat(b'x').take(4 << 20);
    let log = io::Cursor::new(line.repeat(20_000)).chain(much);
    let answer = explain::log("long.log", log).unwrap();
    assert_eq!(named(&answer), Some("TP-TCP-013"));
    assert!(answer.notes.len() < 10 && answer.found[0].evidence.len() < 10);
}

/// Parts of which logs are made, in any order.
fn parts() -> impl Strategy<Value = Vec<u8>> {
    let files: Vec<Vec<u8>> = BROKEN
        .iter()
        .map(|(name, _)| fs::read(folder().join(name)).unwrap())
        .collect();
    let lines: Vec<Vec<u8>> = files
        .iter()
        .flat_map(|file| {
            file.split_inclusive(|byte| *byte == b'\n')
                .map(<[u8]>::to_vec)
        })
        .collect();
    prop::collection::vec(prop::sample::select(lines), 0..60).prop_map(|lines| lines.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_bytes_are_read_to_an_end(bytes in prop::collection::vec(any::<u8>(), 0..4000)) {
        let answer = explain::log("any", bytes.as_slice()).unwrap();
        prop_assert!(answer.found.len() <= 1);
    }

    #[test]
    fn lines_in_any_order_are_read_the_same_however_they_are_cut(log in parts(), len in 1usize..40) {
        let whole = explain::log("any", log.as_slice()).unwrap();
        let cut = explain::log("any", Pieces { bytes: &log, len }).unwrap();
        prop_assert!(whole.found.len() <= 1);
        prop_assert_eq!(whole, cut);
    }

    #[test]
    fn a_log_that_ends_early_is_no_trouble(which in 0..BROKEN.len(), share in 0.0f64..1.0) {
        let bytes = fs::read(folder().join(BROKEN[which].0)).unwrap();
        let end = (bytes.len() as f64 * share) as usize;
        let answer = explain::log("any", &bytes[..end]).unwrap();
        prop_assert!(answer.found.len() <= 1);
    }
}
