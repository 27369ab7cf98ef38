//! Values as people write them: `64KiB`, `5MB`, `500ms`, `2m`, and back.

use std::time::Duration;

use bytesize::ByteSize;
use swp_replay::generate::MAX_PAYLOAD;

/// A number of bytes, with or without a unit. `KB` is 1000, `KiB` is 1024.
pub(crate) fn bytes(text: &str) -> Result<u64, String> {
    let size: ByteSize = text
        .parse()
        .map_err(|_| format!("'{text}' is no size; write for example 65536, 64KiB or 5MB"))?;
    Ok(size.as_u64())
}

/// A number of bytes of at least one.
pub(crate) fn positive_bytes(text: &str) -> Result<u64, String> {
    match bytes(text)? {
        0 => Err("it must be more than 0".to_owned()),
        size => Ok(size),
    }
}

/// One size, or two with a dash between.
pub(crate) fn size_range(text: &str) -> Result<(usize, usize), String> {
    let (low, high) = text.split_once('-').unwrap_or((text, text));
    let parse = |text| usize::try_from(bytes(text)?).map_err(|_| format!("'{text}' is too large"));
    let (low, high) = (parse(low)?, parse(high)?);
    if low > high {
        return Err(format!("{low} is more than {high}; write the smaller size first"));
    }
    if high > MAX_PAYLOAD {
        return Err(format!(
            "{high} is more than {MAX_PAYLOAD}, the most that a NATS server takes"
        ));
    }
    Ok((low, high))
}

/// A duration with its unit.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text)
        .map_err(|_| format!("'{text}' is no duration; write for example 500ms, 10s or 2m"))
}

/// Bytes for people, in powers of ten as rates usually are.
pub(crate) fn show_bytes(bytes: f64) -> String {
    let (mut value, mut unit) = (bytes, "B");
    for next in ["kB", "MB", "GB", "TB"] {
        if value < 1000.0 {
            break;
        }
        (value, unit) = (value / 1000.0, next);
    }
    if unit == "B" { format!("{value:.0} B") } else { format!("{value:.2} {unit}") }
}

/// A count with separators of thousands.
pub(crate) fn show_count(count: u64) -> String {
    let digits = count.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests;
