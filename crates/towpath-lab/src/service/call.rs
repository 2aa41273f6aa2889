//! What a handler has of a request: which hub it is for, what the query says, and whether the caller may.

use std::{collections::HashMap, sync::Arc};

use axum::{
    extract::{FromRequestParts, Path, Query},
    http::{HeaderMap, header, request::Parts},
};
use serde::de::DeserializeOwned;
use towpath_proto::Rung;

use super::{
    Caller,
    answer::{Form, Refusal},
};
use crate::{
    clock::Time,
    config::Right,
    dps::Dps,
    fault::Kind,
    hub::{Accepted, Hub, Name, Policy},
    log::Code,
    sas::Token,
    shared::Shared,
};

/// A request before it is known whether it may. Not to be shown: the field `Authorization` and the query have secrets.
pub(super) struct Call {
    pub(super) lab: Arc<Shared>,
    pub(super) caller: Caller,
    /// `Host` without its port, in lower case.
    host: String,
    /// `Host` as it came.
    pub(super) authority: String,
    pub(super) query: HashMap<String, String>,
    pub(super) headers: HeaderMap,
}

impl FromRequestParts<Arc<Shared>> for Call {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, lab: &Arc<Shared>) -> Result<Self, Refusal> {
        let caller = parts.extensions.get::<Caller>().cloned();
        let caller = caller
            .ok_or_else(|| Refusal::new(Code::ServerError, "the request has no connection"))?;
        let authority = parts
            .headers
            .get(header::HOST)
            .and_then(|host| host.to_str().ok())
            .or_else(|| {
                parts
                    .uri
                    .authority()
                    .map(axum::http::uri::Authority::as_str)
            });
        let authority = authority
            .ok_or_else(|| Refusal::invalid("the request has no Host"))?
            .to_owned();
        let Query(query) = Query::try_from_uri(&parts.uri)
            .map_err(|error| Refusal::invalid(format!("the query: {error}")))?;
        Ok(Self {
            lab: Arc::clone(lab),
            caller,
            host: without_port(&authority).to_ascii_lowercase(),
            authority,
            query,
            headers: parts.headers.clone(),
        })
    }
}

/// The host of `host:port`, `[v6]:port` or either without a port.
pub(super) fn without_port(authority: &str) -> &str {
    if let Some(rest) = authority.strip_prefix('[') {
        return rest.split_once(']').map_or(rest, |(host, _)| host);
    }
    authority
        .split_once(':')
        .map_or(authority, |(host, _)| host)
}

impl Call {
    /// A field as text.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    pub(super) fn if_match(&self) -> Option<&str> {
        self.header("if-match").map(str::trim)
    }

    pub(super) fn authorization(&self) -> Option<&str> {
        self.header("authorization")
    }

    /// Every call says which version of the API it speaks.
    pub(super) fn check_version(&self) -> Result<(), Refusal> {
        let wrong = |why: String| Err(Refusal::new(Code::InvalidProtocolVersion, why));
        let Some(version) = self.query.get("api-version") else {
            return wrong("the query has no api-version; the SDKs send 2021-04-12".into());
        };
        let date = version.get(..10).unwrap_or_default();
        let digits = |range| {
            let part: Option<&str> = date.get(range);
            part.is_some_and(|part| part.bytes().all(|byte| byte.is_ascii_digit()))
        };
        let rest = version.get(10..).unwrap_or_default();
        let dashes = date.get(4..5) == Some("-") && date.get(7..8) == Some("-");
        let known = rest.is_empty() || rest == "-preview";
        if dashes && known && digits(0..4) && digits(5..7) && digits(8..10) {
            return Ok(());
        }
        wrong(format!(
            "api-version {version:?} is not a date such as 2021-04-12"
        ))
    }

    /// The hub that the request is for: the one of `Host`, or, behind a gateway of another name, that of the token.
    fn hub_named(&self) -> Result<Arc<Hub>, Refusal> {
        if let Some(hub) = self.lab.hub(&self.host) {
            return Ok(Arc::clone(hub));
        }
        let token = self
            .authorization()
            .and_then(|text| Token::parse(text).ok());
        let of_token = token
            .as_ref()
            .and_then(|token| token.resource.split('/').next());
        let hub = of_token.and_then(|host| self.lab.hub(host));
        hub.cloned().ok_or_else(|| {
            let why = format!("there is no hub {:?} in this lab", self.host);
            Refusal::new(Code::HubNotFound, why).host(&self.host)
        })
    }

    /// The hub, if the caller's policy there has one of the rights. `resource` is the path behind the host.
    pub(super) fn service(&self, rights: &[Right], resource: &str) -> Result<Arc<Hub>, Refusal> {
        let hub = self.hub_named()?;
        let checked = self
            .check_version()
            .and_then(|()| self.check_hub_faults(&hub, None))
            .and_then(|()| {
                let (now, skew) = (hub.now(None), hub.limits.skew_s);
                let wanted = format!("{}/{resource}", hub.host);
                self.check_policy(&hub.policies, rights, &wanted, now, skew)
            });
        checked.map(|()| Arc::clone(&hub)).map_err(|refusal| {
            let device = resource
                .split('/')
                .nth(1)
                .filter(|device| !device.is_empty());
            let refusal = refusal.host(&hub.host);
            match device {
                Some(device) => refusal.device(device),
                None => refusal,
            }
        })
    }

    fn check_policy(
        &self,
        policies: &[Policy],
        rights: &[Right],
        wanted: &str,
        now: Time,
        skew: i64,
    ) -> Result<(), Refusal> {
        let token = self.token()?;
        let policy = policy_of(&token, policies)?;
        let keys = [&policy.primary, &policy.secondary];
        let checked = token.check(wanted.trim_end_matches('/'), keys, now, skew);
        checked.map_err(|problem| {
            Refusal::unauthorized(format!("{problem} (policy {:?})", policy.name))
        })?;
        if rights.iter().any(|right| policy.rights.contains(right)) {
            return Ok(());
        }
        let why = format!("the policy {:?} has not the right {rights:?}", policy.name);
        Err(Refusal::unauthorized(why))
    }

    fn token(&self) -> Result<Token, Refusal> {
        let Some(text) = self.authorization() else {
            return Err(Refusal::unauthorized("the field Authorization is missing"));
        };
        Token::parse(text).map_err(|problem| Refusal::unauthorized(problem.to_string()))
    }

    /// The hub, if the caller is this device or module, by its token, its certificate or a policy.
    pub(super) fn device(&self, name: &Name) -> Result<Arc<Hub>, Refusal> {
        let hub = self.hub_named()?;
        self.caller
            .connection
            .identify(Some(&hub.host), Some(&name.to_string()));
        let checked = self
            .check_version()
            .and_then(|()| self.check_hub_faults(&hub, Some(name)))
            .and_then(|()| self.check_device(&hub, name));
        self.climbed(name, &checked);
        checked
            .map(|()| Arc::clone(&hub))
            .map_err(|refusal| refusal.host(&hub.host).device(name.to_string()))
    }

    /// The rung of the hub on the connection's ladder: once if the device is taken, and each refusal.
    fn climbed(&self, name: &Name, checked: &Result<(), Refusal>) {
        let connection = &self.caller.connection;
        match checked {
            Err(refusal) => {
                let detail = format!("{}: {}", refusal.code.number(), refusal.why);
                connection.step(Rung::Hub, false, detail);
            }
            Ok(()) => {
                let steps = connection.ladder().steps;
                if !steps.iter().any(|step| step.rung == Rung::Hub.name()) {
                    connection.step(Rung::Hub, true, format!("{name} over HTTP"));
                }
            }
        }
    }

    fn check_device(&self, hub: &Hub, name: &Name) -> Result<(), Refusal> {
        let token = self.authorization();
        let certificate = self.caller.certificate.as_ref();
        match hub.authenticate(name, token, certificate) {
            Ok(Accepted::Token(_)) if self.struck(Kind::TokenExpired) => {
                Err(Refusal::unauthorized(
                    "the token is good, but a fault takes each device's token for expired",
                ))
            }
            Ok(_) => Ok(()),
            Err(refused) if refused.code == Code::DeviceDisabled => {
                Err(Refusal::new(refused.code, refused.why))
            }
            // Who is not let in is not told whether there is such a device.
            Err(refused) => Err(Refusal::unauthorized(refused.why).code(refused.code)),
        }
    }

    /// The faults of the hub's door that REST has words for.
    fn check_hub_faults(&self, hub: &Hub, name: Option<&Name>) -> Result<(), Refusal> {
        let connection = &self.caller.connection;
        connection.identify(Some(&hub.host), name.map(ToString::to_string).as_deref());
        let why = "a fault on a switch says so";
        let by = |code| Err(Refusal::new(code, why));
        if self.struck(Kind::HubNotFound) {
            return by(Code::HubNotFound);
        }
        if self.struck(Kind::HubSuspended) {
            return by(Code::HubSuspended);
        }
        if name.is_none() {
            return Ok(());
        }
        if self.struck(Kind::DeviceUnknown) {
            // As of a device that there is not: the caller is not told.
            return Err(Refusal::unauthorized(why).code(Code::DeviceNotFound));
        }
        if self.struck(Kind::DeviceDisabled) {
            return by(Code::DeviceDisabled);
        }
        Ok(())
    }

    fn struck(&self, kind: Kind) -> bool {
        let faults = &self.lab.means.faults;
        faults.strike(kind, &self.caller.connection).is_some()
    }

    /// The provisioning service, if the caller's policy there has the right.
    pub(super) fn provisioning(&self, right: Right, resource: &str) -> Result<&Dps, Refusal> {
        let dps = self.dps()?;
        let checked = self.check_version().and_then(|()| {
            let wanted = format!("{}/{resource}", dps.host);
            let now = self.lab.means.clock.now();
            self.check_policy(&dps.policies, &[right], &wanted, now, SKEW)
        });
        checked
            .map(|()| dps)
            .map_err(|refusal| refusal.host(&dps.host).form(Form::Provisioning))
    }

    /// The provisioning service, if there is one and the request names it.
    pub(super) fn dps(&self) -> Result<&Dps, Refusal> {
        let dps = self.lab.dps.as_ref();
        let named = dps.filter(|dps| dps.host.eq_ignore_ascii_case(&self.host));
        named.ok_or_else(|| {
            let why = format!(
                "there is no provisioning service {:?} in this lab",
                self.host
            );
            Refusal::with_status(404, Code::HubNotFound, why)
                .host(&self.host)
                .form(Form::Provisioning)
        })
    }
}

/// Seconds that a token may be from the provisioning service's clock.
const SKEW: i64 = 300;

/// The policy that the token names.
fn policy_of<'a>(token: &Token, policies: &'a [Policy]) -> Result<&'a Policy, Refusal> {
    let Some(named) = &token.policy else {
        return Err(Refusal::unauthorized(
            "the token names no policy (skn); a device's token does not open the service's API",
        ));
    };
    let mut all = policies.iter();
    all.find(|policy| policy.name == *named)
        .ok_or_else(|| Refusal::unauthorized(format!("there is no policy {named:?} (skn)")))
}

/// The parts of the path, decoded.
#[derive(Debug)]
pub(super) struct At<T>(pub(super) T);

impl<T: DeserializeOwned + Send> FromRequestParts<Arc<Shared>> for At<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, lab: &Arc<Shared>) -> Result<Self, Refusal> {
        match Path::from_request_parts(parts, lab).await {
            Ok(Path(path)) => Ok(Self(path)),
            Err(error) => Err(Refusal::invalid(format!("the path: {error}"))),
        }
    }
}
