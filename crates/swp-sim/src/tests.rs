use swp_fast::sim::{SimConfig, World};

use super::{attempt, attempt_seed};

#[test]
fn what_the_checker_says_becomes_an_error() {
    let result = attempt(|| {
        let mut config = SimConfig::new(99);
        config.publish.frame_bytes = 0;
        World::new(config);
        unreachable!("a world with frames of no bytes");
    });
    let what = result.err().unwrap();
    assert!(what.starts_with("seed 99: frame_bytes is 0"), "{what}");
}

#[test]
fn a_seed_that_passes_tells_its_plan() {
    let (plan, result) = attempt_seed(1);
    assert_eq!(plan.unwrap().config.seed, 1);
    assert!(result.unwrap().frames > 0);
}
