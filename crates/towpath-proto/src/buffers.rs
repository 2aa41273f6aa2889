//! The caller's memory and randomness: all that the core needs from its surroundings besides bytes and time.

/// A byte buffer that belongs to the caller: a fixed slice on a device, something that grows on a host.
///
/// Between calls its content must stay as it was left.
pub trait Buffer {
    /// The bytes.
    fn bytes(&self) -> &[u8];

    /// The bytes, to be changed.
    fn bytes_mut(&mut self) -> &mut [u8];

    /// Makes the buffer at least `len` bytes long, keeping its content, and says whether it is now.
    /// A buffer of fixed size can only look.
    fn grow(&mut self, len: usize) -> bool {
        self.bytes().len() >= len
    }

    /// Called when nothing in the buffer is needed any more; one that grows may give its memory back.
    fn release(&mut self) {}
}

impl Buffer for &mut [u8] {
    fn bytes(&self) -> &[u8] {
        self
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        self
    }
}

impl<const N: usize> Buffer for [u8; N] {
    fn bytes(&self) -> &[u8] {
        self
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        self
    }
}

/// The four buffers of a [`Client`](crate::client::Client).
#[derive(Debug)]
pub struct Buffers<B> {
    /// Received bytes. It has to hold the largest packet except for the payload of a PUBLISH, which may come in pieces;
    /// for WebSocket 140 bytes more, because a control frame may come inside a packet.
    pub rx: B,
    /// Bytes to send. It has to hold the largest packet that is sent and 160 bytes more, which are kept for
    /// acknowledgements, or CONNECT and the HTTP request together.
    pub tx: B,
    /// What outlives a connection: messages that are not acknowledged, each with a head of
    /// [`RECORD`](crate::mqtt::session::store::RECORD) bytes, and the identifiers of QoS 2 messages received.
    pub store: B,
    /// Topics behind topic aliases, both directions; may be empty.
    pub aliases: B,
}

/// Random numbers that nobody else can predict, for WebSocket keys and masks (RFC 6455 section 10.3).
pub trait Random {
    /// The next 32 random bits.
    fn next_u32(&mut self) -> u32;
}

impl<F: FnMut() -> u32> Random for F {
    #[inline]
    fn next_u32(&mut self) -> u32 {
        self()
    }
}
