//! The way up: from the outbox to the broker, one attempt after the other.

use core::{
    convert::Infallible,
    net::{IpAddr, SocketAddr},
    ops::Range,
};

use embassy_futures::{
    join::join,
    select::{Either, select},
};
use embassy_net::{
    Stack,
    tcp::TcpSocket,
    udp::{PacketMetadata, UdpSocket},
};
use embassy_time::Timer as Delay;
use embedded_storage_async::nor_flash::MultiwriteNorFlash;
use towpath::{
    Backoff, Code, Fault, Outgoing, QoS, Reconnect, Rung, TopicName, Version,
    embedded::{
        Connection, Error, Network, Security, Timer, dial,
        embassy::{self, Tcp, Udp},
        embedded_io_async,
    },
    proto::{
        Buffers, Client, Event, Instant, Random, Trace, Upgrade,
        client::Start,
        event::Outcome,
        mqtt::packet::{Connect, PacketId},
        net::{Dialer, Prefix, PrefixOrigin, dialer},
    },
};

use crate::{Measurement, RECORD, Settings, Unusable, outbox::Shared, time};

/// Embassy's clock, which writes down what it is told of the climb.
#[derive(Debug, Clone, Copy)]
struct Clock;

impl Timer for Clock {
    fn now(&self) -> Instant {
        embassy::Clock.now()
    }

    async fn sleep_until(&self, at: Instant) {
        embassy::Clock.sleep_until(at).await;
    }

    fn trace(&self, trace: Trace) {
        defmt::info!("{}", trace);
    }
}

/// What a board has.
pub struct Device<'d, F> {
    /// The network.
    pub stack: Stack<'d>,
    /// The page of settings.
    pub settings: Settings<'d>,
    /// The flash with the outbox.
    pub flash: &'d mut F,
    /// Where the outbox is in it: four pages at least.
    pub region: Range<u32>,
    /// Fills the bytes with random numbers that nobody can predict, and says whether it could.
    pub random: fn(&mut [u8]) -> bool,
    /// The NAT64 prefix that the network below IP told, as Thread's network data do.
    pub nat64: &'d dyn Fn() -> Option<Prefix>,
    /// The time between two connection attempts; a handshake over Thread's radio takes longer than over Ethernet.
    pub attempt_delay: core::time::Duration,
}

/// The buffers, which are too large for a stack.
pub struct Memory {
    tcp: [[u8; TCP]; 4],
    udp: [[u8; 1024]; 2],
    rx: [u8; 2048],
    tx: [u8; 2048],
    store: [u8; 1024],
    record: [u8; RECORD],
    #[cfg(feature = "tls")]
    tls: [[u8; 2048]; 2],
}

/// One direction of a TCP socket, bytes.
const TCP: usize = 2048;

impl Memory {
    /// All zero.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            tcp: [[0; TCP]; 4],
            udp: [[0; 1024]; 2],
            rx: [0; 2048],
            tx: [0; 2048],
            store: [0; 1024],
            record: [0; RECORD],
            #[cfg(feature = "tls")]
            tls: [[0; 2048]; 2],
        }
    }
}

impl Default for Memory {
    fn default() -> Self {
        Self::new()
    }
}

/// Why a device can't begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, defmt::Format)]
pub enum Unfit {
    /// This setting is missing or wrong.
    Setting(&'static str),
    /// TLS can't be had with these settings.
    Tls(Fault),
    /// The outbox can't be opened; why was said before.
    Outbox,
}

impl From<Unusable> for Unfit {
    fn from(setting: Unusable) -> Self {
        Self::Setting(setting.0)
    }
}

/// Measures and sends for ever; comes back only if it can't begin.
pub async fn run<F: MultiwriteNorFlash>(
    device: Device<'_, F>,
    memory: &mut Memory,
    measure: impl AsyncFnMut() -> Measurement,
) -> Unfit {
    match begin(device, memory, measure).await {
        Ok(never) => match never {},
        Err(why) => why,
    }
}

async fn begin<F: MultiwriteNorFlash>(
    device: Device<'_, F>,
    memory: &mut Memory,
    measure: impl AsyncFnMut() -> Measurement,
) -> Result<Infallible, Unfit> {
    let plan = Plan::read(&device.settings)?;
    let interval = device.settings.interval()?;
    let [tcp0_rx, tcp0_tx, tcp1_rx, tcp1_tx] = &mut memory.tcp;
    let mut tcp = [
        Tcp(TcpSocket::new(device.stack, tcp0_rx, tcp0_tx)),
        Tcp(TcpSocket::new(device.stack, tcp1_rx, tcp1_tx)),
    ];
    let (mut rx_meta, mut tx_meta) = ([PacketMetadata::EMPTY; 4], [PacketMetadata::EMPTY; 4]);
    let [udp_rx, udp_tx] = &mut memory.udp;
    let udp = UdpSocket::new(device.stack, &mut rx_meta, udp_rx, &mut tx_meta, udp_tx);
    let buffers = Buffers {
        rx: &mut memory.rx[..],
        tx: &mut memory.tx[..],
        store: &mut memory.store[..],
        aliases: &mut [][..],
    };
    let mut client = Client::new(buffers, random_of(device.random));
    client.trace(true);
    let mut dialer = Dialer::new(dialer::Settings {
        attempt_delay: device.attempt_delay,
        ..dialer::Settings::default()
    });
    dialer.trace(true);
    let mut uplink = Uplink {
        plan,
        #[cfg(feature = "tls")]
        tls: tls::Tls::new(&plan, &device.settings, device.random, &mut memory.tls)?,
        stack: device.stack,
        settings: device.settings,
        nat64: device.nat64,
        random: device.random,
        udp: Udp(udp),
        dialer,
        sent: None,
    };
    let shared = Shared::open(device.flash, device.region, &mut memory.record).await;
    let shared = shared.map_err(|why| {
        defmt::error!("outbox: {}", defmt::Display2Format(&why));
        Unfit::Outbox
    })?;
    let filled = shared.fill(interval, measure);
    let (never, _) = join(filled, uplink.climb(&mut client, &mut tcp, &shared)).await;
    Ok(never)
}

/// Where to, as the settings say.
#[derive(Clone, Copy)]
struct Plan<'d> {
    host: &'d str,
    port: u16,
    #[cfg_attr(not(feature = "tls"), expect(dead_code, reason = "never set then"))]
    tls: bool,
    websocket: bool,
    path: &'d str,
    topic: TopicName<'d>,
    connect: Connect<'d>,
}

impl<'d> Plan<'d> {
    fn read(settings: &Settings<'d>) -> Result<Self, Unusable> {
        let scheme = settings.scheme()?;
        if scheme.tls && !cfg!(feature = "tls") {
            return Err(Unusable("scheme"));
        }
        let client_id = settings.text("client-id").unwrap_or_default();
        let topic = settings.text("topic").unwrap_or("telemetry");
        Ok(Self {
            host: settings.host()?,
            port: settings.port()?,
            tls: scheme.tls,
            websocket: scheme.websocket,
            path: settings.path(),
            topic: TopicName::new(topic).map_err(|_| Unusable("topic"))?,
            connect: Connect {
                version: match settings.text("version").unwrap_or("5") {
                    "5" => Version::V5,
                    "3.1.1" => Version::V311,
                    _ => return Err(Unusable("version")),
                },
                clean_start: client_id.is_empty(),
                client_id,
                user_name: settings.text("user"),
                password: settings.text("password").map(str::as_bytes),
                ..Connect::default()
            },
        })
    }

    fn start(&self) -> Start<'d> {
        let mut start = Start::new(self.connect);
        start.upgrade = self.websocket.then_some(Upgrade {
            host: self.host,
            target: self.path,
            subprotocols: "mqtt",
            headers: &[],
        });
        start
    }
}

/// All that lives longer than an attempt.
struct Uplink<'d, 'm> {
    plan: Plan<'d>,
    #[cfg(feature = "tls")]
    tls: Option<tls::Tls<'d, 'm>>,
    stack: Stack<'d>,
    settings: Settings<'d>,
    nat64: &'d dyn Fn() -> Option<Prefix>,
    random: fn(&mut [u8]) -> bool,
    udp: Udp<'m>,
    dialer: Dialer,
    /// What the broker has to acknowledge, and its number in the outbox.
    sent: Option<(PacketId, u64)>,
}

type Mqtt<'m, R> = Client<&'m mut [u8], R>;

impl<'d> Uplink<'d, '_> {
    async fn climb<F: MultiwriteNorFlash, R: Random>(
        &mut self,
        client: &mut Mqtt<'_, R>,
        tcp: &mut [Tcp<'_>; 2],
        shared: &Shared<'_, F>,
    ) -> Infallible {
        let mut backoff = Backoff::new();
        loop {
            self.stack.wait_config_up().await;
            #[cfg(feature = "tls")]
            if self.plan.tls && time::unix().is_none() {
                let server = self.settings.text("ntp").unwrap_or("pool.ntp.org");
                time::learn(self.stack, server).await;
            }
            let since = Clock.now();
            match self.attempt(client, tcp, shared).await {
                Error::Path(fault) => defmt::error!("{}", fault),
                Error::Refused(refusal) => defmt::error!("{}", refusal),
            }
            let held = Clock.now().since(since);
            let pause = backoff.pause(Reconnect::default(), held, client.random());
            let pause = pause.map_or(u64::MAX, |pause| {
                pause.as_millis().try_into().unwrap_or(u64::MAX)
            });
            defmt::info!("next attempt in {=u64} ms", pause);
            Delay::after_millis(pause).await;
        }
    }

    /// Tells the dialer what the network knows by now.
    fn look_around(&mut self) -> heapless::Vec<IpAddr, 3> {
        let (mut own, mut servers) = (heapless::Vec::new(), heapless::Vec::<SocketAddr, 4>::new());
        // More than have room are left out: they come last.
        let mut add = |address: IpAddr| {
            let _ = servers.push(SocketAddr::new(address, 53));
        };
        self.settings.dns().for_each(&mut add);
        #[cfg(feature = "ipv4")]
        if let Some(config) = self.stack.config_v4() {
            let _ = own.push(config.address.address().into());
            config
                .dns_servers
                .iter()
                .for_each(|server| add((*server).into()));
        }
        if let Some(config) = self.stack.config_v6() {
            let _ = own.push(config.address.address().into());
            config
                .dns_servers
                .iter()
                .for_each(|server| add((*server).into()));
        }
        let settings = self.dialer.settings_mut();
        *settings = settings.clone().servers(&servers);
        if let Some(prefix) = (self.nat64)() {
            // It is asked for again with each attempt.
            let (origin, lifetime) = (
                PrefixOrigin::ThreadNetworkData,
                core::time::Duration::from_secs(600),
            );
            self.dialer.learned(Clock.now(), prefix, origin, lifetime);
        }
        own
    }

    /// One attempt, to its end.
    async fn attempt<F: MultiwriteNorFlash, R: Random>(
        &mut self,
        client: &mut Mqtt<'_, R>,
        tcp: &mut [Tcp<'_>; 2],
        shared: &Shared<'_, F>,
    ) -> Error {
        let own = self.look_around();
        let network = Network {
            tcp,
            udp: &mut self.udp,
            own: &own,
            buffer: client.rx_space(),
        };
        let mut random = random_of(self.random);
        let Plan { host, port, .. } = self.plan;
        let won = dial(&mut self.dialer, network, &Clock, &mut random, host, port).await;
        let (reader, writer) = match won {
            Ok(socket) => socket.0.split(),
            Err(fault) => return Error::Path(fault),
        };
        let start = self.plan.start();
        #[cfg(feature = "tls")]
        if let Some(tls) = &mut self.tls {
            let layer = match tls.layer() {
                Ok(layer) => layer,
                Err(fault) => return Error::Path(fault),
            };
            let opened = Connection::open_secured(client, layer, reader, writer, Clock, &start);
            return match opened.await {
                Ok(connection) => serve(connection, &mut self.sent, self.plan.topic, shared).await,
                Err(error) => error,
            };
        }
        match Connection::open(client, reader, writer, Clock, &start).await {
            Ok(connection) => serve(connection, &mut self.sent, self.plan.topic, shared).await,
            Err(error) => error,
        }
    }
}

/// Sends what is in the outbox, one message after the other, until the connection breaks.
async fn serve<F, R, I, O, S>(
    mut connection: Connection<'_, &mut [u8], R, I, O, Clock, S>,
    sent: &mut Option<(PacketId, u64)>,
    topic: TopicName<'_>,
    shared: &Shared<'_, F>,
) -> Error
where
    F: MultiwriteNorFlash,
    R: Random,
    I: embedded_io_async::Read,
    O: embedded_io_async::Write,
    S: Security,
{
    loop {
        if sent.is_none() {
            let mut outbox = shared.outbox.lock().await;
            match outbox.next_after(None, time::unix()).await {
                Ok(Some(stored)) => {
                    let message = Outgoing::new(topic, stored.body, QoS::AtLeastOnce);
                    match connection.publish(&message) {
                        Ok(packet) => *sent = packet.map(|packet| (packet, stored.sequence)),
                        Err(refusal) => return Error::Refused(refusal),
                    }
                }
                Ok(None) => {}
                Err(why) => defmt::error!("outbox: {}", defmt::Display2Format(&why)),
            }
        }
        match select(connection.next(), shared.news.wait()).await {
            Either::First(Event::Settled { packet_id, outcome }) => {
                let Some((_, sequence)) = sent.take_if(|(packet, _)| *packet == packet_id) else {
                    continue;
                };
                if let Outcome::Acknowledged(_) = outcome {
                    defmt::info!("mqtt: the broker has {=u64}", sequence);
                } else {
                    // It would be refused again, and hold up those behind it.
                    defmt::error!("mqtt: {=u64} was refused and is dropped", sequence);
                }
                if let Err(why) = shared.outbox.lock().await.remove(sequence).await {
                    defmt::error!("outbox: {}", defmt::Display2Format(&why));
                }
            }
            Either::First(Event::Connected(connected)) => {
                defmt::info!(
                    "mqtt: connected, session present: {=bool}",
                    connected.session_present
                );
            }
            Either::First(Event::Failed(fault)) => return Error::Path(fault),
            Either::First(Event::Disconnected) => {
                return Error::Path(Fault::new(Rung::Mqtt, Code::Closed));
            }
            Either::First(_) | Either::Second(()) => {}
        }
    }
}

/// Random numbers for keys, masks and pauses.
fn random_of(fill: fn(&mut [u8]) -> bool) -> impl Random {
    move || {
        let mut bytes = [0; 4];
        // Without them nobody gets through TLS; without TLS nothing of them is a secret.
        let _ = fill(&mut bytes);
        u32::from_ne_bytes(bytes)
    }
}

#[cfg(feature = "tls")]
mod tls {
    //! TLS as the settings want it.

    use towpath::proto::tls::{Clock, Identity, Layer, Profile, Renegotiation, Roots};
    use towpath_tls_mbed::{Connection, Context, capabilities, set_random};

    use super::{Fault, Plan, Settings, Unfit, time};

    /// What all connections share.
    pub(super) struct Tls<'d, 'm> {
        context: Context,
        profile: Profile<'d>,
        buffers: &'m mut [[u8; 2048]; 2],
    }

    impl<'d, 'm> Tls<'d, 'm> {
        /// Reads certificates and the key once; `None` if the scheme has no TLS.
        pub(super) fn new(
            plan: &Plan<'d>,
            settings: &Settings<'d>,
            random: fn(&mut [u8]) -> bool,
            buffers: &'m mut [[u8; 2048]; 2],
        ) -> Result<Option<Self>, Unfit> {
            if !plan.tls {
                return Ok(None);
            }
            set_random(random);
            let roots = settings.section("roots").ok_or(Unfit::Setting("[roots]"))?;
            let identity = match (settings.section("chain"), settings.section("key")) {
                (Some(chain), Some(key)) => Some(Identity {
                    chain,
                    key,
                    password: None,
                }),
                (None, None) => None,
                (None, _) => return Err(Unfit::Setting("[chain]")),
                (_, None) => return Err(Unfit::Setting("[key]")),
            };
            let small = capabilities().record_buffer < 16_384;
            let profile = Profile {
                identity,
                server: plan.host,
                max_fragment: small.then_some(4096),
                renegotiation: match plan.websocket {
                    true => Renegotiation::OnceUntilConnack,
                    false => Renegotiation::Never,
                },
                clock: Clock::Given(time::unix),
                ..Profile::default()
            };
            // They are in the context then, and nowhere else.
            let whole = Profile {
                roots: Roots::Given(&[roots]),
                ..profile
            };
            let context = Context::new(&whole).map_err(Unfit::Tls)?;
            Ok(Some(Self {
                context,
                profile,
                buffers,
            }))
        }

        /// For one connection.
        pub(super) fn layer(&mut self) -> Result<Layer<Connection<&mut [u8]>>, Fault> {
            let [rx, tx] = &mut *self.buffers;
            let connection = self.context.connect(&mut rx[..], &mut tx[..], None)?;
            Ok(Layer::new(connection, &self.profile))
        }
    }
}
