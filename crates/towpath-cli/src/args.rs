//! What can be typed. Help, man pages and completions are made from this.

#[cfg(feature = "device")]
pub(crate) mod device;
mod doctor;
mod explain;
#[cfg(feature = "lab")]
pub(crate) mod lab;
mod network;
mod parse;
#[cfg(all(test, feature = "device", feature = "lab"))]
mod remedies;
mod resolve;
mod tls;

use std::{ffi::OsString, net::IpAddr, path::PathBuf, time::Duration};

use clap::{
    ArgGroup, Command, CommandFactory as _, Parser, Subcommand, ValueEnum, builder::Styles,
};
use clap_complete::Shell;
use towpath::{Profile, QoS, Version};

pub(crate) use self::{
    doctor::Doctor, explain::Explain, network::Network, parse::parse, resolve::Resolve, tls::Tls,
};

/// MQTT by hand: publish and subscribe over TCP, TLS and WebSockets.
///
/// When a connection fails, towpath says on which rung (dns, nat64, tcp, proxy, tls, upgrade, ws, mqtt), why, and what
/// to try. With --trace it shows every rung and how long it took.
#[derive(Debug, Parser)]
#[command(
    name = "towpath",
    version,
    styles = Styles::styled(),
    max_term_width = 100,
    subcommand_required = true,
    arg_required_else_help = true,
    disable_help_subcommand = true,
    after_help = TOP_EXAMPLES
)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Cmd,
}

const TOP_EXAMPLES: &str = "\
Examples:
  towpath sub mqtt://localhost 'plant/#' -v
  towpath pub mqtt://localhost plant/temperature -m 21.5
  towpath pub wss://broker.example/mqtt plant/temperature -m 21.5 --trace
  towpath resolve broker.example
  towpath doctor wss://broker.example/mqtt
  towpath explain -0x7280
  towpath device --config device.toml
  towpath lab

Exit status: 0 done; 1 the path or the server failed; 2 wrong usage; 3 done, but a certificate ends soon (device)
or something will break (doctor).";

#[derive(Debug, Subcommand)]
pub(crate) enum Cmd {
    Pub(Box<Pub>),
    Sub(Box<Sub>),
    Resolve(Box<Resolve>),
    #[cfg(feature = "device")]
    Device(Box<device::Device>),
    #[cfg(feature = "lab")]
    Lab(Box<lab::Lab>),
    Doctor(Box<Doctor>),
    Explain(Explain),
    Completions(Completions),
    Man(Man),
}

/// Publish messages
///
/// Publishes one message, or one for each line of standard input, waits until the server has acknowledged it
/// (QoS 1 and 2) or it has left (QoS 0), and says farewell.
#[derive(Debug, clap::Args)]
#[command(
    after_help = PUB_EXAMPLES,
    override_usage = "towpath pub [OPTIONS] <URL> <TOPIC> <-m TEXT|-f FILE|-l|-s|-n>\n       \
        towpath pub [OPTIONS] --config <FILE> [URL] <TOPIC> <-m TEXT|-f FILE|-l|-s|-n>",
    group = ArgGroup::new("source").required(true).args(["message", "file", "lines", "stdin", "empty"])
)]
pub(crate) struct Pub {
    #[command(flatten)]
    pub(crate) target: Target,

    /// The topic to publish to, such as plant/temperature
    pub(crate) topic: Option<String>,

    /// The message
    #[arg(short, long, value_name = "TEXT", help_heading = "The message, one of")]
    pub(crate) message: Option<OsString>,

    /// The contents of a file as one message
    #[arg(short, long, value_name = "FILE", help_heading = "The message, one of")]
    pub(crate) file: Option<PathBuf>,

    /// Each line of standard input as one message
    #[arg(short = 'l', long = "stdin-line", help_heading = "The message, one of")]
    pub(crate) lines: bool,

    /// All of standard input as one message
    #[arg(short = 's', long = "stdin-file", help_heading = "The message, one of")]
    pub(crate) stdin: bool,

    /// An empty message; with -r it deletes what the server kept
    #[arg(
        short = 'n',
        long = "null-message",
        help_heading = "The message, one of"
    )]
    pub(crate) empty: bool,

    /// How often the message may arrive: 0 at most once, 1 at least once, 2 exactly once
    #[arg(short, long, value_name = "QOS", default_value = "0", value_parser = qos, hide_default_value = true)]
    pub(crate) qos: QoS,

    /// The server keeps the message for later subscribers
    #[arg(short, long)]
    pub(crate) retain: bool,

    #[command(flatten)]
    pub(crate) properties: MessageProperties,

    #[command(flatten)]
    pub(crate) connection: Connection,

    #[command(flatten)]
    pub(crate) output: Output,
}

const PUB_EXAMPLES: &str = "\
Examples:
  One message, acknowledged by the server:
    towpath pub mqtt://localhost plant/temperature -m 21.5 -q 1
  A message that later subscribers get too; and how to delete it:
    towpath pub mqtt://localhost plant/mode -m auto -r
    towpath pub mqtt://localhost plant/mode -n -r
  Every line of a log, as fast as it goes:
    towpath pub mqtt://localhost logs/web -q 1 -l < access.log
  See where a connection breaks:
    towpath pub ws://broker.example/mqtt test -m hi --trace
  With a client certificate, to a server of a CA of one's own:
    towpath pub mqtts://broker.example plant/state -m on --cafile ca.pem --cert me.pem --key me.key
  With everything about the connection in a file:
    towpath pub --config device.toml plant/temperature -m 21.5";

/// Subscribe and print messages
///
/// Prints the payload of each message on a line, and reconnects by itself when the connection breaks. A message with
/// QoS 1 or 2 is acknowledged after it was printed. Ctrl-C says farewell to the server.
#[derive(Debug, clap::Args)]
#[command(
    after_help = SUB_EXAMPLES,
    override_usage = "towpath sub [OPTIONS] <URL> <FILTER>...\n       \
        towpath sub [OPTIONS] --config <FILE> [URL] <FILTER>..."
)]
pub(crate) struct Sub {
    #[command(flatten)]
    pub(crate) target: Target,

    /// Topic filters: plant/temperature, plant/+/state, 'plant/#'
    #[arg(value_name = "FILTER")]
    pub(crate) filters: Vec<String>,

    /// The highest QoS at which the server sends messages
    #[arg(short, long, value_name = "QOS", default_value = "0", value_parser = qos, hide_default_value = true)]
    pub(crate) qos: QoS,

    /// Exit after COUNT messages
    #[arg(short = 'C', long, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) count: Option<u64>,

    /// Exit after SECONDS: with status 0, or 1 if -C asked for more messages than came
    #[arg(short = 'W', long, value_name = "SECONDS", value_parser = seconds)]
    pub(crate) wait: Option<Duration>,

    /// Print the topic before each payload
    #[arg(short, long)]
    pub(crate) verbose: bool,

    /// Print no line end after a payload
    #[arg(short = 'N', long = "no-newline", conflicts_with = "json")]
    pub(crate) no_newline: bool,

    #[command(flatten)]
    pub(crate) connection: Connection,

    #[command(flatten)]
    pub(crate) output: Output,
}

const SUB_EXAMPLES: &str = "\
Examples:
  Everything below plant/, with topics:
    towpath sub mqtt://localhost 'plant/#' -v
  The next message, or status 1 after ten seconds without one:
    towpath sub mqtt://localhost plant/temperature -C 1 -W 10
  Messages that came while this program was not running, none lost:
    towpath sub mqtt://localhost 'jobs/#' -q 1 -i worker-1 -c
  Through a TLS front end that asks for a client certificate:
    towpath sub wss://hub.example/mqtt 'plant/#' --cert meter.pem --key meter.key --trace
  For a program to read:
    towpath sub mqtt://localhost 'plant/#' --json | jq -r .payload";

/// Print a completion script for a shell
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  towpath completions bash > /etc/bash_completion.d/towpath
  towpath completions zsh > ~/.zfunc/_towpath
  towpath completions fish > ~/.config/fish/completions/towpath.fish")]
pub(crate) struct Completions {
    /// The shell
    pub(crate) shell: Shell,
}

/// Print the man page, or write all of them to a folder
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  towpath man | man -l -
  towpath man --out /usr/local/share/man/man1")]
pub(crate) struct Man {
    /// Write a page for each command to this folder
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
}

/// Where to.
#[derive(Debug, clap::Args)]
pub(crate) struct Target {
    // No doc comment: it would take [:PORT] for a link.
    #[arg(
        help = "The server: mqtt:// or mqtts://HOST[:PORT], ws:// or wss://HOST[:PORT]/PATH. May be left out if the \
                file of --config has a url; an argument with :// in front is always the URL"
    )]
    pub(crate) url: Option<String>,

    /// Settings from a TOML file: url, id, user ... and the tables will, websocket and tls, named after the options
    /// here. An option on the command line wins over the file. Paths in it are relative to its folder
    #[arg(long, value_name = "FILE", help_heading = CONNECTION)]
    pub(crate) config: Option<PathBuf>,
}

const CONNECTION: &str = "Connection";
const PROXY: &str = "Proxy";
const LOGIN: &str = "Login";
const WILL: &str = "Will: what the server publishes when this client vanishes";
const WEBSOCKET: &str = "WebSocket";
const OUTPUT: &str = "Output";
const PROPERTIES: &str = "Message properties (MQTT 5)";

/// How to connect.
#[derive(Debug, clap::Args)]
pub(crate) struct Connection {
    /// User name
    #[arg(short, long, value_name = "NAME", help_heading = LOGIN)]
    pub(crate) user: Option<String>,

    /// Password: the first line of FILE, or of standard input if FILE is -. Without this option the password comes
    /// from the environment variable TOWPATH_PASSWORD, or is asked for on the terminal
    #[arg(long, value_name = "FILE", help_heading = LOGIN)]
    pub(crate) password_file: Option<PathBuf>,

    /// Client identifier [default: towpath- and random digits]
    #[arg(short, long, value_name = "ID", help_heading = LOGIN)]
    pub(crate) id: Option<String>,

    /// Protocol version. There is no falling back to the other one [default: 5]
    #[arg(long, value_name = "VERSION", help_heading = CONNECTION)]
    pub(crate) mqtt: Option<Mqtt>,

    /// Keep the session: the server remembers subscriptions and undelivered messages. Needs -i
    #[arg(short = 'c', long, help_heading = CONNECTION)]
    pub(crate) keep_session: bool,

    /// Seconds that the session outlives the connection (MQTT 5) [default: 0, with -c for ever]
    #[arg(long, value_name = "SECONDS", help_heading = CONNECTION)]
    pub(crate) session_expiry: Option<u32>,

    /// Seconds of silence after which a sign of life is sent; 0: none [default: 60]
    #[arg(short, long, value_name = "SECONDS", help_heading = CONNECTION)]
    pub(crate) keepalive: Option<u16>,

    /// How long each rung may take, and an acknowledgement, in seconds [default: 10]
    #[arg(long, value_name = "SECONDS", value_parser = seconds, help_heading = CONNECTION)]
    pub(crate) timeout: Option<Duration>,

    /// Settings for a kind of network, over which all other options win. thread: fewer radio frames, by a short TLS 1.2
    /// handshake, sessions without tickets and acknowledgements that ride on data
    #[arg(long, value_name = "NETWORK", value_parser = profile, help_heading = CONNECTION)]
    pub(crate) profile: Option<Profile>,

    /// Source address
    #[arg(long, value_name = "ADDRESS", help_heading = CONNECTION)]
    pub(crate) bind: Option<IpAddr>,

    // No doc comment: it would take [:PORT] for a link.
    #[arg(
        long,
        value_name = "URL",
        help_heading = PROXY,
        help = "Go through this proxy: http://HOST[:PORT] or socks5://HOST[:PORT]. It resolves the server's name. \
                none: go through no proxy [default: what the environment variables HTTPS_PROXY (mqtts, wss), \
                http_proxy (ws) or ALL_PROXY name, except for the servers in NO_PROXY]"
    )]
    pub(crate) proxy: Option<String>,

    /// User name for the proxy
    #[arg(long, value_name = "NAME", help_heading = PROXY)]
    pub(crate) proxy_user: Option<String>,

    /// Password for the proxy: the first line of FILE. Without this option it comes from the environment variable
    /// TOWPATH_PROXY_PASSWORD or from the URL of the proxy in the environment, or is asked for on the terminal
    #[arg(long, value_name = "FILE", help_heading = PROXY)]
    pub(crate) proxy_password_file: Option<PathBuf>,

    /// Its topic
    #[arg(long, value_name = "TOPIC", help_heading = WILL)]
    pub(crate) will_topic: Option<String>,

    /// Its payload [default: empty]
    #[arg(long, value_name = "TEXT", help_heading = WILL)]
    pub(crate) will_payload: Option<String>,

    /// Its QoS [default: 0]
    #[arg(long, value_name = "QOS", value_parser = qos, help_heading = WILL)]
    pub(crate) will_qos: Option<QoS>,

    /// The server keeps it for later subscribers
    #[arg(long, help_heading = WILL)]
    pub(crate) will_retain: bool,

    /// Seconds that the server waits before (MQTT 5)
    #[arg(long, value_name = "SECONDS", help_heading = WILL)]
    pub(crate) will_delay: Option<u32>,

    /// A header of the upgrade request. May be given several times
    #[arg(long, value_name = "NAME: VALUE", value_parser = header, help_heading = WEBSOCKET)]
    pub(crate) ws_header: Vec<(String, String)>,

    /// The subprotocols to offer, separated by commas [default: mqtt]
    #[arg(long, value_name = "NAMES", help_heading = WEBSOCKET)]
    pub(crate) subprotocol: Option<String>,

    #[command(flatten)]
    pub(crate) network: Network,

    #[command(flatten)]
    pub(crate) tls: Tls,
}

/// What goes with a message.
#[derive(Debug, clap::Args)]
pub(crate) struct MessageProperties {
    /// A user property. May be given several times
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair, help_heading = PROPERTIES)]
    pub(crate) user_property: Vec<(String, String)>,

    /// MIME type of the payload
    #[arg(long, value_name = "TYPE", help_heading = PROPERTIES)]
    pub(crate) content_type: Option<String>,

    /// Where an answer is expected
    #[arg(long, value_name = "TOPIC", help_heading = PROPERTIES)]
    pub(crate) response_topic: Option<String>,

    /// What ties an answer to this message
    #[arg(long, value_name = "TEXT", help_heading = PROPERTIES)]
    pub(crate) correlation_data: Option<String>,

    /// Seconds after which nobody needs the message any more
    #[arg(long, value_name = "SECONDS", help_heading = PROPERTIES)]
    pub(crate) expiry: Option<u32>,
}

/// What to say.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct Output {
    /// Show each rung of the connection with its time, on standard error
    #[arg(long, help_heading = OUTPUT)]
    pub(crate) trace: bool,

    /// JSON, one object a line: messages on standard output, errors and traces on standard error
    #[arg(long, help_heading = OUTPUT)]
    pub(crate) json: bool,

    /// Say nothing on standard error but errors
    #[arg(long, conflicts_with = "trace", help_heading = OUTPUT)]
    pub(crate) quiet: bool,
}

/// The protocol version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Mqtt {
    #[value(name = "3.1.1", aliases = ["311", "mqttv311"])]
    V311,
    #[value(name = "5", aliases = ["5.0", "mqttv5"])]
    V5,
}

impl From<Mqtt> for Version {
    fn from(mqtt: Mqtt) -> Self {
        match mqtt {
            Mqtt::V311 => Self::V311,
            Mqtt::V5 => Self::V5,
        }
    }
}

impl Pub {
    /// The topic, which [`parse()`] has seen to.
    pub(crate) fn topic(&self) -> &str {
        self.topic.as_deref().unwrap_or_default()
    }
}

impl Args {
    /// Whether errors are to be JSON.
    pub(crate) fn json(&self) -> bool {
        match &self.command {
            Cmd::Pub(args) => args.output.json,
            Cmd::Sub(args) => args.output.json,
            Cmd::Resolve(args) => args.json,
            Cmd::Doctor(args) => args.json,
            Cmd::Explain(args) => args.json,
            #[cfg(feature = "device")]
            Cmd::Device(args) => args.output.json,
            #[cfg(feature = "lab")]
            Cmd::Lab(args) => args.run.json,
            Cmd::Completions(_) | Cmd::Man(_) => false,
        }
    }
}

/// The command as documented.
pub(crate) fn command() -> Command {
    Args::command()
}

fn qos(text: &str) -> Result<QoS, String> {
    text.parse()
        .ok()
        .and_then(QoS::from_bits)
        .ok_or_else(|| "QoS is 0, 1 or 2".to_owned())
}

fn profile(text: &str) -> Result<Profile, String> {
    let mut all = Profile::ALL.iter().copied();
    all.find(|profile| profile.name() == text)
        .ok_or_else(|| "the only one is thread".to_owned())
}

fn seconds(text: &str) -> Result<Duration, String> {
    text.parse()
        .ok()
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .filter(|span| !span.is_zero() && span.as_secs() < 1 << 32)
        .ok_or_else(|| "a number of seconds above 0, such as 10 or 0.5".to_owned())
}

/// The value may be a secret, so that no error repeats it.
fn header(text: &str) -> Result<(String, String), String> {
    match text.split_once(':') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.trim().to_owned())),
        _ => Err("write it as 'Name: value'".to_owned()),
    }
}

fn pair(text: &str) -> Result<(String, String), String> {
    text.split_once('=')
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .ok_or_else(|| "write it as NAME=VALUE".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definitions_do_not_contradict_each_other() {
        command().debug_assert();
        parse::with_traps().debug_assert();
    }

    #[test]
    fn values_are_checked() {
        assert_eq!(qos("2"), Ok(QoS::ExactlyOnce));
        assert!(qos("3").is_err());
        assert_eq!(seconds("0.5"), Ok(Duration::from_millis(500)));
        for wrong in ["0", "-1", "x", "nan", "inf", "1e300"] {
            assert!(seconds(wrong).is_err(), "{wrong}");
        }
        assert_eq!(header("A: b: c"), Ok(("A".into(), "b: c".into())));
        assert!(header("secret").is_err());
        assert_eq!(pair("a=b=c"), Ok(("a".into(), "b=c".into())));
    }
}
