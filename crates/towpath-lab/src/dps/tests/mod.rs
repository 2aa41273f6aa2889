//! Dialogues with the service, on a clock that the tests move.

mod admission;
mod any_bytes;
mod declared;
mod dialogue;
mod issuance;
mod kept;
mod service_api;

use std::{path::Path, sync::Arc};

use serde_json::{Value as Json, json};

use super::*;
use crate::{
    certificate::ClientCertificate,
    clock::{Clock, Time},
    config::{Config, Provisioning},
    connection::{Connections, Listener},
    fault::{Faults, Setting},
    hub::Name,
    key::Key,
    log::Log,
    pki::{Identity, Pki},
    sas,
    store::Store,
};

/// A key of the protocol's published vectors.
const KEY: &str = "bGFiLWRldmljZS1rZXktMDEyMzQ1Njc4OWFiY2RlZg==";
const GROUP_KEY: &str =
    "G3vn0IZH9oK3d4wsxFpWBtd2KUrtjI+39dZVRf26To8w9OX0LaFV9yZ93ELXY7voqHEUsNhnb9bt717UP87KxA==";
const SCOPE: &str = "0ne00000001";

fn key(text: &str) -> Key {
    Key::from_base64(text).expect("a key")
}

fn start() -> Time {
    // Certificates are made by both clocks, so the lab's is the machine's at the start.
    Clock::system().now()
}

fn enrollment(id: &str) -> config::Enrollment {
    config::Enrollment {
        id: id.into(),
        ..config::Enrollment::default()
    }
}

fn with_key(id: &str, text: &str) -> config::Enrollment {
    config::Enrollment {
        primary_key: Some(key(text)),
        ..enrollment(id)
    }
}

/// A service with its hubs, without sockets.
struct Bench {
    dps: Dps,
    hubs: Vec<Arc<Hub>>,
    pki: Pki,
    means: Means,
    connections: Connections,
}

impl Bench {
    fn new(provisioning: Provisioning) -> Self {
        Self::with(provisioning, &["hub-a", "hub-b"], None)
    }

    fn with(provisioning: Provisioning, hosts: &[&str], state: Option<&Path>) -> Self {
        Self::opened(provisioning, hosts, state).expect("a lab")
    }

    fn opened(
        provisioning: Provisioning,
        hosts: &[&str],
        state: Option<&Path>,
    ) -> Result<Self, crate::Error> {
        let clock = Arc::new(Clock::manual(start()));
        let log = Arc::new(Log::new());
        let store = match state {
            Some(path) => Store::open(path)?,
            None => Store::ephemeral(),
        };
        let means = Means {
            faults: Faults::new(Arc::clone(&log), Arc::clone(&clock)),
            clock,
            store: Arc::new(store),
            log,
        };
        let config = Config::for_tests();
        let pki = Pki::open(None, &config, means.clock.now())?;
        let hubs = hosts.iter().map(|host| {
            let config = config::Hub {
                host: (*host).into(),
                ..config::Hub::default()
            };
            Hub::open(&config, &pki, &means).map(Arc::new)
        });
        let hubs = hubs.collect::<Result<Vec<_>, _>>()?;
        let dps = Dps::open(&provisioning, &hubs, &pki, &means)?;
        Ok(Self {
            dps,
            hubs,
            pki,
            means,
            connections: Connections::default(),
        })
    }

    fn connection(&self) -> Arc<Connection> {
        let peer = ([127, 0, 0, 1], 50_000).into();
        let now = self.means.clock.now();
        self.connections.open(Listener::Mqtts, peer, now)
    }

    fn token(&self, id: &str, key: &Key) -> String {
        let resource = format!("{SCOPE}/registrations/{id}");
        let expires = self.means.clock.now().plus(3_600_000);
        sas::sign(&resource, key, expires, Some("registration"))
    }

    fn connect(
        &self,
        id: &str,
        token: Option<&str>,
        certificate: Option<&ClientCertificate>,
    ) -> Result<Client<'_>, crate::hub::Refused> {
        self.connect_as(id, "2019-03-31", token, certificate)
    }

    fn connect_as(
        &self,
        id: &str,
        version: &str,
        token: Option<&str>,
        certificate: Option<&ClientCertificate>,
    ) -> Result<Client<'_>, crate::hub::Refused> {
        let connection = self.connection();
        let user = format!("{SCOPE}/registrations/{id}/api-version={version}&ClientVersion=a%2F1");
        let password = token.map(str::as_bytes);
        let registrant = self
            .dps
            .admit(id, &user, password, certificate, &connection)?;
        Ok(Client {
            bench: self,
            registrant,
            connection,
            rid: 0,
        })
    }

    /// A client that is in by its own key.
    fn client(&self, id: &str) -> Client<'_> {
        let token = self.token(id, &key(KEY));
        self.connect(id, Some(&token), None).expect("let in")
    }

    fn shown(&self, identity: &Identity) -> ClientCertificate {
        ClientCertificate {
            leaf: identity.leaf.clone(),
            chain: identity.chain.clone(),
        }
    }

    fn fault(&self, text: &str) -> u64 {
        let setting: Setting = text.parse().expect("a fault");
        self.means.faults.switch_on(setting).expect("switched on")
    }

    /// The log's last record with this code.
    fn told(&self, code: Code) -> String {
        let records = self.means.log.since(0);
        let last = records.iter().rev().find(|record| record.code == code);
        last.map(|record| record.text.clone()).unwrap_or_default()
    }

    /// The device goes to the hub that it was assigned to.
    fn enters(
        &self,
        host: &str,
        id: &str,
        certificate: Option<&ClientCertificate>,
        own: Option<&Key>,
    ) -> Result<(), String> {
        let expires = self.means.clock.now().plus(60_000);
        let token = own.map(|key| sas::sign(&format!("{host}/devices/{id}"), key, expires, None));
        let user = format!("{host}/{id}/?api-version=2021-04-12");
        let hello = crate::hub::Hello {
            client_id: id,
            user_name: Some(&user),
            password: token.as_deref().map(str::as_bytes),
            clean: true,
            will: None,
            certificate,
        };
        let admitted = self.hub(host).admit(&hello, &self.connection());
        admitted.map(|_| ()).map_err(|refused| refused.why)
    }

    /// The primary key that is declared for a device.
    fn key_of(&self, id: &str) -> Key {
        let json = self
            .dps
            .attestation_json(Kind::Individual, id)
            .expect("an enrolment");
        key(json["symmetricKey"]["primaryKey"].as_str().expect("a key"))
    }

    fn device(&self, host: &str, id: &str) -> Option<Json> {
        let hub = self.hubs.iter().find(|hub| hub.host == host)?;
        hub.identity_json(&Name::device(id))
    }

    fn twin(&self, host: &str, id: &str) -> Json {
        let hub = self.hubs.iter().find(|hub| hub.host == host);
        hub.and_then(|hub| hub.twin_json(&Name::device(id)))
            .expect("a twin")
    }

    fn hub(&self, host: &str) -> &Arc<Hub> {
        let hub = self.hubs.iter().find(|hub| hub.host == host);
        hub.expect("a hub")
    }
}

/// A connection that is let in.
struct Client<'a> {
    bench: &'a Bench,
    registrant: Registrant,
    connection: Arc<Connection>,
    rid: u32,
}

/// An answer, taken apart.
#[derive(Debug, Clone, PartialEq)]
struct Heard {
    status: u16,
    retry_after: Option<u32>,
    body: Json,
}

impl Client<'_> {
    async fn ask(&mut self, topic: &str, body: &[u8]) -> Option<Heard> {
        let answer = self
            .bench
            .dps
            .request(&self.registrant, topic, body, &self.connection)
            .await;
        let answer = answer.expect("the connection stays")?;
        let rest = answer.topic.strip_prefix("$dps/registrations/res/");
        let (status, query) = rest
            .and_then(|rest| rest.split_once("/?"))
            .expect("a topic");
        let mut fields = query.split('&');
        assert_eq!(fields.next(), Some(&*format!("$rid={}", self.rid)));
        let retry_after = fields
            .next()
            .and_then(|field| field.strip_prefix("retry-after="));
        Some(Heard {
            status: status.parse().expect("a status"),
            retry_after: retry_after.map(|seconds| seconds.parse().expect("seconds")),
            body: serde_json::from_slice(&answer.payload).expect("JSON"),
        })
    }

    async fn put(&mut self, body: &Json) -> Option<Heard> {
        self.rid += 1;
        let topic = format!("$dps/registrations/PUT/iotdps-register/?$rid={}", self.rid);
        self.ask(&topic, body.to_string().as_bytes()).await
    }

    async fn poll(&mut self, operation: &str) -> Option<Heard> {
        self.rid += 1;
        let topic = format!(
            "$dps/registrations/GET/iotdps-get-operationstatus/?$rid={}&operationId={operation}",
            self.rid
        );
        self.ask(&topic, b" ").await
    }

    /// Registers and polls to the end.
    async fn register_with(&mut self, body: &Json) -> Heard {
        let mut heard = self.put(body).await.expect("an answer");
        while heard.status == 202 {
            let operation = heard.body["operationId"]
                .as_str()
                .expect("an id")
                .to_owned();
            heard = self.poll(&operation).await.expect("an answer");
        }
        heard
    }

    async fn register(&mut self) -> Heard {
        let body = json!({ "registrationId": self.registrant.id, "payload": null });
        self.register_with(&body).await
    }
}
