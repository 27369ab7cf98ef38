//! Results for people and for programs.

use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::Path;

use crate::Failure;
use crate::peers::{Measured, Peer};

/// One measurement.
pub(crate) fn line(result: &Measured) -> String {
    format!(
        "{:>8} B  {:<4} round {}  {:>12.0} msg/s  {:>8.1} MB/s  lost {}",
        result.size,
        format!("{:?}", result.peer).to_lowercase(),
        result.round,
        result.messages_per_s(),
        result.messages_per_s() * result.size as f64 / 1e6,
        result.sent - result.received,
    )
}

/// Medians by size, a column a peer, with the ratio to the first.
pub(crate) fn render(results: &[Measured], peers: &[Peer], sizes: &[usize]) -> String {
    let mut out = String::from("| message |");
    for peer in peers {
        let _ = write!(out, " {peer:?} msg/s | MB/s | lost | ratio |");
    }
    let _ = write!(out, "\n|---|{}\n", "---|---|---|---|".repeat(peers.len()));
    for &size in sizes {
        let _ = write!(out, "| {size} B |");
        let mut base = None;
        for &peer in peers {
            let of_peer = results.iter().filter(|r| r.peer == peer && r.size == size);
            let mut rates: Vec<f64> = of_peer.clone().map(Measured::messages_per_s).collect();
            let lost: u64 = of_peer.map(|r| r.sent - r.received).sum();
            rates.sort_by(f64::total_cmp);
            let median = rates.get(rates.len() / 2).copied().unwrap_or_default();
            let base = *base.get_or_insert(median);
            let mb = median * size as f64 / 1e6;
            let _ = write!(out, " {median:.0} | {mb:.0} | {lost} | {:.2} |", median / base);
        }
        out.push('\n');
    }
    out
}

pub(crate) fn append_json(path: &Path, results: &[Measured]) -> Result<(), Failure> {
    let mut file = OpenOptions::new().create(true).append(true).open(path)?;
    for result in results {
        serde_json::to_writer(&mut file, result)?;
        file.write_all(b"\n")?;
    }
    Ok(())
}
