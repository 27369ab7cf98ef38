//! What `Publisher::try_send` costs its caller, message by message. Decides: whether the lock around the open
//! frame will do, or producers need something finer. To compare with: at most 50 ns (median) at 64 B.
//!
//! `sending`: against a real broker and a consumer that reads. Bursts that fit the outbox are timed, and
//! each has been acknowledged before the next, so nothing is refused and no wait is counted; the driver
//! takes frames meanwhile, on the other core. `alone`: no consumer has joined, so nobody else takes the lock.

use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use nats_child::NatsServer;
use swp_fast::{Endpoint, EndpointConfig, PublishConfig, Publisher, SubscribeConfig};
use tokio::runtime::Runtime;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Half of what the outbox holds: no burst is refused.
const BURST_BYTES: usize = 512 << 10;

async fn endpoint(server: &NatsServer) -> Endpoint {
    let client = async_nats::connect(server.url()).await.expect("the broker answers");
    Endpoint::new(client, EndpointConfig::default()).await.expect("a valid configuration")
}

async fn publish(endpoint: &Endpoint, stream: &str) -> Publisher {
    let mut config = PublishConfig::default();
    // The broker is ours alone.
    config.claim_timeout = Duration::ZERO;
    endpoint.publish(stream, config).await.expect("the stream is free")
}

/// Sends `count` messages and tells how long that took.
fn burst(publisher: &Publisher, message: &[u8], count: u64) -> Duration {
    let start = Instant::now();
    for _ in 0..count {
        publisher.try_send(message).expect("a burst fits");
    }
    start.elapsed()
}

/// `iters` messages in bursts that fit, each by `send`.
fn in_bursts(iters: u64, message: &[u8], mut send: impl FnMut(u64) -> Duration) -> Duration {
    let most = (BURST_BYTES / message.len()) as u64;
    let mut left = iters;
    let mut total = Duration::ZERO;
    while left > 0 {
        let count = left.min(most);
        total += send(count);
        left -= count;
    }
    total
}

fn sending(c: &mut Criterion, runtime: &Runtime, server: &NatsServer) {
    let publisher = runtime.block_on(async {
        let publisher = publish(&endpoint(server).await, "sending").await;
        let mut subscriber = endpoint(server)
            .await
            .subscribe("sending", SubscribeConfig::default())
            .await
            .expect("it is let in");
        tokio::spawn(async move {
            let mut batch = Vec::new();
            while subscriber.recv_batch(&mut batch).await.is_ok_and(|count| count > 0) {
                batch.clear();
            }
        });
        publisher.ready().await.expect("the consumer has joined");
        publisher
    });
    let mut group = c.benchmark_group("try_send, sending");
    group.throughput(Throughput::Elements(1));
    for size in [64, 1024] {
        let message = vec![b'x'; size];
        group.bench_function(format!("{size} B"), |b| {
            b.iter_custom(|iters| {
                in_bursts(iters, &message, |count| {
                    let took = burst(&publisher, &message, count);
                    let last = publisher.try_send(&message).expect("one more fits");
                    runtime.block_on(publisher.acked(last)).expect("the consumer is there");
                    took
                })
            });
        });
    }
    group.finish();
    runtime.block_on(publisher.finish()).expect("the consumer reads it all");
}

fn alone(c: &mut Criterion, runtime: &Runtime, server: &NatsServer) {
    let endpoint = runtime.block_on(endpoint(server));
    let mut group = c.benchmark_group("try_send, alone");
    group.throughput(Throughput::Elements(1));
    for size in [64, 1024] {
        let message = vec![b'x'; size];
        group.bench_function(format!("{size} B"), |b| {
            b.iter_custom(|iters| {
                in_bursts(iters, &message, |count| {
                    // Nobody takes what was queued, so each burst has a publisher of its own.
                    let publisher = runtime.block_on(publish(&endpoint, "alone"));
                    let took = burst(&publisher, &message, count);
                    runtime.block_on(publisher.abort("measured"));
                    took
                })
            });
        });
    }
}

fn try_send(c: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("threads can be started");
    let server = NatsServer::start().expect("scripts/nats-server finds a nats-server");
    sending(c, &runtime, &server);
    alone(c, &runtime, &server);
}

/// Bursts take far longer to be acknowledged than to send, so few are timed.
fn short() -> Criterion {
    Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
}

criterion_group! { name = benches; config = short(); targets = try_send }
criterion_main!(benches);
