//! A publisher and its consumers, the bus between them, and other users of the bus. The input
//! decides what each of them does.
//!
//! The checks depend on which frames can be forged, see [`Trust`]. Always checked: no panic,
//! bounded state, timers that come to rest, and a bounded number of frames for each input.

mod apps;
mod forge;
mod heal;
mod setup;

use std::collections::VecDeque;
use std::time::Duration;

use arbitrary::{Arbitrary, Unstructured};
use bytes::Bytes;
use swp_fast::proto::{Dest, Receiver, Sender, SenderEvent, SenderIds, Transmit};
use swp_fast::time::Time;
use swp_fast::wire::{PeerId, Sealer};
use swp_fast::{PublishConfig, ReceiverError, SenderError, SubscribeConfig};

use self::apps::{Producer, SentFrame};

/// The most steps of one input, so that a run stays short.
const MAX_STEPS: usize = 400;

/// The frames that a link holds. A frame beyond that is lost, as on a bus.
const LINK_FRAMES: usize = 64;

/// Genuine frames kept, to be sent again later or changed.
const LOG_FRAMES: usize = 64;

/// The full frames that the packer's queue holds.
const QUEUE_FRAMES: usize = 4;

/// The most frames that wait in the packer: a message of more than half a frame has a frame of its
/// own, the longest message (2 KiB) has 13 of the shortest fragments (169 bytes), and one frame is
/// open.
const MAX_WAITING: usize = 2 * QUEUE_FRAMES + 13 + 1;

/// The most frames that a publisher hands out at once: its control queue (256), and every frame
/// that it retains (fewer than 32 here) once to the group and once to each of at most 3 consumers.
/// What waits in the packer, FIN and probe come on top.
const MAX_BURST: usize = 256 + 4 * 32 + MAX_WAITING + 2;

/// After one step all endpoints are at rest within this many turns of timers and transmissions.
const MAX_TURNS: usize = 8;

/// The steps between two looks at the counters. Percentiles cost more than a step.
const CHECK_BOUNDS_EVERY: usize = 16;

/// Which frames reach the endpoints besides their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trust {
    /// None: the bus loses, duplicates and reorders. The messages delivered are those accepted, and
    /// all of them once the bus heals.
    Honest,
    /// Frames made without the key. The same is promised.
    Keyed,
    /// Frames made with everything that it takes to seal a frame. Only bounds are promised.
    Forged,
}

/// Runs the input.
pub fn session(data: &[u8]) {
    let mut u = Unstructured::new(data);
    let Ok(mut world) = World::new(&mut u) else { return };
    world.settle();
    for step in 0..MAX_STEPS {
        if u.is_empty() || world.step(&mut u).is_err() {
            break;
        }
        world.settle();
        world.check();
        if step % CHECK_BOUNDS_EVERY == 0 {
            world.check_bounds();
        }
    }
    world.check_bounds();
    if world.trust != Trust::Forged {
        world.heal();
    }
}

/// How a consumer's application reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ReadAs {
    Messages,
    Batches,
    Frames,
}

/// A consumer and its application.
struct Consumer {
    id: PeerId,
    receiver: Receiver,
    /// Frames on their way to the consumer.
    link: VecDeque<Bytes>,
    read_as: ReadAs,
    /// The number of the message that must be read next, or `None` before the first.
    next: Option<u64>,
    config: SubscribeConfig,
}

/// Everything.
struct World {
    trust: Trust,
    now: Time,
    sealer: Sealer,
    ids: SenderIds,
    config: PublishConfig,
    sender: Sender,
    consumers: Vec<Consumer>,
    /// Frames on their way to the publisher.
    up: VecDeque<Bytes>,
    log: VecDeque<Bytes>,
    producer: Producer,
    /// The data frames of the session, by sequence number.
    sent: Vec<SentFrame>,
    /// A peer was lost at some time.
    lost: bool,
}

impl World {
    /// Does what the next byte of the input says.
    fn step(&mut self, u: &mut Unstructured<'_>) -> arbitrary::Result<()> {
        match u.int_in_range(0..=19)? {
            0..=2 => self.write(u)?,
            3..=5 => self.deliver(u)?,
            6 => self.disturb(u)?,
            7 | 8 => self.read(u)?,
            9 | 10 => self.pass_time(u)?,
            11 => self.wait_for_timer(),
            12 => self.quiet(),
            13 => self.application(u)?,
            14 => self.duplicate(u)?,
            15 | 16 if self.trust != Trust::Honest => self.noise(u)?,
            17..=19 if self.trust != Trust::Honest => self.forge(u)?,
            _ => _ = self.deliver_all(),
        }
        Ok(())
    }

    fn deliver(&mut self, u: &mut Unstructured<'_>) -> arbitrary::Result<()> {
        let count = u.int_in_range(1..=8)?;
        let to = u.choose_index(self.consumers.len() + 1)?;
        for _ in 0..count {
            self.deliver_next(to);
        }
        Ok(())
    }

    /// Hands over one frame that is on its way: to a consumer or, if there is none of this number,
    /// to the publisher.
    fn deliver_next(&mut self, to: usize) -> bool {
        let link = self.consumers.get_mut(to).map_or(&mut self.up, |consumer| &mut consumer.link);
        let Some(frame) = link.pop_front() else { return false };
        self.hand_over(to, &frame);
        true
    }

    fn hand_over(&mut self, to: usize, frame: &Bytes) {
        match self.consumers.get_mut(to) {
            Some(consumer) => consumer.receiver.handle_frame(self.now, frame),
            None => self.sender.handle_frame(self.now, frame),
        }
    }

    fn deliver_all(&mut self) -> bool {
        let mut moved = false;
        for to in 0..=self.consumers.len() {
            while self.deliver_next(to) {
                moved = true;
            }
        }
        moved
    }

    /// A link loses its first frame, duplicates it, lets it be overtaken, or loses everything.
    fn disturb(&mut self, u: &mut Unstructured<'_>) -> arbitrary::Result<()> {
        let to = u.choose_index(self.consumers.len() + 1)?;
        let link = self.consumers.get_mut(to).map_or(&mut self.up, |consumer| &mut consumer.link);
        match u.int_in_range(0..=3)? {
            0 => drop(link.pop_front()),
            1 => link.extend(link.front().cloned()),
            2 if !link.is_empty() => link.rotate_left(1),
            2 => {}
            _ => link.clear(),
        }
        Ok(())
    }

    /// A frame that was sent some time ago arrives, at any endpoint.
    fn duplicate(&mut self, u: &mut Unstructured<'_>) -> arbitrary::Result<()> {
        if self.log.is_empty() {
            return Ok(());
        }
        let frame = self.log[u.choose_index(self.log.len())?].clone();
        let to = u.choose_index(self.consumers.len() + 1)?;
        self.hand_over(to, &frame);
        Ok(())
    }

    fn pass_time(&mut self, u: &mut Unstructured<'_>) -> arbitrary::Result<()> {
        let scale = *u.choose(&[1_u64, 1_000, 50_000, 1_000_000, 60_000_000])?;
        self.now = self.now + Duration::from_micros(scale * u64::from(u8::arbitrary(u)?));
        Ok(())
    }

    fn next_timer(&self) -> Option<Time> {
        let consumers = self.consumers.iter().map(|consumer| consumer.receiver.poll_timeout());
        consumers.chain([self.sender.poll_timeout()]).flatten().min()
    }

    fn wait_for_timer(&mut self) {
        self.now = self.next_timer().unwrap_or(self.now).max(self.now);
    }

    /// Nothing arrives anywhere for two keep-alives: each endpoint sends ever less often.
    fn quiet(&mut self) {
        let until = self.now + self.config.keep_alive * 2;
        let mut sent = 0;
        let mut turns = 0;
        while let Some(at) = self.next_timer().filter(|at| *at <= until) {
            self.now = at.max(self.now);
            sent += self.settle();
            turns += 1;
            for link in self.consumers.iter_mut().map(|consumer| &mut consumer.link) {
                link.clear();
            }
            self.up.clear();
            // Timers are at least a millisecond apart, and each of four endpoints has a few.
            assert!(turns <= 8_000 + 1_000, "timers without end");
        }
        self.now = until;
        if self.trust != Trust::Forged {
            // Back-off goes from 5 ms, doubling, to a keep-alive, for each consumer. A burst may
            // have been due before.
            assert!(sent <= 256 + MAX_BURST, "{sent} frames without any answer");
        }
    }

    /// The application, and the connection to the bus.
    fn application(&mut self, u: &mut Unstructured<'_>) -> arbitrary::Result<()> {
        let index = u.choose_index(self.consumers.len())?;
        let receiver = &mut self.consumers[index].receiver;
        match u.int_in_range(0..=9)? {
            0..=2 => self.finish(),
            3 => receiver.cancel("enough"),
            4 => self.sender.abort("stop"),
            5 => self.sender.handle_reconnect(self.now),
            6 => receiver.handle_reconnect(self.now),
            7 => {
                self.sender.handle_outage(self.now);
                receiver.handle_outage(self.now);
            }
            _ => receiver.close(self.now),
        }
        Ok(())
    }

    /// Timers run and frames go out until all endpoints are at rest. Returns the number of frames.
    fn settle(&mut self) -> usize {
        let now = self.now;
        let mut sent = 0;
        for _ in 0..MAX_TURNS {
            if self.sender.poll_timeout().is_some_and(|at| at <= now) {
                self.sender.handle_timeout(now);
            }
            let mut burst = 0;
            loop {
                self.pump();
                let Some(transmit) = self.sender.poll_transmit(now) else { break };
                burst += 1;
                assert!(burst <= MAX_BURST, "a publisher that does not stop");
                self.route(transmit);
            }
            sent += burst;
            for index in 0..self.consumers.len() {
                let receiver = &mut self.consumers[index].receiver;
                if receiver.poll_timeout().is_some_and(|at| at <= now) {
                    receiver.handle_timeout(now);
                }
                let mut burst = 0;
                while let Some(transmit) = self.consumers[index].receiver.poll_transmit(now) {
                    burst += 1;
                    assert!(burst <= 4, "a consumer that does not stop");
                    self.route(transmit);
                }
                sent += burst;
            }
            if self.next_timer().is_none_or(|at| at > now) {
                self.take_events();
                return sent;
            }
        }
        panic!("timers in the past after {MAX_TURNS} turns");
    }

    fn route(&mut self, transmit: Transmit) {
        self.log.push_back(transmit.frame.clone());
        if self.log.len() > LOG_FRAMES {
            self.log.pop_front();
        }
        let push = |link: &mut VecDeque<Bytes>| {
            if link.len() < LINK_FRAMES {
                link.push_back(transmit.frame.clone());
            }
        };
        if let Dest::Group(_) = transmit.to
            && let Ok(frame) = self.sealer.open(&transmit.frame)
        {
            self.note_sent(&frame);
        }
        match transmit.to {
            Dest::Publisher => push(&mut self.up),
            Dest::Group(generation) => {
                let listening = self
                    .consumers
                    .iter_mut()
                    .filter(|to| to.receiver.generations().any(|listened| listened == generation));
                listening.for_each(|to| push(&mut to.link));
            }
            Dest::Peer(id) => {
                if let Some(to) = self.consumers.iter_mut().find(|to| to.id == id) {
                    push(&mut to.link);
                }
            }
        }
    }

    fn take_events(&mut self) {
        let mut events = 0;
        while let Some(event) = self.sender.poll_event() {
            self.lost |= matches!(event, SenderEvent::Lost { .. });
            events += 1;
        }
        for consumer in &mut self.consumers {
            while consumer.receiver.poll_event().is_some() {
                events += 1;
            }
        }
        // A step delivers at most all that the links hold, and each frame causes a few events.
        assert!(events <= 4 * 4 * LINK_FRAMES + 64, "{events} events");
    }

    /// Checks the bounds of what is kept.
    fn check_bounds(&self) {
        let stats = self.sender.stats();
        // One frame is written beyond the bound, and not sent yet.
        let bound = self.config.retained_frames + 1;
        assert!(stats.retained_frames <= bound, "{} frames retained", stats.retained_frames);
        assert!(stats.consumers.len() <= self.config.max_consumers);
        let consumers: Vec<u64> = stats.consumers.iter().map(|consumer| consumer.id).collect();
        for consumer in &self.consumers {
            let stats = consumer.receiver.stats();
            assert!(stats.queued_frames <= consumer.config.window_frames);
            if self.trust != Trust::Forged && consumers.contains(&consumer.id.0) {
                let dropped = stats.dropped;
                assert_eq!(dropped.forged, 0, "a genuine publisher");
                // A consumer that was lost, and does not know, hears what goes to the others. It
                // may have been let in again.
                assert!(self.lost || dropped.beyond_window == 0, "a genuine publisher");
            }
        }
    }

    /// Without a genuine or keyed frame as a cause, an endpoint may not fail in these ways.
    fn check(&self) {
        if self.trust == Trust::Forged {
            return;
        }
        let outcome = self.sender.outcome();
        assert_ne!(outcome, Some(Err(SenderError::StreamInUse)), "no other publisher was there");
        for consumer in &self.consumers {
            match consumer.receiver.failure() {
                Some(error @ (ReceiverError::Protocol(_) | ReceiverError::Fragments(_))) => {
                    panic!("a genuine publisher: {error}")
                }
                // A RESET for another version needs no key: see `Preamble`.
                Some(ReceiverError::Version { .. }) => assert_eq!(self.trust, Trust::Keyed),
                _ => {}
            }
        }
    }
}
