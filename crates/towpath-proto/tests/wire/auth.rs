//! Enhanced authentication (MQTT 5 section 4.12).

use towpath_proto::{
    client::Start,
    mqtt::{
        Version,
        packet::Connect,
        property::{Properties, Property},
        reason::ReasonCode,
        session::Refusal,
    },
};
use towpath_sim::{Memory, Script, Seen};

const METHOD: Property<'static> = Property::AuthenticationMethod("SCRAM");

fn step(data: &'static [u8]) -> [Property<'static>; 2] {
    [METHOD, Property::AuthenticationData(data)]
}

/// What `Seen` says of a step.
fn seen(data: &'static [u8]) -> Vec<String> {
    step(data).map(|property| format!("{property:?}")).to_vec()
}

fn authenticated() -> Script {
    let mut script = Script::new(Memory::host());
    script.start(&Start::new(Connect {
        properties: Properties::new(&step(b"first")),
        ..Connect::default()
    }));
    script.recv("10 [ <MQTT> 05 02 003c [ 15 <SCRAM> 16 <first> ] <> ]");
    script.send("f0 [ 18 [ 15 <SCRAM> 16 <challenge> ] ]");
    let asked = Seen::Auth(ReasonCode::CONTINUE_AUTHENTICATION, seen(b"challenge"));
    assert_eq!(script.event(), asked);
    let answer = step(b"proof");
    let said = script.client.auth(
        ReasonCode::CONTINUE_AUTHENTICATION,
        Properties::new(&answer),
    );
    said.expect("an answer");
    script.recv("f0 [ 18 [ 15 <SCRAM> 16 <proof> ] ]");
    script.send("20 [ 00 00 [ 15 <SCRAM> 16 <verifier> ] ]");
    let Seen::Connected { properties, .. } = script.event() else {
        panic!("CONNACK is reported");
    };
    assert_eq!(properties, seen(b"verifier"));
    script
}

#[test]
fn challenges_come_and_go_before_connack() {
    assert!(authenticated().client.is_connected());
}

#[test]
fn either_side_goes_on_after_a_new_authentication() {
    let mut script = authenticated();
    let again = step(b"again");
    let said = script
        .client
        .auth(ReasonCode::RE_AUTHENTICATE, Properties::new(&again));
    said.expect("a request");
    script.recv("f0 [ 19 [ 15 <SCRAM> 16 <again> ] ]");
    script.send("f0 [ 00 [ 15 <SCRAM> 16 <done> ] ]");
    assert_eq!(
        script.event(),
        Seen::Auth(ReasonCode::SUCCESS, seen(b"done"))
    );
    assert!(script.client.is_connected());
    script.recv_nothing();
}

#[test]
fn an_older_version_has_no_auth() {
    let mut script = Script::connected(Version::V311);
    let said = script
        .client
        .auth(ReasonCode::RE_AUTHENTICATE, Properties::NONE);
    assert_eq!(said, Err(Refusal::NeedsV5));
    script.send("f0 00");
    script.fails(towpath_proto::Code::Malformed);
}
