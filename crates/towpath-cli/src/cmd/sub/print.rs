//! How a message looks on standard output.

use std::{
    io::{self, BufWriter, StdoutLock, Write as _},
    str,
    time::SystemTime,
};

use towpath::{Details, Message, Version};

use crate::{
    args::Sub,
    exit::Failure,
    text::{Object, array, base64, quoted, rfc3339},
};

/// Bytes that are printed at once when messages come fast.
const BUFFER: usize = 64 << 10;

#[derive(Debug, Clone, Copy)]
enum Form {
    Plain { topic: bool, line_end: bool },
    Json { properties: bool },
}

/// Standard output, locked once.
pub(super) struct Printer {
    out: BufWriter<StdoutLock<'static>>,
    form: Form,
}

impl Printer {
    pub(super) fn new(args: &Sub, version: Version) -> Self {
        let form = if args.output.json {
            Form::Json {
                properties: version == Version::V5,
            }
        } else {
            Form::Plain {
                topic: args.verbose,
                line_end: !args.no_newline,
            }
        };
        Self {
            out: BufWriter::with_capacity(BUFFER, io::stdout().lock()),
            form,
        }
    }

    pub(super) fn print(&mut self, message: &Message) -> Result<(), Failure> {
        self.write(message).map_err(Failure::output)
    }

    fn write(&mut self, message: &Message) -> io::Result<()> {
        match self.form {
            Form::Plain { topic, line_end } => {
                if topic {
                    self.out.write_all(message.topic.as_bytes())?;
                    self.out.write_all(b" ")?;
                }
                self.out.write_all(&message.payload)?;
                if line_end {
                    self.out.write_all(b"\n")?;
                }
                Ok(())
            }
            Form::Json { properties } => {
                let line = json(message, properties, SystemTime::now());
                writeln!(self.out, "{line}")
            }
        }
    }

    /// Whether something waits to be written.
    pub(super) fn is_dirty(&self) -> bool {
        !self.out.buffer().is_empty()
    }

    pub(super) fn flush(&mut self) -> Result<(), Failure> {
        self.out.flush().map_err(Failure::output)
    }
}

impl Drop for Printer {
    fn drop(&mut self) {
        // What could not be written by now never will; trying again here would be told to nobody.
        let _ = self.out.flush();
    }
}

fn json(message: &Message, properties: bool, now: SystemTime) -> String {
    let object = Object::new().text("topic", &message.topic);
    let object = match str::from_utf8(&message.payload) {
        Ok(text) => object
            .text("payload", text)
            .text("payload_encoding", "utf-8"),
        Err(_) => object
            .text("payload", &base64(&message.payload))
            .text("payload_encoding", "base64"),
    };
    let mut object = object
        .raw("qos", message.qos as u8)
        .raw("retain", message.retain)
        .raw("dup", message.dup);
    if properties {
        let written = message
            .details
            .as_deref()
            .map_or_else(|| "{}".into(), details);
        object = object.raw("properties", written);
    }
    object.text("time", &rfc3339(now)).end()
}

/// The properties that the message has, under the names of the specification.
fn details(details: &Details) -> String {
    let mut object = Object::new();
    if details.is_text {
        object = object.raw("payload_format_indicator", 1);
    }
    if let Some(seconds) = details.expiry {
        object = object.raw("message_expiry_interval", seconds);
    }
    if let Some(kind) = &details.content_type {
        object = object.text("content_type", kind);
    }
    if let Some(topic) = &details.response_topic {
        object = object.text("response_topic", topic);
    }
    if let Some(data) = &details.correlation_data {
        object = match str::from_utf8(data) {
            Ok(text) => object
                .text("correlation_data", text)
                .text("correlation_data_encoding", "utf-8"),
            Err(_) => object
                .text("correlation_data", &base64(data))
                .text("correlation_data_encoding", "base64"),
        };
    }
    if !details.subscription_identifiers.is_empty() {
        let list = details.subscription_identifiers.iter();
        object = object.raw("subscription_identifiers", array(list.map(u32::to_string)));
    }
    if !details.user_properties.is_empty() {
        // A list of pairs: names may repeat, and their order counts (MQTT 5 section 3.3.2.3.7).
        let pairs = details
            .user_properties
            .iter()
            .map(|(name, value)| array([quoted(name), quoted(value)].into_iter()));
        object = object.raw("user_properties", array(pairs));
    }
    object.end()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::UNIX_EPOCH;
    use towpath::QoS;

    fn message(payload: &[u8]) -> Message {
        Message {
            topic: "a/\"b\"".into(),
            payload: payload.to_vec(),
            qos: QoS::AtLeastOnce,
            retain: true,
            dup: false,
            packet_id: None,
            details: None,
        }
    }

    #[test]
    fn a_message_without_properties() {
        assert_eq!(
            json(&message(b"21.5"), false, UNIX_EPOCH),
            "{\"topic\":\"a/\\\"b\\\"\",\"payload\":\"21.5\",\"payload_encoding\":\"utf-8\",\"qos\":1,\
             \"retain\":true,\"dup\":false,\"time\":\"1970-01-01T00:00:00.000000Z\"}"
        );
    }

    #[test]
    fn bytes_that_are_no_text_are_base64() {
        let line = json(&message(&[0xFF, 0]), true, UNIX_EPOCH);
        assert!(
            line.contains("\"payload\":\"/wA=\",\"payload_encoding\":\"base64\""),
            "{line}"
        );
        assert!(line.contains("\"properties\":{}"), "{line}");
    }

    #[test]
    fn all_properties_are_there() {
        let mut message = message(b"");
        message.details = Some(Box::new(Details {
            is_text: true,
            expiry: Some(7),
            content_type: Some("text/plain".into()),
            response_topic: Some("answer".into()),
            correlation_data: Some(vec![0xFF]),
            subscription_identifiers: vec![1, 2],
            user_properties: vec![("n".into(), "1".into()), ("n".into(), "2".into())],
        }));
        let line = json(&message, true, UNIX_EPOCH);
        let value: serde_json::Value = serde_json::from_str(&line).unwrap();
        let properties = &value["properties"];
        assert_eq!(properties["payload_format_indicator"], 1);
        assert_eq!(properties["message_expiry_interval"], 7);
        assert_eq!(properties["content_type"], "text/plain");
        assert_eq!(properties["response_topic"], "answer");
        assert_eq!(properties["correlation_data"], "/w==");
        assert_eq!(properties["subscription_identifiers"][1], 2);
        assert_eq!(properties["user_properties"][1][1], "2");
    }
}
