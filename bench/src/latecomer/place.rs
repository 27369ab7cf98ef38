//! Where the capture lies: in memory where there is room, so that two readers do not share a disk.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

use swp_replay::capture::{Capture, WriterOptions};

use crate::Failure;
use crate::stage;

/// A file system in memory on nearly every Linux.
const MEMORY: &str = "/dev/shm";
/// `f_type` of such a file system (tmpfs, linux/magic.h).
const TMPFS_MAGIC: u64 = 0x0102_1994;

/// A capture that nobody else can see, and that is gone with this process, however that ends: left behind in
/// memory it would be in the way until the machine is started again.
pub(super) struct Placed {
    pub(super) capture: Capture,
    pub(super) folder: PathBuf,
    pub(super) in_memory: bool,
    /// Keeps what the capture's path names.
    _file: File,
}

/// Makes a capture of `count` messages with payloads of `size` bytes.
pub(super) fn make(size: usize, count: u64) -> Result<Placed, Failure> {
    let folder = choose(size as u64 * count);
    let inside = tempfile::Builder::new().prefix("swp-bench-").tempdir_in(&folder)?;
    let path = inside.path().join("latecomer.dat");
    stage::write_capture(&path, size, count, WriterOptions::default().block_bytes)?;
    let file = File::open(&path)?;
    inside.close()?;
    // A path by which a file can be opened again that has no name any more.
    let capture = Capture::open(format!("/proc/self/fd/{}", file.as_raw_fd()))?;
    let in_memory = is_memory(&folder);
    Ok(Placed { capture, folder, in_memory, _file: file })
}

/// Memory, where twice as much is free; else the folder for temporary files. Such a file system may grow to
/// half of the memory unless told otherwise, so what is taken is a quarter at most.
fn choose(bytes: u64) -> PathBuf {
    let memory = Path::new(MEMORY);
    let free = rustix::fs::statvfs(memory).map_or(0, |stat| stat.f_bavail * stat.f_frsize);
    match is_memory(memory) && free / 2 >= bytes {
        true => memory.to_owned(),
        false => std::env::temp_dir(),
    }
}

fn is_memory(folder: &Path) -> bool {
    rustix::fs::statfs(folder).is_ok_and(|stat| stat.f_type as u64 == TMPFS_MAGIC)
}
