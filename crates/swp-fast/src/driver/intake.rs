//! A consumer's subscriptions: takes the frames that have arrived and hands them to the receiver.
//!
//! A consumer subscribes to its inbox, and to each generation of the group that the receiver names.

use std::sync::Mutex;
use std::task::{Context, Poll};

use bytes::Bytes;

use super::connection::{Connection, ConnectionError};
use super::lock;
use super::pace::Pace;
use crate::link::Subscription;
use crate::proto::{FIRST_GENERATION, Receiver};
use crate::time::Time;

/// Frames taken in one turn before an ack goes out: half a MiB of full frames, and 2 MiB at most
/// where several consumers have the stream. That is a small part of the default window, so that a
/// long queue never stalls the publisher.
const FRAMES_PER_TURN: usize = 32;

/// The subscription to one generation of the group.
struct Group {
    generation: u32,
    subscription: Box<dyn Subscription>,
    /// The broker sends no more. The frames that it had sent before are still taken.
    drained: bool,
}

/// See the [module](self). At most three generations are subscribed to, see
/// [`crate::proto::Receiver::generations`]. Drained ones go with their last frame.
pub(super) struct Intake {
    groups: Vec<Group>,
    inbox: Box<dyn Subscription>,
    pace: Pace,
}

/// The subscriptions that a consumer begins with.
pub(crate) struct ConsumerSubscriptions {
    /// The first generation of the group.
    pub(crate) data: Box<dyn Subscription>,
    pub(crate) inbox: Box<dyn Subscription>,
}

/// What one turn took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Taken {
    pub(super) frames: usize,
    /// Nothing is left. The waker of the turn is woken when more arrives.
    pub(super) all: bool,
}

impl Taken {
    pub(super) const NOTHING: Taken = Taken { frames: 0, all: true };
}

impl Intake {
    pub(super) fn new(subscriptions: ConsumerSubscriptions) -> Intake {
        let ConsumerSubscriptions { data: subscription, inbox } = subscriptions;
        let first = Group { generation: FIRST_GENERATION, subscription, drained: false };
        Intake { groups: vec![first], inbox, pace: Pace::default() }
    }

    /// Hands the receiver what has arrived, at most one turn's worth.
    pub(super) fn take(
        &mut self,
        context: &mut Context<'_>,
        now: Time,
        receiver: &Mutex<Receiver>,
    ) -> Taken {
        let mut taken = Taken { frames: 0, all: false };
        while taken.frames < FRAMES_PER_TURN {
            let Poll::Ready(frame) = self.poll_next(context) else {
                taken.all = true;
                break;
            };
            lock(receiver).handle_frame(now, &frame);
            taken.frames += 1;
        }
        self.pace.note(now, taken.frames as u64);
        taken
    }

    /// Returns whether frames come as a stream.
    pub(super) fn is_streaming(&self) -> bool {
        self.pace.is_streaming()
    }

    /// Polls the group before the inbox: a probe that overtook data here would make the data look
    /// lost. Polls the oldest generation first: the group got its frames before it moved.
    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Bytes> {
        let mut at = 0;
        while let Some(group) = self.groups.get_mut(at) {
            match group.subscription.poll_next(context) {
                Poll::Ready(Some(frame)) => return Poll::Ready(frame),
                // The subscription was drained, or the link is closed, which the next
                // publish shows.
                Poll::Ready(None) => drop(self.groups.remove(at)),
                Poll::Pending => at += 1,
            }
        }
        match self.inbox.poll_next(context) {
            Poll::Ready(Some(frame)) => Poll::Ready(frame),
            Poll::Ready(None) | Poll::Pending => Poll::Pending,
        }
    }

    /// Returns whether exactly these generations are subscribed to.
    pub(super) fn follows(&self, generations: impl Iterator<Item = u32> + Clone) -> bool {
        let live = self.groups.iter().filter(|group| !group.drained);
        let mut followed = live.map(|group| group.generation);
        let all = generations.clone().all(|wanted| followed.clone().any(|is| is == wanted));
        all && followed.all(|is| generations.clone().any(|wanted| is == wanted))
    }

    /// Subscribes to these generations, which ascend, and drains all others.
    pub(super) async fn follow(
        &mut self,
        connection: &mut Connection,
        generations: impl Iterator<Item = u32> + Clone,
    ) -> Result<(), ConnectionError> {
        for group in self.groups.iter_mut().filter(|group| !group.drained) {
            if !generations.clone().any(|wanted| wanted == group.generation) {
                group.drained = true;
                connection.unless_lost(group.subscription.drain()).await?;
            }
        }
        for generation in generations {
            if !self.groups.iter().any(|group| group.generation == generation && !group.drained) {
                let subscription = connection.subscribe_group(generation).await?;
                self.groups.push(Group { generation, subscription, drained: false });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
