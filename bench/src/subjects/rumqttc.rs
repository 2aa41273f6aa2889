//! rumqttc 0.25.1, with rustls and its default provider aws-lc-rs, on a current_thread runtime: the client handle in one task, the event loop in
//! another. Options are its defaults, except for the in-flight window, which is the same for all.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use rumqttc::tokio_rustls::rustls::client::Resumption;
use rumqttc::tokio_rustls::rustls::pki_types::{CertificateDer, pem::PemObject as _};
use rumqttc::tokio_rustls::rustls::version::{TLS12, TLS13};
use rumqttc::tokio_rustls::rustls::{ClientConfig, RootCertStore};
use rumqttc::{
    AsyncClient, ConnectionError, Event, EventLoop, MqttOptions, Packet, Publish, QoS,
    TlsConfiguration, Transport,
};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc;
use tokio::time::sleep;

use super::{Home, Subject, unsupported};
use crate::measure::{
    self, CpuClock, Handshake, Job, KEEP_ALIVE_SECONDS, Op, Report, TOPIC, WINDOW, ca,
    per_connection, say_ready, settled_kb,
};
use crate::wire;

pub const SUBJECT: Subject = Subject {
    name: "rumqttc",
    home: Home::Here(run),
    ops: &[
        Op::Pub0,
        Op::Pub1,
        Op::Sub,
        Op::Tls0,
        Op::Wss0,
        Op::SubTls,
        Op::Idle,
        Op::IdleTls,
        Op::Connect12,
        Op::Resume12,
        Op::Connect13,
        Op::Resume13,
        Op::Encode,
        Op::Decode,
    ],
    most_connections: usize::MAX,
};

const CHANNEL: usize = 100;
const MAX_PACKET: usize = 1 << 20;

/// Its own 5 s are too short for a handshake under callgrind.
const CONNECT_SECONDS: u64 = 120;

type Outcome = Result<Report, Box<dyn std::error::Error>>;

fn run(job: &Job) -> Result<Report, String> {
    let outcome = match job.op {
        Op::Pub0 | Op::Tls0 | Op::Wss0 => runtime()?.block_on(publish(job, QoS::AtMostOnce)),
        Op::Pub1 => runtime()?.block_on(publish(job, QoS::AtLeastOnce)),
        Op::Sub | Op::SubTls => runtime()?.block_on(sub(job)),
        Op::Idle | Op::IdleTls => idle(job),
        Op::Connect12 | Op::Resume12 | Op::Connect13 | Op::Resume13 => {
            runtime()?.block_on(connect(job))
        }
        Op::Encode => encode(job),
        Op::Decode => decode(job),
        Op::Ws => return unsupported(job),
    };
    outcome.map_err(|e| e.to_string())
}

fn runtime() -> Result<Runtime, String> {
    Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| e.to_string())
}

/// How to reach the broker, and what connections share of TLS.
fn way(job: &Job) -> Result<Transport, Box<dyn std::error::Error>> {
    let config = || tls(job).map(TlsConfiguration::Rustls);
    Ok(match job.op.transport() {
        None | Some(measure::Transport::Tcp) => Transport::Tcp,
        Some(measure::Transport::Tls) => Transport::Tls(config()?),
        Some(measure::Transport::Wss) => Transport::Wss(config()?),
    })
}

/// Its own crate's rustls with the default provider, aws-lc-rs. A configuration of its own instead of
/// `TlsConfiguration::Simple`, so that the version can be set, and sessions be resumed.
fn tls(job: &Job) -> Result<Arc<ClientConfig>, Box<dyn std::error::Error>> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&ca()?) {
        roots.add(certificate?)?;
    }
    let handshake = job.op.handshake();
    let builder = match handshake {
        None => ClientConfig::builder(),
        Some(Handshake { tls13: true, .. }) => {
            ClientConfig::builder_with_protocol_versions(&[&TLS13])
        }
        Some(Handshake { tls13: false, .. }) => {
            ClientConfig::builder_with_protocol_versions(&[&TLS12])
        }
    };
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    if handshake.is_some_and(|h| !h.resumed) {
        config.resumption = Resumption::disabled();
    }
    Ok(Arc::new(config))
}

fn client(job: &Job, id: &str, way: &Transport) -> (AsyncClient, EventLoop) {
    let host = match way {
        Transport::Wss(_) => format!("wss://127.0.0.1:{}/mqtt", job.port),
        _ => "127.0.0.1".to_owned(),
    };
    let mut options = MqttOptions::new(id, host, job.port);
    options.set_transport(way.clone());
    options.set_keep_alive(Duration::from_secs(KEEP_ALIVE_SECONDS.into()));
    options.set_inflight(WINDOW as u16);
    options.set_max_packet_size(MAX_PACKET, MAX_PACKET);
    let (client, mut events) = AsyncClient::new(options, CHANNEL);
    events
        .network_options
        .set_connection_timeout(CONNECT_SECONDS);
    (client, events)
}

async fn until(
    events: &mut EventLoop,
    mut last: impl FnMut(&Packet) -> bool,
) -> Result<(), ConnectionError> {
    loop {
        if let Event::Incoming(packet) = events.poll().await?
            && last(&packet)
        {
            return Ok(());
        }
    }
}

async fn connected(events: &mut EventLoop) -> Result<(), ConnectionError> {
    until(events, |packet| matches!(packet, Packet::ConnAck(_))).await
}

async fn publish(job: &Job, qos: QoS) -> Outcome {
    let (client, mut events) = client(job, "rumqttc-pub", &way(job)?);
    connected(&mut events).await?;
    let mut acks_left = if qos == QoS::AtLeastOnce {
        job.count
    } else {
        1
    };
    let payload = Bytes::from(job.payload_bytes());
    let clock = CpuClock::start()?;
    let driver = tokio::spawn(async move {
        let all_acked = |packet: &Packet| {
            acks_left -= usize::from(matches!(packet, Packet::PubAck(_)));
            acks_left == 0
        };
        until(&mut events, all_acked).await
    });
    for _ in 0..job.count {
        client
            .publish_bytes(TOPIC, qos, false, payload.clone())
            .await?;
    }
    if qos == QoS::AtMostOnce {
        client
            .publish_bytes(TOPIC, QoS::AtLeastOnce, false, payload)
            .await?;
    }
    driver.await??;
    Ok(clock.stop()?)
}

async fn sub(job: &Job) -> Outcome {
    let (client, mut events) = client(job, "rumqttc-sub", &way(job)?);
    connected(&mut events).await?;
    client.subscribe(TOPIC, QoS::AtMostOnce).await?;
    until(&mut events, |packet| matches!(packet, Packet::SubAck(_))).await?;
    say_ready();
    let clock = CpuClock::start()?;
    let mut left = job.count;
    let all_received = |packet: &Packet| {
        left -= usize::from(matches!(packet, Packet::Publish(_)));
        left == 0
    };
    until(&mut events, all_received).await?;
    Ok(clock.stop()?)
}

fn idle(job: &Job) -> Outcome {
    let runtime = runtime()?;
    let way = way(job)?;
    let (up, mut ups) = mpsc::channel(1);
    let mut clients = Vec::with_capacity(job.count + 1);
    let open = |i: usize, clients: &mut Vec<AsyncClient>| {
        let (client, mut events) = client(job, &format!("rumqttc-{i}"), &way);
        clients.push(client);
        let up = up.clone();
        runtime.spawn(async move {
            let outcome = connected(&mut events).await;
            let _ = up.send(outcome.map_err(|e| e.to_string())).await;
            drop(up);
            while events.poll().await.is_ok() {}
        });
    };
    let mut await_up = || match runtime.block_on(ups.recv()) {
        Some(outcome) => outcome,
        None => Err("no connection came up".into()),
    };
    let pause = |time| runtime.block_on(async { sleep(time).await });

    open(0, &mut clients);
    await_up()?;
    let before = settled_kb(pause)?;
    for i in 1..=job.count {
        open(i, &mut clients);
        await_up()?;
    }
    Ok(per_connection(before, settled_kb(pause)?, job.count))
}

/// Connects once, and then `count` times while the clock runs. Where a session is resumed, all share
/// a configuration; otherwise certificates are read each time.
async fn connect(job: &Job) -> Outcome {
    let shared = match job.op.handshake() {
        Some(Handshake { resumed: true, .. }) => Some(way(job)?),
        _ => None,
    };
    let once = async || -> Outcome {
        let way = shared.clone().map_or_else(|| way(job), Ok)?;
        let (client, mut events) = client(job, "rumqttc", &way);
        connected(&mut events).await?;
        if job.payload > 0 {
            sleep(Duration::from_millis(job.payload as u64)).await;
        }
        client.disconnect().await?;
        while events.poll().await.is_ok() {}
        Ok(Report::Done)
    };
    once().await?;
    let clock = CpuClock::start()?;
    for _ in 0..job.count {
        once().await?;
    }
    Ok(clock.stop()?)
}

fn encode(job: &Job) -> Outcome {
    let payload = Bytes::from(job.payload_bytes());
    let mut buffer = BytesMut::with_capacity(4096);
    for _ in 0..job.count {
        buffer.clear();
        // A new packet each time, as its client makes one for every publish.
        let mut packet = Publish::from_bytes(
            black_box(TOPIC),
            QoS::AtLeastOnce,
            black_box(&payload).clone(),
        );
        packet.pkid = 1;
        packet.write(&mut buffer)?;
        black_box(&buffer);
    }
    Ok(Report::Done)
}

fn decode(job: &Job) -> Outcome {
    let bytes = wire::publish(&job.payload_bytes(), Some(1));
    let mut buffer = BytesMut::with_capacity(64 * 1024);
    for _ in 0..job.count {
        // It decodes from a `BytesMut` that it consumes: filling that is part of the path.
        buffer.extend_from_slice(black_box(&bytes));
        black_box(Packet::read(&mut buffer, MAX_PACKET)?);
    }
    Ok(Report::Done)
}
