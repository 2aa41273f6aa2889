//! The TLS rung: from the first byte of a client to the end of the first handshake, with the faults in between.

use std::time::Duration;

use tokio::time::{sleep, timeout};
use towpath_proto::Rung;

use super::{
    Door, Visit,
    contexts::{Demand, Manner, RECORD_MIN},
    hello::{self, First},
    tls::{self, Broken, TlsStream},
    wire::Wire,
};
use crate::{
    config::{Front, TlsVersion},
    connection::Listener,
    fault::Kind,
    log::{Code, Record},
    pki::Variant,
};

/// How long the handshake may take, and the request behind it.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// The answer of a server that speaks plain HTTP.
const PLAIN: &[u8] =
    b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Type: text/plain\r\n\
    Content-Length: 29\r\n\r\nThis is HTTP and not HTTPS.\r\n";

/// A client's secured connection, or the reason why there is none.
pub(super) async fn secure(
    mut wire: Wire,
    door: &Door,
    visit: &mut Visit,
) -> Result<TlsStream, String> {
    let name = match listen(&mut wire, visit).await {
        Ok(name) => name,
        Err(why) => {
            wire.part().await;
            return Err(why);
        }
    };
    visit.named(door, name);
    wire = visit.shaped(door, wire);
    wire = before_the_answer(wire, door, visit).await?;
    let manner = manner(door, visit);
    let context = match door.contexts.context(&manner, &door.lab.pki) {
        Ok(context) => context,
        Err(error) => {
            let why = format!("no TLS for this connection: {error}");
            door.tell(visit, Record::warn(Code::Lab, why.clone()));
            wire.part().await;
            return Err(why);
        }
    };
    let mut stream = TlsStream::new(wire, &context).map_err(|stack| stack.to_string())?;
    record_sizes(&mut stream, door, visit);
    if door.strike(Kind::CertificateClose, visit).is_some() {
        // Whether it comes to that or not, the connection ends here.
        let _ = timeout(PATIENCE, stream.first_flight()).await;
        stream.part().await;
        return Err(visit.broke(
            Rung::Tls,
            "closed behind the server's certificate by a fault",
        ));
    }
    let done = timeout(PATIENCE, stream.handshake()).await;
    if let Err(why) = told(done, &mut stream, door, visit) {
        stream.wire().part().await;
        return Err(why);
    }
    tls::forget_certified(&mut stream);
    if door.strike(Kind::HandshakeClose, visit).is_some() {
        stream.part().await;
        return Err(visit.broke(Rung::Tls, "closed behind the handshake by a fault"));
    }
    Ok(stream)
}

/// The name in ClientHello.
async fn listen(wire: &mut Wire, visit: &Visit) -> Result<Option<String>, String> {
    let why = match timeout(PATIENCE, hello::hear(wire)).await {
        Ok(Ok(First::Hello(name))) => return Ok(name),
        Ok(Ok(First::Unclear)) => return Ok(None),
        Ok(Ok(First::Foreign(what))) => format!("the client sent {what}"),
        Ok(Ok(First::Closed(0))) => "the client closed the connection before TLS".into(),
        Ok(Ok(First::Closed(bytes))) => {
            format!("the client closed the connection {bytes} bytes into ClientHello")
        }
        Ok(Err(error)) => format!("before TLS: {error}"),
        Err(_) => format!("no ClientHello within {} seconds", PATIENCE.as_secs()),
    };
    Err(visit.failed(Rung::Tls, Code::TlsFailed, why))
}

/// The faults between ClientHello and its answer.
async fn before_the_answer(mut wire: Wire, door: &Door, visit: &mut Visit) -> Result<Wire, String> {
    if door.strike(Kind::HelloClose, visit).is_some() {
        wire.part().await;
        return Err(visit.broke(Rung::Tls, "closed behind ClientHello by a fault"));
    }
    if door.strike(Kind::HelloSilent, visit).is_some() {
        let why = visit.broke(Rung::Tls, "ClientHello was not answered because of a fault");
        wire.stay_silent().await;
        return Err(why);
    }
    if door.strike(Kind::HelloPlain, visit).is_some() {
        let why = visit.broke(
            Rung::Tls,
            "ClientHello was answered in plain text by a fault",
        );
        // The client reads it or not.
        let _ = tokio::io::AsyncWriteExt::write_all(&mut wire, PLAIN).await;
        wire.part().await;
        return Err(why);
    }
    if let Some(pause) = door.strike(Kind::HandshakeSlow, visit) {
        sleep(Duration::from_millis(pause.number())).await;
    }
    Ok(wire)
}

/// What the config and the faults make of this handshake.
fn manner(door: &Door, visit: &mut Visit) -> Manner {
    let listener = visit.connection.listener;
    let mut manner = Manner::of(listener, &door.lab.config.tls);
    let variants = [
        (Kind::CertExpired, Variant::Expired),
        (Kind::CertNotYet, Variant::NotYet),
        (Kind::CertWrongName, Variant::WrongName),
        (Kind::CertUnknownRoot, Variant::UnknownRoot),
        (Kind::CertSelfSigned, Variant::SelfSigned),
        (Kind::CertNoChain, Variant::NoChain),
        (Kind::CertSha384, Variant::Sha384),
        (Kind::CertLarge, Variant::Large),
        (Kind::CertEcdsa, Variant::Ecdsa),
    ];
    let mut variants = variants.into_iter();
    if let Some((_, variant)) = variants.find(|(kind, _)| door.strike(*kind, visit).is_some()) {
        manner.variant = variant;
    }
    if let Some(suite) = door.strike(Kind::SuiteOnly, visit) {
        suite.word().clone_into(&mut manner.suites);
        (manner.min, manner.max) = (TlsVersion::V12, TlsVersion::V12);
        if suite.word().contains("ECDSA") {
            manner.variant = Variant::Ecdsa;
        }
    }
    if door.strike(Kind::Tls13Only, visit).is_some() {
        (manner.min, manner.max) = (TlsVersion::V13, TlsVersion::V13);
    }
    if door.strike(Kind::Tls12Only, visit).is_some() {
        (manner.min, manner.max) = (TlsVersion::V12, TlsVersion::V12);
    }
    if door.strike(Kind::NoResumption, visit).is_some() {
        manner.resumption = false;
    }
    if door.strike(Kind::CertificateRequired, visit).is_some() {
        manner.demand = Demand::Required;
    }
    if listener == Listener::Https {
        // It is said in the first handshake already.
        visit.legacy = door.strike(Kind::RenegotiateLegacy, visit).is_some()
            || door.lab.config.tls.front == Front::Legacy;
        manner.legacy = visit.legacy;
    }
    if manner.legacy {
        (manner.min, manner.max) = (TlsVersion::V12, TlsVersion::V12);
    }
    if let Some(bytes) = door.strike(Kind::RecordSmall, visit) {
        visit.record = Some(bytes.number());
        let bytes = u16::try_from(bytes.number()).unwrap_or(u16::MAX);
        manner.record = Some(bytes.clamp(RECORD_MIN, 16 << 10));
    }
    manner
}

fn record_sizes(stream: &mut TlsStream, door: &Door, visit: &Visit) {
    if let Some(bytes) = visit.record {
        stream.cut(usize::try_from(bytes).unwrap_or(usize::MAX));
    }
    if door.strike(Kind::RecordLarge, visit).is_some() {
        stream.gather();
    }
}

/// Tells what became of the first handshake.
fn told(
    done: Result<Result<(), Broken>, tokio::time::error::Elapsed>,
    stream: &mut TlsStream,
    door: &Door,
    visit: &Visit,
) -> Result<(), String> {
    let why = match done {
        Ok(Ok(())) => {
            let resumed = if stream.is_resumed() { ", resumed" } else { "" };
            let (agreed, certificate) = (stream.agreed(), stream.certificate_text());
            let name = visit.host.as_deref().unwrap_or("none");
            let text = format!("{agreed}{resumed}, server name {name}, {certificate}");
            visit.connection.step(Rung::Tls, true, text.clone());
            door.tell(
                visit,
                Record::new(crate::log::Level::Debug, Code::TlsEstablished, text),
            );
            return Ok(());
        }
        // Many TLS libraries of today end here, OpenSSL 3 among them.
        Ok(Err(broken @ (Broken::Closed | Broken::Alert(_)))) if visit.legacy => format!(
            "{broken}; it may insist on secure renegotiation (RFC 5746), which this front does not have"
        ),
        Ok(Err(Broken::Closed)) if stream.wire().written() > 0 => {
            "the client closed the connection behind the server's certificate without an alert; \
             it may not trust it, or has no memory for it"
                .into()
        }
        Ok(Err(broken)) => explained(&broken),
        Err(_) => format!(
            "no end of the handshake within {} seconds",
            PATIENCE.as_secs()
        ),
    };
    Err(visit.failed(Rung::Tls, Code::TlsFailed, why))
}

/// What OpenSSL's reason means here.
fn explained(broken: &Broken) -> String {
    let meaning = match broken {
        Broken::Reason(reason) => match reason.as_str() {
            "no shared cipher" => "the client offers no suite that this lab takes",
            "unsupported protocol" | "version too low" => {
                "the client offers no TLS version that this lab takes"
            }
            "peer did not return a certificate" => {
                "the client has no certificate, which is demanded"
            }
            "http request" => "the client sent HTTP without TLS",
            "no renegotiation" => "the client refuses to renegotiate",
            "unsafe legacy renegotiation disabled" => "the client has no secure renegotiation",
            _ => "",
        },
        Broken::Alert(alert) => match alert.reason_code().saturating_sub(1000) {
            42 | 43 | 46 => "the client does not accept the server's certificate",
            45 => "the client takes the server's certificate for expired; see its clock too",
            48 => "the client does not trust the certificate's CA; give it the lab's root",
            40 => "the client found nothing in common, or misses something in this server",
            70 => "the client does not take this TLS version",
            112 => "the client sent a name that this server does not have",
            _ => "",
        },
        Broken::Closed | Broken::Io(_) => "",
    };
    if meaning.is_empty() {
        broken.to_string()
    } else {
        format!("{broken}: {meaning}")
    }
}
