//! A consumer's process dies, and another resumes where it was.
#![cfg(feature = "sim")]

use std::time::Duration;

use swp_fast::config::LateJoin;
use swp_fast::proto::{ReceiverError, ReceiverEvent};
use swp_fast::sim::{Outcome, SimConfig, World};
use swp_fast::wire::{Kind, ResetCode};

const MINUTES: Duration = Duration::from_secs(300);

/// A stream with one message in each frame, and a round trip of 2 ms.
fn stream(seed: u64, consumers: usize, messages: usize) -> SimConfig {
    let mut config = SimConfig::new(seed);
    config.consumers = consumers;
    config.publish.min_consumers = consumers;
    config.publish.frame_bytes = 1_100;
    config.messages = vec![1_000; messages];
    config
}

fn failed_with(outcome: &Outcome, consumer: usize, expected: ResetCode) -> bool {
    outcome.consumers[consumer].has(|event| {
        let ReceiverEvent::Failed(ReceiverError::Reset { code, .. }) = event else { return false };
        *code == expected
    })
}

fn ended(outcome: &Outcome, consumer: usize) -> bool {
    outcome.consumers[consumer].has(|event| *event == ReceiverEvent::Ended)
}

#[test]
fn consumer_that_restarts_resumes_where_it_was() {
    for (seed, rewindable) in [(13, false), (14, true)] {
        let mut config = stream(seed, 2, 3_000);
        config.rewindable = rewindable;
        config.subscribe.window_frames = 200;
        config.write_interval = Duration::from_millis(1);
        let mut world = World::new(config);
        // Frames that were received, acked, and not read are lost with the process.
        world.run_for(Duration::from_millis(500));
        world.pause_reading(1, !rewindable);
        world.run_for(Duration::from_millis(if rewindable { 500 } else { 0 }));
        world.restart(1);
        world.pause_reading(1, false);
        let outcome = world.run(MINUTES);
        assert!(outcome.is_complete(), "{outcome}");
        assert_eq!(outcome.consumers[1].delivered, 3_000, "{outcome}");
        // Only frames on their way, or not read, were sent again.
        let again = outcome.publishers[0].stats.past.caught_up_frames;
        assert!(again < 50, "{again} frames again: {outcome}");
        assert!(outcome.consumers[1].stats.duplicates < 5, "{outcome}");
    }
}

/// A consumer may have read more than it acked when its process dies. Frames that were retained for
/// the old process are released when the new process resumes behind them.
#[test]
fn resume_beyond_the_last_ack_releases_retained_frames() {
    let mut config = stream(19, 1, 100);
    config.publish.retained_frames = 1;
    let mut world = World::new(config);
    let mut acks = 0;
    world.lose_where(move |transit| {
        let ack = transit.kind == Some(Kind::Ack);
        acks += u32::from(ack);
        ack && acks > 10
    });
    world.run_for(Duration::from_millis(200));
    world.lose_nothing();
    world.restart(0);
    let outcome = world.run(Duration::from_secs(5));
    assert!(outcome.is_complete(), "{outcome}");
    assert_eq!(outcome.consumers[0].delivered, 100, "{outcome}");
}

/// No whole message was read yet, and the next process must not take the middle of a message for
/// its beginning.
#[test]
fn restart_amid_the_first_message_after_a_late_join_begins_with_a_whole_message() {
    let mut config = stream(22, 1, 0);
    config.publish.late_join = LateJoin::FromNow;
    config.messages = vec![40_000; 20];
    config.publish.retained_frames = 4;
    let mut world = World::new(config.clone());
    world.run_while(MINUTES, |world| world.outcome().publishers[0].stats.frames < 10);
    world.add_consumer(config.subscribe.clone());
    world.run_while(MINUTES, |world| world.outcome().consumers[1].events.is_empty());
    world.restart(1);
    let outcome = world.run(MINUTES);
    assert!(ended(&outcome, 0) && ended(&outcome, 1), "{outcome}");
    assert!(outcome.consumers[1].delivered > 10, "{outcome}");
}

/// Without a source, a consumer that does not count and has not caught up is evicted once the
/// frames that it lacks are released.
#[test]
fn resumed_consumer_that_does_not_count_and_cannot_catch_up_is_evicted() {
    let mut config = stream(20, 0, 2_000);
    config.publish.tag = Some("gold".to_owned());
    config.publish.min_consumers = 1;
    config.publish.retained_frames = 64;
    config.subscribe.window_frames = 16;
    config.write_interval = Duration::from_millis(1);
    let mut world = World::new(config.clone());
    for tag in ["gold", ""] {
        let mut subscribe = config.subscribe.clone();
        subscribe.tag = tag.to_owned();
        world.add_consumer(subscribe);
    }
    world.run_for(Duration::from_millis(500));
    world.restart(1);
    world.pause_reading(1, true);
    let outcome = world.run(MINUTES);
    assert!(failed_with(&outcome, 1, ResetCode::TooSlow), "{outcome}");
    assert!(ended(&outcome, 0), "{outcome}");
}

/// The publisher has released what was acked. Without a source, a consumer cannot get that again.
#[test]
fn resume_below_the_last_ack_needs_a_source() {
    for rewindable in [false, true] {
        let mut config = stream(15, 2, 3_000);
        config.rewindable = rewindable;
        config.write_interval = Duration::from_millis(1);
        let mut world = World::new(config);
        world.run_for(Duration::from_millis(500));
        world.pause_reading(1, true);
        world.run_for(Duration::from_millis(500));
        world.restart(1);
        world.pause_reading(1, false);
        let outcome = world.run(MINUTES);
        match rewindable {
            true => assert!(outcome.is_complete(), "{outcome}"),
            false => {
                assert!(failed_with(&outcome, 1, ResetCode::Unavailable), "{outcome}");
                assert!(!ended(&outcome, 1), "{outcome}");
            }
        }
    }
}
