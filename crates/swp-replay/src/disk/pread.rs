//! The pread engine: one read at a time.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::ALIGN;
use super::buffer::Pool;
use super::engine::{no_direct, open};
use super::read_ahead::Job;

/// A file that is open for reading, directly where the file system allows it.
pub(super) struct Reader {
    file: File,
    /// Whether reads go past the page cache.
    pub(super) direct: bool,
    runtime: tokio::runtime::Runtime,
}

impl Reader {
    /// Opens the file. If `direct` is set and the file system has no direct reads, opens the file
    /// without them.
    pub(super) fn new(path: &Path, direct: bool) -> io::Result<Reader> {
        // Only the waits for buffers and for the caller are asynchronous here.
        let runtime = tokio::runtime::Builder::new_current_thread().build()?;
        match open_probed(path, direct) {
            Ok(file) => Ok(Reader { file, direct, runtime }),
            Err(error) if direct && no_direct(&error) => {
                Ok(Reader { file: open_probed(path, false)?, direct: false, runtime })
            }
            Err(error) => Err(error),
        }
    }

    /// Reads every extent. Returns early if the caller drops the receiver.
    pub(super) fn run(self, job: Job) {
        let Reader { file, runtime, .. } = self;
        runtime.block_on(read_all(file, job));
    }
}

/// Opens the file and reads its first page, because some file systems accept the flag for direct
/// reads and refuse the read.
fn open_probed(path: &Path, direct: bool) -> io::Result<File> {
    let file = open(path, direct)?;
    let mut page = Pool::new(1, ALIGN).take_or_make(ALIGN);
    file.read_at(page.as_mut(), 0)?;
    Ok(file)
}

async fn read_all(file: File, job: Job) {
    let Job { extents, mut pool, out, .. } = job;
    for extent in extents {
        let mut buffer = tokio::select! {
            () = out.closed() => return,
            buffer = pool.take(extent.len) => buffer,
        };
        // The engine owns this thread, so the read may block it.
        let read = file.read_exact_at(buffer.as_mut(), extent.offset);
        if out.send(read.map(|()| buffer)).await.is_err() {
            return;
        }
    }
}
