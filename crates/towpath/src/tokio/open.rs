//! From a host to a byte stream that leads there, in one call: dialing, then the proxy. What has a driver of its own
//! does the same step by step, see `link.rs`.

use std::{future::poll_fn, task::Poll, time::Duration};

use tokio::net::TcpStream;
use towpath_proto::{Fault, Instant};

use super::{
    dial::{Dial, Kept, Sockets, Step, connect},
    tunnel::tunnel,
};
use crate::{Endpoint, Proxy, host::Clock, net::NetOptions};

/// How a host is reached.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Way<'a> {
    pub(crate) network: &'a NetOptions,
    pub(crate) sockets: Sockets,
    pub(crate) proxy: Option<&'a Proxy>,
    /// How long the proxy may take.
    pub(crate) patience: Duration,
}

/// What is worth keeping from one call to the next with the same clock.
#[derive(Debug, Default)]
pub(crate) struct Known(Option<Box<Kept>>);

impl Clone for Known {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

/// Opens a byte stream to `endpoint`. `known` is what an earlier call left, and is brought up to date.
///
/// # Errors
/// A fault of one of the rungs up to the proxy.
pub(crate) async fn open(
    clock: &Clock,
    endpoint: &Endpoint,
    way: Way<'_>,
    known: &mut Known,
) -> Result<TcpStream, Fault> {
    let target = way
        .proxy
        .map_or((endpoint.host.as_str(), endpoint.port), |proxy| {
            (proxy.host(), proxy.port())
        });
    let dialed = dial(clock, target, way, known).await;
    let Some(proxy) = way.proxy else {
        return dialed;
    };
    let stream =
        dialed.map_err(|fault| fault.detail(format!("the proxy {}", fault.detail).as_bytes()))?;
    let again = |address| connect(address, way.sockets);
    tunnel(stream, proxy, endpoint, way.patience, again).await
}

async fn dial(
    clock: &Clock,
    target: (&str, u16),
    way: Way<'_>,
    known: &mut Known,
) -> Result<TcpStream, Fault> {
    let kept = known.0.take();
    let (network, sockets) = (way.network, way.sockets);
    let mut dial = Dial::start(
        clock.now(),
        target,
        network,
        sockets,
        false,
        kept.as_deref(),
    )?;
    loop {
        match next(&mut dial, clock).await {
            Next::Connected(stream) => {
                known.0 = dial.keep(clock.now(), kept, false);
                return Ok(stream);
            }
            Next::Failed(fault) => {
                known.0 = dial.keep(clock.now(), kept, true);
                return Err(fault);
            }
            Next::Wait(until) => dial.wait(clock, clock.host(until).into()).await,
        }
    }
}

enum Next {
    Connected(TcpStream),
    Failed(Fault),
    Wait(Instant),
}

async fn next(dial: &mut Dial, clock: &Clock) -> Next {
    poll_fn(|context| {
        loop {
            match dial.poll(context, clock.now()) {
                Step::Trace(_) | Step::Trying | Step::Resolved => {}
                Step::Connected(stream, _) => return Poll::Ready(Next::Connected(stream)),
                Step::Failed(fault) => return Poll::Ready(Next::Failed(fault)),
                Step::Wait(Some(until)) => return Poll::Ready(Next::Wait(until)),
                Step::Wait(None) => return Poll::Pending,
            }
        }
    })
    .await
}
