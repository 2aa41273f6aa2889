//! Behind a proxy that has ended TLS.

use std::io::{Read as _, Write as _};

use towpath::{Code, Options};
use towpath_lab::{Lab, config::BehindProxy};

use crate::{
    client::{attempt, lab, once},
    raw::{beside, tcp},
};

async fn behind(trusted: &str) -> Lab {
    lab(|config| {
        config.listen.behind_proxy = Some(BehindProxy {
            trusted: vec![trusted.parse().expect("an address")],
            certificate_header: "X-Client-Cert".into(),
        });
    })
    .await
}

fn options(lab: &Lab) -> Options {
    let url = format!("ws://127.0.0.1:{}/$iothub/websocket", lab.https().port());
    once(Options::new(&url).expect("a good URL"))
}

fn certified(lab: &Lab, field: &str) -> Options {
    options(lab)
        .client_id("cert")
        .user("localhost/cert/?api-version=2021-04-12")
        .header("X-Client-Cert", field)
}

#[tokio::test]
async fn the_certificate_comes_in_a_field() {
    let lab = behind("127.0.0.1").await;
    let pem = lab.device_certificate("cert").expect("a certificate").chain;
    assert_eq!(
        attempt(certified(&lab, &pem.replace('\n', " "))).await,
        Ok(())
    );
    let refused = attempt(certified(&lab, "(null)"))
        .await
        .expect_err("no certificate");
    assert_eq!(refused.code, Code::ConnectRefused);
    let refused = attempt(certified(&lab, "nonsense"))
        .await
        .expect_err("no PEM");
    assert_eq!(refused.code, Code::BadRequest);
    let twice = certified(&lab, "(null)").header("X-Client-Cert", "(null)");
    let refused = attempt(twice).await.expect_err("two fields");
    assert_eq!(refused.code, Code::BadRequest);
    let login = lab.login("key").expect("a key");
    let key = options(&lab)
        .client_id("key")
        .credentials(login.user_name, login.password);
    assert_eq!(attempt(key).await, Ok(()));
}

#[tokio::test]
async fn others_are_not_believed() {
    let lab = behind("192.0.2.1").await;
    let pem = lab.device_certificate("cert").expect("a certificate").chain;
    let refused = attempt(certified(&lab, &pem.replace('\n', " "))).await;
    assert_eq!(refused.expect_err("no trust").code, Code::Forbidden);
}

/// A proxy shares its connections among clients: each has one request, with its own certificate.
#[tokio::test]
async fn one_request_for_each_connection() {
    let lab = behind("127.0.0.1").await;
    let port = lab.https().port();
    let answer = beside(move || {
        let mut stream = tcp(port);
        let request = "GET /devices/key?api-version=2021-04-12 HTTP/1.1\r\nHost: localhost\r\n\r\n";
        stream.write_all(request.as_bytes()).expect("a request");
        let mut answer = String::new();
        stream
            .read_to_string(&mut answer)
            .expect("an answer and the end");
        answer
    })
    .await;
    assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
    assert!(
        answer.to_lowercase().contains("connection: close"),
        "{answer}"
    );
}
