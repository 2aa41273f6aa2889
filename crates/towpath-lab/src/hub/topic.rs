//! Topics and property bags of a hub, both ways.
//!
//! Takes in the topic of a PUBLISH or the filter of a SUBSCRIBE, with the name that the connection is of; gives out
//! what it is for, or why it is nothing of the hub's. The other way round: topics for what the hub sends.

use std::{borrow::Cow, collections::BTreeMap, fmt::Write as _};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use super::{Name, session::Feature};

/// What a client's PUBLISH is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Up<'a> {
    /// A message, with its property bag as written.
    Telemetry { bag: &'a str },
    /// The answer to a direct method.
    MethodAnswer { status: i32, rid: &'a str },
    /// A request for the twin.
    TwinGet { rid: &'a str },
    /// A change of the reported properties.
    TwinPatch { rid: &'a str },
}

/// What the topic of a client's PUBLISH is for. Request ids are as written, so that the answer has them unchanged.
///
/// # Errors
/// Why it is none of the hub's.
pub(crate) fn up<'a>(topic: &'a str, name: &Name) -> Result<Up<'a>, String> {
    if let Some(own) = topic.strip_prefix("devices/") {
        return telemetry(own, name);
    }
    let rid = |query| {
        request_id(query).ok_or_else(|| format!("the topic {} has no $rid", shortened(topic)))
    };
    if let Some(query) = topic.strip_prefix("$iothub/twin/GET/") {
        return Ok(Up::TwinGet { rid: rid(query)? });
    }
    if let Some(query) = topic.strip_prefix("$iothub/twin/PATCH/properties/reported/") {
        return Ok(Up::TwinPatch { rid: rid(query)? });
    }
    if let Some(rest) = topic.strip_prefix("$iothub/methods/res/") {
        let (status, query) = rest.split_once('/').unwrap_or((rest, ""));
        let Ok(status) = status.parse() else {
            return Err(format!(
                "the status in the topic {} is no number",
                shortened(topic)
            ));
        };
        let rid = rid(query)?;
        return Ok(Up::MethodAnswer { status, rid });
    }
    Err(format!(
        "the topic {} is none that the hub takes messages on",
        shortened(topic)
    ))
}

/// `{device}/messages/events/{bag}` or `{device}/modules/{module}/messages/events/{bag}`.
fn telemetry<'a>(own: &'a str, name: &Name) -> Result<Up<'a>, String> {
    let other = || {
        Err(format!(
            "the topic {} is not that of {name}'s messages",
            shortened(&format!("devices/{own}"))
        ))
    };
    // Not decoded: clients write the id as it is.
    let Some(rest) = own.strip_prefix(name.device.as_str()) else {
        return other();
    };
    let rest = match &name.module {
        None => rest,
        Some(module) => {
            let module = rest
                .strip_prefix("/modules/")
                .and_then(|rest| rest.strip_prefix(module.as_str()));
            let Some(rest) = module else { return other() };
            rest
        }
    };
    match rest.strip_prefix("/messages/events") {
        Some("") => Ok(Up::Telemetry { bag: "" }),
        Some(bag) if bag.starts_with('/') => Ok(Up::Telemetry {
            bag: bag.get(1..).unwrap_or_default(),
        }),
        _ => other(),
    }
}

/// The value of `$rid` in `?$rid=..&..`, as written.
fn request_id(query: &str) -> Option<&str> {
    let query = query.strip_prefix('?').unwrap_or(query);
    let value = query.split('&').find_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        (decoded(name) == "$rid").then_some(value)
    })?;
    (!value.is_empty()).then_some(value)
}

/// What a filter is for. A device's own id may be written as `+`.
pub(crate) fn filter(filter: &str, name: &Name) -> Option<Feature> {
    match filter {
        "$iothub/methods/POST/#" => return Some(Feature::Methods),
        "$iothub/twin/res/#" => return Some(Feature::TwinAnswers),
        "$iothub/twin/PATCH/properties/desired/#" => return Some(Feature::DesiredChanges),
        _ => {}
    }
    let own = filter.strip_prefix("devices/")?;
    let level = |own: &'_ str, id: &str| {
        let rest = own.strip_prefix(id).or_else(|| own.strip_prefix('+'))?;
        rest.strip_prefix('/').map(str::to_owned)
    };
    let rest = level(own, &name.device)?;
    match &name.module {
        None => (rest == "messages/devicebound/#").then_some(Feature::CloudToDevice),
        Some(module) => {
            let rest = level(rest.strip_prefix("modules/")?, module)?;
            matches!(rest.as_str(), "#" | "inputs/#").then_some(Feature::Inputs)
        }
    }
}

/// System properties: their name in a bag, and in the REST API and the lab's.
const SYSTEM: &[(&str, &str)] = &[
    ("$.mid", "message-id"),
    ("$.cid", "correlation-id"),
    ("$.uid", "user-id"),
    ("$.ct", "content-type"),
    ("$.ce", "content-encoding"),
    ("$.ctime", "creation-time-utc"),
    ("$.exp", "absolute-expiry-time"),
    ("$.to", "to"),
    ("$.on", "output-name"),
    ("$.sub", "dt-subject"),
    ("$.ifid", "interface-id"),
    ("$.cdid", "connection-device-id"),
    ("$.cmid", "connection-module-id"),
    ("$.diagid", "diagnostic-id"),
    ("$.diagctx", "diagnostic-context"),
];

/// A message's properties: the application's, and the system's under the names that the REST API has for them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Bag {
    pub(crate) properties: BTreeMap<String, String>,
    pub(crate) system: BTreeMap<String, String>,
}

impl Bag {
    /// Reads `name=value&..`, percent-encoded, with or without a leading `?`. A name without `=` has an empty value;
    /// the last of two of the same name counts. A system property that is not known keeps its `$.` name.
    pub(crate) fn parse(text: &str) -> Self {
        let mut bag = Self::default();
        let text = text.strip_prefix('?').unwrap_or(text);
        for pair in text.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (name, value) = (decoded(name), decoded(value).into_owned());
            if name.starts_with("$.") {
                let known = SYSTEM.iter().find(|(short, _)| *short == name);
                let name = known.map_or_else(|| name.into_owned(), |(_, long)| (*long).to_owned());
                bag.system.insert(name, value);
            } else {
                bag.properties.insert(name.into_owned(), value);
            }
        }
        bag
    }

    /// Writes the bag as clients read it: system properties first, everything but unreserved characters encoded.
    pub(crate) fn encode(&self) -> String {
        let mut text = String::new();
        for (name, value) in &self.system {
            let short = SYSTEM.iter().find(|(_, long)| long == name);
            put(
                &mut text,
                short.map_or(name.as_str(), |(short, _)| short),
                value,
            );
        }
        for (name, value) in &self.properties {
            put(&mut text, name, value);
        }
        text
    }
}

/// RFC 3986 section 2.3.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

fn put(text: &mut String, name: &str, value: &str) {
    let separator = if text.is_empty() { "" } else { "&" };
    let (name, value) = (
        utf8_percent_encode(name, RESERVED),
        utf8_percent_encode(value, RESERVED),
    );
    // Writing to a text can't fail.
    let _ = write!(text, "{separator}{name}={value}");
}

fn decoded(text: &str) -> Cow<'_, str> {
    percent_decode_str(text).decode_utf8_lossy()
}

/// The topic of a cloud-to-device message.
pub(crate) fn cloud_to_device(device: &str, bag: &Bag) -> String {
    format!("devices/{device}/messages/devicebound/{}", bag.encode())
}

/// The topic of an answer to a twin request.
pub(crate) fn twin_answer(status: u16, rid: &str, version: Option<u64>) -> String {
    match version {
        Some(version) => format!("$iothub/twin/res/{status}/?$rid={rid}&$version={version}"),
        None => format!("$iothub/twin/res/{status}/?$rid={rid}"),
    }
}

/// What the topics of changes of desired properties begin with.
pub(crate) const DESIRED_CHANGES: &str = "$iothub/twin/PATCH/properties/desired/";

/// What a client sent, for a text that people read: it may be 64 kB long, and it may be what nobody may read.
pub(crate) fn shortened(text: &str) -> String {
    const MOST: usize = 120;
    if is_secret(text) {
        return "(a token or connection string, which is not shown)".into();
    }
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{:?}...", text.get(..end).unwrap_or_default()),
        None => format!("{text:?}"),
    }
}

/// Whether a text is a token, a key or a connection string, or has one in it. They get where a user name, a client id or
/// a topic belongs when somebody swaps two fields.
pub(crate) fn is_secret(text: &str) -> bool {
    const SIGNS: [&str; 4] = ["SharedAccessKey", "SharedAccessSignature", "sig=", "sig%3d"];
    let has = |sign: &str| {
        let mut parts = text.as_bytes().windows(sign.len());
        parts.any(|part| part.eq_ignore_ascii_case(sign.as_bytes()))
    };
    SIGNS.into_iter().any(has) || ends_with_key(text)
}

/// Whether a text ends with what can be a key: base64 of 16 bytes or more that ends with its padding.
fn ends_with_key(text: &str) -> bool {
    let is_digit = |b: &u8| b.is_ascii_alphanumeric() || b"+/".contains(b);
    let digits = text.trim_end_matches('=');
    digits.len() < text.len() && digits.bytes().rev().take_while(is_digit).count() >= 22
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        pairs.iter().map(owned).collect()
    }

    #[test]
    fn a_bag_that_a_client_sent() {
        let topic = "devices/dev1/messages/events/%24.mid=m-1&%24.cid=c-1&%24.ct=application%2Fjson&%24.ce=utf-8&alert%20key=yes%2Fno%20%26";
        let Ok(Up::Telemetry { bag }) = up(topic, &Name::device("dev1")) else {
            panic!("telemetry");
        };
        let bag = Bag::parse(bag);
        assert_eq!(bag.properties, map(&[("alert key", "yes/no &")]));
        let system = [
            ("message-id", "m-1"),
            ("correlation-id", "c-1"),
            ("content-type", "application/json"),
            ("content-encoding", "utf-8"),
        ];
        assert_eq!(bag.system, map(&system));
    }

    #[test]
    fn bags_in_other_forms() {
        let bag = Bag::parse("?a&b=&$.x=1&&c=1=2&c=+%zz");
        assert_eq!(bag.properties, map(&[("a", ""), ("b", ""), ("c", "+%zz")]));
        assert_eq!(bag.system, map(&[("$.x", "1")]));
        assert_eq!(Bag::parse(""), Bag::default());
    }

    #[test]
    fn a_bag_for_a_device() {
        let bag = Bag {
            properties: map(&[("color", "blue"), ("ö &", "")]),
            system: map(&[
                ("message-id", "m-1"),
                ("to", "/devices/dev1/messages/devicebound"),
            ]),
        };
        assert_eq!(
            cloud_to_device("dev1", &bag),
            "devices/dev1/messages/devicebound/%24.mid=m-1&%24.to=%2Fdevices%2Fdev1%2Fmessages\
             %2Fdevicebound&color=blue&%C3%B6%20%26="
        );
    }

    #[test]
    fn topics_of_requests() {
        let name = Name::device("dev1");
        let rid = "8985b284-f9c8-451c-8634-db21d47b5514";
        assert_eq!(
            up(&format!("$iothub/twin/GET/?$rid={rid}"), &name),
            Ok(Up::TwinGet { rid })
        );
        assert_eq!(
            up(
                "$iothub/twin/PATCH/properties/reported/?%24rid=a%20b&x=1",
                &name
            ),
            Ok(Up::TwinPatch { rid: "a%20b" })
        );
        assert_eq!(
            up("$iothub/methods/res/-1/?$rid=7", &name),
            Ok(Up::MethodAnswer {
                status: -1,
                rid: "7"
            })
        );
        for wrong in [
            "$iothub/twin/GET/",
            "$iothub/twin/GET/?$rid=",
            "$iothub/methods/res/ok/?$rid=1",
            "$iothub/methods/res/200",
            "$iothub/twin/POST/?$rid=1",
            "devices/dev1",
            "devices/dev10/messages/events/",
            "devices/dev1/messages/eventsx",
            "devices/dev1/modules/m/messages/events/",
            "",
        ] {
            assert!(up(wrong, &name).is_err(), "{wrong}");
        }
    }

    #[test]
    fn telemetry_of_the_own_name_only() {
        let (device, module) = (Name::device("d$"), Name::module("d$", "m"));
        let plain = Ok(Up::Telemetry { bag: "" });
        assert_eq!(up("devices/d$/messages/events/", &device), plain);
        assert_eq!(up("devices/d$/messages/events", &device), plain);
        assert_eq!(
            up("devices/d$/modules/m/messages/events/a=1", &module),
            Ok(Up::Telemetry { bag: "a=1" })
        );
        assert!(up("devices/d$/messages/events/", &module).is_err());
        assert!(up("devices/d$/modules/mm/messages/events/", &module).is_err());
    }

    #[test]
    fn filters() {
        let (device, module) = (Name::device("dev1"), Name::module("dev1", "m"));
        for (text, device_has, module_has) in [
            (
                "devices/dev1/messages/devicebound/#",
                Some(Feature::CloudToDevice),
                None,
            ),
            (
                "devices/+/messages/devicebound/#",
                Some(Feature::CloudToDevice),
                None,
            ),
            ("devices/dev2/messages/devicebound/#", None, None),
            ("devices/dev1/messages/devicebound/+", None, None),
            (
                "$iothub/methods/POST/#",
                Some(Feature::Methods),
                Some(Feature::Methods),
            ),
            (
                "$iothub/twin/res/#",
                Some(Feature::TwinAnswers),
                Some(Feature::TwinAnswers),
            ),
            (
                "$iothub/twin/PATCH/properties/desired/#",
                Some(Feature::DesiredChanges),
                Some(Feature::DesiredChanges),
            ),
            ("devices/dev1/modules/m/#", None, Some(Feature::Inputs)),
            (
                "devices/dev1/modules/m/inputs/#",
                None,
                Some(Feature::Inputs),
            ),
            ("devices/dev1/modules/n/inputs/#", None, None),
            ("#", None, None),
            ("$iothub/#", None, None),
        ] {
            assert_eq!(filter(text, &device), device_has, "{text}");
            assert_eq!(filter(text, &module), module_has, "{text}");
        }
    }

    #[test]
    fn a_long_topic_is_shortened_for_people() {
        assert_eq!(shortened("a\n"), "\"a\\n\"");
        let long = shortened(&"ö".repeat(1000));
        assert!(long.ends_with("\"...") && long.chars().count() < 130);
    }

    #[test]
    fn secrets_are_not_shown() {
        for text in [
            "HostName=h;DeviceId=d;SharedAccessKey=x",
            "sharedaccesssignature sr=h%2Fdevices%2Fd&se=1",
            "sr=h&SIG=x&se=1",
            "sr%3Dh%26sig%3Dx",
            "bGFiLWRldmljZS1rZXktMDEyMzQ1Njc4OWFiY2RlZg==",
            "hub/bGFiLWRl/ml+ZS1rZXktMDEyMzQ1Njc4OWFiY2RlZg==",
        ] {
            assert!(is_secret(text), "{text}");
            assert!(shortened(text).starts_with("(a token"), "{text}");
        }
        for text in [
            "",
            "=",
            "hub/dev1/?api-version=2021-04-12",
            "devices/dev1/messages/events/design=1",
            "localhost/dev1/?api-version=",
            &format!("{}=", "é".repeat(43)),
        ] {
            assert!(!is_secret(text), "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_bag_survives_the_way(
            properties in prop::collection::btree_map("[^$]{1,8}", ".{0,8}", 0..6),
            message in ".{0,12}",
        ) {
            let system = map(&[("message-id", &message)]);
            let bag = Bag { properties, system };
            prop_assert_eq!(Bag::parse(&bag.encode()), bag);
        }

        #[test]
        fn any_topic_is_taken_or_refused(topic in ".{0,64}", query in "[?&=$%a-z0-9]{0,24}") {
            let name = Name::module("d", "m");
            let _ = up(&topic, &name);
            let _ = filter(&topic, &name);
            for start in ["$iothub/twin/GET/", "$iothub/methods/res/1/", "devices/d/modules/m/"] {
                let _ = up(&format!("{start}{query}"), &name);
            }
            let _ = Bag::parse(&topic);
            let _ = Bag::parse(&query);
        }
    }
}
