//! Networks of their own for hub and device, and processes in them.

use std::{
    env,
    io::{BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use mqtt::Folder;
use net::{
    Namespace,
    delay::{Delay, Link, Seen},
};

use crate::{
    order::Order,
    serve::{DPS, HUB},
};

const DEVICE: &str = "192.0.2.2";
const CLOUD: &str = "198.18.0.10";
/// A packet's time on the link, each way.
pub const ONE_WAY: Duration = Duration::from_millis(50);
/// How long a client may take.
const PATIENCE_SECONDS: &str = "600";

/// Who is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Client {
    Towpath,
    Python,
    Node,
}

impl Client {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Towpath => "towpath",
            Self::Python => "Python SDK",
            Self::Node => "Node SDK",
        }
    }
}

/// A hub, and a place for devices. Ends with this value.
pub struct World {
    device: Namespace,
    _cloud: Option<Namespace>,
    _link: Option<Link>,
    seen: Arc<Mutex<Vec<Seen>>>,
    hub: Child,
    pub folder: Folder,
    /// Where the SDKs are installed, and the scripts that drive them.
    sdks: Option<(PathBuf, PathBuf)>,
}

impl World {
    /// Hub and device at the two ends of a slow link.
    pub fn apart() -> Result<Self, String> {
        let (device, cloud) = (Namespace::new("device"), Namespace::new("cloud"));
        let seen = Arc::<Mutex<Vec<Seen>>>::default();
        let all = Arc::clone(&seen);
        let delay = Delay {
            least: ONE_WAY,
            jitter: Duration::ZERO,
            seed: 0,
        };
        let link = Link::watched(&device, &cloud, "far", delay, move |packet| {
            all.lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(packet);
        });
        for (end, own, other) in [(&device, DEVICE, CLOUD), (&cloud, CLOUD, DEVICE)] {
            end.ip(&format!(
                "addr add {own}/32 dev far\nroute add {other}/32 dev far"
            ));
        }
        Self::with(device, Some(cloud), Some(link), seen, CLOUD)
    }

    /// Both on one machine.
    pub fn together() -> Result<Self, String> {
        Self::with(
            Namespace::new("machine"),
            None,
            None,
            Arc::default(),
            "127.0.0.1",
        )
    }

    fn with(
        device: Namespace,
        cloud: Option<Namespace>,
        link: Option<Link>,
        seen: Arc<Mutex<Vec<Seen>>>,
        address: &str,
    ) -> Result<Self, String> {
        device.hosts(&format!("127.0.0.1 localhost\n{address} {HUB} {DPS}\n"));
        let folder = Folder::new("bench-device");
        let own = env::current_exe().map_err(|e| e.to_string())?;
        let mut command = bounded(&own);
        command.arg("serve").arg(folder.path()).arg(address);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let at = cloud.as_ref().unwrap_or(&device);
        let mut hub = at
            .run(move || command.spawn())
            .map_err(|e| format!("setpriv: {e}"))?;
        let mut line = String::new();
        if let Some(out) = hub.stdout.take() {
            let _ = BufReader::new(out).read_line(&mut line);
        }
        if line != "ready\n" {
            return Err("the hub does not start".into());
        }
        let sdks = env::var_os("SDKS").zip(env::var_os("SDK_SCRIPTS"));
        Ok(Self {
            device,
            _cloud: cloud,
            _link: link,
            seen,
            hub,
            folder,
            sdks: sdks.map(|(sdks, scripts)| (sdks.into(), scripts.into())),
        })
    }

    /// Whether this client can be measured.
    pub const fn has(&self, client: Client) -> bool {
        matches!(client, Client::Towpath) || self.sdks.is_some()
    }

    /// Runs a client to its end, and gives the lines that it answered with.
    pub fn run(&self, client: Client, order: &Order) -> Result<Vec<String>, String> {
        let mut command = self.command(client)?;
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        command.stderr(Stdio::piped());
        let text = serde_json::to_string(order).map_err(|e| e.to_string())?;
        let child = self.device.run(move || command.spawn());
        let mut child = child.map_err(|e| format!("{}: {e}", client.name()))?;
        if let Some(mut input) = child.stdin.take() {
            // One that has ended says why by its status.
            let _ = writeln!(input, "{text}");
        }
        let output = child.wait_with_output().map_err(|e| e.to_string())?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            return Err(format!("{}: {}: {said}", client.name(), output.status));
        }
        let said = String::from_utf8_lossy(&output.stdout);
        Ok(said.lines().map(str::to_owned).collect())
    }

    fn command(&self, client: Client) -> Result<Command, String> {
        if client == Client::Towpath {
            let own = env::current_exe().map_err(|e| e.to_string())?;
            let mut command = bounded(&own);
            command.arg("client");
            return Ok(command);
        }
        let (sdks, scripts) = self.sdks.as_ref().ok_or("the SDKs are not installed")?;
        let mut command;
        if client == Client::Python {
            command = bounded(&sdks.join("venv/bin/python"));
            command.arg(scripts.join("sdk.py"));
        } else {
            command = bounded(Path::new("node"));
            command.arg(scripts.join("sdk.js"));
            command.env("NODE_PATH", sdks.join("node_modules"));
            command.env("NODE_EXTRA_CA_CERTS", self.folder.file("root.pem"));
        }
        Ok(command)
    }

    /// The packets that entered the link since the last time.
    pub fn packets(&self) -> Vec<Seen> {
        std::mem::take(&mut *self.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for World {
    fn drop(&mut self) {
        // The hub ends with its input.
        drop(self.hub.stdin.take());
        let _ = self.hub.wait();
    }
}

/// A program that ends with this one, and in any case some day.
fn bounded(program: &Path) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--", "timeout", "--foreground"]);
    command.arg(PATIENCE_SECONDS).arg(program);
    command
}
