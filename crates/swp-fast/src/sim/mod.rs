//! A seeded network, a clock that jumps, applications and a checker: the protocol, and code built
//! on it, run through hours of faults in a second, and the same seed gives the same run.
//!
//! ```text
//!   application -> Packer -> Sender <--> Network <--> Receiver -> application
//!                             (loss, bursts, jitter, reordering, duplicates, damage, cuts)
//!                                           |
//!                    Checker (knows the rules, not the code)
//! ```
//!
//! A [`World`] holds one publisher and its consumers, and more of both when asked. A test sets it
//! up, lets time pass with [`World::run`], interferes, and looks at the [`Outcome`]:
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
//! These rules are checked at every step, from outside of the code under test. A broken rule ends
//! the run with a panic that names the seed and shows the last frames:
//!
//! - the messages delivered are a prefix of the messages accepted, in the order of acceptance, from
//!   the beginning of the stream or, after a late join, from the first message that begins at the
//!   join or behind it;
//! - the frames that an application has consumed hold exactly the messages that it was given;
//! - no frame is sent beyond the credit, out of order, or retransmitted before it was sent, a frame
//!   that is sent again has the same body, and credit never shrinks;
//! - the frames queued before an application never exceed its window, in frames or bytes, and the
//!   data of a stream always fits the queue of its only consumer;
//! - an ACK covers only frames that the network handed over, and a FIN-ACK only frames that were
//!   read;
//! - a publisher retains no more than its bounds, and releases a frame only when all peers hold the
//!   frame;
//! - the positions that a publisher tells never go back, and an acked position covers only messages
//!   that all peers were handed whole;
//! - an end is told only when it was reached, and a peer is timed out only after the silence that
//!   was agreed on;
//! - no deadline lies in the past once an endpoint was served, and none spins.
//!
//! [`swarm`] draws whole runs from a seed, and demands progress as well.

mod app;
mod checker;
mod frames;
mod network;
mod outcome;
mod path;
pub mod swarm;
mod world;

use std::fmt;
use std::time::Duration;

pub use app::{AppConfig, ReadAs, message};
pub use network::Transit;
pub use outcome::{ConsumerOutcome, Outcome, PublisherOutcome};
pub use path::{Burst, PathConfig};
pub use world::{Traffic, World};

use crate::config::{PublishConfig, SubscribeConfig};

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
    /// Every decision of chance follows from the seed.
    pub seed: u64,
    /// The path from publishers, to consumers and to each other.
    pub down: PathConfig,
    /// The path from consumers to publishers.
    pub up: PathConfig,
    /// How the first publisher publishes. The claim of the stream is switched off unless set again.
    pub publish: PublishConfig,
    /// How the first consumers consume.
    pub subscribe: SubscribeConfig,
    /// The consumers at the start. Default 1.
    pub consumers: usize,
    /// The sizes of the messages to be sent, in bytes.
    pub messages: Vec<usize>,
    /// Message n is offered no earlier than n times this after the start. Default zero.
    pub write_interval: Duration,
    /// The stream is finished when the last message was written. Default true.
    pub finish: bool,
    /// The time that each consumer's application takes for a frame. Default zero.
    pub read_interval: Duration,
    /// The frames that the bus queues for a process, in messages. A frame beyond that is lost and
    /// counted. Default 65,536.
    pub subscription_capacity: usize,
    /// Clocks move in steps of this. Zero means that they are exact. Every process reads the same
    /// clock. Default zero.
    pub clock_step: Duration,
    /// The publisher sends blocks of a capture that can be read again: see
    /// [`crate::config::LateJoin::FromStart`]. Default false.
    pub rewindable: bool,
    /// What the applications do.
    pub app: AppConfig,
}

impl SimConfig {
    /// One publisher without a claim, one consumer, a clean path, and no messages.
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
            app: AppConfig::default(),
        }
    }
}
