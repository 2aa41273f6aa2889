//! Topic aliases of one connection, both directions (MQTT 5 section 3.3.2.3.4).
//!
//! Entries lie one behind the other in the caller's buffer: direction, alias, length, topic.

use crate::{
    buffers::Buffer,
    bytes::{copy, shift},
};

const HEAD: usize = 5;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Direction {
    Out = 0,
    In = 1,
}

/// How a PUBLISH may name its topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Naming {
    /// By its name alone.
    Name,
    /// By its name, and the alias stands for it from now on.
    NameAndAlias(u16),
    /// By the alias alone.
    Alias(u16),
}

struct Entry {
    at: usize,
    direction: u8,
    alias: u16,
    len: usize,
}

impl Entry {
    fn end(&self) -> usize {
        self.at.saturating_add(HEAD).saturating_add(self.len)
    }

    fn is(&self, direction: Direction, alias: u16) -> bool {
        self.direction == direction as u8 && self.alias == alias
    }
}

/// The cursors over the alias buffer.
#[derive(Debug, Clone, Default)]
pub(crate) struct Aliases {
    used: usize,
    /// How many outgoing aliases are taken; they are numbered from 1.
    out: u16,
}

impl Aliases {
    /// Forgets all; aliases do not outlive a connection ([MQTT-3.3.2-7]).
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    fn entries<'b>(&self, bytes: &'b [u8]) -> impl Iterator<Item = Entry> + 'b {
        let mut at = 0;
        let used = self.used;
        core::iter::from_fn(move || {
            if at >= used {
                return None;
            }
            let [direction, a, b, c, d] = *bytes.get(at..)?.first_chunk::<HEAD>()?;
            let entry = Entry {
                at,
                direction,
                alias: u16::from_be_bytes([a, b]),
                len: usize::from(u16::from_be_bytes([c, d])),
            };
            at = entry.end();
            Some(entry)
        })
    }

    fn topic<'b>(bytes: &'b [u8], entry: &Entry) -> &'b [u8] {
        bytes
            .get(entry.at.saturating_add(HEAD)..entry.end())
            .unwrap_or(&[])
    }

    /// How to name `topic` when the server accepts aliases up to `max`. Call [`learn`](Self::learn) once a packet with
    /// name and alias is on its way.
    pub(crate) fn naming(&self, bytes: &[u8], topic: &[u8], max: u16) -> Naming {
        if max == 0 {
            return Naming::Name;
        }
        let known = self.entries(bytes).find(|entry| {
            entry.direction == Direction::Out as u8 && Self::topic(bytes, entry) == topic
        });
        match known {
            Some(entry) => Naming::Alias(entry.alias),
            None if self.out < max => Naming::NameAndAlias(self.out.saturating_add(1)),
            None => Naming::Name,
        }
    }

    /// Whether an entry for `topic` fits the buffer, growing it if it can.
    pub(crate) fn fits(&self, buffer: &mut dyn Buffer, topic: &[u8]) -> bool {
        let end = self.used.saturating_add(HEAD).saturating_add(topic.len());
        buffer.bytes().len() >= end || buffer.grow(end)
    }

    /// Notes that `alias` stands for `topic`, and says whether there was room.
    pub(crate) fn learn(
        &mut self,
        buffer: &mut dyn Buffer,
        direction: Direction,
        alias: u16,
        topic: &[u8],
    ) -> bool {
        self.forget(buffer.bytes_mut(), direction, alias);
        if direction == Direction::In && !self.fits(buffer, topic) {
            // The server was told that it may; our own aliases are only a saving, and may be set anew.
            self.forget_outgoing(buffer.bytes_mut());
        }
        if !self.fits(buffer, topic) {
            return false;
        }
        let Ok(len) = u16::try_from(topic.len()) else {
            return false;
        };
        let [a, b] = alias.to_be_bytes();
        let [c, d] = len.to_be_bytes();
        let Some(room) = buffer.bytes_mut().get_mut(self.used..) else {
            return false;
        };
        let Some((head, rest)) = room.split_first_chunk_mut::<HEAD>() else {
            return false;
        };
        let Some(place) = rest.get_mut(..topic.len()) else {
            return false;
        };
        *head = [direction as u8, a, b, c, d];
        copy(place, topic);
        self.used = self.used.saturating_add(HEAD).saturating_add(topic.len());
        if direction == Direction::Out {
            self.out = self.out.max(alias);
        }
        true
    }

    fn forget_outgoing(&mut self, bytes: &mut [u8]) {
        while self.out > 0 {
            self.forget(bytes, Direction::Out, self.out);
            self.out = self.out.saturating_sub(1);
        }
    }

    fn forget(&mut self, bytes: &mut [u8], direction: Direction, alias: u16) {
        let Some(entry) = self.entries(bytes).find(|entry| entry.is(direction, alias)) else {
            return;
        };
        if entry.end() <= self.used && self.used <= bytes.len() {
            shift(bytes, entry.end(), self.used, entry.at);
            self.used = self
                .used
                .saturating_sub(entry.end().saturating_sub(entry.at));
        }
    }

    /// Where the topic behind a received `alias` lies in the buffer.
    pub(crate) fn lookup(&self, bytes: &[u8], alias: u16) -> Option<(usize, usize)> {
        let entry = self
            .entries(bytes)
            .find(|entry| entry.is(Direction::In, alias))?;
        Some((entry.at.saturating_add(HEAD), entry.end()))
    }
}
