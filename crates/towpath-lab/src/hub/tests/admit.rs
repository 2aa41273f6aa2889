//! Connections that come, take over and leave, and the sessions that they find.

use super::*;

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
    bench.hub.unsubscribe(&dev1(), Feature::TwinAnswers);
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
