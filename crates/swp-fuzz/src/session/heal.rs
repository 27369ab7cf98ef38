//! The bus heals: from here on every frame arrives, and the stream must come to its end.

use std::time::Duration;

use swp_fast::proto::Receiver;

use super::{Consumer, World};

/// The time that is allowed besides idle time-outs: several times the longest interval of SYNs and
/// FIN-ACKs (1 s).
const PATIENCE: Duration = Duration::from_secs(10);

impl World {
    /// Delivers and reads everything until nothing moves any more, then checks the end.
    pub(super) fn heal(&mut self) {
        self.finish();
        // At last the bus loses everything on its way, FIN included.
        self.settle();
        self.up.clear();
        self.consumers.iter_mut().for_each(|consumer| consumer.link.clear());
        let until = self.now + PATIENCE + self.config.idle_timeout * 4;
        while self.now < until && !self.all_over() {
            self.settle();
            let mut moved = self.deliver_all();
            for index in 0..self.consumers.len() {
                moved |= self.read_some(index, usize::MAX);
                self.consumers[index].receiver.close(self.now);
            }
            self.settle();
            self.check();
            if !moved {
                self.wait_for_timer();
            }
        }
        self.check_end();
    }

    /// The publisher has ended, and so has every consumer that takes part.
    fn check_end(&self) {
        let takes_part = |consumer: &&Consumer| {
            consumer.receiver.is_connected() && consumer.receiver.failure().is_none()
        };
        if !self.sender.has_started() {
            // Too few consumers are left to start: the others failed.
            let left = self.consumers.iter().filter(takes_part).count();
            assert!(left < self.config.min_consumers || self.sender.is_over(), "never started");
            return;
        }
        for consumer in self.consumers.iter().filter(takes_part) {
            assert!(consumer.receiver.is_over(), "a consumer has not ended: {}", self.describe());
            if let Some(next) = consumer.next {
                assert_eq!(next, self.producer.accepted(), "{}", self.describe());
            }
        }
        assert!(self.sender.is_over(), "the publisher waits: {}", self.describe());
    }

    fn describe(&self) -> String {
        let stats = self.sender.stats();
        let consumers: Vec<_> = self
            .consumers
            .iter()
            .map(|consumer| (consumer.next, consumer.receiver.failure(), consumer.receiver.stats()))
            .collect();
        let accepted = self.producer.accepted();
        format!("{accepted} accepted, {:?}, {stats:?}, {consumers:?}", self.sender.outcome())
    }

    /// Returns true if nothing more will happen. A consumer that was never let in sends SYNs for
    /// ever.
    fn all_over(&self) -> bool {
        let over = |receiver: &Receiver| receiver.is_over() || !receiver.is_connected();
        self.sender.is_over() && self.consumers.iter().all(|consumer| over(&consumer.receiver))
    }
}
