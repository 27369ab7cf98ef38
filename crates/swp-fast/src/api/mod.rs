//! What applications use. An [`Endpoint`] begins streams, a [`Publisher`] sends messages and a
//! [`Subscriber`] receives them.

mod endpoint;
mod error;
mod publisher;
mod subscriber;

pub use crate::driver::SessionError;
pub use endpoint::{Endpoint, EndpointConfig};
pub use error::{
    EndpointError, PublishError, ReceiveError, SendError, SubscribeError, TrySendError,
};
pub use publisher::Publisher;
pub use subscriber::Subscriber;
