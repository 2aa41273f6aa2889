//! `towpath pub`: one message, or one for each line of standard input.

mod lines;
mod progress;

use std::{
    fs,
    future::{Future, pending},
    io::{self, Read as _},
    time::{Duration, Instant},
};

use tokio::time::sleep;
use towpath::{
    Event, Options, Outcome, Outgoing, Properties, Property, QoS, ReasonCode, Reconnect, Version,
};

use super::block_on;
use crate::{
    args::Pub,
    climb::Climb,
    exit::Failure,
    ladder::Line,
    report::Report,
    setup::{self, Setup},
};

pub(super) fn run(args: &Pub) -> Result<(), Failure> {
    let topic = setup::topic(args.topic())?;
    let stdin_taken = args.lines || args.stdin;
    let Setup {
        options,
        version,
        patience,
        session_file,
    } = setup::prepare(&args.target, &args.connection, stdin_taken)?;
    let properties = properties(args, version)?;
    let payload = payload(args)?;
    let mut message = Outgoing::new(topic, &payload, args.qos);
    message.retain = args.retain;
    message.properties = Properties::new(&properties);
    let ended = block_on(async {
        if args.lines {
            let publisher = Publisher::new(args, options, patience);
            lines::run(publisher, &message).await
        } else {
            let options = options.reconnect(Reconnect::Never);
            one(Publisher::new(args, options, patience), &message).await
        }
    });
    setup::keep_session(session_file.as_ref(), ended)
}

/// The message, unless it comes line by line.
fn payload(args: &Pub) -> Result<Vec<u8>, Failure> {
    if let Some(text) = &args.message {
        return Ok(text.clone().into_encoded_bytes());
    }
    if let Some(path) = &args.file {
        return fs::read(path).map_err(|error| setup::unreadable(path, &error));
    }
    let mut bytes = Vec::new();
    if args.stdin {
        io::stdin()
            .read_to_end(&mut bytes)
            .map_err(|error| Failure::usage(format!("cannot read standard input: {error}")))?;
    }
    Ok(bytes)
}

fn properties(args: &Pub, version: Version) -> Result<Vec<Property<'_>>, Failure> {
    let given = &args.properties;
    let mut list = Vec::new();
    if let Some(seconds) = given.expiry {
        setup::needs_v5(version, "--expiry")?;
        list.push(Property::MessageExpiryInterval(seconds));
    }
    if let Some(kind) = &given.content_type {
        setup::needs_v5(version, "--content-type")?;
        list.push(Property::ContentType(kind));
    }
    if let Some(topic) = &given.response_topic {
        setup::needs_v5(version, "--response-topic")?;
        setup::topic(topic)?;
        list.push(Property::ResponseTopic(topic));
    }
    if let Some(data) = &given.correlation_data {
        setup::needs_v5(version, "--correlation-data")?;
        list.push(Property::CorrelationData(data.as_bytes()));
    }
    for (name, value) in &given.user_property {
        setup::needs_v5(version, "--user-property")?;
        list.push(Property::UserProperty((name, value)));
    }
    Ok(list)
}

async fn one(mut publisher: Publisher<'_>, message: &Outgoing<'_>) -> Result<(), Failure> {
    publisher.climb.connected().await?;
    let began = Instant::now();
    publisher.send(message).await?;
    publisher.settle(pending()).await?;
    publisher.climb.flush().await?;
    let what = match publisher.args.qos {
        QoS::AtMostOnce => "PUBLISH (QoS 0 has no acknowledgement)",
        QoS::AtLeastOnce => "PUBLISH -> PUBACK",
        QoS::ExactlyOnce => "PUBLISH -> PUBREC, PUBREL -> PUBCOMP",
    };
    let line = Line::done("publish", Some(began.elapsed()), what.into());
    publisher.climb.show(&line);
    publisher.climb.disconnect().await
}

/// A connection, and what is not acknowledged on it.
struct Publisher<'a> {
    args: &'a Pub,
    climb: Climb,
    /// How long an acknowledgement may take.
    patience: Duration,
    sent: u64,
    /// Messages that it refused, and why the first one.
    refused: u64,
    why: Option<(&'static str, ReasonCode)>,
}

impl<'a> Publisher<'a> {
    fn new(args: &'a Pub, options: Options, patience: Duration) -> Self {
        let report = Report::new(args.output.json, args.output.quiet);
        Self {
            args,
            climb: Climb::new(options, report, args.output.trace),
            patience,
            sent: 0,
            refused: 0,
            why: None,
        }
    }

    #[inline]
    async fn send(&mut self, message: &Outgoing<'_>) -> Result<(), Failure> {
        self.climb.send(message).await?;
        self.sent += 1;
        self.take_waiting()
    }

    /// Takes what came while something else was waited for.
    #[inline]
    fn take_waiting(&mut self) -> Result<(), Failure> {
        while let Some(event) = self.climb.take_waiting()? {
            self.take(&event);
        }
        Ok(())
    }

    fn take(&mut self, event: &Event) {
        let (Event::Settled { outcome, .. } | Event::Dropped(outcome)) = event else {
            return;
        };
        let why = match outcome {
            Outcome::Acknowledged(_) => return,
            Outcome::Refused(reason) => ("refuses", *reason),
            Outcome::NotAdmitted(reason) => ("does not admit", *reason),
            Outcome::Expired => ("never got", ReasonCode::UNSPECIFIED_ERROR),
            Outcome::Displaced => ("never got", ReasonCode::QUOTA_EXCEEDED),
        };
        self.refused += 1;
        self.why.get_or_insert(why);
    }

    /// Waits until the server has answered everything, at most the patience of a rung for each answer.
    async fn settle(&mut self, stop: impl Future<Output = ()>) -> Result<(), Failure> {
        let mut stop = std::pin::pin!(stop);
        let patience = self.patience;
        loop {
            let open = self.climb.connection.unsettled();
            if open == 0 {
                break;
            }
            let climbing = !self.climb.connection.is_connected();
            tokio::select! {
                biased;
                () = &mut stop => return Err(self.late("interrupted")),
                settled = self.climb.settle() => settled?,
                // A connection that is being tried again has a patience of its own.
                () = sleep(patience), if !climbing => {
                    if self.climb.connection.unsettled() >= open {
                        if let Some(fault) = self.climb.connection.large_packets_lost() {
                            return Err(Failure::Fault(fault));
                        }
                        let waited = format!("no acknowledgement within {} s", patience.as_secs_f64());
                        return Err(self.late(&waited));
                    }
                }
            }
            self.take_waiting()?;
        }
        self.take_waiting()?;
        self.verdict()
    }

    fn late(&self, why: &str) -> Failure {
        let open = crate::text::plural(self.climb.connection.unsettled() as u64, "message");
        Failure::Late(format!("mqtt: {why}: {open} may not have arrived"))
    }

    fn verdict(&self) -> Result<(), Failure> {
        let Some((refuses, reason)) = self.why else {
            return Ok(());
        };
        let topic = self.args.topic();
        let what = if self.sent == 1 {
            format!("the server {refuses} the message to \"{topic}\"")
        } else {
            let (refused, sent) = (self.refused, crate::text::plural(self.sent, "message"));
            format!("the server {refuses} {refused} of {sent} to \"{topic}\"")
        };
        Err(Failure::Answer {
            code: "PublishRefused",
            what,
            reason,
            remedy: "Check the topic, and the server's access rules for this user.",
        })
    }
}
