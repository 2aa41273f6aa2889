//! HTTPS over the path that MQTT takes, at the lab's REST interface and at servers by hand: files are uploaded with each
//! proof and each TLS back-end, and what breaks is named.

use std::{error::Error, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};
use towpath::{
    Code, Options, Proxy, Rung, TlsOptions,
    device::azure::{Key, Proof},
    https::{Body, Client, Range, Request, Settings, Upload, Via},
    tls::{Backend, Renegotiation},
};
use towpath_lab::{Config, Lab, fault::Setting};

type Done = Result<(), Box<dyn Error>>;

const NOW: u64 = 0;

fn client(tls: TlsOptions) -> Client {
    Client::new(Settings {
        via: Via::Direct,
        tls,
        ..Settings::default()
    })
}

fn trusting(lab: &Lab, backend: Backend) -> TlsOptions {
    TlsOptions::new().backend(backend).ca(lab.root_pem())
}

fn unix() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.expect("after 1970").as_secs()
}

fn key(lab: &Lab, device: &str) -> Key {
    let strings = lab.connection_strings();
    let of = format!("DeviceId={device};SharedAccessKey=");
    let text = strings.iter().find_map(|(_, text)| text.split_once(&of));
    Key::from_base64(text.expect("the device has a key").1).expect("and it is one")
}

fn file<'a>(lab: &Lab, device_id: &'a str, proof: Proof<'a>) -> Upload<'a> {
    Upload {
        hub: "localhost",
        port: lab.https().port(),
        device_id,
        proof,
        name: "logs/a day.txt",
        content_type: "text/plain",
        unix: unix(),
    }
}

/// What the lab has of a file, through its page.
async fn stored(lab: &Lab, device: &str, name: &str) -> Result<Vec<u8>, Box<dyn Error>> {
    let page = lab.page().ok_or("no page")?;
    let url = format!("http://{page}/api/hubs/localhost/devices/{device}/files/{name}");
    let mut answer = client(TlsOptions::new())
        .exchange(Request::new("GET", &url))
        .await?;
    assert_eq!(answer.status(), 200);
    Ok(answer.read_to_end(64 << 20).await?)
}

fn fault_of<T: std::fmt::Debug>(ended: Result<T, towpath::Error>) -> towpath::Fault {
    match ended {
        Err(towpath::Error::Path(fault)) => fault,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_file_is_uploaded_with_a_key() -> Done {
    let lab = Lab::start(Config::for_tests().device("meter-1")).await?;
    let key = key(&lab, "meter-1");
    for backend in Backend::ALL {
        let client = client(trusting(&lab, *backend));
        let body = vec![b'x'; 3 << 20];
        let upload = file(&lab, "meter-1", Proof::Key(&key));
        let uploaded = client.upload(&upload, Body::Bytes(&body)).await?;
        assert_eq!(uploaded.path, "lab-uploads/meter-1/logs/a day.txt");
        assert_eq!(stored(&lab, "meter-1", "logs%2Fa%20day.txt").await?, body);
        // Again, now with what is remembered of the server, and from a reader.
        let mut from = &b"hello"[..];
        let upload = Upload {
            name: "b",
            ..upload
        };
        client.upload(&upload, Body::Reader(5, &mut from)).await?;
        assert_eq!(stored(&lab, "meter-1", "b").await?, b"hello");
    }
    Ok(())
}

#[tokio::test]
async fn a_file_is_uploaded_with_a_certificate_that_is_asked_for_late() -> Done {
    let lab = Lab::start(Config::for_tests().x509_device("meter-2")).await?;
    let certificate = lab.device_certificate("meter-2")?;
    for backend in Backend::ALL {
        let tls =
            trusting(&lab, *backend).identity(certificate.chain.as_str(), certificate.key.as_str());
        let upload = file(&lab, "meter-2", Proof::Certificate);
        let before = lab.log().since(0).len();
        client(tls.clone())
            .upload(&upload, Body::Bytes(b"hello"))
            .await?;
        let log = lab.log().since(0);
        let renegotiated = log[before..]
            .iter()
            .filter(|record| record.code == towpath_lab::log::Code::Renegotiated)
            .count();
        assert!(renegotiated >= 1, "{log:?}");
        assert_eq!(
            stored(&lab, "meter-2", "logs%2Fa%20day.txt").await?,
            b"hello"
        );
        // Who may not renegotiate is told so.
        let stubborn = client(tls.renegotiation(Renegotiation::Never));
        let fault = fault_of(stubborn.upload(&upload, Body::Bytes(b"hello")).await);
        assert_eq!(
            (fault.rung, fault.code),
            (Rung::Tls, Code::RenegotiationOff),
            "{fault}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn what_the_hub_refuses_is_told_in_its_words() -> Done {
    let lab = Lab::start(Config::for_tests().device("meter-1").device("other")).await?;
    let other = key(&lab, "other");
    let client = client(trusting(&lab, Backend::ALL[0]));
    let upload = file(&lab, "meter-1", Proof::Key(&other));
    let fault = fault_of(client.upload(&upload, Body::Bytes(b"")).await);
    assert_eq!(
        (fault.rung, fault.code, fault.number),
        (Rung::Hub, Code::UploadRefused, 401)
    );
    let own = key(&lab, "meter-1");
    let late = Upload {
        unix: NOW,
        ..file(&lab, "meter-1", Proof::Key(&own))
    };
    let fault = fault_of(client.upload(&late, Body::Bytes(b"")).await);
    assert_eq!(
        (fault.code, fault.number),
        (Code::UploadRefused, 401),
        "{fault}"
    );
    // A file of nothing is a file.
    let upload = file(&lab, "meter-1", Proof::Key(&own));
    client.upload(&upload, Body::Bytes(b"")).await?;
    Ok(())
}

#[tokio::test]
async fn each_rung_below_is_named() -> Done {
    let lab = Lab::start(Config::for_tests().device("meter-1")).await?;
    let url = format!("https://localhost:{}/", lab.https().port());
    for backend in Backend::ALL {
        let ask =
            async |tls, url: &str| fault_of(client(tls).exchange(Request::new("GET", url)).await);
        let stranger = TlsOptions::new().backend(*backend).ca(STRANGER);
        let fault = ask(stranger, &url).await;
        assert_eq!(
            (fault.rung, fault.code),
            (Rung::Tls, Code::ServerCertificateUntrusted)
        );
        let number = lab.faults().switch_on("cert-expired".parse::<Setting>()?)?;
        let fault = ask(trusting(&lab, *backend), &url).await;
        assert_eq!(fault.code, Code::ServerCertificateExpired);
        lab.faults().switch_off(number);
    }
    let free = TcpListener::bind("127.0.0.1:0").await?.local_addr()?;
    let refused = format!("http://{free}/");
    let fault = fault_of(
        client(TlsOptions::new())
            .exchange(Request::new("GET", &refused))
            .await,
    );
    assert_eq!((fault.rung, fault.code), (Rung::Tcp, Code::Refused));
    let nowhere = Request::new("GET", "https://no-such-host.invalid/");
    let fault = fault_of(client(TlsOptions::new()).exchange(nowhere).await);
    assert_eq!(fault.rung, Rung::Dns, "{fault}");
    Ok(())
}

/// A root that signed nothing here.
const STRANGER: &str = include_str!("https/stranger.pem");

/// A server that reads a request's head, then says this and hangs up, or stays silent.
async fn server(answer: &'static [u8], hang_up: bool) -> Result<String, Box<dyn Error>> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("a client");
        read_head(&mut stream).await;
        stream.write_all(answer).await.expect("it listens");
        if !hang_up {
            // Until the client has had enough.
            let _ = stream.read(&mut [0]).await;
        }
    });
    Ok(format!("http://{address}/file"))
}

async fn read_head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.expect("a head"));
    }
    String::from_utf8(head).expect("of text")
}

fn hasty() -> Client {
    Client::new(Settings {
        via: Via::Direct,
        patience: Duration::from_millis(300),
        ..Settings::default()
    })
}

#[tokio::test]
async fn an_answer_that_breaks_off_or_never_comes() -> Done {
    let ask = async |answer, hang_up| -> Result<_, Box<dyn Error>> {
        let url = server(answer, hang_up).await?;
        let client = hasty();
        let read = async {
            let mut answer = client.exchange(Request::new("GET", &url)).await?;
            answer.read_to_end(100).await
        };
        Ok(read.await)
    };
    let whole = ask(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", false).await?;
    assert_eq!(whole?, b"hello");
    let chunked =
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n";
    assert_eq!(ask(chunked, false).await??, b"hello");
    let until_the_end = ask(b"HTTP/1.1 200 OK\r\n\r\nhello", true).await?;
    assert_eq!(until_the_end?, b"hello");
    for (answer, hang_up, code, number) in [
        (
            &b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nhello"[..],
            true,
            Code::HttpCut,
            2,
        ),
        (b"HTTP/1.1 200 OK\r\nContent-", true, Code::HttpCut, 0),
        (b"", true, Code::HttpCut, 0),
        (b"", false, Code::HttpTimeout, 300),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nhello",
            false,
            Code::HttpTimeout,
            300,
        ),
        (b"SSH-2.0-OpenSSH\r\n", true, Code::HttpMalformed, 0),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 101\r\n\r\n",
            false,
            Code::HttpTooLarge,
            100,
        ),
    ] {
        let fault = fault_of(ask(answer, hang_up).await?);
        assert_eq!(
            (fault.rung, fault.code, fault.number),
            (Rung::Hub, code, number),
            "{fault}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn a_range_and_fields_go_along_and_nothing_that_would_be_a_second_request() -> Done {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}/file?sig=secret", listener.local_addr()?);
    let serve = async {
        let (mut stream, _) = listener.accept().await?;
        let head = read_head(&mut stream).await;
        stream
            .write_all(
                b"HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 3-4/5\r\nContent-Length: 2\r\n\r\nlo",
            )
            .await?;
        Ok::<_, Box<dyn Error>>(head)
    };
    let ask = async {
        let mut request = Request::new("GET", &url);
        request.fields = &[("If-Range", "\"1\"")];
        request.range = Some(Range {
            first: 3,
            last: None,
        });
        let shown = format!("{request:?}");
        assert!(!shown.contains("secret"), "{shown}");
        let mut answer = hasty().exchange(request).await?;
        assert_eq!(
            answer.answer().content_range.and_then(|range| range.part),
            Some((3, 4))
        );
        Ok::<_, Box<dyn Error>>(answer.read_to_end(10).await?)
    };
    let (head, body) = tokio::join!(serve, ask);
    let head = head?;
    assert!(
        head.contains("\r\nRange: bytes=3-\r\n") && head.contains("\r\nIf-Range: \"1\"\r\n"),
        "{head}"
    );
    assert_eq!(body?, b"lo");
    let mut request = Request::new("GET", &url);
    request.fields = &[("A", "b\r\nHost: other")];
    assert!(matches!(
        hasty().exchange(request).await,
        Err(towpath::Error::Url { .. })
    ));
    Ok(())
}

/// A proxy that lets through, and counts.
async fn proxy() -> Result<(String, tokio::sync::mpsc::UnboundedReceiver<String>), Box<dyn Error>> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let (tell, told) = tokio::sync::mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let head = read_head(&mut client).await;
            let to = head.split(' ').nth(1).expect("a target").to_owned();
            let mut server = TcpStream::connect(&to).await.expect("the server");
            let _ = tell.send(to);
            client
                .write_all(b"HTTP/1.1 200 OK\r\n\r\n")
                .await
                .expect("it listens");
            tokio::spawn(async move {
                let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
            });
        }
    });
    Ok((format!("http://{address}"), told))
}

#[tokio::test]
async fn the_path_is_that_of_a_connection_with_its_proxy() -> Done {
    let lab = Lab::start(Config::for_tests().device("meter-1")).await?;
    let (proxy, mut told) = proxy().await?;
    let options = Options::new(&lab.wss_url())?
        .proxy(Proxy::parse(&proxy)?)
        .tls(TlsOptions::new().ca(lab.root_pem()).alpn(["mqtt"]));
    let key = key(&lab, "meter-1");
    let client = Client::new(Settings::like(&options));
    client
        .upload(
            &file(&lab, "meter-1", Proof::Key(&key)),
            Body::Bytes(b"hello"),
        )
        .await?;
    assert_eq!(
        stored(&lab, "meter-1", "logs%2Fa%20day.txt").await?,
        b"hello"
    );
    for _ in 0..3 {
        let to = told.recv().await.ok_or("the proxy is gone")?;
        assert_eq!(to, format!("localhost:{}", lab.https().port()));
    }
    Ok(())
}

#[tokio::test]
async fn a_body_goes_on_where_a_dropped_future_left_it() -> Done {
    let lab = Lab::start(Config::for_tests().device("meter-1")).await?;
    let key = key(&lab, "meter-1");
    let body: Vec<u8> = (0..1_000_000_u32)
        .map(|number| number.to_le_bytes()[1])
        .collect();
    client(trusting(&lab, Backend::ALL[0]))
        .upload(&file(&lab, "meter-1", Proof::Key(&key)), Body::Bytes(&body))
        .await?;
    let page = lab.page().ok_or("no page")?;
    let url = format!("http://{page}/api/hubs/localhost/devices/meter-1/files/logs%2Fa%20day.txt");
    let mut answer = client(TlsOptions::new())
        .exchange(Request::new("GET", &url))
        .await?;
    let mut read = Vec::new();
    loop {
        // Polled once and dropped, again and again.
        let piece = tokio::select! {
            biased;
            piece = answer.chunk() => match piece? {
                Some(piece) => piece.to_vec(),
                None => break,
            },
            () = tokio::task::yield_now() => continue,
        };
        read.extend_from_slice(&piece);
    }
    assert!(read == body);
    Ok(())
}
