//! Seeds that each decide a whole run: the weather, the windows, who stops and when. The command
//! `swp-sim` runs as many as there is time for; here are enough to see that nothing is badly broken, and
//! the checks of the swarm itself.
#![cfg(feature = "sim")]

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use swp_fast::config::LateJoin;
use swp_fast::sim::swarm::{End, Feature, Plan};
use swp_fast::sim::{Node, SimConfig, World};
use swp_fast::wire::{Control, Sealer, SessionId, Syn};

/// 200 of them, or as many as SWP_SIM_SEEDS says.
fn seeds() -> std::ops::Range<u64> {
    let wanted = std::env::var("SWP_SIM_SEEDS").ok().and_then(|count| count.parse().ok());
    0..wanted.unwrap_or(200)
}

#[test]
fn seeds_of_all_kinds() {
    let complete = seeds().filter(|seed| Plan::draw(*seed).run().end == End::Complete).count();
    // Some seeds end sessions, by time-outs shorter than their outages, by those who give up, or by processes that
    // are started again without what they need: they must not be the rule.
    assert!(complete * 10 > seeds().count() * 6, "only {complete} complete");
}

/// The trace as one number, and how many lines it has.
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

/// To watch a run must not change it.
#[test]
fn a_trace_changes_nothing() {
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

/// The demand for progress is worth nothing if it is met by a stream that stands still.
#[test]
fn a_stream_that_stands_still_makes_no_progress() {
    let mut config = SimConfig::new(1);
    config.messages = vec![1_000; 500];
    config.write_interval = Duration::from_millis(1);
    config.publish.idle_timeout = Duration::from_secs(3_600);
    let mut world = World::new(config);
    world.pass(Duration::from_millis(100));
    world.cut(Node::Consumer(0), true);
    // What was under way arrives.
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
fn who_lives_on_a_healed_network_may_not_be_given_up() {
    let mut config = SimConfig::new(2);
    config.messages = vec![1_000; 2_000];
    config.write_interval = Duration::from_millis(10);
    let mut world = World::new(config);
    world.pass(Duration::from_millis(100));
    world.heal();
    world.pass(Duration::from_millis(100));
    // Against what was promised, it cannot be heard any more.
    world.lose_where(|transit| transit.from == Node::Consumer(0));
    world.pass(Duration::from_secs(30));
}

/// A copy of a consumer's SYN that comes after it was given up lets it in once more: it is missed anew.
#[test]
fn who_is_let_in_after_its_end_is_missed_until_it_is_given_up_again() {
    let mut config = SimConfig::new(3);
    config.consumers = 2;
    config.publish.late_join = LateJoin::FromNow;
    config.finish = false;
    let mut world = World::new(config.clone());
    world.pass(Duration::from_millis(100));
    world.kill(Node::Consumer(1));
    assert!(world.someone_is_missed());
    world.pass(Duration::from_secs(12));
    assert!(!world.someone_is_missed(), "it was given up");
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
    assert!(world.someone_is_missed(), "it takes part again, as far as its publisher knows");
    world.pass(Duration::from_secs(12));
    assert!(!world.someone_is_missed(), "it was given up again");
}
