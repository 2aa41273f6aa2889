//! `towpath resolve`: the addresses of a server, where they came from, and their order.

use std::io::{self, Write as _};

use towpath::{
    Code, Endpoint, Fault, Rung,
    config::Config,
    net::{self, Candidate, NetOptions, Resolution, Rule},
    proto::{Fact, net::select::is_usable},
};

use crate::{
    args::Resolve,
    exit::{Failure, fault_members},
    ladder::{
        millis,
        net::{Net, Outcome, Question, addresses_members, candidate_members, code_members},
    },
    report::Report,
    setup,
    text::{Object, array, one_line, quoted},
};

pub(super) fn run(args: &Resolve) -> Result<(), Failure> {
    let (host, port, options) = prepare(args)?;
    let report = Report::new(args.json, false);
    let mut seen = Net::default();
    let found = net::resolve(&host, port, &options, &mut |trace| {
        if let Fact::Net(fact) = trace.fact {
            let line = seen.fact(
                trace.at.since(towpath::proto::Instant::ZERO),
                trace.rung,
                &fact,
            );
            if args.trace {
                report.rung(&line);
            }
        }
    });
    let answer = Answer {
        host: &host,
        port,
        seen: &seen,
        found: &found,
    };
    let fault = answer.fault();
    let text = if args.json {
        answer.json(fault.as_ref()) + "\n"
    } else {
        answer.text()
    };
    io::stdout()
        .write_all(text.as_bytes())
        .map_err(Failure::output)?;
    fault.map_or(Ok(()), |fault| Err(Failure::Fault(fault)))
}

/// Host and port to look for, and how.
fn prepare(args: &Resolve) -> Result<(String, u16, NetOptions), Failure> {
    let mut config = match &args.config {
        Some(path) => Config::from_file(path)?,
        None => Config::default(),
    };
    setup::network(&mut config.network, &args.network)?;
    let options = config
        .network
        .over(NetOptions::default())?
        .patience(args.timeout.unwrap_or_else(|| config.patience()));
    let (host, port) = match &args.name {
        Some(name) if !name.contains("://") => (bare(name).to_owned(), MQTT_PORT),
        Some(url) => {
            let endpoint = Endpoint::parse(url)?;
            (endpoint.host, endpoint.port)
        }
        None => {
            let endpoint = config.endpoint()?;
            (endpoint.host, endpoint.port)
        }
    };
    Ok((host, args.port.unwrap_or(port), options))
}

const MQTT_PORT: u16 = 1883;

/// An IPv6 address may come as a URL has it.
fn bare(name: &str) -> &str {
    name.strip_prefix('[')
        .and_then(|name| name.strip_suffix(']'))
        .unwrap_or(name)
}

/// What is to be shown.
struct Answer<'a> {
    host: &'a str,
    port: u16,
    seen: &'a Net,
    found: &'a Result<Resolution, Fault>,
}

impl Answer<'_> {
    fn candidates(&self) -> &[(Candidate, Rule)] {
        self.found
            .as_ref()
            .map_or(&[], |found| found.candidates.as_slice())
    }

    /// Why no address can be used, if none can.
    fn fault(&self) -> Option<Fault> {
        match self.found {
            Err(fault) => Some(*fault),
            Ok(found)
                if found
                    .candidates
                    .iter()
                    .any(|(candidate, _)| is_usable(candidate)) =>
            {
                None
            }
            Ok(_) => {
                Some(Fault::new(Rung::Address, Code::NoSourceAddress).detail(self.host.as_bytes()))
            }
        }
    }

    /// For people: a line for each address, then one for each question.
    fn text(&self) -> String {
        let mut rows: Vec<[String; 5]> = Vec::new();
        for (place, (candidate, rule)) in self.candidates().iter().enumerate() {
            let why = if place == 0 {
                "first".into()
            } else {
                rule.to_string()
            };
            rows.push([
                (place + 1).to_string(),
                candidate.address.to_string(),
                origin(candidate),
                candidate
                    .source
                    .map_or_else(|| "no source".into(), |source| format!("from {source}")),
                why,
            ]);
        }
        for (address, code) in &self.seen.dropped {
            let why = format!("not tried: {}", code.cause());
            rows.push([
                "-".into(),
                address.to_string(),
                why,
                String::new(),
                String::new(),
            ]);
        }
        let mut text = format!("{}\n", self.title());
        text.push_str(&table(&rows));
        for question in &self.seen.questions {
            text.push_str(&format!("  {}\n", asked(question)));
        }
        text
    }

    fn title(&self) -> String {
        let host = one_line(self.host);
        let port = self.port;
        let place = if host.contains(':') {
            format!("[{host}]:{port}")
        } else {
            format!("{host}:{port}")
        };
        match self.found {
            Ok(found) if found.name != self.host && !found.name.is_empty() => {
                format!("{place} is {}", one_line(&found.name))
            }
            _ => place,
        }
    }

    /// For programs: one object.
    fn json(&self, fault: Option<&Fault>) -> String {
        let name = match self.found {
            Ok(found) => &found.name,
            Err(_) => self.host,
        };
        let candidates = self.candidates().iter().map(|(candidate, rule)| {
            candidate_members(Object::new(), candidate)
                .raw("usable", is_usable(candidate))
                .text("rule", rule.text())
                .end()
        });
        let dropped = self.seen.dropped.iter().map(|(address, code)| {
            let object = Object::new().text("address", &address.to_string());
            code_members(object, *code).end()
        });
        let prefixes = self.seen.prefixes.iter().map(|(prefix, origin)| {
            Object::new()
                .text("prefix", &prefix.to_string())
                .text("origin", &origin.to_string())
                .end()
        });
        let questions = self.seen.questions.iter();
        let questions = questions.map(|question| question_json(question, name));
        let servers = self.found.as_ref().map_or(&[][..], |found| &found.servers);
        let object = Object::new()
            .text("host", self.host)
            .text("name", name)
            .raw("port", self.port)
            .raw("candidates", array(candidates))
            .raw("dropped", array(dropped))
            .raw("prefixes", array(prefixes))
            .raw(
                "servers",
                array(servers.iter().map(|server| quoted(&server.to_string()))),
            )
            .raw("questions", array(questions));
        match fault {
            Some(fault) => object.raw("fault", fault_members(Object::new(), fault).end()),
            None => object.raw("fault", "null"),
        }
        .end()
    }
}

/// `nat64 64:ff9b::/96 (config) to 192.0.2.1`.
fn origin(candidate: &Candidate) -> String {
    match candidate.embedded() {
        Some(v4) => format!("{} to {v4}", candidate.origin),
        None => candidate.origin.to_string(),
    }
}

/// `AAAA: 1 address, good for 60 s (192.0.2.53, 3.20 ms)`.
fn asked(question: &Question) -> String {
    let who = question.servers();
    let took = question
        .outcome
        .map_or_else(String::new, |(_, took)| format!(", {}", millis(took)));
    format!("{} ({}{took})", question.words(), who.join(", "))
}

/// `name` is what the host is called in DNS.
fn question_json(question: &Question, name: &str) -> String {
    let asked = question.asked.iter().map(|(server, over)| {
        Object::new()
            .text("server", &server.to_string())
            .text("over", &over.to_string())
            .end()
    });
    let object = Object::new()
        .text("name", question.special_name().unwrap_or(name))
        .text("record", &question.record.to_string())
        .raw("asked", array(asked));
    match question.outcome {
        None => object.raw("ms", "null"),
        Some((outcome, took)) => {
            let object = object.raw("ms", format_args!("{:.3}", took.as_secs_f64() * 1e3));
            match outcome {
                Outcome::Addresses(addresses, ttl) => addresses_members(object, addresses, ttl),
                Outcome::Nothing(code) => code_members(object, code),
            }
        }
    }
    .end()
}

/// Rows under each other, each column as wide as its widest.
fn table(rows: &[[String; 5]]) -> String {
    // What stands alone at the end of its row may be as long as it likes.
    let is_last = |row: &[String; 5], at: usize| row.iter().skip(at + 1).all(String::is_empty);
    let widths: Vec<usize> = (0..5)
        .map(|at| {
            let cells = rows.iter().filter(|row| !is_last(row, at));
            cells
                .filter_map(|row| row.get(at))
                .map(String::len)
                .max()
                .unwrap_or(0)
        })
        .collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::from(" ");
        for (cell, width) in row.iter().zip(&widths) {
            line.push_str(&format!(" {cell:<width$} "));
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}
