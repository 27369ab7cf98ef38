//! Round trips, one at a time: a message, and its echo from the other connection.

use std::time::Instant;

use bytes::Bytes;
use futures_util::StreamExt;
use swp_fast::wire::Integrity;
use swp_fast::{PublishConfig, SubscribeConfig};

use super::{Timed, histogram};
use crate::Failure;
use crate::peers::raw::{DEFAULT_QUEUE, subscribe};
use crate::peers::swp;

/// Round trips at the start of a round that are not timed.
const WARM_UP: u64 = 500;

pub(super) async fn raw(url: &str, size: usize, trips: u64) -> Result<Timed, Failure> {
    let (echo, mut pings) = subscribe(url, "bench.ping", DEFAULT_QUEUE).await?;
    let (client, mut pongs) = subscribe(url, "bench.pong", DEFAULT_QUEUE).await?;
    let echoing = tokio::spawn(async move {
        while let Some(message) = pings.next().await {
            echo.publish("bench.pong", message.payload).await?;
        }
        Ok::<_, async_nats::PublishError>(())
    });
    let payload = Bytes::from(vec![b'x'; size]);
    let mut times = histogram::new()?;
    for trip in 0..WARM_UP + trips {
        let start = Instant::now();
        client.publish("bench.ping", payload.clone()).await?;
        pongs.next().await.ok_or("the connection ended")?;
        if trip >= WARM_UP {
            times.saturating_record(start.elapsed().as_nanos() as u64);
        }
    }
    echoing.abort();
    Ok(Timed { sent: trips, received: trips, max_backlog: None, times })
}

pub(super) async fn swp(
    url: &str,
    size: usize,
    trips: u64,
    integrity: Integrity,
) -> Result<Timed, Failure> {
    // One connection at either side, as raw has.
    let (near, far) = (swp::endpoint(url).await?, swp::endpoint(url).await?);
    let config = || PublishConfig::with_integrity(integrity);
    let there = near.publish("bench-ping", config()).await?;
    let back = far.publish("bench-pong", config()).await?;
    let mut pings = far.subscribe("bench-ping", SubscribeConfig::default()).await?;
    let mut pongs = near.subscribe("bench-pong", SubscribeConfig::default()).await?;
    let echoing = tokio::spawn(async move {
        while let Some(message) = pings.next().await {
            back.send(message?).await?;
        }
        back.finish().await?;
        Ok::<_, Failure>(())
    });
    let payload = Bytes::from(vec![b'x'; size]);
    let mut times = histogram::new()?;
    for trip in 0..WARM_UP + trips {
        let start = Instant::now();
        swp::send(&there, &payload).await?;
        pongs.next().await.ok_or("the stream ended")??;
        if trip >= WARM_UP {
            times.saturating_record(start.elapsed().as_nanos() as u64);
        }
    }
    there.finish().await?;
    if pongs.next().await.transpose()?.is_some() {
        return Err("an echo came twice".into());
    }
    pongs.close().await?;
    echoing.await??;
    Ok(Timed { sent: trips, received: trips, max_backlog: None, times })
}
