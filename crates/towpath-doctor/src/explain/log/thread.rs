//! Transcripts of OpenThread's CLI: a command, the lines of its answer, and `Done` or `Error`. In go lines; out come
//! [`Says`] once an answer is whole. Thread's network data is described in Thread 1.3 section 5.18 and by the CLI's own
//! help.

use super::fact::{
    Says::{self, Is, Names, Step as Made},
    Step,
    Trait::{NamesWork, Thread},
    Weight::{Named, Root},
};

/// What is known of the answer that is being read.
#[derive(Debug, Default)]
pub(super) struct Transcript {
    command: String,
    /// Asked by way of the border router's own shell.
    by_ctl: bool,
    lines: u32,
    has_default_route: bool,
    has_nat64_route: bool,
    has_translator: bool,
    mappings: u32,
    /// From earlier answers.
    seen: Seen,
}

#[derive(Debug, Default)]
struct Seen {
    netdata: bool,
    default_route: bool,
    nat64_route: bool,
    active: bool,
    no_mappings: bool,
    other_prefix: bool,
}

impl Transcript {
    /// Takes a line in lower case.
    pub(super) fn line(&mut self, line: &str, mut each: impl FnMut(Says)) {
        let line = line.trim();
        let ctl = line.find("ot-ctl ").map(|at| at + "ot-ctl ".len());
        let command = match ctl {
            Some(at) => line.get(at..),
            None => line
                .strip_prefix("> ")
                .or_else(|| line.strip_prefix("uart:~$ ot ")),
        };
        if let Some(command) = command {
            *self = Self {
                command: command.trim_matches(['\'', '"']).to_owned(),
                by_ctl: ctl.is_some(),
                seen: std::mem::take(&mut self.seen),
                ..Self::default()
            };
            each(Is(Thread));
            return;
        }
        if self.command.is_empty() {
            return;
        }
        self.lines = self.lines.saturating_add(1);
        if line == "done" {
            self.done(&mut each);
            self.command.clear();
        } else if line.starts_with("error ") || line.contains(" error 28: ") {
            self.failed(line, &mut each);
            self.command.clear();
        } else {
            self.detail(line);
        }
        // What is no answer of the CLI does not end.
        if self.lines > LONGEST {
            self.command.clear();
        }
    }

    fn detail(&mut self, line: &str) {
        let words: Vec<&str> = line.split_whitespace().collect();
        if let [prefix, flags, ..] = words.as_slice()
            && prefix.contains("::")
            && prefix.contains('/')
        {
            self.has_default_route |=
                flags.contains('r') && flags.contains('o') || prefix.starts_with("::/0");
            self.has_nat64_route |= flags.contains('n') && prefix.ends_with("/96");
            self.seen.other_prefix |= flags.contains('n') && !prefix.starts_with("64:ff9b:");
        }
        self.has_translator |= line.starts_with("translator");
        self.seen.active |= line == "translator: active" || line == "prefixmanager: active";
        if self.command.starts_with("nat64 mappings") && line.contains("->") {
            self.mappings = self.mappings.saturating_add(1);
        }
        if self.command.starts_with("nat64 mappings") && line.contains('|') && line.contains("::") {
            self.mappings = self.mappings.saturating_add(1);
        }
    }

    fn done(&mut self, each: &mut impl FnMut(Says)) {
        let command = self.command.as_str();
        if command.starts_with("netdata show") {
            self.seen.netdata = true;
            self.seen.default_route = self.has_default_route;
            self.seen.nat64_route = self.has_nat64_route;
        } else if command == "nat64 state" && !self.has_translator {
            each(Names("TP-NAT64-007", Root));
        } else if command.starts_with("nat64 mappings") {
            self.seen.no_mappings = self.mappings == 0;
        } else if command.starts_with("dns resolve") {
            each(Made(Step::DnsDone));
            each(Is(NamesWork));
        }
    }

    fn failed(&mut self, line: &str, each: &mut impl FnMut(Says)) {
        let seen = &self.seen;
        let asks = self.command.starts_with("dns ") || self.command.starts_with("ping");
        if !asks {
            return;
        }
        let timeout = line.contains("responsetimeout") || line.contains("error 28");
        let state = line.contains("invalidstate") || line.contains("error 13");
        let wrong_prefix = self.command.contains("64:ff9b:")
            && (seen.other_prefix || seen.no_mappings && seen.active);
        let id = if self.by_ctl && self.command.starts_with("dns ") {
            ("TP-NAT64-008", Root)
        } else if wrong_prefix {
            ("TP-NAT64-006", Root)
        } else if timeout && seen.netdata && !seen.default_route {
            ("TP-ADDR-003", Root)
        } else if state {
            (
                "TP-NAT64-001",
                if seen.netdata && !seen.nat64_route {
                    Root
                } else {
                    Named
                },
            )
        } else if timeout && self.command.starts_with("dns ") {
            ("TP-DNS-002", Named)
        } else if timeout {
            ("TP-NAT64-004", Named)
        } else {
            return;
        };
        each(Names(id.0, id.1));
    }
}

/// Longer than any answer of the CLI.
const LONGEST: u32 = 400;
