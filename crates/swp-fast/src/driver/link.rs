//! The connection as the drivers see it: whether it is there, and a flush that can be waited for.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_nats::Client;
use async_nats::connection::State;
use futures_util::future::{Either, select};

use super::subjects::Subjects;
use super::{Denial, DenialWatch};
use crate::proto::Transmit;
use crate::time::Time;

/// A flush under way; resolves when what was published has gone to the socket.
pub(super) type Flush = Pin<Box<dyn Future<Output = ()> + Send>>;

/// While the connection is away nothing can be sent, however due it is; look again this often.
const OUTAGE_POLL: Duration = Duration::from_millis(20);

/// What has changed about the connection.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum LinkChange {
    /// It is there, as before.
    Up,
    /// It is away; the client is trying to get it back.
    Down,
    /// It was away and is there again.
    Back,
    /// It was away for longer than the bound.
    Lost,
    /// The server forbids what the stream needs.
    Denied(Denial),
}

/// Why nothing can be handed to the client any more.
#[derive(Debug)]
pub(super) enum LinkError {
    /// The connection was away for longer than the bound.
    Lost,
    /// The client says no.
    Client(String),
}

pub(super) struct Link {
    pub(super) client: Client,
    pub(super) subjects: Subjects,
    connects: u64,
    down_since: Option<Time>,
    outage_timeout: Duration,
    denials: DenialWatch,
}

impl Link {
    pub(super) fn new(
        client: Client,
        subjects: Subjects,
        outage_timeout: Duration,
        denials: DenialWatch,
    ) -> Link {
        let connects = client.statistics().connects.load(Ordering::Relaxed);
        Link { client, subjects, connects, down_since: None, outage_timeout, denials }
    }

    /// Looks at the connection; cheap.
    pub(super) fn check(&mut self, now: Time) -> LinkChange {
        if let Some(denial) = self.denials.next(|subject| self.subjects.contain(subject)) {
            return LinkChange::Denied(denial);
        }
        if self.client.connection_state() != State::Connected {
            let since = *self.down_since.get_or_insert(now);
            let lost = now.since(since) > self.outage_timeout;
            return if lost { LinkChange::Lost } else { LinkChange::Down };
        }
        let connects = self.client.statistics().connects.load(Ordering::Relaxed);
        let back = self.down_since.take().is_some() || connects != self.connects;
        self.connects = connects;
        if back { LinkChange::Back } else { LinkChange::Up }
    }

    /// When to wake for something that is due at `deadline`.
    pub(super) fn wake_at(&self, now: Time, deadline: Time) -> Time {
        if self.down_since.is_some() { now + OUTAGE_POLL } else { deadline }
    }

    /// Hands frames to the client.
    pub(super) async fn publish(&mut self, transmits: &mut Vec<Transmit>) -> Result<(), LinkError> {
        for transmit in transmits.drain(..) {
            let subject = self.subjects.of(transmit.to);
            let published = self.unless_lost(self.client.publish(subject, transmit.frame)).await?;
            published.map_err(|error| LinkError::Client(error.to_string()))?;
        }
        Ok(())
    }

    /// Subscribes to what goes to a generation of the group.
    pub(super) async fn subscribe_group(
        &mut self,
        generation: u32,
    ) -> Result<async_nats::Subscriber, LinkError> {
        let subscribe = self.client.subscribe(self.subjects.group(generation));
        let subscribed = self.unless_lost(subscribe).await?;
        subscribed.map_err(|error| LinkError::Client(error.to_string()))
    }

    pub(super) fn flush(&self) -> Flush {
        let client = self.client.clone();
        // It fails only when the client is closed, which the link tells.
        Box::pin(async move { drop(client.flush().await) })
    }

    /// Waits until what was published last has gone to the socket, where there is one.
    pub(super) async fn flush_last(&self) {
        if self.client.connection_state() == State::Connected {
            // Whom it did not reach will find out without it.
            let _ = self.unless_lost(self.flush()).await;
        }
    }

    /// Waits for what the client does. What it is asked to do waits for room in its queue, and while the connection
    /// is away the queue is not emptied: for ever, where it does not come back.
    pub(super) async fn unless_lost<T>(
        &self,
        done: impl Future<Output = T>,
    ) -> Result<T, LinkError> {
        match select(pin!(done), pin!(lost(&self.client, self.outage_timeout))).await {
            Either::Left((done, _)) => Ok(done),
            Either::Right(_) => Err(LinkError::Lost),
        }
    }
}

/// Resolves once the connection has been away for `bound` on end, as seen from now on.
async fn lost(client: &Client, bound: Duration) {
    let mut away = Duration::ZERO;
    while away <= bound {
        tokio::time::sleep(OUTAGE_POLL).await;
        away = match client.connection_state() {
            State::Connected => Duration::ZERO,
            State::Pending | State::Disconnected => away + OUTAGE_POLL,
        };
    }
}
