//! CONNECT: who may come in, and as whom; and what is left when a connection is over.
//!
//! Return codes: 5 for whoever is not let in, as the real service answers an expired or wrong token, an unknown or
//! disabled device, a wrong thumbprint and a client id of somebody else; 4 for a user name that can't be read; 2 for an
//! empty client id; 3 for a hub that is not there, is suspended or has too much to do, and for an X.509 device on 443 whose
//! certificate did not arrive (`behaviour.certificate_missing`). Where the documents have no table, this is what
//! clients have reported.

use std::{
    fmt,
    sync::{Arc, atomic::Ordering},
};

use tokio::sync::mpsc;

use super::{
    Down, Entry, Hub, Live, Name, State,
    credentials::{Accepted, Denied, NOT_AUTHORIZED, Registered, millis},
    live,
    registry::check_id,
    session::Feature,
    topic::{self, Up},
    user_name::UserName,
};
use crate::{
    certificate::ClientCertificate,
    clock::Time,
    config::{NoApiVersion, Refusal},
    connection::{Connection, Listener},
    fault::Kind,
    log::{Code, Record},
    store::{Batch, Table},
};

/// What CONNECT says.
pub(crate) struct Hello<'a> {
    pub(crate) client_id: &'a str,
    pub(crate) user_name: Option<&'a str>,
    pub(crate) password: Option<&'a [u8]>,
    pub(crate) clean: bool,
    /// The topic of the will.
    pub(crate) will: Option<&'a str>,
    /// From the handshake, the renegotiation or the proxy in front.
    pub(crate) certificate: Option<&'a ClientCertificate>,
}

/// Without the password, which is a token.
impl fmt::Debug for Hello<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hello")
            .field("client_id", &self.client_id)
            .field("user_name", &self.user_name.map(topic::shortened))
            .field("password", &self.password.map(|_| ".."))
            .field("clean", &self.clean)
            .field("will", &self.will)
            .field("certificate", &self.certificate)
            .finish()
    }
}

/// A client that is in.
#[derive(Debug)]
pub(crate) struct Admitted {
    pub(crate) name: Name,
    pub(crate) session_present: bool,
    /// When the connection is closed because its token has expired, grace included.
    pub(crate) expires: Option<Time>,
    /// What the hub has for it from now on.
    pub(crate) down: mpsc::Receiver<Down>,
}

/// A client that is refused.
#[derive(Debug)]
pub(crate) struct Refused {
    /// CONNACK's return code, 1 to 5.
    pub(crate) return_code: u8,
    /// What the log says.
    pub(crate) code: Code,
    /// The true cause, with the values that decided. No key, no token.
    pub(crate) why: String,
}

/// Characters of a text that says why.
const LONGEST: usize = 800;
/// Identifier rejected.
const IDENTIFIER: u8 = 2;
/// Server unavailable.
const UNAVAILABLE: u8 = 3;
/// Bad user name or password.
const MALFORMED: u8 = 4;

impl Refused {
    pub(super) fn new(return_code: u8, code: Code, why: impl Into<String>) -> Self {
        let mut why = why.into();
        // What a client sends can be 64 kB long.
        if let Some((end, _)) = why.char_indices().nth(LONGEST) {
            why.truncate(end);
            why.push_str("...");
        }
        Self {
            return_code,
            code,
            why,
        }
    }

    pub(super) fn unauthorized(why: impl Into<String>) -> Self {
        Self::new(NOT_AUTHORIZED, Code::IotHubUnauthorized, why)
    }
}

impl Hub {
    /// Checks CONNECT, takes the identity over from an older connection, and registers this one.
    pub(crate) fn admit(
        &self,
        hello: &Hello<'_>,
        connection: &Arc<Connection>,
    ) -> Result<Admitted, Refused> {
        let user_name = self.read_user_name(hello, connection)?;
        let name = &user_name.name;
        self.check_faults(name, connection)?;
        if !self.throttles.connect(&self.limits, self.means.clock.now()) {
            let why = format!(
                "more than {} connections a second",
                self.limits.connects_per_s
            );
            return Err(Refused::new(UNAVAILABLE, Code::Throttled, why));
        }
        let registered = self.registered(name)?;
        // Counted and told once for each CONNECT.
        let ahead = self.means.faults.strike(Kind::ClockSkew, connection);
        let ahead = ahead.map_or(0, |seconds| millis(seconds.number()));
        let now = self.means.clock.now();
        let token = hello.password.map(String::from_utf8_lossy);
        let accepted = self
            .prove(
                name,
                &registered.authentication,
                token.as_deref(),
                hello.certificate,
                now.plus(ahead),
            )
            .map_err(|denied| self.denied(denied, connection))?;
        if matches!(accepted, Accepted::Token(_))
            && self
                .means
                .faults
                .strike(Kind::TokenExpired, connection)
                .is_some()
        {
            let why = "the token is good, but a fault takes each token for expired (token-expired)";
            return Err(self.alternated(Refused::unauthorized(why)));
        }
        check_will(hello, name)?;
        let expires = match accepted {
            Accepted::Token(expires) => {
                let grace = self.limits.token_grace_s.saturating_mul(1000);
                Some(expires.plus(grace).plus(-ahead))
            }
            Accepted::Certificate => None,
        };
        self.take_in(hello, connection, user_name, &registered, expires)
    }

    /// The user name, of this hub and of the client id's device.
    fn read_user_name<'a>(
        &self,
        hello: &Hello<'a>,
        connection: &Connection,
    ) -> Result<UserName<'a>, Refused> {
        let malformed = |why: String| Refused::new(MALFORMED, Code::ArgumentInvalid, why);
        let Some(text) = hello.user_name else {
            return Err(malformed("CONNECT has no user name".into()));
        };
        let user_name = UserName::parse(text).map_err(malformed)?;
        for id in std::iter::once(&user_name.name.device).chain(&user_name.name.module) {
            check_id(id).map_err(|why| {
                malformed(format!(
                    "the user name names {}: {why}",
                    topic::shortened(id)
                ))
            })?;
        }
        let (host, name) = (user_name.host, user_name.name.to_string());
        connection.identify(Some(host), Some(&name));
        if !host.eq_ignore_ascii_case(&self.host) {
            let why = format!(
                "the user name is for the hub {host:?}; this is {:?}",
                self.host
            );
            return Err(Refused::new(UNAVAILABLE, Code::HubNotFound, why));
        }
        if hello.client_id.is_empty() {
            let why = format!("the client id is empty; it has to be {name:?}");
            return Err(Refused::new(IDENTIFIER, Code::ArgumentInvalid, why));
        }
        if hello.client_id != name {
            let why = format!(
                "the client id is {}, the user name names {name:?}",
                topic::shortened(hello.client_id)
            );
            return Err(Refused::unauthorized(why));
        }
        if user_name.api_version.is_none() && self.behaviour.no_api_version == NoApiVersion::Refuse
        {
            let why = format!(
                "the user name {} has no api-version",
                topic::shortened(text)
            );
            return Err(Refused::new(MALFORMED, Code::InvalidProtocolVersion, why));
        }
        Ok(user_name)
    }

    /// The faults that come before anything is known of the device.
    fn check_faults(&self, name: &Name, connection: &Connection) -> Result<(), Refused> {
        let faults = &self.means.faults;
        let by_fault = |kind: Kind, return_code, code, what: String| {
            let struck = faults.strike(kind, connection).is_some();
            let why = || format!("{what} (the fault {kind} is on)");
            if struck {
                Err(Refused::new(return_code, code, why()))
            } else {
                Ok(())
            }
        };
        let host = &self.host;
        by_fault(
            Kind::HubNotFound,
            UNAVAILABLE,
            Code::HubNotFound,
            format!("there is no hub {host:?}"),
        )?;
        by_fault(
            Kind::HubSuspended,
            UNAVAILABLE,
            Code::HubSuspended,
            format!("the hub {host:?} is suspended"),
        )?;
        by_fault(
            Kind::DeviceUnknown,
            NOT_AUTHORIZED,
            Code::DeviceNotFound,
            format!("there is no device {name}"),
        )?;
        by_fault(
            Kind::DeviceDisabled,
            NOT_AUTHORIZED,
            Code::DeviceDisabled,
            format!("{name} is disabled"),
        )
    }

    /// The refusal of credentials that are not accepted.
    fn denied(&self, denied: Denied, connection: &Connection) -> Refused {
        match (denied, connection.listener) {
            (Denied::Wrong(why), _) => self.alternated(Refused::unauthorized(why)),
            (Denied::NoCertificate(why), Listener::Mqtts) => {
                self.alternated(Refused::unauthorized(format!(
                    "{why}: it was asked for in the handshake, and the client had none to send"
                )))
            }
            (Denied::NoCertificate(why), Listener::Https) => Refused::new(
                self.behaviour.certificate_missing.clamp(1, 5),
                Code::IotHubUnauthorized,
                format!(
                    "{why} on 443: the client sent none in the renegotiation after the GET, or was not asked \
                     (iothub-no-client-cert=true in the path, or [tls] front = \"none\")"
                ),
            ),
        }
    }

    /// Return code 3 in place of every second 5, where the config says so.
    fn alternated(&self, mut refused: Refused) -> Refused {
        if self.behaviour.refusal == Refusal::Alternating
            && self.refusals.fetch_add(1, Ordering::Relaxed) % 2 == 1
        {
            refused.return_code = UNAVAILABLE;
        }
        refused
    }

    /// Registers the connection, and ends the one that was there before. The credentials were checked without the lock,
    /// against what was `registered` then.
    pub(super) fn take_in(
        &self,
        hello: &Hello<'_>,
        connection: &Arc<Connection>,
        user_name: UserName<'_>,
        registered: &Registered,
        expires: Option<Time>,
    ) -> Result<Admitted, Refused> {
        let faults = &self.means.faults;
        let lost = faults.strike(Kind::SessionLost, connection).is_some();
        let (sender, down) = mpsc::channel(live::WAITING);
        let live = Live {
            connection: Arc::clone(connection),
            down: sender,
            since: self.means.clock.now(),
            expires,
            model_id: user_name.model_id,
            client_type: user_name.client_type,
        };
        let name = user_name.name;
        let mut state = self.lock();
        if state.registered(&name)? != *registered {
            let why = format!("the credentials of {name} were changed while they were checked");
            return Err(Refused::unauthorized(why));
        }
        let session_present = self.seat(&mut state, &name, live, hello.clean, lost);
        drop(state);
        faults.saw(&name.to_string(), connection.peer.ip());
        Ok(Admitted {
            name,
            session_present,
            expires,
            down,
        })
    }

    /// The connection takes the place of the one before, and finds its session; whether there is one.
    fn seat(&self, state: &mut State, name: &Name, live: Live, clean: bool, lost: bool) -> bool {
        self.take_over(state, name, &live.connection);
        let Some(entry) = state.entries.get_mut(name) else {
            return false;
        };
        let now = live.since;
        let before = entry.session.kept;
        let present = entry.session.resume(clean, lost);
        entry.live = Some(live);
        entry.identity.connection_state_updated = now;
        entry.identity.last_activity = now;
        if entry.session.subscriptions.contains_key(&Feature::Methods) {
            state.methods.ready.notify_waiters();
        }
        let mut batch = Batch::default();
        if lost || before == clean {
            self.keep_session(state, name, &mut batch);
        }
        if clean {
            // As the documents of the SDKs have it: a clean session drops what is queued.
            self.purge_in(state, name, &mut batch);
        }
        if self.attend(state, name, now, &mut batch) {
            self.keep_inbox(state, name, &mut batch);
        }
        // CONNACK promises nothing that has to be on the disk: a session that is not there after a crash is not
        // reported as present.
        drop(self.means.store.write(batch));
        present
    }

    /// Ends the connection that the identity has at the moment.
    fn take_over(&self, state: &mut State, name: &Name, by: &Connection) {
        let entry = state.entries.get_mut(name);
        let Some(old) = entry.and_then(|entry| entry.part(self.means.clock.now())) else {
            return;
        };
        let why = format!(
            "{name} connected again: connection {} from {} took over from connection {} from {}",
            by.id, by.peer, old.connection.id, old.connection.peer
        );
        // The connection tells the log when it reads this. One whose channel is full learns it from the channel's end,
        // which comes with `old`.
        let told = old.send(Down::Close {
            code: Code::LinkStolen,
            why: why.clone(),
        });
        if !told {
            let record = Record::warn(Code::LinkStolen, why).connection(old.connection.id);
            self.means
                .tell(record.host(&self.host).device(name.to_string()));
        }
        state.lose_methods(name);
    }

    /// The connection is over. `will` is published as telemetry if there is one, also by a connection that another one
    /// took over from.
    pub(crate) fn leave(&self, name: &Name, connection: &Connection, will: Option<(&str, &[u8])>) {
        if let Some((topic, payload)) = will {
            self.publish_will(name, connection, topic, payload);
        }
        let mut state = self.lock();
        let entry = state.entries.get_mut(name);
        let Some(entry) = entry.filter(|entry| entry.is_live(connection)) else {
            // Another connection has the identity by now, or it is deleted.
            return;
        };
        entry.part(self.means.clock.now());
        let mut batch = Batch::default();
        batch.put(Table::Identity, name.key(&self.host), &entry.identity);
        state.lose_methods(name);
        self.schedule(&mut state, name);
        // Nobody waits for it.
        drop(self.means.store.write(batch));
    }
}

impl Entry {
    /// Whether this is its connection at the moment.
    pub(super) fn is_live(&self, connection: &Connection) -> bool {
        let live = self.live.as_ref();
        live.is_some_and(|live| live.connection.id == connection.id)
    }

    /// Lets the connection go, with the messages that it holds and the session that ends with it.
    pub(super) fn part(&mut self, now: Time) -> Option<Live> {
        let live = self.live.take()?;
        self.inbox.release(live.connection.id);
        self.identity.connection_state_updated = now;
        self.identity.last_activity = now;
        if !self.session.kept {
            self.session.subscriptions.clear();
        }
        Some(live)
    }
}

/// A will goes where the device's messages go.
fn check_will(hello: &Hello<'_>, name: &Name) -> Result<(), Refused> {
    let Some(topic) = hello.will else {
        return Ok(());
    };
    let why = match topic::up(topic, name) {
        Ok(Up::Telemetry { .. }) => return Ok(()),
        Ok(_) => format!(
            "the topic {} is none of {name}'s messages",
            topic::shortened(topic)
        ),
        Err(why) => why,
    };
    Err(Refused::new(
        NOT_AUTHORIZED,
        Code::ArgumentInvalid,
        format!("the will: {why}"),
    ))
}
