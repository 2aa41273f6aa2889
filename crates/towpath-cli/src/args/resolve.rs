//! The options of `towpath resolve`.

use std::path::PathBuf;

use super::{CONNECTION, Network, OUTPUT};

/// Show the addresses of a server and in which order they would be tried
///
/// Asks as a connection would: /etc/hosts, DNS, NAT64. Prints for each address where it came from, the source address
/// that this machine would use, and why it stands in its place; then which DNS server said what. It does not connect,
/// and uses no proxy: whether a server answers at an address is for pub and sub with --trace.
#[derive(Debug, clap::Args)]
#[command(
    after_help = EXAMPLES,
    override_usage = "towpath resolve [OPTIONS] <NAME|URL>\n       towpath resolve [OPTIONS] --config <FILE>"
)]
pub(crate) struct Resolve {
    /// The server: a name, an address, or a URL as for pub and sub. May be left out if the file of --config has a url
    #[arg(value_name = "NAME|URL", required_unless_present = "config")]
    pub(crate) name: Option<String>,

    /// The port that a connection would go to [default: the URL's, or 1883]
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..), help_heading = CONNECTION)]
    pub(crate) port: Option<u16>,

    /// Settings from a TOML file: url, timeout and the table network. An option on the command line wins over the file
    #[arg(long, value_name = "FILE", help_heading = CONNECTION)]
    pub(crate) config: Option<PathBuf>,

    /// How long it may take, in seconds [default: 10]
    #[arg(long, value_name = "SECONDS", value_parser = super::seconds, help_heading = CONNECTION)]
    pub(crate) timeout: Option<std::time::Duration>,

    #[command(flatten)]
    pub(crate) network: Network,

    /// Show each question, answer, prefix and address with the time since the start, on standard error
    #[arg(long, help_heading = OUTPUT)]
    pub(crate) trace: bool,

    /// JSON: one object on standard output; traces and errors on standard error, one object a line
    #[arg(long, help_heading = OUTPUT)]
    pub(crate) json: bool,
}

const EXAMPLES: &str = "\
Examples:
  Which addresses, and in which order:
    towpath resolve broker.example
  What a device with IPv6 alone would see here:
    towpath resolve broker.example -6 --trace
  The address behind a NAT64 prefix:
    towpath resolve 192.0.2.10 -6 --nat64-prefix fd64::/96
  Whether another DNS server says the same:
    towpath resolve wss://hub.example/mqtt --resolver 9.9.9.9
  For a program to read:
    towpath resolve broker.example --json | jq -r '.candidates[].address'";
