//! The config's own certificate for the servers: read, checked, and what is odd about it said.

use std::net::IpAddr;

use openssl::x509::X509;

use super::{Identity, files};
use crate::{Error, certificate::ClientCertificate, clock::Time, config::Config};

/// Reads `tls.cert` and `tls.key`.
pub(super) fn read(
    config: &Config,
    now: Time,
    warnings: &mut Vec<String>,
) -> Result<Option<Identity>, Error> {
    let (cert, key) = match (&config.tls.cert, &config.tls.key) {
        (None, None) => return Ok(None),
        (Some(cert), Some(key)) => (cert, key),
        (Some(_), None) => return Err(alone("tls.cert", "tls.key")),
        (None, Some(_)) => return Err(alone("tls.key", "tls.cert")),
    };
    let mut chain = files::certificates(cert)?;
    let leaf = chain.remove(0);
    let private = files::key(key)?;
    if !files::matches(&leaf, &private) {
        let other = chain.iter().any(|above| files::matches(above, &private));
        let remedy = if other {
            "; it belongs to a later one in that file: the server's own certificate has to stand first"
        } else {
            ""
        };
        return Err(Error::Tls {
            why: format!(
                "{}: this key does not belong to the first certificate in {}{remedy}",
                key.display(),
                cert.display()
            ),
        });
    }
    let shown = ClientCertificate {
        leaf: leaf.clone(),
        chain: Vec::new(),
    };
    if let Err(why) = shown.check_dates(now) {
        warnings.push(format!("{}: {why}; clients will refuse it", cert.display()));
    }
    let have = names(&leaf);
    let dps = config.provisioning.iter().map(|dps| &dps.host);
    for host in config.hubs.iter().map(|hub| &hub.host).chain(dps) {
        if !have.iter().any(|name| covers(name, host)) {
            warnings.push(format!(
                "{}: it is not for {host:?} but for {}; clients that dial that name will refuse it",
                cert.display(),
                have.join(", ")
            ));
        }
    }
    Ok(Some(Identity {
        leaf,
        chain,
        key: private,
    }))
}

fn alone(have: &str, lacks: &str) -> Error {
    Error::Config {
        why: format!("{have} is given and {lacks} is not; a certificate needs its key"),
    }
}

/// The certificate at the top, if it came along and signed itself.
pub(super) fn root(own: &Identity) -> Option<&X509> {
    let top = own.chain.last().unwrap_or(&own.leaf);
    let itself = top.public_key().ok()?;
    top.verify(&itself).unwrap_or(false).then_some(top)
}

/// A certificate's names and addresses, in its order.
pub(super) fn names(certificate: &X509) -> Vec<String> {
    let all = certificate.subject_alt_names();
    all.into_iter()
        .flatten()
        .filter_map(|name| match (name.dnsname(), name.ipaddress()) {
            (Some(name), _) => Some(name.to_owned()),
            (None, Some(bytes)) => address(bytes).map(|address| address.to_string()),
            _ => None,
        })
        .collect()
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    if let Ok(v4) = <[u8; 4]>::try_from(bytes) {
        return Some(v4.into());
    }
    <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from)
}

/// Whether a name of a certificate is for `host`; a star is for one label (RFC 6125 section 6.4.3).
fn covers(name: &str, host: &str) -> bool {
    if name.eq_ignore_ascii_case(host) {
        return true;
    }
    match (name.strip_prefix("*."), host.split_once('.')) {
        (Some(name), Some((first, rest))) => !first.is_empty() && name.eq_ignore_ascii_case(rest),
        _ => false,
    }
}
