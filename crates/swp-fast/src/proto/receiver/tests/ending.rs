//! FIN, FIN-ACK, and leaving.

use super::*;
use crate::wire::{Fin, FinAck, ResetCode};

fn fin(end: u64) -> Control {
    Control::Fin(Fin { end: seq(end), trailer: Bytes::from_static(b"bye") })
}

#[test]
fn fin_waits_for_frames_that_are_missing_and_unread() {
    let mut receiver = joined(100, 100_000);
    receiver.handle_frame(us(1), &data(0, b"one"));
    receiver.handle_frame(us(1), &control(&fin(2)));
    assert_eq!(receiver.trailer(), Some(&Bytes::from_static(b"bye")));
    assert!(receiver.read_frame(us(2)).is_some());
    receiver.close(us(2));
    assert!(!receiver.at_end());
    receiver.handle_frame(us(3), &data(1, b"two"));
    assert!(!receiver.at_end());
    assert!(receiver.read_frame(us(3)).is_some());
    assert!(receiver.at_end());
    receiver.close(us(3));
    assert!(matches!(sent(&mut receiver, us(3)), Some(Control::FinAck(_))));
    receiver.handle_frame(us(4), &control(&Control::Closed(FinAck { peer: ID })));
    assert_eq!(receiver.poll_event(), Some(ReceiverEvent::Ended));
    assert!(receiver.is_over());
}

#[test]
fn a_fin_that_comes_again_is_answered_at_once() {
    let mut receiver = joined(100, 100_000);
    receiver.handle_frame(us(1), &control(&fin(0)));
    receiver.close(us(1));
    for at in [1, 10, 20] {
        receiver.handle_frame(us(at), &control(&fin(0)));
        assert!(matches!(sent(&mut receiver, us(at)), Some(Control::FinAck(_))), "{at}");
        assert!(sent(&mut receiver, us(at)).is_none());
    }
}

#[test]
fn a_restarted_publisher_gets_fin_ack_after_its_own_fin() {
    let mut receiver = joined(100, 100_000);
    receiver.handle_frame(us(1), &control(&fin(0)));
    let announce = crate::wire::Announce { peer: PeerId(1), claiming: false };
    receiver.handle_frame(us(2), &control_in(2, &Control::Announce(announce)));
    assert!(matches!(sent(&mut receiver, us(2)), Some(Control::Syn(_))));
    receiver.handle_frame(us(3), &control_in(2, &Control::SynAck(accepted(0, 0))));
    assert!(ack(&mut receiver, us(3)).is_some());
    receiver.close(us(4));
    assert!(receiver.at_end() && sent(&mut receiver, us(4)).is_none());
    receiver.handle_frame(us(5), &control_in(2, &fin(0)));
    assert!(matches!(sent(&mut receiver, us(5)), Some(Control::FinAck(_))));
}

/// Pauses of more than two keep-alives would look like those of a stopped process.
#[test]
fn a_consumer_at_the_end_times_out_however_short_the_keep_alive_is() {
    for keep_alive_ms in [5, 20, 100, 400, 1_000, 5_000] {
        let keep_alive = Duration::from_millis(keep_alive_ms);
        let idle_timeout = keep_alive * 10;
        let mut receiver = new(SubscribeConfig::default());
        let syn_ack = SynAck { keep_alive, idle_timeout, ..accepted(0, 0) };
        receiver.handle_frame(us(0), &control(&Control::SynAck(syn_ack)));
        receiver.handle_frame(us(0), &control(&fin(0)));
        receiver.close(us(0));
        let mut now = us(0);
        while !receiver.is_over() {
            while receiver.poll_transmit(now).is_some() {}
            now = receiver.poll_timeout().expect("a time-out");
            assert!(now <= us(0) + idle_timeout, "{keep_alive_ms} ms: still there at {now:?}");
            receiver.handle_timeout(now);
        }
        assert_eq!(now, us(0) + idle_timeout);
        assert!(receiver.failure().is_none());
    }
}

#[test]
fn an_end_that_moves_is_dropped_as_forged() {
    let mut receiver = joined(100, 100_000);
    receiver.handle_frame(us(1), &control(&fin(2)));
    receiver.handle_frame(us(1), &control(&fin(0)));
    assert!(!receiver.at_end());
    assert_eq!(receiver.stats().dropped.forged, 1);
}

#[test]
fn a_cancelling_consumer_tells_the_publisher_and_a_detaching_one_does_not() {
    let mut receiver = joined(100, 100_000);
    receiver.cancel("enough");
    let Some(Control::Reset(reset)) = sent(&mut receiver, us(1)) else { panic!("a RESET is due") };
    assert_eq!((reset.peer, reset.code, &*reset.reason), (ID, ResetCode::Cancelled, "enough"));
    let mut receiver = joined(100, 100_000);
    receiver.detach();
    assert!(sent(&mut receiver, us(1)).is_none());
    assert_eq!(receiver.failure(), Some(&ReceiverError::Cancelled));
}

/// A reader must not take the stream for complete if its last message is not.
#[test]
fn a_stream_whose_last_frames_make_no_message_fails_and_never_reaches_its_end() {
    let last_frames = [
        ("fragment without its beginning", vec![frames().fragment(0, 50, 20, b"middle")]),
        ("packed amid fragments", vec![frames().fragment(0, 50, 0, b"begun"), data(1, b"x")]),
        ("message without its end", vec![frames().fragment(0, 50, 0, b"begun")]),
    ];
    for (name, last) in last_frames {
        for fin_first in [true, false] {
            let mut receiver = joined(100, 100_000);
            let end = control(&fin(last.len() as u64));
            if fin_first {
                receiver.handle_frame(us(1), &end);
            }
            for frame in &last {
                receiver.handle_frame(us(1), frame);
            }
            if !fin_first {
                receiver.handle_frame(us(1), &end);
            }
            assert!(receiver.read_batch(us(2)).is_none(), "{name}");
            assert!(!receiver.at_end() && receiver.failure().is_some(), "{name}");
            assert!(matches!(sent(&mut receiver, us(2)), Some(Control::Reset(_))), "{name}");
            receiver.close(us(3));
            assert!(sent(&mut receiver, us(3)).is_none(), "{name}: nothing is confirmed");
        }
    }
}

#[test]
fn the_end_is_not_reached_amid_the_last_batch() {
    let mut receiver = joined(100, 100_000);
    receiver.handle_frame(us(1), &frames().data(0, &[b"one", b"two"]));
    receiver.handle_frame(us(1), &control(&fin(1)));
    assert!(receiver.read_message(us(2)).is_some() && !receiver.at_end());
    receiver.close(us(2));
    assert!(!receiver.is_confirmed());
    assert!(receiver.read_message(us(3)).is_some() && receiver.at_end());
}
