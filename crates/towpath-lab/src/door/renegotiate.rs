//! The client's certificate on 443, asked for when the request is known: by renegotiation (TLS 1.2) or by
//! authentication after the handshake (TLS 1.3, RFC 8446 section 4.6.2).

use std::time::Duration;

use openssl::ssl::SslVerifyMode;
use tokio::{
    io::AsyncWriteExt as _,
    time::{sleep, timeout},
};
use towpath_proto::Rung;
use towpath_tls_openssl::server;

use super::{
    Door, Visit,
    secure::PATIENCE,
    tls::{self, Broken, TlsStream},
};
use crate::{
    certificate::ClientCertificate,
    config::Front,
    fault::Kind,
    log::{Code, Record},
};

/// The record type of alerts (RFC 8446 section 5.1).
const ALERT: u8 = 21;

/// The most that is looked at ahead of OpenSSL.
const LOOK: usize = 2048;

/// OpenSSL's reason where the client did not offer authentication after the handshake.
const NOT_OFFERED: &str = "extension not received";

/// Room for a Finished message's value.
const FINISHED: usize = 64;

/// Why there is no certificate and no going on.
pub(super) enum End {
    /// The connection is over, for this reason. What is left is to close it.
    Over(String),
    /// The answer is 403, with this reason.
    Forbidden(String),
}

/// How it is asked.
#[derive(Debug, Clone, Copy)]
pub(super) struct Question {
    front: Front,
    pause: Duration,
}

impl Question {
    /// As the config and the faults say; `None`: it is not asked.
    pub(super) fn of(door: &Door, visit: &Visit) -> Option<Self> {
        let config = &door.lab.config.tls;
        let fronts = [
            (Kind::RenegotiateNone, Front::None),
            (Kind::RenegotiateOptional, Front::Renegotiate),
            (Kind::RenegotiateRequire, Front::Require),
            (Kind::RenegotiateDrop, Front::Drop),
            (Kind::RenegotiateDelay, Front::Delay),
        ];
        let struck = fronts.into_iter().find_map(|(kind, front)| {
            let value = door.strike(kind, visit)?;
            Some((front, value.number()))
        });
        let (front, pause) = match struck {
            Some(struck) => struck,
            None if visit.legacy => (Front::Legacy, 0),
            None => (config.front, config.front_delay_ms),
        };
        let pause = Duration::from_millis(pause);
        (front != Front::None).then_some(Self { front, pause })
    }
}

/// Asks for the certificate. It is done before the request is answered, or behind the 101 by a fault.
pub(super) async fn ask(
    tls: &mut TlsStream,
    question: Question,
    door: &Door,
    visit: &Visit,
) -> Result<Option<ClientCertificate>, End> {
    let times = match door.strike(Kind::RenegotiateTwice, visit) {
        Some(_) => 2,
        None => 1,
    };
    for _ in 0..times {
        ask_once(tls, question, door, visit).await?;
    }
    Ok(tls.certificate())
}

async fn ask_once(
    tls: &mut TlsStream,
    question: Question,
    door: &Door,
    visit: &Visit,
) -> Result<(), End> {
    let pause = match question.front {
        Front::Delay => question.pause,
        _ => Duration::ZERO,
    };
    let asked = timeout(PATIENCE + pause, dialogue(tls, question, pause)).await;
    let why = match asked {
        Ok(Ok(())) => {
            tls::forget_certified(tls);
            let text = format!("renegotiated: {}, {}", tls.agreed(), tls.certificate_text());
            visit.connection.step(Rung::Tls, true, text.clone());
            door.tell(visit, Record::info(Code::Renegotiated, text));
            return Ok(());
        }
        Ok(Err(Broken::Reason(reason))) if reason == NOT_OFFERED => {
            return unasked(tls, question, door, visit);
        }
        Ok(Err(Broken::Reason(reason))) => explained(&reason),
        Ok(Err(Broken::Closed)) => {
            "the client closed the connection when it was asked to renegotiate".into()
        }
        Ok(Err(broken)) => format!("in the renegotiation: {broken}"),
        Err(_) => format!(
            "the client did not finish the renegotiation within {} seconds",
            (PATIENCE + pause).as_secs()
        ),
    };
    Err(End::Over(visit.failed(Rung::Tls, Code::TlsFailed, why)))
}

/// TLS 1.3, and the client did not offer to be asked.
fn unasked(tls: &TlsStream, question: Question, door: &Door, visit: &Visit) -> Result<(), End> {
    let why = format!(
        "{}: the client does not offer authentication after the handshake, and TLS 1.3 has no renegotiation",
        tls.agreed()
    );
    if question.front == Front::Require {
        return Err(End::Forbidden(why));
    }
    door.tell(
        visit,
        Record::info(
            Code::Renegotiated,
            format!("{why}; it goes on without a certificate"),
        ),
    );
    Ok(())
}

/// HelloRequest and what follows.
async fn dialogue(tls: &mut TlsStream, question: Question, pause: Duration) -> Result<(), Broken> {
    tls.flush().await.map_err(Broken::Io)?;
    // Plaintext that OpenSSL still has would be taken for a break of the handshake.
    tls.read_until(|ssl| ssl.ssl().pending() == 0).await?;
    let mode = match question.front {
        Front::Require => SslVerifyMode::PEER | SslVerifyMode::FAIL_IF_NO_PEER_CERT,
        _ => SslVerifyMode::PEER,
    };
    server::set_verify(tls.ssl(), mode);
    let new = tls.is_13();
    let before = finished(tls);
    if new {
        server::request_post_handshake_auth(tls.ssl())?;
    } else {
        server::request_renegotiation(tls.ssl())?;
    }
    tls.handshake().await?;
    if question.front == Front::Drop && answer(tls).await? == ALERT {
        // OpenSSL would answer with an alert of its own. It does not get to see this one.
        return Err(Broken::Reason("dropped".into()));
    }
    if !pause.is_zero() {
        answer(tls).await?;
        sleep(pause).await;
    }
    if new {
        let done = move |ssl: &openssl::ssl::SslRef| finished_of(ssl) != before;
        tls.read_until(|ssl| done(ssl.ssl()) && ssl.ssl().is_init_finished())
            .await
    } else {
        tls.read_until(|ssl| !server::is_renegotiation_pending(ssl))
            .await
    }
}

/// The type of the record that the client answers with.
async fn answer(tls: &mut TlsStream) -> Result<u8, Broken> {
    let wire = tls.wire();
    loop {
        if let Some(kind) = wire.ahead().first() {
            return Ok(*kind);
        }
        if wire.look(LOOK).await.map_err(Broken::Io)? == 0 {
            return Err(Broken::Closed);
        }
    }
}

/// The value of the client's last Finished, by which a new one shows.
fn finished(tls: &mut TlsStream) -> [u8; FINISHED] {
    finished_of(tls.ssl().ssl())
}

fn finished_of(ssl: &openssl::ssl::SslRef) -> [u8; FINISHED] {
    let mut value = [0; FINISHED];
    ssl.peer_finished(&mut value);
    value
}

fn explained(reason: &str) -> String {
    match reason {
        "dropped" => "the client refuses to renegotiate, and the connection was cut for it".into(),
        "no renegotiation" => {
            "the client refuses to renegotiate (warning no_renegotiation), by which the hub asks for its certificate; \
             its TLS library has to allow it, or the URL has to say iothub-no-client-cert=true"
                .into()
        }
        "peer did not return a certificate" => {
            "the client has no certificate, which the renegotiation demands".into()
        }
        other => format!("in the renegotiation: {other}"),
    }
}
