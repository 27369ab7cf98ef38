//! Several consumers of one replay: late ones, stopped ones, and ones that come back.

mod support;

use std::path::Path;

use nats_child::NatsServer;
use serde_json::Value;
use support::{Folder, Running, info, json, run};

/// Enough for a rate to be kept for some seconds: 24 MB in 1,500 frames.
const MESSAGES: [&str; 4] = ["--messages", "24000", "--size", "1000"];

fn path(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

fn digest(capture: &Path) -> Value {
    info(capture)["content_digest"].clone()
}

/// Starts a replay, and its consumers as soon as it listens.
fn play(capture: &Path, url: &str, options: &[&str]) -> Running {
    let args = ["play", path(capture), "--to", "s", "--server", url, "--json"];
    let mut player = Running::start(&[&args[..], options].concat());
    player.until("waiting for");
    player
}

fn recv(url: &str, file: &Path, options: &[&str]) -> Running {
    let args = ["recv", "s", "-o", path(file), "--server", url, "--json"];
    Running::start(&[&args[..], options].concat())
}

/// Waits until a file that is being received has so many bytes.
fn wait_for_bytes(file: &Path, bytes: u64) {
    while std::fs::metadata(file).map_or(0, |found| found.len()) < bytes {
        std::thread::yield_now();
    }
}

#[test]
fn a_consumer_that_was_killed_goes_on_with_its_file() {
    let server = NatsServer::start().expect("a server");
    let folder = Folder::new();
    let capture = folder.capture("c", &MESSAGES);
    let player = play(&capture, server.url(), &[]);
    let file = folder.path("copy");
    let first = recv(server.url(), &file, &["--max-rate", "8MB"]);
    wait_for_bytes(&file, 4 << 20);
    first.signal("KILL");
    let (code, _, _) = first.end();
    assert_eq!(code, None, "it was killed");

    let (code, out, said) = recv(server.url(), &file, &["--resume"]).end();
    assert_eq!(code, Some(0), "{said}");
    let resumed = json(&out);
    let held = resumed["resumed_messages"].as_u64().expect("a number");
    assert!(held > 3_000, "{resumed}");
    let (code, out, said) = player.end();
    assert_eq!(code, Some(0), "{said}");
    let played = json(&out);
    assert_eq!(digest(&file), digest(&capture));
    // What the file held was not sent again: only the rest came.
    let (all, rest) = (played["frames"].as_u64().unwrap(), resumed["frames"].as_u64().unwrap());
    assert!(rest * 16 <= (24_000 - held) + 64 && rest < all, "{rest} of {all} frames, {held} held");
    assert!(!folder.path("copy.session").exists(), "the file is whole");

    // The rates are those of what came, and what was there is no part of them.
    let rate = resumed["bytes_per_s"].as_f64().unwrap() * resumed["seconds"].as_f64().unwrap();
    let came = |name: &str| resumed[name].as_f64().unwrap();
    assert!((rate - (came("bytes") - came("resumed_bytes"))).abs() < 1.0, "{resumed}");

    // Whole it is not gone on with.
    let whole = run(&["recv", "s", "-o", path(&file), "--resume", "--server", server.url()]);
    assert_eq!(whole.status.code(), Some(0));
    let said = support::text(&whole.stderr);
    assert!(said.contains("whole already"), "{said}");
}

#[test]
fn a_consumer_that_was_interrupted_goes_on_with_its_file() {
    let server = NatsServer::start().expect("a server");
    let folder = Folder::new();
    let capture = folder.capture("c", &MESSAGES);
    let player = play(&capture, server.url(), &[]);
    let file = folder.path("copy");
    let mut first = recv(server.url(), &file, &["--max-rate", "8MB"]);
    first.until(&format!("--to s --server {}", server.url()));
    wait_for_bytes(&file, 4 << 20);
    first.signal("INT");
    let (code, _, said) = first.end();
    assert_eq!(code, Some(130), "{said}");
    assert!(said.contains("--resume goes on with it"), "{said}");
    let (code, _, said) = recv(server.url(), &file, &["--resume"]).end();
    assert_eq!(code, Some(0), "{said}");
    let (code, _, said) = player.end();
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(digest(&file), digest(&capture));
}

#[test]
fn what_was_not_delivered_has_no_digest() {
    let server = NatsServer::start().expect("a server");
    let folder = Folder::new();
    let capture = folder.capture("c", &MESSAGES);
    let player = play(&capture, server.url(), &["--idle-timeout", "1s"]);
    let file = folder.path("copy");
    let consumer = recv(server.url(), &file, &["--max-rate", "8MB"]);
    wait_for_bytes(&file, 2 << 20);
    consumer.signal("KILL");
    consumer.end();
    let (code, out, said) = player.end();
    assert_eq!(code, Some(4), "{said}");
    assert!(json(&out)["content_digest"].is_null() && !said.contains("content digest"), "{said}");
}

#[test]
fn another_session_is_not_taken_for_the_one_that_broke_off() {
    let server = NatsServer::start().expect("a server");
    let folder = Folder::new();
    let capture = folder.capture("c", &MESSAGES);
    let file = folder.path("copy");
    let player = play(&capture, server.url(), &[]);
    let first = recv(server.url(), &file, &["--max-rate", "8MB"]);
    wait_for_bytes(&file, 4 << 20);
    first.signal("KILL");
    player.signal("KILL");
    first.end();
    player.end();

    let player = play(&capture, server.url(), &[]);
    let (code, _, said) = recv(server.url(), &file, &["--resume"]).end();
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("another session"), "{said}");
    assert!(info(&file)["messages"].as_u64() > Some(3_000), "what was held is held");
    player.signal("INT");
    player.end();
}

#[test]
fn a_latecomer_gets_the_whole_stream() {
    let server = NatsServer::start().expect("a server");
    let folder = Folder::new();
    let capture = folder.capture("c", &MESSAGES);
    let mut player = play(&capture, server.url(), &["--late-join", "start"]);
    let (slow, late) = (folder.path("slow"), folder.path("late"));
    let first = recv(server.url(), &slow, &["--max-rate", "16MB", "--name", "first"]);
    wait_for_bytes(&slow, 4 << 20);
    let second = recv(server.url(), &late, &["--name", "late"]);
    player.until("consumer late");
    for consumer in [first, second] {
        let (code, _, said) = consumer.end();
        assert_eq!(code, Some(0), "{said}");
    }
    let (code, out, said) = player.end();
    assert_eq!(code, Some(0), "{said}");
    assert!(json(&out)["caught_up_frames"].as_u64() > Some(200), "{}", json(&out));
    assert_eq!(digest(&slow), digest(&capture));
    assert_eq!(digest(&late), digest(&capture));
}

/// What the publisher says of the whole stream is no measure of a part.
#[test]
fn a_latecomer_gets_the_rest_if_that_is_wanted() {
    let server = NatsServer::start().expect("a server");
    let folder = Folder::new();
    let capture = folder.capture("c", &MESSAGES);
    let mut player = play(&capture, server.url(), &["--late-join", "now"]);
    let (slow, late) = (folder.path("slow"), folder.path("late"));
    let first = recv(server.url(), &slow, &["--max-rate", "16MB"]);
    wait_for_bytes(&slow, 4 << 20);
    let second = recv(server.url(), &late, &["--name", "late"]);
    player.until("consumer late");
    for consumer in [first, second] {
        let (code, _, said) = consumer.end();
        assert_eq!(code, Some(0), "{said}");
    }
    let (code, _, said) = player.end();
    assert_eq!(code, Some(0), "{said}");
    let rest = info(&late)["messages"].as_u64().expect("a number");
    assert!(rest > 0 && rest < 24_000, "{rest}");
}

#[test]
fn a_consumer_that_stands_still_is_evicted_if_that_is_wanted() {
    let server = NatsServer::start().expect("a server");
    let folder = Folder::new();
    let capture = folder.capture("c", &MESSAGES);
    let options =
        ["--min-consumers", "3", "--on-slow", "evict", "--stalled-for", "1s", "--quorum", "2"];
    let mut player = play(&capture, server.url(), &options);
    let files = ["a", "b", "still"].map(|name| folder.path(name));
    let consumers = files
        .each_ref()
        .map(|file| recv(server.url(), file, &["--max-rate", "12MB", "--name", path(file)]));
    wait_for_bytes(&files[2], 2 << 20);
    consumers[2].signal("STOP");
    player.until("was lost: it held the stream back");
    consumers[2].signal("CONT");
    let [a, b, still] = consumers;
    for consumer in [a, b] {
        let (code, _, said) = consumer.end();
        assert_eq!(code, Some(0), "{said}");
    }
    let (code, _, said) = still.end();
    assert_eq!(code, Some(4), "{said}");
    assert!(said.contains("held the stream back"), "{said}");
    let (code, out, said) = player.end();
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(json(&out)["lost"].as_array().map(Vec::len), Some(1));
    assert_eq!(digest(&files[0]), digest(&capture));
    assert_eq!(digest(&files[1]), digest(&capture));
}

/// What comes after the eviction is more than the server queues for a consumer, and goes past the one that
/// stands still: it is never cut off for that.
#[test]
fn the_others_go_on_without_one_that_stands_still() {
    let server = NatsServer::builder().config_line("max_pending: 8MB").start().expect("a server");
    let folder = Folder::new();
    let capture = folder.capture("c", &["--messages", "64000", "--size", "1000"]);
    let options = ["--min-consumers", "4", "--on-slow", "evict", "--stalled-for", "1s"];
    let mut player = play(&capture, server.url(), &options);
    let names = ["x", "y", "z", "still"];
    let files = names.map(|name| folder.path(name));
    let mut consumers: Vec<Running> = files
        .iter()
        .map(|file| recv(server.url(), file, &["--max-rate", "16MB", "--name", path(file)]))
        .collect();
    wait_for_bytes(&files[3], 2 << 20);
    consumers[3].signal("STOP");
    player.until("was lost: it held the stream back");
    let still = consumers.remove(3);
    for (consumer, file) in consumers.into_iter().zip(&files) {
        let (code, _, said) = consumer.end();
        assert_eq!(code, Some(0), "{said}");
        assert_eq!(digest(file), digest(&capture));
    }
    let (code, out, said) = player.end();
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(json(&out)["lost"].as_array().map(Vec::len), Some(1));
    // Of 64 MB it was sent what fits before it.
    let log = server.log().expect("the server's log");
    assert!(!log.contains("MaxPending"), "{log}");
    still.signal("CONT");
    let (code, _, said) = still.end();
    assert_eq!(code, Some(4), "{said}");
}

#[test]
fn a_replay_for_which_nobody_comes_does_not_wait_for_ever() {
    let server = NatsServer::start().expect("a server");
    let folder = Folder::new();
    let capture = folder.capture("c", &["--messages", "10"]);
    let output = run(&["play", path(&capture), "--server", server.url(), "--wait", "200ms"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(support::text(&output.stderr).contains("too few consumers"));
}
