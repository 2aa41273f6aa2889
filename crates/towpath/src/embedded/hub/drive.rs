//! The life of a device: between attempts, and each attempt up to a connection, which `serve.rs` goes on with.

use core::{fmt::Write as _, time::Duration};

use embassy_futures::select::{Either, select};
use towpath_azure::{
    self as azure, Assignment, Attempt, Device, Now, SCRATCH, Settings, Step, Stop, Target,
    Transport, Waiting,
};
use towpath_proto::{
    Buffers, Client, Code, Event as Below, Fault, Instant, Random, Ready, Rung, client::Start,
    event::Outcome, mqtt::session::Refusal, path::Upgrade, text::Text,
};

use super::{
    super::{connection::Connection, stream::sleep},
    Access, Clock, Commands, Event, Opened, Outbox, To,
};

/// Memory of a host header: a name and a port.
const ORIGIN: usize = 160;

/// A device of IoT Hub over the caller's memory. `WINDOW` messages may be under way at a time.
#[derive(Debug)]
pub struct Hub<'m, 's, R, const WINDOW: usize = 8> {
    device: Device<'s, WINDOW>,
    client: Client<&'m mut [u8], R>,
    state: State<R>,
}

/// What is known beside the algorithm and the session.
#[derive(Debug)]
pub(super) struct State<R> {
    pub(super) random: R,
    pub(super) scratch: [u8; SCRATCH],
    patience: Duration,
    trace: bool,
    /// There is a connection, or the way to one.
    under_way: bool,
    /// The last message that was handed to the connection.
    pub(super) cursor: Option<u64>,
    /// The outbox may have more.
    pub(super) look: bool,
    /// A message that is to be removed from the outbox, and how it ended.
    pub(super) settling: Option<(u64, Outcome)>,
    clock_told: bool,
    pub(super) outbox_told: bool,
    /// Nothing follows.
    over: Option<Stop>,
}

impl<'m, 's, R: Random + Clone, const WINDOW: usize> Hub<'m, 's, R, WINDOW> {
    /// A device that begins with [`run`](Self::run). `kept` is the assignment of the last run, if it was kept.
    ///
    /// Of `buffers` the first holds what is received: the twin has to fit, and while the provisioning service is asked
    /// all of that dialogue, 4,096 bytes. The second holds CONNECT with its token, 2,048 bytes; the third the messages
    /// under way; the last may be empty. `random` is a handle to one generator for keys and masks.
    #[must_use]
    pub fn new(
        settings: Settings<'s>,
        kept: Option<(Assignment, Option<Transport>)>,
        buffers: Buffers<&'m mut [u8]>,
        random: R,
    ) -> Self {
        let (assignment, transport) = kept.unzip();
        Self {
            device: Device::new(settings, assignment, transport.flatten()),
            client: Client::new(buffers, random.clone()),
            state: State {
                random,
                scratch: [0; SCRATCH],
                patience: Duration::from_secs(20),
                trace: false,
                under_way: false,
                cursor: None,
                look: true,
                settling: None,
                clock_told: false,
                outbox_told: false,
                over: None,
            },
        }
    }

    /// How long each rung may take; 20 s by default.
    pub const fn patience(&mut self, patience: Duration) {
        self.state.patience = patience;
    }

    /// Whether the facts of each climb are told to the clock's [`trace`](super::super::Timer::trace).
    pub const fn trace(&mut self, on: bool) {
        self.state.trace = on;
        self.client.trace(on);
    }

    /// The hub and the device's identifier there, as far as they are known.
    #[must_use]
    pub const fn assignment(&self) -> Option<&Assignment> {
        self.device.assignment()
    }

    /// Runs the device until it stops. `told` hears what happens, and may call [`Commands`].
    ///
    /// The future may be dropped at any await point, and another one go on.
    pub async fn run<A, C, O, const REPORT: usize, const ANSWER: usize>(
        &mut self,
        access: &mut A,
        clock: &C,
        commands: &Commands<O, REPORT, ANSWER>,
        told: impl FnMut(Event<'_>),
    ) -> Stop
    where
        A: Access,
        C: Clock,
        O: Outbox,
    {
        let mut around = Around {
            device: &mut self.device,
            state: &mut self.state,
            clock,
            commands,
            told,
        };
        around.resume();
        let stop = loop {
            let (target, fresh) = match around.rest(&mut self.client).await {
                Ok(climb) => climb,
                Err(stop) => break stop,
            };
            if target == Target::Hub && fresh {
                self.client.forget();
                around.state.cursor = None;
            }
            let end = around.attempt(access, &mut self.client, target).await;
            around.ended(end);
            access.close().await;
        };
        commands.stopped();
        stop
    }
}

/// How an attempt or a connection ended.
pub(super) enum End {
    Failed(Fault),
    /// As it was meant to.
    Closed,
}

/// What the algorithm wants next.
pub(super) enum Turn {
    Climb(Target, bool),
    Abandon,
    Wait(Option<Instant>),
    Stopped(Stop),
}

/// Everything but the session.
pub(super) struct Around<
    'r,
    's,
    C,
    O,
    T,
    R,
    const WINDOW: usize,
    const REPORT: usize,
    const ANSWER: usize,
> {
    pub(super) device: &'r mut Device<'s, WINDOW>,
    pub(super) state: &'r mut State<R>,
    pub(super) clock: &'r C,
    pub(super) commands: &'r Commands<O, REPORT, ANSWER>,
    pub(super) told: T,
}

impl<C, O, T, R, const WINDOW: usize, const REPORT: usize, const ANSWER: usize>
    Around<'_, '_, C, O, T, R, WINDOW, REPORT, ANSWER>
where
    C: Clock,
    O: Outbox,
    T: FnMut(Event<'_>),
    R: Random + Clone,
{
    pub(super) fn now(&self) -> Now {
        let unix = self.clock.unix().unwrap_or_default();
        Now::new(self.clock.now(), unix)
    }

    /// Lets go of the connection that a dropped run had.
    fn resume(&mut self) {
        if !core::mem::take(&mut self.state.under_way) {
            return;
        }
        self.commands.forget_answers();
        let now = self.now();
        if self.device.target() == Target::Dps {
            let closed = Fault::new(Rung::Mqtt, Code::Closed);
            return self.ended(End::Failed(closed));
        }
        // Not a failure, so there is no pause after it.
        self.device.reconnect(now);
        self.ended(End::Closed);
    }

    /// Between attempts, up to the next one or the end.
    async fn rest(&mut self, client: &mut Client<&mut [u8], R>) -> Result<(Target, bool), Stop> {
        self.drain(client).await;
        loop {
            match self.turn(client).await {
                Turn::Climb(target, fresh) => return Ok((target, fresh)),
                Turn::Abandon => self.ended(End::Closed),
                Turn::Stopped(stop) => return Err(stop),
                Turn::Wait(until) => {
                    select(sleep(self.clock, until), self.commands.changed()).await;
                }
            }
        }
    }

    /// What the session had to say when its connection ended.
    async fn drain(&mut self, client: &mut Client<&mut [u8], R>) {
        self.settle().await;
        loop {
            match client.poll(self.clock.now()) {
                Ready::Event => {}
                Ready::Trace(trace) => {
                    self.clock.trace(trace);
                    continue;
                }
                _ => return,
            }
            if let Some(Below::Settled { packet_id, outcome }) = client.take_event() {
                self.settled(packet_id, outcome);
                self.settle().await;
            }
        }
    }

    /// Does what is due without waiting for the network.
    pub(super) async fn turn(&mut self, line: &mut Client<&mut [u8], R>) -> Turn {
        loop {
            self.settle().await;
            self.obey();
            if let Some(stop) = self.state.over {
                return Turn::Stopped(stop);
            }
            let now = self.now();
            let State {
                random, scratch, ..
            } = &mut *self.state;
            match self.device.poll(now, line, random, scratch) {
                Step::Climb { target, fresh } => return Turn::Climb(target, fresh),
                Step::Event(event) => self.tell(event),
                Step::Expired(sequence) => {
                    self.state.settling = Some((sequence, Outcome::Expired));
                }
                Step::Abandon => return Turn::Abandon,
                Step::Wait { until, reason } => {
                    if reason == Waiting::Clock
                        && !core::mem::replace(&mut self.state.clock_told, true)
                    {
                        (self.told)(Event::ClockUnset);
                    }
                    return Turn::Wait(until);
                }
            }
        }
    }

    /// Does what was asked for.
    fn obey(&mut self) {
        let asked = self.commands.take_asked();
        let now = self.now();
        if asked.twin {
            self.device.request_twin();
        }
        if asked.reconnect {
            self.device.reconnect(now);
        }
        if asked.stop && self.device.leave_for_good(now) {
            self.tell(azure::Event::Stopped(Stop::Asked));
        }
    }

    pub(super) fn tell(&mut self, event: azure::Event<'_>) {
        match &event {
            azure::Event::Reported(reported) => return self.commands.answered(reported),
            azure::Event::Connected { .. } => self.state.clock_told = false,
            azure::Event::Stopped(stop) => self.state.over = Some(*stop),
            _ => {}
        }
        (self.told)(Event::Device(event));
    }

    /// The attempt or the connection is over.
    fn ended(&mut self, end: End) {
        self.state.under_way = false;
        self.state.look = true;
        if self.device.target() == Target::Hub {
            self.commands.forget_answers();
        }
        let now = self.now();
        let event = match end {
            End::Failed(fault) => self.device.failed(now, fault, &mut self.state.random),
            End::Closed => self.device.closed(now),
        };
        if let Some(event) = event {
            self.tell(event);
        }
    }

    async fn attempt<A: Access>(
        &mut self,
        access: &mut A,
        client: &mut Client<&mut [u8], R>,
        target: Target,
    ) -> End {
        self.state.under_way = true;
        let now = self.now();
        let State {
            random,
            scratch,
            patience,
            trace,
            ..
        } = &mut *self.state;
        let attempt = match self.device.attempt(now, random, scratch) {
            Ok(attempt) => attempt,
            Err(fault) => return End::Failed(fault),
        };
        (self.told)(Event::Climbing {
            target,
            host: attempt.host,
            port: attempt.port,
            transport: attempt.transport,
        });
        let to = To {
            host: attempt.host,
            port: attempt.port,
            shows_certificate: attempt.shows_certificate,
        };
        let opened = match select(access.open(&to), self.commands.stopping()).await {
            Either::First(Ok(opened)) => opened,
            Either::First(Err(fault)) => return End::Failed(fault),
            Either::Second(()) => {
                self.obey();
                return End::Closed;
            }
        };
        let Opened {
            reader,
            writer,
            tls,
        } = opened;
        let mut origin = Text::EMPTY;
        let start = start(&attempt, &mut origin, *patience);
        if target == Target::Hub {
            let begun = Connection::begin(client, tls, reader, writer, self.clock, &start);
            return match begun {
                Ok(connection) => self.serve(connection).await,
                Err(refusal) => End::Failed(unsayable(refusal)),
            };
        }
        // The hub's room for received bytes lies idle while the service is asked.
        let buffers = divide(client.rx_space());
        let mut line = Client::new(buffers, random.clone());
        line.trace(*trace);
        let begun = Connection::begin(&mut line, tls, reader, writer, self.clock, &start);
        match begun {
            Ok(connection) => self.serve(connection).await,
            Err(refusal) => End::Failed(unsayable(refusal)),
        }
    }
}

/// A half of it for what is received, three eighths for what is sent, the rest for what is owed.
fn divide(room: &mut [u8]) -> Buffers<&mut [u8]> {
    let len = room.len();
    let (rx, rest) = room.split_at_mut_checked(len / 2).unwrap_or_default();
    let (tx, store) = rest.split_at_mut_checked(len / 8 * 3).unwrap_or_default();
    Buffers {
        rx,
        tx,
        store,
        aliases: &mut [],
    }
}

/// How a connection begins for this attempt.
fn start<'a>(attempt: &Attempt<'a>, origin: &'a mut Text<ORIGIN>, patience: Duration) -> Start<'a> {
    let mut start = Start::new(attempt.connect());
    start.patience = patience;
    start.pipeline = attempt.pipeline;
    if attempt.transport == Transport::Wss {
        // Names are shorter than the memory.
        let _ = match attempt.port {
            443 => write!(origin, "{}", attempt.host),
            port => write!(origin, "{}:{port}", attempt.host),
        };
        start.upgrade = Some(Upgrade {
            host: origin.as_str(),
            target: attempt.path,
            subprotocols: "mqtt",
            headers: &[],
        });
    }
    start
}

/// What stands in the way of saying CONNECT.
fn unsayable(refusal: Refusal) -> Fault {
    let mut words = Text::<56>::EMPTY;
    // What does not fit is cut.
    let _ = write!(words, "{refusal}");
    Fault::new(Rung::Mqtt, Code::BufferTooSmall).detail(words.as_str().as_bytes())
}
