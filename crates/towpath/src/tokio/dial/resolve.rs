//! Looking for addresses without connecting.

use std::{future::poll_fn, task::Poll};

use tokio::time::{Instant as Moment, sleep_until};
use towpath_proto::{Fault, Trace};

use super::{Dial, Sockets, Step};
use crate::{
    host::Clock,
    net::{NetOptions, Resolution},
};

/// See [`resolve`](crate::net::resolve).
pub(crate) async fn resolve(
    host: &str,
    port: u16,
    options: &NetOptions,
    tell: &mut dyn FnMut(Trace),
) -> Result<Resolution, Fault> {
    let clock = Clock::start();
    let now = clock.now();
    let target = (host, port);
    let mut dial = Dial::begin(now, target, options, Sockets::default(), true, None, false)?;
    loop {
        let step = poll_fn(|context| match dial.poll(context, clock.now()) {
            Step::Wait(None) => Poll::Pending,
            step => Poll::Ready(step),
        });
        match step.await {
            Step::Trace(trace) => tell(trace),
            Step::Failed(fault) => return Err(fault),
            Step::Resolved => {
                return Ok(Resolution {
                    candidates: dial.dialer.candidates().collect(),
                    servers: dial.dialer.settings_mut().servers.as_slice().to_vec(),
                    name: dial.name,
                });
            }
            Step::Wait(until) => {
                let until =
                    until.map_or_else(|| clock.host(clock.now()), |until| clock.host(until));
                dial.wait(&clock, until.into()).await;
            }
            Step::Trying | Step::Connected(..) => {}
        }
    }
}

impl Dial {
    /// Waits for something to come in, or for `until`.
    pub(in crate::tokio) async fn wait(&mut self, clock: &Clock, until: Moment) {
        let mut timer = Box::pin(sleep_until(until));
        poll_fn(|context| {
            if timer.as_mut().poll(context).is_ready() {
                self.handle_timeout(clock.now());
                return Poll::Ready(());
            }
            if self.poll_sockets(context, clock.now()) {
                return Poll::Ready(());
            }
            Poll::Pending
        })
        .await;
    }
}
