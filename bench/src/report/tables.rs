//! Medians as Markdown tables.

use super::stats::{Spread, bytes, count, duration, number};
use super::summary::{Load, Source, Summary};
use super::targets::Target;
use crate::latecomer::place_name;
use crate::table::{DASH, Table};

/// A table; empty where it has no rows.
fn table(head: &[impl AsRef<str>], rows: Vec<Vec<String>>) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let mut table = Table::new(head.iter().map(AsRef::as_ref));
    rows.into_iter().for_each(|row| table.row(row));
    table.render()
}

fn cell<T>(value: Option<T>, text: impl FnOnce(T) -> String) -> String {
    value.map_or_else(|| DASH.to_owned(), text)
}

/// The median, and in parentheses how far the rounds lie apart.
fn with_spread(spread: Spread, scale: f64) -> String {
    if spread.min == spread.max {
        return number(spread.median * scale);
    }
    let [median, min, max] = [spread.median, spread.min, spread.max].map(|v| number(v * scale));
    format!("{median} ({min} to {max})")
}

/// Messages a second of every series by size, with the ratio to raw.
pub(super) fn messages(summary: &Summary) -> String {
    let rows: Vec<Vec<String>> = summary
        .sizes()
        .into_iter()
        .map(|size| {
            let raw = summary.rate("raw", size).map(|rate| rate.messages_per_s.median);
            let cells = summary.series().into_iter().map(|series| {
                cell(summary.rate(series, size), |rate| {
                    let median = rate.messages_per_s.median;
                    match raw.filter(|raw| series != "raw" && *raw > 0.0) {
                        Some(raw) => format!("{} ({:.2}x)", number(median), median / raw),
                        None => number(median),
                    }
                })
            });
            std::iter::once(bytes(size)).chain(cells).collect()
        })
        .collect();
    table(&by_series(summary), rows)
}

/// Megabytes of payload a second, with the slowest and the fastest round.
pub(super) fn megabytes(summary: &Summary) -> String {
    let rows: Vec<Vec<String>> = summary
        .sizes()
        .into_iter()
        .map(|size| {
            let cells = summary.series().into_iter().map(|series| {
                cell(summary.rate(series, size), |rate| with_spread(rate.bytes_per_s, 1e-6))
            });
            std::iter::once(bytes(size)).chain(cells).collect()
        })
        .collect();
    table(&by_series(summary), rows)
}

fn by_series(summary: &Summary) -> Vec<String> {
    let mut head = vec!["message".to_owned()];
    head.extend(summary.series().into_iter().map(str::to_owned));
    head
}

/// What was lost, and what was sent again; one sentence.
pub(super) fn losses(summary: &Summary) -> String {
    let mut parts = Vec::new();
    for series in summary.series() {
        let of_series = || summary.rates.iter().filter(|((name, _), _)| name == series);
        let lost: u64 = of_series().map(|(_, rate)| rate.lost).sum();
        let again: u64 = of_series().map(|(_, rate)| rate.retransmits).sum();
        if lost > 0 {
            parts.push(format!("{series} lost {} messages", count(lost)));
        }
        if again > 0 {
            parts.push(format!("{series} sent {} frames again", count(again)));
        }
    }
    match parts.is_empty() {
        true => "Nothing was lost, and nothing was sent twice.\n".to_owned(),
        false => format!("Over all rounds: {}.\n", parts.join("; ")),
    }
}

pub(super) fn load_name(load: Load) -> String {
    match load {
        0 => "round trip".to_owned(),
        percent => format!("one way, {percent} %"),
    }
}

pub(super) fn latency(summary: &Summary) -> String {
    let row = |((size, load, peer), p): (&(usize, Load, String), &super::summary::Percentiles)| {
        let mut row = vec![bytes(*size), load_name(*load), peer.clone()];
        row.push(if p.rate > 0.0 { number(p.rate) } else { DASH.to_owned() });
        row.push(number(p.lost as f64 / p.sent.max(1) as f64 * 100.0) + " %");
        row.push(cell(p.max_backlog, count));
        row.extend(p.ns.map(duration));
        row
    };
    let rows: Vec<_> = summary.latency.iter().map(row).collect();
    let head = [
        "message",
        "load",
        "peer",
        "offered/s",
        "lost",
        "backlog",
        "p50",
        "p90",
        "p99",
        "p99.9",
        "max",
    ];
    table(&head, rows)
}

pub(super) fn fanout(summary: &Summary) -> String {
    let ours = summary.fanout.iter().filter(|((.., series), _)| series != "raw");
    let rows: Vec<_> = ours
        .map(|((slow, size, consumers, series), swp)| {
            let raw = summary.spreading(*slow, *size, *consumers, "raw");
            let sum = raw.map(|raw| raw.sum_per_s.median);
            let ours = swp.sum_per_s.median;
            vec![
                bytes(*size),
                consumers.to_string(),
                if *slow { "yes" } else { "no" }.to_owned(),
                cell(sum, number),
                cell(raw, |raw| count(raw.lost)),
                series.clone(),
                number(ours),
                count(swp.lost),
                cell(sum.filter(|raw| *raw > 0.0), |raw| format!("{:.2}x", ours / raw)),
                format!("{} + {}", swp.retransmits, swp.group_retransmits),
            ]
        })
        .collect();
    let head = [
        "message",
        "consumers",
        "one held back",
        "raw, sum/s",
        "raw lost",
        "series",
        "swp, sum/s",
        "swp lost",
        "swp to raw",
        "sent again (to one + to all)",
    ];
    table(&head, rows)
}

/// How a capture was read, in words.
pub(super) fn way(source: &Source) -> String {
    if source.source != "disk" {
        return "from memory, hashed".to_owned();
    }
    let engine = if source.engine == "uring" { "io_uring" } else { source.engine.as_str() };
    let direct = if source.direct { " O_DIRECT" } else { "" };
    format!("{engine}{direct}, {}", source.cache)
}

pub(super) fn replay(summary: &Summary) -> String {
    let rows: Vec<_> = summary
        .replay
        .iter()
        .map(|(source, rate)| {
            let read = source.source == "disk";
            vec![
                if source.to_consumer { "to a consumer" } else { "read alone" }.to_owned(),
                bytes(source.size),
                way(source),
                cell(read.then_some(source.reads_in_flight), |reads| reads.to_string()),
                cell(read.then_some(source.block_bytes), bytes),
                with_spread(*rate, 1e-6),
            ]
        })
        .collect();
    table(&["what", "message", "how", "reads in flight", "block", "MB/s"], rows)
}

pub(super) fn latecomers(summary: &Summary) -> String {
    let rows: Vec<_> = summary
        .latecomers
        .iter()
        .map(|((size, in_memory), beside)| {
            let in_megabytes = *size as f64 * 1e-6;
            vec![
                bytes(*size),
                place_name(*in_memory).to_owned(),
                number(beside.alone_per_s.median * in_megabytes),
                number(beside.beside_per_s.median * in_megabytes),
                number(beside.late_per_s.median * in_megabytes),
                with_spread(beside.kept, 1.0),
                beside.phases.to_string(),
                beside.discarded.to_string(),
            ]
        })
        .collect();
    let head = [
        "message",
        "capture in",
        "alone, MB/s",
        "beside a latecomer, MB/s",
        "the latecomer, MB/s",
        "pace kept",
        "phases",
        "discarded",
    ];
    table(&head, rows)
}

pub(super) fn cpu(summary: &Summary) -> String {
    let rows: Vec<_> = summary
        .cpu
        .iter()
        .map(|((process, size, series), used)| {
            let (user, system) = (used.user_per_gb.median, used.system_per_gb.median);
            vec![
                process.clone(),
                bytes(*size),
                series.clone(),
                number(user),
                number(system),
                number(user + system),
                number(used.ns_per_message.median),
            ]
        })
        .collect();
    let head = ["process", "message", "peer", "user s/GB", "system s/GB", "both", "ns a message"];
    table(&head, rows)
}

pub(super) fn micro(summary: &Summary) -> String {
    let rows: Vec<_> = summary
        .micro
        .iter()
        .map(|micro| {
            let each = match micro.unit.as_str() {
                "byte" => format!("{} MB/s", number(micro.count as f64 * 1e3 / micro.median_ns)),
                "element" if micro.count > 1 => duration(micro.ns_each()),
                _ => DASH.to_owned(),
            };
            let show =
                |value| if micro.is_ratio() { format!("{value:.2}x") } else { duration(value) };
            let interval = format!("{} to {}", show(micro.low_ns), show(micro.high_ns));
            vec![micro.name.clone(), show(micro.median_ns), interval, each]
        })
        .collect();
    table(&["benchmark", "median", "95 % sure", "speed, or for each message"], rows)
}

pub(super) fn targets(targets: &[Target]) -> String {
    let rows: Vec<_> = targets
        .iter()
        .map(|target| {
            vec![
                target.what.clone(),
                target.wanted(),
                target.measured(),
                target.verdict().to_owned(),
            ]
        })
        .collect();
    table(&["target", "wanted", "measured", ""], rows)
}
