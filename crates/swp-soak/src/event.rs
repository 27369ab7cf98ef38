//! What a node tells the one who started it: a JSON object a line, on its standard output.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Counters of one session, by name: repairs, probes, duplicates, frames dropped by cause.
pub(crate) type Counters = BTreeMap<String, u64>;

/// Something that happened at a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub(crate) enum Event {
    /// A session has begun: all who take part have joined.
    Begun,
    /// So many messages were sent, or received and found right, in the session that runs.
    Progress { messages: u64 },
    /// The session stands still: nothing could be sent, or nothing came, for a second.
    Stalled,
    /// The session is over, and everything was delivered.
    Completed { session: u64, messages: u64, bytes: u64, counters: Counters },
    /// The session is over before its time. Up to there everything was right.
    Ended { session: u64, messages: u64, error: String },
    /// Something that must not be: a message lost, repeated, out of place or changed.
    Wrong { session: u64, message: u64, what: String },
}

impl Event {
    /// Prints it. A parent that no longer listens is no reason to stop.
    pub(crate) fn tell(&self) {
        use std::io::Write;
        if let Ok(line) = serde_json::to_string(self) {
            let mut out = std::io::stdout().lock();
            let _ = writeln!(out, "{line}").and_then(|()| out.flush());
        }
    }
}
