//! Permissions that the server denies. NATS answers neither a publish nor a subscribe that it
//! denies: it sends an error that names the subject, some time later, on the same connection.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Denials that a log keeps: more than the subjects of a few streams.
const MAX_DENIALS: usize = 64;

/// A permission that the server denies to the user of a connection.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the NATS server does not permit this user to {} '{subject}'",
    if *.publishing { "publish to" } else { "subscribe to" }
)]
pub struct Denial {
    /// True where publishing is denied, false where subscribing is.
    pub publishing: bool,
    /// The subject that the server names.
    pub subject: String,
}

impl Denial {
    /// Parses an error of the server, such as `Permissions Violation for Publish to "a.b"`. Returns
    /// `None` for any other error.
    pub(super) fn parse(error: &str) -> Option<Denial> {
        let (operation, rest) =
            error.strip_prefix("Permissions Violation for ")?.split_once(" to ")?;
        let publishing = match operation {
            "Publish" => true,
            "Subscription" => false,
            _ => return None,
        };
        let subject = rest.strip_prefix('"')?.split('"').next()?.to_owned();
        Some(Denial { publishing, subject })
    }
}

/// The denials of one connection: the newest 64, and how many there were. A link adds to it, and
/// any number of sessions watch it.
#[derive(Debug, Default)]
pub(crate) struct DenialLog {
    /// How many were ever added.
    added: AtomicU64,
    /// The newest, oldest first.
    newest: Mutex<VecDeque<Denial>>,
}

impl DenialLog {
    pub(super) fn push(&self, denial: Denial) {
        let mut newest = self.newest();
        if newest.len() == MAX_DENIALS {
            newest.pop_front();
        }
        newest.push_back(denial);
        self.added.fetch_add(1, Ordering::Release);
    }

    pub(super) fn to_vec(&self) -> Vec<Denial> {
        self.newest().iter().cloned().collect()
    }

    /// Watches for denials that are added from now on.
    pub(super) fn watch(self: &Arc<Self>) -> DenialWatch {
        DenialWatch { log: Arc::clone(self), seen: self.added.load(Ordering::Acquire) }
    }

    fn newest(&self) -> MutexGuard<'_, VecDeque<Denial>> {
        self.newest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Watches a [`DenialLog`] from a certain moment on.
#[derive(Debug)]
pub(crate) struct DenialWatch {
    log: Arc<DenialLog>,
    seen: u64,
}

impl DenialWatch {
    /// Returns the first new denial on a subject that `concerns` the caller. Every denial that was
    /// added by now counts as seen then. Cheap where there is none.
    pub(crate) fn next(&mut self, concerns: impl Fn(&str) -> bool) -> Option<Denial> {
        if self.log.added.load(Ordering::Acquire) == self.seen {
            return None;
        }
        let newest = self.log.newest();
        // Read under the lock, so that the count fits the list.
        let added = self.log.added.load(Ordering::Acquire);
        let new = (added - self.seen).min(newest.len() as u64) as usize;
        self.seen = added;
        newest.iter().skip(newest.len() - new).find(|denial| concerns(&denial.subject)).cloned()
    }
}

#[cfg(test)]
mod tests;
