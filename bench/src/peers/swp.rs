//! swp-fast, used as its documentation says.

use std::time::Instant;

use bytes::Bytes;
use futures_util::future::try_join_all;
use swp_fast::wire::Integrity;
use swp_fast::{
    Endpoint, EndpointConfig, PublishConfig, Publisher, ReceiveError, SubscribeConfig, Subscriber,
    TrySendError,
};

use super::{Load, Outcome, read};
use crate::Failure;

/// A connection of its own, for any number of streams.
pub(crate) async fn endpoint(url: &str) -> Result<Endpoint, Failure> {
    Ok(Endpoint::new(async_nats::connect(url).await?, EndpointConfig::default()).await?)
}

/// The publishing end alone, with a connection of its own; ready once `consumers` have joined.
pub(crate) async fn publisher(
    url: &str,
    stream: &str,
    integrity: Integrity,
    consumers: usize,
) -> Result<Publisher, Failure> {
    let mut config = PublishConfig::with_integrity(integrity);
    config.min_consumers = consumers;
    Ok(endpoint(url).await?.publish(stream, config).await?)
}

/// A consuming end alone, with a connection of its own.
pub(crate) async fn subscriber(url: &str, stream: &str) -> Result<Subscriber, Failure> {
    Ok(endpoint(url).await?.subscribe(stream, SubscribeConfig::default()).await?)
}

/// A stream with all its ends joined.
pub(crate) async fn session(
    url: &str,
    stream: &str,
    integrity: Integrity,
    consumers: usize,
) -> Result<(Publisher, Vec<Subscriber>), Failure> {
    let publisher = publisher(url, stream, integrity, consumers).await?;
    let subscribers = try_join_all((0..consumers).map(|_| subscriber(url, stream))).await?;
    publisher.ready().await?;
    Ok((publisher, subscribers))
}

/// Receives to the end: how many messages, and when the last came.
pub(crate) async fn receive(
    mut subscriber: Subscriber,
    mut each: impl FnMut(&[u8]),
) -> Result<(u64, Instant), ReceiveError> {
    let (mut received, mut last) = (0, Instant::now());
    while let Some(batch) = subscriber.next_batch().await? {
        for message in batch.iter() {
            each(message);
            received += 1;
        }
        last = Instant::now();
    }
    // The end was read. The publisher is told before a process may exit.
    subscriber.close().await?;
    Ok((received, last))
}

/// Receives to the end and reads every byte.
pub(crate) async fn receive_all(subscriber: Subscriber) -> Result<(u64, Instant), ReceiveError> {
    let mut sum = 0_u64;
    let result = receive(subscriber, |message| sum = sum.wrapping_add(read(message))).await;
    std::hint::black_box(sum);
    result
}

/// Sends one message. What fits a frame is packed into the open one; a longer one is cut up in place.
pub(crate) async fn send(publisher: &Publisher, payload: &Bytes) -> Result<(), Failure> {
    if payload.len() <= publisher.max_packed_bytes() {
        match publisher.try_send(payload) {
            Ok(_) => return Ok(()),
            Err(TrySendError::Blocked) => {}
            Err(error) => return Err(error.into()),
        }
    }
    publisher.send(payload.clone()).await?;
    Ok(())
}

/// Sends one message that the caller keeps.
pub(crate) async fn send_slice(publisher: &Publisher, payload: &[u8]) -> Result<(), Failure> {
    match publisher.try_send(payload) {
        Ok(_) => {}
        Err(TrySendError::Blocked) => {
            publisher.send(Bytes::copy_from_slice(payload)).await?;
        }
        Err(error) => return Err(error.into()),
    }
    Ok(())
}

/// Sends all of a load, and ends the stream; returns when everything was consumed.
pub(crate) async fn publish(publisher: &Publisher, load: Load) -> Result<(), Failure> {
    let payload = Bytes::from(vec![b'x'; load.size]);
    for _ in 0..load.count {
        send(publisher, &payload).await?;
    }
    Ok(publisher.finish().await?)
}

pub(crate) async fn run(url: &str, load: Load, integrity: Integrity) -> Result<Outcome, Failure> {
    let (publisher, subscribers) = session(url, "bench", integrity, 1).await?;
    let receiving: Vec<_> =
        subscribers.into_iter().map(|end| tokio::spawn(receive_all(end))).collect();
    let start = Instant::now();
    publish(&publisher, load).await?;
    let mut outcome = Outcome { sent: load.count, received: 0, seconds: 0.0, retransmits: 0 };
    for receiving in receiving {
        outcome = Outcome::new(load.count, receiving.await??, start);
    }
    outcome.retransmits = publisher.stats().retransmits;
    Ok(outcome)
}
