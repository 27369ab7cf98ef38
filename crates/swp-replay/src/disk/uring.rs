//! The io_uring engine: several reads in flight, passed on in the order of the extents.

use std::io;
use std::panic::{AssertUnwindSafe, resume_unwind};
use std::path::Path;

use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use futures_util::stream::{FuturesOrdered, StreamExt};
use tokio_uring::buf::BoundedBuf;
use tokio_uring::fs::File;

use super::buffer::{Pool, PooledBuf};
use super::engine::{no_direct, open};
use super::read_ahead::{Job, MAX_READS_IN_FLIGHT};
use super::{ALIGN, Extent};

/// A ring, and a file that is open for reading through it.
pub(super) struct Ring {
    runtime: tokio_uring::Runtime,
    file: std::fs::File,
    /// Whether reads go past the page cache.
    pub(super) direct: bool,
}

impl Ring {
    /// Sets up a ring and reads the first page of the file through it.
    ///
    /// The read fails on kernels that have rings without this operation, and on systems that forbid
    /// the operation.
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

    /// Reads every extent. Returns early if the caller drops the receiver.
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
        read(&file, page, 0).await
    })?;
    Ok(again)
}

/// The reads in flight. Each yields its buffer.
type Reads<'a> = FuturesOrdered<LocalBoxFuture<'a, io::Result<PooledBuf>>>;

/// Reads every extent, and returns only when the kernel has finished every read.
///
/// The ring must outlive the reads: tokio-uring 0.5 frees the memory of dropped reads before it
/// cancels them (`Driver::drop` replaces their `Lifecycle::Ignored`). The kernel would then write
/// into freed memory.
async fn read_all(file: File, job: Job) {
    let mut reads = Reads::new();
    let ended = AssertUnwindSafe(pass_on(&file, job, &mut reads)).catch_unwind().await;
    while reads.next().await.is_some() {}
    if let Err(panic) = ended {
        resume_unwind(panic);
    }
}

/// Keeps reads in flight and sends their buffers to the caller.
async fn pass_on<'a>(file: &'a File, job: Job, reads: &mut Reads<'a>) {
    let Job { extents, reads_in_flight, mut pool, out } = job;
    let mut ahead = extents.into_iter().peekable();
    loop {
        let next = ahead.peek().filter(|_| reads.len() < reads_in_flight).copied();
        if next.is_none() && reads.is_empty() {
            return;
        }
        let wanted = next.map_or(0, |extent| extent.len);
        tokio::select! {
            biased;
            () = out.closed() => return,
            buffer = pool.take(wanted), if next.is_some() => {
                if let Some(Extent { offset, .. }) = ahead.next() {
                    reads.push_back(Box::pin(read(file, buffer, offset)));
                }
            }
            Some(read) = reads.next(), if !reads.is_empty() => {
                if out.send(read).await.is_err() {
                    return;
                }
            }
        }
    }
}

/// Fills the buffer from `offset` on. The kernel owns the memory during the read, so the caller
/// must await this future to its end (see [`read_all`]).
async fn read(file: &File, mut buffer: PooledBuf, offset: u64) -> io::Result<PooledBuf> {
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
    result.map(|()| buffer)
}
