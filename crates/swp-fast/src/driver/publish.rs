//! What a publisher's handle and its task share.

mod task;

use std::sync::Mutex;

use bytes::Bytes;
use tokio::sync::{Notify, watch};

use super::{Clock, Outbox, SendPath, SessionError, SpinLock, lock};
use crate::config::PublishResume;
use crate::proto::{Packer, Position, PublisherStats, Sender};

pub(crate) use task::{PublisherParts, run_publisher};

/// What the application can wait for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Progress {
    /// The claim was not objected to.
    pub(crate) claimed: bool,
    /// `min_consumers` have joined.
    pub(crate) started: bool,
    /// Everything up to this position has gone to the socket, or was lost with its connection.
    pub(crate) flushed: Position,
    /// Every consumer that sets the pace holds everything up to this position, or can have it from
    /// the source.
    pub(crate) acked: Position,
    /// How the session ended.
    pub(crate) over: Option<Result<(), SessionError>>,
}

/// What the application wants besides sending.
#[derive(Debug, Default)]
struct Request {
    finish: Option<Bytes>,
    abort: Option<String>,
}

/// See the [module](self). Locks are taken in this order: `path`, `request`, `outbox`.
pub(crate) struct PublishShared {
    /// Producers take only this lock, unless the task waits for their message.
    pub(crate) outbox: SpinLock<Outbox>,
    path: Mutex<SendPath>,
    /// Wakes the task.
    wake: Notify,
    /// The packer has space again.
    pub(crate) space: Notify,
    request: Mutex<Request>,
    pub(crate) progress: watch::Sender<Progress>,
    clock: Clock,
}

impl PublishShared {
    pub(crate) fn new(path: SendPath, packer: Packer, clock: Clock) -> PublishShared {
        PublishShared {
            outbox: SpinLock::new(Outbox::new(packer)),
            path: Mutex::new(path),
            wake: Notify::new(),
            space: Notify::new(),
            request: Mutex::default(),
            progress: watch::Sender::new(Progress::default()),
            clock,
        }
    }

    /// A message was accepted that the task waits for. Sends it from this thread if nothing is
    /// under way, and wakes the task to flush. Otherwise wakes the task to send it. Never waits for
    /// the task's lock.
    pub(crate) fn note_accepted(&self) {
        let taken = match self.path.try_lock() {
            Ok(mut path) => path.send_lone(self.clock.now(), &self.outbox),
            Err(_) => 0,
        };
        self.wake.notify_one();
        if taken > 0 {
            self.space.notify_waiters();
        }
    }

    /// Accepts no further message, and ends the stream after what was accepted.
    pub(crate) fn request_finish(&self, trailer: Bytes) {
        self.outbox.lock().packer.close();
        lock(&self.request).finish = Some(trailer);
        self.wake.notify_one();
    }

    /// Accepts no further message, and ends the session.
    pub(crate) fn request_abort(&self, reason: &str) {
        self.outbox.lock().packer.close();
        lock(&self.request).abort = Some(reason.to_owned());
        self.wake.notify_one();
    }

    /// Hands the sender what the application has requested. A finish waits until the packer is
    /// empty.
    fn take_requests(&self, sender: &mut Sender) {
        let mut request = lock(&self.request);
        if let Some(reason) = request.abort.take() {
            sender.abort(&reason);
        }
        if request.finish.is_some() && self.outbox.lock().packer.is_empty() {
            sender.finish(request.finish.take().unwrap_or_default());
        }
    }

    fn update_progress(&self, path: &mut SendPath) {
        let flushed = path.flushed_position();
        let sender = path.sender();
        let refused = matches!(sender.outcome(), Some(Err(_)));
        let (claimed, started) = (!sender.is_claiming() && !refused, sender.has_started());
        let acked = sender.acked_position();
        self.progress.send_if_modified(|progress| {
            let before = (progress.claimed, progress.started, progress.acked, progress.flushed);
            let flushed = flushed.unwrap_or(progress.flushed);
            let after = (claimed, started, acked, flushed);
            (progress.claimed, progress.started, progress.acked, progress.flushed) = after;
            before != after
        });
    }

    /// The flush under way has returned.
    fn note_flushed(&self) {
        let flushed = lock(&self.path).finish_flush();
        self.progress.send_modify(|progress| progress.flushed = flushed);
    }

    /// The task has ended: nothing is sent any more.
    fn end(&self, outcome: Result<(), SessionError>) {
        self.outbox.lock().packer.close();
        self.progress.send_modify(|progress| progress.over = Some(outcome));
        self.space.notify_waiters();
    }

    pub(crate) fn stats(&self) -> PublisherStats {
        lock(&self.path).sender().stats()
    }

    pub(crate) fn resume_point(&self) -> PublishResume {
        lock(&self.path).sender().resume_point()
    }
}

#[cfg(test)]
mod tests;
