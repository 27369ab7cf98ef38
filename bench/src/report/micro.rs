//! What criterion measured: its estimates, collected from the folder that it keeps them in, a line each.
//!
//! These alone are kept as medians: criterion's samples are times of thousands of iterations, and the
//! interval of its median says how far they lie apart.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::ReportError;

/// A line of `micro.jsonl`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Micro {
    /// `group/function`.
    pub(super) name: String,
    /// What an iteration handles, in `unit`s.
    pub(super) count: u64,
    /// `element`, `byte`, or empty where criterion was not told.
    pub(super) unit: String,
    /// Of an iteration; median, and the interval that criterion is 95 % sure of. Of a ratio the ratio.
    pub(super) median_ns: f64,
    pub(super) low_ns: f64,
    pub(super) high_ns: f64,
}

/// The one group whose benchmarks measure no time, but how many times 64 frames in flight 4,096 cost, in turns.
pub(super) const WINDOW_TO_WINDOW: &str = "4,096 in flight to 64";

impl Micro {
    pub(super) fn is_ratio(&self) -> bool {
        self.name.starts_with(WINDOW_TO_WINDOW)
    }

    /// For one element or byte, or an iteration where neither is known; of a ratio the ratio.
    pub(super) fn ns_each(&self) -> f64 {
        self.median_ns / self.count.max(1) as f64
    }
}

/// Criterion's description of a benchmark, as far as it is of use.
#[derive(Deserialize)]
struct Benchmark {
    full_id: String,
    throughput: Option<Amount>,
}

/// As criterion writes it. What it might say else is refused rather than taken for something it is not.
#[derive(Deserialize)]
enum Amount {
    Bytes(u64),
    Elements(u64),
}

#[derive(Deserialize)]
struct Estimates {
    median: Estimate,
}

#[derive(Deserialize)]
struct Estimate {
    point_estimate: f64,
    confidence_interval: Interval,
}

#[derive(Deserialize)]
struct Interval {
    lower_bound: f64,
    upper_bound: f64,
}

/// The newest estimates below `root`, as JSON Lines, by name.
pub(super) fn collect(root: &Path) -> Result<String, ReportError> {
    let mut found = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).map_err(ReportError::file(&folder))? {
            let path = entry.map_err(ReportError::file(&folder))?.path();
            // Links are not followed: they could lead in a circle.
            if !path.is_dir() || path.is_symlink() {
                continue;
            }
            if path.ends_with("new") && path.join("estimates.json").is_file() {
                found.push(read(&path)?);
            } else {
                folders.push(path);
            }
        }
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    let lines = found.iter().filter_map(|micro| serde_json::to_string(micro).ok());
    Ok(lines.map(|line| line + "\n").collect())
}

fn read(folder: &Path) -> Result<Micro, ReportError> {
    let benchmark: Benchmark = json(folder.join("benchmark.json"))?;
    let estimates: Estimates = json(folder.join("estimates.json"))?;
    let (count, unit) = match benchmark.throughput {
        None => (1, ""),
        Some(Amount::Bytes(count)) => (count, "byte"),
        Some(Amount::Elements(count)) => (count, "element"),
    };
    let Estimate { point_estimate, confidence_interval } = estimates.median;
    Ok(Micro {
        name: benchmark.full_id,
        count,
        unit: unit.to_owned(),
        median_ns: point_estimate,
        low_ns: confidence_interval.lower_bound,
        high_ns: confidence_interval.upper_bound,
    })
}

fn json<T: serde::de::DeserializeOwned>(path: PathBuf) -> Result<T, ReportError> {
    let text = fs::read_to_string(&path).map_err(ReportError::file(&path))?;
    serde_json::from_str(&text).map_err(|cause| ReportError::Json { path, cause })
}
