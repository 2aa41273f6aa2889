//! What a client takes of RAM, as numbers in the image: the client, the session in it, the future of a program.
#![no_std]
#![no_main]

use core::hint::black_box;

use cortex_m_rt::entry;
use size::{Socket, Ticks, talk};
use towpath::{
    embedded::{Connection, Error},
    proto::{
        Client,
        client::Start,
        mqtt::{packet::Connect, session::Session},
    },
};

type Device = Client<&'static mut [u8], fn() -> u32>;

async fn program(client: &mut Device) -> Result<(), Error> {
    let start = Start::new(Connect::default());
    talk(Connection::open(client, Socket, Socket, Ticks, &start).await?).await
}

/// The size of what `of` answers.
const fn size_of_answer<A, F>(_: &impl FnOnce(A) -> F) -> usize {
    size_of::<F>()
}

static SIZES: [usize; 3] = [
    size_of::<Device>(),
    size_of::<Session>(),
    size_of::<Device>() + size_of_answer(&(program as fn(&'static mut Device) -> _)),
];

#[entry]
fn main() -> ! {
    loop {
        black_box(&SIZES);
    }
}
