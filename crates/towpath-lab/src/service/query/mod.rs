//! The query language of the registry, as far as the lab knows it: `SELECT` with `*`, fields and aggregates, `FROM`,
//! `WHERE`, `GROUP BY`. Takes in text, then documents; gives out rows. What it does not know is refused with the place.

mod lex;
mod parse;
#[cfg(test)]
mod tests;

use std::{cmp::Ordering, collections::BTreeMap, fmt};

use serde_json::{Map, Value as Json};

/// A query.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Query {
    select: Select,
    /// What it asks about, such as `devices`.
    pub(super) from: String,
    from_at: usize,
    filter: Option<Condition>,
    group: Vec<Vec<String>>,
}

/// What is wrong with a query, and where: the character, from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) at: usize,
    pub(super) why: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "query, character {}: {}", self.at, self.why)
    }
}

#[derive(Debug, Clone, PartialEq)]
enum Select {
    Everything,
    Columns(Vec<Column>),
}

#[derive(Debug, Clone, PartialEq)]
struct Column {
    what: Option<Aggregate>,
    path: Vec<String>,
    name: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Aggregate {
    Count,
    Sum,
    Avg,
    Min,
    Max,
}

impl Aggregate {
    fn named(name: &str) -> Option<Self> {
        Some(match name.to_ascii_lowercase().as_str() {
            "count" => Self::Count,
            "sum" => Self::Sum,
            "avg" => Self::Avg,
            "min" => Self::Min,
            "max" => Self::Max,
            _ => return None,
        })
    }
}

#[derive(Debug, Clone, PartialEq)]
enum Operand {
    Path(Vec<String>),
    Literal(Json),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Operator {
    fn written(sign: &str) -> Option<Self> {
        Some(match sign {
            "=" => Self::Equal,
            "!=" | "<>" => Self::NotEqual,
            "<" => Self::Less,
            "<=" => Self::LessOrEqual,
            ">" => Self::Greater,
            ">=" => Self::GreaterOrEqual,
            _ => return None,
        })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Test {
    Defined,
    Null,
    Bool,
    Number,
    String,
    Object,
    StartsWith,
    EndsWith,
    Contains,
}

impl Test {
    fn named(name: &str) -> Option<Self> {
        Some(match name.to_ascii_lowercase().as_str() {
            "is_defined" => Self::Defined,
            "is_null" => Self::Null,
            "is_bool" => Self::Bool,
            "is_number" => Self::Number,
            "is_string" => Self::String,
            "is_object" => Self::Object,
            "startswith" => Self::StartsWith,
            "endswith" => Self::EndsWith,
            "contains" => Self::Contains,
            _ => return None,
        })
    }

    const fn takes(self) -> usize {
        match self {
            Self::StartsWith | Self::EndsWith | Self::Contains => 2,
            _ => 1,
        }
    }
}

#[derive(Debug, Clone, PartialEq)]
enum Condition {
    Or(Vec<Self>),
    And(Vec<Self>),
    Not(Box<Self>),
    Compare(Operand, Operator, Operand),
    In(Operand, Vec<Json>),
    Test(Test, Operand, Option<Operand>),
    True(Operand),
}

impl Query {
    /// Reads a query on one of `sources`.
    ///
    /// # Errors
    /// What is not known, and where.
    pub(super) fn parse(text: &str, sources: &[&str]) -> Result<Self, Problem> {
        let mut query = parse::parse(text)?;
        let mut known = sources.iter();
        let Some(source) = known.find(|source| query.from.eq_ignore_ascii_case(source)) else {
            return Err(Problem {
                at: query.from_at,
                why: format!(
                    "{:?} can't be asked here; {} can",
                    query.from,
                    sources.join(", ")
                ),
            });
        };
        query.from = (*source).to_owned();
        if query.everything() && !query.group.is_empty() {
            return Err(Problem {
                at: query.from_at,
                why: "GROUP BY needs columns instead of *".into(),
            });
        }
        Ok(query)
    }

    /// Whether it gives documents as they are.
    pub(super) fn everything(&self) -> bool {
        self.select == Select::Everything
    }

    /// Whether it has to see all documents before it has a row.
    pub(super) fn aggregates(&self) -> bool {
        let aggregate = |column: &Column| column.what.is_some();
        !self.group.is_empty()
            || matches!(&self.select, Select::Columns(columns) if columns.iter().any(aggregate))
    }

    /// Whether a document is one of those asked for.
    pub(super) fn wants(&self, document: &Json) -> bool {
        let filter = self.filter.as_ref();
        filter.is_none_or(|filter| filter.holds(document) == Some(true))
    }

    /// The row of a document that is wanted.
    pub(super) fn row(&self, document: Json) -> Json {
        match &self.select {
            Select::Everything => document,
            Select::Columns(columns) => {
                let value = |column: &Column| {
                    let value = at(&document, &column.path)?;
                    Some((column.name.clone(), value.clone()))
                };
                Json::Object(columns.iter().filter_map(value).collect())
            }
        }
    }
}

/// What a path leads to. The first name is compared without case.
fn at<'a>(document: &'a Json, path: &[String]) -> Option<&'a Json> {
    let (first, rest) = path.split_first()?;
    let root = document.as_object()?;
    let root = root.get(first).or_else(|| {
        let mut all = root.iter();
        all.find(|(key, _)| key.eq_ignore_ascii_case(first))
            .map(|(_, value)| value)
    })?;
    rest.iter().try_fold(root, |value, name| value.get(name))
}

impl Operand {
    fn value<'a>(&'a self, document: &'a Json) -> Option<&'a Json> {
        match self {
            Self::Path(path) => at(document, path),
            Self::Literal(value) => Some(value),
        }
    }
}

/// `decisive` if one of them is that, nothing if one of them is neither, else the other.
fn any(all: &[Condition], decisive: bool, document: &Json) -> Option<bool> {
    let mut answer = Some(!decisive);
    for one in all {
        match one.holds(document) {
            Some(holds) if holds == decisive => return Some(decisive),
            Some(_) => {}
            None => answer = None,
        }
    }
    answer
}

impl Condition {
    /// Three answers, as in SQL: what is not defined is neither true nor false.
    fn holds(&self, document: &Json) -> Option<bool> {
        match self {
            Self::Or(all) => any(all, true, document),
            Self::And(all) => any(all, false, document),
            Self::Not(one) => one.holds(document).map(|holds| !holds),
            Self::True(one) => one.value(document)?.as_bool(),
            Self::In(one, all) => {
                let value = one.value(document)?;
                Some(
                    all.iter()
                        .any(|other| compare(value, other) == Some(Ordering::Equal)),
                )
            }
            Self::Compare(left, operator, right) => {
                let order = compare(left.value(document)?, right.value(document)?)?;
                Some(match operator {
                    Operator::Equal => order == Ordering::Equal,
                    Operator::NotEqual => order != Ordering::Equal,
                    Operator::Less => order == Ordering::Less,
                    Operator::LessOrEqual => order != Ordering::Greater,
                    Operator::Greater => order == Ordering::Greater,
                    Operator::GreaterOrEqual => order != Ordering::Less,
                })
            }
            Self::Test(test, first, second) => {
                let value = first.value(document);
                let second = second.as_ref().and_then(|second| second.value(document));
                test.holds(value, second)
            }
        }
    }
}

impl Test {
    fn holds(self, value: Option<&Json>, second: Option<&Json>) -> Option<bool> {
        let texts = || Some((value?.as_str()?, second?.as_str()?));
        Some(match self {
            Self::Defined => value.is_some(),
            Self::Null => value?.is_null(),
            Self::Bool => value?.is_boolean(),
            Self::Number => value?.is_number(),
            Self::String => value?.is_string(),
            Self::Object => value?.is_object(),
            Self::StartsWith => texts().map(|(text, with)| text.starts_with(with))?,
            Self::EndsWith => texts().map(|(text, with)| text.ends_with(with))?,
            Self::Contains => texts().map(|(text, with)| text.contains(with))?,
        })
    }
}

/// The order of two values of one kind; values of two kinds have none.
fn compare(left: &Json, right: &Json) -> Option<Ordering> {
    match (left, right) {
        (Json::Number(left), Json::Number(right)) => left.as_f64()?.partial_cmp(&right.as_f64()?),
        (Json::String(left), Json::String(right)) => Some(left.cmp(right)),
        (Json::Bool(left), Json::Bool(right)) => Some(left.cmp(right)),
        (Json::Null, Json::Null) => Some(Ordering::Equal),
        _ => None,
    }
}

/// The groups of a query with aggregates.
#[derive(Debug, Default)]
pub(super) struct Groups(BTreeMap<String, Group>);

#[derive(Debug, Default)]
struct Group {
    first: Json,
    columns: Vec<Sum>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Sum {
    rows: u64,
    numbers: u64,
    sum: f64,
    min: Option<f64>,
    max: Option<f64>,
}

impl Groups {
    /// Adds a document that is wanted.
    pub(super) fn add(&mut self, query: &Query, document: Json) {
        let Select::Columns(columns) = &query.select else {
            return;
        };
        let key = query.group.iter().map(|path| at(&document, path));
        let key = key.map(|value| value.map(Json::to_string).unwrap_or_default());
        let key = key.collect::<Vec<_>>().join("\u{1f}");
        let group = self.0.entry(key).or_default();
        group.columns.resize(columns.len(), Sum::default());
        for (sum, column) in group.columns.iter_mut().zip(columns) {
            sum.rows += 1;
            if let Some(number) = at(&document, &column.path).and_then(Json::as_f64) {
                sum.numbers += 1;
                sum.sum += number;
                sum.min = Some(sum.min.map_or(number, |min| min.min(number)));
                sum.max = Some(sum.max.map_or(number, |max| max.max(number)));
            }
        }
        if group.first.is_null() {
            group.first = document;
        }
    }

    /// One row for each group; one even for nothing, if nothing was to be grouped.
    pub(super) fn rows(mut self, query: &Query) -> Vec<Json> {
        let Select::Columns(columns) = &query.select else {
            return Vec::new();
        };
        if query.group.is_empty() && self.0.is_empty() {
            let group = self.0.entry(String::new()).or_default();
            group.columns.resize(columns.len(), Sum::default());
        }
        let row = |group: Group| {
            let mut row = Map::new();
            for (sum, column) in group.columns.iter().zip(columns) {
                let value = match column.what {
                    None => at(&group.first, &column.path).cloned(),
                    Some(aggregate) => sum.value(aggregate),
                };
                if let Some(value) = value {
                    row.insert(column.name.clone(), value);
                }
            }
            Json::Object(row)
        };
        self.0.into_values().map(row).collect()
    }
}

impl Sum {
    fn value(&self, aggregate: Aggregate) -> Option<Json> {
        let some = self.numbers > 0;
        match aggregate {
            Aggregate::Count => Some(self.rows.into()),
            Aggregate::Sum => some.then(|| whole(self.sum)),
            // The numbers of a hub's devices are far below 2^52.
            #[expect(clippy::cast_precision_loss)]
            Aggregate::Avg => some.then(|| whole(self.sum / self.numbers as f64)),
            Aggregate::Min => self.min.map(whole),
            Aggregate::Max => self.max.map(whole),
        }
    }
}

/// A number without a fraction is written without one.
fn whole(number: f64) -> Json {
    let text = format!("{number}");
    text.parse::<i64>()
        .map_or_else(|_| Json::from(number), Json::from)
}
