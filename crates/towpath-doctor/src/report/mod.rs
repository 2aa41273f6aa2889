//! A diagnosis for people on a terminal, for programs, and for support tickets. Whatever a peer, a log or a config said
//! goes through [`redact()`] first: no secret and no control character comes out.

mod html;
mod json;
mod page;
mod redact;
mod text;

pub use self::{
    html::html,
    json::{finding_json, json},
    page::finding_text,
    redact::redact,
    text::{line, text},
};

/// How the text is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Style {
    /// With colour.
    pub color: bool,
    /// With everything that was seen, also where nothing broke.
    pub verbose: bool,
}

/// Columns of the text, but for settings to paste and the line of the verdict.
const WIDTH: usize = 80;

/// What a terminal is told to show text as.
#[derive(Debug, Clone, Copy)]
enum Tone {
    Good,
    Bad,
    Warn,
    Dim,
    Bold,
}

impl Style {
    fn tone(self, tone: Tone, text: &str) -> String {
        if !self.color || text.is_empty() {
            return text.to_owned();
        }
        let on = match tone {
            Tone::Good => "\x1b[32m",
            Tone::Bad => "\x1b[1;31m",
            Tone::Warn => "\x1b[33m",
            Tone::Dim => "\x1b[2m",
            Tone::Bold => "\x1b[1m",
        };
        format!("{on}{text}\x1b[0m")
    }
}

/// Prose in lines of at most [`WIDTH`] columns, `first` before the first and as many blanks before the others.
fn wrap(out: &mut String, first: &str, prose: &str) {
    if prose.is_empty() {
        out.push_str(first.trim_end());
        out.push('\n');
        return;
    }
    let blanks = " ".repeat(first.chars().count());
    let options = textwrap::Options::new(WIDTH)
        .initial_indent(first)
        .subsequent_indent(&blanks)
        // Dates, ids and host names stay whole, so that they can be searched for and copied.
        .word_separator(textwrap::WordSeparator::AsciiSpace)
        .word_splitter(textwrap::WordSplitter::NoHyphenation)
        .break_words(false);
    for line in textwrap::wrap(prose, options) {
        out.push_str(line.trim_end());
        out.push('\n');
    }
}

/// Settings to paste, each line as it is.
fn paste(out: &mut String, indent: usize, settings: &str) {
    for line in settings.lines() {
        let line = format!("{:indent$}{line}", "");
        out.push_str(line.trim_end());
        out.push('\n');
    }
}

/// Milliseconds, with as many digits as matter.
fn millis(took: std::time::Duration) -> String {
    let millis = took.as_secs_f64() * 1e3;
    if millis < 10.0 {
        format!("{millis:.2} ms")
    } else if millis < 1000.0 {
        format!("{millis:.1} ms")
    } else {
        format!("{millis:.0} ms")
    }
}
