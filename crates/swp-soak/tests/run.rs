//! A short run, interrupted: it ends in order and reports.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop where it is")]

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

#[test]
fn an_interrupted_run_reports_what_came_until_then() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("made/for/it");
    let mut run = Command::new(env!("CARGO_BIN_EXE_swp-soak"))
        .args(["run", "--minutes", "10", "--seed", "3", "--out", out.to_str().unwrap()])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(run.stderr.take().unwrap()).lines();
    let fault = lines.find(|line| line.as_ref().is_ok_and(|line| line.starts_with("fault: ")));
    assert!(fault.is_some(), "it ended before the first fault");
    kill_process(Pid::from_child(&run), Signal::INT).unwrap();
    // The pipe must not fill up.
    let rest: Vec<String> = lines.map_while(Result::ok).collect();
    let ended = run.wait_with_output().unwrap();
    assert!(ended.status.success(), "{rest:?}");

    let json = std::fs::read_to_string(out.join("soak.json")).unwrap();
    let report: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(report["ended_by"], "interrupted");
    for empty in ["losses", "problems", "session_errors"] {
        assert_eq!(report[empty], Value::Array(Vec::new()), "{empty}");
    }
    assert!(report["faults"].as_object().is_some_and(|faults| !faults.is_empty()));
    let nodes = report["nodes"].as_array().unwrap();
    assert_eq!(nodes.len(), 6);
    for node in nodes {
        assert!(
            node["messages"].as_u64() > Some(0) && node["begun"] == node["completed"],
            "{node}"
        );
    }
    let text = std::fs::read_to_string(out.join("soak.md")).unwrap();
    assert!(text.contains("interrupted") && text.contains("| publisher a |"), "{text}");
    assert_eq!(String::from_utf8_lossy(&ended.stdout), text);
}
