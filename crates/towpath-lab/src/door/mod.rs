//! The front door: sockets, TLS, server names, HTTP, WebSocket, up to the first byte of MQTT or of a REST request.
//!
//! Takes in TCP connections; hands streams of MQTT to [`mqtt`] and requests to [`service`](crate::service). Each file
//! is a rung: `listen` and `wire` TCP, `hello`, `contexts`, `tls` and `secure` TLS, `renegotiate` the second handshake,
//! `http`, `upgrade` and `rest` HTTP, `ws` WebSocket. The faults of these rungs are done where their rung is.

mod behind_proxy;
mod channel;
mod contexts;
mod hello;
mod http;
mod listen;
mod renegotiate;
mod rest;
mod secure;
mod tls;
mod upgrade;
mod visit;
mod wire;
mod ws;

use std::{
    net::SocketAddr,
    sync::{Arc, OnceLock},
};

use axum::Router;
use tokio::{net::TcpListener, task::JoinHandle};

use self::{contexts::Contexts, visit::Visit};
use crate::{
    Error,
    certificate::ClientCertificate,
    connection::Listener,
    fault::{Kind, Value},
    log::Record,
    mqtt,
    shared::Shared,
};

/// The sockets, bound before anything else starts so that a port in use is a clear error.
#[derive(Debug)]
pub(crate) struct Sockets {
    pub(crate) mqtts: TcpListener,
    pub(crate) https: TcpListener,
}

/// Addresses as bound.
impl Sockets {
    pub(crate) fn mqtts_address(&self) -> std::io::Result<SocketAddr> {
        self.mqtts.local_addr()
    }

    pub(crate) fn https_address(&self) -> std::io::Result<SocketAddr> {
        self.https.local_addr()
    }
}

/// What all connections share.
struct Door {
    lab: Arc<Shared>,
    contexts: Contexts,
    rest: OnceLock<Router>,
}

impl Door {
    /// Adds a record about a connection.
    fn tell(&self, visit: &Visit, record: Record) {
        self.lab.means.tell(visit.about(record));
    }

    /// Whether a connection is to suffer this.
    fn strike(&self, kind: Kind, visit: &Visit) -> Option<Value> {
        self.lab.means.faults.strike(kind, &visit.connection)
    }
}

/// Serves both listeners until the task is aborted; every connection ends with it.
pub(crate) fn open(sockets: Sockets, lab: &Arc<Shared>) -> Result<JoinHandle<()>, Error> {
    let door = Arc::new(Door {
        lab: Arc::clone(lab),
        contexts: Contexts::default(),
        rest: OnceLock::new(),
    });
    // A certificate or a suite that can't be used is an error now and not with the first client.
    for listener in [Listener::Mqtts, Listener::Https] {
        let manner = contexts::Manner::of(listener, &lab.config.tls);
        door.contexts.context(&manner, &lab.pki)?;
    }
    Ok(tokio::spawn(listen::listen(sockets, door)))
}

/// Hands a stream of MQTT on; gives the reason why it ended.
async fn talk<S>(
    stream: &mut S,
    certificate: Option<ClientCertificate>,
    door: &Door,
    visit: &Visit,
) -> String
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send,
{
    let arrival = mqtt::Arrival {
        connection: Arc::clone(&visit.connection),
        host: visit.host.clone(),
        certificate,
    };
    mqtt::serve(stream, arrival, &door.lab).await
}
