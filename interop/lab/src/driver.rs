//! chromedriver, and the requests of WebDriver (W3C) to it.

use std::{
    net::{Ipv4Addr, SocketAddr},
    process::Stdio,
};

use mqtt::Folder;
use serde_json::{Value as Json, json};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpStream,
    process::{Child, ChildStdout, Command},
};

/// A chromedriver with one session. Both end with this value.
#[derive(Debug)]
pub(crate) struct Driver {
    address: SocketAddr,
    session: String,
    chromedriver: Child,
    // Read by nobody, but writing to a closed one would end chromedriver.
    _said: BufReader<ChildStdout>,
    _profile: Folder,
}

/// What the browser may not do in a test: ask the internet for anything, or write outside of its folder. By the pipe it
/// notices when chromedriver ends, and ends too.
const ARGUMENTS: [&str; 11] = [
    "--headless=new",
    "--remote-debugging-pipe",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--force-device-scale-factor=1",
];

impl Driver {
    /// Starts chromedriver on a free port, and a browser.
    ///
    /// # Panics
    /// If either does not start.
    pub(crate) async fn start() -> Self {
        let profile = Folder::new("chromium");
        // It ends with the test even if that is killed, and the browser with it.
        let mut chromedriver = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "chromedriver", "--port=0"])
            .env("TMPDIR", profile.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(profile.open_log())
            .kill_on_drop(true)
            .spawn()
            .expect("chromedriver");
        let mut said = BufReader::new(chromedriver.stdout.take().expect("its output"));
        let port = port(&mut said).await;
        let mut driver = Self {
            address: (Ipv4Addr::LOCALHOST, port).into(),
            session: String::new(),
            chromedriver,
            _said: said,
            _profile: profile,
        };
        driver.open().await;
        driver
    }

    async fn open(&mut self) {
        let data = format!("--user-data-dir={}", self._profile.file("data").display());
        let mut arguments: Vec<_> = ARGUMENTS.map(String::from).into();
        arguments.push(data);
        let wanted = json!({ "capabilities": { "alwaysMatch": {
            "browserName": "chrome",
            "goog:chromeOptions": { "args": arguments },
            "goog:loggingPrefs": { "browser": "ALL" },
        } } });
        let value = self.request("POST", "/session", Some(&wanted)).await;
        let value = value.unwrap_or_else(|error| panic!("no browser: {error}"));
        let session = value["sessionId"].as_str().expect("a session");
        self.session = session.to_owned();
    }

    /// A command of the session: its value, or the error in words.
    pub(crate) async fn command(
        &self,
        method: &str,
        path: &str,
        body: Option<&Json>,
    ) -> Result<Json, String> {
        let path = format!("/session/{}{path}", self.session);
        self.request(method, &path, body).await
    }

    async fn request(&self, method: &str, path: &str, body: Option<&Json>) -> Result<Json, String> {
        let answer = self.exchange(method, path, body).await;
        let answer = answer.map_err(|error| format!("{method} {path}: {error}"))?;
        let value = answer.get("value").cloned().unwrap_or_default();
        match value.get("error").and_then(Json::as_str) {
            Some(error) => Err(format!(
                "{error}: {}",
                value["message"].as_str().unwrap_or("")
            )),
            None => Ok(value),
        }
    }

    /// One request of HTTP/1.1 on a connection of its own, which chromedriver does not close.
    async fn exchange(
        &self,
        method: &str,
        path: &str,
        body: Option<&Json>,
    ) -> Result<Json, String> {
        let body = body.map(Json::to_string).unwrap_or_default();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            self.address,
            body.len()
        );
        let failed = |error: std::io::Error| error.to_string();
        let mut stream = TcpStream::connect(self.address).await.map_err(failed)?;
        stream.write_all(request.as_bytes()).await.map_err(failed)?;
        let mut stream = BufReader::new(stream);
        let mut length = None;
        let mut line = String::new();
        while stream.read_line(&mut line).await.map_err(failed)? > 2 {
            let field = line.to_ascii_lowercase();
            if let Some(value) = field.strip_prefix("content-length:") {
                length = value.trim().parse().ok();
            }
            line.clear();
        }
        let mut body = vec![0; length.ok_or("the answer has no length")?];
        stream.read_exact(&mut body).await.map_err(failed)?;
        serde_json::from_slice(&body).map_err(|error| error.to_string())
    }

    /// Ends the session and chromedriver.
    pub(crate) async fn quit(mut self) {
        let _ = self.command("DELETE", "", None).await;
        let _ = self.chromedriver.kill().await;
    }
}

/// The port that chromedriver says it listens on.
async fn port(said: &mut BufReader<ChildStdout>) -> u16 {
    let mut lines = String::new();
    loop {
        let from = lines.len();
        let read = said.read_line(&mut lines).await.expect("its output");
        assert!(read > 0, "chromedriver ended: {lines}");
        if let Some((_, port)) = lines[from..].split_once("successfully on port ") {
            let port = port.trim().trim_end_matches('.');
            if let Ok(port) = port.parse() {
                return port;
            }
        }
    }
}
