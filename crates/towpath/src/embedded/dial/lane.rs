//! TCP sockets at work: each carries out one order after the other, a connection attempt or a question of DNS.
//!
//! A lane reports to the dialer itself, and to the driver that there is news. An order that is recalled or finished
//! gives way at the lane's next poll, which closes its socket.

use core::{
    cell::{Cell, RefCell, RefMut},
    convert::Infallible,
    future::{pending, poll_fn},
    net::SocketAddr,
    task::Poll,
};

use embassy_futures::select::select;
use embedded_io_async::{Error as _, ReadExactError};
use towpath_proto::{
    Code, Fault, Rung,
    net::{Dialer, dialer::QueryId, race},
};

use crate::embedded::{TcpSocket, Timer, fault};

/// What a lane is to do.
#[derive(Debug, Clone, Copy)]
pub(super) enum Job {
    Connect(race::Id, SocketAddr),
    Ask(QueryId, SocketAddr),
}

/// Orders that may wait for a lane: three questions, and attempts that were begun before the lanes were taken by them.
const WAITING: usize = 6;

/// The lanes, seen from both sides.
pub(super) struct Lanes<'a, 'd, const N: usize> {
    pub(super) dialer: &'a RefCell<&'d mut Dialer>,
    /// Each order has a number, so that a lane sees that it has another one.
    orders: [Cell<(u32, Option<Job>)>; N],
    waiting: [Cell<Option<Job>>; WAITING],
    news: Cell<bool>,
    /// For one question over TCP at a time.
    stream: RefCell<&'a mut [u8]>,
}

impl<'a, 'd, const N: usize> Lanes<'a, 'd, N> {
    pub(super) fn new(dialer: &'a RefCell<&'d mut Dialer>, stream: &'a mut [u8]) -> Self {
        Self {
            dialer,
            orders: [const { Cell::new((0, None)) }; N],
            waiting: [const { Cell::new(None) }; WAITING],
            news: Cell::new(false),
            stream: RefCell::new(stream),
        }
    }

    /// Has the job done by the next lane that is free. False if too many wait.
    pub(super) fn order(&self, job: Job) -> bool {
        let free = self.orders.iter().find(|order| order.get().1.is_none());
        if let Some(order) = free {
            replace(order, Some(job));
            return true;
        }
        let place = self.waiting.iter().find(|place| place.get().is_none());
        if let Some(place) = place {
            place.set(Some(job));
        }
        place.is_some()
    }

    /// Takes a job back, wherever it is.
    pub(super) fn recall(&self, is_it: impl Fn(&Job) -> bool) {
        let found = |job: Option<Job>| job.as_ref().is_some_and(&is_it);
        for place in self.waiting.iter().filter(|place| found(place.get())) {
            place.set(None);
        }
        for order in self.orders.iter().filter(|order| found(order.get().1)) {
            self.release(order);
        }
    }

    /// The lane of a job.
    pub(super) fn find(&self, is_it: impl Fn(&Job) -> bool) -> Option<usize> {
        let found = |job: Option<Job>| job.as_ref().is_some_and(&is_it);
        self.orders.iter().position(|order| found(order.get().1))
    }

    pub(super) fn has_news(&self) -> bool {
        self.news.get()
    }

    /// Ready once a lane has reported to the dialer.
    pub(super) async fn news(&self) {
        poll_fn(|_| {
            if self.news.take() {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        })
        .await;
    }

    /// Ends an order; the lane takes the one that has waited longest.
    fn release(&self, order: &Cell<(u32, Option<Job>)>) {
        let next = self.waiting.first().and_then(Cell::take);
        for pair in self.waiting.windows(2) {
            if let [before, after] = pair {
                before.swap(after);
            }
        }
        replace(order, next);
    }

    /// Carries out orders for ever.
    pub(super) async fn run<T: TcpSocket>(
        &self,
        lane: usize,
        socket: Option<&mut T>,
        timer: &impl Timer,
    ) -> Infallible {
        let (Some(order), Some(socket)) = (self.orders.get(lane), socket) else {
            return pending().await;
        };
        loop {
            let (number, job) = order.get();
            let changed = poll_fn(|_| {
                if order.get().0 == number {
                    Poll::Pending
                } else {
                    Poll::Ready(())
                }
            });
            select(changed, self.carry_out(order, job, socket, timer)).await;
            if job.is_some() {
                socket.abort();
                // Another lane may have waited for what this one had.
                self.news.set(true);
            }
        }
    }

    async fn carry_out<T: TcpSocket>(
        &self,
        order: &Cell<(u32, Option<Job>)>,
        job: Option<Job>,
        socket: &mut T,
        timer: &impl Timer,
    ) -> Infallible {
        match job {
            None => {}
            Some(Job::Connect(id, address)) => {
                let end = socket.connect(address).await;
                let mut dialer = self.dialer.borrow_mut();
                match end {
                    Ok(()) => dialer.connected(timer.now(), id),
                    Err(fault) => {
                        dialer.connect_failed(timer.now(), id, fault);
                        self.release(order);
                    }
                }
                self.news.set(true);
            }
            Some(Job::Ask(query, server)) => {
                let end = self.ask(query, server, socket, timer).await;
                let fault = end.err().unwrap_or(Fault::new(Rung::Dns, Code::Closed));
                // If what came was the answer, this is not looked at any more.
                let mut dialer = self.dialer.borrow_mut();
                dialer.query_failed(timer.now(), query, fault);
                self.release(order);
                self.news.set(true);
            }
        }
        pending().await
    }

    /// One question and its answer (RFC 7766 section 8: two bytes of length in front of each).
    #[expect(
        clippy::await_holding_refcell_ref,
        reason = "the room is one question's until it is answered; another lane waits for it"
    )]
    async fn ask<T: TcpSocket>(
        &self,
        query: QueryId,
        server: SocketAddr,
        socket: &mut T,
        timer: &impl Timer,
    ) -> Result<(), Fault> {
        let mut room = self.stream().await;
        socket.connect(server).await?;
        let question = {
            let (length, rest) = room.split_first_chunk_mut::<2>().ok_or(TOO_SMALL)?;
            let len = self.dialer.borrow().message(query, rest).len();
            *length = u16::try_from(len).unwrap_or(0).to_be_bytes();
            room.get(..2 + len).filter(|_| len > 0).ok_or(TOO_SMALL)?
        };
        let broken = |kind| fault(Rung::Dns, kind);
        let sent = socket.write_all(question).await;
        sent.map_err(|error| broken(error.kind()))?;
        socket.flush().await.map_err(|error| broken(error.kind()))?;

        let cut = |error| match error {
            ReadExactError::UnexpectedEof => Fault::new(Rung::Dns, Code::Closed),
            ReadExactError::Other(error) => broken(T::Error::kind(&error)),
        };
        let mut length = [0; 2];
        socket.read_exact(&mut length).await.map_err(cut)?;
        let length = u16::from_be_bytes(length);
        let Some(answer) = room.get_mut(..length.into()) else {
            return Err(Fault::new(Rung::Dns, Code::AnswerTooLarge).number(length.into()));
        };
        socket.read_exact(answer).await.map_err(cut)?;
        let mut dialer = self.dialer.borrow_mut();
        dialer.answered(timer.now(), query, answer);
        Ok(())
    }

    /// The room for questions over TCP, once nobody else has it.
    async fn stream(&self) -> RefMut<'_, &'a mut [u8]> {
        poll_fn(|_| match self.stream.try_borrow_mut() {
            Ok(room) => Poll::Ready(room),
            // Whoever has it is a lane too: when it is done, all lanes are polled again.
            Err(_) => Poll::Pending,
        })
        .await
    }
}

/// The buffer does not take a question.
const TOO_SMALL: Fault = Fault::new(Rung::Dns, Code::BufferTooSmall);

fn replace(order: &Cell<(u32, Option<Job>)>, job: Option<Job>) {
    order.set((order.get().0.wrapping_add(1), job));
}
