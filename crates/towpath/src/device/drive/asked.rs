//! What the application asks for: changes of reported properties, answers to methods, the end.

use tokio::sync::oneshot;
use towpath_azure::{Reported, SCRATCH};

use super::{
    Algorithm, Answer, Command, Event, Fault, MOST_ANSWERS, MOST_REPORTS, Refusal, Report,
    ReportError, Stop, Surroundings,
};

impl Surroundings<'_> {
    pub(super) fn asked(
        &mut self,
        device: &mut Algorithm<'_>,
        command: Option<Command>,
        scratch: &mut [u8; SCRATCH],
    ) {
        match command {
            Some(Command::Report(patch, answer)) => self.take_report(patch, answer),
            Some(Command::RequestTwin) => device.request_twin(),
            Some(Command::Respond(request, status, payload)) => {
                if self.answers.len() >= MOST_ANSWERS {
                    self.answers.pop_front();
                }
                self.answers.push_back(Answer {
                    request,
                    status,
                    payload,
                });
                if device.is_online() {
                    self.answer(device, scratch);
                }
            }
            Some(Command::Reconnect(options)) => {
                self.renewed = Some(options);
                device.reconnect(self.now());
            }
            None => self.stop(device),
        }
    }

    fn take_report(&mut self, patch: Vec<u8>, answer: oneshot::Sender<Result<u64, ReportError>>) {
        // Nobody waits for these any more.
        self.reports
            .retain(|report| report.request.is_some() || !report.answer.is_closed());
        if self.reports.len() >= MOST_REPORTS {
            // Whoever asked is told so, or does not listen.
            let _ = answer.send(Err(ReportError::TooMany));
            return;
        }
        self.reports.push_back(Report {
            patch,
            answer,
            request: None,
        });
    }

    /// Leaves for good.
    pub(super) fn stop(&mut self, device: &mut Algorithm<'_>) {
        self.leaving = true;
        if device.leave_for_good(self.now()) {
            self.push(Event::Stopped(Stop::Asked));
        }
    }

    /// Sends what waits to be answered, as far as there is room.
    pub(super) fn answer(&mut self, device: &mut Algorithm<'_>, scratch: &mut [u8; SCRATCH]) {
        while let Some(answer) = self.answers.pop_front() {
            let Answer {
                request,
                status,
                payload,
            } = &answer;
            match device.respond(request, *status, payload, &mut self.hub, scratch) {
                Err(Refusal::Full) => return self.answers.push_front(answer),
                // A call whose connection has ended can't be answered any more; the hub has told the caller.
                Ok(()) | Err(Refusal::NotConnected) => {}
                Err(refusal) => {
                    let fault = Fault::new(crate::Rung::Hub, crate::Code::BufferTooSmall)
                        .detail(refusal.to_string().as_bytes());
                    self.push(Event::Hindered(fault));
                }
            }
        }
    }

    /// Sends the next change of reported properties. The order of changes counts, and the hub may answer in another
    /// one, so that one is under way at a time.
    pub(super) fn report(&mut self, device: &mut Algorithm<'_>, scratch: &mut [u8; SCRATCH]) {
        let now = self.now();
        while let Some(report) = self.reports.front_mut() {
            if report.request.is_some() {
                return;
            }
            if report.answer.is_closed() {
                self.reports.pop_front();
                continue;
            }
            match device.report(now, &report.patch, &mut self.hub, scratch) {
                Ok(request) => report.request = Some(request),
                Err(Refusal::Full | Refusal::NoPacketId | Refusal::NotConnected) => return,
                Err(_) => {
                    if let Some(report) = self.reports.pop_front() {
                        let _ = report.answer.send(Err(ReportError::TooLarge));
                    }
                }
            }
        }
    }

    pub(super) fn reported(&mut self, reported: Reported) {
        let Some(at) = self
            .reports
            .iter()
            .position(|report| report.request == Some(reported.request))
        else {
            return;
        };
        let answer = match reported.outcome {
            Ok(version) => Ok(version),
            Err((0, _)) => {
                // No answer: it is asked again. Reported properties are a state, so twice is as good as once.
                if let Some(report) = self.reports.get_mut(at) {
                    report.request = None;
                }
                return;
            }
            Err((status, message)) => Err(ReportError::Refused {
                status,
                message: message.as_str().to_owned(),
            }),
        };
        if let Some(report) = self.reports.remove(at) {
            let _ = report.answer.send(answer);
        }
    }
}
