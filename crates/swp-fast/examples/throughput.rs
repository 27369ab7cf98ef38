//! Sends messages through a NATS server to a consumer in the same process and prints the rate.
//!
//! `cargo run --release --example throughput -- nats://127.0.0.1:4222 64 5000000`

#![expect(clippy::disallowed_methods, reason = "an application may read the clock")]

use std::time::Instant;

use swp_fast::{Endpoint, EndpointConfig, PublishConfig, SubscribeConfig, TrySendError};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let url = args.next().unwrap_or_else(|| "nats://127.0.0.1:4222".to_owned());
    let size: usize = args.next().unwrap_or_else(|| "64".to_owned()).parse()?;
    let count: u64 = args.next().unwrap_or_else(|| "1000000".to_owned()).parse()?;

    let consumer =
        Endpoint::new(async_nats::connect(&url).await?, EndpointConfig::default()).await?;
    let received = tokio::spawn(async move {
        let mut subscriber = consumer.subscribe("throughput", SubscribeConfig::default()).await?;
        let mut batch = Vec::new();
        let mut messages = 0;
        while subscriber.recv_batch(&mut batch).await? > 0 {
            messages += batch.len() as u64;
            batch.clear();
        }
        let stats = subscriber.stats();
        Ok::<_, swp_fast::SubscribeError>((messages, stats))
    });

    let producer =
        Endpoint::new(async_nats::connect(&url).await?, EndpointConfig::default()).await?;
    let publisher = producer.publish("throughput", PublishConfig::default()).await?;
    publisher.ready().await?;
    let message = vec![b'x'; size];
    let start = Instant::now();
    for _ in 0..count {
        match publisher.try_send(&message) {
            Ok(_) => {}
            Err(TrySendError::Blocked) => {
                publisher.send(message.clone()).await?;
            }
            Err(error) => return Err(error.into()),
        }
    }
    publisher.finish().await?;
    let seconds = start.elapsed().as_secs_f64();
    let (messages, consumer_stats) = received.await??;
    assert_eq!(messages, count, "every message arrives");
    println!("{messages} messages of {size} B in {seconds:.3} s: {:.0}/s", count as f64 / seconds);
    println!("{:?}\n{consumer_stats:?}", publisher.stats());
    Ok(())
}
