//! Ranges, resumption, redirections, and servers that have them wrong.

use proptest::prelude::*;

use super::*;

#[test]
fn an_image_comes_whole_in_pieces_of_any_size() {
    for (len, piece) in [(1, 1), (63, 1), (64, 7), (65, 64), (1000, usize::MAX)] {
        let image = image(len);
        let (mut slot, mut server) = (Flash::default(), Server::new(URL, &image));
        server.piece = piece;
        let checked = fetch(&job(&image), &mut slot, &mut server).unwrap();
        assert_eq!(slot.bytes, image);
        assert_eq!(
            (checked.size(), *checked.digest()),
            (len as u64, sha256(&image))
        );
        assert_eq!(server.asked, [URL]);
        assert!(slot.marked.is_none(), "fetching marks nothing");
    }
}

#[test]
fn fragments_are_asked_for_one_by_one() {
    let image = image(250);
    let (mut slot, mut server) = (Flash::default(), Server::new(URL, &image));
    fetch(&blind_job(Some(100)), &mut slot, &mut server).unwrap();
    assert_eq!(slot.bytes, image);
    assert_eq!(
        server.asked,
        [
            format!("{URL} 0-99"),
            format!("{URL} 100-199 \"v1\""),
            format!("{URL} 200-249 \"v1\""),
        ]
    );
}

#[test]
fn what_broke_goes_on_where_it_ended() {
    let image = image(1000);
    let (mut slot, mut server) = (Flash::default(), Server::new(URL, &image));
    server.breaks = std::vec![500];
    let failure = fetch(&job(&image), &mut slot, &mut server).unwrap_err();
    assert_eq!(
        (failure.reason, failure.retry),
        (Refused::Unreachable, true)
    );
    assert_eq!(failure.fault, Some(broken()));
    let written = slot.bytes.len() as u64;
    assert!(written > 300 && written < 500 && failure.written == written);
    fetch(&job(&image), &mut slot, &mut server).unwrap();
    assert_eq!(server.asked[1], format!("{URL} {written}- \"v1\""));
    assert_eq!(slot.bytes, image);
}

#[test]
fn parts_without_a_hash_count_only_if_the_server_vouches_for_them() {
    let part = |from: usize, text: &str, tag: &str| {
        let to = from + text.len() - 1;
        let length = text.len();
        format!(
            "HTTP/1.1 206 Part\r\nContent-Range: bytes {from}-{to}/6\r\nContent-Length: {length}\r\n{tag}\r\n{text}"
        )
        .into_bytes()
    };
    let whole = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nABCDEF".to_vec();
    for tags in [["", ""], ["ETag: \"1\"\r\n", ""], ["", "ETag: \"1\"\r\n"]] {
        let (mut slot, mut server) = (Flash::default(), Server::new(URL, b""));
        server.answers = std::vec![
            part(0, "abc", tags[0]),
            part(3, "DEF", tags[1]),
            whole.clone()
        ];
        fetch(&blind_job(Some(3)), &mut slot, &mut server).unwrap();
        assert_eq!(slot.bytes, b"ABCDEF", "no mixture");
        assert_eq!(server.asked[2], URL, "all of it at once");
    }
}

#[test]
fn a_server_without_ranges_sends_all_of_it_again() {
    let image = image(1000);
    let (mut slot, mut server) = (Flash::default(), Server::new(URL, &image));
    server.ranges = false;
    server.breaks = std::vec![500];
    fetch(&job(&image), &mut slot, &mut server).unwrap_err();
    fetch(&job(&image), &mut slot, &mut server).unwrap();
    assert_eq!(slot.bytes, image);
    let mut slot = Flash::default();
    fetch(&blind_job(Some(100)), &mut slot, &mut server).unwrap();
    assert_eq!(slot.bytes, image);
}

#[test]
fn an_image_that_changed_on_its_server_begins_anew() {
    let (old, new) = (image(1000), std::vec![5; 900]);
    let (mut slot, mut server) = (Flash::default(), Server::new(URL, &old));
    server.breaks = std::vec![500];
    fetch(&blind_job(None), &mut slot, &mut server).unwrap_err();
    server
        .files
        .insert(URL.to_string(), (new.clone(), "\"v2\"".to_string()));
    fetch(&blind_job(None), &mut slot, &mut server).unwrap();
    assert_eq!(slot.bytes, new);
}

#[test]
fn a_rest_that_does_not_fit_is_not_the_last_word() {
    // The validator is the same, yet the bytes that were kept are of something else: the hash tells.
    let image = image(1000);
    let (mut slot, mut server) = (Flash::default(), Server::new(URL, &image));
    server.breaks = std::vec![500];
    fetch(&job(&image), &mut slot, &mut server).unwrap_err();
    slot.bytes[3] ^= 1;
    fetch(&job(&image), &mut slot, &mut server).unwrap();
    assert_eq!(slot.bytes, image);
    assert_eq!(server.asked.len(), 3);
}

#[test]
fn a_whole_image_that_was_kept_is_only_looked_at() {
    let image = image(1000);
    let (mut slot, mut server) = (Flash::default(), Server::new(URL, &image));
    fetch(&job(&image), &mut slot, &mut server).unwrap();
    fetch(&job(&image), &mut slot, &mut server).unwrap();
    assert_eq!(server.asked.len(), 1);
}

#[test]
fn what_is_not_the_image_is_refused() {
    let good = image(100);
    let mut other = good.clone();
    other[50] ^= 1;
    let (mut slot, mut server) = (Flash::default(), Server::new(URL, &other));
    let failure = fetch(&job(&good), &mut slot, &mut server).unwrap_err();
    assert_eq!((failure.reason, failure.retry), (Refused::Hash, false));

    for (len, reason) in [(99, Refused::Size), (101, Refused::Size)] {
        let (mut slot, mut server) = (Flash::default(), Server::new(URL, &image(len)));
        let failure = fetch(&job(&good), &mut slot, &mut server).unwrap_err();
        assert_eq!((failure.reason, failure.retry), (reason, false), "{len}");
        assert!(slot.image.is_none(), "not even begun");
    }

    let (mut slot, mut server) = (Flash::default(), Server::new(URL, &good));
    slot.rotten = Some(70);
    let failure = fetch(&job(&good), &mut slot, &mut server).unwrap_err();
    assert_eq!(failure.reason, Refused::ReadBack);

    let (mut slot, mut server) = (Flash::default(), Server::new(URL, &good));
    slot.capacity = Some(99);
    for job in [job(&good), blind_job(None), blind_job(Some(10))] {
        let failure = fetch(&job, &mut slot, &mut server).unwrap_err();
        assert_eq!(failure.reason, Refused::NoRoom);
        assert!(slot.image.is_none(), "not even begun");
    }
}

/// The failure after one answer that a server gives in place of the right one.
fn answered(job: &Job, answer: &str) -> (Failure, Flash) {
    let (mut slot, mut server) = (Flash::default(), Server::new(URL, &image(100)));
    server.files.clear();
    server.answers = std::vec![answer.as_bytes().to_vec()];
    (fetch(job, &mut slot, &mut server).unwrap_err(), slot)
}

#[test]
fn servers_that_have_it_wrong_are_refused() {
    let good = image(100);
    for (head, reason, retry) in [
        (
            "404 Not Found\r\nContent-Length: 0\r\n\r\n",
            Refused::Server,
            false,
        ),
        (
            "403 Forbidden\r\nContent-Length: 0\r\n\r\n",
            Refused::Server,
            false,
        ),
        (
            "503 Busy\r\nRetry-After: 120\r\nContent-Length: 0\r\n\r\n",
            Refused::Server,
            true,
        ),
        (
            "206 Part\r\nContent-Length: 1\r\n\r\nx",
            Refused::Range,
            false,
        ),
        (
            "206 Part\r\nContent-Range: bytes 10-19/100\r\nContent-Length: 10\r\n\r\n0123456789",
            Refused::Range,
            false,
        ),
        (
            "206 Part\r\nContent-Range: bytes 0-9/100\r\nContent-Length: 11\r\n\r\n",
            Refused::Range,
            false,
        ),
        (
            "206 Part\r\nContent-Range: bytes 9-0/100\r\nContent-Length: 10\r\n\r\n",
            Refused::Unreachable,
            true,
        ),
        (
            "206 Part\r\nContent-Range: bytes 0-9/50\r\nContent-Length: 10\r\n\r\n",
            Refused::Size,
            false,
        ),
        (
            "206 Part\r\nContent-Range: octets 0-9/100\r\nContent-Length: 10\r\n\r\n",
            Refused::Unreachable,
            true,
        ),
        (
            "416 No\r\nContent-Range: bytes */100\r\nContent-Length: 0\r\n\r\n",
            Refused::Server,
            false,
        ),
        (
            "302 Found\r\nContent-Length: 0\r\n\r\n",
            Refused::Redirect,
            false,
        ),
        (
            "302 Found\r\nLocation: ftp://files.example/a\r\nContent-Length: 0\r\n\r\n",
            Refused::Redirect,
            false,
        ),
        (
            "302 Found\r\nLocation: other.bin\r\nContent-Length: 0\r\n\r\n",
            Refused::Redirect,
            false,
        ),
        (
            "200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
            Refused::Truncated,
            true,
        ),
        (
            "200 OK\r\nContent-Length: 100\r\n\r\nabc",
            Refused::Unreachable,
            true,
        ),
        ("204 Nothing\r\n\r\n", Refused::Server, false),
    ] {
        let (failure, slot) = answered(&job(&good), &format!("HTTP/1.1 {head}"));
        assert_eq!((failure.reason, failure.retry), (reason, retry), "{head}");
        assert!(slot.marked.is_none());
        if head.starts_with("503") {
            assert_eq!((failure.status, failure.after), (503, Some(120)));
        }
    }
    let (failure, _) = answered(
        &job(&good),
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nC8\r\n",
    );
    assert_eq!(
        failure.reason,
        Refused::Unreachable,
        "a chunk that does not come"
    );
    let (failure, slot) = answered(&blind_job(None), "HTTP/1.1 200 OK\r\n\r\nabc");
    assert_eq!(failure.reason, Refused::NoSize, "nobody says where it ends");
    assert!(slot.image.is_none());
}

#[test]
fn chunks_are_taken_where_the_job_says_the_size() {
    let (mut slot, mut server) = (Flash::default(), Server::new(URL, b""));
    server.answers = std::vec![
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
            .to_vec()
    ];
    fetch(&job(b"abcde"), &mut slot, &mut server).unwrap();
    assert_eq!(slot.bytes, b"abcde");
    server.answers = std::vec![
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nabcdef\r\n0\r\n\r\n".to_vec()
    ];
    let failure = fetch(&job(b"abcdE"), &mut Flash::default(), &mut server).unwrap_err();
    assert_eq!(failure.reason, Refused::Size, "one byte more");
}

#[test]
fn redirections_are_followed_but_not_for_ever_and_never_out_of_tls() {
    let image = image(100);
    let to = |place: &str| {
        format!("HTTP/1.1 307 There\r\nLocation: {place}\r\nContent-Length: 0\r\n\r\n").into_bytes()
    };
    let (mut slot, mut server) = (
        Flash::default(),
        Server::new("https://b.example:444/x/fw?sig=1", &image),
    );
    server.answers = std::vec![
        to("/y"),
        to("https://b.example:444/x/fw"),
        to("/x/fw?sig=1")
    ];
    fetch(&job(&image), &mut slot, &mut server).unwrap();
    assert_eq!(server.asked[1], "http://files.example/y");

    server.answers = (0..9).map(|_| to("/y")).collect();
    server.asked.clear();
    let failure = fetch(&job(&image), &mut Flash::default(), &mut server).unwrap_err();
    assert_eq!((failure.reason, server.asked.len()), (Refused::Redirect, 6));

    server.answers = std::vec![to("https://b.example/"), to("http://b.example/")];
    let failure = fetch(&job(&image), &mut Flash::default(), &mut server).unwrap_err();
    assert_eq!(failure.reason, Refused::Insecure);

    for (url, plain, reason) in [
        ("ftp://files.example/fw", true, Refused::Url),
        ("files.example/fw", true, Refused::Url),
        ("https://user@files.example/fw", true, Refused::Url),
        (URL, false, Refused::Insecure),
    ] {
        let job = Job {
            url: Address::try_from(url).unwrap(),
            plain,
            ..job(&image)
        };
        let failure = fetch(&job, &mut slot, &mut server).unwrap_err();
        assert_eq!(failure.reason, reason, "{url}");
    }
}

#[test]
fn a_query_is_not_shown() {
    let mut secret = job(&image(9));
    secret.url = Address::try_from("https://files.example/fw?sig=secret").unwrap();
    let mut download = Download::new(&secret, None).unwrap();
    let shown = format!("{secret:?} {:?}", download.request());
    assert!(
        !shown.contains("secret") && shown.contains("files.example"),
        "{shown}"
    );
    assert!(!format!("{download:?}").contains("secret"));
}

proptest! {
    #[test]
    fn whatever_a_server_answers_nothing_panics(
        heads in proptest::collection::vec((
            proptest::sample::select(std::vec![200_u16, 206, 301, 302, 307, 404, 416, 500, 503]),
            "(Content-Length: [0-9]{1,3}\r\n|Content-Range: bytes ([0-9]{1,3}-[0-9]{1,3}|\\*)/([0-9]{1,3}|\\*)\r\n|ETag: \"[ab]\"\r\n|Location: (/a|https?://b/c)\r\n|Transfer-Encoding: chunked\r\n){0,3}",
            "[0-9a-f\r\n]{0,80}",
        ), 1..8),
        fragment in proptest::option::of(1_u32..200),
        blind: bool,
        piece in 1_usize..90,
    ) {
        let good = image(100);
        let job = if blind { blind_job(fragment) } else { Job { fragment, ..job(&good) } };
        let (mut slot, mut server) = (Flash::default(), Server::new(URL, &good));
        server.piece = piece;
        server.answers = heads
            .into_iter()
            .map(|(status, fields, body)| format!("HTTP/1.1 {status} X\r\n{fields}\r\n{body}").into_bytes())
            .collect();
        for _ in 0..3 {
            if let Ok(checked) = fetch(&job, &mut slot, &mut server) {
                prop_assert_eq!(*checked.digest(), sha256(&slot.bytes));
                if !blind {
                    prop_assert_eq!(&slot.bytes, &good);
                }
            }
        }
    }

    #[test]
    fn wherever_it_breaks_it_arrives(breaks in proptest::collection::vec(60_usize..400, 0..12), fragment in proptest::option::of(1_u32..300), piece in 1_usize..100) {
        let good = image(777);
        let job = Job { fragment, ..job(&good) };
        let (mut slot, mut server) = (Flash::default(), Server::new(URL, &good));
        server.breaks = breaks;
        server.piece = piece;
        let end = (0..14).find_map(|_| fetch(&job, &mut slot, &mut server).ok());
        prop_assert!(end.is_some());
        prop_assert_eq!(slot.bytes, good);
    }
}
