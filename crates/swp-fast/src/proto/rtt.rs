//! Round-trip times of one peer, and the time-outs that follow from them.

use std::time::Duration;

use hdrhistogram::Histogram;

/// The time-out before the first sample. RFC 6298 (2.1) asks for 1 s where a time-out retransmits
/// data. Here a time-out sends a probe only, so a quarter of that serves.
const INITIAL_RTO: Duration = Duration::from_millis(250);

/// RFC 6298 (2.4) asks for a floor of 1 s and allows a smaller one. A broker on the same host
/// answers much sooner than this, and a time-out alone retransmits nothing.
const MIN_RTO: Duration = Duration::from_millis(5);

/// RFC 6298 (2.5) allows a ceiling. It bounds how long a network that has healed goes unnoticed.
const MAX_RTO: Duration = Duration::from_secs(1);

/// Longer samples say more about a suspended machine than about the path.
const MAX_SAMPLE_NS: u64 = 60_000_000_000;

/// SRTT and RTTVAR after RFC 6298, and the minimum for loss detection (RFC 8985 section 6.2 step
/// 1).
#[derive(Debug, Clone, Default)]
pub(super) struct RttEstimator {
    smoothed: Option<Duration>,
    variance: Duration,
    min: Option<Duration>,
    latest: Duration,
}

impl RttEstimator {
    /// Takes a sample without ambiguity (Karn's rule: RFC 6298 section 3).
    pub(super) fn sample(&mut self, rtt: Duration) {
        self.latest = rtt;
        self.min = Some(self.min.map_or(rtt, |min| min.min(rtt)));
        match self.smoothed {
            None => {
                // RFC 6298 (2.2)
                self.smoothed = Some(rtt);
                self.variance = rtt / 2;
            }
            Some(smoothed) => {
                // RFC 6298 (2.3): beta = 1/4, alpha = 1/8
                self.variance = (self.variance * 3 + smoothed.abs_diff(rtt)) / 4;
                self.smoothed = Some((smoothed * 7 + rtt) / 8);
            }
        }
    }

    /// SRTT, or `None` before the first sample.
    pub(super) fn smoothed(&self) -> Option<Duration> {
        self.smoothed
    }

    /// The smallest sample, or zero before the first.
    pub(super) fn min(&self) -> Duration {
        self.min.unwrap_or_default()
    }

    /// The newest sample.
    pub(super) fn latest(&self) -> Duration {
        self.latest
    }

    /// The time-out after RFC 6298 (2.3), doubled for each of `backoff` time-outs in a row (5.5).
    pub(super) fn rto(&self, backoff: u32) -> Duration {
        let base = match self.smoothed {
            Some(smoothed) => (smoothed + self.variance * 4).max(MIN_RTO),
            None => INITIAL_RTO,
        };
        base.saturating_mul(1 << backoff.min(16)).min(MAX_RTO.max(base))
    }
}

/// The distribution of round trips over a session, from 1 us to 60 s within 1 %. Takes about 20
/// KiB.
#[derive(Debug, Clone)]
pub(super) struct RttHistogram(Option<Histogram<u64>>);

/// Percentiles of the session's round trips, in nanoseconds. Zero where there was no sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RttSummary {
    /// Half of the round trips took no longer.
    pub p50_ns: u64,
    /// 99 % of the round trips took no longer.
    pub p99_ns: u64,
    /// The longest round trip.
    pub max_ns: u64,
    /// The number of samples.
    pub samples: u64,
}

impl RttHistogram {
    pub(super) fn new() -> Self {
        // The library accepts these bounds. If it did not, there would be no summary.
        RttHistogram(Histogram::new_with_bounds(1_000, MAX_SAMPLE_NS, 2).ok())
    }

    pub(super) fn record(&mut self, rtt: Duration) {
        if let Some(histogram) = &mut self.0 {
            histogram.saturating_record(u64::try_from(rtt.as_nanos()).unwrap_or(MAX_SAMPLE_NS));
        }
    }

    pub(super) fn summary(&self) -> RttSummary {
        let Some(histogram) = self.0.as_ref().filter(|histogram| !histogram.is_empty()) else {
            return RttSummary::default();
        };
        RttSummary {
            p50_ns: histogram.value_at_quantile(0.5),
            p99_ns: histogram.value_at_quantile(0.99),
            max_ns: histogram.max(),
            samples: histogram.len(),
        }
    }
}

#[cfg(test)]
mod tests;
