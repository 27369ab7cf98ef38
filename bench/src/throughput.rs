//! One publisher to one consumer, as fast as it goes.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use swp_fast::wire::Integrity;

use crate::Failure;
use crate::peers::{self, Load, Outcome, Peer, System};
use crate::record::Throughput;
use crate::stage::Stage;
use crate::table::{self, DASH, Table, median, ratio};
use crate::units::{self, show_rate, show_size};

/// From the smallest worth sending to one that only a fragmenting protocol takes.
const SIZES: [u64; 8] = [64, 256, 1 << 10, 4 << 10, 16 << 10, 64 << 10, 512 << 10, 16 << 20];
const SIZES_QUICK: [u64; 4] = [64, 1 << 10, 16 << 10, 512 << 10];

/// A warm-up, which is not recorded, moves this part of a round: enough for the broker and the allocator
/// to have grown.
const WARM_UP_PART: u64 = 8;

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Who to measure, taking turns.
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "raw,swp,replay,jetstream,jetstream-fast,wire,relay"
    )]
    peer: Vec<Peer>,
    /// Message sizes, such as 64,16KiB. A size that a peer cannot send is a dash in the table
    /// [default: 64 B to 16 MiB]
    #[arg(long, value_delimiter = ',', value_parser = units::bytes)]
    size: Vec<u64>,
    /// Payload bytes a round, at most `--messages` of them [default: 1GiB]
    #[arg(long, value_parser = units::bytes)]
    bytes: Option<u64>,
    /// Messages a round, at most [default: 4000000]
    #[arg(long)]
    messages: Option<u64>,
    /// Rounds; the median is shown [default: 5]
    #[arg(long)]
    rounds: Option<usize>,
    /// Protection of swp's frames: blake3, crc32c, none, or several, each of which takes part
    #[arg(long, value_delimiter = ',', default_value = "blake3,crc32c")]
    integrity: Vec<Integrity>,
    /// JetStream stops sending after this, so that a round ends [default: 3s]
    #[arg(long, value_parser = units::duration)]
    limit: Option<Duration>,
    /// Appends one JSON object a measurement to this file
    #[arg(long)]
    json: Option<PathBuf>,
    /// Smaller loads, fewer sizes, three rounds
    #[arg(long)]
    quick: bool,
}

/// What was measured of one system at one size.
type Cell = Vec<Outcome>;

pub(crate) fn run(options: &Options, stage: &mut Stage) -> Result<(), Failure> {
    let quick = options.quick;
    let default_sizes: &[u64] = if quick { &SIZES_QUICK } else { &SIZES };
    let sizes = if options.size.is_empty() { default_sizes } else { &options.size };
    let bytes = options.bytes.unwrap_or(if quick { 64 << 20 } else { 1 << 30 });
    let messages = options.messages.unwrap_or(if quick { 500_000 } else { 4_000_000 });
    let rounds = options.rounds.unwrap_or(if quick { 3 } else { 5 });
    let limit = Duration::from_millis(if quick { 300 } else { 3000 });
    let limit = options.limit.unwrap_or(limit);
    let systems = System::all(&options.peer, &options.integrity);
    let mut rows = Vec::new();
    for &size in sizes {
        let count = (bytes / size).clamp(1, messages);
        let load = Load { size: usize::try_from(size)?, count, limit };
        rows.push((size, measure(options, stage, &systems, load, rounds)?));
        stage.drop_captures()?;
    }
    print!("{}", render(&systems, &rows));
    Ok(())
}

/// All rounds of all systems at one size.
fn measure(
    options: &Options,
    stage: &mut Stage,
    systems: &[System],
    load: Load,
    rounds: usize,
) -> Result<Vec<Cell>, Failure> {
    let mut cells = vec![Cell::new(); systems.len()];
    let warm_up = Load {
        count: load.count.div_ceil(WARM_UP_PART),
        limit: load.limit / WARM_UP_PART as u32,
        ..load
    };
    for &system in systems.iter().filter(|system| system.peer.takes(load.size)) {
        attempt(stage, system, warm_up)?;
    }
    for round in 0..rounds {
        // Each round begins with another, so nobody always follows the same one.
        for turn in 0..systems.len() {
            let position = (round + turn) % systems.len();
            let system = systems[position];
            if !system.peer.takes(load.size) {
                continue;
            }
            let Some(outcome) = attempt(stage, system, load)? else { continue };
            eprintln!("{}", line(system, load, round, &outcome));
            table::append(options.json.as_deref(), &record(system, load, round, &outcome))?;
            cells[position].push(outcome);
        }
    }
    Ok(cells)
}

/// One round of one system. `None` where it failed and is not ours: that is said, and is no reason to measure
/// nothing else.
fn attempt(stage: &mut Stage, system: System, load: Load) -> Result<Option<Outcome>, Failure> {
    match peers::run(stage, system, load) {
        Ok(outcome) => Ok(Some(outcome)),
        Err(error) => {
            let what = format!("{} at {} B: {error}", system.label(), load.size);
            if matches!(system.peer, Peer::Swp | Peer::Replay) {
                return Err(what.into());
            }
            eprintln!("left out: {what}");
            Ok(None)
        }
    }
}

fn record(system: System, load: Load, round: usize, outcome: &Outcome) -> Throughput {
    Throughput {
        peer: system.peer.name().to_owned(),
        integrity: system.integrity_name(),
        size: load.size,
        round,
        sent: outcome.sent,
        received: outcome.received,
        seconds: outcome.seconds,
        retransmits: outcome.retransmits,
    }
}

/// One measurement, as it comes.
fn line(system: System, load: Load, round: usize, outcome: &Outcome) -> String {
    format!(
        "{:>8}  {:<14} round {round}  {:>8} msg/s  {:>7.1} MB/s  lost {}",
        show_size(load.size as u64),
        system.label(),
        show_rate(outcome.messages_per_s()),
        outcome.messages_per_s() * load.size as f64 / 1e6,
        outcome.sent.saturating_sub(outcome.received),
    )
}

/// Medians by size; of each system messages and megabytes a second, and the ratio to raw.
fn render(systems: &[System], rows: &[(u64, Vec<Cell>)]) -> String {
    let mut columns = vec!["message".to_owned()];
    columns.extend(systems.iter().map(|system| format!("{} msg/s (MB/s), x raw", system.label())));
    columns.push("lost".to_owned());
    let mut table = Table::new(columns);
    let raw = systems.iter().position(|system| system.peer == Peer::Raw);
    for (size, cells) in rows {
        let rate = |cell: &Cell| median(cell.iter().map(Outcome::messages_per_s));
        let base = raw.and_then(|position| rate(&cells[position]));
        let mut row = vec![show_size(*size)];
        row.extend(cells.iter().map(|cell| match rate(cell) {
            None => DASH.to_owned(),
            Some(rate) => {
                let megabytes = rate * *size as f64 / 1e6;
                let ratio = ratio(Some(rate), base);
                format!("{} ({megabytes:.0}), {ratio}", show_rate(rate))
            }
        }));
        row.push(lost(systems, cells));
        table.row(row);
    }
    table.render()
}

/// Who lost how many of how many, over all rounds.
fn lost(systems: &[System], cells: &[Cell]) -> String {
    let mut losses = Vec::new();
    for (system, cell) in systems.iter().zip(cells) {
        let sent: u64 = cell.iter().map(|outcome| outcome.sent).sum();
        let received: u64 = cell.iter().map(|outcome| outcome.received).sum();
        if received < sent {
            losses.push(format!("{} {} of {sent}", system.label(), sent - received));
        }
    }
    if losses.is_empty() { "0".to_owned() } else { losses.join(", ") }
}

#[cfg(test)]
mod tests;
