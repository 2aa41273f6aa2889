use proptest::prelude::*;

use super::*;
use crate::diagnosis::Verdict;

/// The id that is named first, or what is said if nothing is.
fn named(text: &str) -> String {
    match code(text) {
        None => "unknown".into(),
        Some(answer) => match answer.found.first() {
            Some(found) => found.finding.id.into(),
            None => format!("{:?}: {:?}", answer.verdict, answer.notes),
        },
    }
}

#[test]
fn every_id_of_the_tables_is_in_the_catalogue() {
    let mut missing: Vec<&str> = tables()
        .flat_map(|(_, rows)| rows.iter().flat_map(|row| row.3))
        .filter(|id| catalogue::find(id).is_none())
        .copied()
        .collect();
    missing.sort_unstable();
    missing.dedup();
    assert_eq!(missing, Vec::<&str>::new());
}

#[test]
fn codes_are_read_as_people_type_them() {
    for (typed, id) in [
        ("-0x7280", "TP-TLS-001"),
        ("0x7280", "TP-TLS-001"),
        ("-7280", "TP-TLS-001"),
        ("-29312", "TP-TLS-001"),
        ("29312", "TP-TLS-001"),
        (
            "mbedtls_ssl_fetch_input() returned -29312 (-0x7280)",
            "TP-TLS-001",
        ),
        ("MBEDTLS_ERR_SSL_CONN_EOF", "TP-TLS-001"),
        ("ssl_conn_eof", "TP-TLS-001"),
        ("-0x7f00", "TP-DEV-008"),
        ("-0x7F00", "TP-DEV-008"),
        ("-0x2880", "TP-DEV-010"),
        ("-0x7b00", "TP-DEV-014"),
        ("-0x6c00", "TP-DEV-013"),
        ("-27648", "TP-DEV-013"),
        ("-0x3b00", "TP-TLS-046"),
        ("-0x7100", "TP-TLS-017"),
        ("-0x2700", "TP-TLS-056"),
        ("X509 flags 0x08", "TP-TLS-013"),
        ("verify flags 0x0200", "TP-TLS-011"),
        ("-116", "TP-TCP-013"),
        ("errno -116", "TP-TCP-013"),
        ("ETIMEDOUT", "TP-TCP-013"),
        ("-ETIMEDOUT", "TP-TCP-013"),
        ("errno 111", "TP-TCP-010"),
        ("-EPROTOTYPE", "TP-DEV-001"),
        ("-107", "TP-DEV-001"),
        ("EAFNOSUPPORT", "TP-DEV-005"),
        ("0x8017", "TP-DEV-011"),
        ("0x8001", "TP-DNS-002"),
        ("32769", "TP-DNS-002"),
        ("ESP_ERR_ESP_TLS_CANNOT_RESOLVE_HOSTNAME", "TP-DNS-002"),
        ("alert 40", "TP-TLS-020"),
        ("handshake_failure", "TP-TLS-020"),
        ("alert 70", "TP-TLS-021"),
        ("fatal alert message (msg 70)", "TP-TLS-021"),
        ("CONNACK 5", "TP-MQTT-007"),
        ("connack 0x87", "TP-MQTT-007"),
        ("0x87", "TP-MQTT-007"),
        ("20 02 00 05", "TP-MQTT-007"),
        ("20020005", "TP-MQTT-007"),
        ("0x20 0x02 0x00 0x02", "TP-MQTT-004"),
        ("rc 5", "TP-MQTT-007"),
        ("rc 7", "TP-MQTT-018"),
        ("401002", "TP-DPS-003"),
        ("400027", "TP-HUB-001"),
        ("HTTP 404", "TP-UPG-014"),
        ("404", "TP-UPG-014"),
        ("close 1002", "TP-WS-007"),
        ("1009", "TP-MQTT-019"),
        ("getaddrinfo -2", "TP-DEV-002"),
        ("getaddrinfo() returns 202", "TP-DNS-002"),
        ("DNS_EAI_NONAME", "TP-DEV-002"),
        ("-11", "TP-DEV-003"),
        ("Error 28: ResponseTimeout", "TP-ADDR-003"),
        ("ResponseTimeout", "TP-ADDR-003"),
        ("InvalidState", "TP-NAT64-001"),
        ("ResolverSilent", "TP-DNS-002"),
        ("tp-tls-010", "TP-TLS-010"),
    ] {
        assert_eq!(named(typed), id, "{typed}");
    }
}

#[test]
fn one_number_with_several_meanings_says_so() {
    let answer = code("-116").unwrap();
    let evidence: Vec<_> = answer.found[0]
        .evidence
        .iter()
        .map(|seen| seen.seen.as_str())
        .collect();
    assert!(evidence[0].starts_with("ETIMEDOUT (116)"), "{evidence:?}");
    assert!(
        evidence.iter().any(|seen| seen.starts_with("ESTALE")),
        "{evidence:?}"
    );
    assert!(
        answer
            .notes
            .iter()
            .any(|note| note.contains("what printed it decides"))
    );

    let answer = code("-2").unwrap();
    let evidence: Vec<_> = answer.found[0]
        .evidence
        .iter()
        .map(|seen| seen.seen.as_str())
        .collect();
    assert!(
        evidence
            .iter()
            .any(|seen| seen.starts_with("DNS_EAI_NONAME")),
        "{evidence:?}"
    );
    assert!(
        evidence.iter().any(|seen| seen.starts_with("ENOENT")),
        "{evidence:?}"
    );

    // As an alert, a CONNACK code, an errno and an error of OpenThread.
    assert!(code("5").unwrap().found[0].evidence.len() > 1);
}

#[test]
fn what_is_no_failure_is_not_called_one() {
    for typed in [
        "-103",
        "DNS_EAI_ALLDONE",
        "-0x6900",
        "CONNACK 0",
        "HTTP 101",
    ] {
        let answer = code(typed).unwrap();
        assert_eq!(answer.verdict, Verdict::Unknown, "{typed}: {answer:?}");
        assert!(!answer.notes.is_empty(), "{typed}");
    }
}

#[test]
fn a_high_and_a_low_level_code_are_told_apart() {
    // X509_INVALID_FORMAT with ASN1_OUT_OF_DATA.
    let answer = code("-0x21e0").unwrap();
    let told: Vec<_> = answer.found[0]
        .evidence
        .iter()
        .map(|seen| seen.seen.as_str())
        .collect();
    assert!(told[0].contains("X509_INVALID_FORMAT"), "{told:?}");
    assert!(told[1].contains("ASN1_OUT_OF_DATA"), "{told:?}");
}

#[test]
fn what_is_not_known_gives_nothing_but_what_is_near() {
    for typed in [
        "",
        "hello",
        "-0x1234567",
        "TP-XXX-001",
        "999999999999",
        "banana split",
    ] {
        assert_eq!(code(typed), None, "{typed}");
    }
    assert_eq!(nearest("ETIMEDOUTT"), ["ETIMEDOUT"]);
    assert_eq!(nearest("handshake_failur")[0], "handshake_failure");
}

proptest! {
    #[test]
    fn anything_may_be_typed(text in ".{0,60}") {
        let _ = code(&text);
        prop_assert!(nearest(&text).len() <= 3);
    }

    #[test]
    fn any_number_may_be_typed(number in any::<i64>(), small in -40_000i64..600_000) {
        for number in [number, small] {
            let _ = code(&number.to_string());
            let _ = code(&format!("{number:#x}"));
            let _ = code(&format!("errno {number}"));
        }
    }
}
