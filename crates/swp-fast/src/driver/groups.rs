//! A consumer's subscriptions to the group: one for each generation that it listens to.

use std::task::{Context, Poll};

use async_nats::{Message, Subscriber as Subscription};
use futures_util::StreamExt;

use super::link::{Link, LinkError};
use crate::proto::FIRST_GENERATION;

struct Group {
    generation: u32,
    subscription: Subscription,
    /// The server was told to send no more; what it had sent is still taken.
    left: bool,
}

/// See the module. At most three are listened to, see [`crate::proto::Receiver::generations`]; others are being
/// left, and gone with the last message that came.
pub(super) struct Groups(Vec<Group>);

impl Groups {
    /// Listens to the first generation.
    pub(super) fn new(subscription: Subscription) -> Groups {
        Groups(vec![Group { generation: FIRST_GENERATION, subscription, left: false }])
    }

    /// Whether it listens to these, and to no others.
    pub(super) fn are(&self, generations: impl Iterator<Item = u32> + Clone) -> bool {
        let mut listened = self.0.iter().filter(|group| !group.left).map(|group| group.generation);
        let all = generations.clone().all(|wanted| listened.clone().any(|is| is == wanted));
        all && listened.all(|is| generations.clone().any(|wanted| is == wanted))
    }

    /// Listens to these generations, which ascend, and to no others.
    pub(super) async fn follow(
        &mut self,
        link: &mut Link,
        generations: impl Iterator<Item = u32> + Clone,
    ) -> Result<(), LinkError> {
        for group in self.0.iter_mut().filter(|group| !group.left) {
            if !generations.clone().any(|wanted| wanted == group.generation) {
                group.left = true;
                // Where the connection is gone, so is the subscription.
                let _ = link.unless_lost(group.subscription.drain()).await?;
            }
        }
        for generation in generations {
            if !self.0.iter().any(|group| group.generation == generation && !group.left) {
                let subscription = link.subscribe_group(generation).await?;
                self.0.push(Group { generation, subscription, left: false });
            }
        }
        Ok(())
    }

    /// The next message of any of them, never where there is none. The oldest subscription first: what the group
    /// was sent before it moved came before the rest.
    pub(super) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Message> {
        let mut at = 0;
        while let Some(group) = self.0.get_mut(at) {
            match group.subscription.poll_next_unpin(cx) {
                Poll::Ready(Some(message)) => return Poll::Ready(message),
                // It was left, or the client is closed, which the link tells.
                Poll::Ready(None) => drop(self.0.remove(at)),
                Poll::Pending => at += 1,
            }
        }
        Poll::Pending
    }
}
