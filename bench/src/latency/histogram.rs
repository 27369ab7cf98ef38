//! Histograms of times, and the text form that HdrHistogram's own tools plot.

use std::fmt::Write as _;

use hdrhistogram::Histogram;

use crate::Failure;

/// Times from a nanosecond to ten minutes, to three digits: some 200 KiB.
const MAX_NS: u64 = 600_000_000_000;
const DIGITS: u8 = 3;

/// Steps to each halving of what is left to 100 %, as HdrHistogram's own output has.
const TICKS_PER_HALF: u32 = 5;

pub(super) fn new() -> Result<Histogram<u64>, Failure> {
    Ok(Histogram::new_with_bounds(1, MAX_NS, DIGITS)?)
}

/// The distribution of percentiles (`.hgrm`), with values in microseconds.
pub(super) fn text(times: &Histogram<u64>) -> String {
    let mut out = format!(
        "{:>12} {:>14} {:>10} {:>14}\n\n",
        "Value", "Percentile", "TotalCount", "1/(1-Percentile)"
    );
    let mut total = 0;
    for step in times.iter_quantiles(TICKS_PER_HALF) {
        total += step.count_since_last_iteration();
        let (us, part) = (step.value_iterated_to() as f64 / 1e3, step.quantile_iterated_to());
        let _ = if part < 1.0 {
            writeln!(out, "{us:>12.3} {part:2.12} {total:>10} {:>14.2}", 1.0 / (1.0 - part))
        } else {
            writeln!(out, "{us:>12.3} {part:2.12} {total:>10}")
        };
    }
    let _ = writeln!(
        out,
        "#[Mean    = {:>12.3}, StdDeviation   = {:>12.3}]\n#[Max     = {:>12.3}, Total count    = {:>12}]",
        times.mean() / 1e3,
        times.stdev() / 1e3,
        times.max() as f64 / 1e3,
        times.len(),
    );
    out
}

#[cfg(test)]
mod tests;
