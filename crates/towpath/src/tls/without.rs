//! What stands in for the back-ends where none is built in: nothing can be made of it.

use towpath_proto::{
    Code, Fault, Rung,
    tls::{Agreed, Fact, Layer, Tls},
};

use super::{TlsOptions, Watch};
use crate::Endpoint;

/// There is none.
#[derive(Debug)]
pub(crate) enum Context {}

impl Context {
    pub(crate) const fn connect(
        &self,
        _: &TlsOptions,
        _: &Endpoint,
        _: Watch,
    ) -> Result<Box<Layer<Engine>>, Fault> {
        match *self {}
    }
}

/// Answers that there is no back-end.
#[derive(Debug, Clone, Default)]
pub(crate) struct Prepared;

impl Prepared {
    pub(crate) fn context(
        &self,
        _: &TlsOptions,
        _: &Endpoint,
        _: Watch,
    ) -> Result<&Context, Fault> {
        Err(Fault::new(Rung::Tls, Code::TlsProfile)
            .detail(b"built without TLS: enable feature openssl or mbed"))
    }
}

/// There is none.
#[derive(Debug)]
pub(crate) enum Engine {}

impl Tls for Engine {
    fn rx_space(&mut self) -> &mut [u8] {
        match *self {}
    }

    fn commit(&mut self, _: usize) {
        match *self {}
    }

    fn sendable(&self) -> &[u8] {
        match *self {}
    }

    fn transmitted(&mut self, _: usize) {
        match *self {}
    }

    fn both_ways(&mut self) -> (&mut [u8], &[u8]) {
        match *self {}
    }

    fn handshake(&mut self) -> Result<bool, Fault> {
        match *self {}
    }

    fn read(&mut self, _: &mut [u8]) -> Result<usize, Fault> {
        match *self {}
    }

    fn write(&mut self, _: &[u8]) -> Result<usize, Fault> {
        match *self {}
    }

    fn allow_renegotiation(&mut self, _: bool) {
        match *self {}
    }

    fn is_renegotiating(&self) -> bool {
        match *self {}
    }

    fn agreed(&self) -> Option<Agreed> {
        match *self {}
    }

    fn close(&mut self) {
        match *self {}
    }

    fn next_fact(&mut self) -> Option<Fact> {
        match *self {}
    }
}
