//! The stream arrives, whole and in order, whatever the faults.
#![cfg(feature = "sim")]

use std::time::Duration;

use swp_fast::proto::ACK_DELAY;
use swp_fast::sim::{Node, Outcome, PathConfig, SimConfig, World};
use swp_fast::time::Time;
use swp_fast::wire::Kind;

const MINUTES: Duration = Duration::from_secs(300);

fn lossy(loss: f64) -> PathConfig {
    PathConfig { loss, ..PathConfig::default() }
}

fn completes(config: SimConfig) -> Outcome {
    let messages = config.messages.len() as u64;
    let outcome = World::new(config).run(MINUTES);
    assert!(outcome.is_complete(), "{outcome}");
    for consumer in &outcome.consumers {
        assert_eq!(consumer.delivered, messages, "{outcome}");
        assert_eq!(consumer.stats.messages, messages, "{outcome}");
        assert_eq!(consumer.stats.dropped.beyond_window, 0, "{outcome}");
    }
    outcome
}

#[test]
fn clean_path_causes_no_retransmission() {
    let mut config = SimConfig::new(1);
    config.messages = vec![1_000; 20_000];
    let outcome = completes(config);
    assert_eq!(outcome.retransmits(), 0, "{outcome}");
    assert!(outcome.publishers[0].stats.probes <= 5, "{outcome}");
    assert_eq!(outcome.consumers[0].stats.duplicates, 0, "{outcome}");
    assert_eq!(outcome.consumers[0].stats.out_of_order, 0, "{outcome}");
    assert_eq!(outcome.consumers[0].stats.dropped.total(), 0, "{outcome}");
}

#[test]
fn jitter_that_keeps_the_order_causes_no_retransmission() {
    for seed in 0..20 {
        let mut config = SimConfig::new(seed);
        config.messages = vec![1_000; 2_000];
        config.down.jitter = Duration::from_millis(5);
        config.up.jitter = Duration::from_millis(5);
        let outcome = completes(config);
        assert_eq!(outcome.retransmits(), 0, "{outcome}");
    }
}

#[test]
fn each_loss_costs_one_retransmission() {
    for (seed, loss) in [(1, 0.01), (2, 0.05), (3, 0.20), (4, 0.20), (5, 0.50)] {
        let mut config = SimConfig::new(seed);
        config.messages = vec![4_000; 4_000];
        config.down = lossy(loss);
        config.up = lossy(loss);
        let outcome = completes(config);
        let frames = outcome.publishers[0].stats.frames as f64;
        // Each frame must be sent 1 / (1 - loss) times on average, and not more often.
        let expected = frames * loss / (1.0 - loss);
        assert!((outcome.retransmits() as f64) < expected * 1.3 + 10.0, "{outcome}");
        assert!(outcome.retransmits() > 0, "{outcome}");
    }
}

#[test]
fn reordering_causes_few_retransmissions() {
    let mut config = SimConfig::new(6);
    config.messages = vec![4_000; 8_000];
    config.down.reorder = 0.05;
    config.up.reorder = 0.05;
    let outcome = completes(config);
    assert!(outcome.consumers[0].stats.out_of_order > 10, "{outcome}");
    assert!(outcome.retransmits() < outcome.publishers[0].stats.frames / 20, "{outcome}");
}

#[test]
fn duplicates_are_dropped_and_counted() {
    let mut config = SimConfig::new(7);
    config.messages = vec![4_000; 4_000];
    // The stream is several windows long, so that copies arrive before it ends.
    config.subscribe.window_bytes = 4 << 20;
    config.down.duplicate = 0.3;
    config.up.duplicate = 0.3;
    let outcome = completes(config);
    assert!(outcome.consumers[0].stats.duplicates > 100, "{outcome}");
    assert!(outcome.retransmits() <= outcome.publishers[0].stats.frames / 20, "{outcome}");
}

/// 200 seeds, or as many as SWP_SIM_SEEDS says.
fn seeds() -> std::ops::Range<u64> {
    let wanted = std::env::var("SWP_SIM_SEEDS").ok().and_then(|count| count.parse().ok());
    0..wanted.unwrap_or(200)
}

fn noisy(seed: u64) -> SimConfig {
    let mut config = SimConfig::new(seed);
    let path = PathConfig {
        latency: Duration::from_micros(100 + seed * 37 % 20_000),
        jitter: Duration::from_micros(seed * 91 % 10_000),
        loss: 0.01 * (seed % 21) as f64,
        duplicate: 0.01 * (seed % 11) as f64,
        reorder: 0.01 * (seed % 13) as f64,
        corrupt: 0.01 * (seed % 5) as f64,
        burst: None,
    };
    config.down = path;
    config.up = path;
    config.consumers = 1 + (seed % 3) as usize;
    config.publish.min_consumers = config.consumers;
    config.publish.frame_bytes = 512 << (seed % 4);
    config.subscribe.window_frames = 1 + seed * seed % 200;
    config.subscribe.window_bytes = 4096 << (seed % 5);
    config.read_interval = Duration::from_micros((seed % 4) * 100);
    config.write_interval = Duration::from_micros((seed % 3) * 50);
    // One ack in five is lost, which must not time a peer out.
    config.publish.idle_timeout = Duration::from_secs(60);
    let size = |index: u64| (index * index * 7 + seed * 13) % 700 * (1 + index % 7 / 6 * 8);
    config.messages = (0..400).map(|index| size(index) as usize).collect();
    config
}

#[test]
fn stream_completes_under_all_faults_at_once() {
    for seed in seeds() {
        completes(noisy(seed));
    }
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let run = || World::new(noisy(17)).run(MINUTES).to_string();
    assert_eq!(run(), run());
}

#[test]
fn messages_of_all_sizes_are_delivered() {
    for (seed, loss) in [(8, 0.0), (9, 0.05)] {
        let mut config = SimConfig::new(seed);
        config.messages =
            vec![0, 1, 255, 256, 16_000, 16_384, 1 << 20, 0, 65_535, 65_536, 7, 100_000];
        config.messages.extend(vec![0; 500]);
        config.messages.push((1 << 20) - 1);
        config.down = lossy(loss);
        config.up = lossy(loss);
        completes(config);
    }
}

#[test]
fn stream_without_messages_completes() {
    completes(SimConfig::new(10));
}

/// The last frame of a burst is lost, and no later frame shows the gap. The probe comes half a
/// round trip and two ack delays later, its ack a round trip after that, and the retransmission
/// half a round trip later.
#[test]
fn lost_tail_is_retransmitted_within_two_round_trips() {
    let latency = Duration::from_millis(10);
    let mut config = SimConfig::new(11);
    config.down.latency = latency;
    config.up.latency = latency;
    config.messages = vec![15_000; 50];
    config.finish = false;
    let mut world = World::new(config);
    world.run_for(Duration::from_secs(2));
    let asked = world.now();
    world.lose_nth(Kind::Data, 0);
    world.write(0, &[10_000]);
    let outcome = world.run_for(Duration::from_secs(2));
    assert_eq!(outcome.consumers[0].delivered, 51, "{outcome}");
    let took = outcome.consumers[0].last_delivery.since(asked);
    assert!(took <= latency * 4 + Duration::from_millis(3), "{took:?} {outcome}");
    assert_eq!(outcome.retransmits(), 1, "{outcome}");
}

/// The tail is lost while the consumer still reads earlier frames. Its acks of credit do not answer
/// the probe.
#[test]
fn lost_tail_is_retransmitted_while_a_slow_consumer_acks() {
    let mut config = SimConfig::new(12);
    config.messages = vec![15_000; 100];
    config.read_interval = Duration::from_millis(2);
    let mut world = World::new(config);
    world.lose_where(|transit| {
        transit.kind == Some(Kind::Data) && transit.seq >= 98 && !transit.direct
    });
    let outcome = world.run_for(Duration::from_millis(60));
    assert!(outcome.consumers[0].delivered < 50, "{outcome}");
    assert_eq!(outcome.retransmits(), 2, "{outcome}");
}

#[test]
fn round_trip_estimate_is_near_the_path_latency() {
    let mut config = SimConfig::new(13);
    config.down.latency = Duration::from_millis(7);
    config.up.latency = Duration::from_millis(3);
    config.messages = vec![8_000; 5_000];
    config.finish = false;
    let outcome = World::new(config).run_for(Duration::from_secs(5));
    let srtt = outcome.publishers[0].stats.consumers[0].srtt;
    let (low, high) = (Duration::from_millis(10), Duration::from_millis(11));
    assert!(srtt >= low && srtt <= high, "{srtt:?} {outcome}");
}

/// A message now and then causes no retransmission, and few probes.
#[test]
fn rare_messages_cause_no_retransmission() {
    let mut config = SimConfig::new(14);
    config.messages = vec![100; 200];
    config.write_interval = Duration::from_millis(50);
    let outcome = completes(config);
    assert_eq!(outcome.retransmits(), 0, "{outcome}");
    assert!(outcome.publishers[0].stats.probes < 20, "{outcome}");
}

#[test]
fn three_consumers_with_different_losses_all_get_everything() {
    for seed in 20..30 {
        let mut config = SimConfig::new(seed);
        config.consumers = 3;
        config.publish.min_consumers = 3;
        config.messages = vec![4_000; 2_000];
        config.down = lossy(0.05);
        config.up = lossy(0.02);
        completes(config);
    }
}

#[test]
fn retransmissions_go_only_to_the_consumer_that_missed_the_frame() {
    let mut config = SimConfig::new(31);
    config.consumers = 3;
    config.publish.min_consumers = 3;
    config.messages = vec![4_000; 2_000];
    let mut world = World::new(config);
    world.lose_where(|transit| {
        let hit = transit.kind == Some(Kind::Data) && transit.seq % 10 == 3 && !transit.direct;
        hit && transit.to == Node::Consumer(1)
    });
    let outcome = world.run(MINUTES);
    assert!(outcome.is_complete(), "{outcome}");
    let retransmitted: Vec<u64> =
        outcome.publishers[0].stats.consumers.iter().map(|one| one.retransmits).collect();
    let missed = outcome.publishers[0].stats.frames.div_ceil(10);
    assert_eq!(retransmitted.iter().sum::<u64>(), missed, "{outcome}");
    assert!(retransmitted.contains(&missed), "{retransmitted:?} {outcome}");
    for (index, consumer) in outcome.consumers.iter().enumerate() {
        assert_eq!(consumer.stats.duplicates, 0, "{outcome}");
        assert_eq!(consumer.stats.out_of_order > 0, index == 1, "{outcome}");
    }
}

/// Returns the messages a second of simulated time, from first write to last delivery. The window
/// holds the frames of eight round trips, so that a frame can be retransmitted twice before the
/// window closes.
fn goodput(seed: u64, latency: Duration, loss: f64) -> f64 {
    let messages = 6_000;
    let mut config = SimConfig::new(seed);
    config.publish.frame_bytes = 256;
    config.messages = vec![180; messages];
    config.write_interval = latency * 2 / 100;
    config.subscribe.window_frames = 800;
    config.down = PathConfig { latency, loss, ..PathConfig::default() };
    config.up = config.down;
    let outcome = completes(config);
    messages as f64 / outcome.consumers[0].last_delivery.since(Time::ZERO).as_secs_f64()
}

#[test]
fn goodput_falls_no_more_than_what_is_lost() {
    for latency in [Duration::from_millis(5), Duration::from_millis(50)] {
        let clean = goodput(40, latency, 0.0);
        for (seed, loss) in [(41, 0.001), (42, 0.01), (43, 0.02), (44, 0.05)] {
            let lossy = goodput(seed, latency, loss);
            assert!(lossy >= 0.9 * (1.0 - loss) * clean, "{latency:?} {loss}: {lossy} of {clean}");
        }
    }
}

/// The paths reach from a broker on the same host to the other side of the world.
#[test]
fn lost_tail_is_retransmitted_within_two_round_trips_on_any_path() {
    for latency_us in [25, 500, 25_000, 100_000] {
        let latency = Duration::from_micros(latency_us);
        let mut config = SimConfig::new(15);
        config.down.latency = latency;
        config.up.latency = latency;
        config.messages = vec![15_000; 50];
        config.finish = false;
        let mut world = World::new(config);
        world.run_for(Duration::from_secs(20));
        let asked = world.now();
        world.lose_nth(Kind::Data, 0);
        world.write(0, &[10_000]);
        let outcome = world.run_for(Duration::from_secs(2));
        assert_eq!(outcome.consumers[0].delivered, 51, "{outcome}");
        let took = outcome.consumers[0].last_delivery.since(asked);
        assert!(took <= latency * 4 + ACK_DELAY * 2, "{latency:?}: {took:?} {outcome}");
        assert_eq!(outcome.retransmits(), 1, "{outcome}");
    }
}
