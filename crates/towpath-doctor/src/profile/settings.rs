//! The settings of a build as Kconfig writes them: `CONFIG_NAME=value` and `# CONFIG_NAME is not set`, a line each. Both
//! Zephyr's `.config` and `prj.conf` and ESP-IDF's `sdkconfig` have this form.
//!
//! Takes in the bytes of a file, gives out values that know their line, or the line that can't be understood.

use std::{collections::BTreeMap, fmt::Display};

use super::{MAX_FILE, ProfileError, Set};

/// A file with fewer settings than this is not taken for all settings of a build, unless its name says that it is: the
/// smallest `.config` of a Zephyr build has some hundred.
const WHOLE_BUILD: usize = 150;

/// The settings of a file.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    /// The name to show for the file.
    file: String,
    /// By name, with `CONFIG_` in front.
    entries: BTreeMap<String, Entry>,
    /// Whether they are all settings of a build: then one that is not there is off.
    pub(super) whole: bool,
    /// What to call the place of a default.
    tree: &'static str,
}

#[derive(Debug, Clone)]
struct Entry {
    value: String,
    line: usize,
}

impl Settings {
    /// Reads a file. `name` names it in what is shown.
    ///
    /// # Errors
    /// The line that is no setting; or why the file is none of settings at all.
    pub(super) fn parse(name: &str, bytes: &[u8]) -> Result<Self, ProfileError> {
        let text = text_of(name, bytes)?;
        let mut entries = BTreeMap::new();
        for (index, line) in text.lines().enumerate() {
            let number = index.saturating_add(1);
            if let Some((key, value)) = setting(line).map_err(|why| {
                let file = name.to_owned();
                ProfileError::at(file, number, why)
            })? {
                let value = value.to_owned();
                let entry = Entry {
                    value,
                    line: number,
                };
                entries.insert(key.to_owned(), entry);
            }
        }
        if entries.is_empty() {
            let why = "there is no setting in it: lines such as CONFIG_NET_TCP=y are expected";
            return Err(ProfileError::of(name, why));
        }
        let whole = is_whole_by_name(name) || entries.len() >= WHOLE_BUILD;
        Ok(Self {
            file: name.to_owned(),
            entries,
            whole,
            tree: "",
        })
    }

    /// The same, with the name of the tree whose defaults are asked for.
    pub(super) const fn of_tree(mut self, tree: &'static str) -> Self {
        self.tree = tree;
        self
    }

    /// The name of the file.
    pub(super) fn file(&self) -> &str {
        &self.file
    }

    /// Whether one of these is on. For deciding what kind of build it is.
    pub(super) fn any_on(&self, keys: &[&str]) -> bool {
        keys.iter().any(|key| self.is_on(key))
    }

    /// Whether this one is on; false where it is not there.
    pub(super) fn is_on(&self, key: &str) -> bool {
        let entry = self.entries.get(key);
        entry.is_some_and(|entry| matches!(entry.value.as_str(), "y" | "m"))
    }

    /// Whether it is there at all, on or off.
    pub(super) fn has(&self, key: &str) -> bool {
        self.entries.contains_key(key)
    }

    /// The names that begin so and are on, with what follows.
    pub(super) fn on_with<'a>(
        &'a self,
        prefix: &'a str,
    ) -> impl Iterator<Item = (&'a str, &'a str)> {
        let from = self.entries.range(prefix.to_owned()..);
        from.take_while(move |(key, _)| key.starts_with(prefix))
            .filter(|(_, entry)| entry.value == "y")
            .filter_map(move |(key, _)| Some((key.as_str(), key.strip_prefix(prefix)?)))
    }

    /// Whether there is a name that begins so.
    pub(super) fn knows(&self, prefix: &str) -> bool {
        let mut from = self.entries.range(prefix.to_owned()..);
        from.next().is_some_and(|(key, _)| key.starts_with(prefix))
    }

    /// The value of a switch, where the file gives it; off where it is not there and the file has all settings.
    ///
    /// # Errors
    /// The line, if it is neither `y` nor `n`.
    pub(super) fn switch(&self, key: &str) -> Result<Option<Set<bool>>, ProfileError> {
        match self.given_switch(key)? {
            None if self.whole => Ok(Some(self.absent(key, false))),
            given => Ok(given),
        }
    }

    /// As [`switch`](Self::switch), and off by default where nothing is said.
    pub(super) fn switch_off_by_default(
        &self,
        key: &str,
    ) -> Result<Option<Set<bool>>, ProfileError> {
        let known = self.switch(key)?;
        Ok(Some(known.unwrap_or_else(|| self.default(key, false))))
    }

    /// The value of a switch, only where the file gives it.
    ///
    /// # Errors
    /// The line, if it is neither `y` nor `n`.
    pub(super) fn given_switch(&self, key: &str) -> Result<Option<Set<bool>>, ProfileError> {
        let Some(entry) = self.entries.get(key) else {
            return Ok(None);
        };
        let value = match entry.value.as_str() {
            "y" | "m" => true,
            "n" => false,
            _ => return Err(self.wrong(key, entry, "this has to be y or n")),
        };
        Ok(Some(self.set(key, entry, value)))
    }

    /// The first of these that is on. If none is: off at `keys[0]`, where the file has all settings and one of them, or a
    /// name that begins with `naming`, shows that it names things so.
    pub(super) fn any_of(&self, keys: &[&str], naming: &str) -> Option<Set<bool>> {
        for key in keys {
            if let Some(entry) = self.entries.get(*key).filter(|entry| entry.value == "y") {
                return Some(self.set(key, entry, true));
            }
        }
        let first = keys.first()?;
        let named = keys.iter().any(|key| self.has(key)) || self.knows(naming);
        (self.whole && named).then(|| match self.entries.get(*first) {
            Some(entry) => self.set(first, entry, false),
            None => self.absent(first, false),
        })
    }

    /// A number, where the file gives it.
    ///
    /// # Errors
    /// The line, if it is no number from 0 to 4294967295.
    pub(super) fn number(&self, key: &str) -> Result<Option<Set<u32>>, ProfileError> {
        let Some(entry) = self.entries.get(key) else {
            return Ok(None);
        };
        let text = entry.value.as_str();
        // What is switched off has no number.
        if text == "n" || text.is_empty() {
            return Ok(None);
        }
        let parsed = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
            Some(digits) => u32::from_str_radix(digits, 16),
            None => text.parse(),
        };
        match parsed {
            Ok(value) => Ok(Some(self.set(key, entry, value))),
            Err(_) => Err(self.wrong(key, entry, "this has to be a number, 0 or larger")),
        }
    }

    /// The first of these numbers that the file gives.
    ///
    /// # Errors
    /// As [`number`](Self::number).
    pub(super) fn first_number(&self, keys: &[&str]) -> Result<Option<Set<u32>>, ProfileError> {
        for key in keys {
            if let Some(number) = self.number(key)? {
                return Ok(Some(number));
            }
        }
        Ok(None)
    }

    /// A text without its quotes, where the file gives one that is not empty.
    pub(super) fn text(&self, key: &str) -> Option<Set<String>> {
        let entry = self.entries.get(key)?;
        let value = unquoted(&entry.value);
        (!value.is_empty() && entry.value != "n").then(|| self.set(key, entry, value))
    }

    /// A default of the tree, for a file that does not have all settings.
    pub(super) fn default<T>(&self, key: &str, value: T) -> Set<T> {
        Set {
            value,
            key: key.to_owned(),
            at: format!("default of {}, not set in {}", self.tree, self.file),
        }
    }

    /// What follows from several settings; `key` and its place stand for all of them.
    pub(super) fn derived<T>(&self, key: &str, value: T) -> Set<T> {
        match self.entries.get(key) {
            Some(entry) => self.set(key, entry, value),
            None => self.absent(key, value),
        }
    }

    fn absent<T>(&self, key: &str, value: T) -> Set<T> {
        Set {
            value,
            key: key.to_owned(),
            at: format!("{}, where it is not set", self.file),
        }
    }

    fn set<T>(&self, key: &str, entry: &Entry, value: T) -> Set<T> {
        Set {
            value,
            key: key.to_owned(),
            at: format!("{} line {}", self.file, entry.line),
        }
    }

    fn wrong(&self, key: &str, entry: &Entry, why: impl Display) -> ProfileError {
        let given = shortened(&entry.value);
        let why = format!("{key}: {why}, and it is {given:?}");
        ProfileError::at(self.file.clone(), entry.line, why)
    }
}

/// The text of a file that a person or a build wrote.
pub(super) fn text_of<'a>(name: &str, bytes: &'a [u8]) -> Result<&'a str, ProfileError> {
    if bytes.len() > MAX_FILE {
        let why = format!(
            "it is larger than {} MiB, which no file of settings is",
            MAX_FILE >> 20
        );
        return Err(ProfileError::of(name, why));
    }
    if bytes.contains(&0) {
        return Err(ProfileError::of(name, "it is a binary file, not text"));
    }
    let text = str::from_utf8(bytes).map_err(|error| {
        let before = bytes.get(..error.valid_up_to()).unwrap_or_default();
        let line = before.iter().filter(|byte| **byte == b'\n').count();
        ProfileError::at(name.to_owned(), line.saturating_add(1), "it is not UTF-8")
    })?;
    Ok(text.strip_prefix('\u{feff}').unwrap_or(text))
}

/// Whether the name is that of a file in which a build writes down all its settings.
fn is_whole_by_name(name: &str) -> bool {
    let last = name.rsplit(['/', '\\']).next().unwrap_or(name);
    matches!(last, ".config" | "sdkconfig")
}

/// The name and the value in a line; `None` for an empty line and a comment.
fn setting(line: &str) -> Result<Option<(&str, &str)>, String> {
    let line = line.trim();
    if let Some(comment) = line.strip_prefix('#') {
        let off = comment.trim().strip_suffix(" is not set");
        return Ok(off
            .map(str::trim)
            .filter(|key| is_name(key))
            .map(|key| (key, "n")));
    }
    if line.is_empty() {
        return Ok(None);
    }
    let Some((key, value)) = line.split_once('=') else {
        return Err(format!(
            "{:?} is no setting: there is no = in it",
            shortened(line)
        ));
    };
    let (key, value) = (key.trim_end(), value.trim_start());
    if !is_name(key) {
        return Err(format!(
            "{:?} is no name of a setting: it has to begin with CONFIG_",
            shortened(key)
        ));
    }
    Ok(Some((key, without_comment(value))))
}

fn is_name(key: &str) -> bool {
    key.strip_prefix("CONFIG_").is_some_and(|rest| {
        !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
    })
}

/// The value as it stands before a comment; a `#` in quotes begins none.
fn without_comment(value: &str) -> &str {
    if value.starts_with('"') {
        let mut escaped = false;
        for (at, char) in value.char_indices().skip(1) {
            match char {
                '\\' if !escaped => escaped = true,
                '"' if !escaped => return value.get(..=at).unwrap_or(value),
                _ => escaped = false,
            }
        }
        return value;
    }
    value.split('#').next().unwrap_or(value).trim_end()
}

/// A text of Kconfig without its quotes and backslashes.
fn unquoted(value: &str) -> String {
    let inner = value
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"').or(Some(rest)));
    let Some(inner) = inner else {
        return value.to_owned();
    };
    let mut text = String::with_capacity(inner.len());
    let mut escaped = false;
    for char in inner.chars() {
        if char == '\\' && !escaped {
            escaped = true;
            continue;
        }
        escaped = false;
        text.push(char);
    }
    text
}

/// Enough of it to be recognised.
fn shortened(text: &str) -> String {
    text.chars().take(40).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_what_they_say() {
        for (line, said) in [
            ("CONFIG_NET_TCP=y", Some(("CONFIG_NET_TCP", "y"))),
            ("CONFIG_NET_TCP=y\r", Some(("CONFIG_NET_TCP", "y"))),
            (
                "CONFIG_NET_TCP=y  # for MQTT",
                Some(("CONFIG_NET_TCP", "y")),
            ),
            ("# CONFIG_NET_TCP is not set", Some(("CONFIG_NET_TCP", "n"))),
            ("# CONFIG_NET_TCP=y", None),
            ("# the tree is not set up here", None),
            ("", None),
            (
                r#"CONFIG_DNS_SERVER1="fd00::1#x" # ours"#,
                Some(("CONFIG_DNS_SERVER1", r#""fd00::1#x""#)),
            ),
        ] {
            assert_eq!(setting(line), Ok(said), "{line}");
        }
        assert!(setting("CONFIG_NET_TCP").is_err());
        assert!(setting("NET_TCP=y").is_err());
        assert!(setting("CONFIG_=y").is_err());
    }

    #[test]
    fn the_last_line_wins_as_in_kconfig() {
        let text = b"CONFIG_NET_TCP=n\nCONFIG_X=1\nCONFIG_NET_TCP=y\n";
        let settings = Settings::parse("prj.conf", text).expect("settings");
        let tcp = settings
            .switch("CONFIG_NET_TCP")
            .expect("a switch")
            .expect("given");
        assert_eq!((tcp.value, tcp.at.as_str()), (true, "prj.conf line 3"));
    }

    #[test]
    fn unset_is_off_in_a_whole_build_and_unknown_elsewhere() {
        let text = b"CONFIG_NETWORKING=y\n";
        let whole = Settings::parse("build/zephyr/.config", text).expect("settings");
        let tcp = whole.switch("CONFIG_NET_TCP").expect("a switch");
        assert_eq!(tcp.map(|tcp| tcp.value), Some(false));
        let part = Settings::parse("prj.conf", text).expect("settings");
        assert_eq!(part.switch("CONFIG_NET_TCP").expect("a switch"), None);
    }

    #[test]
    fn what_is_no_file_of_settings_is_told_with_its_line() {
        for (bytes, said) in [
            (
                &b"\x7fELF\0\0"[..],
                "prj.conf: it is a binary file, not text",
            ),
            (b"CONFIG_A=y\n\xff\n", "prj.conf:2: it is not UTF-8"),
            (
                b"CONFIG_A=y\n\nnet: tcp\n",
                "prj.conf:3: \"net: tcp\" is no setting: there is no = in it",
            ),
            (
                b"# empty\n",
                "prj.conf: there is no setting in it: lines such as CONFIG_NET_TCP=y are expected",
            ),
        ] {
            let error = Settings::parse("prj.conf", bytes).expect_err("no settings");
            assert_eq!(error.to_string(), said);
        }
        let huge = vec![b'\n'; MAX_FILE + 1];
        let error = Settings::parse("prj.conf", &huge).expect_err("too large");
        assert_eq!(
            error.to_string(),
            "prj.conf: it is larger than 4 MiB, which no file of settings is"
        );
    }

    #[test]
    fn texts_lose_their_quotes() {
        assert_eq!(unquoted(r#""a \"b\" \\""#), r#"a "b" \"#);
        assert_eq!(unquoted("plain"), "plain");
        assert_eq!(unquoted("\""), "");
    }
}
