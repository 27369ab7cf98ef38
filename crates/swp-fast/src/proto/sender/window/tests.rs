use super::*;
use crate::testing::{at_ms as at, seq};

/// A window that retains two frames, or 100 bytes.
fn window() -> SendWindow {
    let config =
        PublishConfig { retained_frames: 2, retained_bytes: 100, ..PublishConfig::default() };
    SendWindow::new(&config)
}

fn push(window: &mut SendWindow, body_len: usize) {
    window.push(Bytes::new(), body_len, Position::default());
}

fn credit(frames: u64, bytes: u64) -> Credit {
    Credit { frames: seq(frames), bytes }
}

#[test]
fn frames_are_sent_in_the_order_in_which_they_were_written() {
    let mut window = window();
    assert_eq!((window.next_end_bytes(), window.is_drained()), (1, true));
    push(&mut window, 40);
    push(&mut window, 30);
    assert_eq!((window.next_end_bytes(), window.is_drained()), (40, false));
    assert!(window.send(at(1)).is_some());
    assert_eq!((window.unsent(), window.sent_bytes(), window.next_end_bytes()), (seq(1), 40, 70));
    window.skip();
    assert_eq!((window.unsent(), window.sent_bytes()), (seq(2), 70));
    assert!(window.is_drained() && window.send(at(2)).is_none());
    let sent_at = |number| window.queue().get(seq(number)).and_then(|slot| slot.sent_at);
    assert_eq!((sent_at(0), sent_at(1)), (Some(at(1)), None), "a skipped frame was not sent");
}

#[test]
fn credit_and_retention_bound_what_is_sent() {
    let mut window = window();
    push(&mut window, 40);
    assert!(window.allows(credit(1, 40), 40));
    assert!(!window.allows(credit(0, 40), 40) && !window.allows(credit(1, 39), 40));
    assert!(!window.allows(credit(9, 900), 101), "more bytes than may be retained");
    window.send(at(1));
    push(&mut window, 40);
    window.send(at(1));
    push(&mut window, 10);
    assert!(!window.allows(credit(9, 900), 10), "more frames than may be retained");
    window.release_below(seq(1));
    assert!(window.allows(credit(9, 900), 10));
}

#[test]
fn frames_that_wait_are_never_released() {
    let mut window = window();
    push(&mut window, 1);
    push(&mut window, 1);
    window.send(at(1));
    window.release_below(seq(9));
    assert_eq!((window.queue().first_seq(), window.queue().len()), (seq(1), 1));
}
