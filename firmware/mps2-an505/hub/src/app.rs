//! What this device does: it blinks when it is asked to, takes its interval from the twin, and counts.

use core::{cell::Cell, convert::Infallible, fmt::Write as _};

use embassy_futures::join::join;
use embassy_time::Timer;
use mps2_an505::say;
use towpath::{
    azure::{self, Now, Stop},
    embedded::{
        Timer as _,
        hub::{Clock as _, Commands, Event, Outbox},
    },
    proto::text::Text,
};

use crate::{clock::Wall, settings::Options};

/// The application, told by the device and asking it.
pub(crate) struct App<'a, O> {
    pub(crate) commands: &'a Commands<O>,
    pub(crate) clock: &'a Wall,
    pub(crate) online: Cell<bool>,
}

impl<O: Outbox> App<'_, O> {
    pub(crate) fn now(&self) -> Now {
        Now::new(self.clock.now(), self.clock.unix().unwrap_or_default())
    }

    /// Something happened.
    pub(crate) fn told(&self, event: Event<'_>) {
        match event {
            Event::Climbing {
                host,
                port,
                transport,
                ..
            } => say!("climbing: {host}:{port} by {}", transport.name()),
            Event::Device(event) => self.device(event),
            Event::Delivered(sequence) => say!("delivered: {sequence}"),
            Event::Lost { sequence, outcome } => say!("lost: {sequence}: {outcome:?}"),
            Event::ClockUnset => say!("the clock is not set"),
            Event::OutboxFailed(fault) | Event::NotAnswered(fault) => say!("{fault}"),
            _ => {}
        }
    }

    fn device(&self, event: azure::Event<'_>) {
        match event {
            azure::Event::Assigned { assignment, .. } => {
                say!("assigned: {} at {}", assignment.device_id, assignment.hub);
            }
            azure::Event::NotAssigned { refused, retry_in } => {
                say!("{}", refused.fault());
                say!("again in {} ms", retry_in.as_millis());
            }
            azure::Event::Connected {
                session_present, ..
            } => {
                self.online.set(true);
                self.clock.ladder.connected(session_present, 0);
            }
            azure::Event::Twin {
                desired_version, ..
            } => say!("twin: version {desired_version}"),
            azure::Event::Desired { version, .. } => say!("desired: version {version}"),
            azure::Event::Method {
                name, request_id, ..
            } => self.method(name, &request_id),
            azure::Event::Message { body, .. } => {
                say!("message: {}", core::str::from_utf8(body).unwrap_or("bytes"));
            }
            azure::Event::Disconnected { fault, retry_in } => {
                self.online.set(false);
                self.clock.ladder.broke(&fault);
                say!("again in {} ms", retry_in.as_millis());
            }
            azure::Event::Hindered(fault) => say!("{fault}"),
            azure::Event::Renewing => say!("renewing"),
            azure::Event::Stopped(Stop::Asked) => say!("stopped"),
            _ => {}
        }
    }

    fn method(&self, name: &str, request: &azure::hub::RequestId) {
        say!("method: {name}");
        let answered = match name {
            "blink" => self.commands.respond(request, 200, b"{\"lit\":true}"),
            "reconnect" => {
                self.commands.reconnect();
                self.commands.respond(request, 200, b"{}")
            }
            "stop" => {
                self.commands.stop();
                self.commands.respond(request, 200, b"{}")
            }
            _ => self.commands.respond(request, 404, b"{}"),
        };
        if let Err(full) = answered {
            say!("{full}");
        }
    }

    /// What the application does by itself: one report, and telemetry.
    pub(crate) async fn work(&self, options: &Options) -> Infallible {
        let report = async {
            match self.commands.report(b"{\"board\":\"mps2-an505\"}").await {
                Ok(version) => say!("reported: version {version}"),
                Err(error) => say!("{error}"),
            }
        };
        let measure = async {
            for count in 1..=options.count {
                let mut body = Text::<32>::EMPTY;
                let _ = write!(body, "{{\"count\":{count}}}");
                let body = body.as_str().as_bytes();
                match self.commands.send(self.clock.unix(), None, "", body).await {
                    Ok(sequence) => say!("accepted: {sequence}"),
                    Err(error) => say!("{error}"),
                }
                Timer::after_millis(options.interval).await;
            }
        };
        join(report, measure).await;
        core::future::pending().await
    }
}
