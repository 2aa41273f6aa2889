//! Limits and ends.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
};

use towpath::tls::Backend;
use towpath_lab::fault::{Kind, Setting};

use crate::{
    client::{As, Way, attempt, lab, options},
    raw::{Raw, beside, tcp},
};

/// Whether the lab has ended a connection.
fn is_over(stream: &mut TcpStream) -> bool {
    matches!(stream.read(&mut [0]), Ok(0)) || stream.take_error().is_ok_and(|error| error.is_some())
}

#[tokio::test]
async fn every_connection_ends_with_the_lab() {
    let lab = lab(|_| {}).await;
    let silent = Setting {
        times: Some(1),
        ..Setting::new(Kind::AcceptSilent)
    };
    lab.faults().switch_on(silent).expect("a switch");
    let (mqtts, https) = (lab.mqtts().port(), lab.https().port());
    // The first is kept silent by a fault, the others have not said anything yet, the last is in MQTT.
    let mut silent = vec![tcp(mqtts), tcp(mqtts), tcp(https)];
    let raw = Raw::new(&lab);
    let mut secured = beside(move || raw.connect(mqtts)).await;
    lab.stop().await;
    beside(move || {
        for stream in &mut silent {
            assert!(is_over(stream));
        }
        assert!(matches!(secured.read(&mut [0]), Ok(0) | Err(_)));
    })
    .await;
    let refused = TcpStream::connect(("127.0.0.1", mqtts));
    refused.expect_err("nobody listens");
}

#[tokio::test]
async fn those_above_the_limit_are_turned_away() {
    let lab = lab(|config| config.listen.connections = 3).await;
    let port = lab.mqtts().port();
    let raw = || Raw::new(&lab);
    let mut kept = Vec::new();
    for _ in 0..3 {
        let raw = raw();
        kept.push(beside(move || raw.connect(port)).await);
    }
    beside(move || {
        let mut stream = tcp(port);
        // What is sent to a closed socket may be answered by a reset.
        let _ = stream.write_all(b"x");
        assert!(matches!(stream.read(&mut [0]), Ok(0) | Err(_)));
    })
    .await;
    let log = lab.log().since(0);
    let told = log
        .iter()
        .filter(|one| one.text.contains("are turned away"));
    assert_eq!(told.count(), 1);
    // Where one has left there is room again.
    let one = kept.pop();
    beside(move || drop(one)).await;
    let mut room = false;
    for _ in 0..1000 {
        room = attempt(options(&lab, Way::Mqtts, As::Key, Backend::OpenSsl))
            .await
            .is_ok();
        if room {
            break;
        }
    }
    assert!(room, "no room after one has left");
}

#[tokio::test]
async fn a_reset_is_one() {
    let lab = lab(|_| {}).await;
    let port = lab.mqtts().port();
    for kind in [Kind::ResetAfter, Kind::AcceptReset] {
        let setting = match kind {
            Kind::ResetAfter => Setting::new(kind).number(1),
            _ => Setting::new(kind),
        };
        let number = lab.faults().switch_on(setting).expect("a switch");
        let error = beside(move || tcp(port).read(&mut [0]).expect_err("a reset")).await;
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "{kind}");
        lab.faults().switch_off(number);
    }
}

/// Noise of any length on both ports, and then an ordinary client.
#[tokio::test]
async fn noise_does_no_harm() {
    let lab = lab(|_| {}).await;
    let (mqtts, https) = (lab.mqtts().port(), lab.https().port());
    let raw = || Raw::new(&lab);
    let secured = [raw(), raw(), raw(), raw()];
    beside(move || {
        let mut seed = 0x2545_f491_4f6c_dd1d_u64;
        let mut noise = |len: usize| -> Vec<u8> {
            let byte = |_| {
                seed ^= seed << 13;
                seed ^= seed >> 7;
                seed ^= seed << 17;
                seed.to_le_bytes()[0]
            };
            (0..len).map(byte).collect()
        };
        for len in 0..100 {
            for port in [mqtts, https] {
                // The lab may have closed it already.
                let _ = tcp(port).write_all(&noise(len * 17));
                let mut record = vec![22, 3, 1, 1, 0];
                record.extend(noise(len * 17));
                let _ = tcp(port).write_all(&record);
            }
        }
        for (raw, port) in secured.into_iter().zip([mqtts, https, mqtts, https]) {
            let _ = raw.connect(port).write_all(&noise(5000));
        }
    })
    .await;
    for way in [Way::Mqtts, Way::Wss] {
        let came = attempt(options(&lab, way, As::Certificate, Backend::OpenSsl)).await;
        assert_eq!(came, Ok(()), "{way:?}");
    }
    let log = lab.log().since(0);
    assert!(!log.iter().any(|one| one.text.contains("the lab failed")));
}
