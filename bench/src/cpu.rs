//! Processor time of publisher, consumer and broker, each in a process of its own.
//!
//! ```text
//!   parent ──"go"──> publisher ──> nats-server ──> consumer
//!      └─ reads /proc/PID/stat of all three before "go", and after both ends have told their counts
//! ```

mod child;
mod proc;

use std::path::PathBuf;

pub(crate) use child::Options as ChildOptions;
pub(crate) use child::{Role, run as run_child};
use clap::Args;
use swp_fast::wire::Integrity;

use self::child::Child;
use self::proc::Times;
use crate::Failure;
use crate::peers::{Peer, System};
use crate::record::Cpu;
use crate::stage::Stage;
use crate::table::{self, DASH, Table, median, ratio};
use crate::units::{self, show_size};

/// The processes, in the order in which the data passes.
const PROCESSES: [&str; 3] = ["publisher", "broker", "consumer"];

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Message sizes [default: 64,1KiB,16KiB,512KiB]
    #[arg(
        long,
        value_delimiter = ',',
        value_parser = units::bytes,
        default_value = "64,1KiB,16KiB,512KiB"
    )]
    size: Vec<u64>,
    /// Payload bytes a round, at most `--messages` of them [default: 1GiB]
    #[arg(long, value_parser = units::bytes)]
    bytes: Option<u64>,
    /// Messages a round, at most [default: 8000000]
    #[arg(long)]
    messages: Option<u64>,
    /// Rounds; the median is shown [default: 3]
    #[arg(long)]
    rounds: Option<usize>,
    /// Protection of swp's frames: each of these takes part
    #[arg(long, value_delimiter = ',', default_value = "blake3,crc32c,none")]
    integrity: Vec<Integrity>,
    /// Appends one JSON object a measurement to this file
    #[arg(long)]
    json: Option<PathBuf>,
    /// Smaller loads, fewer sizes, one round
    #[arg(long)]
    quick: bool,
}

/// One round of one system: of each process its times, and what it handled.
#[derive(Debug, Clone)]
struct Round {
    system: System,
    size: u64,
    times: [Times; 3],
    sent: u64,
    received: u64,
}

impl Round {
    /// All three processes.
    fn total_s(&self) -> f64 {
        self.times.iter().map(|times| times.total_s()).sum()
    }

    fn gigabytes(&self, process: usize) -> f64 {
        (self.messages(process) * self.size) as f64 / 1e9
    }

    /// What a process handled: the consumer what it got, the others what was sent.
    fn messages(&self, process: usize) -> u64 {
        if PROCESSES[process] == "consumer" { self.received } else { self.sent }
    }
}

pub(crate) fn run(options: &Options, stage: &Stage) -> Result<(), Failure> {
    let quick = options.quick;
    let bytes = options.bytes.unwrap_or(if quick { 128 << 20 } else { 1 << 30 });
    let messages = options.messages.unwrap_or(if quick { 2_000_000 } else { 8_000_000 });
    let rounds = options.rounds.unwrap_or(if quick { 1 } else { 3 });
    let sizes = if quick { &options.size[..options.size.len().min(3)] } else { &options.size };
    let systems = System::all(&[Peer::Raw, Peer::Swp], &options.integrity);
    let mut measured = Vec::new();
    for &size in sizes {
        let count = (bytes / size).clamp(1, messages);
        for round in 0..rounds {
            for turn in 0..systems.len() {
                let system = systems[(round + turn) % systems.len()];
                let one = measure(stage, system, size, count)?;
                eprintln!("{}", line(&one, round));
                for record in records(&one, round) {
                    table::append(options.json.as_deref(), &record)?;
                }
                measured.push(one);
            }
        }
    }
    print!("{}", render(&systems, sizes, &measured));
    Ok(())
}

fn measure(stage: &Stage, system: System, size: u64, count: u64) -> Result<Round, Failure> {
    let load = ChildOptions {
        peer: system.peer,
        server: stage.url().to_owned(),
        size,
        count,
        integrity: system.integrity.unwrap_or_default(),
    };
    // The publisher first: a consumer of swp waits for one to join.
    let mut publisher = Child::spawn(Role::Publisher, &load)?;
    let mut consumer = Child::spawn(Role::Consumer, &load)?;
    consumer.ready()?;
    publisher.ready()?;
    let pids = [publisher.pid(), stage.broker_pid(), consumer.pid()];
    let before = pids.map(Times::of);
    publisher.go()?;
    consumer.go()?;
    let (sent, received) = (publisher.count()?, consumer.count()?);
    let after = pids.map(Times::of);
    let mut times = [Times::default(); 3];
    for ((spent, before), after) in times.iter_mut().zip(before).zip(after) {
        *spent = after?.since(before?);
    }
    publisher.end()?;
    consumer.end()?;
    Ok(Round { system, size, times, sent, received })
}

fn records(one: &Round, round: usize) -> Vec<Cpu> {
    let record = |process: usize| Cpu {
        peer: one.system.peer.name().to_owned(),
        integrity: one.system.integrity_name(),
        size: one.size as usize,
        round,
        process: PROCESSES[process].to_owned(),
        user_s: one.times[process].user_s,
        system_s: one.times[process].system_s,
        bytes: one.messages(process) * one.size,
        messages: one.messages(process),
    };
    (0..PROCESSES.len()).map(record).collect()
}

/// One measurement, as it comes.
fn line(one: &Round, round: usize) -> String {
    let times: Vec<String> = PROCESSES
        .iter()
        .zip(one.times)
        .map(|(process, t)| format!("{process} {:.2}+{:.2} s", t.user_s, t.system_s))
        .collect();
    format!(
        "{:>8}  {:<10} round {round}  user+system: {}  lost {}",
        show_size(one.size),
        one.system.label(),
        times.join(", "),
        one.sent.saturating_sub(one.received),
    )
}

/// Medians: seconds a GB of each process and of all, seconds a million messages, and the ratio to raw.
fn render(systems: &[System], sizes: &[u64], measured: &[Round]) -> String {
    let columns = ["message", "peer", "publisher s/GB", "broker s/GB", "consumer s/GB"];
    let mut table =
        Table::new(columns.into_iter().chain(["all s/GB", "all s/M messages", "x raw", "lost"]));
    for &size in sizes {
        let of = |system: System| {
            measured.iter().filter(move |one| one.size == size && one.system == system)
        };
        let total = |system: System| {
            median(of(system).map(|one| one.total_s() / one.gigabytes(0).max(1e-9)))
        };
        let raw = systems.iter().copied().find(|system| system.peer == Peer::Raw);
        for &system in systems {
            let mut row = vec![show_size(size), system.label()];
            let show = |value: Option<f64>| value.map_or(DASH.to_owned(), |s| format!("{s:.2}"));
            row.extend((0..PROCESSES.len()).map(|process| {
                let each = of(system)
                    .map(|one| one.times[process].total_s() / one.gigabytes(process).max(1e-9));
                show(median(each))
            }));
            row.push(show(total(system)));
            let per_million = of(system).map(|one| one.total_s() * 1e6 / one.sent.max(1) as f64);
            row.push(show(median(per_million)));
            row.push(ratio(total(system), raw.and_then(total)));
            row.push(of(system).map(|one| one.sent - one.received).sum::<u64>().to_string());
            table.row(row);
        }
    }
    table.render()
}

#[cfg(test)]
mod tests;
