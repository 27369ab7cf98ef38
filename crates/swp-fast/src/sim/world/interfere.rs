//! What a test does to a world while it runs.

use std::time::Duration;

use bytes::Bytes;

use super::{Heard, World};
use crate::config::{PublishConfig, PublishResume};
use crate::proto::{Dest, Receiver, Sender, SenderIds, Transmit};
use crate::sim::network::{Delivery, Label};
use crate::sim::{Node, PathConfig, ReadAs, Transit};
use crate::wire::{Kind, PeerId};

impl World {
    /// Loses every copy for which `filter` returns true.
    pub fn lose_where(&mut self, filter: impl FnMut(&Transit) -> bool + 'static) {
        self.network.add_filter(Box::new(filter));
    }

    /// Loses the `nth` copy of a kind (0 is the first), and no other.
    pub fn lose_nth(&mut self, kind: Kind, nth: u64) {
        let mut seen = 0;
        self.lose_where(move |transit| {
            let hit = transit.kind == Some(kind);
            seen += u64::from(hit);
            hit && seen == nth + 1
        });
    }

    /// Takes all filters away.
    pub fn lose_nothing(&mut self) {
        self.network.clear_filters();
    }

    /// Sets the paths from publishers and from consumers, from now on.
    pub fn set_paths(&mut self, down: PathConfig, up: PathConfig) {
        self.config.down = down;
        self.config.up = up;
    }

    /// Cuts a node off from all others, or connects it again. The node does not notice.
    pub fn cut(&mut self, node: Node, cut: bool) {
        self.network.set_cut(node, cut);
    }

    /// Stops a process as a whole, or lets it run again. Meanwhile frames queue before the process.
    pub fn stop(&mut self, node: Node, stopped: bool) {
        self.process(node).stopped = stopped;
        self.serve(node);
    }

    /// Ends a process without a RESET.
    pub fn kill(&mut self, node: Node) {
        let process = self.process(node);
        process.killed = true;
        process.inbox.clear();
    }

    /// A consumer's process dies, and another resumes where its application was: behind the last
    /// message read whole. What was received and not read is lost.
    pub fn restart(&mut self, consumer: usize) {
        let (id, now, capacity) =
            (self.network.random_id(), self.local_now(), self.config.subscription_capacity);
        let one = &mut self.consumers[consumer];
        // A process that was not admitted yet knows what the process before it knew.
        one.config.resume = one.reader.start_again(&one.receiver).or(one.config.resume.take());
        let again = Receiver::new(one.config.clone(), PeerId(id), capacity as u64, now);
        match again {
            Ok(receiver) => one.receiver = receiver,
            Err(error) => self.fail(&error.to_string()),
        }
        for publisher in &self.publishers {
            self.checker.remove(publisher.ids.session, self.consumers[consumer].id);
        }
        self.network.lose_to(Node::Consumer(consumer));
        let one = &mut self.consumers[consumer];
        one.former_ids.push(one.id);
        if one.config.resume.is_none() {
            one.session = None;
        }
        one.id = PeerId(id);
        one.heard = None;
        one.process.start_again(self.now);
        for publisher in &mut self.publishers {
            publisher.heard[consumer] = Heard::default();
        }
        self.serve(Node::Consumer(consumer));
    }

    /// A publisher's process dies, and another continues its session from where `saved` says: see
    /// [`World::resume_point`]. Needs a stream of blocks: see
    /// [`crate::sim::SimConfig::rewindable`].
    pub fn restart_publisher(&mut self, publisher: usize, saved: PublishResume) {
        let inbox = PeerId(self.network.random_id());
        let ids = SenderIds { session: saved.session, epoch: saved.epoch + 1, inbox };
        let (now, one) = (self.local_now(), &mut self.publishers[publisher]);
        let config = PublishConfig { resume: Some(saved), ..one.config.clone() };
        let mut sender = match Sender::new(config, ids, now) {
            Ok(sender) => sender,
            Err(error) => self.fail(&error.to_string()),
        };
        sender.set_rewindable();
        let one = &mut self.publishers[publisher];
        (one.sender, one.ids) = (sender, ids);
        one.first_event = one.events.len();
        one.told = Default::default();
        one.process.start_again(self.now);
        one.heard.fill(Heard::default());
        one.quorum.note_replaced();
        if let Err(what) = one.app.start_again(saved.next) {
            self.fail(what);
        }
        self.checker.note_replaced(saved.session);
        self.serve(Node::Publisher(publisher));
    }

    /// Where another publisher could continue.
    pub fn resume_point(&self, publisher: usize) -> PublishResume {
        self.publishers[publisher].sender.resume_point()
    }

    /// Stops only the application of a consumer from reading, or lets it read again.
    pub fn pause_reading(&mut self, consumer: usize, paused: bool) {
        self.consumers[consumer].reader.set_paused(paused);
        self.serve(Node::Consumer(consumer));
    }

    /// From now on the application of a consumer reads nothing, whatever heals, until
    /// [`World::end_hangs`].
    pub fn hang(&mut self, consumer: usize) {
        self.consumers[consumer].reader.set_hung(true);
    }

    /// Applications that hang read again. Returns true if there was one whose consumer has not
    /// ended.
    pub fn end_hangs(&mut self) -> bool {
        let hung = self.has_hung();
        self.consumers.iter_mut().for_each(|one| one.reader.set_hung(false));
        self.serve_all();
        hung
    }

    /// Sets the time that the application of a consumer takes for a frame from now on.
    pub fn read_every(&mut self, consumer: usize, interval: Duration) {
        self.consumers[consumer].reader.set_interval(interval);
    }

    /// Sets how the application of a consumer reads. To be called before it has read anything.
    pub fn read_as(&mut self, consumer: usize, read_as: ReadAs) {
        self.consumers[consumer].reader.set_read_as(read_as);
    }

    /// The bus goes down: copies on their way are lost, and so is what is sent. Every endpoint
    /// knows.
    pub fn bus_down(&mut self) {
        self.bus_down = true;
        self.network.lose_all();
        self.serve_all();
    }

    /// The bus is up again, and every endpoint is told, a stopped one when it runs again.
    pub fn bus_up(&mut self) {
        self.bus_down = false;
        let publishers = self.publishers.iter_mut().map(|one| &mut one.process);
        let consumers = self.consumers.iter_mut().map(|one| &mut one.process);
        for process in publishers.chain(consumers) {
            process.reconnected = true;
        }
        self.serve_all();
    }

    /// Everything heals: the paths are calm, no node is cut off, stopped or kept from reading, and
    /// the bus is up. From here on no peer that runs may be timed out.
    pub fn heal(&mut self) {
        self.set_paths(self.config.down.calm(), self.config.up.calm());
        self.lose_nothing();
        self.healed_at = Some(self.now);
        for node in self.nodes() {
            self.network.set_cut(node, false);
            self.process(node).stopped = false;
        }
        for consumer in &mut self.consumers {
            consumer.reader.set_paused(false);
        }
        if self.bus_down {
            self.bus_up();
        }
        self.serve_all();
    }

    /// Gives a publisher more messages to offer.
    pub fn write(&mut self, publisher: usize, sizes: &[usize]) {
        if publisher == 0 {
            self.config.messages.extend_from_slice(sizes);
        }
        let now = self.local_now();
        if let Err(refused) = self.publishers[publisher].app.extend(now, sizes) {
            self.fail(&format!("the packer refused: {refused:?}"));
        }
        self.serve(Node::Publisher(publisher));
    }

    /// A publisher finishes its stream when it has written everything.
    pub fn finish(&mut self, publisher: usize) {
        self.publishers[publisher].app.finish();
        self.serve(Node::Publisher(publisher));
    }

    /// A publisher aborts its stream.
    pub fn abort(&mut self, publisher: usize, reason: &str) {
        self.publishers[publisher].sender.abort(reason);
        self.serve(Node::Publisher(publisher));
    }

    /// A consumer leaves.
    pub fn cancel(&mut self, consumer: usize, reason: &str) {
        self.consumers[consumer].receiver.cancel(reason);
        self.serve(Node::Consumer(consumer));
    }

    /// A consumer that confirms explicitly does so, if it is at the end.
    pub fn close(&mut self, consumer: usize) {
        let now = self.local_now();
        let receiver = &mut self.consumers[consumer].receiver;
        let at_end = receiver.at_end();
        receiver.close(now);
        self.consumers[consumer].confirms |= at_end;
        self.serve(Node::Consumer(consumer));
    }

    /// A consumer that confirms explicitly does so as soon as it is at the end.
    pub fn confirm_end(&mut self, consumer: usize) {
        self.consumers[consumer].confirms = true;
        self.serve(Node::Consumer(consumer));
    }

    /// Puts any frame before a node at once.
    pub fn inject(&mut self, to: Node, frame: Bytes) {
        let opened = self.checker.open(&Transmit { to: Dest::Publisher, frame: frame.clone() });
        if let Some(opened) = &opened
            && self.publishers.iter().all(|one| one.ids.session != opened.header.session)
        {
            self.checker.note_injected(opened);
        }
        let label = opened.map(|opened| Label::of(None, 0, &opened));
        self.network.arrive(self.now, to, Delivery { frame, label, direct: true });
    }
}
