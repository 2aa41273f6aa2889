//! Connections that come, take over and leave, and the sessions that they find.

use super::*;
use crate::hub::{
    Origin,
    registry::{Proof, Wanted},
    user_name::UserName,
};

fn dev1() -> Name {
    Name::device("dev1")
}

#[test]
fn a_second_connection_takes_over() {
    let bench = Bench::new(&config());
    let (first, mut one) = bench.enter("dev1", false);
    let (second, mut two) = bench.enter("dev1", false);
    match down(&mut one).as_slice() {
        [
            Down::Close {
                code: Code::LinkStolen,
                why,
            },
        ] => {
            assert!(
                why.contains(&format!("connection {} from", second.id)),
                "{why}"
            );
        }
        other => panic!("{other:?}"),
    }
    assert!(
        one.down.is_closed(),
        "the first one has nothing more to hear"
    );
    bench.hub.leave(&dev1(), &first, None);
    assert!(
        down(&mut two).is_empty() && !two.down.is_closed(),
        "the second one stays"
    );
    let late = bench.hub.subscribe(&dev1(), &first, Feature::Methods, 0);
    let late = late.expect_err("the first one has no say any more");
    assert_eq!((late.close, late.code), (true, Code::LinkStolen));
    bench.hub.leave(&dev1(), &second, None);
    assert!(two.down.is_closed());
    assert!(bench.hub.lock().entries[&dev1()].live.is_none());
}

#[test]
fn sessions_are_found_again_or_not() {
    let bench = Bench::new(&config());
    let subscriptions = || {
        let state = bench.hub.lock();
        state.entries[&dev1()].session.subscriptions.clone()
    };
    let (connection, admitted) = bench.enter("dev1", false);
    assert!(!admitted.session_present, "there was none");
    assert_eq!(
        bench
            .hub
            .subscribe(&dev1(), &connection, Feature::Methods, 2),
        Ok(1)
    );
    assert_eq!(
        bench
            .hub
            .subscribe(&dev1(), &connection, Feature::TwinAnswers, 0),
        Ok(0)
    );
    bench
        .hub
        .unsubscribe(&dev1(), &connection, Feature::TwinAnswers);
    bench.hub.leave(&dev1(), &connection, None);
    let (connection, admitted) = bench.enter("dev1", false);
    assert!(admitted.session_present);
    assert_eq!(subscriptions(), [(Feature::Methods, 1)].into());
    bench.hub.leave(&dev1(), &connection, None);
    let number = bench.fault("session-lost");
    let (connection, admitted) = bench.enter("dev1", false);
    assert!(!admitted.session_present && subscriptions().is_empty());
    bench.hub.means.faults.switch_off(number);
    bench.subscribe("dev1", &connection, Feature::Methods);
    bench.hub.leave(&dev1(), &connection, None);
    let (connection, admitted) = bench.enter("dev1", true);
    assert!(!admitted.session_present && subscriptions().is_empty());
    bench.subscribe("dev1", &connection, Feature::Methods);
    bench.hub.leave(&dev1(), &connection, None);
    assert!(
        subscriptions().is_empty(),
        "a clean session ends with its connection"
    );
    let (_, admitted) = bench.enter("dev1", false);
    assert!(!admitted.session_present);
}

#[test]
fn a_session_that_was_not_kept_is_not_found() {
    let bench = Bench::new(&config());
    let (connection, _one) = bench.enter("dev1", true);
    bench.subscribe("dev1", &connection, Feature::Methods);
    let (_, admitted) = bench.enter("dev1", false);
    let state = bench.hub.lock();
    assert!(!admitted.session_present);
    assert!(
        state.entries[&dev1()].session.subscriptions.is_empty(),
        "those of the clean session that was taken over"
    );
}

#[test]
fn a_connection_that_was_taken_over_from_has_no_say() {
    let bench = Bench::new(&config());
    let (first, _one) = bench.enter("dev1", false);
    let (second, _two) = bench.enter("dev1", false);
    bench.subscribe("dev1", &second, Feature::Methods);
    bench.hub.unsubscribe(&dev1(), &first, Feature::Methods);
    {
        let state = bench.hub.lock();
        assert_eq!(state.entries[&dev1()].session.subscriptions.len(), 1);
    }
    let refused = bench
        .hub
        .publish(&dev1(), &first, crate::hub::Incoming::default());
    let refused = refused.expect_err("it is not the live one");
    assert_eq!((refused.close, refused.code), (true, Code::LinkStolen));
    assert_eq!(bench.hub.report(&dev1(), &first, br#"{"a":1}"#).status, 409);
    assert_eq!(bench.hub.twin_get(&dev1(), &first).status, 409);
    assert_eq!(
        bench.hub.report(&dev1(), &second, br#"{"a":1}"#).status,
        204
    );
    assert_eq!(bench.hub.twin_get(&dev1(), &second).status, 200);
    bench.hub.leave(
        &dev1(),
        &first,
        Some(("devices/dev1/messages/events/", b"")),
    );
    assert_eq!(bench.hub.telemetry.last(), 1, "its will is published");
}

/// A module comes in by its token.
fn enter_module(bench: &Bench) -> Admitted {
    let name = Name::module("dev1", "mod1");
    let token = bench.token(&name, HOUR);
    let user_name = format!("{HOST}/dev1/mod1/?api-version=2021-04-12");
    let hello = Hello {
        client_id: "dev1/mod1",
        user_name: Some(&user_name),
        password: Some(token.as_bytes()),
        clean: false,
        will: None,
        certificate: None,
    };
    let (_, admitted) = bench.connect(Listener::Mqtts, &hello);
    admitted.expect("it may come in")
}

fn disabled() -> Wanted {
    Wanted {
        enabled: Some(false),
        ..Wanted::default()
    }
}

#[test]
fn modules_go_with_their_device() {
    let bench = Bench::new(&config());
    let (_, mut device) = bench.enter("dev1", false);
    let mut module = enter_module(&bench);
    drop(
        bench
            .hub
            .update(&dev1(), disabled(), None)
            .expect("it may be changed"),
    );
    for admitted in [&mut device, &mut module] {
        match down(admitted).as_slice() {
            [
                Down::Close {
                    code: Code::DeviceDisabled,
                    why,
                },
            ] => assert_eq!(why, "dev1 was disabled"),
            other => panic!("{other:?}"),
        }
        assert!(admitted.down.is_closed());
    }
    assert_eq!(bench.hub.counts().connected, 0);
}

/// Credentials are checked without the lock: what is changed meanwhile counts.
#[test]
fn what_changes_while_credentials_are_checked() {
    let bench = Bench::new(&config());
    let take_in = |name: &Name, change: &dyn Fn()| {
        let text = format!("{HOST}/{name}/?api-version=2021-04-12");
        let user_name = UserName::parse(&text).expect("a user name");
        let hello = Hello {
            client_id: "",
            user_name: None,
            password: None,
            clean: false,
            will: None,
            certificate: None,
        };
        let registered = bench.hub.registered(name).expect("it is there");
        change();
        let connection = bench.connection(Listener::Mqtts);
        let taken = bench
            .hub
            .take_in(&hello, &connection, user_name, &registered, None);
        taken.map(|_| ()).map_err(|refused| refused.code)
    };
    let module = Name::module("dev1", "mod1");
    assert_eq!(take_in(&module, &|| {}), Ok(()));
    let other_keys = || {
        let wanted = Wanted {
            authentication: Some(Proof::Sas {
                primary: Some(Key::random()),
                secondary: None,
            }),
            ..Wanted::default()
        };
        drop(bench.hub.update(&dev1(), wanted, None).expect("a change"));
    };
    assert_eq!(take_in(&module, &other_keys), Ok(()), "not the module's");
    assert_eq!(take_in(&dev1(), &other_keys), Err(Code::IotHubUnauthorized));
    let made_again = || {
        drop(bench.hub.remove(&module, None).expect("it is there"));
        let made = bench
            .hub
            .create(&module, Wanted::default(), Origin::Registry);
        drop(made.expect("it is gone"));
    };
    assert_eq!(take_in(&module, &made_again), Err(Code::IotHubUnauthorized));
    let disable = || drop(bench.hub.update(&dev1(), disabled(), None).expect("one"));
    assert_eq!(take_in(&module, &disable), Err(Code::DeviceDisabled));
}

/// Etags of a device that was deleted are not those of the next one of its name.
#[test]
fn etags_of_two_devices_of_one_name() {
    let bench = Bench::new(&config());
    let name = Name::device("again");
    let etags = || {
        let made = bench.hub.create(&name, Wanted::default(), Origin::Registry);
        let (identity, _) = made.expect("there is none");
        let twin = bench.hub.twin_json(&name).expect("a twin");
        drop(bench.hub.remove(&name, None).expect("it is there"));
        assert_eq!(twin["deviceEtag"], identity["etag"]);
        [identity["etag"].clone(), twin["etag"].clone()]
    };
    let (first, second) = (etags(), etags());
    assert!(first[0] != second[0] && first[1] != second[1]);
}

#[test]
fn so_many_subscriptions() {
    let mut config = config();
    config.limits.subscriptions = 2;
    let bench = Bench::new(&config);
    let (connection, _admitted) = bench.enter("dev1", false);
    bench.subscribe("dev1", &connection, Feature::Methods);
    bench.subscribe("dev1", &connection, Feature::TwinAnswers);
    bench.subscribe("dev1", &connection, Feature::Methods);
    let third = bench
        .hub
        .subscribe(&dev1(), &connection, Feature::DesiredChanges, 1);
    let third = third.expect_err("the third");
    assert!(
        !third.close && third.why.contains("2 subscriptions"),
        "{third:?}"
    );
}

#[test]
fn a_will_is_a_message() {
    let bench = Bench::new(&config());
    let (connection, _admitted) = bench.enter("dev1", false);
    let topic = "devices/dev1/messages/events/a=b&%24.ct=text%2Fplain";
    bench
        .hub
        .leave(&dev1(), &connection, Some((topic, b"gone")));
    let stored = bench.hub.telemetry.since(0, None, 10);
    let [will] = stored.as_slice() else {
        panic!("{stored:?}")
    };
    assert_eq!(
        (will.device.as_str(), &will.body.0[..]),
        ("dev1", &b"gone"[..])
    );
    assert_eq!(will.properties["iothub-MessageType"], "Will");
    assert_eq!(
        (&*will.properties["a"], &*will.system["content-type"]),
        ("b", "text/plain")
    );
}

#[test]
fn what_the_client_says_of_itself_is_kept() {
    let bench = Bench::new(&config());
    let token = bench.token(&dev1(), HOUR);
    let user_name = format!(
        "{HOST}/dev1/?api-version=2020-09-30&DeviceClientType=py%2F2&model-id=dtmi%3Aa%3B1"
    );
    let hello = Hello {
        client_id: "dev1",
        user_name: Some(&user_name),
        password: Some(token.as_bytes()),
        clean: true,
        will: None,
        certificate: None,
    };
    let (connection, admitted) = bench.connect(Listener::Https, &hello);
    let _admitted = admitted.expect("it may come in");
    assert_eq!(connection.device().as_deref(), Some("dev1"));
    let state = bench.hub.lock();
    let live = state.entries[&dev1()]
        .live
        .as_ref()
        .expect("it is connected");
    assert_eq!(live.model_id.as_deref(), Some("dtmi:a;1"));
    assert_eq!(
        (live.client_type.as_deref(), live.since),
        (Some("py/2"), NOW)
    );
}
