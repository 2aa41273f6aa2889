//! The head of a request, and where it goes: to WebSocket or to REST.

use std::sync::Arc;

use percent_encoding::percent_decode_str;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    time::timeout,
};
use towpath_proto::{
    Rung,
    http::head::{self, Head},
};

use super::{
    Door, Visit, behind_proxy, channel::Channel, renegotiate, rest, secure::PATIENCE, upgrade,
};
use crate::{certificate::ClientCertificate, config::Front, log::Code};

/// The most that the head of a request may have, bytes.
pub(super) const HEAD_MAX: usize = 16 << 10;

/// Where WebSocket is.
pub(super) const PATH: &str = "/$iothub/websocket";

/// The query by which a client asks not to be asked for its certificate.
const NO_CERTIFICATE: (&str, &str) = ("iothub-no-client-cert", "true");

/// A request whose head is complete.
pub(super) struct Request {
    bytes: Vec<u8>,
    head_len: usize,
}

impl Request {
    /// Everything that came, the head first.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// What came behind the head.
    pub(super) fn rest(&self) -> &[u8] {
        self.bytes.get(self.head_len..).unwrap_or_default()
    }

    pub(super) fn head(&self) -> Option<Head<'_>> {
        Head::new(&self.bytes)
    }

    /// Method and target, if it is HTTP/1.1.
    fn line(&self) -> Option<(&str, &str)> {
        let (line, _) = head::line(&self.bytes)?;
        let (method, target) = head::request(line)?;
        Some((
            std::str::from_utf8(method).ok()?,
            std::str::from_utf8(target).ok()?,
        ))
    }

    /// The path as it was written, fit for a log. Of the query, which may have a signature in it, only what the lab
    /// knows.
    pub(super) fn target(&self) -> String {
        let (_, target) = self.line().unwrap_or_default();
        let path = target.split(['?', '#']).next().unwrap_or_default();
        let mut text = path.escape_default().to_string();
        // Escaped it is ASCII, so that any length is a boundary.
        text.truncate(200);
        if self.wants_no_question() {
            text += &format!("?{}={}", NO_CERTIFICATE.0, NO_CERTIFICATE.1);
        }
        text
    }

    /// The path, decoded.
    pub(super) fn path(&self) -> String {
        let (_, target) = self.line().unwrap_or_default();
        let path = target.split_once('?').map_or(target, |(path, _)| path);
        percent_decode_str(path).decode_utf8_lossy().into_owned()
    }

    /// Whether the client asks not to be asked for its certificate.
    pub(super) fn wants_no_question(&self) -> bool {
        let (_, target) = self.line().unwrap_or_default();
        let query = target.split_once('?').map_or("", |(_, query)| query);
        query
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .any(|(key, value)| {
                key.eq_ignore_ascii_case(NO_CERTIFICATE.0)
                    && value.eq_ignore_ascii_case(NO_CERTIFICATE.1)
            })
    }

    /// The name in `Host`, without the port.
    fn host(&self) -> Option<String> {
        let value = self.head()?.only("Host")?;
        let host = std::str::from_utf8(value).ok()?;
        let name = match host.rsplit_once(':') {
            Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
            _ => host,
        };
        let good = (1..=255).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_graphic());
        good.then(|| name.to_owned())
    }

    /// Whether it wants to switch to WebSocket, or means to.
    fn is_upgrade(&self) -> bool {
        let upgrades = |head: Head<'_>| {
            head.values("Upgrade")
                .any(|list| head::has_member(list, "websocket"))
        };
        self.path() == PATH || self.head().is_some_and(upgrades)
    }

    /// Whether it is one of the devices' own requests, by which a certificate may prove who they are.
    fn is_of_a_device(&self) -> bool {
        let path = self.path();
        let mut parts = path.split('/').skip(1);
        match (parts.next(), parts.next(), parts.next()) {
            (Some("devices"), Some(_), Some("messages" | "files")) => true,
            (Some("devices"), Some(_), Some("modules")) => {
                matches!(parts.nth(1), Some("messages" | "files"))
            }
            // The provisioning service's: /{idScope}/registrations/{id}/register and so on.
            (Some(_), Some("registrations"), Some(_)) => parts.next().is_some(),
            _ => false,
        }
    }
}

/// An HTTP connection from its first byte to its end.
pub(super) async fn serve(mut channel: Channel, door: &Arc<Door>, mut visit: Visit) -> String {
    let request = match received(&mut channel).await {
        Ok(request) => request,
        Err(Lack::End(why)) => {
            visit.connection.step(Rung::Upgrade, false, why.clone());
            channel.leave().await;
            return why;
        }
        Err(Lack::Refused(status, why)) => {
            return refuse(channel, &visit, status, &why).await;
        }
    };
    if visit.host.is_none() {
        let host = request.host();
        visit.named(door, host);
    }
    let certificate = match &channel {
        Channel::Tls(tls) => tls.certificate(),
        Channel::Plain(_) => match behind_proxy::checked(door, &visit, &request) {
            Ok(certificate) => certificate,
            Err((status, why)) => return refuse(channel, &visit, status, &why).await,
        },
    };
    if request.is_upgrade() {
        return Box::pin(upgrade::serve(channel, request, certificate, door, visit)).await;
    }
    let text = format!("{} (REST)", request.target());
    visit.connection.step(Rung::Upgrade, true, text);
    let asks = request.is_of_a_device() && !request.wants_no_question();
    match for_rest(&mut channel, asks, certificate, door, &visit).await {
        Ok(certificate) => {
            // Nobody is asked between two requests: a request that would be asked for its certificate needs a connection
            // of its own. Behind a proxy a connection is shared by clients, and each has its own certificate.
            let asked = asks || certificate.is_some() || door.lab.config.tls.front == Front::None;
            let keep_alive = asked && matches!(channel, Channel::Tls(_));
            channel.give_back(request.bytes());
            let serving = rest::serve(channel, certificate, keep_alive, door, visit);
            Box::pin(serving).await
        }
        Err(renegotiate::End::Forbidden(why)) => refuse(channel, &visit, 403, &why).await,
        Err(renegotiate::End::Over(why)) => {
            channel.cut().await;
            why
        }
    }
}

/// The certificate for a request of REST: devices are asked for it as they are with WebSocket.
async fn for_rest(
    channel: &mut Channel,
    asks: bool,
    certificate: Option<ClientCertificate>,
    door: &Door,
    visit: &Visit,
) -> Result<Option<ClientCertificate>, renegotiate::End> {
    match channel {
        Channel::Tls(tls) if asks && certificate.is_none() => {
            match renegotiate::Question::of(door, visit) {
                Some(question) => renegotiate::ask(tls, question, door, visit).await,
                None => Ok(None),
            }
        }
        _ => Ok(certificate),
    }
}

/// Why there is no request.
enum Lack {
    /// The connection ended.
    End(String),
    /// Status and reason for an answer.
    Refused(u16, String),
}

async fn received(channel: &mut Channel) -> Result<Request, Lack> {
    let mut bytes = Vec::new();
    match timeout(PATIENCE, read_head(channel, &mut bytes)).await {
        Ok(Ok(())) => {}
        Ok(Err(lack)) => return Err(lack),
        Err(_) => {
            let why = format!("no whole request within {} seconds", PATIENCE.as_secs());
            return Err(Lack::Refused(408, why));
        }
    }
    let Some(head_len) = head::len(&bytes) else {
        return Err(Lack::End("no request".into()));
    };
    let request = Request { bytes, head_len };
    match request.head() {
        Some(_) if request.line().is_some() => Ok(request),
        _ => Err(Lack::Refused(400, "no request of HTTP/1.1".into())),
    }
}

/// Reads until the head is complete.
async fn read_head(channel: &mut Channel, bytes: &mut Vec<u8>) -> Result<(), Lack> {
    let mut space = [0; 2048];
    while head::len(bytes).is_none() {
        if bytes.len() >= HEAD_MAX {
            let why = format!("the head of the request has more than {HEAD_MAX} bytes");
            return Err(Lack::Refused(431, why));
        }
        let room = space.len().min(HEAD_MAX.saturating_sub(bytes.len()));
        let came = channel.read(space.get_mut(..room).unwrap_or_default());
        let end = |why: String| Lack::End(why);
        match came.await {
            Ok(0) if bytes.is_empty() => {
                return Err(end(
                    "the client closed the connection without a request".into()
                ));
            }
            Ok(0) => {
                return Err(end(
                    "the client closed the connection inside a request".into()
                ));
            }
            Ok(n) => bytes.extend_from_slice(space.get(..n).unwrap_or_default()),
            Err(error) => return Err(end(format!("before the request: {error}"))),
        }
        // It may never have an end of a line.
        match bytes.first() {
            Some(b'A'..=b'Z' | b'\r' | b'\n') => {}
            Some(0x10) => {
                let why = "MQTT without WebSocket on the port of HTTPS; MQTT over TLS alone is on the other port";
                return Err(Lack::Refused(400, why.into()));
            }
            _ => return Err(Lack::Refused(400, "this is no HTTP".into())),
        }
    }
    Ok(())
}

/// Answers with a status and ends the connection.
pub(super) async fn refuse(mut channel: Channel, visit: &Visit, status: u16, why: &str) -> String {
    let text = visit.failed(Rung::Upgrade, Code::HttpRefused, format!("{status}: {why}"));
    send(&mut channel, &answer(status, why, "")).await;
    channel.leave().await;
    text
}

/// Writes an answer; a client that does not take it does not get it.
pub(super) async fn send(channel: &mut Channel, bytes: &[u8]) {
    let patience = channel.patience();
    let sending = async {
        channel.write_all(bytes).await?;
        channel.flush().await
    };
    let _ = timeout(patience, sending).await;
}

/// An answer with a sentence as its body, after which the connection ends. `more` are lines of fields.
pub(super) fn answer(status: u16, why: &str, more: &str) -> Vec<u8> {
    let phrase = phrase(status);
    let len = why.len() + 2;
    format!(
        "HTTP/1.1 {status} {phrase}\r\n{more}Connection: close\r\nContent-Type: text/plain\r\n\
         Content-Length: {len}\r\n\r\n{why}\r\n"
    )
    .into_bytes()
}

fn phrase(status: u16) -> &'static str {
    let known = hyper::StatusCode::from_u16(status).ok();
    known
        .and_then(|known| known.canonical_reason())
        .unwrap_or("Unknown")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(target: &str) -> Request {
        let bytes = format!("GET {target} HTTP/1.1\r\nHost: hub:443\r\n\r\n").into_bytes();
        Request {
            head_len: bytes.len(),
            bytes,
        }
    }

    #[test]
    fn paths_and_queries() {
        let upgrade = request("/$iothub/websocket?iothub-no-client-cert=true");
        assert!(upgrade.is_upgrade() && upgrade.wants_no_question());
        assert!(request("/%24iothub/websocket").is_upgrade());
        assert_eq!(
            request("/a%20b?sig=s&Iothub-No-Client-Cert=TRUE&api-version=1").target(),
            "/a%20b?iothub-no-client-cert=true"
        );
        assert_eq!(request("/a?sig=s#t").target(), "/a");
        assert_eq!(request("/a#?sig=s").target(), "/a");
        assert!(!request("/$iothub/websocket/").is_upgrade());
        assert!(!request("/$iothub/websocket?iothub-no-client-cert=false").wants_no_question());
        assert_eq!(upgrade.host().as_deref(), Some("hub"));
    }

    #[test]
    fn requests_of_devices() {
        for path in [
            "/devices/d/messages/events?api-version=2021-04-12",
            "/devices/d/messages/devicebound",
            "/devices/d/files",
            "/devices/d/files/notifications",
            "/devices/d/modules/m/messages/events",
            "/0ne00000001/registrations/r/register",
        ] {
            assert!(request(path).is_of_a_device(), "{path}");
        }
        for path in [
            "/devices/d",
            "/devices/query",
            "/devices/d/modules/m",
            "/twins/d",
            "/enrollments/x",
            "/registrations/r",
        ] {
            assert!(!request(path).is_of_a_device(), "{path}");
        }
    }
}
