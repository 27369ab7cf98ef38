//! How a stream is claimed, and which consumers are admitted when.
#![cfg(feature = "sim")]

use std::time::Duration;

use swp_fast::config::LateJoin;
use swp_fast::proto::{ReceiverError, ReceiverEvent, SenderError, SenderEvent};
use swp_fast::sim::{Outcome, PathConfig, SimConfig, World};
use swp_fast::wire::{Key, ResetCode};

const MINUTES: Duration = Duration::from_secs(300);

/// A message every 10 ms, for 20 s.
fn endless(seed: u64) -> SimConfig {
    let mut config = SimConfig::new(seed);
    config.messages = vec![5_000; 2_000];
    config.write_interval = Duration::from_millis(10);
    config
}

fn failed_with(outcome: &Outcome, consumer: usize, code: ResetCode) -> bool {
    outcome.consumers[consumer].has(|event| {
        let ReceiverEvent::Failed(ReceiverError::Reset { code: found, .. }) = event else {
            return false;
        };
        *found == code
    })
}

fn lost(outcome: &Outcome) -> bool {
    outcome.publishers[0].has(|event| matches!(event, SenderEvent::Lost { .. }))
}

#[test]
fn late_join_is_refused_by_default() {
    let mut world = World::new(endless(17));
    world.run_for(Duration::from_secs(1));
    world.add_consumer(Default::default());
    let outcome = world.run_for(Duration::from_secs(1));
    assert!(failed_with(&outcome, 1, ResetCode::Refused), "{outcome}");
    assert!(!lost(&outcome), "{outcome}");
}

#[test]
fn late_join_from_now_gets_what_is_sent_from_then_on() {
    let mut config = endless(18);
    config.publish.late_join = LateJoin::FromNow;
    let mut world = World::new(config);
    world.run_for(Duration::from_secs(5));
    world.add_consumer(Default::default());
    let outcome = world.run(MINUTES);
    assert!(outcome.is_complete(), "{outcome}");
    assert_eq!(outcome.consumers[0].delivered, 2_000, "{outcome}");
    let late = outcome.consumers[1].delivered;
    assert!(late > 1_400 && late <= 1_500, "{outcome}");
}

/// A consumer joins amid a message that is longer than a frame, and begins with the next message.
#[test]
fn late_join_begins_with_a_whole_message() {
    for seed in 0..10 {
        let mut config = SimConfig::new(seed);
        config.publish.late_join = LateJoin::FromNow;
        config.messages = vec![1_000_000; 20];
        config.subscribe.window_frames = 4;
        config.down.loss = 0.02;
        let mut world = World::new(config);
        world.run_for(Duration::from_millis(50 + seed));
        world.add_consumer(Default::default());
        let outcome = world.run(MINUTES);
        assert!(outcome.is_complete(), "{outcome}");
        let late = outcome.consumers[1].delivered;
        assert!((10..20).contains(&late), "{outcome}");
    }
}

fn claiming(seed: u64) -> SimConfig {
    let mut config = endless(seed);
    config.publish.claim_timeout = Duration::from_millis(200);
    config
}

#[test]
fn elder_publisher_keeps_the_stream() {
    let config = claiming(19);
    let publish = config.publish.clone();
    let mut world = World::new(config);
    world.run_for(Duration::from_secs(1));
    world.add_publisher(publish);
    let outcome = world.run_for(Duration::from_secs(1));
    let refused = |event: &SenderEvent| *event == SenderEvent::Failed(SenderError::StreamInUse);
    assert!(outcome.publishers[1].has(refused), "{outcome}");
    assert!(!outcome.publishers[0].has(refused), "{outcome}");
    assert!(outcome.consumers[0].delivered > 150, "{outcome}");
}

#[test]
fn of_two_publishers_that_claim_at_once_one_wins() {
    for seed in 0..50 {
        let mut config = claiming(seed);
        let publish = config.publish.clone();
        config.down = PathConfig { loss: 0.02, ..PathConfig::default() };
        let mut world = World::new(config);
        world.run_for(Duration::from_millis(seed * 4 % 190));
        world.add_publisher(publish);
        let outcome = world.run_for(Duration::from_secs(2));
        let refused = |event: &SenderEvent| *event == SenderEvent::Failed(SenderError::StreamInUse);
        let refusals = outcome.publishers.iter().filter(|one| one.has(refused)).count();
        assert_eq!(refusals, 1, "{outcome}");
        assert!(outcome.consumers[0].delivered > 0, "{outcome}");
    }
}

#[test]
fn keyed_session_ignores_consumers_without_its_key() {
    let mut config = endless(20);
    config.publish.key = Some(Key::derive(b"a secret"));
    config.subscribe.key = config.publish.key.clone();
    let mut world = World::new(config);
    let mut stranger = swp_fast::config::SubscribeConfig::default();
    world.add_consumer(stranger.clone());
    stranger.key = Some(Key::derive(b"another secret"));
    world.add_consumer(stranger);
    let outcome = world.run_for(Duration::from_secs(5));
    assert!(outcome.consumers[0].delivered > 450, "{outcome}");
    for consumer in &outcome.consumers[1..] {
        assert_eq!(consumer.delivered, 0, "{outcome}");
        assert!(consumer.events.is_empty(), "{outcome}");
        assert!(consumer.stats.dropped.unauthenticated > 0, "{outcome}");
    }
    assert!(outcome.publishers[0].stats.dropped.unauthenticated > 0, "{outcome}");
    assert_eq!(outcome.publishers[0].stats.consumers.len(), 1, "{outcome}");
}

#[test]
fn nothing_is_sent_before_enough_have_joined() {
    let mut config = SimConfig::new(22);
    config.messages = vec![5_000; 300];
    config.publish.min_consumers = 2;
    let mut world = World::new(config);
    let outcome = world.run_for(Duration::from_secs(30));
    assert_eq!(outcome.publishers[0].stats.frames, 0, "{outcome}");
    world.add_consumer(Default::default());
    let outcome = world.run(MINUTES);
    assert!(outcome.is_complete(), "{outcome}");
    assert!(outcome.consumers.iter().all(|consumer| consumer.delivered == 300), "{outcome}");
}
