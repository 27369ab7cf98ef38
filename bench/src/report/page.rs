//! The pages: a run's own README, and its section on the front page.

use std::fmt::Write as _;

use super::data::Data;
use super::plots::Plot;
use super::summary::Summary;
use super::tables;
use super::targets::{self, Target};

/// A heading, what stands below it, and the plots that belong there; nothing where nothing was measured.
fn section(out: &mut String, title: &str, note: &str, plots: &[&Plot], body: &str) {
    if body.is_empty() {
        return;
    }
    let _ = write!(out, "\n## {title}\n\n{note}\n");
    for plot in plots {
        let _ = write!(out, "\n![{}]({})\n", plot.title, plot.file);
    }
    let _ = write!(out, "\n{body}");
}

/// The run's README.
pub(super) fn render(name: &str, data: &Data, summary: &Summary, plots: &[Plot]) -> String {
    let mut out = format!("# Run {name}\n\n{}", machine(data));
    let targets = targets::evaluate(summary);
    let of = |front: &str| -> Vec<&Plot> {
        plots.iter().filter(|plot| plot.file.starts_with(front)).collect()
    };
    let note = format!("{}\n", verdict(&targets));
    section(&mut out, "Targets", note.trim_end(), &[], &tables::targets(&targets));
    let mut body = tables::messages(summary);
    if !body.is_empty() {
        let bytes = tables::megabytes(summary);
        let losses = tables::losses(summary);
        body = format!(
            "Messages a second, and how that compares with raw:\n\n{body}\n\
            Megabytes (1,000,000 bytes) of payload a second, with the slowest and the fastest round:\n\n\
            {bytes}\n{losses}"
        );
    }
    let rounds = summary.rates.values().map(|rate| rate.rounds).max().unwrap_or_default();
    let note = format!(
        "One publisher to one consumer, from the first send to the last arrival. Medians of {rounds} \
         rounds or fewer, the peers taking turns."
    );
    section(&mut out, "Throughput", &note, &of("throughput"), &body);
    let note = "Percentiles are medians of the rounds'. `round trip`: one message at a time, there and back. \
        `one way`: at a steady rate in percent of raw's maximum, timed from when a message was due, so that a \
        sender which falls behind does not hide its delay; `backlog` is the most that was due and had not arrived.";
    section(&mut out, "Latency", note, &of("latency"), &tables::latency(summary));
    let note = "One publisher to several consumers: messages a second, summed over the consumers.";
    section(&mut out, "Fan-out", note, &of("fanout"), &tables::fanout(summary));
    let note = "A capture to a consumer over NATS, with the digests stored in it; the same stream from memory, \
        hashed as it goes; and the disk alone.";
    section(&mut out, "Replay", note, &of("replay"), &tables::replay(summary));
    let note = "While a capture is replayed at line rate to one consumer, another comes late, is sent everything from its \
        start, and leaves again: what the first reads beside it, and in the phases before and behind. `pace kept` is \
        the median of the ratios, with the least and the most.";
    section(&mut out, "Latecomers", note, &[], &tables::latecomers(summary));
    let note = "Processor time by process; medians.";
    section(&mut out, "Processor time", note, &[], &tables::cpu(summary));
    let note = "By criterion, in `bench/benches` and `crates/swp-fast/benches`: the median, and the interval in which \
        it is 95 % sure that the median lies.\n\n\
        ```sh\ncargo bench -p swp-fast --bench protocol --bench members --bench queue\n\
        cargo bench -p swp-bench --bench wire --bench digest --bench capture --bench try_send\n```";
    section(&mut out, "Micro-benchmarks", note, &[], &tables::micro(summary));
    out
}

/// How many targets were reached, in a sentence.
fn verdict(targets: &[Target]) -> String {
    let count = |reached| targets.iter().filter(|target| target.reached() == reached).count();
    format!(
        "{} of {} targets reached, {} not reached, {} not measured in this run.",
        count(Some(true)),
        targets.len(),
        count(Some(false)),
        count(None)
    )
}

fn machine(data: &Data) -> String {
    let Some(run) = &data.run else {
        return "The machine and the versions were not recorded with this run.\n".to_owned();
    };
    let machine = &run.machine;
    let mut out = format!(
        "{}, {} cores, {:.1} GiB of memory, {}; begun {}.\n",
        machine.cpu,
        machine.cores,
        machine.memory_bytes as f64 / f64::from(1 << 30),
        machine.kernel,
        run.date
    );
    let versions = run.versions.iter().map(|(name, version)| format!("{name} {version}"));
    let _ = writeln!(out, "{}.", versions.collect::<Vec<_>>().join(", "));
    if !run.commands.is_empty() {
        let _ = write!(out, "\n```sh\n{}\n```\n", run.commands.join("\n"));
    }
    out
}

/// The run's section on the front page: what it was run on, the table, the plots.
pub(super) fn render_headline(
    name: &str,
    data: &Data,
    summary: &Summary,
    plots: &[Plot],
) -> String {
    let mut out = format!("## {name}\n\n");
    if let Some(run) = &data.run {
        let machine = &run.machine;
        let _ = writeln!(out, "{}, {} cores, {}.", machine.cpu, machine.cores, machine.kernel);
    }
    let _ = writeln!(
        out,
        "{}\nAll tables, targets and commands: [{name}]({name}/README.md).",
        verdict(&targets::evaluate(summary))
    );
    let messages = tables::messages(summary);
    if !messages.is_empty() {
        let _ = write!(
            out,
            "\nMessages a second (medians), and how that compares with raw:\n\n{messages}"
        );
    }
    for plot in plots {
        let _ = write!(out, "\n![{}]({name}/{})\n", plot.title, plot.file);
    }
    out.push('\n');
    out
}
