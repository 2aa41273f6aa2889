//! The part of the session that outlives a connection, as a log of records in the caller's buffer.
//!
//! Each record is a head of [`RECORD`] bytes and a body: the encoded packet, or nothing for an identifier that was
//! received. Records are appended; the front is freed as acknowledgements come, which is nearly always in order.

use crate::{buffers::Buffer, bytes::shift, mqtt::Version, time::Instant};

/// The bytes of a record's head.
pub const RECORD: usize = 12;

/// Never expires.
pub(crate) const NO_EXPIRY: u32 = u32::MAX;

/// Where a record stands. `Due` states are waiting for the wire, `Await` states for the peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum State {
    Free = 0,
    /// A PUBLISH that no connection has carried yet.
    Due = 1,
    /// A PUBLISH that an earlier connection may have carried.
    DueAgain = 2,
    AwaitPuback = 3,
    AwaitPubrec = 4,
    DuePubrel = 5,
    AwaitPubcomp = 6,
    /// QoS 0 sent behind CONNECT; kept until CONNACK says that it counted.
    AwaitConnack = 7,
    /// SUBSCRIBE or UNSUBSCRIBE.
    DueRequest = 8,
    AwaitRequest = 9,
    /// The identifier of a received QoS 2 message whose PUBREL has not come.
    Received = 10,
    /// A message that the server took over before it forgot the session: to be reported, not sent.
    Accepted = 11,
}

impl State {
    const fn from_byte(byte: u8) -> Self {
        match byte {
            1 => Self::Due,
            2 => Self::DueAgain,
            3 => Self::AwaitPuback,
            4 => Self::AwaitPubrec,
            5 => Self::DuePubrel,
            6 => Self::AwaitPubcomp,
            7 => Self::AwaitConnack,
            8 => Self::DueRequest,
            9 => Self::AwaitRequest,
            10 => Self::Received,
            11 => Self::Accepted,
            _ => Self::Free,
        }
    }

    pub(crate) const fn is_due(self) -> bool {
        matches!(
            self,
            Self::Due | Self::DueAgain | Self::DuePubrel | Self::DueRequest | Self::Accepted
        )
    }
}

/// Several states, one bit each.
#[derive(Debug, Clone, Copy)]
pub(crate) struct States(u16);

impl States {
    /// Every state but that of an identifier that came in.
    pub(crate) const NOT_RECEIVED: Self = Self(!(1 << State::Received as u8));

    pub(crate) const fn or(self, state: State) -> Self {
        Self(self.0 | 1 << state as u8)
    }

    const fn has(self, state: State) -> bool {
        self.0 >> state as u8 & 1 != 0
    }
}

impl From<State> for States {
    fn from(state: State) -> Self {
        Self(1 << state as u8)
    }
}

/// One record, by value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Record {
    /// Where its head begins.
    pub at: usize,
    /// The bytes of its body.
    pub len: usize,
    pub id: u16,
    pub state: State,
    /// The second since the driver's origin at which the message is worthless.
    pub expires: u32,
    /// The version in which the body is encoded; the connection that carries it may have another.
    pub version: Version,
}

impl Record {
    #[cfg_attr(target_os = "none", inline(never))]
    fn end(&self) -> usize {
        self.at.saturating_add(RECORD).saturating_add(self.len)
    }

    pub(crate) fn is_expired(&self, now: Instant) -> bool {
        self.expires != NO_EXPIRY && seconds(now) >= self.expires
    }
}

/// Whole seconds since the driver's origin.
pub(crate) fn seconds(now: Instant) -> u32 {
    u32::try_from(now.as_micros() / 1_000_000).unwrap_or(NO_EXPIRY - 1)
}

/// The cursors of the log. The bytes are the caller's and come with each call.
#[derive(Debug, Clone, Default)]
pub(crate) struct Store {
    head: usize,
    tail: usize,
    /// No record before this offset is due.
    due: usize,
    /// Where the last acknowledged record was: the next one is likely behind it.
    hint: usize,
}

impl Store {
    pub(crate) const fn is_empty(&self) -> bool {
        self.head == self.tail
    }

    /// The bytes that live records and holes between them take.
    pub(crate) const fn used(&self) -> usize {
        self.tail - self.head
    }

    fn read(&self, bytes: &[u8], at: usize) -> Option<Record> {
        if at >= self.tail {
            return None;
        }
        let head: &[u8; RECORD] = bytes.get(at..)?.first_chunk()?;
        let [a, b, c, d, e, f, g, h, i, j, state, level] = *head;
        Some(Record {
            at,
            len: u32::from_le_bytes([a, b, c, d]) as usize,
            expires: u32::from_le_bytes([e, f, g, h]),
            id: u16::from_le_bytes([i, j]),
            state: State::from_byte(state),
            version: if level == Version::V311.level() {
                Version::V311
            } else {
                Version::V5
            },
        })
    }

    /// The live records in order, from `from` on.
    fn iter_from<'b>(&'b self, bytes: &'b [u8], from: usize) -> impl Iterator<Item = Record> + 'b {
        let mut at = from;
        core::iter::from_fn(move || {
            let record = self.read(bytes, at)?;
            at = record.end();
            Some(record)
        })
        .filter(|record| record.state != State::Free)
    }

    pub(crate) fn iter<'b>(&'b self, bytes: &'b [u8]) -> impl Iterator<Item = Record> + 'b {
        self.iter_from(bytes, self.head)
    }

    /// Appends a record with room for a body of `len` bytes, leaving `reserve` bytes free behind it unless the buffer
    /// can grow. `None` if there is no room.
    pub(crate) fn push(
        &mut self,
        buffer: &mut dyn Buffer,
        record: (u16, State, u32, Version),
        len: usize,
        reserve: usize,
    ) -> Option<Record> {
        let need = RECORD.checked_add(len)?;
        let wanted = need.checked_add(reserve)?;
        if self.tail.checked_add(wanted)? > buffer.bytes().len() {
            self.compact(buffer.bytes_mut());
            if self.tail.checked_add(wanted)? > buffer.bytes().len()
                && !buffer.grow(self.tail.checked_add(wanted)?)
            {
                return None;
            }
        }
        let (id, state, expires, version) = record;
        let record = Record {
            at: self.tail,
            len,
            id,
            state,
            expires,
            version,
        };
        write_head(buffer.bytes_mut(), &record)?;
        self.tail = record.end();
        Some(record)
    }

    /// The body of `record`.
    pub(crate) fn body<'b>(bytes: &'b [u8], record: &Record) -> &'b [u8] {
        bytes
            .get(record.at.saturating_add(RECORD)..record.end())
            .unwrap_or(&[])
    }

    /// The body of `record`, to be changed.
    pub(crate) fn body_mut<'b>(bytes: &'b mut [u8], record: &Record) -> &'b mut [u8] {
        bytes
            .get_mut(record.at.saturating_add(RECORD)..record.end())
            .unwrap_or(&mut [])
    }

    /// Moves `record` to another state.
    pub(crate) fn set_state(&mut self, bytes: &mut [u8], record: &Record, state: State) {
        if state.is_due() {
            self.due = self.due.min(record.at);
        }
        if let Some(byte) = bytes.get_mut(record.at.saturating_add(10)) {
            *byte = state as u8;
        }
    }

    /// Frees `record`, and the space of all that is free at the front.
    pub(crate) fn free(&mut self, bytes: &mut [u8], record: &Record) {
        self.set_state(bytes, record, State::Free);
        self.hint = record.end();
        self.drop_free_front(bytes);
    }

    fn drop_free_front(&mut self, bytes: &[u8]) {
        while let Some(front) = self.read(bytes, self.head) {
            if front.state != State::Free {
                break;
            }
            self.head = front.end();
        }
        self.forget_offsets_if_empty();
    }

    fn forget_offsets_if_empty(&mut self) {
        if self.head >= self.tail {
            *self = Self::default();
        }
    }

    /// The record with `id` in one of the states `of`. Looks first behind the record that was found last.
    pub(crate) fn find(&self, bytes: &[u8], id: u16, of: States) -> Option<Record> {
        let wanted = |record: &Record| record.id == id && of.has(record.state);
        if self.hint > self.head
            && let Some(record) = self.iter_from(bytes, self.hint).next().filter(wanted)
        {
            return Some(record);
        }
        self.iter(bytes).find(wanted)
    }

    /// The first record that is due.
    pub(crate) fn next_due(&mut self, bytes: &[u8]) -> Option<Record> {
        let from = self.due.max(self.head);
        let found = self
            .iter_from(bytes, from)
            .find(|record| record.state.is_due());
        self.due = found.map_or(self.tail, |record| record.at);
        found
    }

    /// Whether a record may be due. A no is certain.
    pub(crate) const fn may_be_due(&self) -> bool {
        self.due < self.tail
    }

    /// Passes every live record's state through `change`.
    pub(crate) fn update(&mut self, bytes: &mut [u8], change: &dyn Fn(State) -> State) {
        let mut at = self.head;
        while let Some(record) = self.read(bytes, at) {
            at = record.end();
            let state = change(record.state);
            if let Some(byte) = bytes.get_mut(record.at.saturating_add(10)) {
                *byte = state as u8;
            }
        }
        self.due = self.head;
        self.drop_free_front(bytes);
    }

    /// The identifier of the oldest record that this side numbered.
    pub(crate) fn oldest_id(&self, bytes: &[u8]) -> Option<u16> {
        self.iter(bytes)
            .find(|record| record.id != 0 && record.state != State::Received)
            .map(|record| record.id)
    }

    /// Closes the gaps and moves everything to the front.
    fn compact(&mut self, bytes: &mut [u8]) {
        let mut to = 0;
        let mut at = self.head;
        while let Some(record) = self.read(bytes, at) {
            at = record.end();
            // A message whose PUBREC has come is the server's now; only its identifier is still needed.
            let keep = match record.state {
                State::Free => continue,
                State::DuePubrel | State::AwaitPubcomp | State::Accepted => 0,
                _ => record.len,
            };
            let body = record.at.saturating_add(RECORD);
            if to != record.at && body.saturating_add(keep) <= bytes.len() {
                shift(
                    bytes,
                    body,
                    body.saturating_add(keep),
                    to.saturating_add(RECORD),
                );
            }
            let moved = Record {
                at: to,
                len: keep,
                ..record
            };
            if write_head(bytes, &moved).is_none() {
                break;
            }
            to = moved.end();
        }
        *self = Self {
            head: 0,
            tail: to,
            due: 0,
            hint: 0,
        };
    }
}

fn write_head(bytes: &mut [u8], record: &Record) -> Option<()> {
    let [a, b, c, d] = u32::try_from(record.len).ok()?.to_le_bytes();
    let [e, f, g, h] = record.expires.to_le_bytes();
    let [i, j] = record.id.to_le_bytes();
    let (state, level) = (record.state as u8, record.version.level());
    *bytes.get_mut(record.at..)?.first_chunk_mut()? = [a, b, c, d, e, f, g, h, i, j, state, level];
    Some(())
}
