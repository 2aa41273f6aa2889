//! CONNECT: who a registrant says it is, and whether its token or certificate proves it.

use std::{fmt, sync::Arc};

use percent_encoding::percent_decode_str;

use super::{
    Dps, Kind,
    answer::Refusal,
    check_id,
    enrollment::{Attestation, Enrollment},
    registration,
};
use crate::{
    certificate::{ClientCertificate, Thumbprints},
    clock::Time,
    config::RefusedAt,
    connection::{Connection, Listener},
    fault::Kind as Fault,
    hub::{Refused, topic::shortened},
    key::Key,
    log::{Code, Level},
    sas::{Problem, Token},
};

/// Seconds that a token may be from this clock, as in the hub.
const SKEW_S: i64 = 300;

/// A registrant that is in: its registration id, and whether its credentials were accepted.
#[derive(Debug)]
pub(crate) struct Registrant {
    pub(crate) id: String,
    /// `api-version` of the user name or the URL.
    pub(super) api_version: String,
    /// What it proved, or the refusal that each of its requests gets.
    pub(super) proof: Result<Proof, Refusal>,
}

/// What a registrant proved.
#[derive(Debug, Clone)]
pub(super) struct Proof {
    pub(super) kind: Kind,
    /// The enrolment's id in lower case.
    pub(super) enrollment: String,
    /// What the enrolment wanted as proof at that time.
    pub(super) attestation: Attestation,
    pub(super) by: By,
}

/// What it was proved with, which is what it will prove itself with to the hub.
#[derive(Debug, Clone)]
pub(super) enum By {
    Keys {
        primary: Key,
        secondary: Key,
    },
    Certificate {
        prints: Thumbprints,
        info: serde_json::Value,
    },
}

/// What a registrant shows.
#[derive(Clone, Copy)]
pub(crate) struct Credentials<'a> {
    /// A shared access signature.
    pub(crate) token: Option<&'a str>,
    pub(crate) certificate: Option<&'a ClientCertificate>,
}

/// Without the token, which is as good as a password.
impl fmt::Debug for Credentials<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("token", &self.token.map(|_| ".."))
            .field("certificate", &self.certificate)
            .finish()
    }
}

/// `{idScope}/registrations/{id}/api-version=...&ClientVersion=...`
#[derive(Debug, PartialEq, Eq)]
pub(super) struct UserName {
    pub(super) scope: String,
    pub(super) id: String,
    pub(super) api_version: String,
}

impl UserName {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let form = "{idScope}/registrations/{registrationId}/api-version=...";
        let shown = shortened(text);
        let mut parts = text.splitn(4, '/');
        let (scope, word, id, query) = (parts.next(), parts.next(), parts.next(), parts.next());
        let (Some(scope), Some("registrations"), Some(id)) = (scope, word, id) else {
            return Err(format!("the user name {shown} has not the form {form}"));
        };
        let query = query.unwrap_or_default();
        let mut fields = query.trim_start_matches('?').split('&');
        let api_version = fields
            .find_map(|field| field.strip_prefix("api-version="))
            .filter(|version| !version.is_empty())
            .ok_or_else(|| {
                format!("the user name {shown} has no api-version; its form is {form}")
            })?;
        let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
        Ok(Self {
            scope: decoded(scope),
            id: decoded(id),
            api_version: decoded(api_version),
        })
    }
}

impl Dps {
    /// CONNECT: `{idScope}/registrations/{id}/api-version=...`, with a token or a certificate.
    pub(crate) fn admit(
        &self,
        client_id: &str,
        user_name: &str,
        password: Option<&[u8]>,
        certificate: Option<&ClientCertificate>,
        connection: &Connection,
    ) -> Result<Registrant, Refused> {
        let refused = |return_code, code, why| Refused {
            return_code,
            code,
            why,
        };
        connection.identify(Some(&self.host), None);
        let user =
            UserName::parse(user_name).map_err(|why| refused(4, Code::ArgumentInvalid, why))?;
        check_id(&user.id).map_err(|why| {
            refused(
                2,
                Code::ArgumentInvalid,
                format!("{}: {why}", shortened(&user.id)),
            )
        })?;
        connection.identify(None, Some(&user.id));
        // An empty password is what some clients send for none.
        let token = password.filter(|password| !password.is_empty());
        let token = token.map(std::str::from_utf8).transpose().map_err(|_| {
            let why = "the password is no token: it is not UTF-8".into();
            refused(4, Code::ArgumentInvalid, why)
        })?;
        let proof = if client_id.eq_ignore_ascii_case(&user.id) {
            self.prove(
                &user.scope,
                &user.id,
                Credentials { token, certificate },
                connection,
            )
        } else {
            Err(Refusal::unauthorized(format!(
                "the client id is {}, and the user name names {:?}: they have to be the same",
                shortened(client_id),
                user.id
            )))
        };
        if let (Err(refusal), RefusedAt::Connack) = (&proof, self.refused_at) {
            return Err(refused(5, refusal.code, refusal.why.clone()));
        }
        if proof.is_ok() {
            self.means.faults.saw(&user.id, connection.peer.ip());
        }
        Ok(Registrant {
            id: user.id,
            api_version: user.api_version,
            proof,
        })
    }

    /// The same over HTTPS, where everything is refused in the response.
    pub(crate) fn registrant(
        &self,
        scope: &str,
        id: &str,
        api_version: &str,
        credentials: Credentials<'_>,
        connection: &Connection,
    ) -> Registrant {
        connection.identify(Some(&self.host), None);
        let proof = match check_id(id) {
            Ok(()) => {
                connection.identify(None, Some(id));
                self.prove(scope, id, credentials, connection)
            }
            Err(why) => Err(Refusal::body(format!("{}: {why}", shortened(id)))),
        };
        Registrant {
            id: id.to_owned(),
            api_version: api_version.to_owned(),
            proof,
        }
    }

    fn prove(
        &self,
        scope: &str,
        id: &str,
        credentials: Credentials<'_>,
        connection: &Connection,
    ) -> Result<Proof, Refusal> {
        if self
            .means
            .faults
            .strike(Fault::DpsUnauthorized, connection)
            .is_some()
        {
            return Err(Refusal::unauthorized(
                "a fault on a switch refuses the registration",
            ));
        }
        if !scope.eq_ignore_ascii_case(&self.id_scope) {
            return Err(Refusal::unauthorized(format!(
                "the ID scope is {}, and this service's is {:?}",
                shortened(scope),
                self.id_scope
            )));
        }
        let asked = Asked::new(self, scope, id);
        let proof = match (credentials.token, credentials.certificate) {
            (Some(token), _) => asked.by_token(token),
            (None, Some(certificate)) => asked.by_certificate(certificate),
            (None, None) => Err(Refusal::unauthorized(match connection.listener {
                Listener::Mqtts => {
                    "neither a token came as password nor a certificate in the handshake"
                }
                Listener::Https => {
                    "neither a token came nor a certificate: on this port a certificate is asked for by \
                     renegotiation after the request, which the client has to allow"
                }
            })),
        }?;
        let word = match &proof.by {
            By::Keys { .. } => "a token",
            By::Certificate { .. } => "a certificate",
        };
        let text = format!(
            "{id} proved itself with {word} to {} {}",
            proof.kind.word(),
            proof.enrollment
        );
        self.tell(Level::Debug, Code::Provisioning, id, connection, text);
        Ok(proof)
    }
}

/// A registrant's claim with what it is checked against: keys and chains of many groups take long, and the state is
/// not locked for that.
struct Asked<'a> {
    dps: &'a Dps,
    scope: &'a str,
    id: &'a str,
    now: Time,
    individual: Option<Arc<Enrollment>>,
    /// How many individual enrolments there are.
    individuals: usize,
    /// The groups, if there is no individual enrolment.
    groups: Vec<Arc<Enrollment>>,
}

impl<'a> Asked<'a> {
    fn new(dps: &'a Dps, scope: &'a str, id: &'a str) -> Self {
        let state = dps.lock();
        let individual = state.individuals.get(&id.to_ascii_lowercase()).cloned();
        let groups = match individual {
            Some(_) => Vec::new(),
            None => state.groups.values().cloned().collect(),
        };
        Self {
            dps,
            scope,
            id,
            now: dps.means.clock.now(),
            individual,
            individuals: state.individuals.len(),
            groups,
        }
    }

    fn individual(&self) -> Option<&Enrollment> {
        self.individual.as_deref()
    }

    fn proof(&self, enrollment: &Enrollment, by: By) -> Proof {
        Proof {
            kind: enrollment.kind,
            enrollment: enrollment.id.to_ascii_lowercase(),
            attestation: enrollment.attestation.clone(),
            by,
        }
    }

    fn by_token(&self, text: &str) -> Result<Proof, Refusal> {
        let problem = |problem: Problem| Refusal::unauthorized(problem.to_string());
        let token = Token::parse(text).map_err(problem)?;
        if let Some(policy) = token
            .policy
            .as_deref()
            .filter(|name| *name != "registration")
        {
            return Err(Refusal::unauthorized(format!(
                "the token is of the policy {}; a registrant's token has skn=registration or none",
                shortened(policy)
            )));
        }
        if let Some(enrollment) = self.individual() {
            let Attestation::SymmetricKey { primary, secondary } = &enrollment.attestation else {
                return Err(Refusal::unauthorized(format!(
                    "the individual enrolment {} proves itself with {}, but a token came",
                    enrollment.id,
                    enrollment.attestation.word()
                )));
            };
            return match self.check(&token, primary, secondary) {
                Ok(()) => Ok(self.proof(enrollment, keys(primary, secondary))),
                Err(Problem::Key) => Err(self.wrong_key(&token, enrollment, primary, secondary)),
                Err(other) => Err(problem(other)),
            };
        }
        self.by_group_key(&token)
    }

    fn by_group_key(&self, token: &Token) -> Result<Proof, Refusal> {
        let mut tried = Vec::new();
        for group in &self.groups {
            let Attestation::SymmetricKey { primary, secondary } = &group.attestation else {
                continue;
            };
            for id in self.spellings(token) {
                let (first, second) = (primary.derive(&id), secondary.derive(&id));
                match self.check(token, &first, &second) {
                    Ok(()) => return Ok(self.proof(group, keys(&first, &second))),
                    Err(Problem::Key) => {}
                    Err(other) => return Err(Refusal::unauthorized(other.to_string())),
                }
            }
            if self.check(token, primary, secondary) != Err(Problem::Key) {
                return Err(Refusal::unauthorized(format!(
                    "the token was signed with the key of the group {} itself; a device's key is \
                     base64(HMAC-SHA256(group's key, registration id))",
                    group.id
                )));
            }
            tried.push(group.id.as_str());
        }
        if tried.is_empty() {
            return Err(self.unknown("no enrolment group has symmetric keys"));
        }
        Err(Refusal::unauthorized(format!(
            "there is no individual enrolment {:?}, and its token was not signed with the key that is derived for it \
             from the keys of {}",
            self.id,
            listed(&tried)
        )))
    }

    /// The registration id has no case, and its group key is derived from some spelling of it.
    fn spellings(&self, token: &Token) -> Vec<String> {
        let in_token = token.resource.rsplit('/').next().unwrap_or_default();
        let mut all = vec![self.id.to_owned()];
        for other in [in_token.to_owned(), self.id.to_ascii_lowercase()] {
            if other.eq_ignore_ascii_case(self.id) && !all.contains(&other) {
                all.push(other);
            }
        }
        all
    }

    fn check(&self, token: &Token, primary: &Key, secondary: &Key) -> Result<(), Problem> {
        let wanted = format!("{}/registrations/{}", self.scope, self.id);
        // Registration ids have no case.
        let wanted = if token.resource.eq_ignore_ascii_case(&wanted) {
            token.resource.clone()
        } else {
            wanted
        };
        token.check(&wanted, [primary, secondary], self.now, SKEW_S)
    }

    /// A key that does not fit, with the mistakes that are made most.
    fn wrong_key(&self, token: &Token, of: &Enrollment, first: &Key, second: &Key) -> Refusal {
        let fits = |a: &Key, b: &Key| self.check(token, a, b) != Err(Problem::Key);
        let derived = |key: &Key| key.derive(self.id);
        let as_text = |key: &Key| {
            let text = openssl::base64::encode_block(key.to_base64().as_bytes());
            Key::from_base64(&text).unwrap_or_else(|| key.clone())
        };
        let id = &of.id;
        Refusal::unauthorized(if fits(&derived(first), &derived(second)) {
            format!(
                "the token was signed with a key derived from that of the individual enrolment {id}; \
                 only a group's key is derived"
            )
        } else if fits(&as_text(first), &as_text(second)) {
            format!(
                "the token was signed with the base64 text of the key of {id}; it has to be decoded first"
            )
        } else {
            format!("the token was signed with neither key of the individual enrolment {id}")
        })
    }

    fn by_certificate(&self, certificate: &ClientCertificate) -> Result<Proof, Refusal> {
        let name = certificate.common_name().unwrap_or_default();
        if !name.eq_ignore_ascii_case(self.id) {
            return Err(Refusal::certificate(format!(
                "the certificate's common name is {name:?}, and the registration id is {:?}: they have to be the same",
                self.id
            )));
        }
        match self.individual() {
            Some(enrollment) => self.by_own_certificate(certificate, enrollment),
            None => self.by_group_ca(certificate),
        }
    }

    fn by_own_certificate(
        &self,
        certificate: &ClientCertificate,
        enrollment: &Enrollment,
    ) -> Result<Proof, Refusal> {
        let prints = certificate.thumbprints();
        let id = &enrollment.id;
        match &enrollment.attestation {
            Attestation::SymmetricKey { .. } => Err(Refusal::unauthorized(format!(
                "the individual enrolment {id} proves itself with a symmetric key, but a certificate came and no token"
            ))),
            Attestation::Certificates { primary, secondary } => {
                let mut declared = primary.iter().chain(secondary);
                if !declared.any(|one| one.is(&prints)) {
                    let declared: Vec<_> = primary
                        .iter()
                        .chain(secondary)
                        .map(|one| one.thumbprint())
                        .collect();
                    return Err(Refusal::certificate(format!(
                        "the certificate has the thumbprints SHA-1 {} and SHA-256 {}; the individual enrolment {id} \
                         has {}",
                        prints.sha1,
                        prints.sha256,
                        declared.join(" and ")
                    )));
                }
                certificate
                    .check_dates(self.now)
                    .map_err(Refusal::certificate)?;
                Ok(self.proof(enrollment, shown(certificate)))
            }
            Attestation::SigningCertificates(_) => {
                let cas = enrollment.attestation.cas();
                certificate
                    .verify(&cas, self.now)
                    .map_err(|why| chain(certificate, &[(id.as_str(), why)]))?;
                Ok(self.proof(enrollment, shown(certificate)))
            }
        }
    }

    fn by_group_ca(&self, certificate: &ClientCertificate) -> Result<Proof, Refusal> {
        let mut tried = Vec::new();
        for group in &self.groups {
            let cas = group.attestation.cas();
            if cas.is_empty() {
                continue;
            }
            match certificate.verify(&cas, self.now) {
                Ok(()) => return Ok(self.proof(group, shown(certificate))),
                Err(why) => tried.push((group.id.as_str(), why)),
            }
        }
        if tried.is_empty() {
            return Err(self.unknown("no enrolment group has a CA"));
        }
        Err(chain(certificate, &tried))
    }

    fn unknown(&self, why: &str) -> Refusal {
        let individuals = self.individuals;
        Refusal::new(
            Code::EnrollmentNotFound,
            "Enrollment not found.",
            format!(
                "there is no individual enrolment {:?} among the {individuals} of {}, and {why}",
                self.id, self.dps.host
            ),
        )
    }
}

fn keys(primary: &Key, secondary: &Key) -> By {
    By::Keys {
        primary: primary.clone(),
        secondary: secondary.clone(),
    }
}

fn shown(certificate: &ClientCertificate) -> By {
    By::Certificate {
        prints: certificate.thumbprints(),
        info: registration::certificate_info(&certificate.leaf),
    }
}

/// Why a chain led to none of the CAs, which are given with OpenSSL's reasons.
fn chain(certificate: &ClientCertificate, tried: &[(&str, String)]) -> Refusal {
    let lost = |why: &String| {
        why.contains("issuer") || why.contains("self-signed") || why.contains("self signed")
    };
    let leaf = registration::name(certificate.leaf.subject_name());
    let issuer = registration::name(certificate.leaf.issuer_name());
    if let Some((id, why)) = tried.iter().find(|(_, why)| !lost(why)) {
        return Refusal::certificate(format!(
            "the certificate {leaf:?} is not accepted by the enrolment {id}: {why}"
        ));
    }
    let names: Vec<_> = tried.iter().map(|(id, _)| *id).collect();
    let sent = certificate.chain.len();
    let remedy = if sent == 0 {
        "; the client sent its own certificate only: send the intermediates behind it, up to the CA"
    } else {
        "; send every intermediate behind it, up to the CA"
    };
    Refusal::new(
        Code::Unauthorized,
        "CA certificate not found",
        format!(
            "the certificate {leaf:?} was issued by {issuer:?}, and with the {sent} certificates sent behind it leads \
             to no CA of {}{remedy}",
            listed(&names)
        ),
    )
}

/// Some names, not a thousand.
fn listed(names: &[&str]) -> String {
    let shown: Vec<_> = names.iter().take(5).copied().collect();
    let more = names.len().saturating_sub(shown.len());
    match more {
        0 => shown.join(", "),
        _ => format!("{} and {more} more", shown.join(", ")),
    }
}
