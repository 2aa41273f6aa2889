//! Firmware updates: `[update]` of the device's file, the two programs, and what is said about it.
//!
//! Root keys are read as Microsoft publishes those of Device Update (`{"protected":{"rootKeys":{KID:{"keyType":"RSA",
//! "n":..,"e":65537}},"disabledRootKeys":[KID]}}`), with or without the members around, or as a JSON Web Key Set
//! (RFC 7517 section 5).

use std::{fs, path::Path, time::Duration};

use serde_json::Value;
use tokio::{sync::oneshot, task::JoinSet, time::timeout};
use towpath::{
    config::{
        Setting,
        device::{DeviceConfig, Program, Update, UpdateKind},
    },
    device::{Device, Jobs, Notice, Options, RootKey, Updater, Updates, Version, Wants},
};

use super::{
    once::{self, FAREWELL, Once},
    prepare,
    program::{Broken, Ran, Runner},
    tell::Teller,
};
use crate::{exit::Failure, report::Report, setup, text::Object};

/// The largest image, when nothing is said.
const LIMIT: u64 = 1 << 30;

/// The handler of the steps that the program does, when nothing is said.
const HANDLER: &str = "microsoft/swupdate:1";

/// How long a program may take, when nothing is said.
const PATIENCE: Duration = Duration::from_secs(600);

/// What the hub is to send.
const TWIN: Wants = Wants {
    messages: false,
    methods: false,
    twin: true,
};

/// What `[update]` says; `None` if it is not there.
pub(super) fn updates(config: &DeviceConfig) -> Result<Option<Updates>, Failure> {
    let update = &config.update;
    let (Some(_), Some(kind), Some(slot)) = (&update.at, &update.kind, &update.slot) else {
        return Ok(None);
    };
    let version = match (&update.version, &update.version_file) {
        (_, Some(file)) => {
            fs::metadata(file.value()).map_err(|error| setup::unreadable(file.value(), &error))?;
            Version::File(file.value().clone())
        }
        (version, None) => Version::Text(prepare::or(version, String::new())),
    };
    Ok(Some(Updates {
        jobs: match kind.value() {
            UpdateKind::Fota => Jobs::Fota,
            UpdateKind::Adu => device_update(update)?,
        },
        slot: slot.value().clone(),
        limit: prepare::or(&update.limit, LIMIT),
        version,
        downgrade: prepare::or(&update.downgrade, false),
        plain: false,
        goes_on: !prepare::or(&update.restart, true),
    }))
}

fn device_update(update: &Update) -> Result<Jobs, Failure> {
    let manufacturer = prepare::or(&update.manufacturer, String::new());
    let model = prepare::or(&update.model, String::new());
    let (roots, disabled) = match &update.roots {
        Some(file) => roots(file)?,
        None => (Vec::new(), Vec::new()),
    };
    Ok(Jobs::DeviceUpdate {
        provider: prepare::or(&update.provider, manufacturer.clone()),
        name: prepare::or(&update.name, model.clone()),
        manufacturer,
        model,
        handlers: prepare::or(&update.handlers, vec![HANDLER.to_owned()]),
        roots,
        disabled,
    })
}

type Roots = (Vec<RootKey>, Vec<String>);

fn roots(file: &Setting<std::path::PathBuf>) -> Result<Roots, Failure> {
    let path: &Path = file.value();
    let text = fs::read(path).map_err(|error| setup::unreadable(path, &error))?;
    read_roots(&text).map_err(|why| file.wrong(format_args!("{}: {why}", path.display())).into())
}

/// The root keys in a file, and the names of those that count no longer.
fn read_roots(text: &[u8]) -> Result<Roots, String> {
    let whole: Value = serde_json::from_slice(text).map_err(|error| error.to_string())?;
    let whole = whole.get("protected").unwrap_or(&whole);
    let mut roots = Vec::new();
    if let Some(keys) = whole.get("keys").and_then(Value::as_array) {
        for key in keys {
            let kid = key.get("kid").and_then(Value::as_str);
            roots.push(root(kid.ok_or("a key has no \"kid\"")?, key)?);
        }
    } else {
        let keys = whole.get("rootKeys").unwrap_or(whole).as_object();
        for (kid, key) in keys.ok_or("there are no \"rootKeys\", nor \"keys\"")? {
            roots.push(root(kid, key)?);
        }
    }
    if roots.is_empty() {
        return Err("there is no key in it".into());
    }
    let disabled = whole.get("disabledRootKeys").and_then(Value::as_array);
    let disabled = disabled
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect();
    Ok((roots, disabled))
}

fn root(kid: &str, key: &Value) -> Result<RootKey, String> {
    let wrong = |why: &str| format!("key {kid}: {why}");
    let kind = key.get("keyType").or_else(|| key.get("kty"));
    if kind.and_then(Value::as_str) != Some("RSA") {
        return Err(wrong("this is no RSA key"));
    }
    let n = key.get("n").and_then(Value::as_str).and_then(decoded);
    let n = n.ok_or_else(|| wrong("\"n\" has to be base64"))?;
    let e = match key.get("e") {
        Some(Value::Number(e)) => e.as_u64().map(|e| e.to_be_bytes().to_vec()),
        Some(Value::String(e)) => decoded(e),
        _ => None,
    };
    let e = e.ok_or_else(|| wrong("\"e\" has to be a number, or base64"))?;
    Ok(RootKey {
        kid: kid.to_owned(),
        n,
        e,
    })
}

/// Base64 of either alphabet, with padding or without.
fn decoded(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let (mut bits, mut count) = (0_u32, 0_u32);
    for byte in text.trim_end_matches('=').bytes() {
        let six = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            _ => return None,
        };
        bits = (bits << 6) | u32::from(six);
        count += 6;
        if count >= 8 {
            count -= 8;
            out.push(u8::try_from((bits >> count) & 0xff).ok()?);
        }
    }
    (!out.is_empty()).then_some(out)
}

/// What a notice leads to.
pub(super) enum Next {
    /// Nothing.
    Nothing,
    /// A program is to be run, and its end to be answered.
    Run(Errand),
    /// A job is over; why it failed.
    Ended(Result<(), String>),
    /// There is no job; what runs.
    Idle(String),
    /// The device ends, to be started anew.
    Restart(Failure),
}

/// A program that an update waits for.
pub(super) struct Errand {
    /// The key in the file.
    pub(super) name: &'static str,
    program: Program,
    runner: Runner,
    version: String,
    limit: Duration,
    done: oneshot::Sender<bool>,
}

impl Errand {
    /// Runs it. An end that is not a success is the answer, as well.
    pub(super) async fn run(self) -> (&'static str, Result<Ran, Broken>) {
        let variables = [("TOWPATH_VERSION", self.version.as_str())];
        let ran = self
            .runner
            .run(&self.program, b"", &variables, self.limit)
            .await;
        let works = ran.as_ref().is_ok_and(Ran::is_success);
        // An updater that has ended does not mind.
        let _ = self.done.send(works);
        (self.name, ran)
    }
}

/// Why an errand was no success.
pub(super) fn complaint(name: &str, ran: &Result<Ran, Broken>) -> Option<String> {
    let why = match ran {
        Ok(ran) if ran.is_success() => return None,
        Ok(ran) => ran.words(),
        Err(broken) => broken.to_string(),
    };
    Some(format!("[update] {name}: {why}"))
}

/// Firmware updates of a device that runs.
pub(super) struct Firmware {
    updater: Option<Updater>,
    update: Update,
    runner: Runner,
}

impl Firmware {
    /// Begins, if the file says so.
    pub(super) fn begin(
        config: &DeviceConfig,
        device: &Device,
        options: &Options,
    ) -> Result<Self, Failure> {
        let updates = updates(config)?;
        Ok(Self {
            updater: updates.map(|updates| Updater::spawn(device.clone(), options, updates)),
            update: config.update.clone(),
            runner: prepare::runner(config),
        })
    }

    /// Hears what the device says.
    pub(super) fn take(&self, event: &towpath::device::Event) {
        if let Some(updater) = &self.updater {
            updater.take(event);
        }
    }

    /// The next notice; never, if there is no update. May be dropped at any point.
    pub(super) async fn next(&mut self) -> Notice {
        if let Some(updater) = &mut self.updater
            && let Some(notice) = updater.next().await
        {
            return notice;
        }
        std::future::pending().await
    }

    /// Ends, after a program that was not run to its end is kept for the next start.
    pub(super) async fn stop(&mut self) {
        if let Some(updater) = &mut self.updater {
            updater.stop().await;
        }
    }

    /// Tells a notice, and says what it leads to.
    pub(super) fn notice(&self, notice: Notice, talk: &Teller) -> Next {
        match notice {
            Notice::Fetching { version, from } => {
                let text = format!("update: downloading {version} from {from}");
                let members = Object::new().text("version", &version).text("from", &from);
                talk.members("update_download", &text, members);
            }
            Notice::Broke(failure) => talk.complain("update_broke", &failure.to_string()),
            Notice::Apply {
                image,
                version,
                done,
            } => {
                let text = format!("update: installing {version}");
                talk.members(
                    "update_install",
                    &text,
                    Object::new().text("version", &version),
                );
                let Some(apply) = &self.update.apply else {
                    return Next::Nothing;
                };
                let mut program = apply.value().clone();
                program.args.push(image.to_string_lossy().into_owned());
                return Next::Run(self.errand("apply", program, version, done));
            }
            Notice::Confirm { version, done } => {
                let Some(confirm) = &self.update.confirm else {
                    // It has reached its hub, which is enough.
                    let _ = done.send(true);
                    return Next::Nothing;
                };
                let program = confirm.value().clone();
                return Next::Run(self.errand("confirm", program, version, done));
            }
            Notice::Ended { version, outcome } => return ended(&version, outcome, talk),
            Notice::Idle { version } => return Next::Idle(version),
            Notice::Reported => talk.done("firmware", "reported".into()),
            Notice::NotReported(error) => talk.complain("not_reported", &error.to_string()),
            Notice::Hindered(why) => talk.complain("update_hindered", &why),
            Notice::Restart { version, works } => {
                let why = if works {
                    format!("update: {version} is installed; the device ends to be started anew")
                } else {
                    format!(
                        "update: {version} does not work; the device ends, so that what ran before can be started"
                    )
                };
                return Next::Restart(Failure::Restart(why));
            }
            _ => {}
        }
        Next::Nothing
    }

    fn errand(
        &self,
        name: &'static str,
        program: Program,
        version: String,
        done: oneshot::Sender<bool>,
    ) -> Errand {
        Errand {
            name,
            program,
            runner: self.runner.clone(),
            version,
            limit: prepare::or(&self.update.timeout, PATIENCE),
            done,
        }
    }
}

fn ended(
    version: &str,
    outcome: Result<(), towpath::device::update::Refused>,
    talk: &Teller,
) -> Next {
    let members = Object::new().text("version", version);
    match outcome {
        Ok(()) => {
            talk.members("updated", &format!("update: {version} runs"), members);
            Next::Ended(Ok(()))
        }
        Err(refused) => {
            let members = members
                .text("reason", refused.name())
                .text("cause", refused.cause())
                .text("remedy", refused.remedy());
            talk.members("not_updated", &refused.to_string(), members);
            Next::Ended(Err(refused.to_string()))
        }
    }
}

/// `towpath device update`: one job, or the version.
pub(super) async fn once(
    config: &DeviceConfig,
    report: Report,
    trace: bool,
    waits: bool,
) -> Result<(), Failure> {
    if config.update.at.is_none() {
        return Err(Failure::usage(
            "there is no [update] in this file: it would say where an image is put, and what installs it",
        ));
    }
    let mut once = Once::begin(config, report, trace, TWIN)?;
    let (options, _) = prepare::options(config, TWIN, false)?;
    let mut firmware = Firmware::begin(config, &once.device, &options)?;
    let ended = job(&mut once, &mut firmware, waits).await;
    if ended.is_err() {
        let _ = timeout(FAREWELL, firmware.stop()).await;
    }
    once.farewell().await;
    let Some(version) = ended? else { return Ok(()) };
    once::print(&if report.json {
        Object::new().text("version", &version).end()
    } else {
        format!("version  {version}")
    })
}

/// Until a job is over and reported. The version, if there was none.
async fn job(
    once: &mut Once,
    firmware: &mut Firmware,
    waits: bool,
) -> Result<Option<String>, Failure> {
    let mut errands = JoinSet::new();
    let mut over: Option<Result<(), String>> = None;
    loop {
        let notice = tokio::select! {
            biased;
            event = once.next() => {
                firmware.take(&event?);
                continue;
            }
            Some(ran) = errands.join_next() => {
                if let Ok((name, ran)) = ran
                    && let Some(why) = complaint(name, &ran)
                {
                    once.teller.complain("update_program", &why);
                }
                continue;
            }
            notice = firmware.next() => notice,
        };
        match firmware.notice(notice, &once.teller) {
            Next::Run(errand) => {
                errands.spawn(Errand::run(errand));
            }
            Next::Restart(failure) => return Err(failure),
            Next::Ended(outcome) => over = Some(outcome),
            // What there was to report is with the hub.
            Next::Idle(version) => match over.take() {
                Some(Err(why)) => return Err(Failure::Hub(why)),
                Some(Ok(())) => return Ok(Some(version)),
                None if waits => {}
                None => return Ok(Some(version)),
            },
            Next::Nothing => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_keys_are_read_in_each_form() {
        let package = r#"{"protected":{"version":1,"disabledRootKeys":["old"],
            "rootKeys":{"a":{"keyType":"RSA","n":"_-8","e":65537}}},"signatures":[]}"#;
        let set = r#"{"keys":[{"kid":"a","kty":"RSA","n":"/+8=","e":"AQAB"}]}"#;
        let (roots, disabled) = read_roots(package.as_bytes()).unwrap();
        assert_eq!(
            (roots[0].kid.as_str(), &roots[0].n[..]),
            ("a", &[0xff, 0xef][..])
        );
        assert_eq!(roots[0].e, [0, 0, 0, 0, 0, 1, 0, 1]);
        assert_eq!(disabled, ["old"]);
        let (roots, disabled) = read_roots(set.as_bytes()).unwrap();
        assert_eq!(
            (&roots[0].n[..], &roots[0].e[..]),
            (&[0xff, 0xef][..], &[1, 0, 1][..])
        );
        assert!(disabled.is_empty());
    }

    #[test]
    fn what_is_wrong_with_root_keys_is_said() {
        for (text, why) in [
            ("", "EOF"),
            ("[]", "there are no"),
            ("{}", "there is no key"),
            (r#"{"keys":[{}]}"#, "kid"),
            (r#"{"a":{"keyType":"EC"}}"#, "key a: this is no RSA key"),
            (r#"{"a":{"keyType":"RSA","n":"?","e":3}}"#, "key a: \"n\""),
            (
                r#"{"a":{"keyType":"RSA","n":"AAAA","e":-3}}"#,
                "key a: \"e\"",
            ),
        ] {
            let error = read_roots(text.as_bytes()).unwrap_err();
            assert!(error.contains(why), "{text}: {error}");
        }
    }
}
