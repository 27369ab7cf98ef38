//! Several servers, against real processes.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop where it is")]

use std::{
    io::{BufRead, BufReader, Write},
    net::TcpStream,
    thread,
};

use nats_child::{NatsCluster, NatsServer};

struct Client(BufReader<TcpStream>);

impl Client {
    fn connect(server: &NatsServer) -> Self {
        let mut client =
            Self(BufReader::new(TcpStream::connect(("127.0.0.1", server.port())).unwrap()));
        assert!(client.line().starts_with("INFO "));
        // Protocol 1: it takes news of the server later on.
        client.send("CONNECT {\"verbose\":false,\"protocol\":1}\r\n");
        client
    }

    fn send(&mut self, text: &str) {
        self.0.get_mut().write_all(text.as_bytes()).unwrap();
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        line
    }

    fn until(&mut self, wanted: &str) {
        loop {
            let line = self.line();
            assert!(!line.is_empty(), "the connection closed before {wanted}");
            if line.contains(wanted) {
                return;
            }
        }
    }
}

/// Publishes at `from` until it arrives at `to`: a subscription travels, so the first may go nowhere.
fn reaches(from: &NatsServer, to: &NatsServer) {
    let (mut publisher, mut subscriber) = (Client::connect(from), Client::connect(to));
    subscriber.send("SUB a 1\r\nPING\r\n");
    subscriber.until("PONG");
    thread::scope(|scope| {
        let arrived = scope.spawn(move || subscriber.until("MSG a 1 0"));
        while !arrived.is_finished() {
            publisher.send("PUB a 0\r\n\r\nPING\r\n");
            publisher.until("PONG");
        }
        arrived.join().unwrap();
    });
}

#[test]
fn what_is_published_at_one_server_arrives_at_another() {
    let cluster = NatsCluster::start(3).unwrap();
    assert_eq!(cluster.urls().len(), 3);
    reaches(&cluster[0], &cluster[2]);
    reaches(&cluster[2], &cluster[1]);
}

#[test]
fn a_leaf_and_its_hub_hear_each_other() {
    let mut hub = NatsServer::builder().takes_leaves().start().unwrap();
    let leaf = NatsServer::builder().leaf_of(&hub).start().unwrap();
    reaches(&hub, &leaf);
    reaches(&leaf, &hub);
    // It finds the hub again where it was.
    hub.restart().unwrap();
    reaches(&leaf, &hub);
}

#[test]
fn a_killed_server_joins_again() {
    let mut cluster = NatsCluster::start(3).unwrap();
    let url = cluster[0].url().to_owned();
    cluster[0].kill().unwrap();
    reaches(&cluster[1], &cluster[2]);
    cluster[0].restart().unwrap();
    assert_eq!(cluster[0].url(), url);
    cluster.wait_formed().unwrap();
    reaches(&cluster[0], &cluster[1]);
}

#[test]
fn a_lame_duck_tells_its_clients_and_ends() {
    let mut server =
        NatsServer::builder().config_line("lame_duck_grace_period: \"1ms\"").start().unwrap();
    let mut client = Client::connect(&server);
    client.send("PING\r\n");
    client.until("PONG");
    server.lame_duck().unwrap();
    client.until("\"ldm\":true");
    while !client.line().is_empty() {} // then it closes the connection
    while server.is_running() {
        thread::yield_now();
    }
    server.restart().unwrap();
    Client::connect(&server);
}
