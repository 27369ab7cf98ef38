//! Arguments and help.

use clap::Parser;

/// Runs swp-fast's protocol through seeded faults and checks its rules at every step
///
/// One seed is one run, the same each time: it decides the faults, the windows, which process stops
/// and when. A seed that fails is printed with the command that repeats it.
///
/// Exit status: 0 all seeds passed, 1 a seed failed, 2 usage.
#[derive(Parser)]
#[command(version)]
pub(crate) struct Cli {
    /// How many seeds to run
    #[arg(long, default_value_t = 1_000, conflicts_with = "minutes")]
    pub(crate) seeds: u64,
    /// Run for this long instead
    #[arg(long, value_parser = minutes)]
    pub(crate) minutes: Option<f64>,
    /// The first seed
    #[arg(long, default_value_t = 0)]
    pub(crate) first: u64,
    /// Threads [default: one for each core]
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=1024))]
    pub(crate) jobs: Option<u64>,
    /// Continue after a seed that fails, and list all that fail
    #[arg(long)]
    pub(crate) keep_going: bool,
    /// Run this seed only, and print its plan
    #[arg(long, conflicts_with_all = ["seeds", "minutes", "first", "jobs", "keep_going"])]
    pub(crate) seed: Option<u64>,
    /// Print everything that happens in that seed, a line each
    #[arg(long, requires = "seed")]
    pub(crate) trace: bool,
}

fn minutes(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(minutes) if minutes > 0.0 && minutes <= 100_000.0 => Ok(minutes),
        _ => Err("must be a number of minutes above 0, up to 100000".to_owned()),
    }
}
