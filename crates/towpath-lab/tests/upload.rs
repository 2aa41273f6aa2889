//! A device's file upload as `towpath_azure::upload` writes and reads it, over HTTPS to the lab.

use std::{
    error::Error,
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use openssl::{
    ssl::{SslConnector, SslMethod},
    x509::X509,
};
use towpath_azure::{
    Key, Names,
    http::{Answer, Request, Response, Step},
    sas,
    upload::{Grant, Refused, Upload, noted, stored},
};
use towpath_lab::{Config, Lab};

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

const FILE: &[u8] = b"2026-11-22 10:00:00 the pump started\n";

/// One exchange: the answer and its body.
fn exchange(mut stream: impl Read + Write, request: &[u8]) -> Outcome<(Answer, Vec<u8>)> {
    stream.write_all(request)?;
    let (mut response, mut body, mut buffer) = (Response::new(), Vec::new(), [0; 512]);
    while !response.is_done() {
        let len = stream.read(&mut buffer)?;
        if len == 0 {
            response.closed()?;
        }
        let mut rest = &buffer[..len];
        loop {
            let (taken, step) = response.feed(rest)?;
            rest = &rest[taken..];
            match step {
                Step::Head => {}
                Step::Body(piece) => body.extend_from_slice(piece),
                Step::More | Step::End => break,
            }
        }
    }
    let answer = response.answer().ok_or("no answer")?;
    Ok((answer.clone(), body))
}

/// The device: where its hub is, and whom it trusts.
struct Device {
    lab: SocketAddr,
    root: String,
    key: String,
}

impl Device {
    fn ask(&self, request: &[u8]) -> Outcome<(Answer, Vec<u8>)> {
        let mut connector = SslConnector::builder(SslMethod::tls_client())?;
        let root = X509::from_pem(self.root.as_bytes())?;
        connector.cert_store_mut().add_cert(root)?;
        let stream = TcpStream::connect(self.lab)?;
        stream.set_read_timeout(Some(Duration::from_secs(60)))?;
        exchange(connector.build().connect("localhost", stream)?, request)
    }

    fn token(&self, expiry: u64) -> Outcome<String> {
        let names = Names {
            hub: "localhost",
            device_id: "pump-1",
            module_id: None,
        };
        let mut token = String::new();
        sas::write(
            &mut token,
            names.resource(),
            &Key::from_base64(&self.key)?,
            expiry,
            None,
        )?;
        Ok(token)
    }

    fn upload(&self, token: &str, file: &[u8]) -> Outcome<String> {
        let authority = format!("localhost:{}", self.lab.port());
        let upload = Upload {
            authority: &authority,
            device_id: "pump-1",
            blob: "logs/to day.txt",
            authorization: Some(token),
        };
        let mut request = String::new();
        upload.begin(&mut request)?;
        let (answer, body) = self.ask(request.as_bytes())?;
        let grant = Grant::read(answer.status, &body)?;
        assert_eq!((grant.host(), grant.port()), ("localhost", self.lab.port()));

        let mut request = String::new();
        let length = u64::try_from(file.len())?;
        grant.put(length, "text/plain", &mut request)?;
        let (answer, _) = self.ask(&[request.as_bytes(), file].concat())?;
        let outcome = stored(&answer);

        let mut request = String::new();
        upload.end(&grant, &outcome, &mut request)?;
        let (answer, body) = self.ask(request.as_bytes())?;
        noted(answer.status, &body)?;
        outcome?;
        Ok(grant.path().to_string())
    }
}

fn device(lab: &Lab) -> Device {
    let strings = lab.connection_strings();
    let mine = strings
        .iter()
        .find(|(_, text)| text.contains("DeviceId=pump-1"))
        .expect("the device has a key");
    let (_, key) = mine.1.split_once("SharedAccessKey=").expect("a key");
    Device {
        lab: lab.https(),
        root: lab.root_pem(),
        key: key.to_owned(),
    }
}

#[tokio::test]
async fn a_file_is_at_the_hub_byte_for_byte() -> Outcome<()> {
    let lab = Lab::start(Config::for_tests().device("pump-1")).await?;
    let device = device(&lab);
    let page = lab.page().ok_or("the lab has a page")?;
    let expiry = u64::try_from(lab.clock().now().as_secs())? + 3600;
    let (path, read_back) = tokio::task::spawn_blocking(move || {
        let path = device.upload(&device.token(expiry)?, FILE)?;
        let authority = page.to_string();
        let target = "/api/hubs/localhost/devices/pump-1/files/logs%2Fto%20day.txt";
        let mut request = String::new();
        Request::get(&authority, &target).write(&mut request)?;
        let (answer, body) = exchange(TcpStream::connect(page)?, request.as_bytes())?;
        assert_eq!(answer.status, 200, "{body:?}");
        Outcome::Ok((path, body))
    })
    .await??;
    assert_eq!(path, "lab-uploads/pump-1/logs/to day.txt");
    assert_eq!(read_back, FILE);
    let log = lab.log().since(0);
    let ended = format!("isSuccess true, {} bytes came", FILE.len());
    assert!(
        log.iter().any(|record| record.text.contains(&ended)),
        "{log:?}"
    );
    lab.stop().await;
    Ok(())
}

#[tokio::test]
async fn an_old_token_is_refused_and_the_remedy_named() -> Outcome<()> {
    let lab = Lab::start(Config::for_tests().device("pump-1")).await?;
    let device = device(&lab);
    let expired = u64::try_from(lab.clock().now().as_secs())? - 3600;
    let error = tokio::task::spawn_blocking(move || {
        device
            .token(expired)
            .and_then(|token| device.upload(&token, FILE))
            .expect_err("the token is old")
    })
    .await?;
    let refused = error.downcast_ref::<Refused>().ok_or("refused")?;
    assert_eq!(refused.status, 401);
    assert!(error.to_string().contains("the clock"), "{error}");
    lab.stop().await;
    Ok(())
}
