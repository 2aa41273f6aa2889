//! The switch to WebSocket, with the faults of its answer.

use tokio::{io::AsyncWriteExt as _, time::timeout};
use towpath_proto::{Rung, ws::handshake::Upgrade};

use super::{
    Door, Visit,
    channel::Channel,
    http::{self, PATH, Request, refuse},
    renegotiate::{self, End, Question},
    talk,
    ws::{self, WsStream},
};
use crate::{
    certificate::ClientCertificate,
    fault::Kind,
    log::{Code, Level, Record},
};

/// The longest answer that a fault makes, bytes.
const LARGEST: u64 = 1 << 20;

/// The room that an ordinary answer needs.
const ROOM: usize = 1024;

/// Answers a request for WebSocket and hands the stream on; gives the reason of its end.
pub(super) async fn serve(
    mut channel: Channel,
    request: Request,
    certificate: Option<ClientCertificate>,
    door: &Door,
    visit: Visit,
) -> String {
    let subprotocol = match checked(&request) {
        Ok(subprotocol) => subprotocol,
        Err(Wrong { status, why, more }) => {
            let text = format!("{status}: {}: {why}", request.target());
            let text = visit.failed(Rung::Upgrade, Code::HttpRefused, text);
            http::send(&mut channel, &http::answer(status, &why, more)).await;
            channel.leave().await;
            return text;
        }
    };
    if door.strike(Kind::GetClose, &visit).is_some() {
        channel.cut().await;
        return visit.broke(Rung::Upgrade, "closed in place of an answer by a fault");
    }
    if door.strike(Kind::GetSilent, &visit).is_some() {
        let why = visit.broke(Rung::Upgrade, "not answered because of a fault");
        channel.stay_silent().await;
        return why;
    }
    let mut question = match &channel {
        Channel::Tls(_) if certificate.is_none() && !request.wants_no_question() => {
            Question::of(door, &visit)
        }
        _ => None,
    };
    // What is asked behind the 101 is not asked before; what is not asked at all is not asked late either.
    let late = question.filter(|_| door.strike(Kind::RenegotiateLate, &visit).is_some());
    if late.is_some() {
        question = None;
    }
    let asked = async {
        match (&mut channel, question) {
            (Channel::Tls(tls), Some(question)) => {
                renegotiate::ask(tls, question, door, &visit).await
            }
            _ => Ok(certificate),
        }
    };
    let certificate = match asked.await {
        Ok(certificate) => certificate,
        Err(End::Forbidden(why)) => return refuse(channel, &visit, 403, &why).await,
        Err(End::Over(why)) => {
            channel.cut().await;
            return why;
        }
    };
    if let Some(status) = door.strike(Kind::UpgradeStatus, &visit) {
        return refused_by_fault(channel, &visit, status.number()).await;
    }
    if let Err(why) = switch(&mut channel, &request, door, &visit).await {
        channel.cut().await;
        return why;
    }
    let text = format!("101: {}, subprotocol {subprotocol}", request.target());
    visit.connection.step(Rung::Upgrade, true, text.clone());
    door.tell(&visit, Record::new(Level::Debug, Code::Upgraded, text));
    behind_it(
        channel,
        &request,
        Ending { certificate, late },
        door,
        &visit,
    )
    .await
}

/// What is left for after the 101.
struct Ending {
    certificate: Option<ClientCertificate>,
    /// How the certificate is still to be asked for.
    late: Option<Question>,
}

/// Behind the 101.
async fn behind_it(
    mut channel: Channel,
    request: &Request,
    ending: Ending,
    door: &Door,
    visit: &Visit,
) -> String {
    let mut certificate = ending.certificate;
    if door.strike(Kind::UpgradedClose, visit).is_some() {
        channel.cut().await;
        return visit.broke(Rung::Ws, "closed behind the 101 by a fault");
    }
    // Frames that came with the request come before those that come meanwhile.
    channel.give_back(request.rest());
    if let (Channel::Tls(tls), Some(question)) = (&mut channel, ending.late) {
        let why = match renegotiate::ask(tls, question, door, visit).await {
            Ok(shown) => {
                certificate = shown;
                None
            }
            Err(End::Over(why)) => Some(why),
            // It is too late for an answer.
            Err(End::Forbidden(why)) => Some(visit.failed(Rung::Tls, Code::TlsFailed, why)),
        };
        if let Some(why) = why {
            channel.cut().await;
            return why;
        }
    }
    let twist = ws::Twist::of(door, visit);
    let mut stream = WsStream::new(channel, twist, visit);
    let why = talk(&mut stream, certificate, door, visit).await;
    let why = stream.broken().unwrap_or(why);
    stream.leave().await.leave().await;
    why
}

/// A request that is not granted.
struct Wrong {
    status: u16,
    why: String,
    more: &'static str,
}

/// The subprotocol, in the client's spelling.
fn checked(request: &Request) -> Result<String, Wrong> {
    let wrong = |status, why: String| Wrong {
        status,
        why,
        more: "",
    };
    let upgrade = Upgrade::parse(request.bytes(), &["mqtt"]).map_err(|rejection| Wrong {
        more: if rejection.status == 426 {
            "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        } else {
            ""
        },
        ..wrong(rejection.status, rejection.reason.into())
    })?;
    if request.path() != PATH {
        return Err(wrong(
            400,
            format!("WebSocket is at {PATH} and nowhere else"),
        ));
    }
    if let Some(subprotocol) = upgrade.subprotocol {
        return Ok(subprotocol.to_owned());
    }
    let offers: Vec<_> = upgrade.head().values("Sec-WebSocket-Protocol").collect();
    let offers = String::from_utf8_lossy(&offers.join(&b", "[..])).into_owned();
    Err(wrong(
        400,
        if offers.is_empty() {
            "Sec-WebSocket-Protocol is missing; it has to be mqtt".into()
        } else {
            format!(
                "Sec-WebSocket-Protocol is {:?}; this lab speaks mqtt only",
                offers.chars().take(80).collect::<String>()
            )
        },
    ))
}

/// Answers with the status that a fault names.
async fn refused_by_fault(mut channel: Channel, visit: &Visit, status: u64) -> String {
    // 101 and what is no status are no refusals.
    let status = u16::try_from(status)
        .ok()
        .filter(|it| (200..600).contains(it));
    let status = status.unwrap_or(503);
    let more = match status {
        301 | 302 | 303 | 307 | 308 => "Location: https://elsewhere.invalid/\r\n",
        401 => "WWW-Authenticate: Basic realm=\"lab\"\r\n",
        407 => "Proxy-Authenticate: Basic realm=\"lab\"\r\n",
        429 | 503 => "Retry-After: 5\r\n",
        _ => "",
    };
    let text = format!("answered with {status} by a fault");
    let text = visit.failed(Rung::Upgrade, Code::HttpRefused, text);
    http::send(
        &mut channel,
        &http::answer(status, "A fault of the lab.", more),
    )
    .await;
    channel.leave().await;
    text
}

/// Sends the 101.
async fn switch(
    channel: &mut Channel,
    request: &Request,
    door: &Door,
    visit: &Visit,
) -> Result<(), String> {
    let Some(answer) = composed(request, door, visit) else {
        return Err(visit.broke(Rung::Upgrade, "no answer to this request"));
    };
    if door.strike(Kind::UpgradeLost, visit).is_some() {
        let head = answer.strip_suffix(b"\r\n").unwrap_or(&answer);
        http::send(channel, head).await;
        let why = visit.broke(Rung::Upgrade, "the 101 was not ended because of a fault");
        channel.stay_silent().await;
        return Err(why);
    }
    let size = match door.strike(Kind::UpgradeSplit, visit) {
        Some(bytes) => usize::try_from(bytes.number()).unwrap_or(usize::MAX).max(1),
        None => answer.len().max(1),
    };
    let patience = channel.patience();
    let sending = async {
        for piece in answer.chunks(size) {
            channel.write_all(piece).await?;
            channel.flush().await?;
        }
        Ok::<_, std::io::Error>(())
    };
    let why = match timeout(patience, sending).await {
        Ok(Ok(())) => return Ok(()),
        Ok(Err(error)) => format!("sending the 101: {error}"),
        Err(_) => format!(
            "the client did not take the 101 within {} seconds",
            patience.as_secs()
        ),
    };
    Err(visit.failed(Rung::Upgrade, Code::HttpRefused, why))
}

/// The 101 as the faults want it.
fn composed(request: &Request, door: &Door, visit: &Visit) -> Option<Vec<u8>> {
    let silent = door.strike(Kind::UpgradeNoSubprotocol, visit).is_some();
    let other = door.strike(Kind::UpgradeSubprotocol, visit);
    let supported: &[&str] = if silent || other.is_some() {
        &[]
    } else {
        &["mqtt"]
    };
    let upgrade = Upgrade::parse(request.bytes(), supported).ok()?;
    // The subprotocol is one of a few letters, in whatever case.
    let mut answer = vec![0; ROOM];
    let len = upgrade.encode(&mut answer).ok()?;
    answer.truncate(len);
    let mut more = String::new();
    if let Some(other) = other {
        let word: String = other
            .word()
            .chars()
            .filter(|c| c.is_ascii_graphic())
            .take(80)
            .collect();
        more += &format!("Sec-WebSocket-Protocol: {word}\r\n");
    }
    if door.strike(Kind::UpgradeChunked, visit).is_some() {
        more += "Transfer-Encoding: chunked\r\n";
    }
    if door.strike(Kind::UpgradeAccept, visit).is_some() {
        spoil_accept(&mut answer);
    }
    if let Some(bytes) = door.strike(Kind::UpgradeLarge, visit) {
        let bytes = usize::try_from(bytes.number().min(LARGEST)).unwrap_or(0);
        fill(&mut more, bytes.saturating_sub(answer.len()));
    }
    let end = answer.len().saturating_sub(2);
    answer.splice(end..end, more.bytes());
    Some(answer)
}

/// Makes the proof of the handshake a wrong one.
fn spoil_accept(answer: &mut [u8]) {
    const FIELD: &[u8] = b"Sec-WebSocket-Accept: ";
    let at = answer.windows(FIELD.len()).position(|part| part == FIELD);
    if let Some(first) = at.and_then(|at| answer.get_mut(at + FIELD.len())) {
        *first = if *first == b'A' { b'B' } else { b'A' };
    }
}

/// Adds fields of altogether so many bytes, or a few less than a field has.
fn fill(fields: &mut String, bytes: usize) {
    const EMPTY: &str = "X-Padding: \r\n";
    let end = fields.len() + bytes;
    while let left @ 1.. = end.saturating_sub(fields.len() + EMPTY.len()) {
        let padding = "x".repeat(left.min(1000));
        *fields += &format!("X-Padding: {padding}\r\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padding_has_its_size() {
        for bytes in [0, 5, 100, 8000, 8192, 20_000] {
            let mut fields = String::new();
            fill(&mut fields, bytes);
            assert!(
                fields.len() <= bytes && bytes - fields.len() < 14,
                "{bytes}: {}",
                fields.len()
            );
        }
    }

    #[test]
    fn a_proof_is_spoilt_in_place() {
        let mut answer = *b"HTTP/1.1 101 X\r\nSec-WebSocket-Accept: s3pP\r\n\r\n";
        spoil_accept(&mut answer);
        assert_eq!(
            &answer,
            b"HTTP/1.1 101 X\r\nSec-WebSocket-Accept: A3pP\r\n\r\n"
        );
    }
}
