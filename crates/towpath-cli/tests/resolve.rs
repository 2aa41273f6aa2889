//! `towpath resolve` and the options of names and addresses, against DNS servers of the tests' own.

#[expect(
    unreachable_pub,
    dead_code,
    reason = "shared by the test programs, each of which uses a part"
)]
mod common;

use std::net::Ipv4Addr;

use common::{Broker, Folder, Ran, dns::Dns, free_port, run};
use serde_json::Value;
use towpath_sim::dns::{A, Question, Reply};

const LOOPBACK: Ipv4Addr = Ipv4Addr::LOCALHOST;

/// `broker.example` is this machine and `plain.example` some server, both by IPv4 alone; nothing else exists.
fn zone(question: &Question, _: bool) -> Option<Reply> {
    let reply = Reply::to(question);
    Some(match (question.name.as_str(), question.kind) {
        ("broker.example", A) => reply.a("broker.example", 60, LOOPBACK),
        ("plain.example", A) => reply.a("plain.example", 60, Ipv4Addr::new(198, 51, 100, 7)),
        ("broker.example" | "plain.example", _) => reply.soa("example", 300, 300),
        _ => reply.rcode(3).soa("", 300, 300),
    })
}

/// Runs `towpath resolve` with this server.
fn resolve(dns: &Dns, args: &[&str]) -> Ran {
    let server = dns.flag();
    let mut all = vec!["resolve", "--resolver", &server];
    all.extend(args);
    run(&all)
}

#[track_caller]
fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// The lines of JSON on standard error.
fn traces(ran: &Ran) -> Vec<Value> {
    ran.err.lines().map(json).collect()
}

#[track_caller]
fn found<'a>(lines: &'a [Value], state: &str) -> &'a Value {
    lines
        .iter()
        .find(|line| line["state"] == state)
        .unwrap_or_else(|| panic!("nothing is {state}: {lines:?}"))
}

#[test]
fn an_address_stands_for_itself() {
    let ran = run(&["resolve", "127.0.0.1"]);
    let lines: Vec<_> = ran.ok().lines().collect();
    assert_eq!(lines[0], "127.0.0.1:1883");
    let words: Vec<_> = lines[1].split_whitespace().collect();
    assert_eq!(
        words,
        ["1", "127.0.0.1", "literal", "from", "127.0.0.1", "first"]
    );
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert_eq!(ran.err, "");

    let ran = run(&["resolve", "[::1]", "--port", "8883", "--json"]);
    let value = json(ran.ok());
    assert_eq!(
        (&value["host"], &value["port"]),
        (&"::1".into(), &8883.into())
    );
    assert_eq!(value["candidates"][0]["address"], "::1");
    assert_eq!(value["candidates"][0]["origin"], "literal");
    assert_eq!(value["fault"], Value::Null);
}

#[test]
fn localhost_is_this_machine_and_nobody_is_asked() {
    // A DNS server that lies about it is not even heard.
    let dns = Dns::start(|question, _| {
        Some(Reply::to(question).a(&question.name, 60, Ipv4Addr::new(192, 0, 2, 66)))
    });
    for args in [
        &["localhost"][..],
        &["broker.localhost"],
        &["ws://localhost:8080/mqtt"],
    ] {
        let mut args = args.to_vec();
        args.push("--json");
        let value = json(resolve(&dns, &args).ok());
        let candidates = value["candidates"].as_array().unwrap();
        assert!(
            candidates.iter().any(|c| c["address"] == "127.0.0.1"),
            "{value}"
        );
        assert!(candidates.iter().all(|c| c["origin"] == "hosts"), "{value}");
        assert_eq!(value["questions"].as_array().unwrap().len(), 0, "{value}");
    }
}

#[test]
fn a_url_has_a_port_and_an_option_another() {
    for (args, port) in [
        (&["wss://127.0.0.1/mqtt"][..], 443),
        (&["mqtts://127.0.0.1"], 8883),
        (&["mqtt://127.0.0.1:77"], 77),
        (&["mqtt://127.0.0.1:77", "--port", "78"], 78),
    ] {
        let mut all = vec!["resolve", "--json"];
        all.extend(args);
        assert_eq!(json(run(&all).ok())["port"], port);
    }
    run(&["resolve", "http://127.0.0.1"]).failed(2, "towpath: the URL can't be used");
    run(&["resolve"]).failed_usage();
}

#[test]
fn a_name_of_the_hosts_file() {
    // The file of this machine: each name in it has to come out with its address.
    let Ok(hosts) = std::fs::read_to_string("/etc/hosts") else {
        return;
    };
    let names = hosts
        .lines()
        .filter_map(|line| line.split('#').next()?.split_whitespace().nth(1))
        .filter(|name| !name.contains("localhost"));
    for name in names.take(3) {
        let ran = run(&["resolve", name, "--json"]);
        let value = json(&ran.out);
        let candidates = value["candidates"].as_array().unwrap().iter();
        let dropped = value["dropped"].as_array().unwrap();
        assert!(
            candidates.clone().all(|c| c["origin"] == "hosts"),
            "{value}"
        );
        assert!(candidates.count() + dropped.len() > 0, "{value}");
        assert_eq!(value["questions"].as_array().unwrap().len(), 0, "{value}");
    }
}

#[test]
fn a_name_with_its_answers() {
    let dns = Dns::start(zone);
    let ran = resolve(&dns, &["broker.example"]);
    let text = ran.ok();
    let server = dns.flag();
    assert!(text.starts_with("broker.example:1883\n"), "{text}");
    let words: Vec<_> = text.lines().nth(1).unwrap().split_whitespace().collect();
    assert_eq!(
        words,
        ["1", "127.0.0.1", "dns", "from", "127.0.0.1", "first"]
    );
    let line = |begins: &str| {
        text.lines()
            .find(|line| line.trim_start().starts_with(begins))
            .unwrap_or_else(|| panic!("{begins}: {text}"))
    };
    assert!(
        line("A: 1 address, good for 60 s").contains(&server),
        "{text}"
    );
    assert!(
        line("AAAA: no address, good for 300 s").contains(" ms)"),
        "{text}"
    );

    let value = json(resolve(&dns, &["broker.example", "--json"]).ok());
    assert_eq!(value["servers"][0], server);
    let question = |record: &str| {
        let questions = value["questions"].as_array().unwrap();
        questions.iter().find(|q| q["record"] == record).unwrap()
    };
    assert_eq!(question("A")["name"], "broker.example");
    assert_eq!(question("A")["addresses"], 1);
    assert_eq!(question("A")["ttl"], 60);
    assert_eq!(question("A")["asked"][0]["server"], server);
    assert_eq!(question("A")["asked"][0]["over"], "udp");
    assert_eq!(question("AAAA")["addresses"], 0);
    assert!(question("A")["ms"].as_f64() > Some(0.0));
}

#[test]
fn the_trace_has_each_fact_with_its_time() {
    let dns = Dns::start(zone);
    let ran = resolve(&dns, &["broker.example", "--trace"]);
    ran.ok();
    let at = |words: &str| {
        let line = ran.err.lines().find(|line| line.contains(words));
        let line = line.unwrap_or_else(|| panic!("{words}: {}", ran.err));
        assert!(line.contains(" ms "), "{line}");
        line.starts_with("  dns ")
    };
    assert!(at("asked") && at(&format!("A, {} (udp)", dns.flag())));
    assert!(at("A: 1 address, good for 60 s"));

    let ran = resolve(&dns, &["broker.example", "--trace", "--json"]);
    json(ran.ok());
    let lines = traces(&ran);
    let asked = found(&lines, "asked");
    assert_eq!(asked["trace"], "dns");
    assert_eq!(asked["server"], dns.flag());
    let answered = found(&lines, "answered");
    assert!(answered["at_ms"].as_f64() >= asked["at_ms"].as_f64());
    assert!(answered["ms"].as_f64() > Some(0.0));
    let ordered = found(&lines, "ordered");
    assert_eq!(
        (&ordered["place"], &ordered["address"]),
        (&0.into(), &"127.0.0.1".into())
    );
}

#[test]
fn names_that_fail_each_in_one_line() {
    let dns = Dns::start(|question, over_tcp| match question.name.as_str() {
        "refused.example" => Some(Reply::to(question).rcode(5)),
        "broken.example" => Some(Reply::to(question).rcode(2)),
        "silent.example" => None,
        "empty.example" => Some(Reply::to(question).soa("example", 60, 60)),
        "loop.example" => Some(Reply::to(question).cname("loop.example", 60, "loop.example")),
        _ => zone(question, over_tcp),
    });
    for (name, code, begins) in [
        (
            "nowhere.example",
            "NameNotFound",
            "dns: the name does not exist (NXDOMAIN; nowhere.example)",
        ),
        (
            "refused.example",
            "ResolverRefused",
            "dns: the DNS server refuses the question (REFUSED",
        ),
        (
            "broken.example",
            "ResolverFailed",
            "dns: the DNS server failed (SERVFAIL",
        ),
        (
            "empty.example",
            "NoAddress",
            "dns: the name exists but has no usable address",
        ),
        (
            "loop.example",
            "AliasLoop",
            "dns: the name's aliases (CNAME) go in a circle",
        ),
        (
            "silent.example",
            "ResolverSilent",
            "dns: no DNS server answered",
        ),
        ("a..b", "NameInvalid", "dns: this is no valid host name"),
    ] {
        let patience = if name.starts_with("silent") {
            "0.3"
        } else {
            "10"
        };
        let ran = resolve(&dns, &[name, "--timeout", patience]);
        assert_eq!(ran.code, 1, "{name}: {ran:?}");
        assert_eq!(ran.err.lines().count(), 1, "{name}: {ran:?}");
        assert!(
            ran.err.starts_with(&format!("towpath: {begins}")),
            "{name}: {ran:?}"
        );

        let ran = resolve(&dns, &[name, "--timeout", patience, "--json"]);
        assert_eq!(ran.code, 1, "{name}: {ran:?}");
        assert_eq!(json(&ran.out)["fault"]["code"], code, "{ran:?}");
        assert_eq!(json(&ran.err)["code"], code, "{ran:?}");
    }
}

#[test]
fn a_dead_server_and_one_that_answers() {
    let dns = Dns::start(zone);
    let dead = format!("127.0.0.1:{}", free_port());
    let server = dns.flag();
    let args = [
        "resolve",
        "broker.example",
        "--resolver",
        &dead,
        "--resolver",
        &server,
        "--json",
    ];
    let value = json(run(&args).ok());
    assert_eq!(value["candidates"][0]["address"], "127.0.0.1");
    assert_eq!(value["servers"], serde_json::json!([dead, server]));
    let ran = run(&["resolve", "broker.example", "--resolver", &dead]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.err.starts_with("towpath: dns: "), "{ran:?}");
}

#[test]
fn a_truncated_answer_is_asked_for_over_tcp() {
    let dns = Dns::start(|question, over_tcp| match over_tcp {
        false if question.kind == A => Some(Reply::to(question).truncated()),
        _ => zone(question, over_tcp),
    });
    let value = json(resolve(&dns, &["broker.example", "--json"]).ok());
    let questions = value["questions"].as_array().unwrap();
    let a = questions.iter().find(|q| q["record"] == "A").unwrap();
    assert_eq!(a["asked"][0]["over"], "udp");
    assert_eq!(a["asked"][1]["over"], "tcp", "{value}");
}

/// Nothing tells a prefix: neither this DNS server nor, on a machine without one, a router.
fn ipv4_out_of_reach(host: &str) {
    let dns = Dns::start(zone);
    let ran = resolve(&dns, &[host, "-6"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert_eq!(ran.err.lines().count(), 1, "{ran:?}");
    // A machine without any IPv6 address has something else to mend first.
    let begins = [
        "towpath: nat64: the server has IPv4 addresses only",
        "towpath: address: this device has no address",
    ];
    assert!(
        begins.iter().any(|begins| ran.err.starts_with(begins)),
        "{ran:?}"
    );
}

#[test]
fn an_ipv4_address_with_ipv6_alone() {
    ipv4_out_of_reach("192.0.2.10");
}

#[test]
fn an_ipv4_name_with_ipv6_alone() {
    ipv4_out_of_reach("plain.example");
}

#[test]
fn families_that_are_not_allowed() {
    for args in [
        &["192.0.2.10", "-6", "--nat64-prefix", "off"][..],
        &["::1", "-4"],
    ] {
        let mut all = vec!["resolve"];
        all.extend(args);
        let ran = run(&all);
        assert_eq!(ran.code, 1, "{ran:?}");
        assert!(ran.err.starts_with("towpath: address: "), "{ran:?}");
    }
}

#[test]
fn a_prefix_that_is_given() {
    let dns = Dns::start(zone);
    let args = [
        "plain.example",
        "-6",
        "--nat64-prefix",
        "64:ff9b:1::/96",
        "--json",
        "--trace",
    ];
    let ran = resolve(&dns, &args);
    let value = json(&ran.out);
    if ran.code == 0 {
        let candidate = &value["candidates"][0];
        assert_eq!(candidate["address"], "64:ff9b:1::c633:6407");
        assert_eq!(candidate["origin"], "nat64");
        assert_eq!(candidate["prefix"], "64:ff9b:1::/96");
        assert_eq!(candidate["prefix_origin"], "config");
        assert_eq!(candidate["ipv4"], "198.51.100.7");
        let text = resolve(&dns, &args[..4]);
        assert!(
            text.ok()
                .contains("nat64 64:ff9b:1::/96 (config) to 198.51.100.7"),
            "{text:?}"
        );
    } else {
        // A machine without an IPv6 address and route.
        assert_eq!(value["fault"]["rung"], "address", "{ran:?}");
    }
    // TEST-NET-2 is no global address: the well-known prefix may not carry it.
    let ran = resolve(
        &dns,
        &["plain.example", "-6", "--nat64-prefix", "64:ff9b::/96"],
    );
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(
        ran.err
            .starts_with("towpath: nat64: the server's IPv4 address is private")
            && ran.err.contains("198.51.100.7"),
        "{ran:?}"
    );
    assert!(ran.out.contains("not tried: "), "{ran:?}");
}

#[test]
fn values_that_are_wrong_name_their_flag() {
    for (args, flag) in [
        (&["--nat64-prefix", "64:ff9b::/95"][..], "--nat64-prefix"),
        (&["--nat64-prefix", "192.0.2.0/24"], "--nat64-prefix"),
        (&["--resolver", "dns.example"], "--resolver"),
        (&["--resolver", "192.0.2.1:x"], "--resolver"),
        (&["--mss", "87"], "--mss"),
        (&["--mss", "32768"], "--mss"),
        (&["--attempt-delay", "5"], "--attempt-delay"),
        (&["-4", "-6"], "--ipv4"),
    ] {
        for command in [&["resolve", "h"][..], &["sub", "mqtt://h", "t"]] {
            let mut all = command.to_vec();
            all.extend(args);
            let ran = run(&all);
            assert_eq!(ran.code, 2, "{all:?}: {ran:?}");
            assert!(
                ran.err.starts_with("error: ") && ran.err.contains(flag),
                "{all:?}: {ran:?}"
            );
        }
    }
    let ran = run(&[
        "resolve",
        "h",
        "--resolver",
        "system",
        "--resolver",
        "192.0.2.1",
    ]);
    ran.failed(2, "towpath: --resolver system asks nobody else");
}

#[test]
fn a_file_may_say_it_too() {
    let dns = Dns::start(zone);
    let folder = Folder::new();
    let text = format!(
        "url = \"mqtt://broker.example:7\"\n[network]\nresolver = [\"{}\"]\n",
        dns.flag()
    );
    let file = folder.file("device.toml", &text);
    let value = json(run(&["resolve", "--config", &file, "--json"]).ok());
    assert_eq!(
        (&value["host"], &value["port"]),
        (&"broker.example".into(), &7.into())
    );
    assert_eq!(value["candidates"][0]["address"], "127.0.0.1");
    // What is typed wins.
    let ran = run(&["resolve", "--config", &file, "nowhere.example"]);
    assert!(
        ran.err.starts_with("towpath: dns: the name does not exist"),
        "{ran:?}"
    );
}

/// A whole path by a name that only the test's server knows.
#[test]
fn publishing_by_name() {
    let broker = Broker::start();
    let dns = Dns::start(zone);
    let url = broker.mqtt.replace("127.0.0.1", "broker.example");
    let server = dns.flag();
    let args = [
        "pub",
        &url,
        "t",
        "-m",
        "a",
        "-q",
        "1",
        "--trace",
        "--resolver",
        &server,
    ];
    let ran = run(&args);
    ran.ok();
    assert!(ran.err.contains("  dns       reached "), "{ran:?}");
    assert!(ran.err.contains(&format!("asked {server}")), "{ran:?}");
    assert!(ran.err.contains("  path      ready "), "{ran:?}");
    let mut args = args.to_vec();
    args.push("--json");
    let ran = run(&args);
    ran.ok();
    let lines = traces(&ran);
    assert_eq!(found(&lines, "asked")["server"], server);
    assert_eq!(found(&lines, "trying")["address"], "127.0.0.1");
    let won = found(&lines, "won");
    assert_eq!(won["trace"], "tcp");
    assert!(won["at_ms"].as_f64() >= found(&lines, "trying")["at_ms"].as_f64());
}

/// Nothing listens at the first address of a name; the second one is the broker.
#[test]
fn the_second_address_is_tried() {
    let broker = Broker::start();
    let dns = Dns::start(
        |question, over_tcp| match (question.name.as_str(), question.kind) {
            ("two.example", A) => Some(
                Reply::to(question)
                    .a("two.example", 60, Ipv4Addr::new(127, 0, 0, 77))
                    .a("two.example", 60, LOOPBACK),
            ),
            _ => zone(question, over_tcp),
        },
    );
    let url = broker.mqtt.replace("127.0.0.1", "two.example");
    let server = dns.flag();
    let ran = run(&[
        "pub",
        &url,
        "t",
        "-m",
        "a",
        "-q",
        "1",
        "--trace",
        "--json",
        "--resolver",
        &server,
    ]);
    ran.ok();
    let lines = traces(&ran);
    let failed = found(&lines, "failed");
    assert_eq!(
        (&failed["address"], &failed["code"]),
        (&"127.0.0.77".into(), &"Refused".into())
    );
    assert_eq!(found(&lines, "won")["address"], "127.0.0.1");
}

#[test]
fn a_segment_size_of_ones_own() {
    let broker = Broker::start();
    run(&[
        "pub",
        &broker.mqtt,
        "t",
        "-m",
        "a",
        "-q",
        "1",
        "--mss",
        "400",
    ])
    .ok();
}
