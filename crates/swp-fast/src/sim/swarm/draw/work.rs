//! The messages of a run, and what the applications do with them.

use std::time::Duration;

use super::super::{Feature, Plan};
use super::Dice;
use crate::config::PublishConfig;
use crate::sim::ReadAs;
use crate::wire::message_len;

/// A seed is meant to take a millisecond or two. More frames, messages or bytes would show nothing
/// new.
const MAX_FRAMES: u64 = 240;
const MAX_MESSAGES: usize = 800;
const MAX_BYTES: usize = 200_000;

/// One seed in so many has a stream long enough to fill the largest window.
const LONG_STREAMS: u64 = 200;
const LONG_STREAM_FRAMES: u64 = 6_000;

/// The sizes that the messages of a run may have.
struct Sizes {
    /// Sizes at which the packer or the reassembly changes what it does.
    boundaries: Vec<usize>,
    /// All other sizes are up to this.
    most: usize,
}

impl Sizes {
    fn draw(&self, dice: &mut Dice) -> usize {
        if self.boundaries.is_empty() || dice.one_in(4) {
            return dice.between(0..=self.most as u64) as usize;
        }
        self.boundaries[dice.between(0..=self.boundaries.len() as u64 - 1) as usize]
    }
}

impl Plan {
    pub(super) fn draw_work(&mut self, dice: &mut Dice) {
        let body = self.config.publish.max_body_bytes();
        let mut frames = dice.log(1..=MAX_FRAMES) as usize;
        let (mut most_bytes, mut most_messages) = (MAX_BYTES, MAX_MESSAGES);
        let mut sizes = self.draw_sizes(dice);
        if sizes.boundaries.is_empty()
            && !self.has(Feature::LargeMessages)
            && dice.one_in(LONG_STREAMS)
        {
            frames = LONG_STREAM_FRAMES as usize;
            (self.config.publish.frame_bytes, sizes.most) = (256, 192);
            (most_bytes, most_messages) = (1 << 20, frames);
        }
        let messages = &mut self.config.messages;
        let mut left = (frames * body).min(most_bytes);
        while left > 0 && messages.len() < most_messages {
            let size = sizes.draw(dice);
            left = left.saturating_sub(size + 4);
            messages.push(size);
        }
        if dice.one_in(100) {
            messages.clear();
        }
        self.heal_at = dice.micros(10_000..=3_000_000);
        if self.has(Feature::PacedWriter) {
            let messages = self.config.messages.len().max(1);
            self.config.write_interval = self.heal_at / messages as u32;
        }
        self.draw_applications(dice);
    }

    fn draw_sizes(&mut self, dice: &mut Dice) -> Sizes {
        let (at_boundaries, large) =
            (self.has(Feature::BoundarySizes), self.has(Feature::LargeMessages));
        let (publish, subscribe) = (&mut self.config.publish, &mut self.config.subscribe);
        let body = publish.max_body_bytes();
        let mut most = match dice.between(0..=2) {
            0 => 32,
            1 => body / 2,
            _ => body,
        };
        if large {
            most = body * dice.between(1..=6) as usize;
        }
        if !at_boundaries {
            return Sizes { boundaries: Vec::new(), most };
        }
        let longest = body * dice.between(1..=6) as usize;
        publish.max_message_bytes = longest as u64;
        subscribe.max_message_bytes = longest as u64;
        Sizes { boundaries: boundaries(publish), most: most.min(longest) }
    }

    fn draw_applications(&mut self, dice: &mut Dice) {
        let (batches, frames) = (self.has(Feature::ReadBatches), self.has(Feature::ReadFrames));
        let slow_readers = self.has(Feature::SlowReader);
        let blocks = self.has(Feature::Blocks) || self.config.rewindable;
        let producers = if self.has(Feature::ManyProducers) { dice.between(2..=5) } else { 1 };
        let config = &mut self.config;
        config.app.producers = producers as usize;
        config.app.block_bodies = blocks.then(|| dice.log(1..=16) as usize);
        config.app.known_digests = dice.one_in(2);
        let mut ways = vec![ReadAs::Messages];
        ways.extend(batches.then_some(ReadAs::Batches));
        ways.extend(frames.then_some(ReadAs::Frames));
        let way = |dice: &mut Dice| ways[dice.between(0..=ways.len() as u64 - 1) as usize];
        config.app.read_as = way(dice);
        for _ in 0..config.consumers {
            let slow = slow_readers && dice.one_in(2);
            let interval = if slow { dice.micros(10..=5_000) } else { Duration::ZERO };
            self.readers.push((way(dice), interval));
        }
    }
}

/// Sizes at, just below and just above each size at which the packer or the reassembly changes what
/// it does.
fn boundaries(publish: &PublishConfig) -> Vec<usize> {
    let longest = usize::try_from(publish.max_message_bytes).unwrap_or(usize::MAX);
    let mut at = vec![0, longest];
    for body in [publish.solo_body_bytes(), publish.max_body_bytes()] {
        // The longest messages that fill half a frame, and a whole frame.
        at.extend([body / 2, body].map(longest_packed));
        at.extend([2 * body, 3 * body]);
    }
    at.extend((1..=3).map(|fragments| fragments * publish.max_fragment_bytes()));
    let near = at.into_iter().flat_map(|size| [size.saturating_sub(1), size, size + 1]);
    near.filter(|size| *size <= longest).collect()
}

/// The longest message that takes no more than `bytes` in a packed body.
fn longest_packed(bytes: usize) -> usize {
    (0..=bytes).rev().find(|len| message_len(*len) <= bytes).unwrap_or(0)
}
