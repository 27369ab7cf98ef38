use super::*;
use crate::testing::Frames;
use crate::wire::{FinAck, SessionId};

const IDS: SenderIds = SenderIds { session: SessionId(5), epoch: 1, inbox: PeerId(6) };

fn closed(id: u64) -> (Dest, Control) {
    (Dest::Peer(PeerId(id)), Control::Closed(FinAck { peer: PeerId(id) }))
}

fn push(queue: &mut ControlQueue, id: u64) -> bool {
    let (to, control) = closed(id);
    queue.push(to, &control)
}

fn number(frame: &Bytes) -> u64 {
    Frames::new(IDS.session, IDS.epoch).open(frame).header.seq.get()
}

#[test]
fn numbers_ascend_over_queued_and_immediate_frames() {
    let mut queue = ControlQueue::new(IDS, None);
    assert!(push(&mut queue, 1));
    assert_eq!(number(&queue.seal(&closed(2).1)), 2);
    assert!(push(&mut queue, 3));
    let queued: Vec<u64> =
        std::iter::from_fn(|| queue.pop()).map(|sent| number(&sent.frame)).collect();
    assert_eq!(queued, [1, 3]);
}

#[test]
fn a_full_queue_drops_the_frame_and_says_so() {
    let mut queue = ControlQueue::new(IDS, None);
    assert!((0..MAX_CONTROL).all(|_| push(&mut queue, 1)));
    assert!(!push(&mut queue, 2));
    assert!(queue.pop().is_some() && push(&mut queue, 3));
}

#[test]
fn frames_for_a_removed_consumer_are_dropped_and_all_others_stay() {
    let mut queue = ControlQueue::new(IDS, None);
    assert!([1, 2, 1, 3].into_iter().all(|id| push(&mut queue, id)));
    queue.drop_for(PeerId(1));
    let left: Vec<Dest> = std::iter::from_fn(|| queue.pop()).map(|sent| sent.to).collect();
    assert_eq!(left, [Dest::Peer(PeerId(2)), Dest::Peer(PeerId(3))]);
}
