//! A publisher and its consumers, the bus between them, and whoever shares it, all at the input's will.
//!
//! What is checked depends on who is trusted, see [`Trust`]. Always: no panic, bounded state and retained
//! bytes, timers that come to rest, and no more frames than were asked for.

mod forge;
mod heal;
mod setup;

use std::collections::VecDeque;
use std::time::Duration;

use arbitrary::{Arbitrary, Unstructured};
use bytes::{BufMut, Bytes, BytesMut};
use swp_fast::proto::{Dest, Packed, Receiver, Sender, SenderEvent, SenderIds, Transmit};
use swp_fast::time::Time;
use swp_fast::wire::{Kind, MAX_HEADER, OpenFrame, PeerId, Sealer, encode_fragment};
use swp_fast::{PublishConfig, ReceiverError, SenderError, SubscribeConfig};

/// What one input may do, so that a run stays short.
const MAX_STEPS: usize = 400;

/// A link holds this many frames and loses what comes on top, as a bus does.
const LINK_FRAMES: usize = 64;

/// Genuine frames remembered, to be repeated later or changed.
const LOG_FRAMES: usize = 64;

/// Most frames that a publisher hands out at once: its control queue (256), and every frame that it
/// keeps (fewer than 32 here) once to the group and once to each of at most 3 consumers; FIN and probe.
const MAX_BURST: usize = 256 + 4 * 32 + 2;

/// After one input both ends are at rest within this many turns of timers and transmissions.
const MAX_TURNS: usize = 8;

/// Counters are asked for now and then only: percentiles cost more than the step that came before.
const CHECK_BOUNDS_EVERY: usize = 16;

/// An application that writes without asking `can_write` is at most this far ahead.
const MAX_AHEAD: u64 = 4;

/// The longest message here (2 KiB) in the smallest pieces (169 bytes): what is written at once when a
/// stream ends in the midst of one.
const LONG_PIECES: u64 = 13;

/// Whose frames reach the two ends besides their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trust {
    /// Nobody's: the bus loses, repeats and reorders. What is delivered is what was written, and when
    /// the bus heals everything is.
    Honest,
    /// Anybody's without the key: the same is promised.
    Keyed,
    /// Anybody's, with the means to seal any frame. Only bounds are promised.
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

/// A consumer and what the application has read from it.
struct Consumer {
    id: PeerId,
    receiver: Receiver,
    /// Frames under way to it.
    link: VecDeque<Bytes>,
    /// The number of the frame that must be read next; `None` before the first.
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
    /// Frames under way to the publisher.
    up: VecDeque<Bytes>,
    log: VecDeque<Bytes>,
    written: Vec<(Kind, Vec<u8>)>,
    /// A long message that is being written: its length, and how far it is.
    long: Option<(u64, u64)>,
    finished: bool,
    /// A consumer was given up at some time.
    lost: bool,
}

impl World {
    /// One thing happens.
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
            14 => self.repeat(u)?,
            15 | 16 if self.trust != Trust::Honest => self.noise(u)?,
            17..=19 if self.trust != Trust::Honest => self.forge(u)?,
            _ => _ = self.deliver_all(),
        }
        Ok(())
    }

    fn write(&mut self, u: &mut Unstructured<'_>) -> arbitrary::Result<()> {
        let ahead = self.written.len() as u64 - self.sender.sent().get();
        self.sender.set_backlog(!self.sender.can_write());
        if !self.sender.can_write() && ahead >= MAX_AHEAD {
            return Ok(());
        }
        let (kind, buf) = match self.long {
            None if u.ratio(1, 4)? => {
                let total = u.int_in_range(1..=self.config.max_message_bytes)?;
                self.long = Some((total, 0));
                (Kind::Fragment, self.piece())
            }
            Some(_) => (Kind::Fragment, self.piece()),
            None => (Kind::Data, self.packed(u)?),
        };
        let body = buf[MAX_HEADER..].to_vec();
        match self.sender.write(Packed::body(kind, buf, 1)) {
            Ok(seq) => {
                assert_eq!(seq.get(), self.written.len() as u64, "numbers are dense");
                self.written.push((kind, body));
            }
            Err(error) => {
                self.long = None;
                assert!(self.finished || self.sender.is_over(), "{error}");
            }
        }
        Ok(())
    }

    fn packed(&self, u: &mut Unstructured<'_>) -> arbitrary::Result<BytesMut> {
        let mut open = OpenFrame::new(self.config.max_body_bytes());
        let len = usize::from(u8::arbitrary(u)?);
        let fill = self.written.len() as u8;
        for _ in 0..u.int_in_range(1..=4)? {
            if !open.push(&vec![fill; len]) {
                break;
            }
        }
        Ok(open.into_buf())
    }

    fn piece(&mut self) -> BytesMut {
        let Some((total, offset)) = self.long.take() else { return BytesMut::zeroed(MAX_HEADER) };
        let len = (total - offset).min(self.config.max_fragment_bytes() as u64);
        if offset + len < total {
            self.long = Some((total, offset + len));
        }
        let mut piece = BytesMut::new();
        piece.put_bytes(self.written.len() as u8, len as usize);
        encode_fragment(total, offset, &piece)
    }

    fn deliver(&mut self, u: &mut Unstructured<'_>) -> arbitrary::Result<()> {
        let count = u.int_in_range(1..=8)?;
        let to = u.choose_index(self.consumers.len() + 1)?;
        for _ in 0..count {
            self.deliver_next(to);
        }
        Ok(())
    }

    /// Hands over one frame that is under way: to a consumer, or where there is none of this number, to
    /// the publisher.
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

    /// A link loses its first frame, or repeats it, or lets it be overtaken; or loses everything.
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

    fn repeat(&mut self, u: &mut Unstructured<'_>) -> arbitrary::Result<()> {
        if self.log.is_empty() {
            return Ok(());
        }
        let frame = self.log[u.choose_index(self.log.len())?].clone();
        let to = u.choose_index(self.consumers.len() + 1)?;
        self.hand_over(to, &frame);
        Ok(())
    }

    fn read(&mut self, u: &mut Unstructured<'_>) -> arbitrary::Result<()> {
        let index = u.choose_index(self.consumers.len())?;
        let most = u.int_in_range(1..=64)?;
        self.read_some(index, most);
        Ok(())
    }

    /// The application reads; what it gets is compared with what was written.
    fn read_some(&mut self, index: usize, most: usize) -> bool {
        let consumer = &mut self.consumers[index];
        let mut bytes = 0;
        let mut frames = 0;
        while frames < most {
            let Some(frame) = consumer.receiver.read_frame(self.now) else { break };
            bytes += frame.body.len() as u64;
            frames += 1;
            if self.trust == Trust::Forged {
                continue;
            }
            let seq = frame.seq.get();
            match consumer.next {
                Some(next) => assert_eq!(seq, next, "frames are read in order"),
                None => assert!(seq == 0 || self.config.late_join == swp_fast::LateJoin::FromNow),
            }
            consumer.next = Some(seq + 1);
            let (kind, body) = &self.written[seq as usize];
            assert!(frame.kind == *kind && frame.body == body, "frame {seq} is what was written");
        }
        assert!(bytes <= consumer.config.window_bytes, "what was held is within the window");
        frames > 0
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

    /// Two keep-alives in which nothing arrives anywhere: each end asks ever less often.
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
            // Timers are a millisecond apart at the least, four ends have a handful each.
            assert!(turns <= 8_000 + 1_000, "timers without end");
        }
        self.now = until;
        if self.trust != Trust::Forged {
            // Back-off: 5 ms doubling to a keep-alive, for each consumer; and what was due before.
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

    fn finish(&mut self) {
        // A message that has begun is written to its end first.
        while self.long.is_some() && !self.finished && !self.sender.is_over() {
            let buf = self.piece();
            let body = buf[MAX_HEADER..].to_vec();
            if self.sender.write(Packed::body(Kind::Fragment, buf, 1)).is_ok() {
                self.written.push((Kind::Fragment, body));
            }
        }
        self.finished = true;
        self.sender.finish(Bytes::from_static(b"end"));
    }

    /// Timers run and frames go out until both ends are at rest; how many frames that were.
    fn settle(&mut self) -> usize {
        let now = self.now;
        let mut sent = 0;
        for _ in 0..MAX_TURNS {
            if self.sender.poll_timeout().is_some_and(|at| at <= now) {
                self.sender.handle_timeout(now);
            }
            let mut burst = 0;
            while let Some(transmit) = self.sender.poll_transmit(now) {
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
        // A turn of the input delivers at most all that the links hold, and each frame causes a few.
        assert!(events <= 4 * 4 * LINK_FRAMES + 64, "{events} events");
    }

    /// What is kept is bounded.
    fn check_bounds(&self) {
        let stats = self.sender.stats();
        let bound = self.config.retained_frames + MAX_AHEAD + LONG_PIECES;
        assert!(stats.retained_frames <= bound, "{} frames retained", stats.retained_frames);
        assert!(stats.consumers.len() <= self.config.max_consumers);
        let members: Vec<u64> = stats.consumers.iter().map(|consumer| consumer.id).collect();
        for consumer in &self.consumers {
            let stats = consumer.receiver.stats();
            assert!(stats.queued_frames <= consumer.config.window_frames);
            if self.trust != Trust::Forged && members.contains(&consumer.id.0) {
                let dropped = stats.dropped;
                assert_eq!(dropped.forged, 0, "a genuine publisher");
                // Whoever was given up, and has not heard of it, hears what is sent to the others; and it
                // may have been let in again.
                assert!(self.lost || dropped.beyond_window == 0, "a genuine publisher");
            }
        }
    }

    /// How an end may not fail where no genuine or keyed frame gave cause.
    fn check(&self) {
        if self.trust == Trust::Forged {
            return;
        }
        let outcome = self.sender.outcome();
        assert_ne!(outcome, Some(Err(SenderError::StreamInUse)), "nobody else was there");
        for consumer in &self.consumers {
            match consumer.receiver.failure() {
                Some(ReceiverError::Protocol(what)) => panic!("a genuine publisher: {what}"),
                // The one thing that a version without the key can say; see `Preamble`.
                Some(ReceiverError::Version { .. }) => assert_eq!(self.trust, Trust::Keyed),
                _ => {}
            }
        }
    }
}
