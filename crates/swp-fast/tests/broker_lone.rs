//! Messages one at a time, which go past the publisher's task where nothing else is under way, and what
//! comes between them: bursts, other threads, a client with no room.

use std::sync::Arc;

use async_nats::ConnectOptions;
use futures_util::{FutureExt, StreamExt};
use nats_child::NatsServer;
use swp_fast::{
    Endpoint, EndpointConfig, PublishConfig, Publisher, SubscribeConfig, Subscriber, TrySendError,
};

/// Far beyond what anything here takes.
const LIMIT: std::time::Duration = std::time::Duration::from_secs(20);

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// A publisher whose client takes `client_capacity` commands at once, and its consumer.
async fn pair(
    server: &NatsServer,
    client_capacity: usize,
) -> Result<(Publisher, Subscriber), Failure> {
    let client = ConnectOptions::new().client_capacity(client_capacity).connect(server.url());
    let near = Endpoint::new(client.await?, EndpointConfig::default()).await?;
    let client = ConnectOptions::new().connect(server.url()).await?;
    let far = Endpoint::new(client, EndpointConfig::default()).await?;
    let publisher = near.publish("lone", PublishConfig::default()).await?;
    let subscriber = far.subscribe("lone", SubscribeConfig::default()).await?;
    publisher.ready().await?;
    Ok((publisher, subscriber))
}

async fn expect(subscriber: &mut Subscriber, n: u32) -> Result<(), Failure> {
    let message = subscriber.next().await.ok_or("the stream ended")??;
    assert_eq!(message[..], n.to_be_bytes());
    Ok(())
}

/// Rounds of one message, each read before the next is sent, and of a burst now and then.
async fn lone_and_bursts(client_capacity: usize) -> Result<(), Failure> {
    let server = NatsServer::start()?;
    let (publisher, mut subscriber) = pair(&server, client_capacity).await?;
    let (mut sent, mut read) = (0_u32, 0_u32);
    for round in 0..500 {
        for _ in 0..if round % 10 == 9 { 50 } else { 1 } {
            publisher.try_send(&sent.to_be_bytes())?;
            sent += 1;
        }
        while read < sent {
            expect(&mut subscriber, read).await?;
            read += 1;
        }
    }
    let last = publisher.try_send(b"last")?;
    publisher.acked(last).await?;
    let reading = tokio::spawn(async move { subscriber.count().await });
    publisher.finish().await?;
    assert_eq!(reading.await?, 1);
    let stats = publisher.stats();
    assert_eq!((stats.messages, stats.retransmits), (u64::from(sent) + 1, 0));
    assert_eq!(stats.dropped.total(), 0);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lone_messages_and_bursts_keep_their_order() -> Result<(), Failure> {
    lone_and_bursts(2048).await
}

#[tokio::test]
async fn on_one_thread_too() -> Result<(), Failure> {
    lone_and_bursts(2048).await
}

/// What the client does not take at once is left to the task, in its order.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_a_client_that_has_room_for_one_command() -> Result<(), Failure> {
    lone_and_bursts(1).await
}

/// Who waits takes what arrives by itself; where it has given up waiting, its task does.
async fn given_up_waiting() -> Result<(), Failure> {
    let server = NatsServer::start()?;
    let (publisher, mut subscriber) = pair(&server, 2048).await?;
    for n in 0..200_u32 {
        assert!(subscriber.next().now_or_never().is_none(), "nothing was sent");
        let sent = publisher.try_send(&n.to_be_bytes())?;
        publisher.acked(sent).await?;
        expect(&mut subscriber, n).await?;
    }
    assert_eq!(publisher.stats().retransmits, 0);
    Ok(())
}

#[tokio::test]
async fn messages_are_reported_though_who_waited_for_them_has_gone() -> Result<(), Failure> {
    tokio::time::timeout(LIMIT, given_up_waiting()).await?
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn also_on_other_threads() -> Result<(), Failure> {
    tokio::time::timeout(LIMIT, given_up_waiting()).await?
}

/// The task sleeps while messages go past it; a flush still ends.
#[tokio::test]
async fn a_flush_counts_what_went_past_the_task() -> Result<(), Failure> {
    let server = NatsServer::start()?;
    let (publisher, mut subscriber) = pair(&server, 2048).await?;
    for n in 0..200_u32 {
        publisher.send(n.to_be_bytes().to_vec()).await?;
        publisher.flush().await?;
        expect(&mut subscriber, n).await?;
    }
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "an application has threads of its own")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn threads_without_a_runtime_send_at_once_and_each_in_its_order() -> Result<(), Failure> {
    const THREADS: u32 = 4;
    const MESSAGES: u32 = 20_000;
    let server = NatsServer::start()?;
    let (publisher, mut subscriber) = pair(&server, 16).await?;
    let publisher = Arc::new(publisher);
    let sending: Vec<_> = (0..THREADS)
        .map(|thread| {
            let publisher = Arc::clone(&publisher);
            std::thread::spawn(move || {
                for n in 0..MESSAGES {
                    let message = [thread.to_be_bytes(), n.to_be_bytes()].concat();
                    loop {
                        match publisher.try_send(&message) {
                            Ok(_) => break,
                            Err(TrySendError::Blocked) => std::thread::yield_now(),
                            Err(error) => return Err(error),
                        }
                    }
                }
                Ok(())
            })
        })
        .collect();
    let mut next = [0_u32; THREADS as usize];
    for _ in 0..THREADS * MESSAGES {
        let message = subscriber.next().await.ok_or("the stream ended")??;
        let thread = u32::from_be_bytes(message[..4].try_into()?) as usize;
        assert_eq!(message[4..], next[thread].to_be_bytes(), "of thread {thread}");
        next[thread] += 1;
    }
    for thread in sending {
        thread.join().map_err(|_| "a thread panicked")??;
    }
    Ok(())
}

/// Who waits for room hears of it also where a message that took it went past the task.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_message_beside_a_lone_one_is_not_forgotten() -> Result<(), Failure> {
    let server = NatsServer::start()?;
    let (publisher, mut subscriber) = pair(&server, 2048).await?;
    let publisher = Arc::new(publisher);
    let large = bytes::Bytes::from(vec![7; PublishConfig::default().queue_bytes]);
    for round in 0..300 {
        let (small, other) = (Arc::clone(&publisher), Arc::clone(&publisher));
        let message = large.clone();
        let small = tokio::spawn(async move { small.send(&b"small"[..]).await.map(|_| ()) });
        let other = tokio::spawn(async move { other.send(message).await.map(|_| ()) });
        for _ in 0..2 {
            let received = tokio::time::timeout(LIMIT, subscriber.next()).await;
            received.map_err(|_| format!("round {round}: forgotten"))?.ok_or("the end")??;
        }
        small.await??;
        other.await??;
    }
    Ok(())
}
