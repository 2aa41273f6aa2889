//! `boot` with images for its slots: swapped, confirmed, rolled back; and the power cut at any moment of it.

use std::{fs, sync::OnceLock};

use firmware::{Board, Ended, image};

/// How large an image is for the tests that cut its writing: some pages, and not whole words.
const LENGTH: usize = 40_001;

fn first() -> &'static [u8] {
    static IMAGE: OnceLock<Vec<u8>> = OnceLock::new();
    IMAGE.get_or_init(|| image("first"))
}

/// An image that is filled up to `LENGTH`.
fn filled(name: &str) -> Vec<u8> {
    let mut image = image(name);
    assert!(image.len() < LENGTH, "{name} has grown");
    image.extend((image.len()..LENGTH).map(|at| (at % 251) as u8));
    image
}

/// A board from the factory, whose first image will install `update`.
fn factory(update: &[u8]) -> Board {
    Board::new("boot")
        .nic("none")
        .file("flash.bin", first())
        .file("update.bin", update)
        .setting("update", "yes")
}

/// A board whose flash is as another one has left it.
fn board(flash: &[u8], update: &[u8]) -> Board {
    factory(update).file("flash.bin", flash)
}

fn flash(board: &Board) -> Vec<u8> {
    fs::read(board.path("flash.bin")).expect("the flash")
}

/// What is in place is this image, to its last byte.
#[track_caller]
fn assert_in_place(board: &Board, image: &[u8], ended: &Ended) {
    let same = flash(board).get(..image.len()) == Some(image);
    assert!(same, "another image is in place: {}", ended.text());
}

/// The flash of a board on which `update` was written and marked for boot, and how many operations that took.
fn marked(update: &[u8]) -> (Vec<u8>, u32) {
    let board = factory(update).setting("restart", "no");
    let text = board.run().done();
    let operations = text.lines().find_map(|line| {
        let number = line.strip_prefix("first: ")?.strip_suffix(" operations")?;
        number.parse().ok()
    });
    (flash(&board), operations.expect("it says how many"))
}

/// Each so often, so that the tests are quick: for all, set `TOWPATH_EVERY_CUT`.
fn step(often: usize) -> usize {
    match std::env::var_os("TOWPATH_EVERY_CUT") {
        Some(_) => 1,
        None => often,
    }
}

const ENDS: [&str; 3] = ["start", "end", "scattered"];

/// Numbers without an order, the same each time.
fn dice(mut state: u32) -> impl FnMut(u32) -> u32 {
    move |below| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) % below
    }
}

#[test]
fn an_image_is_swapped_in_and_confirms_itself() {
    let second = image("second");
    let board = factory(&second);
    let ended = board.run();
    let text = ended.done();
    assert!(
        text.contains("boot: a new image is in place, on probation"),
        "{text}"
    );
    assert!(text.contains("second: Testing"), "{text}");
    assert_in_place(&board, &second, &ended);
    let text = board.run().done();
    assert!(
        text.contains("second: Confirmed") && !text.contains("boot: "),
        "{text}"
    );
}

#[test]
fn an_image_that_panics_is_rolled_back() {
    let board = factory(&image("broken"));
    let text = board.run().with_code(101);
    assert!(text.contains("broken: Ok(Testing)"), "{text}");
    let ended = board.run();
    let text = ended.done();
    assert!(
        text.contains("boot: the image before is in place again"),
        "{text}"
    );
    assert!(text.contains("first: RolledBack"), "{text}");
    assert_in_place(&board, first(), &ended);
    // It stays so, and the next image is tried all the same.
    assert!(board.run().done().contains("first: RolledBack"));
}

#[test]
fn power_that_is_cut_while_an_image_is_written_costs_no_more_than_time() {
    let second = filled("second");
    let (_, operations) = marked(&second);
    let mut resumed = 0;
    for (end, often) in ENDS.into_iter().zip([3, 7, 7]) {
        for cut in (1..=operations as usize).step_by(step(often)) {
            let board = factory(&second)
                .setting("flash-cut", cut)
                .setting("flash-cut-erasing", end);
            let ended = board.run();
            let text = ended.done();
            assert_eq!(
                text.matches("second: Testing").count(),
                1,
                "{end}, {cut}: {text}"
            );
            assert_in_place(&board, &second, &ended);
            // The start of the image that was kept was not fetched again.
            let whole = format!("first: {LENGTH} of {LENGTH} bytes came");
            resumed += usize::from(!text.contains(&whole));
        }
    }
    assert!(resumed > 0, "a download went on behind what was kept");
}

#[test]
fn power_that_is_cut_while_images_are_swapped_leaves_one_that_boots() {
    let second = filled("second");
    let (flash, _) = marked(&second);
    // 128 pages go to and fro: an erasing, four writings and a mark each time.
    let swap = 128 * 2 * 6;
    for (end, often) in ENDS.into_iter().zip([71, 131, 137]) {
        for cut in (1..swap + 8).step_by(step(often)) {
            let board = board(&flash, &second)
                .setting("flash-cut", cut)
                .setting("flash-cut-erasing", end);
            let ended = board.run();
            let text = ended.done();
            // In the last of them it confirms itself, and may be done with it when the power goes.
            assert!(text.contains("second: "), "{end}, {cut}: {text}");
            assert!(!text.contains("first: "), "{end}, {cut}: {text}");
            assert_in_place(&board, &second, &ended);
        }
    }
}

#[test]
fn power_that_is_cut_in_a_roll_back_leaves_the_image_before() {
    let broken = filled("broken");
    let (flash, _) = marked(&broken);
    let board_of_broken = board(&flash, &broken);
    let _ = board_of_broken.run().with_code(101);
    let flash = self::flash(&board_of_broken);
    let revert = 128 * 2 * 6;
    let last = revert + 3;
    for (end, often) in ENDS.into_iter().zip([73, 139, 149]) {
        let cuts = (1..=last).step_by(step(often));
        for cut in cuts.chain(revert..=last + 1) {
            let board = board(&flash, &broken)
                .setting("update", "no")
                .setting("flash-cut", cut)
                .setting("flash-cut-erasing", end);
            let ended = board.run();
            let text = ended.done();
            // Whether it is known that there was a roll-back depends on the moment; what runs doesn't.
            assert!(text.contains("first: "), "{end}, {cut}: {text}");
            assert_in_place(&board, first(), &ended);
        }
    }
}

#[test]
fn power_that_is_cut_again_and_again_only_delays_it() {
    let second = filled("second");
    for (seed, end) in (1..).zip(ENDS) {
        let mut dice = dice(seed);
        // A step of a swap is at most seven operations, so each life gets somewhere.
        let cuts: Vec<_> = (0..150).map(|_| (8 + dice(40)).to_string()).collect();
        let board = factory(&second)
            .setting("flash-cut", cuts.join(","))
            .setting("flash-cut-erasing", end);
        let run = board.start();
        run.until(&["second: "]);
        let ended = run.wait();
        let text = ended.done();
        assert_in_place(&board, &second, &ended);
        println!(
            "{end}: {} lives of the first image",
            text.matches("first: ").count()
        );
    }
}
