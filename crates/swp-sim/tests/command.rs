//! The command as its users see it: output, exit codes, and one seed the same each time.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop where it is")]

use std::process::{Command, Output};

fn run(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_swp-sim")).args(args).output().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[test]
fn seeds_pass_and_are_summed_up() {
    let output = run(&["--seeds", "20", "--first", "7", "--jobs", "2"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let text = stdout(&output);
    assert!(text.starts_with("first seed 7, 2 threads\n20 seeds in "), "{text}");
    assert!(text.contains("  loss in bursts\n") && text.ends_with("failed: 0\n"), "{text}");
}

#[test]
fn one_seed_has_one_trace() {
    for seed in ["3", "4", "18446744073709551615"] {
        let output = run(&["--seed", seed, "--trace"]);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        assert_eq!(output, run(&["--seed", seed, "--trace"]));
        let text = stdout(&output);
        assert!(text.starts_with(&format!("seed {seed}\nseed {seed}: ")), "{text}");
        assert!(text.contains(" P0 -> C0 ") && text.contains("--- all heals"), "{text}");
    }
}

#[test]
fn a_plan_is_shown_without_its_trace() {
    let text = stdout(&run(&["--seed", "5"]));
    assert!(text.contains("PublishConfig") && !text.contains("P0 -> C0"), "{text}");
    assert!(text.lines().last().unwrap().starts_with("seed 5 passed: "), "{text}");
}

#[test]
fn what_makes_no_sense_is_refused() {
    for args in [
        &["--seed", "1", "--seeds", "2"][..],
        &["--trace"],
        &["--minutes", "0"],
        &["--minutes", "1", "--seeds", "2"],
        &["--jobs", "0"],
        &["--seed", "-1"],
    ] {
        assert_eq!(run(args).status.code(), Some(2), "{args:?}");
    }
}
