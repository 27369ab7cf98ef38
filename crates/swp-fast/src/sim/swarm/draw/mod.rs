//! A seed's options and disturbances.

mod actions;
mod settings;
mod work;

use std::ops::RangeInclusive;
use std::time::Duration;

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;

use super::{Feature, Plan};
use crate::sim::SimConfig;

/// The world's decisions of chance start from the seed itself. Its options start from another
/// number.
const OPTIONS: u64 = 0x6f70_7469_6f6e_7321;

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
    /// Draws a plan. In one version of this crate, the same seed gives the same plan.
    pub fn draw(seed: u64) -> Plan {
        let mut dice = Dice(Pcg64::seed_from_u64(seed ^ OPTIONS));
        let features = features(&mut dice);
        let mut plan = Plan {
            config: SimConfig::new(seed),
            features,
            tags: Vec::new(),
            readers: Vec::new(),
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
}

/// Half of all seeds have any one feature. Features that end sessions, or cost time, are rarer.
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
