//! What a run was made on and with.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;
use std::time::SystemTime;

use crate::Failure;
use crate::record::{Machine, Run};

/// The versions that this program was built with.
const LOCK: &str = include_str!("../../Cargo.lock");

/// The line of a file such as `/proc/cpuinfo` that begins with `key`, behind its colon.
fn field(text: &str, key: &str) -> Option<String> {
    let lines = text.lines().filter_map(|line| line.split_once(':'));
    lines.into_iter().find(|(name, _)| name.trim() == key).map(|(_, value)| value.trim().to_owned())
}

/// `MemTotal` of `/proc/meminfo`, which is in KiB.
fn memory_bytes(meminfo: &str) -> Option<u64> {
    let kib: u64 = field(meminfo, "MemTotal")?.split_whitespace().next()?.parse().ok()?;
    Some(kib * 1024)
}

/// All versions of a crate in a `Cargo.lock`, the newest first.
fn locked(lock: &str, name: &str) -> Vec<String> {
    let head = format!("name = \"{name}\"");
    let mut lines = lock.lines();
    let mut versions = Vec::new();
    while lines.any(|line| line == head) {
        let version = lines.next().and_then(|line| line.strip_prefix("version = \""));
        versions.extend(version.map(|version| version.trim_end_matches('"').to_owned()));
    }
    versions.reverse();
    versions
}

/// What a program says of its version, without its own name.
fn version(program: impl AsRef<std::ffi::OsStr>) -> String {
    let output = Command::new(program).arg("--version").output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    let text = text.unwrap_or_default();
    let words = text.split_whitespace().skip(1).collect::<Vec<_>>().join(" ");
    if words.is_empty() { "unknown".to_owned() } else { words }
}

pub(crate) fn describe(commands: Vec<String>) -> Result<Run, Failure> {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let unknown = || "unknown".to_owned();
    let mut versions = BTreeMap::new();
    versions.insert("nats-server".to_owned(), version(nats_child::find_binary()?));
    versions.insert("async-nats".to_owned(), locked(LOCK, "async-nats").join(" and "));
    versions.insert("jetstream-extra".to_owned(), locked(LOCK, "jetstream-extra").join(" and "));
    versions.insert("swp-fast".to_owned(), env!("CARGO_PKG_VERSION").to_owned());
    versions.insert("rustc".to_owned(), version("rustc"));
    Ok(Run {
        date: humantime::format_rfc3339_seconds(SystemTime::now()).to_string(),
        machine: Machine {
            cpu: field(&read("/proc/cpuinfo"), "model name").unwrap_or_else(unknown),
            cores: std::thread::available_parallelism()?.get(),
            memory_bytes: memory_bytes(&read("/proc/meminfo")).unwrap_or_default(),
            // The number alone: what follows it names a build.
            kernel: read("/proc/sys/kernel/osrelease")
                .trim()
                .split('-')
                .next()
                .unwrap_or_default()
                .to_owned(),
        },
        versions,
        commands,
    })
}

#[cfg(test)]
mod tests;
