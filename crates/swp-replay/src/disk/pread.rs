//! The plain engine: one read at a time.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::{Job, no_direct, open};
use crate::capture::ALIGN;
use crate::disk::Pool;

/// A file, opened in the way that works.
pub(super) struct Reader {
    file: File,
    /// Whether it reads past the page cache.
    pub(super) direct: bool,
    runtime: tokio::runtime::Runtime,
}

impl Reader {
    /// Opens the file, directly if asked to and where that is possible.
    pub(super) fn new(path: &Path, direct: bool) -> io::Result<Reader> {
        // Nothing but the waiting for buffers and receivers is asynchronous here.
        let runtime = tokio::runtime::Builder::new_current_thread().build()?;
        match open_probed(path, direct) {
            Ok(file) => Ok(Reader { file, direct, runtime }),
            Err(error) if direct && no_direct(&error) => {
                Ok(Reader { file: open_probed(path, false)?, direct: false, runtime })
            }
            Err(error) => Err(error),
        }
    }

    /// Reads until the end, or until nobody listens.
    pub(super) fn run(self, job: Job) {
        let Reader { file, runtime, .. } = self;
        runtime.block_on(read_all(file, job));
    }
}

/// Some file systems take the flag and refuse the read.
fn open_probed(path: &Path, direct: bool) -> io::Result<File> {
    let file = open(path, direct)?;
    let mut page = Pool::new(1, ALIGN).take_or_make(ALIGN);
    file.read_at(page.as_mut(), 0)?;
    Ok(file)
}

async fn read_all(file: File, mut job: Job) {
    let entries = job.entries.clone();
    for entry in entries.iter().skip(job.first) {
        let mut buffer = tokio::select! {
            () = job.out.closed() => return,
            buffer = job.pool.take(entry.len) => buffer,
        };
        // The thread is this engine's own, so it may block.
        let read = file.read_exact_at(buffer.as_mut(), entry.offset);
        if !job.deliver(entry, read, buffer).await {
            return;
        }
    }
}
