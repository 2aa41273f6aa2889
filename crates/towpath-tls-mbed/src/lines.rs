//! The debug lines of Mbed TLS 3.6.5, as far as they tell a fact. They are text for people and no interface, which is
//! why only the exact version is depended on, and why the tests below hold real lines.

use towpath_proto::tls::{Alert, Side};

/// The level at which all of these lines come.
#[cfg(feature = "trace")]
pub(crate) const LEVEL: core::ffi::c_int = 3;

/// What a line says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Said {
    /// A handshake message is about to be sent. Its type and length are to be read where Mbed TLS has them.
    Writing,
    /// A handshake message begins to arrive.
    Received { kind: u8, len: u32 },
    /// An alert was sent or received.
    Alert(Alert),
}

/// Reads lines. A received message is told in two of them: the first has the type, which is no type if the second says
/// that it is a fragment in the middle.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Lines {
    received: Option<(u8, u32)>,
}

impl Lines {
    pub(crate) fn read(&mut self, line: &[u8]) -> Option<Said> {
        if line.starts_with(b"=> write handshake message") {
            return Some(Said::Writing);
        }
        if let Some(rest) = line.strip_prefix(b"handshake message: msglen = ") {
            let [_, kind, len] = numbers(rest);
            self.received = u8::try_from(kind).ok().zip(len.checked_sub(4));
            return None;
        }
        if line.starts_with(b"initial handshake fragment: ")
            || line.starts_with(b"sole handshake fragment: ")
        {
            let (kind, len) = self.received.take()?;
            return Some(Said::Received { kind, len });
        }
        if let Some(rest) = line.strip_prefix(b"send alert level=") {
            return alert(Side::Client, rest);
        }
        if let Some(rest) = line.strip_prefix(b"got an alert message, type: [") {
            return alert(Side::Server, rest);
        }
        None
    }
}

fn alert(from: Side, rest: &[u8]) -> Option<Said> {
    let [level, description, _] = numbers(rest);
    Some(Said::Alert(Alert {
        from,
        fatal: level == 2,
        description: u8::try_from(description).ok()?,
    }))
}

/// The first three numbers; 0 for those that are not there.
fn numbers(text: &[u8]) -> [u32; 3] {
    let mut words = text
        .split(|byte| !byte.is_ascii_digit())
        .filter(|word| !word.is_empty());
    [(); 3].map(|()| words.next().map_or(0, number))
}

fn number(digits: &[u8]) -> u32 {
    digits.iter().fold(0_u32, |sum, digit| {
        sum.saturating_mul(10)
            .saturating_add(u32::from(digit.saturating_sub(b'0')))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(lines: &[&[u8]]) -> Vec<Said> {
        let mut reader = Lines::default();
        lines.iter().filter_map(|line| reader.read(line)).collect()
    }

    #[test]
    fn a_message_is_told_once_however_it_is_cut() {
        let said = read(&[
            b"=> read record\n",
            b"handshake message: msglen = 86, type = 2, hslen = 86\n",
            b"sole handshake fragment: 86, 0..86 of 86\n",
            b"handshake message: msglen = 1024, type = 11, hslen = 2464\n",
            b"initial handshake fragment: 1024, 0..1024 of 2464\n",
            b"Prepare: waiting for more handshake fragments 1024/2464\n",
            b"handshake message: msglen = 1024, type = 48, hslen = 2464\n",
            b"subsequent handshake fragment: 1024, 1024..2048 of 2464\n",
            b"handshake message: msglen = 416, type = 130, hslen = 2464\n",
            b"subsequent handshake fragment: 416, 2048..2464 of 2464\n",
            b"handshake message: msglen = 4, type = 14, hslen = 4\n",
            b"sole handshake fragment: 4, 0..4 of 4\n",
        ]);
        let received = |kind, len| Said::Received { kind, len };
        assert_eq!(said, [received(2, 82), received(11, 2460), received(14, 0)]);
    }

    #[test]
    fn alerts_have_a_direction() {
        let said = read(&[
            b"send alert level=1 message=100\n",
            b"got an alert message, type: [2:40]\n",
            b"is a fatal alert message (msg 40)\n",
            b"=> write handshake message\n",
        ]);
        let refused = Alert {
            from: Side::Client,
            fatal: false,
            description: 100,
        };
        assert_eq!(
            said,
            [
                Said::Alert(refused),
                Said::Alert(Alert::fatal(Side::Server, 40)),
                Said::Writing,
            ]
        );
    }

    #[test]
    fn other_lines_say_nothing() {
        let said = read(&[
            b"",
            b"handshake message: ",
            b"handshake message: msglen = 99999999999999, type = 300, hslen = 1\n",
            b"sole handshake fragment: 4, 0..4 of 4\n",
            b"got an alert message, type: [2:999]\n",
            b"client hello, adding server name extension: send alert level=2 message=40\n",
        ]);
        assert_eq!(said, []);
    }
}
