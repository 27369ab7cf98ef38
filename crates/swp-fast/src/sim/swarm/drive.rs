//! Runs a plan: disturbances first, then the demand that the stream makes progress and comes to its
//! end.

use std::time::Duration;

use super::{Action, End, Feature, Plan, Report, STALL_RTOS};
use crate::config::{LateJoin, PublishResume, Slow, SubscribeConfig};
use crate::proto::{ReceiverEvent, SenderEvent};
use crate::sim::{Node, Outcome, SimConfig, World};

/// The longest time that a publisher waits between probes, unless a round trip is longer.
const MAX_RTO: Duration = Duration::from_secs(1);

/// A consumer that has read everything sends its FIN-ACK for so long (six times from 50 ms on,
/// doubling) before it takes its publisher for gone.
const FIN_ACK_TIME: Duration = Duration::from_millis(3_150);

/// Receives every line of a trace.
type Sink = Box<dyn FnMut(&str)>;

/// See [`Plan::run`].
pub(super) fn run(plan: &Plan, sink: Option<Sink>) -> Report {
    // Each consumer has a tag of its own.
    let mut world = World::new(SimConfig { consumers: 0, ..plan.config.clone() });
    for tag in &plan.tags {
        world.add_consumer(SubscribeConfig { tag: tag.clone(), ..plan.config.subscribe.clone() });
    }
    if let Some(mut sink) = sink {
        plan.to_string().lines().for_each(&mut sink);
        world.trace_to(sink);
    }
    for (consumer, (read_as, interval)) in plan.readers.iter().enumerate() {
        world.read_as(consumer, *read_as);
        world.read_every(consumer, *interval);
    }
    let mut kept = world.resume_point(0);
    for (at, action) in &plan.actions {
        world.pass(at.saturating_sub(since_start(&world)));
        world.note(format_args!("--- {action:?}"));
        apply(&mut world, plan, *action, &mut kept);
    }
    world.pass(plan.heal_at.saturating_sub(since_start(&world)));
    world.note(format_args!("--- all heals"));
    world.heal();
    for consumer in 0..world.outcome().consumers.len() {
        world.confirm_end(consumer);
    }
    let longest_stall = demand_progress(&mut world, plan);
    report(&world, plan, longest_stall)
}

fn since_start(world: &World) -> Duration {
    Duration::from_nanos(world.now().as_nanos())
}

fn apply(world: &mut World, plan: &Plan, action: Action, kept: &mut PublishResume) {
    let publisher = Node::Publisher(0);
    match action {
        Action::Cut(node, cut) => world.cut(node, cut),
        Action::Stop(node, stopped) => world.stop(node, stopped),
        Action::Pause(consumer, paused) => world.pause_reading(consumer, paused),
        Action::BusDown => world.bus_down(),
        Action::BusUp => world.bus_up(),
        Action::Join => {
            world.add_consumer(plan.config.subscribe.clone());
        }
        Action::Hang(consumer) => world.hang(consumer),
        Action::Cancel(consumer) => world.cancel(consumer, "it leaves"),
        Action::Abort => world.abort(0, "it aborts"),
        // A consumer that has ended has nothing to resume.
        Action::Restart(consumer) if !world.has_ended(Node::Consumer(consumer)) => {
            world.restart(consumer);
        }
        Action::KeepState if !world.has_ended(publisher) => *kept = world.resume_point(0),
        Action::KillPublisher if !world.has_ended(publisher) => world.kill(publisher),
        Action::RestartPublisher if world.was_killed(publisher) => {
            // The state may be old, but two publishers must not have one epoch.
            let epoch = world.sender_ids(0).epoch;
            world.restart_publisher(0, PublishResume { epoch, ..*kept });
        }
        Action::Restart(_)
        | Action::KeepState
        | Action::KillPublisher
        | Action::RestartPublisher => {}
    }
}

impl Plan {
    /// How long the stream may stand still once all has healed, while no endpoint is missed.
    fn stall_bound(&self) -> Duration {
        let config = &self.config;
        let round_trip = [&config.down, &config.up].map(|path| path.latency + path.jitter);
        let rto = (round_trip[0] + round_trip[1]).max(MAX_RTO) + config.clock_step;
        // One call may read all fragments of a message, and the slowest of n producers has n
        // intervals between two messages.
        let longest = config.messages.iter().max().copied().unwrap_or(0);
        let fragments = longest / config.publish.max_fragment_bytes() + 1;
        let reader = self.readers.iter().map(|(_, interval)| *interval).max().unwrap_or_default();
        let apps = reader * fragments as u32 + config.write_interval * config.app.producers as u32;
        rto * STALL_RTOS + apps + config.publish.claim_timeout
    }

    /// Returns true if anything can happen for which a consumer may be lost or refused.
    fn may_end_early(&self) -> bool {
        let grave = [
            Feature::LossDown,
            Feature::LossUp,
            Feature::Burst,
            Feature::Corrupt,
            Feature::Partition,
            Feature::Reconnect,
            Feature::StopPublisher,
            Feature::StopConsumer,
            Feature::EarlyStart,
            Feature::UnackedLimit,
            Feature::Evict,
            // A consumer that does not count may be left behind.
            Feature::Tags,
            Feature::Hang,
            Feature::Cancel,
            Feature::Abort,
            Feature::RestartConsumer,
            Feature::RestartPublisher,
        ];
        let refused =
            self.has(Feature::LateJoin) && self.config.publish.late_join == LateJoin::Refuse;
        refused || grave.iter().any(|feature| self.has(*feature))
    }
}

fn demand_progress(world: &mut World, plan: &Plan) -> Duration {
    let bound = plan.stall_bound();
    let publish = &plan.config.publish;
    // A consumer is lost at the latest a keep-alive after its time-out, counted from the arrival of
    // its last frame.
    let patience = (publish.idle_timeout + publish.keep_alive * 2).max(FIN_ACK_TIME) + bound;
    let mut longest_stall = Duration::ZERO;
    while !world.is_settled() {
        let (before, since) = (world.progress(), world.now());
        let missed = world.an_endpoint_is_missed();
        let hung = world.has_hung();
        let mut most = if missed { patience } else { bound };
        if let Slow::Evict { stalled_for } = publish.slow
            && hung
        {
            most += stalled_for + bound;
        }
        if world.run_while(most, |world| world.progress() == before && !world.is_settled()) {
            // The stream waits only for an application that hangs, and only for its end.
            if world.has_sent_all() && world.end_hangs() {
                continue;
            }
            let seconds = most.as_secs_f64();
            world.fail(&format!("no progress for {seconds:.3} s though all has healed"));
        }
        if !missed && !hung {
            longest_stall = longest_stall.max(world.now().since(since));
        }
    }
    longest_stall
}

fn report(world: &World, plan: &Plan, longest_stall: Duration) -> Report {
    let outcome = world.outcome();
    let end = end_of(&outcome);
    if end != End::Complete && !plan.may_end_early() {
        world.fail("the stream is not complete, and nothing happened that excuses it");
    }
    let stats = outcome.publishers.iter().map(|publisher| &publisher.stats);
    Report {
        seed: plan.config.seed,
        end,
        simulated: since_start(world),
        frames: stats.clone().map(|stats| stats.frames).sum(),
        retransmits: stats.map(|stats| stats.retransmits).sum(),
        traffic: world.traffic(),
        longest_stall,
        stall_bound: plan.stall_bound(),
    }
}

/// Consumers that join late may find the stream closed. All others must have ended.
fn end_of(outcome: &Outcome) -> End {
    let closed =
        outcome.publishers.iter().any(|one| one.has(|event| *event == SenderEvent::Closed));
    let failed = outcome
        .publishers
        .iter()
        .any(|one| one.has(|event| matches!(event, SenderEvent::Failed(_))));
    let peers_fell = outcome
        .consumers
        .iter()
        .any(|one| one.has(|event| matches!(event, ReceiverEvent::Failed(_))));
    let lost = outcome
        .publishers
        .iter()
        .any(|one| one.has(|event| matches!(event, SenderEvent::Lost { .. })));
    match (closed, failed || peers_fell || lost) {
        (true, false) => End::Complete,
        (false, false) => End::Waiting,
        (closed, true) if closed || failed => End::Incomplete,
        _ => End::Waiting,
    }
}
