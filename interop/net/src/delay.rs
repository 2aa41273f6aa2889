//! A link as slow to answer as a radio mesh: packets go from one TUN device to another, later.
//!
//! Kernels without `sch_netem` have no other way to delay packets. Rate and loss are left to `tc` and `nft`.

use std::{sync::Arc, time::Duration};

use mqtt::Seeded;
use tokio::{
    runtime::{Builder, Runtime},
    sync::mpsc,
    time::{Instant, sleep_until},
};
use tokio_tun::{Tun, TunBuilder};

use crate::Namespace;

/// The largest packet that fits through the link, in bytes: IPv6's minimum, and what 6LoWPAN carries.
pub const MTU: u16 = 1280;

/// How long a packet is under way.
#[derive(Debug, Clone, Copy)]
pub struct Delay {
    /// At least this.
    pub least: Duration,
    /// And up to this more, from packet to packet; none overtakes another.
    pub jitter: Duration,
    /// Where the random numbers begin.
    pub seed: u64,
}

/// A point-to-point link between two namespaces. Gone with this value.
#[derive(Debug)]
pub struct Link {
    _runtime: Runtime,
}

impl Link {
    /// A device of this name in each of the two, up, with an MTU of [`MTU`].
    ///
    /// # Panics
    /// If they can't be made: that takes `/dev/net/tun`.
    #[must_use]
    pub fn new(near: &Namespace, far: &Namespace, name: &'static str, delay: Delay) -> Self {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        let [near, far] = [near, far].map(|namespace| {
            let handle = runtime.handle().clone();
            namespace.run(move || {
                let _in_runtime = handle.enter();
                let tun = TunBuilder::new().name(name).mtu(MTU.into()).up().build();
                let tun = tun.expect("a TUN device").pop().expect("one queue");
                Arc::new(tun)
            })
        });
        let back = Delay {
            seed: delay.seed.wrapping_add(1),
            ..delay
        };
        for (from, to, delay) in [(&near, &far, delay), (&far, &near, back)] {
            let (queue, due) = mpsc::unbounded_channel();
            runtime.spawn(receive(Arc::clone(from), queue, delay));
            runtime.spawn(send(Arc::clone(to), due));
        }
        Self { _runtime: runtime }
    }
}

async fn receive(from: Arc<Tun>, queue: mpsc::UnboundedSender<(Instant, Vec<u8>)>, delay: Delay) {
    let mut random = Seeded::new(delay.seed);
    let jitter = usize::try_from(delay.jitter.as_micros()).expect("below an hour");
    let mut last = Instant::now();
    let mut packet = vec![0; usize::from(MTU)];
    while let Ok(len) = from.recv(&mut packet).await {
        let more = u64::try_from(random.below(jitter + 1)).expect("as above");
        last = last.max(Instant::now() + delay.least + Duration::from_micros(more));
        let packet = packet.iter().take(len).copied().collect();
        if queue.send((last, packet)).is_err() {
            break;
        }
    }
}

async fn send(to: Arc<Tun>, mut due: mpsc::UnboundedReceiver<(Instant, Vec<u8>)>) {
    while let Some((at, packet)) = due.recv().await {
        sleep_until(at).await;
        // A device that is down loses packets, as any link does.
        let _ = to.send_all(&packet).await;
    }
}
