//! The pages over HTTP, of a lab that runs. What a browser makes of them is tested in `interop/lab`.

use std::{net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpStream,
    time::timeout,
};

use crate::{
    Config, Lab,
    config::Device,
    fault::{Kind, Setting},
};

/// Far above what is needed, since other tests use the same processors.
const PATIENCE: Duration = Duration::from_secs(60);

struct Answer {
    status: u16,
    head: String,
    body: String,
}

fn request(path: &str, host: &str, more: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{more}\r\n")
}

async fn ask(page: SocketAddr, request: &str) -> Answer {
    let mut stream = TcpStream::connect(page).await.expect("the page");
    stream.write_all(request.as_bytes()).await.expect("sent");
    let mut answer = String::new();
    let read = timeout(PATIENCE, stream.read_to_string(&mut answer)).await;
    read.expect("an end in time").expect("an answer");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    let status = head.split(' ').nth(1).expect("a status");
    Answer {
        status: status.parse().expect("a number"),
        head: head.to_ascii_lowercase(),
        body: body.to_owned(),
    }
}

async fn open(lab: &Lab, path: &str) -> Answer {
    let page = lab.page().expect("a page");
    ask(page, &request(path, "localhost", "")).await
}

async fn started(config: Config) -> Lab {
    Lab::start(config).await.expect("a lab")
}

#[tokio::test]
async fn every_page_is_whole_and_runs_no_script_but_its_own() {
    let config = Config::for_tests().device("dev'1(a)");
    let lab = started(config).await;
    for (path, has) in [
        ("/", "dev&#39;1(a)"),
        ("/faults", "TP-TLS-010"),
        ("/provisioning", "0ne00000001"),
        ("/events", "the lab is ready"),
        (
            "/hubs/localhost/devices/dev%271%28a%29",
            "Desired properties",
        ),
        ("/hubs/LOCALHOST/devices/dev%271%28a%29", "Direct method"),
    ] {
        let answer = open(&lab, path).await;
        assert_eq!(answer.status, 200, "{path}");
        // maud leaves an apostrophe as it is: attributes have double quotes.
        let has = has.replace("&#39;", "'");
        assert!(answer.body.contains(&has), "{path} has no {has:?}");
        assert!(answer.body.trim_end().ends_with("</html>"), "{path}");
        assert!(
            answer
                .head
                .contains("content-security-policy: default-src 'self'"),
            "{path}"
        );
        for inline in ["style=", "onclick=", "javascript:", "<style"] {
            assert!(!answer.body.contains(inline), "{path} has {inline}");
        }
        let scripts = answer.body.matches("<script").count();
        assert_eq!(
            scripts,
            answer.body.matches("<script src=\"/assets/").count(),
            "{path}"
        );
    }
    lab.stop().await;
}

#[tokio::test]
async fn what_is_not_there_is_said_to_be_so() {
    let lab = started(Config::for_tests().device("a")).await;
    for path in [
        "/nothing",
        "/hubs/localhost/devices/b",
        "/hubs/localhost/devices/a%2Fm",
        "/hubs/elsewhere/devices/a",
        "/connections/99",
        "/hubs/localhost/devices/%3Cscript%3E",
    ] {
        let answer = open(&lab, path).await;
        assert_eq!(answer.status, 404, "{path}");
        assert!(answer.body.contains("There is nothing here"), "{path}");
        assert!(!answer.body.contains("<script>"), "{path}");
    }
    // A query or path that can't be read is an answer too.
    for path in [
        "/?at=x",
        "/connections/x",
        "/?which=%3Cb%3E",
        "/events?level=loud",
    ] {
        assert_eq!(open(&lab, path).await.status, 400, "{path}");
    }
    lab.stop().await;
}

#[tokio::test]
async fn a_page_elsewhere_can_not_reach_it_by_a_name_of_its_own() {
    let lab = started(Config::for_tests()).await;
    let page = lab.page().expect("a page");
    for path in ["/", "/assets/lab.js", "/live/overview"] {
        for host in ["lab.example", "localhost.example", "192.0.2.1", ""] {
            let answer = ask(page, &request(path, host, "")).await;
            assert_eq!(answer.status, 403, "{path} at {host:?}");
        }
    }
    lab.stop().await;
}

#[tokio::test]
async fn assets_are_fetched_once() {
    let lab = started(Config::for_tests()).await;
    let page = lab.page().expect("a page");
    let first = open(&lab, "/assets/lab.css").await;
    assert_eq!(first.status, 200);
    assert!(
        first.head.contains("content-type: text/css"),
        "{}",
        first.head
    );
    let tag = first
        .head
        .lines()
        .find_map(|line| line.strip_prefix("etag: "));
    let more = format!("If-None-Match: {}\r\n", tag.expect("a tag"));
    let again = ask(page, &request("/assets/lab.css", "localhost", &more)).await;
    assert_eq!((again.status, again.body.len()), (304, 0));
    lab.stop().await;
}

#[tokio::test]
async fn many_devices_are_shown_a_screenful_at_a_time() {
    let mut config = Config::for_tests();
    let devices = (0..5000).map(|number| Device {
        id: format!("meter-{number:04}"),
        disabled: number % 1000 == 0,
        ..Device::default()
    });
    config.hubs[0].devices = devices.collect();
    let lab = started(config).await;
    let first = open(&lab, "/").await.body;
    assert!(first.contains("1–100 of 5000"), "{}", first.len());
    assert!(first.contains("meter-0099") && !first.contains("meter-0100"));
    assert!(first.len() < 200_000, "{}", first.len());
    let last = open(&lab, "/?at=49").await.body;
    assert!(last.contains("4901–5000 of 5000") && last.contains("meter-4999"));
    let found = open(&lab, "/?q=METER-123").await.body;
    assert!(found.contains("1–10 of 10") && found.contains("meter-1239"));
    let disabled = open(&lab, "/?which=disabled").await.body;
    assert!(disabled.contains("1–5 of 5") && disabled.contains("meter-4000"));
    // Behind the last one there is nothing, and no way further.
    let behind = open(&lab, &format!("/?at={}", usize::MAX)).await.body;
    assert!(behind.contains("No device is like this") && !behind.contains("rel=\"next\""));
    lab.stop().await;
}

/// What the stream sends next that has `wanted` in it.
async fn next(stream: &mut BufReader<TcpStream>, wanted: &str) -> String {
    let search = async {
        loop {
            let mut line = String::new();
            let read = stream.read_line(&mut line).await.expect("a stream");
            assert!(read > 0, "the stream ended before {wanted}");
            if line.contains(wanted) {
                return line;
            }
        }
    };
    timeout(PATIENCE, search).await.expect("it in time")
}

#[tokio::test]
async fn an_open_page_is_told_what_changes_and_ends_with_the_lab() {
    let lab = started(Config::for_tests().device("a")).await;
    let page = lab.page().expect("a page");
    let mut stream = TcpStream::connect(page).await.expect("the page");
    let path = "/live/hubs/localhost/devices/a?records=0&messages=0";
    let request = request(path, "localhost", "");
    stream.write_all(request.as_bytes()).await.expect("sent");
    let mut stream = BufReader::new(stream);
    next(&mut stream, "text/event-stream").await;
    next(&mut stream, "\"id\":\"reported\"").await;

    let number = lab
        .faults()
        .switch_on(Setting::new(Kind::Connack5).device("a"))
        .expect("a switch");
    next(&mut stream, "\"id\":\"faults\"").await;
    let line = next(&mut stream, "\"list\":\"records\"").await;
    assert!(line.contains("connack-5"), "{line}");
    assert!(lab.faults().switch_off(number));
    next(&mut stream, "\"id\":\"faults\"").await;

    lab.stop().await;
    let mut rest = Vec::new();
    let end = timeout(PATIENCE, stream.read_to_end(&mut rest)).await;
    // It ends; whether with a reset does not matter.
    let _ = end.expect("an end in time");
}

/// A browser that knows more than this lab has told, because the lab was started anew, is told to begin again.
#[tokio::test]
async fn a_page_of_an_earlier_lab_begins_again() {
    let lab = started(Config::for_tests()).await;
    let mut stream = TcpStream::connect(lab.page().expect("a page"))
        .await
        .expect("the page");
    let request = request("/live/events?records=5000", "localhost", "");
    stream.write_all(request.as_bytes()).await.expect("sent");
    let mut stream = BufReader::new(stream);
    next(&mut stream, "event: stale").await;
    lab.stop().await;
}
