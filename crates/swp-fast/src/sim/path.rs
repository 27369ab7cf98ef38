//! The faults of the path between two endpoints, and how a frame is damaged.

use std::time::Duration;

use bytes::Bytes;
use rand::RngExt;
use rand_pcg::Pcg64;

/// A receiver looks at the array's marker and the version first, one byte each.
const CHECKED_FROM: usize = 2;

/// The most bits that are inverted in a frame, and the most bytes that are appended.
const MAX_FLIPS: u32 = 8;
const MAX_EXTENSION: usize = 64;

/// The faults in one direction. Chances are 0.0 to 1.0, for each copy of each frame by itself.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PathConfig {
    /// The time from sender to addressee. Default 1 ms.
    pub latency: Duration,
    /// Up to this much more time, evenly spread. The order is kept, as the bus keeps it. Default
    /// zero.
    pub jitter: Duration,
    /// The chance that a frame is lost. Default 0.
    pub loss: f64,
    /// Losses that come in bursts, beside `loss`. Default none.
    pub burst: Option<Burst>,
    /// The chance that a frame arrives a second time, up to a latency later. Default 0.
    pub duplicate: f64,
    /// The chance that a frame is overtaken by others, for up to two latencies. Default 0.
    pub reorder: f64,
    /// The chance that a frame is damaged: up to 8 bits inverted, cut short, or up to 64 bytes
    /// longer. The version is spared, because a damaged version looks like another version. Without
    /// a digest ([`crate::wire::Integrity::None`]) damage to a body is delivered. Default 0.
    pub corrupt: f64,
}

impl Default for PathConfig {
    fn default() -> Self {
        PathConfig {
            latency: Duration::from_millis(1),
            jitter: Duration::ZERO,
            loss: 0.0,
            burst: None,
            duplicate: 0.0,
            reorder: 0.0,
            corrupt: 0.0,
        }
    }
}

impl PathConfig {
    /// The same distance without any fault: latency and jitter only.
    #[must_use]
    pub fn calm(self) -> PathConfig {
        let PathConfig { latency, jitter, .. } = self;
        PathConfig { latency, jitter, ..PathConfig::default() }
    }
}

/// Losses in bursts: a path is good or bad, and changes from one frame to the next. With `loss` at
/// 1 this is the channel of Gilbert, "Capacity of a Burst-Noise Channel", Bell System Technical
/// Journal 39 (1960). With less, it is that of Elliott, "Estimates of Error Rates for Codes on
/// Burst-Noise Channels", ibid. 42 (1963). A burst is 1 / `leave` frames long on average.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Burst {
    /// The chance that a good path turns bad at a frame.
    pub enter: f64,
    /// The chance that a bad path turns good again.
    pub leave: f64,
    /// The chance that a frame is lost while the path is bad.
    pub loss: f64,
}

impl Burst {
    /// Moves the path on by one frame. Returns true if this frame is lost.
    pub(super) fn step(&self, rng: &mut Pcg64, bad: &mut bool) -> bool {
        let turns = rng.random_bool(if *bad { self.leave } else { self.enter });
        *bad ^= turns;
        *bad && rng.random_bool(self.loss)
    }
}

/// A damaged copy of `frame`, never equal to it.
pub(super) fn damage(rng: &mut Pcg64, frame: &Bytes) -> Bytes {
    let mut bytes = frame.to_vec();
    match rng.random_range(0..4u32) {
        0 if !bytes.is_empty() => bytes.truncate(rng.random_range(0..frame.len())),
        1 => {
            let more = rng.random_range(1..=MAX_EXTENSION);
            bytes.extend((0..more).map(|_| rng.random_range(0..=u8::MAX)));
        }
        _ if bytes.len() <= CHECKED_FROM => bytes.push(0),
        _ => {
            // No bit is inverted twice: the steps between the bits add up to less than the frame.
            let bits = ((bytes.len() - CHECKED_FROM) * 8) as u32;
            let flips = rng.random_range(1..=MAX_FLIPS);
            let mut at = rng.random_range(0..bits);
            for _ in 0..flips {
                bytes[CHECKED_FROM + at as usize / 8] ^= 1 << (at % 8);
                at = (at + 1 + rng.random_range(0..bits.div_ceil(MAX_FLIPS))) % bits;
            }
        }
    }
    Bytes::from(bytes)
}

#[cfg(test)]
mod tests;
