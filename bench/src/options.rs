//! The command line of a whole run.

use std::path::PathBuf;

pub const HELP: &str = "\
usage: bench/run.sh [options]

  --quick            small counts, one repeat: a smoke test of under a minute
  --repeat N         repeats of CPU and memory rows, the median is shown (3)
  --count-pub0 N     messages of cpu/pub0 (1000000)
  --count-pub1 N     messages of cpu/pub1 (200000)
  --count-sub N      messages of cpu/sub (200000)
  --count-tls N      messages of cpu/tls0 and cpu/wss0 (300000)
  --connects N       connects of connect/* whose CPU time is taken (300)
  --connections N    connections of idle (1000)
  --payload BYTES    payload of cpu/* and ir/* (64)
  --only A,B         only rows whose id starts with one of these
  --subjects A,B     only these subjects
  --json             JSON instead of the Markdown table
  --check FILE       compare with the limits in FILE (see targets.toml), fail when one is exceeded
  --list             ids of rows, names of subjects
  --help
";

#[derive(Clone, Debug)]
pub struct Options {
    pub repeat: usize,
    pub pub0: usize,
    pub pub1: usize,
    pub sub: usize,
    pub tls: usize,
    pub connects: usize,
    pub connections: usize,
    pub payload: usize,
    /// Message counts of the two callgrind runs whose difference is taken.
    pub instruction_counts: [usize; 2],
    pub only: Vec<String>,
    pub subjects: Vec<String>,
    pub json: bool,
    pub check: Option<PathBuf>,
}

pub enum Order {
    Run(Options),
    List,
    Help,
}

impl Options {
    fn full() -> Self {
        Self {
            repeat: 3,
            pub0: 1_000_000,
            pub1: 200_000,
            sub: 200_000,
            tls: 300_000,
            connects: 300,
            connections: 1000,
            payload: 64,
            instruction_counts: [2000, 12_000],
            only: Vec::new(),
            subjects: Vec::new(),
            json: false,
            check: None,
        }
    }

    fn quick() -> Self {
        Self {
            repeat: 1,
            pub0: 50_000,
            pub1: 20_000,
            sub: 20_000,
            tls: 50_000,
            connects: 50,
            connections: 200,
            instruction_counts: [1000, 3000],
            ..Self::full()
        }
    }

    pub fn parse(arguments: &[String]) -> Result<Order, String> {
        // `--quick` sets the ground on which the other options stand, wherever it is written.
        let quick = arguments.iter().any(|a| a == "--quick");
        let mut options = if quick { Self::quick() } else { Self::full() };
        let mut words = arguments.iter();
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or_else(|| format!("{word} needs a value"));
            match word.as_str() {
                "--quick" => {}
                "--repeat" => options.repeat = count(value()?)?,
                "--count-pub0" => options.pub0 = count(value()?)?,
                "--count-pub1" => options.pub1 = count(value()?)?,
                "--count-sub" => options.sub = count(value()?)?,
                "--count-tls" => options.tls = count(value()?)?,
                "--connects" => options.connects = count(value()?)?,
                "--connections" => options.connections = count(value()?)?,
                "--payload" => options.payload = count(value()?)?,
                "--only" => options.only = list(value()?),
                "--subjects" => options.subjects = list(value()?),
                "--json" => options.json = true,
                "--check" => options.check = Some(PathBuf::from(value()?)),
                "--list" => return Ok(Order::List),
                "--help" | "-h" => return Ok(Order::Help),
                _ => return Err(format!("unknown option {word}\n\n{HELP}")),
            }
        }
        Ok(Order::Run(options))
    }

    pub fn wants_row(&self, id: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|start| id.starts_with(start.as_str()))
    }

    pub fn wants_subject(&self, name: &str) -> bool {
        self.subjects.is_empty() || self.subjects.iter().any(|s| s == name)
    }
}

fn count(text: &str) -> Result<usize, String> {
    let digits = text.replace('_', "");
    digits
        .parse()
        .ok()
        .filter(|n| *n > 0)
        .ok_or_else(|| format!("`{text}` is not a count"))
}

fn list(text: &str) -> Vec<String> {
    text.split(',').map(|part| part.trim().to_owned()).collect()
}
