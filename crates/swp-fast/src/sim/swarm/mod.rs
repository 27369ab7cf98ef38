//! Whole runs that follow from one number: a [`Plan`] draws every option and disturbance from its seed,
//! runs them, and checks the end.
//!
//! Which features a seed has at all is drawn first, and only then how strong each is. Runs that lack
//! some features reach states that a run with a little of everything does not (A. Groce and others, "Swarm
//! Testing", ISSTA 2012).
//!
//! A run has two parts. In the first there is weather, and processes stop, pause, are cut off, join, give up,
//! or die and are started again, and only safety is checked: what [`super`] lists. Then everything heals, and
//! what is demanded is progress: some within [`STALL_RTOS`] retransmission time-outs, again and again, until
//! the stream is complete or somebody says why it is not. An application that hangs does not heal: the stream
//! may wait for it only as long as the policy says, or where nothing but its end is left.
//!
//! ```
//! use swp_fast::sim::swarm::{End, Plan};
//!
//! let report = Plan::draw(1).run();
//! assert_eq!(report.end, End::Complete);
//! ```

mod draw;
mod drive;

use std::fmt;
use std::time::Duration;

use super::{Node, SimConfig, Traffic};

/// Once all is well, the stream gets on within this many retransmission time-outs: one for a question that was
/// put off as long as any is, and one for its answer and the repair that follows from it.
pub const STALL_RTOS: u32 = 2;

/// What a seed may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
#[expect(missing_docs, reason = "each has its name in `Feature::name`, in full")]
pub enum Feature {
    LongWay,
    Jitter,
    LossDown,
    LossUp,
    Burst,
    Duplicate,
    Reorder,
    Corrupt,
    CoarseClock,
    Partition,
    Reconnect,
    StopPublisher,
    StopConsumer,
    PauseReading,
    LongOutage,
    LateJoin,
    ManyConsumers,
    EarlyStart,
    Keyed,
    Crc32c,
    NoDigest,
    SmallWindow,
    SmallByteWindow,
    SmallRetention,
    TightQueue,
    LargeMessages,
    PacedWriter,
    SlowReader,
    ShortTimeouts,
    UnackedLimit,
    Claim,
    Evict,
    Hang,
    Tags,
    Quorum,
    ExplicitEnd,
    Cancel,
    Abort,
    RestartConsumer,
    RestartPublisher,
}

impl Feature {
    /// All of them.
    pub const ALL: [Feature; 40] = [
        Feature::LongWay,
        Feature::Jitter,
        Feature::LossDown,
        Feature::LossUp,
        Feature::Burst,
        Feature::Duplicate,
        Feature::Reorder,
        Feature::Corrupt,
        Feature::CoarseClock,
        Feature::Partition,
        Feature::Reconnect,
        Feature::StopPublisher,
        Feature::StopConsumer,
        Feature::PauseReading,
        Feature::LongOutage,
        Feature::LateJoin,
        Feature::ManyConsumers,
        Feature::EarlyStart,
        Feature::Keyed,
        Feature::Crc32c,
        Feature::NoDigest,
        Feature::SmallWindow,
        Feature::SmallByteWindow,
        Feature::SmallRetention,
        Feature::TightQueue,
        Feature::LargeMessages,
        Feature::PacedWriter,
        Feature::SlowReader,
        Feature::ShortTimeouts,
        Feature::UnackedLimit,
        Feature::Claim,
        Feature::Evict,
        Feature::Hang,
        Feature::Tags,
        Feature::Quorum,
        Feature::ExplicitEnd,
        Feature::Cancel,
        Feature::Abort,
        Feature::RestartConsumer,
        Feature::RestartPublisher,
    ];

    /// What it is, in a few words.
    pub fn name(self) -> &'static str {
        match self {
            Feature::LongWay => "up to 250 ms to the other end",
            Feature::Jitter => "jitter",
            Feature::LossDown => "loss to consumers",
            Feature::LossUp => "loss to publishers",
            Feature::Burst => "loss in bursts",
            Feature::Duplicate => "duplicates",
            Feature::Reorder => "reordering",
            Feature::Corrupt => "damaged bytes",
            Feature::CoarseClock => "clock that moves in steps",
            Feature::Partition => "nodes cut off",
            Feature::Reconnect => "bus restarts",
            Feature::StopPublisher => "publisher stopped",
            Feature::StopConsumer => "consumers stopped",
            Feature::PauseReading => "applications pause",
            Feature::LongOutage => "outages of up to 15 s",
            Feature::LateJoin => "late consumers",
            Feature::ManyConsumers => "2 to 8 consumers",
            Feature::EarlyStart => "start before all have joined",
            Feature::Keyed => "key",
            Feature::Crc32c => "crc32c",
            Feature::NoDigest => "no digest",
            Feature::SmallWindow => "window of 1 to 4 frames",
            Feature::SmallByteWindow => "window of 1 to 4 frames' bytes",
            Feature::SmallRetention => "1 to 8 frames retained",
            Feature::TightQueue => "no queue beyond window and reserve",
            Feature::LargeMessages => "messages of several frames",
            Feature::PacedWriter => "paced writer",
            Feature::SlowReader => "slow readers",
            Feature::ShortTimeouts => "short time-outs",
            Feature::UnackedLimit => "limit of unacked frames",
            Feature::Claim => "stream claimed first",
            Feature::Evict => "stalled consumers evicted",
            Feature::Hang => "an application hangs",
            Feature::Tags => "consumers that do not count",
            Feature::Quorum => "quorum",
            Feature::ExplicitEnd => "end confirmed by the application",
            Feature::Cancel => "consumers give up",
            Feature::Abort => "publisher gives up",
            Feature::RestartConsumer => "consumers started again",
            Feature::RestartPublisher => "publisher started again",
        }
    }
}

/// One thing that is done to a world.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Action {
    /// Cuts a node off, or connects it again.
    Cut(Node, bool),
    /// Stops a process, or lets it go on.
    Stop(Node, bool),
    /// Keeps a consumer's application from reading, or lets it go on.
    Pause(usize, bool),
    /// The bus goes away with all that is under way.
    BusDown,
    /// It is there again.
    BusUp,
    /// A consumer starts.
    Join,
    /// A consumer's application reads no more, not even when everything heals. Once nothing else is left to
    /// wait for it goes on.
    Hang(usize),
    /// A consumer gives up.
    Cancel(usize),
    /// The publisher does.
    Abort,
    /// A consumer's process dies, and another goes on where its application was.
    Restart(usize),
    /// The publisher's state is kept ...
    KeepState,
    /// ... its process dies ...
    KillPublisher,
    /// ... and another goes on from the state that was kept last.
    RestartPublisher,
}

/// All that a seed decides.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Plan {
    /// The world, with its weather before everything heals.
    pub config: SimConfig,
    /// What this seed has.
    pub features: Vec<Feature>,
    /// The tag of each of the first consumers; those who come late have that of `config`.
    pub tags: Vec<String>,
    /// What each of the first consumers takes for a frame.
    pub read_intervals: Vec<Duration>,
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
    /// Somebody was given up or refused, as the configuration has it, and an error or event said so.
    Incomplete,
    /// The publisher waits for more consumers than are left, as it was told to.
    Waiting,
}

/// What came of a run.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Report {
    /// The seed.
    pub seed: u64,
    /// How it ended.
    pub end: End,
    /// The simulated time.
    pub simulated: Duration,
    /// Data frames sent for the first time.
    pub frames: u64,
    /// Data frames repeated.
    pub repairs: u64,
    /// What became of all frames.
    pub traffic: Traffic,
    /// The longest time without progress after everything had healed, while nobody had to be missed.
    pub longest_stall: Duration,
    /// The bound on that: [`STALL_RTOS`] retransmission time-outs and the applications' own pauses.
    pub stall_bound: Duration,
}

impl Plan {
    /// Whether this seed has a feature.
    pub fn has(&self, feature: Feature) -> bool {
        self.features.contains(&feature)
    }

    /// Runs it.
    ///
    /// # Panics
    /// Where a rule is broken; see [`super`] and the [module](self).
    pub fn run(&self) -> Report {
        drive::run(self, None)
    }

    /// Runs it, and tells `sink` of everything that happens: see [`super::World::trace_to`].
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
        writeln!(f, "  tags {:?}, read every {:?}", self.tags, self.read_intervals)?;
        let (queue, step) = (config.subscription_capacity, config.clock_step);
        writeln!(f, "  queues of {queue} frames, clock in steps of {step:?}")?;
        for (at, action) in &self.actions {
            writeln!(f, "  at {at:?}: {action:?}")?;
        }
        write!(f, "  all heals at {:?}", self.heal_at)
    }
}
