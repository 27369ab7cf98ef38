use std::time::Duration;

use bytes::Bytes;

use super::{AckOutcome, Identity, Joining, NumberedAck, Peer, PeerState, SentProbe, Window};
use crate::proto::retransmit::RetransmitQueue;
use crate::proto::{ACK_DELAY, Position};
use crate::testing::{at_ms as at, sack, seq};
use crate::time::Time;
use crate::wire::{Ack, Credit, PeerId, SackRanges, Seq};

fn peer() -> Peer {
    joined(None)
}

/// A consumer that joins the group, or that catches up and holds `catches_up`.
fn joined(catches_up: Option<SackRanges>) -> Peer {
    let (name, tag) = (String::new(), String::new());
    let joining = Joining {
        identity: Identity { id: PeerId(1), name, tag, counts: true, replaces: None },
        start: Seq::ZERO,
        start_bytes: 0,
        window: Window { frames: 1_000, bytes: 1_000_000 },
        misses_nothing: catches_up.is_none(),
        catches_up,
    };
    let mut peer = Peer::new(joining, Time::ZERO);
    peer.join(Time::ZERO);
    peer
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

/// An ack with a window of ten frames and up to 500 bytes.
fn ack(cumulative: u64, held: &[(u64, u64)], latest: u64) -> Ack {
    let ack = crate::testing::ack(PeerId(1), cumulative).with_sack(held).with_latest(latest);
    ack.with_credit(cumulative + 10, 500)
}

fn take(peer: &mut Peer, ms: u64, number: u64, ack: &Ack, queue: &RetransmitQueue) -> AckOutcome {
    peer.handle_ack(at(ms), NumberedAck { seq: seq(number), ack }, queue, ACK_DELAY)
}

fn retransmitted(peer: &mut Peer, ms: u64) -> Vec<u64> {
    let next = || {
        let due = peer.losses.next_due()?;
        assert!(peer.losses.note_retransmitted(due.seq, at(ms)));
        Some(due.seq.get())
    };
    std::iter::from_fn(next).collect()
}

#[test]
fn the_first_ack_gives_a_round_trip_less_the_delay() {
    let (mut peer, queue) = (peer(), sent(10));
    let answer = Ack { delay_us: 1_000, ..ack(3, &[], 2) };
    let outcome = take(&mut peer, 12, 1, &answer, &queue);
    let rtt = Some(Duration::from_millis(9));
    assert_eq!(outcome, AckOutcome { rtt, news: true });
    // The same ack again brings no news, and no second sample.
    let outcome = take(&mut peer, 14, 2, &answer, &queue);
    assert_eq!(outcome, AckOutcome { rtt: None, news: false });
}

#[test]
fn credit_keeps_to_the_window_and_never_shrinks() {
    let (mut peer, queue) = (peer(), sent(10));
    assert_eq!(peer.credit.get(), Credit { frames: seq(1_000), bytes: 1_000_000 });
    take(&mut peer, 10, 1, &ack(1, &[], 0), &queue);
    assert_eq!(peer.credit.get().frames, seq(1_000));
    let greedy = Credit { frames: seq(1 << 40), bytes: 2_000_000 };
    take(&mut peer, 11, 2, &Ack { credit: greedy, ..ack(2, &[], 1) }, &queue);
    assert_eq!(peer.credit.get(), Credit { frames: seq(1_002), bytes: 2_000_000 });
}

#[test]
fn three_frames_above_a_gap_make_it_a_loss_at_once() {
    let (mut peer, queue) = (peer(), sent(10));
    take(&mut peer, 41, 1, &ack(2, &[], 1), &queue);
    take(&mut peer, 44, 2, &ack(2, &[(3, 5)], 4), &queue);
    assert!(!peer.losses.has_due());
    assert!(peer.losses.check_at().is_some());
    take(&mut peer, 45, 3, &ack(2, &[(3, 6)], 5), &queue);
    assert_eq!(retransmitted(&mut peer, 45), [2]);
    // While the retransmission is in flight it is not sent again.
    take(&mut peer, 46, 4, &ack(2, &[(3, 7)], 6), &queue);
    assert!(retransmitted(&mut peer, 46).is_empty());
}

#[test]
fn a_gap_below_three_frames_is_lost_when_its_time_is_over() {
    let (mut peer, queue) = (peer(), sent(4));
    take(&mut peer, 10, 1, &ack(2, &[], 1), &queue);
    take(&mut peer, 12, 2, &ack(2, &[(3, 4)], 3), &queue);
    let due = peer.losses.check_at();
    // Sent at 2 ms. The last round trip of 9 ms was the smallest too, and a quarter of it is added.
    assert_eq!(due, Some(at(2) + Duration::from_micros(11_250)));
    peer.detect_losses(at(14), ACK_DELAY);
    assert_eq!(retransmitted(&mut peer, 14), [2]);
}

#[test]
fn silence_is_no_loss() {
    let (mut peer, queue) = (peer(), sent(10));
    take(&mut peer, 10, 1, &ack(2, &[], 1), &queue);
    peer.detect_losses(at(60_000), ACK_DELAY);
    assert!(!peer.losses.has_due());
    assert_eq!(peer.losses.check_at(), None);
}

#[test]
fn an_answered_probe_proves_the_tail_lost() {
    let (mut peer, queue) = (peer(), sent(3));
    take(&mut peer, 10, 1, &ack(2, &[], 1), &queue);
    peer.liveness.back_off(at(11));
    peer.liveness.back_off(at(12));
    let probe = SentProbe { number: 1, sent_at: at(15), next: seq(3) };
    let answer = Ack { probe: 1, ..ack(2, &[], 1) };
    peer.liveness.note_probe(probe);
    let outcome = take(&mut peer, 25, 2, &answer, &queue);
    assert_eq!(outcome.rtt, Some(Duration::from_millis(10)));
    assert!(outcome.news);
    assert_eq!(peer.liveness.backoff(), 0);
    assert_eq!(retransmitted(&mut peer, 25), [2]);
}

#[test]
fn a_retransmission_is_sent_again_only_when_its_ack_is_overdue() {
    let (mut peer, queue) = (peer(), sent(30));
    take(&mut peer, 10, 1, &ack(2, &[(3, 9)], 8), &queue);
    assert_eq!(retransmitted(&mut peer, 10), [2]);
    // Frame 11 was sent after the retransmission, and has arrived, with a round trip of 2 ms.
    take(&mut peer, 13, 2, &ack(2, &[(3, 12)], 11), &queue);
    assert!(retransmitted(&mut peer, 13).is_empty());
    let patience = Duration::from_micros(2_500) + ACK_DELAY * 2;
    assert_eq!(peer.losses.check_at(), Some(at(10) + patience));
    peer.detect_losses(at(14), ACK_DELAY);
    assert!(retransmitted(&mut peer, 14).is_empty());
    peer.detect_losses(at(15), ACK_DELAY);
    assert_eq!(retransmitted(&mut peer, 15), [2]);
}

/// Karn's rule, RFC 6298 section 3.
#[test]
fn a_retransmitted_frame_gives_no_round_trip() {
    let (mut peer, queue) = (peer(), sent(10));
    take(&mut peer, 10, 1, &ack(2, &[(3, 9)], 8), &queue);
    assert_eq!(retransmitted(&mut peer, 10), [2]);
    let outcome = take(&mut peer, 20, 2, &ack(9, &[], 2), &queue);
    assert_eq!(outcome, AckOutcome { rtt: None, news: true });
}

#[test]
fn a_frame_that_arrives_late_is_not_retransmitted() {
    let (mut peer, queue) = (peer(), sent(10));
    take(&mut peer, 10, 1, &ack(2, &[(3, 9)], 8), &queue);
    assert!(peer.losses.has_due());
    take(&mut peer, 11, 2, &ack(9, &[], 2), &queue);
    assert!(!peer.losses.has_due());
    assert!(retransmitted(&mut peer, 11).is_empty());
}

#[test]
fn an_older_ack_counts_only_for_what_arrived() {
    let (mut peer, queue) = (peer(), sent(10));
    take(&mut peer, 10, 5, &ack(2, &[(3, 9)], 8), &queue);
    let outcome = take(&mut peer, 11, 4, &ack(4, &[], 3), &queue);
    assert_eq!(outcome, AckOutcome { rtt: None, news: true });
    assert_eq!(peer.cumulative(), seq(4));
    assert!(!peer.losses.has_due());
}

#[test]
fn an_ack_with_all_ranges_used_says_nothing_of_frames_above() {
    let (mut peer, queue) = (peer(), sent(100));
    let ranges: Vec<(u64, u64)> = (0..32).map(|index| (1 + index * 2, 2 + index * 2)).collect();
    take(&mut peer, 100, 1, &ack(0, &ranges, 99), &queue);
    let lost = retransmitted(&mut peer, 200);
    assert_eq!(lost, (0..32).map(|index| index * 2).collect::<Vec<_>>());
}

#[test]
fn a_finished_consumer_has_nothing_unacked() {
    let mut peer = peer();
    assert!(peer.has_unacked(seq(5)));
    peer.finish(seq(3));
    assert!(!peer.has_unacked(seq(5)) && !peer.is_unfinished());
    assert_eq!((peer.state(), peer.cumulative()), (PeerState::Finished, seq(3)));
}

/// The answer to a probe can be lost. Then a later ack answers it, and the time between is no part
/// of the round trip.
#[test]
fn a_late_answer_to_a_probe_gives_the_round_trip_less_the_delay() {
    let (mut peer, queue) = (peer(), sent(3));
    let probe = SentProbe { number: 1, sent_at: at(15), next: seq(3) };
    let answer = Ack { probe: 1, probe_delay_us: 990_000, ..ack(3, &[], 2) };
    peer.liveness.note_probe(probe);
    let outcome = take(&mut peer, 1_015, 2, &answer, &queue);
    assert_eq!(outcome.rtt, Some(Duration::from_millis(10)));
}

/// Sends frames to the inbox of a consumer that catches up, for as long as there are some below
/// `sent_end`.
fn catch_up(peer: &mut Peer, sent_end: u64) -> Vec<u64> {
    let next = || {
        let seq = peer.poll_catch_up(seq(sent_end))?;
        peer.note_catch_up_sent(at(1));
        Some(seq.get())
    };
    std::iter::from_fn(next).collect()
}

fn push_reread(peer: &mut Peer, frames: u64) {
    (0..frames).for_each(|number| peer.push_reread(Bytes::new(), number));
}

#[test]
fn frames_sent_since_the_consumer_listens_are_left_to_the_group() {
    let mut peer = joined(Some(SackRanges::default()));
    assert_eq!(catch_up(&mut peer, 10), (0..10).collect::<Vec<_>>());
    assert!(!peer.is_caught_up());
    assert!(peer.take_tell_to_listen() && !peer.take_tell_to_listen());
    // Two more frames are sent before the consumer says that it listens, and more after that.
    peer.note_generation(1, 1, seq(12));
    assert_eq!(catch_up(&mut peer, 20), [10, 11]);
    assert!(peer.is_caught_up());
}

/// The consumer stopped while it caught up. The shared queue has released the frames that it
/// misses, because they were read again for it.
#[test]
fn frames_read_again_are_retransmitted_after_catching_up() {
    let mut peer = joined(Some(SackRanges::default()));
    assert_eq!(catch_up(&mut peer, 10).len(), 10);
    push_reread(&mut peer, 12);
    assert!(peer.take_tell_to_listen());
    peer.note_generation(1, 1, seq(10));
    assert_eq!(peer.poll_catch_up(seq(12)), None);
    assert!(peer.is_caught_up());
    peer.liveness.note_probe(SentProbe { number: 1, sent_at: at(20), next: seq(12) });
    let answer = Ack { probe: 1, ..ack(10, &[], 9) };
    take(&mut peer, 30, 1, &answer, &RetransmitQueue::starting_at(seq(12), 12));
    assert_eq!(retransmitted(&mut peer, 30), [10, 11]);
}

#[test]
fn frames_held_beyond_a_gap_are_neither_sent_nor_needed() {
    let mut peer = joined(Some(sack(&[(5, 8)])));
    assert_eq!(catch_up(&mut peer, 10), [0, 1, 2, 3, 4, 8, 9]);
    push_reread(&mut peer, 5);
    assert_eq!((peer.retains_from(seq(8)), peer.needs_source(seq(8))), (Some(seq(8)), false));
    assert_eq!((peer.retains_from(seq(9)), peer.needs_source(seq(9))), (None, true));
}

#[test]
fn only_a_syn_from_elsewhere_starts_a_new_membership() {
    let resume = |next: u64, held: &[(u64, u64)]| crate::wire::Resume {
        session: crate::wire::SessionId(1),
        epoch: 1,
        peer: PeerId(1),
        next: seq(next),
        next_bytes: 0,
        sack: sack(held),
    };
    let (mut live, queue) = (peer(), sent(10));
    take(&mut live, 10, 1, &ack(4, &[], 3), &queue);
    assert!(!live.is_new_membership(&resume(0, &[])), "a copy of the accepted SYN");
    assert!(!live.is_new_membership(&resume(2, &[])), "a delayed SYN");
    assert!(live.is_new_membership(&resume(4, &[])), "the consumer rejoins");
    live.finish(seq(10));
    assert!(!live.is_new_membership(&resume(10, &[])), "the consumer has finished");
}
