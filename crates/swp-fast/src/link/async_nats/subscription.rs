//! Receives the frames of one async-nats subscription.

use std::task::{Context, Poll};

use async_nats::Subscriber;
use bytes::Bytes;
use futures_util::StreamExt;

use crate::link::{LinkFuture, Subscription};

/// A frame below this size is copied out of the client's read buffer (64 KiB), which the frame
/// would keep alive otherwise. A larger frame keeps at most 32 times its own size alive.
const COPY_BYTES: usize = 2048;

/// See [`Subscription`].
pub(super) struct AsyncNatsSubscription(pub(super) Subscriber);

impl Subscription for AsyncNatsSubscription {
    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let message = self.0.poll_next_unpin(context);
        message.map(|message| message.map(|message| detach_small(message.payload)))
    }

    fn drain(&mut self) -> LinkFuture<'_, ()> {
        // The call fails only when the client is closed. The subscription has ended then.
        Box::pin(async { drop(self.0.drain().await) })
    }
}

fn detach_small(frame: Bytes) -> Bytes {
    if frame.len() < COPY_BYTES { Bytes::copy_from_slice(&frame) } else { frame }
}

#[cfg(test)]
mod tests;
