//! The handle of a connection.

mod error;

use std::{pin::pin, sync::Arc};

pub use self::error::{CloseError, PositionError, PublishError, SubscribeError, TryPublishError};
use crate::{
    event::{CloseReason, Events, State},
    handshake::ConnectError,
    info::ServerInfo,
    ledger::{Amount, Fate, Position, Purpose},
    options::ConnectOptions,
    outbox::Outcome,
    pool::Pool,
    server::ServerUrl,
    shared::Shared,
    subject::{Outgoing, Subject},
    subscription::{SubscribeOptions, Subscription, SubscriptionEnd},
    task::Task,
    write::line_bytes_max,
};

/// A connection to a NATS server. Clones are handles of the same connection.
///
/// The connection lives while a handle or a [`Subscription`] does. When the last is dropped, it
/// closes without waiting for what is queued; [`Self::close`] waits.
#[derive(Debug, Clone)]
pub struct Connection {
    handle: Arc<Handle>,
}

/// Closes the connection when the last user drops it.
#[derive(Debug)]
pub(crate) struct Handle(Arc<Shared>);

/// Counts of a connection since it was first opened. They only ever grow.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Statistics {
    /// How often a server has accepted the connection, the first time included.
    pub connects: u64,
    /// How often the connection broke.
    pub disconnects: u64,
    /// Attempts to connect again that failed.
    pub failed_attempts: u64,
    /// Messages that arrived, and their bytes as [`Message::size`](crate::Message::size) counts.
    pub received: Amount,
    /// Messages that arrived for a subscription that had just ended.
    pub unclaimed: u64,
    /// Lines that the protocol does not know.
    pub unknown_lines: u64,
    /// Errors that the server sent.
    pub server_errors: u64,
}

impl Handle {
    pub(crate) fn shared(&self) -> &Shared {
        &self.0
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.0.close(CloseReason::Requested);
        self.0.wake.notify_one();
    }
}

/// A future that waits for progress. Without any, progress wakes nothing.
struct Waiting<'a>(&'a Shared);

impl<'a> Waiting<'a> {
    fn new(shared: &'a Shared) -> Self {
        shared.outbox().waiting += 1;
        Self(shared)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.outbox().waiting -= 1;
    }
}

impl Connection {
    /// Connects to the first server that accepts, and starts the connection's task on the current
    /// tokio runtime. From then on the connection opens itself anew when it breaks.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future abandons the attempt.
    ///
    /// # Errors
    ///
    /// [`ConnectError`], of each server if there are several. Each server is tried once.
    pub async fn connect(options: ConnectOptions) -> Result<Self, ConnectError> {
        let options = Arc::new(options);
        let mut pool = Pool::new(Arc::clone(&options), fastrand::Rng::new());
        let session = pool.connect_any().await?;
        let shared = Arc::new(Shared::new(options, &session));
        // Here and not in the task, so that publishers can write before it runs.
        shared.begin(&session);
        tokio::spawn(Task::new(Arc::clone(&shared), pool).run(session));
        Ok(Self { handle: Arc::new(Handle(shared)) })
    }

    fn shared(&self) -> &Shared {
        &self.handle.0
    }

    /// Publishes a message, or gives it back if the queue is full.
    ///
    /// If nothing else is queued, the message is written in this thread. What the socket does not
    /// take at once is queued, and the connection's task writes it. While there is no connection,
    /// messages are queued. Needs no runtime, and does not wait.
    ///
    /// Success does not mean that the server has the message: see [`Self::confirmed`].
    ///
    /// # Errors
    ///
    /// Any [`TryPublishError`]; the message was not published.
    pub fn try_publish(&self, message: Outgoing) -> Result<Position, TryPublishError> {
        self.push(message, true)
    }

    /// Queues a message as [`Self::try_publish`] does, and leaves the writing to the connection's
    /// task. That is faster for many small messages, since one write takes all that have gathered.
    ///
    /// # Errors
    ///
    /// Any [`TryPublishError`]; the message was not published.
    pub fn try_queue(&self, message: Outgoing) -> Result<Position, TryPublishError> {
        self.push(message, false)
    }

    fn push(&self, message: Outgoing, write: bool) -> Result<Position, TryPublishError> {
        let shared = self.shared();
        let mut outbox = shared.outbox();
        if outbox.closing {
            return Err(PublishError::Closed.into());
        }
        let (size, max) = (message.size(), outbox.message_bytes_max);
        if size > max {
            return Err(PublishError::TooLarge { size, max }.into());
        }
        if !message.header.is_empty() && !outbox.headers {
            return Err(PublishError::NoHeaders.into());
        }
        if outbox.is_full(size + line_bytes_max(&message), &shared.options.queue) {
            return Err(TryPublishError::Full(Box::new(message)));
        }
        let is_idle = outbox.is_idle();
        let position = outbox.push_message(message);
        if !is_idle {
            // The thread that has the turn, or the task, writes the message.
            return Ok(position);
        }
        let finished = write && matches!(shared.write_now(outbox), (Outcome::Written, false));
        if !finished {
            shared.wake.notify_one();
        }
        Ok(position)
    }

    /// Publishes a message, and waits while the queue is full. See [`Self::try_publish`].
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped before it is ready, the message is not published.
    ///
    /// # Errors
    ///
    /// Any [`PublishError`]; the message was not published.
    pub async fn publish(&self, message: Outgoing) -> Result<Position, PublishError> {
        let mut message = match PublishError::split(self.try_publish(message))? {
            Ok(position) => return Ok(position),
            Err(message) => message,
        };
        let _waiting = Waiting::new(self.shared());
        loop {
            let mut progress = pin!(self.shared().progress.notified());
            // From here on no progress is missed.
            progress.as_mut().enable();
            message = match PublishError::split(self.try_publish(*message))? {
                Ok(position) => return Ok(position),
                Err(message) => message,
            };
            progress.await;
        }
    }

    /// Waits until the socket has taken the message at `position`, and all before it.
    ///
    /// With TLS, up to 256 KiB count as taken while they wait, encrypted, for the socket.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future changes nothing.
    ///
    /// # Errors
    ///
    /// [`PositionError`].
    pub async fn written(&self, position: Position) -> Result<(), PositionError> {
        self.reached(position, Fate::Written).await
    }

    /// Waits until the server has read the message at `position`, and all before it. Sends a `PING`
    /// if none is under way whose answer tells so.
    ///
    /// A server that has read a message has passed it on to its subscribers, or has refused it:
    /// [`Event::ServerError`](crate::Event::ServerError) comes first then.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future changes nothing.
    ///
    /// # Errors
    ///
    /// [`PositionError`]. After [`PositionError::Lost`] the server may have the message.
    pub async fn confirmed(&self, position: Position) -> Result<(), PositionError> {
        self.reached(position, Fate::Confirmed).await
    }

    async fn reached(&self, position: Position, wanted: Fate) -> Result<(), PositionError> {
        let shared = self.shared();
        let _waiting = Waiting::new(shared);
        loop {
            let mut progress = pin!(shared.progress.notified());
            progress.as_mut().enable();
            if let Some(result) = self.look(position, wanted) {
                return result;
            }
            progress.await;
        }
    }

    /// Returns what `position` has come to, or `None` if that is open. Asks the server if need be.
    fn look(&self, position: Position, wanted: Fate) -> Option<Result<(), PositionError>> {
        let shared = self.shared();
        let mut outbox = shared.outbox();
        match outbox.ledger.fate(position) {
            Fate::Lost => return Some(Err(PositionError::Lost)),
            Fate::Confirmed => return Some(Ok(())),
            Fate::Written if wanted == Fate::Written => return Some(Ok(())),
            Fate::Written | Fate::Queued => {}
        }
        if shared.close_reason.get().is_some() {
            return Some(Err(PositionError::Closed));
        }
        if wanted == Fate::Confirmed && !outbox.ledger.is_marked(position) {
            outbox.push_ping(Purpose::Confirm);
            shared.wake.notify_one();
        }
        None
    }

    /// Returns the position of the last message that was published, for [`Self::written`] and
    /// [`Self::confirmed`].
    #[must_use]
    pub fn position(&self) -> Position {
        self.shared().outbox().ledger.end()
    }

    /// Returns what the server has not confirmed, queued messages included.
    #[must_use]
    pub fn unconfirmed(&self) -> Amount {
        self.shared().outbox().ledger.unconfirmed()
    }

    /// Subscribes, and waits until the server knows the subscription. While there is no connection,
    /// it waits for one.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped before it is ready, there is no subscription.
    ///
    /// # Errors
    ///
    /// Any [`SubscribeError`]; there is no subscription then.
    pub async fn subscribe(
        &self,
        subject: Subject,
        options: SubscribeOptions,
    ) -> Result<Subscription, SubscribeError> {
        let inbox = self.shared().subscribe(subject.clone(), &options);
        let inbox = inbox.ok_or(SubscribeError::Closed)?;
        // It unsubscribes when it is dropped.
        let subscription = Subscription::new(inbox, Arc::clone(&self.handle));
        match subscription.inbox().active().await {
            Ok(()) => Ok(subscription),
            Err(SubscriptionEnd::Denied) => Err(SubscribeError::Denied { subject }),
            Err(SubscriptionEnd::LimitReached) => Err(SubscribeError::LimitReached { subject }),
            Err(SubscriptionEnd::Closed | SubscriptionEnd::Drained) => Err(SubscribeError::Closed),
        }
    }

    /// Returns whether the connection works now.
    #[must_use]
    pub fn state(&self) -> State {
        *self.shared().state.borrow()
    }

    /// Waits until the connection works.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future changes nothing.
    ///
    /// # Errors
    ///
    /// The reason, if the connection is closed.
    pub async fn connected(&self) -> Result<(), Arc<CloseReason>> {
        let mut states = self.shared().state.subscribe();
        let state = states.wait_for(|state| *state != State::Disconnected).await;
        match state.map(|state| *state) {
            Ok(State::Connected) => Ok(()),
            _ => Err(self.closed().await),
        }
    }

    /// Waits until the connection is closed. Returns the reason.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future changes nothing.
    pub async fn closed(&self) -> Arc<CloseReason> {
        let mut states = self.shared().state.subscribe();
        // The sender lives as long as this handle.
        let _ = states.wait_for(|state| *state == State::Closed).await;
        let reason = self.shared().close_reason.get_or_init(|| Arc::new(CloseReason::Requested));
        Arc::clone(reason)
    }

    /// Closes the connection: writes what is queued, waits until the server has confirmed it, and
    /// ends all subscriptions. While there is no connection, it closes at once.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the connection closes nevertheless.
    ///
    /// # Errors
    ///
    /// [`CloseError`], if messages are not confirmed: the connection broke, or there was none.
    /// Messages that an earlier break lost are not counted:
    /// [`Event::Disconnected`](crate::Event::Disconnected) has told their number.
    pub async fn close(&self) -> Result<(), CloseError> {
        let shared = self.shared();
        shared.outbox().closing = true;
        shared.wake.notify_one();
        let reason = self.closed().await;
        match shared.left_unconfirmed.get().copied().unwrap_or_default() {
            Amount { messages: 0, .. } => Ok(()),
            unconfirmed => Err(CloseError { unconfirmed, reason }),
        }
    }

    /// Returns the events from now on.
    #[must_use]
    pub fn events(&self) -> Events {
        Events(self.shared().listen())
    }

    /// Returns the server of this connection, or of the last one.
    #[must_use]
    pub fn server(&self) -> ServerUrl {
        self.shared().server()
    }

    /// Returns what the server has last said about itself.
    #[must_use]
    pub fn info(&self) -> Arc<ServerInfo> {
        self.shared().info()
    }

    /// Returns the counts so far.
    #[must_use]
    pub fn statistics(&self) -> Statistics {
        self.shared().statistics()
    }
}
