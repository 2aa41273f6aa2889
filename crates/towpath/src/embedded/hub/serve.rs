//! One connection with the hub or the provisioning service: what comes up from it, and what is handed to it.

use core::fmt::{self, Write as _};

use embassy_futures::select::{Either3, select3};
use embedded_io_async::{Read, Write};
use heapless::Vec;
use towpath_azure::{Record, Target};
use towpath_proto::{
    Client, Code, Event as Below, Fault, Random, Rung,
    event::Outcome,
    mqtt::{
        packet::{PacketId, Suback},
        reason::ReasonCode,
        session::Refusal,
    },
    text::Text,
};

use super::{
    super::{Security, connection::Connection, stream::sleep},
    Clock, Event, Outbox, ReportError,
    drive::{Around, End, Turn},
};
use crate::outbox::worthless_at;

/// Filters that one SUBSCRIBE has at most; the hub allows five.
const FILTERS: usize = 8;

/// What became of an attempt to hand over a message.
enum Handed {
    Sent,
    /// There is no room now.
    Stuck,
    /// It can't be sent at all.
    Unfit,
    /// No message can: the names are wrong.
    Hopeless(Fault),
}

impl<C, O, T, R, const WINDOW: usize, const REPORT: usize, const ANSWER: usize>
    Around<'_, '_, C, O, T, R, WINDOW, REPORT, ANSWER>
where
    C: Clock,
    O: Outbox,
    T: FnMut(Event<'_>),
    R: Random + Clone,
{
    /// Up to the end of the connection.
    pub(super) async fn serve<I: Read, W: Write, S: Security>(
        &mut self,
        mut connection: Connection<'_, &mut [u8], R, I, W, &C, S>,
    ) -> End {
        loop {
            if let Err(fault) = self.hand_over(connection.client()).await {
                return End::Failed(fault);
            }
            let until = match self.turn(connection.client()).await {
                Turn::Wait(until) => until,
                Turn::Abandon | Turn::Stopped(_) => return End::Closed,
                Turn::Climb(..) => return End::Failed(Fault::new(Rung::Mqtt, Code::Closed)),
            };
            let came = select3(
                connection.next(),
                self.commands.changed(),
                sleep(self.clock, until),
            )
            .await;
            let end = match came {
                Either3::First(event) => self.below(event),
                Either3::Second(()) => {
                    self.state.look = true;
                    None
                }
                Either3::Third(()) => None,
            };
            if let Some(end) = end {
                if matches!(end, End::Closed) {
                    connection.hand_over().await;
                }
                return end;
            }
        }
    }

    /// Something came up from the connection.
    fn below(&mut self, event: Below<'_>) -> Option<End> {
        let now = self.now();
        match event {
            Below::Connected(connected) => {
                if let Some(event) = self.device.connected(now, connected.session_present) {
                    self.tell(event);
                }
            }
            // Of a message that does not fit the memory nothing is of use.
            Below::Message(message) if message.is_whole() => {
                let topic = message.topic.as_str();
                if let Some(event) = self
                    .device
                    .message(now, topic, message.payload, message.dup)
                {
                    self.tell(event);
                }
            }
            Below::Settled { packet_id, outcome } => self.settled(packet_id, outcome),
            Below::Subscribed(suback) => self.subscribed(&suback),
            Below::Failed(fault) => return Some(End::Failed(fault)),
            Below::Disconnected => return Some(End::Closed),
            _ => {}
        }
        None
    }

    fn subscribed(&mut self, suback: &Suback<'_>) {
        let reasons: Vec<ReasonCode, FILTERS> = suback.reasons().take(FILTERS).collect();
        self.device.subscribed(suback.packet_id, &reasons);
    }

    /// A message of the outbox is to be removed.
    pub(super) fn settled(&mut self, packet_id: PacketId, outcome: Outcome) {
        if let Some(delivery) = self.device.settled(packet_id, outcome) {
            self.state.settling = Some((delivery.sequence, delivery.outcome));
        }
    }

    /// Removes the message that is settled. Dropped before its end, it is done the next time.
    pub(super) async fn settle(&mut self) {
        let Some((sequence, outcome)) = self.state.settling else {
            return;
        };
        let removed = self.commands.outbox.lock().await.remove(sequence).await;
        self.state.settling = None;
        // What can't be removed is sent again after a restart.
        if let Err(error) = removed {
            self.outbox_failed(&error);
        }
        (self.told)(match outcome {
            Outcome::Acknowledged(_) => Event::Delivered(sequence),
            outcome => Event::Lost { sequence, outcome },
        });
    }

    fn outbox_failed(&mut self, error: &impl fmt::Display) {
        if !core::mem::replace(&mut self.state.outbox_told, true) {
            let fault = Fault::new(Rung::Link, Code::Io).detail(words(error).as_str().as_bytes());
            (self.told)(Event::OutboxFailed(fault));
        }
    }

    /// Hands over what the algorithm has room for: answers and a report first, which are few.
    async fn hand_over(&mut self, line: &mut Client<&mut [u8], R>) -> Result<(), Fault> {
        if self.device.target() != Target::Hub {
            return Ok(());
        }
        if self.device.is_online() {
            self.answer(line);
            self.report(line);
        }
        while self.state.look && self.device.room() > 0 {
            self.settle().await;
            let Some((sequence, handed)) = self.hand_over_next(line).await else {
                self.state.look = false;
                break;
            };
            match handed {
                Handed::Sent => self.state.cursor = Some(sequence),
                // It is looked for again: it may expire, or make room, before there is room for it.
                Handed::Stuck => break,
                Handed::Unfit => {
                    self.state.cursor = Some(sequence);
                    let reason = ReasonCode::PACKET_TOO_LARGE;
                    self.state.settling = Some((sequence, Outcome::NotAdmitted(reason)));
                }
                Handed::Hopeless(fault) => return Err(fault),
            }
        }
        Ok(())
    }

    /// Hands over the next message of the outbox, if there is one.
    async fn hand_over_next(&mut self, line: &mut Client<&mut [u8], R>) -> Option<(u64, Handed)> {
        let unix = self.now().unix;
        let mut outbox = self.commands.outbox.lock().await;
        let age = outbox.age();
        let stored = match outbox.next_after(self.state.cursor, unix).await {
            Ok(stored) => stored,
            Err(error) => {
                self.outbox_failed(&error);
                return None;
            }
        };
        self.state.outbox_told = false;
        let stored = stored?;
        let record = Record {
            properties: stored.properties,
            body: stored.body,
            expires: worthless_at(stored.accepted, stored.expires, age),
        };
        let scratch = &mut self.state.scratch;
        let handed = match self.device.send(stored.sequence, &record, line, scratch) {
            Ok(()) => Handed::Sent,
            Err(Refusal::Full | Refusal::NoPacketId | Refusal::NotConnected) => Handed::Stuck,
            Err(Refusal::PacketTooLarge(_)) => Handed::Unfit,
            Err(refusal) => {
                let why = words(&refusal);
                let fault = Fault::new(Rung::Hub, Code::HubName);
                Handed::Hopeless(fault.detail(why.as_str().as_bytes()))
            }
        };
        Some((stored.sequence, handed))
    }

    /// Sends the answers to methods that wait, as far as there is room.
    fn answer(&mut self, line: &mut Client<&mut [u8], R>) {
        while let Some(answer) = self.commands.take_answer() {
            let scratch = &mut self.state.scratch;
            let sent = self.device.respond(
                &answer.request,
                answer.status,
                &answer.payload,
                line,
                scratch,
            );
            match sent {
                Err(Refusal::Full) => return self.commands.keep_answer(answer),
                // A call whose connection has ended can't be answered any more; the hub has told the caller.
                Ok(()) | Err(Refusal::NotConnected) => {}
                Err(refusal) => {
                    let why = words(&refusal);
                    let fault = Fault::new(Rung::Hub, Code::BufferTooSmall);
                    (self.told)(Event::NotAnswered(fault.detail(why.as_str().as_bytes())));
                }
            }
        }
    }

    /// Sends the change of reported properties that waits.
    fn report(&mut self, line: &mut Client<&mut [u8], R>) {
        let now = self.now();
        let scratch = &mut self.state.scratch;
        self.commands.send_report(
            |patch| match self.device.report(now, patch, line, scratch) {
                Ok(request) => Ok(Some(request)),
                Err(Refusal::Full | Refusal::NoPacketId | Refusal::NotConnected) => Ok(None),
                Err(_) => Err(ReportError::TooLarge),
            },
        );
    }
}

/// What an error says, the beginning of it.
fn words(error: &impl fmt::Display) -> Text<56> {
    let mut words = Text::EMPTY;
    // What does not fit is cut.
    let _ = write!(words, "{error}");
    words
}
