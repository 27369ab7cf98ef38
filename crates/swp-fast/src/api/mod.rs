//! What applications use: [`Endpoint`], [`Publisher`], [`Subscriber`].

mod endpoint;
mod error;
mod publisher;
mod subscriber;

pub use endpoint::{Endpoint, EndpointConfig};
pub(crate) use error::SubscribeFailure;
pub use error::{
    EndpointError, PublishError, ReceiveError, SendError, SessionError, SubscribeError,
    TrySendError,
};
pub use publisher::{Position, Publisher};
pub use subscriber::Subscriber;
