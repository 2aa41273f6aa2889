//! A cut of power is a slot that is dropped and opened again: what it says then is what counts.

use tempfile::TempDir;

use super::*;

fn open(folder: &TempDir) -> FileSlot {
    FileSlot::open(folder.path().join("image"), 1 << 20).unwrap()
}

/// A slot whose image 2.0 is marked, over 1.0.
fn marked(folder: &TempDir) {
    let mut slot = open(folder);
    slot.keep(State {
        version: "2.0".into(),
        installed: "1.0".into(),
        phase: Phase::Marked,
        ..State::default()
    })
    .unwrap();
}

fn image() -> Image {
    Image {
        tag: [7; 32],
        size: Some(3),
        validator: None,
    }
}

#[tokio::test]
async fn an_image_counts_only_after_its_program_ended_well() {
    let folder = TempDir::new().unwrap();
    marked(&folder);
    open(&folder).applying().unwrap();

    // The power was cut while the program ran: what runs is still the old version, and the program is to be run again.
    let mut slot = open(&folder);
    assert_eq!(slot.running().await.unwrap(), Running::Applying);
    assert_eq!(
        (slot.version(), slot.marked_version()),
        (Some("1.0"), "2.0")
    );
    slot.applying().unwrap();
    slot.applied().unwrap();
    drop(slot);

    let mut slot = open(&folder);
    assert_eq!(slot.running().await.unwrap(), Running::Testing);
    assert_eq!(slot.version(), Some("2.0"));
    slot.confirm().await.unwrap();
    assert_eq!(slot.running().await.unwrap(), Running::Confirmed);
}

#[tokio::test]
async fn a_program_that_never_ends_well_is_given_up() {
    let folder = TempDir::new().unwrap();
    marked(&folder);
    for _ in 0..TRIES {
        assert_ne!(open(&folder).running().await.unwrap(), Running::RolledBack);
        open(&folder).applying().unwrap();
    }
    let mut slot = open(&folder);
    assert_eq!(slot.running().await.unwrap(), Running::RolledBack);
    assert_eq!(slot.version(), Some("1.0"));
}

#[tokio::test]
async fn a_failure_is_over_when_the_next_image_begins() {
    let folder = TempDir::new().unwrap();
    marked(&folder);
    let mut slot = open(&folder);
    slot.applying().unwrap();
    slot.failed().unwrap();
    assert_eq!(slot.running().await.unwrap(), Running::RolledBack);
    slot.begin(&image()).await.unwrap();
    drop(slot);
    assert_eq!(open(&folder).running().await.unwrap(), Running::Confirmed);
}

#[cfg(target_os = "linux")]
#[test]
fn a_slot_has_one_owner_at_a_time() {
    let folder = TempDir::new().unwrap();
    let first = open(&folder);
    let second = FileSlot::open(folder.path().join("image"), 1 << 20).unwrap_err();
    assert_eq!(second.kind(), io::ErrorKind::WouldBlock);
    assert!(second.to_string().contains("another process"), "{second}");
    drop(first);
    open(&folder);
}
