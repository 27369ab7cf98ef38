//! Endpoints, applications, network and clock together.

mod checks;
mod interfere;
mod quorum;
mod run;

use std::collections::VecDeque;
use std::fmt;

use self::quorum::Quorum;
use super::app::{Reader, Writer};
use super::checker::Checker;
use super::network::{Network, Parcel};
use super::{ConsumerOutcome, Node, Outcome, PublisherOutcome, SimConfig};
use crate::config::{ConfirmEnd, PublishConfig, SubscribeConfig};
use crate::proto::{Receiver, ReceiverEvent, Sender, SenderEvent, SenderIds};
use crate::time::Time;
use crate::wire::{Credit, PeerId, Sealer, Seq, SessionId};

struct Publisher {
    sender: Sender,
    ids: SenderIds,
    config: PublishConfig,
    writer: Writer,
    events: Vec<(Time, SenderEvent)>,
    /// Those before are of an earlier process.
    first_event: usize,
    process: Process,
    /// What was handed over of each consumer's.
    heard: Vec<Heard>,
    quorum: Quorum,
}

impl Publisher {
    fn knows_finished(&self, consumer: &Consumer) -> bool {
        let id = consumer.id.to_string();
        self.events[self.first_event..]
            .iter()
            .any(|(_, event)| matches!(event, SenderEvent::Finished { name } if name.contains(&id)))
    }
}

/// What was handed to a publisher of a consumer's.
#[derive(Debug, Clone, Copy, Default)]
struct Heard {
    /// When that was, by the publisher's clock.
    at: Option<Time>,
    /// The most that it reported to hold and to allow ...
    most: (Seq, Credit),
    /// ... and when it last became more.
    got_on_at: Time,
}

struct Consumer {
    receiver: Receiver,
    id: PeerId,
    config: SubscribeConfig,
    reader: Reader,
    events: Vec<(Time, ReceiverEvent)>,
    process: Process,
    /// The session that it was let into first.
    session: Option<SessionId>,
    /// When something of that session was last handed over, by its clock.
    heard: Option<Time>,
    /// What it was called before it was started again.
    former_ids: Vec<PeerId>,
    /// It confirms the end as soon as it is there: see [`World::confirm_end`].
    confirms: bool,
}

impl Consumer {
    /// Whether the stream has to wait for it.
    fn counts(&self, config: &PublishConfig) -> bool {
        config.tag.as_ref().is_none_or(|tag| *tag == self.config.tag)
    }

    fn is_gone(&self) -> bool {
        self.process.killed || self.receiver.is_over()
    }
}

/// What a process that is not running leaves lying.
#[derive(Default)]
struct Process {
    stopped: bool,
    killed: bool,
    inbox: VecDeque<Parcel>,
    overflowed: u64,
    /// The bus went away and is there again, and it has not been told yet.
    reconnected: bool,
    /// When it wants to be woken next.
    wake_at: Option<Time>,
    /// How often it was started again.
    life: u32,
}

impl Process {
    /// Another takes the place of one that died.
    fn start_again(&mut self, now: Time) {
        *self = Process { wake_at: Some(now), life: self.life + 1, ..Process::default() };
    }

    fn runs(&self) -> bool {
        !self.stopped && !self.killed
    }

    /// Says whether there was room.
    fn leave(&mut self, parcel: Parcel, capacity: usize) -> bool {
        if self.killed {
            return true;
        }
        let alike = |queued: &&Parcel| queued.direct == parcel.direct;
        let room =
            self.inbox.len() < capacity || self.inbox.iter().filter(alike).count() < capacity;
        match room {
            true => self.inbox.push_back(parcel),
            false => self.overflowed += 1,
        }
        room
    }
}

/// What became of the frames so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Traffic {
    /// Copies of frames that were sent: one to each addressee.
    pub copies: u64,
    /// Copies that were lost on the way.
    pub lost: u64,
    /// Copies that were damaged on the way.
    pub damaged: u64,
    /// Copies that arrived before a process that had no room left.
    pub overflowed: u64,
}

/// Is told of everything that happens.
type Tracer = Box<dyn FnMut(&str)>;

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
    tracer: Option<Tracer>,
    overflowed: u64,
    /// See [`World::heal`].
    healed_at: Option<Time>,
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
            tracer: None,
            overflowed: 0,
            healed_at: None,
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
        let mut sender = match Sender::new(config.clone(), ids, self.local_now()) {
            Ok(sender) => sender,
            Err(error) => panic!("seed {}: {error}", self.config.seed),
        };
        if self.config.rewindable {
            sender.set_rewindable();
        }
        self.publishers.push(Publisher {
            sender,
            ids,
            config,
            writer: Writer::new(&self.config),
            events: Vec::new(),
            first_event: 0,
            process: Process { wake_at: Some(self.now), ..Process::default() },
            heard: vec![Heard::default(); self.consumers.len()],
            quorum: Quorum::default(),
        });
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
        let receiver = match Receiver::new(config.clone(), id, capacity, self.local_now()) {
            Ok(receiver) => receiver,
            Err(error) => panic!("seed {}: {error}", self.config.seed),
        };
        self.consumers.push(Consumer {
            receiver,
            id,
            reader: Reader::new(self.config.read_interval, config.max_message_bytes),
            confirms: config.confirm_end == ConfirmEnd::WhenRead,
            config,
            events: Vec::new(),
            process: Process { wake_at: Some(self.now), ..Process::default() },
            session: None,
            heard: None,
            former_ids: Vec::new(),
        });
        for publisher in &mut self.publishers {
            publisher.heard.push(Heard::default());
        }
        Node::Consumer(index)
    }

    /// Tells `sink` of everything that happens, a line each: what is sent and what becomes of it, what is
    /// handed over, what is read, every event. The same seed gives the same lines.
    pub fn trace_to(&mut self, sink: impl FnMut(&str) + 'static) {
        self.tracer = Some(Box::new(sink));
    }

    /// Puts a line into the trace.
    pub fn note(&mut self, what: fmt::Arguments<'_>) {
        if let Some(sink) = &mut self.tracer {
            let ns = self.now.as_nanos();
            sink(&format!("{:4}.{:09} {what}", ns / 1_000_000_000, ns % 1_000_000_000));
        }
    }

    /// The simulated time.
    pub fn now(&self) -> Time {
        self.now
    }

    /// What a process reads off its clock: see [`SimConfig::clock_step`].
    fn local_now(&self) -> Time {
        let step = self.config.clock_step.as_nanos() as u64;
        let ns = self.now.as_nanos();
        Time::from_nanos(ns - ns.checked_rem(step).unwrap_or(0))
    }

    /// When a process's clock will show `at` or later.
    fn true_time(&self, at: Time) -> Time {
        let step = self.config.clock_step.as_nanos() as u64;
        match step {
            0 => at,
            _ => Time::from_nanos(at.as_nanos().div_ceil(step).saturating_mul(step)),
        }
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

    /// What became of the frames so far.
    pub fn traffic(&self) -> Traffic {
        let Network { copies, lost, damaged, .. } = self.network;
        Traffic { copies, lost, damaged, overflowed: self.overflowed }
    }

    /// Grows whenever the stream gets on: a frame is sent for the first time, held by all or read, or an
    /// endpoint has something to tell. Questions and repeats do not count.
    pub fn progress(&self) -> u64 {
        let publishers = self.publishers.iter().map(|one| {
            one.sender.sent().get() + one.sender.acked().get() + one.events.len() as u64
        });
        let consumers =
            self.consumers.iter().map(|one| one.reader.frames + one.events.len() as u64);
        publishers.chain(consumers).sum()
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

    /// Whether enough consumers have joined for data to flow.
    pub fn has_started(&self, publisher: usize) -> bool {
        self.publishers[publisher].sender.has_started()
    }

    /// Whether nothing more is to come: the publishers have ended, or wait for more consumers than there
    /// are, and so has every consumer, or it waits for a publisher that is through.
    pub fn is_settled(&self) -> bool {
        let ended = |one: &Publisher| one.process.killed || one.sender.is_over();
        let all_ended = self.publishers.iter().all(ended);
        let waits = |one: &Publisher| {
            let mut counting =
                self.consumers.iter().filter(|consumer| consumer.counts(&one.config));
            if one.sender.has_started() {
                // It was told to go on without any. Whoever is known to have finished is still with it.
                let out = |consumer: &Consumer| consumer.is_gone() && !one.knows_finished(consumer);
                return one.config.quorum() == 0 && counting.all(out);
            }
            counting.filter(|consumer| !consumer.is_gone()).count() < one.config.min_consumers
        };
        if !all_ended {
            return self.publishers.iter().all(|one| ended(one) || waits(one));
        }
        self.consumers.iter().all(|one| one.is_gone() || !one.receiver.is_connected())
    }

    /// Whether an endpoint has ended whose peers do not all know it yet: only silence can tell them.
    pub fn someone_is_missed(&self) -> bool {
        let over = self.publishers.iter().all(|one| one.process.killed || one.sender.is_over());
        let known = |consumer: &Consumer| {
            let id = consumer.id.to_string();
            self.publishers.iter().any(|publisher| {
                // A late copy of its SYN can have let it in again since it was lost.
                let member = self.checker.is_member(publisher.ids.session, consumer.id);
                publisher.events.iter().any(|(_, event)| match event {
                    SenderEvent::Finished { name } => name.contains(&id),
                    SenderEvent::Lost { name, .. } => !member && name.contains(&id),
                    _ => false,
                })
            })
        };
        over || self.consumers.iter().any(|one| one.is_gone() && !known(one)) || self.has_ghosts()
    }

    /// Whether a publisher still counts on a consumer that was started again under another id.
    fn has_ghosts(&self) -> bool {
        let ghosts: Vec<u64> =
            self.consumers.iter().flat_map(|one| &one.former_ids).map(|id| id.0).collect();
        !ghosts.is_empty()
            && self.publishers.iter().any(|publisher| {
                let known = publisher.sender.stats().consumers;
                known.iter().any(|one| !one.finished && ghosts.contains(&one.id))
            })
    }

    /// Whether an endpoint's process was ended, or its session is over.
    pub fn has_ended(&self, node: Node) -> bool {
        match node {
            Node::Publisher(index) => {
                let one = &self.publishers[index];
                one.process.killed || one.sender.is_over()
            }
            Node::Consumer(index) => self.consumers[index].is_gone(),
        }
    }

    /// Whether a process was ended without a word, and not started again.
    pub fn was_killed(&mut self, node: Node) -> bool {
        self.process(node).killed
    }

    /// Whether all publishers have sent all that they were given.
    pub fn has_sent_all(&self) -> bool {
        self.publishers.iter().all(|one| one.writer.has_sent_all(&one.sender))
    }

    /// Whether the application of a consumer whose session goes on hangs: see [`World::hang`].
    pub fn has_hung(&self) -> bool {
        self.consumers.iter().any(|one| one.reader.is_hung() && !one.is_gone())
    }

    fn process(&mut self, node: Node) -> &mut Process {
        match node {
            Node::Publisher(index) => &mut self.publishers[index].process,
            Node::Consumer(index) => &mut self.consumers[index].process,
        }
    }
}
