//! A byte stream between two ends, as good or bad as the weather.

use std::{collections::VecDeque, time::Duration};

use towpath_proto::Instant;

use crate::Rng;

/// Which way bytes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// From the client to the server.
    Up,
    /// From the server to the client.
    Down,
}

/// How many bytes go at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Chunks {
    /// As many as there are.
    #[default]
    Whole,
    /// This many at most.
    Upto(usize),
    /// A random number from one to this.
    Random(usize),
}

impl Chunks {
    pub(crate) const fn next(self, rng: &mut Rng) -> usize {
        match self {
            Self::Whole => usize::MAX,
            Self::Upto(n) => n,
            Self::Random(n) => rng.between(1, n),
        }
    }
}

/// What a connection goes through. Positions count the bytes of one direction from its first.
#[derive(Debug, Clone, Copy, Default)]
pub struct Weather {
    /// How many bytes arrive at once.
    pub chunks: Chunks,
    /// How many bytes a sender gets rid of at once.
    pub writes: Chunks,
    /// How long bytes are under way.
    pub delay: Duration,
    /// After so many bytes this way the stream is gone, both ways. Neither end knows at once: what they send from
    /// then on is lost, and they believe it was sent.
    pub cut: Option<(Direction, u64)>,
    /// Whether what was under way against the direction of the cut still arrives.
    pub spares_the_other_way: bool,
    /// After so many bytes this way nothing arrives any more, and nobody is told.
    pub stall: Option<(Direction, u64)>,
    /// The byte at this position arrives with these bits flipped.
    pub flip: Option<(Direction, u64, u8)>,
}

impl Weather {
    /// Nothing goes wrong.
    pub const FAIR: Self = Self {
        chunks: Chunks::Whole,
        writes: Chunks::Whole,
        delay: Duration::ZERO,
        cut: None,
        spares_the_other_way: false,
        stall: None,
        flip: None,
    };
}

/// One direction.
#[derive(Debug, Default)]
struct Pipe {
    bytes: VecDeque<u8>,
    /// How many bytes were sent, and how many of them have arrived with the receiver.
    sent: u64,
    taken: u64,
    /// When the bytes up to a position arrive; empty without delay.
    arrivals: VecDeque<(Instant, u64)>,
}

/// The byte stream of one connection.
#[derive(Debug)]
pub struct Link {
    weather: Weather,
    rng: Rng,
    up: Pipe,
    down: Pipe,
    broken: bool,
}

impl Link {
    /// A new stream.
    #[must_use]
    pub fn new(weather: Weather, seed: u64) -> Self {
        Self {
            weather,
            rng: Rng::new(seed),
            up: Pipe::default(),
            down: Pipe::default(),
            broken: false,
        }
    }

    const fn pipe(&mut self, direction: Direction) -> &mut Pipe {
        match direction {
            Direction::Up => &mut self.up,
            Direction::Down => &mut self.down,
        }
    }

    /// Whether the stream is gone. The ends find out when they are told.
    #[must_use]
    pub const fn is_broken(&self) -> bool {
        self.broken
    }

    /// Ends the stream now.
    pub const fn cut(&mut self) {
        self.broken = true;
    }

    /// How many bytes were sent this way, lost ones included.
    pub const fn sent(&mut self, direction: Direction) -> u64 {
        self.pipe(direction).sent
    }

    /// Sends `bytes`, or the part that this answers.
    pub fn send(&mut self, now: Instant, direction: Direction, bytes: &[u8]) -> usize {
        let n = self.weather.writes.next(&mut self.rng).min(bytes.len());
        let weather = self.weather;
        if let Some((way, after)) = weather.cut
            && way == direction
            && after <= self.pipe(direction).taken
        {
            self.broken = true;
        }
        let broken = self.broken;
        let pipe = self.pipe(direction);
        let before = pipe.sent;
        pipe.sent += n as u64;
        if broken {
            return n;
        }
        pipe.bytes.extend(&bytes[..n]);
        if let Some((way, at, bits)) = weather.flip
            && way == direction
            && (before..pipe.sent).contains(&at)
        {
            let back = (pipe.sent - at) as usize;
            let at = pipe.bytes.len() - back;
            pipe.bytes[at] ^= bits;
        }
        if !weather.delay.is_zero() {
            pipe.arrivals
                .push_back((now.after(weather.delay), pipe.sent));
        }
        n
    }

    /// Takes what has arrived, one chunk of it, as far as it fits `room`.
    pub fn receive(&mut self, now: Instant, direction: Direction, room: &mut [u8]) -> usize {
        let chunk = self.weather.chunks.next(&mut self.rng);
        let weather = self.weather;
        if self.broken && !self.still_arrives(direction) {
            return 0;
        }
        let pipe = self.pipe(direction);
        let mut n = pipe.arrived(now).min(chunk).min(room.len());
        for (way, after) in [weather.cut, weather.stall].into_iter().flatten() {
            if way == direction {
                n = n.min(after.saturating_sub(pipe.taken) as usize);
            }
        }
        for (to, from) in room.iter_mut().zip(pipe.bytes.drain(..n)) {
            *to = from;
        }
        pipe.taken += n as u64;
        if n > 0 && weather.cut == Some((direction, pipe.taken)) {
            self.broken = true;
        }
        n
    }

    fn still_arrives(&self, direction: Direction) -> bool {
        let against = self.weather.cut.is_none_or(|(way, _)| way != direction);
        self.weather.spares_the_other_way && against
    }

    /// When the next bytes arrive that are still under way.
    #[must_use]
    pub fn next_arrival(&self, now: Instant) -> Option<Instant> {
        [(Direction::Up, &self.up), (Direction::Down, &self.down)]
            .into_iter()
            .filter(|(way, _)| !self.broken || self.still_arrives(*way))
            .filter_map(|(_, pipe)| {
                let here = pipe.arrivals.partition_point(|(at, _)| *at <= now);
                pipe.arrivals.get(here).map(|(at, _)| *at)
            })
            .min()
    }
}

impl Pipe {
    /// How many bytes have arrived and were not taken.
    fn arrived(&mut self, now: Instant) -> usize {
        if self.arrivals.is_empty() {
            return self.bytes.len();
        }
        let here = self.arrivals.partition_point(|(at, _)| *at <= now);
        let last = here.checked_sub(1).and_then(|at| self.arrivals.get(at));
        let upto = last.map_or(self.taken, |(_, position)| *position);
        // An entry that was taken in full says nothing any more, as long as a later one holds the rest back.
        let taken = self.taken;
        while self.arrivals.len() > 1 && self.arrivals[0].1 <= taken {
            self.arrivals.pop_front();
        }
        upto.saturating_sub(self.taken) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sent_behind_a_cut_is_lost_and_the_sender_does_not_know() {
        let weather = Weather {
            cut: Some((Direction::Up, 3)),
            ..Weather::FAIR
        };
        let mut link = Link::new(weather, 0);
        let mut room = [0; 8];
        assert_eq!(link.send(Instant::ZERO, Direction::Up, b"abcde"), 5);
        assert_eq!(link.receive(Instant::ZERO, Direction::Up, &mut room), 3);
        assert!(link.is_broken());
        assert_eq!(link.send(Instant::ZERO, Direction::Down, b"x"), 1);
        assert_eq!(link.receive(Instant::ZERO, Direction::Down, &mut room), 0);
        assert_eq!(link.receive(Instant::ZERO, Direction::Up, &mut room), 0);
    }

    #[test]
    fn bytes_take_their_time_and_come_in_chunks() {
        let weather = Weather {
            chunks: Chunks::Upto(2),
            delay: Duration::from_millis(5),
            flip: Some((Direction::Down, 1, 0x20)),
            ..Weather::FAIR
        };
        let mut link = Link::new(weather, 0);
        let mut room = [0; 8];
        link.send(Instant::ZERO, Direction::Down, b"abc");
        assert_eq!(link.receive(Instant::ZERO, Direction::Down, &mut room), 0);
        let then = link.next_arrival(Instant::ZERO).unwrap();
        assert_eq!(then, Instant::from_millis(5));
        assert_eq!(link.receive(then, Direction::Down, &mut room), 2);
        assert_eq!(&room[..2], b"aB");
        assert_eq!(link.receive(then, Direction::Down, &mut room), 1);
    }

    #[test]
    fn a_stalled_link_takes_bytes_and_says_nothing() {
        let weather = Weather {
            stall: Some((Direction::Up, 1)),
            ..Weather::FAIR
        };
        let mut link = Link::new(weather, 0);
        let mut room = [0; 8];
        assert_eq!(link.send(Instant::ZERO, Direction::Up, b"ab"), 2);
        assert_eq!(link.receive(Instant::ZERO, Direction::Up, &mut room), 1);
        assert_eq!(link.receive(Instant::ZERO, Direction::Up, &mut room), 0);
        assert!(!link.is_broken());
    }
}
