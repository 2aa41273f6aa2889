//! The face for microcontrollers: neither `std` nor an allocator, over the halves of any stream that implements
//! [`Read`](embedded_io_async::Read) and [`Write`](embedded_io_async::Write) of `embedded-io-async`.
//!
//! The [`Client`](towpath_proto::Client) holds the session over the caller's buffers and lives as long as the device
//! runs. A [`Connection`] borrows it for the life of one TCP connection, which the caller opens, because that is its
//! network stack's business. With embassy-net the halves come from `TcpSocket::split`; feature `embassy` has a [`Timer`]
//! over `embassy_time`.
//!
//! # Dropped futures
//! Every future of a [`Connection`] may be dropped at any await point, for example because a button won a `select`, and
//! the same or another method called next: nothing is lost or sent twice by it. This needs halves whose `read`, `write`
//! and `flush` have done nothing when they are dropped before they are ready. Those of embassy-net are like that: they
//! copy and are ready in one step. A TLS wrapper around them often is not like that. There is no need for one:
//!
//! # Names and addresses
//! [`dial`](fn@dial) finds the way to a server by name with a [`Dialer`](towpath_proto::net::Dialer) of the caller's:
//! DNS, NAT64, the order of addresses, and a race of connection attempts. The device says what it knows, its DNS
//! servers, its own addresses and the NAT64 prefix; its network stack lends a [`UdpSocket`] and two or more
//! [`TcpSocket`]s. The dialer lives as long as the device: it keeps answers for their time to live. Feature `embassy`
//! has the sockets for embassy-net.
//!
//! ```no_run
//! use core::{net::IpAddr, time::Duration};
//! use towpath::{
//!     Fault,
//!     embedded::{Network, TcpSocket, Timer, UdpSocket, dial},
//!     proto::{Random, net::{Dialer, Prefix, PrefixOrigin}},
//! };
//!
//! /// `nat64` is what the network data of a Thread network says, for example.
//! async fn reach<'s, T: TcpSocket>(
//!     dialer: &mut Dialer,
//!     (tcp, udp): (&'s mut [T; 2], &mut impl UdpSocket),
//!     (own, nat64): (&[IpAddr], Prefix),
//!     timer: &impl Timer,
//!     random: &mut impl Random,
//! ) -> Result<&'s mut T, Fault> {
//!     let lifetime = Duration::from_secs(600);
//!     dialer.learned(timer.now(), nat64, PrefixOrigin::ThreadNetworkData, lifetime);
//!     let mut buffer = [0; 1024];
//!     let network = Network { tcp, udp, own, buffer: &mut buffer };
//!     // Split it in halves then, for `Connection::open`.
//!     dial(dialer, network, timer, random, "broker.example", 1883).await
//! }
//! ```
//!
//! # TLS
//! [`Connection::open_secured`] takes the halves of the TCP connection and a [`Layer`](towpath_proto::tls::Layer) over a
//! back-end, anything that is a [`Tls`](towpath_proto::tls::Tls); for a device that is `towpath_tls_mbed::Connection` over
//! two buffers of the caller. Records are moved by the same futures, which may be dropped all the same. Each connection needs a new layer; a session to resume comes
//! from [`Connection::tls`].
//!
//! ```no_run
//! # use embedded_io_async::{Read, Write};
//! use towpath::{
//!     embedded::{Connection, Error, Timer},
//!     proto::{Buffer, Client, Random, client::Start, tls::{Layer, Profile, Tls}},
//! };
//! # fn keep(_: &[u8]) {}
//!
//! /// `tls` was made from `profile`, with `Context::new` and `Context::connect` of towpath-tls-mbed for example.
//! async fn run(
//!     client: &mut Client<impl Buffer, impl Random>,
//!     (tls, profile): (impl Tls, &Profile<'_>),
//!     (reader, writer): (impl Read, impl Write),
//!     timer: &impl Timer,
//!     start: &Start<'_>,
//! ) -> Result<(), Error> {
//!     let layer = Layer::new(tls, profile);
//!     let mut connection =
//!         Connection::open_secured(client, layer, reader, writer, timer, start).await?;
//!     connection.tls().tls().take_session(&mut |bytes| keep(bytes));
//!     // As without TLS from here on.
//!     connection.disconnect().await
//! }
//! ```
//!
//! # Without TLS
//! ```no_run
//! # use core::time::Duration;
//! use towpath::{
//!     Backoff, Code, Fault, Outgoing, QoS, Reconnect, Rung, TopicFilter, TopicName, Version,
//!     embedded::{Connection, Error, Timer},
//!     proto::{Buffers, Client, Event, client::Start, mqtt::packet::{Connect, Subscription}},
//! };
//! # use embedded_io_async::{Read, Write};
//! # use towpath::proto::{Instant, Random};
//! # async fn socket() -> (impl Read, impl Write) { (&[][..], &mut [][..]) }
//! # fn switch(_: bool) {}
//!
//! async fn run(timer: &impl Timer, random: impl Random) {
//!     let (mut rx, mut tx, mut store) = ([0; 1024], [0; 1024], [0; 2048]);
//!     let buffers =
//!         Buffers { rx: &mut rx[..], tx: &mut tx[..], store: &mut store[..], aliases: &mut [][..] };
//!     let mut client = Client::new(buffers, random);
//!     let mut backoff = Backoff::new();
//!     let connect = Connect { client_id: "lamp-17", clean_start: false, ..Connect::default() };
//!     loop {
//!         let (reader, writer) = socket().await;
//!         let since = timer.now();
//!         let start = Start::new(connect);
//!         let fault = match Connection::open(&mut client, reader, writer, timer, &start).await {
//!             Ok(mut connection) => serve(&mut connection).await,
//!             Err(Error::Path(fault)) => fault,
//!             Err(Error::Refused(_)) => return,
//!         };
//!         // `fault` names the rung that broke and what mends it.
//!         let held = timer.now().since(since);
//!         let Some(pause) = backoff.pause(Reconnect::default(), held, client.random()) else { return };
//!         timer.sleep_until(timer.now().after(pause)).await;
//!     }
//! }
//!
//! async fn serve<I: Read, O: Write>(
//!     connection: &mut Connection<'_, impl towpath::proto::Buffer, impl Random, I, O, impl Timer>,
//! ) -> Fault {
//!     let filter = TopicFilter::new("lamp/17/set").expect("a good filter");
//!     let _ = connection.subscribe(&[Subscription::new(filter, QoS::AtLeastOnce)]);
//!     loop {
//!         match connection.next().await {
//!             Event::Message(message) => switch(message.payload == b"on"),
//!             Event::Failed(fault) => return fault,
//!             Event::Disconnected => return Fault::new(Rung::Mqtt, Code::Closed),
//!             _ => {}
//!         }
//!         let topic = TopicName::new("lamp/17/seen").expect("a good name");
//!         // Leaves with the next `next`; without a connection it waits in the store.
//!         let _ = connection.publish(&Outgoing::new(topic, b"", QoS::AtLeastOnce));
//!     }
//! }
//! ```

mod connection;
mod dial;
#[cfg(feature = "embassy")]
pub mod embassy;
mod error;
#[cfg(feature = "hub")]
pub mod hub;
mod security;
#[cfg(feature = "slot")]
pub mod slot;
mod sockets;
mod stream;
mod timer;
mod tunnel;

pub use connection::Connection;
pub use dial::{Network, dial};
pub use embedded_io_async;
pub use error::Error;
pub use security::{Plain, Secured, Security};
pub use sockets::{TcpSocket, UdpSocket};
pub use stream::fault;
pub use timer::Timer;
pub use tunnel::{Tunnelled, tunnel};
