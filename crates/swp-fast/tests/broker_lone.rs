//! Messages that come one at a time, and what comes between them: bursts, several threads, a client
//! without space. A lone message leaves in the thread that sends it, messages gather while a write
//! is under way, and order is kept.

mod broker_support;

use std::sync::Arc;

use broker_support::{Failure, options, within};
use futures_util::{FutureExt, StreamExt};
use nats_child::NatsServer;
use swp_fast::{
    Endpoint, EndpointConfig, PublishConfig, Publisher, SubscribeConfig, Subscriber, TrySendError,
};

/// The rounds of one test, of which every tenth is a burst.
const ROUNDS: u64 = 500;

/// The messages of a burst, which fit one frame.
const BURST: u64 = 50;

/// The capacity of a client's queue by default, in commands.
const CAPACITY: usize = 2048;

/// A publisher over a client whose queue holds `client_capacity` commands, and its consumer.
async fn pair(
    server: &NatsServer,
    client_capacity: usize,
) -> Result<(Publisher, Subscriber), Failure> {
    let client = options().client_capacity(client_capacity).connect(server.url()).await?;
    let near = Endpoint::new(client, EndpointConfig::default()).await?;
    let client = options().connect(server.url()).await?;
    let far = Endpoint::new(client, EndpointConfig::default()).await?;
    let publisher = near.publish("lone", PublishConfig::default()).await?;
    let subscriber = far.subscribe("lone", SubscribeConfig::default()).await?;
    publisher.ready().await?;
    Ok((publisher, subscriber))
}

async fn expect(subscriber: &mut Subscriber, n: u64) -> Result<(), Failure> {
    let message = within(subscriber.next()).await?.ok_or("the stream ended")??;
    assert_eq!(message[..], n.to_be_bytes());
    Ok(())
}

/// Sends lone messages, each read before the next is sent, and bursts. Returns how many frames they
/// took.
async fn lone_and_bursts(client_capacity: usize) -> Result<u64, Failure> {
    let server = NatsServer::start()?;
    let (publisher, mut subscriber) = pair(&server, client_capacity).await?;
    let (mut sent, mut read) = (0_u64, 0_u64);
    for round in 0..ROUNDS {
        for _ in 0..if round % 10 == 9 { BURST } else { 1 } {
            publisher.try_send(&sent.to_be_bytes())?;
            sent += 1;
        }
        while read < sent {
            expect(&mut subscriber, read).await?;
            read += 1;
        }
    }
    let frames = publisher.stats().frames;
    let last = publisher.try_send(b"last")?;
    publisher.acked(last).await?;
    let reading = tokio::spawn(async move { subscriber.count().await });
    publisher.finish().await?;
    assert_eq!(reading.await?, 1);
    let stats = publisher.stats();
    assert_eq!((stats.messages, stats.retransmits), (sent + 1, 0));
    assert_eq!(stats.dropped.total(), 0);
    Ok(frames)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lone_messages_and_bursts_keep_their_order() -> Result<(), Failure> {
    lone_and_bursts(CAPACITY).await.map(drop)
}

/// On one thread the task cannot run amid a burst: what does not leave with the first message
/// gathers.
#[tokio::test]
async fn a_burst_takes_two_frames_at_most() -> Result<(), Failure> {
    let frames = lone_and_bursts(CAPACITY).await?;
    let (bursts, most) = (ROUNDS / 10, ROUNDS + ROUNDS / 10);
    assert!((ROUNDS..=most).contains(&frames), "{frames} frames, with {bursts} bursts");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn order_is_kept_over_a_client_with_space_for_one_command() -> Result<(), Failure> {
    lone_and_bursts(1).await.map(drop)
}

/// On one thread nothing else runs between sending a message and looking at the counter of frames.
#[tokio::test]
async fn a_lone_message_leaves_without_the_task() -> Result<(), Failure> {
    let server = NatsServer::start()?;
    let (publisher, mut subscriber) = pair(&server, CAPACITY).await?;
    let mut at_once = 0;
    for n in 0..100_u64 {
        let frames = publisher.stats().frames;
        let position = publisher.try_send(&n.to_be_bytes())?;
        at_once += publisher.stats().frames - frames;
        expect(&mut subscriber, n).await?;
        publisher.acked(position).await?;
        publisher.flush().await?;
    }
    // A probe may be on its way now and then, and a message gathers then.
    assert!(at_once >= 90, "only {at_once} of 100 messages left at once");
    Ok(())
}

/// Polls for each message once before it is sent, and reads it after it was acknowledged.
async fn an_application_that_stops_waiting() -> Result<(), Failure> {
    let server = NatsServer::start()?;
    let (publisher, mut subscriber) = pair(&server, CAPACITY).await?;
    for n in 0..200_u64 {
        assert!(subscriber.next().now_or_never().is_none(), "nothing was sent");
        let sent = publisher.try_send(&n.to_be_bytes())?;
        within(publisher.acked(sent)).await??;
        expect(&mut subscriber, n).await?;
    }
    assert_eq!(publisher.stats().retransmits, 0);
    Ok(())
}

#[tokio::test]
async fn messages_are_acked_after_the_application_stops_waiting() -> Result<(), Failure> {
    an_application_that_stops_waiting().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_are_acked_on_other_threads_as_well() -> Result<(), Failure> {
    an_application_that_stops_waiting().await
}

#[tokio::test]
async fn a_flush_covers_a_message_that_left_without_the_task() -> Result<(), Failure> {
    let server = NatsServer::start()?;
    let (publisher, mut subscriber) = pair(&server, CAPACITY).await?;
    for n in 0..200_u64 {
        publisher.send(n.to_be_bytes().to_vec()).await?;
        within(publisher.flush()).await??;
        expect(&mut subscriber, n).await?;
    }
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "an application has threads of its own")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn threads_without_a_runtime_keep_the_order_of_each() -> Result<(), Failure> {
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
        let message = within(subscriber.next()).await?.ok_or("the stream ended")??;
        let thread = u32::from_be_bytes(message[..4].try_into()?) as usize;
        assert_eq!(message[4..], next[thread].to_be_bytes(), "of thread {thread}");
        next[thread] += 1;
    }
    for thread in sending {
        thread.join().map_err(|_| "a thread panicked")??;
    }
    Ok(())
}

/// A producer that waits for space is woken also where the message that took the space leaves
/// without the task.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_message_beside_a_lone_one_gets_space() -> Result<(), Failure> {
    let server = NatsServer::start()?;
    let (publisher, mut subscriber) = pair(&server, CAPACITY).await?;
    let publisher = Arc::new(publisher);
    let large = bytes::Bytes::from(vec![7; PublishConfig::default().queue_bytes]);
    for round in 0..300 {
        let (small, other) = (Arc::clone(&publisher), Arc::clone(&publisher));
        let message = large.clone();
        let small = tokio::spawn(async move { small.send(&b"small"[..]).await.map(|_| ()) });
        let other = tokio::spawn(async move { other.send(message).await.map(|_| ()) });
        for _ in 0..2 {
            let received = within(subscriber.next()).await;
            received.map_err(|_| format!("round {round}: no space"))?.ok_or("the end")??;
        }
        small.await??;
        other.await??;
    }
    Ok(())
}
