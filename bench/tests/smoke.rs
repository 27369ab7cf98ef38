//! Each mode, with next to nothing to do: it ends well, prints a table, and keeps a line a measurement.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop where it is")]

use std::path::Path;
use std::process::Command;

/// Runs a mode; its table, and the lines that it kept.
fn run(mode: &str, options: &str) -> (String, Vec<serde_json::Value>) {
    let folder = tempfile::tempdir().unwrap();
    let json = folder.path().join("lines.jsonl");
    let hdr = folder.path().join("hdr");
    let options = options.replace("HDR", &hdr.display().to_string());
    let output = Command::new(env!("CARGO_BIN_EXE_swp-bench"))
        .arg(mode)
        .args(options.split_whitespace())
        .args([Path::new("--json"), &json])
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{mode} failed: {errors}");
    if hdr.exists() {
        assert_eq!(std::fs::read_dir(hdr).unwrap().count(), 10, "a histogram for each line");
    }
    let lines = std::fs::read_to_string(json).unwrap();
    let lines = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    (String::from_utf8(output.stdout).unwrap(), lines)
}

fn all(lines: &[serde_json::Value], field: &str, value: &str) -> usize {
    lines.iter().filter(|line| line[field] == value).count()
}

#[test]
fn throughput() {
    let (table, lines) = run("throughput", "--size 64,2MiB --bytes 4MiB --messages 100 --rounds 2");
    // Two integrities of swp beside six others, at 64 B; at 2 MiB only those that can.
    assert_eq!(lines.len(), 2 * (8 + 4), "{table}");
    assert_eq!(all(&lines, "integrity", "crc32c"), 4);
    assert!(lines.iter().all(|line| line["received"] == line["sent"]), "{lines:?}");
    assert!(table.contains("| 2 MiB | - |"), "{table}");
}

#[test]
fn latency() {
    let options = "--quick --trips 20 --calibrate 2000 --duration 20ms --hdr HDR";
    let (table, lines) = run("latency", options);
    assert_eq!((all(&lines, "kind", "closed"), all(&lines, "kind", "open")), (2, 8), "{table}");
    let swp = lines.iter().filter(|line| line["peer"] == "swp");
    assert!(swp.into_iter().all(|line| line["received"] == line["sent"]), "{lines:?}");
}

#[test]
fn fanout() {
    let options = "--size 64 --consumers 1,2 --slow --messages 200 --rounds 1";
    let (table, lines) = run("fanout", options);
    // Raw, and swp with two integrities; with a slow consumer one.
    assert_eq!(lines.len(), 2 * (3 + 2), "{table}");
    assert_eq!(all(&lines, "integrity", "crc32c"), 2);
    assert!(lines.iter().all(|line| line["received"][0] == 200), "{lines:?}");
}

#[test]
fn cpu() {
    let (table, lines) = run("cpu", "--size 64 --messages 200 --rounds 1");
    // Three processes each of raw and of swp with three integrities.
    assert_eq!(lines.len(), 12, "{table}");
    assert!(lines.iter().all(|line| line["messages"] == 200), "{lines:?}");
}

#[test]
fn replay() {
    let (table, lines) = run("replay", "--quick --size 1KiB --bytes 1MiB --rounds 1");
    assert_eq!((all(&lines, "kind", "stream"), all(&lines, "kind", "read")), (7, 8), "{table}");
}

#[test]
fn latecomer() {
    let (table, lines) = run("latecomer", "--bytes 32MiB --phase 10ms --rounds 1");
    assert!(table.contains("| message | capture in | alone MB/s |"), "{table}");
    // How many phases a replay lasts for is the machine's to say; they alternate, and it ends in the last.
    for (number, line) in lines.iter().enumerate() {
        assert_eq!(line["phase"], number, "{lines:?}");
        assert_eq!(line["latecomer"], number % 2 == 1, "{lines:?}");
    }
    assert_eq!(lines.last().unwrap()["discarded"], "ended", "{lines:?}");
}
