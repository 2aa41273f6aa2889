//! The connections of a capture, as many as are remembered at once.

use std::{
    collections::HashMap,
    net::{IpAddr, SocketAddr},
};

use towpath_proto::tls::Side;

use super::Flow;
use crate::capture::{
    ip::{Segment, flag},
    mark::Mark,
    neighbours::Complaint,
};

/// The most connections that are remembered.
pub(in crate::capture) const FLOWS_MOST: usize = 1024;

/// How many are forgotten at once when there are more.
const FORGOTTEN_AT_ONCE: usize = 128;

/// The most bytes that are kept of all of them.
pub(in crate::capture) const KEPT_MOST: usize = 16 << 20;

/// Ports that servers listen on, those of MQTT and its carriers first.
const SERVER_PORTS: [u16; 12] = [
    8883, 1883, 443, 80, 8083, 8084, 8080, 3128, 1080, 8443, 9001, 53,
];

/// Connections, the oldest first.
#[derive(Debug, Default)]
pub(in crate::capture) struct Table {
    flows: Vec<Flow>,
    /// Where the last connection between two addresses lies, the client's address first.
    places: HashMap<(SocketAddr, SocketAddr), usize>,
    /// How many were forgotten.
    pub(in crate::capture) forgotten: u64,
    kept: usize,
    /// Whether more had to be kept than there is room for.
    pub(in crate::capture) full: bool,
}

impl Table {
    /// The connections that are remembered, the oldest first.
    pub(in crate::capture) fn flows(&self) -> &[Flow] {
        &self.flows
    }

    pub(in crate::capture) fn segment(
        &mut self,
        from: IpAddr,
        to: IpAddr,
        segment: &Segment<'_>,
        mark: Mark,
    ) {
        let from = SocketAddr::new(from, segment.from);
        let to = SocketAddr::new(to, segment.to);
        let Some((place, side)) = self.place(from, to, segment, mark) else {
            return;
        };
        let Some(flow) = self.flows.get_mut(place) else {
            return;
        };
        let before = flow.kept();
        flow.segment(side, segment, mark);
        let mut after = flow.kept();
        if after > before && self.kept + (after - before) > KEPT_MOST {
            flow.forget();
            self.full = true;
            after = 0;
        }
        self.kept = (self.kept + after).saturating_sub(before);
    }

    /// A complaint about a segment from `from` to `to`.
    pub(in crate::capture) fn complaint(
        &mut self,
        from: SocketAddr,
        to: SocketAddr,
        complaint: Complaint,
        mark: Mark,
    ) {
        let found = self
            .find(from, to)
            .and_then(|(place, _)| self.flows.get_mut(place));
        if let Some(flow) = found {
            flow.complaint.get_or_insert((complaint, mark));
        }
    }

    fn find(&self, from: SocketAddr, to: SocketAddr) -> Option<(usize, Side)> {
        if let Some(place) = self.places.get(&(from, to)) {
            return Some((*place, Side::Client));
        }
        let place = self.places.get(&(to, from))?;
        Some((*place, Side::Server))
    }

    /// The connection of a segment, a new one if there is none yet.
    fn place(
        &mut self,
        from: SocketAddr,
        to: SocketAddr,
        segment: &Segment<'_>,
        mark: Mark,
    ) -> Option<(usize, Side)> {
        let opening = segment.has(flag::SYN) && !segment.has(flag::ACK);
        if let Some((place, side)) = self.find(from, to) {
            let flow = self.flows.get(place)?;
            let waits = flow.syn.is_some() && !flow.established && !flow.is_over();
            if !opening || (waits && side == Side::Client) {
                return Some((place, side));
            }
        } else if segment.has(flag::RST) || (segment.has(flag::FIN) && segment.len == 0) {
            // The tail of a connection from before the capture.
            return None;
        }
        let is_answer = segment.has(flag::SYN) && segment.has(flag::ACK);
        let side = if opening {
            Side::Client
        } else if is_answer || rank(from.port()) < rank(to.port()) {
            Side::Server
        } else {
            Side::Client
        };
        let (client, server) = match side {
            Side::Client => (from, to),
            Side::Server => (to, from),
        };
        if self.flows.len() >= FLOWS_MOST {
            self.forget_some();
        }
        self.places.remove(&(server, client));
        self.places.insert((client, server), self.flows.len());
        self.flows.push(Flow::new(client, server, mark));
        Some((self.flows.len() - 1, side))
    }

    /// Forgets those that tell least: over and of no protocol that is read, then over, then the longest silent.
    fn forget_some(&mut self) {
        let mut order: Vec<_> = (0..self.flows.len()).collect();
        order.sort_by_key(|place| {
            self.flows.get(*place).map(|flow| {
                let worth = u8::from(!flow.is_over()) * 2 + u8::from(flow.talk.is_known());
                (worth, flow.last.packet)
            })
        });
        order.truncate(FORGOTTEN_AT_ONCE);
        order.sort_unstable();
        let mut place = 0;
        self.flows.retain(|_| {
            place += 1;
            order.binary_search(&(place - 1)).is_err()
        });
        self.forgotten += u64::try_from(order.len()).unwrap_or(0);
        self.places.clear();
        self.kept = 0;
        for (place, flow) in self.flows.iter().enumerate() {
            self.places.insert((flow.client, flow.server), place);
            self.kept += flow.kept();
        }
    }
}

/// The lower, the likelier it is a server's port.
fn rank(port: u16) -> u16 {
    match SERVER_PORTS.iter().position(|known| *known == port) {
        Some(place) => u16::try_from(place).unwrap_or(u16::MAX),
        None => port.max(1024),
    }
}

#[cfg(test)]
mod tests {
    use std::{net::Ipv4Addr, time::Duration};

    use super::*;

    const DEVICE: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
    const SERVER: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2));

    fn segment(port: u16, sequence: u32, flags: u8, payload: &[u8]) -> Segment<'_> {
        Segment {
            from: port,
            to: 8883,
            sequence,
            acknowledgement: 0,
            flags,
            mss: 0,
            payload,
            len: payload.len(),
        }
    }

    fn mark(packet: u64) -> Mark {
        Mark {
            packet,
            at: Duration::from_millis(packet),
        }
    }

    /// Most of the connections leave holes, the others send a handshake message without end.
    #[test]
    fn what_is_kept_is_bounded_whatever_comes() {
        let mut table = Table::default();
        let hello = [&[22, 3, 1, 0x40, 0, 1, 0, 0x3f, 0xf0][..], &[7; 1400]].concat();
        let mut packets = 0;
        for port in 1024..6000 {
            table.segment(
                DEVICE,
                SERVER,
                &segment(port, 0, flag::SYN, &[]),
                mark(packets),
            );
            let mut sequence = 1 + u32::from(port % 8 != 0) * 1000;
            for _ in 0..20 {
                packets += 1;
                let sent = segment(port, sequence, flag::ACK, &hello);
                table.segment(DEVICE, SERVER, &sent, mark(packets));
                sequence += 1409;
            }
            let kept: usize = table.flows.iter().map(Flow::kept).sum();
            assert_eq!(kept, table.kept);
            assert!(
                kept <= KEPT_MOST && table.flows.len() <= FLOWS_MOST,
                "{kept}"
            );
        }
        assert!(table.full && table.forgotten > 0);
    }

    /// A session that goes on outlives many that are over.
    #[test]
    fn what_is_over_is_forgotten_first() {
        let mut table = Table::default();
        let connect = b"\x10\x10\x00\x04MQTT\x04\x02\x00\x3c\x00\x04lock";
        table.segment(DEVICE, SERVER, &segment(1000, 0, flag::SYN, &[]), mark(0));
        table.segment(
            DEVICE,
            SERVER,
            &segment(1000, 1, flag::ACK, connect),
            mark(1),
        );
        for port in 1024..4000 {
            table.segment(DEVICE, SERVER, &segment(port, 0, flag::SYN, &[]), mark(2));
            table.segment(DEVICE, SERVER, &segment(port, 1, flag::RST, &[]), mark(2));
        }
        assert!(
            table
                .flows
                .first()
                .is_some_and(|flow| flow.client.port() == 1000)
        );
        let again = segment(1000, 19, flag::ACK, &[0xc0, 0]);
        table.segment(DEVICE, SERVER, &again, mark(9));
        assert_eq!(table.flows.first().map(|flow| flow.last.packet), Some(9));
    }
}
