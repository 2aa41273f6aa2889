//! What a power cut may leave in a flash and `sequential-storage` doesn't mend.
//!
//! Takes in a region before its queue is used; gives out that its pages are in the order that a queue has, and the
//! highest number that was reserved. An erasing that was cut off leaves anything in a page. If it leaves the mark at its
//! start but not the one at its end, the page looks like the one that is being filled, and messages would go there.

use core::ops::Range;

use embedded_storage_async::nor_flash::MultiwriteNorFlash;
use sequential_storage::{
    cache::Cache,
    queue::{QueueConfig, QueueStorage},
};

use super::{Error, record};

/// A reserved number and its checksum.
const SEALED: usize = 12;

/// What the marks at both ends of a page say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Page {
    /// Erased.
    Open,
    /// Being filled. In a queue that is whole there is at most one.
    Partial,
    /// Full, or half erased in a way that the queue mends itself.
    Other,
}

/// Erases what looks as if it were being filled and isn't. No message was left in it, or it would not have been erased.
pub(super) async fn queue<F: MultiwriteNorFlash>(
    flash: &mut F,
    queued: &Range<u32>,
    buffer: &mut [u8],
) -> Result<(), Error<F::Error>> {
    let (mut partial, mut open) = (0_u32, false);
    for page in pages::<F>(queued) {
        match state(flash, &page).await? {
            Page::Partial => partial += 1,
            Page::Open => open = true,
            Page::Other => {}
        }
    }
    for page in pages::<F>(queued) {
        if state(flash, &page).await? != Page::Partial {
            continue;
        }
        let following = pages::<F>(queued).find(|other| other.start == page.end);
        let Some(next) = following.or_else(|| pages::<F>(queued).next()) else {
            continue;
        };
        // The one that is being filled is followed by those that are erased, if there are any.
        let in_place = !open || state(flash, &next).await? == Page::Open;
        if (partial > 1 || !in_place) && is_vacant(flash, page.clone(), buffer).await? {
            erase(flash, page).await?;
        }
    }
    Ok(())
}

/// The highest number that was reserved. Of two pages that seem to be filled, the one with the lower numbers was being
/// erased.
pub(super) async fn numbers<F: MultiwriteNorFlash>(
    flash: &mut F,
    reserved: &Range<u32>,
) -> Result<u64, Error<F::Error>> {
    let mut lowest: Option<(u64, Range<u32>)> = None;
    let mut partial = 0_u32;
    for page in pages::<F>(reserved) {
        if state(flash, &page).await? == Page::Partial {
            partial += 1;
            let own = highest_in(flash, page.clone()).await?;
            if lowest.as_ref().is_none_or(|(lowest, _)| own < *lowest) {
                lowest = Some((own, page));
            }
        }
    }
    match lowest {
        Some((_, page)) if partial > 1 => erase(flash, page).await?,
        _ => {}
    }
    highest_in(flash, reserved.clone()).await
}

/// A number as it is stored.
pub(super) fn sealed(number: u64) -> [u8; SEALED] {
    let mut sealed = [0; SEALED];
    let (bytes, sum) = sealed.split_at_mut(8);
    bytes.copy_from_slice(&number.to_le_bytes());
    sum.copy_from_slice(&record::checksum(bytes).to_le_bytes());
    sealed
}

fn unsealed(sealed: &[u8]) -> Option<u64> {
    let (bytes, sum) = sealed.split_first_chunk::<8>()?;
    let whole = sum == record::checksum(bytes).to_le_bytes();
    whole.then_some(u64::from_le_bytes(*bytes))
}

fn pages<F: MultiwriteNorFlash>(region: &Range<u32>) -> impl Iterator<Item = Range<u32>> + use<F> {
    let size = u32::try_from(F::ERASE_SIZE).unwrap_or(u32::MAX);
    let starts = region.clone().step_by(F::ERASE_SIZE);
    starts.map(move |start| start..start.saturating_add(size))
}

async fn erase<F: MultiwriteNorFlash>(
    flash: &mut F,
    page: Range<u32>,
) -> Result<(), Error<F::Error>> {
    flash
        .erase(page.start, page.end)
        .await
        .map_err(Error::Flash)
}

/// As `sequential-storage` tells it: a mark is there if four of its bits are.
async fn state<F: MultiwriteNorFlash>(
    flash: &mut F,
    page: &Range<u32>,
) -> Result<Page, Error<F::Error>> {
    let mut bytes = [0; 32];
    let word = bytes.get_mut(..F::READ_SIZE).ok_or(Error::Region)?;
    let last = u32::try_from(F::READ_SIZE).map_err(|_| Error::Region)?;
    let mut marked = [false; 2];
    for (marked, at) in marked
        .iter_mut()
        .zip([page.start, page.end.saturating_sub(last)])
    {
        flash.read(at, word).await.map_err(Error::Flash)?;
        *marked = word.iter().map(|byte| byte.count_zeros()).sum::<u32>() >= 4;
    }
    Ok(match marked {
        [false, false] => Page::Open,
        [true, false] => Page::Partial,
        [_, true] => Page::Other,
    })
}

/// Whether a page has no message: it is looked at as a queue of its own.
async fn is_vacant<F: MultiwriteNorFlash>(
    flash: &mut F,
    page: Range<u32>,
    buffer: &mut [u8],
) -> Result<bool, Error<F::Error>> {
    let config = QueueConfig::try_new(page).map_err(|_| Error::Region)?;
    let mut alone = QueueStorage::new(flash, config, Cache::new_uncached());
    match alone.peek(buffer).await {
        Ok(found) => Ok(found.is_none()),
        Err(sequential_storage::Error::BufferTooSmall(_)) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Over all pages, or over one that is being filled.
async fn highest_in<F: MultiwriteNorFlash>(
    flash: &mut F,
    region: Range<u32>,
) -> Result<u64, Error<F::Error>> {
    let config = QueueConfig::try_new(region).map_err(|_| Error::Region)?;
    let mut alone = QueueStorage::new(flash, config, Cache::new_uncached());
    // Whole words of up to 32 bytes.
    let mut buffer = [0; 32];
    let mut entries = alone.iter().await?;
    let mut highest = 0;
    while let Some(entry) = entries.next(&mut buffer).await? {
        highest = highest.max(unsealed(&entry).unwrap_or_default());
    }
    Ok(highest)
}
