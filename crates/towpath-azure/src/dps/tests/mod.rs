//! A device and the service, as a dialogue. Lines that begin with `>` are the device's.

mod any_bytes;
mod dialogue;
mod refusals;

use core::time::Duration;
use std::{
    format,
    string::{String, ToString},
    vec::Vec,
};

use towpath_proto::{
    Instant,
    mqtt::{packet::PacketId, reason::ReasonCode, session::Refusal},
};

use super::{Outcome, Refused, Registration, Request};
use crate::{
    Now,
    testing::{Recorder, Seen},
};

const PUT: &str = "$dps/registrations/PUT/iotdps-register/?$rid=";
const GET: &str = "$dps/registrations/GET/iotdps-get-operationstatus/?$rid=";
const RES: &str = "$dps/registrations/res/";

const ASSIGNED: &str = r#"{"operationId":"5.lab.op1","status":"assigned","registrationState":{"registrationId":"dev1","createdDateTimeUtc":"2026-01-02T03:04:05.1234567Z","assignedHub":"contoso.azure-devices.net","deviceId":"dev1","status":"assigned","substatus":"initialAssignment","lastUpdatedDateTimeUtc":"2026-01-02T03:04:05.1234567Z","etag":"IjEi","symmetricKey":{"enrollmentGroupId":"g"}}}"#;

/// A device, its connection to the service, and the time.
struct Talk<'a> {
    registration: Registration,
    request: Request<'a>,
    line: Recorder,
    now: Now,
    accepted: bool,
}

impl<'a> Talk<'a> {
    /// A connection is being made.
    fn new(request: Request<'a>) -> Self {
        let mut talk = Self {
            registration: Registration::new(),
            request,
            line: Recorder::new(),
            now: Now::new(Instant::ZERO, Now::BELIEVED),
            accepted: false,
        };
        talk.registration.begin(talk.now);
        talk
    }

    /// A device with nothing special, registered up to the service's first answer: the operation `5.lab.op1` is at work,
    /// and its state is asked for two seconds later.
    fn at_work() -> Self {
        let mut talk = Talk::new(plain());
        talk.accept();
        talk.says(&[
            "SUBSCRIBE $dps/registrations/res/# q1",
            &register(1, r#"{"registrationId":"dev1"}"#),
        ]);
        talk.hears_nothing(
            "202/?$rid=1&retry-after=2",
            r#"{"operationId":"5.lab.op1","status":"assigning"}"#,
        );
        talk
    }

    fn accept(&mut self) {
        self.accepted = true;
        assert_eq!(self.time(), None);
    }

    fn time(&mut self) -> Option<Refused> {
        self.registration.handle_timeout(self.now)
    }

    fn poll(&mut self) -> Result<Option<Instant>, Refusal> {
        let mut scratch = [0; 512];
        self.registration
            .poll(self.now, &self.request, &mut self.line, &mut scratch)
    }

    /// What the device says now, to the letter; when it has something to do next, in seconds from now.
    #[track_caller]
    fn says(&mut self, expected: &[&str]) -> Option<u64> {
        let due = self.poll().unwrap();
        assert_eq!(self.line.lines(), expected);
        due.map(|due| due.since(self.now.at).as_secs())
    }

    /// The service answers.
    fn hears(&mut self, head: &str, body: &'a str) -> Option<Outcome<'a>> {
        let topic = format!("{RES}{head}");
        self.registration.message(self.now, &topic, body.as_bytes())
    }

    #[track_caller]
    fn hears_nothing(&mut self, head: &str, body: &'a str) {
        assert_eq!(self.hears(head, body), None);
    }

    #[track_caller]
    fn refused(&mut self, head: &str, body: &'a str) -> Refused {
        match self.hears(head, body) {
            Some(Outcome::Refused(refused)) => refused,
            other => panic!("{other:?}"),
        }
    }

    fn pass(&mut self, seconds: u64) {
        self.now.at = self.now.after(Duration::from_secs(seconds));
        if self.accepted {
            assert_eq!(self.time(), None, "at {:?}", self.now.at);
        }
    }
}

const fn plain() -> Request<'static> {
    Request {
        registration_id: "dev1",
        payload: "",
        csr: None,
    }
}

fn register(rid: u32, body: &str) -> String {
    format!("PUBLISH q1 {PUT}{rid} {body}")
}

/// The body is one space, as the SDKs send it.
fn look(rid: u32, operation: &str) -> String {
    format!("PUBLISH q1 {GET}{rid}&operationId={operation}  ")
}
