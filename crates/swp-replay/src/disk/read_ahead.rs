//! A thread that reads extents in order, ahead of the task that takes their bytes.

use std::io;
use std::path::{Path, PathBuf};

use tokio::sync::{mpsc, oneshot};

use super::buffer::{Pool, PooledBuf};
use super::engine::{Chosen, Engine, EngineReport, choose};
use super::{ALIGN, Extent, pread, uring};

/// Memory for buffers by default, in bytes. It makes 32 buffers of 1 MiB: the engine reads into 8,
/// a send window of 16 MiB holds 16, and 8 are read ahead.
pub const DEFAULT_MEMORY_BYTES: usize = 32 << 20;

/// Reads in flight by default. More gained nothing on the disks that were measured.
pub const DEFAULT_READS_IN_FLIGHT: usize = 8;

/// The most reads in flight: the ring holds as many requests.
pub const MAX_READS_IN_FLIGHT: usize = 64;

/// How a file is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiskOptions {
    /// The engine that reads.
    pub engine: Engine,
    /// Memory for buffers in bytes; [`DEFAULT_MEMORY_BYTES`] by default. Each buffer holds the
    /// longest extent. At least two buffers are used, even if they exceed this value.
    pub memory_bytes: usize,
    /// Reads in flight with io_uring, 1 to [`MAX_READS_IN_FLIGHT`]; [`DEFAULT_READS_IN_FLIGHT`] by
    /// default. Values outside these bounds are clamped.
    pub reads_in_flight: usize,
    /// Whether to read past the page cache where the file system allows it; true by default. A file
    /// that is already in the page cache is read faster through it.
    pub direct: bool,
}

impl Default for DiskOptions {
    fn default() -> Self {
        DiskOptions {
            engine: Engine::Auto,
            memory_bytes: DEFAULT_MEMORY_BYTES,
            reads_in_flight: DEFAULT_READS_IN_FLIGHT,
            direct: true,
        }
    }
}

/// Reading could not begin.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DiskError {
    /// The caller demanded io_uring, and the system refuses it.
    #[error("io_uring cannot be used here: {0}")]
    NoUring(#[source] io::Error),
    /// The file cannot be opened or read.
    #[error("{path}: {source}", path = .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
    /// The reading thread could not be started, or ended at once.
    #[error("reading thread: {0}")]
    Thread(#[source] io::Error),
}

/// An extent could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The system refused the read. The kind is [`io::ErrorKind::UnexpectedEof`] where the file
    /// ends before the extent does. The extents after this one can still be read.
    #[error("{path}: {source}", path = .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
    /// The reading thread ended before it had read every extent. No extent follows.
    #[error("{path}: reading stopped", path = .path.display())]
    Stopped {
        /// The file.
        path: PathBuf,
    },
}

/// The extents of a file, read ahead in order by a thread.
///
/// Call [`ReadAhead::start`], then [`ReadAhead::next`] until it returns `None`. Memory: the buffers
/// that [`DiskOptions::memory_bytes`] allows, and 16 bytes for each extent.
pub struct ReadAhead {
    reads: mpsc::Receiver<io::Result<PooledBuf>>,
    report: EngineReport,
    path: PathBuf,
    /// Extents that [`ReadAhead::next`] has not returned yet.
    left: usize,
    /// Only the tests join the thread. It ends by itself.
    #[cfg_attr(not(test), expect(dead_code, reason = "only the tests join the thread"))]
    thread: std::thread::JoinHandle<()>,
}

/// What the reading thread works on.
pub(super) struct Job {
    pub(super) extents: Vec<Extent>,
    pub(super) reads_in_flight: usize,
    pub(super) pool: Pool,
    pub(super) out: mpsc::Sender<io::Result<PooledBuf>>,
}

impl ReadAhead {
    /// Starts a thread that reads `extents` of the file at `path`. Returns once the thread has
    /// chosen its engine.
    ///
    /// The engines try a read of the first page before they accept the file. io_uring refuses a
    /// file that is shorter than [`ALIGN`].
    ///
    /// # Errors
    ///
    /// [`DiskError::NoUring`] if the options demand io_uring and the system refuses it,
    /// [`DiskError::Io`] if the file cannot be opened or read, and [`DiskError::Thread`] if the
    /// thread cannot be started.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the thread stops.
    pub async fn start(
        path: &Path,
        extents: Vec<Extent>,
        options: DiskOptions,
    ) -> Result<ReadAhead, DiskError> {
        let left = extents.len();
        let longest = extents.iter().map(|extent| extent.len).max();
        let buffer_bytes = longest.unwrap_or_default().max(ALIGN);
        let buffers = (options.memory_bytes / buffer_bytes).max(2);
        // Each extent in the channel holds a buffer, and an error is the last result. So a slot for
        // each buffer is always enough.
        let (out, reads) = mpsc::channel(buffers);
        let job = Job {
            extents,
            reads_in_flight: options.reads_in_flight.clamp(1, MAX_READS_IN_FLIGHT),
            pool: Pool::new(buffers, buffer_bytes),
            out,
        };
        let (ready, started) = oneshot::channel();
        let file = path.to_owned();
        let thread = std::thread::Builder::new()
            .name("swp-disk".to_owned())
            .spawn(move || run(&file, job, options.engine, options.direct, ready))
            .map_err(DiskError::Thread)?;
        let gone = |_| DiskError::Thread(io::Error::other("ended before it began"));
        let report = started.await.map_err(gone)??;
        Ok(ReadAhead { reads, report, path: path.to_owned(), left, thread })
    }

    /// Returns the bytes of the next extent, or `None` after the last one.
    ///
    /// # Errors
    ///
    /// [`ReadError::Io`] if this extent cannot be read: the next call returns the extent after it.
    /// [`ReadError::Stopped`] if the thread ended early: the next call returns `None`.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped before it completes, no extent is lost.
    pub async fn next(&mut self) -> Option<Result<PooledBuf, ReadError>> {
        if self.left == 0 {
            return None;
        }
        let read = self.reads.recv().await;
        self.left = if read.is_some() { self.left - 1 } else { 0 };
        Some(match read {
            Some(Ok(buffer)) => Ok(buffer),
            Some(Err(source)) => Err(ReadError::Io { path: self.path.clone(), source }),
            // A thread that ended early must not look like the last extent.
            None => Err(ReadError::Stopped { path: self.path.clone() }),
        })
    }

    /// Returns which engine reads, and why.
    pub fn report(&self) -> &EngineReport {
        &self.report
    }
}

/// Runs the reading thread: chooses the engine, reports the choice, and reads.
fn run(
    path: &Path,
    job: Job,
    engine: Engine,
    direct: bool,
    ready: oneshot::Sender<Result<EngineReport, DiskError>>,
) {
    let ring = match engine {
        Engine::Pread => None,
        Engine::Auto | Engine::Uring => Some(uring::Ring::new(path, direct)),
    };
    match choose(engine, ring) {
        Ok(Chosen::Uring(ring)) => {
            let report = EngineReport { engine: Engine::Uring, direct: ring.direct, why: None };
            // If the caller is gone, the engine ends when it finds `out` closed.
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

#[cfg(test)]
mod tests;
