//! The command `swp-sim`: runs the protocol through seeded faults, seed after seed, on all cores.
//! What a seed decides, and what is checked, is in `swp_fast::sim::swarm`.
//!
//! ```text
//!   cli       arguments          hunt      many seeds: threads, what failed
//!   show      one seed: its plan, its trace, its result
//!   summary   adds up the seeds that ran
//! ```
//!
//! Exit codes: 0 all seeds passed, 1 a seed failed, 2 usage.
#![forbid(unsafe_code)]

mod cli;
mod hunt;
mod show;
mod summary;

use std::panic::AssertUnwindSafe;
use std::process::ExitCode;

use clap::Parser;
use swp_fast::sim::swarm::{Plan, Report};

use crate::cli::Cli;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // If stdout or stderr is closed, the error cannot be shown.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { 2 } else { 0 });
        }
    };
    // The checker panics if a rule is broken. Panics are caught, and shown in one place.
    std::panic::set_hook(Box::new(|_| {}));
    let passed = match cli.seed {
        Some(seed) => show::one(seed, cli.trace),
        None => hunt::many(&cli),
    };
    if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs one seed. The error is the message of the panic, of the checker or the code under test.
fn attempt(run: impl FnOnce() -> Report) -> Result<Report, String> {
    std::panic::catch_unwind(AssertUnwindSafe(run)).map_err(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        text.unwrap_or_else(|| "a panic without a message".to_owned())
    })
}

/// As [`attempt`], from the seed alone.
fn attempt_seed(seed: u64) -> (Option<Plan>, Result<Report, String>) {
    let mut plan = None;
    let result = attempt(|| plan.insert(Plan::draw(seed)).run());
    (plan, result)
}

#[cfg(test)]
mod tests;
