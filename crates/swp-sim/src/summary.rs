//! Adds up the features and results of the seeds that ran.

use std::collections::BTreeMap;
use std::time::Duration;

use swp_fast::sim::swarm::{End, Feature, Report};

/// Adds up reports.
#[derive(Default)]
pub(crate) struct Summary {
    pub(crate) seeds: u64,
    features: BTreeMap<Feature, u64>,
    ends: BTreeMap<End, u64>,
    simulated: Duration,
    frames: u64,
    retransmits: u64,
    copies: u64,
    lost: u64,
    damaged: u64,
    overflowed: u64,
    /// The longest time without progress as a part of its bound, and that seed's report.
    closest: Option<(f64, Report)>,
}

impl Summary {
    /// Counts a seed that passed.
    pub(crate) fn add(&mut self, features: &[Feature], report: &Report) {
        self.seeds += 1;
        for feature in features {
            *self.features.entry(*feature).or_default() += 1;
        }
        *self.ends.entry(report.end).or_default() += 1;
        self.simulated += report.simulated;
        self.frames += report.frames;
        self.retransmits += report.retransmits;
        self.copies += report.traffic.copies;
        self.lost += report.traffic.lost;
        self.damaged += report.traffic.damaged;
        self.overflowed += report.traffic.overflowed;
        let share = report.longest_stall.as_secs_f64() / report.stall_bound.as_secs_f64();
        if self.closest.is_none_or(|(most, _)| share > most) {
            self.closest = Some((share, *report));
        }
    }

    /// Prints the summary, which is the result of the command.
    pub(crate) fn print(&self, took: Duration, failed: usize) {
        let seeds = self.seeds + failed as u64;
        let (seconds, hours) = (took.as_secs_f64(), self.simulated.as_secs_f64() / 3600.0);
        println!("{seeds} seeds in {seconds:.1} s, {:.0} seeds/s", seeds as f64 / seconds);
        println!("simulated: {hours:.1} hours");
        println!("data frames: {}, retransmitted {}", self.frames, self.retransmits);
        let Summary { copies, lost, damaged, overflowed, .. } = self;
        println!(
            "copies on the way: {copies}, lost {lost}, damaged {damaged}, before a full queue \
             {overflowed}"
        );
        let count = |end| self.ends.get(&end).copied().unwrap_or(0);
        println!(
            "ended: {} complete, {} with an error or event that says why, {} waiting for consumers",
            count(End::Complete),
            count(End::Incomplete),
            count(End::Waiting)
        );
        if let Some((share, report)) = self.closest {
            println!(
                "longest time without progress once all had healed: {:.3} s, {:.0} % of its bound \
                 (seed {})",
                report.longest_stall.as_secs_f64(),
                share * 100.0,
                report.seed
            );
        }
        println!("seeds with:");
        for feature in Feature::ALL {
            let count = self.features.get(&feature).copied().unwrap_or(0);
            println!("{count:>10}  {}", feature.name());
        }
        println!("failed: {failed}");
    }
}
