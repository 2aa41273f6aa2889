//! The settings of a device, as they lie in a page of its flash: apart from the program, so that one image serves all
//! devices and holds no secret.
//!
//! Takes in the bytes of the page; gives out values. The page is text, ended by erased flash or a zero: lines of
//! `key = value`, `#` before a remark, then sections in PEM.
//!
//! ```text
//! host = hub.example
//! scheme = wss
//! [roots]
//! -----BEGIN CERTIFICATE----- ...
//! [chain]
//! -----BEGIN CERTIFICATE----- ...
//! [key]
//! -----BEGIN EC PRIVATE KEY----- ...
//! ```

use core::{net::IpAddr, time::Duration};

/// The settings. They have no `Debug`: a key and passwords are among them.
#[derive(Clone, Copy)]
pub struct Settings<'a> {
    text: &'a str,
}

/// Which rungs lie between TCP and MQTT.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scheme {
    /// TLS lies on TCP.
    pub tls: bool,
    /// MQTT is spoken in a WebSocket.
    pub websocket: bool,
}

impl Scheme {
    const fn port(self) -> u16 {
        match (self.tls, self.websocket) {
            (false, false) => 1883,
            (true, false) => 8883,
            (false, true) => 80,
            (true, true) => 443,
        }
    }
}

/// A setting that is missing or can't be understood, by its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, defmt::Format)]
pub struct Unusable(pub &'static str);

impl<'a> Settings<'a> {
    /// Reads what the page holds; an erased page holds nothing.
    ///
    /// # Errors
    /// The text isn't UTF-8.
    pub fn read(page: &'a [u8]) -> Result<Self, Unusable> {
        let end = page.iter().position(|byte| matches!(byte, 0 | 0xff));
        let text = page.get(..end.unwrap_or(page.len())).unwrap_or_default();
        match core::str::from_utf8(text) {
            Ok(text) => Ok(Self { text }),
            Err(_) => Err(Unusable("the page is not UTF-8")),
        }
    }

    /// The value of a key; `None` if it isn't there or is empty.
    pub fn text(&self, key: &str) -> Option<&'a str> {
        self.text
            .lines()
            .take_while(|line| !line.starts_with('['))
            .filter(|line| !line.starts_with('#'))
            .filter_map(|line| line.split_once('='))
            .find(|(name, _)| name.trim() == key)
            .map(|(_, value)| value.trim())
            .filter(|value| !value.is_empty())
    }

    /// A value that is written as a number.
    fn number<T: core::str::FromStr>(&self, key: &'static str, default: T) -> Result<T, Unusable> {
        match self.text(key) {
            None => Ok(default),
            Some(text) => text.parse().map_err(|_| Unusable(key)),
        }
    }

    /// The PEM text of a section; `None` if it isn't there or holds none.
    pub fn section(&self, name: &str) -> Option<&'a [u8]> {
        let (_, body) = self.text.split_once(heading(name)?)?;
        // The line break before the next heading belongs to this one.
        let end = body.find("\n[").map_or(body.len(), |at| at + 1);
        let pem = body.get(..end)?.trim_start();
        pem.starts_with("-----BEGIN ").then_some(pem.as_bytes())
    }

    /// The host's name or address. There is no default.
    ///
    /// # Errors
    /// There is none.
    pub fn host(&self) -> Result<&'a str, Unusable> {
        self.text("host").ok_or(Unusable("host"))
    }

    /// `mqtt`, `mqtts`, `ws` or `wss`; without it `wss`.
    ///
    /// # Errors
    /// It is none of them.
    pub fn scheme(&self) -> Result<Scheme, Unusable> {
        let (tls, websocket) = match self.text("scheme").unwrap_or("wss") {
            "mqtt" => (false, false),
            "mqtts" => (true, false),
            "ws" => (false, true),
            "wss" => (true, true),
            _ => return Err(Unusable("scheme")),
        };
        Ok(Scheme { tls, websocket })
    }

    /// The port; without it the scheme's own.
    ///
    /// # Errors
    /// It is no number.
    pub fn port(&self) -> Result<u16, Unusable> {
        self.number("port", self.scheme()?.port())
    }

    /// Path and query of the WebSocket; without it `/mqtt`.
    pub fn path(&self) -> &'a str {
        self.text("path").unwrap_or("/mqtt")
    }

    /// The time between two measurements; without it a minute.
    ///
    /// # Errors
    /// It is no number of seconds, or zero.
    pub fn interval(&self) -> Result<Duration, Unusable> {
        match self.number("interval", 60)? {
            0 => Err(Unusable("interval")),
            seconds => Ok(Duration::from_secs(seconds)),
        }
    }

    /// The DNS servers in place of those that the network names, separated by commas; what is no address is left out.
    pub fn dns(&self) -> impl Iterator<Item = IpAddr> + use<'a> {
        let list = self.text("dns").unwrap_or_default();
        list.split(',').filter_map(|one| one.trim().parse().ok())
    }
}

/// The line of a section, of those that there are.
fn heading(name: &str) -> Option<&'static str> {
    ["\n[roots]", "\n[chain]", "\n[key]"]
        .into_iter()
        .find(|line| line.get(2..line.len() - 1) == Some(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "# a lamp\nhost = hub.example\n port= 8443 \nempty =\n[roots]\n-----BEGIN CERTIFICATE-----\n\
                        MIIB=\n-----END CERTIFICATE-----\n[chain]\n[key]\n-----BEGIN PRIVATE KEY-----\nMC4=\n";

    fn page(text: &str) -> Vec<u8> {
        let mut page = text.as_bytes().to_vec();
        page.resize(4096, 0xff);
        page
    }

    fn with(text: &str, assert: impl FnOnce(Settings<'_>)) {
        let page = page(text);
        assert(Settings::read(&page).map_err(|why| why.0).expect("text"));
    }

    #[test]
    fn values_and_sections_are_found_up_to_erased_flash() {
        with(PAGE, |settings| {
            assert_eq!(settings.host(), Ok("hub.example"));
            assert_eq!(settings.port(), Ok(8443));
            assert_eq!(settings.text("empty"), None);
            let roots = settings.section("roots").expect("a section");
            assert!(roots.starts_with(b"-----BEGIN") && roots.ends_with(b"CERTIFICATE-----\n"));
            assert_eq!(settings.section("chain"), None);
            assert!(
                settings
                    .section("key")
                    .expect("a section")
                    .ends_with(b"MC4=\n")
            );
            assert_eq!(settings.section("other"), None);
        });
    }

    #[test]
    fn what_is_in_a_section_is_no_setting() {
        with(PAGE, |settings| assert_eq!(settings.text("MIIB"), None));
    }

    #[test]
    fn an_erased_page_has_the_defaults_and_no_host() {
        with("", |settings| {
            assert_eq!(settings.host(), Err(Unusable("host")));
            assert_eq!(settings.port(), Ok(443));
            assert_eq!(settings.path(), "/mqtt");
            assert_eq!(settings.interval(), Ok(Duration::from_secs(60)));
            assert_eq!(settings.dns().count(), 0);
        });
    }

    #[test]
    fn what_cannot_be_understood_is_named() {
        with("scheme = http\n", |settings| {
            assert_eq!(settings.scheme(), Err(Unusable("scheme")));
        });
        with("port = 99999\ninterval = 0\n", |settings| {
            assert_eq!(settings.port(), Err(Unusable("port")));
            assert_eq!(settings.interval(), Err(Unusable("interval")));
        });
        assert!(Settings::read(b"host = \xc3").is_err());
    }

    #[test]
    fn dns_servers_of_both_families() {
        with("dns = 192.0.2.53, fd00::53,x\n", |settings| {
            let dns: Vec<IpAddr> = settings.dns().collect();
            assert_eq!(
                dns,
                [
                    IpAddr::from([192, 0, 2, 53]),
                    "fd00::53".parse().expect("an address")
                ]
            );
        });
    }
}
