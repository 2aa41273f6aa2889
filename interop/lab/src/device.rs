//! A device on the project's own client: it answers methods, reports the desired properties that it got, and tells what
//! befalls it.

use std::{sync::Arc, time::Duration};

use mqtt::described;
use tokio::{
    sync::{Mutex, mpsc},
    task::JoinHandle,
    time::timeout,
};
use towpath::{
    Event, Options, QoS, Reconnect, TlsOptions, Version,
    tokio::{Client, Events},
};
use towpath_lab::Lab;

/// How long a word may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// What befell a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Word {
    /// The hub let it in.
    Connected,
    /// The path broke: the rung and the cause, as the client names them.
    Broke {
        /// Such as `mqtt`.
        rung: String,
        /// The whole sentence.
        cause: String,
    },
    /// A method was called and answered.
    Method(String),
    /// Desired properties came, as JSON.
    Desired(String),
    /// A message came from the cloud: its topic and body.
    Message(String, String),
}

/// A device that is at work until it is dropped.
#[derive(Debug)]
pub struct Device {
    client: Client,
    id: String,
    words: Mutex<mpsc::UnboundedReceiver<Word>>,
    work: JoinHandle<()>,
}

impl Device {
    /// Starts a device of the lab's first hub. It tries again soon, as often as it takes.
    ///
    /// # Panics
    /// If the lab knows no such device, or it can't subscribe.
    pub async fn start(lab: &Lab, host: &str, id: &str) -> Arc<Self> {
        let token = lab
            .device_token(host, id, Duration::from_secs(3600))
            .expect("a device with a key");
        let user =
            format!("{host}/{id}/?api-version=2021-04-12&model-id=dtmi:example:Thermostat;1");
        let soon = Duration::from_millis(50);
        let options = Options::new(&lab.mqtts_url())
            .expect("a URL")
            .version(Version::V311)
            .client_id(id)
            .credentials(user, token)
            .tls(TlsOptions::new().ca(lab.root_pem()))
            .reconnect(Reconnect::Backoff {
                first: soon,
                longest: Duration::from_millis(300),
                stable: soon,
            });
        let (client, events) = Client::spawn(options);
        let (say, words) = mpsc::unbounded_channel();
        let work = tokio::spawn(work(client.clone(), events, say));
        let device = Arc::new(Self {
            client,
            id: id.to_owned(),
            words: Mutex::new(words),
            work,
        });
        for filter in [
            "$iothub/methods/POST/#".to_owned(),
            "$iothub/twin/res/#".to_owned(),
            "$iothub/twin/PATCH/properties/desired/#".to_owned(),
            format!("devices/{id}/messages/devicebound/#"),
        ] {
            let granted = device.client.subscribe(&filter, QoS::AtMostOnce).await;
            granted.unwrap_or_else(|error| panic!("{filter}: {error}"));
        }
        device
    }

    /// Sends a message to the cloud, and answers when the hub has it.
    ///
    /// # Panics
    /// If it is never acknowledged.
    pub async fn send(&self, body: &str, bag: &str) {
        let topic = format!("devices/{}/messages/events/{bag}", self.id);
        let receipt = self.client.publish(&topic, body, QoS::AtLeastOnce).await;
        let settled = timeout(PATIENCE, receipt.expect("room for a message")).await;
        settled
            .expect("an acknowledgement in time")
            .expect("an acknowledgement");
    }

    /// Reports properties.
    ///
    /// # Panics
    /// If they can't be sent.
    pub async fn report(&self, json: &str) {
        report(&self.client, json).await;
    }

    /// Waits for a word of which `is` makes something; others are passed over.
    ///
    /// # Panics
    /// If none comes.
    pub async fn hears<T>(&self, what: &str, mut is: impl FnMut(&Word) -> Option<T>) -> T {
        let mut words = self.words.lock().await;
        let search = async {
            loop {
                let word = words.recv().await.expect("a device at work");
                if let Some(found) = is(&word) {
                    return found;
                }
            }
        };
        match timeout(PATIENCE, search).await {
            Ok(found) => found,
            Err(_) => panic!("the device waited in vain for {what}"),
        }
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        self.work.abort();
    }
}

async fn work(client: Client, mut events: Events, say: mpsc::UnboundedSender<Word>) {
    while let Some(event) = events.next().await {
        let word = match &event {
            Event::Connected { .. } => Some(Word::Connected),
            Event::Disconnected { fault, .. } => Some(Word::Broke {
                rung: fault.rung.name().to_owned(),
                cause: fault.to_string(),
            }),
            Event::Message(message) => {
                let body = String::from_utf8_lossy(&message.payload).into_owned();
                heard(&client, &message.topic, body).await
            }
            Event::Refused(_) | Event::Closed => panic!("{}", described(&event)),
            _ => None,
        };
        if let Some(word) = word
            && say.send(word).is_err()
        {
            return;
        }
    }
}

/// Does what a message asks for.
async fn heard(client: &Client, topic: &str, body: String) -> Option<Word> {
    if let Some(call) = topic.strip_prefix("$iothub/methods/POST/") {
        let (name, query) = call.split_once("/?").unwrap_or((call, ""));
        let answer = format!("$iothub/methods/res/200/?{query}");
        let said = format!("{{\"called\":\"{name}\",\"with\":{body}}}");
        let _ = client.publish(&answer, said, QoS::AtMostOnce).await;
        return Some(Word::Method(name.to_owned()));
    }
    if topic.starts_with("$iothub/twin/PATCH/properties/desired/") {
        // What is desired is what is the case from now on; the version is the hub's to say.
        let reported = body.replace("$version", "from_version");
        report(client, &reported).await;
        return Some(Word::Desired(body));
    }
    topic
        .contains("/messages/devicebound")
        .then(|| Word::Message(topic.to_owned(), body))
}

async fn report(client: &Client, json: &str) {
    let topic = "$iothub/twin/PATCH/properties/reported/?$rid=1";
    let _ = client.publish(topic, json, QoS::AtMostOnce).await;
}
