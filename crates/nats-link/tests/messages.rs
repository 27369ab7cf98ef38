//! Messages through a real server: any content, any size, positions, bounds and the end.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop where it is")]

mod support;

use bytes::Bytes;
use futures_util::StreamExt;
use nats_child::NatsServer;
use nats_link::{
    Amount, Connection, Delivery, Gap, Outgoing, PublishError, State, Subject, SubscribeOptions,
    SubscriptionEnd, TryPublishError,
};
use support::*;

fn is_send<T: Send>(value: T) -> T {
    value
}

#[tokio::test]
async fn futures_may_move_between_threads() -> Outcome {
    let server = NatsServer::start()?;
    let connection = within(is_send(Connection::connect(options(&[server.url()])?))).await??;
    let options = SubscribeOptions::default();
    let mut inbox = within(is_send(connection.subscribe(subject("s"), options))).await??;
    let position = within(is_send(connection.publish(outgoing("s", "x")))).await??;
    within(is_send(connection.written(position))).await??;
    within(is_send(connection.confirmed(position))).await??;
    within(is_send(connection.connected())).await??;
    within(is_send(inbox.next())).await?.unwrap();
    drop(is_send(connection.events().next()));
    within(is_send(connection.close())).await??;
    within(is_send(connection.closed())).await?;
    Ok(())
}

#[tokio::test]
async fn messages_arrive_as_they_were_published() -> Outcome {
    let server = NatsServer::start()?;
    let (from, to) = (connect(server.url()).await?, connect(server.url()).await?);
    let mut inbox = subscribe(&to, "d.>").await?;
    let headers: [&[u8]; 4] = [
        b"",
        b"NATS/1.0\r\nK: a\rb\r\n\r\n",
        b"NATS/1.0 5\r\n\r\n",
        b"NATS/1.0\r\nCaf\xe9\r\n\r\n",
    ];
    let subjects: [&[u8]; 3] = [b"d.plain", b"d.\xff\xfe", b"d.a\x0bb\xc2\xa0"];
    let mut sent = Vec::new();
    for header in headers {
        for subject in subjects {
            for size in [0, 1, 2_048, 2_049, 70_000, 600_000] {
                let message = Outgoing {
                    subject: Subject::new(subject).unwrap(),
                    reply: (size == 1).then(|| Subject::new(&b"r.\xff"[..]).unwrap()),
                    header: Bytes::from_static(header),
                    payload: vec![size as u8; size].into(),
                };
                within(from.publish(message.clone())).await??;
                sent.push(message);
            }
        }
    }
    for expected in sent {
        let message = message(&mut inbox).await?;
        assert_eq!(message.subject(), expected.subject.as_bytes());
        assert_eq!(message.reply(), expected.reply.as_ref().map(|reply| &reply.as_bytes()[..]));
        assert_eq!(message.header(), expected.header);
        assert!(message.payload() == expected.payload, "payloads differ");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn order_holds_between_writes_of_many_threads() -> Outcome {
    const THREADS: u32 = 4;
    const COUNT: u32 = 5_000;
    let server = NatsServer::start()?;
    let (from, to) = (connect(server.url()).await?, connect(server.url()).await?);
    let mut inbox = subscribe(&to, "t.*").await?;
    // No runtime in these threads: publishing needs none.
    let threads: Vec<_> = (0..THREADS)
        .map(|thread| {
            let from = from.clone();
            std::thread::spawn(move || {
                for n in 0..COUNT {
                    let mut message = outgoing(&format!("t.{thread}"), n.to_be_bytes().to_vec());
                    let publish = |message| match n % 2 {
                        0 => from.try_publish(message),
                        _ => from.try_queue(message),
                    };
                    while let Err(error) = publish(message) {
                        let TryPublishError::Full(back) = error else { panic!("{error}") };
                        message = *back;
                        std::thread::yield_now();
                    }
                }
            })
        })
        .collect();
    let mut next = [0; THREADS as usize];
    for _ in 0..THREADS * COUNT {
        let message = message(&mut inbox).await?;
        let thread = usize::from(message.subject()[2] - b'0');
        assert_eq!(message.payload(), u32::to_be_bytes(next[thread]));
        next[thread] += 1;
    }
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    assert_eq!(to.statistics().received.messages, u64::from(THREADS * COUNT));
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn neither_reading_nor_writing_starves_under_load() -> Outcome {
    let server = NatsServer::start()?;
    let (one, other) = (connect(server.url()).await?, connect(server.url()).await?);
    load(&one, &other, 3_000).await
}

#[tokio::test]
async fn a_position_is_written_and_then_confirmed() -> Outcome {
    let server = NatsServer::start()?;
    let connection = connect(server.url()).await?;
    let start = connection.position();
    within(connection.confirmed(start)).await??;
    let mut last = start;
    for _ in 0..100 {
        let position = within(connection.publish(outgoing("s", vec![1; 100_000]))).await??;
        assert!(position > last);
        last = position;
    }
    within(connection.written(last)).await??;
    within(connection.confirmed(last)).await??;
    assert_eq!((connection.unconfirmed().messages, connection.position()), (0, last));
    within(connection.written(start)).await??;
    Ok(())
}

#[tokio::test]
async fn a_full_queue_gives_the_message_back_and_publish_waits() -> Outcome {
    let mut server = NatsServer::start()?;
    let mut options = options(&[server.url()])?;
    options.queue.bytes = 1 << 20;
    let connection = within(Connection::connect(options)).await??;
    server.pause()?;
    let message = outgoing("s", vec![1; 300_000]);
    let returned = loop {
        match connection.try_publish(message.clone()) {
            Ok(_) => {}
            Err(TryPublishError::Full(returned)) => break *returned,
            Err(error) => return Err(error.into()),
        }
    };
    assert_eq!(returned, message);
    assert!(connection.unconfirmed().bytes > 1 << 19);
    let waiting = tokio::spawn({
        let connection = connection.clone();
        async move { connection.publish(returned).await }
    });
    // A future that is dropped publishes nothing.
    let before = connection.position();
    let dropped = connection.publish(message.clone());
    drop(tokio::time::timeout(std::time::Duration::ZERO, dropped).await);
    assert_eq!(connection.position(), before);
    server.resume()?;
    let position = within(waiting).await???;
    within(connection.confirmed(position)).await??;
    Ok(())
}

#[tokio::test]
async fn a_message_beyond_max_payload_is_refused_here() -> Outcome {
    let server = NatsServer::builder().config_line("max_payload: 1000").start()?;
    let connection = connect(server.url()).await?;
    let error = within(connection.publish(outgoing("s", vec![0; 1_001]))).await?.unwrap_err();
    assert_eq!(error, PublishError::TooLarge { size: 1_001, max: 1_000 });
    let position = within(connection.publish(outgoing("s", vec![0; 1_000]))).await??;
    within(connection.confirmed(position)).await??;
    assert_eq!(connection.info().message_bytes_max(), 1_000);
    Ok(())
}

#[tokio::test]
async fn a_slow_consumer_is_told_what_it_missed() -> Outcome {
    let server = NatsServer::start()?;
    let connection = connect(server.url()).await?;
    let mut options = SubscribeOptions::default();
    options.messages = 10;
    let mut slow = within(connection.subscribe(subject("s"), options)).await??;
    let mut all = subscribe(&connection, "s").await?;
    for n in 0..50u8 {
        within(connection.publish(outgoing("s", vec![n]))).await??;
    }
    // The answer comes after the last message to either.
    within(connection.confirmed(connection.position())).await??;
    for n in 0..50u8 {
        assert_eq!(message(&mut all).await?.payload(), [n]);
    }
    for n in 0..10u8 {
        assert_eq!(message(&mut slow).await?.payload(), [n]);
    }
    // What stands between subject and payload on the wire is counted.
    let dropped = Amount { messages: 40, bytes: 40 * "s 1 1\r\nn".len() as u64 };
    let told = within(slow.next()).await?;
    let Some(Delivery::Gap(Gap::Overflow { dropped: counted })) = told else {
        return Err(format!("{told:?}").into());
    };
    assert_eq!(counted, dropped);
    let report = slow.report();
    assert_eq!((report.dropped, report.delivered.messages), (counted, 10));
    assert_eq!((report.peak.messages, report.limit.messages), (10, 10));
    Ok(())
}

#[tokio::test]
async fn a_drained_subscription_delivers_what_was_sent_before() -> Outcome {
    let server = NatsServer::start()?;
    let connection = connect(server.url()).await?;
    let mut inbox = subscribe(&connection, "s").await?;
    for n in 0..20u8 {
        within(connection.publish(outgoing("s", vec![n]))).await??;
    }
    inbox.drain();
    let rest: Vec<Delivery> = within(inbox.by_ref().collect()).await?;
    assert_eq!(rest.len(), 20);
    assert_eq!(inbox.end(), Some(SubscriptionEnd::Drained));
    Ok(())
}

#[tokio::test]
async fn members_of_a_queue_group_share_messages() -> Outcome {
    let server = NatsServer::start()?;
    let connection = connect(server.url()).await?;
    let mut options = SubscribeOptions::default();
    options.group = Some(subject("g"));
    let mut members = [
        within(connection.subscribe(subject("s"), options.clone())).await??,
        within(connection.subscribe(subject("s"), options)).await??,
    ];
    for _ in 0..100 {
        within(connection.publish(outgoing("s", "x"))).await??;
    }
    within(connection.confirmed(connection.position())).await??;
    let mut taken = 0;
    for member in &mut members {
        member.drain();
        while let Some(Delivery::Message(_)) = within(member.next()).await? {
            taken += 1;
        }
    }
    assert_eq!(taken, 100);
    Ok(())
}

#[tokio::test]
async fn closing_waits_until_everything_is_confirmed() -> Outcome {
    let server = NatsServer::start()?;
    let (from, to) = (connect(server.url()).await?, connect(server.url()).await?);
    let mut inbox = subscribe(&to, "s").await?;
    for _ in 0..200 {
        from.try_queue(outgoing("s", vec![1; 10_000]))?;
    }
    within(from.close()).await??;
    assert_eq!(from.state(), State::Closed);
    assert_eq!(from.try_publish(outgoing("s", "x")), Err(PublishError::Closed.into()));
    assert!(within(from.subscribe(subject("s"), SubscribeOptions::default())).await?.is_err());
    for _ in 0..200 {
        message(&mut inbox).await?;
    }
    within(to.close()).await??;
    assert!(within(inbox.next()).await?.is_none());
    assert_eq!(inbox.end(), Some(SubscriptionEnd::Closed));
    Ok(())
}

#[tokio::test]
async fn a_subscription_outlives_the_handle_and_then_the_connection_closes() -> Outcome {
    let server = NatsServer::start()?;
    let (from, to) = (connect(server.url()).await?, connect(server.url()).await?);
    let mut inbox = subscribe(&to, "s").await?;
    let mut events = to.events();
    drop(to);
    within(from.publish(outgoing("s", "x"))).await??;
    message(&mut inbox).await?;
    drop(inbox);
    event(&mut events, |event| matches!(event, nats_link::Event::Closed { .. }).then_some(())).await
}

#[test]
fn a_runtime_that_is_gone_closes_the_connection() -> Outcome {
    let server = NatsServer::start()?;
    let runtime = tokio::runtime::Runtime::new()?;
    let (connection, mut inbox) = runtime.block_on(async {
        let connection = connect(server.url()).await?;
        let inbox = subscribe(&connection, "s").await?;
        Ok::<_, Failure>((connection, inbox))
    })?;
    let position = connection.position();
    drop(runtime);
    let other = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    other.block_on(async {
        assert!(within(inbox.next()).await?.is_none());
        let reason = within(connection.closed()).await?;
        assert!(reason.to_string().contains("runtime"), "{reason}");
        within(connection.confirmed(position)).await?.ok();
        assert!(within(connection.publish(outgoing("s", "x"))).await?.is_err());
        Ok(())
    })
}
