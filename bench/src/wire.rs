//! The few MQTT 3.1.1 packets that the `raw` subject and the broker's readiness check need.
//! Not a codec: fixed shapes, no validation.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

use crate::measure::{KEEP_ALIVE_SECONDS, TOPIC};

const CONNACK_ACCEPTED: [u8; 4] = [0x20, 2, 0, 0];

fn with_length(first: u8, body: &[u8]) -> Vec<u8> {
    let mut packet = vec![first];
    let mut rest = body.len();
    loop {
        let low = (rest % 128) as u8;
        rest /= 128;
        packet.push(if rest > 0 { low | 0x80 } else { low });
        if rest == 0 {
            break;
        }
    }
    packet.extend_from_slice(body);
    packet
}

fn string(text: &str) -> Vec<u8> {
    let length = u16::try_from(text.len()).expect("short text");
    [&length.to_be_bytes()[..], text.as_bytes()].concat()
}

/// `id` present means QoS 1.
pub fn publish(payload: &[u8], id: Option<u16>) -> Vec<u8> {
    let mut body = string(TOPIC);
    if let Some(id) = id {
        body.extend_from_slice(&id.to_be_bytes());
    }
    body.extend_from_slice(payload);
    with_length(if id.is_some() { 0x32 } else { 0x30 }, &body)
}

pub fn subscribe() -> Vec<u8> {
    with_length(0x82, &[&[0, 1][..], &string(TOPIC), &[0]].concat())
}

/// A TCP connection on which the broker has accepted a clean session.
pub fn connect(port: u16, client_id: &str) -> Result<TcpStream, String> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).map_err(|e| e.to_string())?;
    stream.set_nodelay(true).map_err(|e| e.to_string())?;
    stream
        .set_read_timeout(Some(Duration::from_secs(60)))
        .map_err(|e| e.to_string())?;
    let keep_alive = KEEP_ALIVE_SECONDS.to_be_bytes();
    let body = [
        &string("MQTT")[..],
        &[4, 2],
        &keep_alive,
        &string(client_id),
    ]
    .concat();
    stream
        .write_all(&with_length(0x10, &body))
        .map_err(|e| e.to_string())?;
    let mut answer = [0; 4];
    stream
        .read_exact(&mut answer)
        .map_err(|e| format!("CONNACK: {e}"))?;
    if answer != CONNACK_ACCEPTED {
        return Err(format!("connection refused: {answer:02x?}"));
    }
    Ok(stream)
}

/// Counts packets of a byte stream without looking into them.
#[derive(Default)]
pub struct PacketCounter {
    header: [u8; 5],
    header_length: usize,
    body_left: usize,
}

impl PacketCounter {
    /// Packets that are complete after these bytes.
    pub fn feed(&mut self, mut bytes: &[u8]) -> usize {
        let mut complete = 0;
        loop {
            let skipped = self.body_left.min(bytes.len());
            self.body_left -= skipped;
            bytes = &bytes[skipped..];
            if self.header_length > 0 && self.body_left == 0 && self.has_length() {
                self.header_length = 0;
                complete += 1;
            }
            let Some((&byte, rest)) = bytes.split_first() else {
                return complete;
            };
            self.header[self.header_length] = byte;
            self.header_length += 1;
            bytes = rest;
            if self.has_length() {
                self.body_left = self.body_length();
            }
        }
    }

    fn has_length(&self) -> bool {
        let last = self.header[self.header_length - 1];
        self.header_length > 1 && (last < 0x80 || self.header_length == self.header.len())
    }

    fn body_length(&self) -> usize {
        let digits = &self.header[1..self.header_length];
        digits
            .iter()
            .rev()
            .fold(0, |sum, d| sum * 128 + usize::from(d & 0x7f))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_packets_however_they_are_cut() {
        let stream = [
            publish(&[7; 64], None),
            publish(&[7; 1024], Some(1)),
            vec![0xd0, 0],
        ]
        .concat();
        for piece in 1..stream.len() {
            let mut counter = PacketCounter::default();
            let total: usize = stream.chunks(piece).map(|c| counter.feed(c)).sum();
            assert_eq!(total, 3, "pieces of {piece} bytes");
        }
    }

    #[test]
    fn publish_has_the_size_of_the_specification() {
        assert_eq!(publish(&[0; 64], None).len(), 101);
        assert_eq!(publish(&[0; 1024], Some(1)).len(), 1064);
    }
}
