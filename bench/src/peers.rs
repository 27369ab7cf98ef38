//! The systems that are compared. Each sends a load to a consumer and tells what arrived, and when.

use std::time::{Duration, Instant};

use async_nats::ConnectOptions;
use bytes::Bytes;
use clap::ValueEnum;
use futures_util::StreamExt;
use serde::Serialize;
use swp_fast::wire::Integrity;
use swp_fast::{
    Endpoint, EndpointConfig, PackedBody, PublishConfig, Publisher, SubscribeConfig, Subscriber,
    TrySendError,
};
use swp_replay::capture::{Capture, CaptureWriter, Ending, WriterOptions};
use swp_replay::disk::{Disk, DiskOptions};
use swp_replay::generate::{GenerateOptions, generate};

use crate::Failure;

/// As in the measurements that the design rests on: far more than any round has in flight.
const RAW_CAPACITY: usize = 1 << 20;

/// Raw pub/sub does not tell its end: it is over when nothing came for this long, which is not counted.
const RAW_SILENCE: Duration = Duration::from_millis(500);

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Peer {
    /// Plain async-nats publish and subscribe.
    Raw,
    /// This project, from memory.
    Swp,
    /// This project, a capture from the warm page cache, with the digests stored in it.
    Replay,
}

/// What is sent in a round.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    pub(crate) size: usize,
    pub(crate) count: u64,
    pub(crate) integrity: Integrity,
}

/// What came of it.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Measured {
    pub(crate) peer: Peer,
    pub(crate) round: usize,
    pub(crate) size: usize,
    pub(crate) sent: u64,
    pub(crate) received: u64,
    /// From the first send to the last arrival.
    pub(crate) seconds: f64,
    pub(crate) retransmits: u64,
}

impl Measured {
    pub(crate) fn messages_per_s(&self) -> f64 {
        self.received as f64 / self.seconds
    }
}

pub(crate) async fn run(
    peer: Peer,
    url: &str,
    load: Load,
    round: usize,
) -> Result<Measured, Failure> {
    let (received, seconds, retransmits) = match peer {
        Peer::Raw => raw(url, load).await?,
        Peer::Swp => swp(url, load).await?,
        Peer::Replay => replay(url, load).await?,
    };
    let Load { size, count: sent, .. } = load;
    Ok(Measured { peer, round, size, sent, received, seconds, retransmits })
}

/// Reads every byte, as a consumer would.
fn read(message: &Bytes) -> u64 {
    message.chunks(8).fold(0, |sum, chunk| sum.wrapping_add(u64::from(chunk[0])))
}

async fn raw(url: &str, load: Load) -> Result<(u64, f64, u64), Failure> {
    let consumer = ConnectOptions::new().subscription_capacity(RAW_CAPACITY).connect(url).await?;
    let mut subscription = consumer.subscribe("bench.raw").await?;
    consumer.flush().await?;
    let receiving = tokio::spawn(async move {
        let (mut received, mut sum, mut last) = (0, 0_u64, Instant::now());
        while let Ok(Some(message)) = tokio::time::timeout(RAW_SILENCE, subscription.next()).await {
            sum = sum.wrapping_add(read(&message.payload));
            received += 1;
            last = Instant::now();
            if received == load.count {
                break;
            }
        }
        std::hint::black_box(sum);
        (received, last)
    });
    let producer = async_nats::connect(url).await?;
    let payload = Bytes::from(vec![b'x'; load.size]);
    let start = Instant::now();
    for _ in 0..load.count {
        producer.publish("bench.raw", payload.clone()).await?;
    }
    producer.flush().await?;
    let (received, last) = receiving.await?;
    Ok((received, last.duration_since(start).as_secs_f64(), 0))
}

/// Both ends of a stream, joined.
async fn session(url: &str, load: Load) -> Result<(Publisher, Subscriber), Failure> {
    let consumer =
        Endpoint::new(async_nats::connect(url).await?, EndpointConfig::default()).await?;
    let producer =
        Endpoint::new(async_nats::connect(url).await?, EndpointConfig::default()).await?;
    let mut config = PublishConfig::default();
    config.integrity = load.integrity;
    let publisher = producer.publish("bench", config).await?;
    let subscriber = consumer.subscribe("bench", SubscribeConfig::default()).await?;
    publisher.ready().await?;
    Ok((publisher, subscriber))
}

/// Receives to the end: how many messages, and when the last came.
async fn receive(mut subscriber: Subscriber) -> Result<(u64, Instant), swp_fast::ReceiveError> {
    let (mut received, mut sum, mut last) = (0, 0_u64, Instant::now());
    let mut batch = Vec::new();
    while subscriber.recv_batch(&mut batch).await? > 0 {
        for message in batch.drain(..) {
            sum = sum.wrapping_add(read(&message));
            received += 1;
        }
        last = Instant::now();
    }
    std::hint::black_box(sum);
    Ok((received, last))
}

async fn swp(url: &str, load: Load) -> Result<(u64, f64, u64), Failure> {
    let (publisher, subscriber) = session(url, load).await?;
    let receiving = tokio::spawn(receive(subscriber));
    let payload = Bytes::from(vec![b'x'; load.size]);
    let start = Instant::now();
    for _ in 0..load.count {
        if let Err(error) = publisher.try_send(&payload) {
            match error {
                TrySendError::Blocked => publisher.send(payload.clone()).await?,
                error => return Err(error.into()),
            };
        }
    }
    publisher.finish().await?;
    let (received, last) = receiving.await??;
    let retransmits = publisher.stats().retransmits;
    Ok((received, last.duration_since(start).as_secs_f64(), retransmits))
}

async fn replay(url: &str, load: Load) -> Result<(u64, f64, u64), Failure> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("bench");
    let options = GenerateOptions {
        messages: load.count,
        min_bytes: load.size,
        max_bytes: load.size,
        ..GenerateOptions::default()
    };
    // Just written, so it is in the page cache: warm.
    let mut writer = CaptureWriter::create(&path, WriterOptions::default())?;
    generate(&options, &mut writer)?;
    writer.finish(Ending::default())?;
    let capture = Capture::open(&path)?;
    let (publisher, subscriber) = session(url, load).await?;
    let receiving = tokio::spawn(receive(subscriber));
    let start = Instant::now();
    let options = DiskOptions { direct: false, ..DiskOptions::default() };
    let mut disk = Disk::start(&capture, options).await?;
    while let Some(block) = disk.next().await {
        let block = block?;
        let bodies = block.frames.iter().map(|frame| PackedBody {
            range: frame.range(),
            kind: frame.kind,
            messages: frame.messages,
            digest: frame.digest,
        });
        let bodies = bodies.collect();
        publisher.send_packed(block.buffer, bodies).await?;
    }
    publisher.finish().await?;
    let (received, last) = receiving.await??;
    let retransmits = publisher.stats().retransmits;
    Ok((received, last.duration_since(start).as_secs_f64(), retransmits))
}
