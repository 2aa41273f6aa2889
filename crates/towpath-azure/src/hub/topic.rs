//! The topics of a hub, both ways.
//!
//! Takes in the topic of what came down; gives out what it is. The other way round, writes topics and filters into the
//! caller's memory. Request identifiers stay as they are written, so that an answer has them unchanged.

use core::fmt;

use towpath_proto::mqtt::{session::Refusal, topic::TopicName};

use crate::{Names, scratch};

/// Filters that are the same for every identity.
pub(super) const METHODS: &str = "$iothub/methods/POST/#";
pub(super) const DESIRED: &str = "$iothub/twin/PATCH/properties/desired/#";
pub(super) const ANSWERS: &str = "$iothub/twin/res/#";

/// What came down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Down<'a> {
    /// A cloud-to-device message, or one for the input of a module.
    Message {
        input: Option<&'a str>,
        bag: &'a str,
    },
    /// A call of a method.
    Method {
        name: &'a str,
        rid: &'a str,
    },
    Answer(Answer),
    /// A change of desired properties.
    Desired {
        version: Option<u64>,
    },
}

/// The answer to a request about the twin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) status: u16,
    /// The request's number, which this side gave.
    pub(super) rid: u32,
    pub(super) version: Option<u64>,
    /// Seconds.
    pub(super) retry_after: Option<u16>,
}

impl Answer {
    pub(super) const fn is_success(&self) -> bool {
        matches!(self.status, 200..300)
    }
}

/// What a topic says; `None` if it is none that a hub sends to `names`.
pub(super) fn read<'a>(topic: &'a str, names: &Names<'_>) -> Option<Down<'a>> {
    let Some(rest) = topic.strip_prefix("$iothub/") else {
        return read_message(topic.strip_prefix("devices/")?, names);
    };
    if let Some(query) = rest.strip_prefix("twin/PATCH/properties/desired/") {
        let version = parameter(query, "version").and_then(|text| text.parse().ok());
        return Some(Down::Desired { version });
    }
    if let Some(rest) = rest.strip_prefix("twin/res/") {
        let (status, query) = rest.split_once('/')?;
        return Some(Down::Answer(Answer {
            status: status.parse().ok()?,
            rid: parameter(query, "rid")?.parse().ok()?,
            version: parameter(query, "version").and_then(|text| text.parse().ok()),
            retry_after: plain_parameter(query, "retry-after").and_then(|text| text.parse().ok()),
        }));
    }
    // A name may hold anything that a topic may.
    let (name, query) = rest.strip_prefix("methods/POST/")?.rsplit_once("/?")?;
    let rid = parameter(query, "rid")?;
    (!name.is_empty()).then_some(Down::Method { name, rid })
}

/// `{device}/messages/devicebound/{bag}` or `{device}/modules/{module}/inputs/{input}/{bag}`. Identifiers are not
/// encoded in topics.
fn read_message<'a>(own: &'a str, names: &Names<'_>) -> Option<Down<'a>> {
    let rest = own.strip_prefix(names.device_id)?;
    let Some(module) = names.module_id else {
        let bag = rest.strip_prefix("/messages/devicebound")?;
        let bag = if bag.is_empty() {
            bag
        } else {
            bag.strip_prefix('/')?
        };
        return Some(Down::Message { input: None, bag });
    };
    let rest = rest.strip_prefix("/modules/")?.strip_prefix(module)?;
    let rest = rest.strip_prefix("/inputs/")?;
    let (input, bag) = rest.split_once('/').unwrap_or((rest, ""));
    let input = Some(input).filter(|input| !input.is_empty());
    Some(Down::Message { input, bag })
}

/// The value of `$name` in `?$name=value&..`, as written; the `$` may be encoded. `None` if it is empty.
fn parameter<'a>(query: &'a str, name: &str) -> Option<&'a str> {
    find(query, |written| {
        let system = written
            .strip_prefix('$')
            .or_else(|| written.strip_prefix("%24"));
        system == Some(name)
    })
}

fn plain_parameter<'a>(query: &'a str, name: &str) -> Option<&'a str> {
    find(query, |written| written == name)
}

fn find(query: &str, is_it: impl Fn(&str) -> bool) -> Option<&str> {
    let query = query.strip_prefix('?').unwrap_or(query);
    let (_, value) = query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .find(|(name, _)| is_it(name))?;
    (!value.is_empty()).then_some(value)
}

/// A topic to publish on, in `memory`.
pub(super) fn write(memory: &mut [u8], text: impl fmt::Display) -> Result<TopicName<'_>, Refusal> {
    let room = memory.len();
    let topic = scratch::write(memory, text).ok_or(Refusal::PacketTooLarge(room))?;
    Ok(TopicName::new(topic)?)
}

/// The filter for cloud-to-device messages, or for a module's inputs.
pub(super) fn write_messages<'s>(names: &Names<'_>, memory: &'s mut [u8]) -> Option<&'s str> {
    let kind = match names.module_id {
        Some(_) => "inputs",
        None => "messages/devicebound",
    };
    scratch::write(memory, format_args!("{}/{kind}/#", names.topic()))
}

/// The topic of telemetry: `devices/{device}/messages/events/{bag}`, or that of a module. `bag` is a
/// [`Bag`](crate::bag::Bag), or the text that one has written before. `None` if the topic does not fit into `memory`, or
/// is longer than a topic may be.
pub fn telemetry_topic<'s>(
    names: &Names<'_>,
    bag: impl fmt::Display,
    memory: &'s mut [u8],
) -> Option<&'s str> {
    let text = format_args!("{}/messages/events/{bag}", names.topic());
    scratch::write(memory, text).filter(|topic| topic.len() <= usize::from(u16::MAX))
}

#[cfg(test)]
mod tests {
    use std::{
        string::{String, ToString},
        vec,
    };

    use proptest::prelude::*;

    use super::*;
    use crate::bag::Bag;

    const DEVICE: Names<'_> = Names {
        hub: "contoso.azure-devices.net",
        device_id: "dev1",
        module_id: None,
    };
    const MODULE: Names<'_> = Names {
        module_id: Some("mod1"),
        ..DEVICE
    };

    #[test]
    fn what_a_hub_sends() {
        let bag = "%24.mid=m-1&%24.to=%2Fdevices%2Fdev1%2Fmessages%2Fdevicebound&color=blue";
        let topic = std::format!("devices/dev1/messages/devicebound/{bag}");
        assert_eq!(
            read(&topic, &DEVICE),
            Some(Down::Message { input: None, bag })
        );
        assert_eq!(
            read("$iothub/methods/POST/reboot/?$rid=1", &DEVICE),
            Some(Down::Method {
                name: "reboot",
                rid: "1"
            })
        );
        assert_eq!(
            read("$iothub/twin/PATCH/properties/desired/?$version=2", &DEVICE),
            Some(Down::Desired { version: Some(2) })
        );
        let answer = |status, rid, version, retry_after| {
            Some(Down::Answer(Answer {
                status,
                rid,
                version,
                retry_after,
            }))
        };
        assert_eq!(
            read("$iothub/twin/res/200/?$rid=1", &DEVICE),
            answer(200, 1, None, None)
        );
        assert_eq!(
            read("$iothub/twin/res/204/?$rid=7&$version=2", &DEVICE),
            answer(204, 7, Some(2), None)
        );
        assert_eq!(
            read("$iothub/twin/res/429/?%24rid=7&retry-after=30", &DEVICE),
            answer(429, 7, None, Some(30))
        );
    }

    #[test]
    fn a_module_has_inputs() {
        let message = |input, bag| Some(Down::Message { input, bag });
        let at = |rest: &str| std::format!("devices/dev1/modules/mod1/inputs{rest}");
        assert_eq!(read(&at("/in1/a=b"), &MODULE), message(Some("in1"), "a=b"));
        assert_eq!(read(&at("/in1/"), &MODULE), message(Some("in1"), ""));
        assert_eq!(read(&at("/in1"), &MODULE), message(Some("in1"), ""));
        assert_eq!(read("devices/dev1/messages/devicebound/", &MODULE), None);
        assert_eq!(read("devices/dev1/modules/mod1/inputs/in1/", &DEVICE), None);
    }

    #[test]
    fn names_of_methods_are_taken_as_they_are() {
        let method = |name, rid| Some(Down::Method { name, rid });
        let read = |topic| read(topic, &DEVICE);
        assert_eq!(
            read("$iothub/methods/POST/thermostat1*reboot/?$rid=a%20b"),
            method("thermostat1*reboot", "a%20b")
        );
        assert_eq!(
            read("$iothub/methods/POST/a/?/b/?$rid=1"),
            method("a/?/b", "1")
        );
        assert_eq!(read("$iothub/methods/POST//?$rid=1"), None);
        assert_eq!(read("$iothub/methods/POST/reboot/?$rid="), None);
        assert_eq!(read("$iothub/methods/POST/reboot/"), None);
    }

    #[test]
    fn what_is_nobodys() {
        for topic in [
            "",
            "devices",
            "devices/",
            "devices/dev1",
            "devices/dev12/messages/devicebound/",
            "$iothub/",
            "devices/dev1/messages/deviceboundx",
            "devices/DEV1/messages/devicebound/",
            "$iothub/streams/POST/x",
            "$iothub/twin/res/x/?$rid=1",
            "$iothub/twin/res/200/",
            "$iothub/twin/res/200",
            "$iothub/twin/res/99999/?$rid=1",
            "$iothub/twin/res/200/?$rid=8985b284-f9c8-451c-8634-db21d47b5514",
            "$iothub/twin/res/200/?$rid=4294967296",
        ] {
            assert_eq!(read(topic, &DEVICE), None, "{topic}");
        }
    }

    #[test]
    fn telemetry_is_published_with_its_properties() {
        let bag = Bag {
            message_id: Some("m-1"),
            correlation_id: Some("c-1"),
            content_type: Some("application/json"),
            content_encoding: Some("utf-8"),
            properties: &[("alert key", "yes/no &")],
            ..Bag::NONE
        };
        let mut scratch = [0; 256];
        assert_eq!(
            telemetry_topic(&DEVICE, bag, &mut scratch),
            Some(
                "devices/dev1/messages/events/%24.mid=m-1&%24.cid=c-1&%24.ct=application%2Fjson&%24.ce=utf-8&alert%20key=yes%2Fno%20%26"
            )
        );
        assert_eq!(
            telemetry_topic(&MODULE, Bag::NONE, &mut scratch),
            Some("devices/dev1/modules/mod1/messages/events/")
        );
        assert_eq!(telemetry_topic(&DEVICE, bag, &mut scratch[..100]), None);
    }

    #[test]
    fn filters_name_the_identity() {
        let filter = |names| {
            let mut scratch = [0; 64];
            write_messages(names, &mut scratch).map(ToString::to_string)
        };
        assert_eq!(
            filter(&DEVICE),
            Some("devices/dev1/messages/devicebound/#".into())
        );
        assert_eq!(
            filter(&MODULE),
            Some("devices/dev1/modules/mod1/inputs/#".into())
        );
    }

    /// A topic that is the hub's, or nearly.
    fn any_topic() -> impl Strategy<Value = String> {
        let part = prop_oneof![
            Just("$iothub/"),
            Just("twin/"),
            Just("res/"),
            Just("200/"),
            Just("?$rid="),
            Just("&$version="),
            Just("1"),
            Just("methods/POST/"),
            Just("devices/dev1/"),
            Just("messages/devicebound/"),
            Just("modules/mod1/"),
            Just("inputs/"),
            Just("PATCH/properties/desired/"),
            Just("%24"),
            Just("é"),
            Just("="),
            Just("&"),
            Just("/?"),
        ];
        prop::collection::vec(part, 0..8).prop_map(|parts| parts.concat())
    }

    proptest! {
        #[test]
        fn any_topic_is_survived(topic in prop_oneof![any_topic(), any::<String>()]) {
            let _ = (read(&topic, &DEVICE), read(&topic, &MODULE));
        }

        #[test]
        fn a_call_is_read_as_it_was_written(name in "[^+#\0]{1,20}", rid in "[^&+#/?\0]{1,20}") {
            let topic = std::format!("$iothub/methods/POST/{name}/?$rid={rid}");
            prop_assert_eq!(read(&topic, &DEVICE), Some(Down::Method { name: &name, rid: &rid }));
        }
    }
}
