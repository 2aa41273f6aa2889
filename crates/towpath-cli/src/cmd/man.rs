//! `towpath man`: made from the flags.

use std::io::{self, Write as _};

use crate::{
    args::{Man, command},
    exit::Failure,
};

pub(super) fn run(args: &Man) -> Result<(), Failure> {
    if let Some(folder) = &args.out {
        return clap_mangen::generate_to(command(), folder).map_err(|error| {
            Failure::usage(format!("cannot write to {}: {error}", folder.display()))
        });
    }
    let mut page = Vec::new();
    clap_mangen::Man::new(command())
        .render(&mut page)
        .and_then(|()| io::stdout().write_all(&page))
        .map_err(Failure::output)
}
