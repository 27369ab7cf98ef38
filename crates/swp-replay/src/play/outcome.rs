//! The outcome of a replay: the consumers that were lost, and the report.

use serde_json::{Value, json};
use swp_fast::wire::PeerId;
use swp_fast::{LostReason, PublisherStats};
use swp_replay::capture::Capture;

use super::resume::StartPoint;
use crate::error::Error;
use crate::report::Transfer;
use crate::units::{hex, show_count};

/// The consumers that ended early and have not come back.
#[derive(Debug, Default)]
pub(super) struct LostConsumers(Vec<Lost>);

/// A consumer that was lost.
#[derive(Debug)]
struct Lost {
    id: PeerId,
    name: String,
    reason: LostReason,
}

impl Lost {
    /// Returns true if the consumer was lost because the user does not wait for slow consumers.
    fn by_policy(&self) -> bool {
        matches!(self.reason, LostReason::Stalled(_) | LostReason::LeftBehind)
    }
}

impl LostConsumers {
    /// Adds a consumer that was lost.
    pub(super) fn add(&mut self, id: PeerId, name: &str, reason: &LostReason) {
        self.0.push(Lost { id, name: name.to_owned(), reason: reason.clone() });
    }

    /// Removes the lost consumer that a new one replaces: the consumer came back, perhaps as
    /// another process.
    pub(super) fn joined(&mut self, replaces: Option<PeerId>) {
        self.0.retain(|lost| Some(lost.id) != replaces);
    }

    /// Returns an error if a consumer did not get everything, except by the user's policy for slow
    /// consumers.
    pub(super) fn check(&self) -> Result<(), Error> {
        let lost: Vec<String> = self
            .0
            .iter()
            .filter(|lost| !lost.by_policy())
            .map(|Lost { name, reason, .. }| format!("{name}: {reason}"))
            .collect();
        if lost.is_empty() {
            return Ok(());
        }
        let (count, lost) = (lost.len(), lost.join("; "));
        Err(Error::PeerLost(format!("{count} consumers were lost before the end: {lost}")))
    }

    /// Returns every lost consumer, for the report.
    pub(super) fn to_json(&self) -> Value {
        let entry = |lost: &Lost| json!({ "name": lost.name, "reason": lost.reason.to_string() });
        self.0.iter().map(entry).collect()
    }
}

/// Returns what was transferred. Only a complete replay has a digest.
pub(super) fn transfer(
    stats: &PublisherStats,
    capture: &Capture,
    start: StartPoint,
    complete: bool,
) -> Transfer {
    let mut transfer = Transfer::default();
    transfer.published(stats);
    transfer.content_digest = complete.then(|| hex(&capture.totals().content));
    transfer.resumed(start.messages, start.bytes);
    transfer
}

/// Adds to an interruption how many messages were sent. Returns other errors as they are.
pub(super) fn count_sent(error: Error, sent: u64, total: u64) -> Error {
    match error {
        Error::Interrupted(text) => Error::Interrupted(format!(
            "{text}: {} of {} messages were sent",
            show_count(sent),
            show_count(total)
        )),
        other => other,
    }
}

#[cfg(test)]
mod tests;
