//! JetStream with memory storage, as fast as its clients make it: a consumer reads while the publisher
//! sends, and the publisher waits for acks only when its window is full.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use async_nats::jetstream;
use async_nats::jetstream::consumer::pull::{Ordered, OrderedConfig};
use async_nats::jetstream::context::ContextBuilder;
use async_nats::jetstream::stream::{Config, StorageType};
use bytes::Bytes;
use futures_util::StreamExt;
use jetstream_extra::batch_publish_fast::FastPublishExt;
use tokio::task::JoinHandle;

use super::{Load, Outcome, read};
use crate::Failure;

const STREAM: &str = "BENCH";
const SUBJECT: &str = "bench.js";

/// Acks that may be outstanding. More gained nothing; async-nats' own limit is 5,000.
const ACK_WINDOW: usize = 4096;

/// ... and so many bytes: beyond 128 MB that wait to be stored (its `max_buffered_size`) the server refuses
/// messages with error 10167.
const ACK_WINDOW_BYTES: usize = 64 << 20;

/// Messages between two flow acks that the fast-ingest publisher asks for, three of which may be
/// outstanding: as large a window as the other's.
const FAST_FLOW: u16 = 1024;
const FAST_OUTSTANDING: u16 = 3;

/// Nothing is lost, so the consumer is told how many to expect; until then it looks this often.
const LOOK: Duration = Duration::from_millis(100);

/// A consumer that has heard nothing for so long, with messages still to come, will not hear more.
const STUCK: Duration = Duration::from_secs(30);

/// Not known yet.
const UNKNOWN: u64 = u64::MAX;

/// A new stream, and a consumer that reads it.
async fn begin(
    url: &str,
    expected: Arc<AtomicU64>,
) -> Result<JoinHandle<Result<(u64, Instant), Failure>>, Failure> {
    let context = jetstream::new(async_nats::connect(url).await?);
    let config = Config {
        name: STREAM.to_owned(),
        subjects: vec![SUBJECT.to_owned()],
        storage: StorageType::Memory,
        allow_batch_publish: true,
        ..Config::default()
    };
    let stream = context.create_stream(config).await?;
    let consumer = stream.create_consumer(OrderedConfig::default()).await?;
    let messages = consumer.messages().await?;
    Ok(tokio::spawn(receive(messages, expected)))
}

async fn receive(messages: Ordered, expected: Arc<AtomicU64>) -> Result<(u64, Instant), Failure> {
    let (mut received, mut sum, mut last) = (0, 0_u64, Instant::now());
    let mut chunks = messages.ready_chunks(1024);
    while received < expected.load(Ordering::Acquire) {
        match tokio::time::timeout(LOOK, chunks.next()).await {
            Ok(Some(chunk)) => {
                for message in chunk {
                    sum = sum.wrapping_add(read(&message?.payload));
                    received += 1;
                }
                last = Instant::now();
            }
            Ok(None) => break,
            Err(_) if last.elapsed() > STUCK => break,
            Err(_) => {}
        }
    }
    std::hint::black_box(sum);
    Ok((received, last))
}

/// Ends a round: the consumer reads to the end, and the stream's memory is given back.
async fn finish(
    url: &str,
    sent: u64,
    start: Instant,
    expected: &AtomicU64,
    receiving: JoinHandle<Result<(u64, Instant), Failure>>,
) -> Result<Outcome, Failure> {
    expected.store(sent, Ordering::Release);
    let received = receiving.await??;
    jetstream::new(async_nats::connect(url).await?).delete_stream(STREAM).await?;
    Ok(Outcome::new(sent, received, start))
}

/// Async publish: acks are awaited in order by a task beside the publisher.
pub(crate) async fn run(url: &str, load: Load) -> Result<Outcome, Failure> {
    let expected = Arc::new(AtomicU64::new(UNKNOWN));
    let receiving = begin(url, Arc::clone(&expected)).await?;
    let window = (ACK_WINDOW_BYTES / load.size.max(1)).clamp(1, ACK_WINDOW);
    let context = ContextBuilder::new()
        .max_ack_inflight(window)
        .backpressure_on_inflight(true)
        .build(async_nats::connect(url).await?);
    let (acks, mut pending) = tokio::sync::mpsc::channel(window);
    let acking = tokio::spawn(async move {
        while let Some(ack) = pending.recv().await {
            std::future::IntoFuture::into_future(ack).await?;
        }
        Ok::<_, jetstream::context::PublishError>(())
    });
    let payload = Bytes::from(vec![b'x'; load.size]);
    let (start, mut sent) = (Instant::now(), 0);
    while sent < load.count && start.elapsed() < load.limit {
        let ack = context.publish(SUBJECT, payload.clone()).await?;
        sent += 1;
        // The task ends before its time only where an ack was an error, which is met below.
        if acks.send(ack).await.is_err() {
            break;
        }
    }
    drop(acks);
    acking.await??;
    finish(url, sent, start, &expected, receiving).await
}

/// The fast-ingest batch publisher (server 2.14, ADR-50), with the same consumer.
pub(crate) async fn run_fast(url: &str, load: Load) -> Result<Outcome, Failure> {
    let expected = Arc::new(AtomicU64::new(UNKNOWN));
    let receiving = begin(url, Arc::clone(&expected)).await?;
    let context = async_nats_048::jetstream::new(async_nats_048::connect(url).await?);
    let mut publisher =
        context.fast_publish().flow(FAST_FLOW).max_outstanding_acks(FAST_OUTSTANDING).build()?;
    let payload = Bytes::from(vec![b'x'; load.size]);
    let (start, mut sent) = (Instant::now(), 0);
    while sent < load.count && start.elapsed() < load.limit {
        publisher.add(SUBJECT, payload.clone()).await?;
        sent += 1;
    }
    publisher.close().await?;
    finish(url, sent, start, &expected, receiving).await
}
