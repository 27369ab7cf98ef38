use std::time::Duration;

use super::*;

/// Two consumers that left, and two that were lost by the policy for slow consumers.
fn lost() -> LostConsumers {
    let mut lost = LostConsumers::default();
    lost.add(PeerId(1), "a", &LostReason::Left("bye".to_owned()));
    lost.add(PeerId(2), "b", &LostReason::Stalled(Duration::from_secs(5)));
    lost.add(PeerId(3), "c", &LostReason::LeftBehind);
    lost.add(PeerId(4), "d", &LostReason::TimedOut(Duration::from_secs(10)));
    lost
}

#[test]
fn lost_consumers_make_a_replay_fail_and_are_named() {
    let error = lost().check().expect_err("two consumers were lost");
    assert_eq!(error.exit_code(), 4);
    assert_eq!(
        error.to_string(),
        "2 consumers were lost before the end: a: it left: bye; d: nothing heard for 10.0 s"
    );
}

#[test]
fn slow_consumers_lost_by_policy_are_reported_and_do_not_make_a_replay_fail() {
    let mut lost = lost();
    lost.joined(Some(PeerId(1)));
    lost.joined(Some(PeerId(4)));
    assert!(lost.check().is_ok());
    let names: Vec<Value> = lost.to_json().as_array().expect("an array").clone();
    assert_eq!(names.len(), 2);
    assert_eq!(names[0]["name"], "b");
    assert_eq!(names[0]["reason"], LostReason::Stalled(Duration::from_secs(5)).to_string());
    assert_eq!(names[1]["name"], "c");
}

#[test]
fn consumer_that_replaces_no_other_leaves_the_lost_ones() {
    let mut lost = lost();
    lost.joined(None);
    lost.joined(Some(PeerId(9)));
    assert_eq!(lost.to_json().as_array().map(Vec::len), Some(4));
}

#[test]
fn only_an_interruption_counts_the_messages_that_were_sent() {
    let interrupted = count_sent(Error::Interrupted("interrupted".to_owned()), 1000, 2000);
    assert_eq!(
        interrupted.to_string(),
        format!("interrupted: {} of {} messages were sent", show_count(1000), show_count(2000))
    );
    assert_eq!(interrupted.exit_code(), 130);
    let other = count_sent(Error::Failed("no server".to_owned()), 1000, 2000);
    assert_eq!(other.to_string(), "no server");
}
