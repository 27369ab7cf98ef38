//! Captures over a real nats-server, from one process to another.

mod support;

use nats_child::NatsServer;
use support::{Folder, Running, info, json, run, text};
use swp_replay::capture::{CaptureWriter, Ending, WriterOptions};
use swp_replay::record::Record;

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
        &[capture.to_str().expect("UTF-8")],
        &["ticks", "-o", copy.to_str().expect("UTF-8"), "--name", "copier"],
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
    assert_eq!(run(&["verify", copy.to_str().expect("UTF-8")]).status.code(), Some(0));
}

/// A publisher may pack more into a frame than a capture does by itself, and what was received is kept as it came.
#[test]
fn a_recording_of_larger_frames_can_be_played_again() {
    let server = NatsServer::start().expect("a server");
    let folder = Folder::new();
    let wide = folder.path("wide");
    let options = WriterOptions { body_bytes: 60_000, ..WriterOptions::default() };
    let mut writer = CaptureWriter::create(&wide, options).expect("it is created");
    for n in 0..200_u64 {
        let payload = vec![n as u8; 16 << 10];
        let record = Record {
            timestamp_ns: n,
            subject: "wide.frames",
            reply: None,
            headers: None,
            payload: &payload,
        };
        writer.append(&record).expect("it is taken");
    }
    writer.finish(Ending::default()).expect("it is finished");
    let mut from = wide.clone();
    // A copy, and a copy of that.
    for name in ["first", "second"] {
        let copy = folder.path(name);
        let stream = from.file_stem().expect("a name").to_str().expect("UTF-8").to_owned();
        transfer(
            server.url(),
            &[from.to_str().expect("UTF-8")],
            &[&stream, "-o", copy.to_str().expect("UTF-8")],
        );
        for field in ["content_digest", "messages", "frames"] {
            assert_eq!(info(&wide)[field], info(&copy)[field], "{field}");
        }
        from = copy;
    }
}

#[test]
fn other_digests_a_key_and_pread() {
    let server = NatsServer::start().expect("a server");
    let folder = Folder::new();
    let capture = folder.capture("c", &["--messages", "3000", "--size", "0-20000"]);
    let key = folder.path("key");
    std::fs::write(&key, b"0123456789abcdef0123456789abcdef").expect("written");
    let (capture, key) = (capture.to_str().expect("UTF-8"), key.to_str().expect("UTF-8"));
    // A key needs blake3.
    let ways: [(&[&str], &[&str]); 3] = [
        (&["--integrity", "crc32c"], &[]),
        (&["--integrity", "none", "--io", "pread"], &[]),
        (&["--key-file", key], &["--key-file", key]),
    ];
    for (play, recv) in ways {
        let play = [&[capture][..], play].concat();
        let recv = [&["c", "--discard"][..], recv].concat();
        let (played, received) = transfer(server.url(), &play, &recv);
        assert_eq!(played["content_digest"], received["content_digest"], "{play:?}");
    }
}

#[test]
fn a_broker_that_takes_less_than_a_body() {
    let server = NatsServer::builder().config_line("max_payload: 4096").start().expect("a server");
    let folder = Folder::new();
    let capture = folder.capture("c", &["--messages", "2000", "--size", "0-20000"]);
    let (played, received) =
        transfer(server.url(), &[capture.to_str().expect("UTF-8")], &["c", "--discard"]);
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
        let capture = capture.to_str().expect("UTF-8");
        let played = run(&["play", capture, "--server", server.url(), "--integrity", integrity]);
        assert_eq!(played.status.code(), Some(3), "{}", text(&played.stderr));
        assert!(text(&played.stderr).contains("digest of a body"));
        let (code, _, said) = recv.end();
        assert_eq!(code, Some(4), "{said}");
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
    let mut play = Running::start(&[
        "play",
        capture.to_str().expect("UTF-8"),
        "--idle-timeout",
        "600ms",
        "--server",
        server.url(),
        "--json",
    ]);
    // Once it takes part: one that dies before that is not missed.
    recv.until("joined");
    play.until("consumer victim");
    recv.signal("KILL");
    let (code, out, said) = play.end();
    assert_eq!(code, Some(4), "{said}");
    assert!(said.contains("victim"), "{said}");
    assert_eq!(json(&out)["exit_code"], 4);
}

#[test]
fn an_interrupt_on_either_side_ends_both() {
    let server = NatsServer::start().expect("a server");
    let folder = Folder::new();
    let capture = folder.capture("c", &["--messages", "100000"]);
    let kept = folder.path("kept");
    for side in ["play", "recv"] {
        let mut recv = Running::start(&[
            "recv",
            "c",
            "-o",
            kept.to_str().expect("UTF-8"),
            "--force",
            "--max-rate",
            "2MB",
            "--server",
            server.url(),
        ]);
        // It waits for a consumer that may come back.
        let mut play = Running::start(&[
            "play",
            capture.to_str().expect("UTF-8"),
            "--idle-timeout",
            "1s",
            "--server",
            server.url(),
        ]);
        recv.until("joined");
        play.until("joined");
        // Bytes have moved once a line of progress says so.
        recv.until("messages, ");
        (if side == "play" { &play } else { &recv }).signal("INT");
        let (played, _, play_said) = play.end();
        let (received, _, recv_said) = recv.end();
        let expected = if side == "play" { (130, 4) } else { (4, 130) };
        assert_eq!(
            (played, received),
            (Some(expected.0), Some(expected.1)),
            "{play_said}\n{recv_said}"
        );
        assert!(recv_said.contains("unfinished"), "{recv_said}");
        let left = run(&["info", "--json", kept.to_str().expect("UTF-8")]);
        assert_eq!(left.status.code(), Some(3));
        assert!(json(&left.stdout)["messages"].as_u64().is_some_and(|messages| messages > 0));
    }
}

#[test]
fn refusals() {
    let server = NatsServer::builder()
        .config_line("authorization { user: ann, password: secret }")
        .start()
        .expect("a server");
    let folder = Folder::new();
    let capture = folder.capture("c", &["--messages", "10"]);
    let capture = capture.to_str().expect("UTF-8");
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
