//! Shared access signatures: the tokens that a key signs, and that stand for it until they expire.
//!
//! Takes in a resource, a key and a time; gives out the token's text. What is signed is the resource as it stands in
//! the token, so nobody has to encode it in the same way again.

use core::fmt;

use base64ct::{Base64, Encoding as _};

use crate::{Key, percent::Encoded};

/// Writes `SharedAccessSignature sr=..&sig=..&se=..[&skn=..]`.
///
/// `resource` is not encoded, for instance `contoso.azure-devices.net/devices/d1`; `expiry_unix` is in seconds since
/// 1970. A device's own key has no `policy`.
///
/// # Errors
/// Only those of `out`.
pub fn write(
    out: &mut impl fmt::Write,
    resource: impl fmt::Display,
    key: &Key,
    expiry_unix: u64,
    policy: Option<&str>,
) -> fmt::Result {
    let mut signing = key.signing();
    fmt::write(
        &mut signing,
        format_args!("{}\n{expiry_unix}", Encoded(&resource)),
    )?;
    let mut text = [0; 44];
    let signature =
        Base64::encode(&signing.signature(), &mut text).map_err(|_too_small| fmt::Error)?;
    write!(
        out,
        "SharedAccessSignature sr={}&sig={}&se={expiry_unix}",
        Encoded(&resource),
        Encoded(signature)
    )?;
    policy.map_or(Ok(()), |policy| write!(out, "&skn={}", Encoded(policy)))
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::string::String;

    use super::*;
    use crate::{Names, registration_resource};

    const DEVICE_KEY: &str = "bGFiLWRldmljZS1rZXktMDEyMzQ1Njc4OWFiY2RlZg==";

    fn token(resource: impl fmt::Display, key: &str, expiry: u64, policy: Option<&str>) -> String {
        let mut out = String::new();
        write(
            &mut out,
            resource,
            &Key::from_base64(key).unwrap(),
            expiry,
            policy,
        )
        .unwrap();
        out
    }

    #[test]
    fn the_tokens_of_the_official_sdks() {
        let device = Names {
            hub: "localhost",
            device_id: "dev1",
            module_id: None,
        };
        let module = Names {
            module_id: Some("mod1"),
            ..device
        };
        assert_eq!(
            token(device.resource(), DEVICE_KEY, 1_795_293_446, None),
            "SharedAccessSignature sr=localhost%2Fdevices%2Fdev1\
             &sig=GWxGM%2BW49ci3Aag97uHfiBKYiYglN67OYm%2BmS5rSzLw%3D&se=1795293446",
            "Python, hub"
        );
        assert_eq!(
            token(device.resource(), DEVICE_KEY, 1_795_293_471, None),
            "SharedAccessSignature sr=localhost%2Fdevices%2Fdev1\
             &sig=xt6vKBZVCHqfShET%2BDL8hW9MekxU3f7UUe0wNXZC5A4%3D&se=1795293471",
            "Node, hub"
        );
        assert_eq!(
            token(module.resource(), DEVICE_KEY, 1_795_293_459, None),
            "SharedAccessSignature sr=localhost%2Fdevices%2Fdev1%2Fmodules%2Fmod1\
             &sig=qEFBG%2Fwb20Uv0V7vGFWZ%2F9cztbsCHhFy53nMhXFFKB0%3D&se=1795293459",
            "Python, module"
        );
        assert_eq!(
            token(
                registration_resource("0ne00000001", "dev1"),
                DEVICE_KEY,
                1_795_293_460,
                Some("registration")
            ),
            "SharedAccessSignature sr=0ne00000001%2Fregistrations%2Fdev1\
             &sig=kH2DQBNl9p8ziKc%2B3K7LcCDWNaM32fkbrBAa5IJcBAw%3D&se=1795293460&skn=registration",
            "Python, DPS; the policy is not signed"
        );
        assert_eq!(
            token(
                "localhost",
                "bGFiLXBvbGljeS1rZXktMDEyMzQ1Njc4OWFiY2RlZg==",
                1_795_293_689,
                Some("iothubowner")
            ),
            "SharedAccessSignature sr=localhost\
             &sig=th3yTSB6IHKvpOeOm%2FJ6RVW%2FttydRS50LEH%2FU4RUYFU%3D&se=1795293689&skn=iothubowner",
            "Node, service"
        );
    }

    /// The Node client of DPS signs the resource as it is; this crate never does, but the signature is the same one
    /// that a service would make of it.
    #[test]
    fn what_is_signed_is_what_is_written() {
        let key = Key::from_base64(DEVICE_KEY).unwrap();
        let signature = key.sign(&[b"0ne00000001/registrations/dev1\n1795293485"]);
        let mut text = [0; 44];
        assert_eq!(
            Base64::encode(&signature, &mut text).unwrap(),
            "iO1rF74UrvPJBbJhMlLjRE/8eHAR7ScnEhEb2QGhisQ="
        );
    }

    #[test]
    fn a_full_buffer_is_an_error() {
        let key = Key::from_base64(DEVICE_KEY).unwrap();
        let mut small: heapless::String<100> = heapless::String::new();
        assert!(write(&mut small, "localhost/devices/dev1", &key, 1, None).is_err());
    }
}
