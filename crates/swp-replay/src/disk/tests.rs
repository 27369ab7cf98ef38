use std::collections::HashSet;
use std::fs;

use bytes::Bytes;
use tempfile::TempDir;

use super::*;
use crate::capture::{ALIGN, CaptureWriter, Ending, WriterOptions};
use crate::record::Record;

/// A capture with blocks of 4 KiB, of 64 KiB and of far more.
fn a_capture() -> (TempDir, Capture) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let wide = dir.path().join("wide");
    let large = WriterOptions { block_bytes: 1 << 20, body_bytes: 500_000, ..options() };
    let mut writer = CaptureWriter::create(&wide, large).expect("creates");
    append(&mut writer, 0, 400_000);
    writer.finish(Ending::default()).expect("finishes");
    let wide = Capture::open(&wide).expect("opens");
    let long = wide.blocks(0).next().expect("a block").expect("intact");

    let path = dir.path().join("capture");
    let mut writer = CaptureWriter::create(&path, options()).expect("creates");
    for number in 0..200 {
        append(&mut writer, number, 3000);
        if number % 30 == 0 {
            writer.sync().expect("syncs");
        }
        if number == 100 {
            let body = Bytes::copy_from_slice(long.body(&long.frames[0]));
            let entry = long.frames[0];
            writer.append_body(entry.kind, &body, entry.digest).expect("a body");
        }
    }
    writer.finish(Ending::default()).expect("finishes");
    let capture = Capture::open(&path).expect("opens");
    let lens: HashSet<usize> = capture.index().iter().map(|entry| entry.len).collect();
    assert!(lens.contains(&ALIGN) && lens.iter().any(|len| *len > 400_000) && lens.len() > 3);
    (dir, capture)
}

fn options() -> WriterOptions {
    WriterOptions { block_bytes: 64 << 10, durable: false, ..WriterOptions::default() }
}

fn append(writer: &mut CaptureWriter, number: u64, len: usize) {
    let payload: Vec<u8> = (0..len).map(|at| (at as u64 * 13 + number) as u8).collect();
    let record = Record {
        timestamp_ns: number,
        subject: "s",
        reply: None,
        headers: None,
        payload: &payload,
    };
    writer.append(&record).expect("appends");
}

/// The blocks as they are in the file.
fn expected(capture: &Capture) -> Vec<Vec<u8>> {
    let file = fs::read(capture.path()).expect("reads");
    let block = |entry: &IndexEntry| file[entry.offset as usize..][..entry.len].to_vec();
    capture.index().iter().map(block).collect()
}

/// Every engine that this system allows, with and without the page cache.
fn engines() -> Vec<DiskOptions> {
    // A ring has a runtime, and this is called from within one.
    let probe = || {
        let exe = std::env::current_exe().expect("this test's file");
        uring::Ring::new(&exe, false).is_ok()
    };
    let uring = std::thread::spawn(probe).join().expect("no panic").then_some(Engine::Uring);
    let both = [Some(Engine::Pread), uring].into_iter().flatten();
    both.flat_map(|engine| {
        [true, false].map(|direct| DiskOptions { engine, direct, ..DiskOptions::default() })
    })
    .collect()
}

async fn start(capture: &Capture, options: DiskOptions) -> Disk {
    Disk::start(capture, options).await.expect("starts")
}

fn assert_same(block: &Block, wanted: &[u8]) {
    assert!(block.buffer.as_ref() == wanted, "block {} differs", block.number);
    assert_eq!(block.buffer.as_ref().as_ptr().addr() % ALIGN, 0);
    assert_eq!(block.verify(), Ok(()));
}

#[tokio::test]
async fn every_engine_gives_the_bytes_of_the_file_in_order() {
    let (_dir, capture) = a_capture();
    let expected = expected(&capture);
    for options in engines() {
        for (reads_in_flight, memory_bytes) in [(8, 24 << 20), (1, 0), (64, 4 << 20), (0, 1)] {
            for first_block in [0, 1, expected.len() - 1, expected.len(), expected.len() + 5] {
                let options =
                    DiskOptions { reads_in_flight, memory_bytes, first_block, ..options.clone() };
                let mut disk = start(&capture, options.clone()).await;
                assert_eq!(disk.report().engine, options.engine);
                for (number, wanted) in expected.iter().enumerate().skip(first_block) {
                    let block = disk.next().await.expect("more").expect("intact");
                    assert_eq!(block.number, number as u64);
                    assert_same(&block, wanted);
                }
                assert!(disk.next().await.is_none());
                assert!(disk.next().await.is_none());
                disk.thread.join().expect("ends by itself");
            }
        }
    }
}

#[tokio::test]
async fn no_more_memory_is_used_than_was_given() {
    let (_dir, capture) = a_capture();
    for options in engines() {
        let memory_bytes = 3 * capture.largest_block();
        let mut disk = start(&capture, DiskOptions { memory_bytes, ..options }).await;
        let mut buffers = HashSet::new();
        while let Some(block) = disk.next().await {
            buffers.insert(block.expect("intact").buffer.as_ref().as_ptr().addr());
        }
        assert!(capture.index().len() > 5 && buffers.len() <= 3, "{} buffers", buffers.len());
    }
}

#[tokio::test]
async fn a_slice_keeps_its_block_and_gives_it_back_in_the_end() {
    let (_dir, capture) = a_capture();
    let expected = expected(&capture);
    for options in engines() {
        // Two buffers: one is held throughout, so all the others go through the second.
        let mut disk = start(&capture, DiskOptions { memory_bytes: 0, ..options }).await;
        let block = disk.next().await.expect("more").expect("intact");
        let slice = Bytes::from_owner(block.buffer).slice(10..2000);
        let mut others = HashSet::new();
        for wanted in &expected[1..] {
            let block = disk.next().await.expect("more").expect("intact");
            assert_same(&block, wanted);
            others.insert(block.buffer.as_ref().as_ptr().addr());
        }
        assert_eq!(others.len(), 1);
        assert!(slice == expected[0][10..2000]);
    }
}

#[tokio::test]
async fn a_dropped_receiver_stops_the_thread_whatever_it_waits_for() {
    let (_dir, capture) = a_capture();
    for options in engines() {
        for memory_bytes in [0, 4 << 20] {
            for held in [0, 1, 2] {
                let options = DiskOptions { memory_bytes, ..options.clone() };
                let mut disk = start(&capture, options).await;
                let mut blocks = Vec::new();
                for _ in 0..held {
                    blocks.push(disk.next().await.expect("more").expect("intact"));
                }
                // With two buffers held there is none left, and the thread waits for one. Otherwise
                // reads are in flight, and a buffer of theirs says so if they are given up.
                let Disk { blocks: receiver, thread, .. } = disk;
                drop(receiver);
                thread.join().expect("ends by itself");
                drop(blocks);
            }
        }
    }
}

#[tokio::test]
async fn a_damaged_block_is_an_error_and_the_others_follow() {
    let (_dir, capture) = a_capture();
    let mut file = fs::read(capture.path()).expect("reads");
    file[capture.index()[1].offset as usize + 70] ^= 1;
    fs::write(capture.path(), file).expect("writes");
    for options in engines() {
        let mut disk = start(&capture, options).await;
        let mut found = Vec::new();
        while let Some(block) = disk.next().await {
            found.push(block);
        }
        assert_eq!(found.len(), capture.index().len());
        for (number, block) in found.iter().enumerate() {
            match block {
                Ok(block) => assert_eq!(block.number, number as u64),
                Err(error) => {
                    assert!(matches!(error, CaptureError::Corrupt { block: 1, .. }), "{error}");
                    assert_eq!(number, 1);
                }
            }
        }
        assert!(found[1].is_err());
    }
}

#[tokio::test]
async fn a_file_that_shrinks_gives_errors_and_an_end() {
    for options in engines() {
        let (_dir, capture) = a_capture();
        let kept = 3;
        let len = capture.index()[kept].offset + 100;
        let file = OpenOptions::new().write(true).open(capture.path()).expect("opens");
        file.set_len(len).expect("shrinks");
        let mut disk = start(&capture, options).await;
        for position in 0..capture.index().len() {
            let block = disk.next().await.expect("one for each block");
            assert_eq!(block.is_ok(), position < kept);
        }
        assert!(disk.next().await.is_none());
    }
}

#[tokio::test]
async fn a_file_that_is_gone_is_named() {
    let (dir, capture) = a_capture();
    fs::remove_file(capture.path()).expect("removes");
    let error = Disk::start(&capture, DiskOptions::default()).await.err().expect("it is gone");
    assert!(matches!(&error, DiskError::Io { path, .. } if path == capture.path()), "{error}");
    drop(dir);
}

#[tokio::test]
async fn a_thread_that_ended_early_does_not_look_like_the_end() {
    let (_, blocks) = mpsc::channel(1);
    let report = EngineReport { engine: Engine::Pread, direct: false, why: None };
    let thread = std::thread::spawn(|| {});
    let mut disk = Disk { blocks, report, path: PathBuf::from("x"), left: 2, thread };
    assert!(matches!(disk.next().await, Some(Err(CaptureError::Stopped { .. }))));
    assert!(disk.next().await.is_none());
}

#[tokio::test]
async fn an_empty_capture_has_no_blocks() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = dir.path().join("empty");
    let writer = CaptureWriter::create(&path, options()).expect("creates");
    writer.finish(Ending::default()).expect("finishes");
    let capture = Capture::open(&path).expect("opens");
    for options in engines() {
        assert!(start(&capture, options).await.next().await.is_none());
    }
}

#[test]
fn a_system_without_io_uring_is_told_apart_from_one_with() {
    let refused = || Some(Err::<(), _>(io::Error::from_raw_os_error(1)));
    let Ok(Chosen::Pread { why: Some(why) }) = choose(Engine::Auto, refused()) else {
        panic!("auto falls back");
    };
    assert!(why.starts_with("io_uring cannot be used here: "), "{why}");
    assert!(matches!(choose(Engine::Uring, refused()), Err(DiskError::NoUring(_))));
    assert!(matches!(choose(Engine::Auto, Some(Ok(()))), Ok(Chosen::Uring(()))));
    assert!(matches!(choose::<()>(Engine::Pread, None), Ok(Chosen::Pread { why: None })));
    let report = EngineReport { engine: Engine::Pread, direct: true, why: Some(why) };
    assert!(report.to_string().starts_with("pread, direct (io_uring cannot"));
}

#[test]
fn engines_have_names() {
    for engine in [Engine::Auto, Engine::Uring, Engine::Pread] {
        assert_eq!(engine.to_string().parse(), Ok(engine));
    }
    assert!("aio".parse::<Engine>().is_err());
}

#[test]
fn buffers_are_aligned_and_as_long_as_asked() {
    for bytes in [0, 1, 4095, 4096, 4097, 1 << 20] {
        let mut pool = Pool::new(1, bytes);
        let mut buffer = pool.try_take(bytes + 1).expect("a buffer");
        assert_eq!((buffer.len(), buffer.is_empty()), (bytes, bytes == 0));
        assert_eq!(buffer.as_ref().len(), bytes);
        assert_eq!(buffer.as_mut().as_ptr().addr() % ALIGN, 0);
        buffer.as_mut().fill(7);
        assert!(buffer.as_ref().iter().all(|byte| *byte == 7));
    }
}

#[tokio::test]
async fn a_pool_gives_out_so_many_and_takes_them_back() {
    let mut pool = Pool::new(2, 5000);
    let first = pool.take(10).await;
    let address = first.as_ref().as_ptr().addr();
    let second = pool.take(5000).await;
    assert_eq!((first.len(), second.len()), (10, 5000));
    assert!(pool.try_take(1).is_none());
    // One beyond the number is lent out, and not kept.
    let extra = pool.take_or_make(1);
    let slice = Bytes::from_owner(first).slice(2..5);
    let also = slice.clone();
    drop(slice);
    assert!(pool.try_take(1).is_none(), "a slice is still held");
    let back = tokio::spawn(async move { drop(also) });
    let third = pool.take(20).await;
    assert_eq!(third.as_ref().as_ptr().addr(), address);
    back.await.expect("drops");
    drop((second, third));
    drop(extra);
    let both = (pool.try_take(1).expect("back"), pool.try_take(1).expect("back"));
    assert!(pool.try_take(1).is_none());
    drop(pool);
    drop(both);
}

#[test]
#[cfg_attr(debug_assertions, should_panic(expected = "a read was given up"))]
fn a_buffer_whose_memory_is_with_a_read_is_not_given_up() {
    let mut pool = Pool::new(1, 100);
    let mut buffer = pool.try_take(100).expect("a buffer");
    let (memory, start) = buffer.take_memory();
    assert_eq!((memory.as_ptr().addr() + start) % ALIGN, 0);
    assert_eq!((buffer.as_ref().len(), buffer.as_mut().len()), (0, 0));
    drop(buffer);
    assert!(pool.try_take(1).is_none());
}
