//! `towpath sub`: prints what comes, acknowledges what it has printed.

mod print;

use std::{
    future::{pending, ready},
    time::Duration,
};

use tokio::time::{Instant, sleep_until};
use towpath::{Event, PacketId, QoS, ReasonCode, Refusal, Subscription};

use self::print::Printer;
use super::{Stop, block_on};
use crate::{
    args::Sub,
    climb::Climb,
    exit::Failure,
    ladder::Line,
    report::Report,
    setup::{self, Setup},
    text,
};

/// Acknowledgements that are collected before they leave, so that nobody waits long for them.
const MOST_OWED: usize = 256;

/// How much longer than `-W` connecting may take, so that the rung that hangs can say so.
const GRACE: Duration = Duration::from_millis(200);

pub(super) fn run(args: &Sub) -> Result<(), Failure> {
    for filter in &args.filters {
        setup::filter(filter)?;
    }
    let Setup {
        options,
        version,
        patience,
        session_file,
    } = setup::prepare(&args.target, &args.connection, false)?;
    let mut options = options.manual_acks(true);
    if let Some(wait) = args.wait {
        // A rung that takes longer than there is time is the one to name.
        options = options.patience(wait.min(patience));
    }
    let report = Report::new(args.output.json, args.output.quiet);
    let ended = block_on(async {
        let mut subscriber = Subscriber {
            args,
            climb: Climb::new(options, report, args.output.trace),
            printer: Printer::new(args, version),
            owed: Vec::new(),
            asked: None,
            came: 0,
        };
        subscriber.run().await
    });
    setup::keep_session(session_file.as_ref(), ended)
}

struct Subscriber<'a> {
    args: &'a Sub,
    climb: Climb,
    printer: Printer,
    /// Messages that are printed and not acknowledged.
    owed: Vec<(QoS, PacketId)>,
    /// The first request to subscribe, and when it was made.
    asked: Option<(PacketId, Instant)>,
    came: u64,
}

impl Subscriber<'_> {
    async fn run(&mut self) -> Result<(), Failure> {
        let mut stop = Stop::listen()?;
        let until = self.args.wait.map(|wait| Instant::now() + wait);
        tokio::select! {
            biased;
            () = stop.asked() => return Ok(()),
            () = at(until.map(|until| until + GRACE)) => return Err(Failure::Late(
                "no connection to the server in the time of -W".to_owned(),
            )),
            connected = self.climb.connected() => connected?,
        }
        self.subscribe()?;
        while self.args.count != Some(self.came) {
            tokio::select! {
                biased;
                () = stop.asked() => break,
                () = at(until) => {
                    self.farewell().await?;
                    return self.too_late();
                }
                event = self.climb.next() => self.take(event?).await?,
                // Nothing more is at hand: what was printed may go.
                () = ready(()), if self.has_work() => self.flush().await?,
            }
        }
        self.farewell().await
    }

    fn subscribe(&mut self) -> Result<(), Failure> {
        let mut list = Vec::with_capacity(self.args.filters.len());
        for filter in &self.args.filters {
            list.push(Subscription::new(setup::filter(filter)?, self.args.qos));
        }
        let packet_id = self.climb.connection.subscribe_all(&list, None)?;
        self.asked = Some((packet_id, Instant::now()));
        Ok(())
    }

    async fn take(&mut self, event: Event) -> Result<(), Failure> {
        match event {
            Event::Message(message) => {
                if let Err(failure) = self.printer.print(&message) {
                    return self.nobody_reads(failure).await;
                }
                self.owed
                    .extend(message.packet_id.map(|id| (message.qos, id)));
                self.came += 1;
                if self.owed.len() >= MOST_OWED {
                    self.flush().await?;
                }
            }
            Event::Subscribed { packet_id, reasons } => self.subscribed(packet_id, &reasons)?,
            // An identifier is worth nothing once its connection has ended; the server sends again.
            Event::Disconnected { .. } => self.owed.clear(),
            _ => {}
        }
        Ok(())
    }

    /// The server's answer, one reason for each filter.
    fn subscribed(&self, packet_id: PacketId, reasons: &[ReasonCode]) -> Result<(), Failure> {
        let first = self.asked.filter(|(asked, _)| *asked == packet_id);
        let filters = self.args.filters.iter().filter(|_| first.is_some());
        let mut filters = filters.map(|filter| format!("\"{filter}\""));
        for reason in reasons {
            let filter = filters.next().unwrap_or_else(|| "a filter".into());
            if reason.is_error() {
                return Err(Failure::Answer {
                    code: "SubscribeRefused",
                    what: format!("the server refuses the subscription to {filter}"),
                    reason: *reason,
                    remedy: "Check the filter, and the server's access rules for this user.",
                });
            }
            let took = first.map(|(_, at)| at.elapsed());
            let what = format!("{filter} with QoS {}", reason.0);
            self.climb.show(&Line::done("subscribe", took, what));
        }
        Ok(())
    }

    fn has_work(&self) -> bool {
        self.printer.is_dirty() || !self.owed.is_empty()
    }

    /// Prints, and only then acknowledges.
    async fn flush(&mut self) -> Result<(), Failure> {
        if let Err(failure) = self.printer.flush() {
            return self.nobody_reads(failure).await;
        }
        for (qos, packet_id) in std::mem::take(&mut self.owed) {
            while let Err(error) = self.climb.connection.acknowledge(qos, packet_id) {
                match error {
                    towpath::Error::Refused(Refusal::Full) => self.climb.flush().await?,
                    // Without a connection the server sends it again.
                    _ => break,
                }
            }
        }
        Ok(())
    }

    /// Standard output is closed, or broken: the server is told either way.
    async fn nobody_reads(&mut self, failure: Failure) -> Result<(), Failure> {
        let _ = self.leave().await;
        Err(failure)
    }

    async fn farewell(&mut self) -> Result<(), Failure> {
        self.flush().await?;
        self.leave().await
    }

    async fn leave(&mut self) -> Result<(), Failure> {
        if !self.climb.connection.is_connected() {
            return Ok(());
        }
        self.climb.disconnect().await
    }

    /// The time of `-W` is over.
    fn too_late(&self) -> Result<(), Failure> {
        let Some(count) = self.args.count else {
            return Ok(());
        };
        let seconds = self
            .args
            .wait
            .map_or(0.0, |wait: Duration| wait.as_secs_f64());
        Err(Failure::Late(format!(
            "mqtt: {} of {} came within {seconds} s (-W)",
            text::count(self.came),
            text::plural(count, "message"),
        )))
    }
}

async fn at(until: Option<Instant>) {
    match until {
        Some(until) => sleep_until(until).await,
        None => pending().await,
    }
}
