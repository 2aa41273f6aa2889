//! Properties of the twin in files: desired ones are written, reported ones are read.
//!
//! Changes are JSON merge patches (RFC 7396), as IoT Hub's are.

use std::{
    fs, io,
    io::Write as _,
    path::{Path, PathBuf},
};

use serde_json::{Map, Value};

/// The largest file of reported properties that is read; the hub takes 32 KB.
const REPORTED_MAX: u64 = 64 << 10;

/// Changes `target` as `patch` says: `null` takes a member away.
pub(super) fn merge(target: &mut Map<String, Value>, patch: &Map<String, Value>) {
    for (name, value) in patch {
        match value {
            Value::Null => {
                target.remove(name);
            }
            Value::Object(patch) => {
                let below = target
                    .entry(name.clone())
                    .or_insert_with(|| Value::Object(Map::new()));
                if !below.is_object() {
                    *below = Value::Object(Map::new());
                }
                if let Some(below) = below.as_object_mut() {
                    merge(below, patch);
                }
            }
            other => {
                target.insert(name.clone(), other.clone());
            }
        }
    }
}

/// The patch that makes `to` of `from`; empty if they are the same.
pub(super) fn difference(from: &Map<String, Value>, to: &Map<String, Value>) -> Map<String, Value> {
    let mut patch = Map::new();
    for name in from.keys().filter(|name| !to.contains_key(*name)) {
        patch.insert(name.clone(), Value::Null);
    }
    for (name, value) in to {
        match (from.get(name), value) {
            (Some(before), after) if before == after => {}
            (Some(Value::Object(before)), Value::Object(after)) => {
                patch.insert(name.clone(), Value::Object(difference(before, after)));
            }
            _ => {
                patch.insert(name.clone(), value.clone());
            }
        }
    }
    patch
}

/// Desired properties, and the file that has them.
#[derive(Debug, Default)]
pub(super) struct Desired {
    file: Option<PathBuf>,
    now: Map<String, Value>,
    /// As the program knows them.
    given: Map<String, Value>,
    /// As it knew them before its last run.
    before: Map<String, Value>,
    /// Whether its last run failed.
    has_failed: bool,
}

impl Desired {
    pub(super) fn new(file: Option<PathBuf>) -> Self {
        Self {
            file,
            ..Self::default()
        }
    }

    /// Takes the whole. False: it is as it was.
    pub(super) fn replace(&mut self, all: &Map<String, Value>) -> bool {
        let changed = self.now != *all;
        self.now.clone_from(all);
        changed
    }

    /// Takes a change.
    pub(super) fn change(&mut self, patch: &Map<String, Value>) {
        merge(&mut self.now, patch);
    }

    /// What has changed since the last time this was asked for, for the program. Not the hub's patches put together:
    /// of two merge patches there is not always one that does the same.
    pub(super) fn news(&mut self) -> Option<Map<String, Value>> {
        let patch = difference(&self.given, &self.now);
        if patch.is_empty() {
            return None;
        }
        self.has_failed = false;
        self.before = std::mem::replace(&mut self.given, self.now.clone());
        Some(patch)
    }

    /// The program failed: it does not know what it was given last. False: nothing came meanwhile, so that at once it
    /// would be given the same.
    pub(super) fn failed(&mut self) -> bool {
        self.has_failed = true;
        let given = std::mem::replace(&mut self.given, self.before.clone());
        given != self.now
    }

    /// Whether the program's last run failed.
    pub(super) const fn has_failed(&self) -> bool {
        self.has_failed
    }

    /// Writes the file, if there is one: at any time the old one or the new one is there as a whole.
    pub(super) fn write(&self) -> io::Result<()> {
        let Some(path) = &self.file else {
            return Ok(());
        };
        let mut text = serde_json::to_vec_pretty(&self.now)?;
        text.push(b'\n');
        if fs::read(path).is_ok_and(|before| before == text) {
            return Ok(());
        }
        let mut beside = path.clone().into_os_string();
        beside.push(".new");
        let beside = PathBuf::from(beside);
        let mut file = for_its_owner(&beside)?;
        file.write_all(&text)?;
        file.sync_all()?;
        fs::rename(&beside, path)?;
        name_is_durable(path)
    }

    /// The file, for a message.
    pub(super) fn path(&self) -> &Path {
        self.file.as_deref().unwrap_or_else(|| Path::new(""))
    }
}

/// An empty file that nobody else reads: what an operator sets may be secret.
fn for_its_owner(path: &Path) -> io::Result<fs::File> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(path)?;
    // It may have been left behind by a run before.
    #[cfg(unix)]
    file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
    Ok(file)
}

/// The new name survives a power cut.
#[cfg(unix)]
fn name_is_durable(path: &Path) -> io::Result<()> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    fs::File::open(folder.unwrap_or_else(|| Path::new(".")))?.sync_all()
}

#[cfg(not(unix))]
fn name_is_durable(_: &Path) -> io::Result<()> {
    Ok(())
}

/// A file of reported properties that is looked at again and again.
#[derive(Debug)]
pub(super) struct Reported {
    file: PathBuf,
    /// What was in it when it was read last; `None`: nothing was there.
    seen: Option<Vec<u8>>,
    /// What the hub has, as far as it is known: nothing is sent before that.
    known: Option<Map<String, Value>>,
    wanted: Option<Map<String, Value>>,
    /// While a change is on its way: what the hub had before.
    before: Option<Map<String, Value>>,
    /// What it refused last.
    refused: Option<Map<String, Value>>,
}

impl Reported {
    pub(super) const fn new(file: PathBuf) -> Self {
        Self {
            file,
            seen: None,
            known: None,
            wanted: None,
            before: None,
            refused: None,
        }
    }

    /// Reads the file again. What is wrong with it is told once.
    pub(super) fn look(&mut self) -> Result<(), String> {
        let name = self.file.display();
        let bytes = match fs::metadata(&self.file) {
            Ok(found) if found.len() > REPORTED_MAX => {
                // Told once: its length stands for what is in it.
                let seen = found.len().to_string().into_bytes();
                if self.seen.as_ref() == Some(&seen) {
                    return Ok(());
                }
                self.seen = Some(seen);
                return Err(format!(
                    "{name}: it has more than {REPORTED_MAX} bytes, and is not reported"
                ));
            }
            Ok(_) => fs::read(&self.file).map_err(|error| format!("{name}: {error}"))?,
            // It may come later.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(format!("{name}: {error}")),
        };
        if self.seen.as_ref() == Some(&bytes) {
            return Ok(());
        }
        let parsed = serde_json::from_slice(&bytes);
        self.seen = Some(bytes);
        match parsed {
            Ok(Value::Object(all)) => {
                self.wanted = Some(all);
                Ok(())
            }
            Ok(_) => Err(format!(
                "{name}: this is no JSON object, and is not reported"
            )),
            Err(error) => Err(format!(
                "{name}:{}: this is no JSON, and is not reported: {error}",
                error.line()
            )),
        }
    }

    /// The hub has told what it has. What the file does not name is somebody else's.
    pub(super) fn told(&mut self, all: &Map<String, Value>) {
        let known = self.known.get_or_insert_with(Map::new);
        if known.is_empty() {
            let ours = self.wanted.iter().flat_map(Map::keys);
            *known = ours
                .filter_map(|name| Some((name.clone(), all.get(name)?.clone())))
                .collect();
        }
    }

    /// The change to send, if there is one and none is on its way.
    pub(super) fn patch(&mut self) -> Option<Vec<u8>> {
        let (known, wanted) = (self.known.as_ref()?, self.wanted.as_ref()?);
        if self.before.is_some() || self.refused.as_ref() == Some(wanted) {
            return None;
        }
        let patch = difference(known, wanted);
        if patch.is_empty() {
            return None;
        }
        self.before = self.known.replace(wanted.clone());
        serde_json::to_vec(&patch).ok()
    }

    /// The change has ended. One that was refused changed nothing, and is not tried again before the file changes.
    pub(super) fn ended(&mut self, is_taken: bool) {
        let before = self.before.take();
        if is_taken {
            self.refused = None;
        } else {
            self.refused = std::mem::replace(&mut self.known, before);
        }
    }
}

/// A JSON object.
pub(super) fn object(bytes: &[u8]) -> Option<Map<String, Value>> {
    match serde_json::from_slice(bytes) {
        Ok(Value::Object(object)) => Some(object),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn map(value: &Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    fn merged(target: &Value, patch: &Value) -> Value {
        let mut target = map(target);
        merge(&mut target, &map(patch));
        Value::Object(target)
    }

    #[test]
    fn patches_of_rfc_7396() {
        for (target, patch, result) in [
            (json!({"a":"b"}), json!({"a":"c"}), json!({"a":"c"})),
            (json!({"a":"b"}), json!({"b":"c"}), json!({"a":"b","b":"c"})),
            (json!({"a":"b"}), json!({"a":null}), json!({})),
            (json!({"a":["b"]}), json!({"a":"c"}), json!({"a":"c"})),
            (
                json!({"a":{"b":"c"}}),
                json!({"a":{"b":"d","c":null}}),
                json!({"a":{"b":"d"}}),
            ),
            (
                json!({"a":"x"}),
                json!({"a":{"b":{"c":null}}}),
                json!({"a":{"b":{}}}),
            ),
        ] {
            assert_eq!(merged(&target, &patch), result, "{target} {patch}");
        }
    }

    fn values() -> impl Strategy<Value = Map<String, Value>> {
        let leaf = prop_oneof![
            any::<bool>().prop_map(Value::from),
            (0..3).prop_map(Value::from)
        ];
        let nested = leaf.prop_recursive(3, 12, 3, |inner| {
            proptest::collection::vec(("[abc]", inner), 0..3)
                .prop_map(|members| Value::Object(members.into_iter().collect()))
        });
        proptest::collection::vec(("[abc]", nested), 0..4)
            .prop_map(|members| members.into_iter().collect())
    }

    proptest! {
        #[test]
        fn a_difference_applied_is_the_other(from in values(), to in values()) {
            let patch = difference(&from, &to);
            let mut target = from;
            merge(&mut target, &patch);
            prop_assert_eq!(target, to);
        }
    }

    fn folder(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("towpath-twin-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        path
    }

    #[test]
    fn a_file_is_reported_once_and_its_changes_after() {
        let folder = folder("reported");
        let file = folder.join("reported.json");
        let mut reported = Reported::new(file.clone());
        // Nothing is there yet.
        reported.look().unwrap();
        reported.told(&map(&json!({"$version": 1, "serial": "A", "other": 1})));
        assert_eq!(reported.patch(), None);

        fs::write(&file, r#"{"serial":"A","mode":{"a":1}}"#).unwrap();
        reported.look().unwrap();
        let patch = reported.patch().unwrap();
        assert_eq!(object(&patch), object(br#"{"serial":"A","mode":{"a":1}}"#));
        // One at a time.
        fs::write(&file, r#"{"mode":{"a":2}}"#).unwrap();
        reported.look().unwrap();
        assert_eq!(reported.patch(), None);
        reported.ended(true);
        let patch = reported.patch().unwrap();
        assert_eq!(object(&patch), object(br#"{"serial":null,"mode":{"a":2}}"#));
        reported.ended(true);
        assert_eq!(reported.patch(), None);
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn what_was_refused_is_not_repeated_and_not_taken_for_known() {
        let folder = folder("refused");
        let file = folder.join("reported.json");
        let mut reported = Reported::new(file.clone());
        let put = |text: &str, reported: &mut Reported| {
            fs::write(&file, text).unwrap();
            reported.look().unwrap();
            reported.patch().and_then(|patch| object(&patch))
        };
        reported.told(&Map::new());
        assert!(put(r#"{"a":1}"#, &mut reported).is_some());
        reported.ended(true);
        assert!(put(r#"{"a":1,"b":"too much"}"#, &mut reported).is_some());
        reported.ended(false);
        assert_eq!(reported.patch(), None);
        // The hub has no "b" that could be taken away.
        assert_eq!(put(r#"{"a":2}"#, &mut reported), object(br#"{"a":2}"#));
        reported.ended(true);
        // The same again is another attempt: the hub may have changed its mind.
        let again = put(r#"{"a":1,"b":"too much"}"#, &mut reported);
        assert_eq!(again, object(br#"{"a":1,"b":"too much"}"#));
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_program_that_failed_is_given_the_same_again() {
        let mut desired = Desired::new(None);
        desired.change(&map(&json!({"a": 1})));
        assert!(desired.news().is_some());
        desired.change(&map(&json!({"b": 2})));
        // Something came while it ran.
        assert!(desired.failed());
        assert_eq!(desired.news(), Some(map(&json!({"a": 1, "b": 2}))));
        assert!(!desired.failed() && desired.has_failed());
        assert_eq!(desired.news(), Some(map(&json!({"a": 1, "b": 2}))));
        assert!(!desired.has_failed());
        assert_eq!(desired.news(), None);
    }

    #[test]
    fn what_the_hub_has_already_is_not_sent() {
        let folder = folder("known");
        let file = folder.join("reported.json");
        fs::write(&file, r#"{"serial":"A","mode":2}"#).unwrap();
        let mut reported = Reported::new(file);
        reported.look().unwrap();
        reported.told(&map(
            &json!({"$version": 1, "serial": "A", "mode": 1, "other": 1}),
        ));
        let patch = reported.patch().unwrap();
        assert_eq!(object(&patch), object(br#"{"mode":2}"#));
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_file_that_is_wrong_is_told_once_with_its_line() {
        let folder = folder("wrong");
        let file = folder.join("reported.json");
        let mut reported = Reported::new(file.clone());
        fs::write(&file, "{\n\"a\": x}").unwrap();
        let why = reported.look().unwrap_err();
        assert!(why.contains("reported.json:2: this is no JSON"), "{why}");
        reported.look().unwrap();
        fs::write(&file, "[1]").unwrap();
        let why = reported.look().unwrap_err();
        assert!(why.contains("this is no JSON object"), "{why}");
        fs::write(&file, vec![b' '; 70_000]).unwrap();
        assert!(
            reported
                .look()
                .unwrap_err()
                .contains("more than 65536 bytes")
        );
        reported.look().unwrap();
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn desired_properties_are_in_their_file_as_they_are_now() {
        let folder = folder("desired");
        let file = folder.join("desired.json");
        let mut desired = Desired::new(Some(file.clone()));
        let all = map(&json!({"$version": 4, "interval": 60, "led": {"on": true}}));
        assert!(desired.replace(&all));
        assert_eq!(desired.news(), Some(all));
        desired.write().unwrap();
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = fs::metadata(&file).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        desired.change(&map(&json!({"$version": 5, "led": {"on": null, "dim": 3}})));
        desired.write().unwrap();
        let written = object(&fs::read(&file).unwrap());
        assert_eq!(
            written,
            object(br#"{"$version": 5, "interval": 60, "led": {"dim": 3}}"#)
        );
        // The same again changes nothing.
        assert!(!desired.replace(&written.unwrap()));
        let news = json!({"$version": 5, "led": {"on": null, "dim": 3}});
        assert_eq!(desired.news(), Some(map(&news)));
        assert_eq!(desired.news(), None);
        fs::remove_dir_all(folder).unwrap();
    }
}
