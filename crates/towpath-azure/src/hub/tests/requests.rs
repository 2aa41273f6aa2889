//! Changes of reported properties, and calls of methods.

use super::*;

#[test]
fn how_changes_of_reported_properties_end() {
    let mut desk = Desk::settled();
    for rid in 2..=7 {
        assert_eq!(desk.reports(r#"{"a":1}"#), Ok(rid));
    }
    let message = r#"{"errorCode":400004,"trackingId":"t","message":"depth exceeds 10"}"#;
    assert_eq!(
        desk.hears("$iothub/twin/res/400/?$rid=3", message),
        "reported 3 status 400 depth exceeds 10"
    );
    assert_eq!(
        desk.hears("$iothub/twin/res/413/?$rid=2", "too \u{1b}[31mlarge"),
        "reported 2 status 413 too ?[31mlarge"
    );
    assert_eq!(
        desk.hears("$iothub/twin/res/204/?$rid=4", ""),
        "reported 4 version 0"
    );
    // An answer that nobody waits for.
    assert_eq!(
        desk.hears("$iothub/twin/res/204/?$rid=4&$version=9", ""),
        ""
    );
    assert_eq!(
        desk.hears("$iothub/twin/res/204/?$rid=99&$version=9", ""),
        ""
    );
    desk.sends();
    assert_eq!(desk.due_in(), Some(300));
    assert_eq!(desk.seconds(299), [""; 0]);
    assert_eq!(
        desk.seconds(1),
        [5, 6, 7].map(|rid| format!("reported {rid} status 0 no answer within 300 s"))
    );
    assert_eq!(desk.due_in(), None);
}

#[test]
fn eight_changes_may_wait_at_once() {
    let mut desk = Desk::settled();
    for rid in 2..10 {
        assert_eq!(desk.reports("{}"), Ok(rid));
    }
    assert_eq!(desk.reports("{}"), Err(Refusal::Full));
    desk.hears("$iothub/twin/res/204/?$rid=5&$version=2", "");
    assert_eq!(desk.reports("{}"), Ok(10));
}

#[test]
fn what_waits_is_lost_with_the_connection() {
    let mut desk = Desk::settled();
    assert_eq!(desk.reports("{}"), Ok(2));
    assert_eq!(desk.reports("{}"), Ok(3));
    desk.hub.ended();
    assert_eq!(desk.reports("{}"), Err(Refusal::NotConnected));
    let lost = |desk: &mut Desk| {
        desk.hub
            .next_lost()
            .map(|lost| shown(&Event::Reported(lost)))
    };
    assert_eq!(
        lost(&mut desk).unwrap(),
        "reported 2 status 0 the connection ended"
    );
    desk.begins(false);
    desk.accepted(true);
    // Its answer comes too late.
    assert_eq!(
        desk.hears("$iothub/twin/res/204/?$rid=3&$version=2", ""),
        ""
    );
    assert_eq!(
        lost(&mut desk).unwrap(),
        "reported 3 status 0 the connection ended"
    );
    assert_eq!(lost(&mut desk), None);
}

#[test]
fn a_call_is_answered_on_its_own_connection_or_not_at_all() {
    let mut desk = Desk::settled();
    let rid = "x".repeat(64);
    let call = desk.called(&format!("$iothub/methods/POST/reboot/?$rid={rid}"));
    assert_eq!(call.as_str(), rid);
    desk.hub.ended();
    assert_eq!(desk.responds(&call, 200, ""), Err(Refusal::NotConnected));
    desk.begins(false);
    desk.accepted(true);
    assert_eq!(desk.responds(&call, 200, ""), Err(Refusal::NotConnected));
    let call = desk.called("$iothub/methods/POST/reboot/?$rid=a%20b");
    assert_eq!(desk.responds(&call, 404, ""), Ok(()));
    assert_eq!(
        desk.sends(),
        [
            "PUBLISH q0 $iothub/methods/res/404/?$rid=a%20b ".to_string(),
            get(2)
        ]
    );
}

#[test]
fn a_call_that_could_not_be_answered_is_dropped() {
    let mut desk = Desk::settled();
    let topic = format!("$iothub/methods/POST/reboot/?$rid={}", "x".repeat(65));
    assert_eq!(desk.hears(&topic, ""), "");
    assert_eq!(desk.hub.malformed(), 1);
}

#[test]
fn numbers_of_requests_go_round() {
    let mut desk = Desk::settled();
    assert_eq!(desk.reports("{}"), Ok(2));
    desk.hub.last_rid = u32::MAX;
    assert_eq!(desk.reports("{}"), Ok(0));
    assert_eq!(desk.reports("{}"), Ok(1));
    // 2 still waits.
    assert_eq!(desk.reports("{}"), Ok(3));
    assert_eq!(Hub::numbered_from(0).next_rid(), 0);
}
