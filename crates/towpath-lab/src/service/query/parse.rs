//! From words to a query.

use serde_json::Value as Json;

use super::{
    Aggregate, Column, Condition, Operand, Operator, Problem, Query, Select, Test,
    lex::{Kind, Word, words},
};

/// How long a query may be, in bytes.
const LONG: usize = 32 << 10;

/// How deep parentheses may be nested.
const DEEP: usize = 32;

/// Words that can't be the name of a field without `[[ ]]`.
const KEYWORDS: [&str; 13] = [
    "select", "from", "where", "group", "by", "and", "or", "not", "in", "nin", "as", "order", "top",
];

struct Parser {
    words: Vec<Word>,
    next: usize,
    depth: usize,
}

/// Reads a query.
pub(super) fn parse(text: &str) -> Result<Query, Problem> {
    if text.len() > LONG {
        return Err(Problem {
            at: LONG,
            why: format!("a query has at most {LONG} bytes"),
        });
    }
    let mut parser = Parser {
        words: words(text)?,
        next: 0,
        depth: 0,
    };
    parser.query()
}

impl Parser {
    fn kind(&self) -> &Kind {
        self.words
            .get(self.next)
            .map_or(&Kind::End, |word| &word.kind)
    }

    fn problem(&self, why: impl Into<String>) -> Problem {
        let at = self.words.get(self.next).or_else(|| self.words.last());
        Problem {
            at: at.map_or(1, |word| word.at),
            why: why.into(),
        }
    }

    fn expected<T>(&self, what: &str) -> Result<T, Problem> {
        let found = match self.kind() {
            Kind::End => "the end".to_owned(),
            Kind::Name(name) | Kind::Quoted(name) => format!("{name:?}"),
            Kind::Text(text) => format!("the text {text:?}"),
            Kind::Number(number) => format!("{number}"),
            Kind::Sign(sign) => format!("{sign:?}"),
        };
        Err(self.problem(format!("expected {what}, found {found}")))
    }

    fn keyword(&mut self, keyword: &str) -> bool {
        let found = matches!(self.kind(), Kind::Name(name) if name.eq_ignore_ascii_case(keyword));
        self.next += usize::from(found);
        found
    }

    fn sign(&mut self, sign: &str) -> bool {
        let found = matches!(self.kind(), Kind::Sign(other) if *other == sign);
        self.next += usize::from(found);
        found
    }

    fn query(&mut self) -> Result<Query, Problem> {
        if !self.keyword("select") {
            return self.expected("SELECT");
        }
        let select = self.select()?;
        if !self.keyword("from") {
            return self.expected("FROM");
        }
        let from_at = self.problem("").at;
        let from = self.path()?.join(".");
        let filter = match self.keyword("where") {
            true => Some(self.either()?),
            false => None,
        };
        let mut group = Vec::new();
        if self.keyword("group") {
            if !self.keyword("by") {
                return self.expected("BY");
            }
            group.push(self.path()?);
            while self.sign(",") {
                group.push(self.path()?);
            }
        }
        if *self.kind() != Kind::End {
            return self.expected("AND, OR, GROUP BY or the end");
        }
        Ok(Query {
            select,
            from,
            from_at,
            filter,
            group,
        })
    }

    fn select(&mut self) -> Result<Select, Problem> {
        if self.sign("*") {
            return Ok(Select::Everything);
        }
        let mut columns = vec![self.column(1)?];
        while self.sign(",") {
            let number = columns.len() + 1;
            columns.push(self.column(number)?);
        }
        Ok(Select::Columns(columns))
    }

    fn column(&mut self, number: usize) -> Result<Column, Problem> {
        let aggregate = match self.kind() {
            Kind::Name(name) => Aggregate::named(name),
            _ => None,
        };
        let called = matches!(
            self.words.get(self.next + 1).map(|word| &word.kind),
            Some(Kind::Sign("("))
        );
        let (what, path, mut name) = match aggregate.filter(|_| called) {
            None => {
                let path = self.path()?;
                let name = path.last().cloned().unwrap_or_default();
                (None, path, name)
            }
            Some(aggregate) => {
                self.next += 2;
                let path = match aggregate {
                    Aggregate::Count => {
                        // COUNT() and COUNT(*) are the same.
                        self.sign("*");
                        Vec::new()
                    }
                    _ => self.path()?,
                };
                if !self.sign(")") {
                    return self.expected(")");
                }
                (Some(aggregate), path, format!("${number}"))
            }
        };
        if self.keyword("as") {
            name = match self.kind() {
                Kind::Name(name) | Kind::Quoted(name) | Kind::Text(name) => name.clone(),
                _ => return self.expected("a name"),
            };
            self.next += 1;
        }
        Ok(Column { what, path, name })
    }

    /// `tags.location.[[floor 1]]`
    fn path(&mut self) -> Result<Vec<String>, Problem> {
        let mut path = Vec::new();
        loop {
            match self.kind() {
                Kind::Quoted(name) => path.push(name.clone()),
                Kind::Name(name) => {
                    let reserved = KEYWORDS.iter().any(|word| name.eq_ignore_ascii_case(word));
                    if reserved && path.is_empty() {
                        return self.expected("a name");
                    }
                    path.push(name.clone());
                }
                _ => return self.expected("a name"),
            }
            self.next += 1;
            if !self.sign(".") {
                return Ok(path);
            }
        }
    }

    fn either(&mut self) -> Result<Condition, Problem> {
        let mut all = vec![self.both()?];
        while self.keyword("or") {
            all.push(self.both()?);
        }
        Ok(match all.len() {
            1 => all.remove(0),
            _ => Condition::Or(all),
        })
    }

    fn both(&mut self) -> Result<Condition, Problem> {
        let mut all = vec![self.one()?];
        while self.keyword("and") {
            all.push(self.one()?);
        }
        Ok(match all.len() {
            1 => all.remove(0),
            _ => Condition::And(all),
        })
    }

    fn one(&mut self) -> Result<Condition, Problem> {
        self.depth += 1;
        if self.depth > DEEP {
            return Err(self.problem(format!("more than {DEEP} levels")));
        }
        let condition = if self.keyword("not") {
            Condition::Not(Box::new(self.one()?))
        } else if self.sign("(") {
            let inner = self.either()?;
            if !self.sign(")") {
                return self.expected("AND, OR or )");
            }
            inner
        } else {
            self.comparison()?
        };
        self.depth -= 1;
        Ok(condition)
    }

    fn comparison(&mut self) -> Result<Condition, Problem> {
        if let Some(test) = self.test()? {
            return Ok(test);
        }
        let left = self.operand()?;
        if self.keyword("in") {
            return Ok(Condition::In(left, self.list()?));
        }
        if self.keyword("nin") {
            return Ok(Condition::Not(Box::new(Condition::In(left, self.list()?))));
        }
        let operator = match self.kind() {
            Kind::Sign(sign) => Operator::written(sign),
            _ => None,
        };
        match operator {
            Some(operator) => {
                self.next += 1;
                Ok(Condition::Compare(left, operator, self.operand()?))
            }
            // A property that is true by itself.
            None if matches!(left, Operand::Path(_)) => Ok(Condition::True(left)),
            None => self.expected("=, !=, <, <=, >, >= or IN"),
        }
    }

    /// `is_defined(tags.x)`, `startswith(deviceId, 'a')`
    fn test(&mut self) -> Result<Option<Condition>, Problem> {
        let called = matches!(
            self.words.get(self.next + 1).map(|word| &word.kind),
            Some(Kind::Sign("("))
        );
        let Kind::Name(name) = self.kind() else {
            return Ok(None);
        };
        if !called {
            return Ok(None);
        }
        let Some(test) = Test::named(name) else {
            return Err(self.problem(format!("the lab does not know the function {name:?}")));
        };
        self.next += 2;
        let first = self.operand()?;
        let second = match test.takes() {
            1 => None,
            _ if self.sign(",") => Some(self.operand()?),
            _ => return self.expected(","),
        };
        if !self.sign(")") {
            return self.expected(")");
        }
        Ok(Some(Condition::Test(test, first, second)))
    }

    /// `['a', 'b']`, and with parentheses.
    fn list(&mut self) -> Result<Vec<Json>, Problem> {
        let close = if self.sign("[") {
            "]"
        } else if self.sign("(") {
            ")"
        } else {
            return self.expected("[");
        };
        let mut all = Vec::new();
        while !self.sign(close) {
            match self.operand()? {
                Operand::Literal(value) => all.push(value),
                Operand::Path(_) => return self.expected("values, not names, in the list"),
            }
            if !self.sign(",") && !matches!(self.kind(), Kind::Sign(sign) if *sign == close) {
                return self.expected(close);
            }
        }
        Ok(all)
    }

    fn operand(&mut self) -> Result<Operand, Problem> {
        let literal = match self.kind() {
            Kind::Text(text) => Json::from(text.as_str()),
            Kind::Number(number) => Json::from(*number),
            Kind::Name(name) if name.eq_ignore_ascii_case("true") => Json::Bool(true),
            Kind::Name(name) if name.eq_ignore_ascii_case("false") => Json::Bool(false),
            Kind::Name(name) if name.eq_ignore_ascii_case("null") => Json::Null,
            Kind::Name(_) | Kind::Quoted(_) => return Ok(Operand::Path(self.path()?)),
            Kind::Sign(_) | Kind::End => return self.expected("a name or a value"),
        };
        self.next += 1;
        Ok(Operand::Literal(literal))
    }
}
