use super::*;

#[test]
fn the_reasons_of_the_newest_evictions_are_kept() {
    let mut membership = Membership::new();
    for id in 0..=MAX_EVICTED as u64 {
        membership.note_evicted(PeerId(id), format!("reason {id}"));
    }
    assert_eq!(membership.eviction(PeerId(0)), None);
    assert_eq!(membership.eviction(PeerId(1)), Some("reason 1"));
    assert_eq!(membership.eviction(PeerId(64)), Some("reason 64"));
}

#[test]
fn a_joining_consumer_only_raises_the_number_that_was_told() {
    let mut membership = Membership::new();
    assert_eq!(membership.consumers_told(), 1);
    membership.tell_joining(8);
    membership.tell_joining(3);
    assert_eq!(membership.consumers_told(), 8);
    membership.tell(3);
    assert_eq!(membership.consumers_told(), 3);
}
