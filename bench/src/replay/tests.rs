use super::render_sweep;
use crate::record::{Replay, ReplayKind};

fn read(block_bytes: usize, reads_in_flight: usize, seconds: f64) -> Replay {
    Replay {
        kind: ReplayKind::Read,
        source: "disk".to_owned(),
        engine: "uring".to_owned(),
        cache: "cold".to_owned(),
        direct: true,
        reads_in_flight,
        block_bytes,
        size: 16 << 10,
        round: 0,
        bytes: 100_000_000,
        seconds,
    }
}

#[test]
fn the_sweep_is_a_row_a_block_and_a_column_a_depth() {
    let shown = render_sweep(&[
        read(1 << 20, 1, 1.0),
        read(1 << 20, 8, 0.1),
        read(2 << 20, 1, 0.5),
        read(2 << 20, 8, 0.2),
    ]);
    let rows: Vec<&str> = shown.lines().collect();
    assert_eq!(rows[0], "| block, cold, direct (MB/s) | uring 1 | uring 8 |");
    assert_eq!(rows[2..], ["| 1 MiB | 100 | 1000 |", "| 2 MiB | 200 | 500 |"]);
}
