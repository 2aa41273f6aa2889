//! Records and handshake messages, the same on both sides.

use std::collections::VecDeque;

/// Record types.
pub(super) const CHANGE_CIPHER_SPEC: u8 = 20;
pub(super) const ALERT: u8 = 21;
pub(super) const HANDSHAKE: u8 = 22;
pub(super) const APPLICATION_DATA: u8 = 23;

/// The head of a record, bytes.
pub(super) const HEAD: usize = 5;

/// How much longer an encrypted record is than its plaintext, bytes: as with AES-GCM in TLS 1.2.
pub const OVERHEAD: usize = 24;

/// The longest body that a record may have (RFC 5246 section 6.2.3).
pub(super) const LONGEST: usize = (1 << 14) + 2048;

/// A sum over bytes, for keys, for what Finished says and for what a record ends in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sum(u64);

impl Sum {
    pub(super) const START: Self = Self(0xcbf2_9ce4_8422_2325);

    #[must_use]
    pub(super) fn of(mut self, bytes: &[u8]) -> Self {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
        self
    }

    /// Stirred, so that every bit depends on every other.
    pub(super) const fn value(self) -> u64 {
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

/// What protects one direction from ChangeCipherSpec on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Key {
    key: u64,
    next: u64,
}

impl Key {
    /// The key of one direction between these two hellos.
    pub(super) fn new(client_random: &[u8], server_random: &[u8], from_client: bool) -> Self {
        let sum = Sum::START.of(client_random).of(server_random);
        Self {
            key: sum.of(&[u8::from(from_client)]).value(),
            next: 0,
        }
    }

    fn tag(self, kind: u8, plain: &[u8]) -> [u8; 16] {
        let sum = Sum::START
            .of(&self.key.to_be_bytes())
            .of(&self.next.to_be_bytes())
            .of(&[kind])
            .of(&plain.len().to_be_bytes())
            .of(plain);
        let mut tag = [0; 16];
        let (low, high) = tag.split_at_mut(8);
        low.copy_from_slice(&sum.value().to_be_bytes());
        high.copy_from_slice(&sum.of(b"more").value().to_be_bytes());
        tag
    }

    fn mask(self, bytes: &mut [u8]) {
        for (at, chunk) in bytes.chunks_mut(8).enumerate() {
            let sum = Sum(self.key ^ self.next).of(&at.to_be_bytes()).value();
            for (byte, mask) in chunk.iter_mut().zip(sum.to_be_bytes()) {
                *byte ^= mask;
            }
        }
    }

    /// The body of a record of `kind`.
    fn seal(&mut self, kind: u8, plain: &[u8]) -> Vec<u8> {
        let mut body = self.next.to_be_bytes().to_vec();
        body.extend(plain);
        self.mask(&mut body[8..]);
        body.extend(self.tag(kind, plain));
        self.next += 1;
        body
    }

    /// The plaintext of a body, unless something is wrong with it.
    fn open(&mut self, kind: u8, body: &[u8]) -> Option<Vec<u8>> {
        let (number, rest) = body.split_at_checked(8)?;
        let (masked, tag) = rest.split_at_checked(rest.len().checked_sub(16)?)?;
        let mut plain = masked.to_vec();
        self.mask(&mut plain);
        let intact = number == self.next.to_be_bytes() && tag == self.tag(kind, &plain);
        self.next += 1;
        intact.then_some(plain)
    }
}

/// One direction that is written.
#[derive(Debug, Default)]
pub(super) struct Writer {
    pub(super) key: Option<Key>,
    /// In TLS 1.3 the type of an encrypted record hides inside it.
    pub(super) hides_types: bool,
}

impl Writer {
    /// Appends a record, or several where one may not be longer than `max`.
    pub(super) fn put(&mut self, kind: u8, plain: &[u8], max: usize, out: &mut VecDeque<u8>) {
        for part in plain.chunks(max.max(1)) {
            let (kind, body) = match &mut self.key {
                None => (kind, part.to_vec()),
                Some(key) if self.hides_types => {
                    let inner = [part, &[kind]].concat();
                    (APPLICATION_DATA, key.seal(APPLICATION_DATA, &inner))
                }
                Some(key) => (kind, key.seal(kind, part)),
            };
            let [high, low] = u16::try_from(body.len()).expect("short").to_be_bytes();
            out.extend([kind, 3, 3, high, low]);
            out.extend(body);
        }
    }
}

/// One direction that is read.
#[derive(Debug, Default)]
pub(super) struct Reader {
    pub(super) key: Option<Key>,
    pub(super) hides_types: bool,
}

/// Why a record can't be read: the alert to answer with.
pub(super) type Refusal = u8;

pub(super) const UNEXPECTED_MESSAGE: Refusal = 10;
pub(super) const BAD_RECORD_MAC: Refusal = 20;
pub(super) const RECORD_OVERFLOW: Refusal = 22;
pub(super) const HANDSHAKE_FAILURE: Refusal = 40;
pub(super) const DECODE_ERROR: Refusal = 50;
pub(super) const DECRYPT_ERROR: Refusal = 51;

/// The length of the record that `bytes` begin with, head included, once its head is there.
pub(super) fn record_len(bytes: &[u8]) -> Result<Option<usize>, Refusal> {
    let Some([kind, major, minor, high, low]) = bytes.first_chunk::<HEAD>() else {
        return Ok(None);
    };
    if !(CHANGE_CIPHER_SPEC..=APPLICATION_DATA).contains(kind) || (*major, *minor) != (3, 3) {
        return Err(DECODE_ERROR);
    }
    let len = usize::from(u16::from_be_bytes([*high, *low]));
    if len > LONGEST {
        return Err(RECORD_OVERFLOW);
    }
    Ok(Some(HEAD + len))
}

impl Reader {
    /// The type and the plaintext of a whole record.
    pub(super) fn open(&mut self, record: &[u8]) -> Result<(u8, Vec<u8>), Refusal> {
        let (head, body) = record.split_at_checked(HEAD).ok_or(DECODE_ERROR)?;
        let kind = head[0];
        // TLS 1.3 sends ChangeCipherSpec in clear at any time, for the looks of it (RFC 8446 section 5).
        let clear = self.hides_types && kind == CHANGE_CIPHER_SPEC;
        let Some(key) = self.key.as_mut().filter(|_| !clear) else {
            return Ok((kind, body.to_vec()));
        };
        let mut plain = key.open(kind, body).ok_or(BAD_RECORD_MAC)?;
        if self.hides_types {
            let kind = plain.pop().ok_or(DECODE_ERROR)?;
            return Ok((kind, plain));
        }
        Ok((kind, plain))
    }
}

/// Handshake messages under way, and the sum of all that passed in this handshake.
#[derive(Debug)]
pub(super) struct Messages {
    bytes: Vec<u8>,
    pub(super) sum: Sum,
}

impl Messages {
    pub(super) const fn new() -> Self {
        Self {
            bytes: Vec::new(),
            sum: Sum::START,
        }
    }

    pub(super) fn extend(&mut self, bytes: &[u8]) {
        self.bytes.extend(bytes);
    }

    /// How long the message is that is under way, without its head.
    pub(super) fn under_way(&self) -> usize {
        match self.bytes.first_chunk::<4>() {
            Some([_, a, b, c]) => u32::from_be_bytes([0, *a, *b, *c]) as usize,
            None => 0,
        }
    }

    /// The next whole message: its type and its body.
    pub(super) fn next(&mut self) -> Option<(u8, Vec<u8>)> {
        let kind = *self.bytes.first()?;
        let len = 4 + self.under_way();
        if self.bytes.len() < len || len < 4 {
            return None;
        }
        let message: Vec<u8> = self.bytes.drain(..len).collect();
        // Requests for a new handshake belong to none (RFC 5246 section 7.4.1.1).
        if kind != super::message::HELLO_REQUEST && kind != super::message::FINISHED {
            self.sum = self.sum.of(&message);
        }
        Some((kind, message[4..].to_vec()))
    }

    /// A message with its head, counted in.
    pub(super) fn write(&mut self, kind: u8, body: &[u8]) -> Vec<u8> {
        let [_, a, b, c] = u32::try_from(body.len()).expect("short").to_be_bytes();
        let mut message = vec![kind, a, b, c];
        message.extend(body);
        if kind != super::message::HELLO_REQUEST && kind != super::message::FINISHED {
            self.sum = self.sum.of(&message);
        }
        message
    }

    /// What Finished of one side has to say.
    pub(super) fn finished(&self, from_client: bool) -> Vec<u8> {
        let value = self.sum.of(&[u8::from(from_client)]).value();
        [&value.to_be_bytes()[..], b"done"].concat()
    }

    /// A new handshake begins.
    pub(super) const fn begin(&mut self) {
        self.sum = Sum::START;
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }
}
