//! Plain NATS pub/sub, with the client that swp-fast uses too.

use std::time::{Duration, Instant};

use async_nats::{Client, ConnectOptions, Subscriber};
use bytes::Bytes;
use futures_util::StreamExt;

use super::{Load, Outcome, read};
use crate::Failure;

/// Once the end was heard, everything before it is in the queue or lost: this long without a message, which
/// is not counted, and the queue is empty.
const DRAINED: Duration = Duration::from_millis(50);

/// A consumer that hears neither a message nor the end for so long was cut off by the broker.
const CUT_OFF: Duration = Duration::from_secs(10);

/// What an async-nats subscription queues unless told otherwise, in messages.
pub(crate) const DEFAULT_QUEUE: usize = 1 << 16;

/// Messages taken at once: the time-outs cost something once for all of them.
const CHUNK: usize = 256;

/// A consumer. Raw pub/sub does not tell its end, so the publisher sends a message on a second subject after
/// the last: NATS keeps the order of what goes from one connection to another.
pub(crate) struct Consumer {
    messages: Subscriber,
    end: Subscriber,
    /// The connection.
    _client: Client,
}

/// Where the end is told.
fn end_of(subject: &str) -> String {
    format!("{subject}.end")
}

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

/// The same, and it will hear the end.
pub(crate) async fn consumer(
    url: &str,
    subject: &'static str,
    queue: usize,
) -> Result<Consumer, Failure> {
    let (client, messages) = subscribe(url, subject, queue).await?;
    let end = client.subscribe(end_of(subject)).await?;
    client.flush().await?;
    Ok(Consumer { messages, end, _client: client })
}

impl Consumer {
    /// Receives until `count` messages came, or until the end was heard and the queue is empty. After each
    /// chunk it sleeps for as long as `rest` says. Returns how many messages came, and when the last.
    pub(crate) async fn receive(
        self,
        count: u64,
        mut each: impl FnMut(&Bytes),
        mut rest: impl FnMut(usize) -> Option<Duration>,
    ) -> (u64, Instant) {
        let Consumer { messages, mut end, _client } = self;
        let (mut received, mut last, mut ended) = (0, Instant::now(), false);
        let mut chunks = messages.ready_chunks(CHUNK);
        while received < count {
            let patience = if ended { DRAINED } else { CUT_OFF };
            tokio::select! {
                biased;
                next = tokio::time::timeout(patience, chunks.next()) => {
                    let Ok(Some(chunk)) = next else { break };
                    chunk.iter().for_each(|message| each(&message.payload));
                    received += chunk.len() as u64;
                    last = Instant::now();
                    if let Some(rest) = rest(chunk.len()) {
                        tokio::time::sleep(rest).await;
                    }
                }
                Some(_) = end.next(), if !ended => ended = true,
            }
        }
        (received, last)
    }

    /// Receives to the end and reads every byte.
    pub(crate) async fn receive_all(
        self,
        count: u64,
        rest: impl FnMut(usize) -> Option<Duration>,
    ) -> (u64, Instant) {
        let mut sum = 0_u64;
        let each = |message: &Bytes| sum = sum.wrapping_add(read(message));
        let result = self.receive(count, each, rest).await;
        std::hint::black_box(sum);
        result
    }
}

/// For a consumer that reads as fast as it can.
pub(crate) fn no_rest(_: usize) -> Option<Duration> {
    None
}

/// Tells the consumers of `subject` that nothing follows.
pub(crate) async fn end(client: &Client, subject: &'static str) -> Result<(), Failure> {
    client.publish(end_of(subject), Bytes::new()).await?;
    Ok(client.flush().await?)
}

/// Publishes a load and its end.
pub(crate) async fn publish(
    client: &Client,
    subject: &'static str,
    load: Load,
) -> Result<(), Failure> {
    let payload = Bytes::from(vec![b'x'; load.size]);
    for _ in 0..load.count {
        client.publish(subject, payload.clone()).await?;
    }
    end(client, subject).await
}

/// The queue takes the whole round: this measures how fast it goes, not how much is lost.
pub(crate) async fn run(url: &str, load: Load) -> Result<Outcome, Failure> {
    let queue = usize::try_from(load.count)?.max(DEFAULT_QUEUE);
    let consumer = consumer(url, "bench.raw", queue).await?;
    let receiving = tokio::spawn(consumer.receive_all(load.count, no_rest));
    let producer = async_nats::connect(url).await?;
    let start = Instant::now();
    publish(&producer, "bench.raw", load).await?;
    Ok(Outcome::new(load.count, receiving.await?, start))
}
