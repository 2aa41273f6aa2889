//! A device's program as far as TLS goes, for scripts/build-mbed-nostd: the embedded face over Mbed TLS. It is linked,
//! not run.
#![no_std]
#![no_main]

use core::{
    future::{Future, pending},
    pin::pin,
    task::{Context as TaskContext, Poll, Waker},
};

use towpath::{
    QoS,
    embedded::{Connection, Error, Timer},
    proto::{
        Buffers, Client, Event, Instant, Upgrade,
        client::{Outgoing, Start},
        mqtt::{packet::Connect, topic::TopicName},
    },
};
use towpath_proto::tls::{Clock, Layer, Profile, Renegotiation, Roots};
use towpath_tls_mbed::{Context, set_random};

#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    loop {}
}

// What a real device takes from a crate of its chip.
#[unsafe(no_mangle)]
extern "Rust" fn _critical_section_1_0_acquire() {}
#[unsafe(no_mangle)]
extern "Rust" fn _critical_section_1_0_release(_: ()) {}

struct Ticks;

impl Timer for Ticks {
    fn now(&self) -> Instant {
        Instant::ZERO
    }

    async fn sleep_until(&self, _: Instant) {
        pending().await
    }
}

type Tls<'a> = towpath_tls_mbed::Connection<&'a mut [u8]>;

async fn run(tls: Layer<Tls<'_>>) -> Result<(), Error> {
    let (mut rx, mut tx, mut store) = ([0; 1024], [0; 1024], [0; 1024]);
    let buffers = Buffers {
        rx: &mut rx[..],
        tx: &mut tx[..],
        store: &mut store[..],
        aliases: &mut [][..],
    };
    let mut client = Client::new(buffers, || 4);
    let mut start = Start::new(Connect {
        client_id: "lamp-17",
        ..Connect::default()
    });
    start.upgrade = Some(Upgrade {
        host: "hub.test",
        target: "/mqtt",
        subprotocols: "mqtt",
        headers: &[],
    });
    // The halves of a socket, as far as a linker is concerned.
    let (reader, mut room) = (&b"records"[..], [0; 64]);
    let mut connection =
        Connection::open_secured(&mut client, tls, reader, &mut room[..], Ticks, &start).await?;
    if let Ok(topic) = TopicName::new("lamp/17/seen") {
        connection.publish(&Outgoing::new(topic, b"on", QoS::AtLeastOnce))?;
    }
    while !matches!(
        connection.next().await,
        Event::Settled { .. } | Event::Failed(_)
    ) {}
    connection.disconnect().await
}

#[unsafe(no_mangle)]
extern "C" fn main() -> i32 {
    set_random(|bytes| {
        bytes.fill(4);
        false
    });
    let profile = Profile {
        server: "hub.test",
        roots: Roots::Given(&[b"root"]),
        suites: &["TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"],
        clock: Clock::Given(|| None),
        renegotiation: Renegotiation::OnceUntilConnack,
        ..Profile::default()
    };
    let Ok(context) = Context::new(&profile) else {
        return 1;
    };
    let (mut rx, mut tx) = ([0; 2048], [0; 2048]);
    let Ok(tls) = context.connect(&mut rx[..], &mut tx[..], None) else {
        return 2;
    };
    let mut program = pin!(run(Layer::new(tls, &profile)));
    loop {
        let mut task = TaskContext::from_waker(Waker::noop());
        if let Poll::Ready(end) = program.as_mut().poll(&mut task) {
            return if end.is_ok() { 0 } else { 3 };
        }
    }
}
