use super::*;
use crate::testing::seq;

#[test]
fn a_consumer_catches_up_once_it_listens_and_was_sent_all_before() {
    let mut catch_up = CatchUp::new(seq(0), 0, false);
    assert_eq!(catch_up.poll_next(seq(4), seq(5)), Next::Frame(seq(4)));
    assert!(!catch_up.take_tell(), "frames are left");
    assert_eq!(catch_up.poll_next(seq(5), seq(5)), Next::Nothing);
    assert!(catch_up.take_tell() && !catch_up.take_tell());
    catch_up.note_listens(seq(7));
    catch_up.note_listens(seq(9));
    assert_eq!(catch_up.poll_next(seq(6), seq(20)), Next::Frame(seq(6)));
    assert_eq!(catch_up.poll_next(seq(7), seq(20)), Next::CaughtUp);
    assert!(catch_up.is_caught_up() && catch_up.is_over());
}

#[test]
fn a_consumer_that_was_not_told_to_listen_does_not_listen() {
    let mut catch_up = CatchUp::new(seq(0), 0, false);
    catch_up.note_listens(seq(1));
    assert!(!catch_up.listens());
}

#[test]
fn frames_read_again_are_kept_until_they_are_held() {
    let mut catch_up = CatchUp::new(seq(0), 0, true);
    catch_up.push_reread(Bytes::from_static(b"a"), 1);
    catch_up.push_reread(Bytes::from_static(b"b"), 2);
    catch_up.note_listens(seq(2));
    assert_eq!(catch_up.poll_next(seq(2), seq(2)), Next::CaughtUp);
    catch_up.release_below(seq(1));
    assert!(!catch_up.is_over() && catch_up.reread().get(seq(1)).is_some());
    catch_up.release_below(seq(2));
    assert!(catch_up.is_over());
}
