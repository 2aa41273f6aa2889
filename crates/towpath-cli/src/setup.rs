//! From what was typed to options for the library. Whatever can be wrong in it is found here, before a byte is sent.

use std::{
    env,
    fs::File,
    io::{self, BufRead as _, BufReader, IsTerminal as _, Read},
    path::Path,
};

use towpath::{Options, QoS, TopicFilter, TopicName, Version, Will};

use crate::{args, exit::Failure};

/// The longest password, bytes (MQTT 5 section 1.5.6).
const PASSWORD_MAX: u64 = 65_535;

/// The options for a connection to `url`. `stdin_taken`: standard input is the message.
pub(crate) fn options(
    url: &str,
    args: &args::Connection,
    stdin_taken: bool,
) -> Result<Options, Failure> {
    let version = Version::from(args.mqtt);
    let mut options = Options::new(url)
        .map_err(|error| Failure::usage(error.to_string()))?
        .version(version)
        .keep_alive(args.keepalive)
        .patience(args.timeout)
        .clean_start(!args.keep_session);
    if let Some(id) = &args.id {
        options = options.client_id(id);
    }
    if let Some(address) = args.bind {
        options = options.bind(address);
    }
    if let Some(seconds) = session_expiry(args, version)? {
        options = options.session_expiry(seconds);
    }
    if let Some(will) = will(args, version)? {
        options = options.will(will);
    }
    options = login(options, args, stdin_taken)?;
    websocket(options, args)
}

fn session_expiry(args: &args::Connection, version: Version) -> Result<Option<u32>, Failure> {
    if args.session_expiry.is_some() {
        needs_v5(version, "--session-expiry")?;
    }
    // As with mosquitto's clients: who keeps a session means it to stay.
    let kept = (args.keep_session && version == Version::V5).then_some(u32::MAX);
    Ok(args.session_expiry.or(kept))
}

fn will(args: &args::Connection, version: Version) -> Result<Option<Will>, Failure> {
    if args.will_delay.is_some() {
        needs_v5(version, "--will-delay")?;
    }
    let Some(name) = &args.will_topic else {
        return Ok(None);
    };
    topic(name)?;
    Ok(Some(Will {
        topic: name.clone(),
        payload: args.will_payload.clone().unwrap_or_default().into_bytes(),
        qos: args.will_qos.unwrap_or(QoS::AtMostOnce),
        retain: args.will_retain,
        delay: args.will_delay.unwrap_or(0),
    }))
}

fn websocket(mut options: Options, args: &args::Connection) -> Result<Options, Failure> {
    let framed = options.endpoint().scheme == towpath::Scheme::Ws;
    if !framed && !args.ws_header.is_empty() {
        return Err(Failure::usage(
            "--ws-header has no meaning with mqtt://; use ws://",
        ));
    }
    if !framed && args.subprotocol.is_some() {
        return Err(Failure::usage(
            "--subprotocol has no meaning with mqtt://; use ws://",
        ));
    }
    for (name, value) in &args.ws_header {
        options = options.header(name, value);
    }
    if let Some(names) = &args.subprotocol {
        // Once in the life of the program.
        options = options.subprotocols(Box::leak(names.clone().into_boxed_str()));
    }
    Ok(options)
}

/// A wrong usage unless MQTT 5 is spoken.
pub(crate) fn needs_v5(version: Version, option: &str) -> Result<(), Failure> {
    if version == Version::V5 {
        return Ok(());
    }
    Err(Failure::usage(format!(
        "{option} needs MQTT 5; leave it out or leave out --mqtt 3.1.1"
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

fn login(options: Options, args: &args::Connection, stdin_taken: bool) -> Result<Options, Failure> {
    let Some(user) = &args.user else {
        return Ok(options);
    };
    Ok(match password(args, user, stdin_taken)? {
        Some(password) => options.credentials(user, password),
        None => options.user(user),
    })
}

/// From the file, the environment or the terminal, in this order. Never from the command line.
fn password(
    args: &args::Connection,
    user: &str,
    stdin_taken: bool,
) -> Result<Option<Vec<u8>>, Failure> {
    if let Some(path) = &args.password_file {
        return read_password(path, stdin_taken).map(Some);
    }
    if let Some(password) = env::var_os("TOWPATH_PASSWORD") {
        return Ok(Some(password.into_encoded_bytes()));
    }
    if stdin_taken || !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return Ok(None);
    }
    rpassword::prompt_password(format!("Password of {user}: "))
        .map(|password| Some(password.into_bytes()))
        .map_err(|error| Failure::usage(format!("cannot ask for the password: {error}")))
}

fn read_password(path: &Path, stdin_taken: bool) -> Result<Vec<u8>, Failure> {
    if path.as_os_str() != "-" {
        let file = File::open(path).map_err(|error| unreadable(path, &error))?;
        return first_line(file).map_err(|error| unreadable(path, &error));
    }
    if stdin_taken {
        return Err(Failure::usage(
            "--password-file - and the message both want standard input; put the password into a file",
        ));
    }
    first_line(io::stdin()).map_err(|error| unreadable(path, &error))
}

fn first_line(source: impl Read) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    BufReader::new(source.take(PASSWORD_MAX + 2)).read_until(b'\n', &mut line)?;
    if line.ends_with(b"\n") {
        line.pop();
        if line.ends_with(b"\r") {
            line.pop();
        }
    }
    Ok(line)
}

/// A file that can't be read.
pub(crate) fn unreadable(path: &Path, error: &io::Error) -> Failure {
    Failure::usage(format!("cannot read {}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_the_first_line_without_its_end() {
        for (file, password) in [
            ("secret", "secret"),
            ("secret\n", "secret"),
            ("secret\r\nmore\n", "secret"),
            (" s p \n", " s p "),
            ("", ""),
        ] {
            assert_eq!(first_line(file.as_bytes()).unwrap(), password.as_bytes());
        }
    }

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
