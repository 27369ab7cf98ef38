//! What a test can ask a world.

use super::{Consumer, Publisher, Traffic, World};
use crate::proto::{SenderEvent, SenderIds};
use crate::sim::network::Network;
use crate::sim::{ConsumerOutcome, Node, Outcome, PublisherOutcome};
use crate::time::Time;
use crate::wire::{PeerId, Seq};

impl World {
    /// The simulated time.
    pub fn now(&self) -> Time {
        self.now
    }

    /// Everything that can be told of the endpoints now.
    pub fn outcome(&self) -> Outcome {
        let publishers = self.publishers.iter().map(|publisher| PublisherOutcome {
            stats: publisher.sender.stats(),
            events: publisher.events.clone(),
            accepted: publisher.app.accepted(),
        });
        let consumers = self.consumers.iter().map(|consumer| ConsumerOutcome {
            stats: consumer.receiver.stats(),
            events: consumer.events.clone(),
            delivered: consumer.reader.delivered(),
            last_delivery: consumer.reader.last_delivery(),
            overflowed: consumer.process.overflowed,
        });
        Outcome {
            seed: self.config.seed,
            now: self.now,
            publishers: publishers.collect(),
            consumers: consumers.collect(),
        }
    }

    /// What became of the frames so far.
    pub fn traffic(&self) -> Traffic {
        let Network { copies, lost, damaged, .. } = self.network;
        Traffic { copies, lost, damaged, overflowed: self.overflowed }
    }

    /// Grows whenever the stream makes progress: a frame is sent for the first time, acked by all
    /// or read, or an endpoint has an event. Probes and retransmissions do not count.
    pub fn progress(&self) -> u64 {
        let publishers = self.publishers.iter().map(|one| {
            one.sender.sent().get() + one.sender.acked().get() + one.events.len() as u64
        });
        let consumers =
            self.consumers.iter().map(|one| one.reader.frames() + one.events.len() as u64);
        publishers.chain(consumers).sum()
    }

    /// A publisher's ids, to make frames that pretend to come from it.
    pub fn sender_ids(&self, publisher: usize) -> SenderIds {
        self.publishers[publisher].ids
    }

    /// A consumer's id.
    pub fn consumer_id(&self, consumer: usize) -> PeerId {
        self.consumers[consumer].id
    }

    /// The frames below this are acked by every consumer of a publisher.
    pub fn acked(&self, publisher: usize) -> Seq {
        self.publishers[publisher].sender.acked()
    }

    /// Returns true if enough consumers have joined for data to flow.
    pub fn has_started(&self, publisher: usize) -> bool {
        self.publishers[publisher].sender.has_started()
    }

    /// Returns true if nothing more will come. Each publisher has ended, or waits for more
    /// consumers than there are. Each consumer has ended, or waits for a publisher that has ended.
    pub fn is_settled(&self) -> bool {
        let waits = |one: &Publisher| {
            let mut counting =
                self.consumers.iter().filter(|consumer| consumer.counts(&one.config));
            if one.sender.has_started() {
                // With a quorum of 0 a publisher waits for ever. A consumer that is known to have
                // finished still counts.
                let out = |consumer: &Consumer| consumer.is_gone() && !one.knows_finished(consumer);
                return one.config.quorum() == 0 && counting.all(out);
            }
            counting.filter(|consumer| !consumer.is_gone()).count() < one.config.min_consumers
        };
        if !self.publishers.iter().all(Publisher::is_gone) {
            return self.publishers.iter().all(|one| one.is_gone() || waits(one));
        }
        self.consumers.iter().all(|one| one.is_gone() || !one.receiver.is_connected())
    }

    /// Returns true if an endpoint has ended and not all its peers know yet: only silence can tell
    /// them.
    pub fn an_endpoint_is_missed(&self) -> bool {
        let over = self.publishers.iter().all(Publisher::is_gone);
        let known = |consumer: &Consumer| {
            let id = consumer.id.to_string();
            self.publishers.iter().any(|publisher| {
                // A late copy of its SYN can have let the consumer in again since it was lost.
                let is_peer = self.checker.is_peer(publisher.ids.session, consumer.id);
                publisher.events.iter().any(|(_, event)| match event {
                    SenderEvent::Finished { name } => name.contains(&id),
                    SenderEvent::Lost { name, .. } => !is_peer && name.contains(&id),
                    _ => false,
                })
            })
        };
        over || self.consumers.iter().any(|one| one.is_gone() && !known(one)) || self.has_ghosts()
    }

    /// Returns true if a publisher still has a peer for a consumer that was started again under
    /// another id.
    fn has_ghosts(&self) -> bool {
        let ghosts: Vec<u64> =
            self.consumers.iter().flat_map(|one| &one.former_ids).map(|id| id.0).collect();
        !ghosts.is_empty()
            && self.publishers.iter().any(|publisher| {
                let known = publisher.sender.stats().consumers;
                known.iter().any(|one| !one.finished && ghosts.contains(&one.id))
            })
    }

    /// Returns true if an endpoint's process was killed, or its session is over.
    pub fn has_ended(&self, node: Node) -> bool {
        match node {
            Node::Publisher(index) => self.publishers[index].is_gone(),
            Node::Consumer(index) => self.consumers[index].is_gone(),
        }
    }

    /// Returns true if a process was killed, and not started again.
    pub fn was_killed(&mut self, node: Node) -> bool {
        self.process(node).killed
    }

    /// Returns true if all publishers have sent all messages that they were given.
    pub fn has_sent_all(&self) -> bool {
        self.publishers.iter().all(|one| one.app.has_sent_all(&one.sender))
    }

    /// Returns true if an application hangs whose consumer has not ended: see [`World::hang`].
    pub fn has_hung(&self) -> bool {
        self.consumers.iter().any(|one| one.reader.is_hung() && !one.is_gone())
    }
}
