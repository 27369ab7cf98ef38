//! Serves one connection until it breaks: reads, hands messages to their subscriptions, writes what
//! is queued, and watches whether the server is alive.

use std::{io, sync::Arc, task::Waker, time::Duration};

use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};

use crate::{
    event::{DisconnectReason, Event},
    fault::{self, ServerError},
    handshake::Session,
    info::ServerInfo,
    ledger::{Amount, Purpose},
    outbox::Outcome,
    parse::{Decoder, Op, shown},
    pool::Pool,
    shared::{Shared, Subscriptions},
    socket::{Inbound, Outbound},
    subscription::{Inbox, SubscriptionEnd, Waking},
};

/// An interval of zero is no interval.
const PING_INTERVAL_MIN: Duration = Duration::from_millis(1);

/// The clock can hold the end of it.
const PING_INTERVAL_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// One connection, as its task sees it.
#[derive(Debug)]
pub(crate) struct Serve<'a> {
    shared: &'a Shared,
    pool: &'a mut Pool,
    inbound: Inbound,
    outbound: Arc<Outbound>,
    decoder: Decoder,
    ticks: Interval,
    /// Something has arrived since the last tick.
    heard: bool,
    /// At the last tick the socket had taken a `PING`, or was about to.
    asked: bool,
    /// What was written at the last tick, and whether more was queued.
    written: (u64, bool),
    /// The server's last error that explains why it closes the connection.
    fault: Option<ServerError>,
    /// The connection is to be left once everything that is written is confirmed.
    leaving: Leaving,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Leaving {
    No,
    /// The last `PING` has to be queued.
    Wanted,
    Held,
    Confirmed,
}

/// Whether the socket takes more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Writing {
    Done,
    Blocked,
}

impl<'a> Serve<'a> {
    pub(crate) fn new(shared: &'a Shared, pool: &'a mut Pool, session: Session) -> Self {
        let period = shared.options.ping_interval.clamp(PING_INTERVAL_MIN, PING_INTERVAL_MAX);
        let mut ticks = interval_at(Instant::now() + period, period);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let Session { inbound, outbound, decoder, .. } = session;
        let (heard, asked, written) = (true, false, (0, false));
        let (fault, leaving) = (None, Leaving::No);
        Self {
            shared,
            pool,
            inbound,
            outbound,
            decoder,
            ticks,
            heard,
            asked,
            written,
            fault,
            leaving,
        }
    }

    /// Returns why the connection is over.
    pub(crate) async fn run(mut self) -> DisconnectReason {
        if self.shared.info().lame_duck {
            self.lame_duck();
        }
        match self.serve().await {
            Ok(reason) => reason,
            // A server that closes the connection has said why, if it has said anything.
            Err(error) => match self.read_last_words().await {
                Some(fault) => DisconnectReason::Server(fault),
                None => DisconnectReason::Io(error),
            },
        }
    }

    async fn serve(&mut self) -> io::Result<DisconnectReason> {
        // The handshake may have read more than its own answer.
        if let Some(reason) = self.handle_ops() {
            return Ok(reason);
        }
        loop {
            if let Some(reason) = self.is_over() {
                return Ok(reason);
            }
            let writing = self.write()?;
            // Reading comes before being woken: each round writes, so neither starves.
            tokio::select! {
                biased;
                _ = self.ticks.tick() => {
                    // After a pause of the process, what arrived meanwhile comes first.
                    if self.is_silent() && !self.read_now().await? {
                        let silence = self.shared.options.ping_interval;
                        return Ok(DisconnectReason::Silent { silence });
                    }
                    self.ping();
                }
                read = self.inbound.read(self.decoder.space()) => {
                    if read? == 0 {
                        return Ok(match self.fault.take() {
                            Some(fault) => DisconnectReason::Server(fault),
                            None => DisconnectReason::Ended,
                        });
                    }
                    if let Some(reason) = self.handle_ops() {
                        return Ok(reason);
                    }
                }
                writable = self.outbound.writable(), if writing == Writing::Blocked => writable?,
                () = self.shared.wake.notified() => {}
            }
        }
    }

    /// Returns why the connection is left, if it is.
    fn is_over(&self) -> Option<DisconnectReason> {
        let requested = self.shared.outbox().closing;
        // Without any handle, nobody waits for what is queued.
        if self.shared.close_reason.get().is_some() {
            return Some(DisconnectReason::Requested);
        }
        match (self.leaving, requested) {
            (Leaving::Confirmed, true) => Some(DisconnectReason::Requested),
            (Leaving::Confirmed, false) => Some(DisconnectReason::LameDuck),
            _ => None,
        }
    }

    fn write(&mut self) -> io::Result<Writing> {
        let mut outbox = self.shared.outbox();
        if outbox.closing && self.leaving == Leaving::No {
            self.leaving = Leaving::Wanted;
        }
        if self.leaving == Leaving::Wanted && outbox.hold() {
            self.leaving = Leaving::Held;
        }
        let more = match self.shared.write_now(outbox) {
            (Outcome::Written, more) => more,
            (Outcome::Blocked, _) => return Ok(Writing::Blocked),
            (Outcome::Failed(error), _) => return Err(error),
        };
        // Reading may have left TLS something to answer.
        match self.outbound.try_flush() {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(Writing::Blocked),
            Err(error) => return Err(error),
        }
        // An answer may arrive before its question counts as written.
        if more {
            self.note_answers();
        }
        // A turn is bounded, and another thread may have had it.
        if self.leaving == Leaving::Wanted || more {
            self.shared.wake.notify_one();
        }
        Ok(Writing::Done)
    }

    /// Returns true if the server has neither sent anything for an interval, though it was asked,
    /// nor read anything. Over a slow network, a `PING` may have to wait behind a long queue.
    fn is_silent(&self) -> bool {
        let (written, pending) = self.written;
        let stuck = pending && written == self.shared.outbox().ledger.written();
        !self.heard && (self.asked || stuck)
    }

    fn ping(&mut self) {
        let mut outbox = self.shared.outbox();
        let pending = outbox.ledger.queued().bytes > 0;
        self.heard = false;
        self.asked = !pending || outbox.ledger.is_mark_written();
        self.written = (outbox.ledger.written(), pending);
        // A PING that is under way will do.
        if !outbox.ledger.is_marked(outbox.ledger.end()) {
            outbox.push_ping(Purpose::Confirm);
        }
    }

    /// Reads what has arrived, without waiting. Returns false if there is nothing.
    async fn read_now(&mut self) -> io::Result<bool> {
        let read = tokio::select! {
            biased;
            read = self.inbound.read(self.decoder.space()) => read?,
            () = std::future::ready(()) => 0,
        };
        // An error in it stays in the decoder, for the next call.
        self.handle_ops();
        Ok(read > 0)
    }

    /// Handles everything that was read.
    fn handle_ops(&mut self) -> Option<DisconnectReason> {
        let shared = self.shared;
        self.heard = true;
        let subscriptions = shared.subscriptions();
        let mut waking = Waking::new();
        self.handle_answers(&subscriptions, &mut waking);
        let (mut received, mut unclaimed) = (Amount::default(), 0);
        let reason = loop {
            match self.decoder.next() {
                Ok(Some(Op::Message(message))) => {
                    received.messages += 1;
                    received.bytes += message.size() as u64;
                    match subscriptions.get(message.sid) {
                        Some(inbox) => inbox.lock().push(message, &mut waking),
                        None => unclaimed += 1,
                    }
                }
                Ok(Some(op)) => self.handle_op(op, &subscriptions, &mut waking),
                Ok(None) => break None,
                Err(error) => break Some(DisconnectReason::Parse(error)),
            }
        };
        drop(subscriptions);
        shared.count(|counts| {
            counts.received.messages += received.messages;
            counts.received.bytes += received.bytes;
            counts.unclaimed += unclaimed;
        });
        waking.into_iter().for_each(Waker::wake);
        reason
    }

    fn handle_op(&mut self, op: Op, subscriptions: &Subscriptions, waking: &mut Waking) {
        let shared = self.shared;
        match op {
            Op::Ping => shared.outbox().push_pong(),
            Op::Pong => {
                shared.outbox().ledger.pong();
                // The server went on after its last error.
                self.fault = None;
                self.handle_answers(subscriptions, waking);
            }
            Op::Err(text) => self.handle_error(&text, subscriptions, waking),
            Op::Info(json) => match ServerInfo::parse(&json) {
                Ok(info) => self.handle_info(info),
                Err(_) => self.handle_unknown(&json),
            },
            Op::Unknown(line) => self.handle_unknown(&line),
            Op::Ok | Op::Message(_) => {}
        }
    }

    fn note_answers(&mut self) {
        let (subscriptions, mut waking) = (self.shared.subscriptions(), Waking::new());
        self.handle_answers(&subscriptions, &mut waking);
        drop(subscriptions);
        waking.into_iter().for_each(Waker::wake);
    }

    /// Does what the answer to each `PING` means.
    fn handle_answers(&mut self, subscriptions: &Subscriptions, waking: &mut Waking) {
        loop {
            let mut outbox = self.shared.outbox();
            let Some(mark) = outbox.ledger.next_answered() else { return };
            self.shared.announce(&outbox);
            drop(outbox);
            let inbox = |sid| subscriptions.get(sid).map(|inbox| inbox.lock());
            match mark.purpose {
                Purpose::Subscribe(sid) => {
                    inbox(sid).into_iter().for_each(|mut queue| queue.activate(waking));
                }
                Purpose::Drain(sid) => inbox(sid)
                    .into_iter()
                    .for_each(|mut queue| queue.finish(SubscriptionEnd::Drained, waking)),
                Purpose::Leave => self.leaving = Leaving::Confirmed,
                Purpose::Confirm => {}
            }
        }
    }

    fn handle_unknown(&self, line: &[u8]) {
        self.shared.count(|counts| counts.unknown_lines += 1);
        self.shared.tell(Event::UnknownLine { line: shown(line) });
    }

    fn handle_info(&mut self, info: ServerInfo) {
        let (server, lame_duck) = (self.shared.server(), info.lame_duck);
        self.pool.update(&info.connect_urls, &server);
        let news = lame_duck && !self.shared.info().lame_duck;
        self.shared.set_info(&server, info);
        if news {
            self.lame_duck();
        }
    }

    /// Goes to another server, if there is one.
    fn lame_duck(&mut self) {
        let server = self.shared.server();
        if self.pool.mark_lame(&server) && self.leaving == Leaving::No {
            self.leaving = Leaving::Wanted;
        }
        self.shared.tell(Event::LameDuck { server });
    }

    /// A server answers in order. So an error before the answer to the `PING` after a `SUB` is
    /// about that subscription.
    fn handle_error(&mut self, text: &[u8], subscriptions: &Subscriptions, waking: &mut Waking) {
        let (shared, error) = (self.shared, ServerError::parse(text));
        shared.count(|counts| counts.server_errors += 1);
        let outbox = shared.outbox();
        let largest_unconfirmed = outbox.ledger.largest_unconfirmed();
        let next = outbox.ledger.next_purpose();
        drop(outbox);
        let asked = match next {
            Some(Purpose::Subscribe(sid)) => subscriptions.get(sid),
            _ => None,
        };
        match &error {
            ServerError::SubscriptionLimit => {
                // A subscription that is queued twice may be refused twice.
                for mut queue in asked.map(|inbox| inbox.lock()).into_iter() {
                    if !queue.is_active() {
                        queue.finish(SubscriptionEnd::LimitReached, waking);
                    }
                }
            }
            // Permissions may also be withdrawn later, from every subscription to a subject.
            ServerError::SubscribeDenied { subject, queue } => {
                let is_meant = |inbox: &&Arc<Inbox>| {
                    let group = inbox.group.as_ref().map(|group| &group.as_bytes()[..]);
                    subject.as_bytes() == inbox.subject.as_bytes()
                        && queue.as_ref().map(String::as_bytes) == group
                };
                let mut meant: Vec<_> = match fault::withdrawn_sid(text) {
                    Some(sid) => subscriptions.get(sid).into_iter().collect(),
                    None => subscriptions.iter().filter(is_meant).collect(),
                };
                // A subject that is not UTF-8 is not found by its name.
                if meant.is_empty() && fault::withdrawn_sid(text).is_none() {
                    meant.extend(asked);
                }
                for inbox in meant {
                    inbox.lock().finish(SubscriptionEnd::Denied, waking);
                }
            }
            error if error.is_fatal() || matches!(error, ServerError::Other { .. }) => {
                self.fault = Some(error.clone());
            }
            _ => {}
        }
        shared.tell(Event::ServerError { error, largest_unconfirmed });
    }

    /// After a failure, looks for an error of the server among what has already arrived.
    async fn read_last_words(&mut self) -> Option<ServerError> {
        while self.fault.is_none() {
            if !matches!(self.read_now().await, Ok(true)) {
                break;
            }
        }
        self.fault.take()
    }
}
