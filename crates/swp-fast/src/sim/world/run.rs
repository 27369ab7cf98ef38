//! Time passes: endpoints are served when something arrives for them or when they asked to be
//! woken.

use std::time::Duration;

use super::{Consumer, Publisher, World};
use crate::sim::{Node, Outcome};
use crate::time::Time;

/// An endpoint that asks this often to be woken while the clock stands still will never stop.
const MAX_TURNS: u32 = 100_000;

impl World {
    /// Lets time pass until every endpoint has ended, but no longer than `most`.
    pub fn run(&mut self, most: Duration) -> Outcome {
        self.run_while(most, |world| !world.is_over());
        self.outcome()
    }

    /// Lets exactly this much time pass.
    pub fn run_for(&mut self, time: Duration) -> Outcome {
        self.pass(time);
        self.outcome()
    }

    /// As [`Self::run_for`], without the cost of an outcome.
    pub fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        self.run_while(time, |_| true);
        self.now = end;
    }

    /// Lets time pass while `goes_on` returns true, but no longer than `most`. Returns what
    /// `goes_on` returned last.
    pub fn run_while(&mut self, most: Duration, goes_on: impl Fn(&World) -> bool) -> bool {
        let end = self.now + most;
        self.serve_all();
        while goes_on(self) {
            let Some(next) = self.next_at().filter(|next| *next <= end) else { return true };
            if next > self.now {
                self.now = next;
                self.turns = 0;
            }
            self.turn();
        }
        false
    }

    /// Returns true if every endpoint that was not killed has ended, well or not.
    pub fn is_over(&self) -> bool {
        self.publishers.iter().all(Publisher::is_gone)
            && self.consumers.iter().all(Consumer::is_gone)
    }

    fn next_at(&self) -> Option<Time> {
        let publishers = self.publishers.iter().map(|one| &one.process);
        let processes = publishers.chain(self.consumers.iter().map(|one| &one.process));
        let wakes = processes.filter(|process| process.runs()).filter_map(|one| one.wake_at);
        let next = wakes.chain(self.network.next_arrival_at()).min()?;
        Some(next.max(self.now))
    }

    /// Does everything that is due now.
    fn turn(&mut self) {
        self.turns += 1;
        if self.turns > MAX_TURNS {
            self.fail("an endpoint asks again and again to be woken at once");
        }
        while let Some((to, delivery)) = self.network.pop_arrival(self.now) {
            let capacity = self.config.subscription_capacity;
            let label = delivery.label;
            if !self.process(to).queue(delivery, capacity) {
                self.check_overflow(to, label.as_ref());
            }
            if self.process(to).runs() {
                self.serve(to);
            }
        }
        for node in self.nodes() {
            let process = self.process(node);
            if process.runs() && process.wake_at.is_some_and(|at| at <= self.now) {
                self.serve(node);
            }
        }
    }

    pub(super) fn nodes(&self) -> impl Iterator<Item = Node> + use<> {
        let publishers = (0..self.publishers.len()).map(Node::Publisher);
        publishers.chain((0..self.consumers.len()).map(Node::Consumer))
    }

    pub(super) fn serve_all(&mut self) {
        for node in self.nodes() {
            self.serve(node);
        }
    }

    /// Many frames may be sent while the clock stands still, but not without end.
    pub(super) fn note_turn(&mut self) {
        self.turns += 1;
        if self.turns > MAX_TURNS * 10 {
            self.fail("an endpoint sends without end while the clock stands still");
        }
    }
}
