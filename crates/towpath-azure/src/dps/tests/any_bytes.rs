//! Whatever comes up, and in whatever order: no panic, no message that nobody asked for, an end.

use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone)]
enum Step {
    Begin,
    Pass(u16),
    Poll {
        room: usize,
    },
    Time,
    Suback(u16, u8),
    Answer {
        status: u16,
        rid: u32,
        retry_after: Option<u32>,
        body: Vec<u8>,
    },
    Message {
        topic: String,
        body: Vec<u8>,
    },
}

fn body() -> impl Strategy<Value = Vec<u8>> {
    let status = prop::sample::select(std::vec![
        "assigning",
        "assigned",
        "failed",
        "disabled",
        "unassigned",
        "odd"
    ]);
    prop_oneof![
        any::<Vec<u8>>(),
        (status, "[a-z0-9/+#é\"]{0,140}", any::<u32>()).prop_map(|(status, name, code)| {
            serde_json::to_vec(&serde_json::json!({
                "operationId": name, "status": status, "errorCode": code, "message": name,
                "registrationState": {
                    "assignedHub": name, "deviceId": name, "payload": { "n": code }, "errorCode": code,
                    "errorMessage": name,
                },
            }))
            .unwrap()
        }),
        // Cut anywhere.
        (0..ASSIGNED.len()).prop_map(|len| ASSIGNED.as_bytes()[..len].to_vec()),
        Just(ASSIGNED.as_bytes().to_vec()),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let status = prop::sample::select(std::vec![200, 202, 400, 401, 404, 409, 429, 503, 0, 65535]);
    prop_oneof![
        1 => Just(Step::Begin),
        3 => (0_u16..200).prop_map(Step::Pass),
        6 => prop_oneof![Just(512), 0..200_usize].prop_map(|room| Step::Poll { room }),
        3 => Just(Step::Time),
        1 => (1_u16..4, any::<u8>()).prop_map(|(id, code)| Step::Suback(id, code)),
        6 => (status, 1_u32..6, any::<Option<u32>>(), body()).prop_map(
            |(status, rid, retry_after, body)| Step::Answer { status, rid, retry_after, body }
        ),
        1 => ("\\PC{0,60}|\\$dps/registrations/res/[0-9]{0,6}/\\?[$&=a-z0-9-]{0,40}", any::<Vec<u8>>())
            .prop_map(|(topic, body)| Step::Message { topic, body }),
    ]
}

proptest! {
    #[test]
    fn any_order_of_events_is_borne(steps in prop::collection::vec(step(), 0..60)) {
        let mut talk = Talk::new(plain());
        let mut over = false;
        for step in steps {
            match step {
                Step::Begin => {
                    talk.registration.begin(talk.now);
                    over = false;
                }
                Step::Pass(seconds) => talk.now.at = talk.now.after(Duration::from_secs(seconds.into())),
                Step::Poll { room } => {
                    let mut scratch = std::vec![0; room];
                    let _ = talk.registration.poll(talk.now, &talk.request, &mut talk.line, &mut scratch);
                    let lines = talk.line.lines();
                    prop_assert!(!over || lines.is_empty(), "after its end: {lines:?}");
                }
                Step::Time => over |= talk.time().is_some(),
                Step::Suback(id, code) => {
                    talk.registration.subscribed(PacketId::new(id).unwrap(), &[ReasonCode(code)]);
                }
                Step::Answer { status, rid, retry_after, body } => {
                    let mut topic = format!("{RES}{status}/?$rid={rid}");
                    if let Some(seconds) = retry_after {
                        topic += &format!("&retry-after={seconds}");
                    }
                    let outcome = talk.registration.message(talk.now, &topic, &body);
                    prop_assert!(!over || outcome.is_none());
                    over |= outcome.is_some();
                }
                Step::Message { topic, body } => {
                    over |= talk.registration.message(talk.now, &topic, &body).is_some();
                }
            }
        }
        // Left alone it comes to an end.
        if !over {
            let mut ends = false;
            for _ in 0..20 {
                talk.now.at = talk.now.after(Duration::from_secs(60));
                let _ = talk.poll();
                ends |= talk.time().is_some();
            }
            prop_assert!(ends);
        }
    }
}
