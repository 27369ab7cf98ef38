//! Blocks of a capture from the disk, in order, ahead of their use.
//!
//! ```text
//! a thread of its own                                the player's task
//!   pool -> buffer -> read, several at once -> check -> channel -> next() -> Block
//!     ^                                                                       |
//!     +------------- last slice of the block dropped (Bytes::from_owner) -----+
//! ```
//!
//! The buffers are fixed in number, so memory is bounded: while all of them are held, by frames that
//! are not acknowledged yet, reading waits. Dropping [`Disk`] stops the thread, whatever it waits for.
//! Two engines do the reading: io_uring with several reads in flight, and plain `pread`, for systems
//! that do not allow io_uring. Both read past the page cache (`O_DIRECT`) where the file system allows.

mod buffer;
mod pread;
mod uring;

#[cfg(test)]
mod tests;

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use rustix::fs::OFlags;
use tokio::sync::{mpsc, oneshot};

pub use buffer::{Pool, PooledBuf};

use crate::capture::{Block, Capture, CaptureError, IndexEntry};

/// Buffers take this much memory unless told otherwise: 32 blocks of the usual size, of which 8 are
/// being read, 16 hold a send window of 16 MiB, and the rest is read ahead.
pub const DEFAULT_MEMORY_BYTES: usize = 32 << 20;

/// Reads in flight unless told otherwise; more brought nothing on the disks measured.
pub const DEFAULT_READS_IN_FLIGHT: usize = 8;

/// The most reads in flight: the ring holds as many requests.
pub const MAX_READS_IN_FLIGHT: usize = 64;

/// Who does the reading.
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

/// How a capture is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiskOptions {
    /// Who reads.
    pub engine: Engine,
    /// Memory for buffers in bytes, [`DEFAULT_MEMORY_BYTES`] unless told otherwise. It is divided by
    /// the capture's longest block; two buffers are the least.
    pub memory_bytes: usize,
    /// Reads in flight with io_uring, 1 to [`MAX_READS_IN_FLIGHT`] (values outside are taken to the
    /// nearer bound); [`DEFAULT_READS_IN_FLIGHT`] unless told otherwise.
    pub reads_in_flight: usize,
    /// Whether to read past the page cache where the file system allows it; true unless told otherwise.
    /// A capture that is in the page cache already is read faster through it.
    pub direct: bool,
    /// Position in [`Capture::index`] to begin at.
    pub first_block: usize,
}

impl Default for DiskOptions {
    fn default() -> Self {
        DiskOptions {
            engine: Engine::Auto,
            memory_bytes: DEFAULT_MEMORY_BYTES,
            reads_in_flight: DEFAULT_READS_IN_FLIGHT,
            direct: true,
            first_block: 0,
        }
    }
}

/// Which engine was chosen, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineReport {
    /// [`Engine::Uring`] or [`Engine::Pread`].
    pub engine: Engine,
    /// Whether reads go past the page cache.
    pub direct: bool,
    /// Why it is not the one that was preferred.
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

/// Reading could not begin.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DiskError {
    /// io_uring was demanded and is not to be had.
    #[error("io_uring cannot be used here: {0}")]
    NoUring(#[source] io::Error),
    /// The file cannot be opened or read.
    #[error("{path}: {source}", path = .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The reading thread could not be started, or ended at once.
    #[error("reading thread: {0}")]
    Thread(#[source] io::Error),
}

/// The blocks of a capture, read ahead.
pub struct Disk {
    blocks: mpsc::Receiver<Result<Block, CaptureError>>,
    report: EngineReport,
    path: PathBuf,
    left: usize,
    /// Only the tests wait for the thread: it ends by itself.
    #[cfg_attr(not(test), expect(dead_code, reason = "see above"))]
    thread: std::thread::JoinHandle<()>,
}

/// What a reading thread works on.
struct Job {
    capture: Capture,
    entries: Arc<[IndexEntry]>,
    first: usize,
    reads_in_flight: usize,
    pool: Pool,
    out: mpsc::Sender<Result<Block, CaptureError>>,
}

impl Disk {
    /// Starts a thread that reads the capture's blocks from `first_block` on, and waits until it knows
    /// which engine it can use.
    pub async fn start(capture: &Capture, options: DiskOptions) -> Result<Disk, DiskError> {
        let entries = capture.entries();
        let left = entries.len().saturating_sub(options.first_block);
        let buffer_bytes = capture.largest_block();
        let buffers = (options.memory_bytes / buffer_bytes).max(2);
        // Blocks in the channel hold a buffer each, so it is never the narrower of the two.
        let (out, blocks) = mpsc::channel(buffers);
        let job = Job {
            capture: capture.clone(),
            entries,
            first: options.first_block,
            reads_in_flight: options.reads_in_flight.clamp(1, MAX_READS_IN_FLIGHT),
            pool: Pool::new(buffers, buffer_bytes),
            out,
        };
        let (ready, started) = oneshot::channel();
        let thread = std::thread::Builder::new()
            .name("swp-disk".to_owned())
            .spawn(move || run(job, options.engine, options.direct, ready))
            .map_err(DiskError::Thread)?;
        let gone = |_| DiskError::Thread(io::Error::other("ended before it began"));
        let report = started.await.map_err(gone)??;
        Ok(Disk { blocks, report, path: capture.path().to_owned(), left, thread })
    }

    /// The next block; a damaged one is an error, and the blocks after it follow. `None` at the end.
    /// May be cancelled.
    pub async fn next(&mut self) -> Option<Result<Block, CaptureError>> {
        if self.left == 0 {
            return None;
        }
        let block = self.blocks.recv().await;
        self.left = if block.is_some() { self.left - 1 } else { 0 };
        // A thread that ended early must not look like the end of the capture.
        Some(block.unwrap_or_else(|| Err(CaptureError::Stopped { path: self.path.clone() })))
    }

    /// Which engine reads, and why.
    pub fn report(&self) -> &EngineReport {
        &self.report
    }
}

/// The reading thread.
fn run(
    job: Job,
    engine: Engine,
    direct: bool,
    ready: oneshot::Sender<Result<EngineReport, DiskError>>,
) {
    let path = job.capture.path();
    let ring = match engine {
        Engine::Pread => None,
        Engine::Auto | Engine::Uring => Some(uring::Ring::new(path, direct)),
    };
    match choose(engine, ring) {
        Ok(Chosen::Uring(ring)) => {
            let report = EngineReport { engine: Engine::Uring, direct: ring.direct, why: None };
            // Without a receiver the first look at `out` ends it.
            let _ = ready.send(Ok(report));
            ring.run(job);
        }
        Ok(Chosen::Pread { why }) => match pread::Reader::new(path, direct) {
            Ok(reader) => {
                let direct = reader.direct;
                let _ = ready.send(Ok(EngineReport { engine: Engine::Pread, direct, why }));
                reader.run(job);
            }
            Err(source) => {
                let _ = ready.send(Err(DiskError::Io { path: path.to_owned(), source }));
            }
        },
        Err(error) => {
            let _ = ready.send(Err(error));
        }
    }
}

/// Which engine it is to be.
enum Chosen<R> {
    Uring(R),
    Pread { why: Option<String> },
}

/// Decides by whether a ring could be had. `Auto` takes any failure for a no: pread is as right, and
/// where the file itself is the matter it says so too.
fn choose<R>(engine: Engine, ring: Option<io::Result<R>>) -> Result<Chosen<R>, DiskError> {
    match ring {
        None => Ok(Chosen::Pread { why: None }),
        Some(Ok(ring)) => Ok(Chosen::Uring(ring)),
        Some(Err(error)) if engine == Engine::Auto => {
            Ok(Chosen::Pread { why: Some(format!("io_uring cannot be used here: {error}")) })
        }
        Some(Err(error)) => Err(DiskError::NoUring(error)),
    }
}

/// Opens for reading.
fn open(path: &Path, direct: bool) -> io::Result<File> {
    let flags = if direct { OFlags::DIRECT } else { OFlags::empty() };
    OpenOptions::new().read(true).custom_flags(flags.bits() as i32).open(path)
}

/// Whether a failed direct read, or opening for it, means that the file system has none.
fn no_direct(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported)
}

impl Job {
    /// Checks what was read and passes it on. `false` where nobody wants it any more.
    async fn deliver(&self, entry: &IndexEntry, read: io::Result<()>, buffer: PooledBuf) -> bool {
        let block = match read {
            Ok(()) => self.capture.decode(buffer, entry),
            Err(error) => Err(self.capture.read_error(entry, error)),
        };
        self.out.send(block).await.is_ok()
    }
}
