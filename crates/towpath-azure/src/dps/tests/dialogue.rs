//! Registrations that go well, if not at once.

use super::*;
use crate::{Assignment, Name};

fn assigned(
    payload: Option<&'static str>,
    issued: Option<&'static str>,
) -> Option<Outcome<'static>> {
    Some(Outcome::Assigned {
        assignment: Assignment {
            hub: Name::try_from("contoso.azure-devices.net").unwrap(),
            device_id: Name::try_from("dev1").unwrap(),
        },
        payload: payload.map(str::as_bytes),
        issued: issued.map(str::as_bytes),
    })
}

/// The dialogue of Microsoft's SDK for Node, but for the numbers of the requests, which are GUIDs there.
#[test]
fn a_device_is_registered_as_by_the_official_sdk() {
    let mut talk = Talk::new(plain());
    talk.accept();
    talk.says(&[
        "SUBSCRIBE $dps/registrations/res/# q1",
        "PUBLISH q1 $dps/registrations/PUT/iotdps-register/?$rid=1 {\"registrationId\":\"dev1\"}",
    ]);
    talk.registration
        .subscribed(PacketId::MIN, &[ReasonCode::GRANTED_QOS_1]);
    talk.hears_nothing(
        "202/?$rid=1&retry-after=3",
        r#"{"operationId":"5.lab.op1","status":"assigning"}"#,
    );
    assert_eq!(talk.says(&[]), Some(3), "retry-after is honoured");
    talk.pass(2);
    assert_eq!(talk.says(&[]), Some(1));
    talk.pass(1);
    talk.says(&[
        "PUBLISH q1 $dps/registrations/GET/iotdps-get-operationstatus/?$rid=2&operationId=5.lab.op1  ",
    ]);
    talk.hears_nothing(
        "202/?$rid=2",
        r#"{"operationId":"5.lab.op1","status":"assigning"}"#,
    );
    assert_eq!(talk.says(&[]), Some(2), "without retry-after two seconds");
    talk.pass(2);
    talk.says(&[&look(3, "5.lab.op1")]);
    assert_eq!(talk.hears("200/?$rid=3", ASSIGNED), assigned(None, None));
    assert_eq!(talk.says(&[]), None, "it is over");
    assert_eq!(talk.hears("200/?$rid=3", ASSIGNED), None, "told once");
}

#[test]
fn everything_leaves_behind_connect_and_the_wait_begins_with_its_acceptance() {
    let mut talk = Talk::new(plain());
    let due = talk.says(&[
        "SUBSCRIBE $dps/registrations/res/# q1",
        &register(1, r#"{"registrationId":"dev1"}"#),
    ]);
    assert_eq!(due, None);
    // A handshake over a slow link: nothing is said twice, and it is nobody's silence.
    talk.pass(200);
    assert_eq!(talk.says(&[]), None);
    talk.accept();
    assert_eq!(talk.says(&[]), Some(30));
    assert_eq!(
        talk.hears("200/?$rid=1", ASSIGNED),
        assigned(None, None),
        "no poll is needed"
    );
}

#[test]
fn what_both_sides_add_is_passed_on_as_it_is() {
    let mut talk = Talk::new(Request {
        registration_id: "sn-7\"\\",
        payload: r#"{ "site" : "north" }"#,
        csr: Some("MIIB+/=="),
    });
    talk.accept();
    let body = r#"{"registrationId":"sn-7\"\\","payload":{ "site" : "north" },"csr":"MIIB+/=="}"#;
    talk.says(&["SUBSCRIBE $dps/registrations/res/# q1", &register(1, body)]);
    let answer = r#"{"status":"assigned","registrationState":{"payload":{ "a": [1] },"deviceId":"dev1",
        "assignedHub":"contoso.azure-devices.net","issuedCertificateChain":["MII=", "MII="],"payloads":[]}}"#;
    let outcome = talk.hears("200/?retry-after=1&$rid=1", answer);
    let issued = r#"["MII=", "MII="]"#;
    assert_eq!(outcome, assigned(Some(r#"{ "a": [1] }"#), Some(issued)));
}

#[test]
fn the_older_form_of_an_issued_certificate_is_passed_on_too() {
    let mut talk = Talk::at_work();
    talk.pass(2);
    talk.says(&[&look(2, "5.lab.op1")]);
    let answer = r#"{"status":"assigned","registrationState":{"deviceId":"dev1","payload":null,
        "assignedHub":"contoso.azure-devices.net","issuedClientCertificate":"MII="}}"#;
    assert_eq!(
        talk.hears("200/?$rid=2", answer),
        assigned(None, Some("\"MII=\""))
    );
}

#[test]
fn answers_to_other_requests_and_other_messages_are_ignored() {
    let mut talk = Talk::at_work();
    talk.pass(2);
    talk.says(&[&look(2, "5.lab.op1")]);
    for head in [
        "200/?$rid=1",
        "200/?$rid=20",
        "200/?$rid=02x",
        "200/?rid=2",
        "200/",
        "200/?",
        "x/?$rid=2",
    ] {
        talk.hears_nothing(head, ASSIGNED);
    }
    let elsewhere = talk.registration.message(
        talk.now,
        "devices/dev1/messages/devicebound/$rid=2",
        ASSIGNED.as_bytes(),
    );
    assert_eq!(elsewhere, None);
    assert_eq!(talk.hears("200/?$rid=2", ASSIGNED), assigned(None, None));
}

#[test]
fn without_room_it_goes_on_where_it_was() {
    let mut talk = Talk::new(plain());
    talk.accept();
    talk.line.refusals = std::vec![Refusal::Full];
    assert_eq!(talk.poll(), Err(Refusal::Full));
    assert!(talk.line.lines().is_empty());
    // The subscription finds room, the request does not.
    talk.says_partly();
    assert_eq!(talk.line.lines(), ["SUBSCRIBE $dps/registrations/res/# q1"]);
    talk.says(&[&register(1, r#"{"registrationId":"dev1"}"#)]);
}

impl Talk<'_> {
    fn says_partly(&mut self) {
        let mut line = OnlySubscribes(core::mem::take(&mut self.line));
        let polled = self
            .registration
            .poll(self.now, &self.request, &mut line, &mut [0; 512]);
        assert_eq!(polled, Err(Refusal::Full));
        self.line = line.0;
    }
}

struct OnlySubscribes(Recorder);

impl crate::Line for OnlySubscribes {
    fn publish(
        &mut self,
        _: &towpath_proto::client::Outgoing<'_>,
    ) -> Result<Option<PacketId>, Refusal> {
        Err(Refusal::Full)
    }

    fn subscribe(
        &mut self,
        list: &[towpath_proto::mqtt::packet::Subscription<'_>],
    ) -> Result<PacketId, Refusal> {
        self.0.subscribe(list)
    }

    fn withdraw(&mut self, _: PacketId) -> bool {
        false
    }

    fn disconnect(&mut self) -> Result<(), Refusal> {
        Ok(())
    }

    fn unsettled(&self) -> usize {
        0
    }
}

#[test]
fn a_question_without_an_answer_is_asked_again_with_the_same_number() {
    let mut talk = Talk::new(plain());
    talk.accept();
    let request = register(1, r#"{"registrationId":"dev1"}"#);
    talk.says(&["SUBSCRIBE $dps/registrations/res/# q1", &request]);
    talk.pass(29);
    talk.says(&[]);
    talk.pass(1);
    assert_eq!(talk.says(&[&request]), Some(30));
    talk.pass(30);
    assert_eq!(talk.says(&[&request]), Some(30));
    talk.hears_nothing(
        "202/?$rid=1",
        r#"{"operationId":"5.lab.op1","status":"assigning"}"#,
    );
    // The answer to the second one comes too late to matter.
    talk.hears_nothing(
        "202/?$rid=1",
        r#"{"operationId":"5.lab.op2","status":"assigning"}"#,
    );
    talk.pass(2);
    talk.says(&[&look(2, "5.lab.op1")]);
    // The service let the second one replace the first.
    talk.hears_nothing(
        "404/?$rid=2",
        r#"{"errorCode":404202,"message":"Operation not found."}"#,
    );
    talk.says(&[&register(3, r#"{"registrationId":"dev1"}"#)]);
    assert_eq!(talk.hears("200/?$rid=3", ASSIGNED), assigned(None, None));
}

#[test]
fn a_broken_connection_does_not_begin_the_registration_anew() {
    let mut talk = Talk::at_work();
    talk.pass(60);
    talk.accepted = false;
    talk.registration.begin(talk.now);
    talk.says(&[
        "SUBSCRIBE $dps/registrations/res/# q1",
        &look(3, "5.lab.op1"),
    ]);
    talk.accept();
    assert_eq!(talk.hears("200/?$rid=3", ASSIGNED), assigned(None, None));
    // What comes next is another one.
    talk.registration.begin(talk.now);
    let request = register(4, r#"{"registrationId":"dev1"}"#);
    talk.says(&["SUBSCRIBE $dps/registrations/res/# q1", &request]);
}

#[test]
fn an_operation_that_is_too_old_is_let_go() {
    let mut talk = Talk::at_work();
    talk.accepted = false;
    talk.pass(600);
    talk.registration.begin(talk.now);
    let request = register(3, r#"{"registrationId":"dev1"}"#);
    talk.says(&["SUBSCRIBE $dps/registrations/res/# q1", &request]);
}

#[test]
fn an_operation_with_unusual_characters_is_encoded() {
    let mut talk = Talk::new(plain());
    talk.accept();
    talk.poll().unwrap();
    talk.line.taken();
    talk.hears_nothing(
        "202/?$rid=1",
        r#"{"operationId":"a+b/\u0023 é","status":"assigning"}"#,
    );
    talk.pass(2);
    talk.says(&[&look(2, "a%2Bb%2F%23%20%C3%A9")]);
}

#[test]
fn packets_are_acknowledged_messages() {
    let mut talk = Talk::new(plain());
    talk.poll().unwrap();
    let seen = talk.line.taken();
    assert!(matches!(
        seen[..],
        [
            Seen::Subscribe { .. },
            Seen::Publish {
                packet_id: Some(_),
                ..
            }
        ]
    ));
    assert_eq!(seen[0].to_string(), "SUBSCRIBE $dps/registrations/res/# q1");
}
