//! Bad input gets one sentence and the exit code of its class; none of these needs a broker.

mod support;

use std::fs;

use support::{Folder, command, info, json, run, text};

/// A port that nobody listens on: it is reserved, and 1 is below what programs get by themselves.
const NOBODY: &str = "nats://127.0.0.1:1";

#[track_caller]
fn fails(args: &[&str], code: i32, says: &str) {
    let output = run(args);
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{args:?}: {stderr}");
    assert!(stderr.contains(says), "{args:?} said: {stderr}");
    assert!(!stderr.contains("panicked"), "{stderr}");
}

#[test]
fn usage() {
    fails(&[], 2, "Usage");
    fails(&["play", "x", "--no-such-flag"], 2, "--no-such-flag");
    fails(&["recv", "s"], 2, "--discard");
    fails(&["record", "a", "-o", "/nonexistent/x", "--for", "soon"], 2, "soon");
    fails(&["record", "a..b", "-o", "/nonexistent/x"], 2, "empty part");
    fails(&["gen", "-o", "/nonexistent/x", "--size", "9-7"], 2, "smaller size first");
    fails(&["gen", "-o", "/nonexistent/x", "--subjects", "0"], 2, "--subjects");
    fails(&["recv", "s", "--discard", "--user", "ann"], 2, "--password");
    assert_eq!(run(&["--help"]).status.code(), Some(0));
    assert_eq!(run(&["--version"]).status.code(), Some(0));
}

#[test]
fn errors_come_as_json_too() {
    let output = run(&["info", "--json", "/nonexistent/x"]);
    let object = json(&output.stdout);
    assert_eq!(object["exit_code"], 1);
    assert!(object["error"].as_str().is_some_and(|error| error.contains("/nonexistent/x")));
    let output = run(&["play", "--json", "--no-such-flag"]);
    assert_eq!(json(&output.stdout)["exit_code"], 2);
}

#[test]
fn files_that_are_no_captures() {
    let folder = Folder::new();
    let (other, empty) = (folder.path("other"), folder.path("empty"));
    fs::write(&other, vec![b'x'; 10_000]).expect("written");
    fs::write(&empty, b"").expect("written");
    let dir = folder.path(".");
    for command in ["play", "info", "verify", "cat"] {
        fails(&[command, other.to_str().unwrap()], 3, "not a capture");
        fails(&[command, empty.to_str().unwrap()], 3, "empty file");
        fails(&[command, dir.to_str().unwrap()], 1, "is a directory");
        fails(&[command, "/nonexistent/x"], 1, "No such file");
    }
}

#[test]
fn damaged_captures() {
    let folder = Folder::new();
    let whole = folder.capture("whole", &["--messages", "5000"]);
    let bytes = fs::read(&whole).expect("read");

    let cut = folder.path("cut");
    fs::write(&cut, &bytes[..bytes.len() * 2 / 3]).expect("written");
    for command in ["play", "info", "verify", "cat"] {
        fails(&[command, cut.to_str().unwrap()], 3, "without a footer");
    }

    let flipped = folder.path("flipped");
    let mut damaged = bytes.clone();
    damaged[bytes.len() / 2] ^= 1;
    fs::write(&flipped, damaged).expect("written");
    fails(&["verify", flipped.to_str().unwrap()], 3, "digest of a body");
    fails(&["cat", flipped.to_str().unwrap()], 3, "digest of a body");
}

#[test]
fn outputs_that_exist_are_kept_unless_forced() {
    let folder = Folder::new();
    let path = folder.capture("x", &["--messages", "10"]);
    let path = path.to_str().unwrap();
    let before = info(path.as_ref());
    fails(&["gen", "-o", path, "--messages", "20"], 1, "--force");
    assert_eq!(info(path.as_ref()), before);
    assert_eq!(run(&["gen", "-o", path, "--messages", "20", "--force"]).status.code(), Some(0));
    assert_eq!(info(path.as_ref())["messages"], 20);
}

#[test]
fn a_full_disk() {
    fails(&["gen", "-o", "/dev/full", "--messages", "10", "--force"], 1, "no room left");
}

#[test]
fn no_server_and_bad_addresses() {
    let folder = Folder::new();
    let capture = folder.capture("x", &["--messages", "10"]);
    let capture = capture.to_str().unwrap();
    fails(&["play", capture, "--server", NOBODY], 1, "no NATS server at");
    fails(&["recv", "s", "--discard", "--server", NOBODY], 1, "no NATS server at");
    let out = folder.path("out");
    let record = ["record", "a.>", "-o", out.to_str().unwrap(), "--server", NOBODY];
    fails(&record, 1, "no NATS server at");
    assert!(!out.exists());
    fails(&["play", capture, "--server", "http://x y"], 2, "is no server");
    fails(&["play", capture, "--server", NOBODY, "--creds", "/nonexistent/c"], 1, "/nonexistent/c");
    let output = command(&["play", capture]).env("NATS_URL", NOBODY).output().expect("it runs");
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
}

#[test]
fn inspecting() {
    let folder = Folder::new();
    let path = folder.capture("x", &["--messages", "1000", "--size", "0-40000", "--subjects", "3"]);
    let path = path.to_str().unwrap();
    assert_eq!(run(&["verify", path]).status.code(), Some(0));
    let object = info(path.as_ref());
    assert_eq!(object["messages"], 1000);
    assert_eq!(object["subjects"], 3);
    assert_eq!(object["content_digest"].as_str().map(str::len), Some(64));
    let lines = text(&run(&["cat", path]).stdout);
    assert_eq!(lines.lines().count(), 1000);
    let bytes: u64 = lines
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).expect("JSON"))
        .map(|line| line["payload"].as_str().expect("text").len() as u64)
        .sum();
    assert_eq!(object["bytes"], bytes);
    assert_eq!(text(&run(&["cat", path, "--count", "7"]).stdout).lines().count(), 7);
    let again =
        folder.capture("y", &["--messages", "1000", "--size", "0-40000", "--subjects", "3"]);
    assert_eq!(info(&again)["content_digest"], object["content_digest"]);
}
