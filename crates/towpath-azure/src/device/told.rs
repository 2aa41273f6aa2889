//! What comes up from the connection.

use core::time::Duration;

use towpath_proto::{
    Code, Fault, Random,
    event::Outcome,
    mqtt::{packet::PacketId, reason::ReasonCode},
};

use super::{Delivery, Device, Stage, Then, failure, names, route::Target};
use crate::{Assignment, Entry, Event, Now, Stop, dps::Outcome as Registered};

impl<const WINDOW: usize> Device<'_, WINDOW> {
    /// CONNACK said yes.
    pub fn connected(&mut self, now: Now, session_present: bool) -> Option<Event<'static>> {
        let Stage::Climbing(target) = self.stage else {
            return None;
        };
        self.accepted = Some(now.at);
        self.route.accepted(target);
        match target {
            Target::Dps => {
                self.stage = Stage::Provisioning;
                None
            }
            Target::Hub => {
                self.stage = Stage::Online;
                self.hub.connected(now, session_present);
                Some(Event::Connected {
                    transport: self.route.transport,
                    session_present,
                })
            }
        }
    }

    /// SUBACK.
    pub fn subscribed(&mut self, packet_id: PacketId, reasons: &[ReasonCode]) {
        match self.line {
            Target::Dps => self.registration.subscribed(packet_id, reasons),
            Target::Hub => {
                // The rest goes on, telemetry above all. Without room it was told often enough.
                if let Some(fault) = self.hub.subscribed(packet_id, reasons) {
                    let _ = self.news.push_back(Event::Hindered(fault));
                }
            }
        }
    }

    /// A message came.
    pub fn message<'m>(
        &mut self,
        now: Now,
        topic: &'m str,
        payload: &'m [u8],
        dup: bool,
    ) -> Option<Event<'m>> {
        match self.line {
            // It has said what it had to say.
            Target::Dps if matches!(self.stage, Stage::Leaving { .. }) => None,
            Target::Dps => match self.registration.message(now, topic, payload)? {
                Registered::Assigned {
                    assignment,
                    payload,
                    ..
                } => {
                    self.adopt(assignment.clone());
                    self.leave(now, Then::Climb(now.at), Duration::ZERO);
                    Some(Event::Assigned {
                        assignment,
                        payload,
                    })
                }
                Registered::Refused(refused) => {
                    self.refused = Some(refused);
                    None
                }
            },
            Target::Hub => {
                let names = names(&self.settings, self.assignment.as_ref())?;
                self.hub.message(now, &names, topic, payload, dup)
            }
        }
    }

    fn adopt(&mut self, assignment: Assignment) {
        self.route.assigned();
        if self.assignment.as_ref() != Some(&assignment) {
            self.fresh = true;
            self.assignment = Some(assignment);
        }
    }

    /// A message that was published is settled.
    pub fn settled(&mut self, packet_id: PacketId, outcome: Outcome) -> Option<Delivery> {
        // What was published to DPS may bear the identifier of a message that waits for the hub.
        if self.line == Target::Dps {
            return None;
        }
        self.flights
            .settle(packet_id)
            .map(|sequence| Delivery { sequence, outcome })
    }

    /// The attempt or the connection ended.
    pub fn failed(
        &mut self,
        now: Now,
        fault: Fault,
        random: &mut impl Random,
    ) -> Option<Event<'static>> {
        if let Stage::Leaving { .. } = self.stage {
            return self.closed(now);
        }
        if matches!(self.stage, Stage::Stopped | Stage::Pausing(_)) {
            return None;
        }
        let target = self.target();
        let held = self.accepted.map_or(Duration::ZERO, |at| now.at.since(at));
        self.ended();
        if fault.code == Code::NameInvalid && self.forget_hub(target) {
            // What DPS gave can't be a host's name.
            self.route.ask = true;
        }
        let known = self.assignment.is_some();
        let Some(retry_in) = self.route.failed((target, known), &fault, held, random) else {
            if known || target == Target::Dps {
                self.stage = Stage::Stopped;
                return Some(Event::Stopped(Stop::Fault(fault)));
            }
            let retry_in = self.route.again(random);
            self.stage = Stage::Pausing(now.after(retry_in));
            return Some(Event::Disconnected { fault, retry_in });
        };
        self.stage = Stage::Pausing(now.after(retry_in));
        let fault = if target == Target::Hub {
            failure::told_of_hub(fault)
        } else {
            fault
        };
        Some(Event::Disconnected { fault, retry_in })
    }

    /// Lets go of a hub that DPS has assigned. False: it is the caller's.
    fn forget_hub(&mut self, target: Target) -> bool {
        let assigned = target == Target::Hub && matches!(self.settings.entry, Entry::Dps { .. });
        if assigned {
            self.assignment = None;
        }
        assigned
    }

    /// The farewell has left, or the connection was cut as [`Step::Abandon`](super::Step::Abandon) asked.
    pub fn closed(&mut self, now: Now) -> Option<Event<'static>> {
        self.ended();
        match self.stage {
            Stage::Leaving {
                then: Then::Climb(at),
                ..
            } => {
                self.stage = Stage::Pausing(at.max(now.at));
                None
            }
            Stage::Stopped => None,
            _ => {
                self.stage = Stage::Stopped;
                Some(Event::Stopped(Stop::Asked))
            }
        }
    }

    fn ended(&mut self) {
        self.line = Target::Hub;
        self.accepted = None;
        self.token = None;
        self.refused = None;
        self.owed = None;
        self.hub.ended();
    }
}
