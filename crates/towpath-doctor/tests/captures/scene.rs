//! A network in which a device and a server talk: what they say becomes IP packets with times.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use etherparse::{PacketBuilder, PacketBuilderStep, TcpHeader, TcpOptionElement};

pub(crate) const MILLI: u64 = 1_000_000;

/// An IP packet and its time, nanoseconds since 1970.
pub(crate) type Packet = (u64, Vec<u8>);

#[derive(Clone, Copy)]
pub(crate) enum From {
    Client,
    Server,
}

/// One connection's addresses and numbers.
struct Connection {
    client: SocketAddr,
    server: SocketAddr,
    /// The next number of each side.
    next: [u32; 2],
}

/// What was recorded so far.
pub(crate) struct Scene {
    pub(crate) packets: Vec<Packet>,
    pub(crate) now: u64,
    v6: bool,
    port: u16,
    connections: Vec<Connection>,
    /// The connection that speaks.
    on: usize,
    pub(crate) device: IpAddr,
    pub(crate) host: IpAddr,
    pub(crate) resolver: IpAddr,
    mss: usize,
}

/// Flags and options of a segment.
type Shape = fn(PacketBuilderStep<TcpHeader>) -> PacketBuilderStep<TcpHeader>;

impl Scene {
    fn with(device: &str, host: &str, resolver: &str) -> Self {
        let address = |text: &str| text.parse().expect("an address");
        let device: IpAddr = address(device);
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        Self {
            packets: Vec::new(),
            now: now.expect("a clock").as_secs() * 1000 * MILLI,
            v6: device.is_ipv6(),
            port: 50_000,
            connections: Vec::new(),
            on: 0,
            device,
            host: address(host),
            resolver: address(resolver),
            mss: 1200,
        }
    }

    pub(crate) fn v4() -> Self {
        Self::with("192.0.2.10", "198.51.100.7", "192.0.2.1")
    }

    pub(crate) fn v6() -> Self {
        Self::with("2001:db8::10", "2001:db8:7::7", "2001:db8::1")
    }

    pub(crate) fn to(mut self, host: &str) -> Self {
        self.host = host.parse().expect("an address");
        self
    }

    pub(crate) fn wait(&mut self, millis: u64) -> &mut Self {
        self.now += millis * MILLI;
        self
    }

    fn push(&mut self, packet: Vec<u8>) {
        self.packets.push((self.now, packet));
        self.now += MILLI;
    }

    /// Another connection to this port begins to speak.
    pub(crate) fn connection(&mut self, port: u16) -> &mut Self {
        self.port += 1;
        self.connections.push(Connection {
            client: SocketAddr::new(self.device, self.port),
            server: SocketAddr::new(self.host, port),
            next: [1000, 5000],
        });
        self.on = self.connections.len() - 1;
        self
    }

    /// The connection with this number speaks again.
    pub(crate) fn on(&mut self, number: usize) -> &mut Self {
        self.on = number;
        self
    }

    fn segment(&mut self, from: From, sequence: u32, data: &[u8], shape: Shape) {
        let connection = &self.connections[self.on];
        let (source, target) = match from {
            From::Client => (connection.client, connection.server),
            From::Server => (connection.server, connection.client),
        };
        let builder = match (source.ip(), target.ip()) {
            (IpAddr::V4(from), IpAddr::V4(to)) => {
                PacketBuilder::ipv4(from.octets(), to.octets(), 64)
            }
            (IpAddr::V6(from), IpAddr::V6(to)) => {
                PacketBuilder::ipv6(from.octets(), to.octets(), 64)
            }
            _ => panic!("two families"),
        };
        let builder = shape(builder.tcp(source.port(), target.port(), sequence, 64_000));
        let mut packet = Vec::new();
        builder.write(&mut packet, data).expect("a packet");
        self.push(packet);
    }

    /// A segment in order, with an acknowledgement of all that came.
    fn speak(&mut self, from: From, data: &[u8], shape: Shape) {
        let [client, server] = self.connections[self.on].next;
        let (sequence, heard) = match from {
            From::Client => (client, server),
            From::Server => (server, client),
        };
        let connection = &self.connections[self.on];
        let (source, target) = match from {
            From::Client => (connection.client, connection.server),
            From::Server => (connection.server, connection.client),
        };
        let builder = match (source.ip(), target.ip()) {
            (IpAddr::V4(from), IpAddr::V4(to)) => {
                PacketBuilder::ipv4(from.octets(), to.octets(), 64)
            }
            (IpAddr::V6(from), IpAddr::V6(to)) => {
                PacketBuilder::ipv6(from.octets(), to.octets(), 64)
            }
            _ => panic!("two families"),
        };
        let builder = shape(
            builder
                .tcp(source.port(), target.port(), sequence, 64_000)
                .ack(heard),
        );
        let mut packet = Vec::new();
        builder.write(&mut packet, data).expect("a packet");
        self.push(packet);
        let next = match from {
            From::Client => &mut self.connections[self.on].next[0],
            From::Server => &mut self.connections[self.on].next[1],
        };
        *next = next.wrapping_add(data.len() as u32);
    }

    fn advance(&mut self, side: usize) {
        let next = &mut self.connections[self.on].next[side];
        *next = next.wrapping_add(1);
    }

    pub(crate) fn syn(&mut self) -> &mut Self {
        let sequence = self.connections[self.on].next[0];
        self.segment(From::Client, sequence, &[], |tcp| {
            tcp.syn()
                .options(&[TcpOptionElement::MaximumSegmentSize(1220)])
                .expect("room")
        });
        self
    }

    pub(crate) fn ecn_syn(&mut self) -> &mut Self {
        let sequence = self.connections[self.on].next[0];
        self.segment(From::Client, sequence, &[], |tcp| tcp.syn().ece().cwr());
        self
    }

    pub(crate) fn syn_ack(&mut self) -> &mut Self {
        self.advance(0);
        self.speak(From::Server, &[], PacketBuilderStep::syn);
        self.advance(1);
        self.speak(From::Client, &[], |tcp| tcp);
        self
    }

    /// The answer to a SYN of a closed port.
    pub(crate) fn refuse(&mut self) -> &mut Self {
        self.advance(0);
        self.speak(From::Server, &[], PacketBuilderStep::rst);
        self
    }

    /// A connection that stands.
    pub(crate) fn open(&mut self, port: u16) -> &mut Self {
        self.connection(port).syn().syn_ack()
    }

    pub(crate) fn say(&mut self, from: From, bytes: &[u8]) -> &mut Self {
        for part in bytes.chunks(self.mss) {
            self.speak(from, part, PacketBuilderStep::psh);
        }
        self
    }

    pub(crate) fn client(&mut self, bytes: &[u8]) -> &mut Self {
        self.say(From::Client, bytes)
    }

    pub(crate) fn server(&mut self, bytes: &[u8]) -> &mut Self {
        self.say(From::Server, bytes)
    }

    /// A segment that gets lost behind the place of the recording: it is seen, and not acknowledged.
    pub(crate) fn lost(&mut self, from: From, bytes: &[u8], times: u64) -> &mut Self {
        let [client, server] = self.connections[self.on].next;
        let sequence = match from {
            From::Client => client,
            From::Server => server,
        };
        for time in 0..times {
            self.segment(from, sequence, bytes, PacketBuilderStep::psh);
            self.wait(300 << time);
        }
        self
    }

    /// Bytes that never come by the place of the recording.
    pub(crate) fn unseen(&mut self, from: From, len: u32) -> &mut Self {
        let next = match from {
            From::Client => &mut self.connections[self.on].next[0],
            From::Server => &mut self.connections[self.on].next[1],
        };
        *next = next.wrapping_add(len);
        self
    }

    pub(crate) fn client_fin(&mut self) -> &mut Self {
        self.speak(From::Client, &[], PacketBuilderStep::fin);
        self.advance(0);
        self
    }

    pub(crate) fn server_fin(&mut self) -> &mut Self {
        self.speak(From::Server, &[], PacketBuilderStep::fin);
        self.advance(1);
        self
    }

    pub(crate) fn server_rst(&mut self) -> &mut Self {
        self.speak(From::Server, &[], PacketBuilderStep::rst);
        self
    }

    /// A router's complaint about the last packet.
    pub(crate) fn complain(&mut self, kind: u8, code: u8, value: u32) -> &mut Self {
        let quoted = self.packets.last().expect("a packet").1.clone();
        let quoted = &quoted[..quoted.len().min(200)];
        let mut packet = Vec::new();
        match (self.device, self.v6) {
            (IpAddr::V4(device), false) => {
                PacketBuilder::ipv4([203, 0, 113, 1], device.octets(), 64)
                    .icmpv4_raw(kind, code, value.to_be_bytes())
                    .write(&mut packet, quoted)
            }
            (IpAddr::V6(device), _) => {
                let router: Ipv6Addr = "2001:db8:1::1".parse().expect("an address");
                PacketBuilder::ipv6(router.octets(), device.octets(), 64)
                    .icmpv6_raw(kind, code, value.to_be_bytes())
                    .write(&mut packet, quoted)
            }
            _ => panic!("two families"),
        }
        .expect("a packet");
        self.push(packet);
        self
    }

    pub(crate) fn datagram(&mut self, from: SocketAddr, to: SocketAddr, data: &[u8]) -> &mut Self {
        let mut packet = Vec::new();
        let builder = match (from.ip(), to.ip()) {
            (IpAddr::V4(from), IpAddr::V4(to)) => {
                PacketBuilder::ipv4(from.octets(), to.octets(), 64)
            }
            (IpAddr::V6(from), IpAddr::V6(to)) => {
                PacketBuilder::ipv6(from.octets(), to.octets(), 64)
            }
            _ => panic!("two families"),
        };
        builder
            .udp(from.port(), to.port())
            .write(&mut packet, data)
            .expect("a packet");
        self.push(packet);
        self
    }

    /// A question for the addresses of hub.example.
    pub(crate) fn ask(&mut self, kind: u16) -> &mut Self {
        let device = SocketAddr::new(self.device, 40_000);
        let resolver = SocketAddr::new(self.resolver, 53);
        self.datagram(device, resolver, &question(kind, 0x0100, 0, &[]))
    }

    /// The answer, with this RCODE and these addresses.
    pub(crate) fn answer(&mut self, kind: u16, rcode: u16, addresses: &[IpAddr]) -> &mut Self {
        let device = SocketAddr::new(self.device, 40_000);
        let resolver = SocketAddr::new(self.resolver, 53);
        let records: Vec<_> = addresses
            .iter()
            .map(|address| record(kind, *address))
            .collect();
        let count = addresses.len() as u16;
        self.datagram(
            resolver,
            device,
            &question(kind, 0x8180 | rcode, count, &records.concat()),
        )
    }

    /// A router solicitation, and the advertisement with a resolver or a NAT64 prefix.
    pub(crate) fn advertise(&mut self, options: &[u8]) -> &mut Self {
        let device: Ipv6Addr = "fe80::10".parse().expect("an address");
        let router: Ipv6Addr = "fe80::1".parse().expect("an address");
        let mut packet = Vec::new();
        PacketBuilder::ipv6(
            device.octets(),
            Ipv6Addr::from_bits(0xff02 << 112 | 2).octets(),
            255,
        )
        .icmpv6_raw(133, 0, [0; 4])
        .write(&mut packet, &[])
        .expect("a packet");
        self.push(packet);
        let mut body = vec![0; 8];
        body.extend_from_slice(options);
        let mut packet = Vec::new();
        PacketBuilder::ipv6(
            router.octets(),
            Ipv6Addr::from_bits(0xff02 << 112 | 1).octets(),
            255,
        )
        .icmpv6_raw(134, 0, [64, 0, 7, 8])
        .write(&mut packet, &body)
        .expect("a packet");
        self.push(packet);
        self
    }

    /// Something that keeps the recording going: another device's mDNS.
    pub(crate) fn later(&mut self, millis: u64) -> &mut Self {
        self.wait(millis);
        if self.v6 {
            let other: Ipv6Addr = "2001:db8::99".parse().expect("an address");
            let all: Ipv6Addr = "ff02::fb".parse().expect("an address");
            self.datagram((other, 5353).into(), (all, 5353).into(), b"other")
        } else {
            let other = Ipv4Addr::new(192, 0, 2, 99);
            self.datagram(
                (other, 5353).into(),
                (Ipv4Addr::new(224, 0, 0, 251), 5353).into(),
                b"other",
            )
        }
    }
}

/// A message of DNS about hub.example.
fn question(kind: u16, flags: u16, answers: u16, records: &[u8]) -> Vec<u8> {
    let mut message = Vec::new();
    for word in [0x1234, flags, 1, answers, 0, 0] {
        message.extend_from_slice(&word.to_be_bytes());
    }
    message.extend_from_slice(b"\x03hub\x07example\x00");
    message.extend_from_slice(&kind.to_be_bytes());
    message.extend_from_slice(&[0, 1]);
    message.extend_from_slice(records);
    message
}

fn record(kind: u16, address: IpAddr) -> Vec<u8> {
    let mut record = vec![0xc0, 12];
    record.extend_from_slice(&kind.to_be_bytes());
    record.extend_from_slice(&[0, 1, 0, 0, 0, 60]);
    let data = match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    };
    record.extend_from_slice(&(data.len() as u16).to_be_bytes());
    record.extend_from_slice(&data);
    record
}

/// The option that announces a resolver.
pub(crate) fn rdnss(resolver: &str) -> Vec<u8> {
    let mut option = vec![25, 3, 0, 0, 0, 0, 7, 8];
    let resolver: Ipv6Addr = resolver.parse().expect("an address");
    option.extend_from_slice(&resolver.octets());
    option
}

/// The option that announces a NAT64 prefix of 96 bits.
pub(crate) fn pref64(prefix: &str) -> Vec<u8> {
    let prefix: Ipv6Addr = prefix.parse().expect("an address");
    let mut option = vec![38, 2, 0x07, 0x08];
    option.extend_from_slice(&prefix.octets()[..12]);
    option
}
