//! Whether a connection is silent because the path swallows large packets: a path-MTU black hole (RFC 2923 section 2.1).
//! What the kernel knows about the socket comes in, a verdict goes out; nobody asks before there is silence.
//!
//! Silence alone says nothing. One of these has to be seen:
//!
//! - **Our large segments are lost.** The oldest segment was sent again at least twice and is still not acknowledged; it
//!   is larger than every path must carry; and smaller ones passed: the connection was opened a moment ago, or later
//!   bytes are acknowledged selectively.
//! - **The peer's large segments are lost.** There are received bytes that can't be read, because earlier ones are
//!   missing: the small end of a flight came, and its large beginning never did, however often it was sent again.
//!
//! Where the kernel tells nothing of the kind, nothing is said.

use std::net::SocketAddr;

/// What every path carries: the payload of the smallest packet that IPv4 hosts must take, 576 bytes, less its headers
/// and the time stamps of TCP.
const ALWAYS_PASSES: u32 = 524;
/// How often the oldest segment has to be lost. One loss is no rule.
const LOSSES: u8 = 2;

/// What the kernel knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Seen {
    /// Bytes that were sent and not acknowledged, and in how many segments.
    unacked_bytes: u32,
    unacked: u32,
    /// Of these segments, acknowledged selectively.
    sacked: u32,
    /// How often the oldest was sent again, since bytes were last acknowledged.
    retransmits: u8,
    /// The largest segment that is sent, and the largest that the peer was told to send.
    snd_mss: u32,
    advmss: u32,
    /// Received bytes in order that wait to be read, and the memory that all received ones take.
    readable: u32,
    held: u32,
}

/// The size of the segments that vanish, bytes; `None` if nothing says that large ones do. `fresh`: the connection was
/// opened a moment ago, so that the network is most likely there.
fn verdict(seen: &Seen, fresh: bool) -> Option<u32> {
    // Segments are full but for the last, so the oldest has at least the average.
    let average = seen.unacked_bytes.div_ceil(seen.unacked.max(1));
    let lost_ours = seen.retransmits >= LOSSES
        && average > ALWAYS_PASSES
        && seen.unacked > 0
        && (fresh || seen.sacked > 0);
    if lost_ours {
        return Some(seen.unacked_bytes.min(seen.snd_mss));
    }
    // Where the network is gone, small segments of ours are not acknowledged either.
    let gap = seen.held > 0 && seen.readable == 0 && seen.retransmits == 0;
    (gap && seen.advmss > ALWAYS_PASSES).then_some(seen.advmss)
}

/// The size of the segments that vanish between these two ends of an open connection, bytes; `None` if nothing says that
/// large ones do. `fresh`: as in [`verdict`].
pub(crate) fn find(local: SocketAddr, peer: SocketAddr, fresh: bool) -> Option<u32> {
    verdict(&imp::ask(local, peer)?, fresh)
}

#[cfg(not(target_os = "linux"))]
mod imp {
    use std::net::SocketAddr;

    pub(super) fn ask(_: SocketAddr, _: SocketAddr) -> Option<super::Seen> {
        None
    }
}

/// Linux tells by netlink (sock_diag(7)). The socket option `TCP_INFO` would do as well, but for a lack of safe access to
/// it.
#[cfg(target_os = "linux")]
mod imp {
    use std::{
        io::Read as _,
        net::{IpAddr, SocketAddr},
    };

    use socket2::{Domain, Protocol, Socket, Type};

    use super::Seen;

    // linux/netlink.h, linux/sock_diag.h, linux/inet_diag.h, linux/tcp.h: all of these are kept for ever.
    const AF_INET: u8 = 2;
    const AF_INET6: u8 = 10;
    const AF_NETLINK: i32 = 16;
    const NETLINK_SOCK_DIAG: i32 = 4;
    const SOCK_DIAG_BY_FAMILY: u16 = 20;
    const NLM_F_REQUEST: u16 = 1;
    const IPPROTO_TCP: u8 = 6;
    const INET_DIAG_INFO: u16 = 2;
    const INET_DIAG_SKMEMINFO: u16 = 7;
    const NO_COOKIE: [u8; 8] = [0xff; 8];
    /// The length of a message's head, and with it of the request; bytes.
    const HEAD: usize = 16;
    const REQUEST: u32 = 72;
    /// The length of the fixed part of an answer, bytes.
    const ANSWER: usize = 72;
    /// The longest answer, bytes.
    const MOST_BYTES: usize = 4096;

    pub(super) fn ask(local: SocketAddr, peer: SocketAddr) -> Option<Seen> {
        let protocol = Some(Protocol::from(NETLINK_SOCK_DIAG));
        let mut socket = Socket::new(Domain::from(AF_NETLINK), Type::DGRAM, protocol).ok()?;
        // The kernel answers before the request is taken; a kernel that doesn't has nothing to say.
        socket.set_nonblocking(true).ok()?;
        socket.send(&request(local, peer)).ok()?;
        let mut bytes = [0; MOST_BYTES];
        let len = socket.read(&mut bytes).ok()?;
        read(bytes.get(..len)?)
    }

    /// `struct nlmsghdr` and `struct inet_diag_req_v2`.
    fn request(local: SocketAddr, peer: SocketAddr) -> Vec<u8> {
        let family = if local.is_ipv4() { AF_INET } else { AF_INET6 };
        let wanted = (1 << (INET_DIAG_INFO - 1)) | (1 << (INET_DIAG_SKMEMINFO - 1));
        let mut bytes = Vec::new();
        bytes.extend(REQUEST.to_ne_bytes());
        bytes.extend(SOCK_DIAG_BY_FAMILY.to_ne_bytes());
        bytes.extend(NLM_F_REQUEST.to_ne_bytes());
        bytes.extend([0; 8]);
        bytes.extend([family, IPPROTO_TCP, wanted, 0]);
        // In every state.
        bytes.extend([0xff; 4]);
        bytes.extend(local.port().to_be_bytes());
        bytes.extend(peer.port().to_be_bytes());
        for end in [local, peer] {
            let mut address = [0; 16];
            match end.ip() {
                IpAddr::V4(v4) => address[..4].copy_from_slice(&v4.octets()),
                IpAddr::V6(v6) => address = v6.octets(),
            }
            bytes.extend(address);
        }
        let zone = match peer {
            SocketAddr::V6(peer) => peer.scope_id(),
            SocketAddr::V4(_) => 0,
        };
        bytes.extend(zone.to_ne_bytes());
        bytes.extend(NO_COOKIE);
        bytes
    }

    /// `struct inet_diag_msg` and its attributes. An answer without them is an error or comes from another kernel.
    fn read(answer: &[u8]) -> Option<Seen> {
        if half(answer, 4)? != SOCK_DIAG_BY_FAMILY {
            return None;
        }
        let fixed = answer.get(HEAD..)?;
        let unread = word(fixed, 56)?;
        let unacked_or_unsent = word(fixed, 60)?;
        let mut seen = Seen {
            readable: unread,
            ..Seen::default()
        };
        let mut found = false;
        let mut rest = fixed.get(ANSWER..)?;
        while let (Some(len), Some(kind)) = (half(rest, 0), half(rest, 2)) {
            let len = usize::from(len);
            let Some(value) = rest.get(4..len) else { break };
            match kind {
                INET_DIAG_INFO => {
                    fill(&mut seen, value, unacked_or_unsent)?;
                    found = true;
                }
                // SK_MEMINFO_RMEM_ALLOC.
                INET_DIAG_SKMEMINFO => seen.held = word(value, 0)?,
                _ => {}
            }
            // The next one is aligned.
            let Some(after) = rest.get(len.next_multiple_of(4)..) else {
                break;
            };
            rest = after;
        }
        found.then_some(seen)
    }

    /// `struct tcp_info`, as far as it has been the same since Linux 4.6.
    fn fill(seen: &mut Seen, info: &[u8], unacked_or_unsent: u32) -> Option<()> {
        seen.retransmits = *info.get(2)?;
        seen.snd_mss = word(info, 16)?;
        seen.unacked = word(info, 24)?;
        seen.sacked = word(info, 28)?;
        seen.advmss = word(info, 84)?;
        let unsent = word(info, 144)?;
        seen.unacked_bytes = unacked_or_unsent.saturating_sub(unsent);
        Some(())
    }

    fn word(bytes: &[u8], at: usize) -> Option<u32> {
        let word = bytes.get(at..)?.first_chunk()?;
        Some(u32::from_ne_bytes(*word))
    }

    fn half(bytes: &[u8], at: usize) -> Option<u16> {
        let half = bytes.get(at..)?.first_chunk()?;
        Some(u16::from_ne_bytes(*half))
    }

    #[cfg(test)]
    mod tests {
        use std::{
            io::Write as _,
            net::{TcpListener, TcpStream},
        };

        use super::*;

        #[test]
        fn the_kernel_knows_an_open_connection() {
            for any in ["127.0.0.1:0", "[::1]:0"] {
                let Ok(listener) = TcpListener::bind(any) else {
                    println!("left out: {any}: this machine has no such address");
                    continue;
                };
                let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
                let (mut server, _) = listener.accept().unwrap();
                server.write_all(b"seven b").unwrap();
                // What was sent is there when it can be seen.
                assert_eq!(client.peek(&mut [0; 16]).unwrap(), 7);
                let (local, peer) = (client.local_addr().unwrap(), client.peer_addr().unwrap());
                let seen = ask(local, peer).expect("sock_diag");
                assert_eq!(seen.readable, 7);
                assert!(seen.held > 0);
                assert_eq!(
                    (seen.unacked, seen.unacked_bytes, seen.retransmits),
                    (0, 0, 0)
                );
                assert!(seen.snd_mss > 500 && seen.advmss > 500, "{seen:?}");
                assert_eq!(super::super::verdict(&seen, true), None);
                assert_eq!(ask(local, "192.0.2.1:9".parse().unwrap()).map(|_| ()), None);
            }
        }

        #[test]
        fn an_answer_cut_anywhere_is_no_answer_or_a_shorter_one() {
            let mut answer = vec![0; HEAD + ANSWER];
            answer[4..6].copy_from_slice(&SOCK_DIAG_BY_FAMILY.to_ne_bytes());
            for (kind, len) in [(INET_DIAG_SKMEMINFO, 36u16), (INET_DIAG_INFO, 240)] {
                answer.extend((len + 4).to_ne_bytes());
                answer.extend(kind.to_ne_bytes());
                answer.extend(std::iter::repeat_n(1, usize::from(len)));
            }
            assert!(read(&answer).is_some());
            for end in 0..answer.len() {
                assert_eq!(read(&answer[..end]), None, "cut at {end}");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A connection on which nothing is under way.
    const QUIET: Seen = Seen {
        unacked_bytes: 0,
        unacked: 0,
        sacked: 0,
        retransmits: 0,
        snd_mss: 1448,
        advmss: 1460,
        readable: 0,
        held: 0,
    };

    #[test]
    fn silence_alone_says_nothing() {
        assert_eq!(verdict(&QUIET, true), None);
        let slow = Seen {
            unacked_bytes: 1700,
            unacked: 2,
            retransmits: 1,
            ..QUIET
        };
        assert_eq!(verdict(&slow, true), None, "sent again once");
    }

    #[test]
    fn our_large_segments() {
        let lost = Seen {
            unacked_bytes: 1700,
            unacked: 2,
            retransmits: 4,
            ..QUIET
        };
        assert_eq!(verdict(&lost, true), Some(1448));
        assert_eq!(
            verdict(&lost, false),
            None,
            "the network may have gone since"
        );
        let passed = Seen { sacked: 1, ..lost };
        assert_eq!(
            verdict(&passed, false),
            Some(1448),
            "the small end came through"
        );
        let single = Seen {
            unacked_bytes: 900,
            unacked: 1,
            ..lost
        };
        assert_eq!(verdict(&single, true), Some(900));
    }

    #[test]
    fn small_segments_are_no_evidence() {
        let small = Seen {
            unacked_bytes: 517,
            unacked: 1,
            retransmits: 5,
            ..QUIET
        };
        assert_eq!(verdict(&small, true), None);
    }

    #[test]
    fn the_peers_large_segments() {
        let gap = Seen {
            held: 2304,
            ..QUIET
        };
        assert_eq!(verdict(&gap, false), Some(1460));
        let unread = Seen {
            readable: 700,
            ..gap
        };
        assert_eq!(
            verdict(&unread, false),
            None,
            "it came, and is not read yet"
        );
        let cured = Seen { advmss: 400, ..gap };
        assert_eq!(
            verdict(&cured, false),
            None,
            "no large segment was asked for"
        );
    }
}
