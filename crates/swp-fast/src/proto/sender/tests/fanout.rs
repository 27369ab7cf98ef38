//! Several consumers of one stream.

use super::*;

#[test]
fn a_stream_is_shared_while_several_consumers_have_it() {
    assert!(sender(PublishConfig { min_consumers: 2, ..PublishConfig::default() }).is_shared());
    let late_join = LateJoin::FromNow;
    let mut sender = started(PublishConfig { late_join, ..PublishConfig::default() });
    assert!(!sender.is_shared());
    sender.handle_frame(at(2), &joins(LATECOMER));
    poll(&mut sender, at(2));
    assert!(!sender.is_shared(), "not before its first ack");
    sender.handle_frame(at(3), &ack(LATECOMER, 1, 0));
    assert!(sender.is_shared());
    sender.handle_frame(at(4), &frames().reset(2, LATECOMER, ResetCode::Cancelled));
    assert!(!sender.is_shared(), "the other consumer has left");
}

/// Also while one consumer has the stream: a second one may join, and frames grow.
#[test]
fn a_window_must_hold_a_frame_for_several_consumers() {
    let config = PublishConfig::default();
    let (least, most) = (config.solo_body_bytes() as u64, config.max_body_bytes() as u64);
    for (window, kind) in [
        (least, Kind::Reset),
        (most - 1, Kind::Reset),
        (most, Kind::SynAck),
        (most + 1, Kind::SynAck),
    ] {
        let mut sender = sender(config.clone());
        sender.handle_frame(Time::ZERO, &frames().syn(syn(CONSUMER, window)));
        assert_eq!(kinds(&poll(&mut sender, Time::ZERO)).last(), Some(&kind), "{window}");
    }
}

#[test]
fn a_retransmission_that_the_window_shuts_out_holds_up_none_that_fits() {
    let tag = Some("counts".to_owned());
    let config = PublishConfig { tag, frame_bytes: 256, ..PublishConfig::default() };
    let mut sender = sender(config);
    let counting = Syn { tag: "counts".to_owned(), ..syn(CONSUMER, WINDOW_BYTES) };
    sender.handle_frame(at(0), &frames().syn(counting));
    // Credit for two frames of 102 bytes.
    sender.handle_frame(at(0), &frames().syn(syn(LATECOMER, 210)));
    sender.handle_frame(at(1), &ack(CONSUMER, 1, 0));
    let ack = |number: u64, probe: u64, held: &[(u64, u64)]| {
        let ack = crate::testing::ack(LATECOMER, 0).with_sack(held).with_probe(probe);
        let ack = ack.with_credit(WINDOW_FRAMES, 210).with_latest(1);
        frames().control(number, &Control::Ack(ack))
    };
    sender.handle_frame(at(1), &ack(1, 0, &[]));
    poll(&mut sender, at(1));
    for _ in 0..3 {
        write(&mut sender, &[7; 100]).expect("it fits");
    }
    poll(&mut sender, at(2));
    let mut retransmitted = Vec::new();
    let mut now = at(4);
    for number in 2..12 {
        now = sender.poll_timeout().expect("it goes on").max(now);
        sender.handle_timeout(now);
        for (to, frame) in poll(&mut sender, now) {
            match frame.control() {
                Some(Ok(Control::Probe(probe))) => {
                    sender.handle_frame(now, &ack(number, probe.number, &[(1, 2)]));
                }
                None if to == Dest::Peer(LATECOMER) => retransmitted.push(frame.header.seq),
                _ => {}
            }
        }
    }
    assert!(retransmitted.len() > 5, "{retransmitted:?}");
    assert!(retransmitted.iter().all(|frame| *frame == seq(0)), "{retransmitted:?}");
}
