//! Any bytes, and any names.

use proptest::prelude::*;
use towpath_proto::net::dns::{Name, Record};
use towpath_sim::dns::{Question, Reply};

use crate::{
    message::{Told, told},
    name,
};

fn any_name() -> impl Strategy<Value = String> {
    prop::collection::vec("[a-zA-Z0-9_-]{1,63}", 1..=4)
        .prop_map(|labels| labels.join("."))
        .prop_filter("253 characters at most", |name| name.len() <= 253)
}

fn record() -> impl Strategy<Value = Record> {
    prop_oneof![Just(Record::A), Just(Record::Aaaa)]
}

/// Bytes that are likely to be taken for pointers, lengths and types.
fn tail() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![
        3 => Just(0u8),
        1 => Just(0xc0),
        2 => 0u8..48,
        1 => any::<u8>(),
    ];
    prop::collection::vec(byte, 0..200)
}

proptest! {
    #[test]
    fn a_name_is_read_as_it_is_written(text in any_name()) {
        let name = name(&text);
        prop_assert_eq!(name.to_string(), text.as_str());
        prop_assert_eq!(name.as_wire().len(), text.len() + 2);
        prop_assert_eq!(&name, &Name::parse(&text.to_uppercase()).expect("a name"));
    }

    #[test]
    fn a_text_is_a_name_or_not(text in "\\PC{0,80}") {
        if let Ok(name) = Name::parse(&text) {
            prop_assert_eq!(name.to_string(), text.strip_suffix('.').unwrap_or(&text));
        }
    }

    /// Behind a good header and question anything is read without a panic.
    #[test]
    fn any_records(
        counts in prop::array::uniform3(0u8..4),
        flags in prop_oneof![Just(0x8180u16), any::<u16>()],
        tail in tail(),
        record in record(),
    ) {
        let asked = name("mqtt.example");
        let question = Question {
            id: 7,
            name: asked.to_string(),
            kind: if record == Record::A { 1 } else { 28 },
            udp_size: None,
        };
        let mut bytes = Reply::to(&question).flags(flags).bytes();
        for (count, place) in counts.into_iter().zip([7, 9, 11]) {
            bytes[place] = count;
        }
        bytes.extend(&tail);
        let whole = told(&bytes, 7, &asked, record);
        if let Told::Addresses(found) = whole {
            prop_assert!(!found.is_empty());
            prop_assert!(found.len() <= usize::from(counts[0]));
        }
    }

    #[test]
    fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..300), record in record()) {
        let id = u16::from_be_bytes([
            bytes.first().copied().unwrap_or(0),
            bytes.get(1).copied().unwrap_or(0),
        ]);
        told(&bytes, id, &name("a"), record);
    }
}
