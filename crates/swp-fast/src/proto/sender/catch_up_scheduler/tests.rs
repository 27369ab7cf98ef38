use super::*;
use crate::testing::{at_ms as at, at_us};

fn behind() -> CatchUpScheduler {
    let mut scheduler = CatchUpScheduler::new(at(0));
    scheduler.set_behind(1);
    scheduler
}

#[test]
fn nothing_is_sent_while_nobody_catches_up_or_the_link_is_busy() {
    let mut scheduler = behind();
    assert!(scheduler.may_send(at(10), true));
    scheduler.handle_link(true);
    assert!(!scheduler.may_send(at(10), true));
    scheduler.handle_link(false);
    scheduler.note_caught_up();
    assert!(!scheduler.may_send(at(10), true));
    assert_eq!(scheduler.next_at(at(0), true), None);
}

#[test]
fn the_group_leaves_a_share_of_its_frames() {
    let mut scheduler = behind();
    for sent in 1..=GROUP_SHARE {
        scheduler.note_group_data(at(1));
        assert_eq!(scheduler.may_send(at(1), true), sent == GROUP_SHARE);
    }
    scheduler.note_sent(PeerId(7));
    assert!(!scheduler.may_send(at(1), true));
    assert_eq!(scheduler.last_sent(), PeerId(7));
    (0..1_000).for_each(|_| scheduler.note_group_data(at(1)));
    let sent = (0..).take_while(|_| {
        let may = scheduler.may_send(at(1), true);
        scheduler.note_sent(PeerId(7));
        may
    });
    assert_eq!(sent.count() as u32, MAX_AT_ONCE);
}

#[test]
fn a_silent_group_leaves_all_and_a_stalled_one_leaves_it_later() {
    let mut scheduler = behind();
    scheduler.note_group_data(at(1));
    assert!(scheduler.may_send(at_us(1_250), true));
    assert!(!scheduler.may_send(at_us(1_250), false) && scheduler.may_send(at(3), false));
    assert_eq!(scheduler.next_at(at(1), true), Some(at_us(1_250)));
    assert_eq!(scheduler.next_at(at(1), false), Some(at(3)));
    assert_eq!(scheduler.next_at(at(3), false), None);
}

#[test]
fn frames_in_flight_follow_those_of_the_group() {
    assert_eq!(CatchUpScheduler::most_in_flight(0), 64);
    assert_eq!(CatchUpScheduler::most_in_flight(4_096), 512);
}
