//! Numbers and addresses as text, as `Display` writes them. By hand, because `core::fmt` takes 2.6 KB of a device's flash,
//! and nothing else of this crate needs it there. What does not fit the text is cut.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::text::Text;

type Line = Text<56>;

/// A number in base 10 or 16, without zeros in front.
pub(super) fn number(line: &mut Line, number: u32, base: u32) {
    let mut digits = [0; 10];
    let (mut left, mut len) = (number, 0);
    for place in digits.iter_mut().rev() {
        let digit = (left % base) as u8;
        *place = digit + if digit < 10 { b'0' } else { b'a' - 10 };
        left /= base;
        len += 1;
        if left == 0 {
            break;
        }
    }
    line.append(digits.get(digits.len() - len..).unwrap_or_default());
}

/// An address.
pub(super) fn address(line: &mut Line, ip: IpAddr) {
    match ip {
        IpAddr::V4(ip) => v4(line, ip),
        IpAddr::V6(ip) => v6(line, ip),
    }
}

/// An address and a port, and in between the zone of an address of IPv6 that has one.
pub(super) fn socket(line: &mut Line, socket: SocketAddr) {
    match socket {
        SocketAddr::V4(socket) => v4(line, *socket.ip()),
        SocketAddr::V6(socket) => {
            line.append(b"[");
            v6(line, *socket.ip());
            if socket.scope_id() != 0 {
                line.append(b"%");
                number(line, socket.scope_id(), 10);
            }
            line.append(b"]");
        }
    }
    line.append(b":");
    number(line, socket.port().into(), 10);
}

fn v4(line: &mut Line, ip: Ipv4Addr) {
    let mut before: &[u8] = b"";
    for octet in ip.octets() {
        line.append(before);
        number(line, octet.into(), 10);
        before = b".";
    }
}

/// RFC 5952: the longest run of zeros is left out, the first of several, and none that is one group.
fn v6(line: &mut Line, ip: Ipv6Addr) {
    if let Some(ip) = ip.to_ipv4_mapped() {
        line.append(b"::ffff:");
        return v4(line, ip);
    }
    let (mut from, mut longest, mut run) = (0, 1, 0);
    let groups = ip.segments();
    for (place, group) in (1..).zip(&groups) {
        run = if *group == 0 { run + 1 } else { 0 };
        if run > longest {
            (from, longest) = (place - run, run);
        }
    }
    let left_out = if longest > 1 {
        from..from + longest
    } else {
        0..0
    };
    for (place, group) in (0..).zip(&groups) {
        if left_out.contains(&place) {
            if place == left_out.start {
                line.append(b"::");
            }
            continue;
        }
        if place > 0 && place != left_out.end {
            line.append(b":");
        }
        number(line, (*group).into(), 16);
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use core::net::SocketAddrV6;
    use std::string::ToString;

    use proptest::prelude::*;

    use super::*;

    fn said(write: impl FnOnce(&mut Line)) -> std::string::String {
        let mut line = Line::EMPTY;
        write(&mut line);
        line.as_str().to_string()
    }

    /// Addresses with many zeros.
    fn any_v6() -> impl Strategy<Value = Ipv6Addr> {
        let group = prop_oneof![Just(0), Just(0xffff), any::<u16>(), 0..0x20_u16];
        proptest::array::uniform8(group).prop_map(|groups| groups.into())
    }

    #[test]
    fn addresses_by_hand() {
        for ip in [
            "::",
            "::1",
            "1::",
            "fd64::c633:640a",
            "1:0:2::",
            "1:0:2:3:4:5:6:7",
            "::ffff:192.0.2.1",
            "0:0:1::2:0:0",
        ] {
            let ip: Ipv6Addr = ip.parse().unwrap();
            assert_eq!(said(|line| v6(line, ip)), ip.to_string());
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]
        #[test]
        fn all_is_written_as_display_does(v6 in any_v6(), v4: Ipv4Addr, port: u16, scope in prop_oneof![Just(0), any::<u32>()]) {
            for ip in [IpAddr::V6(v6), IpAddr::V4(v4), IpAddr::V6(v4.to_ipv6_mapped())] {
                prop_assert_eq!(said(|line| address(line, ip)), ip.to_string());
                let here = SocketAddr::new(ip, port);
                prop_assert_eq!(said(|line| socket(line, here)), here.to_string());
            }
            let zoned = SocketAddr::V6(SocketAddrV6::new(v6, port, 0, scope));
            let mut theirs = zoned.to_string();
            theirs.truncate(56);
            prop_assert_eq!(said(|line| socket(line, zoned)), theirs);
            prop_assert_eq!(said(|line| number(line, scope, 10)), scope.to_string());
        }
    }
}
