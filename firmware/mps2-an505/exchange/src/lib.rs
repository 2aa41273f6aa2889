//! Messages of each quality of service to a broker and back, over any byte stream: what the applications without TLS
//! have in common. It goes on with the next connection where one broke.
//!
//! Settings: `topic`, `client`, `version` (`5` or `3.1.1`), `count` of messages, `qos` of all of them (0, 1 and 2 in turn
//! if it is left out), `pause` between them in milliseconds.
#![no_std]

mod text;

use core::time::Duration;

use embassy_futures::select::{Either, select};
use ladder::Ladder;
use mps2_an505::settings;
use towpath::{
    Code, Fault, Outgoing, QoS, Rung, Subscription, TopicFilter, TopicName, Version,
    embedded::{
        Connection, Error, Timer as _,
        embassy::Clock,
        embedded_io_async::{Read, Write},
    },
    proto::{
        Buffer, Client, Event, Instant, Random,
        client::Start,
        mqtt::packet::{Connect, PacketId},
    },
};

use self::text::Text;

/// A message that has not come back by then is published again.
const PATIENCE: Duration = Duration::from_secs(5);

/// What is sent.
#[derive(Debug, Clone, Copy)]
struct Plan {
    client: &'static str,
    topic: &'static str,
    version: Version,
    qos: Option<QoS>,
    count: u32,
    pause: Duration,
}

/// Messages on their way, one after the other.
#[derive(Debug)]
pub struct Exchange {
    plan: Plan,
    /// How many are back.
    done: u32,
    /// When the next one may leave; it has not left yet.
    due: Option<Instant>,
    /// It is in the session's store and not settled.
    owed: Option<PacketId>,
    /// When it was published.
    left: Instant,
    subscribed: bool,
}

impl Exchange {
    /// As the settings say.
    pub fn read() -> Self {
        let plan = Plan {
            client: settings::text("client").unwrap_or("mps2-an505"),
            topic: settings::text("topic").unwrap_or("mps2-an505/echo"),
            version: match settings::text("version") {
                Some("3.1.1") => Version::V311,
                _ => Version::V5,
            },
            qos: match settings::text("qos") {
                Some("0") => Some(QoS::AtMostOnce),
                Some("1") => Some(QoS::AtLeastOnce),
                Some("2") => Some(QoS::ExactlyOnce),
                _ => None,
            },
            count: settings::parsed("count").unwrap_or(3),
            pause: Duration::from_millis(settings::parsed("pause").unwrap_or(0)),
        };
        Self {
            plan,
            done: 0,
            due: Some(Instant::ZERO),
            owed: None,
            left: Instant::ZERO,
            subscribed: false,
        }
    }

    /// Goes on over an open stream, up to the farewell behind the last message.
    ///
    /// # Errors
    /// Why the path broke. What was owed goes on with the next call.
    pub async fn over<B: Buffer, R: Random>(
        &mut self,
        client: &mut Client<B, R>,
        (reader, writer): (impl Read, impl Write),
        ladder: &Ladder<Clock>,
    ) -> Result<(), Fault> {
        self.subscribed = false;
        let start = Start::new(Connect {
            version: self.plan.version,
            client_id: self.plan.client,
            keep_alive: 10,
            ..Connect::default()
        });
        let opened = Connection::open(client, reader, writer, ladder, &start).await;
        let mut connection = opened.map_err(broken)?;
        while self.done < self.plan.count || !connection.is_settled() {
            if self.subscribed && self.may_leave(ladder.now()) {
                let message = Text::of(format_args!("message {}", self.done));
                let topic = TopicName::new(self.plan.topic).map_err(refused)?;
                let message = Outgoing::new(topic, message.bytes(), self.qos());
                self.owed = connection.publish(&message).map_err(refused)?;
                self.left = ladder.now();
                self.due = None;
            }
            let until = match self.due {
                Some(due) if self.subscribed => due,
                Some(_) => ladder.now().after(PATIENCE),
                None => self.left.after(PATIENCE),
            };
            let event = match select(connection.next(), ladder.sleep_until(until)).await {
                Either::First(event) => event,
                Either::Second(()) => {
                    self.again(ladder.now());
                    continue;
                }
            };
            match event {
                Event::Connected(connected) => {
                    ladder.connected(connected.session_present, connected.limits.keep_alive);
                    let filter = TopicFilter::new(self.plan.topic).map_err(refused)?;
                    let list = [Subscription::new(filter, QoS::ExactlyOnce)];
                    connection.subscribe(&list).map_err(refused)?;
                }
                Event::Failed(fault) => return Err(fault),
                Event::Disconnected => return Err(Fault::new(Rung::Mqtt, Code::Closed)),
                event => self.take(&event, ladder),
            }
        }
        connection.disconnect().await.map_err(broken)
    }

    /// Whether the next one can be published: it is not in the store, and its time has come.
    fn may_leave(&self, now: Instant) -> bool {
        let is_due = self.due.is_some_and(|due| due <= now);
        is_due && self.owed.is_none() && self.done < self.plan.count
    }

    /// The one on its way has not come back: it goes once more, if the session has nothing of it any more.
    fn again(&mut self, now: Instant) {
        if self.due.is_none() && now.since(self.left) >= PATIENCE {
            self.left = now;
            self.due = self.owed.is_none().then_some(now);
        }
    }

    fn take(&mut self, event: &Event<'_>, ladder: &Ladder<Clock>) {
        match event {
            Event::Subscribed(_) => {
                self.subscribed = true;
                ladder.done("subscribe", None, format_args!("{}", self.plan.topic));
                // With the last connection went what was not in the store, and perhaps the subscription before what was.
                self.due = self
                    .due
                    .or_else(|| self.owed.is_none().then(|| ladder.now()));
            }
            Event::Settled { packet_id, .. } if self.owed == Some(*packet_id) => self.owed = None,
            Event::Message(message) => {
                let expected = Text::of(format_args!("message {}", self.done));
                if message.payload == expected.bytes() {
                    let took = ladder.now().since(self.left);
                    let qos = self.qos() as u8;
                    let what = format_args!("message {} with QoS {qos}, there and back", self.done);
                    ladder.done("publish", Some(took), what);
                    self.done += 1;
                    self.due = Some(ladder.now().after(self.plan.pause));
                }
            }
            _ => {}
        }
    }

    fn qos(&self) -> QoS {
        let turn = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce];
        let turn = turn.into_iter().cycle().nth((self.done % 3) as usize);
        self.plan.qos.or(turn).unwrap_or_default()
    }
}

fn broken(error: Error) -> Fault {
    match error {
        Error::Path(fault) => fault,
        Error::Refused(_) => refused(()),
    }
}

/// A setting that can't be said, such as a topic with a wildcard.
fn refused<T>(_: T) -> Fault {
    Fault::new(Rung::Mqtt, Code::Io).detail(b"a setting that MQTT has no words for")
}
