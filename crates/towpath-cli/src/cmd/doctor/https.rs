//! The two questions that are HTTPS requests: what time the server has, and what the hub's REST interface says to the
//! same credentials.

use std::{
    future::Future,
    pin::Pin,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use tokio::time::{sleep_until, timeout};
use towpath::{
    Code, Error, Fault, Options, Rung,
    config::device::Proof,
    device::azure::{Names, sas},
    https::{Client, Request, Response, Settings},
};
use towpath_doctor::{
    evidence::{Climb, Evidence, HttpHead, Service},
    http_head::{date as read_date, hub_code},
};

use super::{probe::unasked, subject::Subject};
use crate::exit::Failure;

type Asking = Pin<Box<dyn Future<Output = Climb> + Send>>;

/// The longest body that is read for the hub's code, bytes.
const BODY: usize = 16 << 10;

/// How long each step may take.
const PATIENCE: Duration = Duration::from_millis(2500);

/// How long a token for one request is good, seconds.
const TOKEN: u64 = 300;

/// A lock token that no message has: what is asked with it changes nothing.
const NO_LOCK: &str = "00000000-0000-0000-0000-000000000000";

/// What is asked, with the secret in it.
struct Asked {
    url: String,
    method: &'static str,
    /// The value of `Authorization`.
    token: Option<String>,
    certificate: bool,
}

/// `GET /` without credentials, over a connection that is verified as any other: a clock that is wrong enough for the
/// server's certificate to be refused gets no answer.
pub(super) fn date(subject: &Subject, until: Instant) -> Asking {
    let made = settings(subject).map(|(settings, options)| {
        let url = root(subject, &options);
        let asked = Asked {
            url,
            method: "GET",
            token: None,
            certificate: false,
        };
        (settings, asked)
    });
    go(made, until)
}

/// Completes a message that can't exist. Whoever is not let in is told why, in more words than MQTT has.
pub(super) fn rest(subject: &Subject, evidence: &Evidence, until: Instant) -> Asking {
    let made = settings(subject).and_then(|(settings, options)| {
        let (device, token, certificate) = login(subject, evidence)?;
        let device = device
            .replace('%', "%25")
            .replace('#', "%23")
            .replace('?', "%3F");
        let url = format!(
            "{}devices/{device}/messages/devicebound/{NO_LOCK}?api-version=2021-04-12",
            root(subject, &options)
        );
        let asked = Asked {
            url,
            method: "DELETE",
            token,
            certificate,
        };
        Ok((settings, asked))
    });
    go(made, until)
}

/// The server's HTTPS port: that of the URL where it is WebSocket, else the usual one.
fn root(subject: &Subject, options: &Options) -> String {
    let endpoint = options.endpoint();
    let port = if endpoint.scheme.is_framed() {
        endpoint.port
    } else {
        https_port(subject)
    };
    // A plain WebSocket server has no TLS to be verified, and its answer came with the upgrade.
    let scheme = if endpoint.scheme == towpath::Scheme::Ws {
        "http"
    } else {
        "https"
    };
    let host = if endpoint.host.contains(':') {
        format!("[{}]", endpoint.host)
    } else {
        endpoint.host.clone()
    };
    format!("{scheme}://{host}:{port}/")
}

fn https_port(subject: &Subject) -> u16 {
    let port = subject
        .device
        .as_ref()
        .and_then(|device| device.ports.https.as_ref());
    port.map_or(443, |port| *port.value())
}

/// The same path as the climb.
fn settings(subject: &Subject) -> Result<(Settings, Options), Failure> {
    let options = subject.options()?;
    let mut settings = Settings::like(&options);
    settings.patience = settings.patience.min(PATIENCE);
    Ok((settings, options))
}

/// The device's name, and its token unless it has a certificate: the one that was refused, or a new one of the same key.
fn login(
    subject: &Subject,
    evidence: &Evidence,
) -> Result<(String, Option<String>, bool), Failure> {
    let nobody = || Failure::usage("there is no login of a hub to ask with");
    if evidence.target.service != Service::Hub {
        return Err(nobody());
    }
    // A module asks in the name of its device's identity below it; the hub tells about both alike.
    let id = evidence.target.client_id.clone().ok_or_else(nobody)?;
    let (id, module) = match id.split_once('/') {
        Some((id, module)) => (id.to_owned(), Some(module.to_owned())),
        None => (id, None),
    };
    let Some(device) = &subject.device else {
        let material = subject.material()?;
        let token = material.password.as_ref();
        let token = token.and_then(|token| String::from_utf8(token.clone()).ok());
        let certificate = token.is_none();
        return Ok((id, token, certificate));
    };
    let hub = evidence.target.host.clone();
    let hub = device
        .hub
        .host
        .as_ref()
        .map_or(hub, |hub| hub.value().clone());
    let Proof::Key(key) = device.proof()? else {
        return Ok((id, None, true));
    };
    let names = Names {
        hub: &hub,
        device_id: &id,
        module_id: module.as_deref(),
    };
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let mut token = String::with_capacity(1024);
    sas::write(
        &mut token,
        names.resource(),
        &key,
        now.as_secs() + TOKEN,
        None,
    )
    .map_err(|_| nobody())?;
    Ok((id, Some(token), false))
}

fn go(made: Result<(Settings, Asked), Failure>, until: Instant) -> Asking {
    let (settings, asked) = match made {
        Ok(made) => made,
        Err(why) => {
            let climb = unasked(&why);
            return Box::pin(async move { climb });
        }
    };
    Box::pin(async move {
        let began = Instant::now();
        let answer = tokio::select! {
            biased;
            answer = exchange(settings, &asked) => answer,
            () = sleep_until(until.into()) => Err(Fault::new(Rung::Hub, Code::HttpTimeout).into()),
        };
        let mut climb = Climb::default();
        climb.took = began.elapsed();
        match answer {
            Ok(head) => climb.http = Some(head),
            Err(Error::Path(fault)) => climb.fault = Some(fault),
            Err(other) => climb.fault = unasked(&other.into()).fault,
        }
        climb
    })
}

async fn exchange(settings: Settings, asked: &Asked) -> Result<HttpHead, Error> {
    let field = asked.token.as_deref().map(|token| ("Authorization", token));
    let mut request = Request::new(asked.method, &asked.url);
    request.fields = field.as_slice();
    request.certificate = asked.certificate;
    let mut response = Client::new(settings).exchange(request).await?;
    let body = match timeout(PATIENCE, response.read_to_end(BODY)).await {
        Ok(Ok(body)) => body,
        // The head says enough.
        _ => Vec::new(),
    };
    Ok(head(&response, &body))
}

fn head(response: &Response, body: &[u8]) -> HttpHead {
    let answer = response.answer();
    let location = answer.location.as_deref().unwrap_or_default();
    HttpHead {
        status: answer.status,
        server: answer.server.as_deref().unwrap_or_default().to_owned(),
        date: answer.date.as_deref().and_then(read_date),
        location: location
            .split(['?', '#'])
            .next()
            .unwrap_or_default()
            .to_owned(),
        hub_code: hub_code(&String::from_utf8_lossy(body)),
    }
}
