//! When, and what.

use std::{format, string::ToString, vec::Vec};

use base64ct::{Base64, Encoding};
use proptest::prelude::*;
use serde_json::json;
use towpath_proto::Code;

use super::{Chain, Due, Validity};

const DAY: u64 = 24 * 3600;

#[test]
fn a_long_life_is_renewed_in_its_last_thirty_days_and_a_short_one_in_its_last_third() {
    for (days, ahead) in [(3650, 30), (365, 30), (90, 30), (30, 10), (3, 1)] {
        let not_before = 1_800_000_000;
        let not_after = not_before + days * DAY;
        let validity = Validity {
            not_before,
            not_after,
        };
        let first = not_after - ahead * DAY;
        let renew_at = validity.renew_at("dev1");
        assert!(
            (first..first + ahead * DAY / 4).contains(&renew_at),
            "{days}"
        );
        assert_eq!(validity.due(not_before, "dev1"), Due::No);
        assert_eq!(validity.due(renew_at - 1, "dev1"), Due::No);
        assert_eq!(validity.due(renew_at, "dev1"), Due::Soon);
        assert_eq!(validity.due(not_after, "dev1"), Due::Soon);
        assert_eq!(validity.due(not_after + 1, "dev1"), Due::Expired);
    }
}

#[test]
fn a_fleet_comes_back_one_after_the_other() {
    let validity = Validity {
        not_before: 0,
        not_after: 90 * DAY,
    };
    // A quarter of thirty days in 75 slots of a tenth of a day: each gets about 13 of a thousand devices.
    let mut slots = [0_u32; 75];
    for device in 0..1000 {
        let at = validity.renew_at(&format!("device-{device}")) - 60 * DAY;
        slots[usize::try_from(at / (DAY / 10)).unwrap()] += 1;
    }
    assert!(
        slots.iter().all(|slot| (2..=30).contains(slot)),
        "{slots:?}"
    );
    assert_eq!(validity.renew_at("device-1"), validity.renew_at("device-1"));
}

fn der(len: usize) -> Vec<u8> {
    let mut der: Vec<u8> = (0..len).map(|i| u8::try_from(i % 256).unwrap()).collect();
    der[0] = 0x30;
    der
}

fn base64(der: &[u8]) -> std::string::String {
    let mut out = [0; 2048];
    Base64::encode(der, &mut out).unwrap().into()
}

fn pem(der: &[u8]) -> std::string::String {
    let text = base64(der);
    let lines: Vec<_> = text
        .as_bytes()
        .chunks(64)
        .map(|line| std::str::from_utf8(line).unwrap())
        .collect();
    format!(
        "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n",
        lines.join("\n")
    )
}

fn assert_is(issued: &str, expected: &[Vec<u8>]) {
    let chain = Chain::parse(issued.as_bytes()).unwrap();
    let mut out = [0; 2048];
    let ders: Vec<Vec<u8>> = chain
        .certificates()
        .map(|one| {
            let der = one.der(&mut out).unwrap().to_vec();
            assert_eq!(one.der_len(), der.len());
            assert_eq!(one.der(&mut [0; 16][..der.len().min(16) - 1]), None);
            der
        })
        .collect();
    assert_eq!(ders, expected);
    let pems: std::string::String = expected.iter().map(|der| pem(der)).collect();
    assert_eq!(chain.to_string(), pems);
}

#[test]
fn each_form_that_the_previews_of_dps_have_is_read() {
    let ders = [der(700), der(48), der(49), der(50)];
    let texts: Vec<_> = ders.iter().map(|der| base64(der)).collect();
    let pems: std::string::String = ders.iter().map(|der| pem(der)).collect();
    assert_is(&json!(texts).to_string(), &ders);
    assert_is(&json!(pems).to_string(), &ders);
    assert_is(&json!(pems.replace('\n', "\r\n")).to_string(), &ders);
    assert_is(&json!([pems]).to_string(), &ders);
    assert_is(&json!(texts[0]).to_string(), &ders[..1]);
    // .NET writes some characters of base64 as escapes.
    let escaped = json!(texts).to_string();
    assert_is(&escaped.replace('+', "\\u002B").replace('/', "\\/"), &ders);
}

#[test]
fn what_is_no_certificate_is_refused_with_the_reason() {
    for (issued, why) in [
        ("[", "no JSON"),
        ("7", "neither"),
        ("[7]", "neither"),
        ("{}", "neither"),
        ("[]", "no certificate"),
        ("\"\"", "no certificate"),
        ("[\"MII\"]", "no base64"),
        ("[\"MI=I\"]", "no base64"),
        ("[\"MA==MA==\"]", "no base64"),
        ("[\"MIIé\"]", "no base64"),
        ("[\"QUJD\"]", "no base64"),
        ("\"-----BEGIN CERTIFICATE-----\\n\"", "no base64"),
        ("\"-----BEGIN PRIVATE KEY-----\\nMIIC\\n\"", "no base64"),
    ] {
        let fault = Chain::parse(issued.as_bytes()).unwrap_err();
        assert_eq!(fault.code, Code::DpsMalformed);
        assert!(fault.to_string().contains(why), "{issued}: {fault}");
    }
}

proptest! {
    #[test]
    fn any_validity_and_time_have_an_answer(not_before: u64, not_after: u64, unix: u64, name: std::string::String) {
        let validity = Validity { not_before, not_after };
        prop_assert!(validity.renew_at(&name) <= not_after);
        prop_assert_eq!(validity.due(unix, &name) == Due::Expired, unix > not_after);
    }

    #[test]
    fn any_text_is_read_without_a_panic(text in "(-----(BEGIN|END) CERTIFICATE-----|M|I|=|\\PC| |\"|\\[|,){0,40}", array: bool) {
        let json = if array { json!([text]) } else { json!(text) };
        if let Ok(chain) = Chain::parse(json.to_string().as_bytes()) {
            let mut out = [0; 64];
            for one in chain.certificates() {
                let _ = one.der(&mut out);
            }
            let _ = chain.to_string();
        }
    }
}
