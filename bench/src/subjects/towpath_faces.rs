//! The faces of towpath: publishing, receiving, and connections that do nothing.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc;
use towpath::tls::{self, TlsOptions};
use towpath::tokio::{Client, Connection, Events};
use towpath::{Event, Options, Outgoing, QoS, TopicName, Version};

use crate::measure::{
    CpuClock, Handshake, Job, KEEP_ALIVE_SECONDS, Report, TOPIC, Transport, WINDOW, ca,
    per_connection, say_ready, settled_kb,
};

type Outcome = Result<Report, Box<dyn std::error::Error>>;

fn runtime() -> Result<Runtime, std::io::Error> {
    Builder::new_current_thread().enable_all().build()
}

/// MQTT 3.1.1 and a window of 100, as the peers.
fn options(job: &Job, id: &str) -> Result<Options, Box<dyn std::error::Error>> {
    let transport = job.op.transport().unwrap_or(Transport::Tcp);
    let path = match transport {
        Transport::Tcp | Transport::Tls => "",
        Transport::Wss => "/mqtt",
    };
    let (scheme, port) = (transport.scheme(), job.port);
    let options = Options::new(&format!("{scheme}://127.0.0.1:{port}{path}"))?
        .version(Version::V311)
        .client_id(id)
        .window(WINDOW as u16)
        .keep_alive(KEEP_ALIVE_SECONDS);
    Ok(match transport {
        Transport::Tcp => options,
        Transport::Tls | Transport::Wss => options.tls(tls(job)?),
    })
}

fn tls(job: &Job) -> Result<TlsOptions, String> {
    let tls = TlsOptions::new().ca(ca()?);
    Ok(match job.op.handshake() {
        None => tls,
        Some(Handshake { tls13: true, .. }) => only(tls, tls::Version::Tls13),
        Some(Handshake { tls13: false, .. }) => only(tls, tls::Version::Tls12),
    })
}

fn only(tls: TlsOptions, version: tls::Version) -> TlsOptions {
    tls.versions(Some(version), Some(version))
}

/// Publishes `count` messages from the task that drives the connection.
pub fn publish_own(job: &Job, qos: QoS) -> Outcome {
    runtime()?.block_on(async {
        let mut connection = Connection::connect(options(job, "towpath-pub")?).await?;
        let payload = job.payload_bytes();
        let topic = TopicName::new(TOPIC).map_err(|e| e.clause)?;
        let clock = CpuClock::start()?;
        for _ in 0..job.count {
            let message = Outgoing::new(topic, &payload, qos);
            match connection.try_send(&message) {
                Some(answer) => drop(answer?),
                None => drop(connection.send(&message).await?),
            }
            while let Some(event) = connection.take_waiting() {
                drop(event);
            }
        }
        if qos == QoS::AtMostOnce {
            connection
                .send(&Outgoing::new(topic, &payload, QoS::AtLeastOnce))
                .await?;
        }
        connection.settle().await?;
        Ok(clock.stop()?)
    })
}

/// Publishes `count` messages from a program without an async runtime.
pub fn publish_blocking(job: &Job, qos: QoS) -> Outcome {
    let mut connection = towpath::blocking::Connection::connect(options(job, "towpath-pub")?)?;
    let payload = job.payload_bytes();
    let topic = TopicName::new(TOPIC).map_err(|e| e.clause)?;
    let clock = CpuClock::start()?;
    for _ in 0..job.count {
        connection.send(&Outgoing::new(topic, &payload, qos))?;
    }
    connection.send(&Outgoing::new(topic, &payload, QoS::AtLeastOnce))?;
    connection.settle()?;
    Ok(clock.stop()?)
}

/// Publishes `count` messages through a handle while a task drives the connection.
pub fn publish_handle(job: &Job, qos: QoS) -> Outcome {
    runtime()?.block_on(async {
        let (client, mut events) = Client::spawn(options(job, "towpath-pub")?);
        connected(&mut events).await?;
        let payload = job.payload_bytes();
        let topic = TopicName::new(TOPIC).map_err(|e| e.clause)?;
        let clock = CpuClock::start()?;
        for _ in 0..job.count {
            drop(client.send(&Outgoing::new(topic, &payload, qos)).await?);
        }
        client
            .send(&Outgoing::new(topic, &payload, QoS::AtLeastOnce))
            .await?
            .await?;
        Ok(clock.stop()?)
    })
}

async fn connected(events: &mut Events) -> Result<(), String> {
    match events.next().await {
        Some(Event::Connected { .. }) => Ok(()),
        other => Err(format!("{other:?}")),
    }
}

/// Receives `count` messages.
pub fn sub(job: &Job) -> Outcome {
    runtime()?.block_on(async {
        let mut connection = Connection::connect(options(job, "towpath-sub")?).await?;
        connection.subscribe(TOPIC, QoS::AtMostOnce)?;
        while !matches!(connection.next().await, Event::Subscribed { .. }) {}
        say_ready();
        let clock = CpuClock::start()?;
        let mut left = job.count;
        while left > 0 {
            left -= usize::from(matches!(connection.next().await, Event::Message(_)));
        }
        Ok(clock.stop()?)
    })
}

/// Holds `count` connections open, a task each.
pub fn idle(job: &Job) -> Outcome {
    let runtime = runtime()?;
    let (up, mut ups) = mpsc::channel::<Result<(), String>>(1);
    // They differ in their client identifiers alone, as the devices behind a gateway do.
    let options = Arc::new(options(job, "towpath")?);
    let open = |i: usize| -> Result<(), towpath::Error> {
        let mut connection = Connection::sharing(&options, &format!("towpath-{i}"));
        let up = up.clone();
        // A block instead of an `async fn`, which would keep room for its arguments twice.
        runtime.spawn(async move {
            let came_up = loop {
                match connection.next().await {
                    Event::Connected { .. } => break Ok(()),
                    Event::Disconnected { fault, .. } => break Err(fault.to_string()),
                    _ => {}
                }
            };
            let _ = up.send(came_up).await;
            drop(up);
            while !matches!(connection.next().await, Event::Closed) {}
        });
        Ok(())
    };
    let mut await_up = || match runtime.block_on(ups.recv()) {
        Some(outcome) => outcome,
        None => Err("no connection came up".into()),
    };
    let pause = |time: Duration| runtime.block_on(async { tokio::time::sleep(time).await });
    open(0)?;
    await_up()?;
    let before = settled_kb(pause)?;
    for i in 1..=job.count {
        open(i)?;
        await_up()?;
    }
    Ok(per_connection(before, settled_kb(pause)?, job.count))
}

/// Connects once, and then `count` times while the clock runs. Where a session is resumed, all share
/// their options; otherwise certificates are read each time.
pub fn connect(job: &Job) -> Outcome {
    let shared = match job.op.handshake() {
        Some(Handshake { resumed: true, .. }) => Some(Arc::new(options(job, "towpath")?)),
        _ => None,
    };
    let once = async || -> Result<(), Box<dyn std::error::Error>> {
        let options = match &shared {
            Some(shared) => shared.clone(),
            None => Arc::new(options(job, "towpath")?),
        };
        let mut connection = Connection::connect(options).await?;
        if job.payload > 0 {
            tokio::time::sleep(Duration::from_millis(job.payload as u64)).await;
        }
        Ok(connection.disconnect().await?)
    };
    runtime()?.block_on(async {
        once().await?;
        let clock = CpuClock::start()?;
        for _ in 0..job.count {
            once().await?;
        }
        Ok(clock.stop()?)
    })
}
