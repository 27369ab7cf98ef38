//! Many consumers: which set the pace, how losses are retransmitted, late joins, and resumes.
#![cfg(feature = "sim")]

use std::time::Duration;

use swp_fast::config::{LateJoin, Slow};
use swp_fast::proto::{LostReason, ReceiverError, ReceiverEvent, SenderEvent};
use swp_fast::sim::{Node, Outcome, PathConfig, SimConfig, World};
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
fn stalled_consumer_is_evicted_and_the_others_continue() {
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
    // The window is full after 64 ms, and the consumer is evicted 2 s later.
    let (at, _) = outcome.publishers[0].events.iter().find(|(_, event)| stalled(event)).unwrap();
    let after = at.as_nanos() as f64 / 1e9 - 0.5;
    assert!((2.0..2.2).contains(&after), "evicted after {after} s: {outcome}");
}

/// The RESET of an evicted consumer can be lost, for example if the broker has cut its connection.
/// The publisher sends the RESET again, and does not let the consumer in.
#[test]
fn evicted_consumer_is_told_again_after_a_lost_reset() {
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

/// The time before its SYN-ACK does not count as a stall of a consumer.
#[test]
fn consumer_that_has_just_joined_is_not_stalled() {
    let mut config = stream(21, 2, 500);
    config.publish.min_consumers = 1;
    // The stream waits from 10 ms on. The first ack arrives at 608 ms, and the missing data a round
    // trip later.
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

/// Slow is not stalled: a consumer that reads now and then sets the pace.
#[test]
fn slow_consumer_is_not_evicted() {
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
fn stats_name_the_consumer_that_holds_the_stream_back() {
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
    // Of the consumers that do not count, one stops for ever and the other reads on.
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
    // The producer took four seconds, and the stream waited for no consumer.
    assert!(outcome.now.as_nanos() < 5_000_000_000, "{outcome}");
}

#[test]
fn frame_that_all_missed_is_retransmitted_once_to_the_group() {
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
fn frame_that_one_missed_is_retransmitted_to_it_alone() {
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
    let retransmitted: Vec<u64> = stats.consumers.iter().map(|one| one.retransmits).collect();
    assert_eq!(retransmitted.iter().sum::<u64>(), 1, "{retransmitted:?}");
}

#[test]
fn late_join_from_the_start_gets_everything_from_the_source() {
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
        let caught_up = outcome.publishers[0].stats.past.caught_up_frames;
        assert!((1_900..3_500).contains(&caught_up), "{caught_up}: {outcome}");
    }
}

/// The group keeps eight ninths of the frames sent, however much a late consumer has to catch up.
#[test]
fn catch_up_takes_no_more_than_its_share() {
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
    let (live, past) = (after.frames - before.frames, after.past.caught_up_frames);
    assert!(past > 300 && past * 7 < live, "{past} frames of the past beside {live} of the group");
    assert!(world.run(MINUTES).is_complete());
}

/// Consumers that catch up take turns: none waits until another has caught up.
#[test]
fn consumers_catch_up_side_by_side() {
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

/// Runs a stream with so many consumers. Returns the control frames for each data frame as well.
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

/// One message every 20 us, 5 MB/s. Prints a table: `cargo test -p swp-fast --all-features --test
/// sim_fanout -- --nocapture table`
#[test]
fn table_of_one_to_sixty_four_consumers() {
    println!(
        "| consumers | loss | frames | seconds | goodput of each | control / frames \
         | retransmits / frames | retransmitted to the group |"
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
                "| {consumers} | {:.0} % | {} | {seconds:.3} | {:.2} MB/s | {:.2} % | {:.1} % \
                 | {} |",
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
