//! What the application asks for.

use towpath_proto::{
    client::Outgoing,
    mqtt::{QoS, property::Properties, session::Refusal, topic::TopicName},
};

use super::{Device, Record, SCRATCH, Stage, Then, poll::SETTLING, route::Target};
use crate::{Line, Now, hub::RequestId};

impl<const WINDOW: usize> Device<'_, WINDOW> {
    /// How many messages may be handed over now.
    #[must_use]
    pub fn room(&self) -> usize {
        match self.stage {
            Stage::Online => self.flights.room(),
            // What does not fit behind CONNECT waits there.
            Stage::Climbing(Target::Hub) if self.pipelines() => self.flights.room(),
            _ => 0,
        }
    }

    /// Hands telemetry to the connection. [`settled`](Self::settled) answers with `sequence` when the hub has it.
    ///
    /// # Errors
    /// [`Refusal::Full`] if there is no room now; otherwise why this message can't be sent at all.
    pub fn send(
        &mut self,
        sequence: u64,
        record: &Record<'_>,
        line: &mut impl Line,
        scratch: &mut [u8; SCRATCH],
    ) -> Result<(), Refusal> {
        if self.room() == 0 {
            return Err(Refusal::Full);
        }
        let names = self.names().ok_or(Refusal::NotConnected)?;
        let topic = crate::hub::telemetry_topic(&names, record.properties, scratch)
            .ok_or(Refusal::PacketTooLarge(SCRATCH))?;
        let message = Outgoing {
            topic: TopicName::new(topic)?,
            payload: record.body,
            qos: QoS::AtLeastOnce,
            retain: false,
            properties: Properties::NONE,
        };
        if let Some(packet_id) = line.publish(&message)? {
            self.flights.add(packet_id, sequence, record.expires);
        }
        Ok(())
    }

    /// Asks the hub to change reported properties: a JSON object, `null` deletes. [`Event::Reported`](crate::Event::Reported) answers with the
    /// number that this gives.
    ///
    /// # Errors
    /// [`Refusal::NotConnected`], [`Refusal::Full`] with too many at once.
    pub fn report(
        &mut self,
        now: Now,
        patch: &[u8],
        line: &mut impl Line,
        scratch: &mut [u8; SCRATCH],
    ) -> Result<u32, Refusal> {
        if !self.is_online() {
            return Err(Refusal::NotConnected);
        }
        self.hub.report(now, patch, line, scratch)
    }

    /// Asks for the whole twin; [`Event::Twin`](crate::Event::Twin) brings it.
    pub fn request_twin(&mut self) {
        self.hub.request_twin();
    }

    /// Answers a method with a status and JSON, which may be empty.
    ///
    /// # Errors
    /// [`Refusal::NotConnected`] if the connection that the call came by has ended, [`Refusal::Full`].
    pub fn respond(
        &mut self,
        request: &RequestId,
        status: u32,
        payload: &[u8],
        line: &mut impl Line,
        scratch: &mut [u8; SCRATCH],
    ) -> Result<(), Refusal> {
        if !self.is_online() {
            return Err(Refusal::NotConnected);
        }
        self.hub.respond(request, status, payload, line, scratch)
    }

    /// Leaves the hub to come back at once, such as with a new certificate, after messages under way have settled.
    pub fn reconnect(&mut self, now: Now) {
        if matches!(self.stage, Stage::Online | Stage::Climbing(Target::Hub)) {
            self.leave(now, Then::Climb(now.at), SETTLING);
        }
    }

    /// Leaves for good, after messages under way have settled. True: there is no connection to leave, nothing follows.
    pub fn leave_for_good(&mut self, now: Now) -> bool {
        self.refused = None;
        match self.stage {
            Stage::Online | Stage::Provisioning | Stage::Climbing(_) => {
                self.leave(now, Then::Stop, SETTLING);
                false
            }
            Stage::Leaving { until, said, .. } => {
                self.stage = Stage::Leaving {
                    then: Then::Stop,
                    until,
                    said,
                };
                false
            }
            Stage::Starting | Stage::Pausing(_) | Stage::Stopped => {
                self.stage = Stage::Stopped;
                true
            }
        }
    }
}
