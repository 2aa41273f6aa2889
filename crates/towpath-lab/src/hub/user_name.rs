//! The user name of CONNECT: hub, device, module, and what a client says about itself.
//!
//! `{host}/{device}[/{module}]/?api-version=..&DeviceClientType=..&model-id=..`. Older clients leave out the `?` or the
//! whole query. Ids are not encoded; the query's values are, more or less.

use percent_encoding::percent_decode_str;

use super::{
    Name,
    topic::{is_secret, shortened},
};

/// What a user name says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UserName<'a> {
    pub(crate) host: &'a str,
    pub(crate) name: Name,
    /// `None` if it is missing or empty.
    pub(crate) api_version: Option<String>,
    pub(crate) model_id: Option<String>,
    pub(crate) client_type: Option<String>,
}

impl<'a> UserName<'a> {
    /// Reads a user name.
    ///
    /// # Errors
    /// What it lacks.
    pub(crate) fn parse(text: &'a str) -> Result<Self, String> {
        let (ids, query) = split(text);
        let mut segments = ids.split('/');
        let host = segments.next().unwrap_or_default();
        let device = segments.next().unwrap_or_default();
        let module = segments.next().filter(|module| !module.is_empty());
        let form = "{hub}/{device}/?api-version=2021-04-12, or {hub}/{device}/{module}/?..";
        // Also one of the right form is none: what are read as host and ids would be shown as such.
        if is_secret(ids) {
            return Err(format!(
                "a token or connection string stands where the user name belongs, which is {form}"
            ));
        }
        if host.is_empty() || device.is_empty() || segments.next().is_some() {
            let shown = shortened(text);
            return Err(format!("the user name {shown} has not the form {form}"));
        }
        let mut read = Self {
            host,
            name: Name {
                device: device.to_owned(),
                module: module.map(ToOwned::to_owned),
            },
            api_version: None,
            model_id: None,
            client_type: None,
        };
        for field in query.split('&') {
            let (key, value) = field.split_once('=').unwrap_or((field, ""));
            let slot = match decoded(key).as_str() {
                "api-version" => &mut read.api_version,
                "model-id" => &mut read.model_id,
                "DeviceClientType" => &mut read.client_type,
                _ => continue,
            };
            // Of a key that comes twice the first one counts.
            slot.get_or_insert_with(|| decoded(value));
        }
        read.api_version = read.api_version.filter(|version| !version.is_empty());
        read.model_id = read.model_id.filter(|id| !id.is_empty());
        read.client_type = read.client_type.filter(|kind| !kind.is_empty());
        Ok(read)
    }
}

/// Ids and query. The query begins at the first `/?`, or at `/api-version=`; its values may have slashes of their own.
fn split(text: &str) -> (&str, &str) {
    if let Some((ids, query)) = text.split_once("/?") {
        return (ids, query);
    }
    match text.find("/api-version=") {
        Some(at) => (
            text.get(..at).unwrap_or_default(),
            text.get(at + 1..).unwrap_or_default(),
        ),
        None => (text.strip_suffix('/').unwrap_or(text), ""),
    }
}

fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> UserName<'_> {
        UserName::parse(text).expect(text)
    }

    #[test]
    fn forms_of_all_clients() {
        for text in [
            "hub.example/dev1/?api-version=2021-04-12",
            "hub.example/dev1/api-version=2021-04-12&DeviceClientType=x",
            "hub.example/dev1/?a=b&api-version=2021-04-12&api-version=1",
            "hub.example/dev1/?api%2Dversion=2021%2D04-12&api-version=1",
        ] {
            let name = read(text);
            assert_eq!(
                (name.host, &name.name),
                ("hub.example", &Name::device("dev1"))
            );
            assert_eq!(name.api_version.as_deref(), Some("2021-04-12"));
        }
        for text in [
            "hub.example/dev1",
            "hub.example/dev1/",
            "hub.example/dev1/?",
            "hub.example/dev1/?api-version=",
        ] {
            let name = read(text);
            assert_eq!(
                (&name.name, name.api_version),
                (&Name::device("dev1"), None)
            );
        }
        for text in [
            "h/d/m",
            "h/d/m/",
            "h/d/m/?api-version=1",
            "h/d/m/api-version=1",
        ] {
            assert_eq!(read(text).name, Name::module("d", "m"));
        }
    }

    #[test]
    fn what_a_client_says_of_itself() {
        let raw =
            "h/d/?model-id=dtmi:com:example:Thermostat;1&DeviceClientType=a/1.0 (b)&api-version=1";
        let encoded = "h/d/?api-version=1&DeviceClientType=a%2F1.0%20%28b%29&model-id=dtmi%3Acom%3Aexample%3AThermostat%3B1";
        for text in [raw, encoded] {
            let name = read(text);
            assert_eq!(
                name.model_id.as_deref(),
                Some("dtmi:com:example:Thermostat;1")
            );
            assert_eq!(name.client_type.as_deref(), Some("a/1.0 (b)"));
        }
    }

    #[test]
    fn what_is_none() {
        for text in [
            "",
            "/",
            "dev1",
            "hub/",
            "hub//",
            "/dev1",
            "h/d/m/x/?api-version=1",
            "/?api-version=1",
        ] {
            assert!(UserName::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_secret_is_none() {
        for text in [
            "SharedAccessSignature sr=hub%2Fdevices%2Fd&sig=c2VjcmV0&se=1",
            "HostName=hub;DeviceId=d;SharedAccessKey=c2Vj/cmV0",
            "hub/SharedAccessKey=c2VjcmV0/?api-version=2021-04-12",
            "hub/bGFi/c2VjZS1rZXktMDEyMzQ1Njc4OWFiY2RlZg==",
        ] {
            let why = UserName::parse(text).expect_err(text);
            assert!(
                why.starts_with("a token or connection string stands"),
                "{why}"
            );
            assert!(!why.contains("c2Vj"), "{why}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "\\PC{0,60}") {
            if let Ok(name) = UserName::parse(&text) {
                prop_assert!(!name.host.is_empty() && !name.name.device.is_empty());
            }
        }
    }
}
