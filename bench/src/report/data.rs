//! The JSON Lines of a run's folder, read whole. A mode that was not run has no file; that is no error.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use serde::de::DeserializeOwned;

use super::ReportError;
use super::micro::Micro;
use crate::record::{Cpu, Fanout, Latecomer, Latency, Replay, Run, Throughput};

/// Everything that a folder holds.
#[derive(Debug, Default)]
pub(super) struct Data {
    pub(super) throughput: Vec<Throughput>,
    pub(super) latency: Vec<Latency>,
    pub(super) fanout: Vec<Fanout>,
    pub(super) replay: Vec<Replay>,
    pub(super) latecomer: Vec<Latecomer>,
    pub(super) cpu: Vec<Cpu>,
    pub(super) micro: Vec<Micro>,
    /// Missing in runs of before it was kept.
    pub(super) run: Option<Run>,
}

impl Data {
    pub(super) fn read(dir: &Path) -> Result<Data, ReportError> {
        let data = Data {
            throughput: lines(dir, "throughput.jsonl")?,
            latency: lines(dir, "latency.jsonl")?,
            fanout: lines(dir, "fanout.jsonl")?,
            replay: lines(dir, "replay.jsonl")?,
            latecomer: lines(dir, "latecomer.jsonl")?,
            cpu: lines(dir, "cpu.jsonl")?,
            micro: lines(dir, "micro.jsonl")?,
            run: run(dir)?,
        };
        match data.is_empty() {
            true => Err(ReportError::Empty(dir.to_owned())),
            false => Ok(data),
        }
    }

    fn is_empty(&self) -> bool {
        self.throughput.is_empty()
            && self.latency.is_empty()
            && self.fanout.is_empty()
            && self.replay.is_empty()
            && self.latecomer.is_empty()
            && self.cpu.is_empty()
            && self.micro.is_empty()
    }
}

fn text(path: &Path) -> Result<Option<String>, ReportError> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(cause) => Err(ReportError::File { path: path.to_owned(), cause }),
    }
}

fn lines<T: DeserializeOwned>(dir: &Path, name: &str) -> Result<Vec<T>, ReportError> {
    let path = dir.join(name);
    let text = text(&path)?.unwrap_or_default();
    let used = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    used.map(|(index, line)| {
        serde_json::from_str(line).map_err(|cause| ReportError::Line {
            path: path.clone(),
            line: index + 1,
            cause,
        })
    })
    .collect()
}

fn run(dir: &Path) -> Result<Option<Run>, ReportError> {
    let path = dir.join("run.json");
    let parse = |text: String| {
        serde_json::from_str(&text).map_err(|cause| ReportError::Json { path: path.clone(), cause })
    };
    text(&path)?.map(parse).transpose()
}
