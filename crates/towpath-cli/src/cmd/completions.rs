//! `towpath completions`: made from the flags.

use std::io::{self, Write as _};

use crate::{
    args::{Completions, command},
    exit::Failure,
};

pub(super) fn run(args: &Completions) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command(), "towpath", &mut script);
    io::stdout().write_all(&script).map_err(Failure::output)
}
