//! The proxy between a real client and a real nats-server.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop where it is")]

use std::time::Duration;

use async_nats::{Client, ConnectOptions};
use futures_util::StreamExt;
use nats_chaos::{ChaosProxy, Faults};
use nats_child::NatsServer;

async fn connect(proxy: &ChaosProxy) -> Client {
    let options = ConnectOptions::new().reconnect_delay_callback(|_| Duration::from_millis(10));
    options.connect(proxy.url()).await.unwrap()
}

/// Publishes `count` numbers and an end, and returns what arrives before the end.
async fn echo(proxy: &ChaosProxy, count: u32) -> Vec<String> {
    let client = connect(proxy).await;
    let mut inbox = client.subscribe("chaos.*").await.unwrap();
    for n in 0..count {
        client.publish("chaos.x", n.to_string().into()).await.unwrap();
    }
    client.publish("chaos.end", "".into()).await.unwrap();
    let mut arrived = Vec::new();
    loop {
        let message = inbox.next().await.unwrap();
        if message.subject.as_str() == "chaos.end" {
            return arrived;
        }
        arrived.push(String::from_utf8_lossy(&message.payload).into());
    }
}

#[tokio::test]
async fn it_does_no_harm_until_it_is_told_to() {
    let server = NatsServer::start().unwrap();
    let proxy = ChaosProxy::start(server.port(), 1).unwrap();
    let wanted: Vec<String> = (0..1000).map(|n| n.to_string()).collect();
    assert_eq!(echo(&proxy, 1000).await, wanted);
    let counts = proxy.counts();
    // Each passes on its way to the server and on its way back.
    assert_eq!((counts.messages, counts.accepted), (2 * 1001, 1));
    assert!(counts.by_kind().iter().all(|(_, count)| *count == 0), "{counts:?}");
}

#[tokio::test]
async fn faults_begin_and_end_when_told() {
    let server = NatsServer::start().unwrap();
    let proxy = ChaosProxy::start(server.port(), 1).unwrap();
    let subjects = vec!["chaos.x".to_owned()];
    proxy.set_faults(Faults { drop: 0.2, subjects, ..Faults::default() });
    let arrived = echo(&proxy, 1000).await;
    assert_eq!(arrived.len() as u64, 1000 - proxy.counts().dropped);
    assert!(arrived.len() < 900, "{} arrived", arrived.len());
    proxy.set_faults(Faults::default());
    assert_eq!(echo(&proxy, 100).await.len(), 100);
}

#[tokio::test]
async fn cut_connections_come_back_unless_they_are_refused() {
    let server = NatsServer::start().unwrap();
    let proxy = ChaosProxy::start(server.port(), 1).unwrap();
    let client = connect(&proxy).await;
    let mut inbox = client.subscribe("a").await.unwrap();
    client.flush().await.unwrap();
    proxy.refuse(true);
    assert_eq!(proxy.cut_all(), 1);
    while proxy.counts().refused < 3 {
        tokio::task::yield_now().await;
    }
    proxy.refuse(false);
    // Until it is connected again and has subscribed again, what is published goes nowhere.
    loop {
        client.publish("a", "x".into()).await.unwrap();
        let wait = Duration::from_millis(20);
        if tokio::time::timeout(wait, inbox.next()).await.is_ok() {
            break;
        }
    }
    assert_eq!((proxy.counts().cut, proxy.counts().accepted), (1, 2));
}

#[tokio::test]
async fn a_stalled_proxy_passes_nothing_and_loses_nothing() {
    let server = NatsServer::start().unwrap();
    let proxy = ChaosProxy::start(server.port(), 1).unwrap();
    let client = connect(&proxy).await;
    let direct = async_nats::connect(server.url()).await.unwrap();
    let mut inbox = client.subscribe("a").await.unwrap();
    client.flush().await.unwrap();
    // What a flush awaits is the socket; an answer from the server says that it knows.
    let mut echo = client.subscribe("ready").await.unwrap();
    client.publish("ready", "".into()).await.unwrap();
    echo.next().await.unwrap();
    proxy.stall(true);
    let before = proxy.counts().messages;
    let mut other = direct.subscribe("a").await.unwrap();
    direct.publish("a", "x".into()).await.unwrap();
    other.next().await.unwrap();
    assert_eq!(proxy.counts().messages, before);
    proxy.stall(false);
    assert_eq!(inbox.next().await.unwrap().payload, "x");
}
