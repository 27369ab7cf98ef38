//! What an application can learn about its connection while it runs.

use std::{io, sync::Arc, time::Duration};

use tokio::sync::broadcast;

use crate::{
    fault::ServerError, handshake::ConnectError, ledger::Amount, parse::ParseError,
    server::ServerUrl,
};

/// How many events a slow [`Events`] may be behind. Only a long subject makes an event large.
pub(crate) const EVENTS_MAX: usize = 256;

/// Whether the connection works.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// A server has accepted the connection.
    Connected,
    /// The connection is gone, and is being opened anew. Messages to publish are queued.
    Disconnected,
    /// The connection is gone for good; see [`CloseReason`].
    Closed,
}

/// Something that happened to a connection.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Event {
    /// A server has accepted the connection again.
    Connected {
        /// The server.
        server: ServerUrl,
    },
    /// The connection is gone.
    Disconnected {
        /// The server.
        server: ServerUrl,
        /// Why.
        reason: Arc<DisconnectReason>,
        /// What was written, at least in part, and not confirmed. The server may have some of it.
        /// It is not sent again.
        unconfirmed: Amount,
        /// What stays queued, and is written on the next connection.
        queued: Amount,
    },
    /// An attempt to connect again has failed. More follow.
    ConnectFailed {
        /// Why.
        error: Arc<ConnectError>,
    },
    /// The server is about to stop. If another is known, the connection goes there by itself.
    LameDuck {
        /// The server.
        server: ServerUrl,
    },
    /// The size of the largest message has changed; see
    /// [`ServerInfo::message_bytes_max`](crate::ServerInfo::message_bytes_max).
    MaxPayload {
        /// The new size in bytes.
        bytes: usize,
    },
    /// The server has sent an error.
    ServerError {
        /// The error.
        error: ServerError,
        /// The size of the largest message that the server had not confirmed. After
        /// [`ServerError::MaxPayload`], a message of this size or less was too large.
        largest_unconfirmed: usize,
    },
    /// The server has sent a line that the protocol does not know. It was ignored.
    UnknownLine {
        /// The line, escaped and cut.
        line: String,
    },
    /// The connection is gone for good.
    Closed {
        /// Why.
        reason: Arc<CloseReason>,
    },
    /// So many events were dropped here, because they were not taken in time.
    Missed {
        /// The number of events.
        events: u64,
    },
}

/// Why a connection broke.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DisconnectReason {
    /// The socket failed.
    #[error("the connection failed")]
    Io(#[from] io::Error),
    /// The server closed the connection without a reason.
    #[error("the server closed the connection")]
    Ended,
    /// The server closed the connection after this error.
    #[error("the server closed the connection")]
    Server(#[source] ServerError),
    /// What the server sent cannot be understood.
    #[error("the server sent what cannot be understood")]
    Parse(#[from] ParseError),
    /// The server has not answered in time.
    #[error("the server was silent for {silence:?}, though it was sent a PING")]
    Silent {
        /// How long nothing arrived, at least.
        silence: Duration,
    },
    /// The server is about to stop, and everything that was written to it is confirmed.
    #[error("the server is about to stop")]
    LameDuck,
    /// The application has closed the connection.
    #[error("the application closed the connection")]
    Requested,
}

/// Why a connection is gone for good.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CloseReason {
    /// The application has closed or dropped the connection.
    #[error("the application closed the connection")]
    Requested,
    /// No server was reached for as long as the options allow.
    #[error("no server was reached for {after:?}; see `reconnect.give_up_after`")]
    GaveUp {
        /// The time since the connection broke.
        after: Duration,
        /// The last failure.
        source: Arc<ConnectError>,
    },
    /// Every server refuses the credentials.
    #[error("the servers do not accept the credentials any more; renew them and connect again")]
    AuthorizationLost(#[source] Arc<ConnectError>),
    /// The runtime has dropped the connection's task.
    #[error("the runtime of the connection is gone; keep it until the connection is closed")]
    RuntimeGone,
}

/// Events of a connection from the moment of [`Connection::events`](crate::Connection::events) on.
#[derive(Debug)]
pub struct Events(pub(crate) broadcast::Receiver<Event>);

impl Events {
    /// Waits for the next event. Returns `None` after [`Event::Closed`].
    ///
    /// At most 256 events are kept for a slow caller; [`Event::Missed`] counts the others.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses no event.
    pub async fn next(&mut self) -> Option<Event> {
        match self.0.recv().await {
            Ok(event) => Some(event),
            Err(broadcast::error::RecvError::Lagged(events)) => Some(Event::Missed { events }),
            Err(broadcast::error::RecvError::Closed) => None,
        }
    }

    /// Returns the next event, or `None` if there is none now.
    pub fn try_next(&mut self) -> Option<Event> {
        match self.0.try_recv() {
            Ok(event) => Some(event),
            Err(broadcast::error::TryRecvError::Lagged(events)) => Some(Event::Missed { events }),
            Err(_) => None,
        }
    }
}
