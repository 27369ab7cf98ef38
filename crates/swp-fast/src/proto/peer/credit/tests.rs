use bytes::Bytes;

use super::*;
use crate::proto::Position;
use crate::testing::{ack, seq};
use crate::wire::PeerId;

const WINDOW: Window = Window { frames: 10, bytes: 1_000 };

fn slot(number: u64, end_bytes: u64) -> Slot {
    let position = Position::default();
    Slot { seq: seq(number), frame: Bytes::new(), end_bytes, sent_at: None, position }
}

#[test]
fn an_open_window_begins_at_the_start_and_a_closed_one_waits_for_the_first_ack() {
    let open = PeerCredit::new(seq(5), 500, WINDOW, true);
    assert_eq!(open.get(), Credit { frames: seq(15), bytes: 1_500 });
    let mut closed = PeerCredit::new(seq(5), 500, WINDOW, false);
    assert_eq!(closed.get(), Credit { frames: seq(5), bytes: 500 });
    assert!(closed.take(&ack(PeerId(1), 5).with_credit(9, 900)));
    assert_eq!(closed.get(), Credit { frames: seq(9), bytes: 900 });
}

#[test]
fn credit_never_shrinks_and_never_exceeds_the_window() {
    let mut credit = PeerCredit::new(seq(0), 0, WINDOW, true);
    assert!(!credit.take(&ack(PeerId(1), 1).with_credit(4, 100)));
    assert!(credit.take(&ack(PeerId(1), 2).with_credit(1_000, 2_000)));
    assert_eq!(credit.get(), Credit { frames: seq(12), bytes: 2_000 });
    assert_eq!(credit.consumed_bytes(), 1_000);
}

#[test]
fn a_frame_needs_credit_in_frames_and_in_bytes() {
    let credit = PeerCredit::new(seq(0), 0, WINDOW, true);
    assert!(credit.allows(&slot(9, 1_000)));
    assert!(!credit.allows(&slot(10, 1_000)) && !credit.allows(&slot(9, 1_001)));
    assert!(credit.is_open_at(seq(9), 999));
    assert!(!credit.is_open_at(seq(10), 999) && !credit.is_open_at(seq(9), 1_000));
    assert!(!credit.blocks(seq(9), 1_000));
    assert!(credit.blocks(seq(10), 1_000) && credit.blocks(seq(9), 1_001));
}
