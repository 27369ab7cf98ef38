use super::*;
use crate::testing::at_ms as at;

#[test]
fn a_move_tells_the_next_generation_and_completes_there() {
    let mut group = GroupMove::new();
    assert!(!group.begin(at(0)));
    group.want();
    assert!(group.begin(at(1)));
    assert_eq!((group.generation(), group.told(), group.due_ask(at(1))), (1, 2, Some(0)));
    group.note_asked(at(9));
    assert_eq!((group.due_ask(at(8)), group.due_ask(at(9))), (None, Some(1)));
    group.complete();
    assert_eq!((group.generation(), group.told(), group.next_at(at(9))), (2, 2, None));
    assert!(!group.begin(at(10)));
}

#[test]
fn consumers_that_are_lost_during_a_move_cause_one_more() {
    let mut group = GroupMove::new();
    group.want();
    group.begin(at(0));
    group.want();
    group.want();
    group.complete();
    assert!(group.begin(at(1)), "the next move begins");
    group.complete();
    assert!(!group.begin(at(2)));
    assert_eq!(group.generation(), 3);
}

#[test]
fn data_waits_for_a_move_no_longer_than_the_pause() {
    let mut group = GroupMove::new();
    group.want();
    group.begin(at(0));
    group.note_asked(at(80));
    assert!(group.pauses(at(49)) && !group.pauses(at(50)));
    assert_eq!((group.next_at(at(10)), group.next_at(at(60))), (Some(at(50)), Some(at(80))));
}
