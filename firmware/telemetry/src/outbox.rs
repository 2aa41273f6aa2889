//! The outbox and what fills it: one measurement after the other, with or without a connection.

use core::{convert::Infallible, fmt::Write as _, ops::Range};

use embassy_sync::{blocking_mutex::raw::NoopRawMutex, mutex::Mutex, signal::Signal};
use embassy_time::{Duration, Ticker};
use embedded_storage_async::nor_flash::MultiwriteNorFlash;
use towpath::outbox::{Bounds, flash};

use crate::time;

/// What was measured: a name with its unit, and a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Measurement {
    /// For example `millivolts`; it goes into JSON as it is.
    pub name: &'static str,
    /// The value.
    pub value: i32,
}

impl Measurement {
    /// As it is sent: `{"millivolts":2981,"at":1790000000}`, without `at` while the time of day isn't known.
    fn body(self, now: Option<u64>) -> heapless::String<96> {
        let mut body = heapless::String::new();
        // A name that is too long is cut off, which whoever chose it will see.
        let _ = write!(body, r#"{{"{}":{}"#, self.name, self.value);
        if let Some(now) = now {
            let _ = write!(body, r#","at":{now}"#);
        }
        let _ = body.push('}');
        body
    }
}

/// Room for the longest message in the outbox, bytes.
pub const RECORD: usize = 256;

/// The outbox as both sides use it: the one that measures and the one that sends.
pub(crate) struct Shared<'b, F: MultiwriteNorFlash> {
    pub(crate) outbox: Mutex<NoopRawMutex, flash::FlashOutbox<'b, F>>,
    /// Something came in.
    pub(crate) news: Signal<NoopRawMutex, ()>,
}

impl<'b, F: MultiwriteNorFlash> Shared<'b, F> {
    /// Opens what is in the region. What is damaged beyond repair is erased, and said.
    pub(crate) async fn open(
        flash: &'b mut F,
        region: Range<u32>,
        record: &'b mut [u8; RECORD],
    ) -> Result<Shared<'b, &'b mut F>, flash::Error<F::Error>> {
        let bounds = Bounds::default();
        let found = flash::FlashOutbox::open(&mut *flash, region.clone(), bounds, &mut *record);
        if let Err(flash::Error::Damaged) = found.await.map(drop) {
            defmt::error!("outbox: damaged beyond repair, so it is erased");
            flash::FlashOutbox::erase(flash, region.clone()).await?;
        }
        let outbox = flash::FlashOutbox::open(flash, region, bounds, record).await?;
        defmt::info!("outbox: {=u64} wait", outbox.len());
        Ok(Shared {
            outbox: Mutex::new(outbox),
            news: Signal::new(),
        })
    }

    /// Measures for ever.
    pub(crate) async fn fill(
        &self,
        interval: core::time::Duration,
        mut measure: impl AsyncFnMut() -> Measurement,
    ) -> Infallible {
        let interval =
            Duration::from_micros(u64::try_from(interval.as_micros()).unwrap_or(u64::MAX));
        let mut ticker = Ticker::every(interval);
        loop {
            let measured = measure().await;
            let now = time::unix();
            let body = measured.body(now);
            let mut outbox = self.outbox.lock().await;
            match outbox.push(now, None, "", body.as_bytes()).await {
                Ok(sequence) => {
                    defmt::debug!("outbox: took {=u64}", sequence);
                    self.news.signal(());
                }
                Err(why) => defmt::error!("outbox: {}", defmt::Display2Format(&why)),
            }
            drop(outbox);
            ticker.next().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_measurement_in_json() {
        let measured = Measurement {
            name: "millivolts",
            value: -3,
        };
        assert_eq!(measured.body(None), r#"{"millivolts":-3}"#);
        assert_eq!(measured.body(Some(9)), r#"{"millivolts":-3,"at":9}"#);
    }
}
