mod rejoin;

use std::time::Duration;

use bytes::{Bytes, BytesMut};

use super::{Sender, SenderEvent, SenderIds, WriteError};
use crate::config::{LateJoin, PublishConfig, PublishResume};
use crate::proto::{Accepts, Dest, Packed, PackedBlock, PackedBody, Packer, Transmit};
use crate::time::Time;
use crate::wire::{
    Ack, Announce, Control, Credit, Digest, Frame, Integrity, Kind, MAX_HEADER, OpenFrame, PeerId,
    Reset, ResetCode, Resume, SackRanges, Sealer, Seq, SessionId, Syn,
};

const IDS: SenderIds = SenderIds { session: SessionId(5), epoch: 1, inbox: PeerId(6) };
const CONSUMER: PeerId = PeerId(9);
const LATECOMER: PeerId = PeerId(10);
const WINDOW_FRAMES: u64 = 100;

fn seq(number: u64) -> Seq {
    Seq::ZERO.advance(number)
}

fn at(ms: u64) -> Time {
    Time::from_nanos(ms * 1_000_000)
}

fn sender(config: PublishConfig) -> Sender {
    let config = PublishConfig { claim_timeout: Duration::ZERO, ..config };
    Sender::new(config, IDS, Time::ZERO).expect("the configuration works")
}

fn syn(window_bytes: u64) -> Bytes {
    syn_of(CONSUMER, window_bytes)
}

fn syn_of(peer: PeerId, window_bytes: u64) -> Bytes {
    sealed(wish(peer, window_bytes))
}

fn wish(peer: PeerId, window_bytes: u64) -> Syn {
    Syn {
        peer,
        name: "c".to_owned(),
        tag: String::new(),
        window_frames: WINDOW_FRAMES,
        window_bytes,
        max_message_bytes: u64::MAX,
        resume: None,
    }
}

fn sealed(syn: Syn) -> Bytes {
    let id = SessionId(syn.peer.0);
    Sealer::default().seal_control(id, 0, Seq::ZERO, &Control::Syn(syn))
}

fn ack(number: u64, cumulative: u64) -> Bytes {
    ack_of(CONSUMER, number, cumulative)
}

fn ack_of(peer: PeerId, number: u64, cumulative: u64) -> Bytes {
    ack_up_to(peer, number, cumulative, cumulative + WINDOW_FRAMES)
}

fn ack_up_to(peer: PeerId, number: u64, cumulative: u64, credit_frames: u64) -> Bytes {
    let credit = Credit { frames: seq(credit_frames), bytes: 1 << 30 };
    let ack = Ack { credit, ..ack_fields(peer, cumulative) };
    Sealer::default().seal_control(IDS.session, IDS.epoch, seq(number), &Control::Ack(ack))
}

fn ack_fields(peer: PeerId, cumulative: u64) -> Ack {
    Ack {
        peer,
        cumulative: seq(cumulative),
        sack: SackRanges::default(),
        credit: Credit::default(),
        latest: cumulative.checked_sub(1).map(seq),
        delay_us: 0,
        probe: 0,
        probe_delay_us: 0,
        generation: 1,
        duplicates: 0,
        dropped: 0,
    }
}

fn poll(sender: &mut Sender, now: Time) -> Vec<(Dest, Frame)> {
    let open = |Transmit { to, frame }| (to, Sealer::default().open(&frame).expect("it opens"));
    std::iter::from_fn(|| sender.poll_transmit(now)).map(open).collect()
}

fn kinds(sent: &[(Dest, Frame)]) -> Vec<Kind> {
    sent.iter().map(|(_, frame)| frame.header.kind).collect()
}

/// A sender whose one consumer has joined.
fn started(config: PublishConfig) -> Sender {
    let mut sender = sender(config);
    sender.handle_frame(Time::ZERO, &syn(1 << 20));
    assert_eq!(kinds(&poll(&mut sender, Time::ZERO)), [Kind::Announce, Kind::SynAck]);
    assert!(!sender.can_write());
    sender.handle_frame(at(1), &ack(1, 0));
    assert!(matches!(sender.poll_event(), Some(SenderEvent::Joined { consumers: 1, .. })));
    assert!(sender.can_write());
    sender
}

fn write(sender: &mut Sender, message: &[u8]) -> Result<Seq, WriteError> {
    let mut open = OpenFrame::new(1 << 20);
    assert!(open.push(message));
    sender.write(Packed::body(Kind::Data, open.into_buf(), 1))
}

#[test]
fn data_goes_to_the_group_once_and_is_released_when_held() {
    let mut sender = started(PublishConfig::default());
    assert_eq!(write(&mut sender, b"one"), Ok(seq(0)));
    assert_eq!(write(&mut sender, b"two"), Ok(seq(1)));
    let sent = poll(&mut sender, at(2));
    assert_eq!(kinds(&sent), [Kind::Data, Kind::Data]);
    assert!(sent.iter().all(|(to, _)| *to == Dest::Group(1)));
    assert_eq!((sender.acked(), sender.stats().retained_frames), (seq(0), 2));
    sender.handle_frame(at(3), &ack(2, 2));
    assert_eq!((sender.acked(), sender.stats().retained_frames), (seq(2), 0));
}

#[test]
fn a_stream_is_shared_while_several_consumers_have_it() {
    assert!(sender(PublishConfig { min_consumers: 2, ..PublishConfig::default() }).is_shared());
    let late_join = LateJoin::FromNow;
    let mut sender = started(PublishConfig { late_join, ..PublishConfig::default() });
    assert!(!sender.is_shared());
    let other = LATECOMER;
    sender.handle_frame(at(2), &syn_of(other, 1 << 20));
    poll(&mut sender, at(2));
    assert!(!sender.is_shared(), "not before its first report");
    sender.handle_frame(at(3), &ack_of(other, 1, 0));
    assert!(sender.is_shared());
    let reset = Reset { peer: other, code: ResetCode::Cancelled, reason: String::new() };
    let gone = Control::Reset(reset);
    let frame = Sealer::default().seal_control(IDS.session, IDS.epoch, seq(2), &gone);
    sender.handle_frame(at(4), &frame);
    assert!(!sender.is_shared(), "the other has left");
}

/// The original's acks carried a number from the start, and so acked a first frame that was lost.
#[test]
fn a_first_report_acks_no_first_frame() {
    let mut sender = started(PublishConfig::default());
    assert_eq!(write(&mut sender, b"one"), Ok(seq(0)));
    poll(&mut sender, at(2));
    sender.handle_frame(at(3), &ack(2, 0));
    assert_eq!((sender.acked(), sender.stats().retained_frames), (seq(0), 1));
}

/// Also where the stream is its alone: a second consumer may come, and frames grow.
#[test]
fn a_window_that_does_not_hold_a_frame_for_several_is_refused() {
    let config = PublishConfig::default();
    let (least, most) = (config.solo_body_bytes() as u64, config.max_body_bytes() as u64);
    for (window, kind) in [
        (least, Kind::Reset),
        (most - 1, Kind::Reset),
        (most, Kind::SynAck),
        (most + 1, Kind::SynAck),
    ] {
        let mut sender = sender(config.clone());
        sender.handle_frame(Time::ZERO, &syn(window));
        assert_eq!(kinds(&poll(&mut sender, Time::ZERO)).last(), Some(&kind), "{window}");
    }
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
        let mut open = OpenFrame::new(1_000);
        assert!(open.push(message));
        let digest = match bodies.is_empty() {
            true => Integrity::Blake3.digest(open.body()),
            false => Digest::None,
        };
        let start = block.len() + MAX_HEADER;
        block.extend_from_slice(&open.into_buf());
        bodies.push(PackedBody {
            range: start..block.len(),
            kind: Kind::Data,
            messages: 1,
            digest,
        });
    }
    let mut packer = Packer::new(&PublishConfig::default(), Accepts::Blocks);
    let packed = PackedBlock::new(block.to_vec(), bodies.clone()).expect("in order");
    let position = packer.push_block(packed).expect("there is space").expect("two bodies");
    assert_eq!(sender.write(packer.take(true).expect("the block")), Ok(seq(0)));
    let sent = poll(&mut sender, at(2));
    assert_eq!(sent.len(), 2);
    for ((_, frame), body) in sent.iter().zip(&bodies) {
        assert_eq!(frame.body, block[body.range.clone()]);
        assert_eq!(frame.header.digest, Integrity::Blake3.digest(&frame.body));
    }
    assert_eq!(sender.sent_position(), position);
    sender.handle_frame(at(3), &ack(2, 1));
    assert!(sender.acked_position() < position, "one of its frames is missing");
    sender.handle_frame(at(4), &ack(3, 2));
    assert_eq!(sender.acked_position(), position);
}

#[test]
fn a_window_smaller_than_a_frame_is_refused() {
    let mut sender = sender(PublishConfig::default());
    sender.handle_frame(Time::ZERO, &syn(100));
    assert!(matches!(sender.poll_event(), Some(SenderEvent::Refused { .. })));
    assert_eq!(kinds(&poll(&mut sender, Time::ZERO)), [Kind::Announce, Kind::Reset]);
}

/// The epoch in which the helpers above report is the one before this publisher's.
#[test]
fn who_reports_to_the_publisher_before_is_told_of_this_one() {
    let before =
        PublishResume { session: IDS.session, epoch: IDS.epoch, next: seq(7), next_bytes: 700 };
    let config =
        PublishConfig { resume: Some(before), claim_timeout: Duration::ZERO, ..Default::default() };
    let ids = SenderIds { epoch: IDS.epoch + 1, ..IDS };
    let mut sender = Sender::new(config, ids, Time::ZERO).expect("the configuration works");
    assert_eq!(sender.resume_point(), PublishResume { epoch: ids.epoch, ..before });
    assert_eq!(kinds(&poll(&mut sender, Time::ZERO)), [Kind::Announce]);
    sender.handle_frame(at(1), &ack(1, 3));
    let answer = poll(&mut sender, at(1));
    assert_eq!(kinds(&answer), [Kind::Announce]);
    assert_eq!(answer[0].0, Dest::Peer(CONSUMER));
    assert_eq!(sender.stats().dropped.foreign, 1);
}

/// Started twice with the same state, the second has the session of the first.
#[test]
fn the_same_session_cannot_be_gone_on_with_beside_a_living_publisher() {
    let mut sender = started(PublishConfig::default());
    let claim = Control::Announce(Announce { peer: PeerId(77), claiming: true });
    let claim = Sealer::default().seal_control(IDS.session, IDS.epoch + 1, Seq::ZERO, &claim);
    sender.handle_frame(at(2), &claim);
    let objection = poll(&mut sender, at(2));
    assert_eq!(kinds(&objection), [Kind::Reset]);
    assert_eq!(objection[0].0, Dest::Peer(PeerId(77)));
}

/// RFC 6298 section 5.5: each unanswered question waits longer for the next, and none repeats data.
#[test]
fn questions_back_off_and_repeat_nothing() {
    let mut sender = started(PublishConfig::default());
    assert_eq!(write(&mut sender, b"one"), Ok(seq(0)));
    poll(&mut sender, at(2));
    let mut asked = Vec::new();
    while asked.len() < 5 {
        let now = sender.poll_timeout().expect("the session goes on");
        sender.handle_timeout(now);
        let sent = poll(&mut sender, now);
        assert!(kinds(&sent).iter().all(|kind| *kind == Kind::Probe), "{sent:?}");
        if !sent.is_empty() {
            asked.push(now.as_nanos() / 1_000_000);
        }
    }
    assert_eq!(asked, [252, 752, 1_752, 2_752, 3_752]);
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

/// The swarm's seed 988994: of one that sets no pace, a frame beyond its window was found lost first, and what
/// would have let the window move waited behind it for ever.
#[test]
fn a_repair_that_has_no_room_holds_up_none_that_has() {
    let tag = Some("counts".to_owned());
    let config = PublishConfig { tag, frame_bytes: 256, ..PublishConfig::default() };
    let mut sender = sender(config);
    sender
        .handle_frame(at(0), &sealed(Syn { tag: "counts".to_owned(), ..wish(CONSUMER, 1 << 20) }));
    let other = LATECOMER;
    // Credit for two frames of 102 bytes.
    sender.handle_frame(at(0), &syn_of(other, 210));
    sender.handle_frame(at(1), &ack(1, 0));
    let report = |number: u64, probe: u64, held: &[(u64, u64)]| {
        let mut sack = SackRanges::default();
        assert!(held.iter().all(|&(start, end)| sack.push(seq(start), seq(end))));
        let credit = Credit { frames: seq(WINDOW_FRAMES), bytes: 210 };
        let ack = Ack { sack, credit, probe, latest: Some(seq(1)), ..ack_fields(other, 0) };
        Sealer::default().seal_control(IDS.session, IDS.epoch, seq(number), &Control::Ack(ack))
    };
    sender.handle_frame(at(1), &report(1, 0, &[]));
    poll(&mut sender, at(1));
    for _ in 0..3 {
        write(&mut sender, &[7; 100]).expect("it fits");
    }
    poll(&mut sender, at(2));
    let mut repeated = Vec::new();
    let mut now = at(4);
    for number in 2..12 {
        now = sender.poll_timeout().expect("it goes on").max(now);
        sender.handle_timeout(now);
        for (to, frame) in poll(&mut sender, now) {
            match frame.control() {
                Some(Ok(Control::Probe(probe))) => {
                    sender.handle_frame(now, &report(number, probe.number, &[(1, 2)]));
                }
                None if to == Dest::Peer(other) => repeated.push(frame.header.seq),
                _ => {}
            }
        }
    }
    assert!(repeated.len() > 5, "{repeated:?}");
    assert!(repeated.iter().all(|repeated| *repeated == seq(0)), "{repeated:?}");
}
