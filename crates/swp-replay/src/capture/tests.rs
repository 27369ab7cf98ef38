//! What the tests of captures share: records to write, and ways to read them back.

mod content;
mod damage;
mod every;
mod layout;
mod roundtrip;
mod writer;

use std::path::{Path, PathBuf};

use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::record::Record;

/// An owned record.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Owned {
    timestamp_ns: u64,
    subject: String,
    reply: Option<String>,
    header: Option<String>,
    payload: Vec<u8>,
}

impl Owned {
    fn record(&self) -> Record<'_> {
        Record {
            timestamp_ns: self.timestamp_ns,
            subject: &self.subject,
            reply: self.reply.as_deref(),
            headers: self.header.iter().map(|value| Some(("Name", value))).collect(),
            payload: &self.payload,
        }
    }

    fn encoded(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.record().encode(&mut out).expect("a valid record");
        out
    }
}

/// Records of the given payload lengths, all different.
fn owned(lengths: impl IntoIterator<Item = usize>) -> Vec<Owned> {
    let make = |(number, len): (usize, usize)| Owned {
        timestamp_ns: 1_000_000 + number as u64,
        subject: format!("s.{}", number % 3),
        reply: number.is_multiple_of(2).then(|| "reply".to_owned()),
        header: number.is_multiple_of(3).then(|| format!("{number}")),
        payload: (0..len).map(|at| (number * 31 + at * 7) as u8).collect(),
    };
    lengths.into_iter().enumerate().map(make).collect()
}

/// Payload lengths from none to several small blocks.
fn lengths() -> impl Strategy<Value = Vec<usize>> {
    let len = prop_oneof![
        8 => 0..400usize,
        3 => 400..20_000usize,
        1 => 60_000..300_000usize,
    ];
    vec(len, 0..60)
}

/// Small blocks, so that little data makes several.
fn small() -> WriterOptions {
    WriterOptions { block_bytes: 64 << 10, durable: false, ..WriterOptions::default() }
}

struct Scratch {
    dir: TempDir,
}

impl Scratch {
    fn new() -> Scratch {
        Scratch { dir: tempfile::tempdir().expect("a temporary directory") }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A finished capture of these records.
    fn write(&self, name: &str, options: WriterOptions, records: &[Owned]) -> PathBuf {
        let path = self.path(name);
        let mut writer = CaptureWriter::create(&path, options).expect("creates");
        for record in records {
            writer.append(&record.record()).expect("appends");
        }
        writer.finish(Ending::default()).expect("finishes");
        path
    }
}

fn open(path: &Path) -> Capture {
    Capture::open(path).expect("opens")
}

/// All records that can be read, with their numbers, and how many errors came between.
fn read(capture: &Capture) -> (Vec<(u64, Bytes)>, usize) {
    let mut errors = 0;
    let records = capture.records().filter_map(|record| match record {
        Ok(record) => Some((record.seq, record.bytes)),
        Err(_) => {
            errors += 1;
            None
        }
    });
    (records.collect(), errors)
}

/// The same for a capture in which nothing is wrong.
fn read_whole(capture: &Capture) -> Vec<Vec<u8>> {
    let (records, errors) = read(capture);
    assert_eq!(errors, 0);
    for (position, (seq, _)) in records.iter().enumerate() {
        assert_eq!(*seq, position as u64);
    }
    records.into_iter().map(|(_, bytes)| bytes.to_vec()).collect()
}

/// Compares without printing megabytes.
fn assert_same(found: &[Vec<u8>], records: &[Owned]) {
    assert_eq!(found.len(), records.len());
    for (number, (found, record)) in found.iter().zip(records).enumerate() {
        assert!(*found == record.encoded(), "record {number} differs");
    }
}

/// The digest of the content, by its definition.
fn content_of<'a>(records: impl IntoIterator<Item = &'a [u8]>) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    for record in records {
        let mut bin = Vec::new();
        rmp::encode::write_bin(&mut bin, record).expect("memory takes it");
        hasher.update(&bin);
    }
    *hasher.finalize().as_bytes()
}

fn encodings(records: &[Owned]) -> Vec<Vec<u8>> {
    records.iter().map(Owned::encoded).collect()
}

fn content_of_owned(records: &[Owned]) -> [u8; 32] {
    content_of(encodings(records).iter().map(Vec::as_slice))
}
