//! Rules that take several parts of a receiver to keep. Each part has tests of its own beside it.

use std::time::Duration;

use bytes::Bytes;

use super::{ReadyFrame, Receiver, ReceiverError, ReceiverEvent};
use crate::config::SubscribeConfig;
use crate::proto::{ACK_DELAY, Dest};
use crate::testing::{Frames, packed};
pub(super) use crate::testing::{at_ms as ms, at_us as us, seq};
use crate::time::Time;
use crate::wire::{
    Ack, Control, Frame, Header, Integrity, Kind, MAX_HEADER, PeerId, Probe, Seq, SessionId,
    SynAck, encode_fragment,
};

mod ending;
mod handshake;

const SESSION: SessionId = SessionId(7);
const ID: PeerId = PeerId(9);

/// Frames of the publisher in this epoch of the session.
fn frames_in(epoch: u32) -> Frames {
    Frames::new(SESSION, epoch)
}

fn frames() -> Frames {
    frames_in(1)
}

/// The body of a packed frame with these messages.
pub(super) fn packed_body(messages: &[&[u8]]) -> Bytes {
    packed(messages).freeze().slice(MAX_HEADER..)
}

pub(super) fn fragment_body(total: u64, offset: u64, part: &[u8]) -> Bytes {
    encode_fragment(total, offset, part).freeze().slice(MAX_HEADER..)
}

/// The header of a frame of the session in its first epoch.
pub(super) fn header(number: u64, kind: Kind, body: &[u8]) -> Header {
    let digest = Integrity::Crc32c.digest(body);
    Header { kind, session: SESSION, epoch: 1, seq: seq(number), digest }
}

fn ready(number: u64, kind: Kind, body: Bytes) -> ReadyFrame {
    let frame = Frame { header: header(number, kind, &body), body };
    ReadyFrame::check(frame, u64::MAX).expect("the body decodes")
}

pub(super) fn packed_frame(number: u64, messages: &[&[u8]]) -> ReadyFrame {
    ready(number, Kind::Data, packed_body(messages))
}

pub(super) fn fragment_frame(number: u64, total: u64, offset: u64, part: &[u8]) -> ReadyFrame {
    ready(number, Kind::Fragment, fragment_body(total, offset, part))
}

/// A SYN-ACK that lets the consumer in at this frame and byte offset.
pub(super) fn accepted(start: u64, start_bytes: u64) -> SynAck {
    crate::testing::syn_ack(ID, start, start_bytes)
}

fn control_in(epoch: u32, control: &Control) -> Bytes {
    frames_in(epoch).control(0, control)
}

fn control(control: &Control) -> Bytes {
    control_in(1, control)
}

fn syn_ack(start: u64, start_bytes: u64) -> Bytes {
    control(&Control::SynAck(accepted(start, start_bytes)))
}

fn data(number: u64, message: &[u8]) -> Bytes {
    frames().data(number, &[message])
}

fn new(config: SubscribeConfig) -> Receiver {
    Receiver::new(config, ID, 65_536, Time::ZERO).expect("the configuration works")
}

/// A receiver with a window, joined at frame 0 at time 0, its first ack sent.
fn joined(window_frames: u64, window_bytes: u64) -> Receiver {
    joined_by(&accepted(0, 0), window_frames, window_bytes)
}

fn joined_by(syn_ack: &SynAck, window_frames: u64, window_bytes: u64) -> Receiver {
    let config = SubscribeConfig { window_frames, window_bytes, ..SubscribeConfig::default() };
    let mut receiver = new(config);
    receiver.handle_frame(Time::ZERO, &control(&Control::SynAck(syn_ack.clone())));
    assert_eq!(receiver.poll_event(), Some(ReceiverEvent::Connected));
    assert!(ack(&mut receiver, Time::ZERO).is_some());
    receiver
}

/// The control frame that is due, if one is.
fn sent(receiver: &mut Receiver, now: Time) -> Option<Control> {
    let transmit = receiver.poll_transmit(now)?;
    assert_eq!(transmit.to, Dest::Publisher);
    Some(frames().open_control(&transmit.frame))
}

/// The ack that is due, if one is.
fn ack(receiver: &mut Receiver, now: Time) -> Option<Ack> {
    match sent(receiver, now)? {
        Control::Ack(ack) => Some(ack),
        other => panic!("an ack was due, not {other:?}"),
    }
}

#[test]
fn receipt_is_acked_within_the_ack_delay_and_credit_stays_until_read() {
    let mut receiver = joined(100, 100_000);
    receiver.handle_frame(us(10), &data(0, b"one"));
    assert!(ack(&mut receiver, us(10)).is_none());
    assert_eq!(receiver.poll_timeout(), Some(us(10) + ACK_DELAY));
    let first = ack(&mut receiver, us(10) + ACK_DELAY).expect("due");
    assert_eq!((first.cumulative, first.latest, first.delay_us), (seq(1), Some(seq(0)), 1_000));
    assert_eq!((first.credit.frames, first.credit.bytes), (seq(100), 100_000));
    let frame = receiver.read_frame(us(2_000)).expect("ready");
    assert_eq!((frame.seq, frame.messages), (seq(0), 1));
    let second = ack(&mut receiver, us(2_000) + ACK_DELAY).expect("due");
    assert_eq!((second.credit.frames, second.credit.bytes), (seq(101), 100_005));
}

#[test]
fn a_gap_is_acked_at_once_and_so_is_what_fills_it() {
    let mut receiver = joined(100, 100_000);
    receiver.handle_frame(us(10), &data(3, b"early"));
    let opened = ack(&mut receiver, us(10)).expect("a new gap");
    assert_eq!(opened.sack.iter().collect::<Vec<_>>(), [(seq(3), seq(4))]);
    receiver.handle_frame(us(11), &data(4, b"early"));
    assert!(ack(&mut receiver, us(11)).is_none());
    receiver.handle_frame(us(12), &data(2, b"fills a part"));
    let smaller = ack(&mut receiver, us(12)).expect("a part of the gap is filled");
    assert_eq!(smaller.sack.iter().collect::<Vec<_>>(), [(seq(2), seq(5))]);
    receiver.handle_frame(us(13), &data(0, b"fills below"));
    receiver.handle_frame(us(13), &data(1, b"fills all"));
    let closed = ack(&mut receiver, us(13)).expect("no gap is left");
    assert_eq!((closed.cumulative, closed.sack.len()), (seq(5), 0));
    let order: Vec<u64> =
        std::iter::from_fn(|| receiver.read_frame(us(14))).map(|frame| frame.seq.get()).collect();
    assert_eq!(order, [0, 1, 2, 3, 4]);
}

#[test]
fn a_probe_is_answered_with_its_number() {
    let mut receiver = joined(100, 100_000);
    let probe = Probe { peer: None, number: 7, next: Seq::ZERO, consumers: 1, generation: 1 };
    receiver.handle_frame(us(10), &control(&Control::Probe(probe)));
    assert_eq!(ack(&mut receiver, us(10)).map(|ack| ack.probe), Some(7));
}

#[test]
fn duplicates_are_counted_and_acked_at_once() {
    let mut receiver = joined(100, 100_000);
    receiver.handle_frame(us(1), &data(0, b"one"));
    receiver.handle_frame(us(2), &data(0, b"one"));
    let again = ack(&mut receiver, us(2)).expect("a duplicate is acked");
    assert_eq!((again.cumulative, again.duplicates), (seq(1), 1));
    receiver.handle_frame(us(3), &data(2, b"early"));
    receiver.handle_frame(us(3), &data(2, b"early"));
    assert_eq!(receiver.stats().duplicates, 2);
}

#[test]
fn frames_beyond_the_credit_are_dropped_and_counted() {
    let mut receiver = joined(2, 1_000);
    receiver.handle_frame(us(1), &data(2, b"too far"));
    receiver.handle_frame(us(1), &data(1 << 61, b"much too far"));
    receiver.handle_frame(us(1), &data(0, &[0; 900]));
    receiver.handle_frame(us(1), &data(1, &[0; 900]));
    let stats = receiver.stats();
    assert_eq!((stats.dropped.beyond_window, stats.frames, stats.queued_frames), (3, 1, 1));
}

/// The group does not wait for such a consumer. Without the space, the frames that it lacks would
/// be dropped however often they are retransmitted.
#[test]
fn a_consumer_that_sets_no_pace_keeps_space_for_missing_frames() {
    let body = [7; 300];
    for (paces, early) in [(true, 1), (false, 0)] {
        let mut receiver = joined_by(&SynAck { paces, ..accepted(0, 0) }, 100, 1_200);
        receiver.handle_frame(us(10), &data(1, &body));
        assert_eq!(receiver.stats().frames, early, "{paces}");
        receiver.handle_frame(us(11), &data(0, &[7; 990]));
        let fits = receiver.read_frame(us(12)).is_some();
        assert_eq!(fits, !paces, "{paces}: the missing frame finds space");
    }
}

#[test]
fn data_without_the_agreed_digest_is_refused() {
    let mut receiver = joined(100, 100_000);
    let bare = frames().with_integrity(Integrity::None).data(0, &[b"bare"]);
    receiver.handle_frame(us(1), &bare);
    assert_eq!((receiver.stats().dropped.malformed, receiver.stats().frames), (1, 0));
}

#[test]
fn a_message_above_the_bound_ends_the_session_before_it_is_stored() {
    let mut receiver = new(SubscribeConfig { max_message_bytes: 50, ..SubscribeConfig::default() });
    receiver.handle_frame(Time::ZERO, &syn_ack(0, 0));
    receiver.handle_frame(us(1), &frames().fragment(0, 51, 0, b"x"));
    assert!(matches!(receiver.failure(), Some(ReceiverError::Protocol(_))));
    assert_eq!(receiver.stats().queued_frames, 0);
}

#[test]
fn fragments_that_do_not_fit_together_reset_the_session() {
    let mut receiver = joined(100, 100_000);
    receiver.handle_frame(us(1), &frames().fragment(0, 50, 20, b"middle"));
    receiver.handle_frame(us(1), &data(1, b"behind"));
    assert!(receiver.read_message(us(2)).is_none());
    assert!(matches!(receiver.failure(), Some(ReceiverError::Fragments(_))));
    assert!(matches!(sent(&mut receiver, us(2)), Some(Control::Reset(_))));
    assert!(sent(&mut receiver, us(2)).is_none() && receiver.poll_timeout().is_none());
    assert!(receiver.read_batch(us(3)).is_none(), "behind the gap nothing is delivered");
}
