//! Messages that were handed to the connection and are not acknowledged.

use heapless::Deque;
use towpath_proto::mqtt::packet::PacketId;

#[derive(Debug, Clone, Copy)]
struct Flight {
    packet_id: PacketId,
    sequence: u64,
    expires: Option<u64>,
}

/// The window of a device, oldest first.
#[derive(Debug)]
pub(super) struct Flights<const WINDOW: usize> {
    list: Deque<Flight, WINDOW>,
    /// How many were settled so far; it may wrap.
    settled: u32,
}

impl<const WINDOW: usize> Flights<WINDOW> {
    pub(super) const fn new() -> Self {
        Self {
            list: Deque::new(),
            settled: 0,
        }
    }

    pub(super) fn room(&self) -> usize {
        WINDOW.saturating_sub(self.list.len())
    }

    pub(super) fn clear(&mut self) {
        self.list.clear();
    }

    pub(super) fn add(&mut self, packet_id: PacketId, sequence: u64, expires: Option<u64>) {
        // Room was asked for before the message was handed over.
        let _ = self.list.push_back(Flight {
            packet_id,
            sequence,
            expires,
        });
    }

    /// What changes with each message that is settled; `None` while nothing is under way.
    pub(super) fn progress(&self) -> Option<u32> {
        (!self.list.is_empty()).then_some(self.settled)
    }

    /// Takes out the message with this identifier. Acknowledgements come in order, so it is nearly always the first.
    pub(super) fn settle(&mut self, packet_id: PacketId) -> Option<u64> {
        self.settled = self.settled.wrapping_add(1);
        if self.list.front()?.packet_id == packet_id {
            return self.list.pop_front().map(|flight| flight.sequence);
        }
        self.remove(|flight| flight.packet_id == packet_id)
    }

    /// Takes out a message that is worth nothing any more.
    pub(super) fn expire(
        &mut self,
        unix: u64,
        withdraw: impl FnMut(PacketId) -> bool,
    ) -> Option<u64> {
        let mut withdraw = withdraw;
        self.remove(|flight| {
            flight.expires.is_some_and(|end| end <= unix) && withdraw(flight.packet_id)
        })
    }

    /// Takes out the first that is `wanted`; the others keep their order.
    fn remove(&mut self, mut wanted: impl FnMut(&Flight) -> bool) -> Option<u64> {
        let mut found = None;
        for _ in 0..self.list.len() {
            let flight = self.list.pop_front()?;
            if found.is_none() && wanted(&flight) {
                found = Some(flight.sequence);
            } else {
                let _ = self.list.push_back(flight);
            }
        }
        found
    }
}
