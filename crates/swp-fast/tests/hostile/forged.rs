//! Frames in good order that no genuine peer of the session would send now: of another session or
//! epoch, without the key, replayed, or with claims that cannot be true.

use super::*;
use bytes::BytesMut;
use swp_fast::wire::{Integrity, MAX_SEQ, SessionId};

#[test]
fn frames_of_another_epoch_are_dropped_as_foreign() {
    let mut pair = open_session();
    for epoch in [IDS.epoch - 1, IDS.epoch + 1, 0, u32::MAX] {
        let other = Frames::new(IDS.session, epoch).with_integrity(Integrity::Blake3);
        for frame in control_frames(&other) {
            publisher_drops(&mut pair, &frame, "foreign");
            consumer_drops(&mut pair, &frame, "foreign");
        }
        consumer_drops(&mut pair, &other.data(READ, &[b"x"]), "foreign");
    }
    assert_unharmed(pair);
}

#[test]
fn frames_of_another_session_are_dropped_as_foreign() {
    let mut pair = open_session();
    for frame in control_frames(&Frames::new(SessionId(0xabce), IDS.epoch)) {
        publisher_drops(&mut pair, &frame, "foreign");
        consumer_drops(&mut pair, &frame, "foreign");
    }
    assert_unharmed(pair);
}

#[test]
fn frames_without_the_key_are_dropped_as_unauthenticated() {
    let mut pair = keyed_session();
    let keyless = Frames::new(IDS.session, IDS.epoch).with_integrity(Integrity::Blake3);
    for stranger in [keyless.clone(), keyless.with_key(Key::from_bytes([4; 32]))] {
        let reset_publisher = stranger.reset(NEWEST, IDS.inbox, ResetCode::Cancelled);
        for frame in control_frames(&stranger).iter().chain([&reset_publisher]) {
            publisher_drops(&mut pair, frame, "unauthenticated");
            consumer_drops(&mut pair, frame, "unauthenticated");
        }
        let syn = stranger.syn(swp_fast::testing::syn(PeerId(5), 1, 1 << 20));
        publisher_drops(&mut pair, &syn, "unauthenticated");
        consumer_drops(&mut pair, &stranger.data(READ, &[b"forged"]), "unauthenticated");
    }
    assert_unharmed(pair);
}

#[test]
fn a_keyed_session_accepts_no_data_under_a_digest_other_than_blake3() {
    let mut pair = keyed_session();
    for integrity in [Integrity::Crc32c, Integrity::None] {
        let weak = pair.frames.clone().with_integrity(integrity);
        consumer_drops(&mut pair, &weak.data(READ, &[b"forged"]), "unauthenticated");
    }
    assert_unharmed(pair);
}

#[test]
fn a_genuine_header_before_another_body_is_dropped_as_corrupt() {
    let mut pair = keyed_session();
    let mut frame = BytesMut::from(&pair.frames.data(READ, &[b"stolen"])[..]);
    let message = frame.len() - b"stolen".len()..;
    frame[message].copy_from_slice(b"forged");
    consumer_drops(&mut pair, &frame.freeze(), "corrupt");
    assert_unharmed(pair);
}

#[test]
fn replayed_and_reflected_frames_change_nothing() {
    let mut pair = keyed_session();
    let now = pair.now;
    // A listener on the bus records genuine frames of a keyed session.
    write(&mut pair, 2);
    let heard: Vec<Bytes> =
        std::iter::from_fn(|| pair.sender.poll_transmit(now)).map(|sent| sent.frame).collect();
    assert_eq!(heard.len(), 2);
    heard.iter().for_each(|frame| pair.receiver.handle_frame(now, frame));
    let ack = pair.receiver.poll_transmit(now + Duration::from_millis(5)).expect("an ack is due");
    pair.sender.handle_frame(now, &ack.frame);
    assert_eq!(read(&mut pair), 2);
    pair.wait(Duration::from_millis(20));

    let before = pair.receiver.stats();
    for _ in 0..100 {
        heard.iter().for_each(|frame| pair.receiver.handle_frame(pair.now, frame));
    }
    let after = pair.receiver.stats();
    assert_eq!(after.duplicates - before.duplicates, 200);
    assert_eq!((after.frames, after.messages), (before.frames, before.messages));
    assert_eq!(after.dropped, before.dropped);
    assert!(!pair.receiver.has_ready());

    let before = pair.sender.stats();
    for _ in 0..100 {
        pair.sender.handle_frame(pair.now, &ack.frame);
    }
    let after = pair.sender.stats();
    assert_eq!(after.consumers[0].credit_frames, before.consumers[0].credit_frames);
    assert_eq!((after.retransmits, after.rtt), (before.retransmits, before.rtt));
    assert_eq!(after.acks - before.acks, 100);
    pair.exchange();

    publisher_drops(&mut pair, &heard[0], "unexpected");
    consumer_drops(&mut pair, &ack.frame, "foreign");
    assert_unharmed(pair);
}

#[test]
fn acks_of_frames_never_sent_are_dropped_as_forged() {
    let mut pair = open_session();
    let forged = [
        ack(READ + 1),
        ack(MAX_SEQ),
        ack(READ - 1).with_sack(&[(READ, READ + 1)]),
        ack(READ).with_latest(READ),
        ack(0).with_latest(MAX_SEQ),
    ];
    for forged in forged {
        let frame = pair.frames.control(NEWEST, &Control::Ack(forged));
        publisher_drops(&mut pair, &frame, "forged");
    }
    assert_unharmed(pair);
}

#[test]
fn an_ack_with_less_credit_withdraws_no_credit() {
    let mut pair = open_session();
    let before = pair.sender.stats().consumers[0].credit_frames;
    for number in [2 * NEWEST, 1, 2 * NEWEST + 1] {
        let less = ack(READ).with_credit(0, 0);
        let frame = pair.frames.control(number, &Control::Ack(less));
        pair.sender.handle_frame(pair.now, &frame);
        let stats = pair.sender.stats();
        assert_eq!(stats.consumers[0].credit_frames, before);
        assert_eq!(stats.dropped, DropCounts::default());
    }
    assert_unharmed(pair);
}

#[test]
fn data_beyond_the_window_is_dropped_at_every_distance() {
    let mut pair = open_session();
    for number in [READ + WINDOW, READ + 2 * WINDOW, 1 << 40, MAX_SEQ - 1, MAX_SEQ] {
        let frame = pair.frames.data(number, &[b"far"]);
        consumer_drops(&mut pair, &frame, "beyond_window");
    }
    assert_unharmed(pair);
}

#[test]
fn a_fin_below_a_received_frame_ends_the_session() {
    // The first two ends lie below the cumulative ack, the others below a frame beyond a gap.
    for (received, end) in [(READ, READ - 1), (READ, 0), (8, READ), (8, 8)] {
        let mut pair = open_session();
        let data = pair.frames.data(received, &[&received.to_be_bytes()]);
        pair.receiver.handle_frame(pair.now, &data);
        let fin = Control::Fin(Fin { end: seq(end), trailer: Bytes::new() });
        pair.receiver.handle_frame(pair.now, &pair.frames.control(NEWEST, &fin));
        let expected = ReceiverError::Protocol("the end lies before what was sent");
        assert_eq!(pair.receiver.failure(), Some(&expected), "frame {received}, end {end}");
        assert!(!pair.receiver.at_end());
    }
}

#[test]
fn a_second_fin_cannot_move_the_end() {
    let mut pair = open_session();
    write(&mut pair, 4);
    pair.sender.finish(Bytes::from_static(b"genuine"));
    pair.exchange();
    // Frames wait to be read, so `consumer_drops` does not apply.
    let drops = |pair: &mut Pair, frame: &Bytes, cause| {
        let before = pair.receiver.stats();
        pair.receiver.handle_frame(pair.now, frame);
        let after = pair.receiver.stats();
        assert_counted(&before.dropped, &after.dropped, cause);
        assert_eq!(before.queued_frames, after.queued_frames);
        assert!(!pair.receiver.is_over());
    };
    for end in [3, 6, 8, MAX_SEQ] {
        let fin = Fin { end: seq(end), trailer: Bytes::from_static(b"forged") };
        let frame = pair.frames.control(NEWEST, &Control::Fin(fin));
        drops(&mut pair, &frame, "forged");
    }
    let behind_the_end = pair.frames.data(READ + 4, &[b"more"]);
    drops(&mut pair, &behind_the_end, "beyond_window");
    assert_eq!(read(&mut pair), 4);
    assert!(pair.receiver.at_end());
    assert_eq!(pair.receiver.trailer(), Some(&Bytes::from_static(b"genuine")));
}

#[test]
fn an_early_fin_ack_and_a_reset_of_a_stranger_end_no_peer() {
    let mut pair = open_session();
    let before = pair.sender.stats();
    let fin_ack = Control::FinAck(FinAck { peer: CONSUMER });
    for frame in [
        pair.frames.control(NEWEST, &fin_ack),
        pair.frames.reset(NEWEST, PeerId(77), ResetCode::Cancelled),
    ] {
        pair.sender.handle_frame(pair.now, &frame);
    }
    let after = pair.sender.stats();
    assert_eq!(after.dropped.unexpected - before.dropped.unexpected, 1, "no FIN was sent");
    assert_eq!(after.dropped.foreign - before.dropped.foreign, 1);
    assert_eq!(after.consumers, before.consumers);
    assert_unharmed(pair);
}
