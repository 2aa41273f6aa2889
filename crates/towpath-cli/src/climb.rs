//! A connection that tells the ladder and the reader how it goes.

use towpath::{Error, Event, Fault, Options, Outgoing, PacketId, tokio::Connection};

use crate::{
    exit::Failure,
    ladder::{Ladder, Line},
    report::Report,
};

/// A connection, and what is said about it.
pub(crate) struct Climb {
    pub(crate) connection: Connection,
    pub(crate) report: Report,
    ladder: Option<Ladder>,
    /// Whether the server has accepted a connection before.
    accepted: bool,
    /// Whether the terminal says that a rung is being climbed.
    climbing: bool,
}

impl Climb {
    /// Nothing is tried yet. `trace`: show the ladder.
    pub(crate) fn new(options: Options, report: Report, trace: bool) -> Self {
        let proxy = options.proxied_by().map(towpath::Proxy::host);
        let ladder = trace.then(|| Ladder::new(options.endpoint().clone(), proxy));
        if trace {
            report.climbing();
        }
        Self {
            connection: Connection::new(options.trace(trace)),
            report,
            ladder,
            accepted: false,
            climbing: trace,
        }
    }

    /// Climbs until the server has accepted the connection.
    pub(crate) async fn connected(&mut self) -> Result<(), Failure> {
        while !matches!(self.next().await?, Event::Connected { .. }) {}
        Ok(())
    }

    /// The next event that is not about the climb alone. May be dropped at any point without losing anything.
    pub(crate) async fn next(&mut self) -> Result<Event, Failure> {
        loop {
            let event = self.connection.next().await;
            if let Some(event) = self.note(event)? {
                return Ok(event);
            }
        }
    }

    /// An event that came while something else was waited for, if there is one.
    pub(crate) fn take_waiting(&mut self) -> Result<Option<Event>, Failure> {
        while let Some(event) = self.connection.take_waiting() {
            if let Some(event) = self.note(event)? {
                return Ok(Some(event));
            }
        }
        Ok(None)
    }

    /// Waits until the server has answered everything, or events have to be taken first.
    pub(crate) async fn settle(&mut self) -> Result<(), Failure> {
        match self.connection.settle().await {
            Ok(()) | Err(Error::Unread) => Ok(()),
            Err(error) => Err(self.explain(error).await),
        }
    }

    fn note(&mut self, event: Event) -> Result<Option<Event>, Failure> {
        match &event {
            Event::Trace(trace) => {
                let peer = self.connection.peer_address();
                let ladder = self.ladder.as_mut();
                let line = ladder.and_then(|ladder| ladder.fact(trace, peer));
                // For people the sum of it, on the line of its rung, is enough.
                if let Some(line) = line.filter(|line| self.report.json || !line.is_part()) {
                    self.arrive();
                    self.report.rung(&line);
                    self.report.climbing();
                    self.climbing = true;
                }
                return Ok(None);
            }
            Event::Connected {
                session_present,
                limits,
            } => {
                self.accepted = true;
                self.arrive();
                if let Some(ladder) = &mut self.ladder {
                    for line in ladder.connected(*session_present, limits) {
                        self.report.rung(&line);
                    }
                }
            }
            Event::Disconnected { fault, retry_in } => {
                self.arrive();
                self.show_break(fault);
                match retry_in {
                    Some(pause) if self.accepted => self.report.retry(fault, *pause),
                    // Whoever never got in has a mistake to mend first.
                    _ => return Err(Failure::Fault(*fault)),
                }
            }
            Event::Refused(refusal) => return Err(Error::Refused(*refusal).into()),
            Event::Oversized { topic, payload_len } => {
                let text = format!(
                    "a message to \"{topic}\" has {payload_len} bytes, more than fit; it is left out"
                );
                self.report.note("oversized", &text);
            }
            _ => {}
        }
        Ok(Some(event))
    }

    /// Takes away what says that a rung is being climbed.
    fn arrive(&mut self) {
        if std::mem::take(&mut self.climbing) {
            self.report.wipe();
        }
    }

    /// Shows a step that was done, where the ladder is shown.
    pub(crate) fn show(&self, line: &Line) {
        if self.ladder.is_some() {
            self.report.rung(line);
        }
    }

    fn show_break(&self, fault: &Fault) {
        for line in self.ladder.iter().flat_map(|ladder| ladder.broke(fault)) {
            self.report.rung(&line);
        }
    }

    /// Publishes; waits while the window or a buffer is full.
    #[inline]
    pub(crate) async fn send(
        &mut self,
        message: &Outgoing<'_>,
    ) -> Result<Option<PacketId>, Failure> {
        match self.connection.send(message).await {
            Ok(packet_id) => Ok(packet_id),
            Err(error) => Err(self.explain(error).await),
        }
    }

    /// Waits until everything published has left.
    pub(crate) async fn flush(&mut self) -> Result<(), Failure> {
        match self.connection.flush().await {
            Ok(()) => Ok(()),
            Err(error) => Err(self.explain(error).await),
        }
    }

    /// Says farewell and waits until it has left.
    pub(crate) async fn disconnect(&mut self) -> Result<(), Failure> {
        if let Err(error) = self.connection.disconnect().await {
            if let Error::Path(fault) = &error {
                self.show_break(fault);
            }
            return Err(error.into());
        }
        while !matches!(self.connection.next().await, Event::Closed) {}
        Ok(())
    }

    /// The failure behind an error of the library. What led to it may still wait among the events.
    async fn explain(&mut self, error: Error) -> Failure {
        if let Error::Refused(_) = error {
            return error.into();
        }
        loop {
            match self.next().await {
                Err(failure) => return failure,
                Ok(Event::Closed) => return error.into(),
                Ok(_) => {}
            }
        }
    }
}

impl Drop for Climb {
    fn drop(&mut self) {
        self.arrive();
    }
}
