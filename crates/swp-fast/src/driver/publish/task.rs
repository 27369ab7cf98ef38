//! The publisher's task: hands the protocol its input, sends what producers do not send themselves,
//! and flushes.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::{Either, select};
use tokio::sync::mpsc;

use super::PublishShared;
use crate::driver::connection::{Connection, LinkChange};
use crate::driver::send_path::{Addressed, FRAMES_PER_FLUSH};
use crate::driver::{Alarm, Clock, Past, SendPath, SessionError, lock};
use crate::link::{LinkFuture, Subscription};
use crate::proto::{Sender, SenderEvent};
use crate::time::Time;

/// Events that wait for the application. An application that does not take them misses the newest
/// ones. The counters still have them.
const MAX_EVENTS: usize = 1024;

/// What a publisher's task begins with.
pub(crate) struct PublisherParts {
    pub(crate) connection: Connection,
    pub(crate) clock: Clock,
    /// Frames for the publisher of the stream.
    pub(crate) control: Box<dyn Subscription>,
    /// Frames for this publisher, while it claims the stream.
    pub(crate) inbox: Box<dyn Subscription>,
    /// Reads the source again, where that is possible.
    pub(crate) past: Option<Past>,
}

struct PublishTask {
    connection: Connection,
    clock: Clock,
    alarm: Alarm,
    control: Box<dyn Subscription>,
    inbox: Box<dyn Subscription>,
    past: Option<Past>,
    shared: Arc<PublishShared>,
    events: mpsc::Sender<SenderEvent>,
    /// The flush under way.
    flush: Option<LinkFuture<'static, ()>>,
    /// What the packer was told last. A copy, so that a look does not take the producers' lock.
    is_shared: bool,
}

/// Starts the task. It ends with the session, or when the link is lost. Events come out of the
/// receiver.
pub(crate) fn run_publisher(
    parts: PublisherParts,
    shared: Arc<PublishShared>,
) -> mpsc::Receiver<SenderEvent> {
    let (events, receiver) = mpsc::channel(MAX_EVENTS);
    let PublisherParts { connection, clock, control, inbox, past } = parts;
    let task = PublishTask {
        connection,
        clock,
        alarm: Alarm::new(clock),
        control,
        inbox,
        past,
        shared,
        events,
        flush: None,
        is_shared: false,
    };
    tokio::spawn(task.run());
    receiver
}

impl PublishTask {
    async fn run(mut self) {
        let ended = loop {
            match self.step().await {
                Ok(true) => self.wait().await,
                Ok(false) => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        lock(&self.shared.path).stop();
        // A pending flush may be next in the order for space. The flush below would wait behind it
        // forever.
        self.flush = None;
        if ended.is_ok() {
            // The last frames (CLOSED, RESET) are on their way before the application learns of the
            // end.
            self.connection.flush_last().await;
        }
        // A session that was over before an error keeps its outcome, although its last frames did
        // not leave.
        let outcome = lock(&self.shared.path).sender().outcome();
        self.shared.end(outcome.map_or(ended, |outcome| outcome.map_err(SessionError::Protocol)));
    }

    /// Does everything that can be done now. Returns false once the session is over.
    async fn step(&mut self) -> Result<bool, SessionError> {
        let now = self.clock.now();
        let change = self.connection.check(now);
        let is_up = change != LinkChange::Down;
        let over = {
            let shared = Arc::clone(&self.shared);
            let mut path = lock(&shared.path);
            self.give_input(now, &change, path.sender())?;
            if is_up {
                let sent = path.send(now, &shared.outbox, FRAMES_PER_FLUSH);
                if sent.again {
                    shared.wake.notify_one();
                }
                if sent.taken > 0 {
                    shared.space.notify_waiters();
                }
            }
            self.give_output(&mut path);
            path.sender().is_over()
        };
        if is_up {
            self.publish_waiting().await?;
            if lock(&self.shared.path).start_flush() {
                self.flush = Some(self.connection.flush());
            }
        }
        // The last frames of a session wait for the link to come back.
        Ok(!over || !is_up)
    }

    /// Gives the sender the state of the link, the time, the application's requests and the past.
    fn give_input(
        &mut self,
        now: Time,
        change: &LinkChange,
        sender: &mut Sender,
    ) -> Result<(), SessionError> {
        match change {
            LinkChange::Up => {}
            LinkChange::Down => sender.handle_outage(now),
            LinkChange::Back => sender.handle_reconnect(now),
            LinkChange::Lost => return Err(SessionError::Disconnected),
            LinkChange::Denied(denial) => return Err(SessionError::Denied(denial.clone())),
        }
        if sender.poll_timeout().is_some_and(|at| at <= now) {
            sender.handle_timeout(now);
        }
        self.shared.take_requests(sender);
        if sender.is_shared() != self.is_shared {
            self.is_shared = !self.is_shared;
            self.shared.outbox.lock().packer.set_shared(self.is_shared);
        }
        if let Some(past) = &mut self.past {
            past.serve(sender);
        }
        Ok(())
    }

    /// Gives the application the sender's events and progress.
    fn give_output(&self, path: &mut SendPath) {
        while let Some(event) = path.sender().poll_event() {
            tracing::debug!(stream = self.connection.subjects.stream(), ?event, "publisher");
            // A full queue means that the application does not take events.
            let _ = self.events.try_send(event);
        }
        self.shared.update_progress(path);
    }

    /// Publishes the frames that wait for space. Polls a flush under way meanwhile: the flush may
    /// be next in the order for space, and then nothing else gets any.
    async fn publish_waiting(&mut self) -> Result<(), SessionError> {
        loop {
            let next = lock(&self.shared.path).next_waiting();
            let Some(Addressed { subject, frame }) = next else { return Ok(()) };
            let publish = pin!(self.connection.publish(&subject, frame));
            let published = match &mut self.flush {
                None => publish.await,
                Some(flush) => match select(publish, flush).await {
                    Either::Left((published, _)) => published,
                    Either::Right(((), publish)) => {
                        self.flush = None;
                        self.shared.note_flushed();
                        publish.await
                    }
                },
            };
            published?;
            lock(&self.shared.path).note_published();
        }
    }

    /// Sleeps until there is something to do, and gives the sender what has arrived.
    async fn wait(&mut self) {
        let now = self.clock.now();
        let due = lock(&self.shared.path).sender().poll_timeout().unwrap_or(now);
        self.alarm.set(self.connection.wake_at(now, due));
        let arrived = tokio::select! {
            biased;
            // None once the link is closed, which the next publish shows.
            Some(frame) = next(&mut *self.control) => Some(frame),
            Some(frame) = next(&mut *self.inbox) => Some(frame),
            () = flushed(&mut self.flush) => {
                self.flush = None;
                self.shared.note_flushed();
                None
            }
            () = self.shared.wake.notified() => None,
            () = read_ahead(&mut self.past) => None,
            () = self.alarm.fired() => None,
        };
        let Some(frame) = arrived else { return };
        let now = self.clock.now();
        let mut path = lock(&self.shared.path);
        path.sender().handle_frame(now, &frame);
        // More frames may have arrived. Each that is taken now saves a turn of the loop.
        while let Some(Some(frame)) = next(&mut *self.control).now_or_never() {
            path.sender().handle_frame(now, &frame);
        }
    }
}

async fn next(subscription: &mut dyn Subscription) -> Option<Bytes> {
    poll_fn(|context| subscription.poll_next(context)).await
}

/// Waits for the next frames of the past that a consumer wants. Forever where no consumer wants
/// any.
async fn read_ahead(past: &mut Option<Past>) {
    match past {
        Some(past) => past.ready().await,
        None => std::future::pending().await,
    }
}

/// Waits for the flush under way. Forever where there is none.
async fn flushed(flush: &mut Option<LinkFuture<'static, ()>>) {
    match flush {
        Some(flush) => flush.await,
        None => std::future::pending().await,
    }
}
