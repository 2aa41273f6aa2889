//! What the settings say.

use ladder::Way;
use mps2_an505::settings;
use towpath::{Version, proto::tls::Renegotiation};

/// How to reach the server and what to say there.
pub(crate) struct Setup {
    pub(crate) way: Way,
    /// The name that the server's certificate has to bear.
    pub(crate) server: &'static str,
    pub(crate) client: &'static str,
    pub(crate) topic: &'static str,
    pub(crate) version: Version,
    pub(crate) renegotiation: Renegotiation,
    pub(crate) attempts: u16,
    pub(crate) rounds: u16,
}

impl Setup {
    pub(crate) fn read() -> Self {
        let host = settings::text("host").unwrap_or("10.0.2.2");
        let target = settings::text("target");
        let port = if target.is_some() { 443 } else { 8883 };
        Self {
            way: Way {
                host,
                port: settings::parsed("port").unwrap_or(port),
                secured: true,
                target,
            },
            server: settings::text("server").unwrap_or(host),
            client: settings::text("client").unwrap_or("mps2-an505"),
            topic: settings::text("topic").unwrap_or("mps2-an505/echo"),
            version: match settings::text("version") {
                Some("3.1.1") => Version::V311,
                _ => Version::V5,
            },
            renegotiation: match settings::text("renegotiation") {
                Some("never") => Renegotiation::Never,
                _ => Renegotiation::OnceUntilConnack,
            },
            attempts: settings::parsed("attempts").unwrap_or(1),
            rounds: settings::parsed("rounds").unwrap_or(1),
        }
    }
}
