//! The publisher's task.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::{Either, select};
use tokio::sync::{Notify, mpsc, watch};

use super::connection::{Connection, LinkChange};
use super::{Alarm, Clock, Outbox, Past, SessionError, SpinLock, lock};
use crate::link::{LinkFuture, Subscription};
use crate::proto::{Packer, Position, Sender, SenderEvent, Transmit};

/// Frames taken from the outbox for one flush: 1 MiB of full frames for one consumer keeps the socket busy while
/// the next batch gathers, and a report that arrives meanwhile does not wait long. Those for several are
/// larger, and the outbox holds 1 MiB of them in all.
const FRAMES_PER_FLUSH: usize = 64;

/// Frames handed to the link in one turn, at most, and the rest behind their flush: those who catch up while the
/// group has nothing to say could else fill the link with all that their credit allows.
const FRAMES_PER_TURN: usize = 2 * FRAMES_PER_FLUSH;

/// Events that wait for the application; an application that does not ask misses the newest, and the
/// counters still have them.
const MAX_EVENTS: usize = 1024;

/// What the application waits for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Progress {
    /// The stream is ours.
    pub(crate) claimed: bool,
    /// Enough consumers have joined.
    pub(crate) started: bool,
    /// Everything up to this position has gone to the socket.
    pub(crate) flushed: Position,
    /// Every consumer holds everything up to this position.
    pub(crate) acked: Position,
    /// How the session ended.
    pub(crate) over: Option<Result<(), SessionError>>,
}

/// What the publisher's handle and its task share. Producers touch the outbox alone.
pub(crate) struct PublishShared {
    pub(crate) outbox: SpinLock<Outbox>,
    pub(crate) sender: Mutex<Sender>,
    /// The outbox has what is awaited, or a request waits.
    pub(crate) wake: Notify,
    /// The outbox has room again.
    pub(crate) room: Notify,
    pub(crate) request: Mutex<Request>,
    pub(crate) progress: watch::Sender<Progress>,
}

impl PublishShared {
    pub(crate) fn new(sender: Sender, packer: Packer) -> PublishShared {
        PublishShared {
            outbox: SpinLock::new(Outbox::new(packer)),
            sender: Mutex::new(sender),
            wake: Notify::new(),
            room: Notify::new(),
            request: Mutex::default(),
            progress: watch::Sender::new(Progress::default()),
        }
    }

    /// The outbox has what is awaited.
    pub(crate) fn note_queued(&self) {
        self.wake.notify_one();
    }
}

/// What the application wants besides sending.
#[derive(Debug, Default)]
pub(crate) struct Request {
    pub(crate) finish: Option<Bytes>,
    pub(crate) abort: Option<String>,
}

struct PublishTask {
    connection: Connection,
    clock: Clock,
    alarm: Alarm,
    control: Box<dyn Subscription>,
    inbox: Box<dyn Subscription>,
    shared: Arc<PublishShared>,
    events: mpsc::Sender<SenderEvent>,
    past: Option<Past>,
    flush: Option<(LinkFuture<'static, ()>, Position)>,
    transmits: Vec<Transmit>,
    /// Something went out and was not flushed.
    owes_flush: bool,
    /// What the outbox was told of the number of consumers; here too, so that its lock is not taken to look.
    is_shared: bool,
}

/// What a publisher's task begins with.
pub(crate) struct PublisherParts {
    pub(crate) connection: Connection,
    pub(crate) clock: Clock,
    /// To the stream's publisher.
    pub(crate) control: Box<dyn Subscription>,
    /// To this publisher alone.
    pub(crate) inbox: Box<dyn Subscription>,
    pub(crate) past: Option<Past>,
}

/// Starts the task; events come out of the receiver.
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
        shared,
        events,
        past,
        flush: None,
        transmits: Vec::new(),
        owes_flush: false,
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
        // The flush before must not keep room in the client's queue that the next one waits for.
        self.flush = None;
        if ended.is_ok() {
            // The last frames (CLOSED, RESET) are on their way before anybody hears of the end.
            self.connection.flush_last().await;
        }
        // What was over before an error stays as it ended, though its last words did not go out.
        let outcome = lock(&self.shared.sender).outcome();
        self.end(outcome.map_or(ended, |outcome| outcome.map_err(SessionError::Protocol)));
    }

    /// Tells the outbox whether several consumers have the stream, where that has changed.
    fn note_shared(&mut self, sender: &Sender) {
        if sender.is_shared() != self.is_shared {
            self.is_shared = !self.is_shared;
            self.shared.outbox.lock().packer.set_shared(self.is_shared);
        }
    }

    /// Does all that can be done now; `false` once the session is over.
    async fn step(&mut self) -> Result<bool, SessionError> {
        let now = self.clock.now();
        let link = self.connection.check(now);
        let shared = Arc::clone(&self.shared);
        let over = {
            let mut sender = lock(&shared.sender);
            match &link {
                LinkChange::Up => {}
                LinkChange::Down => sender.handle_outage(now),
                LinkChange::Back => sender.handle_reconnect(now),
                LinkChange::Lost => return Err(SessionError::Disconnected),
                LinkChange::Denied(denial) => return Err(SessionError::Denied(denial.clone())),
            }
            if sender.poll_timeout().is_some_and(|at| at <= now) {
                sender.handle_timeout(now);
            }
            self.take_requests(&mut sender);
            self.note_shared(&sender);
            sender.handle_link(self.flush.is_some());
            if self.flush.is_none() && link != LinkChange::Down {
                self.take_writes(&mut sender, now);
            }
            if let Some(past) = &mut self.past {
                past.serve(&mut sender);
            }
            if link != LinkChange::Down {
                // The last words of a session go to all at once, however many: there is no other turn.
                while (self.transmits.len() < FRAMES_PER_TURN || sender.is_over())
                    && let Some(transmit) = sender.poll_transmit(now)
                {
                    self.transmits.push(transmit);
                }
            }
            while let Some(event) = sender.poll_event() {
                tracing::debug!(stream = self.connection.subjects.stream(), ?event, "publisher");
                // A full queue means that nobody reads it.
                let _ = self.events.try_send(event);
            }
            self.report(&sender);
            sender.is_over()
        };
        if link != LinkChange::Down && (self.owes_flush || !self.transmits.is_empty()) {
            let sent = lock(&self.shared.sender).sent_position();
            self.publish().await?;
            // What goes out behind a flush needs another, once that has returned.
            self.owes_flush = self.flush.is_some();
            if !self.owes_flush {
                self.flush = Some((self.connection.flush(), sent));
            }
        }
        // What is to be said last waits for the link to come back.
        Ok(!over || link == LinkChange::Down)
    }

    /// Hands over what is to go out. A flush under way is driven meanwhile: it may have been given the next room
    /// in the client's queue, and whoever else wants some would wait for ever.
    async fn publish(&mut self) -> Result<(), SessionError> {
        let publish = pin!(publish_all(&mut self.connection, &mut self.transmits));
        let published = match &mut self.flush {
            None => publish.await,
            Some((flush, sent)) => match select(publish, flush).await {
                Either::Left((published, _)) => published,
                Either::Right(((), publish)) => {
                    self.shared.progress.send_modify(|progress| progress.flushed = *sent);
                    self.flush = None;
                    publish.await
                }
            },
        };
        Ok(published?)
    }

    fn take_requests(&self, sender: &mut Sender) {
        let mut request = lock(&self.shared.request);
        if let Some(reason) = request.abort.take() {
            sender.abort(&reason);
        }
        if request.finish.is_some() && self.shared.outbox.lock().packer.is_empty() {
            sender.finish(request.finish.take().unwrap_or_default());
        }
    }

    /// One batch: what has gathered since the last flush. The open frame goes only where it is all that there
    /// is: behind others it is filled on while they are flushed, for a full one is hashed at twice the speed.
    fn take_writes(&mut self, sender: &mut Sender, now: crate::time::Time) {
        let mut taken = 0;
        while taken < FRAMES_PER_FLUSH && sender.can_write() {
            let Some(packed) = self.shared.outbox.lock().packer.take(taken == 0) else { break };
            if let Err(error) = sender.write(packed) {
                // Sizes were checked when the message was taken; the session being over was not.
                tracing::debug!(%error, "a write was refused");
                break;
            }
            taken += 1;
            while let Some(transmit) = sender.poll_transmit(now) {
                self.transmits.push(transmit);
            }
        }
        let (idle, can_write) = (self.transmits.is_empty() && !self.owes_flush, sender.can_write());
        let waiting = {
            let mut outbox = self.shared.outbox.lock();
            // Where something goes out, its flush ends the next wait.
            if idle && outbox.packer.is_empty() {
                outbox.await_more();
            }
            !outbox.packer.is_empty()
        };
        sender.set_backlog(waiting && !can_write);
        if idle && (taken > 0 || waiting && can_write) {
            // A request may have waited for what was taken.
            self.shared.wake.notify_one();
        }
        if taken > 0 {
            self.shared.room.notify_waiters();
        }
    }

    fn report(&self, sender: &Sender) {
        let refused = matches!(sender.outcome(), Some(Err(_)));
        let (claimed, started) = (!sender.is_claiming() && !refused, sender.has_started());
        let acked = sender.acked_position();
        self.shared.progress.send_if_modified(|progress| {
            let before = (progress.claimed, progress.started, progress.acked);
            (progress.claimed, progress.started, progress.acked) = (claimed, started, acked);
            before != (claimed, started, acked)
        });
    }

    /// Sleeps until there is something to do, and takes what has arrived.
    async fn wait(&mut self) {
        let now = self.clock.now();
        {
            let sender = lock(&self.shared.sender);
            let deadline = self.connection.wake_at(now, sender.poll_timeout().unwrap_or(now));
            self.alarm.set(deadline);
        }
        let shared = Arc::clone(&self.shared);
        let arrived = tokio::select! {
            biased;
            // None where the client is closed: the link is away then.
            Some(frame) = next(&mut *self.control) => Some(frame),
            Some(frame) = next(&mut *self.inbox) => Some(frame),
            () = flushed(&mut self.flush) => {
                if let Some((_, sent)) = self.flush.take() {
                    shared.progress.send_modify(|progress| progress.flushed = sent);
                }
                None
            }
            () = shared.wake.notified() => None,
            () = read_again(&mut self.past) => None,
            () = self.alarm.fired() => None,
        };
        let Some(frame) = arrived else { return };
        let now = self.clock.now();
        let mut sender = lock(&shared.sender);
        sender.handle_frame(now, &frame);
        // More may have arrived; taking it now saves a turn of the loop each.
        while let Some(Some(frame)) = next(&mut *self.control).now_or_never() {
            sender.handle_frame(now, &frame);
        }
    }

    fn end(&self, outcome: Result<(), SessionError>) {
        self.shared.outbox.lock().packer.close();
        self.shared.progress.send_modify(|progress| progress.over = Some(outcome));
        self.shared.room.notify_waiters();
    }
}

/// Waits for a part of the past that was not read yet; for ever where nobody wants it.
async fn read_again(past: &mut Option<Past>) {
    match past {
        Some(past) => past.ready().await,
        None => std::future::pending().await,
    }
}

/// Waits for the flush under way; for ever where there is none.
async fn flushed(flush: &mut Option<(LinkFuture<'static, ()>, Position)>) {
    match flush {
        Some((flush, _)) => flush.await,
        None => std::future::pending().await,
    }
}

/// Publishes frames in order.
async fn publish_all(
    connection: &mut Connection,
    transmits: &mut Vec<Transmit>,
) -> Result<(), super::connection::ConnectionError> {
    for transmit in transmits.drain(..) {
        let subject = connection.subjects.of(transmit.to);
        connection.publish(&subject, transmit.frame).await?;
    }
    Ok(())
}

async fn next(subscription: &mut dyn Subscription) -> Option<Bytes> {
    poll_fn(|context| subscription.poll_next(context)).await
}
