//! What is climbed to and as whom: from what was typed and the files it names. Options are made of it again for each
//! question beside the climb.

use std::{
    env,
    fs::File,
    path::{Path, PathBuf},
};

#[cfg(feature = "device")]
use towpath::config::device::DeviceConfig;
use towpath::{
    Options, Proxy, Version,
    config::{Config, Secrets, Setting, first_line},
    net::{Families, Nat64, Resolver, system_servers},
    tls,
};
use towpath_doctor::{
    evidence::{Scheme, Service, Settings, Target},
    lint::Material,
    profile::{self, DeviceProfile},
};

use super::{ANSWER, PATIENCE, as_device, built};
use crate::{
    args::Doctor as Args,
    exit::Failure,
    setup::{self, unreadable},
};

/// How much of a file is read for a look at it, bytes: more than is taken of build settings or certificates.
const MOST: u64 = 8 << 20;

/// What is climbed to.
pub(super) struct Subject {
    /// How the server is reached; its URL is set.
    pub(super) config: Config,
    pub(super) secrets: Secrets,
    /// The device of IoT Hub that is climbed as.
    #[cfg(feature = "device")]
    pub(super) device: Option<DeviceConfig>,
    /// The build that is stood in for.
    pub(super) profile: Option<DeviceProfile>,
    /// What can't be imitated of it, and what else is to be told.
    pub(super) notes: Vec<String>,
    /// Whether the user said how long a rung may take.
    pub(super) is_patient: bool,
    /// The login that a device makes of its file: client identifier and user name, and whether there is a key.
    pub(super) login: Option<(String, String, bool)>,
    pub(super) service: Service,
}

/// What is brought along for TLS and the login, for a look at it before a packet is sent.
pub(super) struct Brought {
    pub(super) roots: Option<Vec<u8>>,
    pub(super) chain: Option<Vec<u8>>,
    pub(super) key: Option<Vec<u8>>,
    pub(super) password: Option<Vec<u8>>,
    nat64_prefix: Option<String>,
}

impl Brought {
    /// The same, with what the subject is told beside it.
    pub(super) fn for_lint<'a>(&'a self, subject: &'a Subject) -> Material<'a> {
        let config = &subject.config;
        let backend = config.backend();
        let families = config.network.families.as_ref();
        Material {
            roots: self.roots.as_deref(),
            chain: self.chain.as_deref(),
            key: self.key.as_deref(),
            password: self.password.as_deref(),
            wants_self_signed: backend.is_some_and(|backend| backend.name() == "openssl"),
            server_name: config.tls.sni.as_ref().map(|name| name.value().as_str()),
            nat64_prefix: self.nat64_prefix.as_deref(),
            only_ipv6: families.is_some_and(|families| *families.value() == Families::V6),
            keep_alive: config.keepalive.as_ref().map(|seconds| *seconds.value()),
            registration_id: subject.registration_id(),
            ..Material::default()
        }
    }
}

impl Drop for Brought {
    fn drop(&mut self) {
        for secret in [&mut self.key, &mut self.password].into_iter().flatten() {
            secret.fill(0);
            std::hint::black_box(&secret);
        }
    }
}

impl Subject {
    /// Reads all that was named.
    pub(super) fn gather(args: &Args) -> Result<Self, Failure> {
        let profile = profile_of(args)?;
        #[cfg(feature = "device")]
        if let Some(device) = device_of(args)? {
            return Self::of_device(args, device, profile);
        }
        let (config, secrets) = setup::gather(&args.target, &args.connection, false)?;
        let mut subject = Self {
            config,
            secrets,
            #[cfg(feature = "device")]
            device: None,
            profile,
            notes: Vec::new(),
            is_patient: false,
            login: None,
            service: Service::Broker,
        };
        subject.hold()?;
        subject.prepare();
        let endpoint = subject.config.endpoint()?;
        let user = subject.config.user.as_ref().map(Setting::value);
        subject.service = service_of(&endpoint.host, user.map_or("", String::as_str));
        // What can't be used in it is found before anything is sent.
        subject.options()?;
        Ok(subject)
    }

    #[cfg(feature = "device")]
    fn of_device(
        args: &Args,
        mut device: DeviceConfig,
        profile: Option<DeviceProfile>,
    ) -> Result<Self, Failure> {
        if args.target.url.is_some() {
            return Err(Failure::usage(
                "the file of --config is that of a device, which finds its server by [hub] or [provisioning]; leave \
                 the URL out",
            ));
        }
        setup::over_device(&mut device.connection, &args.connection)?;
        // Nothing is kept for the device's next start.
        device.state = None;
        let service = match device.provisioning.at {
            Some(_) => Service::Provisioning,
            None => Service::Hub,
        };
        let mut subject = Self {
            config: device.connection.clone(),
            secrets: Secrets::default(),
            device: Some(device),
            profile,
            notes: Vec::new(),
            is_patient: false,
            login: None,
            service,
        };
        subject.prepare();
        if let Some(device) = &mut subject.device {
            device.connection = subject.config.clone();
            let host = device.host().to_owned();
            subject.secrets = setup::device(&mut device.connection, &host)?;
            subject.login = Some(super::device::login(device)?);
            subject.config = super::device::config(device, &host);
        }
        subject.options()?;
        Ok(subject)
    }

    /// Files are read again for each question, which can't be done with a pipe: passwords are kept from the first time,
    /// and for the rest a file is asked for.
    fn hold(&mut self) -> Result<(), Failure> {
        let Config { tls, proxy, .. } = &self.config;
        let files = [&tls.cafile, &tls.cert, &tls.key, &proxy.password_file];
        for file in files.into_iter().flatten() {
            if !is_uri(file.value()) && is_pipe(file.value()) {
                let why = "this is a pipe, and doctor reads it once more for each question it asks; name a regular file";
                return Err(file.wrong(why).into());
            }
        }
        let once = |given: &mut Option<Setting<PathBuf>>, used: bool| {
            let path = given.take_if(|path| used && is_pipe(path.value()));
            let read = path.map(|path| {
                File::open(path.value())
                    .and_then(first_line)
                    .map_err(|error| unreadable(path.value(), &error))
            });
            read.transpose()
        };
        let has_user = self.config.user.is_some();
        if let Some(password) = once(&mut self.config.password_file, has_user)? {
            self.secrets.password = Some(password);
        }
        let has_key = self.config.tls.key.is_some();
        if let Some(password) = once(&mut self.config.tls.key_password_file, has_key)? {
            self.secrets.key_password = Some(password);
        }
        Ok(())
    }

    /// The doctor's own patience, and the device's ways.
    fn prepare(&mut self) {
        self.is_patient = self.config.timeout.is_some();
        if !self.is_patient {
            self.config.timeout = Some(Setting::flag("--timeout", PATIENCE));
        }
        if let Some(profile) = &self.profile {
            self.notes
                .append(&mut as_device::apply(profile, &mut self.config));
        }
    }

    /// Options of a connection.
    pub(super) fn options(&self) -> Result<Options, Failure> {
        let options = self.config.load(self.secrets.clone())?.options;
        Ok(if self.is_patient {
            options
        } else {
            options.answer_within(ANSWER)
        })
    }

    /// What is asked for, without secrets.
    pub(super) fn target(&self) -> Target {
        let config = &self.config;
        let endpoint = config.endpoint().ok();
        let (scheme, host, port, path) = match &endpoint {
            Some(endpoint) => {
                let path = endpoint.target.split('?').next().unwrap_or_default();
                let scheme = scheme(endpoint.scheme);
                let path = if scheme.is_framed() { path } else { "" };
                (
                    scheme,
                    endpoint.host.clone(),
                    endpoint.port,
                    path.to_owned(),
                )
            }
            None => (Scheme::Mqtt, String::new(), 0, String::new()),
        };
        let options = self.options().ok();
        let proxy = options.as_ref().and_then(Options::proxied_by);
        let login = self.login.as_ref();
        let text = |given: &Option<Setting<String>>| given.as_ref().map(|it| it.value().clone());
        Target {
            scheme,
            host,
            port,
            path,
            proxy: proxy.map(Proxy::to_string),
            service: self.service,
            mqtt5: config.version() == Version::V5,
            client_id: login
                .map(|(id, _, _)| id.clone())
                .or_else(|| text(&config.id)),
            user: login
                .map(|(_, user, _)| user.clone())
                .or_else(|| text(&config.user)),
            password: login.is_some_and(|(_, _, key)| *key)
                || self.secrets.password.is_some()
                || config.password_file.is_some(),
            token_made: login.is_some_and(|(_, _, key)| *key),
            client_certificate: config.tls.cert.is_some(),
        }
    }

    /// What was chosen beside it.
    pub(super) fn settings(&self) -> Settings {
        fn value<T: Clone>(given: &Option<Setting<T>>) -> Option<T> {
            given.as_ref().map(|given| given.value().clone())
        }
        let (tls, network) = (&self.config.tls, &self.config.network);
        Settings {
            bind: value(&self.config.bind),
            families: value(&network.families).unwrap_or_default(),
            mss: value(&network.mss),
            tls_min: value(&tls.min),
            tls_max: value(&tls.max),
            suites: value(&tls.ciphers).unwrap_or_default(),
            groups_chosen: tls.groups.is_some(),
            alpn: value(&tls.alpn).unwrap_or_default(),
            no_server_name: value(&tls.tells_name) == Some(false),
            server_name: value(&tls.sni),
            subprotocols: value(&self.config.websocket.subprotocol).unwrap_or_default(),
            environment_proxy: self.environment_proxy().map(|proxy| proxy.to_string()),
            resolvers: match value(&network.resolver) {
                Some(Resolver::Servers(mut servers)) => {
                    servers.extend(system_servers());
                    servers
                }
                _ => system_servers(),
            },
            built: built(),
        }
    }

    /// The proxy that the environment names, where none is used.
    pub(super) fn environment_proxy(&self) -> Option<Proxy> {
        let used = self.config.proxy.url.as_ref().map(Setting::value);
        if used.is_none_or(|url| url != "none") {
            return None;
        }
        Proxy::from_environment(&self.config.endpoint().ok()?).ok()?
    }

    /// How the client is set, in a few words.
    pub(super) fn client(&self) -> String {
        let config = &self.config;
        let mut words = vec![
            format!("towpath {}", env!("CARGO_PKG_VERSION")),
            match config.version() {
                Version::V311 => "MQTT 3.1.1".to_owned(),
                Version::V5 => "MQTT 5".to_owned(),
            },
        ];
        let secured = config
            .endpoint()
            .is_ok_and(|endpoint| endpoint.scheme.is_secured());
        if let Some(backend) = config.backend().filter(|_| secured) {
            words.push(match backend.name() {
                "mbed" => "TLS by Mbed TLS".to_owned(),
                _ => "TLS by OpenSSL".to_owned(),
            });
            let version =
                |given: &Option<Setting<tls::Version>>| given.as_ref().map(|it| *it.value());
            match (version(&config.tls.min), version(&config.tls.max)) {
                (Some(min), Some(max)) if min == max => words.push(format!("TLS {min} only")),
                (Some(min), _) => words.push(format!("TLS {min} at least")),
                (None, Some(max)) => words.push(format!("TLS {max} at most")),
                (None, None) => {}
            }
            if config.tls.cert.is_some() {
                words.push("with a client certificate".to_owned());
            }
        }
        words.join(", ")
    }

    /// Reads what is brought along. A key that stays in its token stays there.
    pub(super) fn material(&self) -> Result<Brought, Failure> {
        let tls = &self.config.tls;
        let read = |given: &Option<Setting<PathBuf>>| match given {
            Some(path) if is_uri(path.value()) => Ok(None),
            Some(path) => bounded(path.value())
                .map(Some)
                .map_err(|error| unreadable(path.value(), &error)),
            None => Ok(None),
        };
        let password = match &self.config.password_file {
            Some(path) => Some(
                File::open(path.value())
                    .and_then(first_line)
                    .map_err(|error| unreadable(path.value(), &error))?,
            ),
            None => self.secrets.password.clone(),
        };
        Ok(Brought {
            roots: read(&tls.cafile)?,
            chain: read(&tls.cert)?,
            key: read(&tls.key)?,
            password,
            nat64_prefix: match self
                .config
                .network
                .nat64_prefix
                .as_ref()
                .map(Setting::value)
            {
                Some(Nat64::Prefix(prefix)) => Some(prefix.to_string()),
                _ => None,
            },
        })
    }

    /// What the device is called at its provisioning service.
    #[cfg(feature = "device")]
    fn registration_id(&self) -> Option<&str> {
        let id = self
            .device
            .as_ref()?
            .provisioning
            .registration_id
            .as_ref()?;
        Some(id.value())
    }

    /// Without devices of IoT Hub nothing is provisioned.
    #[cfg(not(feature = "device"))]
    const fn registration_id(&self) -> Option<&str> {
        None
    }
}

/// Whether this can be read once only.
fn is_pipe(path: &Path) -> bool {
    path.exists() && !path.is_file() && !path.is_dir()
}

fn is_uri(path: &Path) -> bool {
    path.to_str()
        .is_some_and(|text| tls::is_key_uri(text.as_bytes()))
}

fn scheme(scheme: towpath::Scheme) -> Scheme {
    match scheme {
        towpath::Scheme::Mqtt => Scheme::Mqtt,
        towpath::Scheme::Mqtts => Scheme::Mqtts,
        towpath::Scheme::Ws => Scheme::Ws,
        towpath::Scheme::Wss => Scheme::Wss,
    }
}

/// What kind of server a host is, by its name and by the user name that it is told.
fn service_of(host: &str, user: &str) -> Service {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    if user.contains("/registrations/") || host.ends_with("azure-devices-provisioning.net") {
        Service::Provisioning
    } else if user.contains("/?api-version=") || host.ends_with(".azure-devices.net") {
        Service::Hub
    } else {
        Service::Broker
    }
}

/// The build that is stood in for.
fn profile_of(args: &Args) -> Result<Option<DeviceProfile>, Failure> {
    let (path, read): (_, fn(&str, &[u8]) -> _) =
        match (&args.device, &args.kconfig, &args.sdkconfig) {
            (Some(path), _, _) => (path, profile::file::read),
            (_, Some(path), _) => (path, profile::kconfig::read),
            (_, _, Some(path)) => (path, profile::sdkconfig::read),
            (None, None, None) => return Ok(None),
        };
    let bytes = bounded(path).map_err(|error| unreadable(path, &error))?;
    let name = path.display().to_string();
    read(&name, &bytes)
        .map(Some)
        .map_err(|wrong| Failure::usage(wrong.to_string()))
}

/// The beginning of a file. What is too large is longer than its reader takes, and refused there.
fn bounded(path: &Path) -> std::io::Result<Vec<u8>> {
    use std::io::Read as _;
    let mut bytes = Vec::new();
    File::open(path)?.take(MOST).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The device that the file of --config describes; none: it describes a connection.
#[cfg(feature = "device")]
fn device_of(args: &Args) -> Result<Option<DeviceConfig>, Failure> {
    let Some(path) = &args.target.config else {
        return Ok(None);
    };
    if is_pipe(path) {
        return Err(Failure::usage(format!(
            "{}: this is a pipe, and doctor reads it more than once; name a regular file",
            path.display()
        )));
    }
    let Err(no_connection) = Config::from_file(path) else {
        return Ok(None);
    };
    match DeviceConfig::from_file(path) {
        Ok(device) => Ok(Some(device)),
        Err(error) if names_a_hub(path) => Err(error.into()),
        Err(_) => Err(no_connection.into()),
    }
}

/// Whether a file that is wrong was meant as a device's.
#[cfg(feature = "device")]
fn names_a_hub(path: &Path) -> bool {
    let text = bounded(path).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    text.lines().map(str::trim).any(|line| {
        ["[hub", "[provisioning", "hub.", "provisioning."]
            .iter()
            .any(|begin| line.starts_with(begin))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hub_is_known_by_its_name_or_by_the_user_name_it_wants() {
        for (host, user, service) in [
            ("broker.example", "meter", Service::Broker),
            ("contoso.azure-devices.net", "", Service::Hub),
            ("Contoso.Azure-Devices.NET.", "", Service::Hub),
            ("azure-devices.net.example", "", Service::Broker),
            (
                "localhost",
                "lab/meter/?api-version=2021-04-12",
                Service::Hub,
            ),
            (
                "localhost",
                "0ne1/registrations/meter/api-version=2019-03-31",
                Service::Provisioning,
            ),
            (
                "global.azure-devices-provisioning.net",
                "",
                Service::Provisioning,
            ),
        ] {
            assert_eq!(service_of(host, user), service, "{host} {user}");
        }
    }
}
