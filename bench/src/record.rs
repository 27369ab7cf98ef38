//! What is measured, as it is kept: one JSON object a line, one measurement an object, never a median.
//!
//! Each mode writes one file, named after it (`throughput.jsonl`, ...), into a results folder, beside a
//! `run.json` that says where and how. The tables, the plots and the README are made from these files.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A line of `throughput.jsonl`: one round of one publisher to one consumer, as fast as it goes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Throughput {
    /// `raw`, `swp`, `replay`, `jetstream`, `jetstream-fast`, `wire` or `relay`.
    pub(crate) peer: String,
    /// `blake3`, `crc32c` or `none`; only of `swp` and `replay`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) integrity: Option<String>,
    /// Payload bytes of a message.
    pub(crate) size: usize,
    pub(crate) round: usize,
    /// Messages.
    pub(crate) sent: u64,
    pub(crate) received: u64,
    /// From the first send to the last arrival.
    pub(crate) seconds: f64,
    /// Frames that went out again.
    pub(crate) retransmits: u64,
}

/// How the load of a latency measurement was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LatencyKind {
    /// Round trips, one at a time.
    Closed,
    /// One way, at a steady rate, timed from when each message was due.
    Open,
}

/// A line of `latency.jsonl`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Latency {
    /// `raw` or `swp`.
    pub(crate) peer: String,
    pub(crate) kind: LatencyKind,
    pub(crate) size: usize,
    pub(crate) round: usize,
    /// Open only: the offered rate in percent of raw's maximum, as measured at the start of the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) percent_of_raw: Option<u32>,
    /// Open only: messages a second that were offered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) rate: Option<f64>,
    pub(crate) sent: u64,
    pub(crate) received: u64,
    /// Open only: the most messages that were due and had not arrived.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) max_backlog: Option<u64>,
    pub(crate) p50_ns: u64,
    pub(crate) p90_ns: u64,
    pub(crate) p99_ns: u64,
    pub(crate) p999_ns: u64,
    pub(crate) max_ns: u64,
    /// Name of the histogram's file in the HDR folder, if one was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) hdr: Option<String>,
}

/// A line of `fanout.jsonl`: one publisher to several consumers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Fanout {
    /// `raw` or `swp`.
    pub(crate) peer: String,
    /// `blake3`, `crc32c` or `none`; only of `swp`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) integrity: Option<String>,
    pub(crate) size: usize,
    pub(crate) consumers: usize,
    /// One of the consumers is held back.
    pub(crate) slow: bool,
    pub(crate) round: usize,
    /// Messages that were published, once.
    pub(crate) sent: u64,
    /// Messages that each consumer read; of a slow run the slow one comes last.
    pub(crate) received: Vec<u64>,
    /// From the first send to the last arrival at any consumer.
    pub(crate) seconds: f64,
    /// Frames that went out again to one consumer.
    pub(crate) retransmits: u64,
    /// Frames that went out again to all of them.
    pub(crate) group_retransmits: u64,
}

/// What a measurement of reading does with what it reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ReplayKind {
    /// Sends it to a consumer over NATS.
    Stream,
    /// Nothing: the disk alone.
    Read,
}

/// A line of `replay.jsonl`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Replay {
    pub(crate) kind: ReplayKind,
    /// `disk` or `memory`.
    pub(crate) source: String,
    /// `uring` or `pread`; empty where nothing is read.
    pub(crate) engine: String,
    /// `cold` or `warm`; empty where nothing is read.
    pub(crate) cache: String,
    /// Whether the reads pass the page cache by (O_DIRECT).
    pub(crate) direct: bool,
    pub(crate) reads_in_flight: usize,
    pub(crate) block_bytes: usize,
    /// Payload bytes of a message.
    pub(crate) size: usize,
    pub(crate) round: usize,
    /// Payload bytes that arrived; of kind `read` bytes of the file.
    pub(crate) bytes: u64,
    pub(crate) seconds: f64,
}

/// Why a phase with a latecomer, or beside one, says nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Discarded {
    /// The stream came to its end.
    Ended,
    /// The latecomer reached the present, and was no latecomer any more.
    CaughtUp,
}

/// A line of `latecomer.jsonl`: one phase of a replay to a consumer that was there from the start.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Latecomer {
    /// Payload bytes of a message.
    pub(crate) size: usize,
    /// The capture lies in memory, not on a disk.
    pub(crate) in_memory: bool,
    pub(crate) round: usize,
    /// Counted from 0 in each round; every other one has a latecomer.
    pub(crate) phase: usize,
    /// A consumer that came late is sent the stream from its start meanwhile.
    pub(crate) latecomer: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) discarded: Option<Discarded>,
    /// Messages that the consumer from the start read in the phase.
    pub(crate) messages: u64,
    /// Messages that the latecomer read in it.
    pub(crate) late_messages: u64,
    pub(crate) seconds: f64,
}

/// A line of `cpu.jsonl`: processor time of one process over one round.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Cpu {
    /// `raw` or `swp`.
    pub(crate) peer: String,
    /// `blake3`, `crc32c` or `none`; only of `swp`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) integrity: Option<String>,
    pub(crate) size: usize,
    pub(crate) round: usize,
    /// `publisher`, `consumer` or `broker`.
    pub(crate) process: String,
    pub(crate) user_s: f64,
    pub(crate) system_s: f64,
    /// Payload bytes and messages that the process handled: sent, received, or passed on.
    pub(crate) bytes: u64,
    pub(crate) messages: u64,
}

/// `run.json`: where and how a folder of results was made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Run {
    /// Start of the run, RFC 3339, UTC.
    pub(crate) date: String,
    pub(crate) machine: Machine,
    /// By name: `nats-server`, `async-nats`, `swp-fast`, `rustc`.
    pub(crate) versions: BTreeMap<String, String>,
    /// The exact commands.
    pub(crate) commands: Vec<String>,
}

/// What the run was made on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Machine {
    /// The processor's model.
    pub(crate) cpu: String,
    pub(crate) cores: usize,
    pub(crate) memory_bytes: u64,
    pub(crate) kernel: String,
}
