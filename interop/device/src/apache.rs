//! Apache httpd as the front end of somebody else: it ends TLS 1.2, and when it has seen the path it asks for the
//! client's certificate by renegotiation, as the front end of a hub does.

use std::{
    fs,
    net::{Ipv4Addr, TcpStream},
};

use mqtt::Folder;
use net::{Daemon, Namespace};

use crate::credential::own_certificate;

/// Starts it at an address, port 443, in front of the port behind it; gives what its clients are to trust.
///
/// Any certificate is taken and handed on: whose it is, is for the cloud to say.
///
/// # Panics
/// If it does not start.
pub(crate) fn start(
    namespace: &Namespace,
    address: Ipv4Addr,
    behind: u16,
    names: &[&str],
) -> (Daemon, Vec<u8>) {
    let folder = Folder::new("apache");
    own_certificate(folder.path(), "front", names);
    let root = fs::read(folder.file("front.pem")).expect("made");
    let modules: String = [
        "mpm_event",
        "authz_core",
        "headers",
        "socache_shmcb",
        "ssl",
        "proxy",
        "proxy_http",
        "proxy_wstunnel",
    ]
    .iter()
    .map(|name| format!("LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so\n"))
    .collect();
    let here = folder.path().display().to_string();
    let text = format!(
        "{modules}ServerRoot {here}\nServerName localhost\nDefaultRuntimeDir {here}\nPidFile {here}/pid\n\
         ErrorLog {here}/log\nLogLevel info\nUser nobody\nGroup nogroup\n\
         ServerLimit 1\nThreadsPerChild 8\nThreadLimit 8\nMaxRequestWorkers 8\n\
         SSLSessionCache shmcb:{here}/sessions(512000)\n\
         Listen {address}:443\n<VirtualHost *:443>\nSSLEngine on\nSSLProtocol -all +TLSv1.2\n\
         SSLCertificateFile {here}/front.pem\nSSLCertificateKeyFile {here}/front.key\n\
         SSLVerifyClient none\nProxyPreserveHost On\n\
         RequestHeader set X-Client-Cert \"%{{SSL_CLIENT_CERT}}s\"\n\
         <Location \"/$iothub/websocket\">\nSSLVerifyClient optional_no_ca\n\
         ProxyPass \"ws://127.0.0.1:{behind}/$iothub/websocket\"\n</Location>\n</VirtualHost>\n",
    );
    let file = folder.file("httpd.conf");
    fs::write(&file, text).expect("the configuration");
    let file = file.display().to_string();
    let accepts = move || namespace.run(move || TcpStream::connect((address, 443)).is_ok());
    // One process and no children: killing it is all there is to do.
    let daemon = Daemon::start(namespace, "apache2", &["-X", "-f", &file], folder);
    (daemon.until("it does not accept", accepts), root)
}
