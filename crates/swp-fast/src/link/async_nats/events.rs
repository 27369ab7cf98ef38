//! Counts the events of an async-nats client. A log line each would not do: slow-consumer events
//! come by the hundred thousand.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_nats::{ConnectOptions, Event, ServerError};

use crate::link::{Denial, DenialLog};

/// Counts of a client's events.
///
/// Call [`Self::attach`] before the client connects, and give a clone to
/// [`EndpointConfig::events`](crate::EndpointConfig::events). All clones share the counts. The
/// client's own queue of events is bounded and drops, so each count is a lower bound. What a stream
/// lost is known exactly from its sequence numbers.
#[derive(Debug, Clone, Default)]
pub struct ClientEvents(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    slow_consumer: AtomicU64,
    disconnected: AtomicU64,
    errors: AtomicU64,
    denials: Arc<DenialLog>,
}

impl ClientEvents {
    /// Counts the events of the client that `options` will make. Replaces an event callback that
    /// was set before.
    pub fn attach(&self, options: ConnectOptions) -> ConnectOptions {
        let counts = Arc::clone(&self.0);
        options.event_callback(move |event| {
            let counts = Arc::clone(&counts);
            async move { counts.count(&event) }
        })
    }

    /// Returns at least how many slow-consumer events there were. The client drops a message for
    /// each, because a subscription was full.
    pub fn slow_consumer(&self) -> u64 {
        self.0.slow_consumer.load(Ordering::Relaxed)
    }

    /// Returns how often the connection was lost.
    pub fn disconnected(&self) -> u64 {
        self.0.disconnected.load(Ordering::Relaxed)
    }

    /// Returns how many errors the server or the client raised, such as a missing permission.
    pub fn errors(&self) -> u64 {
        self.0.errors.load(Ordering::Relaxed)
    }

    /// Returns the newest 64 permissions that the server denied, oldest first.
    pub fn denials(&self) -> Vec<Denial> {
        self.0.denials.to_vec()
    }

    pub(super) fn denial_log(&self) -> Arc<DenialLog> {
        Arc::clone(&self.0.denials)
    }
}

impl Counts {
    fn count(&self, event: &Event) {
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
                    self.denials.push(denial);
                }
                self.errors.fetch_add(1, Ordering::Relaxed);
                tracing::warn!(%event, "NATS error");
            }
            other => tracing::info!(event = %other, "NATS event"),
        }
    }
}

#[cfg(test)]
mod tests;
