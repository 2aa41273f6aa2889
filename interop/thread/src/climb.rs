//! Connections from the device to the broker, and the radio frames of each rung.

use std::time::Duration;

use tokio::{runtime::Builder, time::timeout};
use towpath::{
    Event, Options, Outgoing, Properties, QoS, Reconnect, Rung, TopicName,
    proto::trace::{Fact, Trace},
    tokio::Connection,
};

use crate::{Control, Frames, Mesh};

/// How long one event may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// The telemetry that is measured: 64 bytes.
const PAYLOAD: [u8; 64] =
    *b"{\"t\":21.53,\"h\":48.1,\"p\":1013.2,\"v\":3.014,\"n\":1024,\"s\":\"kitchen\"}";

/// How many messages follow one another at once, each when the one before is acknowledged.
pub const BURST: u32 = 10;

/// The frames of one connection.
#[derive(Debug, Clone, Default)]
pub struct Climb {
    /// What each rung took, from TCP as far as CONNACK.
    pub rungs: Vec<(Rung, Frames)>,
    /// All of them together.
    pub connect: Frames,
    /// A message of 64 bytes at QoS 1 after that, with its acknowledgement: the first, and one that follows it.
    pub messages: [Frames; 2],
    /// [`BURST`] such messages.
    pub burst: Frames,
}

impl Climb {
    /// The frames of a rung; none if it was not climbed.
    #[must_use]
    pub fn of(&self, rung: Rung) -> Frames {
        let mut rungs = self.rungs.iter();
        let found = rungs.find(|(each, _)| *each == rung);
        found.map_or_else(Frames::default, |(_, frames)| *frames)
    }
}

/// Connects, publishes to `topic` and disconnects. With `apart` the program waits at each rung until the radio is
/// silent, so that the frames of each are told apart; without, the kernel and the server can put things together as
/// they do in real life.
///
/// # Panics
/// If anything of it fails.
#[must_use]
pub fn climb(mesh: &Mesh, options: Options, topic: &'static str, apart: bool) -> Climb {
    let mut control = mesh.device_control.again();
    mesh.device.run(move || {
        let runtime = Builder::new_current_thread().enable_all().build();
        let options = options.reconnect(Reconnect::Never).trace(apart);
        let done = run(&mut control, options, topic);
        runtime.expect("a runtime").block_on(done)
    })
}

async fn run(control: &mut Control, options: Options, topic: &str) -> Climb {
    let mut climb = Climb::default();
    let start = Frames::at_rest(control);
    let mut last = start;
    let mut connection = Connection::new(options);
    loop {
        match next(&mut connection).await {
            // What comes before is told only when the stream is open.
            Event::Trace(Trace {
                rung,
                fact: Fact::Reached,
                ..
            }) if rung >= Rung::Tcp => {
                let frames = Frames::at_rest(control);
                climb.rungs.push((rung, frames - last));
                last = frames;
            }
            Event::Trace(_) => {}
            Event::Connected { .. } => break,
            other => panic!("connecting came to {other:?}"),
        }
    }
    let mut last = Frames::at_rest(control);
    climb.connect = last - start;
    for message in &mut climb.messages {
        publish(&mut connection, topic).await;
        let frames = Frames::at_rest(control);
        *message = frames - last;
        last = frames;
    }
    for _ in 0..BURST {
        publish(&mut connection, topic).await;
    }
    climb.burst = Frames::at_rest(control) - last;
    connection.disconnect().await.expect("a farewell");
    climb
}

async fn publish(connection: &mut Connection, topic: &str) {
    let message = Outgoing {
        topic: TopicName::new(topic).expect("a topic"),
        payload: &PAYLOAD,
        qos: QoS::AtLeastOnce,
        retain: false,
        properties: Properties::NONE,
    };
    connection.send(&message).await.expect("it is sent");
    let settled = timeout(PATIENCE, connection.settle()).await;
    settled.expect("in time").expect("it is acknowledged");
}

async fn next(connection: &mut Connection) -> Event {
    let event = timeout(PATIENCE, connection.next()).await;
    event.expect("connecting takes too long")
}
