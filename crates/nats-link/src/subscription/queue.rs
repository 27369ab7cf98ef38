//! The queue of a subscription: its bounds, its gaps, and the memory that it keeps alive.

use std::{
    collections::VecDeque,
    task::{Context, Poll, Waker},
};

use super::{Delivery, Gap, SubscriptionEnd, SubscriptionReport};
use crate::{
    ledger::{Amount, Position},
    message::Message,
};

#[cfg(test)]
mod tests;

/// Consumers to be woken once the locks are released.
pub(crate) type Waking = Vec<Waker>;

/// What [`Queue::take`] finds.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    Delivery(Delivery),
    Nothing,
    End,
}

#[derive(Debug)]
struct Entry {
    delivery: Delivery,
    /// The size of the read buffer that this entry is the first in the queue to keep alive.
    retains: u64,
}

#[derive(Debug)]
pub(crate) struct Queue {
    entries: VecDeque<Entry>,
    report: SubscriptionReport,
    /// The read buffer of the newest slice in the queue.
    newest_buffer: Option<u32>,
    waker: Option<Waker>,
    /// The server of this connection knows the subscription.
    active: bool,
    pub(crate) draining: bool,
    /// The line that subscribes. While it is queued, the next connection writes it too.
    pub(crate) line: Option<Position>,
    end: Option<SubscriptionEnd>,
}

impl Queue {
    pub(super) fn new(messages: usize, bytes: usize) -> Self {
        let limit = Amount { messages: messages as u64, bytes: bytes as u64 };
        Self {
            entries: VecDeque::new(),
            report: SubscriptionReport { limit, ..SubscriptionReport::default() },
            newest_buffer: None,
            waker: None,
            active: false,
            draining: false,
            line: None,
            end: None,
        }
    }

    /// Appends a message, or drops it and notes the gap.
    pub(crate) fn push(&mut self, mut message: Message, waking: &mut Waking) {
        if self.end.is_some() {
            return;
        }
        // The answer to the subscription follows. Until then, a break loses messages already.
        self.active = true;
        let size = message.size() as u64;
        let report = &mut self.report;
        let full = report.queued.messages >= report.limit.messages
            || report.queued.bytes + size > report.limit.bytes;
        // An empty queue takes any message, or a message beyond the bound would never arrive.
        if full && report.queued.messages > 0 {
            return self.push_overflow(size, waking);
        }
        report.queued.messages += 1;
        report.queued.bytes += size;
        report.peak.messages = report.peak.messages.max(report.queued.messages);
        report.peak.bytes = report.peak.bytes.max(report.queued.bytes);
        let retains = self.retain(&mut message);
        self.append(Delivery::Message(message), retains, waking);
    }

    /// Returns the memory that the message adds to what the queue keeps alive in read buffers.
    /// Copies the message out of its buffer if that exceeds the bound.
    fn retain(&mut self, message: &mut Message) -> u64 {
        let Some(buffer) = message.buffer else { return 0 };
        if self.newest_buffer == Some(buffer.generation) {
            return 0;
        }
        let capacity = u64::from(buffer.capacity);
        // The first may be larger than the bound.
        let retained = self.report.retained_bytes;
        if retained > 0 && retained + capacity > self.report.limit.bytes {
            message.detach();
            return 0;
        }
        self.report.retained_bytes += capacity;
        self.newest_buffer = Some(buffer.generation);
        capacity
    }

    fn push_overflow(&mut self, size: u64, waking: &mut Waking) {
        self.report.dropped.messages += 1;
        self.report.dropped.bytes += size;
        for gap in self.last_gaps() {
            if let Gap::Overflow { dropped } = gap {
                dropped.messages += 1;
                dropped.bytes += size;
                return;
            }
        }
        let dropped = Amount { messages: 1, bytes: size };
        self.append(Delivery::Gap(Gap::Overflow { dropped }), 0, waking);
    }

    /// Notes that the connection broke.
    pub(crate) fn push_disconnected(&mut self, waking: &mut Waking) {
        let is_told = self.last_gaps().any(|gap| *gap == Gap::Disconnected);
        // While the server did not know the subscription, nothing more can be missing.
        if self.active && self.end.is_none() && !is_told {
            self.append(Delivery::Gap(Gap::Disconnected), 0, waking);
        }
        self.active = false;
        // The next connection counts its buffers anew.
        self.newest_buffer = None;
    }

    /// Returns the gaps after the last message: at most one of each kind.
    fn last_gaps(&mut self) -> impl Iterator<Item = &mut Gap> {
        self.entries.iter_mut().rev().map_while(|entry| match &mut entry.delivery {
            Delivery::Gap(gap) => Some(gap),
            Delivery::Message(_) => None,
        })
    }

    fn append(&mut self, delivery: Delivery, retains: u64, waking: &mut Waking) {
        self.entries.push_back(Entry { delivery, retains });
        waking.extend(self.waker.take());
    }

    /// Notes that the server knows the subscription.
    pub(crate) fn activate(&mut self, waking: &mut Waking) {
        self.active = true;
        waking.extend(self.waker.take());
    }

    pub(crate) fn is_active(&self) -> bool {
        self.active
    }

    /// Lets nothing more in. What is queued is still delivered.
    pub(crate) fn finish(&mut self, end: SubscriptionEnd, waking: &mut Waking) {
        self.end.get_or_insert(end);
        waking.extend(self.waker.take());
    }

    pub(super) fn end(&self) -> Option<SubscriptionEnd> {
        self.end
    }

    pub(crate) fn is_ended(&self) -> bool {
        self.end.is_some()
    }

    pub(super) fn report(&self) -> SubscriptionReport {
        self.report
    }

    pub(super) fn take(&mut self) -> Taken {
        let Some(entry) = self.entries.pop_front() else {
            return if self.end.is_some() { Taken::End } else { Taken::Nothing };
        };
        if let Delivery::Message(message) = &entry.delivery {
            let size = message.size() as u64;
            self.report.queued.messages -= 1;
            self.report.queued.bytes -= size;
            self.report.delivered.messages += 1;
            self.report.delivered.bytes += size;
            self.release(entry.retains, message);
        }
        Taken::Delivery(entry.delivery)
    }

    /// Hands what a message kept alive to the next message of the same buffer, or releases it.
    fn release(&mut self, retains: u64, message: &Message) {
        let Some(buffer) = message.buffer.filter(|_| retains > 0) else { return };
        let same = |entry: &&mut Entry| match &entry.delivery {
            Delivery::Message(next) => next.buffer == Some(buffer),
            Delivery::Gap(_) => false,
        };
        // Copies may stand between two slices of a buffer.
        match self.entries.iter_mut().take_while(|entry| entry.retains == 0).find(same) {
            Some(next) => next.retains = retains,
            None => {
                self.report.retained_bytes -= retains;
                if self.newest_buffer == Some(buffer.generation) {
                    self.newest_buffer = None;
                }
            }
        }
    }

    pub(super) fn poll_take(&mut self, cx: &mut Context<'_>) -> Poll<Option<Delivery>> {
        match self.take() {
            Taken::Delivery(delivery) => Poll::Ready(Some(delivery)),
            Taken::End => Poll::Ready(None),
            Taken::Nothing => {
                self.wait(cx);
                Poll::Pending
            }
        }
    }

    pub(super) fn poll_active(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), SubscriptionEnd>> {
        match self.end {
            Some(end) => Poll::Ready(Err(end)),
            None if self.active => Poll::Ready(Ok(())),
            None => {
                self.wait(cx);
                Poll::Pending
            }
        }
    }

    fn wait(&mut self, cx: &mut Context<'_>) {
        match &mut self.waker {
            Some(waker) => waker.clone_from(cx.waker()),
            None => self.waker = Some(cx.waker().clone()),
        }
    }
}
