//! A publisher dies, and another continues its session.
#![cfg(feature = "sim")]

use std::time::Duration;

use swp_fast::config::LateJoin;
use swp_fast::proto::{ReceiverError, ReceiverEvent, SenderEvent};
use swp_fast::sim::{Node, SimConfig, World};
use swp_fast::wire::{Kind, ResetCode};

const MINUTES: Duration = Duration::from_secs(300);
const MESSAGES: usize = 3_000;

/// A stream of blocks that can be read again. Each frame has one message, with one message a
/// millisecond.
fn stream(seed: u64, consumers: usize) -> SimConfig {
    let mut config = SimConfig::new(seed);
    config.consumers = consumers;
    config.publish.min_consumers = consumers;
    config.publish.frame_bytes = 1_100;
    config.rewindable = true;
    config.messages = vec![1_000; MESSAGES];
    config.write_interval = Duration::from_millis(1);
    config
}

/// Keeps the publisher's state, kills the publisher after `later`, and starts another after
/// `pause`.
fn replace(world: &mut World, later: Duration, pause: Duration) {
    let saved = world.resume_point(0);
    world.run_for(later);
    world.kill(Node::Publisher(0));
    world.run_for(pause);
    world.restart_publisher(0, saved);
}

#[test]
fn consumers_continue_where_they_are() {
    for seed in 0..20 {
        let mut config = stream(seed, 3);
        config.down.loss = if seed < 10 { 0.0 } else { 0.02 };
        config.up = config.down;
        let mut world = World::new(config);
        world.run_for(Duration::from_millis(300 + 50 * seed));
        // The consumers hold more than the kept state says.
        replace(&mut world, Duration::from_millis(200), Duration::from_secs(2));
        let before = world.outcome().consumers[0].stats.frames;
        let outcome = world.run(MINUTES);
        assert!(outcome.is_complete(), "{outcome}");
        for consumer in &outcome.consumers {
            assert_eq!(consumer.delivered, MESSAGES as u64, "{outcome}");
            assert!(consumer.has(|event| *event == ReceiverEvent::Reconnected), "{outcome}");
        }
        let stats = &outcome.publishers[0].stats;
        assert!(stats.past.passed_over_frames >= 100, "{outcome}");
        if seed < 10 {
            assert_eq!(stats.frames, MESSAGES as u64 - before, "{outcome}");
            assert!(outcome.consumers.iter().all(|one| one.stats.duplicates == 0), "{outcome}");
        }
    }
}

/// The kept state may be old, but not newer than what the consumers hold.
#[test]
fn kept_state_may_be_old() {
    let mut world = World::new(stream(20, 2));
    let mut saved = world.resume_point(0);
    for _ in 0..5 {
        world.run_for(Duration::from_millis(700));
        world.kill(Node::Publisher(0));
        world.restart_publisher(0, saved);
        saved.epoch += 1;
    }
    let outcome = world.run(MINUTES);
    assert!(outcome.is_complete(), "{outcome}");
    assert_eq!(outcome.consumers[1].delivered, MESSAGES as u64, "{outcome}");
    assert!(outcome.consumers.iter().all(|one| one.stats.duplicates == 0), "{outcome}");
}

/// The consumers hold different frames, and what one lacks another has.
#[test]
fn consumers_that_hold_different_frames_all_get_everything() {
    for seed in 21..31 {
        let mut config = stream(seed, 3);
        config.subscribe.window_frames = 300;
        let mut world = World::new(config);
        world.run_for(Duration::from_millis(200));
        world.cut(Node::Consumer(1), true);
        world.lose_where(move |transit| {
            transit.to == Node::Consumer(2) && transit.seq % 7 == seed % 7 && !transit.direct
        });
        replace(&mut world, Duration::from_millis(150), Duration::from_secs(1));
        world.lose_nothing();
        world.cut(Node::Consumer(1), false);
        let outcome = world.run(MINUTES);
        assert!(outcome.is_complete(), "{outcome}");
        assert!(outcome.consumers.iter().all(|one| one.delivered == MESSAGES as u64), "{outcome}");
    }
}

/// CLOSED was lost, so the consumers must tell the next publisher that they have finished.
#[test]
fn consumers_that_have_finished_tell_the_next_publisher() {
    let mut world = World::new(stream(31, 2));
    world.lose_where(|transit| transit.kind == Some(Kind::Closed));
    let saved = world.resume_point(0);
    world.run_while(MINUTES, |world| {
        world.outcome().consumers.iter().any(|one| one.delivered < MESSAGES as u64)
    });
    world.run_for(Duration::from_millis(20));
    world.kill(Node::Publisher(0));
    world.run_for(Duration::from_secs(3));
    world.lose_nothing();
    world.restart_publisher(0, saved);
    let outcome = world.run(MINUTES);
    assert!(outcome.is_complete(), "{outcome}");
    assert_eq!(outcome.publishers[0].stats.frames, 0, "{outcome}");
}

/// A frame that only a consumer that does not count lacks goes to the group again. The consumers
/// that count hold the frame already and do not ack it again, and the stream continues all the
/// same.
#[test]
fn consumer_that_does_not_count_does_not_hold_the_stream_back() {
    let mut config = stream(42, 0);
    config.messages.truncate(200);
    config.publish.tag = Some("gold".to_owned());
    config.publish.min_consumers = 1;
    config.publish.retained_frames = 4;
    config.subscribe.window_frames = 8;
    let mut world = World::new(config.clone());
    let saved = world.resume_point(0);
    for tag in ["gold", ""] {
        let mut subscribe = config.subscribe.clone();
        subscribe.tag = tag.to_owned();
        world.add_consumer(subscribe);
    }
    world.run_for(Duration::from_millis(100));
    world.pause_reading(1, true);
    world.run_for(Duration::from_millis(7));
    world.kill(Node::Publisher(0));
    world.lose_where(|transit| transit.to == Node::Consumer(1) && transit.kind == Some(Kind::Data));
    world.restart_publisher(0, saved);
    world.restart(1);
    let outcome = world.run_for(Duration::from_secs(5));
    assert_eq!(outcome.consumers[0].delivered, 200, "{outcome}");
}

/// A consumer reads the last frame while its publisher is replaced. The next publisher waits for an
/// ack of that consumer before it takes a FIN-ACK.
#[test]
fn consumer_that_reaches_the_end_while_the_publisher_is_replaced_finishes() {
    let mut config = stream(41, 1);
    config.messages.truncate(100);
    let mut world = World::new(config);
    let saved = world.resume_point(0);
    world.run_for(Duration::from_millis(90));
    world.pause_reading(0, true);
    world.run_for(Duration::from_millis(100));
    world.kill(Node::Publisher(0));
    world.restart_publisher(0, saved);
    // Between the announcement and the SYN-ACK.
    world.run_while(MINUTES, |world| {
        let stats = &world.outcome().publishers[0].stats;
        stats.consumers.is_empty()
    });
    world.pause_reading(0, false);
    let outcome = world.run(Duration::from_secs(5));
    assert!(outcome.is_complete(), "{outcome}");
    assert_eq!(outcome.consumers[0].delivered, 100, "{outcome}");
}

/// The publisher is away for longer than its consumers wait. New processes resume with what they
/// hold.
#[test]
fn consumers_that_timed_out_can_resume() {
    let mut world = World::new(stream(32, 2));
    world.run_for(Duration::from_millis(500));
    let saved = world.resume_point(0);
    world.run_for(Duration::from_millis(100));
    world.kill(Node::Publisher(0));
    let outcome = world.run(MINUTES);
    for consumer in &outcome.consumers {
        let timed_out = |event: &ReceiverEvent| {
            matches!(event, ReceiverEvent::Failed(ReceiverError::TimedOut(_)))
        };
        assert!(consumer.has(timed_out), "{outcome}");
    }
    world.restart_publisher(0, saved);
    world.restart(0);
    world.restart(1);
    let outcome = world.run(MINUTES);
    assert!(outcome.publishers[0].has(|event| *event == SenderEvent::Closed), "{outcome}");
    for consumer in &outcome.consumers {
        assert_eq!(consumer.delivered, MESSAGES as u64, "{outcome}");
        assert!(consumer.has(|event| *event == ReceiverEvent::Ended), "{outcome}");
    }
}

/// A consumer that catches up does not listen to the group, where the new publisher announces
/// itself.
#[test]
fn consumer_that_has_not_caught_up_finds_the_next_publisher() {
    let mut config = stream(33, 1);
    config.publish.late_join = LateJoin::FromStart;
    config.down.latency = Duration::from_millis(20);
    config.subscribe.window_frames = 64;
    let mut world = World::new(config.clone());
    world.run_for(Duration::from_secs(2));
    world.add_consumer(config.subscribe.clone());
    world.run_for(Duration::from_millis(200));
    let outcome = world.outcome();
    assert!((1..1_000).contains(&outcome.consumers[1].delivered), "{outcome}");
    replace(&mut world, Duration::from_millis(50), Duration::from_secs(1));
    let outcome = world.run(MINUTES);
    assert!(outcome.is_complete(), "{outcome}");
    assert_eq!(outcome.consumers[1].delivered, MESSAGES as u64, "{outcome}");
}

/// A consumer that joins for the first time is late, even if this publisher has sent nothing yet.
#[test]
fn first_join_after_a_restart_is_a_late_join() {
    for late_join in [LateJoin::Refuse, LateJoin::FromNow, LateJoin::FromStart] {
        let mut config = stream(34, 1);
        config.publish.late_join = late_join;
        let mut world = World::new(config.clone());
        world.run_for(Duration::from_millis(500));
        world.kill(Node::Publisher(0));
        let saved = world.resume_point(0);
        world.cut(Node::Consumer(0), true);
        world.restart_publisher(0, saved);
        world.add_consumer(config.subscribe.clone());
        world.run_for(Duration::from_secs(1));
        world.cut(Node::Consumer(0), false);
        let outcome = world.run(MINUTES);
        let delivered = outcome.consumers[1].delivered;
        match late_join {
            LateJoin::Refuse => {
                let refused = |event: &ReceiverEvent| {
                    let ReceiverEvent::Failed(error) = event else { return false };
                    matches!(error, ReceiverError::Reset { code: ResetCode::Refused, .. })
                };
                assert!(outcome.consumers[1].has(refused), "{outcome}");
            }
            LateJoin::FromNow => assert!((1_000..2_700).contains(&delivered), "{outcome}"),
            LateJoin::FromStart => assert_eq!(delivered, MESSAGES as u64, "{outcome}"),
        }
        assert_eq!(outcome.consumers[0].delivered, MESSAGES as u64, "{outcome}");
    }
}

/// All kinds of faults, windows and moments. The publisher is killed again and again, and the kept
/// state is old each time.
#[test]
fn publisher_may_be_killed_again_and_again_whatever_the_faults() {
    for seed in 100..140 {
        let draw = |what: u64, below: u64| {
            let mixed = (seed * 31 + what).wrapping_mul(0x9E37_79B9_7F4A_7C15);
            (mixed >> 33) % below
        };
        let mut config = stream(seed, 1 + draw(1, 4) as usize);
        config.messages = (0..600).map(|n| [100, 1_000, 5_000][n * 7 % 3]).collect();
        config.subscribe.window_frames = [16, 64, 4_096][draw(2, 3) as usize];
        // A consumer that has finished does not come back, so the stream ends after the last
        // restart.
        config.finish = false;
        config.publish.retained_frames = [32, 16_384][draw(3, 2) as usize];
        config.down.loss = draw(4, 4) as f64 * 0.02;
        config.down.duplicate = draw(5, 3) as f64 * 0.02;
        config.down.latency = Duration::from_millis(1 + draw(6, 20));
        config.down.jitter = Duration::from_millis(draw(7, 10));
        config.up = config.down;
        let mut world = World::new(config);
        for restart in 0..3 {
            world.run_for(Duration::from_millis(draw(10 + restart, 300)));
            let later = Duration::from_millis(draw(20 + restart, 200));
            let mut saved = world.resume_point(0);
            world.run_for(later);
            world.kill(Node::Publisher(0));
            world.run_for(Duration::from_millis(draw(30 + restart, 3_000)));
            if draw(40 + restart, 3) == 0 {
                world.restart(0);
            }
            saved.epoch += draw(50 + restart, 2) as u32;
            world.restart_publisher(0, saved);
        }
        world.finish(0);
        let outcome = world.run(MINUTES);
        assert!(outcome.is_complete(), "{outcome}");
        assert!(outcome.consumers.iter().all(|one| one.delivered == 600), "{outcome}");
    }
}
