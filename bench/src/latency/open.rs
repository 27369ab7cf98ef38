//! One way at a steady rate. A thread of its own keeps the schedule; what it cannot send in time is late,
//! and the consumer counts that in.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use hdrhistogram::Histogram;
use swp_fast::wire::Integrity;
use tokio::runtime::Runtime;

use super::pacing::{self, Schedule};
use super::{Timed, histogram};
use crate::Failure;
use crate::peers::{self, raw, swp};

const SUBJECT: &str = "bench.open";

/// What is offered to a peer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Offer {
    pub(super) schedule: Schedule,
    pub(super) tick: Duration,
    pub(super) size: usize,
}

/// The consumer's side: reads every byte, and times each message from when it was due.
struct Arrivals {
    schedule: Schedule,
    start: Instant,
    received: Arc<AtomicU64>,
    times: Histogram<u64>,
    sum: u64,
}

impl Arrivals {
    fn new(schedule: Schedule, start: Instant, received: &Arc<AtomicU64>) -> Result<Self, Failure> {
        let received = Arc::clone(received);
        Ok(Arrivals { schedule, start, received, times: histogram::new()?, sum: 0 })
    }

    fn take(&mut self, message: &[u8]) {
        self.sum = self.sum.wrapping_add(peers::read(message));
        if let Some(index) = message.first_chunk::<8>().map(|bytes| u64::from_le_bytes(*bytes)) {
            let late = self.start.elapsed().saturating_sub(self.schedule.intended(index));
            self.times.saturating_record(late.as_nanos() as u64);
        }
        self.received.fetch_add(1, Ordering::Relaxed);
    }

    fn finish(self) -> Histogram<u64> {
        std::hint::black_box(self.sum);
        self.times
    }
}

/// A message: its number, and filling up to its size.
fn message(buffer: &mut [u8], index: u64) -> &[u8] {
    buffer[..8].copy_from_slice(&index.to_le_bytes());
    buffer
}

/// With the queue that async-nats has by default: past it the client drops.
pub(super) fn raw(runtime: &Runtime, url: &str, offer: Offer) -> Result<Timed, Failure> {
    let Offer { schedule, tick, size } = offer;
    let (client, consumer) = runtime.block_on(async {
        let consumer = raw::consumer(url, SUBJECT, raw::DEFAULT_QUEUE).await?;
        Ok::<_, Failure>((async_nats::connect(url).await?, consumer))
    })?;
    let received = Arc::new(AtomicU64::new(0));
    let start = Instant::now();
    let mut arrivals = Arrivals::new(schedule, start, &received)?;
    let receiving = runtime.spawn(async move {
        let take = |message: &Bytes| arrivals.take(message);
        consumer.receive(schedule.count, take, raw::no_rest).await;
        arrivals.finish()
    });
    let mut buffer = vec![b'x'; size];
    let max_backlog = pacing::run(schedule, start, tick, &received, |range| {
        runtime.block_on(async {
            for index in range {
                let payload = Bytes::copy_from_slice(message(&mut buffer, index));
                client.publish(SUBJECT, payload).await?;
            }
            Ok(())
        })
    })?;
    let times = runtime.block_on(async {
        raw::end(&client, SUBJECT).await?;
        Ok::<_, Failure>(receiving.await?)
    })?;
    let received = times.len();
    Ok(Timed { sent: schedule.count, received, max_backlog: Some(max_backlog), times })
}

/// Where the window is full the sender waits, as a producer has to, and its messages are late.
pub(super) fn swp(
    runtime: &Runtime,
    url: &str,
    offer: Offer,
    integrity: Integrity,
) -> Result<Timed, Failure> {
    let Offer { schedule, tick, size } = offer;
    let (publisher, mut subscribers) =
        runtime.block_on(swp::session(url, "bench-open", integrity, 1))?;
    let subscriber = subscribers.pop().ok_or("no consumer")?;
    let received = Arc::new(AtomicU64::new(0));
    let start = Instant::now();
    let mut arrivals = Arrivals::new(schedule, start, &received)?;
    let receiving = runtime.spawn(async move {
        swp::receive(subscriber, |message| arrivals.take(message)).await?;
        Ok::<_, Failure>(arrivals.finish())
    });
    let mut buffer = vec![b'x'; size];
    let max_backlog = pacing::run(schedule, start, tick, &received, |range| {
        runtime.block_on(async {
            for index in range {
                swp::send_slice(&publisher, message(&mut buffer, index)).await?;
            }
            Ok(())
        })
    })?;
    let times = runtime.block_on(async {
        publisher.finish().await?;
        receiving.await?
    })?;
    let received = times.len();
    Ok(Timed { sent: schedule.count, received, max_backlog: Some(max_backlog), times })
}
