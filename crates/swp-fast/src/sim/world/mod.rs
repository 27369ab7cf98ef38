//! Endpoints, applications, network and clock together.

mod checks;
mod interfere;
mod observe;
mod process;
mod quorum;
mod run;
mod serve;

use std::fmt;

use self::process::Process;
use self::quorum::Quorum;
use super::app::{PublishApp, Reader};
use super::checker::Checker;
use super::network::Network;
use super::{Node, SimConfig};
use crate::config::{ConfirmEnd, PublishConfig, SubscribeConfig};
use crate::proto::{Position, Receiver, ReceiverEvent, Sender, SenderEvent, SenderIds};
use crate::time::Time;
use crate::wire::{Credit, PeerId, Sealer, Seq, SessionId};

/// A publisher's process and its application.
struct Publisher {
    sender: Sender,
    ids: SenderIds,
    config: PublishConfig,
    app: PublishApp,
    events: Vec<(Time, SenderEvent)>,
    /// Events before this one are of an earlier process.
    first_event: usize,
    process: Process,
    /// For each consumer, what the publisher has heard of it.
    heard: Vec<Heard>,
    quorum: Quorum,
    /// The positions that the sender told last: sent, and acked.
    told: (Position, Position),
}

impl Publisher {
    fn knows_finished(&self, consumer: &Consumer) -> bool {
        let id = consumer.id.to_string();
        self.events[self.first_event..]
            .iter()
            .any(|(_, event)| matches!(event, SenderEvent::Finished { name } if name.contains(&id)))
    }

    fn is_gone(&self) -> bool {
        self.process.killed || self.sender.is_over()
    }
}

/// What was handed to a publisher of one consumer's frames.
#[derive(Debug, Clone, Copy, Default)]
struct Heard {
    /// When the last frame was, by the publisher's clock.
    at: Option<Time>,
    /// The highest cumulative ack and credit ...
    most: (Seq, Credit),
    /// ... and when either last rose.
    rose_at: Time,
}

/// A consumer's process and its application.
struct Consumer {
    receiver: Receiver,
    id: PeerId,
    config: SubscribeConfig,
    reader: Reader,
    events: Vec<(Time, ReceiverEvent)>,
    process: Process,
    /// The session that the consumer was let into first.
    session: Option<SessionId>,
    /// When a frame of that session was last handed over, by the consumer's clock.
    heard: Option<Time>,
    /// The ids of the earlier processes of this consumer.
    former_ids: Vec<PeerId>,
    /// The application confirms the end as soon as it is there: see [`World::confirm_end`].
    confirms: bool,
}

impl Consumer {
    /// Returns true if the stream has to wait for the consumer.
    fn counts(&self, config: &PublishConfig) -> bool {
        config.tag.as_ref().is_none_or(|tag| *tag == self.config.tag)
    }

    fn is_gone(&self) -> bool {
        self.process.killed || self.receiver.is_over()
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
    /// Copies that arrived at a process whose queue was full.
    pub overflowed: u64,
}

/// Receives every line of a trace.
type Tracer = Box<dyn FnMut(&str)>;

/// See the [module](super).
///
/// Call order: a constructor; `add_*`; then any of [`Self::run`], [`Self::run_for`] and the calls
/// that interfere, in any order. Each method panics, naming the seed, if a rule of the protocol is
/// broken.
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
    /// If a configuration cannot work.
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
        let app = match PublishApp::new(&self.config, &config) {
            Ok(app) => app,
            Err(refused) => panic!("seed {}: the packer refused: {refused:?}", self.config.seed),
        };
        self.publishers.push(Publisher {
            sender,
            ids,
            config,
            app,
            events: Vec::new(),
            first_event: 0,
            process: Process::starting_at(self.now),
            heard: vec![Heard::default(); self.consumers.len()],
            quorum: Quorum::default(),
            told: Default::default(),
        });
        Node::Publisher(self.publishers.len() - 1)
    }

    /// Starts another consumer. If `config` gives it no name, that is "c" and its number.
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
            reader: Reader::new(self.config.app.read_as, self.config.read_interval),
            confirms: config.confirm_end == ConfirmEnd::WhenRead,
            config,
            events: Vec::new(),
            process: Process::starting_at(self.now),
            session: None,
            heard: None,
            former_ids: Vec::new(),
        });
        for publisher in &mut self.publishers {
            publisher.heard.push(Heard::default());
        }
        Node::Consumer(index)
    }

    /// Tells `sink` of everything that happens, a line each: what is sent and what becomes of it,
    /// what is handed over, what is read, every event. The same seed gives the same lines.
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

    fn process(&mut self, node: Node) -> &mut Process {
        match node {
            Node::Publisher(index) => &mut self.publishers[index].process,
            Node::Consumer(index) => &mut self.consumers[index].process,
        }
    }

    /// Ends the run.
    pub(in crate::sim) fn fail(&self, what: &str) -> ! {
        let at = self.now.since(Time::ZERO);
        let recent = self.checker.recent();
        panic!("seed {} at {at:?}: {what}\n{recent}{}", self.config.seed, self.outcome());
    }
}
