//! A consumer that was removed may stand still and still listen: the group moves to another
//! subject.
#![cfg(feature = "sim")]

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use swp_fast::config::{LateJoin, Slow};
use swp_fast::proto::{ReceiverError, ReceiverEvent, SenderEvent};
use swp_fast::sim::{Node, Outcome, SimConfig, World};
use swp_fast::wire::{Kind, ResetCode};

const MINUTES: Duration = Duration::from_secs(300);

/// A stream that evicts a consumer after 2 s without progress. It has a frame every millisecond,
/// and a window of 64 frames.
fn stream(seed: u64, consumers: usize, messages: usize) -> SimConfig {
    let mut config = SimConfig::new(seed);
    config.consumers = consumers;
    config.publish.min_consumers = consumers;
    config.publish.frame_bytes = 1_100;
    config.publish.slow = Slow::Evict { stalled_for: Duration::from_secs(2) };
    config.messages = vec![1_000; messages];
    config.write_interval = Duration::from_millis(1);
    config.subscribe.window_frames = 64;
    config
}

fn is_lost(outcome: &Outcome) -> bool {
    outcome.publishers[0].has(|event| matches!(event, SenderEvent::Lost { .. }))
}

fn ended(outcome: &Outcome, consumer: usize) -> bool {
    outcome.consumers[consumer].has(|event| *event == ReceiverEvent::Ended)
}

fn too_slow(outcome: &Outcome, consumer: usize) -> bool {
    outcome.consumers[consumer].has(|event| {
        matches!(
            event,
            ReceiverEvent::Failed(ReceiverError::Reset { code: ResetCode::TooSlow, .. })
        )
    })
}

/// Counts the frames that go to a node through the group.
fn count_group_frames(world: &mut World, to: Node) -> Rc<Cell<u64>> {
    let count = Rc::new(Cell::new(0));
    let counted = Rc::clone(&count);
    world.lose_where(move |transit| {
        let hit = transit.to == to && !transit.direct && transit.kind == Some(Kind::Data);
        counted.set(counted.get() + u64::from(hit));
        false
    });
    count
}

#[test]
fn group_moves_away_from_an_evicted_consumer_and_the_others_miss_nothing() {
    let mut world = World::new(stream(1, 4, 4_000));
    let to_stopped = count_group_frames(&mut world, Node::Consumer(2));
    world.run_for(Duration::from_millis(500));
    world.stop(Node::Consumer(2), true);
    world.run_while(MINUTES, |world| !is_lost(&world.outcome()));
    // A round trip is 2 ms.
    world.run_for(Duration::from_millis(10));
    let before = to_stopped.get();
    let outcome = world.run_for(Duration::from_secs(1));
    assert_eq!(outcome.publishers[0].stats.generation, 2, "{outcome}");
    assert_eq!(to_stopped.get(), before, "nothing more goes to the evicted consumer");
    world.stop(Node::Consumer(2), false);
    let outcome = world.run(MINUTES);
    assert!(too_slow(&outcome, 2), "{outcome}");
    for consumer in [0, 1, 3] {
        assert!(ended(&outcome, consumer), "{outcome}");
        assert_eq!(outcome.consumers[consumer].stats.duplicates, 0, "{outcome}");
    }
    assert_eq!(outcome.publishers[0].stats.retransmits, 0, "{outcome}");
}

/// The SYN-ACK that tells a consumer of the move is lost. The publisher sends the SYN-ACK again,
/// and until then the group stays where all can hear it.
#[test]
fn group_move_waits_for_all_peers_that_are_left() {
    let mut world = World::new(stream(2, 4, 8_000));
    world.run_for(Duration::from_millis(500));
    world.stop(Node::Consumer(2), true);
    world.lose_where(move |transit| {
        let told = transit.kind == Some(Kind::SynAck) && transit.to == Node::Consumer(1);
        told && transit.at.as_nanos() < 4_000_000_000
    });
    let outcome = world.run_for(Duration::from_secs(3));
    assert!(is_lost(&outcome), "{outcome}");
    assert_eq!(outcome.publishers[0].stats.generation, 1, "{outcome}");
    let frames = outcome.publishers[0].stats.frames;
    let outcome = world.run_for(Duration::from_secs(2));
    assert_eq!(outcome.publishers[0].stats.generation, 2, "{outcome}");
    assert!(outcome.publishers[0].stats.frames > frames + 1_000, "the stream continued: {outcome}");
    world.stop(Node::Consumer(2), false);
    let outcome = world.run(MINUTES);
    assert!([0, 1, 3].into_iter().all(|consumer| ended(&outcome, consumer)), "{outcome}");
    assert_eq!(outcome.publishers[0].stats.retransmits, 0, "{outcome}");
}

/// However many consumers are removed while the group moves, the group moves once more.
#[test]
fn group_moves_once_more_for_all_that_were_removed_during_a_move() {
    let mut world = World::new(stream(3, 6, 12_000));
    world.run_for(Duration::from_millis(500));
    world.stop(Node::Consumer(5), true);
    world.lose_where(|transit| {
        let told = transit.kind == Some(Kind::SynAck) && transit.to == Node::Consumer(0);
        told && transit.at.as_nanos() < 9_000_000_000
    });
    world.run_for(Duration::from_millis(3_000));
    world.stop(Node::Consumer(4), true);
    world.stop(Node::Consumer(3), true);
    let outcome = world.run_for(Duration::from_millis(5_000));
    let lost = |event: &&(_, SenderEvent)| matches!(event.1, SenderEvent::Lost { .. });
    assert_eq!(outcome.publishers[0].events.iter().filter(lost).count(), 3, "{outcome}");
    assert_eq!(outcome.publishers[0].stats.generation, 1, "{outcome}");
    for consumer in [3, 4, 5] {
        world.stop(Node::Consumer(consumer), false);
    }
    let outcome = world.run(MINUTES);
    assert_eq!(outcome.publishers[0].stats.generation, 3, "{outcome}");
    assert!((0..3).all(|consumer| ended(&outcome, consumer)), "{outcome}");
    assert!((3..6).all(|consumer| too_slow(&outcome, consumer)), "{outcome}");
    assert_eq!(outcome.publishers[0].stats.retransmits, 0, "{outcome}");
}

/// A consumer that joins late is told where the group is, and misses nothing on its way there.
#[test]
fn late_join_after_a_move_finds_the_group() {
    for late_join in [LateJoin::FromNow, LateJoin::FromStart] {
        let mut config = stream(4, 3, 6_000);
        config.publish.late_join = late_join;
        config.rewindable = true;
        let mut world = World::new(config.clone());
        world.run_for(Duration::from_millis(500));
        world.stop(Node::Consumer(2), true);
        world.run_while(MINUTES, |world| !is_lost(&world.outcome()));
        world.run_for(Duration::from_millis(10));
        world.add_consumer(config.subscribe.clone());
        let outcome = world.run_for(Duration::from_secs(1));
        assert_eq!(outcome.publishers[0].stats.generation, 2, "{outcome}");
        world.stop(Node::Consumer(2), false);
        let outcome = world.run(MINUTES);
        assert!([0, 1, 3].into_iter().all(|consumer| ended(&outcome, consumer)), "{outcome}");
        assert_eq!(outcome.publishers[0].stats.retransmits, 0, "{outcome}");
    }
}
