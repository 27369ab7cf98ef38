//! A session's view of its link: notices outages, reconnects and denied permissions, and bounds
//! every wait for the link by the outage time-out.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::{Either, select};

use super::subjects::Subjects;
use crate::link::{
    Denial, DenialWatch, Link, LinkError, LinkFuture, LinkState, Subject, Subscription,
};
use crate::time::Time;

/// The interval of looks at a link that is down: no timer of the protocol matters meanwhile.
const OUTAGE_POLL: Duration = Duration::from_millis(20);

/// What a look at the link found.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum LinkChange {
    /// The link is up, as at the last look.
    Up,
    /// The link is down, and is trying to reconnect.
    Down,
    /// The link is up again, or has reconnected since the last look.
    Back,
    /// The link was down for longer than the outage time-out.
    Lost,
    /// The server denies a permission that the stream needs.
    Denied(Denial),
}

/// Why a session cannot use its link any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ConnectionError {
    /// The link was down for longer than the outage time-out.
    Lost,
    /// The link accepts nothing any more.
    Link(LinkError),
}

/// See the [module](self).
pub(crate) struct Connection {
    link: Arc<dyn Link>,
    pub(super) subjects: Subjects,
    /// The name of the connection at the last look, see [`LinkState::Up`].
    last_seen: Option<u64>,
    down_since: Option<Time>,
    outage_timeout: Duration,
    denials: DenialWatch,
}

impl Connection {
    /// Notices what happens from now on: make it before the session subscribes to anything.
    pub(crate) fn new(
        link: Arc<dyn Link>,
        subjects: Subjects,
        outage_timeout: Duration,
    ) -> Connection {
        let last_seen = match link.state() {
            LinkState::Up(connection) => Some(connection),
            LinkState::Down => None,
        };
        let denials = link.denials();
        Connection { link, subjects, last_seen, down_since: None, outage_timeout, denials }
    }

    /// Looks at the link. Cheap.
    pub(super) fn check(&mut self, now: Time) -> LinkChange {
        if let Some(denial) = self.denials.next(|subject| self.subjects.contain(subject)) {
            return LinkChange::Denied(denial);
        }
        match self.link.state() {
            LinkState::Down => {
                let since = *self.down_since.get_or_insert(now);
                let lost = now.since(since) > self.outage_timeout;
                if lost { LinkChange::Lost } else { LinkChange::Down }
            }
            LinkState::Up(connection) => {
                let was_down = self.down_since.take().is_some();
                let renewed = self.last_seen.replace(connection) != Some(connection);
                if was_down || renewed { LinkChange::Back } else { LinkChange::Up }
            }
        }
    }

    /// Returns when to wake for something that is due at `deadline`. Nothing can be sent while the
    /// link is down, however due it is.
    pub(super) fn wake_at(&self, now: Time, deadline: Time) -> Time {
        if self.down_since.is_some() { now + OUTAGE_POLL } else { deadline }
    }

    /// Publishes a frame, and waits for space where the link has none.
    pub(super) async fn publish(
        &self,
        subject: &Subject,
        frame: Bytes,
    ) -> Result<(), ConnectionError> {
        let Err(frame) = self.link.try_publish(subject, frame) else { return Ok(()) };
        let published = self.unless_lost(self.link.publish(subject, frame)).await?;
        published.map_err(ConnectionError::Link)
    }

    /// Subscribes to a generation of the group.
    pub(super) async fn subscribe_group(
        &mut self,
        generation: u32,
    ) -> Result<Box<dyn Subscription>, ConnectionError> {
        let subject = self.subjects.group(generation);
        let subscribed = self.unless_lost(self.link.subscribe(&subject)).await?;
        subscribed.map_err(ConnectionError::Link)
    }

    pub(super) fn flush(&self) -> LinkFuture<'static, ()> {
        self.link.flush()
    }

    /// Waits until the last frames of a session have gone to the socket, if the link is up.
    pub(super) async fn flush_last(&self) {
        if self.link.state() != LinkState::Down {
            // The other side times out where the last frames do not reach it.
            let _ = self.unless_lost(self.link.flush()).await;
        }
    }

    /// Waits for the link to do something, until the link is lost. A link that is down may have no
    /// space for as long as it is down, which may be forever.
    pub(super) async fn unless_lost<T>(
        &self,
        done: impl Future<Output = T>,
    ) -> Result<T, ConnectionError> {
        match select(pin!(done), pin!(lost(&*self.link, self.outage_timeout))).await {
            Either::Left((done, _)) => Ok(done),
            Either::Right(_) => Err(ConnectionError::Lost),
        }
    }
}

/// Resolves once the link has been down for `bound` without a break. Counts from the first poll.
async fn lost(link: &dyn Link, bound: Duration) {
    let mut down = Duration::ZERO;
    while down <= bound {
        tokio::time::sleep(OUTAGE_POLL).await;
        down = match link.state() {
            LinkState::Up(_) => Duration::ZERO,
            LinkState::Down => down + OUTAGE_POLL,
        };
    }
}

#[cfg(test)]
mod tests;
