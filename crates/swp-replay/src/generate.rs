//! Captures of made-up traffic: the same options and seed make the same stream, byte for byte.
//!
//! Payloads are slices of one pool of text that looks like telemetry lines with random numbers, so it
//! compresses about as such data does (to two fifths or so) and no two messages are likely to be alike.

use rand_pcg::Pcg64Mcg;
use rand_pcg::rand_core::{Rng, SeedableRng};

use crate::capture::{CaptureWriter, WriteError};
use crate::record::Record;

#[cfg(test)]
mod tests;

/// The longest payload that can be asked for, in bytes: the most that a NATS server takes.
pub const MAX_PAYLOAD: usize = 64 << 20;

/// The most subjects that can be asked for; their names are kept in memory.
pub const MAX_SUBJECTS: u32 = 1_000_000;

/// How far the starts of payloads are spread over the pool, in bytes: so many that payloads hardly
/// repeat, and small enough for a processor's inner caches (1 MiB made small messages twice as dear).
const SPREAD: usize = 64 << 10;

/// What to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GenerateOptions {
    /// Number of messages.
    pub messages: u64,
    /// Shortest payload in bytes.
    pub min_bytes: usize,
    /// Longest payload in bytes, at most [`MAX_PAYLOAD`]; lengths between are equally likely.
    pub max_bytes: usize,
    /// Front of every subject; a dot and a number follow.
    pub subject: String,
    /// Number of subjects, 1 to [`MAX_SUBJECTS`]; each message is on one at random.
    pub subjects: u32,
    /// Messages a second by their timestamps, at least 1.
    pub rate: u64,
    /// Timestamp of the first message, in nanoseconds since the Unix epoch.
    pub start_ns: u64,
    /// Makes the stream another one.
    pub seed: u64,
}

impl Default for GenerateOptions {
    /// A million messages of 256 bytes on 100 subjects, 100,000 a second from 2026-01-01 00:00 UTC.
    fn default() -> Self {
        GenerateOptions {
            messages: 1_000_000,
            min_bytes: 256,
            max_bytes: 256,
            subject: "made.up".to_owned(),
            subjects: 100,
            rate: 100_000,
            start_ns: 1_767_225_600_000_000_000,
            seed: 1,
        }
    }
}

/// Why nothing, or not everything, was made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GenerateError {
    /// An option is outside its bounds.
    #[error("{0}")]
    Option(String),
    /// The capture could not be written.
    #[error(transparent)]
    Write(#[from] WriteError),
}

/// Appends the messages to `capture`. Memory: the longest payload, 64 KiB, and the subjects.
pub fn generate(
    options: &GenerateOptions,
    capture: &mut CaptureWriter,
) -> Result<(), GenerateError> {
    check(options)?;
    let mut random = Pcg64Mcg::seed_from_u64(options.seed);
    let pool = text(&mut random, options.max_bytes + SPREAD);
    let subjects: Vec<String> =
        (0..options.subjects).map(|number| format!("{}.{number}", options.subject)).collect();
    let lengths = (options.max_bytes - options.min_bytes) as u64 + 1;
    for message in 0..options.messages {
        let len = options.min_bytes + below(&mut random, lengths) as usize;
        let start = below(&mut random, SPREAD as u64) as usize;
        let subject = &subjects[below(&mut random, u64::from(options.subjects)) as usize];
        let since_ns = u128::from(message) * 1_000_000_000 / u128::from(options.rate);
        let since_ns = u64::try_from(since_ns).unwrap_or(u64::MAX);
        capture.append(&Record {
            timestamp_ns: options.start_ns.saturating_add(since_ns),
            subject,
            reply: None,
            headers: None,
            payload: &pool[start..start + len],
        })?;
    }
    Ok(())
}

fn check(options: &GenerateOptions) -> Result<(), GenerateError> {
    let refuse = |text: String| Err(GenerateError::Option(text));
    if options.min_bytes > options.max_bytes || options.max_bytes > MAX_PAYLOAD {
        let (min, max) = (options.min_bytes, options.max_bytes);
        return refuse(format!("payloads of {min} to {max} bytes: not within 0 to {MAX_PAYLOAD}"));
    }
    if !(1..=MAX_SUBJECTS).contains(&options.subjects) {
        return refuse(format!("{} subjects: not within 1 to {MAX_SUBJECTS}", options.subjects));
    }
    if options.rate == 0 {
        return refuse("a rate of 0 messages a second".to_owned());
    }
    Ok(())
}

/// A number below `bound`, by multiplication, so that the stream depends on nothing but the generator.
fn below(random: &mut Pcg64Mcg, bound: u64) -> u64 {
    ((u128::from(random.next_u64()) * u128::from(bound)) >> 64) as u64
}

/// Lines of telemetry, `len` bytes of them.
fn text(random: &mut Pcg64Mcg, len: usize) -> Vec<u8> {
    let mut text = Vec::with_capacity(len + 128);
    while text.len() < len {
        let (id, value) = (random.next_u64(), below(random, 1_000_000));
        let state = ["ok", "late", "retry", "closed"][below(random, 4) as usize];
        let line =
            format!("id={id:016x} value={}.{:03} state={state}\n", value / 1000, value % 1000);
        text.extend_from_slice(line.as_bytes());
    }
    text.truncate(len);
    text
}
