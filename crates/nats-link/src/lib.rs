//! A NATS core connection for few subjects and large messages.
#![forbid(unsafe_code)]

mod connection;
mod credentials;
mod event;
mod fault;
mod handshake;
mod info;
mod ledger;
mod message;
mod options;
mod outbox;
pub mod parse;
mod pool;
mod serve;
mod server;
mod shared;
mod socket;
mod subject;
mod subscription;
mod task;
mod tls;
mod write;

pub use connection::{
    CloseError, Connection, PositionError, PublishError, Statistics, SubscribeError,
    TryPublishError,
};
pub use credentials::{Credentials, CredentialsError};
pub use event::{CloseReason, DisconnectReason, Event, Events, State};
pub use fault::ServerError;
pub use handshake::ConnectError;
pub use info::ServerInfo;
pub use ledger::{Amount, Position};
pub use message::Message;
pub use options::{ConnectOptions, QueueOptions, ReconnectOptions, TlsOptions};
pub use server::{ServerUrl, ServerUrlError};
pub use subject::{Outgoing, Subject, SubjectError};
pub use subscription::{
    Delivery, Gap, SubscribeOptions, Subscription, SubscriptionEnd, SubscriptionReport,
};
pub use tls::TlsError;
