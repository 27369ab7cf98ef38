//! Runs the protocol over a link: one task for each publisher and one for each subscriber.
//!
//! ```text
//!   producers (any thread)                               link              broker
//!   try_send --> packer --+
//!                         +--> SendPath --try_publish--> socket ---------> swp.data.<stream>
//!   publisher's task -----+     (Sender)  flush <------- written           swp.group.<stream>.<n>
//!        ^                                                                 swp.peer.<stream>.<id>
//!        +---- acks <--------------------------- Subscription <----------- swp.ctl.<stream>
//!
//!   application <-- Receiver <-- Intake <------- Subscription <----------- data, group, peer
//!   subscriber's task --acks-------------------> socket -----------------> swp.ctl.<stream>
//! ```
//!
//! [`SendPath`] is the only way from the packer to the link. Both tasks look at their
//! [`Connection`] before each turn, which notices outages, reconnects and denied permissions.
//! Nothing here names a NATS client.

mod arrival_waker;
mod clock;
mod connection;
mod error;
#[cfg(test)]
mod fake_consumer;
mod intake;
mod outbox;
mod pace;
mod past;
mod publish;
mod send_path;
mod spinlock;
mod subjects;
mod subscribe;

use clock::Alarm;
pub(crate) use clock::{Clock, random_id};
pub(crate) use connection::Connection;
pub use error::SessionError;
pub(crate) use error::SubscribeFailure;
pub(crate) use intake::ConsumerSubscriptions;
pub(crate) use outbox::{Accepted, Outbox};
pub(crate) use past::Past;
pub use past::{OpenPast, PastFrame, PastFrames};
pub(crate) use publish::{Progress, PublishShared, PublisherParts, run_publisher};
pub(crate) use send_path::SendPath;
pub(crate) use spinlock::SpinLock;
pub(crate) use subjects::Subjects;
pub(crate) use subscribe::{SubscribeShared, run_subscriber};

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks a mutex even after a panic of another holder. What these mutexes guard is consistent
/// between statements, and a panic of the application must not become one of the driver.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
