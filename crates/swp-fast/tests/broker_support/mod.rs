//! What the tests with a real nats-server share: connections, numbered messages, and bounded waits.
#![allow(dead_code, reason = "each test file uses a part of it")]

use std::future::Future;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use async_nats::{ConnectOptions, ServerAddr};
use futures_util::StreamExt;
use swp_fast::{Endpoint, EndpointConfig, PublishConfig, Publisher, SubscribeConfig, Subscriber};
use tokio::task::JoinHandle;

pub(crate) type Failure = Box<dyn std::error::Error + Send + Sync>;

/// The bound of every wait, far beyond what any wait takes. A test that reaches it fails.
const PATIENCE: Duration = Duration::from_secs(60);

/// The interval between looks at a condition.
const LOOK: Duration = Duration::from_millis(2);

/// Options for a client that reconnects quickly, so that no test waits for the usual back-off, and
/// that tries its servers in the order given.
pub(crate) fn options() -> ConnectOptions {
    ConnectOptions::new()
        .retain_servers_order()
        .reconnect_delay_callback(|_| Duration::from_millis(20))
}

/// An endpoint over a connection to the first of `urls` that answers.
pub(crate) async fn endpoint_at<T: AsRef<str>>(urls: &[T]) -> Result<Endpoint, Failure> {
    endpoint_with(options(), EndpointConfig::default(), urls).await
}

pub(crate) async fn endpoint_with<T: AsRef<str>>(
    options: ConnectOptions,
    config: EndpointConfig,
    urls: &[T],
) -> Result<Endpoint, Failure> {
    let servers: Vec<ServerAddr> =
        urls.iter().map(|url| url.as_ref().parse()).collect::<Result<_, _>>()?;
    Ok(Endpoint::new(options.connect(servers).await?, config).await?)
}

/// A publisher at one endpoint, which one consumer at another endpoint has joined.
pub(crate) async fn join(
    publish_at: &Endpoint,
    publish: PublishConfig,
    subscribe_at: &Endpoint,
    subscribe: SubscribeConfig,
) -> Result<(Arc<Publisher>, Subscriber), Failure> {
    let publisher = publish_at.publish("s", publish).await?;
    let subscriber = subscribe_at.subscribe("s", subscribe).await?;
    publisher.ready().await?;
    Ok((Arc::new(publisher), subscriber))
}

/// Message `n`: its number, and 0 to 399 bytes that follow from the number. Every hundredth message
/// exceeds a frame.
pub(crate) fn message(n: u64) -> Vec<u8> {
    let len = if n % 100 == 99 { 20_000 } else { n * 7 % 400 };
    let mut state = n.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut bytes = n.to_be_bytes().to_vec();
    bytes.extend((0..len).map(|_| {
        // Xorshift: cheap, and shifted or swapped bytes never match.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    }));
    bytes
}

/// Sends messages 0 to `count` in a new task, and finishes.
pub(crate) fn send(publisher: &Arc<Publisher>, count: u64) -> JoinHandle<Result<(), Failure>> {
    let publisher = Arc::clone(publisher);
    tokio::spawn(async move {
        for n in 0..count {
            publisher.send(message(n)).await?;
        }
        publisher.finish().await?;
        Ok(())
    })
}

/// Receives and checks the messages of `range`.
pub(crate) async fn receive(subscriber: &mut Subscriber, range: Range<u64>) -> Result<(), Failure> {
    for n in range {
        let next = within(subscriber.next()).await?;
        let received = next.ok_or_else(|| format!("the stream ended before message {n}"))??;
        assert!(received == message(n), "message {n} differs");
    }
    Ok(())
}

/// Receives and checks the messages from `from` to `count`, and then the end.
pub(crate) async fn receive_rest(
    subscriber: &mut Subscriber,
    from: u64,
    count: u64,
) -> Result<(), Failure> {
    receive(subscriber, from..count).await?;
    match within(subscriber.next()).await? {
        None => Ok(()),
        Some(more) => Err(format!("more than {count} messages: {:?}", more?).into()),
    }
}

/// Fails if `future` exceeds the bound of a wait.
pub(crate) async fn within<T>(future: impl Future<Output = T>) -> Result<T, Failure> {
    tokio::time::timeout(PATIENCE, future).await.map_err(|_| "the wait timed out".into())
}

/// Waits until `condition` holds.
pub(crate) async fn until(what: &str, mut condition: impl FnMut() -> bool) -> Result<(), Failure> {
    let holds = async {
        while !condition() {
            tokio::time::sleep(LOOK).await;
        }
    };
    within(holds).await.map_err(|_| format!("timed out before {what}").into())
}
