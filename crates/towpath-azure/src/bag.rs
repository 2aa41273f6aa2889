//! Property bags: the properties of a message, which travel in its topic.
//!
//! Takes in properties and gives out `%24.mid=..&name=value`; or takes in that text as it came and gives out
//! the properties, decoded while they are read.

use core::fmt;

pub use crate::percent::Decoded;
use crate::{
    percent::{Encoded, decode},
    scratch,
};

/// The properties of a message to send: those that Azure knows by name, and the application's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Bag<'a> {
    /// Identifies the message; up to 128 characters of ASCII. The hub does not drop duplicates, but whoever reads can.
    pub message_id: Option<&'a str>,
    /// Says which message this one answers.
    pub correlation_id: Option<&'a str>,
    /// Who the message comes from.
    pub user_id: Option<&'a str>,
    /// The media type of the body. Routing by the body needs `application/json`, with the encoding `utf-8`.
    pub content_type: Option<&'a str>,
    /// The encoding of the body: `utf-8`, `utf-16` or `utf-32`.
    pub content_encoding: Option<&'a str>,
    /// When the message was made, as `2026-04-21T11:30:16Z`.
    pub creation_time: Option<&'a str>,
    /// The component of Plug and Play that speaks.
    pub component: Option<&'a str>,
    /// The output of a module that it leaves by, at an IoT Edge gateway.
    pub output: Option<&'a str>,
    /// The application's own, as names and values.
    pub properties: &'a [(&'a str, &'a str)],
}

impl Bag<'_> {
    /// No properties.
    pub const NONE: Self = Self {
        message_id: None,
        correlation_id: None,
        user_id: None,
        content_type: None,
        content_encoding: None,
        creation_time: None,
        component: None,
        output: None,
        properties: &[],
    };

    /// How many bytes its text has in a topic.
    #[must_use]
    pub fn encoded_len(&self) -> usize {
        scratch::len(self)
    }
}

/// The text as it stands in a topic, percent-encoded.
impl fmt::Display for Bag<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = [
            (MESSAGE_ID, self.message_id),
            (CORRELATION_ID, self.correlation_id),
            (USER_ID, self.user_id),
            (CONTENT_TYPE, self.content_type),
            (CONTENT_ENCODING, self.content_encoding),
            (CREATION_TIME, self.creation_time),
            (COMPONENT, self.component),
            (OUTPUT, self.output),
        ];
        let named = named
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?)));
        let mut between = "";
        for (name, value) in named.chain(self.properties.iter().copied()) {
            write!(f, "{between}{}={}", Encoded(name), Encoded(value))?;
            between = "&";
        }
        Ok(())
    }
}

const MESSAGE_ID: &str = "$.mid";
const CORRELATION_ID: &str = "$.cid";
const USER_ID: &str = "$.uid";
const CONTENT_TYPE: &str = "$.ct";
const CONTENT_ENCODING: &str = "$.ce";
const CREATION_TIME: &str = "$.ctime";
const COMPONENT: &str = "$.sub";
const OUTPUT: &str = "$.on";
const EXPIRY: &str = "$.exp";
const TO: &str = "$.to";
const SENDER_DEVICE: &str = "$.cdid";
const SENDER_MODULE: &str = "$.cmid";

/// The properties of a message that came. They are read from the topic's text each time they are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Received<'a>(&'a str);

impl<'a> Received<'a> {
    /// Properties by their text in the topic. A `?` before them is dropped.
    #[must_use]
    pub fn new(raw: &'a str) -> Self {
        Self(raw.strip_prefix('?').unwrap_or(raw))
    }

    /// Their text in the topic.
    #[must_use]
    pub const fn raw(&self) -> &'a str {
        self.0
    }

    /// Names and values in order. A name without `=` has no value, which is not the same as an empty one.
    pub fn iter(&self) -> impl Iterator<Item = (Decoded<'a>, Option<Decoded<'a>>)> + use<'a> {
        self.0
            .split('&')
            .filter(|part| !part.is_empty())
            .map(|part| match part.split_once('=') {
                Some((name, value)) => (decode(name), Some(decode(value))),
                None => (decode(part), None),
            })
    }

    /// The application's own properties: all but those that Azure knows by a name with `$.` before it.
    pub fn properties(&self) -> impl Iterator<Item = (Decoded<'a>, Option<Decoded<'a>>)> + use<'a> {
        self.iter()
            .filter(|(name, _)| !name.chars().take(2).eq("$.".chars()))
    }

    /// The value of the first property of this name: `None` if there is none, `Some(None)` if it has no value.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<Option<Decoded<'a>>> {
        self.iter()
            .find(|(found, _)| *found == *name)
            .map(|(_, value)| value)
    }

    fn value(&self, name: &str) -> Option<Decoded<'a>> {
        self.find(name).flatten()
    }

    /// What identifies the message.
    #[must_use]
    pub fn message_id(&self) -> Option<Decoded<'a>> {
        self.value(MESSAGE_ID)
    }

    /// Which message this one answers.
    #[must_use]
    pub fn correlation_id(&self) -> Option<Decoded<'a>> {
        self.value(CORRELATION_ID)
    }

    /// Who the message comes from.
    #[must_use]
    pub fn user_id(&self) -> Option<Decoded<'a>> {
        self.value(USER_ID)
    }

    /// The media type of the body.
    #[must_use]
    pub fn content_type(&self) -> Option<Decoded<'a>> {
        self.value(CONTENT_TYPE)
    }

    /// The encoding of the body.
    #[must_use]
    pub fn content_encoding(&self) -> Option<Decoded<'a>> {
        self.value(CONTENT_ENCODING)
    }

    /// When the message was made.
    #[must_use]
    pub fn creation_time(&self) -> Option<Decoded<'a>> {
        self.value(CREATION_TIME)
    }

    /// When the message expires.
    #[must_use]
    pub fn expiry(&self) -> Option<Decoded<'a>> {
        self.value(EXPIRY)
    }

    /// Where the message was sent, as `/devices/{device}/messages/devicebound`.
    #[must_use]
    pub fn to(&self) -> Option<Decoded<'a>> {
        self.value(TO)
    }

    /// The component of Plug and Play that it is for or from.
    #[must_use]
    pub fn component(&self) -> Option<Decoded<'a>> {
        self.value(COMPONENT)
    }

    /// The output of the module that it left by, at an IoT Edge gateway.
    #[must_use]
    pub fn output(&self) -> Option<Decoded<'a>> {
        self.value(OUTPUT)
    }

    /// The device that sent it, at an IoT Edge gateway.
    #[must_use]
    pub fn sender_device(&self) -> Option<Decoded<'a>> {
        self.value(SENDER_DEVICE)
    }

    /// The module that sent it, at an IoT Edge gateway.
    #[must_use]
    pub fn sender_module(&self) -> Option<Decoded<'a>> {
        self.value(SENDER_MODULE)
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::{
        string::{String, ToString as _},
        vec::Vec,
    };

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_bag_of_the_official_sdk_byte_for_byte() {
        let bag = Bag {
            message_id: Some("m-1"),
            correlation_id: Some("c-1"),
            content_type: Some("application/json"),
            content_encoding: Some("utf-8"),
            properties: &[("alert key", "yes/no &")],
            ..Bag::NONE
        };
        let text = "%24.mid=m-1&%24.cid=c-1&%24.ct=application%2Fjson&%24.ce=utf-8&alert%20key=yes%2Fno%20%26";
        assert_eq!(bag.to_string(), text);
        assert_eq!(bag.encoded_len(), text.len());
        assert_eq!(
            (Bag::NONE.to_string().as_str(), Bag::NONE.encoded_len()),
            ("", 0)
        );
    }

    #[test]
    fn all_names_that_azure_knows() {
        let bag = Bag {
            user_id: Some("u"),
            creation_time: Some("2026-11-22T10:00:00Z"),
            component: Some("thermostat1"),
            output: Some("alerts"),
            ..Bag::NONE
        };
        assert_eq!(
            bag.to_string(),
            "%24.uid=u&%24.ctime=2026-11-22T10%3A00%3A00Z&%24.sub=thermostat1&%24.on=alerts"
        );
    }

    #[test]
    fn a_cloud_to_device_message() {
        let received = Received::new(
            "%24.mid=m-1&%24.to=%2Fdevices%2Fdev1%2Fmessages%2Fdevicebound&color=blue&$.cid=c%201",
        );
        assert!(received.message_id().unwrap() == "m-1");
        assert!(received.to().unwrap() == "/devices/dev1/messages/devicebound");
        assert!(
            received.correlation_id().unwrap() == "c 1",
            "names may come unencoded"
        );
        assert_eq!(received.user_id(), None);
        assert!(received.find("color").unwrap().unwrap() == "blue");
        let own: Vec<_> = received
            .properties()
            .map(|(name, _)| name.to_string())
            .collect();
        assert_eq!(own, ["color"]);
    }

    #[test]
    fn no_value_is_not_an_empty_value() {
        let received = Received::new("?prop1&prop2=&&=x");
        assert_eq!(received.raw(), "prop1&prop2=&&=x");
        assert_eq!(received.find("prop1"), Some(None));
        assert!(received.find("prop2").unwrap().unwrap().is_empty());
        assert_eq!(received.find("prop3"), None);
        assert!(received.find("").unwrap().unwrap() == "x");
        assert_eq!(received.iter().count(), 3);
        assert_eq!(Received::new("").iter().count(), 0);
    }

    proptest! {
        #[test]
        fn any_properties_come_back(
            properties in prop::collection::vec(any::<(String, String)>(), 0..6),
            message_id in any::<Option<String>>(),
            component in any::<Option<String>>(),
        ) {
            let lent: Vec<_> = properties.iter().map(|(name, value)| (&**name, &**value)).collect();
            let bag = Bag {
                message_id: message_id.as_deref(),
                component: component.as_deref(),
                properties: &lent,
                ..Bag::NONE
            };
            let text = bag.to_string();
            prop_assert_eq!(bag.encoded_len(), text.len());
            prop_assert!(text.is_ascii() && !text.contains(['/', '+', '#', '\0']));
            let received = Received::new(&text);
            let own: Vec<_> = received
                .iter()
                .skip(usize::from(message_id.is_some()) + usize::from(component.is_some()))
                .map(|(name, value)| (name.to_string(), value.unwrap().to_string()))
                .collect();
            prop_assert_eq!(own, properties);
            prop_assert_eq!(
                received.iter().next().filter(|_| message_id.is_some()).map(|(_, value)| value.unwrap().to_string()),
                message_id
            );
        }

        #[test]
        fn any_text_is_read(text: String, noise in "[?&=%$.a-f0-9]{0,60}") {
            for text in [text, noise] {
                let received = Received::new(&text);
                for (name, value) in received.iter() {
                    let _ = (name.to_string(), std::format!("{value:?}"));
                }
                let _ = (received.find("$.mid"), received.properties().count());
            }
        }
    }
}
