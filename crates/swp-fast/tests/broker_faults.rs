//! Streams over a broker that dies, stops, shuts down, or has strict limits: every message arrives,
//! in order and once. Faults of the network are in `broker_chaos.rs`.

mod broker_support;

use std::time::Duration;

use broker_support::{
    Failure, endpoint_at, endpoint_with, join, message, options, receive, receive_rest, send,
    until, within,
};
use futures_util::StreamExt;
use nats_chaos::ChaosProxy;
use nats_child::{NatsCluster, NatsServer};
use swp_fast::{
    ClientEvents, ConfigError, EndpointConfig, PublishConfig, SendError, SessionError,
    SubscribeConfig, SubscribeError, TrySendError,
};

/// Messages of some 10 MB in all: enough to be in mid-stream when the fault comes, and quick
/// without optimisation.
const COUNT: u64 = 25_000;

/// A consumer with a window of 1 MiB, so that the publisher is in mid-stream when the consumer is.
fn close_behind() -> SubscribeConfig {
    let mut config = SubscribeConfig::default();
    config.window_bytes = 1 << 20;
    config
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_killed_again_and_again_loses_nothing() -> Result<(), Failure> {
    let mut server = NatsServer::start()?;
    let (here, there) = (endpoint_at(&[server.url()]).await?, endpoint_at(&[server.url()]).await?);
    let (publisher, mut subscriber) =
        join(&here, PublishConfig::default(), &there, close_behind()).await?;
    let sending = send(&publisher, COUNT);
    let mut at = 0;
    for part in 1..=5 {
        receive(&mut subscriber, at..COUNT * part / 6).await?;
        at = COUNT * part / 6;
        server.kill()?;
        server.restart()?;
    }
    receive_rest(&mut subscriber, at, COUNT).await?;
    within(sending).await??
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_killed_before_the_handshake_and_before_the_end_loses_nothing()
-> Result<(), Failure> {
    let mut server = NatsServer::start()?;
    let (here, there) = (endpoint_at(&[server.url()]).await?, endpoint_at(&[server.url()]).await?);
    let publisher = here.publish("s", PublishConfig::default()).await?;
    server.kill()?;
    let joining =
        tokio::spawn(async move { there.subscribe("s", SubscribeConfig::default()).await });
    server.restart()?;
    let mut subscriber = within(joining).await???;
    within(publisher.ready()).await??;
    let publisher = std::sync::Arc::new(publisher);
    let last = publisher.send(message(0)).await?;
    within(publisher.acked(last)).await??;
    server.kill()?;
    // This FIN is lost, and the publisher sends another.
    let finishing = tokio::spawn(async move { publisher.finish().await });
    receive(&mut subscriber, 0..1).await?;
    server.restart()?;
    receive_rest(&mut subscriber, 1, 1).await?;
    Ok(within(finishing).await???)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_does_not_come_back_ends_both_sessions() -> Result<(), Failure> {
    let mut server = NatsServer::start()?;
    let mut config = EndpointConfig::default();
    config.outage_timeout = Duration::from_millis(300);
    let here = endpoint_with(options(), config.clone(), &[server.url()]).await?;
    let there = endpoint_with(options(), config, &[server.url()]).await?;
    let (publisher, mut subscriber) =
        join(&here, PublishConfig::default(), &there, close_behind()).await?;
    let sending = send(&publisher, u64::MAX);
    receive(&mut subscriber, 0..1000).await?;
    server.kill()?;
    // What arrived before is delivered first.
    let error = loop {
        match within(subscriber.next()).await?.ok_or("the stream ended without an error")? {
            Ok(_) => {}
            Err(error) => break error.to_string(),
        }
    };
    assert!(error.contains("did not come back"), "{error}");
    let error = within(sending).await??.expect_err("the session ended");
    let closed = SendError::Closed(SessionError::Disconnected);
    assert_eq!(error.downcast_ref(), Some(&closed), "{error}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_is_paused_for_a_while_loses_nothing() -> Result<(), Failure> {
    let mut server = NatsServer::start()?;
    let (here, there) = (endpoint_at(&[server.url()]).await?, endpoint_at(&[server.url()]).await?);
    let (publisher, mut subscriber) =
        join(&here, PublishConfig::default(), &there, close_behind()).await?;
    let sending = send(&publisher, COUNT);
    receive(&mut subscriber, 0..COUNT / 2).await?;
    server.pause()?;
    let probes = publisher.stats().probes;
    until("probes go unanswered", || publisher.stats().probes >= probes + 4).await?;
    server.resume()?;
    receive_rest(&mut subscriber, COUNT / 2, COUNT).await?;
    within(sending).await??
}

/// Windows so large that the broker queues more for a stopped consumer than sockets hold.
fn large_windows() -> (PublishConfig, SubscribeConfig) {
    let (mut publish, mut subscribe) = (PublishConfig::default(), SubscribeConfig::default());
    publish.retained_bytes = 48 << 20;
    subscribe.window_bytes = 32 << 20;
    (publish, subscribe)
}

/// A stopped consumer, which the broker disconnects for `verdict`.
async fn a_stopped_consumer_is_cut_off(line: &str, verdict: &str) -> Result<(), Failure> {
    let server = NatsServer::builder().config_line(line).start()?;
    let proxy = ChaosProxy::start(server.port(), 1)?;
    let (here, there) = (endpoint_at(&[server.url()]).await?, endpoint_at(&[proxy.url()]).await?);
    let (publish, subscribe) = large_windows();
    let (publisher, mut subscriber) = join(&here, publish, &there, subscribe).await?;
    let count = 4 * COUNT;
    let sending = send(&publisher, count);
    receive(&mut subscriber, 0..1000).await?;
    proxy.stall(true);
    until(verdict, || server.log().is_ok_and(|log| log.contains(verdict))).await?;
    proxy.stall(false);
    receive_rest(&mut subscriber, 1000, count).await?;
    within(sending).await???;
    assert!(publisher.stats().retransmits > 0, "what the broker dropped was retransmitted");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_consumer_cut_off_at_max_pending_gets_everything_later() -> Result<(), Failure> {
    a_stopped_consumer_is_cut_off("max_pending: 1MB", "Slow Consumer Detected").await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_consumer_cut_off_at_the_write_deadline_gets_everything_later() -> Result<(), Failure> {
    a_stopped_consumer_is_cut_off("write_deadline: \"1s\"", "WriteDeadline of 1s exceeded").await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_window_within_max_pending_is_never_cut_off() -> Result<(), Failure> {
    let server = NatsServer::builder().config_line("max_pending: 1MB").start()?;
    let proxy = ChaosProxy::start(server.port(), 1)?;
    let (here, there) = (endpoint_at(&[server.url()]).await?, endpoint_at(&[proxy.url()]).await?);
    let mut subscribe = SubscribeConfig::default();
    subscribe.window_bytes = 512 << 10;
    let (publisher, mut subscriber) =
        join(&here, PublishConfig::default(), &there, subscribe).await?;
    let sending = send(&publisher, COUNT);
    receive(&mut subscriber, 0..1000).await?;
    proxy.stall(true);
    let probes = publisher.stats().probes;
    until("probes go unanswered", || publisher.stats().probes >= probes + 2).await?;
    proxy.stall(false);
    receive_rest(&mut subscriber, 1000, COUNT).await?;
    within(sending).await???;
    assert_eq!((publisher.stats().retransmits, proxy.counts().accepted), (0, 1));
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_broker_skips_for_a_slow_consumer_arrives_later() -> Result<(), Failure> {
    let server = NatsServer::builder()
        .config_line("no_fast_producer_stall: true")
        .config_line("max_pending: 4MB")
        .start()?;
    let proxy = ChaosProxy::start(server.port(), 1)?;
    let (here, there) = (endpoint_at(&[server.url()]).await?, endpoint_at(&[proxy.url()]).await?);
    let (mut publish, subscribe) = large_windows();
    publish.min_consumers = 2;
    let publisher = std::sync::Arc::new(here.publish("s", publish).await?);
    let mut slow = there.subscribe("s", subscribe.clone()).await?;
    let mut quick = endpoint_at(&[server.url()]).await?.subscribe("s", subscribe).await?;
    within(publisher.ready()).await??;
    let count = 2 * COUNT;
    let sending = send(&publisher, count);
    let quick = tokio::spawn(async move { receive_rest(&mut quick, 0, count).await });
    let mut at = 0;
    for part in 1..=2 {
        receive(&mut slow, at..count * part / 3).await?;
        at = count * part / 3;
        proxy.stall(true);
        let probes = publisher.stats().probes;
        until("probes go unanswered", || publisher.stats().probes >= probes + 2).await?;
        proxy.stall(false);
    }
    receive_rest(&mut slow, at, count).await?;
    within(quick).await???;
    within(sending).await??
}

#[tokio::test]
async fn a_subscription_too_small_for_the_window_is_refused() -> Result<(), Failure> {
    let server = NatsServer::start()?;
    let mut config = EndpointConfig::default();
    config.subscription_capacity = 64;
    let client = options().subscription_capacity(64);
    let endpoint = endpoint_with(client, config, &[server.url()]).await?;
    let refused = endpoint.subscribe("s", SubscribeConfig::default()).await;
    let window = ConfigError::WindowExceedsSubscription { window_frames: 4096, capacity: 64 };
    assert!(matches!(&refused, Err(SubscribeError::Config(e)) if *e == window), "{refused:?}");
    Ok(())
}

/// The smallest subscription that is accepted: one window and the reserve.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_small_subscription_is_never_overrun() -> Result<(), Failure> {
    let server = NatsServer::start()?;
    let mut config = EndpointConfig::default();
    config.subscription_capacity = 128;
    let events = ClientEvents::default();
    let client = events.attach(options().subscription_capacity(128));
    let there = endpoint_with(client, config, &[server.url()]).await?;
    let mut subscribe = SubscribeConfig::default();
    subscribe.window_frames = 64;
    let here = endpoint_at(&[server.url()]).await?;
    let (publisher, mut subscriber) =
        join(&here, PublishConfig::default(), &there, subscribe).await?;
    let sending = send(&publisher, COUNT);
    receive_rest(&mut subscriber, 0, COUNT).await?;
    within(sending).await???;
    assert_eq!((publisher.stats().retransmits, events.slow_consumer()), (0, 0));
    Ok(())
}

/// The endpoint is configured with a capacity that the client does not have. The publisher
/// retransmits what the client drops.
#[tokio::test]
async fn what_a_subscription_smaller_than_configured_drops_is_retransmitted() -> Result<(), Failure>
{
    let server = NatsServer::start()?;
    let events = ClientEvents::default();
    let client = events.attach(options().subscription_capacity(64));
    let there = endpoint_with(client, EndpointConfig::default(), &[server.url()]).await?;
    let mut publish = PublishConfig::default();
    publish.frame_bytes = 1024;
    let here = endpoint_at(&[server.url()]).await?;
    let (publisher, mut subscriber) =
        join(&here, publish, &there, SubscribeConfig::default()).await?;
    let sending = send(&publisher, COUNT / 5);
    receive_rest(&mut subscriber, 0, COUNT / 5).await?;
    within(sending).await??
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_of_a_lame_duck_reconnect_to_another_node() -> Result<(), Failure> {
    let describe = || NatsServer::builder().config_line("lame_duck_grace_period: \"1ms\"");
    let mut cluster = NatsCluster::start_with(2, describe)?;
    let urls = cluster.urls();
    let (here, there) = (endpoint_at(&urls).await?, endpoint_at(&urls).await?);
    let (publisher, mut subscriber) =
        join(&here, PublishConfig::default(), &there, close_behind()).await?;
    let sending = send(&publisher, COUNT);
    receive(&mut subscriber, 0..COUNT / 2).await?;
    cluster[0].lame_duck()?;
    until("the lame duck has ended", || !cluster[0].is_running()).await?;
    receive_rest(&mut subscriber, COUNT / 2, COUNT).await?;
    within(sending).await??
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_of_a_lame_duck_reconnect_when_it_is_back_on_its_port() -> Result<(), Failure> {
    let mut server =
        NatsServer::builder().config_line("lame_duck_grace_period: \"1ms\"").start()?;
    let (here, there) = (endpoint_at(&[server.url()]).await?, endpoint_at(&[server.url()]).await?);
    let (publisher, mut subscriber) =
        join(&here, PublishConfig::default(), &there, close_behind()).await?;
    let sending = send(&publisher, COUNT);
    receive(&mut subscriber, 0..COUNT / 2).await?;
    server.lame_duck()?;
    until("the lame duck has ended", || !server.is_running()).await?;
    server.restart()?;
    receive_rest(&mut subscriber, COUNT / 2, COUNT).await?;
    within(sending).await??
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_that_loses_the_node_of_both_sides_loses_no_message() -> Result<(), Failure> {
    let mut cluster = NatsCluster::start(3)?;
    let mut urls = cluster.urls();
    let here = endpoint_at(&urls).await?;
    urls.rotate_left(1);
    let there = endpoint_at(&urls).await?;
    let (publisher, mut subscriber) =
        join(&here, PublishConfig::default(), &there, close_behind()).await?;
    let sending = send(&publisher, COUNT);
    receive(&mut subscriber, 0..COUNT / 4).await?;
    cluster[0].kill()?; // the publisher's
    receive(&mut subscriber, COUNT / 4..COUNT / 2).await?;
    cluster[0].restart()?;
    cluster.wait_formed()?;
    cluster[1].kill()?; // the consumer's, and perhaps the publisher's again
    receive_rest(&mut subscriber, COUNT / 2, COUNT).await?;
    within(sending).await??
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn try_send_is_blocked_while_the_broker_is_down() -> Result<(), Failure> {
    let mut server = NatsServer::start()?;
    let (here, there) = (endpoint_at(&[server.url()]).await?, endpoint_at(&[server.url()]).await?);
    let (publisher, mut subscriber) =
        join(&here, PublishConfig::default(), &there, close_behind()).await?;
    server.kill()?;
    let mut sent = 0;
    let mut blocked = 0;
    // One refusal may be momentary. The bound on what is queued and in flight refuses every
    // message.
    while blocked < 100 {
        match publisher.try_send(&message(sent)) {
            Ok(_) => (sent, blocked) = (sent + 1, 0),
            Err(TrySendError::Blocked) => blocked += 1,
            Err(error) => return Err(error.into()),
        }
        tokio::task::yield_now().await;
    }
    server.restart()?;
    let finishing = tokio::spawn(async move { publisher.finish().await });
    receive_rest(&mut subscriber, 0, sent).await?;
    Ok(within(finishing).await???)
}

/// The publisher reconnects to a node that accepts smaller messages than the first node. The frames
/// of the session do not fit there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_with_a_smaller_max_payload_ends_the_session_with_a_reason() -> Result<(), Failure> {
    let nodes = std::cell::Cell::new(0);
    let describe = || {
        nodes.set(nodes.get() + 1);
        let bytes = if nodes.get() == 1 { 1 << 20 } else { 8 << 10 };
        NatsServer::builder().config_line(format!("max_payload: {bytes}"))
    };
    let mut cluster = NatsCluster::start_with(2, describe)?;
    let mut urls = cluster.urls();
    let here = endpoint_at(&urls).await?;
    urls.reverse();
    let there = endpoint_at(&urls).await?;
    let mut config = PublishConfig::default();
    config.keep_alive = Duration::from_millis(200);
    config.idle_timeout = Duration::from_secs(1);
    let (publisher, mut subscriber) = join(&here, config, &there, close_behind()).await?;
    let sending = send(&publisher, COUNT);
    receive(&mut subscriber, 0..COUNT / 2).await?;
    cluster[0].kill()?;
    let received = loop {
        match within(subscriber.next()).await?.ok_or("the stream ended without an error")? {
            Ok(_) => {}
            Err(error) => break error.to_string(),
        }
    };
    let sent = within(sending).await??.expect_err("the session ended").to_string();
    assert!(sent.contains("payload"), "{sent}");
    assert!(received.contains("publisher"), "{received}");
    Ok(())
}
