//! A publisher dies, and another goes on with its session.
#![cfg(feature = "sim")]

use std::time::Duration;

use swp_fast::config::LateJoin;
use swp_fast::proto::{ReceiverError, ReceiverEvent, SenderEvent};
use swp_fast::sim::{Node, SimConfig, World};
use swp_fast::wire::{Kind, ResetCode};

const MINUTES: Duration = Duration::from_secs(300);
const MESSAGES: usize = 3_000;

/// A stream of frames with one message each, one a millisecond, that can be read again.
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

/// Kills the publisher `later` than its state was kept, and starts another after `pause`.
fn replace(world: &mut World, later: Duration, pause: Duration) {
    let saved = world.resume_point(0);
    world.run_for(later);
    world.kill(Node::Publisher(0));
    world.run_for(pause);
    world.restart_publisher(0, saved);
}

#[test]
fn its_consumers_go_on_where_they_are() {
    for seed in 0..20 {
        let mut config = stream(seed, 3);
        config.down.loss = if seed < 10 { 0.0 } else { 0.02 };
        config.up = config.down;
        let mut world = World::new(config);
        world.run_for(Duration::from_millis(300 + 50 * seed));
        // They hold more than the publisher remembers.
        replace(&mut world, Duration::from_millis(200), Duration::from_secs(2));
        let before = world.outcome().consumers[0].stats.frames;
        let outcome = world.run(MINUTES);
        assert!(outcome.is_complete(), "{outcome}");
        for consumer in &outcome.consumers {
            assert_eq!(consumer.delivered, MESSAGES as u64, "{outcome}");
            assert!(consumer.has(|event| *event == ReceiverEvent::Reconnected), "{outcome}");
        }
        let stats = &outcome.publishers[0].stats;
        assert!(stats.passed_over_frames >= 100, "{outcome}");
        if seed < 10 {
            assert_eq!(stats.frames, MESSAGES as u64 - before, "{outcome}");
            assert!(outcome.consumers.iter().all(|one| one.stats.duplicates == 0), "{outcome}");
        }
    }
}

/// Nothing of the state is needed but that it is not newer than the truth.
#[test]
fn again_and_again_with_a_state_that_is_old() {
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

/// One of them reads slowly, so they differ by a window, and what one lacks the other has.
#[test]
fn consumers_at_different_places() {
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

/// The last word was not heard any more: the next publisher has to be told again.
#[test]
fn consumers_that_are_through_already() {
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

/// What a consumer that does not count wants again goes to the group, and those who count have it already: nobody
/// reports it, and the stream goes on all the same.
#[test]
fn who_does_not_count_holds_nobody_up() {
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

/// All was read while the publisher was away, and then it is there again: it waits for a report, and not for
/// word that somebody is through.
#[test]
fn a_consumer_that_comes_to_its_end_while_the_publisher_is_replaced() {
    let mut config = stream(41, 1);
    config.messages.truncate(100);
    let mut world = World::new(config);
    let saved = world.resume_point(0);
    world.run_for(Duration::from_millis(90));
    world.pause_reading(0, true);
    world.run_for(Duration::from_millis(100));
    world.kill(Node::Publisher(0));
    world.restart_publisher(0, saved);
    // Between the announcement and the answer to its SYN.
    world.run_while(MINUTES, |world| {
        let stats = &world.outcome().publishers[0].stats;
        stats.consumers.is_empty()
    });
    world.pause_reading(0, false);
    let outcome = world.run(Duration::from_secs(5));
    assert!(outcome.is_complete(), "{outcome}");
    assert_eq!(outcome.consumers[0].delivered, 100, "{outcome}");
}

/// The publisher stays away for longer than its consumers wait: new ones go on with what they hold.
#[test]
fn consumers_that_gave_up() {
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

/// It does not listen to the group, where the new publisher announces itself.
#[test]
fn a_latecomer_that_has_not_caught_up() {
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

/// Who comes for the first time is late, though nothing was sent by this publisher yet.
#[test]
fn a_newcomer_is_late() {
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
                    let code = ResetCode::Refused;
                    matches!(event, ReceiverEvent::Failed(ReceiverError::Reset { code: c, .. }) if *c == code)
                };
                assert!(outcome.consumers[1].has(refused), "{outcome}");
            }
            LateJoin::FromNow => assert!((1_000..2_700).contains(&delivered), "{outcome}"),
            LateJoin::FromStart => assert_eq!(delivered, MESSAGES as u64, "{outcome}"),
        }
        assert_eq!(outcome.consumers[0].delivered, MESSAGES as u64, "{outcome}");
    }
}

/// All kinds of weather, windows and moments; killed again and again, with a state that is old each time.
#[test]
fn whatever_the_weather() {
    for seed in 100..140 {
        let draw = |what: u64, below: u64| {
            let mixed = (seed * 31 + what).wrapping_mul(0x9E37_79B9_7F4A_7C15);
            (mixed >> 33) % below
        };
        let mut config = stream(seed, 1 + draw(1, 4) as usize);
        config.messages = (0..600).map(|n| [100, 1_000, 5_000][n * 7 % 3]).collect();
        config.subscribe.window_frames = [16, 64, 4_096][draw(2, 3) as usize];
        // Who is through does not come back, so nobody is before the last life.
        config.finish = false;
        config.publish.retained_frames = [32, 16_384][draw(3, 2) as usize];
        config.down.loss = draw(4, 4) as f64 * 0.02;
        config.down.duplicate = draw(5, 3) as f64 * 0.02;
        config.down.latency = Duration::from_millis(1 + draw(6, 20));
        config.down.jitter = Duration::from_millis(draw(7, 10));
        config.up = config.down;
        let mut world = World::new(config);
        for life in 0..3 {
            world.run_for(Duration::from_millis(draw(10 + life, 300)));
            let later = Duration::from_millis(draw(20 + life, 200));
            let mut saved = world.resume_point(0);
            world.run_for(later);
            world.kill(Node::Publisher(0));
            world.run_for(Duration::from_millis(draw(30 + life, 3_000)));
            if draw(40 + life, 3) == 0 {
                world.restart(0);
            }
            saved.epoch += draw(50 + life, 2) as u32;
            world.restart_publisher(0, saved);
        }
        world.finish(0);
        let outcome = world.run(MINUTES);
        assert!(outcome.is_complete(), "{outcome}");
        assert!(outcome.consumers.iter().all(|one| one.delivered == 600), "{outcome}");
    }
}
