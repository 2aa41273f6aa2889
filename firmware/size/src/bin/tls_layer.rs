//! As mqtt, over the TLS rung: what drives and watches a TLS library, with a library that does nothing.
#![no_std]
#![no_main]

use core::hint::black_box;

use cortex_m_rt::entry;
use size::{Socket, Ticks, random, run, talk, version};
use towpath::{
    Fault,
    embedded::{Connection, Error},
    proto::{
        Buffers, Client,
        client::Start,
        mqtt::packet::Connect,
        tls::{Agreed, Fact, Layer, Renegotiation, Tls},
    },
};

/// A TLS library; what it answers nobody can know.
struct Library([u8; 64]);

impl Tls for Library {
    fn rx_space(&mut self) -> &mut [u8] {
        black_box(&mut self.0)
    }

    fn commit(&mut self, n: usize) {
        black_box(n);
    }

    fn sendable(&self) -> &[u8] {
        black_box(&self.0)
    }

    fn transmitted(&mut self, n: usize) {
        black_box(n);
    }

    fn both_ways(&mut self) -> (&mut [u8], &[u8]) {
        black_box(
            self.0
                .split_at_mut_checked(32)
                .map_or((&mut [], &[]), |(a, b)| (a, b)),
        )
    }

    fn handshake(&mut self) -> Result<bool, Fault> {
        black_box(Ok(true))
    }

    fn read(&mut self, space: &mut [u8]) -> Result<usize, Fault> {
        black_box(Ok(space.len()))
    }

    fn write(&mut self, plain: &[u8]) -> Result<usize, Fault> {
        black_box(Ok(plain.len()))
    }

    fn allow_renegotiation(&mut self, allowed: bool) {
        black_box(allowed);
    }

    fn is_renegotiating(&self) -> bool {
        black_box(false)
    }

    fn agreed(&self) -> Option<Agreed> {
        black_box(None)
    }

    fn close(&mut self) {}

    fn next_fact(&mut self) -> Option<Fact> {
        black_box(None)
    }
}

async fn program() -> Result<(), Error> {
    let (mut rx, mut tx, mut store) = ([0; 1024], [0; 1024], [0; 1024]);
    let buffers = Buffers {
        rx: &mut rx[..],
        tx: &mut tx[..],
        store: &mut store[..],
        aliases: &mut [][..],
    };
    let mut client = Client::new(buffers, random);
    let start = Start::new(Connect {
        version: version(),
        client_id: black_box("lamp-17"),
        ..Connect::default()
    });
    let tls = Layer::with(
        Library([0; 64]),
        black_box(Renegotiation::OnceUntilConnack),
        true,
        true,
    );
    let opening = Connection::open_secured(&mut client, tls, Socket, Socket, Ticks, &start);
    talk(opening.await?).await
}

#[entry]
fn main() -> ! {
    run(program)
}
