//! A consumer's subscriptions, and how fast frames come in by them.

use std::sync::Mutex;
use std::task::{Context, Poll};
use std::time::Duration;

use async_nats::{Message, Subscriber as Subscription};
use bytes::Bytes;
use futures_util::StreamExt;

use super::groups::Groups;
use super::lock;
use crate::proto::Receiver;
use crate::time::Time;

/// Frames taken in one turn before a report goes out: half a MiB of full ones, 2 MiB at most where others have
/// the stream too, a small part of the default window, so that the publisher is never kept waiting by a long
/// queue.
const FRAMES_PER_TURN: usize = 32;

/// A frame smaller than this is copied out of the client's read buffer (64 KiB), which it would else keep
/// alive until it is consumed; that is up to 32 times its own size.
const COPY_BYTES: usize = 2048;

/// More frames than this in [`PACE_OVER`] are a stream. At 50 us from one to the next nobody waits for an answer
/// to each: a round trip through a broker on the same machine takes twice that.
const STREAM_FRAMES: u64 = 20;

/// The time over which frames are counted for that: the resolution of the task's timers, so that it is decided
/// anew whenever the task looks.
const PACE_OVER: Duration = Duration::from_millis(1);

/// See the module.
pub(super) struct Intake {
    pub(super) groups: Groups,
    inbox: Subscription,
    pace: Pace,
}

/// What was taken in a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Taken {
    pub(super) frames: usize,
    /// That was all: who was given for it will be told of more.
    pub(super) all: bool,
}

impl Taken {
    pub(super) const NOTHING: Taken = Taken { frames: 0, all: true };
}

impl Intake {
    pub(super) fn new(data: Subscription, inbox: Subscription) -> Intake {
        Intake { groups: Groups::new(data), inbox, pace: Pace::default() }
    }

    /// Hands the receiver what has arrived, at most a turn's worth.
    pub(super) fn take(
        &mut self,
        cx: &mut Context<'_>,
        now: Time,
        receiver: &Mutex<Receiver>,
    ) -> Taken {
        let mut taken = Taken { frames: 0, all: false };
        while taken.frames < FRAMES_PER_TURN {
            let Poll::Ready(message) = self.poll_next(cx) else {
                taken.all = true;
                break;
            };
            let frame = match message.payload.len() {
                0..COPY_BYTES => Bytes::copy_from_slice(&message.payload),
                _ => message.payload,
            };
            lock(receiver).handle_frame(now, &frame);
            taken.frames += 1;
        }
        self.pace.note(now, taken.frames as u64);
        taken
    }

    /// Whether frames come as a stream.
    pub(super) fn is_streaming(&self) -> bool {
        self.pace.streaming
    }

    /// Data first: a probe that overtook data on its way through here would make it look lost.
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Message> {
        if let Poll::Ready(message) = self.groups.poll_next(cx) {
            return Poll::Ready(message);
        }
        match self.inbox.poll_next_unpin(cx) {
            Poll::Ready(Some(message)) => Poll::Ready(message),
            // The client is closed, which the link tells.
            Poll::Ready(None) | Poll::Pending => Poll::Pending,
        }
    }
}

/// How fast frames come.
#[derive(Debug, Default)]
struct Pace {
    since: Time,
    frames: u64,
    streaming: bool,
}

impl Pace {
    /// So many more have come by now. What that makes it is decided once there was time to tell.
    fn note(&mut self, now: Time, frames: u64) {
        self.frames += frames;
        let elapsed = now.since(self.since);
        if elapsed >= PACE_OVER {
            let most = elapsed.as_nanos() * u128::from(STREAM_FRAMES) / PACE_OVER.as_nanos();
            *self = Pace { since: now, frames: 0, streaming: u128::from(self.frames) > most };
        }
    }
}

#[cfg(test)]
mod tests;
