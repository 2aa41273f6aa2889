//! From the first bytes of an HTTP answer to what is shown of it.

use std::time::UNIX_EPOCH;

use crate::evidence::HttpHead;

/// The most that is kept of a field, bytes.
const FIELD: usize = 200;

impl HttpHead {
    /// Reads the head of an answer, as far as it came. `None`: it does not begin like HTTP.
    #[must_use]
    pub fn read(answer: &[u8]) -> Option<Self> {
        let text = String::from_utf8_lossy(answer);
        let (head, body) = match text.split_once("\r\n\r\n") {
            Some(parts) => parts,
            None => text.split_once("\n\n").unwrap_or((&text, "")),
        };
        let mut lines = head.lines();
        let mut first = lines.next()?.splitn(3, ' ');
        if !first.next()?.starts_with("HTTP/1.") {
            return None;
        }
        let mut found = Self {
            status: first.next().and_then(|status| status.parse().ok())?,
            hub_code: hub_code(body),
            ..Self::default()
        };
        for line in lines {
            let Some((name, value)) = line.split_once(':') else {
                continue;
            };
            match name.trim().to_ascii_lowercase().as_str() {
                "server" => found.server = shown(value),
                "date" => found.date = date(value),
                "location" => found.location = place(value),
                _ => {}
            }
        }
        Some(found)
    }
}

/// The hub's own code in the body of an error: `{"errorCode":401002,...}`, or `ErrorCode:401002` in a text.
#[must_use]
pub fn hub_code(body: &str) -> u32 {
    let lower = body.to_ascii_lowercase();
    let codes = lower.split("errorcode").skip(1).filter_map(|rest| {
        let rest = rest.trim_start_matches(['"', ':', ' ', '=']);
        let digits = rest.find(|char: char| !char.is_ascii_digit());
        let digits = rest.get(..digits.unwrap_or(rest.len()))?;
        digits.parse().ok().filter(|code| *code >= 400_000)
    });
    codes.last().unwrap_or(0)
}

/// The moment of a `Date` field, seconds since 1970.
#[must_use]
pub fn date(value: &str) -> Option<i64> {
    let moment = httpdate::parse_http_date(value.trim()).ok()?;
    let since = moment.duration_since(UNIX_EPOCH).ok()?;
    i64::try_from(since.as_secs()).ok()
}

/// Where a redirect leads, without what may be a secret in it.
fn place(value: &str) -> String {
    let value = shown(value);
    value
        .split(['?', '#'])
        .next()
        .unwrap_or_default()
        .to_owned()
}

fn shown(value: &str) -> String {
    value.trim().chars().take(FIELD).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_answer_is_read_as_far_as_it_came() {
        let head = HttpHead::read(
            b"HTTP/1.1 302 Found\r\nserver: nginx/1.26\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n\
              Location: http://login.example/?token=secret\r\n\r\n<html>",
        );
        let expected = HttpHead {
            status: 302,
            server: "nginx/1.26".into(),
            date: Some(784_111_777),
            location: "http://login.example/".into(),
            hub_code: 0,
        };
        assert_eq!(head, Some(expected));
        let cut = HttpHead::read(b"HTTP/1.1 101 Switching Protocols\r\nServer: lab\r\nUpgr");
        assert_eq!(
            cut.map(|head| (head.status, head.server)),
            Some((101, "lab".into()))
        );
        assert_eq!(HttpHead::read(b"\x20\x02\x00\x05"), None);
        assert_eq!(HttpHead::read(b""), None);
    }

    #[test]
    fn the_hub_has_two_ways_to_tell_its_code() {
        assert_eq!(hub_code(r#"{"errorCode":401002,"message":"x"}"#), 401_002);
        let old = r#"{"Message":"ErrorCode:DeviceNotFound;x","ExceptionMessage":"Tracking ID:1-ErrorCode:404001"}"#;
        assert_eq!(hub_code(old), 404_001);
        assert_eq!(hub_code("no code"), 0);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
            let _ = HttpHead::read(&bytes);
            let mut answer = b"HTTP/1.1 200 OK\r\n".to_vec();
            answer.extend(bytes);
            prop_assert_eq!(HttpHead::read(&answer).map(|head| head.status), Some(200));
        }
    }
}
