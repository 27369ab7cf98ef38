use std::time::Duration;

use super::LossDetector;
use crate::proto::ACK_DELAY;
use crate::proto::rtt::RttEstimator;
use crate::testing::{at_ms as at, seq};

/// Every round trip took 10 ms: a frame has 12.5 ms to arrive, once the path has reordered frames.
fn rtt() -> RttEstimator {
    let mut rtt = RttEstimator::default();
    rtt.sample(Duration::from_millis(10));
    rtt
}

fn detect(losses: &mut LossDetector, ms: u64, end: u64) -> Vec<u64> {
    losses.detect(at(ms), &rtt(), seq(end), ACK_DELAY);
    let next = || {
        let due = losses.next_due()?;
        assert!(losses.note_retransmitted(due.seq, at(ms)));
        Some(due.seq.get())
    };
    std::iter::from_fn(next).collect()
}

#[test]
fn once_the_path_has_reordered_a_gap_is_given_time() {
    let mut losses = LossDetector::default();
    losses.add(seq(2), at(2));
    losses.note_delivered(at(8));
    assert_eq!(detect(&mut losses, 10, 9), [2], "overtaken by more than three");
    losses.note_arrived_below(seq(9));
    losses.add(seq(10), at(10));
    losses.note_arrived_range(seq(10), seq(11));
    losses.add(seq(12), at(12));
    losses.note_delivered(at(18));
    assert!(detect(&mut losses, 20, 19).is_empty());
    assert_eq!(losses.check_at(), Some(at(12) + Duration::from_micros(12_500)));
    assert_eq!(detect(&mut losses, 25, 19), [12]);
}

#[test]
fn frames_that_arrive_before_their_retransmission_leave_nothing_behind() {
    let mut losses = LossDetector::default();
    for number in 0..5 {
        let base = number * 5;
        losses.add(seq(base), at(base));
        losses.note_delivered(at(base + 4));
        losses.detect(at(10_000), &rtt(), seq(base + 5), ACK_DELAY);
        assert!(losses.has_due());
        losses.note_arrived_below(seq(base + 5));
        assert!(!losses.has_due());
        assert_eq!(losses.due.len(), 0);
        assert_eq!(losses.sent_once.len(), 0);
    }
}

#[test]
fn detection_goes_on_where_the_last_one_ended() {
    let mut losses = LossDetector { reordering_seen: true, ..LossDetector::default() };
    let mut found = Vec::new();
    // Every other frame is missing, one is sent each millisecond, and retransmissions take 10 ms.
    for number in 0..500 {
        let sent = number * 2;
        losses.add(seq(sent), at(sent));
        losses.note_delivered(at(sent + 1));
        found.extend(detect(&mut losses, sent + 10, sent + 2));
        losses.note_arrived_below(seq(sent.saturating_sub(14)));
        assert!(losses.sent_once.len() <= 3, "{}", losses.sent_once.len());
        assert!(losses.retransmitted.len() <= 8, "{}", losses.retransmitted.len());
    }
    assert!(found.iter().copied().eq((0..).step_by(2).take(found.len())));
    assert!(found.len() >= 495, "{}", found.len());
}

#[test]
fn a_retransmission_to_the_group_counts_for_all() {
    let mut losses = LossDetector::default();
    losses.add(seq(2), at(2));
    losses.add(seq(3), at(3));
    // Not known to be lost yet, and retransmitted because the other consumers miss it.
    assert!(losses.note_retransmitted(seq(3), at(10)));
    assert!(!losses.note_retransmitted(seq(4), at(10)), "it is not missing");
    losses.note_delivered(at(8));
    assert_eq!(detect(&mut losses, 11, 9), [2]);
    // The retransmission is overdue only when a frame that was sent after it has arrived.
    assert!(detect(&mut losses, 1_000, 9).is_empty());
    losses.note_delivered(at(12));
    assert_eq!(detect(&mut losses, 1_000, 13), [3, 2]);
}

#[test]
fn a_late_original_is_no_evidence_of_its_retransmission() {
    let mut losses = LossDetector::default();
    losses.add(seq(2), at(2));
    losses.add(seq(3), at(3));
    losses.note_delivered(at(8));
    assert_eq!(detect(&mut losses, 10, 9), [2, 3]);
    losses.note_retransmission_delivered(seq(3), at(15), Duration::from_millis(10));
    losses.note_arrived_range(seq(3), seq(4));
    assert!(
        detect(&mut losses, 1_000, 9).is_empty(),
        "5 ms after its retransmission, the original of frame 3 arrived"
    );
}

/// A batch is sent at one time, and an ack of its first half says nothing of the second.
#[test]
fn frames_sent_to_the_inbox_at_the_same_time_are_told_apart() {
    let mut losses = LossDetector::default();
    for number in 0..10 {
        losses.add_sent_to_inbox(seq(number), at(0));
    }
    losses.note_retransmission_delivered(seq(4), at(40), Duration::ZERO);
    losses.note_arrived_below(seq(5));
    assert!(detect(&mut losses, 40, 10).is_empty());
    losses.note_retransmission_delivered(seq(7), at(50), Duration::ZERO);
    losses.note_arrived_range(seq(7), seq(8));
    assert_eq!(detect(&mut losses, 50, 10), [5, 6], "overdue, and overtaken by frame 7");
}
