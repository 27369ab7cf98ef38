//! Runs the protocol over async-nats: one task per publisher, one per subscriber.
//!
//! ```text
//!   producers (any thread)         task                     async-nats         broker
//!   try_send --> outbox ---------> Sender --publish*--> channel --> socket --> swp.data.<stream>
//!                (open frame)        ^       flush <------- written              swp.group.<stream>.<n>
//!                                    |                                         swp.peer.<stream>.<id>
//!                                    +-- acks <------------------------------ swp.ctl.<stream>
//! ```
//!
//! The client's flush is the batch clock: while one is under way, messages gather in the open frame; when
//! it returns, whatever has gathered leaves.

mod arrival_waker;
mod clock;
mod connection;
mod error;
mod intake;
mod outbox;
mod pace;
mod past;
mod publish;
mod spinlock;
mod subjects;
mod subscribe;

use clock::Alarm;
pub(crate) use clock::{Clock, random_id};
pub(crate) use connection::Connection;
pub use error::SessionError;
pub(crate) use error::SubscribeFailure;
pub(crate) use intake::ConsumerSubscriptions;
pub(crate) use outbox::Outbox;
pub(crate) use past::Past;
pub use past::{OpenPast, PastFrame, PastFrames};
pub(crate) use publish::{Progress, PublishShared, PublisherParts, run_publisher};
pub(crate) use spinlock::SpinLock;
pub(crate) use subjects::Subjects;
pub(crate) use subscribe::{SubscribeShared, run_subscriber};

use std::sync::{Mutex, MutexGuard};

/// Locks, also after a panic elsewhere: what these locks guard is consistent between statements, and a
/// panic of the application's must not become one of the driver's.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
