//! How sessions begin and end, with every control frame lost in turn.
#![cfg(feature = "sim")]

use std::time::Duration;

use swp_fast::config::{ConfirmEnd, UnackedLimit};
use swp_fast::proto::{ReceiverError, ReceiverEvent, SenderError, SenderEvent};
use swp_fast::sim::{Node, Outcome, SimConfig, World};
use swp_fast::wire::{Control, Kind, Reset, ResetCode, Sealer, Seq};

const MINUTES: Duration = Duration::from_secs(300);

fn config(seed: u64) -> SimConfig {
    let mut config = SimConfig::new(seed);
    config.messages = vec![5_000; 300];
    config
}

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

fn consumer_lost(event: &SenderEvent) -> bool {
    matches!(event, SenderEvent::Failed(SenderError::ConsumerLost { .. }))
}

#[test]
fn any_control_frame_may_be_lost() {
    let kinds =
        [Kind::Syn, Kind::SynAck, Kind::Ack, Kind::Fin, Kind::FinAck, Kind::Closed, Kind::Announce];
    for kind in kinds {
        for nth in 0..3 {
            let mut world = World::new(config(1));
            world.lose_nth(kind, nth);
            let outcome = world.run(Duration::from_secs(5));
            assert!(outcome.is_complete(), "{kind:?} {nth} lost: {outcome}");
            assert_eq!(outcome.consumers[0].delivered, 300, "{outcome}");
            assert_eq!(outcome.retransmits(), 0, "{kind:?} {nth} lost: {outcome}");
        }
    }
}

#[test]
fn all_frames_of_a_kind_may_be_lost_for_a_second() {
    for kind in [Kind::Syn, Kind::SynAck, Kind::Ack, Kind::Fin, Kind::FinAck, Kind::Closed] {
        let mut world = World::new(config(2));
        world.lose_where(move |transit| {
            transit.kind == Some(kind) && transit.at.as_nanos() < 1_000_000_000
        });
        let outcome = world.run(Duration::from_secs(10));
        assert!(outcome.is_complete(), "{kind:?}: {outcome}");
        assert_eq!(outcome.consumers[0].delivered, 300, "{outcome}");
    }
}

/// The publisher may be gone once it has sent CLOSED. A consumer ends even if CLOSED is lost.
#[test]
fn consumer_ends_though_closed_never_comes() {
    let mut world = World::new(config(3));
    world.lose_where(|transit| transit.kind == Some(Kind::Closed));
    let outcome = world.run(Duration::from_secs(12));
    assert!(outcome.is_complete(), "{outcome}");
}

/// A consumer that has read everything sends FIN-ACK for as long as the publisher would wait.
#[test]
fn both_agree_on_the_end_after_the_consumer_was_cut_off() {
    for ms in [100, 1_000, 4_000, 8_000] {
        let mut world = World::new(config(3));
        world.lose_where(|transit| transit.kind == Some(Kind::FinAck));
        world.run_while(Duration::from_secs(5), |world| {
            world.outcome().consumers[0].delivered < 300
        });
        world.cut(Node::Consumer(0), true);
        world.run_for(Duration::from_millis(ms));
        world.lose_nothing();
        world.cut(Node::Consumer(0), false);
        let outcome = world.run(Duration::from_secs(20));
        assert!(outcome.is_complete(), "{ms} ms: {outcome}");
    }
}

/// A consumer was removed, admitted again, and has read everything. Then a RESET arrives that
/// answers what the consumer sent while it was removed.
#[test]
fn late_reset_does_not_fail_a_consumer_that_has_read_everything() {
    let mut world = World::new(config(3));
    world.lose_where(|transit| transit.kind == Some(Kind::FinAck));
    world.run_while(Duration::from_secs(5), |world| world.outcome().consumers[0].delivered < 300);
    world.run_for(Duration::from_millis(20));
    let (ids, peer) = (world.sender_ids(0), world.consumer_id(0));
    let reset = Reset { peer, code: ResetCode::UnknownSession, reason: "no member".to_owned() };
    let reset = Control::Reset(reset);
    let late = Sealer::default().seal_control(ids.session, ids.epoch, Seq::ZERO, &reset);
    world.inject(Node::Consumer(0), late);
    world.run_for(Duration::from_millis(20));
    world.lose_nothing();
    assert!(world.run(Duration::from_secs(5)).is_complete());
}

#[test]
fn end_is_confirmed_only_when_the_application_says_so() {
    let mut config = config(4);
    config.subscribe.confirm_end = ConfirmEnd::Explicitly;
    let mut world = World::new(config);
    let outcome = world.run_for(Duration::from_secs(60));
    assert_eq!(outcome.consumers[0].delivered, 300, "{outcome}");
    assert!(!outcome.publishers[0].has(|event| *event == SenderEvent::Closed), "{outcome}");
    world.close(0);
    assert!(world.run(MINUTES).is_complete());
}

#[test]
fn consumer_that_is_killed_is_lost_within_the_idle_time_out() {
    let mut world = World::new(endless(5));
    world.run_for(Duration::from_secs(1));
    world.kill(Node::Consumer(0));
    let outcome = world.run_for(Duration::from_millis(11_500));
    assert!(outcome.publishers[0].has(consumer_lost), "{outcome}");
}

/// Before the stream has begun, a consumer that dies between its SYN and its first ack is timed
/// out, and the next consumer begins the stream.
#[test]
fn consumer_that_dies_while_it_joins_is_timed_out_and_the_next_begins_the_stream() {
    let mut world = World::new(config(7));
    world.lose_where(|transit| transit.kind == Some(Kind::Ack));
    world.run_for(Duration::from_millis(20));
    assert_eq!(world.outcome().publishers[0].stats.consumers.len(), 1, "it is joining");
    world.kill(Node::Consumer(0));
    world.lose_nothing();
    let outcome = world.run_for(Duration::from_millis(11_500));
    assert!(lost(&outcome), "{outcome}");
    assert!(!outcome.publishers[0].has(consumer_lost), "{outcome}");
    assert!(!world.has_started(0), "{outcome}");
    world.add_consumer(Default::default());
    let outcome = world.run(Duration::from_secs(5));
    assert!(outcome.publishers[0].has(|event| *event == SenderEvent::Closed), "{outcome}");
    assert_eq!(outcome.consumers[1].delivered, 300, "{outcome}");
}

#[test]
fn consumer_that_is_killed_in_a_quiet_session_is_lost() {
    let mut config = config(6);
    config.finish = false;
    let mut world = World::new(config);
    world.run_for(Duration::from_secs(5));
    world.kill(Node::Consumer(0));
    let outcome = world.run_for(Duration::from_secs(12));
    assert!(outcome.publishers[0].has(consumer_lost), "{outcome}");
}

#[test]
fn publisher_that_is_killed_is_missed_within_the_idle_time_out() {
    let mut world = World::new(endless(7));
    world.run_for(Duration::from_secs(1));
    world.kill(Node::Publisher(0));
    let outcome = world.run_for(Duration::from_millis(10_500));
    let timed_out =
        |event: &ReceiverEvent| matches!(event, ReceiverEvent::Failed(ReceiverError::TimedOut(_)));
    assert!(outcome.consumers[0].has(timed_out), "{outcome}");
}

#[test]
fn quiet_session_is_kept_alive() {
    let mut config = config(8);
    config.finish = false;
    let mut world = World::new(config);
    let outcome = world.run_for(Duration::from_secs(3600));
    assert!(!lost(&outcome), "{outcome}");
    assert_eq!(outcome.retransmits(), 0, "{outcome}");
    // One probe a second, and no more.
    assert!(outcome.publishers[0].stats.probes < 3_700, "{outcome}");
    world.finish(0);
    assert!(world.run(MINUTES).is_complete());
}

#[test]
fn publisher_is_told_why_a_consumer_leaves() {
    let mut world = World::new(endless(9));
    world.run_for(Duration::from_secs(1));
    world.cancel(0, "had enough");
    let outcome = world.run(Duration::from_secs(1));
    assert!(outcome.publishers[0].has(consumer_lost), "{outcome}");
    assert!(format!("{:?}", outcome.publishers[0].events).contains("had enough"), "{outcome}");
}

#[test]
fn consumers_are_told_that_the_publisher_aborts() {
    let mut world = World::new(endless(10));
    world.run_for(Duration::from_secs(1));
    world.abort(0, "changed my mind");
    let outcome = world.run(Duration::from_secs(1));
    assert!(failed_with(&outcome, 0, ResetCode::Cancelled), "{outcome}");
}

#[test]
fn when_one_of_two_leaves_the_other_gets_everything() {
    let mut config = config(11);
    config.consumers = 2;
    config.write_interval = Duration::from_millis(1);
    let mut world = World::new(config);
    world.run_for(Duration::from_millis(50));
    world.cancel(0, "had enough");
    let outcome = world.run(MINUTES);
    assert!(lost(&outcome), "{outcome}");
    assert!(outcome.publishers[0].has(|event| *event == SenderEvent::Closed), "{outcome}");
    assert_eq!(outcome.consumers[1].delivered, 300, "{outcome}");
}

/// One consumer has finished and the other dies, so the stream waits for no consumer.
#[test]
fn stream_closes_when_the_last_unfinished_consumer_is_lost() {
    let mut config = config(12);
    config.consumers = 2;
    let mut world = World::new(config);
    world.pause_reading(1, true);
    world.run_for(Duration::from_secs(1));
    world.kill(Node::Consumer(1));
    let outcome = world.run(Duration::from_secs(30));
    assert!(lost(&outcome), "{outcome}");
    assert!(outcome.publishers[0].has(|event| *event == SenderEvent::Closed), "{outcome}");
}

/// A consumer was timed out and does not know, and the group has moved away. When the consumer is
/// heard again, the publisher sends RESET, and the consumer resumes with what it holds.
#[test]
fn consumer_that_was_timed_out_while_it_could_not_be_heard_resumes() {
    let mut config = endless(13);
    config.consumers = 2;
    config.rewindable = true;
    let mut world = World::new(config);
    world.run_for(Duration::from_secs(1));
    // The consumer hears the publisher and cannot be heard, and RESET is lost as well.
    world.lose_where(|transit| {
        let late = transit.at.as_nanos() > 14_000_000_000;
        !late && (transit.from == Node::Consumer(1) || transit.kind == Some(Kind::Reset))
    });
    let outcome = world.run_for(Duration::from_secs(18));
    assert!(lost(&outcome), "{outcome}");
    assert!(outcome.consumers[1].has(|event| *event == ReceiverEvent::Reconnected), "{outcome}");
    assert_eq!(outcome.consumers[0].delivered, outcome.consumers[1].delivered, "{outcome}");
    // Frames that the consumer heard were not sent again. It was timed out after 10 s at the
    // earliest.
    let again = outcome.publishers[0].stats.past.caught_up_frames;
    assert!((1..450).contains(&again), "{again} frames again: {outcome}");
    world.finish(0);
    let outcome = world.run(MINUTES);
    assert!(outcome.consumers[1].has(|event| *event == ReceiverEvent::Ended), "{outcome}");
}

/// The frames that a consumer missed meanwhile were released, and the publisher tells the consumer
/// so.
#[test]
fn consumer_that_missed_released_frames_is_told() {
    let mut config = endless(13);
    config.consumers = 2;
    let mut world = World::new(config);
    world.run_for(Duration::from_secs(1));
    // The consumer hears only probes, and cannot be heard.
    world.lose_where(|transit| {
        let late = transit.at.as_nanos() > 14_000_000_000;
        let heard = transit.kind == Some(Kind::Probe);
        !late && (transit.from == Node::Consumer(1) || (transit.to == Node::Consumer(1) && !heard))
    });
    let outcome = world.run_for(Duration::from_secs(18));
    assert!(lost(&outcome), "{outcome}");
    assert!(failed_with(&outcome, 1, ResetCode::Unavailable), "{outcome}");
}

#[test]
fn session_survives_a_restart_of_the_bus() {
    for (seed, away) in [(14, Duration::from_millis(100)), (15, Duration::from_secs(5))] {
        let mut config = SimConfig::new(seed);
        config.messages = vec![15_000; 2_000];
        config.write_interval = Duration::from_micros(300);
        config.consumers = 2;
        config.publish.min_consumers = 2;
        let mut world = World::new(config);
        world.run_for(Duration::from_millis(100));
        world.bus_down();
        world.run_for(away);
        world.bus_up();
        let outcome = world.run(MINUTES);
        assert!(outcome.is_complete(), "{outcome}");
        assert!(outcome.retransmits() > 0, "{outcome}");
    }
}

#[test]
fn session_survives_a_restart_of_the_bus_at_every_stage() {
    for at in 0..40 {
        let mut config = config(16);
        config.messages.truncate(60);
        let mut world = World::new(config);
        world.run_for(Duration::from_micros(at * 250));
        world.bus_down();
        world.run_for(Duration::from_millis(300));
        world.bus_up();
        let outcome = world.run(MINUTES);
        assert!(outcome.is_complete(), "bus down at {at} * 250 us: {outcome}");
        assert_eq!(outcome.consumers[0].delivered, 60, "{outcome}");
    }
}

#[test]
fn consumer_beyond_the_unacked_limit_is_lost() {
    let mut config = endless(21);
    config.publish.unacked_limit =
        Some(UnackedLimit { frames: 50, within: Duration::from_secs(2) });
    let mut world = World::new(config);
    let outcome = world.run_for(Duration::from_secs(1));
    assert!(!lost(&outcome), "{outcome}");
    world.cut(Node::Consumer(0), true);
    let outcome = world.run_for(Duration::from_secs(2));
    assert!(outcome.publishers[0].has(consumer_lost), "{outcome}");
    assert!(format!("{:?}", outcome.publishers[0].events).contains("TooManyUnacked"), "{outcome}");
}

/// A process that was stopped while the bus restarted counts silence from when it runs again, once.
#[test]
fn time_stopped_is_not_counted_twice_after_a_restart_of_the_bus() {
    for (stopped, killed) in
        [(Node::Publisher(0), Node::Consumer(0)), (Node::Consumer(0), Node::Publisher(0))]
    {
        let mut world = World::new(endless(23));
        world.run_for(Duration::from_secs(1));
        world.stop(stopped, true);
        world.kill(killed);
        world.bus_down();
        world.bus_up();
        world.run_for(Duration::from_secs(9));
        world.stop(stopped, false);
        let outcome = world.run(Duration::from_millis(11_500));
        let ended = outcome.publishers[0].has(consumer_lost)
            || outcome.consumers[0].has(|event| matches!(event, ReceiverEvent::Failed(_)));
        assert!(ended, "{killed} is not timed out: {outcome}");
    }
}
