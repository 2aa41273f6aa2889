//! The commands that remedies give to paste are commands that this program takes.

use clap::Parser as _;
use towpath_doctor::{Finding, catalogue};

use super::Args;

/// The words of a line as a shell would have them, with something in the place of what the reader has to fill in.
fn words(line: &str) -> Vec<String> {
    let line = line
        .replace("\"$https_proxy\"", "http://proxy.example:3128")
        .replace("URL", "mqtts://broker.example");
    let mut words = vec![String::new()];
    let mut quote = None;
    for at in line.chars() {
        match quote {
            Some(open) if at == open => quote = None,
            None if at == '\'' || at == '"' => quote = Some(at),
            None if at == ' ' => words.push(String::new()),
            _ => words.last_mut().expect("a word").push(at),
        }
    }
    words
}

fn commands(finding: &'static Finding) -> impl Iterator<Item = &'static str> {
    let lines = finding
        .remedies
        .iter()
        .flat_map(|remedy| remedy.set.lines());
    lines.filter(|line| line.starts_with("towpath "))
}

#[test]
fn they_are_commands_of_this_program() {
    let (mut wrong, mut tried) = (Vec::new(), 0);
    for finding in catalogue::all() {
        for line in commands(finding) {
            tried += 1;
            if let Err(error) = Args::try_parse_from(words(line)) {
                let error = error.to_string();
                let why = error.lines().next().unwrap_or_default();
                wrong.push(format!("{}: {line}: {why}", finding.id));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(tried > 50, "{tried}");
}
