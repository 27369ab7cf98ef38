//! Plain NATS pub/sub, with the client that swp-fast uses too.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use async_nats::{Client, ConnectOptions, Subscriber};
use bytes::Bytes;
use futures_util::StreamExt;

use super::{Load, Outcome, read};
use crate::Failure;

/// Raw pub/sub does not tell its end: after all was sent, it is over when nothing came for this long,
/// which is not counted. The broker or the client holds nothing back for as long.
const SILENCE: Duration = Duration::from_secs(1);

/// What an async-nats subscription queues unless told otherwise, in messages.
pub(crate) const DEFAULT_QUEUE: usize = 1 << 16;

/// Messages taken at once: the clock for silence is started once for all of them.
const CHUNK: usize = 1024;

/// A subscription that queues `queue` messages, known to the server when this returns.
pub(crate) async fn subscribe(
    url: &str,
    subject: &'static str,
    queue: usize,
) -> Result<(Client, Subscriber), Failure> {
    let client = ConnectOptions::new().subscription_capacity(queue).connect(url).await?;
    let subscription = client.subscribe(subject).await?;
    client.flush().await?;
    Ok((client, subscription))
}

/// Receives until `count` messages came, or until nothing comes any more after `sent` was set. Returns
/// how many came, and when the last.
pub(crate) async fn receive(
    subscription: Subscriber,
    count: u64,
    sent: Arc<AtomicBool>,
    mut each: impl FnMut(&Bytes),
) -> (u64, Instant) {
    let (mut received, mut last) = (0, Instant::now());
    let mut chunks = subscription.ready_chunks(CHUNK);
    while received < count {
        let all_sent = sent.load(Ordering::Acquire);
        match tokio::time::timeout(SILENCE, chunks.next()).await {
            Ok(Some(chunk)) => {
                chunk.iter().for_each(|message| each(&message.payload));
                received += chunk.len() as u64;
                last = Instant::now();
            }
            Ok(None) => break,
            Err(_) if all_sent => break,
            Err(_) => {}
        }
    }
    (received, last)
}

/// Publishes `count` messages; `sent` is set when all have gone to the socket.
pub(crate) async fn publish(
    client: &Client,
    subject: &'static str,
    load: Load,
    sent: &AtomicBool,
) -> Result<(), Failure> {
    let payload = Bytes::from(vec![b'x'; load.size]);
    for _ in 0..load.count {
        client.publish(subject, payload.clone()).await?;
    }
    client.flush().await?;
    sent.store(true, Ordering::Release);
    Ok(())
}

/// The queue takes the whole round: this measures how fast it goes, not how much is lost.
pub(crate) async fn run(url: &str, load: Load) -> Result<Outcome, Failure> {
    let queue = usize::try_from(load.count)?.max(DEFAULT_QUEUE);
    let (_consumer, subscription) = subscribe(url, "bench.raw", queue).await?;
    let sent = Arc::new(AtomicBool::new(false));
    let all_sent = Arc::clone(&sent);
    let receiving = tokio::spawn(async move {
        let mut sum = 0_u64;
        let each = |message: &Bytes| sum = sum.wrapping_add(read(message));
        let result = receive(subscription, load.count, all_sent, each).await;
        std::hint::black_box(sum);
        result
    });
    let producer = async_nats::connect(url).await?;
    let start = Instant::now();
    publish(&producer, "bench.raw", load, &sent).await?;
    Ok(Outcome::new(load.count, receiving.await?, start))
}
