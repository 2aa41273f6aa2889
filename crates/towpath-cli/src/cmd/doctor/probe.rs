//! The questions beside the climb: each is the same climb with one change, or one harmless request.

use std::{
    future::Future,
    pin::Pin,
    time::{Duration, Instant},
};

use tokio::task::JoinSet;
use towpath::{
    Code, Endpoint, Fault, Options, Rung,
    config::{Config, Setting},
    net::{Families, Resolver},
};
use towpath_doctor::{
    evidence::{Climb, Evidence, Scheme, Service},
    probe::{Change, Probe},
};

use super::{
    attempt::{Attempt, Extent},
    https,
    subject::Subject,
};
use crate::exit::Failure;

/// How long a question may take.
const MOST: Duration = Duration::from_secs(3);

/// How long each rung of it may take.
const PATIENCE: Duration = Duration::from_millis(2700);

/// What is left of the time has to be worth asking.
pub(super) const LEAST: Duration = Duration::from_millis(300);

/// How long a peer is given to close a silent connection.
const LINGER: Duration = Duration::from_secs(1);

/// What asks one question.
type Asking = Pin<Box<dyn Future<Output = Climb> + Send>>;

/// Asks all of them side by side.
pub(super) async fn all(
    subject: &Subject,
    evidence: &Evidence,
    questions: Vec<Probe>,
    until: Instant,
) -> Vec<(Probe, Climb)> {
    let until = until.min(Instant::now() + MOST);
    let mut asked = JoinSet::new();
    for (at, question) in questions.iter().enumerate() {
        let work = ask(subject, evidence, question, until);
        asked.spawn(async move { (at, work.await) });
    }
    let mut answers = Vec::new();
    while let Some(answer) = asked.join_next().await {
        answers.extend(answer.ok());
    }
    answers.sort_by_key(|(at, _)| *at);
    let answers = answers.into_iter().map(|(_, answer)| answer);
    questions.into_iter().zip(answers).collect()
}

fn ask(subject: &Subject, evidence: &Evidence, question: &Probe, until: Instant) -> Asking {
    let attempt = match question {
        Probe::Climb {
            change,
            until: rung,
        } => {
            let rung = bounded(evidence, change, *rung);
            let extent = Extent {
                until: Some(rung),
                ..Extent::default()
            };
            changed(subject, change, rung).map(|options| (options, extent))
        }
        Probe::Linger { on } => {
            let extent = Extent {
                until: Some(*on),
                linger: Some(LINGER),
                ..Extent::default()
            };
            changed(subject, &Change::Nothing, *on).map(|options| (options, extent))
        }
        Probe::Date => return https::date(subject, until),
        Probe::Rest => return https::rest(subject, evidence, until),
    };
    match attempt {
        Ok((options, extent)) => {
            let attempt = Attempt::new(options, extent, Some(until)).climb();
            Box::pin(async move { attempt.await.unwrap_or_else(|why| unasked(&why)) })
        }
        Err(why) => {
            let climb = unasked(&why);
            Box::pin(async move { climb })
        }
    }
}

/// The answer to a question that can't be asked with these settings.
pub(super) fn unasked(why: &Failure) -> Climb {
    let mut climb = Climb::default();
    climb.fault = Some(Fault::new(Rung::Link, Code::TlsProfile).detail(why.to_string().as_bytes()));
    climb
}

/// How far a question may climb: a login that was refused is not tried again but with another client identifier.
fn bounded(evidence: &Evidence, change: &Change, rung: Rung) -> Rung {
    let fault = evidence.climb.as_ref().and_then(|climb| climb.fault);
    let refused = fault.is_some_and(|fault| {
        matches!(
            fault.code,
            Code::ConnectRefused | Code::HubUnauthorized | Code::DpsUnauthorized
        )
    });
    if refused && *change != Change::ClientId {
        rung.min(Rung::Ws)
    } else {
        rung
    }
}

/// Options with one change. Nothing of the login is in them where MQTT is not spoken.
fn changed(subject: &Subject, change: &Change, until: Rung) -> Result<Options, Failure> {
    let mut config = subject.config.clone();
    let mut secrets = subject.secrets.clone();
    let patience = config.patience().min(PATIENCE);
    config.timeout = Some(Setting::flag("--timeout", patience));
    // Its file is for the connection itself.
    config.tls.session_file = None;
    // A question that is cut off must not make the server say that a device is gone.
    config.will = Default::default();
    apply(subject, change, &mut config)?;
    if until < Rung::Mqtt {
        (config.user, config.password_file) = (None, None);
        secrets.password = None;
    }
    Ok(config.load(secrets)?.options)
}

fn apply(subject: &Subject, change: &Change, config: &mut Config) -> Result<(), Failure> {
    const NAME: &str = "a probe";
    match change {
        Change::Nothing => {}
        Change::Transport(scheme, port) => transport(subject, *scheme, *port, config)?,
        Change::Path(path) => path_of(path, config)?,
        Change::NoServerName => config.tls.tells_name = Some(Setting::flag(NAME, false)),
        Change::ServerName => config.tls.tells_name = None,
        Change::TlsVersion(version) => {
            config.tls.min = Some(Setting::flag(NAME, *version));
            config.tls.max = Some(Setting::flag(NAME, *version));
            // Suites of the other version only would leave nothing to offer.
            config.tls.ciphers = None;
        }
        Change::EverySuite => {
            let tls = &mut config.tls;
            (tls.ciphers, tls.groups, tls.sigalgs) = (None, None, None);
            (tls.min, tls.max) = (None, None);
        }
        Change::NoAlpn => config.tls.alpn = None,
        Change::Alpn(name) => config.tls.alpn = Some(Setting::flag(NAME, vec![(*name).to_owned()])),
        Change::Direct => {
            config.proxy = Default::default();
            config.proxy.url = Some(Setting::flag(NAME, "none".to_owned()));
        }
        Change::EnvironmentProxy => {
            config.proxy = Default::default();
            config.proxy.otherwise = subject.environment_proxy();
        }
        Change::V4 => config.network.families = Some(Setting::flag(NAME, Families::V4)),
        Change::V6 => config.network.families = Some(Setting::flag(NAME, Families::V6)),
        Change::AnnouncedPrefix => config.network.nat64_prefix = None,
        Change::Resolver(server) => {
            let resolver = Resolver::Servers(vec![*server]);
            config.network.resolver = Some(Setting::flag(NAME, resolver));
        }
        Change::AnySource => config.bind = None,
        Change::Mss(bytes) => config.network.mss = Some(Setting::flag(NAME, *bytes)),
        Change::ClientId => (config.id, config.keep_session) = (None, None),
        Change::NoCertificate => {
            let tls = &mut config.tls;
            (tls.cert, tls.key, tls.key_password_file) = (None, None, None);
        }
        Change::OneSubprotocol => {
            config.websocket.subprotocol = Some(Setting::flag(NAME, "mqtt".to_owned()));
        }
    }
    Ok(())
}

/// Another transport or port of the same host.
fn transport(
    subject: &Subject,
    scheme: Scheme,
    port: u16,
    config: &mut Config,
) -> Result<(), Failure> {
    let endpoint = config.endpoint()?;
    if endpoint.scheme.is_framed() != scheme.is_framed() {
        config.websocket = Default::default();
        // What is spoken above is another protocol.
        config.tls.alpn = None;
    }
    if !scheme.is_secured() {
        config.tls = Default::default();
    }
    // Headers may hold a login, which is for the server that was named, and not for what else listens there.
    config.websocket.headers = None;
    let path = if !scheme.is_framed() {
        ""
    } else if endpoint.scheme.is_framed() {
        endpoint.target.as_str()
    } else if subject.service == Service::Broker {
        "/mqtt"
    } else {
        "/$iothub/websocket"
    };
    set_url(config, scheme.name(), &endpoint.host, port, path);
    Ok(())
}

/// Another path of the WebSocket.
fn path_of(path: &str, config: &mut Config) -> Result<(), Failure> {
    let Endpoint {
        scheme, host, port, ..
    } = config.endpoint()?;
    let scheme = if scheme.is_secured() { "wss" } else { "ws" };
    // What is behind another path may be somebody else's, and headers may hold a login.
    config.websocket.headers = None;
    set_url(config, scheme, &host, port, path);
    Ok(())
}

fn set_url(config: &mut Config, scheme: &str, host: &str, port: u16, path: &str) {
    let host = if host.contains(':') {
        format!("[{host}]")
    } else {
        host.to_owned()
    };
    let url = format!("{scheme}://{host}:{port}{path}");
    config.url = Some(Setting::flag("a probe", url));
}
