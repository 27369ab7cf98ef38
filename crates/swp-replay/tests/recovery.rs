//! `recover`, and what a damaged or unfinished capture costs: the command on files that were cut or
//! flipped, and on one whose recorder was killed.

mod support;

use std::fs;
use std::path::Path;
use std::process::Output;

use nats_child::NatsServer;
use serde_json::Value;
use support::{Folder, Running, info, json, run, text};

fn path(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

fn code(output: &Output) -> Option<i32> {
    assert!(!text(&output.stderr).contains("panicked"), "{}", text(&output.stderr));
    output.status.code()
}

/// Recovers `damaged` to `out`: exit code and JSON. What is written is in perfect order.
fn recover(damaged: &Path, out: &Path) -> (Option<i32>, Value) {
    let output = run(&["recover", path(damaged), "-o", path(out), "--force", "--json"]);
    let code = code(&output);
    if matches!(code, Some(0 | 3)) && out.exists() {
        let verified = run(&["verify", path(out)]);
        assert_eq!(verified.status.code(), Some(0), "{}", text(&verified.stderr));
    }
    (code, json(&output.stdout))
}

/// Payloads of messages, as `cat` prints them.
fn payloads(capture: &Path) -> Vec<String> {
    let printed = text(&run(&["cat", path(capture)]).stdout);
    printed
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("JSON")["payload"].to_string())
        .collect()
}

#[test]
fn a_whole_capture_is_copied_whole() {
    let folder = Folder::new();
    let whole = folder.capture("whole", &["--messages", "3000", "--size", "0-40000"]);
    let out = folder.path("out");
    let (code, object) = recover(&whole, &out);
    assert_eq!(code, Some(0), "{object}");
    for field in ["messages", "bytes", "content_digest", "frames", "notes", "subjects"] {
        assert_eq!(object[field], info(&whole)[field], "{field}");
    }
    assert_eq!((&object["lost_bytes"], &object["lost_messages"]), (&0.into(), &0.into()));
    assert_eq!(object["reason"], Value::Null);
}

#[test]
fn a_damaged_block_costs_its_own_messages() {
    let folder = Folder::new();
    let whole = folder.capture("whole", &["--messages", "20000", "--size", "256"]);
    let mut bytes = fs::read(&whole).expect("read");
    let at = bytes.len() / 2;
    bytes[at] ^= 1;
    let damaged = folder.path("damaged");
    fs::write(&damaged, bytes).expect("written");
    assert_eq!(code(&run(&["verify", path(&damaged)])), Some(3));
    let out = folder.path("out");
    let (code, object) = recover(&damaged, &out);
    assert_eq!(code, Some(3), "{object}");
    let lost = object["lost_messages"].as_u64().expect("a number");
    assert_eq!(object["messages"], 20_000 - lost);
    assert!(lost > 0 && lost < 5_000, "{object}");
    assert!(object["lost_bytes"].as_u64() >= Some(1), "{object}");
    assert_eq!(object["reason"], "blocks are damaged");
    assert_eq!(object["exit_code"], 3);
    // The rest, in order, and nothing else.
    let (all, left) = (payloads(&whole), payloads(&out));
    let same = all.iter().zip(&left).take_while(|(one, other)| one == other).count();
    assert_eq!(left[same..], all[same + lost as usize..]);
}

#[test]
fn files_cut_and_flipped_anywhere_never_panic() {
    let folder = Folder::new();
    let whole = folder.capture("whole", &["--messages", "400", "--size", "100-3000"]);
    let bytes = fs::read(&whole).expect("read");
    let (damaged, out) = (folder.path("damaged"), folder.path("out"));
    let places = [0, 1, 7, 8, 100, 4095, 4096, 4100, 4200, 5000, bytes.len() / 2];
    let end = [200, 100, 49, 48, 47, 5, 1].map(|before| bytes.len() - before);
    for at in places.into_iter().chain(end) {
        let mut flipped = bytes.clone();
        flipped[at] ^= 0x10;
        for (name, content) in [("cut", &bytes[..at]), ("flipped", &flipped[..])] {
            fs::write(&damaged, content).expect("written");
            for command in ["info", "verify", "cat"] {
                let code = code(&run(&[command, path(&damaged)]));
                // A flip in the room in front of a body harms nothing; `info` looks at no block.
                let mild = name == "flipped" && (4096..bytes.len() - 200).contains(&at);
                assert!(code == Some(3) || (mild && code == Some(0)), "{command}, {name} at {at}");
            }
            let _ = fs::remove_file(&out);
            let (code, object) = recover(&damaged, &out);
            assert!(matches!(code, Some(0 | 3)), "{name} at {at}: {object}");
            // All is well where all is there, or where the cut lies between blocks.
            let all_there = object["messages"] == 400 || name == "cut";
            let nothing_lost = object["lost_bytes"] == 0 && object["lost_messages"] == 0;
            assert_eq!(code == Some(0), all_there && nothing_lost, "{name} at {at}: {object}");
        }
    }
}

#[test]
fn what_cannot_be_recovered() {
    let folder = Folder::new();
    let whole = folder.capture("whole", &["--messages", "10"]);
    let before = fs::read(&whole).expect("read");
    let link = folder.path("link");
    fs::hard_link(&whole, &link).expect("linked");
    for itself in [&whole, &link] {
        let output = run(&["recover", path(&whole), "-o", path(itself), "--force"]);
        assert_eq!(code(&output), Some(2), "{}", text(&output.stderr));
        assert!(text(&output.stderr).contains("into itself"));
    }
    assert_eq!(fs::read(&whole).expect("read"), before);
    let other = folder.capture("other", &["--messages", "20"]);
    let output = run(&["recover", path(&whole), "-o", path(&other)]);
    assert_eq!(code(&output), Some(1));
    assert!(text(&output.stderr).contains("--force"), "{}", text(&output.stderr));
    assert_eq!(info(&other)["messages"], 20);
    let text_file = folder.path("text");
    fs::write(&text_file, "no capture").expect("written");
    let output = run(&["recover", path(&text_file), "-o", path(&folder.path("out"))]);
    assert_eq!(code(&output), Some(3));
    assert!(!folder.path("out").exists());
    let output = run(&["recover", path(&whole), "-o", "/dev/full", "--force"]);
    assert_eq!(code(&output), Some(1), "{}", text(&output.stderr));
}

/// Waits until the file holds this many messages: blocks that were written, since nothing else is.
fn wait_until_written(capture: &Path, messages: u64) {
    while info(capture)["messages"].as_u64() < Some(messages) {
        std::thread::yield_now();
    }
}

#[tokio::test]
async fn a_recorder_that_is_killed_loses_what_it_had_not_written() {
    const FIRST: usize = 500;
    const SECOND: usize = 300;
    let server = NatsServer::start().expect("a server");
    let client = async_nats::connect(server.url()).await.expect("connected");
    let folder = Folder::new();
    let capture = folder.path("killed");
    let args = ["record", "ticks.>", "-o", path(&capture), "--server", server.url()];
    let mut record = Running::start(&args);
    record.until("recording ticks.>");
    let publish = async |range: std::ops::Range<usize>| {
        for number in range {
            let payload = format!("tick {number}").into();
            client.publish(format!("ticks.{}", number % 7), payload).await.expect("published");
        }
        client.flush().await.expect("flushed");
    };
    publish(0..FIRST).await;
    // Far less than a block, so it is there because the recorder does not keep it for long.
    wait_until_written(&capture, FIRST as u64);
    publish(FIRST..FIRST + SECOND).await;
    record.signal("KILL");
    let (code, _, _) = record.end();
    assert_eq!(code, None, "it was killed");

    assert_eq!(run(&["verify", path(&capture)]).status.code(), Some(3));
    let out = folder.path("out");
    let (code, object) = recover(&capture, &out);
    assert!(matches!(code, Some(0 | 3)), "{object}");
    assert_eq!(object["reason"], "the file ends without a footer");
    let saved = payloads(&out);
    assert!(saved.len() >= FIRST && saved.len() <= FIRST + SECOND, "{} saved", saved.len());
    for (number, payload) in saved.iter().enumerate() {
        assert_eq!(*payload, format!("\"tick {number}\""));
    }
}
