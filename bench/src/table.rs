//! The results, and how they are printed.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde_json::{Value, json};

use crate::plan::Row;
use crate::subjects::Subject;

#[derive(Clone, Copy)]
pub struct CpuCost {
    /// Seconds of user and system time per million messages.
    pub total: f64,
    pub user: f64,
    /// Messages per second of wall time; the broker decides it, so it is shown, never judged.
    pub rate: f64,
}

/// What one connect came to.
#[derive(Clone, Copy)]
pub struct ConnectCost {
    pub round_trips: f64,
    pub sent: f64,
    pub received: f64,
    pub cpu_ms: f64,
}

pub enum Cell {
    Cpu(Vec<CpuCost>),
    Connect(Vec<ConnectCost>),
    /// `count` of what was measured; `fewer` when the row asks for more than the subject can hold.
    Number {
        runs: Vec<f64>,
        count: usize,
        fewer: bool,
    },
    Failed(String),
}

impl Cell {
    /// The number that is compared: a median over the repeats.
    pub fn value(&self) -> Option<f64> {
        match self {
            Cell::Cpu(runs) => Some(median(runs, |c| c.total)),
            Cell::Connect(runs) => Some(median(runs, |c| c.round_trips)),
            Cell::Number { runs, .. } => Some(median(runs, |n| *n)),
            Cell::Failed(_) => None,
        }
    }

    fn text(&self) -> String {
        match self {
            Cell::Cpu(runs) => {
                let [total, user, rate] = [
                    median(runs, |c| c.total),
                    median(runs, |c| c.user),
                    median(runs, |c| c.rate) / 1000.0,
                ];
                format!("{total:.2} ({user:.2}), {rate:.0} k/s")
            }
            Cell::Connect(runs) => format!(
                "{}, {} + {}, {:.2} ms",
                median(runs, |c| c.round_trips),
                median(runs, |c| c.sent),
                median(runs, |c| c.received),
                median(runs, |c| c.cpu_ms)
            ),
            Cell::Number { runs, count, fewer } => {
                let only = if *fewer {
                    format!(" ({count} only)")
                } else {
                    String::new()
                };
                short(median(runs, |n| *n)) + &only
            }
            Cell::Failed(_) => "FAILED".into(),
        }
    }

    fn json(&self) -> Value {
        match self {
            Cell::Cpu(runs) => json!({
                "value": self.value(),
                "user": median(runs, |c| c.user),
                "messages_per_second": median(runs, |c| c.rate),
                "runs": runs.iter().map(|c| c.total).collect::<Vec<_>>(),
            }),
            Cell::Connect(runs) => json!({
                "value": self.value(),
                "bytes_sent": median(runs, |c| c.sent),
                "bytes_received": median(runs, |c| c.received),
                "cpu_ms": median(runs, |c| c.cpu_ms),
            }),
            Cell::Number { runs, count, .. } => {
                json!({ "value": self.value(), "count": count, "runs": runs })
            }
            Cell::Failed(reason) => json!({ "failed": reason }),
        }
    }

    /// Another repeat of the same measurement. A failure stays.
    fn join(&mut self, other: Cell) {
        match (self, other) {
            (Cell::Cpu(runs), Cell::Cpu(more)) => runs.extend(more),
            (Cell::Connect(runs), Cell::Connect(more)) => runs.extend(more),
            (Cell::Number { runs, .. }, Cell::Number { runs: more, .. }) => runs.extend(more),
            (Cell::Failed(_), _) => {}
            (cell, other) => *cell = other,
        }
    }
}

fn median<T>(runs: &[T], value: impl Fn(&T) -> f64) -> f64 {
    let mut values: Vec<f64> = runs.iter().map(value).collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => f64::NAN,
        n if n % 2 == 0 => f64::midpoint(values[middle - 1], values[middle]),
        _ => values[middle],
    }
}

fn short(value: f64) -> String {
    if value.abs() < 20.0 {
        format!("{value:.2}")
    } else {
        format!("{value:.0}")
    }
}

pub struct Table {
    pub rows: Vec<Row>,
    pub subjects: Vec<&'static Subject>,
    /// What the subjects agreed on with the broker.
    pub suites: Vec<String>,
    cells: BTreeMap<(usize, usize), Cell>,
}

impl Table {
    pub fn new(rows: Vec<Row>, subjects: Vec<&'static Subject>) -> Self {
        Self {
            rows,
            subjects,
            suites: Vec::new(),
            cells: BTreeMap::new(),
        }
    }

    pub fn pairs(&self, keep: impl Fn(&Row, &Subject) -> bool) -> Vec<(usize, usize)> {
        let rows = self.rows.iter().enumerate();
        rows.flat_map(|(r, row)| {
            let kept = self
                .subjects
                .iter()
                .enumerate()
                .filter(|(_, s)| keep(row, s));
            kept.map(|(s, _)| (r, s)).collect::<Vec<_>>()
        })
        .collect()
    }

    pub fn put(&mut self, row: usize, subject: usize, cell: Cell) {
        match self.cells.get_mut(&(row, subject)) {
            Some(known) => known.join(cell),
            None => {
                self.cells.insert((row, subject), cell);
            }
        }
    }

    pub fn find(&self, row_id: &str, subject: &str) -> Option<&Cell> {
        let row = self.rows.iter().position(|r| r.id == row_id)?;
        let subject = self.subjects.iter().position(|s| s.name == subject)?;
        self.cells.get(&(row, subject))
    }

    pub fn failures(&self) -> Vec<String> {
        let failed = self
            .cells
            .iter()
            .filter_map(|((row, subject), cell)| match cell {
                Cell::Failed(reason) => Some(format!(
                    "{} {}: {reason}",
                    self.rows[*row].id, self.subjects[*subject].name
                )),
                _ => None,
            });
        failed.collect()
    }

    pub fn markdown(&self) -> String {
        let used: Vec<usize> = (0..self.subjects.len())
            .filter(|s| self.cells.keys().any(|(_, subject)| subject == s))
            .collect();
        let mut text = String::from("| id | what | unit |");
        for &s in &used {
            let _ = write!(text, " {} |", self.subjects[s].name);
        }
        let _ = write!(text, "\n|-|-|-|{}\n", "-|".repeat(used.len()));
        for (r, row) in self.rows.iter().enumerate() {
            let _ = write!(text, "| {} | {} | {} |", row.id, row.label, row.unit);
            for &s in &used {
                let cell = self.cells.get(&(r, s)).map(Cell::text);
                let _ = write!(text, " {} |", cell.unwrap_or_default());
            }
            text.push('\n');
        }
        text
    }

    pub fn json(&self) -> Value {
        let rows = self.rows.iter().enumerate().map(|(r, row)| {
            let subjects = self.subjects.iter().enumerate().filter_map(|(s, subject)| {
                self.cells
                    .get(&(r, s))
                    .map(|cell| (subject.name.to_owned(), cell.json()))
            });
            json!({
                "id": row.id,
                "what": row.label,
                "unit": row.unit,
                "subjects": subjects.collect::<serde_json::Map<_, _>>(),
            })
        });
        Value::Array(rows.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_an_even_count_lies_between() {
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0], |n| *n), 2.5);
        assert_eq!(median(&[9.0, 1.0, 2.0], |n| *n), 2.0);
    }
}
