//! Where a running lab's parts are, and the two files that clients need: the root certificate and the connection
//! strings. With a state folder they are in it, else in a folder of their own that goes with the lab.

use std::{
    env,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use towpath_lab::Lab;

use crate::{
    exit::Failure,
    text::{Object, array, quoted},
};

pub(super) struct Places {
    state: Option<PathBuf>,
    root: PathBuf,
    strings: PathBuf,
    /// Removed at the end.
    temporary: Option<PathBuf>,
}

impl Places {
    /// Writes both files.
    pub(super) fn write(lab: &Lab, state: Option<&Path>) -> Result<Self, Failure> {
        let state = state.map(|state| fs::canonicalize(state).unwrap_or_else(|_| state.to_owned()));
        let temporary = match &state {
            Some(_) => None,
            None => Some(new_folder()?),
        };
        let folder = state.as_ref().or(temporary.as_ref());
        let folder = folder.cloned().unwrap_or_default();
        let places = Self {
            root: folder.join("root.pem"),
            strings: folder.join("connection-strings.txt"),
            state,
            temporary,
        };
        lab.hand_out(&folder)?;
        Ok(places)
    }

    /// For people.
    pub(super) fn text(&self, lab: &Lab, show_keys: bool) -> String {
        let mut out = String::from("The lab is ready; Ctrl-C ends it.\n");
        let mut line = |what: &str, where_: &str| {
            let _ = writeln!(out, "  {what:<13} {where_}");
        };
        for host in lab.hubs() {
            line("hub", host);
        }
        if let Some((host, scope)) = lab.provisioning() {
            line("provisioning", &format!("{host}, ID scope {scope}"));
        }
        line("mqtts", &lab.mqtts().to_string());
        line(
            "https",
            &format!("{}  WebSocket /$iothub/websocket, REST", lab.https()),
        );
        if let Some(page) = lab.page() {
            line("page", &format!("http://{page}/"));
        }
        match &self.state {
            Some(state) => line("state", &state.display().to_string()),
            None => line("state", "in memory only"),
        }
        line(
            "root",
            &format!("{}  what clients trust", self.root.display()),
        );
        line(
            "keys",
            &format!("{}  connection strings", self.strings.display()),
        );
        if show_keys {
            for (what, string) in lab.connection_strings() {
                let _ = writeln!(out, "  {what}\n    {string}");
            }
        }
        out
    }

    /// For a program, as the first line.
    pub(super) fn json(&self, lab: &Lab, show_keys: bool) -> String {
        let path = |path: &Path| path.display().to_string();
        let or_null =
            |value: Option<String>| value.map_or_else(|| "null".into(), |text| quoted(&text));
        let mut object = Object::new()
            .text("event", "ready")
            .text("mqtts", &lab.mqtts().to_string())
            .text("https", &lab.https().to_string())
            .raw(
                "page",
                or_null(lab.page().map(|page| format!("http://{page}/"))),
            )
            .raw("hubs", array(lab.hubs().map(quoted)));
        object = match lab.provisioning() {
            Some((host, scope)) => object.raw(
                "provisioning",
                Object::new()
                    .text("host", host)
                    .text("id_scope", scope)
                    .end(),
            ),
            None => object.raw("provisioning", "null"),
        };
        object = object
            .raw("state", or_null(self.state.as_deref().map(path)))
            .text("root", &path(&self.root))
            .text("connection_strings", &path(&self.strings));
        if show_keys {
            let strings = lab.connection_strings().into_iter();
            let strings = strings.map(|(what, string)| {
                Object::new()
                    .text("what", &what)
                    .text("string", &string)
                    .end()
            });
            object = object.raw("keys", array(strings));
        }
        object.end()
    }
}

impl Drop for Places {
    fn drop(&mut self) {
        if let Some(folder) = &self.temporary {
            let _ = fs::remove_dir_all(folder);
        }
    }
}

/// A new folder that only its owner can look into.
fn new_folder() -> Result<PathBuf, Failure> {
    let path = env::temp_dir().join(format!("towpath-lab-{}", std::process::id()));
    // Left over from a lab of the same process number that was killed.
    let _ = fs::remove_dir_all(&path);
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(&path).map_err(|error| Failure::Io {
        what: "cannot make a folder for the root certificate and the connection strings",
        error,
    })?;
    Ok(path)
}
