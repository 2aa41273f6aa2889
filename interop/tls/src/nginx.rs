//! nginx as a proxy that ends TLS: `wss` to mosquitto's websockets listener, `mqtts` to its plain one.

use std::fs;

use mqtt::{Broker, Folder, Setup, Via};

use crate::{
    Daemon,
    pki::{Pki, Server},
};

/// The port of `wss`.
pub const WSS: u16 = 443;
/// The port of `mqtts`.
pub const MQTTS: u16 = 8883;

/// A running nginx and its broker.
#[derive(Debug)]
pub struct Nginx {
    daemon: Daemon,
    _broker: Broker,
}

impl Nginx {
    /// Starts both. `verify` is the value of `ssl_verify_client`.
    ///
    /// # Panics
    /// If they don't start.
    #[must_use]
    pub fn start(pki: &Pki, verify: &str) -> Self {
        let broker = Setup::new().start();
        let folder = Folder::new("nginx");
        let text = configuration(pki, verify, &folder, &broker);
        let file = folder.file("nginx.conf");
        fs::write(&file, text).expect("the configuration");
        let file = file.display().to_string();
        let prefix = folder.path().display().to_string();
        let arguments = ["-p", &prefix, "-e", "stderr", "-c", &file];
        let daemon = Daemon::start("nginx", &arguments, folder, WSS);
        Self {
            daemon,
            _broker: broker,
        }
    }

    /// What it said so far.
    #[must_use]
    pub fn log(&self) -> String {
        self.daemon.log()
    }
}

fn configuration(pki: &Pki, verify: &str, folder: &Folder, broker: &Broker) -> String {
    let server = pki.server(Server::Rsa);
    let tls = format!(
        "ssl_certificate {}; ssl_certificate_key {}; ssl_client_certificate {}; ssl_verify_client {verify}; \
         ssl_protocols TLSv1.2 TLSv1.3;",
        server.chain.display(),
        server.key.display(),
        pki.devices().display(),
    );
    let folder = folder.path().display();
    // One process and no children: killing it is all there is to do.
    format!(
        "load_module /usr/lib/nginx/modules/ngx_stream_module.so;\n\
         daemon off; master_process off; pid {folder}/pid; error_log stderr info;\n\
         events {{ worker_connections 64; }}\n\
         http {{ access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;\n\
         fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;\n\
         server {{ listen {WSS} ssl; {tls}\n\
         location /mqtt {{ proxy_pass http://127.0.0.1:{ws}; proxy_http_version 1.1;\n\
         proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection \"upgrade\"; }} }} }}\n\
         stream {{ server {{ listen {MQTTS} ssl; {tls} proxy_pass 127.0.0.1:{tcp}; }} }}\n",
        ws = broker.port(Via::Ws),
        tcp = broker.port(Via::Tcp),
    )
}
