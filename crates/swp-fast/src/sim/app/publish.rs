//! The publisher's application, and the loop of a driver in miniature.

use bytes::Bytes;

use super::capture::Capture;
use super::producers::Producers;
use crate::config::PublishConfig;
use crate::proto::{Accepts, Packer, Position, Refused, Sender};
use crate::sim::SimConfig;
use crate::time::Time;
use crate::wire::Seq;

/// Offers the messages of a workload to a packer, and writes what the packer gives.
pub(in crate::sim) struct PublishApp {
    config: PublishConfig,
    accepts: Accepts,
    packer: Packer,
    source: Source,
    sizes: Vec<usize>,
    /// The stream is finished when everything was written ...
    finish: bool,
    /// ... and has been.
    finished: bool,
    /// For each position that the packer assigned, the messages that are complete with that
    /// position.
    positions: Vec<(Position, u64)>,
    /// The messages that were complete before the first position.
    complete_before: u64,
}

/// Where the publisher's data comes from.
enum Source {
    Producers(Producers),
    Capture(Box<Capture>),
}

impl PublishApp {
    pub(in crate::sim) fn new(
        config: &SimConfig,
        publish: &PublishConfig,
    ) -> Result<PublishApp, Refused> {
        let blocks = config.rewindable || config.app.block_bodies.is_some();
        let interval = config.write_interval;
        let source = match blocks {
            true => Source::Capture(Box::new(Capture::new(publish, &config.app, interval))),
            false => Source::Producers(Producers::new(config.app.producers, interval)),
        };
        // As in the product: a stream that can be read again must consist of what the source holds.
        let accepts = if config.rewindable { Accepts::Blocks } else { Accepts::Anything };
        let mut app = PublishApp {
            config: publish.clone(),
            accepts,
            packer: Packer::new(publish, accepts),
            source,
            sizes: Vec::new(),
            finish: config.finish,
            finished: false,
            positions: Vec::new(),
            complete_before: 0,
        };
        app.extend(Time::ZERO, &config.messages)?;
        Ok(app)
    }

    /// The sizes of the messages, by index.
    pub(in crate::sim) fn sizes(&self) -> &[usize] {
        &self.sizes
    }

    /// The indices of the messages in the order of the stream, or `None` where that is their own
    /// order.
    pub(in crate::sim) fn order(&self) -> Option<&[u64]> {
        match &self.source {
            Source::Producers(producers) => Some(producers.order()),
            Source::Capture(_) => None,
        }
    }

    /// The messages that the packer has accepted whole.
    pub(in crate::sim) fn accepted(&self) -> u64 {
        self.positions.last().map_or(self.complete_before, |(_, complete)| *complete)
    }

    /// The position of the message or block that was accepted last.
    pub(in crate::sim) fn accepted_position(&self) -> Position {
        self.packer.accepted()
    }

    /// The messages of the stream that are complete at a position.
    pub(in crate::sim) fn complete_at(&self, position: Position) -> u64 {
        let reached = self.positions.partition_point(|(at, _)| *at <= position);
        let last = reached.checked_sub(1).and_then(|last| self.positions.get(last));
        last.map_or(self.complete_before, |(_, complete)| *complete)
    }

    /// Returns true if everything was accepted and `sender` was let send it.
    pub(in crate::sim) fn has_sent_all(&self, sender: &Sender) -> bool {
        let all = self.has_offered_all() && self.packer.is_empty();
        all && sender.sent_position() == self.packer.accepted()
    }

    fn has_offered_all(&self) -> bool {
        match &self.source {
            Source::Producers(producers) => producers.is_done(self.sizes.len()),
            Source::Capture(capture) => capture.is_done(),
        }
    }

    /// Takes on more messages.
    pub(in crate::sim) fn extend(&mut self, now: Time, sizes: &[usize]) -> Result<(), Refused> {
        let before = self.sizes.len();
        match &mut self.source {
            Source::Producers(producers) => producers.extend(now, before),
            Source::Capture(capture) => {
                capture.extend(now);
                capture.record(before as u64, sizes)?;
            }
        }
        self.sizes.extend_from_slice(sizes);
        Ok(())
    }

    pub(in crate::sim) fn finish(&mut self) {
        self.finish = true;
    }

    /// Returns when the application has more to offer, if it has nothing to offer now.
    pub(in crate::sim) fn wake_at(&self, now: Time) -> Option<Time> {
        match &self.source {
            Source::Producers(producers) => producers.wake_at(now, self.sizes.len()),
            Source::Capture(capture) => capture.wake_at(now),
        }
    }

    /// The process was started again: a publisher that continues the session begins with this
    /// frame.
    pub(in crate::sim) fn start_again(&mut self, from: Seq) -> Result<(), &'static str> {
        let Source::Capture(capture) = &mut self.source else {
            return Err("only a publisher that sends blocks can continue a session");
        };
        capture.rewind(from);
        self.complete_before = capture.ended_below(from.get() as usize);
        self.packer = Packer::new(&self.config, self.accepts);
        self.positions.clear();
        self.finished = false;
        Ok(())
    }

    /// Does what a driver does in one turn: offers, takes, writes, and reads the past again.
    pub(in crate::sim) fn pump(&mut self, now: Time, sender: &mut Sender) -> Result<(), String> {
        if sender.is_over() {
            return Ok(());
        }
        self.packer.set_shared(sender.is_shared());
        self.offer(now)?;
        while self.write(sender)? {
            self.offer(now)?;
        }
        sender.set_backlog(!self.packer.is_empty() && !sender.can_write());
        let all = self.has_offered_all() && self.packer.is_empty();
        if all && self.finish && !self.finished {
            self.finished = true;
            sender.finish(Bytes::from_static(b"that was all"));
        }
        self.serve_rewinds(sender)
    }

    fn offer(&mut self, now: Time) -> Result<(), String> {
        let PublishApp { source, packer, positions, complete_before, sizes, .. } = self;
        let offered = match source {
            Source::Producers(producers) => producers.offer(now, sizes, packer, |position| {
                positions.push((position, *complete_before + positions.len() as u64 + 1));
            }),
            Source::Capture(capture) => {
                capture.offer(now, packer, |position, ended| positions.push((position, ended)))
            }
        };
        offered.map_err(|refused| format!("the packer refused: {refused:?}"))
    }

    /// Returns true if something was written.
    fn write(&mut self, sender: &mut Sender) -> Result<bool, String> {
        let mut wrote = false;
        while sender.can_write() {
            // The open frame leaves only where nothing else waits, as in the product.
            let Some(packed) = self.packer.take(!wrote) else { break };
            sender.write(packed).map_err(|error| format!("a write was refused: {error}"))?;
            wrote = true;
        }
        Ok(wrote)
    }

    /// Gives frames of the past to consumers that catch up.
    fn serve_rewinds(&self, sender: &mut Sender) -> Result<(), String> {
        while let Some(rewind) = sender.poll_rewind() {
            let Source::Capture(capture) = &self.source else {
                return Err("a stream without a capture was asked for its past".to_owned());
            };
            let body = capture.body(rewind.from);
            let body = body.ok_or_else(|| format!("frame {} was never written", rewind.from))?;
            let wrote = sender.write_reread(rewind, body.kind, body.buf.clone(), Some(body.digest));
            wrote.map_err(|error| format!("a frame of the past was refused: {error}"))?;
        }
        Ok(())
    }
}
