//! Several consumers at the servers of a cluster, or at a leaf node and its hub.
#![cfg(feature = "nats")]

mod broker_support;

use broker_support::{Failure, endpoint_at, receive, receive_rest, send, within};
use nats_child::{NatsCluster, NatsServer};
use std::sync::Arc;

use swp_fast::{Endpoint, PublishConfig, SubscribeConfig};
use tokio::task::JoinSet;

/// Messages of some 10 MB in all. With a window of 1 MiB the publisher is in mid-stream when a
/// consumer is.
const COUNT: u64 = 25_000;

/// Sends the stream from one endpoint to a consumer at each of the others. Calls `amid` when the
/// first consumer has received a quarter of the stream.
async fn transfer(
    from: &Endpoint,
    to: &[Endpoint],
    amid: impl FnOnce() -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut config = PublishConfig::default();
    config.min_consumers = to.len();
    let mut close_behind = SubscribeConfig::default();
    close_behind.window_bytes = 1 << 20;
    let publisher = Arc::new(from.publish("s", config).await?);
    let mut subscribers = Vec::new();
    for endpoint in to {
        subscribers.push(within(endpoint.subscribe("s", close_behind.clone())).await??);
    }
    let sending = send(&publisher, COUNT);
    let mut first = subscribers.remove(0);
    let mut others = JoinSet::new();
    for mut subscriber in subscribers {
        others.spawn(async move {
            receive_rest(&mut subscriber, 0, COUNT).await?;
            subscriber.close().await?;
            Ok::<(), Failure>(())
        });
    }
    receive(&mut first, 0..COUNT / 4).await?;
    amid()?;
    receive_rest(&mut first, COUNT / 4, COUNT).await?;
    first.close().await?;
    while let Some(received) = within(others.join_next()).await? {
        received??;
    }
    within(sending).await??
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn consumers_at_all_nodes_get_everything_though_one_node_is_lost() -> Result<(), Failure> {
    let mut cluster = NatsCluster::start(3)?;
    let mut urls = cluster.urls();
    let here = endpoint_at(&urls).await?;
    let mut there = Vec::new();
    for _ in 0..3 {
        there.push(endpoint_at(&urls).await?);
        urls.rotate_left(1);
    }
    // The consumer at the killed node reconnects to another node.
    transfer(&here, &there, || Ok(cluster[1].kill().map(drop)?)).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn consumers_behind_a_leaf_node_and_at_the_hub_get_everything() -> Result<(), Failure> {
    let hub = NatsServer::builder().takes_leaves().start()?;
    let leaf = NatsServer::builder().leaf_of(&hub).start()?;
    let here = endpoint_at(&[hub.url()]).await?;
    let there = [
        endpoint_at(&[leaf.url()]).await?,
        endpoint_at(&[leaf.url()]).await?,
        endpoint_at(&[hub.url()]).await?,
    ];
    transfer(&here, &there, || Ok(())).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_of_the_publishers_leaf_node_loses_nothing() -> Result<(), Failure> {
    let hub = NatsServer::builder().takes_leaves().start()?;
    let mut leaf = NatsServer::builder().leaf_of(&hub).start()?;
    let here = endpoint_at(&[leaf.url()]).await?;
    let there = [endpoint_at(&[hub.url()]).await?, endpoint_at(&[hub.url()]).await?];
    transfer(&here, &there, || {
        leaf.kill()?;
        Ok(leaf.restart()?)
    })
    .await
}
