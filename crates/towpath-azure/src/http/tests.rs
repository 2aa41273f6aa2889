extern crate std;
use std::{
    format,
    string::{String, ToString as _},
    vec::Vec,
};

use proptest::prelude::*;

use super::*;

/// Feeds an answer in pieces of `size` bytes: the head, the body, and what was left over.
fn read(
    response: &mut Response,
    bytes: &[u8],
    size: usize,
) -> Result<(Option<Answer>, Vec<u8>, usize), Problem> {
    let (mut head, mut body, mut taken) = (None, Vec::new(), 0);
    for piece in bytes.chunks(size) {
        let mut rest = piece;
        loop {
            let (more, step) = response.feed(rest)?;
            rest = &rest[more..];
            taken += more;
            match step {
                Step::Head => head = response.answer().cloned(),
                Step::Body(piece) => body.extend_from_slice(piece),
                Step::More => break assert!(rest.is_empty()),
                Step::End => return Ok((head, body, bytes.len() - taken)),
            }
        }
    }
    Ok((head, body, bytes.len() - taken))
}

fn whole(bytes: &str) -> (Answer, String, usize) {
    let mut ends = [1, 2, 7, bytes.len()].map(|size| {
        let (head, body, left) = read(&mut Response::new(), bytes.as_bytes(), size).unwrap();
        (head.unwrap(), String::from_utf8(body).unwrap(), left)
    });
    let [first, rest @ ..] = &mut ends;
    assert!(rest.iter().all(|end| end == first), "{ends:?}");
    first.clone()
}

fn problem(bytes: &str) -> Problem {
    let by_byte = read(&mut Response::new(), bytes.as_bytes(), 1).unwrap_err();
    let mut response = Response::new();
    assert_eq!(read(&mut response, bytes.as_bytes(), 4096), Err(by_byte));
    assert_eq!(
        response.feed(b"HTTP/1.1 200 OK\r\n"),
        Err(by_byte),
        "it stays so"
    );
    assert_eq!(response.closed(), Err(by_byte));
    assert_eq!(response.answer(), None);
    by_byte
}

#[test]
fn a_part_of_a_file() {
    let (answer, body, left) = whole(
        "HTTP/1.1 206 Partial Content\r\nServer: nginx\r\nContent-Length: 5\r\n\
         content-range: bytes 10-14/1000\r\nETag: \"v1\"\r\nLast-Modified: Mon, 02 Nov 2026 10:00:00 GMT\r\n\r\nhelloHTTP",
    );
    assert_eq!(
        (body.as_str(), left),
        ("hello", 4),
        "the rest is the next answer's"
    );
    assert_eq!(answer.status, 206);
    assert_eq!(answer.reason.as_str(), "Partial Content");
    assert_eq!(answer.content_length, Some(5));
    let range = answer.content_range.unwrap();
    assert_eq!((range.part, range.whole), (Some((10, 14)), Some(1000)));
    assert_eq!(answer.etag.as_deref(), Some("\"v1\""));
    assert_eq!(
        answer.last_modified.as_deref(),
        Some("Mon, 02 Nov 2026 10:00:00 GMT")
    );
    assert!(answer.keep_alive);
}

#[test]
fn chunks_with_extensions_and_trailers() {
    let (answer, body, left) = whole(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n\
         5;a=b\r\nhello\r\n0A\r\n, it is me\r\n0\r\nDigest: x\r\n\r\n+",
    );
    assert_eq!((body.as_str(), left), ("hello, it is me", 1));
    assert_eq!(answer.content_length, None);
}

#[test]
fn up_to_the_end_of_the_connection() {
    let mut response = Response::new();
    let bytes = b"HTTP/1.0 200 OK\r\n\r\nall of it";
    let (head, body, _) = read(&mut response, bytes, 3).unwrap();
    assert_eq!(body, b"all of it");
    assert!(!head.unwrap().keep_alive);
    assert!(!response.is_done());
    assert_eq!(response.closed(), Ok(()));
    assert!(response.is_done());
}

#[test]
fn answers_without_a_body() {
    let (answer, body, left) = whole("HTTP/1.1 204 No Content\r\nContent-Length: 7\r\n\r\nHTTP");
    assert_eq!((answer.status, body.as_str(), left), (204, "", 4));
    whole("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    let (head, body, _) = read(
        &mut Response::without_body(),
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 9\r\n\r\n",
        80,
    )
    .unwrap();
    assert_eq!((head.unwrap().content_length, body.len()), (Some(9), 0));
}

#[test]
fn interim_answers_are_passed_over() {
    let (answer, body, _) = whole(
        "HTTP/1.1 103 Early Hints\r\nContent-Length: 3\r\n\r\n\
         HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\nok",
    );
    assert_eq!((answer.status, body.as_str()), (201, "ok"));
}

#[test]
fn fields_nobody_asks_for_may_be_long() {
    let policy = "default-src 'none'; ".repeat(300);
    let (answer, ..) = whole(&format!(
        "HTTP/1.1 302 Found\r\nContent-Security-Policy: {policy}\r\nLocation: https://cdn.example/x\r\nContent-Length: 0\r\nRetry-After: 120\r\nConnection: Keep-Alive, Close\r\n\r\n"
    ));
    assert_eq!(answer.location.as_deref(), Some("https://cdn.example/x"));
    assert_eq!(answer.retry_after, Some(120));
    assert!(!answer.keep_alive);
}

#[test]
fn what_is_wrong_is_named() {
    let long = "x".repeat(40_000);
    for (answer, expected) in [
        ("SSH-2.0-OpenSSH_9.2\r\n".to_string(), Problem::NotHttp),
        ("HTTP/1.1 20 OK\r\n".into(), Problem::NotHttp),
        ("HTTP/1.1 200 OK\r\nno field\r\n".into(), Problem::Field),
        (
            "HTTP/1.1 200 OK\r\nA: 1\r\n folded: 2\r\n".into(),
            Problem::Field,
        ),
        (long.clone(), Problem::HeadTooLong),
        (
            format!("HTTP/1.1 200 OK\r\nA: {long}"),
            Problem::HeadTooLong,
        ),
        (
            format!("HTTP/1.1 302 F\r\nLocation: /{}\r\n", &long[..2000]),
            Problem::LocationTooLong,
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: +5\r\n".into(),
            Problem::Length,
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 5, 6\r\n".into(),
            Problem::Length,
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n".into(),
            Problem::Length,
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n".into(),
            Problem::Length,
        ),
        (
            "HTTP/1.1 206 P\r\nContent-Range: bytes 9-1/10\r\n".into(),
            Problem::ContentRange,
        ),
        (
            "HTTP/1.1 206 P\r\nContent-Range: bytes 0-10/10\r\n".into(),
            Problem::ContentRange,
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n".into(),
            Problem::Coding,
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, gzip\r\n\r\n".into(),
            Problem::Coding,
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n".into(),
            Problem::Compressed,
        ),
        (
            "HTTP/1.1 101 Switching Protocols\r\n\r\n".into(),
            Problem::Switched,
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nhello\r\n".into(),
            Problem::Chunk,
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n".into(),
            Problem::Chunk,
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10000000000000000\r\n".into(),
            Problem::Chunk,
        ),
    ] {
        assert_eq!(
            problem(&answer),
            expected,
            "{}",
            &answer[..answer.len().min(80)]
        );
        assert!(!expected.to_string().is_empty());
    }
}

#[test]
fn an_answer_that_is_cut_says_what_is_missing() {
    for (answer, missing) in [
        ("", None),
        ("HTTP/1.1 200", None),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello",
            Some(5),
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
            None,
        ),
    ] {
        let mut response = Response::new();
        read(&mut response, answer.as_bytes(), 4).unwrap();
        assert_eq!(response.closed(), Err(Problem::Cut { missing }), "{answer}");
    }
}

#[test]
fn an_answer_fits_a_small_stack() {
    assert!(size_of::<Response>() <= 4096, "{}", size_of::<Response>());
}

#[test]
fn both_framings_at_once_end_the_connection() {
    let (answer, body, _) = whole(
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n",
    );
    assert_eq!((body.as_str(), answer.keep_alive), ("a", false));
}

fn written(request: &Request<'_>) -> Result<String, Unwritable> {
    let mut out = String::new();
    request.write(&mut out).map(|()| out)
}

#[test]
fn a_request_for_a_part() {
    let url = Url::parse("https://[2001:db8::1]:8443/fw.bin?v=2#top").unwrap();
    assert_eq!(
        (url.secure, url.host, url.port),
        (true, "2001:db8::1", 8443)
    );
    let request = Request {
        range: Some(Range {
            first: 100,
            last: Some(199),
        }),
        fields: &[("If-Range", &"\"v1\"")],
        ..Request::get(url.authority, &url.target)
    };
    assert_eq!(
        written(&request).unwrap(),
        "GET /fw.bin?v=2 HTTP/1.1\r\nHost: [2001:db8::1]:8443\r\nAccept-Encoding: identity\r\n\
         If-Range: \"v1\"\r\nRange: bytes=100-199\r\n\r\n"
    );
    let mut small: heapless::String<40> = heapless::String::new();
    assert_eq!(request.write(&mut small), Err(Unwritable::Full));
    let request = Request {
        method: "PUT",
        content_length: Some(0),
        close: true,
        range: Some(Range {
            first: 7,
            last: None,
        }),
        ..Request::get("a", &"/")
    };
    assert_eq!(
        written(&request).unwrap(),
        "PUT / HTTP/1.1\r\nHost: a\r\nAccept-Encoding: identity\r\nRange: bytes=7-\r\n\
         Content-Length: 0\r\nConnection: close\r\n\r\n"
    );
}

#[test]
fn nothing_can_be_smuggled_into_a_request() {
    let good = Request::get("a", &"/");
    for (request, expected) in [
        (
            Request {
                method: "GET /x",
                ..good
            },
            Unwritable::Method,
        ),
        (
            Request {
                host: "a\r\nX: y",
                ..good
            },
            Unwritable::Host,
        ),
        (Request { host: "", ..good }, Unwritable::Host),
        (
            Request {
                target: &"",
                ..good
            },
            Unwritable::Target,
        ),
        (
            Request {
                target: &"a",
                ..good
            },
            Unwritable::Target,
        ),
        (
            Request {
                target: &"/a b",
                ..good
            },
            Unwritable::Target,
        ),
        (
            Request {
                target: &"/a\r\n",
                ..good
            },
            Unwritable::Target,
        ),
        (
            Request {
                fields: &[("X Y", &1)],
                ..good
            },
            Unwritable::Field,
        ),
        (
            Request {
                fields: &[("X", &"1\r\nY: 2")],
                ..good
            },
            Unwritable::Field,
        ),
    ] {
        assert_eq!(written(&request), Err(expected));
    }
    let secret = Request {
        fields: &[("Authorization", &"secret")],
        target: &"/?sig=secret",
        ..good
    };
    assert!(!format!("{secret:?}").contains("secret"));
}

#[test]
fn addresses() {
    let url = Url::parse("HTTP://example.com").unwrap();
    assert_eq!(
        (url.secure, url.host, url.port, url.target),
        (false, "example.com", 80, "/")
    );
    let url = Url::parse("https://example.com/a?sig=secret").unwrap();
    assert_eq!(format!("{url} {url:?}").matches("secret").count(), 0);
    assert_eq!(url.follow("/b").unwrap().target, "/b");
    assert_eq!(url.follow("//c/d").unwrap().host, "c");
    assert!(!url.follow("http://c:81/d").unwrap().secure);
    assert_eq!(url.follow("b"), Err(UrlError::Scheme));
    for (text, expected) in [
        ("ftp://a/", UrlError::Scheme),
        ("a/b", UrlError::Scheme),
        ("https:///a", UrlError::Host),
        ("https://user:secret@a/", UrlError::Host),
        ("https://u@a/", UrlError::Host),
        ("https://[::1/", UrlError::Host),
        ("https://[::1]x/", UrlError::Host),
        ("https://a:0/", UrlError::Port),
        ("https://a:+80/", UrlError::Port),
        ("https://a:65536/", UrlError::Port),
        ("https://a?b", UrlError::Path),
        ("https://a/b c", UrlError::Path),
    ] {
        assert_eq!(Url::parse(text), Err(expected), "{text}");
    }
}

proptest! {
    #[test]
    fn noise_never_panics_and_reads_the_same_in_any_pieces(
        noise in "(HTTP/1.[01] [12]0[0-6] O\r\n)?((Content-Length|Content-Range|Transfer-Encoding|A|ETag): [a-z0-9 /,*-]{0,9}\r\n){0,4}(\r\n)?[0-9a-f;\r\n]{0,40}",
        size in 1usize..20,
    ) {
        let one = read(&mut Response::new(), noise.as_bytes(), noise.len().max(1));
        let many = read(&mut Response::new(), noise.as_bytes(), size);
        prop_assert_eq!(one, many);
    }

    #[test]
    fn any_bytes_never_panic(bytes: Vec<u8>, size in 1usize..20) {
        let mut response = Response::new();
        let _ = read(&mut response, &bytes, size);
        let _ = response.closed();
    }

    #[test]
    fn a_chunked_body_comes_back(pieces: Vec<Vec<u8>>, size in 1usize..50) {
        let mut bytes = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
        for piece in pieces.iter().filter(|piece| !piece.is_empty()) {
            bytes.extend(format!("{:x}\r\n", piece.len()).bytes());
            bytes.extend(piece);
            bytes.extend(b"\r\n");
        }
        bytes.extend(b"0\r\n\r\n");
        let mut response = Response::new();
        let (_, body, left) = read(&mut response, &bytes, size).unwrap();
        prop_assert_eq!(left, 0);
        prop_assert!(response.is_done());
        prop_assert_eq!(body, pieces.concat());
    }

    #[test]
    fn any_address_is_read_or_refused(text: String, rest in "[a-z0-9:/?#\\[\\]@. -]{0,30}") {
        let _ = Url::parse(&text);
        if let Ok(url) = Url::parse(&format!("http://{rest}")) {
            prop_assert!(written(&Request::get(url.authority, &url.target)).is_ok());
            let _ = url.follow(&text);
        }
    }
}
