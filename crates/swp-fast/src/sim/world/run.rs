//! Time passes: endpoints are served when something arrives for them or when they asked to be woken.

use std::fmt;
use std::time::Duration;

use super::World;
use crate::proto::{Dest, Transmit};
use crate::sim::network::{Fate, Label};
use crate::sim::{Node, Outcome, Transit};
use crate::time::Time;
use crate::wire::{Control, Frame};

/// An endpoint that wants to be woken this often without the clock moving will never stop.
const MAX_TURNS: u32 = 100_000;

/// What a deadline brings about may bring about another at once, once: a consumer that is given up makes
/// room for data, for example.
const MAX_ROUNDS: u32 = 3;

impl World {
    /// Lets time pass until everybody is through, but no longer than `most`.
    pub fn run(&mut self, most: Duration) -> Outcome {
        self.run_while(most, |world| !world.is_over());
        self.outcome()
    }

    /// Lets exactly this much time pass.
    pub fn run_for(&mut self, time: Duration) -> Outcome {
        self.pass(time);
        self.outcome()
    }

    /// [`Self::run_for`] without an outcome, which takes a while to put together.
    pub fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        self.run_while(time, |_| true);
        self.now = end;
    }

    /// Lets time pass while `goes_on` says so, but no longer than `most`; says whether it still does.
    pub fn run_while(&mut self, most: Duration, goes_on: impl Fn(&World) -> bool) -> bool {
        let end = self.now + most;
        self.serve_all();
        while goes_on(self) {
            let Some(next) = self.next_at().filter(|next| *next <= end) else { return true };
            if next > self.now {
                self.now = next;
                self.turns = 0;
            }
            self.turn();
        }
        false
    }

    /// Whether every endpoint that was not killed has ended, well or not.
    pub fn is_over(&self) -> bool {
        self.publishers.iter().all(|one| one.process.killed || one.sender.is_over())
            && self.consumers.iter().all(|one| one.process.killed || one.receiver.is_over())
    }

    fn next_at(&self) -> Option<Time> {
        let publishers = self.publishers.iter().map(|one| &one.process);
        let processes = publishers.chain(self.consumers.iter().map(|one| &one.process));
        let wakes = processes.filter(|process| process.runs()).filter_map(|one| one.wake_at);
        let next = wakes.chain(self.network.next_arrival_at()).min()?;
        Some(next.max(self.now))
    }

    /// Everything that is due now.
    fn turn(&mut self) {
        self.turns += 1;
        if self.turns > MAX_TURNS {
            self.fail("an endpoint asks again and again to be woken at once");
        }
        while let Some((to, parcel)) = self.network.pop_arrival(self.now) {
            let capacity = self.config.subscription_capacity;
            let label = parcel.label;
            if !self.process(to).leave(parcel, capacity) {
                self.check_overflow(to, label.as_ref());
            }
            if self.process(to).runs() {
                self.serve(to);
            }
        }
        for node in self.nodes() {
            let process = self.process(node);
            if process.runs() && process.wake_at.is_some_and(|at| at <= self.now) {
                self.serve(node);
            }
        }
    }

    pub(super) fn nodes(&self) -> impl Iterator<Item = Node> + use<> {
        let publishers = (0..self.publishers.len()).map(Node::Publisher);
        publishers.chain((0..self.consumers.len()).map(Node::Consumer))
    }

    pub(super) fn serve_all(&mut self) {
        for node in self.nodes() {
            self.serve(node);
        }
    }

    pub(super) fn serve(&mut self, node: Node) {
        match node {
            _ if !self.process(node).runs() => {}
            Node::Publisher(index) => self.serve_publisher(index),
            Node::Consumer(index) => self.serve_consumer(index),
        }
    }

    fn serve_publisher(&mut self, index: usize) {
        let now = self.local_now();
        while let Some(parcel) = self.publishers[index].process.inbox.pop_front() {
            self.note_handed_to_publisher(index, parcel.label.as_ref());
            self.publishers[index].sender.handle_frame(now, &parcel.frame);
        }
        let (down, publisher) = (self.bus_down, &mut self.publishers[index]);
        if std::mem::take(&mut publisher.process.reconnected) {
            publisher.sender.handle_reconnect(now);
        } else if down {
            publisher.sender.handle_outage(now);
        }
        for _ in 0..MAX_ROUNDS {
            let sender = &mut self.publishers[index].sender;
            if sender.poll_timeout().is_some_and(|at| at <= now) {
                sender.handle_timeout(now);
            }
            self.take_sender_events(index);
            self.send_of_publisher(index, now);
            self.take_sender_events(index);
            if self.publishers[index].sender.poll_timeout().is_none_or(|at| at > now) {
                break;
            }
        }
        self.check_publisher(index, now);
        let publisher = &self.publishers[index];
        let app = publisher.writer.wake_at(now).filter(|_| !publisher.sender.is_over());
        let wake_at = [publisher.sender.poll_timeout(), app].into_iter().flatten().min();
        self.publishers[index].process.wake_at = wake_at.map(|at| self.true_time(at));
    }

    fn send_of_publisher(&mut self, index: usize, now: Time) {
        loop {
            let publisher = &mut self.publishers[index];
            let wrote = publisher.writer.pump(now, &mut publisher.sender);
            let wrote = wrote.and_then(|()| publisher.writer.write_reread(&mut publisher.sender));
            if let Err(what) = wrote {
                self.fail(&what);
            }
            let Some(transmit) = self.publishers[index].sender.poll_transmit(now) else { break };
            self.transmit(Node::Publisher(index), &transmit);
            self.note_turn();
        }
    }

    fn take_sender_events(&mut self, index: usize) {
        while let Some(event) = self.publishers[index].sender.poll_event() {
            self.note(format_args!("{} says {event:?}", Node::Publisher(index)));
            self.check_sender_event(index, &event);
            self.publishers[index].events.push((self.now, event));
        }
    }

    fn serve_consumer(&mut self, index: usize) {
        let now = self.local_now();
        while let Some(parcel) = self.consumers[index].process.inbox.pop_front() {
            self.note_handed_to_consumer(index, parcel.label.as_ref());
            self.consumers[index].receiver.handle_frame(now, &parcel.frame);
        }
        let (down, consumer) = (self.bus_down, &mut self.consumers[index]);
        if std::mem::take(&mut consumer.process.reconnected) {
            consumer.receiver.handle_reconnect(now);
        } else if down {
            consumer.receiver.handle_outage(now);
        }
        for _ in 0..MAX_ROUNDS {
            let receiver = &mut self.consumers[index].receiver;
            if receiver.poll_timeout().is_some_and(|at| at <= now) {
                receiver.handle_timeout(now);
            }
            self.send_of_consumer(index, now);
            if self.consumers[index].receiver.poll_timeout().is_none_or(|at| at > now) {
                break;
            }
        }
        while let Some(event) = self.consumers[index].receiver.poll_event() {
            self.note(format_args!("{} says {event:?}", Node::Consumer(index)));
            self.check_receiver_event(index, &event, now);
            self.consumers[index].events.push((self.now, event));
        }
        self.check_consumer(index, now);
        let consumer = &self.consumers[index];
        let app = consumer.reader.wake_at(now).filter(|_| consumer.receiver.has_ready());
        let wake_at = [consumer.receiver.poll_timeout(), app].into_iter().flatten().min();
        self.consumers[index].process.wake_at = wake_at.map(|at| self.true_time(at));
    }

    fn send_of_consumer(&mut self, index: usize, now: Time) {
        loop {
            self.read(index, now);
            let consumer = &mut self.consumers[index];
            if consumer.confirms {
                consumer.receiver.close(now);
            }
            let Some(transmit) = consumer.receiver.poll_transmit(now) else { break };
            self.transmit(Node::Consumer(index), &transmit);
            self.note_turn();
        }
    }

    fn read(&mut self, index: usize, now: Time) {
        loop {
            let consumer = &mut self.consumers[index];
            let writer = self.publishers.first().map(|publisher| &publisher.writer);
            let sizes = &self.config.messages;
            match consumer.reader.pump(now, &mut consumer.receiver, writer, sizes) {
                Ok(None) => break,
                Ok(Some(seq)) => {
                    self.checker.note_taken(consumer.id, Some(seq.next()), |_| false);
                    let delivered = consumer.reader.delivered;
                    let node = Node::Consumer(index);
                    self.note(format_args!("{node} reads frame {seq}, up to message {delivered}"));
                }
                Err(what) => self.fail(&format!("consumer {index}: {what}")),
            }
        }
    }

    /// A long turn is no crime where frames are sent, but for ever it must not last.
    fn note_turn(&mut self) {
        self.turns += 1;
        if self.turns > MAX_TURNS * 10 {
            self.fail("an endpoint sends without end while the clock stands still");
        }
    }

    fn transmit(&mut self, from: Node, transmit: &Transmit) {
        let opened = self.checker.open(transmit);
        if let Some(frame) = &opened {
            self.check_frame(from, transmit.to, frame);
        }
        let path = match from {
            Node::Publisher(_) => self.config.down,
            Node::Consumer(_) => self.config.up,
        };
        let life = self.process(from).life;
        let label = opened.as_ref().map(|frame| Label::of(Some(from), life, frame));
        for to in self.addressees(transmit.to) {
            let transit = Transit {
                at: self.now,
                from,
                to,
                kind: label.map(|label| label.kind),
                seq: label.map_or(0, |label| label.seq),
                direct: matches!(transmit.to, Dest::Peer(_)),
            };
            self.checker.note_transit(transit);
            let fate = match self.bus_down {
                true => Fate::Lost("the bus is down"),
                false => self.network.send(&transit, &path, label, &transmit.frame),
            };
            if self.tracer.is_some() {
                let direct = if transit.direct { ", direct" } else { "" };
                let (bytes, sum) = (transmit.frame.len(), crc_fast::crc32_iscsi(&transmit.frame));
                let what = Content(opened.as_ref());
                self.note(format_args!(
                    "{from} -> {to} {what}{direct}, {bytes} B, crc32c {sum:08x}: {fate}"
                ));
            }
        }
    }

    /// As the bus does, a publisher hears what it says on a subject that it listens to.
    fn addressees(&self, to: Dest) -> Vec<Node> {
        let publishers = self.publishers.iter().enumerate();
        let consumers = self.consumers.iter().enumerate();
        match to {
            Dest::Publisher => publishers.map(|(index, _)| Node::Publisher(index)).collect(),
            Dest::Group(generation) => {
                let listening = consumers.filter(|(_, one)| {
                    one.receiver.generations().any(|listened| listened == generation)
                });
                listening.map(|(index, _)| Node::Consumer(index)).collect()
            }
            Dest::Peer(id) => {
                let inboxes = publishers.filter(|(_, one)| one.ids.inbox == id);
                let inboxes = inboxes.map(|(index, _)| Node::Publisher(index));
                let peers = consumers.filter(|(_, one)| one.id == id);
                inboxes.chain(peers.map(|(index, _)| Node::Consumer(index))).collect()
            }
        }
    }
}

/// A frame as a trace shows it.
struct Content<'a>(Option<&'a Frame>);

impl fmt::Display for Content<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(frame) = self.0 else { return f.write_str("noise") };
        let header = frame.header;
        match frame.control() {
            None => write!(f, "{:?} {}", header.kind, header.seq),
            Some(Ok(Control::Ack(ack))) => {
                write!(f, "Ack {}: holds all below {}", header.seq, ack.cumulative)?;
                for (start, end) in ack.sack.iter() {
                    write!(f, ", {start}..{end}")?;
                }
                let (credit, probe) = (ack.credit, ack.probe);
                let latest = ack.latest.map_or("none".to_owned(), |latest| latest.to_string());
                write!(f, "; latest {latest} {} us ago, probe {probe}", ack.delay_us)?;
                write!(f, "; allows {} frames, {} bytes", credit.frames, credit.bytes)
            }
            Some(Ok(control)) => write!(f, "{control:?}"),
            Some(Err(error)) => write!(f, "{:?} that does not decode: {error}", header.kind),
        }
    }
}
