//! The link over an [`async_nats::Client`] that the application already has.
//!
//! Commands go through the client's bounded queue to the client's task, which owns the socket. That
//! queue is what `try_publish` finds full. A client without a connection does not empty
//! its queue.

mod events;
mod subscription;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use async_nats::connection::State;
use async_nats::{Client, Statistics};
use bytes::Bytes;
use futures_util::FutureExt;
use tokio::task::unconstrained;

use super::{
    DenialLog, DenialWatch, Link, LinkError, LinkFuture, LinkState, Subject, Subscription,
};
pub use events::ClientEvents;
use subscription::AsyncNatsSubscription;

/// See the [module](self).
pub(crate) struct AsyncNats {
    client: Client,
    statistics: Arc<Statistics>,
    denials: Arc<DenialLog>,
}

impl AsyncNats {
    /// A link over a connected client. Denied permissions are known only where `events` were
    /// attached to the options of this client.
    ///
    /// # Errors
    /// Where the client is closed.
    pub(crate) async fn new(
        client: Client,
        events: Option<&ClientEvents>,
    ) -> Result<AsyncNats, LinkError> {
        client.flush().await.map_err(link_error)?;
        let denials = events.map(ClientEvents::denial_log).unwrap_or_default();
        Ok(AsyncNats { statistics: client.statistics(), client, denials })
    }

    fn send<'a>(
        &'a self,
        subject: &Subject,
        frame: Bytes,
    ) -> impl Future<Output = Result<(), LinkError>> + Send + use<'a> {
        let subject = client_subject(subject);
        async { self.client.publish(subject?, frame).await.map_err(link_error) }
    }
}

impl Link for AsyncNats {
    fn max_payload(&self) -> usize {
        self.client.max_payload()
    }

    fn state(&self) -> LinkState {
        match self.client.connection_state() {
            // The count only names the connection: the client advances it before it says
            // "connected".
            State::Connected => LinkState::Up(self.statistics.connects.load(Ordering::Relaxed)),
            State::Pending | State::Disconnected => LinkState::Down,
        }
    }

    fn denials(&self) -> DenialWatch {
        self.denials.watch()
    }

    fn try_publish(&self, subject: &Subject, frame: Bytes) -> Result<(), Bytes> {
        // The first poll puts the frame into the queue where there is space. A future that is
        // dropped after that poll takes no space. Without `unconstrained` a task that has used up
        // its share of tokio's time would find no space.
        match unconstrained(self.send(subject, frame.clone())).now_or_never() {
            Some(Ok(())) => Ok(()),
            Some(Err(_)) | None => Err(frame),
        }
    }

    fn publish(&self, subject: &Subject, frame: Bytes) -> LinkFuture<'_, Result<(), LinkError>> {
        Box::pin(self.send(subject, frame))
    }

    fn flush(&self) -> LinkFuture<'static, ()> {
        let client = self.client.clone();
        // The call fails only when the client is closed.
        Box::pin(async move { drop(client.flush().await) })
    }

    fn subscribe(
        &self,
        subject: &Subject,
    ) -> LinkFuture<'_, Result<Box<dyn Subscription>, LinkError>> {
        let subject = client_subject(subject);
        Box::pin(async {
            let subscriber = self.client.subscribe(subject?).await.map_err(link_error)?;
            Ok(Box::new(AsyncNatsSubscription(subscriber)) as Box<dyn Subscription>)
        })
    }
}

impl fmt::Debug for AsyncNats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AsyncNats").field("client", &self.client).finish_non_exhaustive()
    }
}

/// Shares the buffer. The check for UTF-8 is the price of a client without an unchecked conversion.
fn client_subject(subject: &Subject) -> Result<async_nats::Subject, LinkError> {
    async_nats::Subject::from_utf8(subject.to_bytes()).map_err(link_error)
}

fn link_error(error: impl fmt::Display) -> LinkError {
    LinkError(error.to_string())
}
