//! Bytes made by hand over the same sockets: what every other program holds too.
#![no_std]
#![no_main]

use core::hint::black_box;

use cortex_m_rt::entry;
use size::{Socket, ground, run};
use towpath::embedded::embedded_io_async::{ErrorKind, Read, Write};

async fn program() -> Result<(), ErrorKind> {
    let mut room = [0; 1024];
    Socket
        .write(b"\x10\x10\0\x04MQTT\x05\x02\0\x3c\0\0\x03dev")
        .await?;
    Socket.flush().await?;
    let n = Socket.read(&mut room).await?;
    black_box(room.get(..n));
    black_box(ground(&mut room));
    Ok(())
}

#[entry]
fn main() -> ! {
    run(program)
}
