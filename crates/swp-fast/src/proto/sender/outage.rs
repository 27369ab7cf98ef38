//! Outages: the bus goes and comes back, or this process stands still.

use super::Sender;
use crate::time::Time;

impl Sender {
    /// The connection to the bus was lost and is there again. What was in flight may be gone, so
    /// the publisher sends probes now. The silence is held against no consumer.
    pub fn handle_reconnect(&mut self, now: Time) {
        self.handle_outage(now);
        self.peers.for_each_mut(|peer| {
            peer.liveness_mut().reset_backoff();
            peer.liveness_mut().restart_wait(now);
        });
        if self.membership.has_started() && !self.is_over() {
            self.probes.request_all();
            if self.is_finishing() {
                self.probes.request_fin();
            }
        }
    }

    /// The bus is away. No consumer can be heard, and none times out for it.
    pub fn handle_outage(&mut self, now: Time) {
        self.peers.for_each_mut(|peer| {
            peer.liveness_mut().note_heard(now);
            peer.liveness_mut().note_progress(now);
        });
    }

    /// Notes the time of an input. The caller always wakes within a keep-alive. So where the clock
    /// leaps, this process (or the machine) was stopped, and frames that arrived meanwhile have not
    /// been read yet.
    pub(super) fn note_time(&mut self, now: Time) {
        let gap = now.since(self.last_now);
        self.last_now = self.last_now.max(now);
        if gap > self.config.keep_alive * 2 {
            self.peers.for_each_mut(|peer| peer.liveness_mut().skip_gap(gap, now));
        }
    }
}
