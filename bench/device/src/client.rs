//! towpath's device as a process.

use std::{
    fs,
    io::{self, Read as _},
    path::Path,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use serde::Serialize;
use tokio::{runtime::Builder, task::JoinSet, time::sleep};
use towpath::{
    TlsOptions,
    device::{
        Credential, Device, Entry, Event, Events, Key, Options, Telemetry, Transport, Transports,
        bag::Bag,
    },
    outbox::{Bounds, Outbox},
    tls::Backend,
};

use crate::{
    order::{self, BODY, Flow, Order, Start, Work},
    process::{cpu_seconds, memory_kb, micros},
};

/// Messages that wait in the outbox at most, so that its size is none of the figures.
const WAITING: u64 = 1000;

/// Takes the order from standard input.
pub fn run(_arguments: &[String]) -> Result<(), String> {
    let mut text = String::new();
    io::stdin()
        .read_to_string(&mut text)
        .map_err(|e| e.to_string())?;
    let order: Order = serde_json::from_str(&text).map_err(|e| e.to_string())?;
    let runtime = Builder::new_current_thread().enable_all().build();
    runtime.map_err(|e| e.to_string())?.block_on(async {
        match order.work {
            Work::Start => {
                let options = options(&order)?;
                for _ in 0..2 {
                    say(&start(&options).await?)?;
                }
                Ok(())
            }
            Work::Flow {
                count,
                at_once,
                disk,
            } => say(&flow(&order, count, at_once, disk).await?),
        }
    })
}

fn say(what: &impl Serialize) -> Result<(), String> {
    println!(
        "{}",
        serde_json::to_string(what).map_err(|e| e.to_string())?
    );
    Ok(())
}

fn options(order: &Order) -> Result<Options, String> {
    let folder = Path::new(&order.folder);
    let read = |name: &str| fs::read(folder.join(name)).map_err(|e| format!("{name}: {e}"));
    let mut tls = TlsOptions::new()
        .backend(match order.tls {
            order::Tls::OpenSsl => Backend::OpenSsl,
            order::Tls::Mbed => Backend::Mbed,
        })
        .ca(read("root.pem")?);
    let credential = match &order.key {
        Some(key) => {
            let key = Key::from_base64(key).map_err(|e| e.to_string())?;
            Credential::Key(Arc::new(key))
        }
        None => {
            tls = tls.identity(read("x509.pem")?, read("x509.key")?);
            Credential::Certificate
        }
    };
    let entry = match &order.dps {
        None => Entry::Hub {
            hub: order.hub.clone(),
            device_id: order.device.clone(),
        },
        Some((host, scope)) => Entry::Dps {
            host: host.clone(),
            scope: scope.clone(),
            registration_id: order.device.clone(),
            payload: String::new(),
        },
    };
    let transport = match order.transport {
        order::Transport::Mqtts => Transport::Mqtts,
        order::Transport::Wss => Transport::Wss,
    };
    Ok(Options::new(entry, credential)
        .tls(tls)
        .transports(Transports::Only(transport))
        .state(Some(folder.join(format!("state-{}", std::process::id())))))
}

async fn start(options: &Options) -> Result<Start, String> {
    let began = micros(SystemTime::now());
    let outbox = Outbox::memory(Bounds::default());
    let spawned = Device::spawn(options.clone(), outbox);
    let (device, mut events) = spawned.map_err(|e| e.to_string())?;
    send(&device).await?;
    device.delivered().await;
    let acknowledged = micros(SystemTime::now());
    device.stop().await;
    over(&mut events).await?;
    Ok(Start {
        began,
        acknowledged,
    })
}

async fn send(device: &Device) -> Result<(), String> {
    let telemetry = Telemetry {
        bag: Bag {
            properties: &[("unit", "celsius"), ("alert", "no")],
            ..Bag::NONE
        },
        body: BODY.as_bytes(),
        expires: None,
    };
    let sent = device.send(&telemetry).await;
    sent.map(|_| ()).map_err(|e| e.to_string())
}

/// Nothing may break on the way: that would be measured along.
fn check(event: Option<&Event>) -> Result<(), String> {
    match event {
        Some(Event::Disconnected { fault, .. }) => Err(fault.to_string()),
        Some(Event::NotAssigned { refused, .. }) => Err(format!("{refused:?}")),
        Some(Event::Lost { outcome, .. }) => Err(format!("a message was lost: {outcome:?}")),
        _ => Ok(()),
    }
}

async fn over(events: &mut Events) -> Result<(), String> {
    loop {
        let event = events.next().await;
        check(event.as_ref())?;
        if event.is_none() {
            return Ok(());
        }
    }
}

async fn flow(order: &Order, count: u32, at_once: u32, disk: bool) -> Result<Flow, String> {
    let file = Path::new(&order.folder).join(format!("outbox-{}", std::process::id()));
    let outbox = if disk {
        Outbox::open(&file, Bounds::default()).map_err(|e| e.to_string())?
    } else {
        Outbox::memory(Bounds::default())
    };
    let spawned = Device::spawn(options(order)?, outbox.clone());
    let (device, mut events) = spawned.map_err(|e| e.to_string())?;
    loop {
        let event = events.next().await;
        check(event.as_ref())?;
        match event {
            Some(Event::Connected { .. }) => break,
            Some(_) => {}
            None => return Err("it stopped".into()),
        }
    }
    let connected_kb = memory_kb("VmRSS")?;
    let (user, cpu) = cpu_seconds()?;
    let began = Instant::now();
    if at_once == 1 {
        for _ in 0..count {
            send(&device).await?;
            device.delivered().await;
        }
    } else {
        many(&device, count, at_once).await?;
        device.delivered().await;
    }
    let wall = began.elapsed().as_secs_f64();
    let (user_after, cpu_after) = cpu_seconds()?;
    let most_kb = memory_kb("VmHWM")?;
    device.stop().await;
    over(&mut events).await?;
    let counts = outbox.counts();
    if counts.delivered != u64::from(count) {
        return Err(format!("not all of {count} were delivered: {counts:?}"));
    }
    outbox.close().await;
    Ok(Flow {
        user: user_after - user,
        cpu: cpu_after - cpu,
        wall,
        connected_kb,
        most_kb,
    })
}

/// Tasks that each wait until the outbox has a message for good before they send the next.
async fn many(device: &Device, count: u32, tasks: u32) -> Result<(), String> {
    let mut all = JoinSet::<Result<(), String>>::new();
    for number in 0..tasks {
        let device = device.clone();
        let share = count / tasks + u32::from(number < count % tasks);
        all.spawn(async move {
            for _ in 0..share {
                while device.outbox().len() >= WAITING {
                    sleep(Duration::from_millis(1)).await;
                }
                send(&device).await?;
                // A push into memory never waits; the device is to have its turn.
                tokio::task::yield_now().await;
            }
            Ok(())
        });
    }
    while let Some(ended) = all.join_next().await {
        ended.map_err(|e| e.to_string())??;
    }
    Ok(())
}
