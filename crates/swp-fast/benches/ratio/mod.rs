//! A criterion measurement whose value is a ratio of two times.
//!
//! Two benchmarks that take turns are slowed alike by a noisy machine, so their ratio is steady.
//! Their times, measured one after the other, would differ by what else ran meanwhile.

use criterion::Throughput;
use criterion::measurement::{Measurement, ValueFormatter};

/// The first time divided by the second. The ratio of each iteration is added once.
pub(crate) struct Ratio;

impl Measurement for Ratio {
    type Intermediate = ();
    type Value = f64;

    fn start(&self) {}

    /// Not a number: only `iter_custom` can return a ratio.
    fn end(&self, (): ()) -> f64 {
        f64::NAN
    }

    fn add(&self, one: &f64, other: &f64) -> f64 {
        one + other
    }

    fn zero(&self) -> f64 {
        0.0
    }

    fn to_f64(&self, value: &f64) -> f64 {
        *value
    }

    fn formatter(&self) -> &dyn ValueFormatter {
        self
    }
}

impl ValueFormatter for Ratio {
    fn scale_values(&self, _typical: f64, _values: &mut [f64]) -> &'static str {
        "x"
    }

    fn scale_throughputs(
        &self,
        _typical: f64,
        _: &Throughput,
        _values: &mut [f64],
    ) -> &'static str {
        "x"
    }

    fn scale_for_machines(&self, _values: &mut [f64]) -> &'static str {
        "x"
    }
}
