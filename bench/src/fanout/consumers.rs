//! Consumers, all reading at once, and the rate that one of them is held to.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::StreamExt;
use swp_fast::wire::Integrity;
use swp_fast::{ReceiveError, Subscriber};

use super::{Case, Outcome};
use crate::Failure;
use crate::peers::{self, raw, swp};

/// The slow consumer works in steps of this long: it takes what its rate allows, then rests.
const STEP: Duration = Duration::from_millis(5);

/// Holds a consumer to a rate.
pub(super) struct Brake {
    rate: f64,
    start: Instant,
    taken: u64,
}

impl Brake {
    pub(super) fn new(rate: f64) -> Brake {
        Brake { rate, start: Instant::now(), taken: 0 }
    }

    /// How long to rest after `taken` messages in `elapsed`: nothing until it is worth a step.
    pub(super) fn rest(&self, elapsed: Duration) -> Option<Duration> {
        let allowed_at = Duration::from_secs_f64(self.taken as f64 / self.rate);
        allowed_at.checked_sub(elapsed).filter(|rest| *rest >= STEP)
    }

    async fn took(&mut self, messages: usize) {
        self.taken += messages as u64;
        if let Some(rest) = self.rest(self.start.elapsed()) {
            tokio::time::sleep(rest).await;
        }
    }
}

/// Messages that the slow consumer takes before it looks at the time. Small beside its queue.
const SLOW_CHUNK: usize = 64;

/// After all was sent, a raw consumer that gets nothing for so long has lost the rest.
const SILENCE: Duration = Duration::from_secs(1);

async fn raw_slow(
    subscription: async_nats::Subscriber,
    count: u64,
    sent: Arc<AtomicBool>,
    mut brake: Brake,
) -> (u64, Instant) {
    let (mut received, mut sum, mut last) = (0, 0_u64, Instant::now());
    let mut chunks = subscription.ready_chunks(SLOW_CHUNK);
    while received < count {
        let all_sent = sent.load(Ordering::Acquire);
        match tokio::time::timeout(SILENCE, chunks.next()).await {
            Ok(Some(chunk)) => {
                for message in &chunk {
                    sum = sum.wrapping_add(peers::read(&message.payload));
                }
                received += chunk.len() as u64;
                last = Instant::now();
                brake.took(chunk.len()).await;
            }
            Ok(None) => break,
            Err(_) if all_sent => break,
            Err(_) => {}
        }
    }
    std::hint::black_box(sum);
    (received, last)
}

async fn swp_slow(
    mut subscriber: Subscriber,
    mut brake: Brake,
) -> Result<(u64, Instant), ReceiveError> {
    let (mut received, mut sum, mut last) = (0, 0_u64, Instant::now());
    let mut batch = Vec::new();
    while subscriber.recv_batch(&mut batch).await? > 0 {
        for message in &batch {
            sum = sum.wrapping_add(peers::read(message));
        }
        received += batch.len() as u64;
        last = Instant::now();
        brake.took(batch.len()).await;
        batch.clear();
    }
    std::hint::black_box(sum);
    subscriber.close().await?;
    Ok((received, last))
}

/// Which rate the consumer at `position` is held to: the last one's, if any.
fn slow_rate(case: Case, position: usize) -> Option<f64> {
    case.slow_rate.filter(|_| position + 1 == case.consumers)
}

pub(super) async fn raw(url: &str, case: Case) -> Result<(Instant, Outcome), Failure> {
    let count = case.load.count;
    let sent = Arc::new(AtomicBool::new(false));
    let mut receiving = Vec::new();
    for position in 0..case.consumers {
        let (client, subscription) = raw::subscribe(url, "bench.fan", case.raw_queue).await?;
        let all_sent = Arc::clone(&sent);
        let slow = slow_rate(case, position);
        receiving.push(tokio::spawn(async move {
            let _connected = client;
            if let Some(rate) = slow {
                return raw_slow(subscription, count, all_sent, Brake::new(rate)).await;
            }
            let mut sum = 0_u64;
            let each = |message: &Bytes| sum = sum.wrapping_add(peers::read(message));
            let result = raw::receive(subscription, count, all_sent, each).await;
            std::hint::black_box(sum);
            result
        }));
    }
    let producer = async_nats::connect(url).await?;
    let start = Instant::now();
    raw::publish(&producer, "bench.fan", case.load, &sent).await?;
    let mut outcome =
        Outcome { received: Vec::new(), last: start, retransmits: 0, group_retransmits: 0 };
    for receiving in receiving {
        let (received, last) = receiving.await?;
        outcome.received.push(received);
        outcome.last = outcome.last.max(last);
    }
    Ok((start, outcome))
}

pub(super) async fn swp(
    url: &str,
    case: Case,
    integrity: Integrity,
) -> Result<(Instant, Outcome), Failure> {
    let (publisher, subscribers) =
        swp::session(url, "bench-fan", integrity, case.consumers).await?;
    let mut receiving = Vec::new();
    for (position, subscriber) in subscribers.into_iter().enumerate() {
        let slow = slow_rate(case, position);
        receiving.push(tokio::spawn(async move {
            match slow {
                Some(rate) => swp_slow(subscriber, Brake::new(rate)).await,
                None => swp::receive_all(subscriber).await,
            }
        }));
    }
    let start = Instant::now();
    swp::publish(&publisher, case.load).await?;
    let stats = publisher.stats();
    let mut outcome = Outcome {
        received: Vec::new(),
        last: start,
        retransmits: stats.retransmits,
        group_retransmits: stats.group_retransmits,
    };
    for receiving in receiving {
        let (received, last) = receiving.await??;
        outcome.received.push(received);
        outcome.last = outcome.last.max(last);
    }
    Ok((start, outcome))
}

#[cfg(test)]
mod tests;
