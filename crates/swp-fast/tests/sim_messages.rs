//! From messages to frames and back: sizes at every boundary, several producers, blocks of a
//! capture, and each way to read.
#![cfg(feature = "sim")]

use std::time::Duration;

use swp_fast::config::LateJoin;
use swp_fast::sim::{Node, Outcome, ReadAs, SimConfig, World};

const MINUTES: Duration = Duration::from_secs(300);
const WAYS: [ReadAs; 3] = [ReadAs::Messages, ReadAs::Batches, ReadAs::Frames];

/// Frames of 1,024 bytes for several consumers, and of 512 bytes for one.
fn stream(seed: u64, consumers: usize) -> SimConfig {
    let mut config = SimConfig::new(seed);
    config.consumers = consumers;
    config.publish.min_consumers = consumers;
    config.publish.frame_bytes = 1_024;
    config.publish.solo_frame_bytes = 512;
    config.publish.queue_bytes = 4_096;
    config
}

/// All sizes from nothing to beyond two shared frames, and multiples of the fragment length.
fn all_sizes(config: &SimConfig) -> Vec<usize> {
    let fragment = config.publish.max_fragment_bytes();
    let multiples = (1..=9).flat_map(|count| [count * fragment - 1, count * fragment + 1]);
    (0..2_100).chain(multiples).collect()
}

fn assert_all(outcome: &Outcome, messages: usize) {
    assert!(outcome.is_complete(), "{outcome}");
    for consumer in &outcome.consumers {
        assert_eq!(consumer.delivered, messages as u64, "{outcome}");
    }
}

#[test]
fn messages_of_all_sizes_arrive_however_they_are_read() {
    for consumers in [1, 2] {
        for read_as in WAYS {
            let mut config = stream(1, consumers);
            config.messages = all_sizes(&config);
            config.app.read_as = read_as;
            config.down.loss = 0.02;
            let messages = config.messages.len();
            assert_all(&World::new(config).run(MINUTES), messages);
        }
    }
}

#[test]
fn messages_of_several_producers_arrive_in_the_order_of_acceptance() {
    for producers in 2..=5 {
        let mut config = stream(2, 1);
        config.app.producers = producers;
        config.messages = (0..1_000).map(|index| index * 37 % 1_500).collect();
        config.write_interval = Duration::from_micros(100);
        assert_all(&World::new(config).run(MINUTES), 1_000);
    }
}

#[test]
fn producers_wait_while_the_queue_is_full() {
    let mut config = stream(3, 1);
    config.app.producers = 3;
    config.messages = vec![400; 300];
    config.subscribe.window_frames = 2;
    let mut world = World::new(config);
    world.pause_reading(0, true);
    let outcome = world.run_for(Duration::from_secs(1));
    // Two frames in the window, and the queue of 4,096 bytes.
    let accepted = outcome.publishers[0].accepted;
    assert!((10..=13).contains(&accepted), "{outcome}");
    world.pause_reading(0, false);
    assert_all(&world.run(MINUTES), 300);
}

/// The second consumer makes the packer fill larger frames, amid the stream.
#[test]
fn messages_arrive_whole_while_the_frame_size_changes() {
    for read_as in WAYS {
        let mut config = stream(4, 1);
        config.publish.late_join = LateJoin::FromNow;
        config.messages = all_sizes(&config);
        config.write_interval = Duration::from_micros(100);
        config.app.read_as = read_as;
        let messages = config.messages.len() as u64;
        let mut world = World::new(config.clone());
        world.run_for(Duration::from_millis(100));
        world.add_consumer(config.subscribe);
        let outcome = world.run(MINUTES);
        assert!(outcome.is_complete(), "{outcome}");
        assert_eq!(outcome.consumers[0].delivered, messages, "{outcome}");
        let late = outcome.consumers[1].delivered;
        assert!(late > 0 && late < messages, "{outcome}");
    }
}

#[test]
fn blocks_arrive_whatever_their_length_and_digests() {
    for block_bodies in [1, 2, 7, 1_000] {
        for known_digests in [false, true] {
            let mut config = stream(5, 2);
            config.messages = all_sizes(&config);
            config.messages.truncate(600);
            config.app.block_bodies = Some(block_bodies);
            config.app.known_digests = known_digests;
            config.down.loss = 0.02;
            assert_all(&World::new(config).run(MINUTES), 600);
        }
    }
}

/// The resume point of a publisher need not be where a block begins, or where a message does.
#[test]
fn publisher_continues_amid_a_block_and_amid_a_message() {
    let mut amid_block = 0;
    for seed in 0..20 {
        let mut config = stream(seed, 2);
        config.rewindable = true;
        config.app.block_bodies = Some(8);
        config.messages = vec![3_000; 200];
        config.write_interval = Duration::from_millis(1);
        config.subscribe.window_frames = 5;
        config.down.jitter = Duration::from_micros(500);
        let mut world = World::new(config);
        world.run_for(Duration::from_millis(30 + seed));
        let saved = world.resume_point(0);
        amid_block += u32::from(!saved.next.get().is_multiple_of(8));
        world.run_for(Duration::from_millis(5));
        world.kill(Node::Publisher(0));
        world.restart_publisher(0, saved);
        assert_all(&world.run(MINUTES), 200);
    }
    assert!(amid_block > 5, "{amid_block} of 20 resume points lie amid a block");
}

/// An application that reads messages has lost the fragments of the message that it was reading.
#[test]
fn consumer_that_restarts_amid_a_message_reads_the_message_again() {
    for read_as in WAYS {
        for at in 0..10 {
            let mut config = stream(6, 1);
            config.rewindable = true;
            config.messages = vec![5_000; 40];
            config.subscribe.window_frames = 3;
            config.app.read_as = read_as;
            let mut world = World::new(config);
            world.run_for(Duration::from_millis(20) + Duration::from_micros(700) * at);
            world.restart(0);
            let outcome = world.run(MINUTES);
            assert_all(&outcome, 40);
        }
    }
}
