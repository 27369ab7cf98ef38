//! Medians over the rounds of a run, and what was lost in them. Tables, plots and targets all come from
//! here, so they cannot differ.

use std::collections::{BTreeMap, BTreeSet};

use super::data::Data;
use super::micro::Micro;
use super::stats::{Spread, spread};
use crate::latecomer::{Compared, compare};
use crate::record::{LatencyKind, ReplayKind, Throughput};

/// Who was measured, in the order in which tables and legends name them.
pub(super) const SERIES: [&str; 9] = [
    "raw",
    "swp (blake3)",
    "swp (crc32c)",
    "swp (none)",
    "replay",
    "jetstream",
    "jetstream-fast",
    "wire",
    "relay",
];

/// One publisher to one consumer: what a series did at a size.
#[derive(Debug)]
pub(super) struct Rate {
    pub(super) messages_per_s: Spread,
    pub(super) bytes_per_s: Spread,
    pub(super) lost: u64,
    pub(super) retransmits: u64,
    pub(super) rounds: usize,
}

/// Percentiles in nanoseconds, each the median of the rounds'.
#[derive(Debug)]
pub(super) struct Percentiles {
    /// At 50, 90, 99, 99.9 and 100 %.
    pub(super) ns: [f64; 5],
    /// Messages a second; 0 where they were sent one at a time.
    pub(super) rate: f64,
    pub(super) sent: u64,
    pub(super) lost: u64,
    /// The most of any round.
    pub(super) max_backlog: Option<u64>,
}

/// One publisher to several consumers.
#[derive(Debug)]
pub(super) struct Spreading {
    /// Messages a second over all consumers.
    pub(super) sum_per_s: Spread,
    pub(super) lost: u64,
    pub(super) retransmits: u64,
    pub(super) group_retransmits: u64,
}

/// One way to read a capture, or to send one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Source {
    pub(super) to_consumer: bool,
    pub(super) size: usize,
    pub(super) source: String,
    pub(super) engine: String,
    pub(super) cache: String,
    pub(super) direct: bool,
    pub(super) reads_in_flight: usize,
    pub(super) block_bytes: usize,
}

/// A consumer from the start, beside one that came late. Messages a second.
#[derive(Debug)]
pub(super) struct Beside {
    pub(super) alone_per_s: Spread,
    pub(super) beside_per_s: Spread,
    pub(super) late_per_s: Spread,
    /// The part of its pace that the first kept.
    pub(super) kept: Spread,
    /// Phases with a latecomer that were compared, and those that could not be.
    pub(super) phases: usize,
    pub(super) discarded: usize,
}

/// Processor time, in seconds.
#[derive(Debug)]
pub(super) struct Used {
    pub(super) user_per_gb: Spread,
    pub(super) system_per_gb: Spread,
    pub(super) ns_per_message: Spread,
}

/// 0 is the closed loop, one message at a time; the rest is the offered load in percent of raw's maximum.
pub(super) type Load = u32;

#[derive(Debug)]
pub(super) struct Summary {
    /// By series and size.
    pub(super) rates: BTreeMap<(String, usize), Rate>,
    /// By size, load and peer.
    pub(super) latency: BTreeMap<(usize, Load, String), Percentiles>,
    /// By slow, size, consumers and series.
    pub(super) fanout: BTreeMap<(bool, usize, usize, String), Spreading>,
    /// Bytes a second.
    pub(super) replay: BTreeMap<Source, Spread>,
    /// By size, and whether the capture lies in memory.
    pub(super) latecomers: BTreeMap<(usize, bool), Beside>,
    /// By process, size and series.
    pub(super) cpu: BTreeMap<(String, usize, String), Used>,
    pub(super) micro: Vec<Micro>,
}

/// The name of a series. Measurements of before integrity was kept were all made with blake3.
fn series(peer: &str, integrity: Option<&str>) -> String {
    match peer {
        "swp" => format!("swp ({})", integrity.unwrap_or("blake3")),
        peer => peer.to_owned(),
    }
}

impl Summary {
    pub(super) fn new(data: &Data) -> Summary {
        Summary {
            rates: rates(data),
            latency: latency(data),
            fanout: fanout(data),
            replay: replay(data),
            latecomers: latecomers(data),
            cpu: cpu(data),
            micro: data.micro.clone(),
        }
    }

    /// The series of throughput that were measured, in their order, then such as are not known here.
    pub(super) fn series(&self) -> Vec<&str> {
        let measured: BTreeSet<&str> = self.rates.keys().map(|(name, _)| name.as_str()).collect();
        let known = SERIES.into_iter().filter(|name| measured.contains(name));
        known.chain(measured.iter().copied().filter(|name| !SERIES.contains(name))).collect()
    }

    pub(super) fn rate(&self, series: &str, size: usize) -> Option<&Rate> {
        self.rates.get(&(series.to_owned(), size))
    }

    pub(super) fn sizes(&self) -> BTreeSet<usize> {
        self.rates.keys().map(|(_, size)| *size).collect()
    }

    pub(super) fn percentiles(&self, size: usize, load: Load, peer: &str) -> Option<&Percentiles> {
        self.latency.get(&(size, load, peer.to_owned()))
    }

    pub(super) fn spreading(
        &self,
        slow: bool,
        size: usize,
        consumers: usize,
        series: &str,
    ) -> Option<&Spreading> {
        self.fanout.get(&(slow, size, consumers, series.to_owned()))
    }

    /// The median of a micro-benchmark, for one element.
    pub(super) fn micro_ns(&self, name: &str) -> Option<f64> {
        self.micro.iter().find(|micro| micro.name == name).map(Micro::ns_each)
    }
}

/// The measurements of each key together.
fn grouped<K: Ord, T>(all: &[T], key: impl Fn(&T) -> K) -> BTreeMap<K, Vec<&T>> {
    let mut groups: BTreeMap<K, Vec<&T>> = BTreeMap::new();
    for one in all {
        groups.entry(key(one)).or_default().push(one);
    }
    groups
}

fn rates(data: &Data) -> BTreeMap<(String, usize), Rate> {
    let key = |t: &Throughput| (series(&t.peer, t.integrity.as_deref()), t.size);
    let groups = grouped(&data.throughput, key).into_iter();
    let rates = groups.filter_map(|(key, rounds)| {
        let rate = spread(rounds.iter().map(|t| t.received as f64 / t.seconds))?;
        let size = key.1 as f64;
        let in_bytes =
            Spread { median: rate.median * size, min: rate.min * size, max: rate.max * size };
        let rate = Rate {
            messages_per_s: rate,
            bytes_per_s: in_bytes,
            lost: rounds.iter().map(|t| t.sent.saturating_sub(t.received)).sum(),
            retransmits: rounds.iter().map(|t| t.retransmits).sum(),
            rounds: rounds.len(),
        };
        Some((key, rate))
    });
    rates.collect()
}

fn latency(data: &Data) -> BTreeMap<(usize, Load, String), Percentiles> {
    let groups = grouped(&data.latency, |l| {
        let load = match l.kind {
            LatencyKind::Closed => 0,
            LatencyKind::Open => l.percent_of_raw.unwrap_or_default(),
        };
        (l.size, load, l.peer.clone())
    });
    let all = groups.into_iter().map(|(key, rounds)| {
        let median = |of: fn(&crate::record::Latency) -> f64| {
            spread(rounds.iter().map(|l| of(l))).map_or(f64::NAN, |spread| spread.median)
        };
        let percentiles = Percentiles {
            ns: [
                median(|l| l.p50_ns as f64),
                median(|l| l.p90_ns as f64),
                median(|l| l.p99_ns as f64),
                median(|l| l.p999_ns as f64),
                median(|l| l.max_ns as f64),
            ],
            rate: median(|l| l.rate.unwrap_or_default()),
            sent: rounds.iter().map(|l| l.sent).sum(),
            lost: rounds.iter().map(|l| l.sent.saturating_sub(l.received)).sum(),
            max_backlog: rounds.iter().filter_map(|l| l.max_backlog).max(),
        };
        (key, percentiles)
    });
    all.collect()
}

fn fanout(data: &Data) -> BTreeMap<(bool, usize, usize, String), Spreading> {
    let groups = grouped(&data.fanout, |f| {
        (f.slow, f.size, f.consumers, series(&f.peer, f.integrity.as_deref()))
    });
    let all = groups.into_iter().filter_map(|(key, rounds)| {
        let received = |f: &crate::record::Fanout| f.received.iter().sum::<u64>();
        let lost = |f: &crate::record::Fanout| {
            f.received.iter().map(|received| f.sent.saturating_sub(*received)).sum::<u64>()
        };
        let spreading = Spreading {
            sum_per_s: spread(rounds.iter().map(|f| received(f) as f64 / f.seconds))?,
            lost: rounds.iter().map(|f| lost(f)).sum(),
            retransmits: rounds.iter().map(|f| f.retransmits).sum(),
            group_retransmits: rounds.iter().map(|f| f.group_retransmits).sum(),
        };
        Some((key, spreading))
    });
    all.collect()
}

fn replay(data: &Data) -> BTreeMap<Source, Spread> {
    let groups = grouped(&data.replay, |r| Source {
        to_consumer: r.kind == ReplayKind::Stream,
        size: r.size,
        source: r.source.clone(),
        engine: r.engine.clone(),
        cache: r.cache.clone(),
        direct: r.direct,
        reads_in_flight: r.reads_in_flight,
        block_bytes: r.block_bytes,
    });
    let rates = groups.into_iter().filter_map(|(source, rounds)| {
        Some((source, spread(rounds.iter().map(|r| r.bytes as f64 / r.seconds))?))
    });
    rates.collect()
}

fn latecomers(data: &Data) -> BTreeMap<(usize, bool), Beside> {
    let groups = grouped(&data.latecomer, |l| (l.size, l.in_memory));
    let all = groups.into_iter().filter_map(|(key, lines)| {
        let compared = compare(lines.iter().copied());
        let of = |value: fn(&Compared) -> f64| spread(compared.iter().map(value));
        let beside = Beside {
            alone_per_s: of(|c| c.alone_per_s)?,
            beside_per_s: of(|c| c.beside_per_s)?,
            late_per_s: of(|c| c.late_per_s)?,
            kept: of(Compared::kept)?,
            phases: compared.len(),
            discarded: lines.iter().filter(|l| l.latecomer).count() - compared.len(),
        };
        Some((key, beside))
    });
    all.collect()
}

fn cpu(data: &Data) -> BTreeMap<(String, usize, String), Used> {
    let groups = grouped(&data.cpu, |c| {
        (c.process.clone(), c.size, series(&c.peer, c.integrity.as_deref()))
    });
    let all = groups.into_iter().filter_map(|(key, rounds)| {
        let used = Used {
            user_per_gb: spread(rounds.iter().map(|c| c.user_s / (c.bytes as f64 / 1e9)))?,
            system_per_gb: spread(rounds.iter().map(|c| c.system_s / (c.bytes as f64 / 1e9)))?,
            ns_per_message: spread(
                rounds.iter().map(|c| (c.user_s + c.system_s) * 1e9 / c.messages as f64),
            )?,
        };
        Some((key, used))
    });
    all.collect()
}
