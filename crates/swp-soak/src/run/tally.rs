//! What the nodes told, session by session, and whether it fits together.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::event::{Counters, Event};

/// Errors and oddities that are kept word by word; all are counted.
const KEPT: usize = 200;

#[derive(Debug, Default)]
pub(super) struct Tally {
    nodes: BTreeMap<&'static str, Node>,
    /// Of `swp-replay` in the place of a node.
    pub(super) replays: Replays,
    pub(super) problems: Vec<String>,
    pub(super) errors: Vec<SessionError>,
}

#[derive(Debug, Default)]
struct Node {
    stream: &'static str,
    publishes: bool,
    begun: u64,
    ended: u64,
    wrong: u64,
    stalled: u64,
    messages: u64,
    bytes: u64,
    counters: Counters,
    /// Session to messages and bytes.
    completed: BTreeMap<u64, (u64, u64)>,
}

#[derive(Debug, Default, Clone, Serialize)]
pub(super) struct Replays {
    pub(super) begun: u64,
    pub(super) completed: u64,
    pub(super) messages: u64,
    pub(super) bytes: u64,
    pub(super) repairs: u64,
}

/// A session that ended before its time.
#[derive(Debug, Clone, Serialize)]
pub(super) struct SessionError {
    pub(super) node: String,
    pub(super) session: u64,
    pub(super) messages: u64,
    pub(super) error: String,
}

/// A node's line in the report.
#[derive(Debug, Serialize)]
pub(super) struct NodeSummary {
    pub(super) name: &'static str,
    pub(super) stream: &'static str,
    pub(super) begun: u64,
    pub(super) completed: u64,
    pub(super) ended: u64,
    pub(super) wrong: u64,
    pub(super) stalled_s: u64,
    pub(super) messages: u64,
    pub(super) bytes: u64,
    pub(super) counters: Counters,
}

impl Tally {
    pub(super) fn take(
        &mut self,
        name: &'static str,
        stream: &'static str,
        publishes: bool,
        event: Event,
    ) {
        let node = self.nodes.entry(name).or_default();
        (node.stream, node.publishes) = (stream, publishes);
        match event {
            Event::Begun => node.begun += 1,
            Event::Progress { .. } => {}
            Event::Stalled => node.stalled += 1,
            Event::Completed { session, messages, bytes, counters } => {
                node.completed.insert(session, (messages, bytes));
                node.messages += messages;
                node.bytes += bytes;
                for (name, count) in counters {
                    *node.counters.entry(name).or_default() += count;
                }
            }
            Event::Ended { session, messages, error } => {
                node.ended += 1;
                self.error(SessionError { node: name.to_owned(), session, messages, error });
            }
            Event::Wrong { session, message, what } => {
                node.wrong += 1;
                self.problem(format!("{name}, session {session}: in place of {message}: {what}"));
            }
        }
    }

    /// Something that must not be.
    pub(super) fn problem(&mut self, problem: String) {
        eprintln!("problem: {problem}");
        if self.problems.len() < KEPT {
            self.problems.push(problem);
        }
    }

    pub(super) fn error(&mut self, error: SessionError) {
        if self.errors.len() < KEPT {
            self.errors.push(error);
        }
    }

    pub(super) fn nodes(&self) -> Vec<NodeSummary> {
        let summary = |(name, node): (&&'static str, &Node)| NodeSummary {
            name,
            stream: node.stream,
            begun: node.begun,
            completed: node.completed.len() as u64,
            ended: node.ended,
            wrong: node.wrong,
            stalled_s: node.stalled,
            messages: node.messages,
            bytes: node.bytes,
            counters: node.counters.clone(),
        };
        self.nodes.iter().map(summary).collect()
    }

    /// Sessions that a publisher calls complete and a consumer of its stream does not, or not with the
    /// same messages and bytes.
    pub(super) fn losses(&self) -> Vec<String> {
        let mut losses = Vec::new();
        for (publisher, sent) in self.nodes.iter().filter(|(_, node)| node.publishes) {
            let consumers =
                self.nodes.iter().filter(|(_, node)| !node.publishes && node.stream == sent.stream);
            for (consumer, received) in consumers {
                for (session, wanted) in &sent.completed {
                    let found = received.completed.get(session);
                    if found != Some(wanted) {
                        losses.push(format!(
                            "session {session}: {publisher} sent {wanted:?}, {consumer} has {found:?}"
                        ));
                    }
                }
            }
        }
        losses
    }
}

#[cfg(test)]
mod tests;
