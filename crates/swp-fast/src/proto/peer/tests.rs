use std::time::Duration;

use bytes::Bytes;

use super::{AckOutcome, Joining, Peer, PeerState, SentProbe};
use crate::proto::retransmit::RetransmitQueue;
use crate::proto::{ACK_DELAY, Position};
use crate::time::Time;
use crate::wire::{Ack, Credit, PeerId, SackRanges, Seq};

fn seq(number: u64) -> Seq {
    Seq::ZERO.advance(number)
}

fn at(ms: u64) -> Time {
    Time::from_nanos(ms * 1_000_000)
}

fn peer() -> Peer {
    joined(None)
}

/// A consumer that joins behind the present, holding nothing, is `behind`.
fn joined(behind: Option<SackRanges>) -> Peer {
    let joining = Joining {
        id: PeerId(1),
        name: String::new(),
        tag: String::new(),
        required: true,
        start: Seq::ZERO,
        start_bytes: 0,
        window_frames: 1_000,
        window_bytes: 1_000_000,
        at_present: behind.is_none(),
        behind,
        replaces: None,
    };
    Peer::new(joining, Time::ZERO)
}

/// Frames 0.. with one sent each millisecond.
fn sent(frames: u64) -> RetransmitQueue {
    let mut queue = RetransmitQueue::default();
    for number in 0..frames {
        queue.push(Bytes::new(), number, Position::default());
        if let Some(slot) = queue.get_mut(seq(number)) {
            slot.sent_at = Some(at(number));
        }
    }
    queue
}

fn ack(cumulative: u64, sack: &[(u64, u64)], latest: u64) -> Ack {
    let mut ranges = SackRanges::default();
    for &(start, end) in sack {
        assert!(ranges.push(seq(start), seq(end)));
    }
    Ack {
        peer: PeerId(1),
        cumulative: seq(cumulative),
        sack: ranges,
        credit: Credit { frames: seq(cumulative + 10), bytes: 500 },
        latest: Some(seq(latest)),
        delay_us: 0,
        probe: 0,
        probe_delay_us: 0,
        generation: 1,
        duplicates: 0,
        dropped: 0,
    }
}

fn take(peer: &mut Peer, ms: u64, number: u64, ack: &Ack, queue: &RetransmitQueue) -> AckOutcome {
    peer.handle_ack(at(ms), (seq(number), ack), queue, ACK_DELAY)
}

fn repairs(peer: &mut Peer, ms: u64) -> Vec<u64> {
    let next = || {
        let (seq, _) = peer.losses.next_repair()?;
        assert!(peer.losses.note_repaired(seq, at(ms)));
        Some(seq.get())
    };
    std::iter::from_fn(next).collect()
}

#[test]
fn first_report_gives_a_round_trip_less_the_delay() {
    let (mut peer, queue) = (peer(), sent(10));
    let report = Ack { delay_us: 1_000, ..ack(3, &[], 2) };
    let outcome = take(&mut peer, 12, 1, &report, &queue);
    let rtt = Some(Duration::from_millis(9));
    assert_eq!(outcome, AckOutcome { rtt, advanced: true, news: true });
    // Told again it is no news, and no second sample.
    let outcome = take(&mut peer, 14, 2, &report, &queue);
    assert_eq!(outcome, AckOutcome { rtt: None, advanced: false, news: false });
}

#[test]
fn credit_keeps_to_the_window_and_never_shrinks() {
    let (mut peer, queue) = (peer(), sent(10));
    assert_eq!(peer.credit, Credit { frames: seq(1_000), bytes: 1_000_000 });
    take(&mut peer, 10, 1, &ack(1, &[], 0), &queue);
    assert_eq!(peer.credit.frames, seq(1_000));
    let greedy = Credit { frames: seq(1 << 40), bytes: 2_000_000 };
    take(&mut peer, 11, 2, &Ack { credit: greedy, ..ack(2, &[], 1) }, &queue);
    assert_eq!(peer.credit, Credit { frames: seq(1_002), bytes: 2_000_000 });
}

#[test]
fn three_frames_above_a_gap_make_it_a_loss_at_once() {
    let (mut peer, queue) = (peer(), sent(10));
    take(&mut peer, 41, 1, &ack(2, &[], 1), &queue);
    take(&mut peer, 44, 2, &ack(2, &[(3, 5)], 4), &queue);
    assert!(!peer.losses.has_repairs());
    assert!(peer.losses.check_at().is_some());
    take(&mut peer, 45, 3, &ack(2, &[(3, 6)], 5), &queue);
    assert_eq!(repairs(&mut peer, 45), [2]);
    // On its way it is not repeated again.
    take(&mut peer, 46, 4, &ack(2, &[(3, 7)], 6), &queue);
    assert!(repairs(&mut peer, 46).is_empty());
}

#[test]
fn a_gap_below_three_frames_is_lost_when_its_time_is_over() {
    let (mut peer, queue) = (peer(), sent(4));
    take(&mut peer, 10, 1, &ack(2, &[], 1), &queue);
    take(&mut peer, 12, 2, &ack(2, &[(3, 4)], 3), &queue);
    let due = peer.losses.check_at();
    // Sent at 2 ms; the last round trip was 9 ms, the smallest too, and a quarter of it is added.
    assert_eq!(due, Some(at(2) + Duration::from_micros(11_250)));
    peer.detect_losses(at(14), ACK_DELAY);
    assert_eq!(repairs(&mut peer, 14), [2]);
}

#[test]
fn silence_is_no_loss() {
    let (mut peer, queue) = (peer(), sent(10));
    take(&mut peer, 10, 1, &ack(2, &[], 1), &queue);
    peer.detect_losses(at(60_000), ACK_DELAY);
    assert!(!peer.losses.has_repairs());
    assert_eq!(peer.losses.check_at(), None);
}

#[test]
fn an_answered_probe_proves_the_tail_lost() {
    let (mut peer, queue) = (peer(), sent(3));
    take(&mut peer, 10, 1, &ack(2, &[], 1), &queue);
    peer.backoff = 2;
    let probe = SentProbe { number: 1, sent_at: at(15), next: seq(3) };
    let report = Ack { probe: 1, ..ack(2, &[], 1) };
    peer.note_probe(probe);
    let outcome = peer.handle_ack(at(25), (seq(2), &report), &queue, ACK_DELAY);
    assert_eq!(outcome.rtt, Some(Duration::from_millis(10)));
    assert!(outcome.news);
    assert_eq!(peer.backoff, 0);
    assert_eq!(repairs(&mut peer, 25), [2]);
}

#[test]
fn a_repair_is_repeated_only_when_its_report_is_overdue() {
    let (mut peer, queue) = (peer(), sent(30));
    take(&mut peer, 10, 1, &ack(2, &[(3, 9)], 8), &queue);
    assert_eq!(repairs(&mut peer, 10), [2]);
    // Frame 11 was sent after the repair, and has arrived, with a round trip of 2 ms.
    take(&mut peer, 13, 2, &ack(2, &[(3, 12)], 11), &queue);
    assert!(repairs(&mut peer, 13).is_empty());
    let patience = Duration::from_micros(2_500) + ACK_DELAY * 2;
    assert_eq!(peer.losses.check_at(), Some(at(10) + patience));
    peer.detect_losses(at(14), ACK_DELAY);
    assert!(repairs(&mut peer, 14).is_empty());
    peer.detect_losses(at(15), ACK_DELAY);
    assert_eq!(repairs(&mut peer, 15), [2]);
}

/// Karn's rule, RFC 6298 section 3.
#[test]
fn a_repaired_frame_gives_no_round_trip() {
    let (mut peer, queue) = (peer(), sent(10));
    take(&mut peer, 10, 1, &ack(2, &[(3, 9)], 8), &queue);
    assert_eq!(repairs(&mut peer, 10), [2]);
    let outcome = take(&mut peer, 20, 2, &ack(9, &[], 2), &queue);
    assert_eq!(outcome, AckOutcome { rtt: None, advanced: true, news: true });
}

#[test]
fn what_turns_up_late_is_not_repaired() {
    let (mut peer, queue) = (peer(), sent(10));
    take(&mut peer, 10, 1, &ack(2, &[(3, 9)], 8), &queue);
    assert!(peer.losses.has_repairs());
    take(&mut peer, 11, 2, &ack(9, &[], 2), &queue);
    assert!(!peer.losses.has_repairs());
    assert!(repairs(&mut peer, 11).is_empty());
}

#[test]
fn an_older_report_counts_only_for_what_arrived() {
    let (mut peer, queue) = (peer(), sent(10));
    take(&mut peer, 10, 5, &ack(2, &[(3, 9)], 8), &queue);
    let outcome = take(&mut peer, 11, 4, &ack(4, &[], 3), &queue);
    assert_eq!(outcome, AckOutcome { rtt: None, advanced: true, news: true });
    assert_eq!(peer.cumulative, seq(4));
    assert!(!peer.losses.has_repairs());
}

#[test]
fn a_full_report_says_nothing_of_what_lies_above() {
    let (mut peer, queue) = (peer(), sent(100));
    let ranges: Vec<(u64, u64)> = (0..32).map(|index| (1 + index * 2, 2 + index * 2)).collect();
    take(&mut peer, 100, 1, &ack(0, &ranges, 99), &queue);
    let lost = repairs(&mut peer, 200);
    assert_eq!(lost, (0..32).map(|index| index * 2).collect::<Vec<_>>());
}

#[test]
fn a_finished_consumer_owes_nothing() {
    let mut peer = peer();
    assert!(peer.has_unacked(seq(5)));
    peer.state = PeerState::Finished;
    assert!(!peer.has_unacked(seq(5)) && !peer.counts());
}

/// A probe's answer can be lost, and what is said later answers it as well: the time that the consumer
/// let pass is no part of the round trip.
#[test]
fn a_late_answer_to_a_probe_gives_the_round_trip_less_the_delay() {
    let (mut peer, queue) = (peer(), sent(3));
    let probe = SentProbe { number: 1, sent_at: at(15), next: seq(3) };
    let report = Ack { probe: 1, probe_delay_us: 990_000, ..ack(3, &[], 2) };
    peer.note_probe(probe);
    let outcome = peer.handle_ack(at(1_015), (seq(2), &report), &queue, ACK_DELAY);
    assert_eq!(outcome.rtt, Some(Duration::from_millis(10)));
}

/// What the group is sent while the inbox still has its share to bring does not go to both.
#[test]
fn from_when_it_listens_the_present_is_left_to_the_group() {
    let mut peer = joined(Some(SackRanges::default()));
    for number in 0..10 {
        assert_eq!(peer.next_behind(seq(10)), Some(seq(number)));
        peer.note_sent_behind(at(number));
    }
    assert_eq!(peer.next_behind(seq(10)), None);
    assert!(!peer.is_caught_up());
    // It is told to listen; two more frames are sent before it says that it does, and more after that.
    peer.catch_up.as_mut().expect("it is behind").told_live = true;
    peer.note_generation(1, 1, seq(12));
    for number in 10..12 {
        assert_eq!(peer.next_behind(seq(20)), Some(seq(number)));
        peer.note_sent_behind(at(number));
    }
    assert_eq!(peer.next_behind(seq(20)), None);
    assert!(peer.is_caught_up());
}

/// The swarm's seed 785183: it stopped while it caught up, so what it lacked of the present was read again for
/// it, and the group let go of that. Once it had caught up it was asked for ever what it lacked, and not sent it.
#[test]
fn what_it_lacks_of_the_present_is_repeated_from_what_is_kept_for_it_alone() {
    let mut peer = joined(Some(SackRanges::default()));
    for number in 0..10 {
        assert_eq!(peer.next_behind(seq(10)), Some(seq(number)));
        peer.note_sent_behind(at(number));
    }
    let behind = peer.catch_up.as_mut().expect("it is behind");
    (0..12).for_each(|number| behind.reread.push(Bytes::new(), number, Position::default()));
    behind.told_live = true;
    peer.note_generation(1, 1, seq(10));
    assert_eq!(peer.next_behind(seq(12)), None);
    assert!(peer.is_caught_up());
    peer.note_probe(SentProbe { number: 1, sent_at: at(20), next: seq(12) });
    let report = Ack { probe: 1, ..ack(10, &[], 9) };
    take(&mut peer, 30, 1, &report, &RetransmitQueue::starting_at(seq(12), 12));
    assert_eq!(repairs(&mut peer, 30), [10, 11]);
}

/// The swarm's seed 1196137: it was given up as left behind though it held, beyond the gap that was read again for
/// it, all that the others held; and nothing would have been kept for it.
#[test]
fn what_it_holds_beyond_a_gap_is_not_lacked() {
    let mut held = SackRanges::default();
    assert!(held.push(seq(5), seq(8)));
    let mut peer = joined(Some(held));
    let sent: Vec<_> = std::iter::from_fn(|| {
        let next = peer.next_behind(seq(10))?;
        peer.note_sent_behind(at(1));
        Some(next.get())
    })
    .collect();
    assert_eq!(sent, [0, 1, 2, 3, 4, 8, 9]);
    let behind = peer.catch_up.as_mut().expect("it is behind");
    (0..5).for_each(|number| behind.reread.push(Bytes::new(), number, Position::default()));
    assert_eq!((peer.retains_from(seq(8)), peer.needs_source(seq(8))), (Some(seq(8)), false));
    assert_eq!((peer.retains_from(seq(9)), peer.needs_source(seq(9))), (None, true));
}
