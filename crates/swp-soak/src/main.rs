//! Long runs of swp-fast between real processes under a seeded schedule of faults: `scripts/soak`.
//!
//! ```text
//!   soak (this process): schedule of faults, chaos proxies, sampling, report
//!     +-- nats-server                killed, stopped
//!     +-- swp-soak publish  x 2      stopped; session after session, for the whole run
//!     +-- swp-soak consume  x 4      stopped; two of them, and one publisher, through a proxy
//!     +-- swp-replay play | recv     now and then, one pair at a time
//! ```
//!
//! Nodes tell what they see on their standard output ([`event`]), and check every message ([`content`]).
#![forbid(unsafe_code)]

mod content;
mod event;
mod node;
mod run;

use clap::{Parser, Subcommand};

/// As in the commands that users run, so that what is sampled is what they see.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Long runs of swp-fast under faults
#[derive(Debug, Parser)]
#[command(name = "swp-soak", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run for a while, with faults, and report
    Run(run::RunArgs),
    /// One publisher, session after session (started by `run`)
    Publish(node::PublishArgs),
    /// One consumer, session after session (started by `run`)
    Consume(node::ConsumeArgs),
}

#[tokio::main(worker_threads = 2)]
async fn main() -> ! {
    let ended = match Cli::parse().command {
        Command::Run(args) => run::run(args).await,
        Command::Publish(args) => node::publish(args).await,
        Command::Consume(args) => node::consume(args).await,
    };
    if let Err(error) = &ended {
        eprintln!("swp-soak: {error}");
    }
    // Not by returning: a thread that reads standard input would be waited for.
    std::process::exit(i32::from(ended.is_err()))
}
