//! Runs the built binary, and reads what it says.
#![allow(dead_code, reason = "each test file uses a part of it")]

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Output, Stdio};

use serde_json::Value;

/// A folder that goes with the test.
pub(crate) struct Folder(tempfile::TempDir);

impl Folder {
    pub(crate) fn new() -> Folder {
        Folder(tempfile::tempdir().expect("a temporary folder"))
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// A capture of made-up messages.
    pub(crate) fn capture(&self, name: &str, options: &[&str]) -> PathBuf {
        let path = self.path(name);
        let mut args = vec!["gen", "--quiet", "-o", path.to_str().expect("UTF-8")];
        args.extend(options);
        let output = run(&args);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        path
    }
}

/// The command, without what the environment says about NATS.
pub(crate) fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_swp-replay"));
    command.args(args).stdin(Stdio::null());
    for name in ["URL", "USER", "PASSWORD", "CREDS", "NKEY", "CA", "CERT", "KEY"] {
        command.env_remove(format!("NATS_{name}"));
    }
    command
}

pub(crate) fn run(args: &[&str]) -> Output {
    command(args).output().expect("the command runs")
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The JSON object in the last line of stdout.
pub(crate) fn json(stdout: &[u8]) -> Value {
    let text = text(stdout);
    let line = text.lines().last().expect("a line on stdout");
    serde_json::from_str(line).expect("a JSON object")
}

/// What `info --json` says of a capture.
pub(crate) fn info(path: &Path) -> Value {
    json(&run(&["info", "--json", path.to_str().expect("UTF-8")]).stdout)
}

/// A command in the background; killed if the test ends before it does.
pub(crate) struct Running {
    child: Child,
    stderr: BufReader<ChildStderr>,
    said: String,
}

impl Running {
    pub(crate) fn start(args: &[&str]) -> Running {
        let mut child = command(args)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the command starts");
        let stderr = BufReader::new(child.stderr.take().expect("stderr"));
        Running { child, stderr, said: String::new() }
    }

    /// Reads stderr up to a line that contains `wanted`.
    pub(crate) fn until(&mut self, wanted: &str) {
        loop {
            let mut line = String::new();
            let len = self.stderr.read_line(&mut line).expect("stderr is UTF-8");
            assert!(len > 0, "ended before it said {wanted:?}; it said: {}", self.said);
            self.said.push_str(&line);
            if line.contains(wanted) {
                return;
            }
        }
    }

    /// Sends a signal by its name.
    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let status = Command::new("kill").args(["-s", name, &pid]).status().expect("kill runs");
        assert!(status.success());
    }

    /// Waits for the end: exit code, stdout, and all that it said on stderr.
    pub(crate) fn end(mut self) -> (Option<i32>, Vec<u8>, String) {
        let mut said = std::mem::take(&mut self.said);
        self.stderr.read_to_string(&mut said).expect("stderr is UTF-8");
        let mut out = Vec::new();
        self.child.stdout.take().expect("stdout").read_to_end(&mut out).expect("stdout");
        (self.child.wait().expect("it ends").code(), out, said)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Has ended already in a test that passed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
