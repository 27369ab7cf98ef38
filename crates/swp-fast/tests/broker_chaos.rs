//! Streams over a real broker, through a proxy that drops, duplicates, reorders, corrupts and
//! delays their messages, or cuts their connections. The content is exact, or an error says why
//! not.

mod broker_support;

use std::sync::Arc;
use std::time::Duration;

use broker_support::{
    Failure, endpoint_at, endpoint_with, join, message, options, receive, receive_rest, send,
    until, within,
};
use futures_util::StreamExt;
use nats_chaos::{ChaosProxy, Counts, Faults};
use nats_child::{NatsCluster, NatsServer};
use swp_fast::wire::Integrity;
use swp_fast::{Endpoint, EndpointConfig, PublishConfig, Publisher, SubscribeConfig, Subscriber};

/// Messages of some 2,500 frames of 1 KiB. A rate of 1 % brings about each fault in both
/// directions.
const COUNT: u64 = 6_000;

/// The seeds of the proxies.
const SEEDS: [u64; 3] = [1, 2, 3];

/// Frames of 1 KiB, so that there are many to be harmed.
fn small_frames() -> PublishConfig {
    let mut config = PublishConfig::default();
    config.frame_bytes = 1024;
    config
}

/// A broker, a proxy for the publisher and one for the consumer, and a stream between them.
struct Chaos {
    server: NatsServer,
    proxies: [ChaosProxy; 2],
    publisher: Arc<Publisher>,
    subscriber: Subscriber,
}

impl Chaos {
    async fn start(seed: u64, publish: PublishConfig) -> Result<Chaos, Failure> {
        let server = NatsServer::start()?;
        let proxies =
            [ChaosProxy::start(server.port(), seed)?, ChaosProxy::start(server.port(), !seed)?];
        let (here, there) =
            (endpoint_at(&[proxies[0].url()]).await?, endpoint_at(&[proxies[1].url()]).await?);
        let mut window = SubscribeConfig::default();
        // A small window keeps the consumer close behind the publisher, so that faults meet the
        // whole stream.
        window.window_bytes = 256 << 10;
        let (publisher, subscriber) = join(&here, publish, &there, window).await?;
        Ok(Chaos { server, proxies, publisher, subscriber })
    }

    fn set_faults(&self, faults: &Faults) {
        for proxy in &self.proxies {
            proxy.set_faults(faults.clone());
        }
    }

    /// What both proxies did.
    fn counts(&self) -> [Counts; 2] {
        [self.proxies[0].counts(), self.proxies[1].counts()]
    }

    async fn transfer(&mut self, count: u64) -> Result<(), Failure> {
        let sending = send(&self.publisher, count);
        receive_rest(&mut self.subscriber, 0, count).await?;
        within(sending).await??
    }
}

/// Transfers a stream under `faults`, for each seed. Every count that `happened` returns must be
/// positive.
async fn exact_under(
    faults: Faults,
    happened: impl Fn(&Counts) -> Vec<u64>,
) -> Result<(), Failure> {
    for seed in SEEDS {
        let mut chaos = Chaos::start(seed, small_frames()).await?;
        chaos.set_faults(&faults);
        chaos.transfer(COUNT).await.map_err(|error| format!("seed {seed}: {error}"))?;
        for counts in chaos.counts() {
            assert!(happened(&counts).iter().all(|count| *count > 0), "seed {seed}: {counts:?}");
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_survive_lost_frames() -> Result<(), Failure> {
    let faults = Faults { drop: 0.01, ..Faults::default() };
    exact_under(faults, |counts| vec![counts.dropped]).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_arrive_once_where_frames_are_duplicated() -> Result<(), Failure> {
    let faults = Faults { duplicate: 0.02, ..Faults::default() };
    exact_under(faults, |counts| vec![counts.duplicated]).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_keep_their_order_where_frames_do_not() -> Result<(), Failure> {
    let faults = Faults { reorder: 0.02, ..Faults::default() };
    exact_under(faults, |counts| vec![counts.reordered]).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_are_whole_where_frames_are_corrupted() -> Result<(), Failure> {
    let faults = Faults { corrupt: 0.02, ..Faults::default() };
    exact_under(faults, |counts| vec![counts.corrupted]).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_survive_delayed_frames() -> Result<(), Failure> {
    let faults = Faults { delay: 0.01, ..Faults::default() };
    exact_under(faults, |counts| vec![counts.delayed]).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_survive_all_faults_of_frames_at_once() -> Result<(), Failure> {
    let each = |counts: &Counts| counts.by_kind()[..5].iter().map(|(_, count)| *count).collect();
    exact_under(Faults::all(0.01), each).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn crc32c_finds_flipped_bits() -> Result<(), Failure> {
    let mut config = small_frames();
    config.integrity = Integrity::Crc32c;
    let mut chaos = Chaos::start(4, config).await?;
    chaos.set_faults(&Faults { corrupt: 0.05, ..Faults::default() });
    chaos.transfer(COUNT).await?;
    assert!(chaos.subscriber.stats().dropped.corrupt > 0);
    Ok(())
}

/// Retransmissions go to the consumer that missed the frame. The other consumer gets the stream
/// once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lossy_consumer_and_a_good_consumer_both_get_everything() -> Result<(), Failure> {
    let server = NatsServer::start()?;
    let proxy = ChaosProxy::start(server.port(), 1)?;
    let (good, lossy) = (endpoint_at(&[server.url()]).await?, endpoint_at(&[proxy.url()]).await?);
    let mut config = small_frames();
    config.min_consumers = 2;
    let publisher = Arc::new(good.publish("s", config).await?);
    let mut bad = lossy.subscribe("s", SubscribeConfig::default()).await?;
    let mut fine = good.subscribe("s", SubscribeConfig::default()).await?;
    within(publisher.ready()).await??;
    let faults = Faults { drop: 0.05, subjects: vec!["swp.data.s".into()], ..Faults::default() };
    proxy.set_faults(faults);
    let sending = send(&publisher, COUNT);
    let fine = tokio::spawn(async move {
        receive_rest(&mut fine, 0, COUNT).await?;
        Ok::<_, Failure>(fine.stats())
    });
    receive_rest(&mut bad, 0, COUNT).await?;
    let fine = within(fine).await???;
    within(sending).await???;
    let stats = publisher.stats();
    let each: Vec<u64> = stats.consumers.iter().map(|consumer| consumer.retransmits).collect();
    assert!(each.contains(&0) && stats.retransmits > 0, "{each:?}");
    assert_eq!((fine.duplicates, fine.out_of_order), (0, 0));
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_cut_on_either_side_lose_nothing() -> Result<(), Failure> {
    let mut chaos = Chaos::start(5, small_frames()).await?;
    let sending = send(&chaos.publisher, COUNT);
    for part in 0..6 {
        let range = COUNT * part / 7..COUNT * (part + 1) / 7;
        receive(&mut chaos.subscriber, range).await?;
        let proxy = &chaos.proxies[part as usize % 2];
        assert_eq!(proxy.cut_all(), 1, "part {part}");
        // The next messages may be here already. Later ones need the connection.
        until("the client has reconnected", || proxy.counts().accepted == part / 2 + 2).await?;
    }
    receive_rest(&mut chaos.subscriber, COUNT * 6 / 7, COUNT).await?;
    within(sending).await???;
    assert!(chaos.counts().iter().all(|counts| counts.cut == 3), "{:?}", chaos.counts());
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cuts_and_a_restart_amid_all_other_faults_lose_nothing() -> Result<(), Failure> {
    let mut chaos = Chaos::start(6, small_frames()).await?;
    chaos.set_faults(&Faults::all(0.01));
    let sending = send(&chaos.publisher, COUNT);
    receive(&mut chaos.subscriber, 0..COUNT / 3).await?;
    chaos.proxies[0].cut_all();
    chaos.proxies[1].cut_all();
    receive(&mut chaos.subscriber, COUNT / 3..COUNT / 2).await?;
    chaos.server.kill()?;
    chaos.server.restart()?;
    receive_rest(&mut chaos.subscriber, COUNT / 2, COUNT).await?;
    within(sending).await??
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_refused_for_a_while_lose_nothing() -> Result<(), Failure> {
    let mut chaos = Chaos::start(7, small_frames()).await?;
    let sending = send(&chaos.publisher, COUNT);
    receive(&mut chaos.subscriber, 0..COUNT / 2).await?;
    let proxy = &chaos.proxies[1];
    proxy.refuse(true);
    proxy.cut_all();
    until("the client was refused", || proxy.counts().refused >= 5).await?;
    proxy.refuse(false);
    receive_rest(&mut chaos.subscriber, COUNT / 2, COUNT).await?;
    within(sending).await??
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stall_of_publisher_and_consumer_loses_nothing() -> Result<(), Failure> {
    let mut chaos = Chaos::start(8, small_frames()).await?;
    let sending = send(&chaos.publisher, COUNT);
    for part in 0..2 {
        let range = COUNT * part / 3..COUNT * (part + 1) / 3;
        receive(&mut chaos.subscriber, range).await?;
        chaos.proxies[part as usize].stall(true);
        let probes = chaos.publisher.stats().probes;
        let publisher = Arc::clone(&chaos.publisher);
        until("probes go unanswered", || publisher.stats().probes >= probes + 3).await?;
        chaos.proxies[part as usize].stall(false);
    }
    receive_rest(&mut chaos.subscriber, COUNT * 2 / 3, COUNT).await?;
    within(sending).await??
}

/// Drops everything while both connections stay. Returns the errors of publisher and consumer.
async fn silence(config: PublishConfig) -> Result<(String, String), Failure> {
    let mut chaos = Chaos::start(9, config).await?;
    let sending = send(&chaos.publisher, u64::MAX);
    receive(&mut chaos.subscriber, 0..100).await?;
    chaos.set_faults(&Faults { drop: 1.0, ..Faults::default() });
    let received = loop {
        match within(chaos.subscriber.next()).await?.ok_or("the stream ended without an error")? {
            Ok(_) => {}
            Err(error) => break error.to_string(),
        }
    };
    let sent = within(sending).await??.expect_err("the session ended");
    Ok((sent.to_string(), received))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_network_ends_both_sessions_with_a_reason() -> Result<(), Failure> {
    let mut config = small_frames();
    config.keep_alive = Duration::from_millis(100);
    config.idle_timeout = Duration::from_secs(1);
    let (sent, received) = silence(config).await?;
    assert!(sent.contains("lost consumer") && sent.contains("nothing heard for"), "{sent}");
    assert!(received.contains("the publisher was not heard for"), "{received}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_consumer_cut_off_for_too_long_ends_both_sessions_with_a_reason() -> Result<(), Failure> {
    let server = NatsServer::start()?;
    let proxy = ChaosProxy::start(server.port(), 1)?;
    let mut outage = EndpointConfig::default();
    outage.outage_timeout = Duration::from_millis(200);
    let there: Endpoint = endpoint_with(options(), outage, &[proxy.url()]).await?;
    let here = endpoint_at(&[server.url()]).await?;
    let mut config = small_frames();
    config.keep_alive = Duration::from_millis(100);
    config.idle_timeout = Duration::from_secs(1);
    let (publisher, mut subscriber) =
        join(&here, config, &there, SubscribeConfig::default()).await?;
    publisher.send(message(0)).await?;
    receive(&mut subscriber, 0..1).await?;
    proxy.refuse(true);
    proxy.cut_all();
    let received = within(subscriber.next()).await?.ok_or("the stream ended without an error")?;
    let received = received.expect_err("nothing was sent").to_string();
    assert!(received.contains("the connection to NATS was lost"), "{received}");
    let sent = within(publisher.over()).await?.expect_err("its consumer timed out").to_string();
    assert!(sent.contains("lost consumer") && sent.contains("nothing heard for"), "{sent}");
    Ok(())
}

/// A client that learned of the cluster's other servers would connect past the proxy.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_client_connects_past_the_proxy() -> Result<(), Failure> {
    let cluster = NatsCluster::start(2)?;
    let proxy = ChaosProxy::start(cluster[0].port(), 1)?;
    let client = options().connect(proxy.url()).await?;
    assert_eq!(client.server_info().connect_urls, Vec::<String>::new());
    let direct = options().connect(cluster[0].url()).await?;
    until("a direct client learns of both", || direct.server_info().connect_urls.len() == 2).await
}
