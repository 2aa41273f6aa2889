//! From the names of the IANA registries to OpenSSL's.
//!
//! Takes in a profile's suites, groups and signature algorithms; gives them to a context, or says which one it does
//! not know.

use openssl::ssl::{self, SslContextBuilder};
use towpath_proto::{
    Fault,
    tls::{Profile, Version, Versions},
};

use crate::cause::profile as refused;

/// Sets the suites, and says which versions are left with them: suites of TLS 1.3 and those before have nothing in
/// common, so a profile that names one kind only does not want the other version.
pub(crate) fn set_suites(
    builder: &mut SslContextBuilder,
    profile: &Profile<'_>,
    versions: Versions,
) -> Result<Versions, Fault> {
    if profile.suites.is_empty() {
        return Ok(versions);
    }
    let mut before = Vec::new();
    let mut since = Vec::new();
    for suite in profile.suites {
        let name = known_suite(suite)?;
        let (list, set) = if suite.contains("_WITH_") {
            (&mut before, builder.set_cipher_list(name))
        } else {
            (&mut since, builder.set_ciphersuites(name))
        };
        if set.is_err() {
            return Err(refused(&format!("suite not in this OpenSSL {suite}")));
        }
        list.push(name);
    }
    if !before.is_empty() && builder.set_cipher_list(&before.join(":")).is_err()
        || !since.is_empty() && builder.set_ciphersuites(&since.join(":")).is_err()
    {
        return Err(refused("the suites are not usable together"));
    }
    let mut left = versions;
    if since.is_empty() {
        left.max = left.max.min(Version::Tls12);
    }
    if before.is_empty() {
        left.min = left.min.max(Version::Tls13);
    }
    if left.min > left.max {
        let lacking = if since.is_empty() { "1.3" } else { "1.2" };
        return Err(refused(&format!("no suite named for TLS {lacking}")));
    }
    Ok(left)
}

/// OpenSSL's name of a suite.
fn known_suite(suite: &str) -> Result<&'static str, Fault> {
    // Neither authenticates the server by a certificate, or they keep nothing secret.
    for part in ["_anon_", "_NULL_", "_PSK_", "_SRP_", "_KRB5_"] {
        if suite.contains(part) {
            return Err(refused(&format!("no certificate or no secrecy: {suite}")));
        }
    }
    // The crate makes a C string of it.
    let name = if suite.contains('\0') {
        "(NONE)"
    } else {
        ssl::cipher_name(suite)
    };
    if name == "(NONE)" {
        return Err(refused(&format!("unknown suite {suite}")));
    }
    Ok(name)
}

/// Sets the groups.
pub(crate) fn set_groups(builder: &mut SslContextBuilder, groups: &[&str]) -> Result<(), Fault> {
    if groups.is_empty() {
        return Ok(());
    }
    for group in groups {
        if !is_name(group) || builder.set_groups_list(group_name(group)).is_err() {
            return Err(refused(&format!("unknown group {group}")));
        }
    }
    let list: Vec<_> = groups.iter().map(|group| group_name(group)).collect();
    builder
        .set_groups_list(&list.join(":"))
        .map_err(|_| refused("the groups are not usable together"))
}

/// OpenSSL's name of a group. The others have the same in both, such as `ffdhe2048` and `X25519MLKEM768`.
fn group_name(group: &str) -> &str {
    match group {
        "secp256r1" => "P-256",
        "secp384r1" => "P-384",
        "secp521r1" => "P-521",
        "x25519" => "X25519",
        "x448" => "X448",
        other => other,
    }
}

/// Sets the signature algorithms. OpenSSL knows them by the names of RFC 8446.
pub(crate) fn set_signatures(builder: &mut SslContextBuilder, list: &[&str]) -> Result<(), Fault> {
    if list.is_empty() {
        return Ok(());
    }
    for name in list {
        if !is_name(name) || builder.set_sigalgs_list(name).is_err() {
            return Err(refused(&format!("unknown signature algorithm {name}")));
        }
    }
    builder
        .set_sigalgs_list(&list.join(":"))
        .map_err(|_| refused("the signature algorithms are not usable together"))
}

/// Whether this can be one name: no list, no marker that OpenSSL would read, no end of a C string.
fn is_name(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
}
