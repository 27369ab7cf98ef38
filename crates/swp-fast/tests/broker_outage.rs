//! Sessions that end while NATS is down. The peer is told when NATS is back, and the session waits
//! for at most the outage time-out.

mod broker_support;

use std::sync::Arc;
use std::time::Duration;

use async_nats::Client;
use async_nats::connection::State;
use broker_support::{Failure, endpoint_at, join, message, options, receive, until, within};
use futures_util::{FutureExt, StreamExt};
use nats_chaos::ChaosProxy;
use nats_child::NatsServer;
use swp_fast::{
    Endpoint, EndpointConfig, PublishConfig, SenderEvent, SessionError, SubscribeConfig,
};

/// An endpoint with a short outage time-out, and its client.
async fn impatient(url: impl AsRef<str>, capacity: usize) -> Result<(Endpoint, Client), Failure> {
    let client = options().client_capacity(capacity).connect(url.as_ref()).await?;
    let mut config = EndpointConfig::default();
    config.outage_timeout = Duration::from_millis(300);
    Ok((Endpoint::new(client.clone(), config).await?, client))
}

async fn until_down(client: &Client) -> Result<(), Failure> {
    until("the client has lost its server", || client.connection_state() != State::Connected).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn consumers_are_told_of_an_abort_when_nats_is_back() -> Result<(), Failure> {
    let mut server = NatsServer::start()?;
    let client = options().connect(server.url()).await?;
    let here = Endpoint::new(client.clone(), EndpointConfig::default()).await?;
    let there = endpoint_at(&[server.url()]).await?;
    let (publisher, mut subscriber) =
        join(&here, PublishConfig::default(), &there, SubscribeConfig::default()).await?;
    publisher.send(message(0)).await?;
    receive(&mut subscriber, 0..1).await?;
    server.kill()?;
    until_down(&client).await?;
    let aborting = {
        let publisher = Arc::clone(&publisher);
        tokio::spawn(async move { publisher.abort("on purpose").await })
    };
    // The task has aborted the session, and cannot tell the consumer.
    while !matches!(within(publisher.next_event()).await?, Some(SenderEvent::Failed(_))) {}
    server.restart()?;
    let told = within(subscriber.next()).await?.ok_or("the stream ended without an error")?;
    let told = told.expect_err("nothing was sent").to_string();
    assert!(told.contains("on purpose"), "{told}");
    Ok(within(aborting).await??)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_abort_waits_for_at_most_the_outage_time_out() -> Result<(), Failure> {
    let mut server = NatsServer::start()?;
    let (here, client) = impatient(server.url(), 2048).await?;
    let publisher = here.publish("s", PublishConfig::default()).await?;
    server.kill()?;
    until_down(&client).await?;
    within(publisher.abort("on purpose")).await?;
    // The abort ended the session, not the outage.
    let over = within(publisher.over()).await?;
    assert!(matches!(over, Err(SessionError::Protocol(_))), "{over:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_consumer_that_leaves_waits_for_at_most_the_outage_time_out() -> Result<(), Failure> {
    let mut server = NatsServer::start()?;
    let here = endpoint_at(&[server.url()]).await?;
    let (there, client) = impatient(server.url(), 2048).await?;
    let (_publisher, subscriber) =
        join(&here, PublishConfig::default(), &there, SubscribeConfig::default()).await?;
    server.kill()?;
    until_down(&client).await?;
    within(subscriber.cancel("on purpose")).await
}

/// A client without a server does not empty its queue. A publisher that waits for space in the
/// queue would wait forever.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_publisher_whose_client_is_full_ends_with_the_outage() -> Result<(), Failure> {
    let server = NatsServer::start()?;
    let proxy = ChaosProxy::start(server.port(), 1)?;
    let (here, client) = impatient(proxy.url(), 4).await?;
    let there = endpoint_at(&[server.url()]).await?;
    let (publisher, _subscriber) =
        join(&here, PublishConfig::default(), &there, SubscribeConfig::default()).await?;
    proxy.stall(true);
    let filler = bytes::Bytes::from(vec![0; 256 << 10]);
    let full = || client.publish("filler", filler.clone()).now_or_never().is_none();
    until("the client's queue is full", full).await?;
    let frames = publisher.stats().frames;
    publisher.send(message(0)).await?;
    until("the publisher has a frame to hand over", || publisher.stats().frames > frames).await?;
    proxy.refuse(true);
    proxy.cut_all();
    let over = within(publisher.over()).await?;
    assert_eq!(over, Err(SessionError::Disconnected));
    Ok(())
}
