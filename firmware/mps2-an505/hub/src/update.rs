//! Firmware updates: jobs of NCS `azure_fota`, an image over HTTPS into the slot that embassy-boot swaps.

use core::{future::Future, hint::black_box};

use embassy_time::Timer;
use mps2_an505::{flash, flash::Part, random, say};
use static_cell::ConstStaticCell;
use towpath::{
    Fault,
    azure::update::{Kind, Settings, Slot as _, jws::NoVerify},
    embedded::{
        hub::{Commands, Memory, Notice, Outbox},
        slot::FlashSlot,
    },
};

use crate::{access::Network, clock::Wall, settings::unusable};

/// The version, where a tool can find and change it in an image: what stands behind the colon, without blanks.
static VERSION: [u8; 32] = *b"towpath-hub-version:1.0.0       ";

/// The pause after the flash failed, seconds.
const PAUSE: u64 = 30;

static PAGE: ConstStaticCell<[u8; flash::PAGE as usize]> =
    ConstStaticCell::new([0; flash::PAGE as usize]);
static LINE: ConstStaticCell<[u8; 4096]> = ConstStaticCell::new([0; 4096]);

/// The slot of this board.
pub(crate) type Slot = FlashSlot<Part, Part, Part>;
/// What updates it. NCS jobs have neither a signature nor a hash: TLS alone vouches for their images.
pub(crate) type Updater = towpath::embedded::hub::Updater<'static, 'static, NoVerify>;

/// The version that runs.
pub(crate) fn version() -> &'static str {
    let text = core::str::from_utf8(black_box(&VERSION)).unwrap_or_default();
    text.split_once(':')
        .map_or("", |(_, version)| version.trim())
}

pub(crate) const fn slot() -> Slot {
    FlashSlot::new(
        Part::new(flash::DFU),
        Part::new(flash::STATE),
        Part::new(flash::UPDATE),
    )
}

pub(crate) async fn updater(slot: &mut Slot) -> Result<Updater, Fault> {
    let settings = Settings {
        kind: Kind::Fota { version: version() },
        downgrade: false,
        plain: false,
        whole: true,
        limit: slot.capacity(),
    };
    let made = Updater::new(settings, slot, NoVerify, &mut []).await;
    made.map_err(unusable)
}

/// Ready when the board is to restart.
pub(crate) fn run<'r, O: Outbox>(
    updater: &'r Updater,
    slot: &'r mut Slot,
    (network, clock): (&'r mut Network<'_>, &'r Wall),
    commands: &'r Commands<O>,
) -> impl Future<Output = ()> {
    let (page, line) = (PAGE.take(), LINE.take());
    async move {
        let mut random = random::next_u32;
        loop {
            let memory = Memory {
                page: &mut page[..],
                line: &mut line[..],
            };
            let way = (&mut *network, clock);
            let run = updater.run(slot, way, commands, memory, &mut random, notice);
            match run.await {
                Ok(()) => return,
                Err(error) => say!("{}", unusable(error)),
            }
            Timer::after_secs(PAUSE).await;
        }
    }
}

fn notice(notice: Notice<'_>) {
    match notice {
        Notice::Fetching(job) => say!("update: fetching {}", job.version),
        Notice::Progress(come, Some(of)) => say!("update: {come} of {of}"),
        Notice::Progress(come, None) => say!("update: {come}"),
        Notice::Broke(failure) => say!("update: {failure}"),
        Notice::Confirmed => say!("update: confirmed"),
        Notice::Ended(Ok(())) => say!("update: done"),
        Notice::Ended(Err(refused)) => say!("update: {refused}"),
        Notice::Reported => say!("update: reported"),
        Notice::NotReported(error) => say!("update: {error}"),
        _ => {}
    }
}
