//! What a capture says, and what reading it cost: `cargo run --release --example explain_capture FILE`.
//!
//! With a number instead of a file, so many million bytes are made up on the way: connections one after another, each
//! with a handshake, data and an end, while one session goes on from the beginning.

use std::{
    env,
    fs::{self, File},
    io::{self, Read},
    time::Instant,
};

use towpath_doctor::explain;

fn main() -> io::Result<()> {
    let Some(what) = env::args().nth(1) else {
        eprintln!("explain_capture FILE|MEGABYTES");
        return Ok(());
    };
    let began = Instant::now();
    let (diagnosis, len) = match what.parse::<u64>() {
        Ok(megabytes) => {
            let len = megabytes * 1_000_000;
            (explain::capture("made up", Made::of(len))?, len)
        }
        Err(_) => {
            let file = File::open(&what)?;
            let len = file.metadata()?.len();
            (explain::capture(&what, file)?, len)
        }
    };
    let took = began.elapsed().as_secs_f64();
    println!("{diagnosis:#?}");
    let megabytes = len as f64 / 1e6;
    println!(
        "{megabytes:.1} MB in {took:.2} s: {:.0} MB/s",
        megabytes / took
    );
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let most = status.lines().find(|line| line.starts_with("VmHWM"));
    println!("{}", most.unwrap_or("VmHWM is not told here"));
    Ok(())
}

/// A file that is made while it is read.
struct Made {
    left: u64,
    ready: Vec<u8>,
    at: usize,
    number: u32,
}

impl Made {
    fn of(left: u64) -> Self {
        let mut ready = Vec::new();
        for number in [0xa1b2_c3d4u32, 0x0004_0002, 0, 0, 262_144, 101] {
            ready.extend_from_slice(&number.to_le_bytes());
        }
        Self {
            left,
            ready,
            at: 0,
            number: 0,
        }
    }

    fn packet(
        &mut self,
        from_client: bool,
        port: u16,
        numbers: (u32, u32),
        flags: u8,
        data: &[u8],
    ) {
        let len = data.len() as u32 + 40;
        let millis = self.number;
        for number in [
            1_700_000_000 + millis / 1000,
            millis % 1000 * 1000,
            len,
            len,
        ] {
            self.ready.extend_from_slice(&number.to_le_bytes());
        }
        let [high, low] = (len as u16).to_be_bytes();
        let (device, server) = ([10, 0, (port >> 8) as u8, 2], [10, 1, 0, 1]);
        let (from, to) = if from_client {
            (device, server)
        } else {
            (server, device)
        };
        self.ready
            .extend_from_slice(&[0x45, 0, high, low, 0, 0, 0, 0, 64, 6, 0, 0]);
        self.ready.extend_from_slice(&from);
        self.ready.extend_from_slice(&to);
        let (from, to) = if from_client {
            (port, 8883u16)
        } else {
            (8883, port)
        };
        self.ready.extend_from_slice(&from.to_be_bytes());
        self.ready.extend_from_slice(&to.to_be_bytes());
        self.ready.extend_from_slice(&numbers.0.to_be_bytes());
        self.ready.extend_from_slice(&numbers.1.to_be_bytes());
        self.ready
            .extend_from_slice(&[0x50, flags, 0xff, 0xff, 0, 0, 0, 0]);
        self.ready.extend_from_slice(data);
    }

    /// The packets of one connection; every third leaves a hole open.
    fn connection(&mut self) {
        self.number = self.number.wrapping_add(1);
        let port = (self.number % 60_000) as u16 + 1024;
        let mut record = vec![23, 3, 3, 5, 0];
        record.resize(1285, 0xa5);
        self.packet(true, port, (0, 0), 2, &[]);
        self.packet(false, port, (0, 1), 18, &[]);
        self.packet(
            true,
            port,
            (1, 1),
            16,
            b"\x16\x03\x01\x40\x00\x01\x00\x3f\xf0",
        );
        let mut next = 1;
        if self.number.is_multiple_of(3) {
            next += 1285;
        }
        for _ in 0..20 {
            self.packet(false, port, (next, 10), 16, &record);
            next += 1285;
        }
        self.packet(false, port, (next, 10), 17, &[]);
    }
}

impl Read for Made {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        if self.at == self.ready.len() {
            if self.left == 0 {
                return Ok(0);
            }
            self.ready.clear();
            self.at = 0;
            self.connection();
        }
        let waiting = self.ready.get(self.at..).unwrap_or_default();
        let len = waiting.len().min(room.len());
        for (to, from) in room.iter_mut().zip(waiting) {
            *to = *from;
        }
        self.at += len;
        self.left = self.left.saturating_sub(len as u64);
        Ok(len)
    }
}
