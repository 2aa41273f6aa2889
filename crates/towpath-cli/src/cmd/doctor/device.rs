//! The climb of a device of IoT Hub: by way of its provisioning, up to the answer of its twin.

use std::{sync::Arc, time::Instant};

use tokio::time::sleep_until;
use towpath::{
    Code, Fault, Rung, Version, Witness,
    config::{
        Config, Setting,
        device::{DeviceConfig, Proof, Transport as Wanted},
    },
    device::{Device, Event, Events, Stop, Transport, Transports, Wants, azure::Names},
    outbox::{Bounds, Outbox},
};
use towpath_doctor::evidence::{Climb, Evidence, Service};

use super::{
    ANSWER, Halt,
    attempt::{Extent, Recorder, over},
    interrupted,
    subject::Subject,
};
use crate::{
    cmd::device::prepare::{self, or},
    exit::Failure,
};

/// The connection to `host`, as the device makes it first.
pub(super) fn config(device: &DeviceConfig, host: &str) -> Config {
    let mut config = device.connection.clone();
    let url = match or(&device.transport, Wanted::Auto) {
        Wanted::Wss => {
            let port = or(&device.ports.https, 443);
            format!("wss://{host}:{port}/$iothub/websocket")
        }
        Wanted::Auto | Wanted::Mqtts => {
            format!("mqtts://{host}:{}", or(&device.ports.mqtts, 8883))
        }
    };
    config.url = Some(Setting::flag("host", url));
    config.mqtt = Some(Setting::flag("mqtt", Version::V311));
    config
}

/// What the device calls itself at the server that it asks first, and whether it has a key for its tokens.
pub(super) fn login(device: &DeviceConfig) -> Result<(String, String, bool), Failure> {
    let text = |given: &Option<Setting<String>>| {
        given
            .as_ref()
            .map_or_else(String::new, |given| given.value().clone())
    };
    let has_key = matches!(device.proof()?, Proof::Key(_));
    if device.provisioning.at.is_none() {
        let id = text(&device.hub.device_id);
        let id = match &device.hub.module_id {
            Some(module) => format!("{id}/{}", module.value()),
            None => id,
        };
        let user = user(&text(&device.hub.host), &id);
        return Ok((id, user, has_key));
    }
    let id = text(&device.provisioning.registration_id);
    let scope = text(&device.provisioning.scope);
    let user = format!("{scope}/registrations/{id}/api-version=2019-03-31");
    Ok((id, user, has_key))
}

/// The user name at a hub.
fn user(hub: &str, id: &str) -> String {
    format!("{hub}/{id}/?api-version={}", Names::API_VERSION)
}

/// The twin alone: it tells that the hub answers. Messages would be taken from the device that is stood in for.
const WANTS: Wants = Wants {
    messages: false,
    methods: false,
    twin: true,
};

/// What is seen on the way.
struct Way<'a> {
    device: &'a DeviceConfig,
    subject: &'a mut Subject,
    evidence: &'a mut Evidence,
    witness: Arc<Witness>,
    recorder: Option<Recorder>,
    proxy: Option<String>,
    assigned: Option<String>,
    began: Instant,
}

/// What an event comes to.
enum Came {
    More,
    Fault(Fault),
    Done,
}

pub(super) async fn climb(
    config: &DeviceConfig,
    subject: &mut Subject,
    extent: Extent,
    until: Option<Instant>,
    mut halt: Halt,
    evidence: &mut Evidence,
) -> Result<Climb, Failure> {
    let witness = Arc::new(Witness::new());
    let watched = Arc::clone(&witness);
    let (options, proxy) = prepare::options_over(config, WANTS, |network| {
        let network = extent.over(network).trace(true).witness(watched);
        if subject.is_patient {
            network
        } else {
            network.answer_within(ANSWER)
        }
    })?;
    // The other port is a question of its own.
    let transports = match or(&config.transport, Wanted::Auto) {
        Wanted::Wss => Transports::Only(Transport::Wss),
        Wanted::Auto | Wanted::Mqtts => Transports::Only(Transport::Mqtts),
    };
    let options = options
        .transports(transports)
        .pipeline(false)
        // The session of the device may bring what waits for it: that stays the device's.
        .acknowledges(false);
    let (device, mut events) = Device::spawn(options, Outbox::memory(Bounds::default()))?;
    let mut way = Way {
        device: config,
        subject,
        evidence,
        witness,
        recorder: None,
        proxy,
        assigned: None,
        began: Instant::now(),
    };
    let fault = tokio::select! {
        biased;
        fault = way.go(&mut events, until) => fault,
        () = halt.asked() => {
            leave(&device, &mut events, true).await;
            return Err(interrupted());
        }
    };
    let fault = match (fault, extent.watch) {
        (None, Some(span)) => {
            let end = Instant::now().checked_add(span);
            tokio::select! {
                biased;
                fault = way.stay(&mut events, end) => fault,
                () = halt.asked() => None,
            }
        }
        (fault, _) => fault,
    };
    leave(&device, &mut events, fault.is_none()).await;
    let recorder = way.recorder.take();
    Ok(recorder.map_or_else(Climb::default, |recorder| recorder.finish(fault)))
}

/// Says farewell where there is a connection. What was to be seen is seen, whatever becomes of it.
async fn leave(device: &Device, events: &mut Events, connected: bool) {
    let leave = async {
        device.stop().await;
        while !matches!(events.next().await, Some(Event::Stopped(_)) | None) {}
    };
    if connected {
        let _ = tokio::time::timeout(super::attempt::FAREWELL, leave).await;
    }
}

impl Way<'_> {
    /// Until the hub has answered, or something breaks.
    async fn go(&mut self, events: &mut Events, until: Option<Instant>) -> Option<Fault> {
        let over = over(until);
        tokio::pin!(over);
        loop {
            let event = tokio::select! {
                biased;
                event = events.next() => event,
                () = &mut over => return self.recorder.as_ref().map(Recorder::overdue),
            };
            match self.note(event?) {
                Came::More => {}
                Came::Fault(fault) => {
                    if let Some(recorder) =
                        self.recorder.as_mut().filter(|_| fault.rung == Rung::Hub)
                    {
                        recorder.answered();
                    }
                    return Some(fault);
                }
                Came::Done => return None,
            }
        }
    }

    /// Stays connected until `end`, or until something ends it.
    async fn stay(&mut self, events: &mut Events, end: Option<Instant>) -> Option<Fault> {
        let end = end?;
        loop {
            let event = tokio::select! {
                biased;
                event = events.next() => event?,
                () = sleep_until(end.into()) => return None,
            };
            if let Came::Fault(fault) = self.note(event) {
                return Some(fault);
            }
        }
    }

    fn note(&mut self, event: Event) -> Came {
        match event {
            Event::Climbing { endpoint } => {
                let witness = Arc::clone(&self.witness);
                let proxy = self.proxy.as_deref();
                let mut recorder = Recorder::new(&endpoint, proxy, true, witness).since(self.began);
                recorder.assigned(self.assigned.clone());
                self.recorder = Some(recorder);
            }
            Event::Trace(trace) => {
                if let Some(recorder) = &mut self.recorder {
                    recorder.note(&trace);
                }
            }
            Event::Assigned { hub, device_id, .. } => self.assigned(hub, device_id),
            Event::NotAssigned { refused, .. } => return Came::Fault(refused.fault()),
            Event::Connected {
                session_present, ..
            } => {
                if let Some(recorder) = &mut self.recorder {
                    recorder.granted(session_present, None);
                    let now = recorder.elapsed();
                    if let Some(step) = recorder.step(Rung::Hub) {
                        step.started = Some(now);
                    }
                }
            }
            Event::Twin { document, .. } => {
                if let Some(recorder) = &mut self.recorder {
                    let now = recorder.elapsed();
                    let len = u32::try_from(document.len()).unwrap_or(u32::MAX);
                    if let Some(step) = recorder.step(Rung::Hub) {
                        step.reached = Some(now);
                        step.sent = Some(("twin GET", 0));
                        step.received = Some(("twin", len));
                    }
                }
                return Came::Done;
            }
            Event::Disconnected { fault, .. }
            | Event::Hindered(fault)
            | Event::Stopped(Stop::Fault(fault)) => return Came::Fault(fault),
            Event::ClockUnset => return Came::Fault(Fault::new(Rung::Tls, Code::ClockUnset)),
            Event::Stopped(Stop::Asked) => return Came::Done,
            _ => {}
        }
        Came::More
    }

    /// The provisioning service has answered: from here on the hub is what is asked for.
    fn assigned(&mut self, hub: String, device_id: String) {
        let took = self.recorder.take().map(|recorder| recorder.elapsed());
        let took = took.unwrap_or_default().as_millis();
        let service = &self.evidence.target.host;
        self.subject.notes.push(format!(
            "the provisioning service {service} assigned the hub {hub} to {device_id}, in {took} ms"
        ));
        self.subject.config = config(self.device, &hub);
        self.subject.service = Service::Hub;
        let has_key = self.subject.login.as_ref().is_some_and(|(_, _, key)| *key);
        let user = user(&hub, &device_id);
        self.subject.login = Some((device_id, user, has_key));
        self.evidence.target = self.subject.target();
        self.assigned = Some(hub);
    }
}
