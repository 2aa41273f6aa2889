//! Counts round trips: what a client said, waited for the answer to, and said next.

use std::collections::HashMap;

use net::delay::Seen;

use crate::{order::Start, process::micros};

/// Round trips of a start, by the packets that entered a link with this time there and back, in microseconds.
///
/// A flight is what the client sends before an answer to its first packet can have come. A packet counts if it has
/// something new to say: a SYN, or TCP payload beyond what was sent before. One that is sent less than a round trip
/// before the end did not lead to it.
pub fn count(packets: &[Seen], start: Start, round_trip: u64) -> usize {
    // Clocks of different processors, and a relay that is not always on time.
    let nearly = round_trip * 19 / 20;
    let last = start.acknowledged.saturating_sub(nearly);
    let mut highest = HashMap::new();
    let mut flights = 0;
    let mut began = None;
    for seen in packets.iter().filter(|seen| seen.outward) {
        let at = micros(seen.at);
        let news = segment(&seen.packet).is_some_and(|segment| segment.is_new(&mut highest));
        if news && (start.began..=last).contains(&at) && began.is_none_or(|b| at >= b + nearly) {
            flights += 1;
            began = Some(at);
        }
    }
    flights
}

/// The packets with something to say, both ways, one a line: milliseconds since the start, port here, bytes.
pub fn list(packets: &[Seen], start: Start) {
    for seen in packets {
        let at = micros(seen.at);
        let Some(segment) = segment(&seen.packet).filter(|segment| segment.len > 0) else {
            continue;
        };
        if (start.began..=start.acknowledged).contains(&at) {
            let [a, b, c, d] = segment.ports;
            let (arrow, here) = if seen.outward {
                (">", [a, b])
            } else {
                ("<", [c, d])
            };
            let millis = (at - start.began) as f64 / 1000.0;
            let here = u16::from_be_bytes(here);
            eprintln!("{millis:8.1} ms {here} {arrow} {} bytes", segment.len);
        }
    }
    let whole = (start.acknowledged - start.began) as f64 / 1000.0;
    eprintln!("{whole:8.1} ms acknowledged");
}

/// A TCP segment in IPv4.
struct Segment {
    ports: [u8; 4],
    sequence: u32,
    /// Bytes of payload; SYN counts as one.
    len: u32,
}

impl Segment {
    fn is_new(&self, highest: &mut HashMap<[u8; 4], u32>) -> bool {
        let end = self.sequence.wrapping_add(self.len);
        let known = highest.get(&self.ports).copied();
        // Sequence numbers wrap: what is less than half of them ahead is newer.
        let new = self.len > 0 && known.is_none_or(|known| end.wrapping_sub(known) as i32 > 0);
        if new {
            highest.insert(self.ports, end);
        }
        new
    }
}

fn segment(packet: &[u8]) -> Option<Segment> {
    let (version, words) = (packet.first()? >> 4, packet.first()? & 15);
    if version != 4 || packet.get(9)? != &6 {
        return None;
    }
    let total = u16::from_be_bytes(packet.get(2..4)?.try_into().ok()?);
    let tcp = packet.get(usize::from(words) * 4..usize::from(total))?;
    let header = usize::from(tcp.get(12)? >> 4) * 4;
    let payload = u32::try_from(tcp.get(header..)?.len()).ok()?;
    let is_syn = tcp.get(13)? & 2 != 0;
    Some(Segment {
        ports: tcp.get(..4)?.try_into().ok()?,
        sequence: u32::from_be_bytes(tcp.get(4..8)?.try_into().ok()?),
        len: payload + u32::from(is_syn),
    })
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    const ROUND_TRIP: u64 = 100_000;

    /// A packet of port 1 that enters the link at this moment.
    fn packet(millis: u64, outward: bool, sequence: u32, payload: usize, flags: u8) -> Seen {
        let mut packet = vec![0; 40 + payload];
        packet[0] = 0x45;
        packet[2..4].copy_from_slice(&u16::try_from(40 + payload).unwrap().to_be_bytes());
        packet[9] = 6;
        packet[21] = 1;
        packet[24..28].copy_from_slice(&sequence.to_be_bytes());
        packet[32] = 0x50;
        packet[33] = flags;
        Seen {
            at: UNIX_EPOCH + Duration::from_millis(millis),
            outward,
            packet,
        }
    }

    fn trips(packets: &[Seen], until_millis: u64) -> usize {
        let start = Start {
            began: 0,
            acknowledged: until_millis * 1000,
        };
        count(packets, start, ROUND_TRIP)
    }

    #[test]
    fn what_waits_for_an_answer_is_a_round_trip() {
        let syn = packet(1, true, u32::MAX, 0, 2);
        let answer = packet(51, false, 7, 0, 0x12);
        // Said in two packets, of which the second waits for nothing.
        let hello = [packet(101, true, 0, 50, 16), packet(102, true, 50, 50, 16)];
        let packets = [syn, answer, hello[0].clone(), hello[1].clone()];
        assert_eq!(trips(&packets, 205), 2);
    }

    #[test]
    fn what_says_nothing_new_does_not_count() {
        let packets = [
            packet(1, true, 0, 50, 16),
            // Sent once more, and an acknowledgement alone.
            packet(150, true, 0, 50, 16),
            packet(260, true, 50, 0, 16),
            // Too late to have led to the end.
            packet(390, true, 50, 10, 16),
        ];
        assert_eq!(trips(&packets, 400), 1);
    }

    #[test]
    fn what_is_no_tcp_is_passed_over() {
        let mut seen = packet(1, true, 0, 50, 2);
        for cut in 0..seen.packet.len() {
            let mut short = seen.clone();
            short.packet.truncate(cut);
            assert_eq!(trips(&[short], 200), 0, "{cut}");
        }
        seen.packet[0] = 0x60;
        assert_eq!(trips(&[seen], 200), 0);
    }
}
