//! The io_uring engine: several reads in flight, handed on in the order of the file.

use std::io;
use std::panic::{AssertUnwindSafe, resume_unwind};
use std::path::Path;

use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use futures_util::stream::{FuturesOrdered, StreamExt};
use tokio_uring::buf::BoundedBuf;
use tokio_uring::fs::File;

use super::{Job, MAX_READS_IN_FLIGHT, Pool, PooledBuf, no_direct, open};
use crate::capture::{ALIGN, IndexEntry};

/// A ring, and the file opened in the way that works with it.
pub(super) struct Ring {
    runtime: tokio_uring::Runtime,
    file: std::fs::File,
    /// Whether it reads past the page cache.
    pub(super) direct: bool,
}

impl Ring {
    /// Sets a ring up and reads a page of the file through it: kernels that have rings and not this
    /// operation, and systems that forbid either, show themselves here.
    pub(super) fn new(path: &Path, direct: bool) -> io::Result<Ring> {
        let runtime =
            tokio_uring::Runtime::new(tokio_uring::builder().entries(MAX_READS_IN_FLIGHT as u32))?;
        let probed = open(path, direct).and_then(|file| probe(&runtime, file));
        match probed {
            Ok(file) => Ok(Ring { runtime, file, direct }),
            Err(error) if direct && no_direct(&error) => {
                let file = probe(&runtime, open(path, false)?)?;
                Ok(Ring { runtime, file, direct: false })
            }
            Err(error) => Err(error),
        }
    }

    /// Reads until the end, or until nobody listens.
    pub(super) fn run(self, job: Job) {
        let Ring { runtime, file, .. } = self;
        runtime.block_on(read_all(File::from_std(file), job));
    }
}

/// Reads the first page.
fn probe(runtime: &tokio_uring::Runtime, file: std::fs::File) -> io::Result<std::fs::File> {
    let again = file.try_clone()?;
    runtime.block_on(async move {
        let page = Pool::new(1, ALIGN).take_or_make(ALIGN);
        let file = File::from_std(file);
        read(&file, page, 0).await.0
    })?;
    Ok(again)
}

/// A read under way, and in the end its entry, its outcome and its buffer.
type Reads<'a> = FuturesOrdered<LocalBoxFuture<'a, (IndexEntry, io::Result<()>, PooledBuf)>>;

/// Reads and passes on. However that ends, the ring goes away only when the kernel has finished every
/// read: tokio-uring 0.5 frees the memory of reads that were given up before it cancels them
/// (`Driver::drop` replaces their `Lifecycle::Ignored`), and the kernel would write into freed memory.
async fn read_all(file: File, job: Job) {
    let mut reads = Reads::new();
    let ended = AssertUnwindSafe(pass_on(&file, job, &mut reads)).catch_unwind().await;
    while reads.next().await.is_some() {}
    if let Err(panic) = ended {
        resume_unwind(panic);
    }
}

async fn pass_on<'a>(file: &'a File, mut job: Job, reads: &mut Reads<'a>) {
    let entries = job.entries.clone();
    let mut ahead = entries.iter().skip(job.first).peekable();
    loop {
        let next = ahead.peek().filter(|_| reads.len() < job.reads_in_flight).copied();
        if next.is_none() && reads.is_empty() {
            return;
        }
        let wanted = next.map_or(0, |entry| entry.len);
        tokio::select! {
            biased;
            () = job.out.closed() => return,
            buffer = job.pool.take(wanted), if next.is_some() => {
                if let Some(entry) = ahead.next().cloned() {
                    reads.push_back(Box::pin(async move {
                        let (read, buffer) = read(file, buffer, entry.offset).await;
                        (entry, read, buffer)
                    }));
                }
            }
            Some((entry, read, buffer)) = reads.next(), if !reads.is_empty() => {
                if !job.deliver(&entry, read, buffer).await {
                    return;
                }
            }
        }
    }
}

/// Fills the buffer from `offset` on. The kernel owns the memory while it does: to be awaited to its end,
/// see [`read_all`].
async fn read(file: &File, mut buffer: PooledBuf, offset: u64) -> (io::Result<()>, PooledBuf) {
    let len = buffer.len();
    let (mut memory, start) = buffer.take_memory();
    let mut done = 0;
    let result = loop {
        if done == len {
            break Ok(());
        }
        let (read, slice) =
            file.read_at(memory.slice(start + done..start + len), offset + done as u64).await;
        memory = slice.into_inner();
        match read {
            Ok(0) => break Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(read) => done += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => break Err(error),
        }
    };
    buffer.put_memory(memory);
    (result, buffer)
}
