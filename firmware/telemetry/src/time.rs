//! The time of day, which a microcontroller without a clock of its own learns once a start, by SNTP.
//!
//! Takes in the name or address of a time server; gives out seconds since 1970. SNTP is not authenticated: whoever can
//! change it can make an expired certificate look valid, but can't make one valid that the roots don't vouch for.

use core::sync::atomic::{AtomicU32, Ordering};

use embassy_time::Instant;

/// The second since 1970 at which this start was; 0 while it isn't known. Enough until 2106.
static STARTED: AtomicU32 = AtomicU32::new(0);

/// Seconds since 1970; `None` until they are known. This is what a profile's clock wants.
#[must_use]
pub fn unix() -> Option<u64> {
    match STARTED.load(Ordering::Relaxed) {
        0 => None,
        started => Some(u64::from(started).saturating_add(Instant::now().as_secs())),
    }
}

/// Takes what the time is now.
#[cfg(feature = "tls")]
fn set(now: u64) {
    let started = now.saturating_sub(Instant::now().as_secs());
    STARTED.store(u32::try_from(started).unwrap_or(0), Ordering::Relaxed);
}

/// Asks the server, once. When it doesn't answer the time stays unknown, and TLS will say so.
#[cfg(feature = "tls")]
pub(crate) async fn learn(stack: embassy_net::Stack<'_>, server: &str) {
    use embassy_net::{
        dns::DnsQueryType,
        udp::{PacketMetadata, UdpSocket},
    };
    use sntpc::{NtpContext, NtpTimestampGenerator};

    /// The device's own clock, as SNTP wants it for the way there and back.
    #[derive(Clone, Copy, Default)]
    struct Uptime(u64);

    impl NtpTimestampGenerator for Uptime {
        fn init(&mut self) {
            self.0 = Instant::now().as_micros();
        }

        fn timestamp_sec(&self) -> u64 {
            self.0 / 1_000_000
        }

        fn timestamp_subsec_micros(&self) -> u32 {
            u32::try_from(self.0 % 1_000_000).unwrap_or(0)
        }
    }

    let asked = async {
        let mut found = stack.dns_query(server, DnsQueryType::A).await.ok();
        if found.as_ref().is_none_or(|list| list.is_empty()) {
            found = stack.dns_query(server, DnsQueryType::Aaaa).await.ok();
        }
        let address = *found.as_ref()?.first()?;
        let (mut rx_meta, mut tx_meta) = ([PacketMetadata::EMPTY; 1], [PacketMetadata::EMPTY; 1]);
        let (mut rx, mut tx) = ([0; 128], [0; 128]);
        let mut socket = UdpSocket::new(stack, &mut rx_meta, &mut rx, &mut tx_meta, &mut tx);
        socket.bind(0).ok()?;
        let socket = sntpc_net_embassy::UdpSocketWrapper::from(socket);
        let server = core::net::SocketAddr::new(address.into(), 123);
        let context = NtpContext::new(Uptime::default());
        let answer = sntpc::get_time(server, &socket, context).await.ok()?;
        set(answer.sec());
        Some(())
    };
    let patience = embassy_time::Duration::from_secs(10);
    if embassy_time::with_timeout(patience, asked).await != Ok(Some(())) {
        defmt::warn!("time: {=str} does not answer", server);
    }
}
