//! Whole runs that follow from one number: a [`Plan`] draws every option and disturbance from its
//! seed, runs them, and checks the end.
//!
//! Which features a seed has at all is drawn first, and only then how strong each is. Runs that
//! lack some features reach states that a run with a little of everything does not (A. Groce and
//! others, "Swarm Testing", ISSTA 2012).
//!
//! A run has two parts. In the first, the paths have faults, and processes stop, pause, are cut
//! off, join, leave, or die and are started again. Only safety is checked there: the rules that
//! [`super`] lists. Then everything heals, and progress is demanded: within every [`STALL_RTOS`]
//! retransmission time-outs, until the stream is complete or an error says why it is not. An
//! application that hangs does not heal. The stream may wait for it only as long as the policy
//! says, or if nothing but its end is left.
//!
//! ```
//! use swp_fast::sim::swarm::{End, Plan};
//!
//! let outcome = Plan::draw(1).run();
//! assert_eq!(outcome.end, End::Complete);
//! ```

mod draw;
mod drive;
mod feature;

use std::fmt;
use std::time::Duration;

use super::{Node, ReadAs, SimConfig, Traffic};

pub use feature::Feature;

/// Once all has healed, the stream makes progress within this many retransmission time-outs: one
/// for a probe that was put off as long as any is, and one for its ack and the retransmission that
/// follows from it.
pub const STALL_RTOS: u32 = 2;

/// One thing that is done to a world.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Action {
    /// Cuts a node off, or connects it again.
    Cut(Node, bool),
    /// Stops a process, or lets it run again.
    Stop(Node, bool),
    /// Stops a consumer's application from reading, or lets it read again.
    Pause(usize, bool),
    /// The bus goes down, and all copies on their way are lost.
    BusDown,
    /// The bus is up again.
    BusUp,
    /// A consumer starts.
    Join,
    /// A consumer's application stops reading, and does not heal. The application reads again once
    /// the stream waits for nothing else.
    Hang(usize),
    /// A consumer leaves.
    Cancel(usize),
    /// The publisher aborts.
    Abort,
    /// A consumer's process dies, and another resumes where its application was.
    Restart(usize),
    /// The publisher's state is kept ...
    KeepState,
    /// ... its process dies ...
    KillPublisher,
    /// ... and another continues from the state that was kept last.
    RestartPublisher,
}

/// All that a seed decides.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Plan {
    /// The world, with the faults of its paths before everything heals.
    pub config: SimConfig,
    /// What this seed has.
    pub features: Vec<Feature>,
    /// The tag of each of the first consumers. Consumers that join late have the tag of `config`.
    pub tags: Vec<String>,
    /// How each of the first consumers reads, and the time that it takes for a frame.
    pub readers: Vec<(ReadAs, Duration)>,
    /// What is done, and when after the start, in order.
    pub actions: Vec<(Duration, Action)>,
    /// When everything heals.
    pub heal_at: Duration,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum End {
    /// Every consumer has the whole stream, and the publisher knows.
    Complete,
    /// A peer was lost or refused, as the configuration has it, and an error or event said so.
    Incomplete,
    /// The publisher waits for more consumers than are left, as it was told to.
    Waiting,
}

/// The result of a run.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Report {
    /// The seed.
    pub seed: u64,
    /// How the run ended.
    pub end: End,
    /// The simulated time.
    pub simulated: Duration,
    /// Data frames sent for the first time.
    pub frames: u64,
    /// Data frames retransmitted.
    pub retransmits: u64,
    /// What became of all frames.
    pub traffic: Traffic,
    /// The longest time without progress after everything had healed, while no endpoint was missed.
    pub longest_stall: Duration,
    /// The bound of `longest_stall`: [`STALL_RTOS`] retransmission time-outs and the applications'
    /// own pauses.
    pub stall_bound: Duration,
}

impl Plan {
    /// Whether this seed has a feature.
    pub fn has(&self, feature: Feature) -> bool {
        self.features.contains(&feature)
    }

    /// Runs the plan.
    ///
    /// # Panics
    /// If a rule is broken: see [`super`] and the [module](self).
    pub fn run(&self) -> Report {
        drive::run(self, None)
    }

    /// Runs the plan, and tells `sink` of everything that happens: see [`super::World::trace_to`].
    ///
    /// # Panics
    /// As [`Self::run`].
    pub fn run_traced(&self, sink: impl FnMut(&str) + 'static) -> Report {
        drive::run(self, Some(Box::new(sink)))
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let config = &self.config;
        let names: Vec<&str> = self.features.iter().map(|feature| feature.name()).collect();
        writeln!(f, "seed {}: {}", config.seed, names.join(", "))?;
        writeln!(f, "  down {:?}", config.down)?;
        writeln!(f, "  up {:?}", config.up)?;
        writeln!(f, "  {:?}", config.publish)?;
        writeln!(f, "  {} consumers, {:?}", config.consumers, config.subscribe)?;
        let sizes = (config.messages.iter().min(), config.messages.iter().max());
        let (least, most) = (sizes.0.copied().unwrap_or(0), sizes.1.copied().unwrap_or(0));
        let (count, every) = (config.messages.len(), config.write_interval);
        writeln!(f, "  {count} messages of {least} to {most} bytes, one every {every:?}")?;
        writeln!(f, "  {:?}", config.app)?;
        writeln!(f, "  tags {:?}, read {:?}", self.tags, self.readers)?;
        let (queue, step) = (config.subscription_capacity, config.clock_step);
        writeln!(f, "  queues of {queue} frames, clock in steps of {step:?}")?;
        for (at, action) in &self.actions {
            writeln!(f, "  at {at:?}: {action:?}")?;
        }
        write!(f, "  all heals at {:?}", self.heal_at)
    }
}
