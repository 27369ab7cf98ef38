//! Streams over a real nats-server: what users see, and what happens when the broker or a consumer
//! fails.

use std::time::Duration;

use async_nats::ConnectOptions;
use futures_util::StreamExt;
use futures_util::future::try_join_all;
use nats_child::NatsServer;
use swp_fast::proto::SenderError;
use swp_fast::wire::Key;
use swp_fast::{
    ClientEvents, Endpoint, EndpointConfig, PublishConfig, PublishError, Publisher, ReceiveError,
    SendError, SessionError, SubscribeConfig, SubscribeError, Subscriber, TrySendError,
};

type Failure = Box<dyn std::error::Error + Send + Sync>;

async fn endpoint(server: &NatsServer) -> Result<Endpoint, Failure> {
    // Quick reconnects: a test that restarts the broker does not wait for the usual back-off.
    let options = ConnectOptions::new().reconnect_delay_callback(|_| Duration::from_millis(20));
    let client = options.connect(server.url()).await?;
    Ok(Endpoint::new(client, EndpointConfig::default()).await?)
}

/// A publisher that one consumer has joined.
async fn pair(
    server: &NatsServer,
    publish: PublishConfig,
    subscribe: SubscribeConfig,
) -> Result<(Publisher, Subscriber), Failure> {
    let publisher = endpoint(server).await?.publish("test.stream", publish).await?;
    let subscriber = endpoint(server).await?.subscribe("test.stream", subscribe).await?;
    publisher.ready().await?;
    Ok((publisher, subscriber))
}

/// Message `n`: its number, filled up to `len` bytes.
fn message(n: u64, len: usize) -> Vec<u8> {
    let mut bytes = n.to_be_bytes().to_vec();
    bytes.resize(len.max(8), n as u8);
    bytes
}

/// Sends `count` messages while receiving them, checks each, and finishes.
async fn transfer(
    publisher: &Publisher,
    subscriber: Subscriber,
    count: u64,
    len: impl Fn(u64) -> usize,
) -> Result<(), Failure> {
    let send = async {
        for n in 0..count {
            publisher.send(message(n, len(n))).await?;
        }
        publisher.finish().await?;
        Ok::<_, Failure>(())
    };
    let (sent, received) = tokio::join!(send, receive(subscriber, count, &len));
    received?;
    sent
}

/// Receives and checks `count` messages, and then the end.
async fn receive(
    mut subscriber: Subscriber,
    count: u64,
    len: impl Fn(u64) -> usize,
) -> Result<(), Failure> {
    let mut n = 0;
    while let Some(received) = subscriber.next().await {
        assert_eq!(received?, message(n, len(n)), "message {n}");
        n += 1;
    }
    assert_eq!(n, count);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_message_arrives_in_order() -> Result<(), Failure> {
    let server = NatsServer::start()?;
    let (publisher, subscriber) =
        pair(&server, PublishConfig::default(), SubscribeConfig::default()).await?;
    transfer(&publisher, subscriber, 100_000, |n| (n % 300) as usize).await?;
    let stats = publisher.stats();
    assert_eq!((stats.messages, stats.retransmits), (100_000, 0));
    assert_eq!(stats.dropped.total(), 0);
    Ok(())
}

/// A frame holds three messages of 16 KiB where two consumers have the stream, and one message
/// where one consumer has it. Everything is queued before a consumer joins, so that no timing
/// decides.
#[tokio::test]
async fn large_messages_share_frames_for_several_consumers() -> Result<(), Failure> {
    const MESSAGES: u64 = 30;
    let len = |_| 16 << 10;
    let server = NatsServer::start()?;
    for (consumers, frames) in [(1, MESSAGES), (2, MESSAGES / 3)] {
        let mut config = PublishConfig::default();
        config.min_consumers = consumers;
        let publisher = endpoint(&server).await?.publish("test.stream", config).await?;
        for n in 0..MESSAGES {
            publisher.try_send(&message(n, len(n)))?;
        }
        let receiving = (0..consumers).map(|_| async {
            let consumer = endpoint(&server).await?;
            let subscriber = consumer.subscribe("test.stream", SubscribeConfig::default()).await?;
            receive(subscriber, MESSAGES, len).await
        });
        let (finished, received) = tokio::join!(publisher.finish(), try_join_all(receiving));
        received?;
        finished?;
        assert_eq!(publisher.stats().frames, frames, "{consumers} consumers");
    }
    Ok(())
}

#[tokio::test]
async fn a_stream_runs_on_one_thread() -> Result<(), Failure> {
    let server = NatsServer::start()?;
    let (publisher, subscriber) =
        pair(&server, PublishConfig::default(), SubscribeConfig::default()).await?;
    transfer(&publisher, subscriber, 20_000, |_| 100).await
}

#[test]
fn a_stream_runs_inside_a_tokio_uring_runtime() -> Result<(), Failure> {
    let server = NatsServer::start()?;
    tokio_uring::start(async {
        let (publisher, subscriber) =
            pair(&server, PublishConfig::default(), SubscribeConfig::default()).await?;
        transfer(&publisher, subscriber, 20_000, |_| 100).await
    })
}

#[tokio::test]
async fn large_messages_pass_a_broker_with_a_small_max_payload() -> Result<(), Failure> {
    let server = NatsServer::builder().config_line("max_payload: 8192").start()?;
    let (publisher, subscriber) =
        pair(&server, PublishConfig::default(), SubscribeConfig::default()).await?;
    assert!(publisher.max_body_bytes() < 8192);
    // From less than a frame to a hundred frames.
    transfer(&publisher, subscriber, 60, |n| 1 << (n % 20)).await
}

#[tokio::test]
async fn a_message_beyond_the_bound_is_refused_and_the_stream_continues() -> Result<(), Failure> {
    let server = NatsServer::start()?;
    let mut config = PublishConfig::default();
    config.max_message_bytes = 1000;
    let (publisher, mut subscriber) = pair(&server, config, SubscribeConfig::default()).await?;
    let refused = publisher.send(vec![0; 20_000]).await;
    assert_eq!(refused, Err(SendError::TooLarge { bytes: 20_000 }));
    publisher.send("after").await?;
    assert_eq!(subscriber.next().await.ok_or("the stream ended")??, "after");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_is_killed_and_restarted_loses_no_message() -> Result<(), Failure> {
    let mut server = NatsServer::start()?;
    let (publisher, mut subscriber) =
        pair(&server, PublishConfig::default(), SubscribeConfig::default()).await?;
    let count = 200_000_u64;
    let sending = tokio::spawn(async move {
        for n in 0..count {
            publisher.send(message(n, 200)).await?;
        }
        publisher.finish().await?;
        Ok::<_, Failure>(())
    });
    let mut n = 0;
    while let Some(received) = subscriber.next().await {
        assert_eq!(received?, message(n, 200), "message {n}");
        n += 1;
        if n == count / 4 || n == count / 2 {
            server.kill()?;
            server.restart()?;
        }
    }
    assert_eq!(n, count);
    sending.await?
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_consumer_that_does_not_read_causes_back_pressure() -> Result<(), Failure> {
    let server = NatsServer::start()?;
    let events = ClientEvents::default();
    let client = events.attach(ConnectOptions::new()).connect(server.url()).await?;
    let consumer = Endpoint::new(client, EndpointConfig::default()).await?;
    let publisher = endpoint(&server).await?.publish("s", PublishConfig::default()).await?;
    let mut config = SubscribeConfig::default();
    config.window_bytes = 64 << 10;
    let mut subscriber = consumer.subscribe("s", config).await?;
    publisher.ready().await?;
    let mut sent = 0;
    let blocked = loop {
        match publisher.try_send(&message(sent, 1000)) {
            Ok(_) => sent += 1,
            Err(error) => break error,
        }
        tokio::task::yield_now().await;
    };
    assert_eq!(blocked, TrySendError::Blocked);
    // No more was accepted than the window, the queue and a batch between them hold.
    assert!(sent * 1000 < (64 << 10) + (2 << 20), "{sent} messages were accepted");
    let read = async {
        for n in 0..sent {
            let received = subscriber.next().await.ok_or("the stream ended")??;
            assert_eq!(received, message(n, 1000));
        }
        assert!(subscriber.next().await.is_none());
        Ok::<_, Failure>(())
    };
    let (finished, read) = tokio::join!(publisher.finish(), read);
    finished?;
    read?;
    assert_eq!((publisher.stats().retransmits, events.slow_consumer()), (0, 0));
    Ok(())
}

#[tokio::test]
async fn a_second_publisher_of_a_stream_is_refused() -> Result<(), Failure> {
    let server = NatsServer::start()?;
    let first = endpoint(&server).await?.publish("s", PublishConfig::default()).await?;
    let second = endpoint(&server).await?.publish("s", PublishConfig::default()).await;
    let in_use = SessionError::Protocol(SenderError::StreamInUse);
    assert!(
        matches!(&second, Err(PublishError::Session(error)) if *error == in_use),
        "a second publisher got {second:?}"
    );
    assert!(first.try_send(b"still mine").is_ok());
    Ok(())
}

#[tokio::test]
async fn a_consumer_that_leaves_ends_the_session_with_its_name() -> Result<(), Failure> {
    let server = NatsServer::start()?;
    let mut config = SubscribeConfig::default();
    config.name = "alice".to_owned();
    let (publisher, subscriber) = pair(&server, PublishConfig::default(), config).await?;
    drop(subscriber);
    let error = publisher.over().await.expect_err("the only consumer left");
    assert!(error.to_string().contains("lost consumer alice"), "{error}");
    assert!(publisher.send("x").await.is_err());
    Ok(())
}

#[tokio::test]
async fn consumers_of_a_dropped_publisher_get_an_error() -> Result<(), Failure> {
    let server = NatsServer::start()?;
    let (publisher, mut subscriber) =
        pair(&server, PublishConfig::default(), SubscribeConfig::default()).await?;
    drop(publisher);
    let last = subscriber.next().await.ok_or("an unfinished stream ended without an error")?;
    assert!(matches!(last, Err(ReceiveError::Protocol(_))), "{last:?}");
    assert!(subscriber.next().await.is_none());
    Ok(())
}

#[tokio::test]
async fn a_consumer_with_another_key_finds_no_publisher() -> Result<(), Failure> {
    let server = NatsServer::start()?;
    let mut publish = PublishConfig::default();
    publish.key = Some(Key::derive(b"the right one"));
    let publisher = endpoint(&server).await?.publish("s", publish).await?;
    let mut subscribe = SubscribeConfig::default();
    subscribe.key = Some(Key::derive(b"another"));
    subscribe.connect_timeout = Some(Duration::from_millis(300));
    let joined = endpoint(&server).await?.subscribe("s", subscribe.clone()).await;
    assert!(matches!(joined, Err(SubscribeError::NoPublisher(_))), "{joined:?}");
    assert!(publisher.stats().dropped.unauthenticated > 0);
    subscribe.key = Some(Key::derive(b"the right one"));
    subscribe.connect_timeout = None;
    let subscriber = endpoint(&server).await?.subscribe("s", subscribe).await?;
    publisher.ready().await?;
    transfer(&publisher, subscriber, 1000, |_| 50).await
}
