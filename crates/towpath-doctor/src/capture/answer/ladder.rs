//! The ladder of the connection that tells most: what was seen on each rung.

use towpath_proto::{Rung, tls::Side};

use crate::{
    capture::{
        Seen,
        flow::Flow,
        mark::{Mark, Seconds},
        rules::{Case, Claim, Outcome, translated},
        talk::hello::{suite_name, version_name},
    },
    diagnosis::{State, Step},
    verdict::words::common_name,
};

/// The ladder from the lowest rung upwards.
pub(super) fn ladder(
    seen: &Seen,
    flow: Option<&Flow>,
    outcome: &Outcome,
    warnings: &[Claim],
) -> Vec<Step> {
    let Some(flow) = flow else {
        return match &outcome.claim {
            Some(claim) => vec![
                step(claim.rung, State::Problem),
                step(Rung::Tcp, State::NotReached),
            ],
            None => Vec::new(),
        };
    };
    let case = Case { flow, seen };
    let broke = outcome.claim.as_ref().map(|claim| claim.rung);
    let mut steps: Vec<_> = rungs(&case, broke)
        .into_iter()
        .map(|rung| seen_on(&case, rung))
        .collect();
    for step in &mut steps {
        // The end of a session that stood does not unmake the rungs below.
        step.state = match broke {
            Some(broke) if step.rung == broke => State::Problem,
            Some(broke) if step.rung > broke => State::NotReached,
            _ if warnings.iter().any(|claim| claim.rung == step.rung) => State::Warning,
            _ => step.state,
        };
        if step.state == State::NotReached {
            step.took = None;
            step.what = String::new();
            step.more.clear();
        }
    }
    steps
}

fn step(rung: Rung, state: State) -> Step {
    Step {
        rung,
        state,
        took: None,
        what: String::new(),
        more: Vec::new(),
    }
}

/// The rungs that this connection has.
fn rungs(case: &Case<'_>, broke: Option<Rung>) -> Vec<Rung> {
    let talk = &case.flow.talk;
    let framed = talk.ws.is_some() || talk.http.as_ref().is_some_and(|http| http.upgrade);
    let secured = talk.tls.is_some()
        || matches!(talk.port, 8883 | 443 | 8443 | 8084) && talk.mqtt.is_none() && !framed;
    let hub = talk.mqtt.as_ref().and_then(|mqtt| mqtt.connect.as_ref());
    let hidden = talk.tls.is_some() && matches!(talk.port, 443 | 8443 | 8084);
    let named = case.seen.names.of(case.flow.server.ip()).is_some();
    let all = [
        (Rung::Dns, named),
        (Rung::Nat64, translated(case).is_some()),
        (Rung::Tcp, true),
        (Rung::Proxy, talk.proxy.is_some()),
        (Rung::Tls, secured),
        (Rung::Upgrade, framed || hidden),
        (Rung::Ws, framed || hidden),
        (Rung::Mqtt, true),
        (
            Rung::Hub,
            hub.is_some_and(|hello| hello.hub || hello.provisioning),
        ),
    ];
    let needed = all
        .into_iter()
        .filter(|(rung, needed)| *needed || Some(*rung) == broke);
    needed.map(|(rung, _)| rung).collect()
}

/// What was seen on a rung, where nothing broke.
fn seen_on(case: &Case<'_>, rung: Rung) -> Step {
    match rung {
        Rung::Dns => dns(case),
        Rung::Nat64 => nat64(case),
        Rung::Tcp => tcp(case),
        Rung::Proxy => proxy(case),
        Rung::Tls => tls(case),
        Rung::Upgrade => upgrade(case),
        Rung::Ws => ws(case),
        Rung::Mqtt => mqtt(case),
        rung => hub(case, rung),
    }
}

/// A rung on which `what` was seen, between these two packets.
fn stands(rung: Rung, between: Option<(Mark, Mark)>, what: String) -> Step {
    Step {
        took: between.map(|(from, to)| to.since(from)),
        what,
        ..step(rung, State::Ok)
    }
}

fn unmeasured(rung: Rung, what: &str) -> Step {
    Step {
        what: what.to_owned(),
        ..step(rung, State::NotMeasured)
    }
}

fn dns(case: &Case<'_>) -> Step {
    let address = case.flow.server.ip();
    let name = case.seen.names.of(address);
    let questions = case.seen.names.questions().iter().rev();
    let mut answered = questions.filter(|question| {
        Some(question.name.as_str()) == name
            && question.answer.is_some_and(|answer| answer.addresses > 0)
    });
    match answered.next() {
        Some(question) => {
            let answer = question.answer.map(|answer| (question.first, answer.mark));
            let what = format!("{}: {address}, from {}", question.words(), question.server);
            stands(Rung::Dns, answer, what)
        }
        None => stands(Rung::Dns, None, case.seen.called(address)),
    }
}

fn nat64(case: &Case<'_>) -> Step {
    let what = translated(case).map_or_else(String::new, |(prefix, address)| {
        format!("{address} through {}/{}", prefix.address(), prefix.len())
    });
    stands(Rung::Nat64, None, what)
}

fn tcp(case: &Case<'_>) -> Step {
    let flow = case.flow;
    let what = format!("{} to {}", flow.client, flow.server);
    let mut step = match (flow.syn, flow.syn_ack) {
        (Some((first, _, _)), Some(answer)) => stands(Rung::Tcp, Some((first, answer)), what),
        _ if flow.syn.is_none() => stands(
            Rung::Tcp,
            None,
            format!("{what}, opened before the capture"),
        ),
        _ => Step {
            what: format!("{what}: no connection"),
            ..step(Rung::Tcp, State::NotMeasured)
        },
    };
    for side in [Side::Client, Side::Server] {
        let end = flow.end(side);
        if end.retransmissions > 0 {
            step.more.push(format!(
                "{} segments of the {} were sent again",
                end.retransmissions,
                side.name()
            ));
        }
    }
    if flow.talk.missing {
        step.more
            .push("bytes of it are not in the capture".to_owned());
    }
    step
}

fn proxy(case: &Case<'_>) -> Step {
    let Some(proxy) = &case.flow.talk.proxy else {
        return unmeasured(Rung::Proxy, "none was seen");
    };
    match (proxy.asked, proxy.open) {
        (Some(asked), Some(open)) => stands(
            Rung::Proxy,
            Some((asked, open)),
            format!("opened the way to {}", proxy.target),
        ),
        _ => unmeasured(Rung::Proxy, "the capture ends before its answer"),
    }
}

fn tls(case: &Case<'_>) -> Step {
    let Some(tls) = &case.flow.talk.tls else {
        return unmeasured(Rung::Tls, "no TLS was seen");
    };
    let mut what = match &tls.server_hello {
        Some((_, hello)) => {
            let suite = hello
                .suites
                .first()
                .map_or_else(String::new, |suite| suite_name(*suite));
            format!("{}, {suite}", version_name(hello.version))
        }
        None => "TLS".to_owned(),
    };
    let begun = tls.client_hello.as_ref().map(|(mark, _)| *mark);
    if begun.is_none() {
        what = "begun before the capture, or in packets that are not in it".to_owned();
    }
    let mut step = match (begun, tls.agreed()) {
        (Some(begun), Some(agreed)) => stands(Rung::Tls, Some((begun, agreed)), what),
        _ => unmeasured(Rung::Tls, &what),
    };
    if let Some((_, chain, len)) = &tls.chain {
        let names: Vec<_> = chain
            .iter()
            .map(|found| common_name(&found.subject))
            .collect();
        step.more
            .push(format!("chain of {len} bytes: {}", names.join(" <- ")));
    }
    if let Some(renegotiated) = tls.renegotiated {
        step.more.push(format!("renegotiated with {renegotiated}"));
    }
    if tls.largest > 0 {
        step.more.push(format!(
            "largest record of the server: {} bytes",
            tls.largest
        ));
    }
    step
}

fn upgrade(case: &Case<'_>) -> Step {
    let Some(http) = &case.flow.talk.http else {
        return unmeasured(Rung::Upgrade, "encrypted, if it is there");
    };
    match (http.asked, http.answered) {
        (Some(asked), Some(answered)) => {
            let what = format!(
                "HTTP {} for {}, subprotocol {}",
                http.status, http.path, http.chosen
            );
            stands(Rung::Upgrade, Some((asked, answered)), what)
        }
        _ => unmeasured(Rung::Upgrade, "the capture ends before its answer"),
    }
}

fn ws(case: &Case<'_>) -> Step {
    let Some(ws) = &case.flow.talk.ws else {
        return unmeasured(Rung::Ws, "encrypted, if it is there");
    };
    match ws.first {
        [Some(_), Some(_)] => stands(Rung::Ws, None, "frames both ways".to_owned()),
        _ => unmeasured(Rung::Ws, "no frames both ways"),
    }
}

fn mqtt(case: &Case<'_>) -> Step {
    let talk = &case.flow.talk;
    let Some(mqtt) = &talk.mqtt else {
        let why = if talk.tls.is_some() {
            "encrypted"
        } else {
            "none was seen"
        };
        return unmeasured(Rung::Mqtt, why);
    };
    let (Some(connect), Some((code, answered))) = (&mqtt.connect, mqtt.connack) else {
        return unmeasured(
            Rung::Mqtt,
            "begun before the capture, or not answered before its end",
        );
    };
    let mut step = stands(
        Rung::Mqtt,
        Some((connect.mark, answered)),
        format!(
            "CONNACK {code}, keep-alive {} s",
            connect.keep_alive.as_secs()
        ),
    );
    if let Some((mark, took)) = mqtt.pong {
        step.more
            .push(format!("{mark}: PINGRESP, {} after PINGREQ", Seconds(took)));
    }
    step
}

fn hub(case: &Case<'_>, rung: Rung) -> Step {
    let accepted = case.flow.talk.mqtt.as_ref().and_then(|mqtt| mqtt.connack);
    match accepted {
        Some((0, _)) => stands(rung, None, "the hub took the device".to_owned()),
        _ => unmeasured(rung, "not seen"),
    }
}
