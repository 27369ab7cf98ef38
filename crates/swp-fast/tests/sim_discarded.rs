//! Consumers that have discarded SACKed frames, and rejoin.
#![cfg(feature = "sim")]

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use swp_fast::sim::{Node, SimConfig, World};
use swp_fast::testing::{Frames, ack};
use swp_fast::wire::{Control, Kind, ResetCode};

/// What the network does to the late consumer.
#[derive(Clone, Copy, Default)]
struct Weather {
    /// The first frames of the stream are lost.
    loses_data: bool,
    /// Nothing of the consumer arrives.
    muted: bool,
    /// A SYN of the consumer has passed.
    syn_passed: bool,
}

/// The consumer misses the first frames, times out, and discards what may not fit its window beside
/// them. The SYN overtakes an ack from before that.
#[test]
fn ack_from_before_the_rejoin_does_not_hide_discarded_frames() {
    let mut config = SimConfig::new(1);
    config.consumers = 2;
    config.publish.min_consumers = 2;
    config.publish.quorum = Some(1);
    config.publish.frame_bytes = 1_100;
    config.subscribe.window_bytes = 4 * config.publish.max_body_bytes() as u64;
    config.messages = vec![100; 20];
    config.write_interval = Duration::from_millis(2);
    config.finish = false;
    let window = config.subscribe.clone();
    let mut world = World::new(config);
    let late = Node::Consumer(1);
    let weather = Rc::new(Cell::new(Weather { loses_data: true, ..Weather::default() }));
    let seen = Rc::clone(&weather);
    world.lose_where(move |transit| {
        let mut now = seen.get();
        if transit.from == late {
            now.syn_passed |= !now.muted && transit.kind == Some(Kind::Syn);
            seen.set(now);
            return now.muted;
        }
        // The other consumer misses frame 0, so that all frames stay retained.
        let misses = if transit.to == late { 5 } else { 1 };
        now.loses_data && transit.kind == Some(Kind::Data) && transit.seq < misses
    });
    world.run_for(Duration::from_millis(200));
    weather.set(Weather { loses_data: true, muted: true, syn_passed: false });
    world.run_for(Duration::from_secs(15));
    weather.set(Weather { loses_data: true, muted: false, syn_passed: false });
    world.run_while(Duration::from_secs(5), |_| !weather.get().syn_passed);
    world.run_for(Duration::from_millis(1));
    weather.set(Weather::default());
    let ids = world.sender_ids(0);
    let overtaken = ack(world.consumer_id(1), 0).with_sack(&[(5, 19)]).with_latest(18);
    let overtaken = overtaken.with_credit(window.window_frames, window.window_bytes);
    let frame = Frames::new(ids.session, ids.epoch).control(20, &Control::Ack(overtaken));
    world.inject(Node::Publisher(0), frame);
    let outcome = world.run_for(Duration::from_secs(30));
    assert_eq!(outcome.consumers[1].delivered, 20, "{outcome}");
}

/// The acks behind a retransmission are lost, and a late RESET makes the consumer rejoin with what
/// it holds.
#[test]
fn frames_that_a_rejoining_consumer_lists_are_not_missing() {
    let mut config = SimConfig::new(1);
    config.publish.frame_bytes = 1_100;
    config.messages = vec![1_000; 20];
    config.finish = false;
    let mut world = World::new(config);
    // Frames 0 and 8 are lost, and frame 0 is lost again for a while.
    let (mut sent, mut retransmitted) = (0, false);
    world.lose_where(move |transit| {
        let at_ms = transit.at.as_nanos() / 1_000_000;
        match (transit.kind, transit.seq) {
            (Some(Kind::Data), 8) => {
                sent += 1;
                retransmitted |= sent > 1;
                sent == 1
            }
            (Some(Kind::Data), 0) => at_ms < 300,
            (Some(Kind::Ack), _) => retransmitted && at_ms < 140,
            _ => false,
        }
    });
    world.run_for(Duration::from_millis(100));
    let (ids, peer) = (world.sender_ids(0), world.consumer_id(0));
    let reset = Frames::new(ids.session, ids.epoch).reset(0, peer, ResetCode::TimedOut);
    world.inject(Node::Consumer(0), reset);
    let outcome = world.run_for(Duration::from_secs(2));
    assert_eq!(outcome.consumers[0].delivered, 20, "{outcome}");
}
