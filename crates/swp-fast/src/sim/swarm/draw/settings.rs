//! The options of paths, session and windows.

use std::time::Duration;

use super::super::{Feature, Plan};
use super::Dice;
use crate::config::{
    ConfirmEnd, LateJoin, MIN_FRAME_BYTES, SUBSCRIPTION_RESERVE, Slow, UnackedLimit,
};
use crate::sim::{Burst, PathConfig};
use crate::wire::{Integrity, Key};

/// The tag of the consumers that count, where not all do.
const COUNTS: &str = "counts";

impl Plan {
    pub(super) fn draw_paths(&mut self, dice: &mut Dice) {
        let config = &mut self.config;
        let has = |feature| self.features.contains(&feature);
        let most_us = if has(Feature::LongWay) { 250_000 } else { 10_000 };
        for path in [&mut config.down, &mut config.up] {
            path.latency = dice.micros(20..=most_us);
            if has(Feature::Jitter) {
                path.jitter = dice.micros(10..=10_000);
            }
            if has(Feature::Duplicate) {
                path.duplicate = dice.chance(0.3);
            }
            if has(Feature::Reorder) {
                path.reorder = dice.chance(0.3);
            }
            if has(Feature::Corrupt) {
                path.corrupt = dice.chance(0.1);
            }
            if has(Feature::Burst) && !dice.one_in(3) {
                let (enter, leave) = (dice.chance(0.1), dice.chance(0.5).max(0.02));
                let loss = if dice.one_in(2) { 1.0 } else { dice.chance(1.0) };
                path.burst = Some(Burst { enter, leave, loss });
            }
        }
        if has(Feature::LossDown) {
            config.down.loss = dice.chance(0.5);
        }
        if has(Feature::LossUp) {
            config.up.loss = dice.chance(0.5);
        }
        if has(Feature::CoarseClock) {
            config.clock_step = dice.micros(1..=10_000);
        }
    }

    pub(super) fn draw_session(&mut self, dice: &mut Dice) {
        let config = &mut self.config;
        let has = |feature| self.features.contains(&feature);
        let publish = &mut config.publish;
        if has(Feature::ManyConsumers) {
            config.consumers = dice.log(2..=8) as usize;
        }
        publish.min_consumers = config.consumers;
        if has(Feature::EarlyStart) {
            publish.min_consumers = dice.between(1..=config.consumers as u64) as usize;
        }
        publish.late_join = match dice.between(0..=3) {
            0 | 1 => LateJoin::Refuse,
            2 => LateJoin::FromNow,
            _ => LateJoin::FromStart,
        };
        config.rewindable = publish.late_join == LateJoin::FromStart || dice.one_in(4);
        if has(Feature::Keyed) {
            publish.key = Some(Key::derive(b"simulated"));
            config.subscribe.key = publish.key.clone();
        } else if has(Feature::Crc32c) {
            publish.integrity = Integrity::Crc32c;
        } else if has(Feature::NoDigest) && !has(Feature::Corrupt) {
            publish.integrity = Integrity::None;
        }
        if has(Feature::ShortTimeouts) {
            // A handshake takes a round trip, and the shortest time-out is three keep-alives.
            let way = |path: &PathConfig| path.latency * 3 + path.jitter;
            let least = way(&config.down) + way(&config.up) + config.clock_step * 4;
            let keep_alive = dice.micros(20_000..=500_000).max(least);
            publish.keep_alive = Duration::from_millis(keep_alive.as_millis() as u64 + 1);
            publish.idle_timeout = publish.keep_alive * dice.between(3..=10) as u32;
        }
        if has(Feature::Evict) {
            publish.slow =
                Slow::Evict { stalled_for: publish.keep_alive * dice.between(1..=4) as u32 };
        }
        if has(Feature::UnackedLimit) {
            let within = dice.micros(100_000..=5_000_000);
            publish.unacked_limit =
                Some(UnackedLimit { frames: dice.between(10..=200) as u32, within });
        }
        if has(Feature::Claim) {
            publish.claim_timeout = dice.micros(1_000..=200_000);
        }
        self.draw_members(dice);
    }

    /// Which consumers count, how many must be left, and what confirms the end.
    fn draw_members(&mut self, dice: &mut Dice) {
        let (has_tags, config) = (self.has(Feature::Tags), &mut self.config);
        let mut counting = config.consumers;
        self.tags = vec![String::new(); config.consumers];
        if has_tags {
            config.publish.tag = Some(COUNTS.to_owned());
            for (index, tag) in self.tags.iter_mut().enumerate() {
                if index == 0 || dice.one_in(2) {
                    COUNTS.clone_into(tag);
                }
            }
            if dice.one_in(2) {
                COUNTS.clone_into(&mut config.subscribe.tag);
            }
            counting = self.tags.iter().filter(|tag| !tag.is_empty()).count();
        }
        config.publish.min_consumers = config.publish.min_consumers.min(counting);
        if self.features.contains(&Feature::Quorum) {
            config.publish.quorum = Some(dice.between(0..=counting as u64) as usize);
        }
        if self.features.contains(&Feature::ExplicitEnd) {
            config.subscribe.confirm_end = ConfirmEnd::Explicitly;
        }
        // A publisher that continues a session must be able to read again what was written.
        config.rewindable |= self.features.contains(&Feature::RestartPublisher);
    }

    pub(super) fn draw_windows(&mut self, dice: &mut Dice) {
        let config = &mut self.config;
        let has = |feature| self.features.contains(&feature);
        config.publish.frame_bytes = match dice.between(0..=15) {
            0 => config.publish.frame_bytes,
            power => 256 << (power % 4),
        };
        let frame = config.publish.frame_bytes as u64;
        if has(Feature::SoloFrames) {
            config.publish.solo_frame_bytes = dice.log(MIN_FRAME_BYTES as u64..=frame) as usize;
        }
        if has(Feature::SmallQueue) {
            config.publish.queue_bytes = config.publish.frame_bytes * dice.between(1..=4) as usize;
        }
        let body = config.publish.max_body_bytes() as u64;
        let most = if has(Feature::SmallWindow) { 4 } else { 4_096 };
        config.subscribe.window_frames = dice.log(1..=most);
        if has(Feature::SmallByteWindow) {
            config.subscribe.window_bytes = dice.between(body.max(256)..=body.max(256) * 4);
        }
        if has(Feature::SmallRetention) {
            config.publish.retained_frames = dice.between(1..=8);
            config.publish.retained_bytes = frame * dice.between(1..=8);
        }
        if has(Feature::TightQueue) {
            config.subscription_capacity =
                (config.subscribe.window_frames + SUBSCRIPTION_RESERVE) as usize;
        }
    }
}
