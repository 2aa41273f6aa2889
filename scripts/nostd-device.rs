//! A device's program from a name to MQTT, for scripts/build-nostd: the embedded face over sockets that do nothing. It
//! is linked, not run. With `--cfg dials` it finds its server by name, without it takes an open socket.
#![no_std]
#![no_main]

use core::{
    future::{Future, pending},
    hint::black_box,
    net::SocketAddr,
    pin::pin,
    task::{Context, Poll, Waker},
};

use towpath::{
    Fault, QoS, TopicName,
    embedded::{
        Connection, Error, TcpSocket, Timer, UdpSocket,
        embedded_io_async::{ErrorKind, ErrorType, Read, Write},
    },
    proto::{
        Buffers, Client, Event, Instant,
        client::{Outgoing, Start},
        mqtt::packet::Connect,
    },
};

#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    loop {}
}

struct Ticks;

impl Timer for Ticks {
    fn now(&self) -> Instant {
        black_box(Instant::ZERO)
    }

    async fn sleep_until(&self, _: Instant) {
        pending().await
    }
}

/// Both sockets; what they answer nobody can know when it is linked.
struct Socket;

impl ErrorType for Socket {
    type Error = ErrorKind;
}

impl Read for Socket {
    async fn read(&mut self, room: &mut [u8]) -> Result<usize, ErrorKind> {
        black_box(Ok(room.len()))
    }
}

impl Write for Socket {
    async fn write(&mut self, bytes: &[u8]) -> Result<usize, ErrorKind> {
        black_box(Ok(bytes.len()))
    }

    async fn flush(&mut self) -> Result<(), ErrorKind> {
        Ok(())
    }
}

impl TcpSocket for Socket {
    async fn connect(&mut self, _: SocketAddr) -> Result<(), Fault> {
        black_box(Ok(()))
    }

    fn abort(&mut self) {}
}

impl UdpSocket for Socket {
    fn bind(&mut self) -> Result<(), Fault> {
        Ok(())
    }

    async fn send_to(&mut self, _: &[u8], _: SocketAddr) -> Result<(), Fault> {
        black_box(Ok(()))
    }

    async fn receive_from(&mut self, room: &mut [u8]) -> Result<(usize, SocketAddr), Fault> {
        black_box(Ok((room.len(), ([192, 0, 2, 53], 53).into())))
    }
}

#[cfg(dials)]
async fn connected<'a>(
    tcp: &'a mut [Socket; 2],
    client: &mut Client<&mut [u8], impl towpath::proto::Random>,
) -> Result<&'a mut Socket, Error> {
    use towpath::{
        embedded::{Network, dial},
        proto::net::{Dialer, PrefixOrigin, dialer::Settings},
    };
    let own = [black_box([0xfd; 16]).into()];
    let mut dialer = Dialer::new(Settings::default().servers(&[([0xfd; 16], 53).into()]));
    if let Ok(prefix) = "fd64::/96".parse() {
        let (origin, lifetime) = (PrefixOrigin::ThreadNetworkData, core::time::Duration::MAX);
        dialer.learned(Ticks.now(), prefix, origin, lifetime);
    }
    let network = Network {
        tcp,
        udp: &mut Socket,
        own: &own,
        buffer: client.rx_space(),
    };
    let mut random = || black_box(4);
    let dialing = dial(
        &mut dialer,
        network,
        &Ticks,
        &mut random,
        "hub.example",
        1883,
    );
    dialing.await.map_err(Error::Path)
}

#[cfg(not(dials))]
async fn connected<'a, C>(tcp: &'a mut [Socket; 2], _: &mut C) -> Result<&'a mut Socket, Error> {
    black_box(tcp.first_mut()).ok_or(Error::Refused(towpath::Refusal::NotConnected))
}

async fn run() -> Result<(), Error> {
    let (mut rx, mut tx, mut store) = ([0; 1024], [0; 1024], [0; 1024]);
    let buffers = Buffers {
        rx: &mut rx[..],
        tx: &mut tx[..],
        store: &mut store[..],
        aliases: &mut [][..],
    };
    let mut client = Client::new(buffers, || black_box(4));
    let mut sockets = [Socket, Socket];
    let writer = connected(&mut sockets, &mut client).await?;
    let start = Start::new(Connect {
        client_id: "lamp-17",
        ..Connect::default()
    });
    let mut connection = Connection::open(&mut client, Socket, writer, Ticks, &start).await?;
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
extern "C" fn _start() -> ! {
    let mut program = pin!(run());
    loop {
        let mut task = Context::from_waker(Waker::noop());
        if let Poll::Ready(end) = program.as_mut().poll(&mut task) {
            black_box(end.is_ok());
        }
    }
}
