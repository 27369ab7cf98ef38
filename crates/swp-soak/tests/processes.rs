//! Publisher and consumer as processes of their own, stopped and killed: the nodes of the soak, one
//! session each.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop where it is")]

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};

use nats_child::NatsServer;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// Some 50 MB: several windows, so that a publisher is in the middle when its consumer is.
const MESSAGES: u64 = 80_000;

/// A node and what it tells; killed with the test.
struct Node {
    child: Child,
    told: BufReader<ChildStdout>,
}

impl Node {
    fn start(server: &NatsServer, kind: &str, options: &[&str]) -> Node {
        let mut child = Command::new(env!("CARGO_BIN_EXE_swp-soak"))
            .args([kind, "--server", server.url(), "--stream", "s", "--sessions", "1"])
            .args(["--progress", "1000"])
            .args(options)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let told = BufReader::new(child.stdout.take().unwrap());
        Node { child, told }
    }

    /// A publisher of [`MESSAGES`] and its consumer, each in mid-stream.
    fn pair(server: &NatsServer, options: &[&str]) -> (Node, Node) {
        let publisher = Node::start(
            server,
            "publish",
            &[&["--messages", &MESSAGES.to_string()], options].concat(),
        );
        let mut consumer = Node::start(server, "consume", &["--name", "carol"]);
        consumer.until("progress");
        (publisher, consumer)
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// The next event of this kind. What is `wrong` is so for every test.
    fn until(&mut self, wanted: &str) -> Value {
        let mut last = String::new();
        loop {
            let mut line = String::new();
            assert!(self.told.read_line(&mut line).unwrap() > 0, "no {wanted}; last: {last}");
            let event: Value = serde_json::from_str(&line).unwrap();
            assert_ne!(event["event"], "wrong", "{line}");
            if event["event"] == wanted {
                return event;
            }
            last = line;
        }
    }

    fn error(&mut self) -> String {
        self.until("ended")["error"].as_str().unwrap().to_owned()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // Has ended already in a test that passed; a stopped one can be killed too.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn both_complete(mut publisher: Node, mut consumer: Node) {
    let (sent, received) = (publisher.until("completed"), consumer.until("completed"));
    assert_eq!(sent["messages"], MESSAGES);
    assert_eq!((&sent["messages"], &sent["bytes"]), (&received["messages"], &received["bytes"]));
}

/// Long before anybody is given up.
const PATIENT: [&str; 2] = ["--idle-timeout", "10s"];
/// Given up soon after it was stopped.
const IMPATIENT: [&str; 2] = ["--idle-timeout", "1s"];

#[test]
fn a_stopped_consumer_goes_on_where_it_was() {
    let server = NatsServer::start().unwrap();
    let (mut publisher, consumer) = Node::pair(&server, &PATIENT);
    consumer.signal(Signal::STOP);
    publisher.until("stalled");
    consumer.signal(Signal::CONT);
    both_complete(publisher, consumer);
}

#[test]
fn a_stopped_publisher_goes_on_where_it_was() {
    let server = NatsServer::start().unwrap();
    let (publisher, mut consumer) = Node::pair(&server, &PATIENT);
    publisher.signal(Signal::STOP);
    consumer.until("stalled");
    publisher.signal(Signal::CONT);
    both_complete(publisher, consumer);
}

#[test]
fn a_stopped_broker_goes_on_where_it_was() {
    let mut server = NatsServer::start().unwrap();
    let (publisher, mut consumer) = Node::pair(&server, &PATIENT);
    server.pause().unwrap();
    consumer.until("stalled");
    server.resume().unwrap();
    both_complete(publisher, consumer);
}

#[test]
fn a_consumer_stopped_for_too_long_is_named_and_told() {
    let server = NatsServer::start().unwrap();
    let (mut publisher, mut consumer) = Node::pair(&server, &IMPATIENT);
    consumer.signal(Signal::STOP);
    let error = publisher.error();
    assert!(error.contains("lost consumer carol") && error.contains("nothing heard"), "{error}");
    consumer.signal(Signal::CONT);
    let error = consumer.error();
    assert!(error.contains("the publisher") && error.contains("heard"), "{error}");
}

#[test]
fn a_publisher_stopped_for_too_long_is_given_up() {
    let server = NatsServer::start().unwrap();
    let (mut publisher, mut consumer) = Node::pair(&server, &IMPATIENT);
    publisher.signal(Signal::STOP);
    let error = consumer.error();
    assert!(error.contains("the publisher was not heard for"), "{error}");
    publisher.signal(Signal::CONT);
    let error = publisher.error();
    assert!(error.contains("lost consumer carol"), "{error}");
}

#[test]
fn a_killed_consumer_is_named() {
    let server = NatsServer::start().unwrap();
    let (mut publisher, consumer) = Node::pair(&server, &IMPATIENT);
    consumer.signal(Signal::KILL);
    let error = publisher.error();
    assert!(error.contains("lost consumer carol"), "{error}");
}

#[test]
fn a_killed_publisher_is_given_up() {
    let server = NatsServer::start().unwrap();
    let (publisher, mut consumer) = Node::pair(&server, &IMPATIENT);
    publisher.signal(Signal::KILL);
    let error = consumer.error();
    assert!(error.contains("the publisher was not heard for"), "{error}");
}
