use bytes::Bytes;
use proptest::prelude::*;

use super::RetransmitQueue;
use crate::proto::Position;
use crate::wire::Seq;

fn seq(number: u64) -> Seq {
    Seq::ZERO.advance(number)
}

fn frame(number: u64) -> Bytes {
    Bytes::copy_from_slice(&number.to_be_bytes())
}

proptest! {
    /// Pushing and releasing in any order: exactly what lies between is found, as it was put in.
    #[test]
    fn holds_what_was_pushed_and_not_released(steps in prop::collection::vec((any::<bool>(), 0..8u64), 0..200)) {
        let mut queue = RetransmitQueue::default();
        let (mut first, mut next) = (0, 0);
        for (push, count) in steps {
            if push {
                for _ in 0..count {
                    queue.push(frame(next), (next + 1) * 10, Position::default());
                    next += 1;
                }
            } else {
                first = next.min(first + count);
                queue.release_below(seq(first));
            }
            prop_assert_eq!((queue.first_seq(), queue.next_seq()), (seq(first), seq(next)));
            prop_assert_eq!(queue.len() as u64, next - first);
            prop_assert_eq!(queue.first_bytes(), first * 10);
            for number in first.saturating_sub(3)..next + 3 {
                let held = queue.get(seq(number)).map(|slot| (slot.frame.clone(), slot.end_bytes));
                let expected = (number >= first && number < next)
                    .then(|| (frame(number), (number + 1) * 10));
                prop_assert_eq!(held, expected);
            }
        }
    }
}

#[test]
fn releasing_more_than_is_there_ends_at_the_last() {
    let mut queue = RetransmitQueue::default();
    queue.push(frame(0), 10, Position::default());
    queue.release_below(seq(100));
    assert_eq!((queue.first_seq(), queue.next_seq(), queue.len()), (seq(1), seq(1), 0));
    assert!(queue.get_mut(seq(0)).is_none());
}
