//! A seed's options and disturbances.

use std::ops::RangeInclusive;
use std::time::Duration;

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;

use super::{Action, Feature, Plan};
use crate::config::{ConfirmEnd, LateJoin, SUBSCRIPTION_RESERVE, Slow, UnackedLimit};
use crate::sim::{Burst, Node, PathConfig, SimConfig};
use crate::wire::{Integrity, Key};

/// Options come from other numbers than the world's decisions of chance, which start from the seed itself.
const OPTIONS: u64 = 0x6f70_7469_6f6e_7321;

/// A seed is meant to take a millisecond or two: more frames, messages or bytes than this repeat what fewer show.
const MAX_FRAMES: u64 = 240;
const MAX_MESSAGES: usize = 800;
const MAX_BYTES: usize = 200_000;

/// The tag of those who count, where not all do.
const COUNTS: &str = "counts";

/// One seed in so many has a stream long enough to fill the largest window.
const LONG_STREAMS: u64 = 200;
const LONG_STREAM_FRAMES: u64 = 6_000;

/// Seeded choices.
struct Dice(Pcg64);

impl Dice {
    fn one_in(&mut self, sides: u64) -> bool {
        self.0.random_range(0..sides) == 0
    }

    fn between(&mut self, range: RangeInclusive<u64>) -> u64 {
        self.0.random_range(range)
    }

    /// Small values are as likely as large ones, on a scale of powers.
    fn log(&mut self, range: RangeInclusive<u64>) -> u64 {
        let (low, high) = (*range.start() as f64, *range.end() as f64);
        let drawn = (low.ln() + (high.ln() - low.ln()) * self.0.random_range(0.0..=1.0f64)).exp();
        (drawn as u64).clamp(*range.start(), *range.end())
    }

    /// From 0.1 % to `most`, on a scale of powers.
    fn chance(&mut self, most: f64) -> f64 {
        self.log(1_000..=(most * 1e6) as u64) as f64 / 1e6
    }

    fn micros(&mut self, range: RangeInclusive<u64>) -> Duration {
        Duration::from_micros(self.log(range))
    }
}

impl Plan {
    /// Draws a plan. The same seed gives the same plan, as long as this version of the crate is used.
    pub fn draw(seed: u64) -> Plan {
        let mut dice = Dice(Pcg64::seed_from_u64(seed ^ OPTIONS));
        let features = features(&mut dice);
        let mut plan = Plan {
            config: SimConfig::new(seed),
            features,
            tags: Vec::new(),
            read_intervals: Vec::new(),
            actions: Vec::new(),
            heal_at: Duration::ZERO,
        };
        plan.draw_paths(&mut dice);
        plan.draw_session(&mut dice);
        plan.draw_windows(&mut dice);
        plan.draw_work(&mut dice);
        plan.draw_actions(&mut dice);
        plan
    }

    fn draw_paths(&mut self, dice: &mut Dice) {
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

    fn draw_session(&mut self, dice: &mut Dice) {
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
            // A handshake takes a round trip, and three keep-alives are the shortest time-out there is.
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

    /// Who counts, how many have to be left, and who says when a consumer is through.
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
        // Who goes on with a session has to be able to read again what was written.
        config.rewindable |= self.features.contains(&Feature::RestartPublisher);
    }

    fn draw_windows(&mut self, dice: &mut Dice) {
        let config = &mut self.config;
        let has = |feature| self.features.contains(&feature);
        config.publish.frame_bytes = match dice.between(0..=15) {
            0 => config.publish.frame_bytes,
            power => 256 << (power % 4),
        };
        let body = config.publish.max_body_bytes() as u64;
        let most = if has(Feature::SmallWindow) { 4 } else { 4_096 };
        config.subscribe.window_frames = dice.log(1..=most);
        if has(Feature::SmallByteWindow) {
            config.subscribe.window_bytes = dice.between(body.max(256)..=body.max(256) * 4);
        }
        if has(Feature::SmallRetention) {
            let frame = config.publish.frame_bytes as u64;
            config.publish.retained_frames = dice.between(1..=8);
            config.publish.retained_bytes = frame * dice.between(1..=8);
        }
        if has(Feature::TightQueue) {
            config.subscription_capacity =
                (config.subscribe.window_frames + SUBSCRIPTION_RESERVE) as usize;
        }
    }

    fn draw_work(&mut self, dice: &mut Dice) {
        let has = |feature| self.features.contains(&feature);
        let config = &mut self.config;
        let body = config.publish.max_body_bytes();
        let mut frames = dice.log(1..=MAX_FRAMES) as usize;
        let (mut most_bytes, mut most_messages) = (MAX_BYTES, MAX_MESSAGES);
        let mut most = match dice.between(0..=2) {
            0 => 32,
            1 => body / 2,
            _ => body,
        };
        if has(Feature::LargeMessages) {
            most = body * dice.between(1..=6) as usize;
        } else if dice.one_in(LONG_STREAMS) {
            frames = LONG_STREAM_FRAMES as usize;
            (config.publish.frame_bytes, most) = (256, 192);
            (most_bytes, most_messages) = (1 << 20, frames);
        }
        let mut left = (frames * body).min(most_bytes);
        while left > 0 && config.messages.len() < most_messages {
            let size = dice.between(0..=most as u64) as usize;
            left = left.saturating_sub(size + 4);
            config.messages.push(size);
        }
        if dice.one_in(100) {
            config.messages.clear();
        }
        self.heal_at = dice.micros(10_000..=3_000_000);
        if has(Feature::PacedWriter) {
            config.write_interval = self.heal_at / config.messages.len().max(1) as u32;
        }
        for _ in 0..config.consumers {
            let slow = has(Feature::SlowReader) && dice.one_in(2);
            let interval = if slow { dice.micros(10..=5_000) } else { Duration::ZERO };
            self.read_intervals.push(interval);
        }
    }

    /// Disturbances begin within the time that is drawn for the work, and some outlast it.
    fn draw_actions(&mut self, dice: &mut Dice) {
        let span_us = self.heal_at.as_micros() as u64;
        let consumers = self.config.consumers as u64;
        let mut some = |plan: &mut Plan, feature, pair: &dyn Fn(usize) -> [Action; 2]| {
            if !plan.has(feature) {
                return;
            }
            let most_us = if plan.has(Feature::LongOutage) { 15_000_000 } else { 2_000_000 };
            for _ in 0..dice.between(1..=3) {
                let [begin, end] = pair(dice.between(0..=consumers - 1) as usize);
                let at = Duration::from_micros(dice.between(0..=span_us));
                let until = at + dice.micros(100..=most_us);
                plan.actions.extend([(at, begin), (until, end)]);
            }
        };
        some(self, Feature::Partition, &|consumer| {
            let node = Node::Consumer(consumer);
            [Action::Cut(node, true), Action::Cut(node, false)]
        });
        some(self, Feature::Reconnect, &|_| [Action::BusDown, Action::BusUp]);
        some(self, Feature::StopPublisher, &|_| {
            [true, false].map(|stop| Action::Stop(Node::Publisher(0), stop))
        });
        some(self, Feature::StopConsumer, &|consumer| {
            [true, false].map(|stop| Action::Stop(Node::Consumer(consumer), stop))
        });
        some(self, Feature::PauseReading, &|consumer| {
            [true, false].map(|pause| Action::Pause(consumer, pause))
        });
        if self.has(Feature::LateJoin) {
            for _ in 0..dice.between(1..=2) {
                let at = Duration::from_micros(dice.between(0..=span_us));
                self.actions.push((at, Action::Join));
            }
        }
        self.draw_ends(dice, span_us);
        self.actions.sort_by_key(|(at, _)| *at);
        let last = self.actions.last().map_or(Duration::ZERO, |(at, _)| *at);
        self.heal_at = self.heal_at.max(last);
    }
}

impl Plan {
    /// Who gives up, hangs, or dies and is started again.
    fn draw_ends(&mut self, dice: &mut Dice, span_us: u64) {
        let consumers = self.config.consumers as u64;
        let moment = |dice: &mut Dice| Duration::from_micros(dice.between(0..=span_us));
        if self.has(Feature::Hang) {
            let consumer = dice.between(0..=consumers - 1) as usize;
            // One that counts is waited for unless it is evicted, and nothing would be left to be demanded.
            let counts =
                self.config.publish.tag.as_ref().is_none_or(|tag| *tag == self.tags[consumer]);
            if self.has(Feature::Evict) || !counts {
                self.actions.push((moment(dice), Action::Hang(consumer)));
            }
        }
        if self.has(Feature::Cancel) {
            let consumer = dice.between(0..=consumers - 1) as usize;
            self.actions.push((moment(dice), Action::Cancel(consumer)));
        }
        if self.has(Feature::Abort) {
            self.actions.push((moment(dice), Action::Abort));
        }
        if self.has(Feature::RestartConsumer) {
            for _ in 0..dice.between(1..=3) {
                let consumer = dice.between(0..=consumers - 1) as usize;
                self.actions.push((moment(dice), Action::Restart(consumer)));
            }
        }
        if self.has(Feature::RestartPublisher) {
            for _ in 0..dice.between(1..=2) {
                let kept = moment(dice);
                let killed = kept + dice.micros(1..=1_000_000);
                let again = killed + dice.micros(1..=5_000_000);
                self.actions.push((kept, Action::KeepState));
                self.actions.push((killed, Action::KillPublisher));
                self.actions.push((again, Action::RestartPublisher));
            }
        }
    }
}

/// Most are there in every other seed; those that end sessions, or cost time, more rarely.
fn features(dice: &mut Dice) -> Vec<Feature> {
    let chosen = Feature::ALL.into_iter().filter(|feature| {
        let one_in = match feature {
            Feature::Abort => 20,
            Feature::UnackedLimit | Feature::LongOutage | Feature::Cancel => 10,
            Feature::RestartPublisher | Feature::Hang => 8,
            Feature::LongWay
            | Feature::Keyed
            | Feature::Crc32c
            | Feature::NoDigest
            | Feature::SmallWindow
            | Feature::SmallByteWindow
            | Feature::SmallRetention
            | Feature::ShortTimeouts
            | Feature::EarlyStart
            | Feature::LateJoin
            | Feature::Tags
            | Feature::Quorum
            | Feature::ExplicitEnd
            | Feature::RestartConsumer => 4,
            _ => 2,
        };
        dice.one_in(one_in)
    });
    chosen.collect()
}
