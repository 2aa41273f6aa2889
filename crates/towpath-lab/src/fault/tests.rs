use std::net::{Ipv4Addr, SocketAddr};

use super::*;
use crate::{clock::Time, connection::Connections};

fn faults() -> Faults {
    Faults::new(Arc::default(), Arc::default())
}

fn connection(last: u8) -> Arc<Connection> {
    let peer = SocketAddr::from((Ipv4Addr::new(127, 0, 0, last), 40_000));
    Connections::default().open(Listener::Mqtts, peer, Time::default())
}

#[test]
fn names_are_unique() {
    let mut names: Vec<_> = Kind::ALL.iter().map(|kind| kind.name()).collect();
    names.sort_unstable();
    assert!(names.windows(2).all(|pair| pair[0] != pair[1]), "{names:?}");
}

#[test]
fn a_name_a_finding_and_a_value_are_read() {
    assert_eq!(
        "connack-5".parse::<Setting>().ok(),
        Some(Setting::new(Kind::Connack5))
    );
    assert_eq!(
        "tp-mqtt-007".parse::<Setting>().ok(),
        Some(Setting::new(Kind::Connack5))
    );
    let slow = "connack-slow=250".parse::<Setting>().ok();
    assert_eq!(slow, Some(Setting::new(Kind::ConnackSlow).number(250)));
    for (text, why) in [
        ("TP-MQTT-002", "connect-silent, connack-slow"),
        ("connack-6", "there is no fault \"connack-6\""),
        ("connack-5=1", "takes no value"),
        ("connack-slow=soon", "has to be a number"),
        ("suite-only=5", "has to be text"),
    ] {
        let error = text
            .parse::<Setting>()
            .expect_err("a wrong setting")
            .to_string();
        assert!(error.contains(why), "{error}");
    }
}

#[test]
fn a_switch_counts_down_and_goes_off() {
    let faults = faults();
    faults
        .switch_on(Setting::new(Kind::ConnackSlow).times(2))
        .expect("it can be on");
    let one = connection(1);
    let slow = Some(Value::Number(10_000));
    assert_eq!(faults.strike(Kind::Connack5, &one), None);
    assert_eq!(faults.strike(Kind::ConnackSlow, &one), slow);
    assert_eq!(
        faults
            .on()
            .first()
            .map(|switch| (switch.done, switch.setting.times)),
        Some((1, Some(1)))
    );
    assert_eq!(faults.strike(Kind::ConnackSlow, &one), slow);
    assert_eq!(faults.strike(Kind::ConnackSlow, &one), None);
    assert_eq!(faults.on(), []);
    assert_eq!(one.ladder().faults, ["connack-slow"]);
}

#[test]
fn the_last_one_switched_on_wins() {
    let faults = faults();
    let first = faults
        .switch_on(Setting::new(Kind::ConnackSlow).number(1))
        .expect("it can be on");
    let second = faults
        .switch_on(Setting::new(Kind::ConnackSlow).number(2))
        .expect("it can be on");
    let one = connection(1);
    assert_eq!(
        faults.strike(Kind::ConnackSlow, &one),
        Some(Value::Number(2))
    );
    assert!(faults.switch_off(second));
    assert!(!faults.switch_off(second));
    assert_eq!(
        faults.strike(Kind::ConnackSlow, &one),
        Some(Value::Number(1))
    );
    assert!(faults.switch_off(first));
    assert_eq!(faults.strike(Kind::ConnackSlow, &one), None);
}

/// Below CONNECT a device is known by the address that it was last seen at.
#[test]
fn a_device_is_known_by_its_address_until_it_says_who_it_is() {
    let faults = faults();
    faults
        .switch_on(Setting::new(Kind::HelloClose).device("meter"))
        .expect("it can be on");
    let (its, other) = (connection(2), connection(3));
    assert_eq!(faults.strike(Kind::HelloClose, &its), None);
    faults.saw("meter", its.peer.ip());
    assert!(faults.strike(Kind::HelloClose, &its).is_some());
    assert!(faults.strike(Kind::HelloClose, &other).is_none());
    its.identify(None, Some("tank"));
    assert!(faults.strike(Kind::HelloClose, &its).is_none());
}

#[test]
fn a_host_and_a_listener_can_be_meant() {
    let faults = faults();
    let setting = Setting {
        host: Some("Hub-1".into()),
        ..Setting::new(Kind::Connack5)
    };
    faults.switch_on(setting).expect("it can be on");
    let one = connection(1);
    assert!(faults.strike(Kind::Connack5, &one).is_none());
    one.identify(Some("hub-1"), None);
    assert!(faults.strike(Kind::Connack5, &one).is_some());

    faults.clear();
    let setting = Setting {
        listener: Some("https".into()),
        ..Setting::new(Kind::Connack5)
    };
    faults.switch_on(setting).expect("it can be on");
    assert!(faults.strike(Kind::Connack5, &one).is_none());
    let setting = Setting {
        listener: Some("amqps".into()),
        ..Setting::new(Kind::Connack5)
    };
    assert!(faults.switch_on(setting).is_err());
}
