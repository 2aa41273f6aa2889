//! Topic names, filters and what matches what (MQTT 5 sections 4.7 and 4.8.2).

use proptest::prelude::*;
use towpath_proto::mqtt::topic::{TopicFilter, TopicName};

#[test]
fn good_filters() {
    for good in [
        "#",
        "+",
        "/",
        "//",
        "/+",
        "+/",
        "/#",
        "+/+",
        "a",
        "a/#",
        "a/b/#",
        "+/tennis/#",
        "sport/+/player1",
        "$SYS/#",
        "$share/group/#",
        "$share/group/a/+",
        "$share/group//",
        "$share",
        "$shared/+",
        "a b/\u{e9}",
    ] {
        let filter = TopicFilter::new(good).unwrap_or_else(|e| panic!("{good}: {e:?}"));
        assert_eq!(filter.as_str(), good);
        assert_eq!(filter.has_wildcard(), good.contains(['+', '#']));
        assert_eq!(filter.is_shared(), good.starts_with("$share/"));
    }
}

#[test]
fn bad_filters() {
    for (bad, clause) in [
        ("", "[MQTT-4.7.3-1]"),
        ("sport/tennis#", "[MQTT-4.7.1-1]"),
        ("sport/tennis/#/ranking", "[MQTT-4.7.1-1]"),
        ("##", "[MQTT-4.7.1-1]"),
        ("#/", "[MQTT-4.7.1-1]"),
        ("#a", "[MQTT-4.7.1-1]"),
        ("sport+", "[MQTT-4.7.1-2]"),
        ("+a", "[MQTT-4.7.1-2]"),
        ("a/b+c/d", "[MQTT-4.7.1-2]"),
        ("++", "[MQTT-4.7.1-2]"),
        ("a\0", "[MQTT-1.5.4-2]"),
        ("$share/", "[MQTT-4.8.2-2]"),
        ("$share/group", "[MQTT-4.8.2-2]"),
        ("$share//a", "[MQTT-4.8.2-1]"),
        ("$share/+/a", "[MQTT-4.8.2-2]"),
        ("$share/gr#up/a", "[MQTT-4.8.2-2]"),
        ("$share/group/", "[MQTT-4.7.3-1]"),
        ("$share/group/a#", "[MQTT-4.7.1-1]"),
    ] {
        let invalid = TopicFilter::new(bad).expect_err(bad);
        assert!(invalid.clause.contains(clause), "{bad}: {invalid:?}");
    }
    let long = "a".repeat(65_536);
    assert!(TopicFilter::new(&long[1..]).is_ok());
    let invalid = TopicFilter::new(&long).expect_err("too long");
    assert!(invalid.clause.contains("[MQTT-4.7.3-3]"));
}

#[test]
fn names() {
    for good in ["/", "a", "$SYS/x", "a b", "\u{20AC}/1", &"x".repeat(65_535)] {
        assert!(TopicName::new(good).is_ok());
    }
    for (bad, clause) in [
        ("", "[MQTT-4.7.3-1]"),
        ("a/+", "[MQTT-4.7.0-1]"),
        ("#", "[MQTT-4.7.0-1]"),
        ("a\0b", "[MQTT-1.5.4-2]"),
        (&"x".repeat(65_536), "[MQTT-4.7.3-3]"),
    ] {
        let invalid = TopicName::new(bad).expect_err("a bad name");
        assert!(invalid.clause.contains(clause), "{invalid:?}");
    }
}

/// The examples of sections 4.7.1.2, 4.7.1.3, 4.7.2 and 4.8.2, and the edges between them.
#[test]
fn matches() {
    for (filter, topic, expected) in [
        ("sport/tennis/player1/#", "sport/tennis/player1", true),
        (
            "sport/tennis/player1/#",
            "sport/tennis/player1/ranking",
            true,
        ),
        (
            "sport/tennis/player1/#",
            "sport/tennis/player1/score/wimbledon",
            true,
        ),
        ("sport/tennis/player1/#", "sport/tennis/player10", false),
        ("sport/#", "sport", true),
        ("#", "sport/tennis", true),
        ("#", "/", true),
        ("sport/tennis/+", "sport/tennis/player1", true),
        ("sport/tennis/+", "sport/tennis/player1/ranking", false),
        ("sport/+", "sport", false),
        ("sport/+", "sport/", true),
        ("+/+", "/finance", true),
        ("/+", "/finance", true),
        ("+", "/finance", false),
        ("+", "finance", true),
        ("+/tennis/#", "sport/tennis", true),
        ("#", "$SYS/monitor", false),
        ("+/monitor/Clients", "$SYS/monitor/Clients", false),
        ("$SYS/#", "$SYS/monitor", true),
        ("$SYS/monitor/+", "$SYS/monitor/Clients", true),
        ("a", "A", false),
        ("a/", "a", false),
        ("a", "a/", false),
        ("a//b", "a/b", false),
        ("a/+/b", "a//b", true),
        ("$share/g/sport/+", "sport/x", true),
        ("$share/g/#", "$SYS/x", false),
        ("$share/g/#", "a", true),
        ("$share", "$share", true),
    ] {
        let (f, t) = (TopicFilter::new(filter), TopicName::new(topic));
        let (f, t) = (f.expect(filter), t.expect(topic));
        assert_eq!(f.matches(t), expected, "{filter} {topic}");
    }
}

/// Matching as section 4.7 words it, level by level.
fn matches_by_the_book(filter: &[&str], topic: &[&str]) -> bool {
    match (filter.split_first(), topic.split_first()) {
        (Some((&"#", _)), _) | (None, None) => true,
        (Some((wanted, filter)), Some((level, topic))) => {
            (*wanted == "+" || wanted == level) && matches_by_the_book(filter, topic)
        }
        _ => false,
    }
}

/// A string is scanned sixteen bytes at a time: the one bad byte is found wherever it is.
#[test]
fn a_bad_byte_is_found_at_every_place() {
    for len in 1..70 {
        for at in 0..len {
            for bad in [0, b'+', b'#', 0x80, 0xC3, 0xFF] {
                let mut topic = vec![b'x'; len];
                topic[at] = bad;
                let body = [&[0, len as u8][..], &topic].concat();
                let packet = crate::framed(0x30, &[&body]);
                for version in crate::VERSIONS {
                    let decoded = towpath_proto::mqtt::packet::Packet::decode(&packet, version);
                    assert!(decoded.is_err(), "{bad} at {at} of {len}");
                }
            }
        }
    }
}

proptest! {
    #[test]
    fn matching_is_what_the_book_says(filter in "([ab+]?/){0,4}[ab+#]?", topic in "([ab]?/){0,4}[ab]?") {
        if let (Ok(f), Ok(t)) = (TopicFilter::new(&filter), TopicName::new(&topic)) {
            let levels = |text: &'_ str| text.split('/').map(str::to_owned).collect::<Vec<_>>();
            let (fs, ts) = (levels(&filter), levels(&topic));
            let fs: Vec<&str> = fs.iter().map(String::as_str).collect();
            let ts: Vec<&str> = ts.iter().map(String::as_str).collect();
            prop_assert_eq!(f.matches(t), matches_by_the_book(&fs, &ts));
        }
    }

    #[test]
    fn a_name_is_refused_for_its_wildcards_and_nul_only(text in "[a-c/+#\0\u{e9}\u{20ac}]{1,40}") {
        prop_assert_eq!(TopicName::new(&text).is_ok(), !text.contains(['+', '#', '\0']));
    }
}
