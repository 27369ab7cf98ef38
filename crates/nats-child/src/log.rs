//! Reads the server's log: all of it within a bound, or its last lines for an error message.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    path::Path,
};

#[cfg(test)]
mod tests;

/// The most that is read of a log, from its end. With `trace: true` a log grows without limit.
pub(crate) const LOG_BYTES_MAX: u64 = 1024 * 1024;

/// Enough to see the error and what led to it, and short enough for an error message.
const TAIL_LINES: usize = 20;

/// What the log holds from byte `start` on, at most its last [`LOG_BYTES_MAX`] bytes.
pub(crate) fn read_from(path: &Path, start: u64) -> io::Result<String> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(start.max(length.saturating_sub(LOG_BYTES_MAX))))?;
    let mut bytes = Vec::new();
    file.take(LOG_BYTES_MAX).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The last lines of what was logged from byte `start` on. A log that cannot be read yields the
/// reason in place of lines: this goes into an error, which must not be lost for it.
pub(crate) fn tail_from(path: &Path, start: u64) -> String {
    match read_from(path, start) {
        Err(error) => format!("(the log cannot be read: {error})"),
        Ok(text) if text.trim().is_empty() => "(nothing was logged)".to_owned(),
        Ok(text) => {
            let lines: Vec<&str> = text.trim_end().lines().collect();
            lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n")
        }
    }
}
