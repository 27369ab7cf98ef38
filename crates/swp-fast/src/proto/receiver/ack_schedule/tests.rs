use super::*;
use crate::proto::receiver::tests::{packed_frame, seq, us};

const PEER: PeerId = PeerId(9);

const CONTEXT: AckContext = AckContext { peer: PEER, generation: 3, duplicates: 4, dropped: 5 };

fn place(number: u64, offset: u64) -> Place {
    Place { seq: seq(number), offset }
}

/// A schedule in a session with so many consumers, whose first ack was sent at time 0.
fn begun(consumers: u32) -> AckSchedule {
    begun_with(consumers, 10_000, 1 << 20)
}

fn begun_with(consumers: u32, window_frames: u64, window_bytes: u64) -> AckSchedule {
    let config = SubscribeConfig { window_frames, window_bytes, ..SubscribeConfig::default() };
    let mut acks = AckSchedule::new(&config);
    acks.begin_session(consumers, place(0, 0));
    assert!(acks.is_due(us(0)));
    take(&mut acks, us(0));
    assert!(!acks.is_due(us(1_000_000)) && acks.due_at().is_none());
    acks
}

fn take(acks: &mut AckSchedule, now: Time) -> Ack {
    acks.take(now, &Reassembly::new(place(0, 0)), CONTEXT)
}

fn probe(number: u64, peer: Option<PeerId>, consumers: u32) -> Probe {
    Probe { peer, number, next: Seq::ZERO, consumers, generation: 1 }
}

#[test]
fn in_order_an_ack_waits_for_a_pause_but_not_for_long() {
    let mut acks = begun(1);
    let (mut now, mut sent) = (us(0), Vec::new());
    for number in 0..60 {
        now = now + ACK_DELAY * 9 / 10;
        acks.handle_frame(now, seq(number), false);
        if acks.is_due(now) {
            let ack = take(&mut acks, now);
            sent.push((now.as_nanos() / 1_000, ack.latest.map(Seq::get), ack.delay_us));
        }
    }
    // 20 ms after the first frame that they ack; and in the pause that follows.
    assert_eq!(sent, [(21_600, Some(23), 0), (43_200, Some(47), 0)]);
    assert_eq!(acks.due_at(), Some(now + ACK_DELAY));
}

#[test]
fn in_order_an_ack_is_due_after_enough_frames_or_part_of_the_window() {
    for (consumers, window_frames, enough) in
        [(1, 10_000, 32), (1, 40, 10), (1, 1, 1), (2, 10_000, 128), (8, 10_000, 512), (8, 40, 10)]
    {
        let mut acks = begun_with(consumers, window_frames, 1 << 20);
        let frames = (1..).find(|&number| {
            acks.handle_frame(us(1), seq(number), false);
            acks.is_immediate()
        });
        assert_eq!(frames, Some(enough), "{consumers} consumers, window {window_frames}");
    }
}

#[test]
fn beside_a_gap_no_ack_waits_for_a_pause() {
    let mut acks = begun(1);
    acks.handle_frame(us(100), seq(2), true);
    acks.handle_frame(us(900), seq(3), true);
    assert_eq!(acks.due_at(), Some(us(100) + ACK_DELAY));
}

#[test]
fn gaps_and_duplicates_are_acked_at_once_to_a_publisher_of_few_consumers() {
    for consumers in [0, 1, 7] {
        for placement in [Placement::OpenedGap, Placement::FilledGap] {
            let mut acks = begun(consumers);
            acks.handle_placement(us(1), placement);
            assert!(acks.is_immediate(), "{consumers} {placement:?}");
        }
        let mut acks = begun(consumers);
        acks.handle_duplicate(us(1));
        assert!(acks.is_immediate(), "{consumers}");
        for placement in [Placement::InOrder, Placement::AboveGap] {
            let mut acks = begun(consumers);
            acks.handle_placement(us(1), placement);
            assert!(!acks.is_due(us(1_000_000)), "{consumers} {placement:?}");
        }
    }
}

#[test]
fn gaps_are_acked_within_a_delay_to_a_publisher_of_many_consumers() {
    let mut acks = begun(64);
    acks.handle_placement(us(0), Placement::OpenedGap);
    let by = us(0) + (ack_delay(64) - ACK_DELAY);
    assert_eq!((acks.is_immediate(), acks.due_at()), (false, Some(by)));
    // A further gap does not put it off, and a busy stream does not either.
    acks.handle_placement(us(500), Placement::OpenedGap);
    for number in 0..FRAMES_PER_ACK {
        acks.handle_frame(us(500), seq(number), true);
    }
    assert_eq!(acks.due_at(), Some(by));
}

#[test]
fn with_several_consumers_an_ack_amid_a_busy_stream_waits_for_more_frames() {
    let mut acks = begun(4);
    for number in 0..FRAMES_PER_ACK - 1 {
        acks.handle_frame(us(100), seq(number), false);
    }
    assert_eq!(acks.due_at(), Some(us(100) + ack_delay(4)));
    acks.handle_frame(us(200), seq(FRAMES_PER_ACK), false);
    assert_eq!(acks.due_at(), Some(us(100) + BUSY_DELAY_PER_CONSUMER * 4));
    acks.handle_duplicate(us(200));
    assert!(acks.is_immediate());
}

#[test]
fn credit_is_advertised_in_parts_of_the_window() {
    for (consumed, immediate) in [
        (place(24, 24), false),
        (place(25, 25), true),
        (place(1, 249_999), false),
        (place(1, 250_000), true),
    ] {
        let mut acks = begun_with(1, 100, 1_000_000);
        acks.handle_consumed(us(5), consumed);
        assert_eq!(acks.is_immediate(), immediate, "{consumed:?}");
        assert_eq!(acks.due_at(), Some(us(5) + ACK_DELAY));
    }
}

#[test]
fn only_advertised_credit_covers_frames() {
    let mut acks = begun_with(1, 10, 1_000);
    assert!(acks.covers(seq(9), 1_000));
    assert!(!acks.covers(seq(10), 1_000) && !acks.covers(seq(9), 1_001));
    acks.handle_consumed(us(1), place(5, 500));
    assert!(!acks.covers(seq(10), 1_000));
    let held = Reassembly::new(place(5, 500));
    let ack = acks.take(us(1), &held, CONTEXT);
    assert_eq!((ack.credit.frames, ack.credit.bytes), (seq(15), 1_500));
    assert!(acks.covers(seq(14), 1_500));
    assert_eq!(acks.advertised_bytes(), 1_500);
}

#[test]
fn an_ack_says_what_is_held_and_what_was_counted() {
    let mut acks = begun(1);
    let mut held = Reassembly::new(place(7, 70));
    for number in [7, 9, 10, 20] {
        held.accept(packed_frame(number, &[b"message"]));
        acks.handle_frame(us(number), seq(number), held.has_gap());
    }
    let ack = acks.take(us(50), &held, CONTEXT);
    assert_eq!((ack.peer, ack.cumulative), (PEER, seq(8)));
    let sack: Vec<_> = ack.sack.iter().collect();
    assert_eq!(sack, [(seq(9), seq(11)), (seq(20), seq(21))]);
    assert_eq!((ack.latest, ack.delay_us), (Some(seq(20)), 30));
    assert_eq!((ack.generation, ack.duplicates, ack.dropped), (3, 4, 5));
}

#[test]
fn an_ack_says_how_long_ago_the_probe_came() {
    let mut acks = begun(1);
    assert_eq!(take(&mut acks, us(5)).probe, 0);
    acks.handle_probe(us(10), &probe(7, None, 1), PEER);
    let ack = take(&mut acks, us(10));
    assert_eq!((ack.probe, ack.probe_delay_us), (7, 0));
    // That ack may be lost. The next one answers the probe as well, and its round trip must not
    // look longer.
    acks.handle_probe(us(500), &probe(7, None, 1), PEER);
    let ack = take(&mut acks, us(510));
    assert_eq!((ack.probe, ack.probe_delay_us), (7, 500));
}

#[test]
fn a_forged_probe_is_answered_until_the_next_one() {
    let mut acks = begun(1);
    acks.handle_probe(us(600), &probe(1 << 60, None, 1), PEER);
    assert_eq!(take(&mut acks, us(600)).probe, 1 << 60);
    acks.handle_probe(us(700), &probe(8, None, 1), PEER);
    assert_eq!(take(&mut acks, us(700)).probe, 8);
}

#[test]
fn only_a_probe_for_this_consumer_is_answered_at_once() {
    for (peer, immediate) in [(Some(PeerId(1)), false), (Some(PEER), true), (None, true)] {
        let mut acks = begun(1);
        acks.handle_probe(us(1), &probe(2, peer, 1), PEER);
        assert_eq!(acks.is_immediate(), immediate, "{peer:?}");
    }
}

#[test]
fn a_probe_tells_how_many_consumers_share_the_way() {
    let mut acks = begun(1);
    acks.handle_probe(us(1), &probe(2, Some(PeerId(1)), 64), PEER);
    acks.handle_frame(us(2), seq(0), false);
    assert_eq!(acks.due_at(), Some(us(2) + ack_delay(64)));
}

#[test]
fn another_publishers_probes_and_frames_are_forgotten() {
    let mut acks = begun(1);
    acks.handle_frame(us(1), seq(0), false);
    acks.handle_probe(us(1), &probe(7, None, 1), PEER);
    acks.forget_arrivals();
    let ack = take(&mut acks, us(10));
    assert_eq!((ack.latest, ack.delay_us, ack.probe, ack.probe_delay_us), (None, 0, 0, 0));
}
