//! nginx as a proxy that ends TLS. It asks for the client certificate in the first handshake, and says what it finds
//! wrong with it by HTTP 400 (`wss`) or by closing (`mqtts`), never by an alert.

use mqtt::wait_for;
use tls::{
    Cell::{self, Connack},
    assert_cell, backends, connect, exchange,
    nginx::Nginx,
    options,
    pki::{Client, Pki},
};
use towpath::{
    Code, Rung,
    tls::{Backend, Version},
};

backends! {
    without_a_question
    certificate_required
    certificate_optional
}

const URLS: [&str; 2] = ["wss://localhost/mqtt", "mqtts://localhost"];

async fn run(backend: Backend, verify: &str, cells: &[(Option<Client>, Cell, Cell)]) {
    let pki = Pki::kept();
    let nginx = Nginx::start(&pki, verify);
    for version in [Version::Tls12, Version::Tls13] {
        for (client, wss, mqtts) in cells {
            for (url, expected) in URLS.into_iter().zip([wss, mqtts]) {
                let tls = tls::tls(&pki, backend, *client).versions(Some(version), Some(version));
                let tls = tls.post_handshake_auth(false);
                let options = options(url, tls);
                let mut came = connect(options).await;
                let cell = format!("{verify}, {url}, {client:?}, {version}");
                assert_cell(&cell, &came, *expected);
                if let Ok(peer) = &mut came {
                    exchange(peer).await;
                    peer.close().await;
                }
            }
        }
    }
    let mut log = nginx.log();
    if verify == "on" {
        let why = "client sent no required SSL certificate";
        wait_for(why, || {
            log = nginx.log();
            log.contains(why)
        })
        .await;
    }
}

async fn without_a_question(backend: Backend) {
    run(backend, "off", &[(None, Connack, Connack)]).await;
}

const BAD_REQUEST: Cell = Cell::Fault(Rung::Upgrade, Code::BadRequest, None);
const UNANSWERED: Cell = Cell::Fault(Rung::Tls, Code::ClientCertificateUnanswered, None);

async fn certificate_required(backend: Backend) {
    let cells = [
        (Some(Client::Good), Connack, Connack),
        (None, BAD_REQUEST, UNANSWERED),
        (Some(Client::OtherCa), BAD_REQUEST, UNANSWERED),
        (Some(Client::Expired), BAD_REQUEST, UNANSWERED),
    ];
    run(backend, "on", &cells).await;
}

async fn certificate_optional(backend: Backend) {
    let cells = [
        (Some(Client::Good), Connack, Connack),
        (None, Connack, Connack),
        (Some(Client::OtherCa), BAD_REQUEST, UNANSWERED),
    ];
    run(backend, "optional", &cells).await;
}
