//! What goes to the server, and whose turn it is to write.
//!
//! A publisher queues its message under the lock. If nothing else was pending, the publisher takes
//! the turn: it writes without the lock, so that other threads can queue meanwhile. The
//! connection's task writes what the socket does not take, and what other threads have queued. At
//! most one thread has the turn.

use std::{
    io::{self, IoSlice},
    sync::Arc,
};

use bytes::Bytes;

use crate::{
    ledger::{Broken, Fate, Ledger, Position, Purpose},
    options::QueueOptions,
    socket::Outbound,
    subject::Outgoing,
    write::{Batch, Queue, SLICES_MAX},
};

/// After this many bytes the task looks at what has arrived before it writes on.
const TURN_BYTES: usize = 4 << 20;

#[derive(Debug, Default)]
pub(crate) struct Outbox {
    queue: Queue,
    /// What the last turn has left. It is written before the queue.
    batch: Batch,
    pub(crate) ledger: Ledger,
    /// A thread has the turn, and the batch with it.
    busy: bool,
    /// Nothing that is queued from now on goes to the current server.
    held: bool,
    /// The socket, while there is a connection.
    outbound: Option<Arc<Outbound>>,
    /// Nothing more is accepted.
    pub(crate) closing: bool,
    /// The end of the last `PONG`.
    pong: Option<Position>,
    /// How many futures wait for progress.
    pub(crate) waiting: usize,
    pub(crate) message_bytes_max: usize,
    pub(crate) headers: bool,
}

/// The right to write, until it is given back with [`Outbox::end_turn`].
#[derive(Debug)]
pub(crate) struct Turn {
    batch: Batch,
    outbound: Arc<Outbound>,
}

/// How a turn ended.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// Everything is written, or as much as fits a turn.
    Written,
    /// The socket takes no more for now.
    Blocked,
    Failed(io::Error),
}

impl Outbox {
    /// Returns true if a publisher may write its message at once.
    pub(crate) fn is_idle(&self) -> bool {
        !self.busy && !self.held && !self.is_pending()
    }

    fn is_pending(&self) -> bool {
        !self.batch.is_empty() || !self.queue.is_empty()
    }

    /// Returns true if a turn would find something to write.
    pub(crate) fn can_write(&self) -> bool {
        let queued = !self.held && !self.queue.is_empty();
        self.outbound.is_some() && !self.busy && (queued || !self.batch.is_empty())
    }

    pub(crate) fn is_connected(&self) -> bool {
        self.outbound.is_some()
    }

    /// Returns true if a message of this size on the wire must wait. An empty queue takes any
    /// message.
    pub(crate) fn is_full(&self, size: usize, bounds: &QueueOptions) -> bool {
        let queued = self.ledger.queued();
        queued.bytes > 0
            && (queued.bytes as usize + size > bounds.bytes
                || queued.messages as usize >= bounds.messages)
    }

    pub(crate) fn push_message(&mut self, message: Outgoing) -> Position {
        let size = message.size();
        let bytes = self.queue.push_message(message);
        self.ledger.accept_message(bytes, size)
    }

    /// Returns the end of the line.
    pub(crate) fn push_line(&mut self, parts: &[&[u8]]) -> Position {
        let bytes = self.queue.push_line(parts);
        self.ledger.accept_line(bytes)
    }

    /// Returns true if the socket has not taken the line that ends there.
    pub(crate) fn is_queued(&self, line: Option<Position>) -> bool {
        line.is_some_and(|line| self.ledger.fate(line) == Fate::Queued)
    }

    /// Answers a `PING`. An answer that is still queued will do for several.
    pub(crate) fn push_pong(&mut self) {
        if !self.is_queued(self.pong) {
            self.pong = Some(self.push_line(&[b"PONG\r\n"]));
        }
    }

    pub(crate) fn push_ping(&mut self, purpose: Purpose) {
        self.push_line(&[b"PING\r\n"]);
        self.ledger.push_mark(purpose);
    }

    /// Takes the turn. Returns `None` if it is taken, or if there is nothing to write.
    pub(crate) fn begin_turn(&mut self) -> Option<Turn> {
        let outbound = self.outbound.as_ref().filter(|_| !self.busy)?;
        if !self.held {
            self.queue.move_into(&mut self.batch);
        }
        if self.batch.is_empty() {
            return None;
        }
        self.busy = true;
        let (batch, outbound) = (std::mem::take(&mut self.batch), Arc::clone(outbound));
        Some(Turn { batch, outbound })
    }

    /// Gives the turn back, after `written` bytes.
    pub(crate) fn end_turn(&mut self, turn: Turn, written: usize) {
        self.busy = false;
        self.batch = turn.batch;
        self.ledger.record_written(written);
    }

    /// Queues a last `PING` for this connection, and holds back everything after it. Returns false
    /// if a thread has the turn: try again then.
    pub(crate) fn hold(&mut self) -> bool {
        if self.busy {
            return false;
        }
        self.push_ping(Purpose::Leave);
        self.queue.move_into(&mut self.batch);
        self.held = true;
        true
    }

    /// Starts with a new connection: `lines` go before everything that is queued. They have a
    /// `PING` for each of `purposes`.
    pub(crate) fn connect(&mut self, outbound: Arc<Outbound>, lines: Bytes, purposes: &[Purpose]) {
        self.ledger.begin_preamble(lines.len(), purposes);
        self.batch.prepend(lines);
        self.outbound = Some(outbound);
        self.held = false;
    }

    /// Lets no more turns begin.
    pub(crate) fn disconnect(&mut self) {
        self.outbound = None;
    }

    /// Drops what belongs to the old connection. Returns `None` while a thread has the turn.
    pub(crate) fn break_off(&mut self) -> Option<Broken> {
        if self.busy {
            return None;
        }
        let broken = self.ledger.break_off();
        self.queue.move_into(&mut self.batch);
        self.batch.advance(broken.stale_bytes);
        Some(broken)
    }
}

impl Turn {
    /// Writes until the socket takes no more. Returns the number of bytes.
    pub(crate) fn run(&mut self) -> (usize, Outcome) {
        let mut written = 0;
        while !self.batch.is_empty() && written < TURN_BYTES {
            let mut slices = [IoSlice::new(&[]); SLICES_MAX];
            let count = self.batch.io_slices(&mut slices);
            match self.outbound.try_write(&slices[..count]) {
                Ok(taken) => {
                    written += taken;
                    self.batch.advance(taken);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return (written, Outcome::Blocked);
                }
                Err(error) => return (written, Outcome::Failed(error)),
            }
        }
        // Encrypted bytes may still wait.
        match self.outbound.try_flush() {
            Ok(()) => (written, Outcome::Written),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => (written, Outcome::Blocked),
            Err(error) => (written, Outcome::Failed(error)),
        }
    }
}
