//! What can be told of a run.

use std::fmt;

use crate::proto::{PublisherStats, ReceiverEvent, SenderEvent, SubscriberStats};
use crate::time::Time;

/// The state of all endpoints when a run ended.
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
    /// The publisher's counters.
    pub stats: PublisherStats,
    /// All its events so far, each with its time.
    pub events: Vec<(Time, SenderEvent)>,
    /// Messages that the packer has accepted.
    pub accepted: u64,
}

/// A consumer's part of an [`Outcome`].
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ConsumerOutcome {
    /// The consumer's counters.
    pub stats: SubscriberStats,
    /// All its events so far, each with its time.
    pub events: Vec<(Time, ReceiverEvent)>,
    /// Messages delivered to the application.
    pub delivered: u64,
    /// When the last message was delivered.
    pub last_delivery: Time,
    /// Frames that the bus dropped because the consumer did not take them.
    pub overflowed: u64,
}

impl Outcome {
    /// Returns true if the first publisher closed, and every consumer was told of the end.
    pub fn is_complete(&self) -> bool {
        let publisher = self.publishers.first();
        let closed =
            publisher.is_some_and(|publisher| publisher.has(|event| *event == SenderEvent::Closed));
        closed
            && self.consumers.iter().all(|consumer| {
                consumer.overflowed == 0 && consumer.has(|event| *event == ReceiverEvent::Ended)
            })
    }

    /// Data frames that the first publisher retransmitted.
    pub fn retransmits(&self) -> u64 {
        self.publishers.first().map_or(0, |publisher| publisher.stats.retransmits)
    }
}

impl PublisherOutcome {
    /// Returns true if an event like this happened.
    pub fn has(&self, like: impl Fn(&SenderEvent) -> bool) -> bool {
        self.events.iter().any(|(_, event)| like(event))
    }
}

impl ConsumerOutcome {
    /// Returns true if an event like this happened.
    pub fn has(&self, like: impl Fn(&ReceiverEvent) -> bool) -> bool {
        self.events.iter().any(|(_, event)| like(event))
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "seed {} at {:?}", self.seed, self.now.since(Time::ZERO))?;
        for publisher in &self.publishers {
            writeln!(f, "  publisher accepted {}: {:?}", publisher.accepted, publisher.events)?;
            writeln!(f, "    {:?}", publisher.stats)?;
        }
        for consumer in &self.consumers {
            writeln!(f, "  consumer got {}: {:?}", consumer.delivered, consumer.events)?;
            writeln!(f, "    overflowed {}, {:?}", consumer.overflowed, consumer.stats)?;
        }
        Ok(())
    }
}
