//! What lies between the client and the byte stream: nothing, or TLS.

use towpath_proto::{
    Buffer, Client, Fault, Instant, Random, Trace,
    tls::{Layer, Tls},
};

/// What lies between the client and the byte stream. Implemented by [`Plain`] and by [`Layer`] alone, and by loans of them.
pub trait Security: sealed::Sealed {
    /// Whether there is a rung of TLS to climb.
    #[doc(hidden)]
    const SECURED: bool;

    /// Moves plaintext. True if anything moved: then the client has to be polled.
    #[doc(hidden)]
    fn carry<B: Buffer, R: Random>(&mut self, client: &mut Client<B, R>, now: Instant) -> bool;

    /// Room for received bytes, and those to be sent.
    #[doc(hidden)]
    fn both_ways<'a, B: Buffer, R: Random>(
        &'a mut self,
        client: &'a mut Client<B, R>,
    ) -> (&'a mut [u8], &'a [u8]);

    #[doc(hidden)]
    fn commit<B: Buffer, R: Random>(&mut self, client: &mut Client<B, R>, now: Instant, n: usize);

    #[doc(hidden)]
    fn transmitted<B: Buffer, R: Random>(
        &mut self,
        client: &mut Client<B, R>,
        now: Instant,
        n: usize,
    );

    /// The byte stream ended.
    #[doc(hidden)]
    fn ended<B: Buffer, R: Random>(&mut self, client: &mut Client<B, R>, now: Instant, end: Fault);

    /// Whether bytes wait here to be sent.
    #[doc(hidden)]
    fn has_unsent(&self) -> bool {
        false
    }

    /// Says farewell below MQTT.
    #[doc(hidden)]
    fn close(&mut self) {}

    #[doc(hidden)]
    fn explain(&self, fault: Fault) -> Fault {
        fault
    }

    #[doc(hidden)]
    fn next_trace(&mut self) -> Option<Trace> {
        None
    }
}

mod sealed {
    use towpath_proto::tls::{Layer, Tls};

    pub trait Sealed {}
    impl Sealed for super::Plain {}
    impl<T: Tls> Sealed for Layer<T> {}
    impl<S: Sealed> Sealed for &mut S {}
}

/// Nothing: MQTT or WebSocket lies in the byte stream as it is.
#[derive(Debug, Clone, Copy, Default)]
pub struct Plain;

impl Security for Plain {
    const SECURED: bool = false;

    fn carry<B: Buffer, R: Random>(&mut self, _: &mut Client<B, R>, _: Instant) -> bool {
        false
    }

    fn both_ways<'a, B: Buffer, R: Random>(
        &'a mut self,
        client: &'a mut Client<B, R>,
    ) -> (&'a mut [u8], &'a [u8]) {
        client.both_ways()
    }

    fn commit<B: Buffer, R: Random>(&mut self, client: &mut Client<B, R>, now: Instant, n: usize) {
        client.commit(now, n);
    }

    fn transmitted<B: Buffer, R: Random>(
        &mut self,
        client: &mut Client<B, R>,
        now: Instant,
        n: usize,
    ) {
        client.transmitted(now, n);
    }

    fn ended<B: Buffer, R: Random>(&mut self, client: &mut Client<B, R>, now: Instant, end: Fault) {
        client.closed(now, end);
    }
}

impl<T: Tls> Security for Layer<T> {
    const SECURED: bool = true;

    fn carry<B: Buffer, R: Random>(&mut self, client: &mut Client<B, R>, now: Instant) -> bool {
        Self::carry(self, client, now)
    }

    fn both_ways<'a, B: Buffer, R: Random>(
        &'a mut self,
        _: &'a mut Client<B, R>,
    ) -> (&'a mut [u8], &'a [u8]) {
        Self::both_ways(self)
    }

    fn commit<B: Buffer, R: Random>(&mut self, _: &mut Client<B, R>, now: Instant, n: usize) {
        Self::commit(self, now, n);
    }

    fn transmitted<B: Buffer, R: Random>(&mut self, _: &mut Client<B, R>, now: Instant, n: usize) {
        Self::transmitted(self, now, n);
    }

    fn ended<B: Buffer, R: Random>(&mut self, _: &mut Client<B, R>, _: Instant, end: Fault) {
        Self::ended(self, end);
    }

    fn has_unsent(&self) -> bool {
        self.has_sendable()
    }

    fn close(&mut self) {
        Self::close(self);
    }

    fn explain(&self, fault: Fault) -> Fault {
        Self::explain(self, fault)
    }

    fn next_trace(&mut self) -> Option<Trace> {
        Self::next_trace(self)
    }
}

/// A loan: a [`Layer`] is a kilobyte, which a device that keeps it in its place need not move about.
impl<S: Security> Security for &mut S {
    const SECURED: bool = S::SECURED;

    fn carry<B: Buffer, R: Random>(&mut self, client: &mut Client<B, R>, now: Instant) -> bool {
        (**self).carry(client, now)
    }

    fn both_ways<'a, B: Buffer, R: Random>(
        &'a mut self,
        client: &'a mut Client<B, R>,
    ) -> (&'a mut [u8], &'a [u8]) {
        (**self).both_ways(client)
    }

    fn commit<B: Buffer, R: Random>(&mut self, client: &mut Client<B, R>, now: Instant, n: usize) {
        (**self).commit(client, now, n);
    }

    fn transmitted<B: Buffer, R: Random>(
        &mut self,
        client: &mut Client<B, R>,
        now: Instant,
        n: usize,
    ) {
        (**self).transmitted(client, now, n);
    }

    fn ended<B: Buffer, R: Random>(&mut self, client: &mut Client<B, R>, now: Instant, end: Fault) {
        (**self).ended(client, now, end);
    }

    fn has_unsent(&self) -> bool {
        (**self).has_unsent()
    }

    fn close(&mut self) {
        (**self).close();
    }

    fn explain(&self, fault: Fault) -> Fault {
        (**self).explain(fault)
    }

    fn next_trace(&mut self) -> Option<Trace> {
        (**self).next_trace()
    }
}

/// TLS: a [`Layer`], or the loan of one.
pub trait Secured: Security {
    /// The back-end's connection.
    type Tls: Tls;

    /// The layer itself.
    fn layer(&mut self) -> &mut Layer<Self::Tls>;
}

impl<T: Tls> Secured for Layer<T> {
    type Tls = T;

    fn layer(&mut self) -> &mut Self {
        self
    }
}

impl<T: Tls> Secured for &mut Layer<T> {
    type Tls = T;

    fn layer(&mut self) -> &mut Layer<T> {
        self
    }
}
