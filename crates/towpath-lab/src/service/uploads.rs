//! Files that devices upload: the lab keeps the newest of them in memory.
//!
//! Takes in places asked for, contents and ends; gives out files. A device that uploads much loses its own oldest files
//! first, and nobody loses an upload that is at work while there is one that is done.

use std::{
    collections::{BTreeMap, VecDeque},
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
};

use axum::body::Bytes;
use bytes::BytesMut;

use super::answer::Refusal;
use crate::{clock::Time, log::Code};

/// Uploads of a device that are at work.
const ACTIVE: usize = 10;

/// Uploads that are known, at work or done: of all devices, and of one.
const KNOWN: usize = 1000;
const KNOWN_OF_ONE: usize = 100;

/// Bytes that are kept: of all devices together, and of one.
const KEPT: usize = 64 << 20;
const KEPT_OF_ONE: usize = 32 << 20;

/// Pieces of one file.
const BLOCKS: usize = 1000;

/// How long a place is good for, in milliseconds.
pub(super) const GOOD_FOR: i64 = 3600 * 1000;

/// Files of all hubs' devices, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Uploads(Mutex<VecDeque<Upload>>);

struct Upload {
    correlation: String,
    host: String,
    device: String,
    /// `{device}/{name}`
    blob: String,
    /// What lets write, and nothing else.
    signature: String,
    since: Time,
    done: bool,
    content: Option<Bytes>,
    blocks: BTreeMap<String, Bytes>,
}

/// Without the signature, which lets write.
impl fmt::Debug for Upload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.bytes();
        write!(f, "Upload({} of {}, {bytes} bytes)", self.blob, self.host)
    }
}

/// What is written to an upload.
pub(super) enum Change {
    /// The file at once.
    Whole(Bytes),
    /// A piece of it, with its id.
    Block(String, Bytes),
    /// The pieces that make the file, by their ids.
    List(Vec<String>),
}

impl Upload {
    fn is_of(&self, host: &str, device: &str) -> bool {
        self.host == host && self.device == device
    }

    fn blocks_bytes(&self) -> usize {
        self.blocks.values().map(Bytes::len).sum()
    }

    fn bytes(&self) -> usize {
        self.blocks_bytes() + self.content.as_ref().map_or(0, Bytes::len)
    }

    /// The bytes that it has behind a change.
    fn bytes_behind(&self, change: &Change) -> Result<usize, Refusal> {
        match change {
            Change::Whole(bytes) => Ok(self.blocks_bytes() + bytes.len()),
            Change::Block(id, bytes) => {
                let old = self.blocks.get(id);
                if old.is_none() && self.blocks.len() >= BLOCKS {
                    let why = format!("blockid: there are {BLOCKS} pieces already");
                    return Err(Refusal::invalid(why));
                }
                Ok(self.bytes() + bytes.len() - old.map_or(0, Bytes::len))
            }
            Change::List(ids) => ids.iter().try_fold(0, |sum, id| {
                let block = self.blocks.get(id);
                let why = || Refusal::invalid(format!("the block {id:?} was not put"));
                Ok(block.ok_or_else(why)?.len() + sum)
            }),
        }
    }

    fn write(&mut self, change: Change) {
        match change {
            Change::Whole(bytes) => self.content = Some(bytes),
            Change::Block(id, bytes) => {
                self.blocks.insert(id, bytes);
            }
            Change::List(ids) => {
                let mut whole = BytesMut::new();
                for block in ids.iter().filter_map(|id| self.blocks.get(id)) {
                    whole.extend_from_slice(block);
                }
                self.content = Some(whole.freeze());
                self.blocks.clear();
            }
        }
    }
}

/// A new random text of 32 hexadecimal digits.
fn secret() -> Result<String, Refusal> {
    let mut bytes = [0; 16];
    openssl::rand::rand_bytes(&mut bytes)
        .map_err(|_| Refusal::new(Code::ServerError, "the machine has no random numbers"))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Where the upload at work with this path and signature is.
fn signed(
    all: &VecDeque<Upload>,
    blob: &str,
    signature: &str,
    now: Time,
) -> Result<usize, Refusal> {
    let signed = |upload: &Upload| {
        let same = upload.signature.len() == signature.len()
            && openssl::memcmp::eq(upload.signature.as_bytes(), signature.as_bytes());
        same && upload.blob == blob && !upload.done && now.since(upload.since) < GOOD_FOR
    };
    all.iter().position(signed).ok_or_else(|| {
        let why = "sig is not that of an upload at work; ask for a new place";
        Refusal::with_status(403, Code::Unauthorized, why)
    })
}

/// Drops the oldest upload of those that are done.
fn drop_done(all: &mut VecDeque<Upload>, of: impl Fn(&Upload) -> bool) -> bool {
    let oldest = all.iter().position(|upload| upload.done && of(upload));
    oldest.and_then(|at| all.remove(at)).is_some()
}

impl Uploads {
    fn lock(&self) -> MutexGuard<'_, VecDeque<Upload>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for a file.
    pub(super) fn open(
        &self,
        host: &str,
        device: &str,
        name: &str,
        now: Time,
    ) -> Result<Place, Refusal> {
        let (correlation, signature) = (secret()?, secret()?);
        let blob = format!("{device}/{name}");
        let mut all = self.lock();
        all.retain(|upload| upload.done || now.since(upload.since) < GOOD_FOR);
        let own = |upload: &Upload| upload.is_of(host, device);
        let active = |upload: &&Upload| !upload.done && own(upload);
        if all.iter().filter(active).count() >= ACTIVE {
            let why = format!("{device} has {ACTIVE} uploads at work; tell how they went");
            return Err(Refusal::new(Code::TooManyUploads, why));
        }
        if all.iter().filter(|upload| own(upload)).count() >= KNOWN_OF_ONE {
            drop_done(&mut all, own);
        }
        if all.len() >= KNOWN && !drop_done(&mut all, |_| true) {
            let why = format!("{KNOWN} uploads are at work in this lab");
            return Err(Refusal::new(Code::Throttled, why));
        }
        all.push_back(Upload {
            correlation: correlation.clone(),
            host: host.to_owned(),
            device: device.to_owned(),
            blob: blob.clone(),
            signature: signature.clone(),
            since: now,
            done: false,
            content: None,
            blocks: BTreeMap::new(),
        });
        Ok(Place {
            correlation,
            blob,
            signature,
        })
    }

    /// Whether there is an upload at work with this path and signature.
    pub(super) fn check(&self, blob: &str, signature: &str, now: Time) -> Result<(), Refusal> {
        signed(&self.lock(), blob, signature, now).map(|_| ())
    }

    /// Writes to the upload with this path and signature. Files that are done make room for it: first the device's own,
    /// then anybody's.
    pub(super) fn write(
        &self,
        blob: &str,
        signature: &str,
        now: Time,
        change: Change,
    ) -> Result<(), Refusal> {
        let mut all = self.lock();
        let upload = signed(&all, blob, signature, now).map(|at| all.get(at))?;
        let Some(upload) = upload else { return Ok(()) };
        let (host, device) = (upload.host.clone(), upload.device.clone());
        let (before, behind) = (upload.bytes(), upload.bytes_behind(&change)?);
        let own = |upload: &Upload| upload.is_of(&host, &device);
        let fits = |all: &VecDeque<Upload>, of: &dyn Fn(&Upload) -> bool, most: usize| {
            let kept: usize = all.iter().filter(|it| of(it)).map(Upload::bytes).sum();
            kept.saturating_sub(before) + behind <= most
        };
        // What does not fit anyhow costs nobody a file.
        let at_work = |upload: &Upload| own(upload) && !upload.done;
        if !fits(&all, &at_work, KEPT_OF_ONE) {
            let why = format!("uploads of a device at work have at most {KEPT_OF_ONE} bytes");
            return Err(Refusal::new(Code::TooLarge, why).host(host).device(device));
        }
        while !fits(&all, &own, KEPT_OF_ONE) && drop_done(&mut all, own) {}
        while !fits(&all, &|_| true, KEPT) && drop_done(&mut all, |_| true) {}
        if !fits(&all, &|_| true, KEPT) {
            let why = format!("uploads at work take the {KEPT} bytes that the lab keeps");
            return Err(Refusal::new(Code::Throttled, why).host(host).device(device));
        }
        let at = signed(&all, blob, signature, now)?;
        if let Some(upload) = all.get_mut(at) {
            upload.write(change);
        }
        Ok(())
    }

    /// The upload is over; gives its path and, if there is one, the file's length.
    pub(super) fn close(
        &self,
        host: &str,
        device: &str,
        correlation: &str,
    ) -> Option<(String, Option<usize>)> {
        let mut all = self.lock();
        let upload = all.iter_mut().find(|upload| {
            upload.is_of(host, device) && upload.correlation == correlation && !upload.done
        })?;
        upload.done = true;
        upload.blocks.clear();
        Some((upload.blob.clone(), upload.content.as_ref().map(Bytes::len)))
    }

    /// The files of a device that are there, newest first: their names and lengths.
    pub(crate) fn of(&self, host: &str, device: &str) -> Vec<(String, usize)> {
        let all = self.lock();
        let of = all.iter().rev().filter(|it| it.is_of(host, device));
        of.filter_map(|upload| {
            let name = upload.blob.strip_prefix(device)?.strip_prefix('/')?;
            Some((name.to_owned(), upload.content.as_ref()?.len()))
        })
        .collect()
    }

    /// The newest file of this name.
    pub(crate) fn content(&self, host: &str, device: &str, name: &str) -> Option<Bytes> {
        let blob = format!("{device}/{name}");
        let all = self.lock();
        let mut of = all
            .iter()
            .rev()
            .filter(|upload| upload.host == host && upload.blob == blob);
        of.find_map(|upload| upload.content.clone())
    }
}

/// Where a file is to be put.
pub(super) struct Place {
    pub(super) correlation: String,
    pub(super) blob: String,
    pub(super) signature: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Time = Time::from_millis(0);

    fn whole(bytes: usize) -> Change {
        Change::Whole(vec![0; bytes].into())
    }

    /// One upload, done.
    fn upload(uploads: &Uploads, device: &str, name: &str, bytes: usize) {
        let place = uploads.open("hub", device, name, NOW).unwrap();
        let written = uploads.write(&place.blob, &place.signature, NOW, whole(bytes));
        written.unwrap();
        uploads.close("hub", device, &place.correlation).unwrap();
    }

    #[test]
    fn uploads_at_work_outlive_those_that_are_done() {
        let uploads = Uploads::default();
        let place = uploads.open("hub", "patient", "file", NOW).unwrap();
        for number in 0..2 * KNOWN {
            upload(&uploads, &format!("d{}", number % 20), "file", 1);
        }
        assert!(uploads.lock().len() <= KNOWN);
        uploads
            .write(&place.blob, &place.signature, NOW, whole(5))
            .unwrap();
        assert_eq!(uploads.of("hub", "patient"), [("file".to_owned(), 5)]);
    }

    #[test]
    fn a_device_that_uploads_much_loses_its_own_files() {
        let uploads = Uploads::default();
        upload(&uploads, "modest", "file", 1 << 20);
        for number in 0..10 {
            upload(&uploads, "greedy", &number.to_string(), 10 << 20);
        }
        assert_eq!(uploads.of("hub", "modest").len(), 1);
        let left: Vec<_> = uploads.of("hub", "greedy");
        let names: Vec<_> = left.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["9", "8", "7"]);
        for number in 0..2 * KNOWN_OF_ONE {
            upload(&uploads, "many", &number.to_string(), 1);
        }
        assert_eq!(uploads.of("hub", "many").len(), KNOWN_OF_ONE);
    }

    /// A list may name a piece many times.
    #[test]
    fn a_list_makes_no_file_larger_than_what_is_kept() {
        let uploads = Uploads::default();
        let place = uploads.open("hub", "d", "file", NOW).unwrap();
        let write = |change| uploads.write(&place.blob, &place.signature, NOW, change);
        write(Change::Block("a".into(), vec![0; 1 << 20].into())).unwrap();
        let many = vec!["a".to_owned(); 33];
        assert_eq!(write(Change::List(many)).unwrap_err().code, Code::TooLarge);
        write(Change::List(vec!["a".to_owned(); 32])).unwrap();
        assert_eq!(uploads.of("hub", "d"), [("file".to_owned(), 32 << 20)]);
        let missing = write(Change::List(vec!["b".to_owned()])).unwrap_err();
        assert_eq!(missing.code, Code::ArgumentInvalid);
    }
}
