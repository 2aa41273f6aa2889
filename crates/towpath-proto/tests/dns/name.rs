//! Names from text.

use towpath_proto::{Code, Rung, net::dns::Name};

use crate::name;

#[test]
fn a_name_on_the_wire() {
    assert_eq!(name("mqtt.example").as_wire(), b"\x04mqtt\x07example\0");
    assert_eq!(name("mqtt.example."), name("mqtt.example"));
    assert_eq!(name("a").as_wire(), b"\x01a\0");
    assert_eq!(
        name("_mqtt._tcp.4-2.x9").as_wire(),
        b"\x05_mqtt\x04_tcp\x034-2\x02x9\0"
    );
    assert_eq!(
        name("xn--bcher-kva.example").to_string(),
        "xn--bcher-kva.example"
    );
}

#[test]
fn case_makes_no_difference_but_is_kept() {
    assert_eq!(name("MQTT.Example"), name("mqtt.eXAMPLE"));
    assert_ne!(name("mqtt.example"), name("mqtt.examplf"));
    assert_ne!(name("mqtt.example"), name("mqttexample"));
    assert_eq!(name("MQTT.Example").as_wire(), b"\x04MQTT\x07Example\0");
}

#[test]
fn what_is_no_name() {
    let label = "a".repeat(64);
    let long = format!("{}abcd", (["a"; 49].concat() + ".").repeat(5));
    assert_eq!(long.len(), 254);
    for (text, said) in [
        ("", "it is empty"),
        (".", "it is empty"),
        ("..", "a label is empty: two dots, or one in front"),
        (".example", "a label is empty: two dots, or one in front"),
        (
            "mqtt..example",
            "a label is empty: two dots, or one in front",
        ),
        ("example..", "a label is empty: two dots, or one in front"),
        ("bücher.example", "not ASCII"),
        ("a b.example", "the character ' '"),
        ("mqtt/x", "the character '/'"),
        ("user@host", "the character '@'"),
        ("a\\046b", "the character '\\'"),
        ("a\nb", "the character '?'"),
        ("fe80::1%eth0", "the character ':'"),
        (&label, "a label is longer than 63 characters"),
        (&long, "longer than 253 characters"),
    ] {
        let fault = Name::parse(text).expect_err(text);
        assert_eq!((fault.rung, fault.code), (Rung::Dns, Code::NameInvalid));
        assert_eq!(fault.detail.as_str(), said, "{text:?}");
    }
}

#[test]
fn the_longest_names() {
    let label = "a".repeat(63);
    assert_eq!(name(&label).as_wire().len(), 65);
    // 253 characters are 255 bytes.
    let long = format!("{label}.{label}.{label}.{}", "b".repeat(61));
    assert_eq!((long.len(), name(&long).as_wire().len()), (253, 255));
    assert_eq!(name(&long).to_string(), long);
    assert_eq!(name(&format!("{long}.")), name(&long));
    let short_labels = ["a"; 127].join(".");
    assert_eq!(name(&short_labels).as_wire().len(), 255);
}
