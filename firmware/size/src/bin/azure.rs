//! As mqtt, and a device of Azure IoT Hub on it: provisioning, twin, methods, messages, tokens.
#![no_std]
#![no_main]

use core::hint::black_box;

use cortex_m_rt::entry;
use size::{Socket, Ticks, random, run};
use towpath::{
    embedded::{Connection, Error, Timer},
    proto::{Buffers, Client, Event, client::Start},
};
use towpath_azure::{Device, Entry, Key, Now, Proof, SCRATCH, Settings, Step};

async fn program() -> Result<(), Error> {
    let (mut rx, mut tx, mut store) = ([0; 1024], [0; 1024], [0; 1024]);
    let buffers = Buffers {
        rx: &mut rx[..],
        tx: &mut tx[..],
        store: &mut store[..],
        aliases: &mut [][..],
    };
    let mut client = Client::new(buffers, random);
    let Ok(key) = Key::from_base64(black_box("bGFiLWRldmljZS1rZXk=")) else {
        return Ok(());
    };
    let entry = Entry::Dps {
        host: black_box("global.azure-devices-provisioning.net"),
        scope: black_box("0ne00000000"),
        registration_id: black_box("dev1"),
        payload: "",
    };
    let mut device: Device<'_> = Device::new(Settings::new(entry, Proof::Key(&key)), None, None);
    let (mut scratch, mut draw) = ([0; SCRATCH], random);
    loop {
        let now = Now::new(Ticks.now(), black_box(1_795_293_446));
        match device.poll(now, &mut client, &mut draw, &mut scratch) {
            Step::Climb { .. } => {
                let Ok(attempt) = device.attempt(now, &mut draw, &mut scratch) else {
                    return Ok(());
                };
                let start = Start::new(attempt.connect());
                let opening = Connection::open(&mut client, Socket, Socket, Ticks, &start);
                let mut connection = opening.await?;
                match connection.next().await {
                    Event::Connected(connected) => {
                        black_box(device.connected(now, connected.session_present));
                    }
                    Event::Subscribed(suback) => {
                        device.subscribed(suback.packet_id, &[]);
                    }
                    Event::Message(message) => {
                        let topic = message.topic.as_str();
                        black_box(device.message(now, topic, message.payload, false).is_some());
                    }
                    Event::Settled { packet_id, outcome } => {
                        black_box(device.settled(packet_id, outcome).is_some());
                    }
                    Event::Failed(fault) => {
                        black_box(device.failed(now, fault, &mut draw).is_some());
                    }
                    _ => {}
                }
            }
            Step::Event(event) => {
                black_box(&event);
            }
            _ => {
                black_box(device.closed(now).is_some());
            }
        }
    }
}

#[entry]
fn main() -> ! {
    run(program)
}
