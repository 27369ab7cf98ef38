//! What is done to a world, and when.

use std::time::Duration;

use super::super::{Action, Feature, Plan};
use super::Dice;
use crate::sim::Node;

impl Plan {
    /// Disturbances begin within the time that is drawn for the work, and some outlast that time.
    pub(super) fn draw_actions(&mut self, dice: &mut Dice) {
        let span_us = self.heal_at.as_micros() as u64;
        let consumers = self.config.consumers as u64;
        let mut some = |plan: &mut Plan, feature, pair: &dyn Fn(usize) -> [Action; 2]| {
            if !plan.has(feature) {
                return;
            }
            let most_us = if plan.has(Feature::LongOutage) { 15_000_000 } else { 2_000_000 };
            for _ in 0..dice.between(1..=3) {
                let [begin, end] = pair(dice.between(0..=consumers - 1) as usize);
                let at = Duration::from_micros(dice.between(0..=span_us));
                let until = at + dice.micros(100..=most_us);
                plan.actions.extend([(at, begin), (until, end)]);
            }
        };
        some(self, Feature::Partition, &|consumer| {
            let node = Node::Consumer(consumer);
            [Action::Cut(node, true), Action::Cut(node, false)]
        });
        some(self, Feature::Reconnect, &|_| [Action::BusDown, Action::BusUp]);
        some(self, Feature::StopPublisher, &|_| {
            [true, false].map(|stop| Action::Stop(Node::Publisher(0), stop))
        });
        some(self, Feature::StopConsumer, &|consumer| {
            [true, false].map(|stop| Action::Stop(Node::Consumer(consumer), stop))
        });
        some(self, Feature::PauseReading, &|consumer| {
            [true, false].map(|pause| Action::Pause(consumer, pause))
        });
        if self.has(Feature::LateJoin) {
            for _ in 0..dice.between(1..=2) {
                let at = Duration::from_micros(dice.between(0..=span_us));
                self.actions.push((at, Action::Join));
            }
        }
        self.draw_ends(dice, span_us);
        self.actions.sort_by_key(|(at, _)| *at);
        let last = self.actions.last().map_or(Duration::ZERO, |(at, _)| *at);
        self.heal_at = self.heal_at.max(last);
    }
    /// Which endpoint leaves, aborts, hangs, or dies and is started again.
    fn draw_ends(&mut self, dice: &mut Dice, span_us: u64) {
        let consumers = self.config.consumers as u64;
        let moment = |dice: &mut Dice| Duration::from_micros(dice.between(0..=span_us));
        if self.has(Feature::Hang) {
            let consumer = dice.between(0..=consumers - 1) as usize;
            // The stream waits for a consumer that counts unless it is evicted. No progress could
            // be demanded then.
            let counts =
                self.config.publish.tag.as_ref().is_none_or(|tag| *tag == self.tags[consumer]);
            if self.has(Feature::Evict) || !counts {
                self.actions.push((moment(dice), Action::Hang(consumer)));
            }
        }
        if self.has(Feature::Cancel) {
            let consumer = dice.between(0..=consumers - 1) as usize;
            self.actions.push((moment(dice), Action::Cancel(consumer)));
        }
        if self.has(Feature::Abort) {
            self.actions.push((moment(dice), Action::Abort));
        }
        if self.has(Feature::RestartConsumer) {
            for _ in 0..dice.between(1..=3) {
                let consumer = dice.between(0..=consumers - 1) as usize;
                self.actions.push((moment(dice), Action::Restart(consumer)));
            }
        }
        if self.has(Feature::RestartPublisher) {
            for _ in 0..dice.between(1..=2) {
                let kept = moment(dice);
                let killed = kept + dice.micros(1..=1_000_000);
                let again = killed + dice.micros(1..=5_000_000);
                self.actions.push((kept, Action::KeepState));
                self.actions.push((killed, Action::KillPublisher));
                self.actions.push((again, Action::RestartPublisher));
            }
        }
    }
}
