//! The choice of the engine that reads, and how a file is opened for reading.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::str::FromStr;

use rustix::fs::OFlags;

use super::DiskError;

/// The system interface that reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Engine {
    /// io_uring where the system allows it, else pread.
    #[default]
    Auto,
    /// io_uring, or an error.
    Uring,
    /// pread.
    Pread,
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Engine::Auto => "auto",
            Engine::Uring => "uring",
            Engine::Pread => "pread",
        })
    }
}

impl FromStr for Engine {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "auto" => Ok(Engine::Auto),
            "uring" => Ok(Engine::Uring),
            "pread" => Ok(Engine::Pread),
            other => Err(format!("'{other}' is none of auto, uring, pread")),
        }
    }
}

/// The engine that was chosen, and the reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineReport {
    /// [`Engine::Uring`] or [`Engine::Pread`].
    pub engine: Engine,
    /// Whether reads go past the page cache.
    pub direct: bool,
    /// Why [`Engine::Auto`] fell back to pread; `None` if it did not.
    pub why: Option<String>,
}

impl fmt::Display for EngineReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let how = if self.direct { "direct" } else { "through the page cache" };
        write!(f, "{}, {how}", self.engine)?;
        match &self.why {
            Some(why) => write!(f, " ({why})"),
            None => Ok(()),
        }
    }
}

/// The engine to read with. `R` is a ring that was set up.
pub(super) enum Chosen<R> {
    Uring(R),
    Pread { why: Option<String> },
}

/// Chooses by the outcome of setting up a ring; `None` if no ring was tried.
///
/// `Auto` falls back to pread after any failure, because both engines read the same bytes. If the
/// file itself is the cause, pread fails on it as well and reports the cause.
pub(super) fn choose<R>(
    engine: Engine,
    ring: Option<io::Result<R>>,
) -> Result<Chosen<R>, DiskError> {
    match ring {
        None => Ok(Chosen::Pread { why: None }),
        Some(Ok(ring)) => Ok(Chosen::Uring(ring)),
        Some(Err(error)) if engine == Engine::Auto => {
            Ok(Chosen::Pread { why: Some(format!("io_uring cannot be used here: {error}")) })
        }
        Some(Err(error)) => Err(DiskError::NoUring(error)),
    }
}

/// Opens a file for reading.
pub(super) fn open(path: &Path, direct: bool) -> io::Result<File> {
    let flags = if direct { OFlags::DIRECT } else { OFlags::empty() };
    OpenOptions::new().read(true).custom_flags(flags.bits() as i32).open(path)
}

/// Returns true if a direct open or read failed because the file system has no direct reads.
pub(super) fn no_direct(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported)
}

#[cfg(test)]
mod tests;
