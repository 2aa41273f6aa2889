//! Commands that connect, do one thing, and leave: `provision`, `send`, `twin`.

use std::{
    fs,
    future::Future,
    io::{self, Write as _},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use serde_json::{Value, json};
use tokio::time::timeout;
use towpath::{
    config::device::DeviceConfig,
    device::{self, Device, Event, Events, Wants, dps::RefusedKind},
    outbox::Outbox,
};

use super::{
    super::Stop,
    feed::{Feed, Like},
    prepare,
    properties::object,
    tell::{self, Teller},
};
use crate::{
    args::device::{Send, Twin},
    exit::Failure,
    report::Report,
    setup,
    text::Object,
};

/// A pause that is longer shows that everything was tried at once.
const PATIENT: Duration = Duration::from_millis(500);

/// How long a farewell may take.
pub(super) const FAREWELL: Duration = Duration::from_secs(5);

/// Nothing is wanted but what is asked for.
const NOTHING: Wants = Wants {
    messages: false,
    methods: false,
    twin: false,
};

/// A device for one thing.
pub(super) struct Once {
    pub(super) device: Device,
    events: Events,
    pub(super) teller: Teller,
    stop: Stop,
    /// Why a message was lost.
    lost: Option<&'static str>,
}

impl Once {
    /// With an outbox in memory: what is not sent is told, not kept.
    pub(super) fn begin(
        config: &DeviceConfig,
        report: Report,
        trace: bool,
        wants: Wants,
    ) -> Result<Self, Failure> {
        let stop = Stop::listen()?;
        let (options, proxy) = prepare::options(config, wants, trace)?;
        let outbox = Outbox::memory(prepare::bounds(config));
        let (device, events) = Device::spawn(options, outbox)?;
        Ok(Self {
            device,
            events,
            teller: Teller::new(report, trace, proxy),
            stop,
            lost: None,
        })
    }

    /// The next event. A path that breaks is an error, once everything was tried.
    pub(super) async fn next(&mut self) -> Result<Event, Failure> {
        let event = tokio::select! {
            biased;
            () = self.stop.asked() => return Err(Failure::Late("mqtt: interrupted".into())),
            event = self.events.next() => event,
        };
        match event {
            Some(Event::Stopped(device::Stop::Fault(fault))) => Err(Failure::Fault(fault)),
            Some(Event::Stopped(_)) | None => Err(Failure::Late("the device has stopped".into())),
            Some(Event::Disconnected { fault, retry_in }) if retry_in >= PATIENT => {
                self.teller.broke(&fault);
                Err(Failure::Fault(fault))
            }
            Some(Event::NotAssigned { refused, .. }) if refused.kind != RefusedKind::Throttled => {
                Err(Failure::Fault(refused.fault()))
            }
            Some(event) => {
                if let Event::Lost { outcome, .. } = &event {
                    self.lost = Some(tell::why_lost(*outcome));
                }
                self.teller.event(&event);
                Ok(event)
            }
        }
    }

    /// Drives the device until `work` is done.
    async fn until<T>(&mut self, work: impl Future<Output = T>) -> Result<T, Failure> {
        let mut work = std::pin::pin!(work);
        loop {
            tokio::select! {
                biased;
                done = &mut work => return Ok(done),
                event = self.next() => drop(event?),
            }
        }
    }

    /// Leaves. Tells why a message was lost, if one was.
    pub(super) async fn farewell(mut self) -> Option<&'static str> {
        let leave = async {
            self.device.stop().await;
            while let Some(event) = self.events.next().await {
                match event {
                    Event::Stopped(_) => break,
                    Event::Lost { outcome, .. } => {
                        self.lost = Some(tell::why_lost(outcome));
                        self.teller.event(&event);
                    }
                    _ => {}
                }
            }
        };
        // The work is done, whatever becomes of the farewell.
        let _ = timeout(FAREWELL, leave).await;
        self.lost
    }
}

/// The assignment that was kept, aside until there is a new one; without one it comes back.
struct Aside {
    kept: PathBuf,
    aside: PathBuf,
}

impl Aside {
    fn of(state: &Path) -> Result<Option<Self>, String> {
        let kept = state.join("assignment.toml");
        let aside = state.join("assignment.before");
        match fs::rename(&kept, &aside) {
            Ok(()) => Ok(Some(Self { kept, aside })),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(format!("{}: {error}", kept.display())),
        }
    }
}

impl Drop for Aside {
    fn drop(&mut self) {
        // Without either the service is asked again at the next start.
        let _ = if self.kept.exists() {
            fs::remove_file(&self.aside)
        } else {
            fs::rename(&self.aside, &self.kept)
        };
    }
}

pub(super) async fn provision(
    config: &DeviceConfig,
    report: Report,
    trace: bool,
) -> Result<(), Failure> {
    if config.provisioning.at.is_none() {
        let why = "there is no [provisioning] in this file: the device knows its hub";
        return Err(match &config.hub.at {
            Some(at) => at.wrong(why).into(),
            None => Failure::usage(why),
        });
    }
    // What is kept would be used without asking.
    let _aside = match &config.state {
        Some(state) => Aside::of(state.value()).map_err(Failure::Outbox)?,
        None => None,
    };
    let mut once = Once::begin(config, report, trace, NOTHING)?;
    let (hub, device_id, payload) = loop {
        if let Event::Assigned {
            hub,
            device_id,
            payload,
        } = once.next().await?
        {
            break (hub, device_id, payload);
        }
    };
    once.farewell().await;
    let payload = payload.and_then(|bytes| serde_json::from_slice::<Value>(&bytes).ok());
    let text = if report.json {
        let object = Object::new()
            .text("hub", &hub)
            .text("device_id", &device_id);
        let object = match payload {
            Some(payload) => object.raw("payload", payload),
            None => object,
        };
        object.end()
    } else {
        let mut text = format!("hub        {hub}\ndevice_id  {device_id}");
        if let Some(payload) = payload {
            text.push_str(&format!("\npayload    {payload}"));
        }
        text
    };
    print(&text)
}

pub(super) async fn send(
    config: &DeviceConfig,
    report: Report,
    trace: bool,
    args: &Send,
) -> Result<(), Failure> {
    let like = Like::of(config).with(
        &args.property,
        args.content_type.as_deref(),
        args.component.as_deref(),
    );
    let body = match (&args.message, &args.file) {
        (Some(text), _) => Some(text.clone().into_encoded_bytes()),
        (None, Some(path)) => {
            Some(fs::read(path).map_err(|error| setup::unreadable(path, &error))?)
        }
        (None, None) => None,
    };
    if let Some(why) = body.as_ref().and_then(|body| like.fault(body)) {
        return Err(Failure::usage(format!("the message: {why}")));
    }
    let mut once = Once::begin(config, report, trace, NOTHING)?;
    let teller = Arc::new(once.teller.silent());
    let mut feed = Feed::new(config, once.device.clone(), like, teller).waiting();
    let device = once.device.clone();
    let work = async move {
        let fed = match body {
            Some(body) => {
                feed.begin(body).await;
                feed.finish().await
            }
            None => feed.stdin().await,
        };
        device.delivered().await;
        fed
    };
    let sent = once.until(work).await?;
    if once.lost.is_none() {
        once.teller.done("send", "PUBLISH -> PUBACK".into());
    }
    // What became of the last message may not have been told before.
    if let Some(why) = once.farewell().await {
        return Err(Failure::LeftOut(format!("not everything is sent: {why}")));
    }
    sent
}

pub(super) async fn twin(
    config: &DeviceConfig,
    report: Report,
    trace: bool,
    args: &Twin,
) -> Result<(), Failure> {
    let (text, place) = match (&args.report, &args.report_file) {
        (Some(text), _) => (Some(text.clone().into_bytes()), "--report".to_owned()),
        (None, Some(path)) => (
            Some(fs::read(path).map_err(|error| setup::unreadable(path, &error))?),
            path.display().to_string(),
        ),
        (None, None) => (None, String::new()),
    };
    if let Some(text) = &text
        && object(text).is_none()
    {
        return Err(Failure::usage(format!(
            "{place}: this has to be a JSON object, as in '{{\"serial\":\"A-17\"}}'"
        )));
    }
    let wants = Wants {
        twin: true,
        ..NOTHING
    };
    let mut once = Once::begin(config, report, trace, wants)?;
    let text = match text {
        Some(patch) => {
            let device = once.device.clone();
            let told = once
                .until(async move { device.report(patch).await })
                .await?;
            let version = told.map_err(|error| Failure::Hub(error.to_string()))?;
            json!({ "reported_version": version }).to_string()
        }
        None => loop {
            if let Event::Twin { document, .. } = once.next().await? {
                break String::from_utf8_lossy(&document).into_owned();
            }
        },
    };
    once.farewell().await;
    print(&text)
}

pub(super) fn print(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    out.write_all(format!("{text}\n").as_bytes())
        .and_then(|()| out.flush())
        .map_err(Failure::output)
}
