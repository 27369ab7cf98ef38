//! Flow control: the consumer sets the pace, and a slow consumer causes no retransmission.
#![cfg(feature = "sim")]

use std::time::Duration;

use swp_fast::proto::SenderEvent;
use swp_fast::sim::{Node, Outcome, PathConfig, SimConfig, World};
use swp_fast::wire::Kind;

const MINUTES: Duration = Duration::from_secs(300);

fn assert_exact(outcome: &Outcome, messages: u64) {
    assert!(outcome.is_complete(), "{outcome}");
    for consumer in &outcome.consumers {
        assert_eq!(consumer.delivered, messages, "{outcome}");
        assert_eq!(consumer.stats.dropped.beyond_window, 0, "{outcome}");
    }
}

fn small_window(seed: u64, frames: u64) -> SimConfig {
    let mut config = SimConfig::new(seed);
    config.messages = vec![15_000; 500];
    config.subscribe.window_frames = frames;
    config
}

#[test]
fn windows_of_one_frame_and_more_are_kept() {
    for frames in [1, 2, 3, 7, 64] {
        let outcome = World::new(small_window(1, frames)).run(MINUTES);
        assert_exact(&outcome, 500);
        assert_eq!(outcome.retransmits(), 0, "{outcome}");
        assert!(outcome.consumers[0].stats.peak_queued_frames <= frames, "{outcome}");
    }
}

#[test]
fn byte_window_of_one_frame_lets_one_frame_through_at_a_time() {
    let mut config = small_window(2, 4096);
    config.publish.frame_bytes = config.publish.solo_frame_bytes;
    config.subscribe.window_bytes = config.publish.max_body_bytes() as u64;
    let outcome = World::new(config).run(MINUTES);
    assert_exact(&outcome, 500);
    assert_eq!(outcome.consumers[0].stats.peak_queued_frames, 1, "{outcome}");
}

#[test]
fn window_of_one_frame_survives_loss() {
    for seed in 0..5 {
        let mut config = small_window(seed, 1);
        config.down = PathConfig { loss: 0.1, ..PathConfig::default() };
        config.up = config.down;
        assert_exact(&World::new(config).run(MINUTES), 500);
    }
}

#[test]
fn retained_frames_bound_what_is_in_flight() {
    let mut config = SimConfig::new(3);
    config.messages = vec![15_000; 300];
    config.publish.retained_frames = 5;
    let mut world = World::new(config);
    world.lose_where(|transit| transit.kind == Some(Kind::Ack) && transit.seq > 1);
    let outcome = world.run_for(Duration::from_millis(100));
    assert_eq!(outcome.publishers[0].stats.frames, 5, "{outcome}");
    world.lose_nothing();
    assert_exact(&world.run(MINUTES), 300);
}

#[test]
fn retained_bytes_are_not_overshot() {
    let mut config = SimConfig::new(4);
    config.messages = vec![15_000; 300];
    config.publish.frame_bytes = config.publish.solo_frame_bytes;
    config.publish.retained_bytes = 50_000;
    let mut world = World::new(config);
    world.lose_where(|transit| transit.kind == Some(Kind::Ack) && transit.seq > 1);
    let outcome = world.run_for(Duration::from_millis(100));
    assert_eq!(outcome.publishers[0].stats.frames, 3, "{outcome}");
    world.lose_nothing();
    assert_exact(&world.run(MINUTES), 300);
}

#[test]
fn slow_consumer_sets_the_pace_without_a_retransmission() {
    for window in [4, 64, 4096] {
        let mut config = small_window(5, window);
        config.read_interval = Duration::from_millis(10);
        let mut world = World::new(config);
        let outcome = world.run_for(Duration::from_secs(2));
        assert!(outcome.consumers[0].delivered <= 201, "{outcome}");
        assert!(outcome.consumers[0].delivered >= 195, "{outcome}");
        let ahead = outcome.publishers[0].stats.frames - outcome.consumers[0].delivered;
        assert!(ahead <= window, "{outcome}");
        let outcome = world.run(MINUTES);
        assert_exact(&outcome, 500);
        assert_eq!(outcome.retransmits(), 0, "{outcome}");
    }
}

/// With a second for each frame, a window of one frame lasts longer than any time-out of the
/// sender.
#[test]
fn very_slow_consumer_causes_no_retransmission_and_is_not_lost() {
    let mut config = small_window(6, 2);
    config.messages.truncate(30);
    config.read_interval = Duration::from_secs(1);
    let outcome = World::new(config).run(MINUTES);
    assert_exact(&outcome, 30);
    assert_eq!(outcome.retransmits(), 0, "{outcome}");
}

fn paused(process: bool, time: Duration) {
    let mut config = SimConfig::new(7);
    config.messages = vec![15_000; 2_000];
    config.write_interval = Duration::from_micros(200);
    let mut world = World::new(config);
    world.run_for(Duration::from_millis(100));
    let consumer = Node::Consumer(0);
    if process {
        world.stop(consumer, true);
    } else {
        world.pause_reading(0, true);
    }
    let before = world.run_for(time);
    assert!(before.consumers[0].delivered < 2_000, "{before}");
    if process {
        world.stop(consumer, false);
    } else {
        world.pause_reading(0, false);
    }
    let outcome = world.run(MINUTES);
    assert_exact(&outcome, 2_000);
    assert_eq!(outcome.retransmits(), 0, "{outcome}");
    let lost = |event: &SenderEvent| matches!(event, SenderEvent::Lost { .. });
    assert!(!outcome.publishers[0].has(lost), "{outcome}");
}

#[test]
fn consumer_stopped_for_ten_time_outs_is_kept() {
    paused(true, Duration::from_millis(50));
    paused(false, Duration::from_millis(50));
}

#[test]
fn consumer_stopped_for_five_seconds_is_kept() {
    paused(true, Duration::from_secs(5));
}

#[test]
fn consumer_that_does_not_read_for_a_minute_is_kept() {
    paused(false, Duration::from_secs(60));
}

#[test]
fn publisher_stopped_for_five_seconds_continues() {
    let mut config = SimConfig::new(8);
    config.messages = vec![15_000; 2_000];
    config.write_interval = Duration::from_micros(200);
    let mut world = World::new(config);
    world.run_for(Duration::from_millis(100));
    world.stop(Node::Publisher(0), true);
    world.run_for(Duration::from_secs(5));
    world.stop(Node::Publisher(0), false);
    let outcome = world.run(MINUTES);
    assert_exact(&outcome, 2_000);
    assert_eq!(outcome.retransmits(), 0, "{outcome}");
}

/// The whole machine sleeps for a minute, and no peer is timed out.
#[test]
fn time_while_all_are_stopped_times_no_peer_out() {
    let mut config = SimConfig::new(9);
    config.messages = vec![15_000; 2_000];
    config.write_interval = Duration::from_micros(200);
    let mut world = World::new(config);
    world.run_for(Duration::from_millis(100));
    world.stop(Node::Publisher(0), true);
    world.stop(Node::Consumer(0), true);
    world.run_for(Duration::from_secs(60));
    world.stop(Node::Consumer(0), false);
    world.stop(Node::Publisher(0), false);
    assert_exact(&world.run(MINUTES), 2_000);
}

/// The ack that would open the window again is lost, once and many times in a row.
#[test]
fn lost_credit_is_probed_for() {
    for lost in [1, 10] {
        let mut world = World::new(small_window(10, 4));
        world.pause_reading(0, true);
        let outcome = world.run_for(Duration::from_millis(100));
        assert_eq!(outcome.publishers[0].stats.frames, 4, "{outcome}");
        let mut seen = 0;
        world.lose_where(move |transit| {
            seen += u64::from(transit.kind == Some(Kind::Ack));
            transit.kind == Some(Kind::Ack) && seen <= lost
        });
        world.pause_reading(0, false);
        let outcome = world.run(MINUTES);
        assert_exact(&outcome, 500);
        assert_eq!(outcome.retransmits(), 0, "{outcome}");
        let took = outcome.now.as_nanos();
        assert!(took < 20_000_000_000, "{outcome}");
    }
}

/// The slowest of three consumers holds the stream back, at its own window.
#[test]
fn slowest_of_three_sets_the_pace() {
    let mut config = small_window(11, 16);
    config.consumers = 3;
    config.publish.min_consumers = 3;
    let mut world = World::new(config);
    world.pause_reading(2, true);
    let outcome = world.run_for(Duration::from_secs(20));
    assert_eq!(outcome.publishers[0].stats.frames, 16, "{outcome}");
    world.pause_reading(2, false);
    let outcome = world.run(MINUTES);
    assert_exact(&outcome, 500);
    assert_eq!(outcome.retransmits(), 0, "{outcome}");
}

/// A stopped consumer holds the stream back. Only that consumer is probed, because probes to the
/// group would fill its queue.
#[test]
fn only_the_consumer_that_holds_the_stream_back_is_probed() {
    let mut config = small_window(12, 2);
    config.consumers = 7;
    config.publish.min_consumers = 7;
    let mut world = World::new(config);
    world.run_for(Duration::from_millis(20));
    world.stop(Node::Consumer(4), true);
    let before = world.run_for(Duration::from_secs(1)).publishers[0].stats.probes;
    let outcome = world.run_for(Duration::from_secs(8));
    let probes = outcome.publishers[0].stats.probes - before;
    // One a second to the stopped consumer, and as many keep-alives to the group.
    assert!(probes <= 18, "{probes} probes in eight seconds: {outcome}");
    world.stop(Node::Consumer(4), false);
    assert_exact(&world.run(MINUTES), 500);
}

/// The time-out follows from the round trip: srtt + 4 * rttvar, at least 5 ms.
#[test]
fn pause_of_ten_time_outs_causes_no_retransmission() {
    for (latency_us, time_out) in [(25, 5), (500, 5), (25_000, 60), (100_000, 250)] {
        for window in [1, 3, 64, 4_096] {
            let mut config = small_window(13, window);
            config.messages = vec![1_000; 3_000];
            config.write_interval = Duration::from_micros(latency_us / 10);
            config.down.latency = Duration::from_micros(latency_us);
            config.up = config.down;
            let mut world = World::new(config);
            world.run_for(Duration::from_micros(latency_us * 20));
            world.pause_reading(0, true);
            world.run_for(Duration::from_millis(10 * time_out));
            world.pause_reading(0, false);
            let outcome = world.run(MINUTES * 10);
            assert_exact(&outcome, 3_000);
            assert_eq!(outcome.retransmits(), 0, "{outcome}");
        }
    }
}
