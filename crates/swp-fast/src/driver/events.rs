//! What the NATS client tells about itself, counted instead of logged: slow-consumer events come by the
//! hundred thousand.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_nats::{ConnectOptions, Event};

/// Counts of a client's events. The client's own event queue is bounded and drops, so these are lower
/// bounds; what was lost on a stream is known exactly from its frame numbers.
#[derive(Debug, Clone, Default)]
pub struct ClientEvents(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    slow_consumer: AtomicU64,
    disconnected: AtomicU64,
    errors: AtomicU64,
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
                self.errors.fetch_add(1, Ordering::Relaxed);
                tracing::warn!(%event, "NATS error");
            }
            other => tracing::info!(event = %other, "NATS event"),
        }
    }
}
