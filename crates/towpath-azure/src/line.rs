//! The MQTT connection under a device, as far as it is needed.

use towpath_proto::{
    Buffer, Client, Random,
    client::Outgoing,
    mqtt::{
        packet::{PacketId, Subscription},
        property::Properties,
        reason::ReasonCode,
        session::Refusal,
    },
};

/// An MQTT connection to write to. What comes up from it is told to the device by whoever drives both.
///
/// Everything may be called before the connection is accepted: it leaves then, or right behind CONNECT.
pub trait Line {
    /// Publishes; with QoS 1 the identifier by which the acknowledgement is told.
    ///
    /// # Errors
    /// Why the message can't be taken; [`Refusal::Full`] passes.
    fn publish(&mut self, message: &Outgoing<'_>) -> Result<Option<PacketId>, Refusal>;

    /// Subscribes; the identifier by which SUBACK is told.
    ///
    /// # Errors
    /// Why it can't be taken.
    fn subscribe(&mut self, list: &[Subscription<'_>]) -> Result<PacketId, Refusal>;

    /// Takes back a message that was published and not acknowledged. False if there is no such message, or this
    /// connection has sent it.
    fn withdraw(&mut self, packet_id: PacketId) -> bool;

    /// Says farewell.
    ///
    /// # Errors
    /// Why it can't be done; [`Refusal::Full`] passes.
    fn disconnect(&mut self) -> Result<(), Refusal>;

    /// QoS 1 messages that were taken and are not acknowledged.
    fn unsettled(&self) -> usize;
}

impl<B: Buffer, R: Random> Line for Client<B, R> {
    fn publish(&mut self, message: &Outgoing<'_>) -> Result<Option<PacketId>, Refusal> {
        Self::publish(self, message)
    }

    fn subscribe(&mut self, list: &[Subscription<'_>]) -> Result<PacketId, Refusal> {
        Self::subscribe(self, list, Properties::NONE)
    }

    fn withdraw(&mut self, packet_id: PacketId) -> bool {
        Self::withdraw(self, packet_id)
    }

    fn disconnect(&mut self) -> Result<(), Refusal> {
        Self::disconnect(self, ReasonCode::SUCCESS, Properties::NONE)
    }

    fn unsettled(&self) -> usize {
        Self::unsettled(self)
    }
}
