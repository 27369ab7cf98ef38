use super::*;
use crate::proto::receiver::tests::ms;

#[test]
fn a_first_join_has_no_deadline() {
    let mut joining = Joining::starting_at(ms(5));
    assert_eq!(joining.next_at(), ms(5));
    assert!(joining.take_due_syn(ms(5), Duration::MAX));
    joining.postpone(Duration::from_secs(1));
    assert_eq!(joining.next_at(), ms(105));
    assert_eq!(joining.expired(ms(1_000_000)), None);
}

#[test]
fn readmission_is_awaited_until_its_deadline() {
    let mut joining = Joining::after_removal(ms(0), "nothing heard".to_owned(), ms(50));
    assert!(joining.take_due_syn(ms(0), Duration::MAX));
    assert_eq!(joining.next_at(), ms(50));
    assert_eq!(joining.expired(ms(49)), None);
    assert_eq!(joining.expired(ms(50)), Some("nothing heard"));
}

#[test]
fn a_stopped_process_gets_its_time_for_readmission_back() {
    let mut joining = Joining::after_removal(ms(0), "nothing heard".to_owned(), ms(50));
    joining.postpone(Duration::from_millis(100));
    assert_eq!(joining.expired(ms(149)), None);
    assert!(joining.expired(ms(150)).is_some());
}
