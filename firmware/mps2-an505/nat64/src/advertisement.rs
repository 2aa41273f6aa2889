//! What the network stack leaves out of a router advertisement: DNS servers (RFC 8106) and NAT64 prefixes (RFC 8781).
//!
//! It listens between the driver and the stack. Frames go in, each to the stack untouched; the latest that routers have
//! said comes out.

use core::{cell::Cell, net::Ipv6Addr, task::Context, time::Duration};

use critical_section::Mutex;
use embassy_net_driver::{Capabilities, Driver, HardwareAddress, LinkState, RxToken};
use towpath::proto::net::{Prefix, pref64};

/// Two servers, and a prefix with how long it is good for.
type Heard = ([Option<Ipv6Addr>; 2], Option<(Prefix, Duration)>);

/// The length of a header of IPv6.
const HEADER: usize = 40;

static HEARD: Mutex<Cell<Heard>> = Mutex::new(Cell::new(([None; 2], None)));

/// What routers have said last.
pub(crate) fn heard() -> Heard {
    critical_section::with(|section| HEARD.borrow(section).get())
}

/// A driver, whose frames are looked at.
pub(crate) struct Listening<D>(pub(crate) D);

impl<D: Driver> Driver for Listening<D> {
    type RxToken<'a>
        = Frame<D::RxToken<'a>>
    where
        Self: 'a;
    type TxToken<'a>
        = D::TxToken<'a>
    where
        Self: 'a;

    fn receive(
        &mut self,
        context: &mut Context<'_>,
    ) -> Option<(Self::RxToken<'_>, Self::TxToken<'_>)> {
        let (frame, room) = self.0.receive(context)?;
        Some((Frame(frame), room))
    }

    fn transmit(&mut self, context: &mut Context<'_>) -> Option<Self::TxToken<'_>> {
        self.0.transmit(context)
    }

    fn link_state(&mut self, context: &mut Context<'_>) -> LinkState {
        self.0.link_state(context)
    }

    fn capabilities(&self) -> Capabilities {
        self.0.capabilities()
    }

    fn hardware_address(&self) -> HardwareAddress {
        self.0.hardware_address()
    }
}

/// A frame that has come.
pub(crate) struct Frame<T>(T);

impl<T: RxToken> RxToken for Frame<T> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, take: F) -> R {
        self.0.consume(|frame| {
            if let Some(message) = advertisement(frame) {
                listen(message);
            }
            take(frame)
        })
    }
}

/// The ICMPv6 message of a router advertisement that comes from this very link (RFC 4861 section 6.1.2).
fn advertisement(frame: &[u8]) -> Option<&[u8]> {
    const ETHERNET: usize = 14;
    const ROUTER_ADVERTISEMENT: u8 = 134;
    let packet = frame.get(ETHERNET..)?;
    let (header, message) = packet.split_first_chunk::<HEADER>()?;
    // Version 6, ICMPv6 and nothing before it, hop limit 255, from a link-local address.
    let is_from_here = frame.get(12..ETHERNET)? == [0x86, 0xdd]
        && header[0] >> 4 == 6
        && header[6..8] == [58, 255]
        && header[8..10] == [0xfe, 0x80];
    let len = usize::from(u16::from_be_bytes([header[4], header[5]]));
    let message = message.get(..len)?;
    let is_advertisement = message.first() == Some(&ROUTER_ADVERTISEMENT);
    (is_from_here && is_advertisement && is_whole(header, message)).then_some(message)
}

/// Whether the checksum fits (RFC 4443 section 2.3).
fn is_whole(header: &[u8; HEADER], message: &[u8]) -> bool {
    let pseudo = header.get(8..).unwrap_or_default();
    let words = pseudo.chunks(2).chain(message.chunks(2)).map(|pair| {
        let at = |place| pair.get(place).copied().unwrap_or_default();
        u32::from(u16::from_be_bytes([at(0), at(1)]))
    });
    // At most 750 words of 16 bits.
    let sum = words.sum::<u32>() + u32::from(header[4]) * 256 + u32::from(header[5]) + 58;
    let folded = (sum & 0xffff) + (sum >> 16);
    (folded & 0xffff) + (folded >> 16) == 0xffff
}

fn listen(message: &[u8]) {
    let (mut servers, mut prefix) = heard();
    if let Some(found) = named(message) {
        servers = found;
    }
    prefix = pref64::prefixes(message).last().or(prefix);
    critical_section::with(|section| HEARD.borrow(section).set((servers, prefix)));
}

/// The first two servers of the first option that has any (RFC 8106 section 5.1).
fn named(message: &[u8]) -> Option<[Option<Ipv6Addr>; 2]> {
    const OPTIONS: usize = 16;
    const SERVERS: u8 = 25;
    let mut rest = message.get(OPTIONS..)?;
    loop {
        let [kind, units, ..] = *rest else {
            return None;
        };
        let len = usize::from(units).checked_mul(8).filter(|len| *len > 0)?;
        let (option, after) = rest.split_at_checked(len)?;
        rest = after;
        if kind != SERVERS {
            continue;
        }
        let lifetime = option.get(4..8)?;
        let mut addresses = option.get(8..)?.chunks_exact(16).map(|octets| {
            let octets: [u8; 16] = octets.try_into().unwrap_or_default();
            Ipv6Addr::from(octets)
        });
        let servers = [addresses.next(), addresses.next()];
        return Some(if lifetime == [0; 4] {
            [None; 2]
        } else {
            servers
        });
    }
}
