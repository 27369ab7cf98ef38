//! A connection that breaks comes back, and what is missing is told.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop where it is")]

mod support;

use std::{future::Future, time::Duration};

use nats_child::{NatsCluster, NatsServer};
use nats_link::{
    Amount, CloseReason, Connection, Delivery, DisconnectReason, Event, Events, Gap, PositionError,
    State, SubscribeOptions, TryPublishError,
};
use support::*;

/// A server that runs must answer within it, also on a loaded machine.
const SILENCE: Duration = Duration::from_millis(250);

/// Waits for the end of the connection: why, what was unconfirmed, and what stays queued.
async fn broken(
    events: &mut Events,
) -> Result<(std::sync::Arc<DisconnectReason>, Amount, Amount), Failure> {
    event(events, |event| match event {
        Event::Disconnected { reason, unconfirmed, queued, .. } => {
            Some((reason, unconfirmed, queued))
        }
        _ => None,
    })
    .await
}

#[tokio::test]
async fn after_a_restart_on_the_same_port_subscriptions_work_again() -> Outcome {
    let mut server = NatsServer::start()?;
    let connection = connect(server.url()).await?;
    let mut events = connection.events();
    let mut inbox = subscribe(&connection, "s").await?;
    for round in 1..=3 {
        server.kill()?;
        broken(&mut events).await?;
        server.restart()?;
        back(&mut events).await?;
        assert_eq!(within(inbox.next()).await?, Some(Delivery::Gap(Gap::Disconnected)));
        within(connection.publish(outgoing("s", "x"))).await??;
        message(&mut inbox).await?;
        let statistics = connection.statistics();
        assert_eq!((statistics.connects, statistics.disconnects), (round + 1, round));
    }
    Ok(())
}

#[tokio::test]
async fn what_is_not_confirmed_is_told_and_what_is_queued_is_sent() -> Outcome {
    const SIZE: usize = 100_000;
    let mut server = NatsServer::start()?;
    let connection = connect(server.url()).await?;
    let mut events = connection.events();
    // It is subscribed again before anything else is written.
    let mut inbox = subscribe(&connection, "s").await?;
    server.pause()?;
    let mut positions = Vec::new();
    loop {
        let message = outgoing("s", vec![positions.len() as u8; SIZE]);
        match connection.try_publish(message) {
            Ok(position) => positions.push(position),
            Err(TryPublishError::Full(_)) => break,
            Err(error) => return Err(error.into()),
        }
    }
    server.kill()?;
    let (_, unconfirmed, queued) = broken(&mut events).await?;
    let total = unconfirmed.messages + queued.messages;
    assert_eq!(total, positions.len() as u64);
    assert!(unconfirmed.messages > 0 && queued.messages > 0, "{unconfirmed:?} {queued:?}");
    assert!(queued.bytes >= queued.messages * SIZE as u64);
    server.restart()?;
    back(&mut events).await?;
    let gap = within(inbox.next()).await?;
    assert_eq!(gap, Some(Delivery::Gap(Gap::Disconnected)));
    let lost = unconfirmed.messages as usize;
    for n in lost..positions.len() {
        assert_eq!(message(&mut inbox).await?.payload(), vec![n as u8; SIZE]);
    }
    for (n, position) in positions.iter().enumerate() {
        let expected = if n < lost { Err(PositionError::Lost) } else { Ok(()) };
        assert_eq!(within(connection.confirmed(*position)).await?, expected, "message {n}");
    }
    Ok(())
}

#[tokio::test]
async fn another_server_of_the_cluster_takes_over() -> Outcome {
    let mut cluster = NatsCluster::start(3)?;
    let urls = cluster.urls();
    // Only the first is known; it names the others.
    let connection = connect(&urls[0]).await?;
    let other = connect(&urls[1]).await?;
    let mut events = connection.events();
    let mut inbox = subscribe(&connection, "s").await?;
    cluster[0].kill()?;
    back(&mut events).await?;
    assert_ne!(connection.server().to_string(), urls[0]);
    round_trip(&connection, &connection).await?;
    assert_eq!(within(inbox.next()).await?, Some(Delivery::Gap(Gap::Disconnected)));
    // The servers tell each other of the subscription in their own time.
    let found = async {
        loop {
            other.publish(outgoing("s", "x")).await?;
            let next = tokio::time::timeout(Duration::from_millis(20), inbox.next()).await;
            if let Ok(Some(Delivery::Message(_))) = next {
                return Ok::<_, Failure>(());
            }
        }
    };
    within(found).await?
}

#[tokio::test]
async fn a_lame_server_is_left_without_loss() -> Outcome {
    let mut cluster = NatsCluster::start(2)?;
    let urls = cluster.urls();
    let (from, to) = (connect(&urls[0]).await?, connect(&urls[1]).await?);
    let mut events = from.events();
    // Nothing is taken while messages are published, for as long as the server needs to tell.
    let mut options = SubscribeOptions::default();
    (options.messages, options.bytes) = (usize::MAX, usize::MAX);
    let mut inbox = within(to.subscribe(subject("s"), options)).await??;
    // The first server knows of the subscription once a message gets through.
    while tokio::time::timeout(Duration::from_millis(20), inbox.next()).await.is_err() {
        within(from.publish(outgoing("s", "first"))).await??;
    }
    within(from.confirmed(from.position())).await??;
    cluster[0].lame_duck()?;
    let mut count = 0u32;
    let publishing = async {
        while from.server().to_string() == urls[0] || from.state() != State::Connected {
            from.publish(outgoing("s", count.to_be_bytes().to_vec())).await?;
            count += 1;
            tokio::task::yield_now().await;
        }
        from.publish(outgoing("s", "last")).await
    };
    let last = within(publishing).await??;
    within(from.confirmed(last)).await??;
    event(&mut events, |event| matches!(event, Event::LameDuck { .. }).then_some(())).await?;
    let (reason, unconfirmed, _) = broken(&mut events).await?;
    assert!(matches!(*reason, DisconnectReason::LameDuck), "{reason:?}");
    assert_eq!(unconfirmed.messages, 0);
    let mut received = Vec::new();
    loop {
        let message = message(&mut inbox).await?;
        match message.payload() {
            b"first" => {}
            b"last" => break,
            number => received.push(u32::from_be_bytes(number.try_into()?)),
        }
    }
    // Two servers may pass messages on in another order, but lose none.
    while received.len() < count as usize {
        received.push(u32::from_be_bytes(message(&mut inbox).await?.payload().try_into()?));
    }
    received.sort_unstable();
    assert!(received.into_iter().eq(0..count));
    Ok(())
}

#[tokio::test]
async fn a_lame_server_without_another_is_kept() -> Outcome {
    let mut server = NatsServer::start()?;
    let connection = connect(server.url()).await?;
    let mut events = connection.events();
    server.lame_duck()?;
    event(&mut events, |event| matches!(event, Event::LameDuck { .. }).then_some(())).await?;
    assert!(connection.info().lame_duck);
    round_trip(&connection, &connection).await
}

#[tokio::test]
async fn a_server_that_stops_answering_is_left() -> Outcome {
    let mut server = NatsServer::start()?;
    let mut options = options(&[server.url()])?;
    options.ping_interval = SILENCE;
    let connection = within(Connection::connect(options)).await??;
    let mut events = connection.events();
    server.pause()?;
    let position = within(connection.publish(outgoing("s", "x"))).await??;
    let (reason, unconfirmed, _) = broken(&mut events).await?;
    assert!(matches!(*reason, DisconnectReason::Silent { .. }), "{reason:?}");
    assert_eq!(unconfirmed.messages, 1);
    assert_eq!(within(connection.confirmed(position)).await?, Err(PositionError::Lost));
    assert_eq!(connection.state(), State::Disconnected);
    server.resume()?;
    back(&mut events).await?;
    round_trip(&connection, &connection).await
}

#[tokio::test]
async fn a_server_that_stops_reading_is_left() -> Outcome {
    let mut server = NatsServer::start()?;
    let mut options = options(&[server.url()])?;
    options.ping_interval = SILENCE;
    let connection = within(Connection::connect(options)).await??;
    let mut events = connection.events();
    server.pause()?;
    while connection.try_publish(outgoing("s", vec![0; 500_000])).is_ok() {}
    let (reason, ..) = broken(&mut events).await?;
    assert!(matches!(*reason, DisconnectReason::Silent { .. }), "{reason:?}");
    Ok(())
}

#[tokio::test]
async fn a_stopped_server_of_a_cluster_is_replaced() -> Outcome {
    let mut cluster = NatsCluster::start(2)?;
    let urls = cluster.urls();
    let mut options = options(&urls)?;
    options.ping_interval = SILENCE;
    options.connect_timeout = Duration::from_secs(2);
    let connection = within(Connection::connect(options)).await??;
    let mut events = connection.events();
    cluster[0].pause()?;
    back(&mut events).await?;
    assert_eq!(connection.server().to_string(), urls[1]);
    round_trip(&connection, &connection).await
}

#[tokio::test]
async fn without_a_server_the_connection_gives_up_when_it_is_told_to() -> Outcome {
    let mut server = NatsServer::start()?;
    let mut options = options(&[server.url()])?;
    options.reconnect.give_up_after = Some(Duration::from_millis(50));
    let connection = within(Connection::connect(options)).await??;
    let mut inbox = subscribe(&connection, "s").await?;
    server.kill()?;
    let reason = within(connection.closed()).await?;
    assert!(matches!(*reason, CloseReason::GaveUp { .. }), "{reason:?}");
    assert_eq!(within(inbox.next()).await?, Some(Delivery::Gap(Gap::Disconnected)));
    assert_eq!(within(inbox.next()).await?, None);
    assert!(connection.statistics().failed_attempts >= 1);
    Ok(())
}

#[tokio::test]
async fn closing_without_a_connection_tells_what_is_queued() -> Outcome {
    let mut server = NatsServer::start()?;
    let connection = connect(server.url()).await?;
    let mut events = connection.events();
    server.kill()?;
    broken(&mut events).await?;
    for _ in 0..5 {
        connection.try_publish(outgoing("s", "x"))?;
    }
    let error = within(connection.close()).await?.unwrap_err();
    assert_eq!(error.unconfirmed.messages, 5);
    Ok(())
}

#[tokio::test]
async fn a_subscription_made_without_a_connection_waits_for_one() -> Outcome {
    let mut server = NatsServer::start()?;
    let connection = connect(server.url()).await?;
    let mut events = connection.events();
    server.kill()?;
    broken(&mut events).await?;
    let waiting = tokio::spawn({
        let connection = connection.clone();
        async move { subscribe(&connection, "s").await }
    });
    connection.try_publish(outgoing("other", "x"))?;
    server.restart()?;
    let mut inbox = within(waiting).await???;
    within(connection.publish(outgoing("s", "x"))).await??;
    // It was not there before the break, so it has missed nothing.
    message(&mut inbox).await?;
    Ok(())
}

/// A waker that uses the connection at once, in the thread that wakes.
struct Inline(Connection);

impl std::task::Wake for Inline {
    fn wake(self: std::sync::Arc<Self>) {
        let _ = self.0.position();
    }
}

#[tokio::test]
async fn draining_wakes_the_consumer_without_a_lock() -> Outcome {
    let mut server = NatsServer::start()?;
    let connection = connect(server.url()).await?;
    let mut events = connection.events();
    let mut inbox = subscribe(&connection, "s").await?;
    server.kill()?;
    broken(&mut events).await?;
    assert_eq!(within(inbox.next()).await?, Some(Delivery::Gap(Gap::Disconnected)));
    let waker = std::sync::Arc::new(Inline(connection)).into();
    let mut context = std::task::Context::from_waker(&waker);
    assert!(std::pin::pin!(inbox.next()).poll(&mut context).is_pending());
    // Not in this thread: a lock that is taken twice would stop the test for ever.
    let (done, drained) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        inbox.drain();
        done.send(inbox)
    });
    assert_eq!(within(within(drained).await??.next()).await?, None);
    Ok(())
}

#[test]
fn a_consumer_that_the_server_gives_up_as_slow_is_told_of_a_gap() -> Outcome {
    let server = NatsServer::builder()
        .config_line("max_pending: 2MB")
        .config_line("write_deadline: \"50ms\"")
        .start()?;
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build();
    // While nothing drives the consumer's runtime, its connection reads nothing.
    let (stopped, running) = (runtime()?, runtime()?);
    let (to, mut inbox) = stopped.block_on(async {
        let to = connect(server.url()).await?;
        let inbox = subscribe(&to, "s").await?;
        Ok::<_, Failure>((to, inbox))
    })?;
    running.block_on(async {
        let from = connect(server.url()).await?;
        let flood = async {
            while !server.log()?.contains("Slow Consumer") {
                for _ in 0..20 {
                    from.publish(outgoing("s", vec![0; 500_000])).await?;
                }
                from.confirmed(from.position()).await?;
            }
            Ok::<_, Failure>(())
        };
        within(flood).await?
    })?;
    stopped.block_on(async {
        let mut events = to.events();
        let until_gap = async { while let Some(Delivery::Message(_)) = inbox.next().await {} };
        // The gap is the first delivery that is no message.
        within(until_gap).await?;
        assert_eq!(inbox.end(), None);
        back(&mut events).await?;
        round_trip(&to, &to).await
    })
}
