//! Router advertisements with a NAT64 prefix (RFC 8781), which Debian's radvd does not know.

use std::{
    io::{ErrorKind, Read as _},
    net::{Ipv6Addr, SocketAddrV6},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use nix::net::if_::if_nametoindex;
use socket2::{Domain, Protocol, Socket, Type};

use crate::{Namespace, prefix::Prefix};

const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
const ALL_ROUTERS: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 2);
/// RFC 4861 4.1 and 4.2.
const ROUTER_SOLICITATION: u8 = 133;
const ROUTER_ADVERTISEMENT: u8 = 134;
/// RFC 8781 4.
const PREF64: u8 = 38;
/// How often one is sent unasked.
const INTERVAL: Duration = Duration::from_millis(200);
/// How long the prefix is good for, and the router, in seconds.
const LIFETIME: u16 = 1800;

/// Advertises a prefix every 200 ms, and to whoever solicits. Ends with this value.
#[derive(Debug)]
pub struct Advertiser {
    ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Advertiser {
    /// Begins on an interface of a router.
    ///
    /// # Panics
    /// If there is no such interface.
    #[must_use]
    pub fn start(router: &Namespace, interface: &'static str, prefix: Prefix) -> Self {
        let (socket, index) = router.run(move || {
            let index = if_nametoindex(interface).expect("an interface");
            (open(index).expect("a raw socket"), index)
        });
        let ended = Arc::new(AtomicBool::new(false));
        let thread = thread::spawn({
            let ended = Arc::clone(&ended);
            move || {
                while !ended.load(Ordering::Relaxed) {
                    let to = SocketAddrV6::new(ALL_NODES, 0, 0, index);
                    // The kernel adds the checksum. An interface that is down sends nothing: the next one may.
                    let _ = socket.send_to(&advertisement(prefix), &to.into());
                    until_solicited(&socket);
                }
            }
        });
        Self {
            ended,
            thread: Some(thread),
        }
    }
}

impl Drop for Advertiser {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn open(index: u32) -> std::io::Result<Socket> {
    let socket = Socket::new(Domain::IPV6, Type::RAW, Some(Protocol::ICMPV6))?;
    socket.join_multicast_v6(&ALL_ROUTERS, index)?;
    socket.set_multicast_if_v6(index)?;
    // RFC 4861 6.1.2: receivers ignore anything else, since it may come from another link.
    socket.set_multicast_hops_v6(255)?;
    socket.set_read_timeout(Some(INTERVAL))?;
    Ok(socket)
}

/// Waits for a solicitation, or for the time of the next advertisement.
fn until_solicited(mut socket: &Socket) {
    // Only the type is of interest. Neighbours' messages come here as well, and then this waits anew.
    let mut message = [0];
    loop {
        match socket.read(&mut message) {
            Ok(_) if message == [ROUTER_SOLICITATION] => return,
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => return,
        }
    }
}

/// The message: a default router, and the one option.
fn advertisement(prefix: Prefix) -> Vec<u8> {
    // Checksum, hop limit and flags are zero.
    let mut message = vec![ROUTER_ADVERTISEMENT, 0, 0, 0, 0, 0];
    // A lifetime of zero would take back the default route that radvd gave in the name of the same router.
    message.extend(LIFETIME.to_be_bytes());
    // Reachable and retransmission times are left to the device.
    message.extend([0; 8]);
    // Lifetime in units of 8 s above the code of the length.
    let scaled = (LIFETIME.div_ceil(8) << 3) | u16::from(code(prefix.len));
    message.extend([PREF64, 2]);
    message.extend(scaled.to_be_bytes());
    message.extend(prefix.address.octets().iter().take(12));
    message
}

/// RFC 8781 4.
fn code(len: u8) -> u8 {
    match len {
        96 => 0,
        64 => 1,
        56 => 2,
        48 => 3,
        40 => 4,
        32 => 5,
        other => panic!("no NAT64 prefix has length {other}"),
    }
}
