//! Device Update for IoT Hub: its component in the twin, agent protocol 5.
//!
//! Takes in the desired properties of the component `deviceUpdate`; gives out a [`Job`] whose manifest is signed and fits
//! the device, and the reported properties. Only the flow of today is spoken: action 3 (process deployment) and 255
//! (cancel), states 0 (idle), 6 (in progress) and 255 (failed).

use core::fmt::{self, Write};

use super::{
    Job, Label, Manifest, Refused, UpdateId, Verify,
    json::{Escaped, Quoted, Text, Value},
    jws::{self, Keys},
};

/// The component in the twin.
pub const COMPONENT: &str = "deviceUpdate";

/// The model of the component, as the agent reports it.
pub const CONTRACT: &str = "dtmi:azure:iot:deviceUpdateContractModel;2";

/// What the device says about itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Device<'a> {
    /// Who makes it.
    pub manufacturer: &'a str,
    /// What it is.
    pub model: &'a str,
    /// More properties by which the service groups devices, with their values.
    pub custom: &'a [(&'a str, &'a str)],
    /// The handlers of steps that the device is ready for, such as `microsoft/swupdate:1`.
    pub handlers: &'a [&'a str],
}

/// What the service wants.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Desired<'a> {
    pub(super) action: u8,
    pub(super) id: Label,
    pub(super) retry: Label,
    manifest: Option<Text<'a>>,
    signature: Option<Text<'a>>,
    urls: Option<Value<'a>>,
}

/// The action that installs.
pub(super) const PROCESS: u8 = 3;
/// The action that cancels.
pub(super) const CANCEL: u8 = 255;

impl<'a> Desired<'a> {
    /// What desired properties, or a twin with them, say about the component; `None` if nothing.
    pub(super) fn read(document: &'a [u8]) -> Result<Option<Self>, Refused> {
        let document = Value::parse(document).ok_or(Refused::Json)?;
        let desired = document.member("desired").unwrap_or(document);
        let Some(service) = desired
            .member(COMPONENT)
            .or_else(|| desired.member("azureDeviceUpdateAgent"))
            .and_then(|component| component.member("service"))
        else {
            return Ok(None);
        };
        let Some(workflow) = service.member("workflow") else {
            return Ok(None);
        };
        let action = workflow
            .member("action")
            .and_then(Value::number)
            .ok_or(Refused::Incomplete)?;
        let label = |name| {
            workflow
                .member(name)
                .map_or(Some(Label::new()), Value::label)
                .ok_or(Refused::Incomplete)
        };
        Ok(Some(Self {
            // An action that is out of range is as unknown as 254.
            action: u8::try_from(action).unwrap_or(254),
            id: label("id")?,
            retry: label("retryTimestamp")?,
            manifest: service.member("updateManifest").and_then(Value::text),
            signature: service
                .member("updateManifestSignature")
                .and_then(Value::text),
            urls: service.member("fileUrls"),
        }))
    }

    /// Whether there is a manifest, with all that belongs to it.
    pub(super) const fn is_whole(&self) -> bool {
        self.manifest.is_some() && self.signature.is_some() && self.urls.is_some()
    }

    /// The job, after the signature and all that the manifest says were checked.
    pub(super) fn job(
        &self,
        device: &Device<'_>,
        keys: &Keys<'_>,
        verify: &impl Verify,
        limit: u64,
        scratch: &mut [u8],
    ) -> Result<Job, Refused> {
        let manifest = self.manifest.ok_or(Refused::Incomplete)?;
        let signature = self.signature.ok_or(Refused::SignatureForm)?;
        let mut scratch = scratch;
        let manifest = unescape(manifest, &mut scratch)?;
        let signature = unescape(signature, &mut scratch)?;
        jws::check(signature, manifest, keys, verify, scratch)?;
        let manifest = Manifest::read(manifest, device)?;
        let url = self
            .urls
            .and_then(|urls| urls.member(&manifest.file))
            .and_then(Value::text)
            .ok_or(Refused::NoUrl)?;
        let url = url.keep().ok_or(Refused::Url)?;
        if manifest.size > limit {
            return Err(Refused::NoRoom);
        }
        Ok(manifest.job(url, limit))
    }
}

fn unescape<'s>(text: Text<'_>, scratch: &mut &'s mut [u8]) -> Result<&'s [u8], Refused> {
    let room = scratch
        .split_off_mut(..text.len())
        .ok_or(Refused::TooLarge)?;
    let len = text.unescape(room).ok_or(Refused::Json)?;
    room.get(..len).ok_or(Refused::TooLarge)
}

/// The deployment that a report is about.
#[derive(Debug, Clone, Copy)]
pub(super) struct Workflow<'a> {
    pub(super) action: u8,
    pub(super) id: &'a str,
    pub(super) retry: &'a str,
}

impl fmt::Display for Workflow<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{\"action\":{},\"id\":{}", self.action, Quoted(self.id))?;
        if !self.retry.is_empty() {
            write!(f, ",\"retryTimestamp\":{}", Quoted(self.retry))?;
        }
        f.write_char('}')
    }
}

/// The acknowledgement of the property `service`, in the way of Plug and Play, without what is large in it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ack<'a> {
    /// The `$version` of the desired properties.
    pub(super) version: u64,
    /// Whether the action is one of ours: 200, or else 406.
    pub(super) accepted: bool,
    pub(super) workflow: Workflow<'a>,
}

impl fmt::Display for Ack<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{{\"ac\":{},\"av\":{},\"value\":{{\"workflow\":{},\"updateManifest\":null,\
             \"updateManifestSignature\":null,\"fileUrls\":null}}}}",
            if self.accepted { 200 } else { 406 },
            self.version,
            self.workflow
        )
    }
}

/// What the agent reports.
#[derive(Debug, Clone, Copy)]
pub(super) struct Report<'a> {
    pub(super) device: &'a Device<'a>,
    pub(super) ack: Option<Ack<'a>>,
    /// 0 idle, 6 in progress, 255 failed.
    pub(super) state: u8,
    pub(super) workflow: Option<Workflow<'a>>,
    pub(super) installed: Installed<'a>,
    /// How the last one ended.
    pub(super) result: Option<Result<(), Refused>>,
}

/// The parts of an update id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Installed<'a> {
    pub(super) provider: &'a str,
    pub(super) name: &'a str,
    pub(super) version: &'a str,
}

impl<'a> From<&'a UpdateId> for Installed<'a> {
    fn from(id: &'a UpdateId) -> Self {
        Self {
            provider: &id.provider,
            name: &id.name,
            version: &id.version,
        }
    }
}

impl fmt::Display for Installed<'_> {
    /// JSON text in a JSON string.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        write!(
            Escaped(f),
            "{{\"provider\":{},\"name\":{},\"version\":{}}}",
            Quoted(self.provider),
            Quoted(self.name),
            Quoted(self.version)
        )?;
        f.write_char('"')
    }
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{\"{COMPONENT}\":{{\"__t\":\"c\"")?;
        if let Some(ack) = self.ack {
            write!(f, ",\"service\":{ack}")?;
        }
        let device = self.device;
        write!(
            f,
            ",\"agent\":{{\"deviceProperties\":{{\"manufacturer\":{},\"model\":{}",
            Quoted(device.manufacturer),
            Quoted(device.model)
        )?;
        for (name, value) in device.custom {
            write!(f, ",{}:{}", Quoted(name), Quoted(value))?;
        }
        write!(
            f,
            ",\"contractModelId\":\"{CONTRACT}\",\"aduVer\":\"DU;towpath/{}\"}}",
            env!("CARGO_PKG_VERSION")
        )?;
        f.write_str(",\"compatPropertyNames\":\"manufacturer,model")?;
        for (name, _) in device.custom {
            write!(Escaped(f), ",{name}")?;
        }
        f.write_char('"')?;
        if let Some(result) = self.result {
            write!(f, ",\"lastInstallResult\":{{")?;
            step(f, result)?;
            f.write_str(",\"stepResults\":{\"step_0\":{")?;
            step(f, result)?;
            f.write_str("}}}")?;
        }
        write!(f, ",\"state\":{}", self.state)?;
        if let Some(workflow) = self.workflow {
            write!(f, ",\"workflow\":{workflow}")?;
        }
        write!(f, ",\"installedUpdateId\":{}}}}}}}", self.installed)
    }
}

/// 700 is success, 0 failure, -1 cancelled.
fn step(f: &mut fmt::Formatter<'_>, result: Result<(), Refused>) -> fmt::Result {
    let (code, extended) = match result {
        Ok(()) => (700, 0),
        Err(Refused::Cancelled) => (-1, 0),
        Err(refused) => (0, refused.extended_result_code()),
    };
    write!(
        f,
        "\"resultCode\":{code},\"extendedResultCode\":{extended},\"resultDetails\":"
    )?;
    match result {
        Ok(()) => f.write_str("\"\""),
        Err(refused) => write!(f, "\"{}: {}\"", refused.name(), refused.cause()),
    }
}
