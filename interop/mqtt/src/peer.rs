//! Clients that wait for conditions, with an end to every wait.

use std::{collections::VecDeque, time::Duration};

use towpath::{
    Error, Event, Fault, Message, Options, Outcome, Outgoing, QoS, ReasonCode, Subscription,
    TopicFilter, TopicName,
    tokio::{Connection, Events},
};

/// How long one condition may take. Far above what is needed, since other tests use the same processors.
const PATIENCE: Duration = Duration::from_secs(20);

/// Waits until `holds`.
///
/// # Panics
/// If it does not come to hold.
pub async fn wait_for(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..PATIENCE.as_millis() / 2 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    panic!("waited in vain for {what}");
}

/// Something that tells events.
pub trait Source {
    /// The next event.
    fn event(&mut self) -> impl Future<Output = Event>;
}

impl Source for Connection {
    async fn event(&mut self) -> Event {
        self.next().await
    }
}

impl Source for Events {
    async fn event(&mut self) -> Event {
        self.next().await.unwrap_or(Event::Closed)
    }
}

/// A short word for an event, for failures.
#[must_use]
pub fn described(event: &Event) -> String {
    let mut text = format!("{event:?}");
    text.truncate(200);
    text
}

/// A source of events of which those that nobody waited for yet are kept.
#[derive(Debug)]
pub struct Peer<S = Connection> {
    /// The client's face.
    pub face: S,
    kept: VecDeque<Event>,
}

impl Peer {
    /// Connects.
    ///
    /// # Panics
    /// If that fails.
    pub async fn connect(options: Options) -> Self {
        match tokio::time::timeout(PATIENCE, Connection::connect(options)).await {
            Ok(Ok(connection)) => Self::new(connection),
            Ok(Err(error)) => panic!("connecting: {error}"),
            Err(_) => panic!("connecting takes too long"),
        }
    }

    /// Subscribes to one filter and answers the server's reason code.
    ///
    /// # Panics
    /// If it can't be asked for or no answer comes.
    pub async fn subscribe(&mut self, filter: &str, qos: QoS) -> ReasonCode {
        let filter = TopicFilter::new(filter).expect("a good filter");
        self.subscribe_with(Subscription::new(filter, qos), None)
            .await
    }

    /// Subscribes with options.
    ///
    /// # Panics
    /// As [`subscribe`](Self::subscribe).
    pub async fn subscribe_with(
        &mut self,
        subscription: Subscription<'_>,
        identifier: Option<u32>,
    ) -> ReasonCode {
        let asked = self.face.subscribe_all(&[subscription], identifier);
        let asked = asked.expect("a subscription that can be asked for");
        let found = self.find("SUBACK", |event| match event {
            Event::Subscribed { packet_id, reasons } if *packet_id == asked => Some(reasons[0]),
            _ => None,
        });
        found.await
    }

    /// Publishes and waits for the outcome; QoS 0 has left then.
    ///
    /// # Panics
    /// If it can't be taken or does not settle.
    pub async fn publish(&mut self, topic: &str, payload: &[u8], qos: QoS) -> Outcome {
        let topic = TopicName::new(topic).expect("a good topic");
        self.send(&Outgoing::new(topic, payload, qos)).await
    }

    /// Publishes with options, otherwise as [`publish`](Self::publish).
    ///
    /// # Panics
    /// As there.
    pub async fn send(&mut self, message: &Outgoing<'_>) -> Outcome {
        let id = self.face.send(message).await.expect("a good message");
        let Some(id) = id else {
            self.face.flush().await.expect("a connection");
            return Outcome::Acknowledged(ReasonCode::SUCCESS);
        };
        let found = self.find("an acknowledgement", |event| match event {
            Event::Settled { packet_id, outcome } if *packet_id == id => Some(*outcome),
            _ => None,
        });
        found.await
    }

    /// Says farewell.
    ///
    /// # Panics
    /// If that fails.
    pub async fn close(&mut self) {
        match tokio::time::timeout(PATIENCE, self.face.disconnect()).await {
            Ok(answer) => answer.expect("a farewell"),
            Err(_) => panic!("the farewell takes too long"),
        }
    }

    /// Connects, and answers the error that it comes to.
    ///
    /// # Panics
    /// If it succeeds.
    pub async fn refused(options: Options) -> Fault {
        match tokio::time::timeout(PATIENCE, Connection::connect(options)).await {
            Ok(Err(Error::Path(fault))) => fault,
            Ok(other) => panic!("connecting came to {other:?}"),
            Err(_) => panic!("connecting takes too long"),
        }
    }
}

impl<S: Source> Peer<S> {
    /// A peer over a face that is there already.
    pub const fn new(face: S) -> Self {
        Self {
            face,
            kept: VecDeque::new(),
        }
    }

    /// The first event, kept or new, of which `is` makes something.
    ///
    /// # Panics
    /// If none comes.
    pub async fn find<T>(&mut self, what: &str, mut is: impl FnMut(&Event) -> Option<T>) -> T {
        for at in 0..self.kept.len() {
            if let Some(found) = is(&self.kept[at]) {
                self.kept.remove(at);
                return found;
            }
        }
        let search = async {
            loop {
                let event = self.face.event().await;
                if let Some(found) = is(&event) {
                    return found;
                }
                let over = event == Event::Closed;
                self.kept.push_back(event);
                assert!(!over, "the connection closed while {what} was waited for");
            }
        };
        match tokio::time::timeout(PATIENCE, search).await {
            Ok(found) => found,
            Err(_) => {
                let kept: Vec<_> = self.kept.iter().rev().take(5).map(described).collect();
                panic!("waited in vain for {what}; the last events were {kept:#?}")
            }
        }
    }

    /// The next message.
    ///
    /// # Panics
    /// If none comes.
    pub async fn message(&mut self) -> Message {
        self.find("a message", |event| match event {
            Event::Message(message) => Some(message.clone()),
            _ => None,
        })
        .await
    }

    /// The payload of the next message, as text.
    ///
    /// # Panics
    /// If none comes.
    pub async fn text(&mut self) -> String {
        String::from_utf8(self.message().await.payload).expect("text")
    }

    /// Waits until the server has accepted the connection, and answers whether it knew the session.
    ///
    /// # Panics
    /// If it does not.
    pub async fn connected(&mut self) -> bool {
        self.find("CONNACK", |event| match event {
            Event::Connected {
                session_present, ..
            } => Some(*session_present),
            _ => None,
        })
        .await
    }

    /// Waits until the path breaks.
    ///
    /// # Panics
    /// If it does not.
    pub async fn fault(&mut self) -> Fault {
        self.find("a fault", |event| match event {
            Event::Disconnected { fault, .. } => Some(*fault),
            _ => None,
        })
        .await
    }

    /// The events so far that nobody waited for.
    pub fn kept(&self) -> impl Iterator<Item = &Event> {
        self.kept.iter()
    }
}
