//! Captures: what a network saw of a device's attempts, read to a diagnosis.
//!
//! Takes in the bytes of a pcap or pcapng file, once and in one direction; gives out a
//! [`Diagnosis`]. The memory it needs does not grow with the file: so many connections, questions and
//! fragments are remembered, and of each connection only bytes that wait for their rest.
//!
//! The way of a frame: [`mod@format`] → [`link`] → [`lowpan`] → [`ip`] → [`flow`] → [`talk`]; then [`rules`] look at what is
//! known of each connection, and [`answer`] puts the ladder together.

mod answer;
mod flow;
mod format;
mod fragments;
mod ip;
mod link;
mod lowpan;
mod mark;
mod names;
mod neighbours;
mod notes;
mod rules;
mod talk;

use std::{
    io::{self, Read},
    net::IpAddr,
    time::Duration,
};

use self::{
    flow::table::{FLOWS_MOST, Table},
    format::Frames,
    fragments::Fragments,
    ip::{Carried, Inside},
    link::Inside as Link,
    lowpan::Lowpan,
    mark::Mark,
    names::Names,
    neighbours::Announced,
    notes::Notes,
};
use crate::Diagnosis;

pub(crate) use self::format::is_capture;

/// The port of DNS.
const DNS: u16 = 53;

/// What a capture says.
///
/// # Errors
/// What reading it answers.
pub(crate) fn read(name: &str, capture: impl Read) -> io::Result<Diagnosis> {
    let mut notes = Notes::default();
    let mut frames = Frames::new(capture, &mut notes)?;
    let mut seen = Seen::default();
    while let Some(frame) = frames.next(&mut notes)? {
        seen.frame(frame);
    }
    seen.note(&mut notes);
    Ok(answer::diagnosis(name, &seen, notes))
}

/// All that is remembered of a capture.
#[derive(Debug)]
struct Seen {
    packets: u64,
    /// The time of the first packet, nanoseconds since 1970.
    began: u64,
    last: Mark,
    table: Table,
    names: Names,
    announced: Announced,
    lowpan: Lowpan,
    fragments: Fragments<ip::Key>,
    /// Packets of IPv4 and of IPv6.
    families: [u64; 2],
    /// Packets whose link layer is not known, and which.
    unknown: Option<(u32, u64)>,
}

impl Default for Seen {
    fn default() -> Self {
        Self {
            packets: 0,
            began: 0,
            last: Mark::default(),
            table: Table::default(),
            names: Names::default(),
            announced: Announced::default(),
            lowpan: Lowpan::new(),
            fragments: Fragments::new(),
            families: [0; 2],
            unknown: None,
        }
    }
}

impl Seen {
    fn frame(&mut self, frame: format::Frame<'_>) {
        if self.packets == 0 {
            self.began = frame.at;
        }
        self.packets += 1;
        let mark = Mark {
            packet: self.packets,
            at: Duration::from_nanos(frame.at.saturating_sub(self.began)),
        };
        self.last = Mark {
            packet: mark.packet,
            at: mark.at.max(self.last.at),
        };
        match link::inside(frame.link, frame.bytes) {
            Link::Ip(packet) => self.packet(packet, mark),
            Link::Wpan(bytes) => {
                if let Some(packet) = self.lowpan.frame(bytes) {
                    self.packet(&packet, mark);
                }
            }
            Link::Other => {}
            Link::Unknown => {
                let count = self.unknown.map_or(0, |(_, count)| count);
                self.unknown = Some((frame.link, count + 1));
            }
        }
    }

    fn packet(&mut self, packet: &[u8], mark: Mark) {
        let mut fragments = std::mem::replace(&mut self.fragments, Fragments::new());
        ip::read(packet, &mut fragments, |carried| {
            self.carried(carried, mark);
        });
        self.fragments = fragments;
    }

    fn carried(&mut self, carried: Carried<'_>, mark: Mark) {
        let [v4, v6] = &mut self.families;
        let family = if carried.from.is_ipv4() { v4 } else { v6 };
        *family += 1;
        let (from, to) = (carried.from, carried.to);
        match carried.inside {
            Inside::Tcp(segment) => self.table.segment(from, to, &segment, mark),
            Inside::Udp {
                from: from_port,
                to: to_port,
                payload,
                len,
            } => {
                if from_port == DNS || to_port == DNS {
                    self.names.datagram((from, to), payload, len, mark);
                }
            }
            Inside::Icmp(message) => self.complaint(message, false, mark),
            Inside::Icmpv6(message) => {
                self.announced.message(from, carried.hops, message, mark);
                self.complaint(message, true, mark);
            }
        }
    }

    fn complaint(&mut self, message: &[u8], v6: bool, mark: Mark) {
        let Some(error) = neighbours::error(message, v6) else {
            return;
        };
        if error.tcp {
            self.table
                .complaint(error.from, error.to, error.complaint, mark);
        } else if error.to.port() == DNS {
            self.names
                .complaint(error.from.ip(), error.to.ip(), error.complaint, mark);
        }
    }

    /// What has to be said of the capture as such.
    fn note(&self, notes: &mut Notes) {
        if let Some((link, count)) = self.unknown {
            notes.add(format!(
                "{count} packets have link type {link}, which is not read here"
            ));
        }
        if self.lowpan.encrypted > 0 {
            notes.add(format!(
                "{} of {} 802.15.4 data frames are encrypted: nothing below can be seen without the network key",
                self.lowpan.encrypted, self.lowpan.frames
            ));
        }
        if self.lowpan.unread > 0 {
            notes.add(format!(
                "{} 802.15.4 frames are no 6LoWPAN, or compressed in a way that is not read here",
                self.lowpan.unread
            ));
        }
        let lost = self.fragments.lost + self.lowpan.lost();
        if lost > 0 {
            notes.add(format!(
                "{lost} fragmented packets are incomplete in the capture"
            ));
        }
        if self.table.forgotten > 0 {
            notes.add(format!(
                "there are more than {FLOWS_MOST} connections: {} of the oldest were forgotten",
                self.table.forgotten
            ));
        }
        if self.table.full {
            notes.add("so much data waits for missing packets that some connections were not read to their end".to_owned());
        }
    }

    /// How an address is called: by the name that was asked for, with the address behind it.
    fn called(&self, address: IpAddr) -> String {
        self.names
            .of(address)
            .map_or_else(|| address.to_string(), |name| format!("{name} ({address})"))
    }
}
