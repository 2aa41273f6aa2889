//! The dialogue with a hub: subscriptions, cloud-to-device messages, direct methods, the twin (Microsoft's document
//! "Communicate with an IoT hub using the MQTT protocol").
//!
//! Takes in the beginning and end of connections, what comes up from them, time, and commands; gives out what to publish
//! on a [`Line`], and [`Event`]s.
//!
//! - `topic.rs`: what a topic says, both ways
//! - `filters.rs`: what the hub is to send, and what of it it holds
//! - `twin.rs`: which version the application has; when the whole twin is asked for
//! - `version.rs`: the versions in JSON
//! - `requests.rs`: changes of reported properties that wait for an answer
//!
//! Requests and answers are published with QoS 0: they belong to their connection, where nothing is lost, and one that
//! was sent again on the next would find nobody who waits for it.

mod filters;
mod requests;
mod topic;
mod twin;
mod version;

#[cfg(test)]
mod tests;

use core::{fmt, time::Duration};

use heapless::String;
use towpath_proto::{
    Fault, Instant,
    client::Outgoing,
    mqtt::{QoS, packet::PacketId, reason::ReasonCode, session::Refusal},
    text::Text,
};

pub use self::topic::telemetry_topic;
use self::{
    filters::{Filters, Subscriptions},
    requests::Requests,
    topic::{Answer, Down},
    twin::Twin,
};
use crate::{Event, Line, Names, Now, Reported, Wants, bag::Received};

/// How long the hub may take to answer a change of reported properties; that of Azure's C SDK.
const PATIENCE: Duration = Duration::from_secs(300);

/// What Azure's SDKs send in place of an empty body.
const BLANK: &[u8] = b" ";

/// Which call of a method it is: the hub's own text, up to 64 bytes, and the connection that it came by. It can be
/// answered on that connection only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestId {
    rid: String<64>,
    connection: u32,
}

impl RequestId {
    /// The hub's text, as it stands in the topic.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.rid
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.rid)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Offline,
    /// CONNECT is on its way. `early`: the session is a new one, so that what it needs can follow at once.
    Connecting {
        early: bool,
    },
    Online,
}

/// The dialogue with a hub, one connection after the other.
#[derive(Debug)]
pub struct Hub {
    phase: Phase,
    /// Counts connections.
    connection: u32,
    last_rid: u32,
    subscriptions: Subscriptions,
    twin: Twin,
    /// The whole twin was not yet looked at on this connection.
    begun: bool,
    /// The application asked for the twin, whether it wants changes or not, and did not get it yet.
    asked: bool,
    requests: Requests,
    malformed: u32,
}

impl Default for Hub {
    fn default() -> Self {
        Self::new()
    }
}

impl Hub {
    /// One that has no connection. Its requests are numbered from 1.
    #[must_use]
    pub const fn new() -> Self {
        Self::numbered_from(1)
    }

    /// One whose requests are numbered from `first`.
    #[must_use]
    pub const fn numbered_from(first: u32) -> Self {
        Self {
            phase: Phase::Offline,
            connection: 0,
            last_rid: first.wrapping_sub(1),
            subscriptions: Subscriptions::new(),
            twin: Twin::new(),
            begun: false,
            asked: false,
            requests: Requests::new(),
            malformed: 0,
        }
    }

    /// A connection is being made; `fresh`: with a session that is new on this side. Then [`poll`](Self::poll) subscribes
    /// without waiting for [`connected`](Self::connected).
    pub fn begin(&mut self, _now: Now, fresh: bool) {
        self.ended();
        self.phase = Phase::Connecting { early: fresh };
        self.connection = self.connection.wrapping_add(1);
        self.subscriptions.begin(fresh);
        self.twin.begin();
        self.begun = true;
    }

    /// The hub accepted the connection. Without the session it subscribes again.
    pub fn connected(&mut self, now: Now, session_present: bool) {
        self.phase = Phase::Online;
        self.subscriptions.connected(session_present);
        self.twin.connected(now);
    }

    /// The connection ended. Requests that wait for an answer are lost: [`next_lost`](Self::next_lost).
    pub fn ended(&mut self) {
        self.phase = Phase::Offline;
        self.twin.give_up();
        self.requests.lose();
    }

    /// The next request that was lost with its connection.
    pub fn next_lost(&mut self) -> Option<Reported> {
        let request = self.requests.next_lost()?;
        Some(unanswered(request, b"the connection ended"))
    }

    /// Does what is due: subscribes, and asks for the twin right behind, since the hub works in order. Answers when
    /// something is due next. `scratch` has to hold the longest filter, at most 320 bytes.
    ///
    /// # Errors
    /// Why the line can't take it. With [`Refusal::Full`] it is to be called again; nothing is lost.
    pub fn poll(
        &mut self,
        now: Now,
        names: &Names<'_>,
        wants: &Wants,
        line: &mut impl Line,
        scratch: &mut [u8],
    ) -> Result<Option<Instant>, Refusal> {
        if matches!(
            self.phase,
            Phase::Offline | Phase::Connecting { early: false }
        ) {
            return Ok(None);
        }
        if core::mem::take(&mut self.begun) && (wants.twin || self.asked) {
            self.twin.want();
        }
        let mut wanted = Filters::wanted(wants);
        if self.asked {
            wanted = wanted | Filters::ANSWERS;
        }
        self.subscribe(wanted, names, line, scratch)?;
        if self.twin.is_due(now) {
            self.ask(now, line, scratch)?;
        }
        Ok(self.next_timeout())
    }

    fn subscribe(
        &mut self,
        wanted: Filters,
        names: &Names<'_>,
        line: &mut impl Line,
        scratch: &mut [u8],
    ) -> Result<(), Refusal> {
        let missing = self.subscriptions.missing(wanted);
        if missing.is_empty() {
            return Ok(());
        }
        let room = scratch.len();
        let messages =
            topic::write_messages(names, scratch).ok_or(Refusal::PacketTooLarge(room))?;
        self.subscriptions.subscribe(missing, messages, line)
    }

    /// Asks for the whole twin.
    fn ask(&mut self, now: Now, line: &mut impl Line, scratch: &mut [u8]) -> Result<(), Refusal> {
        if !self.subscriptions.covers(Filters::ANSWERS) {
            self.twin.give_up();
            return Ok(());
        }
        let again = self.twin.unanswered();
        let rid = again.unwrap_or_else(|| self.next_rid());
        let topic = topic::write(scratch, format_args!("$iothub/twin/GET/?$rid={rid}"))?;
        line.publish(&Outgoing::new(topic, BLANK, QoS::AtMostOnce))?;
        if again.is_none() {
            self.last_rid = rid;
        }
        self.twin.asked(now, rid);
        Ok(())
    }

    fn next_rid(&self) -> u32 {
        let mut rid = self.last_rid.wrapping_add(1);
        while self.requests.has(rid) || self.twin.is_asked(rid) {
            rid = rid.wrapping_add(1);
        }
        rid
    }

    fn next_timeout(&self) -> Option<Instant> {
        if self.phase != Phase::Online {
            return None;
        }
        let twin = self.twin.next_timeout();
        let requests = self.requests.next_timeout();
        match (twin, requests) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        }
    }

    /// SUBACK came. The fault of the first filter that the hub refuses; the others hold.
    pub fn subscribed(&mut self, packet_id: PacketId, reasons: &[ReasonCode]) -> Option<Fault> {
        self.subscriptions.answered(packet_id, reasons)
    }

    /// A message came. `None`: there is nothing in it for the application.
    pub fn message<'m>(
        &mut self,
        now: Now,
        names: &Names<'_>,
        topic: &'m str,
        payload: &'m [u8],
        dup: bool,
    ) -> Option<Event<'m>> {
        match topic::read(topic, names)? {
            Down::Message { input, bag } => Some(Event::Message {
                input,
                properties: Received::new(bag),
                body: payload,
                dup,
            }),
            Down::Method { name, rid } => self.called(name, rid, payload),
            Down::Answer(answer) if self.twin.is_asked(answer.rid) => {
                self.twin_came(now, &answer, payload)
            }
            Down::Answer(answer) => self.report_ended(&answer, payload),
            Down::Desired { version } => self.desired(version, payload),
        }
    }

    fn called<'m>(&mut self, name: &'m str, rid: &str, payload: &'m [u8]) -> Option<Event<'m>> {
        // An answer could not name a longer one. The hub's have a few digits.
        let Ok(rid) = String::try_from(rid) else {
            self.malformed = self.malformed.saturating_add(1);
            return None;
        };
        let connection = self.connection;
        Some(Event::Method {
            name,
            request_id: RequestId { rid, connection },
            payload,
        })
    }

    fn twin_came<'m>(&mut self, now: Now, answer: &Answer, payload: &'m [u8]) -> Option<Event<'m>> {
        if !answer.is_success() {
            let said = words(payload);
            self.twin
                .refused(now, answer.status, said, answer.retry_after);
            return None;
        }
        let Some((desired_version, reported_version)) = version::of_twin(payload) else {
            self.malformed = self.malformed.saturating_add(1);
            self.twin.unreadable(now);
            return None;
        };
        if !self.twin.answered(now, desired_version) {
            return None;
        }
        self.asked = false;
        Some(Event::Twin {
            document: payload,
            desired_version,
            reported_version,
        })
    }

    fn report_ended(&mut self, answer: &Answer, payload: &[u8]) -> Option<Event<'static>> {
        if !self.requests.answered(answer.rid) {
            return None;
        }
        let outcome = if answer.is_success() {
            Ok(answer.version.unwrap_or(0))
        } else {
            Err((answer.status, words(payload)))
        };
        Some(Event::Reported(Reported {
            request: answer.rid,
            outcome,
        }))
    }

    fn desired<'m>(&mut self, version: Option<u64>, patch: &'m [u8]) -> Option<Event<'m>> {
        let inside = version::of_patch(patch);
        let Some(version) = inside.and_then(|inside| version.or(inside)) else {
            // A change that can't be read is a gap.
            self.malformed = self.malformed.saturating_add(1);
            self.twin.want();
            return None;
        };
        self.twin
            .changed(version)
            .then_some(Event::Desired { patch, version })
    }

    /// Time has passed. A change of reported properties that the hub did not answer within 300 s; to be called until
    /// there is none.
    pub fn handle_timeout(&mut self, now: Now) -> Option<Reported> {
        if self.phase != Phase::Online {
            return None;
        }
        self.twin.handle_timeout(now);
        let request = self.requests.next_late(now.at)?;
        Some(unanswered(request, b"no answer within 300 s"))
    }

    /// Asks the hub to change reported properties by `patch`: a JSON object, in which `null` deletes. Gives the request's
    /// number, with which [`Event::Reported`] answers. `scratch` has to hold 64 bytes.
    ///
    /// # Errors
    /// [`Refusal::NotConnected`]; [`Refusal::Full`] while eight wait for their answers, or the line has no room;
    /// otherwise why it can't be sent at all.
    pub fn report(
        &mut self,
        now: Now,
        patch: &[u8],
        line: &mut impl Line,
        scratch: &mut [u8],
    ) -> Result<u32, Refusal> {
        if self.phase != Phase::Online {
            return Err(Refusal::NotConnected);
        }
        if self.requests.is_full() {
            return Err(Refusal::Full);
        }
        let missing = self.subscriptions.missing(Filters::ANSWERS);
        self.subscriptions.subscribe(missing, "", line)?;
        let rid = self.next_rid();
        let topic = topic::write(
            scratch,
            format_args!("$iothub/twin/PATCH/properties/reported/?$rid={rid}"),
        )?;
        line.publish(&Outgoing::new(topic, patch, QoS::AtMostOnce))?;
        self.last_rid = rid;
        self.requests.add(rid, now.after(PATIENCE));
        Ok(rid)
    }

    /// Asks for the whole twin; [`Event::Twin`] brings it. Without a connection, with the next one.
    pub fn request_twin(&mut self) {
        self.asked = true;
        if self.phase != Phase::Offline {
            self.twin.want();
        }
    }

    /// Answers a method with a status, which is the device's choice, and JSON, which may be empty. `scratch` has to hold
    /// 128 bytes.
    ///
    /// # Errors
    /// [`Refusal::NotConnected`] if the connection that the call came by has ended: nobody waits for the answer any
    /// more. [`Refusal::Full`] if the line has no room now.
    pub fn respond(
        &mut self,
        request: &RequestId,
        status: u32,
        payload: &[u8],
        line: &mut impl Line,
        scratch: &mut [u8],
    ) -> Result<(), Refusal> {
        if self.phase != Phase::Online || request.connection != self.connection {
            return Err(Refusal::NotConnected);
        }
        let text = format_args!("$iothub/methods/res/{status}/?$rid={request}");
        let topic = topic::write(scratch, text)?;
        line.publish(&Outgoing::new(topic, payload, QoS::AtMostOnce))?;
        Ok(())
    }

    /// Why the whole twin is still to come though it was asked for: the hub was silent or refused. It is asked again.
    #[must_use]
    pub const fn twin_fault(&self) -> Option<Fault> {
        self.twin.fault()
    }

    /// How much that came could not be read, and was dropped: twins and changes that are no JSON or have no version,
    /// calls with a number longer than 64 bytes.
    #[must_use]
    pub const fn malformed(&self) -> u32 {
        self.malformed
    }
}

/// Status 0: the hub has said nothing.
fn unanswered(request: u32, why: &[u8]) -> Reported {
    Reported {
        request,
        outcome: Err((0, Text::from_bytes(why))),
    }
}

/// What the hub says in the body of a refusal: its message, or the body's beginning.
fn words(body: &[u8]) -> Text<56> {
    Text::from_bytes(version::message(body).unwrap_or(body))
}
