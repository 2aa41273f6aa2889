//! What a hub, its provisioning service and a server of images say to a device: no panic, what is lent lies in what
//! came, an end is an end, and an HTTP answer means the same however it is cut.
//!
//! The first byte chooses who speaks. Messages of MQTT are separated by a zero byte; the topic is in front of the first
//! line feed.
#![no_main]

use core::time::Duration;

use libfuzzer_sys::fuzz_target;
use towpath_azure::{
    Event, Line, Names, Now, Wants,
    bag::Received,
    dps::{Outcome, Registration, Request},
    http::{Answer, ContentRange, Response, Step, Url},
    hub::Hub,
    renewal::Chain,
    update::{
        Agent, Job, Kind, Manifest, Running, Settings, Step as Due, UpdateId, Verify,
        adu::Device,
        jws::{self, Keys, Root},
    },
};
use towpath_proto::{
    Instant,
    client::Outgoing,
    mqtt::{
        packet::{PacketId, Subscription},
        session::Refusal,
    },
};

fuzz_target!(|input: &[u8]| {
    let Some((who, rest)) = input.split_first() else {
        return;
    };
    match who % 8 {
        0 => provisioning(rest),
        1 => hub(rest, None),
        2 => hub(rest, Some("mod1")),
        3 => http(rest),
        4 => manifest(rest),
        5 => twin(rest, fota()),
        6 => twin(rest, device_update()),
        _ => {
            if let Ok(chain) = Chain::parse(rest) {
                let mut out = [0; 1024];
                for certificate in chain.certificates() {
                    let len = certificate.der_len();
                    assert_eq!(
                        certificate.der(&mut out).map(<[u8]>::len),
                        (len <= 1024).then_some(len)
                    );
                }
                // What is written reads the same.
                let written = serde_json::to_vec(&chain.to_string()).expect("a text");
                let again = Chain::parse(&written).expect("PEM");
                assert_eq!(again.to_string(), chain.to_string());
            }
        }
    }
});

/// Takes everything.
struct Sink;

impl Line for Sink {
    fn publish(&mut self, _: &Outgoing<'_>) -> Result<Option<PacketId>, Refusal> {
        Ok(None)
    }

    fn subscribe(&mut self, _: &[Subscription<'_>]) -> Result<PacketId, Refusal> {
        Ok(PacketId::MIN)
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

fn at(seconds: u64) -> Now {
    Now::new(
        Instant::ZERO.after(Duration::from_secs(seconds)),
        Now::BELIEVED,
    )
}

/// Topics and payloads. What MQTT does not let through as a topic does not come here either.
fn messages(bytes: &[u8]) -> impl Iterator<Item = (&str, &[u8])> {
    bytes.split(|byte| *byte == 0).filter_map(|message| {
        let end = message.iter().position(|byte| *byte == b'\n');
        let (topic, payload) = message.split_at(end.unwrap_or(message.len()));
        let topic = core::str::from_utf8(topic).ok()?;
        Some((topic, payload.get(1..).unwrap_or_default()))
    })
}

fn lies_in(part: &[u8], whole: &[u8]) -> bool {
    let (part, whole) = (part.as_ptr_range(), whole.as_ptr_range());
    whole.start <= part.start && part.end <= whole.end
}

fn provisioning(bytes: &[u8]) {
    let request = Request {
        registration_id: "dev1",
        payload: "",
        csr: None,
    };
    let mut registration = Registration::new();
    registration.begin(at(0));
    let mut scratch = [0; 1024];
    let mut over = false;
    for (turn, (topic, payload)) in (0..).zip(messages(bytes)) {
        let now = at(turn * 5);
        over |= registration.handle_timeout(now).is_some();
        let polled = registration.poll(now, &request, &mut Sink, &mut scratch);
        assert_eq!(polled.expect("room enough").is_none(), over);
        let outcome = registration.message(now, topic, payload);
        assert!(!over || outcome.is_none(), "it was over");
        over |= outcome.is_some();
        match outcome {
            Some(Outcome::Refused(refused)) => {
                let _ = refused.fault().to_string();
            }
            Some(Outcome::Assigned {
                assignment,
                payload: more,
                issued,
            }) => {
                for name in [&assignment.hub, &assignment.device_id] {
                    assert!(!name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic()));
                    assert!(!name.contains(['/', '#', '+']));
                }
                for part in [more, issued].into_iter().flatten() {
                    assert!(lies_in(part, payload));
                    serde_json::from_slice::<serde::de::IgnoredAny>(part).expect("JSON");
                }
            }
            None => {}
        }
    }
}

fn hub(bytes: &[u8], module_id: Option<&str>) {
    let names = Names {
        hub: "h",
        device_id: "dev1",
        module_id,
    };
    let wants = Wants::default();
    let mut hub = Hub::new();
    let mut scratch = [0; 1024];
    hub.begin(at(0), true);
    hub.connected(at(0), false);
    for (turn, (topic, payload)) in (0..).zip(messages(bytes)) {
        let now = at(turn * 20);
        while hub.handle_timeout(now).is_some() {}
        let _ = hub.poll(now, &names, &wants, &mut Sink, &mut scratch);
        let _ = hub.report(now, b"{}", &mut Sink, &mut scratch);
        match hub.message(now, &names, topic, payload, false) {
            Some(Event::Method {
                request_id,
                payload: lent,
                name,
            }) => {
                assert!(lies_in(lent, payload) && lies_in(name.as_bytes(), topic.as_bytes()));
                let answered = hub.respond(&request_id, 200, b"{}", &mut Sink, &mut scratch);
                // A number that no topic may hold is the one reason not to.
                assert!(
                    matches!(answered, Ok(()) | Err(Refusal::Invalid(_))),
                    "{answered:?}"
                );
            }
            Some(Event::Message {
                properties, body, ..
            }) => {
                assert!(lies_in(body, payload));
                bag(properties);
            }
            Some(Event::Twin { document, .. }) => assert!(lies_in(document, payload)),
            Some(Event::Desired { patch, .. }) => assert!(lies_in(patch, payload)),
            _ => {}
        }
        bag(Received::new(topic));
    }
    hub.ended();
    while hub.next_lost().is_some() {}
}

fn bag(properties: Received<'_>) {
    for (name, value) in properties.iter() {
        let name = name.to_string();
        assert!(properties.find(&name).is_some(), "{name:?} was there");
        let _ = value.map(|value| value.to_string());
    }
    let _ = (properties.message_id(), properties.component());
}

fn http(input: &[u8]) {
    let Some((cuts, bytes)) = input.split_first_chunk::<4>() else {
        return;
    };
    let whole = answer(bytes, &[]);
    assert_eq!(whole, answer(bytes, cuts));
    let _ = ContentRange::parse(bytes);
    if let Ok(text) = core::str::from_utf8(bytes) {
        let base = Url::parse("https://a.example/b").expect("an address");
        let _ = (Url::parse(text).is_ok(), base.follow(text).is_ok());
    }
}

/// What an answer comes to: what its head says, its body, and how it ended.
fn answer(bytes: &[u8], cuts: &[u8]) -> (Option<Answer>, Vec<u8>, String) {
    let mut response = Response::new();
    let mut body = Vec::new();
    let (mut from, mut to) = (0, 0);
    let mut lengths = cuts.iter().cycle();
    let end = 'all: loop {
        let left = bytes.len() - to;
        if left == 0 {
            break format!("{:?}", response.closed());
        }
        to += lengths
            .next()
            .map_or(left, |len| usize::from(*len).clamp(1, left));
        loop {
            match response.feed(&bytes[from..to]) {
                Ok((taken, step)) => {
                    from += taken;
                    match step {
                        Step::Head => {}
                        Step::Body(piece) => {
                            assert!(lies_in(piece, bytes));
                            body.extend_from_slice(piece);
                        }
                        Step::More => {
                            assert_eq!(from, to, "all is taken");
                            break;
                        }
                        Step::End => break 'all format!("complete after {from}"),
                    }
                }
                Err(problem) => break 'all format!("{problem:?}"),
            }
        }
    };
    (response.answer().cloned(), body, end)
}

/// Everything is signed well.
struct Trusting;

impl Verify for Trusting {
    fn rs256(&self, _: &[u8], _: &[u8], _: &[u8], _: &[u8]) -> bool {
        true
    }
}

const KEYS: Keys<'_> = Keys {
    roots: &[Root {
        kid: "ADU.200702.R.T",
        n: &[1],
        e: &[3],
    }],
    disabled: &["ADU.200702.R"],
};

const DEVICE: Device<'_> = Device {
    manufacturer: "Contoso",
    model: "Toaster",
    custom: &[],
    handlers: &["microsoft/swupdate:1"],
};

/// A signature, a line feed, and the manifest.
fn manifest(bytes: &[u8]) {
    let end = bytes.iter().position(|byte| *byte == b'\n');
    let (signature, text) = bytes.split_at(end.unwrap_or(0));
    let text = text.strip_prefix(b"\n").unwrap_or(text);
    let mut scratch = [0; 4096];
    let _ = jws::check(signature, text, &KEYS, &Trusting, &mut scratch);
    if let Ok(manifest) = Manifest::read(text, &DEVICE) {
        assert!(!manifest.file.is_empty());
    }
}

fn fota() -> Kind<'static> {
    Kind::Fota { version: "v1" }
}

fn device_update() -> Kind<'static> {
    Kind::DeviceUpdate {
        device: DEVICE,
        installed: UpdateId::default(),
        keys: KEYS,
    }
}

/// The whole twin, and then changes, each behind a zero byte.
fn twin(bytes: &[u8], kind: Kind<'_>) {
    let settings = Settings {
        kind,
        downgrade: false,
        plain: false,
        whole: false,
        limit: 1 << 20,
    };
    let mut agent = Agent::new(settings, None, Running::Confirmed);
    let mut scratch = [0; 8192];
    for (turn, document) in (0..).zip(bytes.split(|byte| *byte == 0)) {
        let now = at(turn * 30);
        if turn == 0 {
            agent.twin(now, document, turn, &Trusting, &mut scratch);
        } else {
            agent.desired(now, document, turn, &Trusting, &mut scratch);
        }
        let mut steps = 0;
        loop {
            match agent.poll(now) {
                Due::Wait(_) => break,
                Due::Keep => agent.kept(),
                Due::Report => {
                    let report = agent.report().to_string();
                    serde_json::from_str::<serde::de::IgnoredAny>(&report).expect("JSON");
                    agent.reported(true);
                }
                Due::Fetch => plausible(agent.job().expect("what is fetched")),
                _ => {}
            }
            steps += 1;
            assert!(steps < 32, "it goes round in circles");
        }
    }
}

fn plausible(job: &Job) {
    // An address that is none is refused when it is dialled.
    if let Ok(url) = Url::parse(&job.url) {
        assert!(url.secure || job.plain || job.digest.is_some());
    }
    assert!(job.size.is_none_or(|size| size <= job.limit));
}
