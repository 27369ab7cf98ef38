//! A replay that dies in mid-stream, and another that goes on with its saved state.

mod support;

use std::path::{Path, PathBuf};

use nats_child::NatsServer;
use support::{Folder, Running, info, json, run, text};

/// Enough for a rate to be kept for some seconds: 24 MB in 1,500 frames.
const MESSAGES: [&str; 4] = ["--messages", "24000", "--size", "1000"];

fn path(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

/// A server, a capture to be played on it, and where the state of that is kept.
struct Replay {
    server: NatsServer,
    folder: Folder,
    capture: PathBuf,
    state: PathBuf,
}

impl Replay {
    fn new() -> Replay {
        let folder = Folder::new();
        Replay {
            server: NatsServer::start().expect("a server"),
            capture: folder.capture("c", &MESSAGES),
            state: folder.path("state"),
            folder,
        }
    }

    fn args<'a>(&'a self, capture: &'a Path) -> Vec<&'a str> {
        let (url, state) = (self.server.url(), path(&self.state));
        vec!["play", path(capture), "--to", "s", "--server", url, "--json", "--resume-state", state]
    }

    fn play(&self) -> Running {
        let mut player = Running::start(&self.args(&self.capture));
        player.until("waiting for");
        player
    }

    fn recv(&self, file: &Path, options: &[&str]) -> Running {
        let args = ["recv", "s", "-o", path(file), "--server", self.server.url(), "--json"];
        Running::start(&[&args[..], options].concat())
    }

    /// Waits until the state says that so many frames are held.
    fn wait_for_frames(&self, frames: u64) {
        let kept = || {
            let text = std::fs::read(&self.state).unwrap_or_default();
            let state: Option<serde_json::Value> = serde_json::from_slice(&text).ok();
            state.and_then(|state| state["next_frame"].as_u64()).unwrap_or_default()
        };
        while kept() < frames {
            std::thread::yield_now();
        }
    }
}

fn kill(process: Running) {
    process.signal("KILL");
    assert_eq!(process.end().0, None, "it was killed");
}

#[test]
fn a_replay_that_was_killed_goes_on_with_the_consumers_that_run() {
    let replay = Replay::new();
    let player = replay.play();
    let file = replay.folder.path("copy");
    let consumer = replay.recv(&file, &["--max-rate", "8MB"]);
    replay.wait_for_frames(300);
    kill(player);
    // And once more: what the second one kept is as good as what the first one did.
    let second = replay.play();
    replay.wait_for_frames(700);
    kill(second);
    let (code, out, said) = replay.play().end();
    assert_eq!(code, Some(0), "{said}");
    let played = json(&out);
    let (code, out, said) = consumer.end();
    assert_eq!(code, Some(0), "{said}");
    let received = json(&out);

    let whole = info(&replay.capture);
    assert_eq!(info(&file)["content_digest"], whole["content_digest"]);
    assert_eq!(played["content_digest"], whole["content_digest"]);
    assert_eq!((&played["messages"], &received["messages"]), (&24_000.into(), &24_000.into()));
    // Every frame came once; what was acknowledged to the ones before was not sent again.
    assert_eq!(received["duplicates"], 0, "{received}");
    let number = |field: &str| played[field].as_u64().expect("a number");
    let frames = received["frames"].as_u64().expect("a number");
    assert!(number("resumed_messages") > 700 * 15, "{played}");
    assert!(number("frames") + number("passed_over_frames") + 700 <= frames, "{played}");

    // It is done, and says so.
    let again = run(&replay.args(&replay.capture));
    assert_eq!(again.status.code(), Some(0));
    assert!(text(&again.stderr).contains("to its end already"), "{}", text(&again.stderr));
}

#[test]
fn both_sides_can_be_killed() {
    let replay = Replay::new();
    let player = replay.play();
    let file = replay.folder.path("copy");
    let consumer = replay.recv(&file, &["--max-rate", "8MB"]);
    replay.wait_for_frames(300);
    kill(player);
    // The consumer goes on with the second replay; its file was begun with the first.
    let player = replay.play();
    replay.wait_for_frames(600);
    kill(player);
    kill(consumer);
    let player = replay.play();
    let (code, out, said) = replay.recv(&file, &["--resume"]).end();
    assert_eq!(code, Some(0), "{said}");
    assert!(json(&out)["resumed_messages"].as_u64() > Some(1_000), "{}", json(&out));
    let (code, _, said) = player.end();
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(info(&file)["content_digest"], info(&replay.capture)["content_digest"]);
}

#[test]
fn the_state_of_another_capture_is_refused() {
    let replay = Replay::new();
    let player = replay.play();
    kill(player);
    let other = replay.folder.capture("other", &["--messages", "10"]);
    let refused = run(&replay.args(&other));
    assert_eq!(refused.status.code(), Some(1));
    assert!(text(&refused.stderr).contains("another capture"), "{}", text(&refused.stderr));
}
