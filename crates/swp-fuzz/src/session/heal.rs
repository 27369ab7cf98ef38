//! The bus heals: from here on every frame arrives, and the stream must come to its end.

use std::time::Duration;

use swp_fast::proto::Receiver;

use super::{Consumer, World};

/// Besides idle time-outs: several times as long as SYNs and FIN-ACKs are ever apart (1 s).
const PATIENCE: Duration = Duration::from_secs(10);

impl World {
    /// Delivers and reads everything until nothing moves any more, then asks how it ended.
    pub(super) fn heal(&mut self) {
        self.finish();
        // The last that the bus loses is all that is under way, the end itself with it.
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

    /// Whoever takes part is through, and so is the publisher.
    fn check_end(&self) {
        let takes_part = |consumer: &&Consumer| {
            consumer.receiver.is_connected() && consumer.receiver.failure().is_none()
        };
        if !self.sender.has_started() {
            // Then too few are left that ever could, for the others gave up.
            let left = self.consumers.iter().filter(takes_part).count();
            assert!(left < self.config.min_consumers || self.sender.is_over(), "never started");
            return;
        }
        for consumer in self.consumers.iter().filter(takes_part) {
            assert!(consumer.receiver.is_over(), "a consumer is not through: {}", self.describe());
            if let Some(next) = consumer.next {
                assert_eq!(next, self.written.len() as u64, "{}", self.describe());
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
        let written = self.written.len();
        format!("{written} written, {:?}, {stats:?}, {consumers:?}", self.sender.outcome())
    }

    /// Whether nothing will come of it any more: whoever never joined asks for ever.
    fn all_over(&self) -> bool {
        let over = |receiver: &Receiver| receiver.is_over() || !receiver.is_connected();
        self.sender.is_over() && self.consumers.iter().all(|consumer| over(&consumer.receiver))
    }
}
