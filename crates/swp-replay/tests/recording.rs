//! Plain NATS messages into a capture, and out again to plain subscribers.

mod support;

use async_nats::HeaderMap;
use futures_util::StreamExt;
use nats_child::NatsServer;
use serde_json::{Value, json};
use support::{Folder, Running, info, run, text};

const MESSAGES: usize = 500;

async fn publish(client: &async_nats::Client) {
    for number in 0..MESSAGES {
        let subject = format!("flights.JFK.{}", number % 7);
        let payload = format!("flight {number}").into();
        if number % 3 == 0 {
            let mut headers = HeaderMap::new();
            headers.append("carrier", "UA");
            headers.append("carrier", "AA");
            headers.append("number", number.to_string().as_str());
            client.publish_with_reply_and_headers(subject, "answers.here", headers, payload).await
        } else {
            client.publish(subject, payload).await
        }
        .expect("published");
    }
    client.publish("flights.raw", vec![0xff, 0xfe].into()).await.expect("published");
    client.publish("other", "not asked for".into()).await.expect("published");
    // A flush ends at the socket. What comes back from the server shows that it has taken, and handed on,
    // all that went before.
    let mut echo = client.subscribe("echo").await.expect("subscribed");
    client.publish("echo", "".into()).await.expect("published");
    echo.next().await.expect("an echo");
}

fn lines(path: &std::path::Path) -> Vec<Value> {
    text(&run(&["cat", path.to_str().expect("UTF-8")]).stdout)
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect()
}

#[tokio::test]
async fn recorded_replayed_and_published_again() {
    let server = NatsServer::start().expect("a server");
    let client = async_nats::connect(server.url()).await.expect("connected");
    let folder = Folder::new();
    let capture = folder.path("flights");
    let mut record = Running::start(&[
        "record",
        "flights.>",
        "-o",
        capture.to_str().unwrap(),
        "--server",
        server.url(),
        "--json",
    ]);
    record.until("recording flights.>");
    publish(&client).await;
    // It takes what the server has sent when it is interrupted, and the server answers in order: what
    // was published before the echo is on its way before the end of the subscription.
    record.signal("INT");
    let (code, out, said) = record.end();
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(support::json(&out)["messages"], MESSAGES + 1);

    let recorded = lines(&capture);
    assert_eq!(recorded.len(), MESSAGES + 1);
    for (number, line) in recorded[..MESSAGES].iter().enumerate() {
        assert_eq!(line["seq"], number);
        assert_eq!(line["subject"], format!("flights.JFK.{}", number % 7));
        assert_eq!(line["payload"], format!("flight {number}"));
        if number % 3 == 0 {
            assert_eq!(line["reply"], "answers.here");
            let mut pairs = line["headers"].as_array().expect("headers").clone();
            pairs.sort_by_key(|pair| pair[0].to_string());
            let number = number.to_string();
            assert_eq!(
                pairs,
                [json!(["carrier", "UA"]), json!(["carrier", "AA"]), json!(["number", number])]
            );
        } else {
            assert_eq!((&line["reply"], &line["headers"]), (&Value::Null, &Value::Null));
        }
    }
    assert_eq!(recorded[MESSAGES]["payload_base64"], "//4=");
    assert_eq!(info(&capture)["dropped_while_recording"], 0);

    let mut plain = client.subscribe("again.flights.>").await.expect("subscribed");
    client.flush().await.expect("flushed");
    let recv = Running::start(&[
        "recv",
        "flights",
        "--republish",
        "--prefix",
        "again",
        "--server",
        server.url(),
    ]);
    let play = Running::start(&["play", capture.to_str().unwrap(), "--server", server.url()]);
    for line in &recorded {
        let message = plain.next().await.expect("a message");
        assert_eq!(
            message.subject.as_str(),
            format!("again.{}", line["subject"].as_str().unwrap())
        );
        assert_eq!(message.reply.as_ref().map(|reply| reply.as_str()), line["reply"].as_str());
        assert_eq!(message.headers.is_some(), line.get("headers").is_some());
        if let Some(payload) = line["payload"].as_str() {
            assert_eq!(message.payload, payload.as_bytes());
        }
    }
    assert_eq!(recv.end().0, Some(0));
    assert_eq!(play.end().0, Some(0));
}

#[tokio::test]
async fn a_count_ends_it() {
    let server = NatsServer::start().expect("a server");
    let client = async_nats::connect(server.url()).await.expect("connected");
    let folder = Folder::new();
    let capture = folder.path("c");
    let mut record = Running::start(&[
        "record",
        "flights.*.3",
        "flights.*.5",
        "--count",
        "20",
        "-o",
        capture.to_str().unwrap(),
        "--server",
        server.url(),
    ]);
    record.until("recording");
    publish(&client).await;
    let (code, _, said) = record.end();
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(info(&capture)["messages"], 20);
    assert_eq!(info(&capture)["subjects"], 2);
}
