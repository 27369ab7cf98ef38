use std::{
    io::{BufRead, BufReader},
    os::unix::process::ExitStatusExt,
    process::{Command, Stdio},
    time::Duration,
};

use super::Process;
use crate::ControlError;

const SIGTERM: i32 = 15;
const SIGKILL: i32 = 9;

/// A shell that runs `script`, has printed a line, and then waits for an input that never comes.
fn shell(script: &str) -> Process {
    let mut child = Command::new("sh")
        .args(["-c", &format!("{script}; echo ready; read -r line")])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "ready\n");
    Process::new(child)
}

#[test]
fn a_willing_process_ends_at_sigterm() {
    let mut process = shell(":");
    let status = process.stop(Duration::from_secs(60)).unwrap();
    assert_eq!(status.signal(), Some(SIGTERM));
    assert_eq!(process.stop(Duration::ZERO).unwrap(), status, "a second stop is no error");
}

#[test]
fn an_unwilling_process_is_killed_after_its_grace() {
    let mut process = shell("trap '' TERM");
    let status = process.stop(Duration::from_millis(50)).unwrap();
    assert_eq!(status.signal(), Some(SIGKILL));
}

#[test]
fn a_paused_process_can_still_be_stopped() {
    let mut process = shell(":");
    process.pause().unwrap();
    let status = process.stop(Duration::from_secs(60)).unwrap();
    assert_eq!(status.signal(), Some(SIGTERM));
}

#[test]
fn a_process_that_has_ended_cannot_be_paused_or_resumed() {
    let mut process = shell(":");
    process.kill().unwrap();
    assert!(matches!(process.pause(), Err(ControlError::NotRunning)));
    assert!(matches!(process.resume(), Err(ControlError::NotRunning)));
}
