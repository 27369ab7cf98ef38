//! Runs a plan: disturbances first, then the demand that the stream gets on and comes to an end.

use std::time::Duration;

use super::{Action, End, Feature, Plan, Report, STALL_RTOS};
use crate::config::{LateJoin, PublishResume, Slow, SubscribeConfig};
use crate::proto::{ReceiverEvent, SenderEvent};
use crate::sim::{Node, Outcome, SimConfig, World};

/// The longest time-out that a publisher waits before it asks again, unless a round trip is longer.
const MAX_RTO: Duration = Duration::from_secs(1);

/// A consumer that is through repeats its FIN-ACK for so long (six times from 50 ms on, doubling) before it
/// takes it that its publisher has gone.
const LAST_WORDS: Duration = Duration::from_millis(3_150);

/// Tells of everything that happens.
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
    for (consumer, interval) in plan.read_intervals.iter().enumerate() {
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
        Action::Cancel(consumer) => world.cancel(consumer, "it has seen enough"),
        Action::Abort => world.abort(0, "it has said enough"),
        // Whoever is through has nothing to go on with.
        Action::Restart(consumer) if !world.has_ended(Node::Consumer(consumer)) => {
            world.restart(consumer);
        }
        Action::KeepState if !world.has_ended(publisher) => *kept = world.resume_point(0),
        Action::KillPublisher if !world.has_ended(publisher) => world.kill(publisher),
        Action::RestartPublisher if world.was_killed(publisher) => {
            // The state may be old, but two lives must not have one epoch.
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
    /// How long the stream may stand still once all is well, while nobody has to be missed.
    fn stall_bound(&self) -> Duration {
        let config = &self.config;
        let round_trip = [&config.down, &config.up].map(|path| path.latency + path.jitter);
        let rto = (round_trip[0] + round_trip[1]).max(MAX_RTO) + config.clock_step;
        let apps = self.read_intervals.iter().max().copied().unwrap_or_default();
        rto * STALL_RTOS + apps + config.write_interval + config.publish.claim_timeout
    }

    /// Whether anything can happen for which a consumer may be given up or refused.
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
            // Who does not count may be left behind.
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
    // A consumer is given up at the latest a keep-alive after its time-out, counted from the last frame of it
    // that was still under way.
    let patience = (publish.idle_timeout + publish.keep_alive * 2).max(LAST_WORDS) + bound;
    let mut longest_stall = Duration::ZERO;
    while !world.is_settled() {
        let (before, since) = (world.progress(), world.now());
        let missed = world.someone_is_missed();
        let hung = world.has_hung();
        let mut most = if missed { patience } else { bound };
        if let Slow::Evict { stalled_for } = publish.slow
            && hung
        {
            most += stalled_for + bound;
        }
        if world.run_while(most, |world| world.progress() == before && !world.is_settled()) {
            // Nobody has to be waited for any more but who hangs, and that for the end alone.
            if world.has_sent_all() && world.end_hangs() {
                continue;
            }
            let seconds = most.as_secs_f64();
            world.fail(&format!("no progress for {seconds:.3} s though all is well"));
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
        repairs: stats.map(|stats| stats.retransmits).sum(),
        traffic: world.traffic(),
        longest_stall,
        stall_bound: plan.stall_bound(),
    }
}

/// Late consumers may find the stream closed; of the others, all must have ended.
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
