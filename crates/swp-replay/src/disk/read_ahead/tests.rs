use std::collections::HashSet;
use std::fs::{self, OpenOptions};

use bytes::Bytes;
use tempfile::TempDir;

use super::*;

/// Lengths of the extents: one page, a few pages, and many pages.
const LENS: [usize; 9] =
    [ALIGN, 64 << 10, ALIGN, 412 << 10, 64 << 10, 3 * ALIGN, 64 << 10, ALIGN, 128 << 10];

/// A file, and extents of it one behind the other.
struct Source {
    dir: TempDir,
    path: PathBuf,
    extents: Vec<Extent>,
    bytes: Vec<u8>,
}

impl Source {
    /// The first page of the file belongs to no extent.
    fn new() -> Source {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join("file");
        let mut offset = ALIGN as u64;
        let extents = LENS.map(|len| {
            let extent = Extent { offset, len };
            offset += len as u64;
            extent
        });
        let byte = |at: u64| (at * 13 + at / 4096) as u8;
        let bytes: Vec<u8> = (0..offset).map(byte).collect();
        fs::write(&path, &bytes).expect("writes");
        Source { dir, path, extents: extents.to_vec(), bytes }
    }

    fn wanted(&self, extent: &Extent) -> &[u8] {
        &self.bytes[extent.offset as usize..][..extent.len]
    }

    async fn start(&self, options: DiskOptions) -> ReadAhead {
        ReadAhead::start(&self.path, self.extents.clone(), options).await.expect("starts")
    }
}

/// Every engine that this system allows, with and without the page cache.
fn engines() -> Vec<DiskOptions> {
    // A ring has a runtime of its own, which cannot start inside the runtime of a test.
    let probe = || {
        let exe = std::env::current_exe().expect("the file of this test");
        uring::Ring::new(&exe, false).is_ok()
    };
    let uring = std::thread::spawn(probe).join().expect("no panic").then_some(Engine::Uring);
    let both = [Some(Engine::Pread), uring].into_iter().flatten();
    both.flat_map(|engine| {
        [true, false].map(|direct| DiskOptions { engine, direct, ..DiskOptions::default() })
    })
    .collect()
}

fn assert_same(buffer: &PooledBuf, wanted: &[u8]) {
    assert!(buffer.as_ref() == wanted, "an extent of {} bytes differs", wanted.len());
    assert_eq!(buffer.as_ref().as_ptr().addr() % ALIGN, 0);
}

#[tokio::test]
async fn every_engine_returns_the_bytes_of_the_extents_in_order() {
    let source = Source::new();
    for options in engines() {
        for (reads_in_flight, memory_bytes) in [(8, 24 << 20), (1, 0), (64, 4 << 20), (0, 1)] {
            for first in [0, 1, LENS.len() - 1, LENS.len()] {
                let options = DiskOptions { reads_in_flight, memory_bytes, ..options.clone() };
                let engine = options.engine;
                let extents = source.extents[first..].to_vec();
                let start = ReadAhead::start(&source.path, extents, options);
                let mut reads = start.await.expect("starts");
                assert_eq!((reads.report().engine, &reads.report().why), (engine, &None));
                for extent in &source.extents[first..] {
                    let buffer = reads.next().await.expect("more").expect("reads");
                    assert_same(&buffer, source.wanted(extent));
                }
                assert!(reads.next().await.is_none());
                assert!(reads.next().await.is_none());
                reads.thread.join().expect("ends by itself");
            }
        }
    }
}

#[tokio::test]
async fn extents_may_leave_gaps_overlap_and_go_backwards() {
    let mut source = Source::new();
    let at =
        |page: usize, pages: usize| Extent { offset: (page * ALIGN) as u64, len: pages * ALIGN };
    source.extents = vec![at(20, 2), at(3, 4), at(4, 1), at(0, 0), at(0, 1)];
    for options in engines() {
        let mut reads = source.start(options).await;
        for extent in &source.extents {
            let buffer = reads.next().await.expect("more").expect("reads");
            assert_same(&buffer, source.wanted(extent));
        }
        assert!(reads.next().await.is_none());
    }
}

#[tokio::test]
async fn without_direct_reads_extents_need_no_alignment() {
    let mut source = Source::new();
    source.extents = vec![Extent { offset: 1, len: 5000 }, Extent { offset: 9999, len: 1 }];
    for options in engines().into_iter().filter(|options| !options.direct) {
        let mut reads = source.start(options).await;
        for extent in &source.extents {
            let buffer = reads.next().await.expect("more").expect("reads");
            assert_same(&buffer, source.wanted(extent));
        }
    }
}

#[tokio::test]
async fn buffers_take_no_more_memory_than_the_options_allow() {
    let source = Source::new();
    for options in engines() {
        let memory_bytes = 3 * (412 << 10);
        let mut reads = source.start(DiskOptions { memory_bytes, ..options }).await;
        let mut buffers = HashSet::new();
        while let Some(buffer) = reads.next().await {
            buffers.insert(buffer.expect("reads").as_ref().as_ptr().addr());
        }
        assert!(buffers.len() <= 3, "{} buffers", buffers.len());
    }
}

#[tokio::test]
async fn held_slice_keeps_its_bytes_while_other_buffers_are_reused() {
    let source = Source::new();
    let (first, others) = source.extents.split_first().expect("extents");
    for options in engines() {
        // The test holds one of two buffers throughout, so all later extents use the other one.
        let mut reads = source.start(DiskOptions { memory_bytes: 0, ..options }).await;
        let buffer = reads.next().await.expect("more").expect("reads");
        let slice = Bytes::from_owner(buffer).slice(10..2000);
        let mut buffers = HashSet::new();
        for extent in others {
            let buffer = reads.next().await.expect("more").expect("reads");
            assert_same(&buffer, source.wanted(extent));
            buffers.insert(buffer.as_ref().as_ptr().addr());
        }
        assert_eq!(buffers.len(), 1);
        assert!(slice == source.wanted(first)[10..2000]);
    }
}

#[tokio::test]
async fn dropped_receiver_stops_the_thread_in_every_wait() {
    let source = Source::new();
    for options in engines() {
        for memory_bytes in [0, 4 << 20] {
            for held in [0, 1, 2] {
                let mut reads = source.start(DiskOptions { memory_bytes, ..options.clone() }).await;
                let mut buffers = Vec::new();
                for _ in 0..held {
                    buffers.push(reads.next().await.expect("more").expect("reads"));
                }
                // If the test holds both buffers, the thread waits for one. Otherwise reads are in
                // flight, and a buffer panics if its read is dropped.
                let ReadAhead { reads: receiver, thread, .. } = reads;
                drop(receiver);
                thread.join().expect("ends by itself");
                drop(buffers);
            }
        }
    }
}

#[tokio::test]
async fn extents_beyond_the_end_of_the_file_are_errors_and_the_others_are_read() {
    for options in engines() {
        let mut source = Source::new();
        let kept = 3;
        let behind = source.extents[kept].offset;
        let file = OpenOptions::new().write(true).open(&source.path).expect("opens");
        file.set_len(behind).expect("shrinks");
        source.extents.push(source.extents[0]);
        let mut reads = source.start(options).await;
        for (position, extent) in source.extents.iter().enumerate() {
            match reads.next().await.expect("a result for each extent") {
                Ok(buffer) => assert_same(&buffer, source.wanted(extent)),
                Err(ReadError::Io { path, source: error }) => {
                    assert!((kept..LENS.len()).contains(&position), "{position}: {error}");
                    assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
                    assert_eq!(path, source.path);
                }
                Err(error) => panic!("{error}"),
            }
        }
        assert!(reads.next().await.is_none());
    }
}

#[tokio::test]
async fn file_that_shrinks_within_an_extent_gives_errors_from_there_on() {
    for options in engines() {
        let source = Source::new();
        let kept = 3;
        let file = OpenOptions::new().write(true).open(&source.path).expect("opens");
        file.set_len(source.extents[kept].offset + 100).expect("shrinks");
        let mut reads = source.start(options).await;
        for position in 0..LENS.len() {
            let read = reads.next().await.expect("a result for each extent");
            assert_eq!(read.is_ok(), position < kept);
        }
        assert!(reads.next().await.is_none());
    }
}

#[tokio::test]
async fn missing_file_is_named_in_the_error() {
    let source = Source::new();
    fs::remove_file(&source.path).expect("removes");
    let start = ReadAhead::start(&source.path, source.extents.clone(), DiskOptions::default());
    let error = start.await.err().expect("the file is missing");
    assert!(matches!(&error, DiskError::Io { path, .. } if *path == source.path), "{error}");
    drop(source.dir);
}

#[tokio::test]
async fn thread_that_ended_early_does_not_look_like_the_last_extent() {
    let (_, reads) = mpsc::channel(1);
    let report = EngineReport { engine: Engine::Pread, direct: false, why: None };
    let thread = std::thread::spawn(|| {});
    let mut reads = ReadAhead { reads, report, path: PathBuf::from("x"), left: 2, thread };
    let error = reads.next().await.expect("an error").expect_err("no extent was read");
    assert!(matches!(error, ReadError::Stopped { .. }));
    assert_eq!(error.to_string(), "x: reading stopped");
    assert!(reads.next().await.is_none());
}

#[tokio::test]
async fn empty_list_of_extents_ends_at_once() {
    let mut source = Source::new();
    source.extents.clear();
    for options in engines() {
        assert!(source.start(options).await.next().await.is_none());
    }
}
