//! Every rule of the checker is broken here once.

use bytes::BytesMut;

use super::{Admission, Checker};
use crate::proto::Dest;
use crate::sim::Node;
use crate::sim::network::Label;
use crate::wire::{
    Ack, Control, Credit, Fin, FinAck, Frame, Header, Integrity, Kind, MAX_HEADER, PeerId,
    SackRanges, Sealer, Seq, SessionId, encode_fragment, encode_message,
};

const SESSION: SessionId = SessionId(7);
const PEER: PeerId = PeerId(9);
const P0: Node = Node::Publisher(0);
const C0: Node = Node::Consumer(0);

fn seq(number: u64) -> Seq {
    Seq::ZERO.advance(number)
}

fn credit(frames: u64, bytes: u64) -> Credit {
    Credit { frames: seq(frames), bytes }
}

/// A data frame with one message of so many zeros.
fn data(number: u64, len: usize) -> Frame {
    frame(number, Kind::Data, encode_message(&vec![0; len]))
}

/// A fragment of one byte.
fn fragment(number: u64, total: u64, offset: u64) -> Frame {
    frame(number, Kind::Fragment, encode_fragment(total, offset, b"x"))
}

fn frame(number: u64, kind: Kind, buf: BytesMut) -> Frame {
    let digest = Integrity::Blake3.digest(&buf[MAX_HEADER..]);
    let header = Header { kind, session: SESSION, epoch: 1, seq: seq(number), digest };
    let sealer = Sealer::default();
    sealer.open(&sealer.seal_data(buf, &header)).unwrap()
}

fn control(control: &Control) -> Frame {
    let sealer = Sealer::default();
    sealer.open(&sealer.seal_control(SESSION, 1, seq(1), control)).unwrap()
}

fn ack(cumulative: u64, sack: &[(u64, u64)], latest: Option<u64>, credit: Credit) -> Frame {
    let mut ranges = SackRanges::default();
    assert!(sack.iter().all(|&(start, end)| ranges.push(seq(start), seq(end))));
    control(&Control::Ack(Ack {
        peer: PEER,
        cumulative: seq(cumulative),
        sack: ranges,
        credit,
        latest: latest.map(seq),
        delay_us: 0,
        probe: 0,
        probe_delay_us: 0,
        generation: 1,
        duplicates: 0,
        dropped: 0,
    }))
}

fn admission(start: Credit, window: Credit) -> Admission {
    Admission { start, window, again: false, live: true, counts: true, epoch: 1 }
}

fn anew(checker: &mut Checker, admission: Admission) {
    checker.admit(SESSION, PEER, admission).unwrap();
}

/// The consumer was removed, is admitted again where it was, and catches up.
fn again(start: Credit) -> Admission {
    Admission { again: true, live: false, ..admission(start, credit(4, 100)) }
}

fn send(checker: &mut Checker, frame: &Frame) -> Result<(), String> {
    checker.check(P0, Dest::Group(1), frame)
}

/// One consumer with a window of four frames and 100 bytes, and two frames of 10 bytes sent.
fn checker() -> Checker {
    let mut checker = Checker::new(vec![Sealer::default()]);
    anew(&mut checker, admission(Credit::default(), credit(4, 100)));
    for number in 0..2 {
        send(&mut checker, &data(number, 8)).unwrap();
    }
    checker
}

fn label(number: u64) -> Label {
    Label {
        from: Some(P0),
        kind: Kind::Data,
        session: SESSION,
        epoch: 1,
        seq: number,
        restarts: 0,
        ack: None,
        start: None,
    }
}

fn hand(checker: &mut Checker, number: u64) -> Result<(), String> {
    checker.note_handed(&label(number), PEER)
}

#[test]
fn data_is_sent_in_order_and_once() {
    assert!(send(&mut checker(), &data(3, 1)).is_err());
    assert!(checker().check(P0, Dest::Peer(PEER), &data(2, 1)).is_err());
    assert!(checker().check(C0, Dest::Publisher, &data(2, 1)).is_err());
    assert!(send(&mut checker(), &data(2, 1)).is_ok());
}

#[test]
fn a_frame_that_is_sent_again_has_the_same_body() {
    assert!(send(&mut checker(), &data(1, 8)).is_ok());
    assert!(send(&mut checker(), &data(1, 7)).is_err());
    assert!(checker().check(P0, Dest::Peer(PEER), &data(1, 8)).is_ok());
    assert!(checker().check(P0, Dest::Peer(PEER), &data(1, 7)).is_err());
}

#[test]
fn a_message_is_complete_before_the_next_begins() {
    assert!(send(&mut checker(), &fragment(2, 3, 1)).is_err());
    let broken = [data(3, 1), fragment(3, 3, 0), fragment(3, 3, 2), fragment(3, 4, 1)];
    for frame in &broken {
        let mut checker = checker();
        send(&mut checker, &fragment(2, 3, 0)).unwrap();
        assert!(send(&mut checker, frame).is_err(), "{frame:?}");
    }
    let mut checker = checker();
    checker.remove(SESSION, PEER);
    for offset in 0..3 {
        send(&mut checker, &fragment(2 + offset, 3, offset)).unwrap();
    }
    send(&mut checker, &data(5, 1)).unwrap();
    let frames = checker.frames(SESSION).unwrap();
    let ended: Vec<u64> = (0..=5).map(|number| frames.ended_below(seq(number))).collect();
    assert_eq!(ended, [0, 1, 2, 2, 2, 3]);
    let first = |number| frames.first_beginning_from(seq(number));
    assert_eq!(first(2), Some((seq(2), 2)));
    assert_eq!(first(3), Some((seq(5), 3)));
}

#[test]
fn a_frame_without_a_message_is_refused() {
    let empty = frame(2, Kind::Data, BytesMut::zeroed(MAX_HEADER));
    assert!(send(&mut checker(), &empty).is_err());
}

#[test]
fn credit_binds_in_frames_and_in_bytes() {
    let mut checker = checker();
    send(&mut checker, &data(2, 8)).unwrap();
    assert!(send(&mut checker, &data(3, 69)).is_err());
    let mut checker = super::tests::checker();
    for number in 2..4 {
        send(&mut checker, &data(number, 1)).unwrap();
    }
    assert!(send(&mut checker, &data(4, 1)).is_err());
    checker.remove(SESSION, PEER);
    assert!(send(&mut checker, &data(5, 1)).is_ok());
}

#[test]
fn credit_binds_what_goes_to_one_consumer_alone() {
    let mut checker = checker();
    checker.remove(SESSION, PEER);
    for number in 2..6 {
        send(&mut checker, &data(number, 1)).unwrap();
    }
    // The consumer catches up, so the group does not wait for it.
    anew(&mut checker, again(Credit { frames: seq(2), bytes: 20 }));
    assert!(checker.check(P0, Dest::Peer(PEER), &data(3, 1)).is_ok());
    assert!(checker.check(P0, Dest::Peer(PEER), &data(4, 1)).is_err());
    assert!(send(&mut checker, &data(6, 1)).is_ok());
}

#[test]
fn credit_never_shrinks() {
    for less in [credit(3, 100), credit(4, 99)] {
        assert!(checker().check(C0, Dest::Publisher, &ack(0, &[], None, less)).is_err());
    }
    assert!(checker().check(C0, Dest::Publisher, &ack(0, &[], None, credit(4, 100))).is_ok());
}

#[test]
fn an_ack_covers_only_what_was_handed_over() {
    let more = credit(4, 100);
    let untrue = [
        ack(1, &[], None, more),
        ack(0, &[(2, 3)], None, more),
        ack(0, &[(1, 3)], None, more),
        ack(0, &[], Some(0), more),
    ];
    for ack in &untrue {
        let mut checker = checker();
        hand(&mut checker, 1).unwrap();
        assert!(checker.check(C0, Dest::Publisher, ack).is_err(), "{ack:?}");
    }
    let mut checker = checker();
    hand(&mut checker, 1).unwrap();
    assert!(checker.check(C0, Dest::Publisher, &ack(0, &[(1, 2)], Some(1), more)).is_ok());
    hand(&mut checker, 0).unwrap();
    assert!(checker.check(C0, Dest::Publisher, &ack(2, &[], Some(0), more)).is_ok());
}

#[test]
fn a_queue_holds_no_more_than_its_window() {
    let mut checker = checker();
    assert!(hand(&mut checker, 3).is_ok());
    assert!(hand(&mut checker, 4).is_err());
    checker.note_consumed(PEER, seq(1));
    assert!(hand(&mut checker, 4).is_ok());
    let mut checker = Checker::new(vec![Sealer::default()]);
    anew(&mut checker, admission(Credit::default(), credit(4, 15)));
    send(&mut checker, &data(0, 13)).unwrap();
    assert!(send(&mut checker, &data(1, 1)).is_err());
    assert!(hand(&mut checker, 1).is_err());
}

#[test]
fn frames_of_an_earlier_epoch_are_not_judged_by_the_window_of_this_epoch() {
    let mut checker = checker();
    checker.note_replaced(SESSION);
    let first = admission(Credit::default(), credit(1, 100));
    anew(&mut checker, Admission { epoch: 2, ..first });
    assert!(hand(&mut checker, 1).is_ok());
    anew(&mut checker, first);
    assert!(hand(&mut checker, 1).is_err());
}

#[test]
fn credit_given_while_removed_counts_once_the_consumer_is_let_in_again() {
    let mut checker = checker();
    checker.remove(SESSION, PEER);
    checker.check(C0, Dest::Publisher, &ack(0, &[], None, credit(6, 100))).unwrap();
    anew(&mut checker, again(credit(0, 0)));
    (2..7).for_each(|number| send(&mut checker, &data(number, 1)).unwrap());
    assert!(checker.check(P0, Dest::Peer(PEER), &data(5, 1)).is_ok());
    assert!(checker.check(P0, Dest::Peer(PEER), &data(6, 1)).is_err());
}

#[test]
fn credit_of_a_consumer_that_has_ended_does_not_bind() {
    let mut checker = checker();
    checker.remove(SESSION, PEER);
    anew(&mut checker, Admission { live: true, counts: false, ..again(credit(2, 20)) });
    for number in 2..8 {
        send(&mut checker, &data(number, 1)).unwrap();
    }
}

#[test]
fn what_was_consumed_stays_consumed_in_the_next_epoch() {
    let mut checker = checker();
    checker.note_consumed(PEER, seq(2));
    checker.note_replaced(SESSION);
    anew(&mut checker, admission(Credit::default(), credit(1, 100)));
    assert!(hand(&mut checker, 2).is_ok());
    assert!(hand(&mut checker, 3).is_err());
}

#[test]
fn fragments_that_are_skipped_make_space_once_all_before_them_arrived() {
    let mut checker = Checker::new(vec![Sealer::default()]);
    anew(&mut checker, admission(Credit::default(), credit(9, 100)));
    for offset in 0..3 {
        send(&mut checker, &fragment(offset, 3, offset)).unwrap();
    }
    send(&mut checker, &data(3, 1)).unwrap();
    let late = PeerId(10);
    let start = Credit { frames: seq(1), bytes: 5 };
    checker.admit(SESSION, late, admission(start, credit(2, 100))).unwrap();
    let hand = |checker: &mut Checker, number| {
        let handed = checker.note_handed(&label(number), late);
        checker.note_skipped(late);
        handed
    };
    assert!(hand(&mut checker, 2).is_ok());
    assert!(hand(&mut checker, 3).is_err(), "frame 1 is missing");
    assert!(hand(&mut checker, 1).is_ok());
    assert!(hand(&mut checker, 4).is_ok());
    assert!(hand(&mut checker, 5).is_err(), "a message begins with frame 3");
}

#[test]
fn frames_are_retained_until_every_peer_acked_them() {
    let mut checker = checker();
    assert!(checker.check_acked(SESSION, seq(1), false).is_err());
    assert_eq!(checker.retained(SESSION, seq(0), seq(2)), (2, 20));
    hand(&mut checker, 0).unwrap();
    checker.check(C0, Dest::Publisher, &ack(1, &[], Some(0), credit(4, 100))).unwrap();
    assert!(checker.check_acked(SESSION, seq(1), false).is_ok());
    assert!(checker.check_acked(SESSION, seq(2), false).is_err());
    assert_eq!(checker.retained(SESSION, seq(1), seq(2)), (1, 10));
    checker.remove(SESSION, PEER);
    assert!(!checker.is_peer(SESSION, PEER));
    assert!(checker.check_acked(SESSION, seq(2), false).is_ok());
}

#[test]
fn a_message_is_acked_only_when_every_peer_was_handed_all_of_it() {
    let mut checker = checker();
    send(&mut checker, &fragment(2, 2, 0)).unwrap();
    send(&mut checker, &fragment(3, 2, 1)).unwrap();
    (0..3).for_each(|number| hand(&mut checker, number).unwrap());
    assert!(checker.check_acked_messages(SESSION, 2, false).is_ok());
    assert!(checker.check_acked_messages(SESSION, 3, false).is_err());
    hand(&mut checker, 3).unwrap();
    assert!(checker.check_acked_messages(SESSION, 3, false).is_ok());
}

#[test]
fn an_end_is_where_the_data_ends_and_confirmed_once_it_is_read() {
    let fin = |end| control(&Control::Fin(Fin { end: seq(end), trailer: Default::default() }));
    assert!(checker().check(P0, Dest::Group(1), &fin(1)).is_err());
    assert!(checker().check(P0, Dest::Group(1), &fin(2)).is_ok());
    let fin_ack = control(&Control::FinAck(FinAck { peer: PEER }));
    let mut checker = checker();
    checker.note_consumed(PEER, seq(1));
    assert!(checker.check(C0, Dest::Publisher, &fin_ack).is_err());
    checker.note_consumed(PEER, seq(2));
    assert!(checker.check(C0, Dest::Publisher, &fin_ack).is_ok());
    assert!(checker.check_acked(SESSION, seq(2), false).is_ok());
}

#[test]
fn the_stream_begins_in_one_place_for_a_peer() {
    let elsewhere = admission(credit(1, 10), credit(4, 100));
    assert!(checker().admit(SESSION, PEER, elsewhere).is_err());
}
