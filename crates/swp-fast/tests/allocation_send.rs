//! What a producer's thread allocates to send: one buffer for each frame, however many messages
//! share it.

#![allow(clippy::unwrap_used, reason = "a test stops at the first failure")]

use std::collections::BTreeSet;
use std::time::Duration;

use allocation_counter::measure;
use nats_child::NatsServer;
use swp_fast::{Endpoint, EndpointConfig, PublishConfig, Publisher, SubscribeConfig};

/// Half of what the packer holds: no message is refused.
const BURST_BYTES: usize = 512 << 10;

/// What the first message allocates beside the buffer of its frame, where it leaves in this thread:
/// what the retransmit queue and the NATS client share of the frame and of its subject.
const SENT_AT_ONCE: u64 = 4;

async fn endpoint(server: &NatsServer) -> Endpoint {
    let client = async_nats::connect(server.url()).await.unwrap();
    Endpoint::new(client, EndpointConfig::default()).await.unwrap()
}

fn burst(publisher: &Publisher, message: &[u8]) {
    for _ in 0..BURST_BYTES / message.len() {
        publisher.try_send(message).unwrap();
    }
}

/// Waits until every consumer holds what was sent. Returns how many frames that took so far.
async fn frames_when_acked(publisher: &Publisher, message: &[u8]) -> u64 {
    let position = publisher.try_send(message).unwrap();
    publisher.acked(position).await.unwrap();
    publisher.flush().await.unwrap();
    publisher.stats().frames
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
        // The packer's queue grows to its size in the first burst.
        burst(&publisher, &message);
        let before = frames_when_acked(&publisher, &message).await;
        let made = measure(|| burst(&publisher, &message));
        let frames = frames_when_acked(&publisher, &message).await - before;
        let messages = (BURST_BYTES / size) as u64;
        assert!(frames < messages / 2, "{frames} frames for {messages} messages");
        // The burst also opens the frame that the message after it fills.
        let most = frames + 1 + SENT_AT_ONCE;
        assert!(made.count_total <= most, "{frames} frames: {made:?}");
    }
    publisher.finish().await.unwrap();
    assert_eq!(reading.await.unwrap(), BTreeSet::from([64, 1024]));
}
