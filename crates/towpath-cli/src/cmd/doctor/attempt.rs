//! One climb, from the client's trace to evidence.

use std::{
    future::pending,
    net::IpAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::time::{sleep_until, timeout};
use towpath::{
    Code, Endpoint, Error, Event, Fault, Limits, Options, Reconnect, Rung, Witness,
    proto::{Fact, Trace},
    tokio::Connection,
};
use towpath_doctor::evidence::{Certificate, Climb, HttpHead, Passed};

use super::{Halt, interrupted};
use crate::exit::Failure;

/// How long a farewell may take.
pub(super) const FAREWELL: Duration = Duration::from_millis(500);

/// How far to climb, and how long to stay.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Extent {
    /// The last rung; none: all.
    pub(super) until: Option<Rung>,
    /// How long to stay on it in silence.
    pub(super) linger: Option<Duration>,
    /// How long to stay connected.
    pub(super) watch: Option<Duration>,
}

impl Extent {
    /// The options of a connection that climbs so far.
    pub(super) fn over(self, options: Options) -> Options {
        match (self.until, self.linger) {
            (Some(rung), Some(silence)) => options.linger_on(rung, silence),
            (Some(rung), None) if rung < Rung::Mqtt => options.up_to(rung),
            _ => options,
        }
    }
}

/// Takes in what is seen of one attempt.
#[derive(Debug)]
pub(super) struct Recorder {
    climb: Climb,
    witness: Arc<Witness>,
    began: Instant,
    /// When all of it began, which may be another climb before.
    first: Instant,
}

impl Recorder {
    /// An attempt that begins now. `hub`: there is one more rung above MQTT.
    pub(super) fn new(
        endpoint: &Endpoint,
        proxy: Option<&str>,
        hub: bool,
        witness: Arc<Witness>,
    ) -> Self {
        let named = proxy.unwrap_or(&endpoint.host).parse::<IpAddr>().is_err();
        let framed = endpoint.scheme.is_framed();
        let rungs: Vec<_> = [
            (Rung::Dns, named),
            (Rung::Tcp, true),
            (Rung::Proxy, proxy.is_some()),
            (Rung::Tls, endpoint.scheme.is_secured()),
            (Rung::Upgrade, framed),
            (Rung::Ws, framed),
            (Rung::Mqtt, true),
            (Rung::Hub, hub),
        ]
        .into_iter()
        .filter_map(|(rung, needed)| needed.then_some(rung))
        .collect();
        let began = Instant::now();
        Self {
            climb: Climb::over(&rungs),
            witness,
            began,
            first: began,
        }
    }

    /// The same as the last part of what began at `first`.
    #[cfg(feature = "device")]
    pub(super) fn since(mut self, first: Instant) -> Self {
        self.first = first;
        self
    }

    pub(super) fn note(&mut self, trace: &Trace) {
        // Whether there is a translator on the way turns out.
        let reached = matches!(trace.fact, Fact::Started | Fact::Reached);
        if trace.rung == Rung::Nat64 && reached && self.climb.step(Rung::Nat64).is_none() {
            let steps = &mut self.climb.steps;
            let at = steps.iter().position(|step| step.rung > Rung::Nat64);
            let step = Passed {
                rung: Rung::Nat64,
                started: None,
                reached: None,
                sent: None,
                received: None,
            };
            steps.insert(at.unwrap_or(steps.len()), step);
        }
        self.climb.note(trace);
    }

    /// What no trace tells: a rung above MQTT.
    #[cfg(feature = "device")]
    pub(super) fn step(&mut self, rung: Rung) -> Option<&mut Passed> {
        self.climb.steps.iter_mut().find(|step| step.rung == rung)
    }

    /// So long after the beginning.
    #[cfg(feature = "device")]
    pub(super) fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// The hub itself has answered, with a refusal or with nothing: what lies below it stands.
    #[cfg(feature = "device")]
    pub(super) fn answered(&mut self) {
        let now = self.began.elapsed();
        let words = self
            .climb
            .step(Rung::Mqtt)
            .map(|step| (step.sent, step.received));
        for step in &mut self.climb.steps {
            if step.rung < Rung::Hub {
                step.reached = step.reached.or(Some(now));
            } else {
                step.started = step.started.or(Some(now));
                if let (None, None, Some((sent, received))) = (step.sent, step.received, words) {
                    (step.sent, step.received) = (sent, received);
                }
            }
        }
    }

    pub(super) fn granted(&mut self, session_present: bool, limits: Option<&Limits>) {
        let session = if session_present { "kept" } else { "new" };
        let keep_alive = match limits.map(|limits| limits.keep_alive) {
            None => String::new(),
            Some(0) => ", no keep alive".to_owned(),
            Some(seconds) => format!(", keep alive {seconds} s"),
        };
        self.climb.granted = format!("session {session}{keep_alive}");
    }

    /// The hub that was assigned before.
    #[cfg(feature = "device")]
    pub(super) fn assigned(&mut self, hub: Option<String>) {
        self.climb.assigned = hub;
    }

    /// The rung that is being climbed.
    fn rung(&self) -> Rung {
        let steps = self.climb.steps.iter();
        let open = steps.filter(|step| step.reached.is_none());
        let mut open = open.map(|step| step.rung);
        open.next().unwrap_or(Rung::Mqtt)
    }

    /// The fault where time is over before the rung's own patience is.
    pub(super) fn overdue(&self) -> Fault {
        let rung = self.rung();
        let code = match rung {
            Rung::Nat64 => Code::Nat64Silent,
            Rung::Tcp => Code::ConnectTimeout,
            Rung::Proxy => Code::ProxyTimeout,
            Rung::Tls => Code::TlsTimeout,
            Rung::Upgrade | Rung::Ws => Code::UpgradeTimeout,
            Rung::Mqtt => Code::ConnackTimeout,
            Rung::Hub => Code::TwinSilent,
            _ => Code::ResolverSilent,
        };
        let started = self.climb.step(rung).and_then(|step| step.started);
        let waited = self
            .began
            .elapsed()
            .saturating_sub(started.unwrap_or_default());
        Fault::new(rung, code).number(u32::try_from(waited.as_millis()).unwrap_or(u32::MAX))
    }

    /// All that was seen, and how it ended.
    pub(super) fn finish(mut self, fault: Option<Fault>) -> Climb {
        let seen = self.witness.seen();
        let climb = &mut self.climb;
        climb.fault = fault;
        climb.took = self.first.elapsed();
        (climb.peer, climb.local) = (seen.peer, seen.local);
        let chain = seen.chain.iter();
        climb.chain = chain.filter_map(|der| Certificate::read(der)).collect();
        climb.http = HttpHead::read(&seen.answer);
        self.climb
    }
}

/// One attempt at a server.
pub(super) struct Attempt {
    connection: Connection,
    recorder: Recorder,
    extent: Extent,
    until: Option<Instant>,
    halt: Option<Halt>,
}

impl Attempt {
    /// `until`: when it is given up, however it goes.
    pub(super) fn new(options: Options, extent: Extent, until: Option<Instant>) -> Self {
        let witness = Arc::new(Witness::new());
        let proxy = options.proxied_by().map(|proxy| proxy.host().to_owned());
        let recorder = Recorder::new(
            options.endpoint(),
            proxy.as_deref(),
            false,
            Arc::clone(&witness),
        );
        let options = extent
            .over(options)
            .reconnect(Reconnect::Never)
            // A session that is kept may bring what waits for the device: that stays the device's.
            .manual_acks(true)
            .trace(true)
            .witness(witness);
        Self {
            connection: Connection::new(options),
            recorder,
            extent,
            until,
            halt: None,
        }
    }

    /// The same, until the user wants it to end.
    pub(super) fn until_asked(mut self, halt: Halt) -> Self {
        self.halt = Some(halt);
        self
    }

    /// Climbs as far as it is to.
    pub(super) async fn climb(mut self) -> Result<Climb, Failure> {
        let fault = tokio::select! {
            biased;
            fault = Self::go_on(&mut self.connection, &mut self.recorder) => fault,
            () = over(self.until) => {
                self.connection.cut();
                Ok(Some(self.recorder.overdue()))
            }
            () = asked(&mut self.halt) => {
                self.connection.cut();
                Err(interrupted())
            }
        }?;
        let fault = match (fault, self.extent.watch) {
            (None, Some(span)) if self.connection.is_connected() => self.stay(span).await,
            (fault, _) => fault,
        };
        if fault.is_none() && self.connection.is_connected() {
            self.farewell().await;
        }
        Ok(self.recorder.finish(fault))
    }

    /// Until the connection is accepted, the last rung is reached, or something breaks.
    async fn go_on(
        connection: &mut Connection,
        recorder: &mut Recorder,
    ) -> Result<Option<Fault>, Failure> {
        loop {
            match connection.next().await {
                Event::Trace(trace) => recorder.note(&trace),
                Event::Connected {
                    session_present,
                    limits,
                } => {
                    recorder.granted(session_present, Some(&limits));
                    return Ok(None);
                }
                Event::Disconnected { fault, .. } => return Ok(Some(fault)),
                Event::Refused(refusal) => return Err(Error::Refused(refusal).into()),
                Event::Closed => return Ok(None),
                _ => {}
            }
        }
    }

    /// Stays connected for so long, or until something or the user ends it.
    async fn stay(&mut self, span: Duration) -> Option<Fault> {
        let ends = async {
            loop {
                match self.connection.next().await {
                    Event::Trace(trace) => self.recorder.note(&trace),
                    Event::Disconnected { fault, .. } => return Some(fault),
                    Event::Closed => return None,
                    _ => {}
                }
            }
        };
        tokio::select! {
            biased;
            fault = timeout(span, ends) => fault.ok().flatten(),
            () = asked(&mut self.halt) => None,
        }
    }

    /// What was to be seen is seen, whatever becomes of it.
    async fn farewell(&mut self) {
        let leave = async {
            if self.connection.disconnect().await.is_ok() {
                while !matches!(self.connection.next().await, Event::Closed) {}
            }
        };
        let _ = timeout(FAREWELL, leave).await;
    }
}

/// Returns at `until`, if there is such an end.
pub(super) async fn over(until: Option<Instant>) {
    match until {
        Some(until) => sleep_until(until.into()).await,
        None => pending().await,
    }
}

/// Returns when the user wants it to end, if there is one to ask.
async fn asked(halt: &mut Option<Halt>) {
    match halt {
        Some(halt) => halt.asked().await,
        None => pending().await,
    }
}
