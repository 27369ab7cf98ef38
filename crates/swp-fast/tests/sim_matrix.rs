//! Every kind of fault, mild and severe, on every length of path, through every size of window: 864
//! cells. Each cell must deliver every byte. A reviewed table keeps the goodput of each cell, so
//! that a change shows as a difference. To accept a change: `SWP_SNAPSHOT=write cargo test -p
//! swp-fast --all-features --test sim_matrix`, look at the difference, commit it.
#![cfg(feature = "sim")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop where it is")]

use std::fmt::Write;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use swp_fast::sim::{PathConfig, SimConfig, World};

const LOSSES: [f64; 6] = [0.0, 0.001, 0.01, 0.05, 0.2, 0.5];
const REORDERS: [f64; 3] = [0.0, 0.01, 0.2];
const DUPLICATES: [f64; 3] = [0.0, 0.01, 0.1];
const ROUND_TRIPS_US: [u64; 4] = [50, 1_000, 50_000, 200_000];
/// Each window, and the frames to be sent, of one message each: a dozen windows, if that is not too
/// many.
const WINDOWS: [(u64, u32); 4] = [(1, 60), (3, 150), (64, 768), (4_096, 960)];

/// The frames that the application writes in a round trip. The window limits the column of 64
/// frames, and the application limits the column of 4,096.
const FRAMES_PER_ROUND_TRIP: u32 = 96;

/// Fills a frame of 256 bytes, so that one frame is one message.
const MESSAGE_BYTES: usize = 180;

const HEAD: &str = "\
Goodput in % of the ideal, by loss, reordering and duplication (%, in both directions), round trip and
window (frames). Ideal: a window of frames in each round trip, but no more than the application
writes (96 frames in a round trip), and no frame lost, late or repeated; timed from the first write to the
last delivery.

                |      50 us          |       1 ms          |      50 ms          |     200 ms          |
 loss  reo  dup |   1    3   64 4096 |   1    3   64 4096 |   1    3   64 4096 |   1    3   64 4096 |
";

#[derive(Clone, Copy)]
struct Cell {
    loss: f64,
    reorder: f64,
    duplicate: f64,
    round_trip: Duration,
    window: u64,
    frames: u32,
}

fn cells() -> Vec<Cell> {
    let mut cells = Vec::new();
    for loss in LOSSES {
        for reorder in REORDERS {
            for duplicate in DUPLICATES {
                for round_trip in ROUND_TRIPS_US.map(Duration::from_micros) {
                    for (window, frames) in WINDOWS {
                        cells.push(Cell { loss, reorder, duplicate, round_trip, window, frames });
                    }
                }
            }
        }
    }
    cells
}

impl Cell {
    /// The time that the transfer would take if only window and application limited it.
    fn ideal(&self) -> Duration {
        let windows = self.frames.div_ceil(self.window.min(u64::from(u32::MAX)) as u32) - 1;
        let by_window = self.round_trip * windows;
        let by_writer = self.write_interval() * (self.frames - 1);
        by_window.max(by_writer) + self.round_trip / 2
    }

    fn write_interval(&self) -> Duration {
        self.round_trip / FRAMES_PER_ROUND_TRIP
    }

    /// Goodput in % of the ideal.
    fn run(&self, seed: usize) -> u128 {
        let calm = PathConfig { latency: self.round_trip / 2, ..PathConfig::default() };
        let Cell { loss, reorder, duplicate, .. } = *self;
        let faults = PathConfig { loss, reorder, duplicate, ..calm };
        let mut config = SimConfig::new(seed as u64);
        (config.down, config.up) = (calm, calm);
        config.publish.frame_bytes = 256;
        // Half of all probes and half of all acks are lost, which must not time a peer out.
        config.publish.idle_timeout = Duration::from_secs(3600);
        config.subscribe.window_frames = self.window;
        config.write_interval = self.write_interval();
        config.finish = false;
        let mut world = World::new(config);
        world.run_while(Duration::from_secs(60), |world| !world.has_started(0));
        world.set_paths(faults, faults);
        let began = world.now();
        world.write(0, &vec![MESSAGE_BYTES; self.frames as usize]);
        world.finish(0);
        let outcome = world.run(Duration::from_secs(24 * 3600));
        assert!(outcome.is_complete(), "{outcome}");
        assert_eq!(outcome.consumers[0].delivered, u64::from(self.frames), "{outcome}");
        let took = outcome.consumers[0].last_delivery.since(began).as_nanos();
        (self.ideal().as_nanos() * 100 + took / 2) / took
    }
}

/// Runs all cells on all cores. The cells do not depend on each other.
fn run_all(cells: &[Cell]) -> Vec<u128> {
    let next = AtomicUsize::new(0);
    let take = || {
        let at = next.fetch_add(1, Ordering::Relaxed);
        cells.get(at).map(|cell| (at, cell.run(at)))
    };
    let mut results: Vec<(usize, u128)> = std::thread::scope(|scope| {
        let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get());
        let threads: Vec<_> =
            (0..cores).map(|_| scope.spawn(|| std::iter::from_fn(take).collect())).collect();
        threads.into_iter().flat_map(|thread| -> Vec<_> { thread.join().unwrap() }).collect()
    });
    results.sort_unstable();
    results.into_iter().map(|(_, percent)| percent).collect()
}

fn table(cells: &[Cell], percents: &[u128]) -> String {
    let mut table = HEAD.to_owned();
    let in_a_row = ROUND_TRIPS_US.len() * WINDOWS.len();
    for (cells, percents) in cells.chunks(in_a_row).zip(percents.chunks(in_a_row)) {
        let Cell { loss, reorder, duplicate, .. } = cells[0];
        let chances = [loss, reorder, duplicate].map(|chance| chance * 100.0);
        write!(table, "{:>5} {:>4} {:>4} |", chances[0], chances[1], chances[2]).unwrap();
        for percents in percents.chunks(WINDOWS.len()) {
            for percent in percents {
                write!(table, "{percent:>4} ").unwrap();
            }
            table.push('|');
        }
        table.push('\n');
    }
    table
}

#[test]
fn goodput_in_each_cell_is_what_the_table_says() {
    let cells = cells();
    assert_eq!(cells.len(), 864);
    let found = table(&cells, &run_all(&cells));
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/snapshots/sim_matrix.txt");
    if std::env::var("SWP_SNAPSHOT").is_ok_and(|what| what == "write") {
        std::fs::write(path, &found).unwrap();
    }
    let kept = std::fs::read_to_string(path).unwrap_or_default();
    let differ = kept.lines().zip(found.lines()).filter(|(kept, found)| kept != found);
    let differ: String = differ.map(|(kept, found)| format!("-{kept}\n+{found}\n")).collect();
    assert!(kept == found, "the table has changed (see the top of this test):\n{differ}");
}
