use std::time::Duration;

use super::LossDetector;
use crate::proto::ACK_DELAY;
use crate::proto::rtt::RttEstimator;
use crate::time::Time;
use crate::wire::Seq;

fn seq(number: u64) -> Seq {
    Seq::ZERO.advance(number)
}

fn at(ms: u64) -> Time {
    Time::from_nanos(ms * 1_000_000)
}

/// Every round trip took 10 ms: a frame has 12.5 ms to turn up, once the path has reordered.
fn rtt() -> RttEstimator {
    let mut rtt = RttEstimator::default();
    rtt.sample(Duration::from_millis(10));
    rtt
}

fn detect(losses: &mut LossDetector, ms: u64, end: u64) -> Vec<u64> {
    losses.detect(at(ms), &rtt(), seq(end), ACK_DELAY);
    let next = || {
        let (seq, _) = losses.next_repair()?;
        assert!(losses.note_repaired(seq, at(ms)));
        Some(seq.get())
    };
    std::iter::from_fn(next).collect()
}

#[test]
fn once_the_path_has_reordered_a_gap_is_given_time() {
    let mut losses = LossDetector::default();
    losses.add(seq(2), at(2));
    losses.note_delivered(at(8));
    assert_eq!(detect(&mut losses, 10, 9), [2], "overtaken by more than three");
    losses.found_below(seq(9));
    losses.add(seq(10), at(10));
    losses.found_range(seq(10), seq(11));
    losses.add(seq(12), at(12));
    losses.note_delivered(at(18));
    assert!(detect(&mut losses, 20, 19).is_empty());
    assert_eq!(losses.check_at(), Some(at(12) + Duration::from_micros(12_500)));
    assert_eq!(detect(&mut losses, 25, 19), [12]);
}

/// What is found before it was repaired leaves nothing behind.
#[test]
fn repair_queue_is_empty_when_nothing_is_lost() {
    let mut losses = LossDetector::default();
    for number in 0..5 {
        let base = number * 5;
        losses.add(seq(base), at(base));
        losses.note_delivered(at(base + 4));
        losses.detect(at(10_000), &rtt(), seq(base + 5), ACK_DELAY);
        assert!(losses.has_repairs());
        losses.found_below(seq(base + 5));
        assert!(!losses.has_repairs());
        assert_eq!(losses.repair_queue.len(), 0);
        assert_eq!(losses.suspects.len(), 0);
    }
}

#[test]
fn losses_are_looked_for_from_where_the_last_look_ended() {
    let mut losses = LossDetector { reordering_seen: true, ..LossDetector::default() };
    let mut found = Vec::new();
    // Every other frame is missing, one is sent each millisecond, and repairs arrive within 10 ms.
    for number in 0..500 {
        let sent = number * 2;
        losses.add(seq(sent), at(sent));
        losses.note_delivered(at(sent + 1));
        found.extend(detect(&mut losses, sent + 10, sent + 2));
        losses.found_below(seq(sent.saturating_sub(14)));
        assert!(losses.suspects.len() <= 3, "{}", losses.suspects.len());
        assert!(losses.repeated.len() <= 8, "{}", losses.repeated.len());
    }
    assert!(found.iter().copied().eq((0..).step_by(2).take(found.len())));
    assert!(found.len() >= 495, "{}", found.len());
}

#[test]
fn a_frame_sent_to_the_group_again_counts_as_repaired_for_all() {
    let mut losses = LossDetector::default();
    losses.add(seq(2), at(2));
    losses.add(seq(3), at(3));
    // Not known to be lost yet, and repeated because the others lack it.
    assert!(losses.note_repaired(seq(3), at(10)));
    assert!(!losses.note_repaired(seq(4), at(10)), "it is not missing");
    losses.note_delivered(at(8));
    assert_eq!(detect(&mut losses, 11, 9), [2]);
    // Only when something sent after the repair has arrived is the repair overdue.
    assert!(detect(&mut losses, 1_000, 9).is_empty());
    losses.note_delivered(at(12));
    assert_eq!(detect(&mut losses, 1_000, 13), [3, 2]);
}

#[test]
fn a_late_original_is_no_evidence_of_its_repair() {
    let mut losses = LossDetector::default();
    losses.add(seq(2), at(2));
    losses.add(seq(3), at(3));
    losses.note_delivered(at(8));
    assert_eq!(detect(&mut losses, 10, 9), [2, 3]);
    losses.note_repair_delivered(seq(3), at(15), Duration::from_millis(10));
    losses.found_range(seq(3), seq(4));
    assert!(
        detect(&mut losses, 1_000, 9).is_empty(),
        "5 ms after its repair frame 3 was the original"
    );
}

/// A batch leaves at one time, and a report on its first half says nothing of the second.
#[test]
fn frames_sent_alone_at_the_same_time_are_told_apart() {
    let mut losses = LossDetector::default();
    for number in 0..10 {
        losses.add_sent_alone(seq(number), at(0));
    }
    losses.note_repair_delivered(seq(4), at(40), Duration::ZERO);
    losses.found_below(seq(5));
    assert!(detect(&mut losses, 40, 10).is_empty());
    losses.note_repair_delivered(seq(7), at(50), Duration::ZERO);
    losses.found_range(seq(7), seq(8));
    assert_eq!(detect(&mut losses, 50, 10), [5, 6], "overdue, and overtaken by frame 7");
}
