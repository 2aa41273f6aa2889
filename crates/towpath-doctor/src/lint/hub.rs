//! The login at an IoT hub or its provisioning service: user name, client identifier, token, registration; and what the
//! hub does not do.

use super::{Case, day, finding};
use crate::{
    diagnosis::Found,
    evidence::{Service, Target},
};

/// How far clocks may differ for a hub, seconds.
const SKEW: i64 = 300;

/// The longest keep-alive that a hub honours: it closes after 1767 s of silence whatever was asked for.
const LONGEST_SILENCE: u32 = 1767;

pub(super) fn check(case: &Case<'_>, found: &mut Vec<Found>) {
    if !case.is_azure() {
        return;
    }
    found.extend(form(case));
    found.extend(expired(case));
    found.extend(registration(case));
    found.extend(qos(case));
    found.extend(keep_alive(case));
}

/// What a shared access signature says. The signature itself is not kept.
struct Token {
    resource: String,
    expiry: Option<i64>,
    signed: bool,
}

impl Token {
    /// None: it is no shared access signature at all.
    fn read(password: &str) -> Option<Self> {
        let fields = password.strip_prefix("SharedAccessSignature ")?;
        let mut token = Self {
            resource: String::new(),
            expiry: None,
            signed: false,
        };
        for field in fields.trim().split('&') {
            match field.split_once('=') {
                Some(("sr", resource)) => token.resource = decoded(resource),
                Some(("se", expiry)) => token.expiry = expiry.parse().ok(),
                Some(("sig", signature)) => token.signed = !signature.is_empty(),
                _ => {}
            }
        }
        Some(token)
    }
}

/// The first thing that is wrong with the form of user name, identifier and token.
fn form(case: &Case<'_>) -> Option<Found> {
    let why = user_name(case).or_else(|| token(case))?;
    let mut found = finding("TP-HUB-023")?;
    found.cause = why;
    if let Some(user) = &case.target.user {
        found = found.because("user name", user.clone());
    }
    if let Some(id) = &case.target.client_id {
        found = found.because("client id", id.clone());
    }
    Some(found)
}

/// What a user name names: the device, as `{host}/{device}/...`, or the registration.
fn subject<'a>(target: &Target, user: &'a str) -> Option<(&'a str, &'a str)> {
    let mut parts = user.split('/');
    let first = parts.next()?;
    let second = parts.next()?;
    match target.service {
        Service::Provisioning if second == "registrations" => Some((first, parts.next()?)),
        Service::Provisioning => None,
        _ => Some((first, second)),
    }
}

fn user_name(case: &Case<'_>) -> Option<String> {
    let target = case.target;
    let user = target.user.as_deref()?;
    if let Some(char) = user
        .chars()
        .find(|char| matches!(char, '<' | '>' | '{' | '}'))
    {
        return Some(format!(
            "the user name has a {char} in it, as in a document's example"
        ));
    }
    let Some((host, device)) = subject(target, user) else {
        return Some(match target.service {
            Service::Provisioning => {
                "the user name is not {id scope}/registrations/{registration id}/api-version=..."
                    .to_owned()
            }
            _ => "the user name is not {hub}/{device id}/?api-version=...".to_owned(),
        });
    };
    if target.service != Service::Provisioning
        && case.is_public_azure()
        && !host.eq_ignore_ascii_case(&target.host)
    {
        return Some(format!(
            "the user name is for the hub {host}, and the URL for {}",
            target.host
        ));
    }
    let id = target.client_id.as_deref()?;
    different_id(target, user, id, device)
}

/// The identifier of the connection against that in the user name. Modules have two parts in both.
fn different_id(target: &Target, user: &str, id: &str, device: &str) -> Option<String> {
    let module = id.split_once('/').map(|(_, module)| module);
    let own = id.split('/').next().unwrap_or(id);
    let same = match target.service {
        // Registration ids are the same however they are cased.
        Service::Provisioning => own.eq_ignore_ascii_case(device),
        _ => own == device,
    };
    if !same {
        let case_only = own.eq_ignore_ascii_case(device);
        let tail = if case_only {
            ": upper and lower case differ"
        } else {
            ""
        };
        return Some(format!(
            "the client id is {own} and the user name is for {device}{tail}"
        ));
    }
    let module = module?;
    let named = user.split('/').nth(2);
    (named != Some(module))
        .then(|| format!("the client id names the module {module}, and the user name does not"))
}

fn token(case: &Case<'_>) -> Option<String> {
    let password = str::from_utf8(case.material.password?).ok()?.trim_end();
    if password.contains(['<', '>']) {
        return Some("the token has < or > in it, as in a document's example".to_owned());
    }
    let Some(token) = Token::read(password) else {
        return Some(
            "the password is no token: it has to begin with \"SharedAccessSignature sr=\""
                .to_owned(),
        );
    };
    let missing = [
        (token.resource.is_empty(), "sr, what it is for"),
        (!token.signed, "sig, the signature"),
        (token.expiry.is_none(), "se, its end in seconds since 1970"),
    ];
    if let Some((_, what)) = missing.iter().find(|(missing, _)| *missing) {
        return Some(format!("the token lacks {what}"));
    }
    scope(case, &token.resource)
}

/// What the token is for against who connects. A token for a whole hub, or with a policy, covers every device.
fn scope(case: &Case<'_>, resource: &str) -> Option<String> {
    let target = case.target;
    let user = target.user.as_deref()?;
    let (first, device) = subject(target, user)?;
    let middle = match target.service {
        Service::Provisioning => "registrations",
        _ => "devices",
    };
    let mut parts = resource.split('/');
    let (scope_first, scope_middle) = (parts.next()?, parts.next());
    if !scope_first.eq_ignore_ascii_case(first) {
        return Some(format!(
            "the token is for {scope_first} and the user name for {first}"
        ));
    }
    // Only a path with this word is for one device.
    if scope_middle != Some(middle) {
        return None;
    }
    let scope_device = parts.next()?;
    let same = match target.service {
        Service::Provisioning => scope_device.eq_ignore_ascii_case(device),
        _ => scope_device == device,
    };
    if same {
        return None;
    }
    let case_only = scope_device.eq_ignore_ascii_case(device);
    let tail = if case_only {
        ": upper and lower case differ"
    } else {
        ""
    };
    Some(format!(
        "the token is for the device {scope_device} and the user name for {device}{tail}"
    ))
}

/// The token's end by this clock. The hub looks at its own, and allows for five minutes.
fn expired(case: &Case<'_>) -> Option<Found> {
    let password = str::from_utf8(case.material.password?).ok()?;
    let end = Token::read(password.trim_end())?.expiry?;
    if end.saturating_add(SKEW) >= case.now {
        return None;
    }
    let mut found = finding("TP-HUB-004")?;
    found.cause = format!(
        "the token ended on {}, by the clock of this machine",
        day(end)
    );
    Some(
        found
            .because("token", format!("se={end}, {}", day(end)))
            .because("clock", day(case.now)),
    )
}

/// With X.509 the registration id is the common name of the certificate.
fn registration(case: &Case<'_>) -> Option<Found> {
    if case.target.service != Service::Provisioning || !case.target.client_certificate {
        return None;
    }
    let id = case.material.registration_id?;
    let leaf = case.own_chain().first()?;
    let name = leaf.common_name.as_deref()?;
    if name.eq_ignore_ascii_case(id) {
        return None;
    }
    let mut found = finding("TP-DPS-016")?;
    found.cause =
        format!("the certificate's common name is {name}, and the registration id is {id}");
    Some(found.because("certificate", leaf.subject.clone()))
}

fn qos(case: &Case<'_>) -> Option<Found> {
    if case.target.service != Service::Hub || case.material.qos? < 2 {
        return None;
    }
    let found = finding("TP-HUB-025")?.warning();
    Some(found.because("setting", "QoS 2"))
}

/// A hub closes before the first ping of a device that stays silent longer.
fn keep_alive(case: &Case<'_>) -> Option<Found> {
    let told = case.material.keep_alive.map(u32::from);
    let built = case.profile.mqtt.keep_alive.as_ref();
    let seconds = told.or_else(|| built.map(|set| set.value))?;
    if seconds <= LONGEST_SILENCE {
        return None;
    }
    let mut found = finding("TP-MQTT-023")?.warning();
    found.cause = format!(
        "the keep-alive is {seconds} s, and a hub closes after {LONGEST_SILENCE} s of silence"
    );
    "Ask for a keep-alive of 1177 s or less.".clone_into(&mut found.fix);
    let seen = match (told, built) {
        (None, Some(set)) => set.to_string(),
        _ => format!("keep-alive {seconds} s"),
    };
    Some(found.because("setting", seen))
}

/// Text with `%2F` and its like resolved; what is no such code stays.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let code = (*first == b'%').then_some(tail).and_then(|tail| {
            let digits = str::from_utf8(tail.get(..2)?).ok()?;
            u8::from_str_radix(digits, 16).ok()
        });
        match code {
            Some(code) => {
                bytes.push(code);
                rest = tail.get(2..).unwrap_or_default();
            }
            None => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
