//! Endpoints, applications, network and clock together.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;

use super::app::{Reader, Writer};
use super::checker::Checker;
use super::network::{Network, PathConfig, Transit};
use super::{ConsumerOutcome, Node, Outcome, PublisherOutcome, SimConfig};
use crate::config::{ConfirmEnd, PublishConfig, SubscribeConfig};
use crate::proto::{Dest, Receiver, ReceiverEvent, Sender, SenderEvent, SenderIds, Transmit};
use crate::time::Time;
use crate::wire::{Kind, PeerId, Sealer, Seq, SessionId};

/// An endpoint that wants to be woken this often without the clock moving will never stop.
const MAX_TURNS: u32 = 100_000;

struct Publisher {
    sender: Sender,
    ids: SenderIds,
    writer: Writer,
    events: Vec<(Time, SenderEvent)>,
    process: Process,
}

struct Consumer {
    receiver: Receiver,
    id: PeerId,
    config: SubscribeConfig,
    reader: Reader,
    events: Vec<(Time, ReceiverEvent)>,
    process: Process,
}

/// What a process that is not running leaves lying.
#[derive(Default)]
struct Process {
    stopped: bool,
    killed: bool,
    inbox: VecDeque<Bytes>,
    overflowed: u64,
}

impl Process {
    fn runs(&self) -> bool {
        !self.stopped && !self.killed
    }

    fn leave(&mut self, frame: Bytes, capacity: usize) {
        if self.killed {
            return;
        }
        if self.inbox.len() < capacity {
            self.inbox.push_back(frame);
        } else {
            self.overflowed += 1;
        }
    }
}

/// See the [module](super).
///
/// Its methods panic, naming the seed, where a rule of the protocol is broken.
pub struct World {
    config: SimConfig,
    now: Time,
    network: Network,
    checker: Checker,
    publishers: Vec<Publisher>,
    consumers: Vec<Consumer>,
    bus_down: bool,
    /// How often endpoints were served since the clock last moved.
    turns: u32,
}

impl World {
    /// A world at time zero.
    ///
    /// # Panics
    /// Where a configuration cannot work.
    pub fn new(config: SimConfig) -> World {
        let sealers = vec![Sealer::new(config.publish.key.clone()), Sealer::default()];
        let mut world = World {
            network: Network::new(config.seed),
            checker: Checker::new(sealers),
            now: Time::ZERO,
            publishers: Vec::new(),
            consumers: Vec::new(),
            bus_down: false,
            turns: 0,
            config,
        };
        world.add_publisher(world.config.publish.clone());
        for _ in 0..world.config.consumers {
            world.add_consumer(world.config.subscribe.clone());
        }
        world
    }

    /// Starts another publisher of the same stream, with the same messages.
    pub fn add_publisher(&mut self, config: PublishConfig) -> Node {
        let ids = SenderIds {
            session: SessionId(self.network.random_id()),
            epoch: 1,
            inbox: PeerId(self.network.random_id()),
        };
        let sender = match Sender::new(config, ids, self.now) {
            Ok(sender) => sender,
            Err(error) => panic!("seed {}: {error}", self.config.seed),
        };
        let writer = Writer::new(&self.config);
        let process = Process::default();
        self.publishers.push(Publisher { sender, ids, writer, events: Vec::new(), process });
        Node::Publisher(self.publishers.len() - 1)
    }

    /// Starts another consumer, named "c" and its number where `config` gives it no name.
    pub fn add_consumer(&mut self, mut config: SubscribeConfig) -> Node {
        let index = self.consumers.len();
        if config.name.is_empty() {
            config.name = format!("c{index}");
        }
        let id = PeerId(self.network.random_id());
        let capacity = self.config.subscription_capacity as u64;
        let receiver = match Receiver::new(config.clone(), id, capacity, self.now) {
            Ok(receiver) => receiver,
            Err(error) => panic!("seed {}: {error}", self.config.seed),
        };
        let reader = Reader::new(self.config.read_interval, config.max_message_bytes, true);
        let (events, process) = (Vec::new(), Process::default());
        self.consumers.push(Consumer { receiver, id, config, reader, events, process });
        Node::Consumer(index)
    }

    /// The simulated time.
    pub fn now(&self) -> Time {
        self.now
    }

    /// Lets time pass until everybody is through, but no longer than `most`.
    pub fn run(&mut self, most: Duration) -> Outcome {
        self.run_while(most, |world| !world.is_over())
    }

    /// Lets exactly this much time pass.
    pub fn run_for(&mut self, time: Duration) -> Outcome {
        let end = self.now + time;
        self.run_while(time, |_| true);
        self.now = end;
        self.outcome()
    }

    /// Lets time pass while `goes_on` says so, but no longer than `most`.
    pub fn run_while(&mut self, most: Duration, goes_on: impl Fn(&World) -> bool) -> Outcome {
        let end = self.now + most;
        self.serve_all();
        while goes_on(self)
            && let Some(next) = self.next_at()
            && next <= end
        {
            if next > self.now {
                self.now = next;
                self.turns = 0;
            }
            self.turn();
        }
        self.outcome()
    }

    /// How things stand.
    pub fn outcome(&self) -> Outcome {
        let publishers = self.publishers.iter().map(|publisher| PublisherOutcome {
            stats: publisher.sender.stats(),
            events: publisher.events.clone(),
            written: publisher.writer.written(),
        });
        let consumers = self.consumers.iter().map(|consumer| ConsumerOutcome {
            stats: consumer.receiver.stats(),
            events: consumer.events.clone(),
            delivered: consumer.reader.delivered,
            last_delivery: consumer.reader.last_delivery,
            overflowed: consumer.process.overflowed,
        });
        Outcome {
            seed: self.config.seed,
            now: self.now,
            publishers: publishers.collect(),
            consumers: consumers.collect(),
        }
    }

    /// Loses every copy for which `filter` says so.
    pub fn lose_where(&mut self, filter: impl FnMut(&Transit) -> bool + 'static) {
        self.network.add_filter(Box::new(filter));
    }

    /// Loses the `nth` copy of a kind (0 is the first), and no other.
    pub fn lose_nth(&mut self, kind: Kind, nth: u64) {
        let mut seen = 0;
        self.lose_where(move |transit| {
            let hit = transit.kind == Some(kind);
            seen += u64::from(hit);
            hit && seen == nth + 1
        });
    }

    /// Takes all filters away.
    pub fn lose_nothing(&mut self) {
        self.network.clear_filters();
    }

    /// The weather from publishers and from consumers, from now on.
    pub fn set_paths(&mut self, down: PathConfig, up: PathConfig) {
        self.config.down = down;
        self.config.up = up;
    }

    /// Cuts a node off from all others, or connects it again. It does not notice.
    pub fn cut(&mut self, node: Node, cut: bool) {
        self.network.set_cut(node, cut);
    }

    /// Stops a process as a whole, or lets it go on; meanwhile frames queue up before it.
    pub fn stop(&mut self, node: Node, stopped: bool) {
        self.process(node).stopped = stopped;
        if !stopped {
            self.serve(node);
        }
    }

    /// Ends a process without a word.
    pub fn kill(&mut self, node: Node) {
        let process = self.process(node);
        process.killed = true;
        process.inbox.clear();
    }

    /// Stops only the application of a consumer from reading, or lets it go on.
    pub fn pause_reading(&mut self, consumer: usize, paused: bool) {
        self.consumers[consumer].reader.set_paused(paused);
        self.serve(Node::Consumer(consumer));
    }

    /// A consumer joins late: what it reads may begin with any message.
    pub fn begins_anywhere(&mut self, consumer: usize) {
        self.consumers[consumer].reader.begins_anywhere();
    }

    /// The bus goes down: what is under way is lost, and so is what is sent.
    pub fn bus_down(&mut self) {
        self.bus_down = true;
        self.network.lose_all();
    }

    /// The bus is there again, and every endpoint is told.
    pub fn bus_up(&mut self) {
        self.bus_down = false;
        for publisher in self.publishers.iter_mut().filter(|one| one.process.runs()) {
            publisher.sender.handle_reconnect(self.now);
        }
        for consumer in self.consumers.iter_mut().filter(|one| one.process.runs()) {
            consumer.receiver.handle_reconnect(self.now);
        }
        self.serve_all();
    }

    /// More messages for a publisher to write.
    pub fn write(&mut self, publisher: usize, sizes: &[usize]) {
        if publisher == 0 {
            self.config.messages.extend_from_slice(sizes);
        }
        self.publishers[publisher].writer.extend(sizes);
        self.serve(Node::Publisher(publisher));
    }

    /// A publisher finishes its stream when it has written everything.
    pub fn finish(&mut self, publisher: usize) {
        self.publishers[publisher].writer.finish();
        self.serve(Node::Publisher(publisher));
    }

    /// A publisher gives up.
    pub fn abort(&mut self, publisher: usize, reason: &str) {
        self.publishers[publisher].sender.abort(reason);
        self.serve(Node::Publisher(publisher));
    }

    /// A consumer gives up.
    pub fn cancel(&mut self, consumer: usize, reason: &str) {
        self.consumers[consumer].receiver.cancel(reason);
        self.serve(Node::Consumer(consumer));
    }

    /// A consumer that confirms explicitly does so, if it is at the end.
    pub fn close(&mut self, consumer: usize) {
        self.consumers[consumer].receiver.close(self.now);
        self.serve(Node::Consumer(consumer));
    }

    /// A publisher's numbers, to make frames that pretend to be its.
    pub fn sender_ids(&self, publisher: usize) -> SenderIds {
        self.publishers[publisher].ids
    }

    /// A consumer's id.
    pub fn consumer_id(&self, consumer: usize) -> PeerId {
        self.consumers[consumer].id
    }

    /// How far every consumer of a publisher is known to hold the stream.
    pub fn acked(&self, publisher: usize) -> Seq {
        self.publishers[publisher].sender.acked()
    }

    /// Puts any frame before a node at once.
    pub fn inject(&mut self, to: Node, frame: Bytes) {
        self.network.arrive(self.now, to, frame);
    }

    fn is_over(&self) -> bool {
        let publishers = self.publishers.iter();
        publishers.into_iter().all(|one| one.process.killed || one.sender.is_over())
            && self.consumers.iter().all(|one| one.process.killed || one.receiver.is_over())
    }

    fn process(&mut self, node: Node) -> &mut Process {
        match node {
            Node::Publisher(index) => &mut self.publishers[index].process,
            Node::Consumer(index) => &mut self.consumers[index].process,
        }
    }

    fn next_at(&self) -> Option<Time> {
        let publishers = self.publishers.iter().filter(|one| one.process.runs());
        let publishers = publishers.flat_map(|one| {
            let app = one.writer.wake_at(self.now).filter(|_| !one.sender.is_over());
            [one.sender.poll_timeout(), app]
        });
        let consumers = self.consumers.iter().filter(|one| one.process.runs());
        let consumers =
            consumers.flat_map(|one| [one.receiver.poll_timeout(), one.reader.wake_at(self.now)]);
        let wakes = publishers.chain(consumers).flatten().min();
        let next = [wakes, self.network.next_arrival_at()].into_iter().flatten().min()?;
        Some(next.max(self.now))
    }

    /// Everything that is due now.
    fn turn(&mut self) {
        self.turns += 1;
        if self.turns > MAX_TURNS {
            self.fail("an endpoint asks again and again to be woken at once");
        }
        while let Some((to, frame)) = self.network.pop_arrival(self.now) {
            let capacity = self.config.subscription_capacity;
            self.process(to).leave(frame, capacity);
            if self.process(to).runs() {
                self.serve(to);
            }
        }
        self.serve_all();
    }

    fn serve_all(&mut self) {
        for index in 0..self.publishers.len() {
            self.serve(Node::Publisher(index));
        }
        for index in 0..self.consumers.len() {
            self.serve(Node::Consumer(index));
        }
    }

    fn serve(&mut self, node: Node) {
        if !self.process(node).runs() {
            return;
        }
        match node {
            Node::Publisher(index) => self.serve_publisher(index),
            Node::Consumer(index) => self.serve_consumer(index),
        }
    }

    fn serve_publisher(&mut self, index: usize) {
        let now = self.now;
        let publisher = &mut self.publishers[index];
        while let Some(frame) = publisher.process.inbox.pop_front() {
            publisher.sender.handle_frame(now, &frame);
        }
        if publisher.sender.poll_timeout().is_some_and(|at| at <= now) {
            publisher.sender.handle_timeout(now);
        }
        loop {
            let publisher = &mut self.publishers[index];
            let wrote = publisher.writer.pump(now, &mut publisher.sender);
            if let Err(what) = wrote {
                self.fail(&what);
            }
            let Some(transmit) = self.publishers[index].sender.poll_transmit(now) else { break };
            self.transmit(Node::Publisher(index), &transmit);
            self.note_turn();
        }
        while let Some(event) = self.publishers[index].sender.poll_event() {
            self.check_sender_event(index, &event);
            self.publishers[index].events.push((now, event));
        }
    }

    fn serve_consumer(&mut self, index: usize) {
        let now = self.now;
        loop {
            let consumer = &mut self.consumers[index];
            while let Some(frame) = consumer.process.inbox.pop_front() {
                consumer.receiver.handle_frame(now, &frame);
            }
            if consumer.receiver.poll_timeout().is_some_and(|at| at <= now) {
                consumer.receiver.handle_timeout(now);
            }
            let read = consumer.reader.pump(now, &mut consumer.receiver, &self.config.messages);
            if let Err(what) = read {
                self.fail(&format!("consumer {index}: {what}"));
            }
            let consumer = &mut self.consumers[index];
            if consumer.config.confirm_end == ConfirmEnd::WhenRead {
                consumer.receiver.close(now);
            }
            let Some(transmit) = consumer.receiver.poll_transmit(now) else { break };
            self.transmit(Node::Consumer(index), &transmit);
            self.note_turn();
        }
        while let Some(event) = self.consumers[index].receiver.poll_event() {
            if event == ReceiverEvent::Ended {
                self.check_has_all(index, "was told of the end");
            }
            self.consumers[index].events.push((now, event));
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
            if let Err(what) = self.checker.check(from, transmit.to, frame) {
                self.fail(&what);
            }
            self.note_join(transmit.to, frame.header.kind, frame.header.session);
        }
        let path = match from {
            Node::Publisher(_) => self.config.down,
            Node::Consumer(_) => self.config.up,
        };
        for to in self.addressees(transmit.to) {
            let header = opened.as_ref().map(|frame| frame.header);
            let transit = Transit {
                at: self.now,
                from,
                to,
                kind: header.map(|header| header.kind),
                seq: header.map_or(0, |header| header.seq.get()),
                direct: matches!(transmit.to, Dest::Peer(_)),
            };
            self.checker.note_transit(transit);
            if !self.bus_down {
                self.network.send(&transit, &path, &transmit.frame);
            }
        }
    }

    fn note_join(&mut self, to: Dest, kind: Kind, session: SessionId) {
        if let (Dest::Peer(id), Kind::SynAck) = (to, kind)
            && let Some(consumer) = self.consumers.iter().find(|consumer| consumer.id == id)
        {
            let config = &consumer.config;
            self.checker.joins(session, id, config.window_frames, config.window_bytes);
        }
    }

    /// As the bus does, a publisher hears what it says on a subject that it listens to.
    fn addressees(&self, to: Dest) -> Vec<Node> {
        let publishers = self.publishers.iter().enumerate();
        let consumers = self.consumers.iter().enumerate();
        match to {
            Dest::Publisher => publishers.map(|(index, _)| Node::Publisher(index)).collect(),
            Dest::Group => consumers.map(|(index, _)| Node::Consumer(index)).collect(),
            Dest::Peer(id) => {
                let inboxes = publishers.filter(|(_, one)| one.ids.inbox == id);
                let inboxes = inboxes.map(|(index, _)| Node::Publisher(index));
                let peers = consumers.filter(|(_, one)| one.id == id);
                inboxes.chain(peers.map(|(index, _)| Node::Consumer(index))).collect()
            }
        }
    }

    fn check_sender_event(&mut self, index: usize, event: &SenderEvent) {
        match event {
            SenderEvent::Finished { name } => {
                if let Some(consumer) = self.named(name) {
                    self.check_has_all(consumer, "was reported to have finished");
                }
            }
            SenderEvent::Lost { name, .. } => {
                if let Some(consumer) = self.named(name) {
                    let session = self.publishers[index].ids.session;
                    self.checker.forget(session, self.consumers[consumer].id);
                }
            }
            _ => {}
        }
    }

    /// Reports name a consumer by its name and, in brackets, its id.
    fn named(&self, display: &str) -> Option<usize> {
        self.consumers.iter().position(|one| display.contains(&one.id.to_string()))
    }

    fn check_has_all(&self, consumer: usize, what: &str) {
        if !self.consumers[consumer].reader.has_all(self.config.messages.len()) {
            self.fail(&format!("consumer {consumer} {what}, and had not read everything"));
        }
        let stats = self.consumers[consumer].receiver.stats();
        if stats.peak_queued_frames > self.consumers[consumer].config.window_frames {
            self.fail(&format!("consumer {consumer} held more than its window: {stats:?}"));
        }
    }

    fn fail(&self, what: &str) -> ! {
        let at = self.now.since(Time::ZERO);
        let recent = self.checker.recent();
        panic!("seed {} at {at:?}: {what}\n{recent}{}", self.config.seed, self.outcome());
    }
}
