//! Round trips, one at a time: a message, and its echo from the other connection.

use std::time::Instant;

use bytes::Bytes;
use futures_util::StreamExt;
use swp_fast::wire::Integrity;

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
    let (there, mut pings) = swp::session(url, "bench-ping", integrity, 1).await?;
    let (back, mut pongs) = swp::session(url, "bench-pong", integrity, 1).await?;
    let mut pings = pings.pop().ok_or("no consumer")?;
    let mut pongs = pongs.pop().ok_or("no consumer")?;
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
