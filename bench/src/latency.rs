//! How long a message takes: there and back one at a time, and one way at a steady rate.
//!
//! ```text
//!   closed   one message at a time, and its echo; the next begins when the last is back
//!   open     messages fall due at a steady rate, whatever became of the ones before. Each is timed from
//!            when it was due, not from when it could be sent: waiting to be sent counts as waiting.
//! ```

mod closed;
mod histogram;
mod open;
mod pacing;

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use hdrhistogram::Histogram;
use swp_fast::wire::Integrity;

use crate::Failure;
use crate::peers::{self, Load, Outcome, Peer, System};
use crate::record::{Latency, LatencyKind};
use crate::stage::Stage;
use crate::table::{self, DASH, Table, median, ratio};
use crate::units::{self, show_ns, show_rate, show_size};

/// Offered rates, in percent of the most that raw was measured to carry.
const PERCENTS: [u32; 4] = [10, 50, 80, 120];

/// Rounds in which raw's maximum is measured, by their median.
const CALIBRATION_ROUNDS: usize = 3;

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Message sizes, at least 8 bytes [default: 64]
    #[arg(long, value_delimiter = ',', value_parser = units::bytes, default_value = "64")]
    size: Vec<u64>,
    /// Rounds; medians are shown [default: 3]
    #[arg(long)]
    rounds: Option<usize>,
    /// Round trips of a closed round [default: 20000]
    #[arg(long)]
    trips: Option<u64>,
    /// Only round trips
    #[arg(long, conflicts_with_all = ["duration", "calibrate", "tick"])]
    closed: bool,
    /// How long an open round offers its rate [default: 5s]
    #[arg(long, value_parser = units::duration)]
    duration: Option<Duration>,
    /// Messages a round in which raw's maximum is measured [default: 1000000]
    #[arg(long)]
    calibrate: Option<u64>,
    /// How often what is due is sent. In between the sender sleeps, for a machine with two cores has none
    /// to spare for waiting; at half a tick on average it is part of every time shown for an open round
    #[arg(long, value_parser = units::duration, default_value = "250us")]
    tick: Duration,
    /// Protection of swp's frames: blake3, crc32c or none
    #[arg(long, default_value = "blake3")]
    integrity: Integrity,
    /// Keeps each round's histogram in this folder, as percentiles in HdrHistogram's text form
    #[arg(long)]
    hdr: Option<PathBuf>,
    /// Appends one JSON object a measurement to this file
    #[arg(long)]
    json: Option<PathBuf>,
    /// One short round
    #[arg(long)]
    quick: bool,
}

/// What is timed.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    Closed { trips: u64 },
    Open { percent: u32, rate: f64, count: u64 },
}

impl Kind {
    fn label(self) -> String {
        match self {
            Kind::Closed { .. } => "round trip".to_owned(),
            Kind::Open { percent, rate, .. } => format!("{percent} % ({}/s)", show_rate(rate)),
        }
    }

    fn file_part(self) -> String {
        match self {
            Kind::Closed { .. } => "closed".to_owned(),
            Kind::Open { percent, .. } => format!("open-{percent}"),
        }
    }
}

/// What came of a round.
struct Timed {
    sent: u64,
    received: u64,
    max_backlog: Option<u64>,
    times: Histogram<u64>,
}

pub(crate) fn run(options: &Options, stage: &mut Stage) -> Result<(), Failure> {
    if let Some(folder) = &options.hdr {
        std::fs::create_dir_all(folder)
            .map_err(|error| format!("cannot make {}: {error}", folder.display()))?;
    }
    let mut measured = Vec::new();
    for &size in &options.size {
        if !(8..=1 << 20).contains(&size) {
            return Err(format!("--size {size}: not within 8 B to 1 MiB").into());
        }
        measure(options, stage, usize::try_from(size)?, &mut measured)?;
    }
    print!("{}", render(&measured));
    Ok(())
}

/// All rounds of one size.
fn measure(
    options: &Options,
    stage: &mut Stage,
    size: usize,
    measured: &mut Vec<(Kind, Latency)>,
) -> Result<(), Failure> {
    let quick = options.quick;
    let rounds = options.rounds.unwrap_or(if quick { 1 } else { 3 });
    let trips = options.trips.unwrap_or(if quick { 2000 } else { 20_000 });
    let mut kinds = vec![Kind::Closed { trips }];
    if !options.closed {
        kinds.extend(open_kinds(options, stage, size)?);
    }
    for kind in kinds {
        for round in 0..rounds {
            for turn in 0..2 {
                let peer = [Peer::Raw, Peer::Swp][(round + turn) % 2];
                let timed = time(options, stage, peer, kind, size)?;
                let record = record(options, peer, kind, (size, round), &timed)?;
                eprintln!("{}", line(kind, &record));
                table::append(options.json.as_deref(), &record)?;
                measured.push((kind, record));
            }
        }
    }
    Ok(())
}

/// The rates to offer, by what raw carries here and now.
fn open_kinds(
    options: &Options,
    stage: &mut Stage,
    size: usize,
) -> Result<[Kind; PERCENTS.len()], Failure> {
    let quick = options.quick;
    let duration = Duration::from_millis(if quick { 1000 } else { 5000 });
    let duration = options.duration.unwrap_or(duration);
    let most = options.calibrate.unwrap_or(if quick { 200_000 } else { 1_000_000 });
    let maximum = raw_maximum(stage, size, most)?;
    eprintln!("raw carries {} messages of {size} B a second", show_rate(maximum));
    Ok(PERCENTS.map(|percent| {
        let rate = maximum * f64::from(percent) / 100.0;
        let count = ((rate * duration.as_secs_f64()) as u64).max(1);
        Kind::Open { percent, rate, count }
    }))
}

/// Messages a second that raw pub/sub delivers here and now.
fn raw_maximum(stage: &mut Stage, size: usize, most: u64) -> Result<f64, Failure> {
    // A second or so: a million small messages, or 256 MiB of large ones.
    let count = ((256 << 20) / size as u64).clamp(1, most);
    let load = Load { size, count, limit: Duration::MAX };
    let raw = System { peer: Peer::Raw, integrity: None };
    // One more, not counted, to warm up.
    peers::run(stage, raw, load)?;
    let mut outcomes = Vec::new();
    for _ in 0..CALIBRATION_ROUNDS {
        outcomes.push(peers::run(stage, raw, load)?);
    }
    Ok(median(outcomes.iter().map(Outcome::messages_per_s)).unwrap_or_default())
}

fn time(
    options: &Options,
    stage: &Stage,
    peer: Peer,
    kind: Kind,
    size: usize,
) -> Result<Timed, Failure> {
    let (runtime, url) = (&stage.runtime, stage.url());
    match (kind, peer) {
        (Kind::Closed { trips }, Peer::Swp) => {
            runtime.block_on(closed::swp(url, size, trips, options.integrity))
        }
        (Kind::Closed { trips }, _) => runtime.block_on(closed::raw(url, size, trips)),
        (Kind::Open { rate, count, .. }, _) => {
            let offer = open::Offer {
                schedule: pacing::Schedule { rate, count },
                tick: options.tick,
                size,
            };
            match peer {
                Peer::Swp => open::swp(runtime, url, offer, options.integrity),
                _ => open::raw(runtime, url, offer),
            }
        }
    }
}

/// The line to keep; its histogram goes to a file of its own.
fn record(
    options: &Options,
    peer: Peer,
    kind: Kind,
    (size, round): (usize, usize),
    timed: &Timed,
) -> Result<Latency, Failure> {
    let mut hdr = None;
    if let Some(folder) = &options.hdr {
        let name = format!("{}-{}-{size}-{round}.hgrm", kind.file_part(), peer.name());
        let path = folder.join(&name);
        std::fs::write(&path, histogram::text(&timed.times))
            .map_err(|error| format!("cannot write {}: {error}", path.display()))?;
        hdr = Some(name);
    }
    let (kind, percent_of_raw, rate) = match kind {
        Kind::Closed { .. } => (LatencyKind::Closed, None, None),
        Kind::Open { percent, rate, .. } => (LatencyKind::Open, Some(percent), Some(rate)),
    };
    let at = |quantile| timed.times.value_at_quantile(quantile);
    Ok(Latency {
        peer: peer.name().to_owned(),
        kind,
        size,
        round,
        percent_of_raw,
        rate,
        sent: timed.sent,
        received: timed.received,
        max_backlog: timed.max_backlog,
        p50_ns: at(0.5),
        p90_ns: at(0.9),
        p99_ns: at(0.99),
        p999_ns: at(0.999),
        max_ns: timed.times.max(),
        hdr,
    })
}

/// One measurement, as it comes.
fn line(kind: Kind, record: &Latency) -> String {
    format!(
        "{:>8}  {:<4} {:<18} round {}  p50 {}  p99 {}  p99.9 {}  max {}  lost {}  backlog {}",
        show_size(record.size as u64),
        record.peer,
        kind.label(),
        record.round,
        show_ns(record.p50_ns),
        show_ns(record.p99_ns),
        show_ns(record.p999_ns),
        show_ns(record.max_ns),
        record.sent - record.received,
        record.max_backlog.map_or(DASH.to_owned(), |backlog| backlog.to_string()),
    )
}

/// Medians of the rounds; of losses the sum, of the backlog the most.
fn render(measured: &[(Kind, Latency)]) -> String {
    let columns = ["message", "load", "peer", "p50", "p90", "p99", "p99.9", "max"];
    let mut table =
        Table::new(columns.into_iter().chain(["p50 x raw", "p99 x raw", "lost", "max backlog"]));
    let mut seen: Vec<(Kind, usize, &str)> = Vec::new();
    for (kind, record) in measured {
        let key = (*kind, record.size, record.peer.as_str());
        if seen.contains(&key) {
            continue;
        }
        seen.push(key);
        let of = |peer: &str| -> Vec<&Latency> {
            let same = |(other, of): &&(Kind, Latency)| {
                other == kind && of.size == record.size && of.peer == peer
            };
            measured.iter().filter(same).map(|(_, record)| record).collect()
        };
        let (mine, raw) = (of(&record.peer), of("raw"));
        let middle = |of: &[&Latency], get: fn(&Latency) -> u64| {
            median(of.iter().map(|record| get(record) as f64))
        };
        let gets: [fn(&Latency) -> u64; 5] =
            [|r| r.p50_ns, |r| r.p90_ns, |r| r.p99_ns, |r| r.p999_ns, |r| r.max_ns];
        let mut row = vec![show_size(record.size as u64), kind.label(), record.peer.clone()];
        row.extend(gets.map(|get| show_ns(middle(&mine, get).unwrap_or_default() as u64)));
        row.extend([gets[0], gets[2]].map(|get| ratio(middle(&mine, get), middle(&raw, get))));
        let (sent, received) = mine.iter().fold((0, 0), |(sent, received), record| {
            (sent + record.sent, received + record.received)
        });
        row.push(match sent - received {
            0 => "0".to_owned(),
            lost => format!("{lost} of {sent}"),
        });
        let backlog = mine.iter().filter_map(|record| record.max_backlog).max();
        row.push(backlog.map_or(DASH.to_owned(), |backlog| backlog.to_string()));
        table.row(row);
    }
    table.render()
}
