//! MQTT and WebSocket by hand: what a server without either library needs to answer CONNECT.

/// The length of an HTTP head, once it is complete.
pub(crate) fn head_len(bytes: &[u8]) -> Option<usize> {
    let at = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
    Some(at + 4)
}

/// The payload of the first masked frame, once it is complete.
pub(crate) fn payload(bytes: &[u8]) -> Option<Vec<u8>> {
    let (len, at) = match bytes.get(1)? & 0x7f {
        126 => {
            let long: [u8; 2] = bytes.get(2..4)?.try_into().ok()?;
            (usize::from(u16::from_be_bytes(long)), 4)
        }
        short => (usize::from(short), 2),
    };
    let mask = bytes.get(at..at + 4)?;
    let masked = bytes.get(at + 4..at + 4 + len)?;
    let clear = masked.iter().zip(mask.iter().cycle());
    Some(clear.map(|(byte, mask)| byte ^ mask).collect())
}

/// MQTT's version in a CONNECT, once it is complete.
pub(crate) fn level(bytes: &[u8]) -> Option<u8> {
    let mut len = 0;
    let mut at = 1;
    loop {
        let byte = *bytes.get(at)?;
        len |= usize::from(byte & 0x7f) << (7 * (at - 1));
        at += 1;
        if byte & 0x80 == 0 {
            break;
        }
    }
    bytes.get(at..at + len)?.get(6).copied()
}

/// CONNACK 0 in a version.
pub(crate) const fn connack(level: u8) -> &'static [u8] {
    if level == 5 {
        &[0x20, 3, 0, 0, 0]
    } else {
        &[0x20, 2, 0, 0]
    }
}
