//! `towpath doctor`: one climb with the ordinary client, the questions beside it, and what they come to.
//!
//! - `subject.rs`: what is climbed to, as whom, and how options for it are made again with a change
//! - `attempt.rs`: one climb, from the client's trace to evidence
//! - `device.rs`: the climb of a device of IoT Hub, by way of its provisioning
//! - `probe.rs`, `https.rs`: the questions beside the climb
//! - `as_device.rs`: from the build settings of a device to a client that is like it

mod as_device;
mod attempt;
#[cfg(feature = "device")]
mod device;
#[cfg(feature = "device")]
mod https;
#[cfg(not(feature = "device"))]
#[path = "no_https.rs"]
mod https;
mod probe;
mod subject;

use std::{
    fs,
    future::pending,
    io::{self, IsTerminal as _, Write as _},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use tokio::sync::watch;
use towpath::Rung;
use towpath_doctor::{
    Diagnosis, Side,
    diagnosis::Verdict,
    evidence::{Climb, Evidence},
    lint, probe as planner,
    report::{self, Style},
    verdict,
};

use self::{
    attempt::{Attempt, Extent},
    subject::Subject,
};
use super::{Stop, block_on};
use crate::{
    args::Doctor as Args,
    exit::Failure,
    report::{Report, made, wants_color},
};

/// How long each rung may take, unless the user says otherwise: a black hole is called within ten seconds in all.
const PATIENCE: Duration = Duration::from_secs(4);

/// How long a server may take to accept the connection: a busy one is not a broken one. What is left of [`CLIMB`] is for
/// the questions.
const ANSWER: Duration = Duration::from_millis(7500);

/// When the climb is given up, however it goes.
const CLIMB: Duration = Duration::from_secs(9);

/// Until when questions may be asked beside it.
const PROBES: Duration = Duration::from_millis(9500);

/// Rounds of questions: each round is planned on the answers of those before it.
const ROUNDS: usize = 4;

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let began = Instant::now();
    let mut subject = Subject::gather(args)?;
    let report = Report::new(args.json, false);
    let mut diagnosis = None;
    block_on(async {
        let mut stop = Stop::listen()?;
        let (asked, halt) = watch::channel(false);
        let work = look(args, &mut subject, report, Halt(halt));
        tokio::pin!(work);
        let found = tokio::select! {
            biased;
            found = &mut work => found,
            () = stop.asked() => {
                asked.send_replace(true);
                // It takes its leave first; who asks twice does not want to wait for that.
                tokio::select! {
                    biased;
                    found = &mut work => found,
                    () = stop.asked() => Err(interrupted()),
                }
            }
        };
        diagnosis = Some(found?);
        Ok(())
    })?;
    diagnosis.map_or(Ok(()), |diagnosis| tell(args, &diagnosis, began.elapsed()))
}

/// Tells whether the user wants it to end.
#[derive(Debug, Clone)]
struct Halt(watch::Receiver<bool>);

impl Halt {
    /// Returns when the user wants it to end.
    async fn asked(&mut self) {
        if self.0.wait_for(|asked| *asked).await.is_err() {
            // Nobody can ask any more.
            pending::<()>().await;
        }
    }
}

fn interrupted() -> Failure {
    Failure::Late("interrupted before there was a verdict".into())
}

/// Climbs, asks, judges.
async fn look(
    args: &Args,
    subject: &mut Subject,
    report: Report,
    mut halt: Halt,
) -> Result<Diagnosis, Failure> {
    let began = Instant::now();
    let mut evidence = Evidence {
        target: subject.target(),
        settings: subject.settings(),
        profile: subject.profile.clone(),
        vantage: String::new(),
        client: subject.client(),
        clock: SystemTime::now(),
        lint: Vec::new(),
        climb: None,
        probes: Vec::new(),
    };
    let material = subject.material()?;
    evidence.lint = lint::lint(
        &evidence.target,
        evidence.profile.as_ref(),
        material.for_lint(subject),
        evidence.clock,
    );
    drop(material);
    if let Some(extent) = extent(args, &evidence) {
        report.climbing();
        let climbed = climb(subject, extent, began, halt.clone(), &mut evidence).await;
        report.wipe();
        let climbed = climbed?;
        if let Some(profile) = &evidence.profile {
            // What this client took may be more than the device has room for.
            evidence.lint.extend(lint::limits(profile, &climbed));
        }
        evidence.climb = Some(climbed);
    }
    evidence.vantage = vantage(evidence.climb.as_ref());
    if !args.no_probes {
        tokio::select! {
            biased;
            () = halt.asked() => report.wipe(),
            () = ask(subject, &mut evidence, began, report) => {}
        }
    }
    let mut diagnosis = verdict::diagnose(&evidence);
    diagnosis.notes.append(&mut subject.notes);
    Ok(diagnosis)
}

/// The last rung that is climbed when it is known that this one can't be.
const BELOW: &[(Rung, Rung)] = &[
    (Rung::Tcp, Rung::Dns),
    (Rung::Proxy, Rung::Tcp),
    (Rung::Tls, Rung::Tcp),
    (Rung::Upgrade, Rung::Tls),
    (Rung::Ws, Rung::Tls),
    (Rung::Mqtt, Rung::Ws),
    (Rung::Hub, Rung::Ws),
];

/// How far to climb. None: what the build of the device lacks can't be tried from here.
fn extent(args: &Args, evidence: &Evidence) -> Option<Extent> {
    let breaks = evidence.lint.iter().filter(|found| found.breaks);
    let mut extent = Extent {
        watch: args.watch,
        ..Extent::default()
    };
    for found in breaks {
        if found.finding.side == Side::Device && evidence.profile.is_some() {
            return None;
        }
        // What breaks before it is the first thing to mend, and nothing known to be wrong is sent.
        let below = BELOW.iter().find(|(rung, _)| *rung == found.rung);
        let below = below.map(|(_, below)| *below);
        extent.until = extent.until.into_iter().chain(below).min();
    }
    Some(extent)
}

async fn climb(
    subject: &mut Subject,
    extent: Extent,
    began: Instant,
    halt: Halt,
    evidence: &mut Evidence,
) -> Result<Climb, Failure> {
    let until = (!subject.is_patient).then(|| began + CLIMB);
    #[cfg(feature = "device")]
    if let Some(config) = subject.device.clone() {
        return device::climb(&config, subject, extent, until, halt, evidence).await;
    }
    let options = subject.options()?;
    let _ = evidence;
    Attempt::new(options, extent, until)
        .until_asked(halt)
        .climb()
        .await
}

/// Asks what separates the causes that are left, side by side, until nothing more helps or time is over.
async fn ask(subject: &Subject, evidence: &mut Evidence, began: Instant, report: Report) {
    let until = if subject.is_patient {
        Instant::now() + PROBES
    } else {
        began + PROBES
    };
    for _ in 0..ROUNDS {
        if Instant::now() + probe::LEAST > until {
            break;
        }
        let questions = planner::next(evidence);
        if questions.is_empty() {
            break;
        }
        report.line_to_wipe("  asking what separates the causes ...");
        let answers = probe::all(subject, evidence, questions, until).await;
        report.wipe();
        evidence.probes.extend(answers);
    }
}

/// `this machine (meter-4), from 192.0.2.7`.
fn vantage(climb: Option<&Climb>) -> String {
    let name = fs::read_to_string("/proc/sys/kernel/hostname")
        .ok()
        .or_else(|| std::env::var("HOSTNAME").ok());
    let mut text = "this machine".to_owned();
    if let Some(name) = name
        .as_deref()
        .map(str::trim)
        .filter(|name| !name.is_empty())
    {
        text.push_str(&format!(" ({name})"));
    }
    if let Some(local) = climb.and_then(|climb| climb.local) {
        text.push_str(&format!(", from {}", local.ip()));
    }
    text
}

/// When this program was built.
fn built() -> Option<SystemTime> {
    let seconds = env!("TOWPATH_BUILT")
        .parse()
        .ok()
        .filter(|seconds| *seconds > 0)?;
    UNIX_EPOCH.checked_add(Duration::from_secs(seconds))
}

fn tell(args: &Args, diagnosis: &Diagnosis, took: Duration) -> Result<(), Failure> {
    let text = if args.json {
        let mut object = report::json(diagnosis);
        // Climb, questions and judgement together, also where the path breaks.
        let millis = (took.as_secs_f64() * 1e6).round() / 1e3;
        object["took_ms"] = millis.into();
        format!("{object}\n")
    } else {
        let color = wants_color(io::stdout().is_terminal());
        let verbose = args.verbose;
        report::text(diagnosis, Style { color, verbose })
    };
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .map_err(Failure::output)?;
    if let Some(path) = &args.report {
        // The verdict is told already, and stands.
        fs::write(path, report::html(diagnosis, &made())).map_err(|error| {
            Failure::usage(format!(
                "cannot write the report to {}: {error}",
                path.display()
            ))
        })?;
    }
    match diagnosis.verdict {
        Verdict::Ready(_) => Ok(()),
        Verdict::Warning(_) => Err(Failure::Diagnosed(3)),
        Verdict::Broken | Verdict::Unknown => Err(Failure::Diagnosed(1)),
    }
}
