//! Memory and open files of each long-lived process, every second.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::{Shared, lock};

const EVERY: Duration = Duration::from_secs(1);

/// A process is warm after this long: threads, pools and buffers are there.
const WARM_UP_S: f64 = 10.0;

/// What the medians of the second and the last quarter of a run may differ in and still be called flat:
/// allocators keep what they were once given, in steps.
const FLAT_RATIO: f64 = 1.1;
const FLAT_KIB: u64 = 4 * 1024;
const FLAT_FILES: u64 = 2;

#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Point {
    pub(super) at_s: f64,
    pub(super) rss_kib: u64,
    /// The most so far, as the kernel has counted it (VmHWM).
    pub(super) peak_kib: u64,
    pub(super) files: u64,
}

/// By name; for a process that was restarted, all its lives.
#[derive(Debug, Default)]
pub(super) struct Samples {
    series: BTreeMap<String, Series>,
}

#[derive(Debug, Default)]
struct Series {
    pid: u32,
    lives: u64,
    points: Vec<Point>,
}

/// What the samples of a process come to. Sizes in KiB.
#[derive(Debug, Serialize)]
pub(super) struct Summary {
    pub(super) name: String,
    pub(super) lives: u64,
    pub(super) samples: usize,
    pub(super) rss_first_kib: u64,
    pub(super) rss_last_kib: u64,
    pub(super) rss_peak_kib: u64,
    /// Medians of each quarter of the time.
    pub(super) rss_quarters_kib: [u64; 4],
    pub(super) rss_flat: bool,
    pub(super) files_first: u64,
    pub(super) files_last: u64,
    pub(super) files_peak: u64,
    pub(super) files_quarters: [u64; 4],
    pub(super) files_flat: bool,
    /// Every tenth sample.
    pub(super) series: Vec<Point>,
}

/// Samples until it is aborted.
pub(super) async fn sample(shared: Arc<Shared>) {
    let started = Instant::now();
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let pids = lock(&shared.pids).clone();
        let at_s = started.elapsed().as_secs_f64();
        for (name, pid) in pids {
            // One that is just being replaced is not there.
            if let Some(point) = look(pid, at_s) {
                lock(&shared.samples).take(name, pid, point);
            }
        }
    }
}

fn look(pid: u32, at_s: f64) -> Option<Point> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let kib = |field: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(field))?;
        line.split_whitespace().next()?.parse::<u64>().ok()
    };
    let files = std::fs::read_dir(format!("/proc/{pid}/fd")).ok()?.count() as u64;
    Some(Point { at_s, rss_kib: kib("VmRSS:")?, peak_kib: kib("VmHWM:")?, files })
}

impl Samples {
    fn take(&mut self, name: String, pid: u32, point: Point) {
        let series = self.series.entry(name).or_default();
        if series.pid != pid {
            series.pid = pid;
            series.lives += 1;
        }
        series.points.push(point);
    }

    pub(super) fn summaries(&self) -> Vec<Summary> {
        self.series.iter().filter_map(|(name, series)| series.summary(name)).collect()
    }
}

impl Series {
    fn summary(&self, name: &str) -> Option<Summary> {
        let warm: Vec<Point> =
            self.points.iter().copied().filter(|point| point.at_s >= WARM_UP_S).collect();
        let (first, last) = (warm.first()?, warm.last()?);
        let rss = quarters(&warm, |point| point.rss_kib);
        let files = quarters(&warm, |point| point.files);
        let rss_limit = (rss[1] as f64 * FLAT_RATIO) as u64 + FLAT_KIB;
        Some(Summary {
            name: name.to_owned(),
            lives: self.lives,
            samples: self.points.len(),
            rss_first_kib: first.rss_kib,
            rss_last_kib: last.rss_kib,
            rss_peak_kib: self.points.iter().map(|point| point.peak_kib).max()?,
            rss_quarters_kib: rss,
            rss_flat: rss[3] <= rss_limit,
            files_first: first.files,
            files_last: last.files,
            files_peak: self.points.iter().map(|point| point.files).max()?,
            files_quarters: files,
            files_flat: files[3] <= files[1] + FLAT_FILES,
            series: self.points.iter().copied().step_by(10).collect(),
        })
    }
}

/// The median of each quarter.
fn quarters(points: &[Point], value: impl Fn(&Point) -> u64) -> [u64; 4] {
    std::array::from_fn(|quarter| {
        let range = points.len() * quarter / 4..points.len() * (quarter + 1) / 4;
        let mut values: Vec<u64> = points[range].iter().map(&value).collect();
        values.sort_unstable();
        values.get(values.len() / 2).copied().unwrap_or_default()
    })
}

#[cfg(test)]
mod tests;
