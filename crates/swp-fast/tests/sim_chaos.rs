//! Processes that stop, readers that pause, a bus that restarts, and loss all the while: the stream
//! arrives whole all the same. Which of it happens when follows from the seed.
#![cfg(feature = "sim")]

use std::time::Duration;

use swp_fast::sim::{Node, PathConfig, SimConfig, World};

const MINUTES: Duration = Duration::from_secs(600);

/// 60 of them, or as many as SWP_SIM_SEEDS says.
fn seeds() -> std::ops::Range<u64> {
    let wanted = std::env::var("SWP_SIM_SEEDS").ok().and_then(|count| count.parse().ok());
    0..wanted.unwrap_or(60)
}

/// Numbers that follow from a seed (Knuth's multiplicative congruential generator, its upper bits).
struct Dice(u64);

impl Dice {
    fn below(&mut self, sides: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

fn config(seed: u64, dice: &mut Dice) -> SimConfig {
    let mut config = SimConfig::new(seed);
    config.down = PathConfig {
        latency: Duration::from_micros(100 + dice.below(10_000)),
        jitter: Duration::from_micros(dice.below(2_000)),
        loss: 0.01 * dice.below(6) as f64,
        ..PathConfig::default()
    };
    config.up = config.down;
    config.consumers = 1 + dice.below(3) as usize;
    config.publish.min_consumers = config.consumers;
    config.publish.idle_timeout = Duration::from_secs(30);
    config.publish.frame_bytes = 256 << dice.below(5);
    config.publish.retained_frames = 1 + dice.below(200);
    config.subscribe.window_frames = 1 + dice.below(300);
    config.write_interval = Duration::from_micros(dice.below(3_000));
    config.read_interval = Duration::from_micros(dice.below(1_000));
    config.messages = (0..400).map(|_| dice.below(4_000) as usize).collect();
    config
}

fn disturb(world: &mut World, consumers: usize, dice: &mut Dice) {
    // A consumer that is through repeats its FIN-ACK for 3.15 s; who is out of reach for longer than
    // that may never hear of it.
    let for_ms = Duration::from_millis(dice.below(2_000));
    let consumer = dice.below(consumers as u64) as usize;
    match dice.below(5) {
        0 => {
            world.bus_down();
            world.run_for(for_ms);
            world.bus_up();
        }
        1 => {
            world.stop(Node::Consumer(consumer), true);
            world.run_for(for_ms);
            world.stop(Node::Consumer(consumer), false);
        }
        2 => {
            world.stop(Node::Publisher(0), true);
            world.run_for(for_ms);
            world.stop(Node::Publisher(0), false);
        }
        3 => {
            world.pause_reading(consumer, true);
            world.run_for(for_ms);
            world.pause_reading(consumer, false);
        }
        _ => {
            world.cut(Node::Consumer(consumer), true);
            world.run_for(for_ms);
            world.cut(Node::Consumer(consumer), false);
        }
    }
}

#[test]
fn disturbances_of_all_kinds() {
    for seed in seeds() {
        let mut dice = Dice(seed);
        dice.below(2);
        let config = config(seed, &mut dice);
        let consumers = config.consumers;
        let mut world = World::new(config);
        for _ in 0..dice.below(6) {
            world.run_for(Duration::from_micros(dice.below(300_000)));
            disturb(&mut world, consumers, &mut dice);
        }
        let outcome = world.run(MINUTES);
        assert!(outcome.is_complete(), "{outcome}");
        assert!(outcome.consumers.iter().all(|one| one.delivered == 400), "{outcome}");
    }
}
