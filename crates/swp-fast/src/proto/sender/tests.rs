use std::time::Duration;

use bytes::{Bytes, BytesMut};

use super::{PackedBody, Sender, SenderEvent, SenderIds, WriteError};
use crate::config::{LateJoin, PublishConfig, PublishResume};
use crate::proto::{Dest, Transmit};
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
    sender.write(Kind::Data, open.into_buf(), 1)
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
    assert_eq!(sender.write_block(block.to_vec(), &bodies), Ok(()));
    let sent = poll(&mut sender, at(2));
    assert_eq!(sent.len(), 2);
    for ((_, frame), body) in sent.iter().zip(&bodies) {
        assert_eq!(frame.body, block[body.range.clone()]);
        assert_eq!(frame.header.digest, Integrity::Blake3.digest(&frame.body));
    }
}

#[test]
fn a_block_without_room_for_its_headers_is_refused() {
    let mut sender = started(PublishConfig::default());
    let body = |range: std::ops::Range<usize>, kind| {
        [PackedBody { range, kind, messages: 1, digest: Digest::None }]
    };
    for bodies in [
        body(MAX_HEADER - 1..100, Kind::Data),
        body(MAX_HEADER..201, Kind::Data),
        body(MAX_HEADER..100, Kind::Ack),
    ] {
        let refused = sender.write_block(vec![0; 200], &bodies);
        assert_eq!(refused, Err(WriteError::BadBlock { index: 0 }));
    }
    let mut two = body(MAX_HEADER..100, Kind::Data).to_vec();
    two.extend(body(100 + MAX_HEADER - 1..200, Kind::Data));
    let refused = sender.write_block(vec![0; 200], &two);
    assert_eq!(refused, Err(WriteError::BadBlock { index: 1 }));
    assert!(poll(&mut sender, at(2)).is_empty());
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

/// Asks to go on as `peer` where the first consumer was, at frame `next`.
fn resume_of(peer: PeerId, before: PeerId, next: u64, next_bytes: u64) -> Bytes {
    let sack = SackRanges::default();
    let (session, epoch) = (IDS.session, IDS.epoch);
    let resume = Resume { session, epoch, peer: before, next: seq(next), next_bytes, sack };
    sealed(Syn { resume: Some(resume), ..wish(peer, 1 << 20) })
}

/// The generation that the one SYN-ACK among these tells to listen to, and where it begins.
fn let_in(sent: &[(Dest, Frame)]) -> (u32, Seq) {
    let told = sent.iter().filter_map(|(_, frame)| match frame.control() {
        Some(Ok(Control::SynAck(syn_ack))) => Some((syn_ack.generation, syn_ack.start)),
        _ => None,
    });
    let told: Vec<_> = told.collect();
    assert_eq!(told.len(), 1, "{sent:?}");
    told[0]
}

/// The swarm's seeds 710840 and 742089: whoever resumes asks several times, and a copy that comes late is no
/// new wish. Its credit would bind nobody until its next report, and the group overrun it.
#[test]
fn a_late_copy_of_the_wish_to_resume_leaves_a_member_as_it_is() {
    for again in [PeerId(10), CONSUMER] {
        // To the publisher of a session that another began, or one whose consumer was started again.
        let mut sender = sender(PublishConfig::default());
        let wish = resume_of(again, CONSUMER, 0, 0);
        sender.handle_frame(at(2), &wish);
        poll(&mut sender, at(2));
        sender.handle_frame(at(3), &ack_of(again, 1, 0));
        let paces = |sender: &Sender| sender.stats().consumers.iter().all(|one| one.paces);
        assert!(sender.has_started() && paces(&sender), "{again}: it is let in");
        write(&mut sender, b"m").expect("it fits");
        poll(&mut sender, at(3));
        sender.handle_frame(at(4), &wish);
        assert_eq!(let_in(&poll(&mut sender, at(4))), (1, seq(0)), "{again}");
        assert!(paces(&sender), "{again}: it still holds the stream to its credit");
        for _ in 0..WINDOW_FRAMES {
            write(&mut sender, b"m").expect("it fits");
        }
        poll(&mut sender, at(5));
        assert_eq!(sender.sent(), seq(WINDOW_FRAMES), "{again}");
        // Also where it has gone on since.
        sender.handle_frame(at(6), &ack_of(again, 2, 10));
        poll(&mut sender, at(6));
        sender.handle_frame(at(7), &wish);
        assert!(paces(&sender), "{again}: what it was is long past");
    }
}

/// The swarm's seed 1086040: the first wish of all came late, to the publisher of the next life, and let the
/// consumer in at the start; what it had asked since was answered with that, and not taken for an answer.
#[test]
fn a_late_first_wish_is_no_answer_to_who_resumes() {
    let before =
        PublishResume { session: IDS.session, epoch: IDS.epoch - 1, next: seq(0), next_bytes: 0 };
    let config =
        PublishConfig { resume: Some(before), claim_timeout: Duration::ZERO, ..Default::default() };
    let mut sender = Sender::new(config, IDS, Time::ZERO).expect("the configuration works");
    sender.handle_frame(at(1), &syn(1 << 20));
    assert_eq!(let_in(&poll(&mut sender, at(1))).1, seq(0));
    sender.handle_frame(at(2), &resume_of(CONSUMER, CONSUMER, 9, 900));
    assert_eq!(let_in(&poll(&mut sender, at(2))).1, seq(9));
}

/// Cut off by a word that came late, it has read on: told its old beginning, it would ask for ever.
#[test]
fn a_member_that_asks_to_resume_further_on_is_let_in_there() {
    let mut sender = started(PublishConfig::default());
    write(&mut sender, b"one").expect("it fits");
    poll(&mut sender, at(2));
    let end_bytes = sender.written_bytes;
    sender.handle_frame(at(3), &resume_of(CONSUMER, CONSUMER, 1, end_bytes));
    assert_eq!(let_in(&poll(&mut sender, at(3))).1, seq(1));
}

/// The swarm's seed 1052969: one that catches up and takes nothing is sent nothing, and does not hear what goes
/// to the group. Its own keep-alives put off the question that would have told it that its publisher lives.
#[test]
fn one_behind_that_takes_nothing_hears_of_a_busy_publisher() {
    let keep_alive = Duration::from_millis(100);
    let idle_timeout = keep_alive * 4;
    let late_join = LateJoin::FromStart;
    let config = PublishConfig { keep_alive, idle_timeout, late_join, ..PublishConfig::default() };
    let mut sender = started(config);
    sender.set_rewindable();
    write(&mut sender, b"one").expect("it fits");
    poll(&mut sender, at(2));
    sender.handle_frame(at(3), &syn_of(LATECOMER, 1 << 20));
    poll(&mut sender, at(3));
    let mut heard = at(3);
    for step in 1..100 {
        let now = at(3 + step * 10);
        if step % 9 == 0 {
            sender.handle_frame(now, &ack_up_to(LATECOMER, step, 0, 0));
        }
        write(&mut sender, b"more").expect("it fits");
        let told = |(to, _): &(Dest, Frame)| *to == Dest::Peer(LATECOMER);
        sender.handle_timeout(now);
        if poll(&mut sender, now).iter().any(told) {
            heard = now;
        }
        sender.handle_frame(now, &ack(step + 1, sender.sent().get()));
        assert!(now.since(heard) < idle_timeout, "at {now:?} it has heard nothing since {heard:?}");
    }
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

/// The swarm's seed 981334: the one consumer that counts hung while it caught up, and the stream waited for it
/// to set the pace without anybody being told, or it being given up.
#[test]
fn the_one_that_is_to_set_the_pace_holds_the_stream_back_while_it_catches_up() {
    let stalled_for = Duration::from_millis(1_500);
    let slow = crate::config::Slow::Evict { stalled_for };
    let mut sender = started(PublishConfig { slow, ..PublishConfig::default() });
    write(&mut sender, b"one").expect("it fits");
    poll(&mut sender, at(2));
    let again = PeerId(10);
    sender.handle_frame(at(3), &resume_of(again, CONSUMER, 0, 0));
    poll(&mut sender, at(3));
    sender.handle_frame(at(4), &ack_up_to(again, 1, 0, 0));
    write(&mut sender, b"two").expect("it fits");
    let mut now = at(4);
    while now < at(2_000) && !sender.is_over() {
        poll(&mut sender, now);
        assert_eq!(sender.stats().held_back_by, Some(again.0), "{now:?}");
        now = sender.poll_timeout().expect("it goes on");
        sender.handle_timeout(now);
    }
    let reason = super::LostReason::Stalled(stalled_for);
    let name = "c (000000000000000a)".to_owned();
    assert_eq!(sender.outcome(), Some(Err(super::SenderError::ConsumerLost { name, reason })));
}

/// Resuming, a consumer is not yet known to be there; lost at that, it is missed like any other.
#[test]
fn a_member_that_is_lost_while_it_joins_again_ends_the_session() {
    let mut sender = started(PublishConfig::default());
    let syn = resume_of(PeerId(10), CONSUMER, 0, 0);
    sender.handle_frame(at(2), &syn);
    assert_eq!(sender.stats().consumers.len(), 1, "the old life is replaced");
    let mut now = at(2);
    while !sender.is_over() && now < at(60_000) {
        poll(&mut sender, now);
        now = sender.poll_timeout().expect("it goes on");
        sender.handle_timeout(now);
    }
    assert!(matches!(sender.outcome(), Some(Err(super::SenderError::ConsumerLost { .. }))));
}

#[test]
fn who_catches_up_waits_for_the_link_and_has_few_frames_on_their_way() {
    let late_join = crate::config::LateJoin::FromStart;
    let mut sender = started(PublishConfig { late_join, ..PublishConfig::default() });
    sender.set_rewindable();
    for _ in 0..WINDOW_FRAMES {
        write(&mut sender, b"live").expect("it fits");
    }
    assert_eq!(poll(&mut sender, at(2)).len() as u64, WINDOW_FRAMES);
    sender.note_link(true);
    sender.handle_frame(at(3), &syn_of(LATECOMER, 1 << 20));
    sender.handle_frame(at(4), &ack_of(LATECOMER, 1, 0));
    let data = |sender: &mut Sender, now| {
        let sent = poll(sender, now);
        let alone = |(to, frame): &&(Dest, Frame)| {
            *to == Dest::Peer(LATECOMER) && frame.header.kind == Kind::Data
        };
        sent.iter().filter(alone).count()
    };
    // The group is silent for long, because the link takes nothing.
    assert_eq!(data(&mut sender, at(20)), 0);
    sender.note_link(false);
    assert_eq!(data(&mut sender, at(20)), 64);
    assert_eq!(data(&mut sender, at(21)), 0);
    sender.handle_frame(at(22), &ack_of(LATECOMER, 2, 32));
    assert_eq!(data(&mut sender, at(22)), 32);
}
