//! The words of a query.

use super::Problem;

/// A word with the place where it begins, in characters from 1.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Word {
    pub(super) at: usize,
    pub(super) kind: Kind,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kind {
    /// A keyword or a name.
    Name(String),
    /// A name in `[[ ]]`, which is never a keyword.
    Quoted(String),
    Text(String),
    Number(f64),
    /// `=`, `!=`, `<=`, `(`, `,`, ...
    Sign(&'static str),
    End,
}

/// Longer signs first.
const SIGNS: [&str; 14] = [
    "!=", "<>", "<=", ">=", "=", "<", ">", "(", ")", "[", "]", ",", ".", "*",
];

/// Cuts a query into words; the last is [`Kind::End`].
pub(super) fn words(text: &str) -> Result<Vec<Word>, Problem> {
    let mut words = Vec::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start();
        let at = text
            .get(..text.len() - rest.len())
            .map_or(0, |before| before.chars().count())
            + 1;
        let Some(first) = rest.chars().next() else {
            words.push(Word {
                at,
                kind: Kind::End,
            });
            return Ok(words);
        };
        let (kind, behind) = word(rest, first).map_err(|why| Problem { at, why })?;
        words.push(Word { at, kind });
        rest = behind;
    }
}

fn word(rest: &str, first: char) -> Result<(Kind, &str), String> {
    let named = |c: char| c.is_alphanumeric() || c == '_' || c == '$';
    if let Some(inner) = rest.strip_prefix("[[") {
        let (name, behind) = inner
            .split_once("]]")
            .ok_or("a name that begins with [[ has no ]]")?;
        return Ok((Kind::Quoted(name.to_owned()), behind));
    }
    if first == '\'' || first == '"' {
        return text(rest, first);
    }
    let number = first.is_ascii_digit()
        || first == '-'
            && rest
                .chars()
                .nth(1)
                .is_some_and(|next| next.is_ascii_digit());
    if number {
        let end = rest
            .char_indices()
            .find(|(at, c)| *at > 0 && !(c.is_ascii_alphanumeric() || *c == '.'))
            .map_or(rest.len(), |(at, _)| at);
        let (number, behind) = rest.split_at(end);
        let value: f64 = number
            .parse()
            .map_err(|_| format!("{number:?} is no number"))?;
        return Ok((Kind::Number(value), behind));
    }
    if named(first) {
        let end = rest.find(|c| !named(c)).unwrap_or(rest.len());
        let (name, behind) = rest.split_at(end);
        return Ok((Kind::Name(name.to_owned()), behind));
    }
    for sign in SIGNS {
        if let Some(behind) = rest.strip_prefix(sign) {
            return Ok((Kind::Sign(sign), behind));
        }
    }
    Err(format!("{first:?} has no meaning here"))
}

/// A text in single or double quotes. The quote inside is written twice or with `\`.
fn text(rest: &str, quote: char) -> Result<(Kind, &str), String> {
    let mut value = String::new();
    let mut chars = rest.char_indices().skip(1).peekable();
    while let Some((at, c)) = chars.next() {
        if c == '\\' {
            match chars.next() {
                Some((_, 'n')) => value.push('\n'),
                Some((_, 't')) => value.push('\t'),
                Some((_, c @ ('\\' | '\'' | '"'))) => value.push(c),
                _ => return Err("\\ is followed by none of \\ ' \" n t".into()),
            }
        } else if c != quote {
            value.push(c);
        } else if chars.next_if(|(_, next)| *next == quote).is_some() {
            value.push(quote);
        } else {
            let behind = rest.get(at + quote.len_utf8()..).unwrap_or_default();
            return Ok((Kind::Text(value), behind));
        }
    }
    Err(format!("the text that begins here has no closing {quote}"))
}
