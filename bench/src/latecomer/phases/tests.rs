use super::{Compared, compare};
use crate::record::{Discarded, Latecomer};

fn phase(phase: usize, messages: u64) -> Latecomer {
    let latecomer = phase % 2 == 1;
    Latecomer {
        size: 1024,
        in_memory: true,
        round: 0,
        phase,
        latecomer,
        discarded: None,
        messages,
        late_messages: if latecomer { 100 } else { 0 },
        seconds: 0.5,
    }
}

#[test]
fn a_phase_is_compared_with_the_mean_of_those_around_it() {
    let lines = [phase(0, 1000), phase(1, 810), phase(2, 800)];
    let compared = compare(&lines);
    let wanted = Compared { alone_per_s: 1800.0, beside_per_s: 1620.0, late_per_s: 200.0 };
    assert_eq!(compared, [wanted]);
    assert!((compared[0].kept() - 0.9).abs() < 1e-9);
}

#[test]
fn rounds_are_not_compared_with_each_other() {
    let round = |count| (0..count).map(|number| phase(number, 1000));
    // Five phases have two with a latecomer; the last of four has nothing behind it.
    let lines: Vec<Latecomer> = round(5).chain(round(4)).chain(round(2)).collect();
    assert_eq!(compare(&lines).len(), 3);
}

#[test]
fn what_was_discarded_is_compared_with_nothing_nor_anything_with_it() {
    let mut lines: Vec<Latecomer> = (0..7).map(|number| phase(number, 1000)).collect();
    lines[1].discarded = Some(Discarded::CaughtUp);
    lines[6].discarded = Some(Discarded::Ended);
    assert_eq!(compare(&lines).len(), 1, "the one in the middle");
    lines.iter_mut().for_each(|line| line.messages = 0);
    assert!(compare(&lines).is_empty(), "no pace to keep");
}
