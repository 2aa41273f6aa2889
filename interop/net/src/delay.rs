//! A link as slow to answer as a radio mesh: packets go from one TUN device to another, later.
//!
//! Kernels without `sch_netem` have no other way to delay packets. Rate and loss are left to `tc` and `nft`.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

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

/// A packet that entered the link.
#[derive(Debug, Clone)]
pub struct Seen {
    /// When it entered.
    pub at: SystemTime,
    /// Whether it goes from the near end to the far one.
    pub outward: bool,
    /// The packet, from its IP header on.
    pub packet: Vec<u8>,
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
        Self::watched(near, far, name, delay, |_| {})
    }

    /// The same, and each packet is shown as it enters.
    ///
    /// # Panics
    /// As [`new`](Self::new).
    #[must_use]
    pub fn watched(
        near: &Namespace,
        far: &Namespace,
        name: &'static str,
        delay: Delay,
        watch: impl Fn(Seen) + Clone + Send + 'static,
    ) -> Self {
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
        for (from, to, delay, outward) in [(&near, &far, delay, true), (&far, &near, back, false)] {
            let (queue, due) = mpsc::unbounded_channel();
            let watch = watch.clone();
            let see = move |packet: &[u8]| {
                watch(Seen {
                    at: SystemTime::now(),
                    outward,
                    packet: packet.to_vec(),
                });
            };
            runtime.spawn(receive(Arc::clone(from), queue, delay, see));
            runtime.spawn(send(Arc::clone(to), due));
        }
        Self { _runtime: runtime }
    }
}

async fn receive(
    from: Arc<Tun>,
    queue: mpsc::UnboundedSender<(Instant, Vec<u8>)>,
    delay: Delay,
    see: impl Fn(&[u8]) + Send,
) {
    let mut random = Seeded::new(delay.seed);
    let jitter = usize::try_from(delay.jitter.as_micros()).expect("below an hour");
    let mut last = Instant::now();
    let mut packet = vec![0; usize::from(MTU)];
    while let Ok(len) = from.recv(&mut packet).await {
        let more = u64::try_from(random.below(jitter + 1)).expect("as above");
        last = last.max(Instant::now() + delay.least + Duration::from_micros(more));
        let packet: Vec<u8> = packet.iter().take(len).copied().collect();
        see(&packet);
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
