//! Bounds, gaps, and accounted memory of a queue.

use proptest::{collection::vec, prelude::*};

use super::*;
use crate::message::{BufferId, Parts};

/// A message of a given size, sliced from a buffer or not.
fn message(size: usize, buffer: Option<BufferId>) -> Message {
    let parts = Parts { subject_end: 1, reply: (0, 0), header_start: 1, payload_start: 1 };
    Message { frame: vec![b's'; size.max(1)].into(), sid: 1, parts, buffer }
}

fn take(queue: &mut Queue) -> Option<Delivery> {
    match queue.take() {
        Taken::Delivery(delivery) => Some(delivery),
        Taken::Nothing | Taken::End => None,
    }
}

#[test]
fn an_overflow_is_told_where_messages_are_missing() {
    let mut queue = Queue::new(2, 1_000);
    for size in [10, 20, 30, 40] {
        queue.push(message(size, None), &mut Vec::new());
    }
    take(&mut queue);
    queue.push(message(50, None), &mut Vec::new());
    let expected = [
        Delivery::Message(message(20, None)),
        Delivery::Gap(Gap::Overflow { dropped: Amount { messages: 2, bytes: 70 } }),
        Delivery::Message(message(50, None)),
    ];
    let taken: Vec<_> = std::iter::from_fn(|| take(&mut queue)).collect();
    assert_eq!(taken, expected);
    let report = queue.report();
    assert_eq!(report.dropped, Amount { messages: 2, bytes: 70 });
    assert_eq!(report.delivered, Amount { messages: 3, bytes: 80 });
    assert_eq!((report.queued, report.peak.messages), (Amount::default(), 2));
}

#[test]
fn a_message_beyond_the_bound_fits_an_empty_queue() {
    let mut queue = Queue::new(10, 100);
    queue.push(message(500, None), &mut Vec::new());
    queue.push(message(1, None), &mut Vec::new());
    assert_eq!(queue.report().queued.messages, 1);
}

#[test]
fn a_disconnection_is_told_once_and_only_after_the_server_knew() {
    let mut queue = Queue::new(10, 100);
    queue.push_disconnected(&mut Vec::new());
    assert_eq!(queue.take(), Taken::Nothing);
    queue.activate(&mut Vec::new());
    queue.push_disconnected(&mut Vec::new());
    queue.push_disconnected(&mut Vec::new());
    assert_eq!(take(&mut queue), Some(Delivery::Gap(Gap::Disconnected)));
    queue.finish(SubscriptionEnd::Closed, &mut Vec::new());
    queue.finish(SubscriptionEnd::Denied, &mut Vec::new());
    assert_eq!((queue.take(), queue.end()), (Taken::End, Some(SubscriptionEnd::Closed)));
}

#[test]
fn what_is_queued_is_delivered_after_the_end() {
    let mut queue = Queue::new(10, 100);
    queue.push(message(5, None), &mut Vec::new());
    queue.finish(SubscriptionEnd::Drained, &mut Vec::new());
    queue.push(message(6, None), &mut Vec::new());
    assert_eq!(take(&mut queue), Some(Delivery::Message(message(5, None))));
    assert_eq!(queue.take(), Taken::End);
}

proptest! {
    /// Each step pushes a message of a buffer, or takes one.
    #[test]
    fn retained_memory_is_that_of_the_buffers_in_the_queue(
        steps in vec(prop_oneof![
            (1usize..100, 0u32..2, any::<bool>()).prop_map(Some),
            Just(None),
        ], 0..200),
    ) {
        let mut queue = Queue::new(1_000, 1_000);
        let mut generation = 0;
        for step in steps {
            match step {
                Some((size, next, sliced)) => {
                    generation += next;
                    let buffer = sliced.then_some(BufferId { generation, capacity: 300 });
                    queue.push(message(size, buffer), &mut Vec::new());
                }
                None => drop(take(&mut queue)),
            }
            let mut alive: Vec<_> = queue.entries.iter().filter_map(|entry| match &entry.delivery {
                Delivery::Message(message) => message.buffer.map(|buffer| buffer.generation),
                Delivery::Gap(_) => None,
            }).collect();
            alive.dedup();
            prop_assert_eq!(queue.report.retained_bytes, 300 * alive.len() as u64);
            prop_assert!(queue.report.retained_bytes <= 1_000);
        }
    }
}

#[test]
fn a_disconnection_between_a_message_and_the_answer_to_the_subscription_is_told() {
    let mut queue = Queue::new(10, 100);
    queue.push(message(1, None), &mut Vec::new());
    queue.push_disconnected(&mut Vec::new());
    queue.push(message(2, None), &mut Vec::new());
    let expected = [
        Delivery::Message(message(1, None)),
        Delivery::Gap(Gap::Disconnected),
        Delivery::Message(message(2, None)),
    ];
    assert!(std::iter::from_fn(|| take(&mut queue)).eq(expected));
}

#[test]
fn gaps_without_a_message_between_them_do_not_pile_up() {
    let mut queue = Queue::new(1, 100);
    queue.push(message(1, None), &mut Vec::new());
    for _ in 0..50 {
        queue.push(message(2, None), &mut Vec::new());
        queue.push_disconnected(&mut Vec::new());
    }
    let dropped = Amount { messages: 50, bytes: 100 };
    let expected = [
        Delivery::Message(message(1, None)),
        Delivery::Gap(Gap::Overflow { dropped }),
        Delivery::Gap(Gap::Disconnected),
    ];
    assert!(std::iter::from_fn(|| take(&mut queue)).eq(expected));
}

#[test]
fn buffers_of_two_connections_count_each_for_itself() {
    let mut queue = Queue::new(10, 1_000);
    // Each connection counts its buffers from the start.
    let buffer = Some(BufferId { generation: 1, capacity: 300 });
    queue.push(message(1, buffer), &mut Vec::new());
    queue.push_disconnected(&mut Vec::new());
    queue.push(message(1, buffer), &mut Vec::new());
    assert_eq!(queue.report().retained_bytes, 600);
    take(&mut queue);
    assert_eq!(queue.report().retained_bytes, 300);
}
