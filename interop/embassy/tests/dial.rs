//! A device and a server, each on a TCP/IP stack of its own, and a cable between them in memory.

use std::{future::Future, net::SocketAddr, pin::pin};

use embassy_net::{
    Config, Ipv6Cidr, Stack, StackResources, StaticConfigV6,
    driver::HardwareAddress,
    tcp::TcpSocket,
    udp::{PacketMetadata, UdpSocket},
};
use embassy_net_driver_channel::{self as channel, Device};
use towpath::{
    Code, Fault, Rung, Version,
    embedded::{
        Connection, Network, dial,
        embassy::{Clock, Tcp, Udp},
    },
    proto::{
        Client, Event,
        client::Start,
        mqtt::packet::Connect,
        net::{
            Dialer,
            dialer::{Nat64, Settings},
        },
    },
};
use towpath_sim::{Memory, Rng, hex};

const DEVICE: &str = "fd00::2";
/// The server's address is that of 192.0.2.1 behind this prefix.
const SERVER: &str = "fd00::c000:201";
const PREFIX: &str = "fd00::/96";

type Cable = channel::State<1280, 4, 4>;

fn config(address: &str) -> Config {
    Config::ipv6_static(StaticConfigV6 {
        address: Ipv6Cidr::new(address.parse().unwrap(), 64),
        gateway: None,
        dns_servers: Default::default(),
    })
}

/// Carries packets from one end to the other for ever.
async fn carry(mut from: channel::TxRunner<'_, 1280>, mut to: channel::RxRunner<'_, 1280>) {
    loop {
        let packet = from.tx_buf().await.to_vec();
        from.tx_done();
        to.rx_buf().await[..packet.len()].copy_from_slice(&packet);
        to.rx_done(packet.len());
    }
}

fn plug(cable: &mut Cable) -> (channel::Runner<'_, 1280>, Device<'_, 1280>) {
    let (runner, device) = channel::new(cable, HardwareAddress::Ip);
    runner
        .state_runner()
        .set_link_state(embassy_net::driver::LinkState::Up);
    (runner, device)
}

/// Runs `device` on one stack and `server` on the other, until the device's part is done.
async fn between<T, S: Future>(
    device: impl AsyncFnOnce(Stack<'_>) -> T,
    server: impl FnOnce(Stack<'static>) -> S,
) -> T {
    // The server outlives the test; what it is on is given up with the process.
    let cable = Box::leak(Box::new(Cable::new()));
    let resources = Box::leak(Box::new(StackResources::<8>::new()));
    let (server_end, driver) = plug(cable);
    let (server_stack, mut server_runner) = embassy_net::new(driver, config(SERVER), resources, 1);

    let (mut cable, mut resources) = (Cable::new(), StackResources::<8>::new());
    let (device_end, driver) = plug(&mut cable);
    let (stack, mut runner) = embassy_net::new(driver, config(DEVICE), &mut resources, 2);

    let (_, server_rx, server_tx) = server_end.split();
    let (_, device_rx, device_tx) = device_end.split();
    tokio::select! {
        done = async {
            stack.wait_config_up().await;
            device(stack).await
        } => done,
        _ = async {
            server_stack.wait_config_up().await;
            server(server_stack).await
        } => panic!("the server is done first"),
        _ = runner.run() => unreachable!(),
        _ = server_runner.run() => unreachable!(),
        () = carry(server_tx, device_rx) => unreachable!(),
        () = carry(device_tx, server_rx) => unreachable!(),
    }
}

/// Answers A with 192.0.2.1 and AAAA with nothing, or with an address where nobody is.
async fn serve_dns(stack: Stack<'_>, dead_too: bool) {
    let (mut meta, mut rx, mut tx) = ([PacketMetadata::EMPTY; 4], [0; 2048], [0; 2048]);
    let mut sent = meta;
    let mut socket = UdpSocket::new(stack, &mut meta, &mut rx, &mut sent, &mut tx);
    socket.bind(53).unwrap();
    let mut room = [0; 512];
    loop {
        let (_, from) = socket.recv_from(&mut room).await.unwrap();
        let end = 12 + room[12..].iter().position(|byte| *byte == 0).unwrap() + 5;
        let question = &room[12..end];
        let is_a = question.ends_with(&[0, 1, 0, 1]);
        let record = match (is_a, dead_too) {
            (true, _) => hex("c0 0c 00 01 00 01 00 00 00 3c 00 04 c0 00 02 01"),
            (false, true) => {
                hex("c0 0c 00 1c 00 01 00 00 00 3c 00 10 fd000000000000000000000000000bad")
            }
            (false, false) => Vec::new(),
        };
        let mut answer = room[..2].to_vec();
        answer.extend([
            0x81,
            0x80,
            0,
            1,
            0,
            u8::from(!record.is_empty()),
            0,
            0,
            0,
            0,
        ]);
        answer.extend(question);
        answer.extend(record);
        socket.send_to(&answer, from).await.unwrap();
    }
}

/// Accepts one connection and says CONNACK to whatever comes.
async fn serve_mqtt(stack: Stack<'_>) {
    let (mut rx, mut tx) = ([0; 512], [0; 512]);
    let mut socket = TcpSocket::new(stack, &mut rx, &mut tx);
    socket.accept(1883).await.unwrap();
    let mut room = [0; 64];
    assert_ne!(socket.read(&mut room).await.unwrap(), 0);
    assert_eq!(room[0], 0x10, "CONNECT");
    socket.write(&hex("20 03 00 00 00")).await.unwrap();
    std::future::pending().await
}

fn dialer() -> Dialer {
    let server: SocketAddr = format!("[{SERVER}]:53").parse().unwrap();
    let mut dialer = Dialer::new(Settings::default().servers(&[server]));
    dialer.settings_mut().nat64 = Nat64::Prefix(PREFIX.parse().unwrap());
    dialer
}

/// Dials; with a connection, speaks MQTT.
async fn climb(stack: Stack<'_>) -> Result<(), Fault> {
    let mut room = [([0; 512], [0; 512]), ([0; 512], [0; 512])];
    let mut tcp = room
        .each_mut()
        .map(|(rx, tx)| Tcp(TcpSocket::new(stack, rx, tx)));
    let (mut meta, mut rx, mut tx) = ([PacketMetadata::EMPTY; 4], [0; 1024], [0; 512]);
    let mut sent = meta;
    let mut udp = Udp(UdpSocket::new(
        stack, &mut meta, &mut rx, &mut sent, &mut tx,
    ));
    let own = [DEVICE.parse().unwrap()];
    let mut client = Client::new(Memory::device(1024, 1024, 1024, 0), Rng::new(7));
    let network = Network {
        tcp: &mut tcp,
        udp: &mut udp,
        own: &own,
        buffer: client.rx_space(),
    };
    let (mut dialer, mut random) = (dialer(), Rng::new(9));
    let host = "broker.example";
    let won = dial(&mut dialer, network, &Clock, &mut random, host, 1883).await?;

    let (reader, writer) = won.0.split();
    let start = Start::new(Connect {
        version: Version::V5,
        client_id: "lamp",
        ..Connect::default()
    });
    let opening = Connection::open(&mut client, reader, writer, &Clock, &start);
    let mut connection = pin!(opening).await.expect("CONNACK");
    assert!(matches!(connection.next().await, Event::Connected(_)));
    Ok(())
}

#[tokio::test]
async fn a_device_reaches_an_ipv4_server_by_name() {
    for dead_too in [false, true] {
        let server = |stack| async move {
            tokio::join!(serve_dns(stack, dead_too), serve_mqtt(stack));
        };
        between(climb, server).await.unwrap();
    }
}

#[tokio::test]
async fn a_closed_port_is_a_refusal() {
    let fault = between(climb, |stack| serve_dns(stack, false))
        .await
        .unwrap_err();
    assert_eq!((fault.rung, fault.code), (Rung::Tcp, Code::Refused));
}
