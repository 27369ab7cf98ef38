use super::{line, render};
use crate::record::{Discarded, Latecomer};

fn phase(phase: usize, messages: u64, late_messages: u64) -> Latecomer {
    Latecomer {
        size: 1000,
        in_memory: true,
        round: 0,
        phase,
        latecomer: phase % 2 == 1,
        discarded: None,
        messages,
        late_messages,
        seconds: 1.0,
    }
}

#[test]
fn the_table_shows_medians_and_how_many_phases_they_are_of() {
    let mut last = phase(3, 70_000, 40_000);
    last.discarded = Some(Discarded::Ended);
    let lines = [phase(0, 500_000, 0), phase(1, 450_000, 50_000), phase(2, 500_000, 0), last];
    let shown = render(&lines);
    let row = shown.lines().nth(2).unwrap();
    assert_eq!(row, "| 1000 B | memory | 500 | 450 | 50 | 0.90 | 1 | 1 |");
}

#[test]
fn where_nothing_could_be_compared_the_table_says_so() {
    let shown = render(&[phase(0, 500_000, 0), phase(1, 450_000, 50_000)]);
    assert_eq!(shown.lines().nth(2).unwrap(), "| 1000 B | memory | - | - | - | - | 0 | 1 |");
}

#[test]
fn a_phase_that_does_not_count_says_why() {
    assert!(!line(&phase(0, 1, 0)).contains("latecomer"));
    let mut record = phase(1, 500_000, 50_000);
    assert!(line(&record).ends_with("the first  500.0 MB/s  a latecomer   50.0 MB/s"));
    record.discarded = Some(Discarded::CaughtUp);
    assert!(line(&record).ends_with("does not count: the latecomer caught up"));
}
