//! Whether a device or module is who it says: its token or its certificate against what is registered.
//!
//! Gives out the true cause of a refusal, which the real service keeps to itself. What a device sent is in it as far as
//! it can be shown: thumbprints, times, resources, names; never a key, a signature or a token.

use openssl::{base64, nid::Nid};

use super::{Authentication, Hub, Name, Refused, State};
use crate::{
    certificate::ClientCertificate,
    clock::Time,
    config::Right,
    fault::Kind,
    key::Key,
    log::Code,
    sas::{Problem, Token},
};

/// Not authorized, the return code that most refusals have.
pub(super) const NOT_AUTHORIZED: u8 = 5;

/// Credentials that are accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Accepted {
    /// A token, and when it expires.
    Token(Time),
    Certificate,
}

/// In so many names one is looked for that would be right but for capitals: whoever asks has not proved anything yet.
const LOOKED_AT: usize = 10_000;

/// What credentials are checked against.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Registered {
    pub(super) authentication: Authentication,
    generation: String,
}

/// Why credentials are not accepted.
#[derive(Debug)]
pub(super) enum Denied {
    /// A certificate would be needed, and none came.
    NoCertificate(String),
    Wrong(String),
}

impl Hub {
    /// The time by the hub's clock, which a fault lets run ahead for everybody or for one device.
    pub(crate) fn now(&self, name: Option<&Name>) -> Time {
        let name = name.map(ToString::to_string);
        let faults = &self.means.faults;
        let ahead = faults.standing(Kind::ClockSkew, &self.host, name.as_deref());
        let ahead = ahead.map_or(0, |seconds| millis(seconds.number()));
        self.means.clock.now().plus(ahead)
    }

    /// Checks a token or a certificate of a device or module that may connect. Only who proves to be it is told that it
    /// is disabled.
    pub(crate) fn authenticate(
        &self,
        name: &Name,
        token: Option<&str>,
        certificate: Option<&ClientCertificate>,
    ) -> Result<Accepted, Refused> {
        let (registered, disabled) = self.lock().known(name)?;
        let (registered, now) = (&registered.authentication, self.now(Some(name)));
        let accepted = self
            .prove(name, registered, token, certificate, now)
            .map_err(|denied| {
                let (Denied::NoCertificate(why) | Denied::Wrong(why)) = denied;
                Refused::unauthorized(why)
            })?;
        disabled.map_or(Ok(accepted), Err)
    }

    /// How a device or module proves who it is, if it may connect at all.
    pub(super) fn registered(&self, name: &Name) -> Result<Registered, Refused> {
        self.lock().registered(name)
    }

    /// Checks a token or a certificate against what is registered, at a time by the hub's clock.
    pub(super) fn prove(
        &self,
        name: &Name,
        registered: &Authentication,
        token: Option<&str>,
        certificate: Option<&ClientCertificate>,
        now: Time,
    ) -> Result<Accepted, Denied> {
        let token = token.filter(|token| !token.is_empty());
        let kind = match registered {
            Authentication::Sas { .. } => "symmetric keys (SAS)",
            Authentication::SelfSigned { .. } => "X.509 self-signed (by thumbprint)",
            Authentication::CertificateAuthority => "X.509 signed by a CA",
        };
        match (registered, token, certificate) {
            (Authentication::Sas { primary, secondary }, Some(token), _) => {
                self.check_token(name, [primary, secondary], token, now)
            }
            (Authentication::Sas { .. }, None, Some(_)) => Err(Denied::Wrong(format!(
                "{name} is registered with {kind}, but a certificate came and no token"
            ))),
            (Authentication::Sas { .. }, None, None) => Err(Denied::Wrong(format!(
                "{name} is registered with {kind}, but no token came (the password is missing)"
            ))),
            (_, Some(_), certificate) => Err(Denied::Wrong(format!(
                "{name} is registered with {kind}, but a token came{}",
                if certificate.is_some() {
                    "; a client that shows a certificate sends no password"
                } else {
                    " and no certificate"
                }
            ))),
            (_, None, None) => Err(Denied::NoCertificate(format!(
                "{name} is registered with {kind}, but no client certificate came"
            ))),
            (Authentication::SelfSigned { primary, secondary }, None, Some(certificate)) => {
                let registered = [primary.as_deref(), secondary.as_deref()];
                check_thumbprint(registered, certificate, now).map_err(Denied::Wrong)
            }
            (Authentication::CertificateAuthority, None, Some(certificate)) => self
                .check_issued(name, certificate, now)
                .map_err(Denied::Wrong),
        }
    }

    fn check_token(
        &self,
        name: &Name,
        own: [&Key; 2],
        text: &str,
        now: Time,
    ) -> Result<Accepted, Denied> {
        let wrong = |why: String| Err(Denied::Wrong(why));
        let token = match Token::parse(text) {
            Ok(token) => token,
            Err(problem) => {
                return wrong(format!("{problem} (the password is not what a hub takes)"));
            }
        };
        let policy = match &token.policy {
            None => None,
            Some(named) => match self.policies.iter().find(|policy| policy.name == *named) {
                Some(policy) if policy.rights.contains(&Right::DeviceConnect) => Some(policy),
                Some(_) => {
                    return wrong(format!(
                        "the token is of the policy {named:?}, which has not the right DeviceConnect"
                    ));
                }
                None => {
                    return wrong(format!(
                        "the token names the policy {named:?} (skn), which this hub does not have; a device's own token names none"
                    ));
                }
            },
        };
        let keys = policy.map_or(own, |policy| [&policy.primary, &policy.secondary]);
        let resource = name.resource(&self.host);
        match token.check(&resource, keys, now, self.limits.skew_s) {
            Ok(()) => Ok(Accepted::Token(token.expires)),
            Err(Problem::Key) => {
                let hint = self.other_key(&token, own, now);
                wrong(format!(
                    "the token is not signed with {}{hint}",
                    policy.map_or_else(
                        || format!("the primary or the secondary key of {name}"),
                        |policy| format!("a key of the policy {:?}", policy.name),
                    )
                ))
            }
            Err(problem @ Problem::Expired { .. }) => {
                let (written, now) = (token.expires.rfc3339(), now.rfc3339());
                wrong(format!(
                    "{problem} (se is {written}, the hub's clock says {now})"
                ))
            }
            Err(problem) if token.resource.eq_ignore_ascii_case(&resource) => {
                wrong(format!("{problem}: ids are case-sensitive"))
            }
            Err(problem) => wrong(problem.to_string()),
        }
    }

    /// What the token was signed with instead, where the usual mistakes tell.
    fn other_key(&self, token: &Token, own: [&Key; 2], now: Time) -> String {
        let forever = i64::MAX / 2000;
        let signed = |key: &Key| token.check(&token.resource, [key], now, forever).is_ok();
        if own.iter().any(|key| signed(key)) {
            return "; it is signed with the device's own key, and then names no policy (skn)"
                .into();
        }
        // The base64 text itself used as the key, a mistake that is easily made.
        let undecoded = |key: &&Key| {
            let text = base64::encode_block(key.to_base64().as_bytes());
            Key::from_base64(&text).is_some_and(|key| signed(&key))
        };
        if own.iter().any(undecoded) {
            return "; it is signed with the key's text, which has to be base64-decoded first"
                .into();
        }
        let mut policies = self.policies.iter();
        let by = policies.find(|policy| signed(&policy.primary) || signed(&policy.secondary));
        match by {
            Some(policy) => format!(
                "; it is signed with a key of the policy {0:?}, which has to be named then (skn={0})",
                policy.name
            ),
            None => String::new(),
        }
    }

    /// A certificate of one of the hub's CAs, with the name as common name.
    fn check_issued(
        &self,
        name: &Name,
        certificate: &ClientCertificate,
        now: Time,
    ) -> Result<Accepted, String> {
        certificate.check_dates(now)?;
        certificate.verify(&self.cas, now).map_err(|why| {
            let mut issuer = certificate.leaf.issuer_name().entries_by_nid(Nid::COMMONNAME);
            let issuer = issuer.next().and_then(|name| name.data().to_string().ok());
            let issuer = issuer.unwrap_or_default();
            format!(
                "the certificate does not lead to a CA of this hub: {why} (issuer {issuer:?}, {} more certificates were sent)",
                certificate.chain.len()
            )
        })?;
        let common_name = certificate.common_name().unwrap_or_default();
        if common_name == name.to_string() {
            return Ok(Accepted::Certificate);
        }
        Err(format!(
            "the certificate's common name is {common_name:?}, and has to be {:?}",
            name.to_string()
        ))
    }
}

impl State {
    /// How a device or module proves who it is, if it may connect at all.
    pub(super) fn registered(&self, name: &Name) -> Result<Registered, Refused> {
        let (registered, disabled) = self.known(name)?;
        disabled.map_or(Ok(registered), Err)
    }

    /// The same, and apart from it why it may not connect.
    fn known(&self, name: &Name) -> Result<(Registered, Option<Refused>), Refused> {
        let entry_of = |name: &Name| self.entries.get(name);
        let device = Name::device(&name.device);
        let (Some(parent), Some(entry)) = (entry_of(&device), entry_of(name)) else {
            let missing = if entry_of(&device).is_none() {
                &device
            } else {
                name
            };
            let mut some = self.entries.keys().take(LOOKED_AT);
            let mut why = format!("there is no device or module \"{missing}\" in this hub");
            if let Some(alike) = some.find(|other| alike(other, missing)) {
                why += &format!("; there is \"{alike}\", and case matters");
            } else if missing.device.contains("?api-version") {
                why += "; in the user name a slash is missing before the \"?\"";
            }
            return Err(Refused::new(NOT_AUTHORIZED, Code::DeviceNotFound, why));
        };
        let mut both = [(&device, parent), (name, entry)].into_iter();
        let disabled = both.find(|(_, entry)| !entry.identity.enabled);
        let disabled = disabled.map(|(who, entry)| {
            let reason = entry.identity.status_reason.as_deref();
            let reason = reason
                .map(|reason| format!(": {reason:?}"))
                .unwrap_or_default();
            let why = format!("{who} is disabled in the registry{reason}");
            Refused::new(NOT_AUTHORIZED, Code::DeviceDisabled, why)
        });
        let registered = Registered {
            authentication: entry.identity.authentication.clone(),
            generation: entry.identity.generation.clone(),
        };
        Ok((registered, disabled))
    }
}

/// Whether only capitals and small letters tell the names apart.
fn alike(one: &Name, other: &Name) -> bool {
    let modules = match (&one.module, &other.module) {
        (Some(one), Some(other)) => one.eq_ignore_ascii_case(other),
        (None, None) => true,
        _ => false,
    };
    modules && one.device.eq_ignore_ascii_case(&other.device)
}

/// A certificate with one of the registered thumbprints.
fn check_thumbprint(
    registered: [Option<&str>; 2],
    certificate: &ClientCertificate,
    now: Time,
) -> Result<Accepted, String> {
    let sent = certificate.thumbprints();
    if !registered.iter().flatten().any(|one| sent.are(one)) {
        let [primary, secondary] = registered.map(|one| one.unwrap_or("none"));
        return Err(format!(
            "the thumbprint does not match: sent SHA-1 {} SHA-256 {}, registered primary {primary}, secondary {secondary}",
            sent.sha1, sent.sha256
        ));
    }
    certificate.check_dates(now)?;
    Ok(Accepted::Certificate)
}

/// Seconds of a fault as milliseconds.
pub(super) fn millis(seconds: u64) -> i64 {
    i64::try_from(seconds)
        .unwrap_or(i64::MAX)
        .saturating_mul(1000)
}
