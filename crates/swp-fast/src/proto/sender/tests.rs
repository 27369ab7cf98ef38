mod fanout;
mod rejoin;

use std::time::Duration;

use bytes::{Bytes, BytesMut};

use super::{Sender, SenderEvent, SenderIds, WriteError};
use crate::config::{LateJoin, PublishConfig, PublishResume};
use crate::proto::{Accepts, Dest, Packed, PackedBlock, PackedBody, Packer};
use crate::testing::{Frames, at_ms as at, packed, seq};
use crate::time::Time;
use crate::wire::{
    Announce, Control, Digest, Frame, Integrity, Kind, MAX_HEADER, PeerId, ResetCode, Sealer, Seq,
    SessionId, Syn,
};

const IDS: SenderIds = SenderIds { session: SessionId(5), epoch: 1, inbox: PeerId(6) };
const CONSUMER: PeerId = PeerId(9);
const LATECOMER: PeerId = PeerId(10);
const WINDOW_FRAMES: u64 = 100;
const WINDOW_BYTES: u64 = 1 << 20;

/// Frames of the consumers of the sender under test.
fn frames() -> Frames {
    Frames::new(IDS.session, IDS.epoch)
}

fn sender(config: PublishConfig) -> Sender {
    let config = PublishConfig { claim_timeout: Duration::ZERO, ..config };
    Sender::new(config, IDS, Time::ZERO).expect("the configuration works")
}

fn syn(peer: PeerId, window_bytes: u64) -> Syn {
    let name = "c".to_owned();
    Syn { name, ..crate::testing::syn(peer, WINDOW_FRAMES, window_bytes) }
}

fn joins(peer: PeerId) -> Bytes {
    frames().syn(syn(peer, WINDOW_BYTES))
}

/// The `number`th ack of a consumer, with a full window beyond its cumulative ack.
fn ack(peer: PeerId, number: u64, cumulative: u64) -> Bytes {
    ack_up_to(peer, number, cumulative, cumulative + WINDOW_FRAMES)
}

fn ack_up_to(peer: PeerId, number: u64, cumulative: u64, credit_frames: u64) -> Bytes {
    let ack = crate::testing::ack(peer, cumulative).with_credit(credit_frames, 1 << 30);
    frames().control(number, &Control::Ack(ack))
}

fn poll(sender: &mut Sender, now: Time) -> Vec<(Dest, Frame)> {
    let sent = std::iter::from_fn(|| sender.poll_transmit(now));
    sent.map(|transmit| (transmit.to, frames().open(&transmit.frame))).collect()
}

fn kinds(sent: &[(Dest, Frame)]) -> Vec<Kind> {
    sent.iter().map(|(_, frame)| frame.header.kind).collect()
}

/// A sender whose one consumer has joined.
fn started(config: PublishConfig) -> Sender {
    let mut sender = sender(config);
    sender.handle_frame(Time::ZERO, &joins(CONSUMER));
    assert_eq!(kinds(&poll(&mut sender, Time::ZERO)), [Kind::Announce, Kind::SynAck]);
    assert!(!sender.can_write());
    sender.handle_frame(at(1), &ack(CONSUMER, 1, 0));
    assert!(matches!(sender.poll_event(), Some(SenderEvent::Joined { consumers: 1, .. })));
    assert!(sender.can_write());
    sender
}

fn write(sender: &mut Sender, message: &[u8]) -> Result<Seq, WriteError> {
    sender.write(Packed::body(Kind::Data, packed(&[message]), 1))
}

/// Writes and sends this many frames of one message.
fn send(sender: &mut Sender, frames: u64, now: Time) {
    for _ in 0..frames {
        write(sender, b"m").expect("it fits");
    }
    poll(sender, now);
}

#[test]
fn data_goes_to_the_group_once_and_is_released_when_acked() {
    let mut sender = started(PublishConfig::default());
    assert_eq!(write(&mut sender, b"one"), Ok(seq(0)));
    assert_eq!(write(&mut sender, b"two"), Ok(seq(1)));
    let sent = poll(&mut sender, at(2));
    assert_eq!(kinds(&sent), [Kind::Data, Kind::Data]);
    assert!(sent.iter().all(|(to, _)| *to == Dest::Group(1)));
    assert_eq!((sender.acked(), sender.stats().retained_frames), (seq(0), 2));
    sender.handle_frame(at(3), &ack(CONSUMER, 2, 2));
    assert_eq!((sender.acked(), sender.stats().retained_frames), (seq(2), 0));
}

#[test]
fn an_ack_before_any_data_releases_nothing() {
    let mut sender = started(PublishConfig::default());
    assert_eq!(write(&mut sender, b"one"), Ok(seq(0)));
    poll(&mut sender, at(2));
    sender.handle_frame(at(3), &ack(CONSUMER, 2, 0));
    assert_eq!((sender.acked(), sender.stats().retained_frames), (seq(0), 1));
}

#[test]
fn a_body_that_is_too_large_is_refused() {
    let mut sender = started(PublishConfig { frame_bytes: 256, ..PublishConfig::default() });
    let refused = write(&mut sender, &[0; 256]);
    assert_eq!(refused, Err(WriteError::BodyTooLarge { bytes: 259, max: 192 }));
    assert_eq!(sender.stats().messages, 0);
}

#[test]
fn a_block_is_sent_from_where_it_lies_with_the_digest_it_has() {
    let mut sender = started(PublishConfig::default());
    let mut block = BytesMut::new();
    let mut bodies = Vec::new();
    for message in [&b"first"[..], b"second"] {
        let buf = packed(&[message]);
        let digest = match bodies.is_empty() {
            // Not the digest of the body: a body that is hashed again gets another digest.
            true => Integrity::Blake3.digest(b"another body"),
            false => Digest::None,
        };
        let start = block.len() + MAX_HEADER;
        block.extend_from_slice(&buf);
        let range = start..block.len();
        bodies.push(PackedBody { range, kind: Kind::Data, messages: 1, digest });
    }
    let mut packer = Packer::new(&PublishConfig::default(), Accepts::Blocks);
    let buffer = block.to_vec();
    let place = buffer.as_ptr() as usize;
    let packed = PackedBlock::new(buffer, bodies.clone()).expect("in order");
    let position = packer.push_block(packed).expect("there is space").expect("two bodies");
    assert_eq!(sender.write(packer.take(true).expect("the block")), Ok(seq(0)));
    let sent: Vec<Bytes> =
        std::iter::from_fn(|| sender.poll_transmit(at(2))).map(|sent| sent.frame).collect();
    assert_eq!(sent.len(), 2);
    let digests = [bodies[0].digest, Integrity::Blake3.digest(&block[bodies[1].range.clone()])];
    for ((frame, body), digest) in sent.iter().zip(&bodies).zip(digests) {
        let range = body.range.clone();
        assert_eq!(frame[frame.len() - range.len()..], block[range.clone()]);
        assert_eq!(frame.as_ptr() as usize + frame.len(), place + range.end, "not copied");
        let header = Sealer::new(None).peek(frame).expect("a header");
        assert_eq!(header.digest, digest, "a known digest is used as it is");
    }
    assert_eq!(sender.sent_position(), position);
    sender.handle_frame(at(3), &ack(CONSUMER, 2, 1));
    assert!(sender.acked_position() < position, "one of its frames is missing");
    sender.handle_frame(at(4), &ack(CONSUMER, 3, 2));
    assert_eq!(sender.acked_position(), position);
}

#[test]
fn a_window_smaller_than_a_frame_is_refused() {
    let mut sender = sender(PublishConfig::default());
    sender.handle_frame(Time::ZERO, &frames().syn(syn(CONSUMER, 100)));
    assert!(matches!(sender.poll_event(), Some(SenderEvent::Refused { .. })));
    assert_eq!(kinds(&poll(&mut sender, Time::ZERO)), [Kind::Announce, Kind::Reset]);
}

#[test]
fn a_restarted_publisher_answers_acks_of_the_epoch_before() {
    let before =
        PublishResume { session: IDS.session, epoch: IDS.epoch, next: seq(7), next_bytes: 700 };
    let config =
        PublishConfig { resume: Some(before), claim_timeout: Duration::ZERO, ..Default::default() };
    let ids = SenderIds { epoch: IDS.epoch + 1, ..IDS };
    let mut sender = Sender::new(config, ids, Time::ZERO).expect("the configuration works");
    assert_eq!(sender.resume_point(), PublishResume { epoch: ids.epoch, ..before });
    assert_eq!(kinds(&poll(&mut sender, Time::ZERO)), [Kind::Announce]);
    sender.handle_frame(at(1), &ack(CONSUMER, 1, 3));
    let answer = poll(&mut sender, at(1));
    assert_eq!(kinds(&answer), [Kind::Announce]);
    assert_eq!(answer[0].0, Dest::Peer(CONSUMER));
    assert_eq!(sender.stats().dropped.foreign, 1);
}

#[test]
fn a_living_publisher_objects_to_a_claim_of_its_own_session() {
    let mut sender = started(PublishConfig::default());
    let claim = Control::Announce(Announce { peer: PeerId(77), claiming: true });
    let claim = Frames::new(IDS.session, IDS.epoch + 1).control(0, &claim);
    sender.handle_frame(at(2), &claim);
    let objection = poll(&mut sender, at(2));
    assert_eq!(kinds(&objection), [Kind::Reset]);
    assert_eq!(objection[0].0, Dest::Peer(PeerId(77)));
}

/// RFC 6298 section 5.5.
#[test]
fn unanswered_probes_back_off_and_retransmit_nothing() {
    let mut sender = started(PublishConfig::default());
    assert_eq!(write(&mut sender, b"one"), Ok(seq(0)));
    poll(&mut sender, at(2));
    let mut probed = Vec::new();
    while probed.len() < 5 {
        let now = sender.poll_timeout().expect("the session goes on");
        sender.handle_timeout(now);
        let sent = poll(&mut sender, now);
        assert!(kinds(&sent).iter().all(|kind| *kind == Kind::Probe), "{sent:?}");
        if !sent.is_empty() {
            probed.push(now.as_nanos() / 1_000_000);
        }
    }
    assert_eq!(probed, [252, 752, 1_752, 2_752, 3_752]);
    assert_eq!(sender.stats().retransmits, 0);
}

#[test]
fn after_the_end_nothing_is_written() {
    let mut sender = started(PublishConfig::default());
    sender.finish(Bytes::from_static(b"bye"));
    assert!(!sender.can_write());
    assert_eq!(write(&mut sender, b"late"), Err(WriteError::Closed));
    assert_eq!(kinds(&poll(&mut sender, at(2))), [Kind::Fin]);
}

#[test]
fn what_is_no_body_of_a_data_frame_is_refused() {
    let mut sender = sender(PublishConfig::default());
    let space = BytesMut::zeroed(MAX_HEADER);
    for (kind, buf) in [(Kind::Data, BytesMut::new()), (Kind::Ack, space)] {
        let written = sender.write(Packed::body(kind, buf, 1));
        assert!(matches!(written, Err(WriteError::NotData)), "{kind:?}");
    }
}
