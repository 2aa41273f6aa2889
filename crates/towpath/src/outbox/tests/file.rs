//! The file itself: who may read it, who has it, what is in it when it was damaged.

use std::{fs, path::PathBuf};

use super::{
    super::{Bounds, Error, Outbox},
    all, bodies,
    platter::Random,
    run,
};

struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn folder(name: &str) -> Folder {
    let folder = std::env::temp_dir().join(format!("towpath-outbox-{name}-{}", std::process::id()));
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).expect("a folder");
    Folder(folder)
}

async fn fill(outbox: &Outbox, range: std::ops::Range<u64>) {
    for number in range {
        let pushed = outbox
            .push(Some(1), None, "", format!("m{number}").as_bytes())
            .await;
        pushed.expect("it is taken");
    }
}

#[test]
fn what_was_accepted_is_there_again_in_order_and_numbers_go_on() {
    let folder = folder("again");
    let path = folder.0.join("outbox");
    let outbox = Outbox::open(&path, Bounds::default()).expect("it opens");
    run(async {
        fill(&outbox, 0..3).await;
        assert_eq!(bodies(&outbox, None), ["m0", "m1", "m2"]);
        outbox.remove(2);
        assert_eq!(bodies(&outbox, None), ["m0", "m2"]);
        outbox.close().await;
        let closed = outbox.push(None, None, "", b"").await;
        assert_eq!(closed, Err(Error::Closed));
        assert_eq!(outbox.next_after(None, None), Err(Error::Closed));
    });
    let outbox = Outbox::open(&path, Bounds::default()).expect("it opens");
    assert_eq!(bodies(&outbox, None), ["m0", "m2"]);
    outbox.remove(1);
    outbox.remove(3);
    assert!(outbox.is_empty());
    // Dropping the last handle writes what was removed.
    drop(outbox);
    let outbox = Outbox::open(&path, Bounds::default()).expect("it opens");
    assert!(outbox.is_empty());
    assert_eq!(outbox.counts().delivered, 3);
    assert_eq!(run(outbox.push(None, None, "", b"next")), Ok(4));
}

#[test]
fn somebody_who_waits_is_told_of_a_push() {
    let outbox = Outbox::memory(Bounds::default());
    run(async {
        let other = outbox.clone();
        let (_, pushed) = tokio::join!(outbox.changed(), other.push(None, None, "", b"x"));
        pushed.expect("it is taken");
        fill(&outbox, 0..2).await;
        outbox.changed().await;
    });
}

#[cfg(unix)]
#[test]
fn only_its_owner_reads_the_file() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = folder("mode");
    let path = folder.0.join("outbox");
    let mode = || {
        fs::metadata(&path)
            .expect("it is there")
            .permissions()
            .mode()
            & 0o777
    };
    drop(Outbox::open(&path, Bounds::default()).expect("it opens"));
    assert_eq!(mode(), 0o600);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("it is ours");
    drop(Outbox::open(&path, Bounds::default()).expect("it opens"));
    assert_eq!(mode(), 0o600);
}

#[test]
fn a_file_that_was_half_made_when_the_power_went_is_made_anew() {
    let folder = folder("half");
    let path = folder.0.join("outbox");
    fs::write(folder.0.join("outbox.new"), [0; 5000]).expect("a file");
    let outbox = Outbox::open(&path, Bounds::default()).expect("it opens");
    run(fill(&outbox, 0..1));
    let left: Vec<_> = fs::read_dir(&folder.0).expect("a folder").collect();
    assert_eq!(left.len(), 1, "{left:?}");
}

#[test]
fn a_second_one_is_told_that_the_file_is_in_use() {
    let folder = folder("twice");
    let path = folder.0.join("outbox");
    let _first = Outbox::open(&path, Bounds::default()).expect("it opens");
    let error = Outbox::open(&path, Bounds::default()).expect_err("it is in use");
    assert_eq!(error, Error::InUse { path: path.clone() });
    let text = error.to_string();
    assert!(
        text.contains("another process has this outbox open"),
        "{text}"
    );
    assert!(text.contains(path.to_str().expect("a text")), "{text}");
}

#[test]
fn a_file_that_is_no_outbox_is_named_and_left_alone() {
    let folder = folder("other");
    let path = folder.0.join("outbox");
    fs::write(&path, "something else that somebody needs".repeat(500)).expect("a file");
    let before = fs::read(&path).expect("it is there");
    let error = Outbox::open(&path, Bounds::default()).expect_err("it is no outbox");
    assert!(matches!(error, Error::Damaged { .. }), "{error:?}");
    assert!(
        error
            .to_string()
            .starts_with(path.to_str().expect("a text")),
        "{error}"
    );
    assert_eq!(fs::read(&path).expect("it is there"), before);

    let nowhere = folder.0.join("none").join("outbox");
    let error = Outbox::open(&nowhere, Bounds::default()).expect_err("there is no folder");
    assert!(matches!(error, Error::Storage { .. }), "{error:?}");
    assert!(
        error
            .to_string()
            .contains(nowhere.to_str().expect("a text")),
        "{error}"
    );
}

/// Changes every copy of a text.
fn spoil(bytes: &mut [u8], text: &[u8]) {
    let copies = bytes
        .windows(text.len())
        .enumerate()
        .filter(|(_, window)| *window == text);
    let copies: Vec<usize> = copies.map(|(at, _)| at).collect();
    for at in copies {
        bytes[at] ^= 1;
    }
}

/// Any damage at all: what is given out is what was put in, in order, or there is an error. Never a panic.
#[test]
fn a_damaged_file_gives_an_error_or_whole_messages() {
    let folder = folder("damaged");
    let path = folder.0.join("outbox");
    let outbox = Outbox::open(&path, Bounds::default()).expect("it opens");
    run(async {
        fill(&outbox, 0..200).await;
        outbox.close().await;
    });
    let whole = fs::read(&path).expect("it is there");
    let rounds = 150;
    let (mut unopened, mut fewer) = (0, 0);
    for seed in 0..rounds {
        let mut random = Random::new(seed);
        let mut bytes = whole.clone();
        let used = 200 * 1024;
        if seed % 5 == 0 {
            bytes.truncate(usize::try_from(random.below(used)).expect("it is small"));
        } else if seed % 5 == 1 {
            spoil(
                &mut bytes,
                format!("m{}", 100 + random.below(100)).as_bytes(),
            );
        } else {
            for _ in 0..=random.below(20) {
                let at = usize::try_from(random.below(used)).expect("it is small");
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1 << random.below(8);
                }
            }
        }
        fs::write(&path, &bytes).expect("it is ours");
        let outbox = match Outbox::open(&path, Bounds::default()) {
            Ok(outbox) => outbox,
            Err(error) => {
                assert!(error.to_string().contains("outbox"), "{error}");
                unopened += 1;
                continue;
            }
        };
        let mut last = 0;
        while let Ok(Some(stored)) = outbox.next_after((last > 0).then_some(last), None) {
            let number = stored.sequence - 1;
            assert_eq!(stored.body, format!("m{number}").as_bytes());
            assert!(stored.sequence > last);
            last = stored.sequence;
        }
        fewer += u64::from(outbox.counts().damaged > 0);
        let _ = run(outbox.push(None, None, "", b"more"));
        run(outbox.close());
    }
    println!(
        "of {rounds} damaged files {unopened} could not be opened, {fewer} had damaged messages"
    );
    assert!(unopened > 0 && fewer > 0, "{unopened} {fewer}");
}

#[test]
fn more_than_the_cache_holds_is_read_in_order() {
    let folder = folder("large");
    let outbox = Outbox::open(folder.0.join("outbox"), Bounds::default()).expect("it opens");
    run(async {
        // Six megabytes, of which half a one is in memory; the largest is larger than that.
        let body = |number: usize| vec![number as u8; 1 + number * 7919 % 200_000];
        for number in 0..60 {
            outbox
                .push(None, None, "", &body(number))
                .await
                .expect("it is taken");
        }
        outbox
            .push(None, None, "", &vec![9; 900_000])
            .await
            .expect("it is taken");
        let found = all(&outbox, None);
        assert_eq!(found.len(), 61);
        for (number, stored) in found.iter().enumerate().take(60) {
            assert_eq!(
                (stored.sequence, &stored.body),
                (number as u64 + 1, &body(number))
            );
        }
        outbox.close().await;
    });
}
