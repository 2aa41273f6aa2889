//! From the command line to [`Args`]: what clap can't say itself.

use std::ffi::OsString;

use clap::{Arg, ArgAction, Command, FromArgMatches as _, error::ErrorKind};

use super::{Args, Cmd, command, explain::Unsettled};
use crate::exit::Failure;

/// The commands that connect.
const CONNECTING: [&str; 3] = ["pub", "sub", "doctor"];

/// An option that is not there, but that people try; nobody prints what follows it.
struct Trap {
    id: &'static str,
    short: Option<char>,
    names: &'static [&'static str],
    answer: &'static str,
}

const TRAPS: &[Trap] = &[
    Trap {
        id: "password on the command line",
        short: Some('P'),
        names: &["pw", "password"],
        answer: "a password on the command line can be read by every user of this machine. \
                 Use --password-file FILE, the environment variable TOWPATH_PASSWORD, or -u alone to be asked",
    },
    Trap {
        id: "key password on the command line",
        short: None,
        names: &["key-password", "keypass", "key-pass", "passphrase"],
        answer: "a key's password on the command line can be read by every user of this machine. \
                 Use --key-password-file FILE, the environment variable TOWPATH_KEY_PASSWORD, or neither to be asked",
    },
    Trap {
        id: "proxy password on the command line",
        short: None,
        names: &["proxy-password", "proxy-pass", "proxy-pw"],
        answer: "a proxy's password on the command line can be read by every user of this machine. \
                 Use --proxy-password-file FILE, the environment variable TOWPATH_PROXY_PASSWORD, or neither to be asked",
    },
    Trap {
        id: "no verification",
        short: None,
        names: &[
            "insecure",
            "no-verify",
            "skip-verify",
            "no-check-certificate",
        ],
        answer: "there is no such switch: a connection to who knows whom is not secured by TLS. \
                 Trust the server's own CA with --cafile FILE, or a server's self-signed certificate by giving that; \
                 if its certificate bears another name, give that with --sni NAME",
    },
];

/// The command with all traps laid.
pub(super) fn with_traps() -> Command {
    let lay = |command: Command| TRAPS.iter().fold(command, trap);
    CONNECTING
        .into_iter()
        .fold(command(), |command, name| command.mut_subcommand(name, lay))
}

fn trap(command: Command, trap: &Trap) -> Command {
    let mut arg = Arg::new(trap.id)
        .hide(true)
        .action(ArgAction::Append)
        .num_args(0..=1)
        .value_parser(clap::value_parser!(OsString));
    if let Some(short) = trap.short {
        arg = arg.short(short);
    }
    if let Some((first, others)) = trap.names.split_first() {
        arg = arg.long(*first).aliases(others.iter().copied());
    }
    command.arg(arg)
}

/// Reads the command line. Ends the program with a help text, or with status 2 and what is wrong.
///
/// # Errors
/// An option that is not there on purpose.
pub(crate) fn parse() -> Result<Args, Failure> {
    let mut matches = with_traps().get_matches();
    if let Some((name, matches)) = matches.subcommand()
        && CONNECTING.contains(&name)
        && let Some(trap) = TRAPS.iter().find(|trap| matches.contains_id(trap.id))
    {
        return Err(Failure::usage(trap.answer));
    }
    let mut args = Args::from_arg_matches_mut(&mut matches).unwrap_or_else(|error| error.exit());
    if let Cmd::Explain(explain) = &mut args.command
        && let Err(unsettled) = explain.settle()
    {
        refuse("explain", unsettled);
    }
    if let Err(missing) = args.place() {
        let name = args.command.name();
        let mut command = command();
        command.build();
        let found = command.find_subcommand_mut(name);
        let what = format!("the following required arguments were not provided:\n  {missing}");
        if let Some(command) = found {
            command
                .error(ErrorKind::MissingRequiredArgument, what)
                .exit();
        }
    }
    Ok(args)
}

/// Ends the program as clap does.
fn refuse(name: &str, unsettled: Unsettled) {
    let mut command = command();
    command.build();
    let Some(found) = command.find_subcommand_mut(name) else {
        return;
    };
    let (kind, why) = match unsettled {
        Unsettled::Help => {
            // As clap: a reader that is gone is no error.
            let _ = found.print_long_help();
            std::process::exit(0)
        }
        Unsettled::Missing(what) => (
            ErrorKind::MissingRequiredArgument,
            format!("the following required arguments were not provided:\n  {what}"),
        ),
        Unsettled::Unknown(option) => (
            ErrorKind::UnknownArgument,
            format!("unexpected argument '{option}' found"),
        ),
        Unsettled::Both => (
            ErrorKind::ArgumentConflict,
            "the argument '--json' cannot be used with '--verbose'".to_owned(),
        ),
    };
    found.error(kind, why).exit();
}

impl Args {
    /// Without a URL the first argument is what comes after it.
    fn place(&mut self) -> Result<(), &'static str> {
        match &mut self.command {
            Cmd::Pub(args) => {
                let may_lack_url = args.target.config.is_some();
                if args.topic.is_none() && may_lack_url {
                    args.topic = args.target.url.take_if(|first| !is_url(first));
                }
                if args.topic.is_none() {
                    return Err("<TOPIC>");
                }
            }
            Cmd::Sub(args) => {
                let may_lack_url = args.target.config.is_some();
                let first = args
                    .target
                    .url
                    .take_if(|first| may_lack_url && !is_url(first));
                args.filters.splice(0..0, first);
                if args.filters.is_empty() {
                    return Err("<FILTER>...");
                }
            }
            #[cfg(feature = "device")]
            Cmd::Device(_) => {}
            #[cfg(feature = "lab")]
            Cmd::Lab(_) => {}
            Cmd::Doctor(args) => {
                if args.target.url.is_none() && args.target.config.is_none() {
                    return Err("<URL>");
                }
            }
            Cmd::Explain(_) | Cmd::Resolve(_) | Cmd::Completions(_) | Cmd::Man(_) => {}
        }
        Ok(())
    }
}

impl Cmd {
    const fn name(&self) -> &'static str {
        match self {
            Self::Pub(_) => "pub",
            Self::Sub(_) => "sub",
            Self::Resolve(_) => "resolve",
            Self::Doctor(_) => "doctor",
            Self::Explain(_) => "explain",
            #[cfg(feature = "device")]
            Self::Device(_) => "device",
            #[cfg(feature = "lab")]
            Self::Lab(_) => "lab",
            Self::Completions(_) => "completions",
            Self::Man(_) => "man",
        }
    }
}

fn is_url(text: &str) -> bool {
    text.contains("://")
}
