//! The page's listener: plain HTTP on loopback, with connections that end with the lab.

use std::{io, time::Duration};

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{net::TcpListener, task::JoinSet, time::sleep};

use super::Progress;

/// Connections at once; more wait to be accepted.
const CONNECTIONS: usize = 512;

/// How long the head of a request may take, and how long a connection may be idle between two.
const PATIENCE: Duration = Duration::from_secs(60);

/// Serves until it is dropped; every connection ends with it.
pub(crate) async fn serve(listener: TcpListener, routes: Router) {
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        if connections.len() >= CONNECTIONS {
            connections.join_next().await;
        }
        match listener.accept().await {
            Ok((stream, _)) => {
                let service = TowerToHyperService::new(routes.clone());
                let connection = http1::Builder::new()
                    .timer(TokioTimer::new())
                    .header_read_timeout(PATIENCE)
                    .serve_connection(TokioIo::new(Progress::new(stream)), service);
                connections.spawn(async move {
                    // A browser that goes away is no error.
                    let _ = connection.await;
                });
            }
            Err(error) => pause(&error).await,
        }
    }
}

/// A connection that was gone before it was accepted costs no pause; anything else, such as too many open files, does.
async fn pause(error: &io::Error) {
    let gone = matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset
    );
    if !gone {
        sleep(Duration::from_millis(100)).await;
    }
}
