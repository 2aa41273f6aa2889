//! One registration with the provisioning service, on a connection of its own: such as for a new certificate, while the
//! device goes on with its hub.
//!
//! Takes in [`Options`] with an entry by DPS, and a certificate signing request; gives out [`Registered`].

use std::time::Duration;

use tokio::time::{sleep_until, timeout};
use towpath_azure::{
    Attempt, Now, Proof, Target, Transport, Transports,
    dps::{self, Outcome, Registration, Request},
    registration_resource, registration_user_name_for, sas,
};

use super::{
    Options, drive,
    options::{Credential, Entry},
};
use crate::{Error, Event, Refusal, host::Clock, tokio::Connection};

/// How long a token for the service is good for, seconds.
const TOKEN: u64 = 3600;

/// Until something is asked again for which there was no room.
const AGAIN: Duration = Duration::from_millis(100);

/// How long a farewell may take.
const FAREWELL: Duration = Duration::from_secs(2);

/// Memory for a request with its certificate signing request.
const SCRATCH: usize = 16 << 10;

/// What the service has decided.
#[derive(Debug, Clone, PartialEq)]
pub struct Registered {
    /// The hub, and the device's identifier there.
    pub assignment: towpath_azure::Assignment,
    /// What whoever allocated the hub has to say: JSON.
    pub payload: Option<Vec<u8>>,
    /// The certificates that were issued, as they came; `certificate::issued_chain` reads them.
    pub issued: Option<Vec<u8>>,
}

/// Registers the device. `csr` is the base64 of a certificate signing request (PKCS#10, DER) on one line.
///
/// Each transport that the options allow is tried once.
///
/// # Errors
/// Where the path broke, or the service's refusal, as [`Error::Path`]; [`Error::Url`] for a device that knows its hub.
pub async fn provision(options: &Options, csr: Option<&str>) -> Result<Registered, Error> {
    options.check()?;
    let transports: &[Transport] = match options.transports {
        Transports::Only(Transport::Mqtts) => &[Transport::Mqtts],
        Transports::Only(Transport::Wss) => &[Transport::Wss],
        Transports::Both => &[Transport::Mqtts, Transport::Wss],
    };
    let mut ended = None;
    for transport in transports {
        match once(options, csr, *transport).await {
            // What the service says it says by each port.
            Err(Error::Path(fault)) if fault.rung != crate::Rung::Hub => {
                ended = Some(Err(fault.into()));
            }
            other => return other,
        }
    }
    ended.unwrap_or_else(|| Err(nowhere()))
}

fn nowhere() -> Error {
    Error::Url {
        why: "a device that knows its hub does not ask the provisioning service".into(),
    }
}

async fn once(
    options: &Options,
    csr: Option<&str>,
    transport: Transport,
) -> Result<Registered, Error> {
    let payload = options.payload();
    let Entry::Dps {
        registration_id, ..
    } = &options.entry
    else {
        return Err(nowhere());
    };
    let request = Request {
        registration_id,
        payload: &payload,
        csr,
    };
    let mut connection = connection(options, csr.is_some(), transport)?;
    let clock = Clock::start();
    let now = || Now {
        at: clock.now(),
        unix: drive::unix(),
    };
    let mut registration = Registration::new();
    registration.begin(now());
    let mut scratch = vec![0; SCRATCH];
    let mut accepted = false;
    loop {
        let mut due = None;
        if accepted {
            if let Some(refused) = registration.handle_timeout(now()) {
                return Err(refused.fault().into());
            }
            due = match registration.poll(now(), &request, &mut connection, &mut scratch) {
                Ok(due) => due,
                Err(Refusal::Full | Refusal::NotConnected) => Some(clock.now().after(AGAIN)),
                Err(refusal) => return Err(refusal.into()),
            };
        }
        let timer = async {
            match due {
                Some(due) => sleep_until(clock.host(due).into()).await,
                None => std::future::pending().await,
            }
        };
        let event = tokio::select! {
            event = connection.next() => event,
            () = timer => continue,
        };
        match event {
            Event::Connected { .. } => accepted = true,
            Event::Subscribed { packet_id, reasons } => {
                registration.subscribed(packet_id, &reasons);
            }
            Event::Message(message) => {
                let outcome = registration.message(now(), &message.topic, &message.payload);
                if let Some(outcome) = outcome {
                    let registered = registered(outcome);
                    // What was decided holds without a farewell.
                    let _ = timeout(FAREWELL, connection.disconnect()).await;
                    return registered;
                }
            }
            Event::Disconnected { fault, .. } => return Err(fault.into()),
            Event::Refused(refusal) => return Err(refusal.into()),
            Event::Closed => {
                return Err(crate::Fault::new(crate::Rung::Mqtt, crate::Code::Closed).into());
            }
            _ => {}
        }
    }
}

fn registered(outcome: Outcome<'_>) -> Result<Registered, Error> {
    match outcome {
        Outcome::Assigned {
            assignment,
            payload,
            issued,
        } => Ok(Registered {
            assignment,
            payload: payload.map(<[u8]>::to_vec),
            issued: issued.map(<[u8]>::to_vec),
        }),
        Outcome::Refused(refused) => Err(refused.fault().into()),
    }
}

fn connection(
    options: &Options,
    for_certificate: bool,
    transport: Transport,
) -> Result<Connection, Error> {
    let payload = String::new();
    let settings = options.settings(&payload);
    let towpath_azure::Entry::Dps {
        host,
        scope,
        registration_id,
        ..
    } = settings.entry
    else {
        return Err(nowhere());
    };
    let version = if for_certificate {
        dps::CSR_API_VERSION
    } else {
        dps::API_VERSION
    };
    let user_name =
        registration_user_name_for(version, scope, registration_id, settings.product).to_string();
    let password = match settings.proof {
        Proof::Key(key) => {
            let unset = || crate::Fault::new(crate::Rung::Hub, crate::Code::ClockUnset);
            let expires = drive::unix().ok_or_else(unset)?.saturating_add(TOKEN);
            let resource = registration_resource(scope, registration_id);
            let mut token = zeroize::Zeroizing::new(String::new());
            // Writing to a text does not fail.
            let _ = sas::write(&mut *token, resource, key, expires, Some(dps::POLICY));
            Some(token)
        }
        Proof::Certificate => None,
    };
    let attempt = Attempt {
        target: Target::Dps,
        host,
        port: match transport {
            Transport::Mqtts => settings.ports.mqtts,
            Transport::Wss => settings.ports.https,
        },
        transport,
        path: "/$iothub/websocket",
        shows_certificate: matches!(options.credential, Credential::Certificate),
        client_id: registration_id,
        user_name: &user_name,
        password: password.as_ref().map(|token| token.as_str()),
        keep_alive: settings.keep_alive,
        clean_session: true,
        pipeline: false,
        will: None,
    };
    Ok(Connection::new(options.attempt(&attempt)))
}
