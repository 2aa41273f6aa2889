//! A running lab.

mod back_end;
mod clients;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use tokio::{net::TcpListener, task::JoinHandle};

use crate::{
    Config, Error,
    clock::Clock,
    connection::Connections,
    door::{self, Sockets},
    dps::Dps,
    fault::Faults,
    hub::{self, Hub, Name},
    log::{Code, Level, Log, Record},
    page,
    pki::Pki,
    sas, service,
    shared::{Listening, Means, Shared},
    store::Store,
};

pub(crate) use self::clients::user_name;
pub use self::{
    back_end::{Received, ServiceError},
    clients::{DeviceCertificate, Login},
};

/// A running lab. It ends when it is dropped; every connection ends with it.
#[derive(Debug)]
pub struct Lab {
    shared: Arc<Shared>,
    tasks: Vec<JoinHandle<()>>,
}

impl Lab {
    /// Starts a lab on the machine's clock. Needs a tokio runtime.
    ///
    /// # Errors
    /// A port that can't be had, a state folder that can't be used, a config that can't be.
    pub async fn start(config: Config) -> Result<Self, Error> {
        Self::start_at(config, Clock::system()).await
    }

    /// Starts a lab on a clock of the caller's.
    ///
    /// # Errors
    /// As of [`start`](Self::start).
    pub async fn start_at(config: Config, clock: Clock) -> Result<Self, Error> {
        config.check()?;
        let sockets = Sockets {
            mqtts: bind(
                "mqtts",
                SocketAddr::new(config.listen.address, config.listen.mqtts),
            )
            .await?,
            https: bind(
                "https",
                SocketAddr::new(config.listen.address, config.listen.https),
            )
            .await?,
        };
        let page = match config.listen.page {
            Some(port) => Some(
                bind(
                    "page",
                    SocketAddr::new(std::net::Ipv4Addr::LOCALHOST.into(), port),
                )
                .await?,
            ),
            None => None,
        };
        let listening = Listening {
            mqtts: address("mqtts", sockets.mqtts_address(), &config)?,
            https: address("https", sockets.https_address(), &config)?,
            page: page.as_ref().and_then(|page| page.local_addr().ok()),
        };
        let shared = Arc::new(assemble(config, clock, listening)?);
        let mut tasks = vec![
            door::open(sockets, &shared)?,
            tokio::spawn(hub::look_after(shared.hubs.clone())),
        ];
        if let Some(listener) = page {
            let routes = page::routes(&shared).merge(service::api(&shared));
            tasks.push(tokio::spawn(service::serve(listener, routes)));
        }
        let Listening { mqtts, https, .. } = listening;
        let text = format!("the lab is ready: mqtts {mqtts}, https {https}");
        shared.means.tell(Record::info(Code::Lab, text));
        Ok(Self { shared, tasks })
    }

    /// Where MQTT over TLS is.
    #[must_use]
    pub fn mqtts(&self) -> SocketAddr {
        self.shared.listening.mqtts
    }

    /// Where WebSocket and REST are.
    #[must_use]
    pub fn https(&self) -> SocketAddr {
        self.shared.listening.https
    }

    /// Where the page is, if there is one.
    #[must_use]
    pub fn page(&self) -> Option<SocketAddr> {
        self.shared.listening.page
    }

    /// `mqtts://{first hub}:{port}`
    #[must_use]
    pub fn mqtts_url(&self) -> String {
        format!("mqtts://{}:{}", self.first_host(), self.mqtts().port())
    }

    /// `wss://{first hub}:{port}/$iothub/websocket`
    #[must_use]
    pub fn wss_url(&self) -> String {
        format!(
            "wss://{}:{}/$iothub/websocket",
            self.first_host(),
            self.https().port()
        )
    }

    fn first_host(&self) -> &str {
        self.shared
            .hubs
            .first()
            .map_or("localhost", |hub| &hub.host)
    }

    /// The root certificate that clients trust, PEM.
    #[must_use]
    pub fn root_pem(&self) -> String {
        self.shared.pki.root_pem()
    }

    /// The switches of all faults.
    #[must_use]
    pub fn faults(&self) -> &Faults {
        &self.shared.means.faults
    }

    /// The event log.
    #[must_use]
    pub fn log(&self) -> &Log {
        &self.shared.means.log
    }

    /// The clock that the lab goes by.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.shared.means.clock
    }

    /// A token for a device or `device/module` of a hub, signed with its primary key and good for so long. `None` if
    /// there is no such device or it has no key.
    #[must_use]
    pub fn device_token(&self, host: &str, device: &str, good_for: Duration) -> Option<String> {
        let hub = self.shared.hub(host)?;
        let name = match device.split_once('/') {
            Some((device, module)) => Name::module(device, module),
            None => Name::device(device),
        };
        let key = hub.primary_key(&name)?;
        let resource = name.resource(&hub.host);
        let millis = i64::try_from(good_for.as_millis()).unwrap_or(i64::MAX);
        Some(sas::sign(
            &resource,
            &key,
            self.clock().now().plus(millis),
            None,
        ))
    }

    /// Ends the lab: closes every connection and waits until everything is written.
    pub async fn stop(mut self) {
        for task in self.tasks.drain(..) {
            task.abort();
            let _ = task.await;
        }
        let store = Arc::downgrade(&self.shared.means.store);
        drop(self);
        // Connections end where they wait next; the last one lets go of the store, which then writes the rest.
        while store.strong_count() > 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

async fn bind(listener: &'static str, address: SocketAddr) -> Result<TcpListener, Error> {
    let bound = TcpListener::bind(address).await;
    bound.map_err(|source| Error::Listen {
        listener,
        address,
        source,
    })
}

fn address(
    listener: &'static str,
    bound: std::io::Result<SocketAddr>,
    config: &Config,
) -> Result<SocketAddr, Error> {
    bound.map_err(|source| Error::Listen {
        listener,
        address: SocketAddr::new(config.listen.address, 0),
        source,
    })
}

fn assemble(config: Config, clock: Clock, listening: Listening) -> Result<Shared, Error> {
    let clock = Arc::new(clock);
    let folder = config.state.as_deref();
    let (store, log) = match folder {
        Some(folder) => opened(folder)?,
        None => (Store::ephemeral(), Log::new()),
    };
    let log = Arc::new(log);
    let faults = Faults::new(Arc::clone(&log), Arc::clone(&clock));
    let (told, at) = (Arc::clone(&log), Arc::clone(&clock));
    store.tell_failures(move |error| {
        let text = format!("{error}; what was not written is lost when the lab ends");
        told.add(at.now(), Record::new(Level::Error, Code::ServerError, text));
    });
    let means = Means {
        clock,
        store: Arc::new(store),
        log,
        faults,
    };
    let pki = Pki::open(folder, &config, means.clock.now())?;
    for warning in pki.warnings() {
        means.tell(Record::warn(Code::Lab, warning));
    }
    let hubs = config
        .hubs
        .iter()
        .map(|hub| Hub::open(hub, &pki, &means).map(Arc::new));
    let hubs = hubs.collect::<Result<Vec<_>, _>>()?;
    let dps = config.provisioning.as_ref();
    let dps = dps
        .map(|dps| Dps::open(dps, &hubs, &pki, &means))
        .transpose()?;
    for fault in &config.faults {
        means.faults.switch_on(fault.clone())?;
    }
    Ok(Shared {
        config,
        listening,
        means,
        pki,
        hubs,
        dps,
        connections: Connections::default(),
        uploads: service::Uploads::default(),
    })
}

/// What is kept in a state folder, which is made if it is not there.
fn opened(folder: &std::path::Path) -> Result<(Store, Log), Error> {
    let file = |path: std::path::PathBuf| move |source| Error::File { path, source };
    std::fs::create_dir_all(folder).map_err(file(folder.to_owned()))?;
    let store = Store::open(&folder.join("lab.redb"))?;
    let path = folder.join("events.jsonl");
    let log = Log::new().to_file(&path).map_err(file(path))?;
    Ok((store, log))
}

/// A lab without its door, for the tests of what is behind it.
#[cfg(test)]
pub(crate) fn behind_the_door(config: Config, clock: Clock) -> Arc<Shared> {
    let nowhere = SocketAddr::new(std::net::Ipv4Addr::LOCALHOST.into(), 0);
    let listening = Listening {
        mqtts: nowhere,
        https: nowhere,
        page: None,
    };
    Arc::new(assemble(config, clock, listening).expect("a lab"))
}
