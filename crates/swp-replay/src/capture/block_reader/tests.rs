use std::collections::HashSet;
use std::fs::{self, OpenOptions};
use std::path::PathBuf;

use bytes::Bytes;
use tempfile::TempDir;

use super::*;
use crate::capture::{ALIGN, CaptureWriter, Ending, WriterOptions};
use crate::disk::Engine;
use crate::record::Record;

/// A capture with blocks of one page, of 64 KiB, and of far more.
fn capture() -> (TempDir, Capture) {
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

/// The engine that this system prefers, and the engine that works everywhere. The tests of the disk
/// layer compare the engines themselves.
fn engines() -> [DiskOptions; 2] {
    [Engine::Auto, Engine::Pread].map(|engine| DiskOptions { engine, ..DiskOptions::default() })
}

async fn start(capture: &Capture, position: usize, options: DiskOptions) -> BlockReader {
    BlockReader::start(capture, position, options).await.expect("starts")
}

#[tokio::test]
async fn blocks_come_in_the_order_of_the_index_from_any_position() {
    let (_dir, capture) = capture();
    let file = fs::read(capture.path()).expect("reads");
    let count = capture.index().len();
    for options in engines() {
        for position in [0, 1, count - 1, count, count + 5] {
            let mut reader = start(&capture, position, options.clone()).await;
            for entry in capture.index().iter().skip(position) {
                let block = reader.next().await.expect("more").expect("intact");
                assert_eq!((block.number, block.first_seq), (entry.number, entry.first_seq));
                let wanted = &file[entry.offset as usize..][..entry.len];
                assert!(block.buffer.as_ref() == wanted, "block {} differs", block.number);
                assert_eq!(block.verify(), Ok(()));
            }
            assert!(reader.next().await.is_none());
            assert!(reader.next().await.is_none());
        }
    }
}

#[tokio::test]
async fn damaged_block_is_an_error_and_the_other_blocks_follow() {
    let (_dir, capture) = capture();
    let mut file = fs::read(capture.path()).expect("reads");
    file[capture.index()[1].offset as usize + 70] ^= 1;
    fs::write(capture.path(), file).expect("writes");
    for options in engines() {
        let mut reader = start(&capture, 0, options).await;
        let mut found = Vec::new();
        while let Some(block) = reader.next().await {
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
async fn block_behind_the_end_of_the_file_is_cut_short_and_named() {
    for options in engines() {
        let (_dir, capture) = capture();
        let kept = 3;
        let file = OpenOptions::new().write(true).open(capture.path()).expect("opens");
        file.set_len(capture.index()[kept].offset).expect("shrinks");
        let mut reader = start(&capture, 0, options).await;
        for entry in capture.index() {
            let block = reader.next().await.expect("a result for each block");
            if entry.number < kept as u64 {
                assert_eq!(block.expect("intact").number, entry.number);
                continue;
            }
            let path = capture.path().display();
            assert_eq!(
                block.expect_err("the block is missing").to_string(),
                format!("{path}: block {} is damaged: cut short", entry.number)
            );
        }
        assert!(reader.next().await.is_none());
    }
}

#[test]
fn failed_read_keeps_the_path_and_the_error_of_the_system() {
    let (_dir, capture) = capture();
    let entry = &capture.index()[0];
    let path = capture.path().to_owned();
    let refused = ReadError::Io { path, source: std::io::Error::from_raw_os_error(5) };
    let text = refused.to_string();
    let error = block(&capture, entry, Err(refused)).expect_err("the read failed");
    assert_eq!(error.to_string(), text);
    let CaptureError::Io { path, source } = error else { panic!("{error}") };
    assert_eq!((path.as_path(), source.raw_os_error()), (capture.path(), Some(5)));
}

#[test]
fn reading_that_stopped_early_does_not_look_like_a_damaged_block() {
    let (_dir, capture) = capture();
    let stopped = ReadError::Stopped { path: PathBuf::from("x") };
    let error = block(&capture, &capture.index()[0], Err(stopped)).expect_err("it stopped");
    assert!(matches!(error, CaptureError::Stopped { .. }), "{error}");
    assert_eq!(error.to_string(), "x: reading stopped");
}

#[tokio::test]
async fn empty_capture_has_no_blocks() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = dir.path().join("empty");
    let writer = CaptureWriter::create(&path, options()).expect("creates");
    writer.finish(Ending::default()).expect("finishes");
    let capture = Capture::open(&path).expect("opens");
    for options in engines() {
        assert!(start(&capture, 0, options).await.next().await.is_none());
    }
}
