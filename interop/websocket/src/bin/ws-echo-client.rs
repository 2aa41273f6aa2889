//! Runs every case of a fuzzing server: `ws-echo-client HOST:PORT AGENT`.

use std::process::ExitCode;

use websocket::{Connection, Incoming};

fn run(host: &str, agent: &str) -> Result<(), String> {
    let open = |target: &str| {
        Connection::open(host, target).map_err(|error| format!("{target}: {error:?}"))
    };
    let mut count = open("/getCaseCount")?;
    let cases: u32 = match count.receive() {
        Ok(Incoming::Message(_, text)) => String::from_utf8_lossy(&text)
            .parse()
            .map_err(|_| "no case count")?,
        _ => return Err("no case count".to_owned()),
    };
    // The server closes after the count.
    let _ = count.receive();
    for case in 1..=cases {
        let mut connection = open(&format!("/runCase?case={case}&agent={agent}"))?;
        if let Err(error) = connection.echo() {
            eprintln!("case {case}: {error}");
        }
    }
    let _ = open(&format!("/updateReports?agent={agent}"))?.receive();
    Ok(())
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [host, agent] = args.as_slice() else {
        eprintln!("usage: ws-echo-client HOST:PORT AGENT");
        return ExitCode::from(2);
    };
    match run(host, agent) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("ws-echo-client: {error}");
            ExitCode::FAILURE
        }
    }
}
