//! An update manifest of Device Update, versions 4 and 5.

use super::{
    Address, Job, Label, Refused, UpdateId, adu::Device, json::Value, jws::decode_in_place,
};

/// What a manifest says, as far as a device with one image is concerned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// Which update it is.
    pub id: UpdateId,
    /// The file, as `fileUrls` names it.
    pub file: Label,
    /// Its size in bytes.
    pub size: u64,
    /// Its SHA-256.
    pub digest: [u8; 32],
    /// By what the step's handler knows that it is installed; may be empty.
    pub criteria: Label,
}

impl Manifest {
    /// Reads a manifest whose signature was checked, and checks that it is for this device.
    ///
    /// A manifest without `compatibility` is for every device: the service has chosen the group.
    ///
    /// # Errors
    /// What is missing, or does not fit.
    pub fn read(text: &[u8], device: &Device<'_>) -> Result<Self, Refused> {
        let manifest = Value::parse(text).ok_or(Refused::Json)?;
        let version = manifest
            .member("manifestVersion")
            .ok_or(Refused::Incomplete)?;
        if !matches!(
            version.label::<8>().as_deref(),
            Some("4" | "5" | "4.0" | "5.0")
        ) {
            return Err(Refused::ManifestVersion);
        }
        let id = update_id(manifest.member("updateId").ok_or(Refused::Incomplete)?)?;
        if manifest.member("detachedManifestFileId").is_some() {
            return Err(Refused::Reference);
        }
        if let Some(sets) = manifest.member("compatibility") {
            let mut sets = sets.items().peekable();
            if sets.peek().is_some() && !sets.any(|set| is_for(set, device)) {
                return Err(Refused::Incompatible);
            }
        }
        let steps = manifest
            .member("instructions")
            .and_then(|instructions| instructions.member("steps"))
            .ok_or(Refused::Incomplete)?;
        let step = only(steps)?;
        let criteria = check_step(step, device)?;
        let file = only(step.member("files").ok_or(Refused::Files)?)?
            .label()
            .ok_or(Refused::Incomplete)?;
        let (size, digest) = file_of(manifest, &file)?;
        Ok(Self {
            id,
            file,
            size,
            digest,
            criteria,
        })
    }

    pub(super) fn job(self, url: Address, limit: u64) -> Job {
        Job {
            url,
            version: self.id.version,
            criteria: self.criteria,
            provider: self.id.provider,
            name: self.id.name,
            size: Some(self.size),
            digest: Some(self.digest),
            fragment: None,
            limit,
            // The hash vouches for the image.
            plain: true,
        }
    }
}

fn update_id(value: Value<'_>) -> Result<UpdateId, Refused> {
    let part = |name| {
        value
            .member(name)
            .and_then(Value::text)
            .and_then(|text| text.label())
            .ok_or(Refused::Incomplete)
    };
    Ok(UpdateId {
        provider: part("provider")?,
        name: part("name")?,
        version: part("version")?,
    })
}

/// The only member of an array.
fn only(array: Value<'_>) -> Result<Value<'_>, Refused> {
    let mut items = array.items();
    items
        .next()
        .filter(|_| items.next().is_none())
        .ok_or(Refused::Files)
}

/// Whether every property that a set names has the device's value.
fn is_for(set: Value<'_>, device: &Device<'_>) -> bool {
    set.is_object()
        && set.members().all(|(name, value)| {
            let Some(value) = value.text() else {
                return false;
            };
            let mut custom = device.custom.iter();
            if name.is("manufacturer") || name.is("deviceManufacturer") {
                value.is(device.manufacturer)
            } else if name.is("model") || name.is("deviceModel") {
                value.is(device.model)
            } else {
                custom.any(|(known, theirs)| name.is(known) && value.is(theirs))
            }
        })
}

/// The installed criteria of a step that can be done here.
fn check_step(step: Value<'_>, device: &Device<'_>) -> Result<Label, Refused> {
    let inline = step
        .member("type")
        .is_none_or(|kind| kind.text().is_some_and(|kind| kind.is("inline")));
    if !inline || step.member("detachedManifestFileId").is_some() {
        return Err(Refused::Reference);
    }
    let handler = step
        .member("handler")
        .and_then(Value::text)
        .ok_or(Refused::Handler)?;
    if !device.handlers.iter().any(|known| handler.is(known)) {
        return Err(Refused::Handler);
    }
    step.member("handlerProperties")
        .and_then(|properties| properties.member("installedCriteria"))
        .map_or(Some(Label::new()), Value::label)
        .ok_or(Refused::Incomplete)
}

/// Size and SHA-256 of a file.
fn file_of(manifest: Value<'_>, id: &str) -> Result<(u64, [u8; 32]), Refused> {
    let file = manifest
        .member("files")
        .and_then(|files| files.member(id))
        .ok_or(Refused::Files)?;
    let size = file
        .member("sizeInBytes")
        .and_then(Value::number)
        .filter(|size| *size > 0)
        .ok_or(Refused::Incomplete)?;
    let digest = file
        .member("hashes")
        .and_then(|hashes| hashes.member("sha256"))
        .and_then(Value::text)
        .ok_or(Refused::NoHash)?;
    let mut room = [0; 48];
    let len = digest.unescape(&mut room).ok_or(Refused::NoHash)?;
    let digest = room
        .get_mut(..len)
        .and_then(decode_in_place)
        .and_then(|digest| digest.try_into().ok())
        .ok_or(Refused::NoHash)?;
    Ok((size, digest))
}
