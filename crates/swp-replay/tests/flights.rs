//! Real traffic, from a NATS client that shares no code with ours: departures from New York in 2013 (the
//! first 1,000 rows of the CC0 data set nycflights13), published row by row in the plain text of the NATS
//! protocol, recorded, replayed, and received both as a capture and by a plain subscriber.

mod support;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;

use nats_child::NatsServer;
use support::{Folder, Running, info, json, run, text};

const FLIGHTS: &str = include_str!("data/flights.csv");

/// A row's subject, headers as they go over the wire, and payload.
struct Row {
    subject: String,
    headers: String,
    payload: &'static str,
}

fn rows() -> Vec<Row> {
    let rows = FLIGHTS.lines().skip(1).map(|payload| {
        let fields: Vec<&str> = payload.split(',').collect();
        let (carrier, origin, dest) = (fields[9], fields[12], fields[13]);
        Row {
            subject: format!("flights.{origin}.{dest}"),
            headers: format!("NATS/1.0\r\ncarrier: {carrier}\r\n\r\n"),
            payload,
        }
    });
    rows.collect()
}

/// The NATS protocol over a plain socket.
struct Plain(BufReader<TcpStream>);

impl Plain {
    fn connect(server: &NatsServer) -> Plain {
        let stream = TcpStream::connect(("127.0.0.1", server.port())).expect("connected");
        let mut plain = Plain(BufReader::new(stream));
        assert!(plain.line().starts_with("INFO "));
        plain.send("CONNECT {\"verbose\":false,\"headers\":true}\r\n");
        plain
    }

    fn send(&mut self, bytes: &str) {
        self.0.get_mut().write_all(bytes.as_bytes()).expect("written");
    }

    /// Returns once the server has taken everything sent before.
    fn sync(&mut self) {
        self.send("PING\r\n");
        assert_eq!(self.line(), "PONG\r\n");
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).expect("a line");
        line
    }

    /// The next message: subject, headers, payload.
    fn message(&mut self) -> (String, String, String) {
        let line = self.line();
        let fields: Vec<&str> = line.split_whitespace().collect();
        assert_eq!(fields[0], "HMSG", "{line}");
        let sizes: Vec<usize> =
            fields[fields.len() - 2..].iter().map(|n| n.parse().expect("a size")).collect();
        let mut bytes = vec![0; sizes[1] + 2];
        self.0.read_exact(&mut bytes).expect("a message");
        let (headers, payload) = bytes[..sizes[1]].split_at(sizes[0]);
        (fields[1].to_owned(), text(headers), text(payload))
    }
}

#[test]
fn recorded_and_replayed_as_they_were() {
    let server = NatsServer::start().expect("a server");
    let folder = Folder::new();
    let (capture, copy) = (folder.path("flights"), folder.path("copy"));
    let (capture, copy) = (capture.to_str().expect("UTF-8"), copy.to_str().expect("UTF-8"));
    let connect = ["--server", server.url(), "--json"];
    let rows = rows();
    let count = rows.len().to_string();

    let record = ["record", "flights.>", "-o", capture, "--count", &count];
    let mut record = Running::start(&[&record[..], &connect].concat());
    record.until("recording flights.>");
    let mut publisher = Plain::connect(&server);
    for Row { subject, headers, payload } in &rows {
        let (head, all) = (headers.len(), headers.len() + payload.len());
        publisher.send(&format!("HPUB {subject} {head} {all}\r\n{headers}{payload}\r\n"));
    }
    publisher.sync();
    let (code, out, said) = record.end();
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(json(&out)["messages"], rows.len());

    let mut subscriber = Plain::connect(&server);
    subscriber.send("SUB again.flights.> 1\r\n");
    subscriber.sync();
    let keep = Running::start(&[&["recv", "flights", "-o", copy], &connect[..]].concat());
    let again = ["recv", "flights", "--republish", "--prefix", "again"];
    let again = Running::start(&[&again[..], &connect].concat());
    let play = run(&[&["play", capture, "--min-consumers", "2"], &connect[..]].concat());
    assert_eq!(play.status.code(), Some(0), "{}", text(&play.stderr));
    for (number, row) in rows.iter().enumerate() {
        let (subject, headers, payload) = subscriber.message();
        assert_eq!(subject, format!("again.{}", row.subject), "row {number}");
        assert_eq!((headers.as_str(), payload.as_str()), (row.headers.as_str(), row.payload));
    }
    for consumer in [keep, again] {
        let (code, out, said) = consumer.end();
        assert_eq!(code, Some(0), "{said}");
        assert_eq!(json(&out)["content_digest"], json(&play.stdout)["content_digest"]);
    }
    let (original, copied) = (info(capture.as_ref()), info(copy.as_ref()));
    for field in ["content_digest", "messages", "bytes", "first_ns", "last_ns", "subjects"] {
        assert_eq!(original[field], copied[field], "{field}");
    }
}
