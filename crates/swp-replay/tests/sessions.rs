//! Captures over a real nats-server, from one process to another.

mod support;

use nats_child::NatsServer;
use support::{Folder, Running, info, json, run, text};

/// Plays `args` while a consumer with `recv_args` takes part; returns what both have reported.
fn transfer(
    url: &str,
    play_args: &[&str],
    recv_args: &[&str],
) -> (serde_json::Value, serde_json::Value) {
    let server = ["--server", url, "--json"];
    let recv = Running::start(&[&["recv"], recv_args, &server[..]].concat());
    let played = run(&[&["play"], play_args, &server[..]].concat());
    let (code, received, said) = recv.end();
    assert_eq!(played.status.code(), Some(0), "{}", text(&played.stderr));
    assert_eq!(code, Some(0), "{said}");
    (json(&played.stdout), json(&received))
}

#[test]
fn what_was_played_is_received_whole() {
    let server = NatsServer::start().expect("a server");
    let folder = Folder::new();
    // Some messages exceed a frame, some are empty.
    let capture = folder.capture("ticks", &["--messages", "20000", "--size", "0-40000"]);
    let copy = folder.path("copy");
    let (played, received) = transfer(
        server.url(),
        &[capture.to_str().unwrap()],
        &["ticks", "-o", copy.to_str().unwrap(), "--name", "copier"],
    );
    let (original, copied) = (info(&capture), info(&copy));
    for field in ["content_digest", "messages", "bytes", "first_ns", "last_ns", "subjects"] {
        assert_eq!(original[field], copied[field], "{field}");
    }
    assert_eq!(played["messages"], 20_000);
    assert_eq!(received["messages"], 20_000);
    assert_eq!(played["content_digest"], original["content_digest"]);
    assert_eq!(received["content_digest"], original["content_digest"]);
    assert_eq!(played["consumers"].as_array().map(Vec::len), Some(1));
    assert!(played["consumers"][0]["name"].as_str().is_some_and(|name| name.contains("copier")));
    assert_eq!(run(&["verify", copy.to_str().unwrap()]).status.code(), Some(0));
}

#[test]
fn a_broker_that_takes_less_than_a_body() {
    let server = NatsServer::builder().config_line("max_payload: 4096").start().expect("a server");
    let folder = Folder::new();
    let capture = folder.capture("c", &["--messages", "2000", "--size", "0-20000"]);
    let (played, received) =
        transfer(server.url(), &[capture.to_str().unwrap()], &["c", "--discard"]);
    assert_eq!(received["messages"], 2000);
    assert_eq!(played["content_digest"], received["content_digest"]);
}

#[test]
fn a_flipped_byte_ends_the_replay() {
    let server = NatsServer::start().expect("a server");
    let folder = Folder::new();
    let capture = folder.capture("c", &["--messages", "5000"]);
    let mut bytes = std::fs::read(&capture).expect("read");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&capture, bytes).expect("written");
    for integrity in ["blake3", "none"] {
        let recv = Running::start(&["recv", "c", "--discard", "--server", server.url()]);
        let capture = capture.to_str().unwrap();
        let played = run(&["play", capture, "--server", server.url(), "--integrity", integrity]);
        assert_eq!(played.status.code(), Some(3), "{}", text(&played.stderr));
        assert!(text(&played.stderr).contains("digest of a body"));
        assert_eq!(recv.end().0, Some(4));
    }
}

#[test]
fn a_consumer_that_is_killed_is_named() {
    let server = NatsServer::start().expect("a server");
    let folder = Folder::new();
    let capture = folder.capture("c", &["--messages", "100000"]);
    let mut recv = Running::start(&[
        "recv",
        "c",
        "--discard",
        "--name",
        "victim",
        "--max-rate",
        "1KB",
        "--server",
        server.url(),
    ]);
    let play = Running::start(&[
        "play",
        capture.to_str().unwrap(),
        "--idle-timeout",
        "600ms",
        "--server",
        server.url(),
        "--json",
    ]);
    recv.until("joined");
    recv.signal("KILL");
    let (code, out, said) = play.end();
    assert_eq!(code, Some(4), "{said}");
    assert!(said.contains("victim"), "{said}");
    assert_eq!(json(&out)["exit_code"], 4);
}

#[test]
fn refusals() {
    let server = NatsServer::builder()
        .config_line("authorization { user: ann, password: secret }")
        .start()
        .expect("a server");
    let folder = Folder::new();
    let capture = folder.capture("c", &["--messages", "10"]);
    let capture = capture.to_str().unwrap();
    let with = |password| ["--server", server.url(), "--user", "ann", "--password", password];
    let wrong = run(&[&["play", capture], &with("wrong")[..]].concat());
    assert_eq!(wrong.status.code(), Some(1), "{}", text(&wrong.stderr));
    assert!(text(&wrong.stderr).contains("refused these credentials"));
    let name = run(&[&["play", capture, "--to", "a.*"], &with("secret")[..]].concat());
    assert_eq!(name.status.code(), Some(2), "{}", text(&name.stderr));
    let name = run(&[&["recv", "a..b", "--discard"], &with("secret")[..]].concat());
    assert_eq!(name.status.code(), Some(2), "{}", text(&name.stderr));
    let alone =
        run(&[&["recv", "c", "--discard", "--wait", "300ms"], &with("secret")[..]].concat());
    assert_eq!(alone.status.code(), Some(1), "{}", text(&alone.stderr));

    let mut first = Running::start(&[&["play", capture], &with("secret")[..]].concat());
    first.until("waiting for 1 consumer");
    let second = run(&[&["play", capture], &with("secret")[..]].concat());
    assert_eq!(second.status.code(), Some(1), "{}", text(&second.stderr));
    assert!(text(&second.stderr).contains("another publisher"));
    first.signal("TERM");
    assert_eq!(first.end().0, Some(130));

    let existing = run(&[&["recv", "c", "-o", capture], &with("secret")[..]].concat());
    assert_eq!(existing.status.code(), Some(1));
    assert!(text(&existing.stderr).contains("--force"));
}
