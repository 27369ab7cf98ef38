//! A check is worthless if it lets everything pass: each rule is broken here once.

use bytes::{BufMut, BytesMut};

use super::{Checker, Joins};
use crate::proto::Dest;
use crate::sim::Node;
use crate::sim::network::Label;
use crate::wire::{
    Ack, Control, Credit, Fin, FinAck, Frame, Header, Integrity, Kind, MAX_HEADER, PeerId,
    SackRanges, Sealer, Seq, SessionId,
};

const SESSION: SessionId = SessionId(7);
const PEER: PeerId = PeerId(9);
const P0: Node = Node::Publisher(0);
const C0: Node = Node::Consumer(0);

const ANEW: Joins = Joins { again: false, live: true, counts: true, epoch: 1 };
const AGAIN: Joins = Joins { again: true, live: false, counts: true, epoch: 1 };

fn seq(number: u64) -> Seq {
    Seq::ZERO.advance(number)
}

fn credit(frames: u64, bytes: u64) -> Credit {
    Credit { frames: seq(frames), bytes }
}

fn data(number: u64, body: &[u8]) -> Frame {
    let mut buf = BytesMut::zeroed(MAX_HEADER);
    buf.put_slice(body);
    let digest = Integrity::Blake3.digest(body);
    let header = Header { kind: Kind::Data, session: SESSION, epoch: 1, seq: seq(number), digest };
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

/// One consumer with a window of four frames and 100 bytes, and two frames of 10 bytes sent.
fn checker() -> Checker {
    let mut checker = Checker::new(vec![Sealer::default()]);
    checker.joins(SESSION, PEER, Credit::default(), credit(4, 100), ANEW).unwrap();
    for number in 0..2 {
        checker.check(P0, Dest::Group(1), &data(number, &[0; 10])).unwrap();
    }
    checker
}

fn hand(checker: &mut Checker, number: u64) -> Result<(), String> {
    let label = Label {
        from: Some(P0),
        kind: Kind::Data,
        session: SESSION,
        epoch: 1,
        seq: number,
        life: 0,
        report: None,
        start: None,
    };
    checker.note_handed(&label, PEER)
}

#[test]
fn data_is_sent_in_order_and_once() {
    assert!(checker().check(P0, Dest::Group(1), &data(3, b"x")).is_err());
    // What most of the group missed is repeated to all of it.
    assert!(checker().check(P0, Dest::Group(1), &data(1, b"x")).is_ok());
    assert!(checker().check(P0, Dest::Peer(PEER), &data(2, b"x")).is_err());
    assert!(checker().check(C0, Dest::Publisher, &data(2, b"x")).is_err());
    assert!(checker().check(P0, Dest::Group(1), &data(2, b"x")).is_ok());
}

#[test]
fn credit_binds_in_frames_and_in_bytes() {
    let mut checker = checker();
    checker.check(P0, Dest::Group(1), &data(2, &[0; 10])).unwrap();
    assert!(checker.check(P0, Dest::Group(1), &data(3, &[0; 71])).is_err());
    let mut checker = super::tests::checker();
    for number in 2..4 {
        checker.check(P0, Dest::Group(1), &data(number, b"x")).unwrap();
    }
    assert!(checker.check(P0, Dest::Group(1), &data(4, b"x")).is_err());
    checker.forget(SESSION, PEER);
    assert!(checker.check(P0, Dest::Group(1), &data(5, b"x")).is_ok());
}

#[test]
fn credit_binds_what_goes_to_one_alone() {
    let mut checker = checker();
    checker.forget(SESSION, PEER);
    for number in 2..6 {
        checker.check(P0, Dest::Group(1), &data(number, b"x")).unwrap();
    }
    // It comes back where it was, and the group does not wait for it.
    checker
        .joins(SESSION, PEER, Credit { frames: seq(2), bytes: 20 }, credit(4, 100), AGAIN)
        .unwrap();
    assert!(checker.check(P0, Dest::Peer(PEER), &data(3, b"x")).is_ok());
    assert!(checker.check(P0, Dest::Peer(PEER), &data(4, b"x")).is_err());
    assert!(checker.check(P0, Dest::Group(1), &data(6, b"x")).is_ok());
}

#[test]
fn credit_is_not_taken_back() {
    for less in [credit(3, 100), credit(4, 99)] {
        assert!(checker().check(C0, Dest::Publisher, &ack(0, &[], None, less)).is_err());
    }
    assert!(checker().check(C0, Dest::Publisher, &ack(0, &[], None, credit(4, 100))).is_ok());
}

#[test]
fn a_report_covers_what_was_handed_over() {
    let more = credit(4, 100);
    let untrue = [
        ack(1, &[], None, more),
        ack(0, &[(2, 3)], None, more),
        ack(0, &[(1, 3)], None, more),
        ack(0, &[], Some(0), more),
    ];
    for report in &untrue {
        let mut checker = checker();
        hand(&mut checker, 1).unwrap();
        assert!(checker.check(C0, Dest::Publisher, report).is_err(), "{report:?}");
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
    checker.note_taken(PEER, Some(seq(1)), |_| false);
    assert!(hand(&mut checker, 4).is_ok());
    let mut checker = Checker::new(vec![Sealer::default()]);
    checker.joins(SESSION, PEER, Credit::default(), credit(4, 15), ANEW).unwrap();
    checker.check(P0, Dest::Group(1), &data(0, &[0; 15])).unwrap();
    assert!(checker.check(P0, Dest::Group(1), &data(1, b"x")).is_err());
    assert!(hand(&mut checker, 1).is_err());
}

/// The swarm's seed 748092: a consumer started again was let in by the next life of the session, and frames of
/// the last were still on their way to it.
#[test]
fn what_an_earlier_life_sent_is_not_judged_by_this_ones_window() {
    let mut checker = checker();
    checker.note_replaced(SESSION);
    checker
        .joins(SESSION, PEER, Credit::default(), credit(1, 100), Joins { epoch: 2, ..ANEW })
        .unwrap();
    assert!(hand(&mut checker, 1).is_ok());
    assert!(checker.joins(SESSION, PEER, Credit::default(), credit(1, 100), ANEW).is_ok());
    assert!(hand(&mut checker, 1).is_err());
}

/// The swarm's seed 1293893: the report was on its way when its consumer was let in again.
#[test]
fn what_was_allowed_while_given_up_counts_once_it_is_back() {
    let mut checker = checker();
    checker.forget(SESSION, PEER);
    checker.check(C0, Dest::Publisher, &ack(0, &[], None, credit(6, 100))).unwrap();
    checker.joins(SESSION, PEER, credit(0, 0), credit(4, 100), AGAIN).unwrap();
    (2..7).for_each(|number| checker.check(P0, Dest::Group(1), &data(number, b"x")).unwrap());
    assert!(checker.check(P0, Dest::Peer(PEER), &data(5, b"x")).is_ok());
    assert!(checker.check(P0, Dest::Peer(PEER), &data(6, b"x")).is_err());
}

/// The swarm's seed 2319935: a late copy of its SYN let one in that had left.
#[test]
fn one_that_has_ended_binds_nobody() {
    let mut checker = checker();
    checker.forget(SESSION, PEER);
    let again = Joins { live: true, counts: false, ..AGAIN };
    checker.joins(SESSION, PEER, credit(2, 20), credit(4, 100), again).unwrap();
    for number in 2..8 {
        checker.check(P0, Dest::Group(1), &data(number, b"x")).unwrap();
    }
}

/// The swarm's seed 714267: let in by the next life of the session as if it were new.
#[test]
fn what_was_taken_stays_taken_in_the_next_life() {
    let mut checker = checker();
    checker.note_taken(PEER, Some(seq(2)), |_| false);
    checker.note_replaced(SESSION);
    checker.joins(SESSION, PEER, Credit::default(), credit(1, 100), ANEW).unwrap();
    assert!(hand(&mut checker, 2).is_ok());
    assert!(hand(&mut checker, 3).is_err());
}

#[test]
fn what_is_passed_over_makes_room_only_once_it_is_whole() {
    let mut checker = checker();
    hand(&mut checker, 1).unwrap();
    checker.note_taken(PEER, None, |_| true);
    assert!(hand(&mut checker, 4).is_err());
    hand(&mut checker, 0).unwrap();
    checker.note_taken(PEER, None, |frame| frame == Seq::ZERO);
    assert!(hand(&mut checker, 4).is_ok());
    assert!(hand(&mut checker, 5).is_err());
}

#[test]
fn frames_are_kept_until_every_member_reported_them() {
    let mut checker = checker();
    assert!(checker.check_acked(SESSION, seq(1), false).is_err());
    assert_eq!(checker.retained(SESSION, seq(0), seq(2)), (2, 20));
    hand(&mut checker, 0).unwrap();
    checker.check(C0, Dest::Publisher, &ack(1, &[], Some(0), credit(4, 100))).unwrap();
    assert!(checker.check_acked(SESSION, seq(1), false).is_ok());
    assert!(checker.check_acked(SESSION, seq(2), false).is_err());
    assert_eq!(checker.retained(SESSION, seq(1), seq(2)), (1, 10));
    checker.forget(SESSION, PEER);
    assert!(!checker.is_member(SESSION, PEER));
    assert!(checker.check_acked(SESSION, seq(2), false).is_ok());
}

#[test]
fn an_end_is_where_the_data_ends_and_confirmed_once_it_is_read() {
    let fin = |end| control(&Control::Fin(Fin { end: seq(end), trailer: Default::default() }));
    assert!(checker().check(P0, Dest::Group(1), &fin(1)).is_err());
    assert!(checker().check(P0, Dest::Group(1), &fin(2)).is_ok());
    let fin_ack = control(&Control::FinAck(FinAck { peer: PEER }));
    let mut checker = checker();
    checker.note_taken(PEER, Some(seq(1)), |_| false);
    assert!(checker.check(C0, Dest::Publisher, &fin_ack).is_err());
    checker.note_taken(PEER, Some(seq(2)), |_| false);
    assert!(checker.check(C0, Dest::Publisher, &fin_ack).is_ok());
    assert!(checker.check_acked(SESSION, seq(2), false).is_ok());
}

#[test]
fn a_member_begins_in_one_place() {
    let again = checker().joins(SESSION, PEER, credit(1, 10), credit(4, 100), ANEW);
    assert!(again.is_err());
}
