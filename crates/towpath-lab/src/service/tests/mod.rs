//! Requests on the routers, as the front door hands them on.

mod api;
mod body;
mod device;
mod malformed;
mod provisioning;
mod registry;
mod twins;

use std::{net::SocketAddr, sync::Arc};

use axum::{
    Router,
    body::{Body, to_bytes},
    http::{HeaderMap, Method, Request, StatusCode},
};
use hyper::service::Service as _;
use hyper_util::service::TowerToHyperService;
use serde_json::Value as Json;

use super::{Caller, api as own_api, rest};
use crate::{
    Config,
    clock::{Clock, Time},
    connection::Listener,
    hub::Hub,
    lab::behind_the_door,
    sas,
    shared::Shared,
};

/// 2026-03-01T12:00:00Z
const NOW: Time = Time::from_millis(1_772_366_400_000);

const VERSION: &str = "api-version=2021-04-12";

/// A lab behind its door, with requests on it.
struct Bench {
    lab: Arc<Shared>,
    rest: Router,
    api: Router,
}

/// What came back.
#[derive(Debug)]
struct Reply {
    status: StatusCode,
    headers: HeaderMap,
    text: String,
}

impl Reply {
    fn json(&self) -> Json {
        serde_json::from_str(&self.text)
            .unwrap_or_else(|error| panic!("{error}: {:?} {:?}", self.status, self.text))
    }

    fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name).map(|value| value.to_str());
        value.transpose().expect("text").unwrap_or_default()
    }

    /// The hub's word for the error.
    fn error(&self) -> String {
        let json = self.json();
        let message = json["Message"].as_str().unwrap_or_default().to_owned();
        let (_, rest) = message.split_once(':').unwrap_or_default();
        rest.split(';').next().unwrap_or_default().to_owned()
    }
}

/// A request.
struct Ask {
    method: Method,
    path: String,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
}

fn ask(method: &str, path: &str) -> Ask {
    Ask {
        method: method.parse().expect("a method"),
        path: path.to_owned(),
        headers: Vec::new(),
        body: Vec::new(),
    }
}

impl Ask {
    fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    fn body(mut self, body: impl ToString) -> Self {
        self.body = body.to_string().into_bytes();
        self
    }

    async fn on(mut self, router: &Router, host: &str, lab: &Shared) -> Reply {
        let body = Body::from(std::mem::take(&mut self.body));
        self.on_with(body, router, host, lab).await
    }

    /// With a body of another kind.
    async fn on_with(self, body: Body, router: &Router, host: &str, lab: &Shared) -> Reply {
        let peer = SocketAddr::from(([127, 0, 0, 1], 40_000));
        let connection = lab
            .connections
            .open(Listener::Https, peer, lab.means.clock.now());
        let mut request = Request::builder().method(self.method).uri(self.path);
        if !self.headers.iter().any(|(name, _)| *name == "host") {
            request = request.header("host", host);
        }
        for (name, value) in self.headers {
            request = request.header(name, value);
        }
        let caller = Caller {
            connection: Arc::clone(&connection),
            certificate: None,
        };
        let request = request.extension(caller).body(body);
        let routes = TowerToHyperService::new(router.clone());
        let response = routes.call(request.expect("a request")).await;
        let response = response.expect("a router always answers");
        lab.connections
            .close(&connection, lab.means.clock.now(), "the test is over");
        let (parts, body) = response.into_parts();
        let bytes = to_bytes(body, 16 << 20).await.expect("a body");
        Reply {
            status: parts.status,
            headers: parts.headers,
            text: String::from_utf8(bytes.to_vec()).expect("text"),
        }
    }
}

impl Bench {
    fn new() -> Self {
        Self::of(Config::for_tests())
    }

    /// A lab with a state folder.
    fn kept_in(folder: &std::path::Path) -> Self {
        Self::of(Config {
            state: Some(folder.to_owned()),
            ..Config::for_tests()
        })
    }

    fn of(config: Config) -> Self {
        let lab = behind_the_door(config, Clock::manual(NOW));
        let (rest, api) = (rest(&lab), own_api(&lab));
        Self { lab, rest, api }
    }

    fn hub(&self) -> &Arc<Hub> {
        self.lab.hub("localhost").expect("a hub")
    }

    /// A token of a policy of the hub.
    fn token(&self, policy: &str) -> String {
        let mut all = self.hub().policies.iter();
        let policy = all.find(|one| one.name == policy).expect("a policy");
        let until = NOW.plus(3_600_000);
        sas::sign("localhost", &policy.primary, until, Some(&policy.name))
    }

    /// As the owner of the hub.
    async fn owner(&self, ask: Ask) -> Reply {
        let token = self.token("iothubowner");
        ask.with("authorization", token)
            .on(&self.rest, "localhost:443", &self.lab)
            .await
    }

    /// As nobody, or as whom the request's own fields say.
    async fn anybody(&self, ask: Ask) -> Reply {
        ask.on(&self.rest, "localhost", &self.lab).await
    }

    /// On the lab's own API.
    async fn own(&self, ask: Ask) -> Reply {
        let ask = match ask.method {
            Method::GET => ask,
            _ => ask.with("content-type", "application/json"),
        };
        ask.on(&self.api, "localhost:8080", &self.lab).await
    }

    /// Makes a device with keys.
    async fn device(&self, id: &str) {
        let made = self
            .owner(ask("PUT", &format!("/devices/{id}?{VERSION}")).body("{}"))
            .await;
        assert_eq!(made.status, StatusCode::OK, "{made:?}");
    }

    /// A token of a device or `device/module`.
    fn device_token(&self, id: &str) -> String {
        let (name, resource) = match id.split_once('/') {
            None => (
                crate::hub::Name::device(id),
                format!("localhost/devices/{id}"),
            ),
            Some((device, module)) => (
                crate::hub::Name::module(device, module),
                format!("localhost/devices/{device}/modules/{module}"),
            ),
        };
        let key = self.hub().primary_key(&name).expect("a key");
        sas::sign(&resource, &key, NOW.plus(3_600_000), None)
    }

    /// The texts of the log's refusals.
    fn refusals(&self) -> Vec<String> {
        let all = self.lab.means.log.since(0);
        all.iter()
            .filter(|record| record.text.contains("was refused"))
            .map(|record| format!("{} {}", record.code.number(), record.text))
            .collect()
    }
}
