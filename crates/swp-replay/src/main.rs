//! The command `swp-replay`: reads the arguments, runs one subcommand, prints what came of it.
//!
//! ```text
//!   cli          arguments and help           play         capture -> stream
//!   connect      broker and credentials       recv, sink   stream -> capture, subjects, or nothing
//!   interrupt    Ctrl-C                       record_nats  subjects -> capture
//!   progress     while it runs                inspect      info, verify, cat, gen
//!   resume       how a recv goes on           recover      damaged capture -> whole capture
//!   saved        how a play goes on           report       when it has ended
//!   error        one sentence and an exit code
//! ```
#![forbid(unsafe_code)]

mod cli;
mod connect;
mod error;
mod inspect;
mod interrupt;
mod pace;
mod play;
mod progress;
mod record_nats;
mod recover;
mod recv;
mod report;
mod resume;
mod saved;
mod sink;
mod trailer;
mod units;

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;

use crate::cli::{Cli, Command};
use crate::error::Error;
use crate::report::Report;

/// Frames and read buffers come and go by the hundred thousand; mimalloc keeps their pages.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Tasks of the client and of the session; reading and writing files has threads of its own.
const WORKERS: usize = 2;

/// Enough for a read or a write under way.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    let args = cli::with_default_command(std::env::args_os());
    let wants_json = args.iter().any(|arg| arg == "--json");
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => return refuse(&error, wants_json),
    };
    init_log();
    let output = cli.command.output();
    let mut report = Report::default();
    let result = run(cli.command, &mut report);
    if let Some(transfer) = report.transfer.as_ref().filter(|_| !output.quiet) {
        transfer.print();
    }
    if let Err(error) = &result {
        eprintln!("swp-replay: {error}");
    }
    if output.json {
        print_line(&report.json(&result));
    }
    result.map_or_else(|error| ExitCode::from(error.exit_code()), |()| ExitCode::SUCCESS)
}

fn run(command: Command, report: &mut Report) -> Result<(), Error> {
    match command {
        Command::Info(args) => return inspect::info(&args, report),
        Command::Verify(args) => return inspect::verify(&args, report),
        Command::Recover(args) => return recover::recover(&args, report),
        Command::Cat(args) => return inspect::cat(&args),
        Command::Gen(args) => return inspect::generate(&args, report),
        _ => {}
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .enable_all()
        .build()
        .map_err(|error| Error::Failed(format!("cannot start the runtime: {error}")))?;
    let result = runtime.block_on(async {
        match command {
            Command::Play(args) => play::play(&args, report).await,
            Command::Recv(args) => recv::recv(&args, report).await,
            Command::Record(args) => record_nats::record(&args, report).await,
            _ => Ok(()),
        }
    });
    // What a thread still reads or starts after an interrupt is not waited for any longer than this.
    runtime.shutdown_timeout(SHUTDOWN_TIMEOUT);
    result
}

/// Help and version are results; everything else that the parser says is an error of usage.
fn refuse(error: &clap::Error, wants_json: bool) -> ExitCode {
    // Where stdout or stderr is closed there is nobody to tell.
    let _ = error.print();
    if !error.use_stderr() {
        return ExitCode::SUCCESS;
    }
    let text = error.to_string();
    let line = text.lines().next().unwrap_or_default().trim_start_matches("error: ");
    let error = Error::Usage(line.to_owned());
    if wants_json {
        print_line(&Report::default().json(&Err(Error::Usage(line.to_owned()))));
    }
    ExitCode::from(error.exit_code())
}

/// Diagnostics go to stderr where `SWP_LOG` asks for them, for example `SWP_LOG=debug`.
fn init_log() {
    if let Ok(filter) = tracing_subscriber::EnvFilter::try_from_env("SWP_LOG") {
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    }
}

/// One line on stdout. A closed stdout is no reason to panic.
fn print_line(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}
