//! Changes of desired properties, and the whole twin.

use super::*;

#[test]
fn changes_that_the_twin_holds_already_are_dropped() {
    let mut desk = Desk::new();
    desk.begins(true);
    desk.sends();
    desk.accepted(false);
    assert_eq!(
        desk.hears("$iothub/twin/PATCH/properties/desired/?$version=4", "{}"),
        ""
    );
    assert_eq!(
        desk.hears("$iothub/twin/PATCH/properties/desired/?$version=5", "{}"),
        ""
    );
    assert_ne!(desk.hears("$iothub/twin/res/200/?$rid=1", &twin(5, 1)), "");
    assert_eq!(
        desk.hears("$iothub/twin/PATCH/properties/desired/?$version=5", "{}"),
        ""
    );
    assert_eq!(desk.sends(), [""; 0]);
    assert_eq!(
        desk.hears("$iothub/twin/PATCH/properties/desired/?$version=6", "{}"),
        "desired 6 {}"
    );
}

#[test]
fn a_change_while_the_application_asks_comes_with_the_twin() {
    let mut desk = Desk::settled();
    desk.hub.request_twin();
    assert_eq!(desk.sends(), [get(2)]);
    assert_eq!(
        desk.hears("$iothub/twin/PATCH/properties/desired/?$version=2", "{}"),
        ""
    );
    assert_ne!(desk.hears("$iothub/twin/res/200/?$rid=2", &twin(2, 1)), "");
    assert_eq!(desk.due_in(), None);
}

#[test]
fn a_change_that_overtook_the_twin_is_asked_for() {
    let mut desk = Desk::new();
    desk.begins(true);
    desk.sends();
    desk.accepted(false);
    assert_eq!(
        desk.hears("$iothub/twin/PATCH/properties/desired/?$version=6", "{}"),
        ""
    );
    assert_ne!(desk.hears("$iothub/twin/res/200/?$rid=1", &twin(5, 1)), "");
    assert_eq!(desk.sends(), [get(2)]);
    assert_ne!(desk.hears("$iothub/twin/res/200/?$rid=2", &twin(6, 1)), "");
    assert_eq!(desk.sends(), [""; 0]);
}

#[test]
fn after_a_gap_the_whole_twin_is_asked_for() {
    let mut desk = Desk::settled();
    assert_eq!(
        desk.hears("$iothub/twin/PATCH/properties/desired/?$version=3", "{}"),
        ""
    );
    assert_eq!(desk.sends(), [get(2)]);
    // A replica that lags behind: not at once again.
    assert_ne!(desk.hears("$iothub/twin/res/200/?$rid=2", &twin(1, 1)), "");
    assert_eq!(desk.due_in(), Some(5));
    desk.seconds(5);
    assert_eq!(desk.sends(), [get(3)]);
    assert_ne!(desk.hears("$iothub/twin/res/200/?$rid=3", &twin(3, 1)), "");
    assert_eq!(
        desk.hears("$iothub/twin/PATCH/properties/desired/?$version=4", "{}"),
        "desired 4 {}"
    );
    assert_eq!(desk.due_in(), None);
}

#[test]
fn changes_without_a_version_in_the_topic_have_one_inside() {
    let mut desk = Desk::settled();
    let topic = "$iothub/twin/PATCH/properties/desired/";
    assert_eq!(
        desk.hears(topic, r#"{"$version":2}"#),
        r#"desired 2 {"$version":2}"#
    );
    assert_eq!(desk.hears(topic, r#"{"$version":2}"#), "");
    assert_eq!((desk.hub.malformed(), desk.sends()), (0, vec![]));
}

#[test]
fn a_change_that_can_not_be_read_is_a_gap() {
    for (topic, payload) in [
        ("$iothub/twin/PATCH/properties/desired/", "{}"),
        (
            "$iothub/twin/PATCH/properties/desired/?$version=2",
            "<html>",
        ),
        ("$iothub/twin/PATCH/properties/desired/?$version=2", "7"),
    ] {
        let mut desk = Desk::settled();
        assert_eq!(desk.hears(topic, payload), "");
        assert_eq!(desk.hub.malformed(), 1);
        assert_eq!(desk.sends(), [get(2)]);
    }
}

#[test]
fn an_older_twin_is_believed_the_second_time() {
    let mut desk = Desk::settled();
    desk.hears("$iothub/twin/PATCH/properties/desired/?$version=2", "{}");
    desk.hub.request_twin();
    assert_eq!(desk.sends(), [get(2)]);
    assert_eq!(desk.hears("$iothub/twin/res/200/?$rid=2", &twin(1, 1)), "");
    assert_eq!(desk.due_in(), Some(5));
    desk.seconds(5);
    assert_eq!(desk.sends(), [get(3)]);
    assert_ne!(desk.hears("$iothub/twin/res/200/?$rid=3", &twin(1, 1)), "");
    assert_eq!(desk.due_in(), None);
    assert_eq!(
        desk.hears("$iothub/twin/PATCH/properties/desired/?$version=2", "{}"),
        "desired 2 {}"
    );
}

#[test]
fn a_busy_hub_is_asked_again_later_and_later() {
    let mut desk = Desk::new();
    desk.begins(true);
    desk.accepted(false);
    for (rid, pause) in (1..).zip([5, 10, 20, 40, 80, 160, 300, 300]) {
        let expected = get(rid);
        assert!(desk.sends().contains(&expected));
        let topic = format!("$iothub/twin/res/429/?$rid={rid}");
        assert_eq!(
            desk.hears(&topic, r#"{"errorCode":429001,"message":"slow down"}"#),
            ""
        );
        // Nobody makes it quicker.
        desk.hub.request_twin();
        assert_eq!(desk.due_in(), Some(pause));
        desk.seconds(pause);
    }
    assert_eq!(
        desk.hub.twin_fault().unwrap().to_string(),
        "hub: the hub does not give the device's twin (status 429; peer says \"slow down\"). It is asked again; \
         with 429 the hub has too many requests. A hub of the basic tier has no twins: do without. [TP-HUB-014]"
    );
    assert_eq!(desk.sends(), [get(9)]);
    desk.hears("$iothub/twin/res/503/?$rid=9&retry-after=30", "");
    assert_eq!(desk.due_in(), Some(30));
    desk.seconds(30);
    assert_eq!(desk.sends(), [get(10)]);
    assert_ne!(desk.hears("$iothub/twin/res/200/?$rid=10", &twin(1, 1)), "");
    assert_eq!(desk.hub.twin_fault(), None);
}

#[test]
fn what_the_hub_will_say_again_is_not_asked_soon() {
    let mut desk = Desk::new();
    desk.begins(true);
    desk.sends();
    desk.accepted(false);
    desk.hears("$iothub/twin/res/404/?$rid=1", "not found");
    assert_eq!(desk.due_in(), Some(300));
}

#[test]
fn a_silent_hub_is_asked_again() {
    let mut desk = Desk::new();
    desk.begins(true);
    desk.sends();
    // How long the way up takes does not count.
    desk.seconds(59);
    desk.accepted(false);
    assert_eq!(desk.due_in(), Some(60));
    desk.seconds(59);
    assert_eq!(desk.sends(), [""; 0]);
    desk.seconds(1);
    assert_eq!(desk.sends(), [get(1)]);
    let fault = desk.hub.twin_fault().unwrap();
    assert_eq!(fault.code, Code::TwinSilent);
    // The answer to the first question, late, is one; the other then is none any more.
    assert_ne!(desk.hears("$iothub/twin/res/200/?$rid=1", &twin(1, 1)), "");
    assert_eq!(desk.hears("$iothub/twin/res/200/?$rid=1", &twin(1, 1)), "");
    desk.hub.request_twin();
    assert_eq!(desk.sends(), [get(2)]);
}

#[test]
fn a_twin_that_can_not_be_read_is_asked_for_again() {
    for document in [
        "",
        "[]",
        r#"{"desired":{"$version":1}}"#,
        r#"{"desired":{"$version":1},"reported":{"$version":"#,
    ] {
        let mut desk = Desk::new();
        desk.begins(true);
        desk.sends();
        desk.accepted(false);
        assert_eq!(desk.hears("$iothub/twin/res/200/?$rid=1", document), "");
        assert_eq!(desk.hub.malformed(), 1);
        assert_eq!(desk.due_in(), Some(5));
    }
}
