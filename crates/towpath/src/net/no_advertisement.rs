//! Router advertisements where there is no way to listen to them.

use std::{
    io,
    task::{Context, Poll},
    time::Duration,
};

use towpath_proto::net::Prefix;

pub(crate) const WAIT: Duration = Duration::ZERO;

/// A socket that can't be had.
#[derive(Debug)]
pub(crate) struct Listener;

impl Listener {
    pub(crate) fn open() -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(crate) fn poll(&self, _: &mut Context<'_>) -> Poll<io::Result<Vec<(Prefix, Duration)>>> {
        Poll::Pending
    }
}
