//! A seeded network, a clock that jumps, applications and a checker: the protocol, and code built on
//! it, run through hours of bad weather in a second, and the same seed gives the same run.
//!
//! ```text
//!   Writer -> Sender <-> Network (loss, bursts, jitter, reorder, duplicates, damage, cuts) <-> Receiver -> Reader
//!                            |                                                              |
//!                            +----------------> Checker (knows the rules, not the code) <---+
//! ```
//!
//! A [`World`] holds one publisher and its consumers, and more of both when asked. A test sets it up,
//! lets time pass with [`World::run`], interferes, and looks at the [`Outcome`]:
//!
//! ```
//! use std::time::Duration;
//! use swp_fast::sim::{PathConfig, SimConfig, World};
//!
//! let mut config = SimConfig::new(7);
//! config.messages = vec![100; 1_000];
//! config.down = PathConfig { loss: 0.05, ..PathConfig::default() };
//! let mut world = World::new(config);
//! let outcome = world.run(Duration::from_secs(30));
//! assert!(outcome.is_complete(), "{outcome}");
//! assert_eq!(outcome.consumers[0].delivered, 1_000);
//! ```
//!
//! What is checked at every step, from outside of the code under test, and ends the run with a panic that
//! names the seed and shows the last frames:
//!
//! - what is delivered is an exact prefix of what was sent, from the beginning, or, after a late join,
//!   from the first message that begins there;
//! - no frame is sent beyond the credit, before its turn, or repeated before it was sent; credit is never
//!   taken back;
//! - what lies before an application never exceeds its window, in frames or bytes, and its data always
//!   finds room in the queue of a stream's only consumer;
//! - an ACK covers only what the network handed over, and a FIN-ACK what the application has read;
//! - a publisher retains no more than its bounds, and lets go of a frame only when all members hold it;
//! - an end is reported only when it was reached, and a peer is given up only after the silence that was
//!   agreed on;
//! - no deadline lies in the past once an endpoint was served, and none spins.
//!
//! [`swarm`] draws whole runs from a seed, and demands progress as well.

mod app;
mod checker;
mod network;
mod path;
pub mod swarm;
mod world;

use std::fmt;
use std::time::Duration;

pub use app::message;
pub use network::Transit;
pub use path::{Burst, PathConfig};
pub use world::{Traffic, World};

use crate::config::{PublishConfig, SubscribeConfig};
use crate::proto::{PublisherStats, ReceiverEvent, SenderEvent, SubscriberStats};
use crate::time::Time;

/// One of the endpoints, counted from 0 in the order in which they were added.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Node {
    /// A publisher.
    Publisher(usize),
    /// A consumer.
    Consumer(usize),
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Node::Publisher(index) => write!(f, "P{index}"),
            Node::Consumer(index) => write!(f, "C{index}"),
        }
    }
}

/// What a [`World`] starts with.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SimConfig {
    /// Every decision of chance follows from it.
    pub seed: u64,
    /// From publishers, to consumers and to each other.
    pub down: PathConfig,
    /// From consumers to publishers.
    pub up: PathConfig,
    /// How the first publisher publishes. The claim of the stream is switched off unless set again.
    pub publish: PublishConfig,
    /// How the first consumers consume.
    pub subscribe: SubscribeConfig,
    /// How many there are at first. Default 1.
    pub consumers: usize,
    /// The sizes of the messages to be written, in bytes, in order.
    pub messages: Vec<usize>,
    /// Message n is written no earlier than n times this after the start. Default zero.
    pub write_interval: Duration,
    /// The stream is finished when the last message was written. Default true.
    pub finish: bool,
    /// What each consumer's application takes for a frame. Default zero.
    pub read_interval: Duration,
    /// What the bus queues for a consumer that does not take its frames, in messages. What exceeds it
    /// is lost and counted. Default 65,536.
    pub subscription_capacity: usize,
    /// Clocks move in steps of this; zero means that they are exact. Every process reads the same clock.
    /// Default zero.
    pub clock_step: Duration,
    /// What a publisher wrote can be read again: see [`crate::config::LateJoin::FromStart`]. Default false.
    pub rewindable: bool,
}

impl SimConfig {
    /// One publisher without a claim, one consumer, a clean path, and nothing to say.
    pub fn new(seed: u64) -> SimConfig {
        SimConfig {
            seed,
            down: PathConfig::default(),
            up: PathConfig::default(),
            publish: PublishConfig { claim_timeout: Duration::ZERO, ..PublishConfig::default() },
            subscribe: SubscribeConfig::default(),
            consumers: 1,
            messages: Vec::new(),
            write_interval: Duration::ZERO,
            finish: true,
            read_interval: Duration::ZERO,
            subscription_capacity: 65_536,
            clock_step: Duration::ZERO,
            rewindable: false,
        }
    }
}

/// How things stood when a run ended.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Outcome {
    /// The world's seed.
    pub seed: u64,
    /// The simulated time.
    pub now: Time,
    /// Each publisher.
    pub publishers: Vec<PublisherOutcome>,
    /// Each consumer.
    pub consumers: Vec<ConsumerOutcome>,
}

/// A publisher's part of an [`Outcome`].
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct PublisherOutcome {
    /// Its counters.
    pub stats: PublisherStats,
    /// All its events so far, each with its time.
    pub events: Vec<(Time, SenderEvent)>,
    /// Messages written so far.
    pub written: u64,
}

/// A consumer's part of an [`Outcome`].
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ConsumerOutcome {
    /// Its counters.
    pub stats: SubscriberStats,
    /// All its events so far, each with its time.
    pub events: Vec<(Time, ReceiverEvent)>,
    /// Messages delivered to its application.
    pub delivered: u64,
    /// When the last of them was.
    pub last_delivery: Time,
    /// Frames that the bus dropped for it because it did not take them.
    pub overflowed: u64,
}

impl Outcome {
    /// Whether the first publisher closed, and every consumer ended, in peace.
    pub fn is_complete(&self) -> bool {
        let publisher = self.publishers.first();
        let closed =
            publisher.is_some_and(|publisher| publisher.has(|event| *event == SenderEvent::Closed));
        closed
            && self.consumers.iter().all(|consumer| {
                consumer.overflowed == 0 && consumer.has(|event| *event == ReceiverEvent::Ended)
            })
    }

    /// Data frames that the first publisher repeated.
    pub fn retransmits(&self) -> u64 {
        self.publishers.first().map_or(0, |publisher| publisher.stats.retransmits)
    }
}

impl PublisherOutcome {
    /// Whether an event like this happened.
    pub fn has(&self, like: impl Fn(&SenderEvent) -> bool) -> bool {
        self.events.iter().any(|(_, event)| like(event))
    }
}

impl ConsumerOutcome {
    /// Whether an event like this happened.
    pub fn has(&self, like: impl Fn(&ReceiverEvent) -> bool) -> bool {
        self.events.iter().any(|(_, event)| like(event))
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "seed {} at {:?}", self.seed, self.now.since(Time::ZERO))?;
        for publisher in &self.publishers {
            writeln!(f, "  publisher wrote {}: {:?}", publisher.written, publisher.events)?;
            writeln!(f, "    {:?}", publisher.stats)?;
        }
        for consumer in &self.consumers {
            writeln!(f, "  consumer got {}: {:?}", consumer.delivered, consumer.events)?;
            writeln!(f, "    overflowed {}, {:?}", consumer.overflowed, consumer.stats)?;
        }
        Ok(())
    }
}
