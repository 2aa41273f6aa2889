//! What a broken path asks for: the other transport, a new token, another hub, or only patience.

use towpath_proto::{Code, Fault, Rung, mqtt::reason::ReasonCode};

/// The kinds of failure that are reacted to differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    /// Between the name and MQTT: another port may pass.
    Transport,
    /// The hub does not take these credentials, or does not know the device.
    Refused,
    /// The network or the hub is not there for us at the moment.
    Unavailable,
    /// Trying again does not change it.
    Hopeless,
}

impl Class {
    pub(super) fn of(fault: &Fault) -> Self {
        match fault.code {
            // What is typed wrong stays wrong.
            Code::TlsProfile
            | Code::TlsMaterial
            | Code::NameInvalid
            | Code::ProxyName
            | Code::RequestField => Self::Hopeless,
            // Whatever the port: somebody has to set the clock.
            Code::ClockUnset => Self::Unavailable,
            Code::ConnectRefused if is_denied(fault.number) => Self::Refused,
            // Without an address or a name no port is reached.
            _ if fault.rung < Rung::Nat64 => Self::Unavailable,
            _ if fault.rung < Rung::Mqtt => Self::Transport,
            _ => Self::Unavailable,
        }
    }
}

/// Return codes 4 and 5 of CONNACK, as MQTT 5 numbers them. The hub says 5 to a wrong or expired token, a wrong
/// certificate, and a device that is unknown or disabled. Its 3 means trouble of its own.
fn is_denied(number: u32) -> bool {
    [
        ReasonCode::BAD_USER_NAME_OR_PASSWORD,
        ReasonCode::NOT_AUTHORIZED,
    ]
    .iter()
    .any(|reason| u32::from(reason.0) == number)
}

/// The same fault in the hub's terms: a return code of CONNACK says less.
pub(super) fn told_of_hub(fault: Fault) -> Fault {
    if Class::of(&fault) != Class::Refused {
        return fault;
    }
    Fault::new(Rung::Hub, Code::HubUnauthorized)
        .number(fault.number)
        .clause(fault.clause)
}

/// Whether the server cut the connection instead of answering a CONNECT that was not alone.
pub(super) fn is_cut_at_connect(fault: &Fault) -> bool {
    fault.rung >= Rung::Mqtt
        && matches!(
            fault.code,
            Code::Closed | Code::Reset | Code::WsClosed | Code::ConnackTimeout
        )
}
