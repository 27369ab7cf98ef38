//! What the NATS client tells about itself, counted instead of logged: slow-consumer events come by the
//! hundred thousand.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use async_nats::{ConnectOptions, Event, ServerError};

use super::lock;

/// Denials that are remembered: more than a few streams have subjects.
const MAX_DENIALS: usize = 64;

/// Something that the server does not let its user do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the NATS server does not permit this user to {} '{subject}'",
    if *.publishing { "publish to" } else { "subscribe to" }
)]
pub struct Denial {
    /// Publishing is denied; else it is subscribing.
    pub publishing: bool,
    /// On this subject.
    pub subject: String,
}

impl Denial {
    /// Reads the server's own words: `Permissions Violation for Publish to "a.b"`.
    fn parse(error: &str) -> Option<Denial> {
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

/// Counts of a client's events. The client's own event queue is bounded and drops, so these are lower
/// bounds; what was lost on a stream is known exactly from its frame numbers.
#[derive(Debug, Clone, Default)]
pub struct ClientEvents(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    slow_consumer: AtomicU64,
    disconnected: AtomicU64,
    errors: AtomicU64,
    /// All denials so far, also those no longer remembered.
    denied: AtomicU64,
    /// The newest, oldest first.
    denials: Mutex<VecDeque<Denial>>,
}

impl ClientEvents {
    /// Counts the events of the client that `options` will make. Replaces an event callback set before.
    pub fn attach(&self, options: ConnectOptions) -> ConnectOptions {
        let counts = Arc::clone(&self.0);
        options.event_callback(move |event| {
            let counts = Arc::clone(&counts);
            async move { counts.note(&event) }
        })
    }

    /// Messages that the client dropped because a subscription was full; at least this many.
    pub fn slow_consumer(&self) -> u64 {
        self.0.slow_consumer.load(Ordering::Relaxed)
    }

    /// How often the connection was lost.
    pub fn disconnected(&self) -> u64 {
        self.0.disconnected.load(Ordering::Relaxed)
    }

    /// Errors that the server or the client reported, such as a missing permission.
    pub fn errors(&self) -> u64 {
        self.0.errors.load(Ordering::Relaxed)
    }

    /// What the server did not permit; the newest 64, oldest first.
    pub fn denials(&self) -> Vec<Denial> {
        lock(&self.0.denials).iter().cloned().collect()
    }
}

/// Looks out for denials from a certain moment on.
#[derive(Debug)]
pub(crate) struct DenialWatch {
    events: Option<ClientEvents>,
    seen: u64,
}

impl DenialWatch {
    /// From now on; never any where the client's events are not known.
    pub(crate) fn start(events: Option<ClientEvents>) -> DenialWatch {
        let seen = events.as_ref().map_or(0, |events| events.0.denied.load(Ordering::Acquire));
        DenialWatch { events, seen }
    }

    /// The first new denial on a subject that `concerns` this caller.
    pub(crate) fn next(&mut self, concerns: impl Fn(&str) -> bool) -> Option<Denial> {
        let counts = &self.events.as_ref()?.0;
        if counts.denied.load(Ordering::Acquire) == self.seen {
            return None;
        }
        let denials = lock(&counts.denials);
        // Counted under the lock, so that as many are new as were put in.
        let denied = counts.denied.load(Ordering::Acquire);
        let new = (denied - self.seen).min(denials.len() as u64) as usize;
        self.seen = denied;
        denials.iter().skip(denials.len() - new).find(|denial| concerns(&denial.subject)).cloned()
    }
}

impl Counts {
    fn note(&self, event: &Event) {
        match event {
            Event::SlowConsumer(_) => {
                if self.slow_consumer.fetch_add(1, Ordering::Relaxed) == 0 {
                    tracing::warn!("the NATS client drops messages: a subscription is full");
                }
            }
            Event::Disconnected => {
                self.disconnected.fetch_add(1, Ordering::Relaxed);
                tracing::warn!("disconnected from NATS");
            }
            Event::ServerError(_) | Event::ClientError(_) => {
                if let Event::ServerError(ServerError::Other(error)) = event
                    && let Some(denial) = Denial::parse(error)
                {
                    self.deny(denial);
                }
                self.errors.fetch_add(1, Ordering::Relaxed);
                tracing::warn!(%event, "NATS error");
            }
            other => tracing::info!(event = %other, "NATS event"),
        }
    }

    fn deny(&self, denial: Denial) {
        let mut denials = lock(&self.denials);
        if denials.len() == MAX_DENIALS {
            denials.pop_front();
        }
        denials.push_back(denial);
        self.denied.fetch_add(1, Ordering::Release);
    }
}

#[cfg(test)]
mod tests;
