//! A server without secure renegotiation (RFC 5746), as they were before 2010.

use std::fs;

use mqtt::{Folder, Port};

use crate::{
    Daemon,
    pki::{Pki, Server},
};

const PROGRAM: &str = include_str!("legacy.py");

/// A running server: GnuTLS, driven by Python.
#[derive(Debug)]
pub struct Legacy {
    daemon: Daemon,
    port: Port,
}

impl Legacy {
    /// Starts it. When `asks`, it asks for a renegotiation as soon as it has received something; otherwise it answers
    /// CONNECT with CONNACK.
    ///
    /// # Panics
    /// If it does not start.
    #[must_use]
    pub fn start(pki: &Pki, asks: bool) -> Self {
        let (folder, port) = (Folder::new("legacy"), Port::claim());
        let program = folder.file("legacy.py");
        fs::write(&program, PROGRAM).expect("the program");
        let pair = pki.server(Server::Rsa);
        let arguments = [
            program.display().to_string(),
            port.number().to_string(),
            pair.chain.display().to_string(),
            pair.key.display().to_string(),
            if asks { "ask" } else { "serve" }.to_owned(),
        ];
        let arguments = arguments.each_ref().map(String::as_str);
        let daemon = Daemon::start("python3", &arguments, folder, port.number());
        Self { daemon, port }
    }

    /// Its port.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port.number()
    }

    /// What it said so far.
    #[must_use]
    pub fn log(&self) -> String {
        self.daemon.log()
    }
}
