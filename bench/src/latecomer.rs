//! How much of its pace a consumer keeps while another, which came late, is served beside it.
//!
//! A capture is replayed at line rate to a consumer that was there from the start. In every other phase of
//! the replay a second one joins, is sent everything from the start of the capture, and leaves again. The
//! pace of the first beside it is compared with the mean of the phases before and behind.

mod late;
mod phases;
mod place;
mod session;

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

pub(crate) use self::phases::{Compared, compare};
use crate::Failure;
use crate::record::{Discarded, Latecomer};
use crate::stage::Stage;
use crate::table::{self, DASH, Table, median};
use crate::units::{self, show_size};

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Message sizes
    #[arg(long, value_delimiter = ',', value_parser = units::bytes, default_value = "1KiB")]
    size: Vec<u64>,
    /// Payload bytes of the capture, kept in /dev/shm where that has room for twice as much; a round has
    /// as many phases as it lasts for [default: 4GiB]
    #[arg(long, value_parser = units::bytes)]
    bytes: Option<u64>,
    /// Length of a phase, with a latecomer or without [default: 1s]
    #[arg(long, value_parser = units::duration)]
    phase: Option<Duration>,
    /// Rounds, a replay each; the median of all phases is shown [default: 3]
    #[arg(long)]
    rounds: Option<usize>,
    /// Appends one JSON object a phase to this file
    #[arg(long)]
    json: Option<PathBuf>,
    /// A smaller capture, shorter phases, one round
    #[arg(long)]
    quick: bool,
}

pub(crate) fn run(options: &Options, stage: &Stage) -> Result<(), Failure> {
    let quick = options.quick;
    let bytes = options.bytes.unwrap_or(if quick { 1 << 30 } else { 4 << 30 });
    let phase = options.phase.unwrap_or(Duration::from_millis(if quick { 200 } else { 1000 }));
    let rounds = options.rounds.unwrap_or(if quick { 1 } else { 3 });
    let mut measured = Vec::new();
    for &size in &options.size {
        let placed = place::make(usize::try_from(size)?, (bytes / size).max(1))?;
        eprintln!("{:>8}  the capture lies in {}", show_size(size), placed.folder.display());
        for round in 0..rounds {
            let replay = session::round(stage.url(), &placed.capture, phase);
            for (number, phase) in stage.runtime.block_on(replay)?.into_iter().enumerate() {
                let record = Latecomer {
                    size: usize::try_from(size)?,
                    in_memory: placed.in_memory,
                    round,
                    phase: number,
                    latecomer: phase.latecomer,
                    discarded: phase.discarded,
                    messages: phase.messages,
                    late_messages: phase.late_messages,
                    seconds: phase.seconds,
                };
                eprintln!("{}", line(&record));
                table::append(options.json.as_deref(), &record)?;
                measured.push(record);
            }
        }
    }
    print!("{}", render(&measured));
    if compare(&measured).is_empty() {
        eprintln!(
            "no phase could be compared: more --bytes or a shorter --phase makes more of them"
        );
    }
    Ok(())
}

/// Megabytes of payload a second.
fn megabytes_per_s(size: usize, messages_per_s: f64) -> f64 {
    messages_per_s * size as f64 / 1e6
}

/// One phase, as it comes.
fn line(record: &Latecomer) -> String {
    let rate = |messages: u64| {
        let per_s = messages as f64 / record.seconds.max(1e-9);
        format!("{:>6.1} MB/s", megabytes_per_s(record.size, per_s))
    };
    let late = match record.latecomer {
        true => format!("  a latecomer {}", rate(record.late_messages)),
        false => String::new(),
    };
    let discarded = match record.discarded {
        None => "",
        Some(Discarded::Ended) => "  does not count: the stream ended",
        Some(Discarded::CaughtUp) => "  does not count: the latecomer caught up",
    };
    format!(
        "{:>8}  round {}  phase {:>2}  the first {}{late}{discarded}",
        show_size(record.size as u64),
        record.round,
        record.phase,
        rate(record.messages),
    )
}

/// Where a capture lies, in words.
pub(crate) fn place_name(in_memory: bool) -> &'static str {
    if in_memory { "memory" } else { "disk" }
}

/// Medians over all phases with a latecomer, and how many of them do not count.
fn render(measured: &[Latecomer]) -> String {
    let columns = ["message", "capture in", "alone MB/s", "beside MB/s", "latecomer MB/s"];
    let mut table = Table::new(columns.into_iter().chain(["pace kept", "phases", "discarded"]));
    let mut seen = Vec::new();
    for record in measured {
        let key = (record.size, record.in_memory);
        if seen.contains(&key) {
            continue;
        }
        seen.push(key);
        let of = || measured.iter().filter(|r| (r.size, r.in_memory) == key);
        let compared = compare(of());
        let middle = |value: fn(&Compared) -> f64| median(compared.iter().map(value));
        let show = |per_s: Option<f64>| {
            per_s.map_or(DASH.to_owned(), |r| format!("{:.0}", megabytes_per_s(record.size, r)))
        };
        let late = of().filter(|record| record.latecomer).count();
        table.row(vec![
            show_size(record.size as u64),
            place_name(record.in_memory).to_owned(),
            show(middle(|c| c.alone_per_s)),
            show(middle(|c| c.beside_per_s)),
            show(middle(|c| c.late_per_s)),
            middle(Compared::kept).map_or(DASH.to_owned(), |kept| format!("{kept:.2}")),
            compared.len().to_string(),
            (late - compared.len()).to_string(),
        ]);
    }
    table.render()
}

#[cfg(test)]
mod tests;
