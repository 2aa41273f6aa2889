//! Messages from a device, newest first, as text whatever they hold.

use maud::{Markup, html};

use super::{
    layout::{clock, cut},
    live::{AT_ONCE, Line, List, Since},
};
use crate::{
    hub::{Message, Name},
    shared::Shared,
};

/// How much of a payload is shown.
const CHARACTERS: usize = 4000;

/// How much of a payload that is no text.
const BYTES: usize = 256;

/// The last messages of a device, newest first.
pub(super) fn newest(lab: &Shared, host: &str, name: &Name, top: usize) -> Vec<Line> {
    since(lab, host, name, 0, top)
}

/// The messages that came since the browser was told.
pub(super) fn lines(lab: &Shared, host: &str, name: &Name, browser: &Since) -> Vec<Line> {
    since(lab, host, name, browser.messages, AT_ONCE)
}

fn since(lab: &Shared, host: &str, name: &Name, after: u64, top: usize) -> Vec<Line> {
    let Some(hub) = lab.hub(host) else {
        return Vec::new();
    };
    let messages = hub.telemetry.newest(Some(&name.to_string()), top);
    messages
        .iter()
        .rev()
        .take_while(|message| message.sequence > after)
        .map(|message| Line {
            list: List::Messages,
            number: message.sequence,
            html: line(message),
        })
        .collect()
}

fn line(message: &Message) -> Markup {
    let bytes = &message.body.0;
    html! {
        li {
            div.row-head {
                (clock(&message.enqueued.rfc3339()))
                span.dim.num { (bytes.len()) " B" }
                a.dim.num href=(format!("/connections/{}", message.connection)) { "#" (message.connection) }
                @for (name, value) in &message.system { (property(name, value, "system")) }
                @for (name, value) in &message.properties { (property(name, value, "own")) }
            }
            pre { (payload(bytes)) }
        }
    }
}

fn property(name: &str, value: &str, kind: &str) -> Markup {
    html! { span.prop.(kind) { (cut(name, 100)) "=" b { (cut(value, 200)) } } }
}

/// Text as it is; other bytes in hexadecimal.
fn payload(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) if !text.contains('\0') => cut(text, CHARACTERS),
        _ => {
            let shown: Vec<_> = bytes
                .iter()
                .take(BYTES)
                .map(|byte| format!("{byte:02x}"))
                .collect();
            let more = if bytes.len() > BYTES { " …" } else { "" };
            format!("{}{more}", shown.join(" "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::payload;

    #[test]
    fn any_bytes_can_be_shown() {
        assert_eq!(payload(b"{\"t\":21}"), "{\"t\":21}");
        assert_eq!(payload(&[0xff, 0, 1]), "ff 00 01");
        assert_eq!(payload(b"a\0"), "61 00");
        assert!(payload(&vec![0x80; 300_000]).len() < 1000);
        assert!(payload(&vec![b'x'; 300_000]).len() < 5000);
    }
}
