//! Consumers, all reading at once, and the rate that one of them is held to.

use std::time::{Duration, Instant};

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

    /// Counts messages; how long to rest after them.
    fn took(&mut self, messages: usize) -> Option<Duration> {
        self.taken += messages as u64;
        self.rest(self.start.elapsed())
    }
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
        if let Some(rest) = brake.took(batch.len()) {
            tokio::time::sleep(rest).await;
        }
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
    let mut receiving = Vec::new();
    for position in 0..case.consumers {
        let consumer = raw::consumer(url, "bench.fan", case.raw_queue).await?;
        let slow = slow_rate(case, position);
        receiving.push(tokio::spawn(async move {
            match slow {
                Some(rate) => {
                    let mut brake = Brake::new(rate);
                    consumer.receive_all(count, |messages| brake.took(messages)).await
                }
                None => consumer.receive_all(count, raw::no_rest).await,
            }
        }));
    }
    let producer = async_nats::connect(url).await?;
    let start = Instant::now();
    raw::publish(&producer, "bench.fan", case.load).await?;
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
