//! Seeds that each decide a whole run: the faults, the windows, which process stops and when. The
//! command `swp-sim` runs many seeds. Here are a few, and the checks of the swarm itself.
#![cfg(feature = "sim")]

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use swp_fast::config::LateJoin;
use swp_fast::sim::swarm::{End, Feature, Plan};
use swp_fast::sim::{Node, SimConfig, World};
use swp_fast::wire::{Control, Sealer, SessionId, Syn};

/// 200 seeds, or as many as SWP_SIM_SEEDS says.
fn seeds() -> std::ops::Range<u64> {
    let wanted = std::env::var("SWP_SIM_SEEDS").ok().and_then(|count| count.parse().ok());
    0..wanted.unwrap_or(200)
}

#[test]
fn most_seeds_complete_and_none_breaks_a_rule() {
    let complete = seeds().filter(|seed| Plan::draw(*seed).run().end == End::Complete).count();
    // Some seeds end sessions: by time-outs shorter than their outages, by consumers that leave, or
    // by processes that cannot resume.
    assert!(complete * 10 > seeds().count() * 6, "only {complete} complete");
}

/// Returns the checksum of the trace, and the number of its lines.
fn trace_of(seed: u64) -> (u64, u64) {
    let digest = crc_fast::Digest::new(crc_fast::CrcAlgorithm::Crc32Iscsi);
    let trace = Rc::new(RefCell::new((digest, 0)));
    let sink = Rc::clone(&trace);
    Plan::draw(seed).run_traced(move |line| {
        let (digest, lines) = &mut *sink.borrow_mut();
        digest.update(line.as_bytes());
        digest.update(b"\n");
        *lines += 1;
    });
    let (digest, lines) = &*trace.borrow();
    (digest.finalize(), *lines)
}

#[test]
fn a_seed_gives_one_trace_byte_for_byte() {
    let mut sums = std::collections::BTreeSet::new();
    for seed in 0..40 {
        let (sum, lines) = trace_of(seed);
        assert_eq!(trace_of(seed), (sum, lines), "seed {seed}");
        assert!(lines > 30, "seed {seed} has {lines} lines");
        sums.insert(sum);
    }
    assert_eq!(sums.len(), 40, "seeds give different traces");
}

#[test]
fn a_trace_does_not_change_the_run() {
    for seed in 0..20 {
        let plan = Plan::draw(seed);
        let (watched, alone) = (plan.run_traced(|_| {}), plan.run());
        assert_eq!(format!("{watched:?}"), format!("{alone:?}"));
    }
}

#[test]
fn every_feature_is_drawn_and_not_always() {
    let plans: Vec<Plan> = (0..400).map(Plan::draw).collect();
    for feature in Feature::ALL {
        let with = plans.iter().filter(|plan| plan.has(feature)).count();
        assert!((10..300).contains(&with), "{with} of 400 seeds have {}", feature.name());
    }
}

#[test]
fn a_stream_that_stands_still_makes_no_progress() {
    let mut config = SimConfig::new(1);
    config.messages = vec![1_000; 500];
    config.write_interval = Duration::from_millis(1);
    config.publish.idle_timeout = Duration::from_secs(3_600);
    let mut world = World::new(config);
    world.pass(Duration::from_millis(100));
    world.cut(Node::Consumer(0), true);
    // The frames on their way arrive.
    world.pass(Duration::from_millis(100));
    world.pause_reading(0, true);
    world.pass(Duration::from_secs(2));
    let before = world.progress();
    assert!(world.run_while(Duration::from_secs(60), |world| world.progress() == before));
    world.heal();
    assert!(!world.run_while(Duration::from_secs(2), |world| world.progress() == before));
    world.run(Duration::from_secs(60));
    assert!(world.is_settled());
}

#[test]
#[should_panic(expected = "runs and was not heard")]
fn peer_that_runs_on_a_healed_network_may_not_be_timed_out() {
    let mut config = SimConfig::new(2);
    config.messages = vec![1_000; 2_000];
    config.write_interval = Duration::from_millis(10);
    let mut world = World::new(config);
    world.pass(Duration::from_millis(100));
    world.heal();
    world.pass(Duration::from_millis(100));
    // Although all has healed, the consumer cannot be heard any more.
    world.lose_where(|transit| transit.from == Node::Consumer(0));
    world.pass(Duration::from_secs(30));
}

/// A copy of a consumer's SYN that arrives after the consumer was timed out lets it in once more.
#[test]
fn consumer_let_in_by_a_late_syn_is_missed_until_it_is_timed_out_again() {
    let mut config = SimConfig::new(3);
    config.consumers = 2;
    config.publish.late_join = LateJoin::FromNow;
    config.finish = false;
    let mut world = World::new(config.clone());
    world.pass(Duration::from_millis(100));
    world.kill(Node::Consumer(1));
    assert!(world.an_endpoint_is_missed());
    world.pass(Duration::from_secs(12));
    assert!(!world.an_endpoint_is_missed(), "the consumer was timed out");
    let peer = world.consumer_id(1);
    let syn = Syn {
        peer,
        name: "c1".to_owned(),
        tag: String::new(),
        window_frames: config.subscribe.window_frames,
        window_bytes: config.subscribe.window_bytes,
        max_message_bytes: config.subscribe.max_message_bytes,
        resume: None,
    };
    let late = Sealer::default().seal_control(
        SessionId(peer.0),
        0,
        swp_fast::wire::Seq::ZERO,
        &Control::Syn(syn),
    );
    world.inject(Node::Publisher(0), late);
    world.pass(Duration::from_millis(10));
    assert!(world.an_endpoint_is_missed(), "the consumer is a peer again");
    world.pass(Duration::from_secs(12));
    assert!(!world.an_endpoint_is_missed(), "the consumer was timed out again");
}
