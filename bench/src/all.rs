//! All modes into one folder, as the report reads it, and a note of where and how.
//!
//! Each mode runs in a process of its own, by the very command that `run.json` tells.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::Args;

use crate::Failure;
use crate::machine;

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Where the results go; it must be empty, or not be there yet
    #[arg(long)]
    dir: PathBuf,
    /// The quick form of every mode: all in about two minutes
    #[arg(long)]
    quick: bool,
}

const MODES: [&str; 6] = ["throughput", "latency", "fanout", "replay", "latecomer", "cpu"];

/// What a mode is told.
fn arguments(mode: &str, dir: &Path, quick: bool) -> Vec<String> {
    let inside = |name: &str| dir.join(name).display().to_string();
    let mut arguments =
        vec![mode.to_owned(), "--json".to_owned(), inside(&format!("{mode}.jsonl"))];
    match mode {
        "latency" => arguments.extend(["--hdr".to_owned(), inside("hdr")]),
        "fanout" => arguments.push("--slow".to_owned()),
        _ => {}
    }
    if quick {
        arguments.push("--quick".to_owned());
    }
    arguments
}

pub(crate) fn run(options: &Options) -> Result<(), Failure> {
    let dir = &options.dir;
    let told = |error: std::io::Error| format!("{}: {error}", dir.display());
    fs::create_dir_all(dir).map_err(told)?;
    if fs::read_dir(dir).map_err(told)?.next().is_some() {
        return Err(format!("{} is not empty; name a new folder", dir.display()).into());
    }
    let commands: Vec<Vec<String>> =
        MODES.iter().map(|mode| arguments(mode, dir, options.quick)).collect();
    let shown = commands
        .iter()
        .map(|arguments| format!("cargo run --release -p swp-bench -- {}", arguments.join(" ")));
    let run = machine::describe(shown.collect())?;
    fs::write(dir.join("run.json"), serde_json::to_vec_pretty(&run)?).map_err(told)?;
    for arguments in &commands {
        println!("\n## {}\n", arguments[0]);
        let status = Command::new(std::env::current_exe()?).args(arguments).status()?;
        if !status.success() {
            return Err(format!("swp-bench {} failed: {status}", arguments.join(" ")).into());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
