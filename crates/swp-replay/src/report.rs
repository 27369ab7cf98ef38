//! What a command did: the summary for people on stderr, and the JSON object on stdout.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;
use serde_json::{Map, Value};
use swp_fast::{PublisherStats, SubscriberStats};

use crate::error::Error;
use crate::units::{show_bytes, show_count};

/// What was transferred, as far as it came.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Transfer {
    pub(crate) messages: u64,
    /// Of frame bodies over a session, of payload when recording or generating.
    pub(crate) bytes: u64,
    /// Of the messages, those that were transferred before this command began: no part of the rates.
    pub(crate) resumed_messages: u64,
    pub(crate) resumed_bytes: u64,
    pub(crate) seconds: f64,
    pub(crate) messages_per_s: f64,
    pub(crate) bytes_per_s: f64,
    pub(crate) frames: u64,
    pub(crate) retransmits: u64,
    /// Those of the retransmits that went to all consumers at once.
    pub(crate) group_retransmits: u64,
    /// Frames sent to consumers that joined behind the present.
    pub(crate) caught_up_frames: u64,
    /// Frames not sent, because all consumers held them when the replay was gone on with.
    pub(crate) passed_over_frames: u64,
    pub(crate) duplicates: u64,
    pub(crate) dropped: BTreeMap<&'static str, u64>,
    pub(crate) rtt_ns: Rtt,
    pub(crate) content_digest: Option<String>,
    pub(crate) consumers: Vec<Consumer>,
}

/// Round trips in nanoseconds; zeros where none was measured.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Rtt {
    pub(crate) p50: u64,
    pub(crate) p99: u64,
    pub(crate) max: u64,
}

/// A consumer, as the publisher saw it.
#[derive(Debug, Serialize)]
pub(crate) struct Consumer {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) tag: String,
    pub(crate) finished: bool,
    /// The stream goes at its pace: it counts, and has caught up.
    pub(crate) paces: bool,
    /// It holds the stream back now.
    pub(crate) holds_back: bool,
    pub(crate) lag_frames: u64,
    pub(crate) lag_bytes: u64,
    pub(crate) credit_frames: u64,
    pub(crate) credit_bytes: u64,
    pub(crate) srtt_ns: u64,
    pub(crate) retransmits: u64,
    pub(crate) duplicates: u64,
    pub(crate) dropped: u64,
}

impl Transfer {
    /// Takes over a publisher's counters.
    pub(crate) fn published(&mut self, stats: &PublisherStats) {
        self.messages = stats.messages;
        self.bytes = stats.bytes;
        self.frames = stats.frames;
        self.retransmits = stats.retransmits;
        self.group_retransmits = stats.group_retransmits;
        self.caught_up_frames = stats.past.caught_up_frames;
        self.passed_over_frames = stats.past.passed_over_frames;
        self.rtt_ns = Rtt { p50: stats.rtt.p50_ns, p99: stats.rtt.p99_ns, max: stats.rtt.max_ns };
        self.dropped.extend(stats.dropped.by_cause());
        self.duplicates = stats.consumers.iter().map(|consumer| consumer.duplicates).sum();
        self.consumers = stats
            .consumers
            .iter()
            .map(|consumer| Consumer {
                id: format!("{:016x}", consumer.id),
                name: consumer.name.clone(),
                tag: consumer.tag.clone(),
                finished: consumer.finished,
                paces: consumer.paces,
                holds_back: Some(consumer.id) == stats.held_back_by,
                lag_frames: consumer.lag_frames,
                lag_bytes: consumer.lag_bytes,
                credit_frames: consumer.credit_frames,
                credit_bytes: consumer.credit_bytes,
                srtt_ns: consumer.srtt.as_nanos() as u64,
                retransmits: consumer.retransmits,
                duplicates: consumer.duplicates,
                dropped: consumer.dropped,
            })
            .collect();
    }

    /// Takes over a subscriber's counters.
    pub(crate) fn received(&mut self, stats: &SubscriberStats) {
        self.frames = stats.frames;
        self.duplicates = stats.duplicates;
        self.dropped.extend(stats.dropped.by_cause());
    }

    /// Adds what was transferred before this command began.
    pub(crate) fn resumed(&mut self, messages: u64, bytes: u64) {
        (self.resumed_messages, self.resumed_bytes) = (messages, bytes);
        self.messages += messages;
        self.bytes += bytes;
    }

    /// Sets time and rates.
    pub(crate) fn took(&mut self, elapsed: Duration) {
        self.seconds = elapsed.as_secs_f64();
        if self.seconds > 0.0 {
            let messages = self.messages - self.resumed_messages;
            self.messages_per_s = messages as f64 / self.seconds;
            self.bytes_per_s = (self.bytes - self.resumed_bytes) as f64 / self.seconds;
        }
    }

    /// The summary for people.
    pub(crate) fn print(&self) {
        if self.resumed_messages > 0 {
            eprintln!(
                "{} messages, {}, of which {} and {} were there before",
                show_count(self.messages),
                show_bytes(self.bytes as f64),
                show_count(self.resumed_messages),
                show_bytes(self.resumed_bytes as f64),
            );
        }
        eprintln!(
            "{} messages, {}, in {:.3} s: {} messages/s, {}/s",
            show_count(self.messages - self.resumed_messages),
            show_bytes((self.bytes - self.resumed_bytes) as f64),
            self.seconds,
            show_count(self.messages_per_s as u64),
            show_bytes(self.bytes_per_s),
        );
        if self.frames > 0 {
            eprintln!(
                "{} frames, {} retransmits, {} duplicates",
                show_count(self.frames),
                show_count(self.retransmits),
                show_count(self.duplicates)
            );
        }
        let dropped: Vec<String> = self
            .dropped
            .iter()
            .filter(|(_, count)| **count > 0)
            .map(|(cause, count)| format!("{} {cause}", show_count(*count)))
            .collect();
        eprintln!(
            "dropped: {}",
            if dropped.is_empty() { "none".to_owned() } else { dropped.join(", ") }
        );
        if self.rtt_ns.max > 0 {
            let micros = |ns: u64| ns as f64 / 1000.0;
            let Rtt { p50, p99, max } = &self.rtt_ns;
            eprintln!(
                "round trip: p50 {:.0} us, p99 {:.0} us, max {:.0} us",
                micros(*p50),
                micros(*p99),
                micros(*max)
            );
        }
        if let Some(digest) = &self.content_digest {
            eprintln!("content digest {digest}");
        }
    }
}

/// Everything that a command leaves behind, filled while it runs, so that a failure has it too.
#[derive(Debug, Default)]
pub(crate) struct Report {
    /// Of commands that move messages.
    pub(crate) transfer: Option<Transfer>,
    /// Further fields of the JSON object.
    pub(crate) fields: Map<String, Value>,
}

impl Report {
    /// The one JSON object, in one line.
    pub(crate) fn json(&self, result: &Result<(), Error>) -> String {
        let mut object = match self.transfer.as_ref().map(serde_json::to_value) {
            Some(Ok(Value::Object(object))) => object,
            _ => Map::new(),
        };
        object.extend(self.fields.clone());
        if let Err(error) = result {
            object.insert("error".to_owned(), error.to_string().into());
            object.insert("exit_code".to_owned(), error.exit_code().into());
        }
        Value::Object(object).to_string()
    }
}
