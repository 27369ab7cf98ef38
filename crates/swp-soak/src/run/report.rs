//! The report: for people as Markdown, for programs as JSON.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::time::Duration;

use nats_chaos::Counts;
use serde::Serialize;

use super::sample::Summary;
use super::tally::{NodeSummary, Replays, SessionError};
use super::{RunArgs, Shared, lock};

#[derive(Debug, Serialize)]
pub(super) struct Report {
    /// As asked for.
    minutes: f64,
    /// Faults were made for so long.
    ran_s: f64,
    seed: u64,
    ended_by: &'static str,
    note: Option<String>,
    machine: Machine,
    faults: BTreeMap<&'static str, u64>,
    proxied_messages: BTreeMap<&'static str, u64>,
    nodes: Vec<NodeSummary>,
    replays: Replays,
    session_errors: Vec<SessionError>,
    losses: Vec<String>,
    problems: Vec<String>,
    processes: Vec<Summary>,
}

#[derive(Debug, Serialize)]
struct Machine {
    cores: usize,
    kernel: String,
    nats_server: String,
}

impl Machine {
    fn look() -> Machine {
        let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        let version = nats_child::find_binary().ok().and_then(|binary| {
            let output = std::process::Command::new(binary).arg("--version").output().ok()?;
            Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
        });
        Machine {
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            // Its version, without what a distribution appends.
            kernel: kernel.trim().split('-').next().unwrap_or_default().to_owned(),
            nats_server: version.unwrap_or_default(),
        }
    }
}

impl Report {
    pub(super) fn new(
        args: &RunArgs,
        (ended_by, ran): (&'static str, Duration),
        shared: &Shared,
        proxies: Vec<Counts>,
    ) -> Report {
        let mut proxied = BTreeMap::new();
        for counts in &proxies {
            *proxied.entry("passed or not").or_default() += counts.messages;
            for (kind, count) in &counts.by_kind()[..5] {
                *proxied.entry(*kind).or_default() += count;
            }
        }
        let processes = lock(&shared.samples).summaries();
        let tally = lock(&shared.tally);
        Report {
            minutes: args.minutes,
            ran_s: ran.as_secs_f64(),
            seed: args.seed,
            ended_by,
            note: args.note.clone(),
            machine: Machine::look(),
            faults: lock(&shared.faults).clone(),
            proxied_messages: proxied,
            nodes: tally.nodes(),
            replays: tally.replays.clone(),
            session_errors: tally.errors.clone(),
            losses: tally.losses(),
            problems: tally.problems.clone(),
            processes,
        }
    }

    /// Whether all that was said to be delivered was, and every process lived and stayed flat.
    pub(super) fn is_sound(&self) -> bool {
        self.losses.is_empty()
            && self.problems.is_empty()
            && self.processes.iter().all(|process| process.rss_flat && process.files_flat)
    }

    /// Writes `soak.md` and `soak.json`.
    pub(super) fn write(&self, folder: &Path) -> Result<(), String> {
        let json = serde_json::to_string(self).map_err(|error| error.to_string())?;
        for (name, text) in [("soak.md", self.markdown()), ("soak.json", json + "\n")] {
            let path = folder.join(name);
            fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))?;
        }
        Ok(())
    }

    pub(super) fn markdown(&self) -> String {
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = self.write_head(&mut text);
        let _ = self.write_sessions(&mut text);
        let _ = self.write_faults(&mut text);
        let _ = self.write_processes(&mut text);
        text
    }

    fn write_head(&self, text: &mut String) -> std::fmt::Result {
        let Machine { cores, kernel, nats_server } = &self.machine;
        let ran = self.ran_s / 60.0;
        writeln!(text, "# Soak: {ran:.1} minutes, seed {}\n", self.seed)?;
        writeln!(text, "{cores} cores, Linux {kernel}, {nats_server}.")?;
        if self.ran_s < self.minutes * 60.0 {
            writeln!(
                text,
                "It was to run for {} minutes, and was {}.",
                self.minutes, self.ended_by
            )?;
        }
        if let Some(note) = &self.note {
            writeln!(text, "{note}")?;
        }
        let sum = |value: fn(&NodeSummary) -> u64, role: &str| -> u64 {
            self.nodes.iter().filter(|node| node.name.starts_with(role)).map(value).sum()
        };
        let replays = &self.replays;
        writeln!(text, "\n| what | how many |\n|---|---|")?;
        let mut line = |what: &str, value: String| writeln!(text, "| {what} | {value} |");
        let messages = |role| sum(|node| node.messages, role) + replays.messages;
        let bytes = |role| (sum(|node| node.bytes, role) + replays.bytes) as f64 / 1e9;
        line("messages sent", messages("publisher").to_string())?;
        line("messages received and compared", messages("consumer").to_string())?;
        line("GB sent", format!("{:.2}", bytes("publisher")))?;
        line("GB received and compared", format!("{:.2}", bytes("consumer")))?;
        line("faults", self.faults.values().sum::<u64>().to_string())?;
        line("sessions begun", (sum(|node| node.begun, "publisher") + replays.begun).to_string())?;
        let completed = sum(|node| node.completed, "publisher") + replays.completed;
        line("sessions completed", completed.to_string())?;
        line("session ends with an error, on any side", self.session_errors.len().to_string())?;
        line("**messages lost, repeated, out of order or changed**", self.lost().to_string())?;
        line("problems (processes that died, and the like)", self.problems.len().to_string())
    }

    fn lost(&self) -> usize {
        self.losses.len() + self.nodes.iter().map(|node| node.wrong as usize).sum::<usize>()
    }

    fn write_sessions(&self, text: &mut String) -> std::fmt::Result {
        writeln!(text, "\n## Sessions\n")?;
        writeln!(text, "| node | begun | completed | ended with an error | messages | MB |")?;
        writeln!(text, "|---|---|---|---|---|---|")?;
        for node in &self.nodes {
            let NodeSummary { name, begun, completed, ended, messages, bytes, .. } = node;
            let mb = *bytes as f64 / 1e6;
            writeln!(text, "| {name} | {begun} | {completed} | {ended} | {messages} | {mb:.0} |")?;
        }
        let Replays { begun, completed, messages, bytes, .. } = &self.replays;
        let mb = *bytes as f64 / 1e6;
        let ended = begun - completed;
        writeln!(
            text,
            "| swp-replay, play and recv | {begun} | {completed} | {ended} | {messages} | {mb:.0} |"
        )?;
        let mut counters: BTreeMap<&str, u64> = BTreeMap::from([("repairs", self.replays.repairs)]);
        for (name, count) in self.nodes.iter().flat_map(|node| &node.counters) {
            *counters.entry(name).or_default() += count;
        }
        let counters = counters.iter().filter(|(_, count)| **count > 0);
        let counters: Vec<String> =
            counters.map(|(name, count)| format!("{name} {count}")).collect();
        writeln!(text, "\nFrames, over all completed sessions: {}.", counters.join(", "))?;
        for (title, lines) in [
            ("Losses", &self.losses),
            ("Problems", &self.problems),
            ("Errors", &self.error_lines()),
        ] {
            if !lines.is_empty() {
                writeln!(text, "\n{title}:\n")?;
                lines.iter().try_for_each(|line| writeln!(text, "- {line}"))?;
            }
        }
        Ok(())
    }

    fn error_lines(&self) -> Vec<String> {
        let line = |error: &SessionError| {
            let SessionError { node, session, messages, error } = error;
            format!("{node}, session {session}, after {messages} messages: {error}")
        };
        self.session_errors.iter().map(line).collect()
    }

    fn write_faults(&self, text: &mut String) -> std::fmt::Result {
        writeln!(text, "\n## Faults\n\n| fault | times |\n|---|---|")?;
        for (kind, count) in &self.faults {
            writeln!(text, "| {kind} | {count} |")?;
        }
        let proxied: Vec<String> =
            self.proxied_messages.iter().map(|(kind, count)| format!("{kind} {count}")).collect();
        writeln!(text, "\nMessages at the proxies: {}.", proxied.join(", "))
    }

    fn write_processes(&self, text: &mut String) -> std::fmt::Result {
        let mib = |kib: u64| format!("{:.1}", kib as f64 / 1024.0);
        writeln!(
            text,
            "\n## Memory\n\nResident, in MiB, sampled every second; the first ten seconds are left out of \
             all but the peak. A process counts as flat when the last quarter's median is at most \
             1.1 times the second quarter's, and 4 MiB.\n"
        )?;
        writeln!(
            text,
            "| process | lives | first | last | peak | medians of the quarters | flat |"
        )?;
        writeln!(text, "|---|---|---|---|---|---|---|")?;
        for process in &self.processes {
            let [first, last, peak] =
                [process.rss_first_kib, process.rss_last_kib, process.rss_peak_kib].map(mib);
            let quarters = process.rss_quarters_kib.map(mib).join(", ");
            let (name, lives, flat) = (&process.name, process.lives, yes(process.rss_flat));
            writeln!(
                text,
                "| {name} | {lives} | {first} | {last} | {peak} | {quarters} | {flat} |"
            )?;
        }
        writeln!(text, "\n## Open files\n")?;
        writeln!(text, "| process | first | last | peak | medians of the quarters | flat |")?;
        writeln!(text, "|---|---|---|---|---|---|")?;
        for process in &self.processes {
            let quarters = process.files_quarters.map(|count| count.to_string()).join(", ");
            let Summary { name, files_first, files_last, files_peak, .. } = process;
            let flat = yes(process.files_flat);
            writeln!(
                text,
                "| {name} | {files_first} | {files_last} | {files_peak} | {quarters} | {flat} |"
            )?;
        }
        Ok(())
    }
}

fn yes(flat: bool) -> &'static str {
    if flat { "yes" } else { "**no**" }
}
