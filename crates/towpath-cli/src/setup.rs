//! From what was typed, and the file it names, to options for the library. Whatever can be wrong in it is found here,
//! before a byte is sent.

use std::{
    env,
    io::{self, IsTerminal as _},
    path::Path,
    time::Duration,
};

#[cfg(feature = "device")]
use towpath::Endpoint;
use towpath::{
    Options, Proxy, TopicFilter, TopicName, Version,
    config::{self, Config, Secrets, SessionFile, Setting, first_line},
    net::Families,
};

use crate::{args, exit::Failure};

/// All that a command needs to connect.
#[derive(Debug)]
pub(crate) struct Setup {
    pub(crate) options: Options,
    pub(crate) version: Version,
    /// How long each rung may take.
    pub(crate) patience: Duration,
    pub(crate) session_file: Option<SessionFile>,
}

/// Makes options of what [`gather`] finds, and reads the files that they need.
pub(crate) fn prepare(
    target: &args::Target,
    args: &args::Connection,
    stdin_taken: bool,
) -> Result<Setup, Failure> {
    let (config, secrets) = gather(target, args, stdin_taken)?;
    let loaded = config.load(secrets)?;
    Ok(Setup {
        options: loaded.options,
        version: config.version(),
        patience: config.patience(),
        session_file: loaded.session_file,
    })
}

/// Reads the file, if there is one, lets what was typed win over it, and asks for passwords. `stdin_taken`: standard
/// input is the message.
pub(crate) fn gather(
    target: &args::Target,
    args: &args::Connection,
    stdin_taken: bool,
) -> Result<(Config, Secrets), Failure> {
    let mut config = match &target.config {
        Some(path) => Config::from_file(path)?,
        None => Config::default(),
    };
    typed(&mut config.url, "the URL", target.url.clone());
    connection(&mut config, args);
    network(&mut config.network, &args.network)?;
    tls(&mut config.tls, &args.tls);
    if config.url.is_none() {
        return Err(Failure::usage(
            "the server is missing: give its URL as the first argument, or a url in the file of --config",
        ));
    }
    let secured = config.endpoint()?.scheme.is_secured();
    if secured
        && config
            .backend()
            .is_some_and(|backend| backend.has_key_log())
    {
        let named = env::var_os("SSLKEYLOGFILE").filter(|name| !name.is_empty());
        if let (Some(name), None) = (named, &config.tls.keylog) {
            config.tls.keylog = Some(Setting::flag("SSLKEYLOGFILE", name.into()));
        }
    }
    proxy(&mut config, args)?;
    let password = password(&mut config, stdin_taken)?;
    let key_password = if secured {
        key_password(&config, stdin_taken)?
    } else {
        None
    };
    let proxy_password = proxy_password(&config, stdin_taken)?;
    let secrets = Secrets {
        password,
        key_password,
        proxy_password,
    };
    Ok((config, secrets))
}

/// Lets what was typed win over what a device's file says about its connections.
#[cfg(feature = "device")]
pub(crate) fn over_device(config: &mut Config, args: &args::Connection) -> Result<(), Failure> {
    connection(config, args);
    network(&mut config.network, &args.network)?;
    tls(&mut config.tls, &args.tls);
    proxy_typed(config, args)
}

/// What a device's connections need beside its file: the proxy of the environment, and passwords. Nobody is asked, since
/// a device has nobody.
#[cfg(feature = "device")]
pub(crate) fn device(config: &mut Config, host: &str) -> Result<Secrets, Failure> {
    if config.proxy.url.is_none() {
        let endpoint = Endpoint::parse(&format!("mqtts://{host}"))?;
        config.proxy.otherwise = Proxy::from_environment(&endpoint)?;
    }
    Ok(Secrets {
        password: None,
        key_password: key_password(config, true)?,
        proxy_password: proxy_password(config, true)?,
    })
}

/// Keeps what the next run can use, when the connection has ended in one way or another.
pub(crate) fn keep_session(
    file: Option<&SessionFile>,
    ended: Result<(), Failure>,
) -> Result<(), Failure> {
    let saved = file.map_or(Ok(()), SessionFile::save);
    ended.and_then(|()| {
        saved.map_err(|error| Failure::Io {
            what: "cannot write the TLS session file",
            error,
        })
    })
}

/// What was typed wins over what the file says.
fn typed<T>(setting: &mut Option<Setting<T>>, name: &'static str, value: Option<T>) {
    if let Some(value) = value {
        *setting = Some(Setting::flag(name, value));
    }
}

fn connection(config: &mut Config, args: &args::Connection) {
    typed(&mut config.user, "--user", args.user.clone());
    let path = args.password_file.clone();
    typed(&mut config.password_file, "--password-file", path);
    typed(&mut config.id, "--id", args.id.clone());
    typed(&mut config.profile, "--profile", args.profile);
    typed(&mut config.mqtt, "--mqtt", args.mqtt.map(Version::from));
    typed(
        &mut config.keep_session,
        "--keep-session",
        on(args.keep_session),
    );
    typed(
        &mut config.session_expiry,
        "--session-expiry",
        args.session_expiry,
    );
    typed(&mut config.keepalive, "--keepalive", args.keepalive);
    typed(&mut config.timeout, "--timeout", args.timeout);
    typed(&mut config.bind, "--bind", args.bind);
    let will = &mut config.will;
    typed(&mut will.topic, "--will-topic", args.will_topic.clone());
    typed(
        &mut will.payload,
        "--will-payload",
        args.will_payload.clone(),
    );
    typed(&mut will.qos, "--will-qos", args.will_qos);
    typed(&mut will.retain, "--will-retain", on(args.will_retain));
    typed(&mut will.delay, "--will-delay", args.will_delay);
    let headers = Some(args.ws_header.clone()).filter(|headers| !headers.is_empty());
    typed(&mut config.websocket.headers, "--ws-header", headers);
    let names = args.subprotocol.clone();
    typed(&mut config.websocket.subprotocol, "--subprotocol", names);
}

/// What was typed; and the environment, if nothing was said.
fn proxy(config: &mut Config, args: &args::Connection) -> Result<(), Failure> {
    proxy_typed(config, args)?;
    if config.proxy.url.is_none() {
        config.proxy.otherwise = Proxy::from_environment(&config.endpoint()?)?;
    }
    Ok(())
}

fn proxy_typed(config: &mut Config, args: &args::Connection) -> Result<(), Failure> {
    if args
        .proxy_user
        .as_ref()
        .is_some_and(|user| user.contains(':'))
    {
        return Err(Failure::usage(
            "--proxy-user takes the name alone: a password on the command line can be read by every user of this \
             machine. Use --proxy-password-file FILE, or the environment variable TOWPATH_PROXY_PASSWORD",
        ));
    }
    let proxy = &mut config.proxy;
    if args.proxy.is_some() {
        // The file's user and password are for the file's proxy.
        (proxy.user, proxy.password_file) = (None, None);
    }
    typed(&mut proxy.url, "--proxy", args.proxy.clone());
    typed(&mut proxy.user, "--proxy-user", args.proxy_user.clone());
    let path = args.proxy_password_file.clone();
    typed(&mut proxy.password_file, "--proxy-password-file", path);
    Ok(())
}

/// How to find the server, as typed.
pub(crate) fn network(network: &mut config::Network, args: &args::Network) -> Result<(), Failure> {
    let families = match (args.ipv4, args.ipv6) {
        (true, _) => Some((Families::V4, "-4")),
        (_, true) => Some((Families::V6, "-6")),
        _ => None,
    };
    if let Some((families, flag)) = families {
        network.families = Some(Setting::flag(flag, families));
    }
    typed(&mut network.resolver, "--resolver", args.resolver()?);
    typed(
        &mut network.nat64_prefix,
        "--nat64-prefix",
        args.nat64_prefix,
    );
    typed(&mut network.mss, "--mss", args.mss);
    typed(
        &mut network.attempt_delay,
        "--attempt-delay",
        args.attempt_delay,
    );
    Ok(())
}

fn tls(tls: &mut config::Tls, args: &args::Tls) {
    typed(&mut tls.backend, "--tls", args.tls.map(|library| library.0));
    typed(&mut tls.cafile, "--cafile", args.cafile.clone());
    typed(&mut tls.capath, "--capath", args.capath.clone());
    typed(&mut tls.cert, "--cert", args.cert.clone());
    typed(&mut tls.key, "--key", args.key.clone());
    let path = args.key_password_file.clone();
    typed(&mut tls.key_password_file, "--key-password-file", path);
    let names = |list: &Option<String>| list.as_deref().map(config::names);
    typed(&mut tls.ciphers, "--ciphers", names(&args.ciphers));
    typed(&mut tls.groups, "--groups", names(&args.groups));
    typed(&mut tls.min, "--tls-min", args.tls_min.map(Into::into));
    typed(&mut tls.max, "--tls-max", args.tls_max.map(Into::into));
    let alpn = args.alpn.as_deref();
    let alpn = alpn.map(|list| list.split(',').map(|name| name.trim().to_owned()).collect());
    typed(&mut tls.alpn, "--alpn", alpn);
    typed(&mut tls.sni, "--sni", args.sni.clone());
    typed(&mut tls.mfl, "--mfl", args.mfl);
    typed(&mut tls.keylog, "--keylog", args.keylog.clone());
    typed(
        &mut tls.session_file,
        "--tls-session",
        args.tls_session.clone(),
    );
}

/// A switch can only be switched on.
fn on(switch: bool) -> Option<bool> {
    switch.then_some(true)
}

/// A wrong usage unless MQTT 5 is spoken.
pub(crate) fn needs_v5(version: Version, option: &str) -> Result<(), Failure> {
    if version == Version::V5 {
        return Ok(());
    }
    Err(Failure::usage(format!(
        "{option} needs MQTT 5; leave it out, or do without MQTT 3.1.1"
    )))
}

/// A topic name, or which rule it breaks.
pub(crate) fn topic(name: &str) -> Result<TopicName<'_>, Failure> {
    TopicName::new(name)
        .map_err(|invalid| Failure::usage(format!("topic \"{name}\": {}", invalid.clause)))
}

/// A topic filter, or which rule it breaks.
pub(crate) fn filter(text: &str) -> Result<TopicFilter<'_>, Failure> {
    TopicFilter::new(text)
        .map_err(|invalid| Failure::usage(format!("filter \"{text}\": {}", invalid.clause)))
}

/// From the environment or the terminal, unless a file is named for it. Never from the command line.
fn password(config: &mut Config, stdin_taken: bool) -> Result<Option<Vec<u8>>, Failure> {
    let Some(user) = &config.user else {
        return Ok(None);
    };
    if let Some(path) = &config.password_file {
        if path.value() != Path::new("-") {
            return Ok(None);
        }
        if stdin_taken {
            return Err(Failure::usage(
                "--password-file - and the message both want standard input; put the password into a file",
            ));
        }
        config.password_file = None;
        return first_line(io::stdin())
            .map(Some)
            .map_err(|error| unreadable(Path::new("standard input"), &error));
    }
    if let Some(password) = env::var_os("TOWPATH_PASSWORD") {
        return Ok(Some(password.into_encoded_bytes()));
    }
    ask(&format!("Password of {}: ", user.value()), stdin_taken)
}

/// The same for the key, if it is encrypted.
fn key_password(config: &Config, stdin_taken: bool) -> Result<Option<Vec<u8>>, Failure> {
    let tls = &config.tls;
    let wanted = tls.cert.is_some() && tls.key_password_file.is_none();
    let Some(key) = tls.key.as_ref().filter(|_| wanted) else {
        return Ok(None);
    };
    if !config.key_is_encrypted()? {
        return Ok(None);
    }
    if let Some(password) = env::var_os("TOWPATH_KEY_PASSWORD") {
        return Ok(Some(password.into_encoded_bytes()));
    }
    ask(
        &format!("Password of the key {}: ", key.value().display()),
        stdin_taken,
    )
}

/// The same for the proxy, if there is a user for it.
fn proxy_password(config: &Config, stdin_taken: bool) -> Result<Option<Vec<u8>>, Failure> {
    let Some(user) = config.proxy.lacks_password() else {
        return Ok(None);
    };
    if let Some(password) = env::var_os("TOWPATH_PROXY_PASSWORD") {
        return Ok(Some(password.into_encoded_bytes()));
    }
    ask(&format!("Password of {user} for the proxy: "), stdin_taken)
}

/// Asks on the terminal, if somebody sits there.
fn ask(question: &str, stdin_taken: bool) -> Result<Option<Vec<u8>>, Failure> {
    if stdin_taken || !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return Ok(None);
    }
    rpassword::prompt_password(question)
        .map(|password| Some(password.into_bytes()))
        .map_err(|error| Failure::usage(format!("cannot ask for the password: {error}")))
}

/// A file that can't be read.
pub(crate) fn unreadable(path: &Path, error: &io::Error) -> Failure {
    Failure::usage(format!("cannot read {}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_filters_say_which_rule_they_break() {
        let error = topic("a/#").err().unwrap().to_string();
        assert!(
            error.contains("\"a/#\"") && error.contains("MQTT-3.3.2-2"),
            "{error}"
        );
        let error = filter("a#").err().unwrap().to_string();
        assert!(
            error.contains("\"a#\"") && error.contains("MQTT-4.7.1-1"),
            "{error}"
        );
    }
}
