//! Sizes and durations as people write them, and numbers as tables show them.

use std::time::Duration;

use bytesize::ByteSize;

/// A number of bytes of at least one, with or without a unit. `KB` is 1000, `KiB` is 1024.
pub(crate) fn bytes(text: &str) -> Result<u64, String> {
    match text.parse::<ByteSize>() {
        Ok(size) if size.as_u64() > 0 => Ok(size.as_u64()),
        Ok(_) => Err("it must be more than 0".to_owned()),
        Err(_) => Err(format!("'{text}' is no size; write for example 65536, 64KiB or 1GiB")),
    }
}

/// A duration with its unit.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(duration) if !duration.is_zero() => Ok(duration),
        Ok(_) => Err("it must be more than 0".to_owned()),
        Err(_) => Err(format!("'{text}' is no duration; write for example 500us, 100ms or 5s")),
    }
}

/// A size in the largest unit that leaves it whole.
pub(crate) fn show_size(bytes: u64) -> String {
    const MIB: u64 = 1 << 20;
    match bytes {
        0 => "0 B".to_owned(),
        n if n.is_multiple_of(MIB) => format!("{} MiB", n / MIB),
        n if n.is_multiple_of(1024) => format!("{} KiB", n / 1024),
        n => format!("{n} B"),
    }
}

/// Messages a second, with as many digits as mean anything.
pub(crate) fn show_rate(per_s: f64) -> String {
    match per_s {
        r if r >= 1e6 => format!("{:.2} M", r / 1e6),
        r if r >= 1e4 => format!("{:.0} k", r / 1e3),
        r if r >= 1e3 => format!("{:.1} k", r / 1e3),
        r if r >= 10.0 => format!("{r:.0}"),
        r => format!("{r:.1}"),
    }
}

/// A time in microseconds, or in milliseconds from 10 on.
pub(crate) fn show_ns(ns: u64) -> String {
    match ns as f64 / 1e3 {
        us if us >= 1e4 => format!("{:.1} ms", us / 1e3),
        us => format!("{us:.0} us"),
    }
}

#[cfg(test)]
mod tests;
