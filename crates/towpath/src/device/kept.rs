//! What a restart finds again: the hub that DPS assigned, and the port that was open.
//!
//! A file `assignment.toml` in the state folder, written whole and renamed into place. One that can't be read, or that
//! belongs to another registration, counts as none: DPS is asked then.

use std::{
    fs,
    io::{self, Write},
    path::Path,
};

use towpath_azure::{Assignment, Name, Transport};

use super::options::Entry;

/// The file in the state folder.
const FILE: &str = "assignment.toml";

/// An assignment and a transport, as they are kept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Kept {
    /// The hub and the identity there.
    pub assignment: Option<Assignment>,
    /// The transport that worked last.
    pub transport: Option<Transport>,
}

impl Kept {
    /// Reads what the folder holds for this entry.
    #[must_use]
    pub fn read(folder: &Path, entry: &Entry) -> Self {
        fs::read_to_string(folder.join(FILE))
            .ok()
            .and_then(|text| Self::parse(&text, entry))
            .unwrap_or_default()
    }

    fn parse(text: &str, entry: &Entry) -> Option<Self> {
        let value = |key: &str| {
            text.lines().find_map(|line| {
                let (name, value) = line.split_once('=')?;
                let value = value.trim().strip_prefix('"')?.strip_suffix('"')?;
                (name.trim() == key).then_some(value)
            })
        };
        if value("for")? != owner(entry) {
            return None;
        }
        let name = |key| value(key).and_then(|text| Name::try_from(text).ok());
        let assignment = match (name("hub"), name("device_id")) {
            (Some(hub), Some(device_id)) => Some(Assignment { hub, device_id }),
            _ => None,
        };
        let transport = match value("transport") {
            Some("mqtts") => Some(Transport::Mqtts),
            Some("wss") => Some(Transport::Wss),
            _ => None,
        };
        Some(Self {
            assignment,
            transport,
        })
    }

    /// Writes it, so that at any time the old or the new file is there as a whole.
    ///
    /// # Errors
    /// What the file system says.
    pub fn write(&self, folder: &Path, entry: &Entry) -> io::Result<()> {
        fs::create_dir_all(folder)?;
        let mut text = String::from(
            "# Written by towpath. It may be deleted: the provisioning service is asked again.\n",
        );
        let mut line = |key: &str, value: &str| {
            text.push_str(&format!("{key} = \"{value}\"\n"));
        };
        line("for", &owner(entry));
        if let Some(assignment) = &self.assignment {
            line("hub", &assignment.hub);
            line("device_id", &assignment.device_id);
        }
        if let Some(transport) = self.transport {
            line("transport", transport.name());
        }
        let new = folder.join(format!("{FILE}.new"));
        let mut file = fs::File::create(&new)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&new, folder.join(FILE))?;
        fs::File::open(folder)?.sync_all()
    }
}

/// What an assignment belongs to. Quotes and line ends can't be in it.
fn owner(entry: &Entry) -> String {
    let text = match entry {
        Entry::Hub { hub, device_id } => format!("{hub}/{device_id}"),
        Entry::Dps {
            host,
            scope,
            registration_id,
            ..
        } => format!("{host}/{scope}/{registration_id}"),
    };
    text.replace(['"', '\n', '\r'], "?")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(registration_id: &str) -> Entry {
        Entry::Dps {
            host: "dps.example".into(),
            scope: "0ne1".into(),
            registration_id: registration_id.into(),
            payload: String::new(),
        }
    }

    #[test]
    fn what_was_written_is_found_by_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let kept = Kept {
            assignment: Some(Assignment {
                hub: Name::try_from("hub.example").unwrap(),
                device_id: Name::try_from("meter 1=2").unwrap(),
            }),
            transport: Some(Transport::Wss),
        };
        kept.write(folder.path(), &entry("a")).unwrap();
        assert_eq!(Kept::read(folder.path(), &entry("a")), kept);
        assert_eq!(Kept::read(folder.path(), &entry("b")), Kept::default());
    }

    #[test]
    fn a_damaged_file_counts_as_none() {
        let folder = tempfile::tempdir().unwrap();
        for text in ["", "for", "for = \"dps", "hub = \"x\"", "\u{0}\u{ff}"] {
            fs::write(folder.path().join(FILE), text).unwrap();
            assert_eq!(Kept::read(folder.path(), &entry("a")), Kept::default());
        }
    }
}
