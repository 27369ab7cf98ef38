//! Serving one endpoint, as its driver does: hand over what arrived, run timers, let the
//! application act, send what is to be sent.

use std::fmt;

use super::{Publisher, World};
use crate::proto::{Dest, Transmit};
use crate::sim::app::StreamView;
use crate::sim::checker::Checker;
use crate::sim::network::{Fate, Label};
use crate::sim::{Node, Transit};
use crate::time::Time;
use crate::wire::{Control, Frame, SessionId};

/// What a deadline brings about may be due at once itself, once: a consumer that is removed makes
/// space for data, for example.
const MAX_ROUNDS: u32 = 3;

impl World {
    pub(super) fn serve(&mut self, node: Node) {
        match node {
            _ if !self.process(node).runs() => {}
            Node::Publisher(index) => self.serve_publisher(index),
            Node::Consumer(index) => self.serve_consumer(index),
        }
    }

    fn serve_publisher(&mut self, index: usize) {
        let now = self.local_now();
        while let Some(delivery) = self.publishers[index].process.inbox.pop_front() {
            self.note_handed_to_publisher(index, delivery.label.as_ref());
            self.publishers[index].sender.handle_frame(now, &delivery.frame);
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
        let app = publisher.app.wake_at(now).filter(|_| !publisher.sender.is_over());
        let wake_at = [publisher.sender.poll_timeout(), app].into_iter().flatten().min();
        self.publishers[index].process.wake_at = wake_at.map(|at| self.true_time(at));
    }

    fn send_of_publisher(&mut self, index: usize, now: Time) {
        loop {
            let publisher = &mut self.publishers[index];
            if let Err(what) = publisher.app.pump(now, &mut publisher.sender) {
                self.fail(&what);
            }
            let Some(transmit) = self.publishers[index].sender.poll_transmit(now) else { break };
            self.transmit(Node::Publisher(index), &transmit);
            self.note_turn();
        }
    }

    fn take_sender_events(&mut self, index: usize) {
        while let Some(event) = self.publishers[index].sender.poll_event() {
            self.note(format_args!("{} has the event {event:?}", Node::Publisher(index)));
            self.check_sender_event(index, &event);
            self.publishers[index].events.push((self.now, event));
        }
    }

    fn serve_consumer(&mut self, index: usize) {
        let now = self.local_now();
        while let Some(delivery) = self.consumers[index].process.inbox.pop_front() {
            self.note_handed_to_consumer(index, delivery.label.as_ref());
            self.consumers[index].receiver.handle_frame(now, &delivery.frame);
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
            self.note(format_args!("{} has the event {event:?}", Node::Consumer(index)));
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

    /// The application reads all that it is ready for.
    fn read(&mut self, index: usize, now: Time) {
        loop {
            let consumer = &mut self.consumers[index];
            let Some(session) = consumer.reader.due(now, &consumer.receiver) else { break };
            let sizes = &self.config.messages;
            let stream = view(&self.checker, &self.publishers, sizes, session);
            match consumer.reader.read(now, &mut consumer.receiver, stream) {
                Ok(end) => {
                    self.checker.note_consumed(consumer.id, end);
                    let delivered = consumer.reader.delivered();
                    let node = Node::Consumer(index);
                    self.note(format_args!(
                        "{node} reads the frames below {end}, and has {delivered} messages"
                    ));
                }
                Err(what) => self.fail(&format!("consumer {index}: {what}")),
            }
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
        let restarts = self.process(from).restarts;
        let label = opened.as_ref().map(|frame| Label::of(Some(from), restarts, frame));
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

    /// The endpoints that a frame goes to. As on the bus, a publisher hears its own frames on a
    /// subject that it listens to.
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

/// What the stream of a session consists of. A session that no publisher has consists of the
/// world's messages.
fn view<'a>(
    checker: &'a Checker,
    publishers: &'a [Publisher],
    sizes: &'a [usize],
    session: SessionId,
) -> StreamView<'a> {
    let app = publishers.iter().find(|one| one.ids.session == session).map(|one| &one.app);
    StreamView {
        frames: checker.frames(session),
        order: app.and_then(|app| app.order()),
        sizes: app.map_or(sizes, |app| app.sizes()),
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
