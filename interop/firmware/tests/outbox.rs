//! `outbox`: the outbox on flash, with the power cut in each writing and erasing of a script, and its wear.

use firmware::Board;

#[test]
fn power_that_is_cut_in_any_writing_or_erasing_loses_nothing_that_was_accepted() {
    let run = Board::new("outbox").start();
    // It takes a while; each of these lines is waited for by itself.
    for cuts in (25..=175).step_by(25) {
        run.until(&[&format!("{cuts} cuts so far")]);
    }
    let cuts = run.until(&["cuts: "]);
    let wear = run.until(&["wear: "]);
    let ended = run.wait();
    let text = ended.done();
    println!("{cuts}\n{wear}\nstack: {} bytes", ended.measured("stack"));
    let [all, erasings] = numbers(&cuts);
    assert!(all > 180 && erasings > 10, "the script is as long: {text}");
    let [messages, least, most] = numbers(&wear);
    assert!(messages >= 3000 && least > 15, "it went round: {text}");
    assert!(
        most - least <= 1,
        "all pages of the queue wear alike: {text}"
    );
}

/// The numbers of a line.
fn numbers<const N: usize>(line: &str) -> [u32; N] {
    let words = line.split([' ', ',']);
    let all: Vec<u32> = words.filter_map(|word| word.parse().ok()).collect();
    <[u32; N]>::try_from(all).unwrap_or_else(|all| panic!("{all:?} in {line:?}"))
}
