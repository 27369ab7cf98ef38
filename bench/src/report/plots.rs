//! Which plots there are, and what is in them.

use std::collections::BTreeSet;
use std::path::Path;

use plotters::style::RGBColor;

use super::ReportError;
use super::chart::{self, Bar, Line, Panel, Scale, Style};
use super::stats::{bytes, number};
use super::summary::{Load, Percentiles, Summary};
use super::tables::{load_name, way};
use crate::units::show_rate;

/// A plot that was drawn.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Plot {
    pub(super) file: &'static str,
    pub(super) title: &'static str,
}

/// Fan-out and latency are drawn for these sizes alone, where there are more: the tables have them all.
const PANELS: usize = 6;

/// Draws what there is data for.
pub(super) fn draw_all(dir: &Path, summary: &Summary) -> Result<Vec<Plot>, ReportError> {
    let mut plots = Vec::new();
    let mut keep = |drawn: Option<Plot>| plots.extend(drawn);
    keep(throughput_messages(dir, summary)?);
    keep(throughput_ratio(dir, summary)?);
    keep(throughput_bytes(dir, summary)?);
    keep(latency(dir, summary)?);
    keep(fanout(dir, summary)?);
    keep(replay(dir, summary)?);
    keep(disk(dir, summary)?);
    Ok(plots)
}

/// Colours that the colour-blind can tell apart (Okabe and Ito): ours are blue and green, dashed are those
/// that are no choice a user has.
fn style(series: &str) -> Style {
    let (color, dashed) = match series {
        "raw" => (RGBColor(40, 40, 40), false),
        "swp" | "swp (blake3)" => (RGBColor(0, 114, 178), false),
        "swp (crc32c)" => (RGBColor(86, 180, 233), false),
        "swp (none)" => (RGBColor(86, 180, 233), true),
        "replay" => (RGBColor(0, 158, 115), false),
        "jetstream" => (RGBColor(230, 159, 0), false),
        "jetstream-fast" => (RGBColor(213, 94, 0), false),
        "wire" => (RGBColor(130, 130, 130), true),
        "relay" => (RGBColor(204, 121, 167), true),
        _ => (RGBColor(160, 120, 60), false),
    };
    Style { label: series.to_owned(), color, dashed }
}

/// A value in thousands, millions or milliards, as short as it can be.
fn short(value: f64) -> String {
    let units = [(1e9, " G"), (1e6, " M"), (1e3, " k")];
    let (unit, name) = units.into_iter().find(|(unit, _)| value >= *unit).unwrap_or((1.0, ""));
    format!("{}{name}", (value / unit * 100.0).round() / 100.0)
}

/// A tick's time: ticks are round, so no decimals.
fn short_time(ns: f64) -> String {
    let units = [(1e9, "s"), (1e6, "ms"), (1e3, "us")];
    let (unit, name) = units.into_iter().find(|(unit, _)| ns >= *unit).unwrap_or((1.0, "ns"));
    format!("{} {name}", ns / unit)
}

fn size_ticks(sizes: &BTreeSet<usize>) -> Vec<(f64, String)> {
    sizes.iter().map(|size| (*size as f64, bytes(*size))).collect()
}

/// A line a series, by size.
fn rate_lines(summary: &Summary, value: impl Fn(&super::summary::Rate) -> f64) -> Vec<Line> {
    let line = |series: &str| {
        let sizes = summary.sizes().into_iter();
        let points =
            sizes.filter_map(|size| Some((size as f64, value(summary.rate(series, size)?))));
        Line { style: style(series), points: points.filter(|point| point.1 > 0.0).collect() }
    };
    summary.series().into_iter().map(line).collect()
}

fn heights(lines: &[Line]) -> impl Iterator<Item = f64> + '_ {
    lines.iter().flat_map(|line| &line.points).map(|point| point.1)
}

fn throughput_messages(dir: &Path, summary: &Summary) -> Result<Option<Plot>, ReportError> {
    let mut lines = rate_lines(summary, |rate| rate.messages_per_s.median);
    // A relay moves bytes, and knows no messages.
    lines.retain(|line| line.style.label != "relay");
    if lines.is_empty() {
        return Ok(None);
    }
    let plot = Plot { file: "throughput-messages.svg", title: "Messages a second by message size" };
    let x = Scale::log_at("message (bytes of payload)", size_ticks(&summary.sizes()));
    let y = Scale::log("messages a second", heights(&lines), short);
    let panel = Panel { title: String::new(), x, y, lines };
    chart::lines(&dir.join(plot.file), plot.title, &[panel])?;
    Ok(Some(plot))
}

/// The same as factors of raw, which is what decides; lines of the plot of messages lie on one another
/// where messages are large.
fn throughput_ratio(dir: &Path, summary: &Summary) -> Result<Option<Plot>, ReportError> {
    let line = |series: &str| {
        let point = |size| {
            let raw = summary.rate("raw", size)?.messages_per_s.median;
            let rate = summary.rate(series, size)?.messages_per_s.median;
            Some((size as f64, rate / raw))
        };
        let points = summary.sizes().into_iter().filter_map(point).filter(|point| point.1 > 0.0);
        Line { style: style(series), points: points.collect() }
    };
    let lines: Vec<Line> =
        summary.series().into_iter().filter(|series| *series != "relay").map(line).collect();
    if !lines.iter().any(|line| line.style.label != "raw" && !line.points.is_empty()) {
        return Ok(None);
    }
    let sizes = lines.iter().flat_map(|line| &line.points).map(|point| point.0 as usize).collect();
    let plot = Plot {
        file: "throughput-ratio.svg",
        title: "Throughput in multiples of raw, by message size",
    };
    let x = Scale::log_at("message (bytes of payload)", size_ticks(&sizes));
    let y = Scale::log("times raw", heights(&lines), |mark| format!("{mark}x"));
    let panel = Panel { title: String::new(), x, y, lines };
    chart::lines(&dir.join(plot.file), plot.title, &[panel])?;
    Ok(Some(plot))
}

fn throughput_bytes(dir: &Path, summary: &Summary) -> Result<Option<Plot>, ReportError> {
    let lines = rate_lines(summary, |rate| rate.bytes_per_s.median / 1e6);
    if lines.is_empty() {
        return Ok(None);
    }
    let plot = Plot { file: "throughput-bytes.svg", title: "Payload moved by message size" };
    let x = Scale::log_at("message (bytes of payload)", size_ticks(&summary.sizes()));
    let y = Scale::linear("megabytes a second", heights(&lines), short);
    let panel = Panel { title: String::new(), x, y, lines };
    chart::lines(&dir.join(plot.file), plot.title, &[panel])?;
    Ok(Some(plot))
}

/// Percentiles as a scale of their own: each next one leaves a tenth of what was left, as far as it goes.
fn percentile_scale() -> Scale {
    let names = ["50 %", "90 %", "99 %", "99.9 %", "max"];
    let ticks = names.iter().enumerate().map(|(at, name)| (at as f64, (*name).to_owned()));
    Scale::at("of messages are at least so fast", ticks.collect())
}

fn percentile_line(peer: &str, percentiles: &Percentiles) -> Line {
    let points = percentiles.ns.iter().enumerate().filter(|(_, ns)| **ns > 0.0);
    Line { style: style(peer), points: points.map(|(at, ns)| (at as f64, *ns)).collect() }
}

fn latency(dir: &Path, summary: &Summary) -> Result<Option<Plot>, ReportError> {
    let loads: BTreeSet<(usize, Load)> =
        summary.latency.keys().map(|(size, load, _)| (*size, *load)).collect();
    // The smallest size has every load; others would only repeat it.
    let Some(size) = loads.first().map(|(size, _)| *size) else { return Ok(None) };
    let plot = Plot { file: "latency.svg", title: "Latency percentiles by load" };
    let of_size = || summary.latency.iter().filter(|(key, _)| key.0 == size);
    // One scale for all, so that panels can be compared by looking.
    let y = Scale::log("latency", of_size().flat_map(|(_, p)| p.ns), short_time);
    let panels: Vec<Panel> = loads
        .iter()
        .filter(|(other, _)| *other == size)
        .take(PANELS)
        .map(|(_, load)| {
            let rate = summary.percentiles(size, *load, "raw").map_or(0.0, |p| p.rate);
            let rate =
                if rate > 0.0 { format!(" ({} /s)", show_rate(rate)) } else { String::new() };
            let lines = of_size().filter(|(key, _)| key.1 == *load);
            let lines = lines.map(|((.., peer), p)| percentile_line(peer, p)).collect();
            let title = format!("{}, {}{rate}", bytes(size), load_name(*load));
            Panel { title, x: percentile_scale(), y: y.clone(), lines }
        })
        .collect();
    chart::lines(&dir.join(plot.file), plot.title, &panels)?;
    Ok(Some(plot))
}

fn fanout(dir: &Path, summary: &Summary) -> Result<Option<Plot>, ReportError> {
    let free = || summary.fanout.iter().filter(|(key, _)| !key.0);
    let sizes: BTreeSet<usize> = free().map(|(key, _)| key.1).collect();
    if sizes.is_empty() {
        return Ok(None);
    }
    let plot = Plot { file: "fanout.svg", title: "Fan-out: messages a second over all consumers" };
    let panel = |size: usize| {
        let mut lines: Vec<Line> = Vec::new();
        let mut consumers = BTreeSet::new();
        for ((_, _, count, peer), spreading) in free().filter(|(key, _)| key.1 == size) {
            consumers.insert(*count);
            let point = (*count as f64, spreading.sum_per_s.median);
            match lines.iter_mut().find(|line| line.style.label == *peer) {
                Some(line) => line.points.push(point),
                None => lines.push(Line { style: style(peer), points: vec![point] }),
            }
        }
        let ticks = consumers.iter().map(|count| (*count as f64, count.to_string())).collect();
        let x = Scale::log_at("consumers", ticks);
        let y = Scale::linear("messages a second, sum", heights(&lines), short);
        Panel { title: bytes(size), x, y, lines }
    };
    let panels: Vec<Panel> = sizes.into_iter().take(PANELS).map(panel).collect();
    chart::lines(&dir.join(plot.file), plot.title, &panels)?;
    Ok(Some(plot))
}

fn replay(dir: &Path, summary: &Summary) -> Result<Option<Plot>, ReportError> {
    let streams = || summary.replay.iter().filter(|(source, _)| source.to_consumer);
    if streams().next().is_none() {
        return Ok(None);
    }
    let plot = Plot {
        file: "replay.svg",
        title: "Replay to a consumer over NATS, by where it comes from",
    };
    let bars: Vec<Bar> = streams()
        .map(|(source, rate)| {
            let color = match (source.source.as_str(), source.engine.as_str()) {
                ("disk", "uring") => RGBColor(0, 158, 115),
                ("disk", _) => RGBColor(230, 159, 0),
                _ => RGBColor(0, 114, 178),
            };
            let [low, value, high] = [rate.min, rate.median, rate.max].map(|rate| rate / 1e6);
            Bar {
                label: format!("{}: {}", bytes(source.size), way(source)),
                color,
                value,
                spread: (low, high),
                text: number(value),
            }
        })
        .collect();
    let highest = bars.iter().map(|bar| bar.spread.1);
    let x = Scale::linear(
        "megabytes a second (median; the line shows the slowest and the fastest round)",
        highest,
        short,
    );
    chart::bars(&dir.join(plot.file), plot.title, &x, &bars)?;
    Ok(Some(plot))
}

/// What the disk gives, past the page cache, by how much is asked of it at a time.
fn disk(dir: &Path, summary: &Summary) -> Result<Option<Plot>, ReportError> {
    /// For blocks from small to large; what is not io_uring is grey.
    const COLORS: [RGBColor; 5] = [
        RGBColor(204, 121, 167),
        RGBColor(230, 159, 0),
        RGBColor(0, 158, 115),
        RGBColor(86, 180, 233),
        RGBColor(0, 60, 130),
    ];
    let mut lines: Vec<Line> = Vec::new();
    let mut reads = BTreeSet::new();
    let alone = summary.replay.iter().filter(|(source, _)| !source.to_consumer);
    for (source, rate) in alone {
        let uring = source.engine == "uring";
        let engine = if uring { "io_uring" } else { source.engine.as_str() };
        let label = format!("{engine}, {}", bytes(source.block_bytes));
        reads.insert(source.reads_in_flight);
        let point = (source.reads_in_flight as f64, rate.median / 1e6);
        if let Some(line) = lines.iter_mut().find(|line| line.style.label == label) {
            line.points.push(point);
            continue;
        }
        let same = lines.iter().filter(|line| line.style.dashed != uring).count();
        let grey = 90 + 40 * same.min(3) as u8;
        let color = if uring { COLORS[same % COLORS.len()] } else { RGBColor(grey, grey, grey) };
        lines.push(Line { style: Style { label, color, dashed: !uring }, points: vec![point] });
    }
    if lines.is_empty() {
        return Ok(None);
    }
    let plot = Plot { file: "replay-disk.svg", title: "The disk alone, cold, O_DIRECT" };
    let ticks = reads.iter().map(|reads| (*reads as f64, reads.to_string())).collect();
    let x = Scale::log_at("reads in flight", ticks);
    let y = Scale::linear("megabytes a second", heights(&lines), short);
    let panel = Panel { title: String::new(), x, y, lines };
    chart::lines(&dir.join(plot.file), plot.title, &[panel])?;
    Ok(Some(plot))
}
