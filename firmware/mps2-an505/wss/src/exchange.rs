//! One connection from TCP to the farewell: a subscription, a message with QoS 1, and the same message back.

use embassy_time::with_timeout;
use ladder::Ladder;
use towpath::{
    Code, Fault, Outgoing, QoS, Rung, Subscription, TopicFilter, TopicName,
    embedded::{Connection, Error, Timer as _, embassy::Clock},
    proto::{Event, Upgrade, client::Start, mqtt::packet::Connect, tls::Tls as _},
};

use crate::{
    Session,
    network::{Network, PATIENCE},
    setup::Setup,
    tls::{Kept, Tls},
};

const PAYLOAD: &[u8] = b"hello from a Cortex-M33";

/// What the server has said so far.
#[derive(Default)]
struct Heard {
    settled: bool,
    echoed: bool,
}

pub(crate) async fn once(
    client: &mut Session,
    layer: &mut Tls<'_>,
    network: &mut Network,
    setup: &Setup,
    ladder: &Ladder<Clock>,
    kept: &mut Kept,
) -> Result<(), Fault> {
    client.speak(setup.version);
    let start = start(setup);
    let (reader, writer) = network.connect(&setup.way, client, ladder).await?;
    let opened = Connection::open_secured(client, layer, reader, writer, ladder, &start).await;
    let mut connection = opened.map_err(path)?;
    let since = ladder.now();
    let mut heard = Heard::default();
    while !(heard.settled && heard.echoed) {
        let event = with_timeout(PATIENCE, connection.next()).await;
        let event = event.map_err(|_| silent())?;
        let subscribed = match event {
            Event::Connected(connected) => {
                let limits = connected.limits;
                ladder.connected(connected.session_present, limits.keep_alive);
                let filter = TopicFilter::new(setup.topic).map_err(refused)?;
                let list = [Subscription::new(filter, QoS::AtLeastOnce)];
                connection.subscribe(&list).map_err(refused)?;
                false
            }
            Event::Subscribed(_) => true,
            Event::Settled { .. } => {
                heard.settled = true;
                false
            }
            Event::Message(message) => {
                heard.echoed |= message.payload == PAYLOAD;
                false
            }
            Event::Failed(fault) => return Err(fault),
            _ => false,
        };
        if subscribed {
            let topic = TopicName::new(setup.topic).map_err(refused)?;
            let message = Outgoing::new(topic, PAYLOAD, QoS::AtLeastOnce);
            connection.publish(&message).map_err(refused)?;
        }
    }
    let took = ladder.now().since(since);
    ladder.done(
        "publish",
        Some(took),
        format_args!("{} bytes with QoS 1, there and back", PAYLOAD.len()),
    );
    let tls = connection.tls().tls();
    tls.take_session(&mut |session| kept.keep(session));
    connection.disconnect().await.map_err(path)?;
    drop(connection);
    network.close().await;
    Ok(())
}

fn start(setup: &Setup) -> Start<'static> {
    let mut start = Start::new(Connect {
        client_id: setup.client,
        keep_alive: 60,
        ..Connect::default()
    });
    start.upgrade = setup.way.target.map(|target| Upgrade {
        host: setup.server,
        target,
        subprotocols: "mqtt",
        headers: &[],
    });
    start
}

/// Nothing came for so long.
fn silent() -> Fault {
    let patience = u32::try_from(PATIENCE.as_millis()).unwrap_or(u32::MAX);
    Fault::new(Rung::Mqtt, Code::PingTimeout).number(patience)
}

fn path(error: Error) -> Fault {
    match error {
        Error::Path(fault) => fault,
        Error::Refused(_) => refused(()),
    }
}

/// A setting that can't be said, such as a topic with a wildcard.
fn refused<T>(_: T) -> Fault {
    Fault::new(Rung::Mqtt, Code::Io).detail(b"a setting that MQTT has no words for")
}
