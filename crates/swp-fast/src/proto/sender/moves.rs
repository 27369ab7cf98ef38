//! How the group moves to its next generation: whom the sender tells, and when it goes there.

use super::Sender;
use crate::time::Time;
use crate::wire::PeerId;

impl Sender {
    /// Takes the move of the group to its next generation as far as it goes now.
    pub(super) fn move_group(&mut self, now: Time) {
        while self.group.begin(now) {
            let next = self.group.told();
            // Consumers that are joining were told the next generation already, or will be with
            // their first ack.
            if self.peers.iter().any(|peer| peer.has_to_confirm(next)) {
                return self.ask_to_move(now, next);
            }
            self.group.complete();
            // This probe tells where the group is now. A consumer that misses it hears that from
            // the next one.
            if self.membership.has_started() {
                self.probes.request_all();
            }
        }
    }

    fn ask_to_move(&mut self, now: Time, next: u32) {
        let Some(asked) = self.group.due_ask(now) else { return };
        let awaited = || self.peers.iter().filter(|peer| peer.has_to_confirm(next));
        let patience = awaited().map(|peer| peer.rtt().rto(asked)).max().unwrap_or_default();
        let ids: Vec<PeerId> = awaited().map(|peer| peer.id()).collect();
        self.group.note_asked(now + patience.min(self.config.keep_alive));
        for id in ids {
            self.send_syn_ack(id);
        }
    }
}
