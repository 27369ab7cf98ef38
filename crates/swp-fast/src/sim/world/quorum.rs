//! Counts the consumers that are left, by the publisher's events, and checks that the publisher
//! fails when too few are left, and only then.

use std::collections::BTreeSet;

use super::{Consumer, World};
use crate::proto::{SenderError, SenderEvent};

/// The consumers in a publisher's session, as far as its events tell.
#[derive(Debug, Default)]
pub(super) struct Quorum {
    /// Consumers that count and have joined.
    joined: BTreeSet<usize>,
    /// Enough have joined once.
    started: bool,
    /// One of them was lost since the last check.
    lost_one: bool,
    /// The publisher is not the first of its session: consumers that come back count, and no event
    /// has told of them yet.
    replaced: bool,
}

impl Quorum {
    pub(super) fn note_replaced(&mut self) {
        *self = Quorum { replaced: true, ..Quorum::default() };
    }
}

impl World {
    /// A publisher may fail for want of consumers only if fewer are left than it needs.
    pub(super) fn note_quorum(&mut self, index: usize, event: &SenderEvent) {
        match event {
            SenderEvent::Joined { name, consumers, .. } => {
                let joined = self.by_any_id(name).filter(|one| self.counts_for(index, *one));
                let publisher = &mut self.publishers[index];
                publisher.quorum.joined.extend(joined);
                publisher.quorum.started |= *consumers >= publisher.config.min_consumers;
            }
            SenderEvent::Lost { name, .. } => {
                let Some(lost) = self.by_any_id(name) else { return };
                let quorum = &mut self.publishers[index].quorum;
                quorum.lost_one |= quorum.joined.remove(&lost) && quorum.started;
            }
            SenderEvent::Failed(SenderError::ConsumerLost { .. }) => {
                let publisher = &self.publishers[index];
                let (left, needed) = (publisher.quorum.joined.len(), publisher.config.quorum());
                if left >= needed {
                    self.fail(&format!(
                        "the publisher failed with {left} consumers, and {needed} are enough"
                    ));
                }
            }
            _ => {}
        }
    }

    /// A publisher must fail if fewer are left than it needs. A consumer that was admitted and has
    /// not acked counts here, because it may have been a peer before.
    pub(super) fn check_quorum(&mut self, index: usize) {
        let quorum = &mut self.publishers[index].quorum;
        let again = quorum.replaced || self.consumers.iter().any(|one| !one.former_ids.is_empty());
        if !std::mem::take(&mut quorum.lost_one) || again {
            return;
        }
        let publisher = &self.publishers[index];
        let session = publisher.ids.session;
        let left = |one: &&Consumer| {
            one.counts(&publisher.config) && self.checker.is_peer(session, one.id)
        };
        let left = self.consumers.iter().filter(left).count();
        if left < publisher.config.quorum() && !publisher.sender.is_over() {
            self.fail(&format!("the publisher continues with {left} consumers, and needs more"));
        }
    }

    fn counts_for(&self, publisher: usize, consumer: usize) -> bool {
        self.consumers[consumer].counts(&self.publishers[publisher].config)
    }

    /// The consumer that has or had an id that this name contains.
    fn by_any_id(&self, name: &str) -> Option<usize> {
        self.consumers.iter().position(|one| {
            let mut ids = one.former_ids.iter().chain([&one.id]);
            ids.any(|id| name.contains(&id.to_string()))
        })
    }
}
