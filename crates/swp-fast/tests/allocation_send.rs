//! What a producer's thread allocates to send: a frame's buffer, however many messages share it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop where it is")]

use std::collections::BTreeSet;
use std::time::Duration;

use allocation_counter::measure;
use nats_child::NatsServer;
use swp_fast::{Endpoint, EndpointConfig, PublishConfig, Publisher, SubscribeConfig};

/// Half of what the outbox holds: nothing is refused.
const BURST_BYTES: usize = 512 << 10;

/// What the first message costs on top where nothing is under way and it goes at once: the header's room, and
/// the question when it has gone to the socket.
const SENT_AT_ONCE: u64 = 4;

async fn endpoint(server: &NatsServer) -> Endpoint {
    let client = async_nats::connect(server.url()).await.unwrap();
    Endpoint::new(client, EndpointConfig::default()).await.unwrap()
}

/// Sends a burst; how many frames it went to.
fn burst(publisher: &Publisher, message: &[u8]) -> usize {
    let count = BURST_BYTES / message.len();
    let positions = (0..count).map(|_| publisher.try_send(message).unwrap());
    let mut frames = 0;
    let mut last = None;
    for position in positions {
        frames += usize::from(last != Some(position));
        last = Some(position);
    }
    frames
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn try_send_allocates_once_a_frame() {
    let server = NatsServer::start().unwrap();
    let mut config = PublishConfig::default();
    config.claim_timeout = Duration::ZERO;
    let publisher = endpoint(&server).await.publish("test.stream", config).await.unwrap();
    let consumer = endpoint(&server).await;
    let mut subscriber =
        consumer.subscribe("test.stream", SubscribeConfig::default()).await.unwrap();
    let reading = tokio::spawn(async move {
        let mut batch = Vec::new();
        let mut sizes = BTreeSet::new();
        while subscriber.recv_batch(&mut batch).await.unwrap() > 0 {
            sizes.extend(batch.drain(..).map(|message| message.len()));
        }
        sizes
    });
    publisher.ready().await.unwrap();
    for size in [64, 1024] {
        let message = vec![7; size];
        // The outbox's list of frames grows to its size in the first.
        burst(&publisher, &message);
        let position = publisher.try_send(&message).unwrap();
        publisher.acked(position).await.unwrap();
        let mut frames = 0;
        let made = measure(|| frames = burst(&publisher, &message));
        assert!(frames > BURST_BYTES / (32 << 10), "{frames} frames");
        // The first may still go to the buffer that was open, and the last leaves one open.
        let most = frames as u64 + 1 + SENT_AT_ONCE;
        assert!(made.count_total <= most, "{frames} frames: {made:?}");
        let position = publisher.try_send(&message).unwrap();
        publisher.acked(position).await.unwrap();
    }
    publisher.finish().await.unwrap();
    assert_eq!(reading.await.unwrap(), BTreeSet::from([64, 1024]));
}
