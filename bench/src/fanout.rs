//! One publisher to several consumers, each with a connection of its own; also with one that is held back.

mod consumers;

use std::path::PathBuf;
use std::time::Instant;

use clap::Args;
use swp_fast::wire::Integrity;

use crate::Failure;
use crate::peers::{Load, Peer, System};
use crate::record::Fanout;
use crate::stage::Stage;
use crate::table::{self, DASH, Table, median, ratio};
use crate::units::{self, show_rate, show_size};

/// The slow consumer takes this part of what raw delivered to each with nobody held back: slow enough to
/// be behind at every size, and both peers are given the same one.
const SLOW_PART: f64 = 0.25;

const CONSUMERS: [usize; 4] = [1, 2, 4, 8];
const CONSUMERS_QUICK: [usize; 2] = [1, 4];

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Message sizes
    #[arg(long, value_delimiter = ',', value_parser = units::bytes, default_value = "64,1KiB,4KiB,16KiB,64KiB")]
    size: Vec<u64>,
    /// Numbers of consumers [default: 1,2,4,8]
    #[arg(long, value_delimiter = ',')]
    consumers: Vec<usize>,
    /// Measures also with one consumer held back, to a quarter of raw's rate
    #[arg(long)]
    slow: bool,
    /// Payload bytes a round to each consumer, at most `--messages` of them [default: 512MiB]
    #[arg(long, value_parser = units::bytes)]
    bytes: Option<u64>,
    /// Messages a round, at most [default: 1000000]
    #[arg(long)]
    messages: Option<u64>,
    /// Rounds; the median is shown [default: 9]
    #[arg(long)]
    rounds: Option<usize>,
    /// Messages that a raw subscription queues before it drops; async-nats' own default unless given
    #[arg(long, default_value_t = crate::peers::raw::DEFAULT_QUEUE)]
    raw_queue: usize,
    /// Protection of swp's frames: blake3, crc32c, none, or several, each of which takes part; a consumer is held
    /// back with the first alone
    #[arg(long, value_delimiter = ',', default_value = "blake3,crc32c")]
    integrity: Vec<Integrity>,
    /// Appends one JSON object a measurement to this file
    #[arg(long)]
    json: Option<PathBuf>,
    /// Smaller loads, fewer consumers, one round
    #[arg(long)]
    quick: bool,
}

/// What is measured in a round.
#[derive(Debug, Clone, Copy)]
struct Case {
    load: Load,
    consumers: usize,
    /// Messages a second that the last consumer is held to.
    slow_rate: Option<f64>,
    raw_queue: usize,
}

/// What came of it.
struct Outcome {
    received: Vec<u64>,
    last: Instant,
    retransmits: u64,
    group_retransmits: u64,
}

pub(crate) fn run(options: &Options, stage: &mut Stage) -> Result<(), Failure> {
    let quick = options.quick;
    let bytes = options.bytes.unwrap_or(if quick { 16 << 20 } else { 512 << 20 });
    let messages = options.messages.unwrap_or(if quick { 100_000 } else { 1_000_000 });
    let rounds = options.rounds.unwrap_or(if quick { 1 } else { 9 });
    let default_numbers: &[usize] = if quick { &CONSUMERS_QUICK } else { &CONSUMERS };
    let numbers = if options.consumers.is_empty() { default_numbers } else { &options.consumers };
    let systems = System::all(&[Peer::Raw, Peer::Swp], &options.integrity);
    let mut measured = Vec::new();
    for &size in &options.size {
        for &consumers in numbers {
            let load = Load {
                size: usize::try_from(size)?,
                count: (bytes / size).clamp(1, messages),
                limit: std::time::Duration::MAX,
            };
            let case = Case { load, consumers, slow_rate: None, raw_queue: options.raw_queue };
            let fast = measure(options, stage, &systems, case, rounds)?;
            let raw = median(fast.iter().filter(|r| r.peer == "raw").map(rate));
            measured.extend(fast);
            if let (true, Some(raw)) = (options.slow, raw) {
                let case = Case { slow_rate: Some((raw * SLOW_PART).max(1.0)), ..case };
                measured.extend(measure(
                    options,
                    stage,
                    &systems[..systems.len().min(2)],
                    case,
                    rounds,
                )?);
            }
        }
    }
    print!("{}", render(&measured));
    Ok(())
}

/// All rounds of one case; each begins with another system.
fn measure(
    options: &Options,
    stage: &Stage,
    systems: &[System],
    case: Case,
    rounds: usize,
) -> Result<Vec<Fanout>, Failure> {
    let mut measured = Vec::new();
    for round in 0..rounds {
        for turn in 0..systems.len() {
            let system = systems[(round + turn) % systems.len()];
            let (start, outcome) = stage.runtime.block_on(async {
                match system.integrity {
                    Some(integrity) => consumers::swp(stage.url(), case, integrity).await,
                    None => consumers::raw(stage.url(), case).await,
                }
            })?;
            let record = Fanout {
                peer: system.peer.name().to_owned(),
                integrity: system.integrity_name(),
                size: case.load.size,
                consumers: case.consumers,
                slow: case.slow_rate.is_some(),
                round,
                sent: case.load.count,
                received: outcome.received,
                seconds: outcome.last.duration_since(start).as_secs_f64(),
                retransmits: outcome.retransmits,
                group_retransmits: outcome.group_retransmits,
            };
            eprintln!("{}", line(system, &record));
            table::append(options.json.as_deref(), &record)?;
            measured.push(record);
        }
    }
    Ok(measured)
}

/// Messages a second that each consumer got, on average.
fn rate(record: &Fanout) -> f64 {
    let received: u64 = record.received.iter().sum();
    received as f64 / record.received.len().max(1) as f64 / record.seconds.max(1e-9)
}

/// Messages that some consumer did not get.
fn lost(record: &Fanout) -> u64 {
    record.received.iter().map(|received| record.sent.saturating_sub(*received)).sum()
}

/// One measurement, as it comes.
fn line(system: System, record: &Fanout) -> String {
    format!(
        "{:>8}  {:<10} 1 to {}{}  round {}  {:>8} msg/s each  lost {}",
        show_size(record.size as u64),
        system.label(),
        record.consumers,
        if record.slow { ", one slow" } else { "" },
        record.round,
        show_rate(rate(record)),
        lost(record),
    )
}

/// Medians by size, number of consumers, and whether one is slow: a row for each protection of swp.
fn render(measured: &[Fanout]) -> String {
    let columns = ["message", "consumers", "raw msg/s each", "raw lost", "swp", "swp msg/s each"];
    let mut table =
        Table::new(columns.into_iter().chain(["swp x raw", "swp lost", "swp retransmits"]));
    let mut seen = Vec::new();
    for record in measured.iter().filter(|record| record.peer == "swp") {
        let key = (record.size, record.consumers, record.slow, &record.integrity);
        if seen.contains(&key) {
            continue;
        }
        seen.push(key);
        let of = |peer: &str, integrity: &Option<String>| -> Vec<&Fanout> {
            let same = |r: &&Fanout| {
                (r.size, r.consumers, r.slow) == (key.0, key.1, key.2)
                    && r.peer == peer
                    && r.integrity == *integrity
            };
            measured.iter().filter(same).collect()
        };
        let (raw, swp) = (of("raw", &None), of("swp", &record.integrity));
        let middle = |of: &[&Fanout]| median(of.iter().map(|record| rate(record)));
        let show = |rate: Option<f64>| rate.map_or(DASH.to_owned(), show_rate);
        let slow = if record.slow { ", one slow" } else { "" };
        table.row(vec![
            show_size(record.size as u64),
            format!("{}{slow}", record.consumers),
            show(middle(&raw)),
            share_lost(&raw),
            record.integrity.clone().unwrap_or_default(),
            show(middle(&swp)),
            ratio(middle(&swp), middle(&raw)),
            share_lost(&swp),
            swp.iter().map(|record| record.retransmits).sum::<u64>().to_string(),
        ]);
    }
    table.render()
}

/// What was lost over all rounds, and of how much that is.
fn share_lost(of: &[&Fanout]) -> String {
    let lost: u64 = of.iter().map(|record| lost(record)).sum();
    let due: u64 = of.iter().map(|r| r.sent * r.received.len() as u64).sum();
    match lost {
        0 => "0".to_owned(),
        lost => format!("{lost} ({:.1} %)", lost as f64 * 100.0 / due as f64),
    }
}

#[cfg(test)]
mod tests;
