//! What this project wants to reach, and whether a run did: worked out from its medians, never typed in.

use std::collections::BTreeSet;

use super::micro::WINDOW_TO_WINDOW;
use super::stats::{bytes, number};
use super::summary::{Load, Source, Summary};

/// Which way is good.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Bound {
    AtLeast(f64),
    AtMost(f64),
}

/// One target.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Target {
    pub(super) what: String,
    pub(super) bound: Bound,
    /// `x` for a ratio, or a unit.
    pub(super) unit: &'static str,
    /// `None` where the run did not measure it.
    pub(super) value: Option<f64>,
}

impl Target {
    pub(super) fn reached(&self) -> Option<bool> {
        self.value.map(|value| match self.bound {
            Bound::AtLeast(bound) => value >= bound,
            Bound::AtMost(bound) => value <= bound,
        })
    }

    pub(super) fn verdict(&self) -> &'static str {
        match self.reached() {
            Some(true) => "reached",
            Some(false) => "**not reached**",
            None => "not measured",
        }
    }

    pub(super) fn wanted(&self) -> String {
        let (sign, bound) = match self.bound {
            Bound::AtLeast(bound) => (">=", bound),
            Bound::AtMost(bound) => ("<=", bound),
        };
        format!("{sign} {bound}{}", self.unit)
    }

    pub(super) fn measured(&self) -> String {
        let with_unit = |value| format!("{}{}", number(value), self.unit);
        self.value.map_or_else(|| "-".to_owned(), with_unit)
    }
}

/// A ratio that has to be so high.
fn at_least(what: impl Into<String>, bound: f64, value: Option<f64>) -> Target {
    Target { what: what.into(), bound: Bound::AtLeast(bound), unit: "x", value }
}

fn at_most(what: impl Into<String>, bound: f64, value: Option<f64>) -> Target {
    Target { what: what.into(), bound: Bound::AtMost(bound), unit: "x", value }
}

fn ratio(of: Option<f64>, to: Option<f64>) -> Option<f64> {
    Some(of? / to.filter(|to| *to > 0.0)?)
}

/// All of them, in the order of the documents.
pub(super) fn evaluate(summary: &Summary) -> Vec<Target> {
    let mut targets = throughput(summary);
    targets.extend(replay(summary));
    targets.extend(latency(summary));
    targets.extend(fanout(summary));
    targets.extend(latecomers(summary));
    targets.extend(micro(summary));
    targets
}

/// Series, the size, and what it has to be as fast as, so many times.
const THROUGHPUT: [(&str, usize, &str, f64); 12] = [
    ("swp (blake3)", 64, "raw", 8.0),
    ("swp (blake3)", 64, "jetstream", 60.0),
    ("swp (blake3)", 64, "relay", 0.5),
    ("swp (blake3)", 256, "raw", 4.0),
    ("swp (blake3)", 1 << 10, "raw", 1.4),
    ("swp (blake3)", 1 << 10, "jetstream-fast", 7.0),
    ("swp (crc32c)", 4 << 10, "raw", 1.0),
    ("swp (blake3)", 4 << 10, "raw", 0.9),
    ("swp (crc32c)", 16 << 10, "raw", 1.0),
    ("swp (blake3)", 16 << 10, "raw", 0.9),
    ("swp (blake3)", 64 << 10, "raw", 1.4),
    ("swp (blake3)", 512 << 10, "raw", 1.4),
];

/// Payload bytes a second of a series at a size.
fn speed(summary: &Summary, series: &str, size: usize) -> Option<f64> {
    Some(summary.rate(series, size)?.bytes_per_s.median)
}

fn throughput(summary: &Summary) -> Vec<Target> {
    let rows = THROUGHPUT.into_iter().map(|(series, size, base, bound)| {
        let value = ratio(speed(summary, series, size), speed(summary, base, size));
        at_least(format!("{}: {series} to {base}", bytes(size)), bound, value)
    });
    let mut targets: Vec<Target> = rows.collect();
    let (huge, large) = (16 << 20, 512 << 10);
    // "Works": what was lost counts as not delivered at all.
    let whole = summary.rate("swp (blake3)", huge).filter(|rate| rate.lost == 0);
    let value =
        ratio(whole.map(|rate| rate.bytes_per_s.median), speed(summary, "swp (blake3)", large));
    let what =
        format!("{}: swp (blake3), nothing lost, to itself at {}", bytes(huge), bytes(large));
    targets.push(at_least(what, 1.0, value));
    targets
}

/// The fastest of the ways that are so.
fn fastest(summary: &Summary, so: impl Fn(&Source) -> bool) -> Option<f64> {
    let matching = summary.replay.iter().filter(|(source, _)| so(source));
    matching.map(|(_, rate)| rate.median).reduce(f64::max)
}

fn replay(summary: &Summary) -> Vec<Target> {
    let mut targets = Vec::new();
    let streamed = summary.replay.keys().filter(|s| s.to_consumer).map(|s| s.size);
    for size in or_none(streamed.collect()) {
        let of = |source: &'static str| {
            fastest(summary, |s| {
                let warm = s.source != "disk" || s.cache == "warm";
                s.to_consumer && Some(s.size) == size && s.source == source && warm
            })
        };
        let what = "replay, warm, digests stored, to the same from memory with hashing";
        targets.push(at_least(at(what, size), 1.1, ratio(of("disk"), of("memory"))));
    }
    let cold = |engine: &'static str, direct: bool| {
        fastest(summary, |s| {
            let is = (s.engine.as_str(), s.direct, s.cache.as_str());
            s.to_consumer && is == (engine, direct, "cold")
        })
    };
    let what = "replay, cold: io_uring O_DIRECT to buffered pread";
    targets.push(at_least(what, 1.5, ratio(cold("uring", true), cold("pread", false))));
    targets
}

/// So that a target shows even where nothing was measured for it.
fn or_none(sizes: BTreeSet<usize>) -> Vec<Option<usize>> {
    match sizes.is_empty() {
        true => vec![None],
        false => sizes.into_iter().map(Some).collect(),
    }
}

fn at(what: &str, size: Option<usize>) -> String {
    size.map_or_else(|| what.to_owned(), |size| format!("{}: {what}", bytes(size)))
}

fn latency(summary: &Summary) -> Vec<Target> {
    let percentile = |size, load: Load, index: usize| {
        let of = |peer| summary.percentiles(size, load, peer).map(|p| p.ns[index]);
        ratio(of("swp"), of("raw"))
    };
    let mut targets = vec![
        at_most("64 B: round trip, p50 of swp to raw", 1.1, percentile(64, 0, 0)),
        at_most("64 B: round trip, p99 of swp to raw", 1.0, percentile(64, 0, 2)),
    ];
    let open = summary.latency.keys().filter(|(_, load, _)| *load > 0).map(|(size, ..)| *size);
    for size in or_none(open.collect()) {
        let p99 = size.and_then(|size| percentile(size, 80, 2));
        let what = "one way at 80 % of raw's maximum, p99 of swp to raw";
        targets.push(at_most(at(what, size), 0.5, p99));
        let lost = size.and_then(|size| Some(summary.percentiles(size, 120, "swp")?.lost as f64));
        let what = at("one way at 120 % of raw's maximum, lost by swp", size);
        targets.push(Target { what, bound: Bound::AtMost(0.0), unit: "", value: lost });
    }
    targets
}

/// Consumers of the target.
const FANOUT_CONSUMERS: usize = 4;

fn fanout(summary: &Summary) -> Vec<Target> {
    let free = |key: &&(bool, usize, usize, String)| !key.0 && key.2 == FANOUT_CONSUMERS;
    let ours = summary.fanout.keys().filter(free).filter(|key| key.3 != "raw");
    let mut measured: BTreeSet<(usize, &str)> = ours.map(|key| (key.1, key.3.as_str())).collect();
    // These show even where they were not measured.
    measured.extend([(64, "swp (blake3)"), (1 << 10, "swp (blake3)")]);
    let rows = measured.into_iter().filter_map(|(size, series)| {
        let bound = match size {
            64 => 4.0,
            1024.. => 0.9,
            _ => return None,
        };
        let of = |series| {
            Some(summary.spreading(false, size, FANOUT_CONSUMERS, series)?.sum_per_s.median)
        };
        let what = format!("{}: one to {FANOUT_CONSUMERS}, sum of {series} to raw", bytes(size));
        Some(at_least(what, bound, ratio(of(series), of("raw"))))
    });
    rows.collect()
}

/// From memory only: from a disk two readers share what it gives, and it decides.
fn latecomers(summary: &Summary) -> Vec<Target> {
    let measured = summary.latecomers.iter().filter(|((_, in_memory), _)| *in_memory);
    let rows = or_none(measured.map(|((size, _), _)| *size).collect()).into_iter().map(|size| {
        let beside = size.and_then(|size| summary.latecomers.get(&(size, true)));
        let what = at("what others keep of their pace beside a latecomer", size);
        at_least(what, 0.8, beside.map(|beside| beside.kept.median))
    });
    rows.collect()
}

fn micro(summary: &Summary) -> Vec<Target> {
    let within = |what: &str, name: &str, most: f64| Target {
        what: what.to_owned(),
        bound: Bound::AtMost(most),
        unit: " ns",
        value: summary.micro_ns(name),
    };
    let mut targets = vec![
        within("try_send of 64 B", "try_send, sending/64 B", 50.0),
        within(
            "a 64 B message of a frame that has arrived",
            "consumer, per message/64 B, arrived",
            30.0,
        ),
    ];
    for side in ["sender", "receiver"] {
        for order in ["in order", "1 % gaps"] {
            let what = format!("{side}'s cost of a frame, {order}: 4,096 in flight to 64");
            let name = format!("{WINDOW_TO_WINDOW}/{side}, {order}");
            targets.push(at_most(what, 1.2, summary.micro_ns(&name)));
        }
    }
    targets
}
