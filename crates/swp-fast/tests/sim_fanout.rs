//! Many consumers: who sets the pace, who is repaired how, who may come late, go and come back.
#![cfg(feature = "sim")]

use std::time::Duration;

use swp_fast::config::{LateJoin, Slow};
use swp_fast::proto::{LostReason, ReceiverError, ReceiverEvent, SenderEvent};
use swp_fast::sim::{Node, Outcome, PathConfig, SimConfig, World};
use swp_fast::wire::{Kind, ResetCode};

const MINUTES: Duration = Duration::from_secs(300);

/// A stream of frames with one message each, with a round trip of 2 ms.
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
        matches!(event, ReceiverEvent::Failed(ReceiverError::Reset { code, .. }) if *code == expected)
    })
}

fn ended(outcome: &Outcome, consumer: usize) -> bool {
    outcome.consumers[consumer].has(|event| *event == ReceiverEvent::Ended)
}

#[test]
fn a_stalled_consumer_is_evicted_and_the_others_go_on() {
    let mut config = stream(1, 4, 4_000);
    config.subscribe.window_frames = 64;
    config.write_interval = Duration::from_millis(1);
    config.publish.slow = Slow::Evict { stalled_for: Duration::from_secs(2) };
    let mut world = World::new(config);
    world.run_for(Duration::from_millis(500));
    world.stop(Node::Consumer(2), true);
    world.run_for(Duration::from_secs(10));
    world.stop(Node::Consumer(2), false);
    let outcome = world.run(MINUTES);
    let stalled = |event: &SenderEvent| {
        matches!(event, SenderEvent::Lost { reason: LostReason::Stalled(_), .. })
    };
    assert!(outcome.publishers[0].has(stalled), "{outcome}");
    assert!(outcome.publishers[0].has(|event| *event == SenderEvent::Closed), "{outcome}");
    assert!(failed_with(&outcome, 2, ResetCode::TooSlow), "{outcome}");
    for consumer in [0, 1, 3] {
        assert!(ended(&outcome, consumer), "{outcome}");
    }
    // 64 ms until its window is full, 2 s of patience, and not much more.
    let (at, _) = outcome.publishers[0].events.iter().find(|(_, event)| stalled(event)).unwrap();
    let after = at.as_nanos() as f64 / 1e9 - 0.5;
    assert!((2.0..2.2).contains(&after), "evicted after {after} s: {outcome}");
}

/// The word that it was too slow is lost, as it is where the broker has cut its connection by then: it is told again,
/// and does not come back as one that was out of reach.
#[test]
fn who_was_evicted_and_did_not_hear_it_is_told_again() {
    let mut config = stream(22, 3, 8_000);
    config.rewindable = true;
    config.subscribe.window_frames = 64;
    config.write_interval = Duration::from_millis(1);
    config.publish.slow = Slow::Evict { stalled_for: Duration::from_secs(2) };
    let mut world = World::new(config);
    world.run_for(Duration::from_millis(500));
    world.stop(Node::Consumer(2), true);
    world.lose_where(|transit| transit.kind == Some(Kind::Reset));
    world.run_for(Duration::from_secs(4));
    world.lose_nothing();
    world.stop(Node::Consumer(2), false);
    let outcome = world.run(MINUTES);
    assert!(failed_with(&outcome, 2, ResetCode::TooSlow), "{outcome}");
    assert!(ended(&outcome, 0) && ended(&outcome, 1), "{outcome}");
}

/// What a consumer could not take before it knew that it takes part is not held against it.
#[test]
fn who_has_just_joined_is_not_stalled() {
    let mut config = stream(21, 2, 500);
    config.publish.min_consumers = 1;
    // The stream waits from 10 ms on, the report comes at 608 ms, and what it lacks a round trip later.
    config.publish.keep_alive = Duration::from_millis(500);
    config.publish.slow = Slow::Evict { stalled_for: Duration::from_millis(599) };
    config.subscribe.window_frames = 64;
    config.down.latency = Duration::from_millis(2);
    config.up = config.down;
    let mut world = World::new(config);
    world.lose_where(|transit| {
        let told = transit.kind == Some(Kind::SynAck) && transit.to == Node::Consumer(1);
        told && transit.at.as_nanos() < 590_000_000
    });
    let outcome = world.run(MINUTES);
    assert!(outcome.is_complete(), "{outcome}");
}

/// Slow is not stalled: whoever takes something now and then sets the pace.
#[test]
fn a_slow_consumer_is_waited_for() {
    let mut config = stream(2, 3, 600);
    config.subscribe.window_frames = 16;
    config.publish.slow = Slow::Evict { stalled_for: Duration::from_secs(2) };
    let mut world = World::new(config);
    world.read_every(1, Duration::from_millis(50));
    let outcome = world.run(MINUTES);
    assert!(outcome.is_complete(), "{outcome}");
    assert_eq!(outcome.publishers[0].stats.retransmits, 0, "{outcome}");
}

#[test]
fn the_consumer_that_holds_the_stream_back_is_named() {
    let mut config = stream(3, 3, 1_000);
    config.subscribe.window_frames = 16;
    let mut world = World::new(config);
    world.pause_reading(1, true);
    let outcome = world.run_for(Duration::from_secs(1));
    let stats = &outcome.publishers[0].stats;
    assert_eq!(stats.held_back_by, Some(world.consumer_id(1).0), "{outcome}");
    let lags: Vec<u64> = ["c0", "c1", "c2"]
        .map(|name| stats.consumers.iter().find(|one| one.name == name).unwrap().lag_bytes)
        .to_vec();
    assert!(lags[1] > 15_000 && lags[0] < 5_000 && lags[2] < 5_000, "{lags:?}");
    world.pause_reading(1, false);
    assert!(world.run(MINUTES).is_complete());
}

#[test]
fn only_tagged_consumers_set_the_pace() {
    let mut config = stream(4, 0, 4_000);
    config.publish.tag = Some("gold".to_owned());
    config.publish.min_consumers = 2;
    config.publish.retained_frames = 256;
    config.subscribe.window_frames = 64;
    config.write_interval = Duration::from_millis(1);
    let mut world = World::new(config.clone());
    for tag in ["gold", "", "gold", "silver"] {
        let mut subscribe = config.subscribe.clone();
        subscribe.tag = tag.to_owned();
        world.add_consumer(subscribe);
    }
    world.run_for(Duration::from_millis(500));
    // One of those that do not count stops for ever, one reads on.
    world.pause_reading(1, true);
    let outcome = world.run(MINUTES);
    let left_behind = |event: &SenderEvent| {
        matches!(event, SenderEvent::Lost { reason: LostReason::LeftBehind, .. })
    };
    assert!(outcome.publishers[0].has(left_behind), "{outcome}");
    assert!(outcome.publishers[0].has(|event| *event == SenderEvent::Closed), "{outcome}");
    assert!(failed_with(&outcome, 1, ResetCode::TooSlow), "{outcome}");
    for consumer in [0, 2, 3] {
        assert!(ended(&outcome, consumer), "{outcome}");
    }
    // It took four seconds to write, and nobody waited.
    assert!(outcome.now.as_nanos() < 5_000_000_000, "{outcome}");
}

#[test]
fn what_all_missed_is_repeated_once_to_all() {
    let mut world = World::new(stream(5, 6, 400));
    let mut copies = 6;
    world.lose_where(move |transit| {
        let lost = transit.kind == Some(Kind::Data) && transit.seq == 100 && copies > 0;
        copies -= u32::from(lost);
        lost
    });
    let outcome = world.run(MINUTES);
    assert!(outcome.is_complete(), "{outcome}");
    let stats = &outcome.publishers[0].stats;
    assert_eq!((stats.retransmits, stats.group_retransmits), (1, 1), "{outcome}");
}

#[test]
fn what_one_missed_is_repeated_to_it_alone() {
    let mut world = World::new(stream(6, 6, 400));
    world.lose_where(|transit| {
        transit.kind == Some(Kind::Data)
            && transit.seq == 100
            && transit.to == Node::Consumer(4)
            && !transit.direct
    });
    let outcome = world.run(MINUTES);
    assert!(outcome.is_complete(), "{outcome}");
    let stats = &outcome.publishers[0].stats;
    assert_eq!((stats.retransmits, stats.group_retransmits), (1, 0), "{outcome}");
    let repaired: Vec<u64> = stats.consumers.iter().map(|one| one.retransmits).collect();
    assert_eq!(repaired.iter().sum::<u64>(), 1, "{repaired:?}");
}

#[test]
fn a_latecomer_gets_everything_from_the_source() {
    for seed in 7..12 {
        let mut config = stream(seed, 2, 5_000);
        config.rewindable = true;
        config.publish.late_join = LateJoin::FromStart;
        config.publish.retained_frames = 100;
        config.write_interval = Duration::from_micros(500);
        config.down.loss = 0.01 * (seed - 7) as f64;
        config.up = config.down;
        let mut world = World::new(config.clone());
        world.run_for(Duration::from_secs(1));
        world.add_consumer(config.subscribe.clone());
        let outcome = world.run(MINUTES);
        assert!(outcome.is_complete(), "{outcome}");
        assert_eq!(outcome.consumers[2].delivered, 5_000, "{outcome}");
        let caught_up = outcome.publishers[0].stats.caught_up_frames;
        assert!((1_900..3_500).contains(&caught_up), "{caught_up}: {outcome}");
    }
}

/// What is live keeps eight ninths of its frames, however much a latecomer has to be sent.
#[test]
fn a_latecomer_takes_no_more_than_its_share() {
    let mut config = stream(12, 1, 20_000);
    config.rewindable = true;
    config.publish.late_join = LateJoin::FromStart;
    let mut world = World::new(config.clone());
    world.run_while(MINUTES, |world| world.outcome().publishers[0].stats.frames < 10_000);
    world.add_consumer(config.subscribe.clone());
    let outcome = world.outcome();
    let before = outcome.publishers[0].stats.clone();
    world.run_while(MINUTES, |world| world.outcome().publishers[0].stats.frames < 19_000);
    let outcome = world.outcome();
    let after = &outcome.publishers[0].stats;
    let (live, past) = (after.frames - before.frames, after.caught_up_frames);
    assert!(past > 300 && past * 7 < live, "{past} frames beside {live} live ones");
    assert!(world.run(MINUTES).is_complete());
}

/// Those who catch up have turns: none of them waits for another to be through.
#[test]
fn latecomers_catch_up_side_by_side() {
    let mut config = stream(18, 1, 20_000);
    config.rewindable = true;
    config.publish.late_join = LateJoin::FromStart;
    config.write_interval = Duration::from_micros(60);
    let mut world = World::new(config.clone());
    world.run_while(MINUTES, |world| world.outcome().publishers[0].stats.frames < 10_000);
    for _ in 0..3 {
        world.add_consumer(config.subscribe.clone());
    }
    world.run_while(MINUTES, |world| world.outcome().publishers[0].stats.frames < 18_000);
    let delivered: Vec<_> = world.outcome().consumers[1..].iter().map(|c| c.delivered).collect();
    assert!(delivered.iter().all(|messages| *messages > 250), "{delivered:?}");
    let outcome = world.run(MINUTES);
    assert!(outcome.is_complete(), "{outcome}");
}

#[test]
fn a_consumer_that_restarts_goes_on_where_it_was() {
    for (seed, rewindable) in [(13, false), (14, true)] {
        let mut config = stream(seed, 2, 3_000);
        config.rewindable = rewindable;
        config.subscribe.window_frames = 200;
        config.write_interval = Duration::from_millis(1);
        let mut world = World::new(config);
        // What it holds and has not read is lost with its memory, though it was reported.
        world.run_for(Duration::from_millis(500));
        world.pause_reading(1, !rewindable);
        world.run_for(Duration::from_millis(if rewindable { 500 } else { 0 }));
        world.restart(1);
        world.pause_reading(1, false);
        let outcome = world.run(MINUTES);
        assert!(outcome.is_complete(), "{outcome}");
        assert_eq!(outcome.consumers[1].delivered, 3_000, "{outcome}");
        // Only what was under way, or had not been read, was sent again.
        let again = outcome.publishers[0].stats.caught_up_frames;
        assert!(again < 50, "{again} frames again: {outcome}");
        assert!(outcome.consumers[1].stats.duplicates < 5, "{outcome}");
    }
}

/// It died before it could report what it had read, and comes back with that: what is retained for it is not
/// needed any more, and must not keep the stream from going on.
#[test]
fn a_restart_with_more_than_was_reported_makes_room() {
    let mut config = stream(19, 1, 100);
    config.publish.retained_frames = 1;
    let mut world = World::new(config);
    let mut reports = 0;
    world.lose_where(move |transit| {
        let report = transit.kind == Some(Kind::Ack);
        reports += u32::from(report);
        report && reports > 10
    });
    world.run_for(Duration::from_millis(200));
    world.lose_nothing();
    world.restart(0);
    let outcome = world.run(Duration::from_secs(5));
    assert!(outcome.is_complete(), "{outcome}");
    assert_eq!(outcome.consumers[0].delivered, 100, "{outcome}");
}

/// Nothing whole was read yet: another consumer must not take the middle of a message for its beginning.
#[test]
fn a_restart_amid_the_first_message_after_a_late_join() {
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

/// Without a source, who does not count and has not caught up is given up once what it lacks is gone.
#[test]
fn a_restart_that_does_not_count_and_cannot_catch_up() {
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

/// What was reported is gone from the publisher's memory; without a source, that cannot be had again.
#[test]
fn a_restart_that_forgets_what_was_reported_needs_a_source() {
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

/// What so many consumers cost, with windows that allow for it.
fn cost_of(consumers: usize, loss: f64, messages: usize) -> (Outcome, f64) {
    let mut config = stream(16, consumers, 0);
    config.publish.frame_bytes = 256;
    config.messages = vec![100; messages];
    config.subscribe.window_frames = 16_384;
    config.subscribe.window_bytes = 16 << 20;
    config.write_interval = Duration::from_micros(20);
    config.down = PathConfig { loss, ..config.down };
    let outcome = World::new(config).run(MINUTES);
    assert!(outcome.is_complete(), "{outcome}");
    for consumer in &outcome.consumers {
        assert_eq!(consumer.delivered, messages as u64, "{outcome}");
    }
    let stats = &outcome.publishers[0].stats;
    let control = (stats.acks + stats.probes) as f64 / stats.frames as f64;
    (outcome, control)
}

/// A message each 20 us, 5 MB/s. Prints a table: `cargo test -p swp-fast --all-features --test sim_fanout -- --nocapture table`
#[test]
fn table_of_one_to_sixty_four_consumers() {
    println!(
        "| consumers | loss | frames | seconds | goodput of each | control / frames | repairs / frames | repaired to all |"
    );
    println!("|--:|--:|--:|--:|--:|--:|--:|--:|");
    for (loss, messages) in [(0.0, 40_000), (0.01, 10_000)] {
        for consumers in [1, 4, 16, 64] {
            let (outcome, control) = cost_of(consumers, loss, messages);
            let stats = &outcome.publishers[0].stats;
            let last = outcome.consumers.iter().map(|one| one.last_delivery).max().unwrap();
            let seconds = last.as_nanos() as f64 / 1e9;
            let megabytes = messages as f64 * 100.0 / 1e6;
            println!(
                "| {consumers} | {:.0} % | {} | {seconds:.3} | {:.2} MB/s | {:.2} % | {:.1} % | {} |",
                loss * 100.0,
                stats.frames,
                megabytes / seconds,
                control * 100.0,
                stats.retransmits as f64 / stats.frames as f64 * 100.0,
                stats.group_retransmits
            );
            if loss == 0.0 {
                assert_eq!(stats.retransmits, 0, "{outcome}");
                assert!(consumers < 64 || control < 0.02, "{control}");
            }
        }
    }
}
