//! `towpath explain`: what a code, a finding, a log or a capture means.

mod frames;

use std::{
    ffi::OsStr,
    fs::{self, File},
    io::{self, IsTerminal as _, Read, Write as _},
    path::Path,
};

use towpath_doctor::{
    Diagnosis, Finding, catalogue,
    diagnosis::Verdict,
    explain,
    report::{self, Style},
};

use crate::{
    args::Explain,
    exit::Failure,
    report::{made, wants_color},
    text::{Object, one_line},
};

pub(super) fn run(args: &Explain) -> Result<(), Failure> {
    if args.list {
        return print(&list(args.json));
    }
    if let Some(elf) = &args.elf {
        return frames::explain(elf, args);
    }
    match args.what.as_slice() {
        [only] if only == "-" => from("standard input", io::stdin().lock(), args),
        [only] if Path::new(only).is_dir() => Err(Failure::usage(format!(
            "{}: this is a directory; name a file in it",
            one_line(&only.to_string_lossy())
        ))),
        // A pipe or a device too: `explain <(adb logcat)`.
        [only] if Path::new(only).exists() => {
            let file = File::open(only).map_err(|error| Failure::Io {
                what: "cannot open the file",
                error,
            })?;
            from(&only.to_string_lossy(), file, args)
        }
        [only] if is_path(only) => Err(Failure::usage(format!(
            "{}: no such file",
            only.to_string_lossy()
        ))),
        words => {
            let words: Vec<_> = words.iter().map(|word| word.to_string_lossy()).collect();
            if args.report.is_none() && words.iter().all(|word| catalogue::find(word).is_some()) {
                return words.iter().try_for_each(|id| word(id, args));
            }
            word(words.join(" ").trim(), args)
        }
    }
}

/// Whether what is no file was meant as one.
fn is_path(text: &OsStr) -> bool {
    let text = text.to_string_lossy().to_ascii_lowercase();
    let ends = [".log", ".txt", ".pcap", ".pcapng", ".cap"];
    ends.iter().any(|end| text.ends_with(end)) || text.starts_with("./") || text.starts_with("../")
}

/// A code, a text or the id of a finding.
fn word(text: &str, args: &Explain) -> Result<(), Failure> {
    if let Some(finding) = catalogue::find(text).filter(|_| args.report.is_none()) {
        let page = if args.json {
            format!("{}\n", report::finding_json(finding))
        } else {
            report::finding_text(finding, style(args))
        };
        return print(&page);
    }
    match explain::code(text) {
        Some(diagnosis) => show(&diagnosis, args),
        None => Err(Failure::Unexplained(unknown(text))),
    }
}

/// What was tried, and what is near.
fn unknown(text: &str) -> String {
    let near = explain::nearest(text);
    let mut answer = format!(
        "\"{}\" is not known here: no code or name of Mbed TLS, esp-tls, errno, getaddrinfo, OpenThread, TLS alerts, \
         HTTP, WebSocket, MQTT, IoT Hub, DPS or towpath, no error text of the catalogue, and no file",
        one_line(&report::redact(text))
    );
    if !near.is_empty() {
        answer.push_str(&format!(". Nearest: {}", near.join(", ")));
    }
    answer
}

/// A log or a capture, told apart by their first bytes.
fn from(name: &str, mut input: impl Read, args: &Explain) -> Result<(), Failure> {
    let failed = |error| Failure::Io {
        what: "cannot read what is to be explained",
        error,
    };
    let mut start = Vec::new();
    let taken = input.by_ref().take(START).read_to_end(&mut start);
    taken.map_err(failed)?;
    let is_capture = explain::is_capture(&start);
    let whole = start.chain(input);
    let diagnosis = if is_capture {
        explain::capture(name, whole)
    } else {
        explain::log(name, whole)
    };
    let diagnosis = diagnosis.map_err(failed)?;
    show(&diagnosis, args)?;
    if diagnosis.verdict == Verdict::Unknown {
        return Err(Failure::Unexplained(format!(
            "nothing in {} is known here; what was seen is above. More helps: the device's log from its start, with \
             debug lines of TLS and MQTT",
            one_line(name)
        )));
    }
    Ok(())
}

/// Enough of a file to tell what it is.
const START: u64 = 64;

fn show(diagnosis: &Diagnosis, args: &Explain) -> Result<(), Failure> {
    if let Some(path) = &args.report {
        fs::write(path, report::html(diagnosis, &made())).map_err(|error| Failure::Io {
            what: "cannot write the report",
            error,
        })?;
    }
    if args.json {
        print(&format!("{}\n", report::json(diagnosis)))
    } else {
        print(&report::text(diagnosis, style(args)))
    }
}

fn style(args: &Explain) -> Style {
    Style {
        color: wants_color(io::stdout().is_terminal()),
        verbose: args.verbose,
    }
}

/// Every finding, family by family.
fn list(json: bool) -> String {
    let mut out = String::new();
    for (family, findings) in catalogue::FAMILIES {
        if !json {
            out.push_str(&format!("{family}\n"));
        }
        for finding in *findings {
            if json {
                out.push_str(&listed(finding));
                out.push('\n');
            } else {
                out.push_str(&format!("  {:<12} {}\n", finding.id, finding.cause));
            }
        }
    }
    out
}

fn listed(finding: &Finding) -> String {
    Object::new()
        .text("id", finding.id)
        .text("phase", finding.rung.name())
        .text("side", finding.side.name())
        .text("cause", finding.cause)
        .text("fix", finding.fix)
        .end()
}

fn print(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .map_err(Failure::output)
}
