use super::*;
use crate::proto::receiver::tests::seq;

fn fin(end: u64) -> Fin {
    Fin { end: seq(end), trailer: Bytes::from_static(b"bye") }
}

#[test]
fn the_first_fin_sets_the_end_and_the_trailer() {
    let mut end = StreamEnd::default();
    assert_eq!(end.trailer(), None);
    assert!(!end.is_before(seq(u64::MAX >> 2)) && !end.is_reached(seq(0)));
    assert_eq!(end.announce(fin(3), seq(3)), Ok(()));
    assert_eq!(end.trailer(), Some(&Bytes::from_static(b"bye")));
    assert!(end.is_before(seq(3)) && !end.is_before(seq(2)));
    assert!(end.is_reached(seq(3)) && !end.is_reached(seq(2)));
}

#[test]
fn an_end_below_what_is_held_is_refused() {
    let mut end = StreamEnd::default();
    assert_eq!(end.announce(fin(3), seq(4)), Err(WrongEnd::BelowHeld));
    assert_eq!(end.trailer(), None);
}

#[test]
fn an_end_does_not_move() {
    let mut end = StreamEnd::default();
    assert_eq!(end.announce(fin(3), seq(0)), Ok(()));
    for moved in [2, 4] {
        assert_eq!(end.announce(fin(moved), seq(0)), Err(WrongEnd::Moved));
    }
    assert_eq!(end.announce(fin(3), seq(3)), Ok(()));
    assert!(end.is_reached(seq(3)));
}

#[test]
fn the_end_is_acknowledged_to_the_publisher_that_has_announced_it() {
    let mut end = StreamEnd::default();
    assert_eq!(end.announce(fin(3), seq(3)), Ok(()));
    assert!(!end.may_acknowledge());
    end.await_announcement();
    end.confirm();
    assert!(end.is_confirmed() && !end.may_acknowledge());
    assert_eq!(end.announce(fin(3), seq(3)), Ok(()));
    assert!(end.may_acknowledge());
}
