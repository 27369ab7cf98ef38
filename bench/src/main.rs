//! `swp-bench`: swp-fast beside what a user would pick instead, in one run on one machine.
//!
//! Peers take turns (A B A B ...), each delivers to a consumer that reads every byte, and medians of the
//! rounds are compared. What a peer loses is counted and shown. Every measurement can be kept as a line of
//! JSON (`record`).
#![forbid(unsafe_code)]

mod all;
mod cpu;
mod fanout;
mod latecomer;
mod latency;
mod machine;
mod peers;
mod record;
mod replay;
mod report;
mod stage;
mod table;
mod throughput;
mod units;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use cpu::Role;
use stage::Stage;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Any of the peers can fail in its own way; a benchmark only has to say how.
type Failure = Box<dyn std::error::Error + Send + Sync>;

#[derive(Parser)]
#[command(version, about)]
struct Args {
    #[command(subcommand)]
    mode: Mode,
}

#[derive(Subcommand)]
enum Mode {
    /// One publisher to one consumer, as fast as it goes
    Throughput(throughput::Options),
    /// Round trips, and one way at steady rates up to more than raw can carry
    Latency(latency::Options),
    /// One publisher to several consumers
    Fanout(fanout::Options),
    /// A capture from disk and from memory, and the disk alone
    Replay(replay::Options),
    /// What a consumer that came late costs one that was there from the start
    Latecomer(latecomer::Options),
    /// Processor time of publisher, consumer and broker
    Cpu(cpu::Options),
    /// All modes, into a folder
    All(all::Options),
    /// Tables, targets and plots of a folder of results
    Report(report::Options),
    /// The sending process of `cpu`
    #[command(hide = true)]
    Publisher(cpu::ChildOptions),
    /// The receiving process of `cpu`
    #[command(hide = true)]
    Consumer(cpu::ChildOptions),
}

fn run(mode: Mode) -> Result<(), Failure> {
    match mode {
        Mode::Throughput(options) => throughput::run(&options, &mut Stage::new()?),
        Mode::Latency(options) => latency::run(&options, &mut Stage::new()?),
        Mode::Fanout(options) => fanout::run(&options, &mut Stage::new()?),
        Mode::Replay(options) => replay::run(&options, &mut Stage::new()?),
        Mode::Latecomer(options) => latecomer::run(&options, &Stage::new()?),
        Mode::Cpu(options) => cpu::run(&options, &Stage::new()?),
        Mode::All(options) => all::run(&options),
        Mode::Report(options) => report::run(&options),
        Mode::Publisher(options) => cpu::run_child(Role::Publisher, &options),
        Mode::Consumer(options) => cpu::run_child(Role::Consumer, &options),
    }
}

fn main() -> ExitCode {
    match run(Args::parse().mode) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("swp-bench: {error}");
            ExitCode::FAILURE
        }
    }
}
