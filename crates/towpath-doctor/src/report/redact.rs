//! Takes secrets and control characters out of what somebody else said.

/// What stands in place of a secret.
const HIDDEN: &str = "...";

/// What a word must have around it to be one that a secret follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// `=`, `:`, or blanks and a quoted value behind it; anything before it (`CONFIG_WIFI_PASSWORD`).
    Any,
    /// The same, and no letter of the same word before it (`bypass: 2`).
    Alone,
    /// Only `=` behind it: in prose it is followed by what is no secret (`signature: RSA-SHA256`).
    Equals,
    /// In the query of a URL: `?` or `&` before it.
    Query,
    /// The name of a header line: all of the line is secret.
    Header,
}

/// The words that a secret follows, in lower case; of two that begin alike the longer is first.
const WORDS: &[(&str, Kind)] = &[
    ("sharedaccesskey", Kind::Any),
    ("primarykey", Kind::Any),
    ("primary_key", Kind::Any),
    ("primary-key", Kind::Any),
    ("secondarykey", Kind::Any),
    ("secondary_key", Kind::Any),
    ("secondary-key", Kind::Any),
    ("symmetrickey", Kind::Any),
    ("symmetric_key", Kind::Any),
    ("symmetric-key", Kind::Any),
    ("accountkey", Kind::Any),
    ("accesskey", Kind::Any),
    ("access_key", Kind::Any),
    ("access-key", Kind::Any),
    ("apikey", Kind::Any),
    ("api_key", Kind::Any),
    ("api-key", Kind::Any),
    ("passphrase", Kind::Any),
    ("password", Kind::Any),
    ("passwd", Kind::Any),
    ("pass", Kind::Alone),
    ("pwd", Kind::Any),
    ("psk", Kind::Any),
    ("secret", Kind::Any),
    ("token", Kind::Any),
    ("signature", Kind::Equals),
    ("credential", Kind::Equals),
    ("sig", Kind::Any),
    ("key", Kind::Query),
    ("code", Kind::Query),
    ("authorization", Kind::Header),
    ("cookie", Kind::Header),
];

/// Values of switches, which are no secrets: `CONFIG_MBEDTLS_KEY_EXCHANGE_PSK=y`.
const SWITCHES: &[&str] = &["y", "n", "yes", "no", "true", "false", "null", "none"];

/// How often one text is gone through at most: what is hidden may show another secret's beginning.
const ROUNDS: usize = 8;

/// The same text without passwords, signatures, keys, the user's part of URLs and control characters.
#[must_use]
pub fn redact(text: &str) -> String {
    let mut out: String = text
        .chars()
        .map(|c| {
            if c.is_control() || is_format(c) {
                ' '
            } else {
                c
            }
        })
        .collect();
    for _ in 0..ROUNDS {
        let next = key(&user_info(&hide(&out)));
        if next == out {
            break;
        }
        out = next;
    }
    out
}

/// Characters that are not seen and turn or hide those beside them.
const fn is_format(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// The text without the secrets behind the words of [`WORDS`].
fn hide(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut from = 0;
    for (at, _) in text.char_indices() {
        if at < from {
            continue;
        }
        let Some((begin, end)) = secret(text, at) else {
            continue;
        };
        out.push_str(text.get(from..begin).unwrap_or_default());
        let value = text.get(begin..end).unwrap_or_default();
        let (value, closing) = value.split_at(value.len() - closing(&out, value));
        if value.is_empty()
            || SWITCHES
                .iter()
                .any(|known| known.eq_ignore_ascii_case(value))
        {
            out.push_str(value);
        } else {
            out.push_str(HIDDEN);
        }
        out.push_str(closing);
        from = end;
    }
    out.push_str(text.get(from..).unwrap_or_default());
    out
}

/// Where the secret begins and ends whose word begins at `at`.
fn secret(text: &str, at: usize) -> Option<(usize, usize)> {
    let (before, here) = (text.get(..at)?, text.get(at..)?);
    let (word, kind) = WORDS.iter().find(|(word, kind)| {
        let same = here.get(..word.len());
        same.is_some_and(|same| same.eq_ignore_ascii_case(word)) && may_begin(before, here, *kind)
    })?;
    let behind = here.get(word.len()..)?;
    let (_, behind) = quote(behind);
    let unspaced = behind.trim_start();
    let value = match separated(unspaced, *kind) {
        Some(value) => value.trim_start(),
        // `password 'x'`
        None if *kind == Kind::Any && unspaced.len() < behind.len() => {
            Some(unspaced).filter(|value| !quote(value).0.is_empty())?
        }
        None => return None,
    };
    let (open, inner) = quote(value);
    let len = if !open.is_empty() {
        quoted(inner, open)
    } else if *kind == Kind::Header {
        // `-H "Cookie: x"`: the line ends where the quote does.
        match before.chars().next_back() {
            Some(quote @ ('"' | '\'')) => inner.find(quote).unwrap_or(inner.len()),
            _ => inner.len(),
        }
    } else {
        unquoted(inner)
    };
    let begin = text.len().checked_sub(inner.len())?;
    Some((begin, begin + len))
}

fn may_begin(before: &str, here: &str, kind: Kind) -> bool {
    let last = before.chars().next_back();
    match kind {
        Kind::Query => {
            let encoded = |mark| before.to_ascii_lowercase().ends_with(mark);
            matches!(last, Some('?' | '&')) || encoded("%3f") || encoded("%26")
        }
        // `wifiPass` has one, too.
        Kind::Alone => {
            let bytes = before.as_bytes();
            let encoded = bytes.len().checked_sub(3).and_then(|at| bytes.get(at));
            last.is_none_or(|last| !last.is_alphanumeric())
                || encoded == Some(&b'%')
                || (last.is_some_and(|last| !last.is_uppercase())
                    && here.starts_with(|first: char| first.is_uppercase()))
        }
        Kind::Any | Kind::Equals | Kind::Header => true,
    }
}

/// A quote as it stands in text, in a string of JSON, and in a URL; and what follows it.
fn quote(text: &str) -> (&str, &str) {
    let slashes = text.len() - text.trim_start_matches('\\').len();
    let len = match text.get(slashes..).and_then(|rest| rest.chars().next()) {
        Some('"' | '\'') => slashes + 1,
        Some('`') if slashes == 0 => 1,
        Some('%') if slashes == 0 && text.starts_with("%22") => 3,
        _ => 0,
    };
    text.split_at_checked(len).unwrap_or(("", text))
}

/// What follows the sign between word and value, if there is one.
fn separated(text: &str, kind: Kind) -> Option<&str> {
    let encoded = |code: &str| {
        let same = text.get(..3);
        same.filter(|same| same.eq_ignore_ascii_case(code))
            .and_then(|_| text.get(3..))
    };
    let equals = || text.strip_prefix('=').or_else(|| encoded("%3d"));
    let colon = || text.strip_prefix(':').or_else(|| encoded("%3a"));
    let value = match kind {
        Kind::Equals | Kind::Query => equals()?,
        Kind::Any | Kind::Alone | Kind::Header => equals().or_else(colon)?,
    };
    // `=>` and `:=`
    Some(value.strip_prefix(['>', '=']).unwrap_or(value))
}

/// How long the value is that `open` began; without an end all is of it.
fn quoted(inner: &str, open: &str) -> usize {
    if open.starts_with('%') {
        return inner.find(open).unwrap_or(inner.len());
    }
    let Some(mark) = open.chars().next_back() else {
        return inner.len();
    };
    let slashes = open.len() - mark.len_utf8();
    for (at, _) in inner.match_indices(mark) {
        let value = inner.get(..at).unwrap_or_default();
        let before = at - value.trim_end_matches('\\').len();
        if slashes == 0 && before % 2 == 0 {
            return at;
        }
        if slashes > 0 && before <= slashes {
            return at - before;
        }
    }
    inner.len()
}

/// How long a value without quotes is: to the next blank, or to a sign that another member follows. Signs alone do not end
/// it, since passwords have them.
fn unquoted(inner: &str) -> usize {
    let ends = |(at, c): &(usize, char)| {
        let behind = inner.get(at + c.len_utf8()..).unwrap_or_default();
        let next = behind.chars().next();
        match c {
            ' ' => true,
            c if c.is_whitespace() => true,
            '&' | ';' | ',' => next.is_none_or(char::is_whitespace) || is_member(behind),
            '"' | '\'' | '`' => {
                next.is_none_or(|next| next.is_whitespace() || ",;:)]}".contains(next))
            }
            _ => false,
        }
    };
    let end = inner.char_indices().find(ends);
    end.map_or(inner.len(), |(at, _)| at)
}

/// Whether this begins as `name=` or `name:` does.
fn is_member(text: &str) -> bool {
    let quoteless = text.trim_start_matches(['"', '\'']);
    let name = quoteless.trim_start_matches(|c: char| c.is_alphanumeric() || "_-.".contains(c));
    name.len() < quoteless.len()
        && name
            .trim_start_matches(['"', '\''])
            .starts_with(['=', ':', '%'])
}

/// How many bytes at the end of `value` close brackets that were opened before it.
fn closing(before: &str, value: &str) -> usize {
    let mut open: Vec<char> = Vec::new();
    for c in before.chars() {
        match c {
            '(' => open.push(')'),
            '[' => open.push(']'),
            '{' => open.push('}'),
            ')' | ']' | '}' if open.last() == Some(&c) => {
                open.pop();
            }
            _ => {}
        }
    }
    let closers = value.chars().rev().zip(open.iter().rev());
    // The outermost is the last of the value.
    let count = closers
        .clone()
        .take_while(|(c, _)| matches!(c, ')' | ']' | '}'))
        .count();
    let tail: Vec<char> = value.chars().rev().take(count).collect();
    let wanted: Vec<char> = open.iter().rev().take(count).copied().collect();
    if tail.iter().rev().eq(wanted.iter()) {
        count
    } else {
        0
    }
}

/// `scheme://user:password@host` without the user's part.
fn user_info(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("://") {
        out.push_str(before);
        out.push_str("://");
        let end = after.find(|c: char| c.is_whitespace() || "/?#\"'<>".contains(c));
        let (authority, behind) = after.split_at(end.unwrap_or(after.len()));
        match authority.rsplit_once('@') {
            Some((_, host)) => {
                out.push_str(HIDDEN);
                out.push('@');
                out.push_str(host);
            }
            None => out.push_str(authority),
        }
        rest = behind;
    }
    out.push_str(rest);
    out
}

/// Without what stands between the lines of a private key in PEM.
fn key(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(begin) = rest.find("PRIVATE KEY-----") {
        let (before, after) = rest.split_at(begin + "PRIVATE KEY-----".len());
        out.push_str(before);
        out.push_str(HIDDEN);
        rest = after
            .find("-----END")
            .and_then(|end| after.get(end..))
            .unwrap_or_default();
        // The last line names the key once more.
        let last = rest
            .find("PRIVATE KEY-----")
            .map(|at| at + "PRIVATE KEY-----".len());
        let (end, behind) = rest.split_at(last.unwrap_or(rest.len()));
        out.push_str(end);
        rest = behind;
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn secrets_go_and_the_rest_stays() {
        for (said, told) in [
            (
                "sr=hub%2Fdevices%2Fd&sig=abc%3D&se=17",
                "sr=hub%2Fdevices%2Fd&sig=...&se=17",
            ),
            (
                "wss://me:pw@hub.example/x?a=1",
                "wss://...@hub.example/x?a=1",
            ),
            (
                "HostName=h;SharedAccessKey=QUJD;x=y",
                "HostName=h;SharedAccessKey=...;x=y",
            ),
            ("Authorization: Basic YTpi", "Authorization: ..."),
            (
                "-----BEGIN PRIVATE KEY-----\nMIG\n-----END PRIVATE KEY-----\nok",
                "-----BEGIN PRIVATE KEY-----...-----END PRIVATE KEY----- ok",
            ),
            ("a\x1b[31mb\u{202e}c\r\n", "a [31mb c  "),
            ("CONNACK 5 from 10.0.0.1", "CONNACK 5 from 10.0.0.1"),
            ("password = hunter2 next", "password = ... next"),
            ("psk=hunter2", "psk=..."),
            ("http://h/x?key=hunter2&a=b", "http://h/x?key=...&a=b"),
            (
                r#"{"password": "hunter2", "user": "me"}"#,
                r#"{"password": "...", "user": "me"}"#,
            ),
            (
                r#"{\"password\":\"hun\\\"ter2\",\"a\":1}"#,
                r#"{\"password\":\"...\",\"a\":1}"#,
            ),
            (
                r#"CONFIG_WIFI_PASSWORD="hunt er2" # x"#,
                r#"CONFIG_WIFI_PASSWORD="..." # x"#,
            ),
            ("Authorization:Bearer hunter2", "Authorization:..."),
            ("-H 'Cookie: a=hunter2; b=c' -v", "-H 'Cookie: ...' -v"),
            (
                "?X-Amz-Signature=hunter2&X-Amz-Date=1",
                "?X-Amz-Signature=...&X-Amz-Date=1",
            ),
            ("PrimaryKey=QUJD=;a=b", "PrimaryKey=...;a=b"),
            ("to=%2Fx%3Fsig%3Dhunter2", "to=%2Fx%3Fsig%3D..."),
            ("with password 'hunter2' set", "with password '...' set"),
            ("pwd: hunter2", "pwd: ..."),
            ("wifiPass=hunter2", "wifiPass=..."),
            (
                "the login (password=hunter2) failed",
                "the login (password=...) failed",
            ),
            ("[a(pass=hunter2)] x", "[a(pass=...)] x"),
            ("password=hun,te;r2'x) y", "password=... y"),
            // What is none stays.
            ("bypass: 2", "bypass: 2"),
            (
                "a bad user name or password (0x86)",
                "a bad user name or password (0x86)",
            ),
            (
                "signature: ecdsa-with-SHA384",
                "signature: ecdsa-with-SHA384",
            ),
            ("CONFIG_X_PSK=y", "CONFIG_X_PSK=y"),
            ("password_file = /etc/pw", "password_file = /etc/pw"),
        ] {
            assert_eq!(redact(said), told);
        }
    }

    proptest! {
        #[test]
        fn no_control_character_and_no_signature_comes_out(
            before in ".{0,40}", after in "[&;, ].{0,40}", secret in "[A-Za-z0-9%+/]{12,40}",
        ) {
            for mark in ["sig=", "SIG=", "SharedAccessKey=", "password="] {
                let told = redact(&format!("{before}{mark}{secret}{after}"));
                prop_assert!(!told.contains(&secret), "{told}");
                prop_assert!(!told.chars().any(char::is_control));
            }
        }

        #[test]
        fn no_secret_comes_out_however_it_is_written(
            before in "[a-z ({\\[]{0,12}[ ({\\[,;?&]", after in "[&;, )}].{0,40}",
            word in "(password|PASSWORD|passwd|pass|psk|pwd|token|secret|sig|PrimaryKey|SharedAccessKey|Cookie)",
            key_quote in "(|\"|'|\\\\\"|%22)", quote in "(|\"|'|\\\\\"|%22)",
            blanks in " {0,3}", separator in "(=|:|%3D|%3d|%3A|=>|:=)", more in " {0,3}",
            secret in "[A-Za-z0-9+/!]{1,10}[,;&'\\])}]?[A-Z]{12}",
        ) {
            // The quote that begins the value is no part of it; the other kind may be.
            prop_assume!(quote.is_empty() || !secret.contains(&quote));
            let said = format!(
                "{before}{key_quote}{word}{key_quote}{blanks}{separator}{more}{quote}{secret}{quote}{after}"
            );
            let told = redact(&said);
            let tail = &secret[secret.len() - 12..];
            prop_assert!(!told.contains(tail), "{said} gives {told}");
            prop_assert_eq!(&redact(&told), &told);
        }

        #[test]
        fn what_is_redacted_once_and_has_many_words_stays_as_it_is(
            parts in proptest::collection::vec(
                "(password|sig|key|Cookie|pass|token|a://|PRIVATE KEY-----|-----END|y|[a-z]|[=:;,&?@\"'()\\[\\]{} \\\\%/]|%22|%3D){1,3}",
                0..20,
            ),
        ) {
            let once = redact(&parts.concat());
            prop_assert_eq!(&redact(&once), &once);
        }

        #[test]
        fn what_is_redacted_once_stays_as_it_is(text in ".{0,80}") {
            let once = redact(&text);
            prop_assert_eq!(&redact(&once), &once);
        }
    }
}
