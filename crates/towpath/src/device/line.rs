//! A connection of the tokio face, as the device's algorithm sees it.

use towpath_azure::Line;
use towpath_proto::mqtt::{packet::Subscription, property::Properties, reason::ReasonCode};

use crate::{Outgoing, PacketId, Refusal, tokio::Connection};

impl Line for Connection {
    fn publish(&mut self, message: &Outgoing<'_>) -> Result<Option<PacketId>, Refusal> {
        self.machine().client.publish(message)
    }

    fn subscribe(&mut self, list: &[Subscription<'_>]) -> Result<PacketId, Refusal> {
        // Not through the machine, which would make it again by itself: the algorithm knows when.
        self.machine().client.subscribe(list, Properties::NONE)
    }

    fn withdraw(&mut self, packet_id: PacketId) -> bool {
        self.machine().client.withdraw(packet_id)
    }

    fn disconnect(&mut self) -> Result<(), Refusal> {
        self.machine()
            .disconnect(ReasonCode::SUCCESS, Properties::NONE)
    }

    fn unsettled(&self) -> usize {
        Self::unsettled(self)
    }
}
