//! A peer that is no good server. None of this may panic, hang, or cost the neighbours anything.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop where it is")]

mod support;

use std::time::Duration;

use nats_link::{ConnectError, Connection, DisconnectReason, Event, ServerError, SubscribeOptions};
use support::*;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
};

const INFO: &str = "INFO {\"max_payload\":1000,\"headers\":true}\r\n";

/// A listener, and its address.
async fn listen() -> Result<(TcpListener, String), Failure> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?.to_string();
    Ok((listener, address))
}

/// Accepts a client as a server does, and returns it once its `PING` is answered.
async fn accept(listener: &TcpListener) -> Result<BufReader<TcpStream>, Failure> {
    let (client, _) = within(listener.accept()).await??;
    let mut client = BufReader::new(client);
    client.write_all(INFO.as_bytes()).await?;
    answer(&mut client).await?;
    Ok(client)
}

/// Reads up to a `PING`, and answers it.
async fn answer(client: &mut BufReader<TcpStream>) -> Outcome {
    let mut line = String::new();
    while line != "PING\r\n" {
        line.clear();
        if within(client.read_line(&mut line)).await?? == 0 {
            return Err("the client has left".into());
        }
    }
    Ok(client.write_all(b"PONG\r\n").await?)
}

#[tokio::test]
async fn what_is_no_nats_server_is_named() -> Outcome {
    let long = format!("MSG {} 1 0\r\n\r\n", "a".repeat(10_000));
    for (greeting, expected) in [
        ("HTTP/1.1 400 Bad Request\r\n\r\n", "HTTP/1.1 400"),
        ("220 smtp\r\n", "220 smtp"),
        ("MSG a 1 0\r\n\r\n", "Message"),
        (&long, "Message"),
        ("INFO nonsense\r\n", "INFO that cannot be understood"),
        ("-ERR 'maximum connections exceeded'\r\n", "refused the connection"),
        ("", "broke while it was opened"),
    ] {
        let (listener, address) = listen().await?;
        let greeting = greeting.to_owned();
        let server = tokio::spawn(async move {
            let (mut client, _) = listener.accept().await?;
            client.write_all(greeting.as_bytes()).await
        });
        refused(options(&[address])?, |error| {
            let text = error.to_string();
            text.contains(expected) && text.len() < 1_000
        })
        .await?;
        within(server).await???;
    }
    Ok(())
}

#[tokio::test]
async fn a_server_that_says_nothing_times_out_with_the_step() -> Outcome {
    let (_listener, address) = listen().await?;
    let mut options = options(&[address])?;
    options.connect_timeout = Duration::from_millis(20);
    refused(options, |error| matches!(error, ConnectError::TimedOut { step: "send INFO", .. }))
        .await
}

#[tokio::test]
async fn every_server_that_was_tried_is_named() -> Outcome {
    refused(options::<&str>(&[])?, |error| matches!(error, ConnectError::NoServers)).await?;
    let closed = ["127.0.0.1:1", "127.0.0.1:2"];
    refused(options(&closed)?, |error| {
        let text = error.to_string();
        closed.iter().all(|server| text.contains(server))
    })
    .await
}

#[tokio::test]
async fn odd_lines_leave_their_neighbours() -> Outcome {
    let (listener, address) = listen().await?;
    let serving = tokio::spawn(async move {
        let mut client = accept(&listener).await?;
        answer(&mut client).await?;
        let lines = b"MSG s 1 1\r\na\r\n+OK\r\nWHAT\r\nPONG\r\nPONG\r\n-ERR\r\n-ERR '\xff'\r\n\
            INFO [\r\nINFO {\"max_payload\":-1}\r\nMSG s\xff 1 1\r\nb\r\n\
            HMSG s 1 r\rr 3 4\r\n\r\xff\nc\r\nMSG s 99 1\r\nx\r\nMSG s 1 1\r\nd\r\nPING\r\n";
        client.write_all(lines).await?;
        let mut line = String::new();
        while line != "PONG\r\n" {
            line.clear();
            client.read_line(&mut line).await?;
        }
        Ok::<_, Failure>(client)
    });
    let connection = connect(&address).await?;
    let mut events = connection.events();
    let mut inbox = subscribe(&connection, "s").await?;
    let mut payloads = Vec::new();
    for _ in 0..4 {
        payloads.extend_from_slice(message(&mut inbox).await?.payload());
    }
    assert_eq!(payloads, b"abcd");
    let _client = within(serving).await???;
    let statistics = connection.statistics();
    assert_eq!((statistics.unknown_lines, statistics.server_errors), (2, 2));
    assert_eq!((statistics.unclaimed, statistics.disconnects), (1, 0));
    assert_eq!(connection.info().message_bytes_max(), usize::MAX);
    let other = |event| match event {
        Event::ServerError { error: ServerError::Other { text }, .. } if !text.is_empty() => {
            Some(text)
        }
        _ => None,
    };
    assert_eq!(event(&mut events, other).await?, "\\xff");
    Ok(())
}

#[tokio::test]
async fn what_cannot_be_parsed_breaks_the_connection_and_is_named() -> Outcome {
    let (listener, address) = listen().await?;
    let serving = tokio::spawn(async move {
        for nonsense in ["MSG s 1\r\n", "MSG s 1 99999999999\r\n", "MSG s 1 1\r\nxyz\r\n"] {
            let mut client = accept(&listener).await?;
            client.write_all(nonsense.as_bytes()).await?;
        }
        accept(&listener).await
    });
    let mut options = options(&[address])?;
    options.reconnect.delay_max = Duration::from_millis(1);
    let connection = within(Connection::connect(options)).await??;
    let mut events = connection.events();
    let mut told = Vec::new();
    while told.len() < 3 {
        let parse = |event| match event {
            Event::Disconnected { reason, .. } => Some(reason),
            _ => None,
        };
        let reason = event(&mut events, parse).await?;
        let DisconnectReason::Parse(error) = &*reason else { return Err("no".into()) };
        told.push(error.to_string());
    }
    assert!(told[0].contains("\"MSG s 1\"") && told[1].contains("99999999999 bytes"), "{told:?}");
    assert!(told[2].contains("no line end"), "{told:?}");
    let _client = within(serving).await???;
    Ok(())
}

#[tokio::test]
async fn a_fatal_error_is_the_reason_even_if_the_socket_fails() -> Outcome {
    let (listener, address) = listen().await?;
    let serving = tokio::spawn(async move {
        let mut client = accept(&listener).await?;
        client.write_all(b"-ERR 'Slow Consumer'\r\n").await?;
        drop(client);
        accept(&listener).await
    });
    let connection = connect(&address).await?;
    let mut events = connection.events();
    let reason = event(&mut events, |event| match event {
        Event::Disconnected { reason, .. } => Some(reason),
        _ => None,
    })
    .await?;
    let expected = matches!(*reason, DisconnectReason::Server(ServerError::SlowConsumer));
    assert!(expected, "{reason:?}");
    let _client = within(serving).await???;
    Ok(())
}

#[tokio::test]
async fn a_flood_of_events_is_counted_and_not_kept() -> Outcome {
    let (listener, address) = listen().await?;
    let serving = tokio::spawn(async move {
        let mut client = accept(&listener).await?;
        client.write_all("WHAT\r\n".repeat(1_000).as_bytes()).await?;
        answer(&mut client).await?;
        Ok::<_, Failure>(client)
    });
    let connection = connect(&address).await?;
    let mut events = connection.events();
    let subscribed = connection.subscribe(subject("s"), SubscribeOptions::default());
    let inbox = within(subscribed).await??;
    let _client = within(serving).await???;
    assert_eq!(connection.statistics().unknown_lines, 1_000);
    let missed = |event| match event {
        Event::Missed { events } => Some(events),
        _ => None,
    };
    assert!(event(&mut events, missed).await? >= 700);
    drop(inbox);
    Ok(())
}

#[tokio::test]
async fn a_subscription_that_is_dropped_before_it_was_sent_is_not_left_behind() -> Outcome {
    let (listener, address) = listen().await?;
    let accepted =
        tokio::spawn(async move { Ok::<_, Failure>((accept(&listener).await?, listener)) });
    let connection = connect(&address).await?;
    let (client, listener) = within(accepted).await???;
    let mut events = connection.events();
    // The server reads nothing, so the subscription waits behind all this.
    while connection.try_queue(outgoing("full", vec![b'x'; 900])).is_ok() {
        tokio::task::yield_now().await;
    }
    let mut subscribing = Box::pin(connection.subscribe(subject("s"), SubscribeOptions::default()));
    tokio::time::timeout(Duration::ZERO, &mut subscribing).await.unwrap_err();
    drop(client);
    event(&mut events, |event| matches!(event, Event::Disconnected { .. }).then_some(())).await?;
    drop(subscribing);
    let publishing = tokio::spawn({
        let connection = connection.clone();
        async move { connection.publish(outgoing("last", "x")).await }
    });
    let mut client = accept(&listener).await?;
    let (mut line, mut lines) = (String::new(), Vec::new());
    while !line.starts_with("PUB last") {
        line.clear();
        within(client.read_line(&mut line)).await??;
        if line.contains("SUB ") {
            lines.push(line.clone());
        }
    }
    assert!(lines.is_empty() || lines == ["SUB s 1\r\n", "UNSUB 1\r\n"], "{lines:?}");
    within(publishing).await???;
    Ok(())
}

#[tokio::test]
async fn the_bound_of_the_queue_counts_subjects() -> Outcome {
    const BYTES: usize = 100_000;
    let (listener, address) = listen().await?;
    let accepted =
        tokio::spawn(async move { Ok::<_, Failure>((accept(&listener).await?, listener)) });
    let mut options = options(&[address])?;
    options.queue.bytes = BYTES;
    let connection = within(Connection::connect(options)).await??;
    let mut events = connection.events();
    let (client, _listener) = within(accepted).await???;
    drop(client);
    event(&mut events, |event| matches!(event, Event::Disconnected { .. }).then_some(())).await?;
    let subject = "s".repeat(30_000);
    while connection.try_publish(outgoing(&subject, "")).is_ok() {}
    let unconfirmed = within(connection.close()).await?.unwrap_err().unconfirmed;
    assert_eq!(unconfirmed.messages, 3);
    assert!(unconfirmed.bytes as usize <= BYTES, "{unconfirmed:?}");
    Ok(())
}
