//! Frames of defmt: the firmware's ELF file and the bytes of a device come in, the ladder goes out as it is climbed, and
//! the answer at the end.

use std::{
    fs::{self, File},
    io::{self, Read, Write as _},
    path::Path,
};

use towpath_doctor::{
    diagnosis::Verdict,
    explain::{self, Climb, Firmware, Frame, Frames},
    report,
};

use super::{print, show};
use crate::{args::Explain, exit::Failure, text::one_line};

pub(super) fn explain(elf: &Path, args: &Explain) -> Result<(), Failure> {
    let failed = |what| move |error| Failure::Io { what, error };
    let name = one_line(&elf.to_string_lossy());
    let bytes = fs::read(elf).map_err(failed("cannot read the ELF file"))?;
    let firmware =
        Firmware::read(&bytes).map_err(|why| Failure::usage(format!("--elf {name}: {why}")))?;
    drop(bytes);
    match args.what.as_slice() {
        [only] if only == "-" => of("standard input", &firmware, io::stdin().lock(), args),
        [only] => {
            let file = File::open(only).map_err(failed("cannot open the file"))?;
            of(&only.to_string_lossy(), &firmware, file, args)
        }
        _ => Err(Failure::usage(
            "with --elf there is one file to read, or standard input".to_owned(),
        )),
    }
}

fn of(name: &str, firmware: &Firmware, input: impl Read, args: &Explain) -> Result<(), Failure> {
    let mut log = Log {
        frames: Frames::new(firmware, input),
        climb: Climb::default(),
        line: io::Cursor::default(),
        quiet: args.json,
        read: 0,
        failure: None,
    };
    let diagnosis = explain::log(name, &mut log).map_err(|error| Failure::Io {
        what: "cannot read what is to be explained",
        error,
    })?;
    if let Some(error) = log.failure {
        return Err(Failure::output(error));
    }
    if log.read == 0 {
        return Err(Failure::Unexplained(format!(
            "nothing in {} is a frame of this firmware: the ELF file has to be that of the program which runs, and the \
             bytes those that it sends, as they come",
            one_line(name)
        )));
    }
    if !args.json {
        print("\n")?;
    }
    show(&diagnosis, args)?;
    match diagnosis.verdict {
        Verdict::Unknown => Err(Failure::Unexplained(
            "the frames name no fault and show no connection; what was seen is above. The levels have to be on when the \
             firmware is built: DEFMT_LOG=info"
                .to_owned(),
        )),
        _ => Ok(()),
    }
}

/// The log of a device: frames go in, its text is read out of it. What it shows of the ladder is printed meanwhile.
struct Log<'a, R> {
    frames: Frames<'a, R>,
    climb: Climb,
    /// What is left of the current line.
    line: io::Cursor<Vec<u8>>,
    quiet: bool,
    /// How many frames could be read.
    read: u64,
    /// Why printing ended.
    failure: Option<io::Error>,
}

impl<R: Read> Log<'_, R> {
    /// Takes the next frame; false at the end.
    fn step(&mut self) -> io::Result<bool> {
        let line = match self.frames.frame()? {
            None => return Ok(false),
            Some(Frame::Line(line)) => {
                self.read += 1;
                line
            }
            Some(Frame::Damaged(len)) => format!("(damaged frame of defmt, {len} bytes)"),
        };
        let shown = self.climb.line(&line).filter(|_| !self.quiet);
        if let Some(shown) = shown {
            let mut out = io::stdout().lock();
            let done = writeln!(out, "{}", printable(&shown)).and_then(|()| out.flush());
            if let Err(error) = done {
                self.failure = Some(error);
                return Ok(false);
            }
        }
        self.line = io::Cursor::new(format!("{line}\n").into_bytes());
        Ok(true)
    }
}

impl<R: Read> Read for Log<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let len = self.line.read(buffer)?;
            if len > 0 || buffer.is_empty() || !self.step()? {
                return Ok(len);
            }
        }
    }
}

/// Without what would move the terminal's cursor, and without secrets.
fn printable(lines: &str) -> String {
    let lines = lines.split('\n').map(|line| {
        let line = report::redact(line);
        line.chars()
            .map(|c| if c.is_control() { ' ' } else { c })
            .collect::<String>()
    });
    lines.collect::<Vec<_>>().join("\n")
}
