//! What the handles of a connection and its task share.

use std::{
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    task::Waker,
};

use tokio::sync::{Notify, broadcast, watch};

use crate::{
    connection::Statistics,
    event::{CloseReason, DisconnectReason, EVENTS_MAX, Event, State},
    handshake::Session,
    info::ServerInfo,
    ledger::{Amount, Broken, Purpose},
    options::ConnectOptions,
    outbox::{Outbox, Outcome},
    server::ServerUrl,
    subject::Subject,
    subscription::{Inbox, SubscribeOptions, SubscriptionEnd, Waking},
};

/// Locks are taken in the order of these fields: subscriptions, outbox, info.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) options: Arc<ConnectOptions>,
    subscriptions: Mutex<Subscriptions>,
    outbox: Mutex<Outbox>,
    info: Mutex<(ServerUrl, Arc<ServerInfo>)>,
    /// Wakes the task: there is something to write, or to close.
    pub(crate) wake: Notify,
    /// Wakes futures that wait for space, for a position, or for the end.
    pub(crate) progress: Notify,
    pub(crate) state: watch::Sender<State>,
    /// `None` once the connection is closed, so that receivers end.
    events: Mutex<Option<broadcast::Sender<Event>>>,
    statistics: Mutex<Statistics>,
    pub(crate) close_reason: OnceLock<Arc<CloseReason>>,
    /// What was not confirmed when the connection closed.
    pub(crate) left_unconfirmed: OnceLock<Amount>,
}

/// Subscriptions by their number, ascending.
#[derive(Debug, Default)]
pub(crate) struct Subscriptions {
    inboxes: Vec<Arc<Inbox>>,
    last_sid: u64,
}

/// No code panics between two changes under these locks, so what they protect stays usable.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Subscriptions {
    pub(crate) fn get(&self, sid: u64) -> Option<&Arc<Inbox>> {
        let at = self.inboxes.binary_search_by_key(&sid, |inbox| inbox.sid).ok()?;
        self.inboxes.get(at)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<Inbox>> {
        self.inboxes.iter()
    }
}

impl Shared {
    pub(crate) fn new(options: Arc<ConnectOptions>, session: &Session) -> Self {
        let (events, _) = broadcast::channel(EVENTS_MAX);
        Self {
            options,
            subscriptions: Mutex::default(),
            outbox: Mutex::default(),
            info: Mutex::new((session.server.clone(), Arc::new(session.info.clone()))),
            wake: Notify::new(),
            progress: Notify::new(),
            state: watch::Sender::new(State::Disconnected),
            events: Mutex::new(Some(events)),
            statistics: Mutex::default(),
            close_reason: OnceLock::new(),
            left_unconfirmed: OnceLock::new(),
        }
    }

    pub(crate) fn subscriptions(&self) -> MutexGuard<'_, Subscriptions> {
        lock(&self.subscriptions)
    }

    pub(crate) fn outbox(&self) -> MutexGuard<'_, Outbox> {
        lock(&self.outbox)
    }

    pub(crate) fn server(&self) -> ServerUrl {
        lock(&self.info).0.clone()
    }

    pub(crate) fn info(&self) -> Arc<ServerInfo> {
        Arc::clone(&lock(&self.info).1)
    }

    pub(crate) fn statistics(&self) -> Statistics {
        *lock(&self.statistics)
    }

    pub(crate) fn count(&self, change: impl FnOnce(&mut Statistics)) {
        change(&mut lock(&self.statistics));
    }

    pub(crate) fn tell(&self, event: Event) {
        if let Some(events) = &*lock(&self.events) {
            // Without a receiver, this fails.
            let _ = events.send(event);
        }
    }

    pub(crate) fn listen(&self) -> broadcast::Receiver<Event> {
        match &*lock(&self.events) {
            Some(events) => events.subscribe(),
            None => broadcast::channel(1).1,
        }
    }

    /// Takes over what the server says about itself.
    pub(crate) fn set_info(&self, server: &ServerUrl, info: ServerInfo) {
        let bytes = info.message_bytes_max();
        let mut outbox = self.outbox();
        let changed = outbox.message_bytes_max != bytes;
        outbox.message_bytes_max = bytes;
        outbox.headers = info.headers;
        drop(outbox);
        let info = Arc::new(info);
        *lock(&self.info) = (server.clone(), info);
        if changed {
            self.tell(Event::MaxPayload { bytes });
        }
    }

    /// Writes what is queued as far as the socket takes it, and returns whether there is more for
    /// the task to do. Does nothing if another thread has the turn: that thread sees to what was
    /// queued meanwhile.
    pub(crate) fn write_now(&self, mut outbox: MutexGuard<'_, Outbox>) -> (Outcome, bool) {
        let Some(mut turn) = outbox.begin_turn() else { return (Outcome::Written, false) };
        drop(outbox);
        let (written, outcome) = turn.run();
        let mut outbox = self.outbox();
        outbox.end_turn(turn, written);
        self.announce(&outbox);
        (outcome, outbox.can_write() || outbox.ledger.is_answered())
    }

    /// Wakes futures that wait for a change of the outbox, if there are any.
    pub(crate) fn announce(&self, outbox: &Outbox) {
        if outbox.waiting > 0 {
            self.progress.notify_waiters();
        }
    }

    /// Adds a subscription, and sends it to the server if there is one. Returns `None` if the
    /// connection is closed.
    pub(crate) fn subscribe(
        &self,
        subject: Subject,
        options: &SubscribeOptions,
    ) -> Option<Arc<Inbox>> {
        let mut subscriptions = self.subscriptions();
        if self.close_reason.get().is_some() {
            return None;
        }
        subscriptions.last_sid += 1;
        let sid = subscriptions.last_sid;
        let inbox = Arc::new(Inbox::new(sid, subject, options));
        subscriptions.inboxes.push(Arc::clone(&inbox));
        let mut outbox = self.outbox();
        // Without a connection, the next one starts with all subscriptions.
        if outbox.is_connected() {
            let line = subscribe_line(&inbox);
            inbox.lock().line = Some(outbox.push_line(&[&line]));
            outbox.push_ping(Purpose::Subscribe(sid));
            self.wake.notify_one();
        }
        Some(inbox)
    }

    pub(crate) fn unsubscribe(&self, inbox: &Inbox) {
        let mut subscriptions = self.subscriptions();
        subscriptions.inboxes.retain(|other| other.sid != inbox.sid);
        let mut outbox = self.outbox();
        let queue = inbox.lock();
        if outbox.is_connected() && !queue.is_ended() || outbox.is_queued(queue.line) {
            self.push_unsubscribe(&mut outbox, inbox.sid);
        }
    }

    pub(crate) fn drain(&self, inbox: &Inbox) {
        let subscriptions = self.subscriptions();
        let mut outbox = self.outbox();
        let mut queue = inbox.lock();
        if queue.is_ended() || queue.draining {
            return;
        }
        queue.draining = true;
        if outbox.is_connected() {
            self.push_unsubscribe(&mut outbox, inbox.sid);
            outbox.push_ping(Purpose::Drain(inbox.sid));
        } else {
            if outbox.is_queued(queue.line) {
                self.push_unsubscribe(&mut outbox, inbox.sid);
            }
            let mut waking = Waking::new();
            queue.finish(SubscriptionEnd::Drained, &mut waking);
            // A waker may use the connection.
            drop((queue, outbox, subscriptions));
            waking.into_iter().for_each(Waker::wake);
        }
    }

    fn push_unsubscribe(&self, outbox: &mut Outbox, sid: u64) {
        outbox.push_line(&[format!("UNSUB {sid}\r\n").as_bytes()]);
        self.wake.notify_one();
    }

    /// Starts to write to a new connection, its subscriptions first.
    pub(crate) fn begin(&self, session: &Session) {
        self.set_info(&session.server, session.info.clone());
        let subscriptions = self.subscriptions();
        let (mut lines, mut purposes) = (Vec::new(), Vec::new());
        for inbox in subscriptions.iter().filter(|inbox| !inbox.lock().is_ended()) {
            lines.extend_from_slice(&subscribe_line(inbox));
            lines.extend_from_slice(b"PING\r\n");
            purposes.push(Purpose::Subscribe(inbox.sid));
        }
        let mut outbox = self.outbox();
        outbox.connect(Arc::clone(&session.outbound), lines.into(), &purposes);
        // A future that waits for a confirmation may need a new PING.
        self.announce(&outbox);
        drop(outbox);
        drop(subscriptions);
        self.count(|counts| counts.connects += 1);
        self.state.send_if_modified(|state| {
            let was_open = *state == State::Disconnected;
            if was_open {
                *state = State::Connected;
            }
            was_open
        });
        if self.statistics().connects > 1 {
            self.tell(Event::Connected { server: session.server.clone() });
        }
    }

    /// Notes that the connection is gone. What it had not confirmed is told.
    pub(crate) async fn break_off(&self, reason: DisconnectReason) {
        self.outbox().disconnect();
        let broken = loop {
            match self.try_break_off() {
                Some(broken) => break broken,
                // Another thread is in a system call that does not wait.
                None => tokio::task::yield_now().await,
            }
        };
        let closing = self.outbox().closing;
        let mut waking = Waking::new();
        for inbox in self.subscriptions().iter() {
            let mut queue = inbox.lock();
            if !closing {
                queue.push_disconnected(&mut waking);
            }
            if queue.draining {
                queue.finish(SubscriptionEnd::Drained, &mut waking);
            }
        }
        waking.into_iter().for_each(Waker::wake);
        if !closing {
            self.count(|counts| counts.disconnects += 1);
        }
        self.state.send_if_modified(|state| {
            let was_connected = *state == State::Connected;
            if was_connected {
                *state = State::Disconnected;
            }
            was_connected
        });
        self.tell(Event::Disconnected {
            server: self.server(),
            reason: Arc::new(reason),
            unconfirmed: broken.unconfirmed,
            queued: broken.queued,
        });
    }

    fn try_break_off(&self) -> Option<Broken> {
        let mut outbox = self.outbox();
        let unconfirmed = outbox.ledger.unconfirmed();
        let broken = outbox.break_off()?;
        if outbox.closing {
            let _ = self.left_unconfirmed.set(unconfirmed);
        }
        self.announce(&outbox);
        Some(broken)
    }

    /// Ends the connection for good. The first reason counts.
    pub(crate) fn close(&self, reason: CloseReason) {
        let reason = Arc::new(reason);
        if self.close_reason.set(Arc::clone(&reason)).is_err() {
            return;
        }
        let mut outbox = self.outbox();
        outbox.closing = true;
        outbox.disconnect();
        let _ = self.left_unconfirmed.set(outbox.ledger.unconfirmed());
        drop(outbox);
        let mut waking = Waking::new();
        for inbox in self.subscriptions().iter() {
            inbox.lock().finish(SubscriptionEnd::Closed, &mut waking);
        }
        waking.into_iter().for_each(Waker::wake);
        self.state.send_replace(State::Closed);
        self.tell(Event::Closed { reason });
        *lock(&self.events) = None;
        self.progress.notify_waiters();
    }
}

/// The line that subscribes.
fn subscribe_line(inbox: &Inbox) -> Vec<u8> {
    let mut line = b"SUB ".to_vec();
    line.extend_from_slice(inbox.subject.as_bytes());
    if let Some(group) = &inbox.group {
        line.push(b' ');
        line.extend_from_slice(group.as_bytes());
    }
    line.extend_from_slice(format!(" {}\r\n", inbox.sid).as_bytes());
    line
}
