//! Frames that no endpoint sent: bounded, counted, and harmless.
#![cfg(feature = "sim")]

use std::time::Duration;

use bytes::Bytes;
use swp_fast::proto::{ReceiverError, ReceiverEvent};
use swp_fast::sim::{Node, Outcome, SimConfig, World};
use swp_fast::wire::{
    Ack, Control, Credit, FinAck, Integrity, MAX_SEQ, PeerId, Reset, ResetCode, SackRanges, Sealer,
    Seq, SessionId, Syn, SynAck,
};

const MINUTES: Duration = Duration::from_secs(300);
const PUBLISHER: Node = Node::Publisher(0);
const CONSUMER: Node = Node::Consumer(0);

fn running(seed: u64) -> World {
    let mut config = SimConfig::new(seed);
    config.messages = vec![5_000; 500];
    config.write_interval = Duration::from_millis(2);
    let mut world = World::new(config);
    world.run_for(Duration::from_millis(100));
    world
}

fn completes(world: &mut World) -> Outcome {
    let outcome = world.run(MINUTES);
    assert!(outcome.is_complete(), "{outcome}");
    assert_eq!(outcome.consumers[0].delivered, 500, "{outcome}");
    outcome
}

fn seal(world: &World, control: &Control) -> Bytes {
    let ids = world.sender_ids(0);
    Sealer::default().seal_control(ids.session, ids.epoch, Seq::ZERO, control)
}

fn ack(world: &World, cumulative: Seq) -> Ack {
    let credit = Credit { frames: Seq::ZERO.advance(MAX_SEQ), bytes: 0 };
    Ack {
        peer: world.consumer_id(0),
        cumulative,
        sack: SackRanges::default(),
        credit,
        latest: None,
        delay_us: 0,
        probe: 0,
        probe_delay_us: 0,
        generation: 1,
        duplicates: 0,
        dropped: 0,
    }
}

#[test]
fn acks_of_frames_that_were_never_sent_are_dropped() {
    let mut world = running(1);
    let far = Seq::ZERO.advance(MAX_SEQ);
    let mut sack = SackRanges::default();
    assert!(sack.push(Seq::ZERO.advance(MAX_SEQ - 1), far));
    let forged = [
        ack(&world, far),
        Ack { sack, ..ack(&world, Seq::ZERO) },
        Ack { latest: Some(far), ..ack(&world, Seq::ZERO) },
    ];
    for ack in forged {
        let frame = seal(&world, &Control::Ack(ack));
        world.inject(PUBLISHER, frame);
    }
    let outcome = completes(&mut world);
    assert_eq!(outcome.publishers[0].stats.dropped.forged, 3, "{outcome}");
    assert_eq!(outcome.retransmits(), 0, "{outcome}");
}

/// A stale ack arrives.
#[test]
fn stale_ack_does_not_shrink_credit() {
    let mut world = running(2);
    let stale = Ack { credit: Credit::default(), ..ack(&world, Seq::ZERO) };
    let frame = seal(&world, &Control::Ack(stale));
    world.inject(PUBLISHER, frame);
    let outcome = completes(&mut world);
    assert_eq!(outcome.retransmits(), 0, "{outcome}");
    let took = outcome.now.as_nanos();
    assert!(took < 1_100_000_000, "{outcome}");
}

#[test]
fn credit_beyond_the_window_is_not_believed() {
    let mut config = SimConfig::new(3);
    config.messages = vec![5_000; 500];
    config.subscribe.window_frames = 4;
    let mut world = World::new(config);
    world.pause_reading(0, true);
    world.run_for(Duration::from_millis(100));
    let greedy = ack(&world, Seq::ZERO);
    let frame = seal(&world, &Control::Ack(greedy));
    world.inject(PUBLISHER, frame);
    let outcome = world.run_for(Duration::from_secs(1));
    assert_eq!(outcome.publishers[0].stats.frames, 4, "{outcome}");
    world.pause_reading(0, false);
    completes(&mut world);
}

#[test]
fn foreign_sessions_move_nothing() {
    let mut world = running(4);
    let peer = world.consumer_id(0);
    let ids = world.sender_ids(0);
    let reset = Reset { peer, code: ResetCode::Cancelled, reason: "go".to_owned() };
    for (session, epoch) in [(SessionId(ids.session.0 ^ 1), 1), (ids.session, 2)] {
        for control in [
            Control::Reset(reset.clone()),
            Control::FinAck(FinAck { peer }),
            Control::Closed(FinAck { peer }),
            Control::Ack(ack(&world, Seq::ZERO)),
        ] {
            let frame = Sealer::default().seal_control(session, epoch, Seq::ZERO, &control);
            world.inject(PUBLISHER, frame.clone());
            world.inject(CONSUMER, frame);
        }
    }
    let outcome = completes(&mut world);
    assert_eq!(outcome.publishers[0].stats.dropped.foreign, 8, "{outcome}");
    assert_eq!(outcome.consumers[0].stats.dropped.foreign, 8, "{outcome}");
}

#[test]
fn fin_ack_before_the_end_is_not_believed() {
    let mut world = running(5);
    let control = Control::FinAck(FinAck { peer: world.consumer_id(0) });
    let frame = seal(&world, &control);
    world.inject(PUBLISHER, frame);
    completes(&mut world);
}

#[test]
fn noise_is_counted() {
    let mut world = running(6);
    for len in 0..200usize {
        let noise: Vec<u8> = (0..len).map(|at| (at * 151 + len * 7) as u8).collect();
        world.inject(PUBLISHER, Bytes::from(noise.clone()));
        world.inject(CONSUMER, Bytes::from(noise));
    }
    let outcome = completes(&mut world);
    assert_eq!(outcome.publishers[0].stats.dropped.total(), 200, "{outcome}");
    assert_eq!(outcome.consumers[0].stats.dropped.total(), 200, "{outcome}");
}

fn syn(peer: u64) -> Bytes {
    let syn = Syn {
        peer: PeerId(peer),
        name: String::new(),
        tag: String::new(),
        window_frames: u64::MAX,
        window_bytes: u64::MAX,
        max_message_bytes: u64::MAX,
        resume: None,
    };
    Sealer::default().seal_control(SessionId(peer), 0, Seq::ZERO, &Control::Syn(syn))
}

#[test]
fn flood_of_syns_is_bounded_and_passes() {
    // Before the stream has begun, consumers are admitted, up to the bound, and timed out later.
    let mut config = SimConfig::new(7);
    config.messages = vec![5_000; 500];
    config.publish.max_consumers = 8;
    let mut world = World::new(config);
    world.run_for(Duration::from_micros(1_500));
    for peer in 1..5_000 {
        world.inject(PUBLISHER, syn(peer));
    }
    let outcome = world.run_for(Duration::from_secs(1));
    assert!(outcome.publishers[0].stats.consumers.len() <= 8, "{outcome}");
    let outcome = world.run(MINUTES);
    assert_eq!(outcome.consumers[0].delivered, 500, "{outcome}");
    assert!(outcome.consumers[0].has(|event| *event == ReceiverEvent::Ended), "{outcome}");
    assert!(outcome.is_complete(), "{outcome}");
    // After the first frame, consumers are refused.
    let mut world = running(8);
    for peer in 1..5_000 {
        world.inject(PUBLISHER, syn(peer));
    }
    let outcome = completes(&mut world);
    assert_eq!(outcome.publishers[0].stats.consumers.len(), 1, "{outcome}");
}

fn syn_ack(world: &World) -> SynAck {
    SynAck {
        peer: world.consumer_id(0),
        start: Seq::ZERO,
        start_bytes: 0,
        integrity: Integrity::None,
        max_body_bytes: u32::MAX,
        max_message_bytes: u64::MAX,
        keep_alive: Duration::from_secs(1),
        idle_timeout: Duration::from_secs(10),
        consumers: 1,
        generation: 1,
        paces: true,
    }
}

/// A consumer gets a forged SYN-ACK, which must not make it panic or spin.
fn answered(change: impl Fn(&mut SynAck)) -> Outcome {
    let mut config = SimConfig::new(9);
    config.messages = vec![0; 2];
    let mut world = World::new(config);
    world.kill(PUBLISHER);
    let mut answer = syn_ack(&world);
    change(&mut answer);
    let session = SessionId(77);
    let control = Control::SynAck(answer);
    world.inject(CONSUMER, Sealer::default().seal_control(session, 1, Seq::ZERO, &control));
    world.run_for(Duration::from_millis(10));
    for seq in [0, 1, MAX_SEQ - 1, MAX_SEQ] {
        let header = swp_fast::wire::Header {
            kind: swp_fast::wire::Kind::Data,
            session,
            epoch: 1,
            seq: Seq::ZERO.advance(seq),
            digest: swp_fast::wire::Digest::None,
        };
        let mut open = swp_fast::wire::OpenFrame::new(100);
        assert!(open.push(b""));
        world.inject(CONSUMER, Sealer::default().seal_data(open.into_buf(), &header));
    }
    world.run_for(Duration::from_secs(60))
}

#[test]
fn syn_ack_at_the_bound_of_the_byte_offset_is_survived() {
    let outcome = answered(|answer| answer.start_bytes = u64::MAX);
    assert_eq!(outcome.consumers[0].delivered, 2, "{outcome}");
}

#[test]
fn syn_ack_at_the_bound_of_the_sequence_numbers_is_survived() {
    let outcome = answered(|answer| answer.start = Seq::ZERO.advance(MAX_SEQ));
    assert_eq!(outcome.consumers[0].delivered, 0, "{outcome}");
}

#[test]
fn syn_ack_with_time_outs_of_zero_is_survived() {
    answered(|answer| answer.idle_timeout = Duration::ZERO);
    let outcome = answered(|answer| answer.keep_alive = Duration::ZERO);
    assert!(outcome.consumers[0].stats.acks < 100, "{outcome}");
}

/// During a join, only a RESET tells that the publisher speaks another version. Other frames may be
/// noise.
#[test]
fn frames_of_another_version_end_a_join_only_as_a_reset() {
    let config = SimConfig::new(10);
    let mut world = World::new(config);
    let peer = world.consumer_id(0);
    let reset = Reset { peer, code: ResetCode::Version, reason: "no".to_owned() };
    let other_version = |control: Control| {
        let sealed = Sealer::default().seal_control(SessionId(77), 1, Seq::ZERO, &control);
        let mut frame = sealed.to_vec();
        frame[1] = 9;
        Bytes::from(frame)
    };
    let noise = other_version(Control::FinAck(FinAck { peer }));
    world.inject(CONSUMER, noise);
    let outcome = world.run(Duration::from_secs(5));
    assert!(outcome.is_complete(), "{outcome}");
    assert_eq!(outcome.consumers[0].stats.dropped.version, 1, "{outcome}");

    let mut world = World::new(SimConfig::new(10));
    world.inject(CONSUMER, other_version(Control::Reset(reset)));
    let outcome = world.run(Duration::from_secs(5));
    let refused = |event: &ReceiverEvent| {
        matches!(event, ReceiverEvent::Failed(ReceiverError::Version { theirs: 9 }))
    };
    assert!(outcome.consumers[0].has(refused), "{outcome}");
}
