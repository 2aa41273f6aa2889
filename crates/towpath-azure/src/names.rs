//! What a device is called, and where.

use core::fmt;

use heapless::String;

use crate::{dps, percent::Encoded};

/// A hub's host name, a device's or a module's identifier: at most 128 characters each.
pub type Name = String<128>;

/// The hub and the identity there that a device got from DPS, worth keeping over restarts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    /// The hub's host name, such as `contoso.azure-devices.net`.
    pub hub: Name,
    /// The identifier of the device there. It may differ from the registration ID.
    pub device_id: Name,
}

/// Whose connection it is: a device or one of its modules, at a hub.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Names<'a> {
    /// The hub's host name, also where a gateway is dialled.
    pub hub: &'a str,
    /// The device.
    pub device_id: &'a str,
    /// The module of the device.
    pub module_id: Option<&'a str>,
}

impl fmt::Debug for Names<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.hub, ClientId(*self))
    }
}

/// The MQTT client identifier: `{device}` or `{device}/{module}`.
struct ClientId<'a>(Names<'a>);

impl fmt::Display for ClientId<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.device_id)?;
        self.0
            .module_id
            .map_or(Ok(()), |module| write!(f, "/{module}"))
    }
}

impl<'a> Names<'a> {
    /// The version of the hub's MQTT interface that is spoken here.
    pub const API_VERSION: &'static str = "2021-04-12";

    /// The MQTT client identifier.
    pub fn client_id(&self) -> impl fmt::Display + 'a {
        ClientId(*self)
    }

    /// The part of topics that names the identity: `devices/{device}` or `devices/{device}/modules/{module}`.
    pub fn topic(&self) -> impl fmt::Display + 'a {
        InTopic(*self)
    }

    /// The MQTT user name: `{hub}/{device}[/{module}]/?api-version=..[&DeviceClientType=..][&model-id=..]`.
    ///
    /// `product` is what the device calls itself, and may be empty. A gateway is not named here, only the hub.
    pub fn user_name(
        &self,
        model_id: Option<&'a str>,
        product: &'a str,
    ) -> impl fmt::Display + use<'a> {
        UserName {
            names: *self,
            model_id,
            product,
        }
    }

    /// The resource that a token is for: `{hub}/devices/{device}[/modules/{module}]`, not encoded.
    pub fn resource(&self) -> impl fmt::Display + use<'a> {
        Resource(*self)
    }
}

struct UserName<'a> {
    names: Names<'a>,
    model_id: Option<&'a str>,
    product: &'a str,
}

impl fmt::Display for UserName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Names { hub, .. } = self.names;
        let client_id = ClientId(self.names);
        write!(f, "{hub}/{client_id}/?api-version={}", Names::API_VERSION)?;
        if !self.product.is_empty() {
            write!(f, "&DeviceClientType={}", Encoded(self.product))?;
        }
        self.model_id
            .map_or(Ok(()), |model| write!(f, "&model-id={}", Encoded(model)))
    }
}

struct Resource<'a>(Names<'a>);

impl fmt::Display for Resource<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.0.hub, InTopic(self.0))
    }
}

/// The MQTT user name at DPS: `{scope}/registrations/{id}/api-version=..[&ClientVersion=..]`.
///
/// `product` is what the device calls itself, and may be empty.
pub fn registration_user_name<'a>(
    scope: &'a str,
    registration_id: &'a str,
    product: &'a str,
) -> impl fmt::Display + use<'a> {
    registration_user_name_for(dps::API_VERSION, scope, registration_id, product)
}

/// The same for another version of the interface, such as one that issues certificates.
pub fn registration_user_name_for<'a>(
    api_version: &'a str,
    scope: &'a str,
    registration_id: &'a str,
    product: &'a str,
) -> impl fmt::Display + use<'a> {
    Registrant {
        api_version,
        scope,
        registration_id,
        product,
    }
}

/// The resource that a token for DPS is for: `{scope}/registrations/{id}`, not encoded.
pub fn registration_resource<'a>(
    scope: &'a str,
    registration_id: &'a str,
) -> impl fmt::Display + use<'a> {
    Registration {
        scope,
        registration_id,
    }
}

struct Registrant<'a> {
    api_version: &'a str,
    scope: &'a str,
    registration_id: &'a str,
    product: &'a str,
}

impl fmt::Display for Registrant<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let resource = registration_resource(self.scope, self.registration_id);
        write!(f, "{resource}/api-version={}", self.api_version)?;
        if !self.product.is_empty() {
            write!(f, "&ClientVersion={}", Encoded(self.product))?;
        }
        Ok(())
    }
}

struct Registration<'a> {
    scope: &'a str,
    registration_id: &'a str,
}

impl fmt::Display for Registration<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/registrations/{}", self.scope, self.registration_id)
    }
}

struct InTopic<'a>(Names<'a>);

impl fmt::Display for InTopic<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "devices/{}", self.0.device_id)?;
        self.0
            .module_id
            .map_or(Ok(()), |module| write!(f, "/modules/{module}"))
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::string::ToString as _;

    use super::*;

    const DEVICE: Names<'_> = Names {
        hub: "contoso.azure-devices.net",
        device_id: "dev1",
        module_id: None,
    };
    const MODULE: Names<'_> = Names {
        module_id: Some("mod1"),
        ..DEVICE
    };

    #[test]
    fn names_of_a_device_and_of_a_module() {
        assert_eq!(DEVICE.client_id().to_string(), "dev1");
        assert_eq!(MODULE.client_id().to_string(), "dev1/mod1");
        assert_eq!(DEVICE.topic().to_string(), "devices/dev1");
        assert_eq!(MODULE.topic().to_string(), "devices/dev1/modules/mod1");
        assert_eq!(
            MODULE.resource().to_string(),
            "contoso.azure-devices.net/devices/dev1/modules/mod1"
        );
    }

    #[test]
    fn user_names() {
        assert_eq!(
            DEVICE.user_name(None, "").to_string(),
            "contoso.azure-devices.net/dev1/?api-version=2021-04-12"
        );
        assert_eq!(
            MODULE
                .user_name(Some("dtmi:com:example:Thermostat;1"), "towpath/0.1 (a&b)")
                .to_string(),
            "contoso.azure-devices.net/dev1/mod1/?api-version=2021-04-12\
             &DeviceClientType=towpath%2F0.1%20%28a%26b%29\
             &model-id=dtmi%3Acom%3Aexample%3AThermostat%3B1"
        );
    }

    #[test]
    fn names_at_dps() {
        assert_eq!(
            registration_resource("0ne00000001", "dev1").to_string(),
            "0ne00000001/registrations/dev1"
        );
        assert_eq!(
            registration_user_name("0ne00000001", "dev1", "").to_string(),
            "0ne00000001/registrations/dev1/api-version=2019-03-31"
        );
        assert_eq!(
            registration_user_name_for("2025-07-01-preview", "0ne00000001", "dev1", "a b")
                .to_string(),
            "0ne00000001/registrations/dev1/api-version=2025-07-01-preview&ClientVersion=a%20b"
        );
    }
}
