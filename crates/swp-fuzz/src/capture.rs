//! The reader of captures and the search through damaged ones: any bytes are a file.
//!
//! Never a panic. The records read add up to the totals, and each has one encoding.

use std::cell::RefCell;
use std::fs::File;
use std::io::{Seek, SeekFrom, Write};

use swp_replay::capture::{ALIGN, Capture, Reason, format};
use swp_replay::record::Record;
use tempfile::NamedTempFile;

/// Set if the input is the file's own bytes. Otherwise the input has the form that [`compact`]
/// makes.
const WHOLE: u8 = 1;
/// Set if checks and digests are left as they are. Otherwise they are made to fit, because a fuzzer
/// would seldom get past them.
const UNFIXED: u8 = 2;

/// Longer inputs are not tried: nothing in the format needs them.
const MAX_FILE: usize = 1 << 20;

thread_local! {
    static FILE: RefCell<Option<NamedTempFile>> = const { RefCell::new(None) };
}

/// The first byte holds the flags above, and the rest is the file.
pub fn capture_read(data: &[u8]) {
    let Some((&mode, rest)) = data.split_first() else { return };
    let mut file = if mode & WHOLE != 0 { rest.to_vec() } else { expand(rest) };
    if file.len() > MAX_FILE {
        return;
    }
    if mode & UNFIXED == 0 {
        fix_checks(&mut file);
    }
    FILE.with_borrow_mut(|slot| {
        let named = slot.get_or_insert_with(scratch);
        let handle = named.as_file_mut();
        fill(handle, &file).expect("the scratch file can be written");
        read(named.path());
    });
}

/// A file in memory, if the system has such a place: a fuzzer writes it thousands of times a
/// second.
fn scratch() -> NamedTempFile {
    let named = NamedTempFile::new_in("/dev/shm").or_else(|_| NamedTempFile::new());
    named.expect("a temporary file")
}

fn fill(file: &mut File, bytes: &[u8]) -> std::io::Result<()> {
    file.set_len(0)?;
    file.seek(SeekFrom::Start(0))?;
    file.write_all(bytes)
}

fn read(path: &std::path::Path) {
    let opened = Capture::open(path);
    let searched = Capture::recover(path);
    assert_eq!(opened.is_ok(), searched.is_ok(), "both look at the superblock alone");
    if let (Ok(opened), Ok(searched)) = (opened, searched) {
        let (index, _) = check(&opened);
        let (found, records) = check(&searched);
        assert_eq!(found, records, "what a search found is whole");
        assert!(opened.ending().is_some() || index == found);
    }
}

/// Reads everything in a capture. Returns the messages by its blocks, and the messages read.
fn check(capture: &Capture) -> (u64, u64) {
    let file_bytes = capture.file_bytes();
    for entry in capture.index() {
        assert!(entry.offset + entry.len as u64 <= file_bytes, "a block lies within the file");
    }
    let mut frames = 0;
    let mut messages = 0;
    let mut intact = true;
    for block in capture.blocks(0) {
        let Ok(block) = block else {
            intact = false;
            continue;
        };
        frames += block.frames.len() as u64;
        messages += block.records;
        intact &= block.verify().is_ok();
        for frame in &block.frames {
            assert_eq!(block.body(frame).len(), frame.len);
            assert!(frame.offset >= format::ROOM);
        }
    }
    let mut read = 0;
    let mut errors = 0;
    for record in capture.records() {
        let Ok(record) = record else {
            errors += 1;
            continue;
        };
        read += 1;
        if let Ok(decoded) = Record::decode(&record.bytes) {
            let mut again = Vec::new();
            decoded.encode(&mut again).expect("what was read can be written");
            assert_eq!(again, record.bytes, "a record has one encoding");
        }
    }
    // If the file was searched, the totals were made from the records found.
    let found = capture.recovered().filter(|found| found.reason != Reason::Superblock);
    if let Some(found) = found {
        assert!(intact && errors == 0, "what a search found is whole");
        let totals = capture.totals();
        assert_eq!((totals.messages, totals.frames), (messages, frames));
        assert_eq!(totals.messages, read);
        assert!(found.lost_bytes <= file_bytes);
    }
    for seq in [0, 1, messages, u64::MAX] {
        assert!(capture.block_of(seq) <= capture.index().len());
    }
    (messages, read)
}

/// A file as an input: each run of whole 4 KiB pages without the zeros at its end, behind its
/// length. A fuzzer's changes then mostly meet bytes that mean something. The superblock's check
/// stands at the end of its page; it is made anew anyway, and so left out.
pub fn compact(file: &[u8]) -> Vec<u8> {
    let mut file = file.to_vec();
    if let Some(check) = file.get_mut(ALIGN - 4..ALIGN) {
        check.fill(0);
    }
    let mut out = vec![0];
    let mut rest = &file[..];
    while !rest.is_empty() {
        let len = rest.len().min(ALIGN);
        let (page, after) = rest.split_at(len);
        rest = after;
        let used = if len < ALIGN {
            len
        } else {
            page.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1)
        };
        // The end of a file is not padded: a length of its own kind says so.
        let marked = used as u16 | if len < ALIGN { UNPADDED } else { 0 };
        out.extend_from_slice(&marked.to_le_bytes());
        out.extend_from_slice(&page[..used]);
    }
    out
}

/// In a length: the page is not filled up with zeros.
const UNPADDED: u16 = 0x8000;

/// The file that [`compact`] was given.
fn expand(mut input: &[u8]) -> Vec<u8> {
    let mut file = Vec::new();
    while let Some((&marked, rest)) = input.split_first_chunk() {
        let marked = u16::from_le_bytes(marked);
        let used = usize::from(marked & !UNPADDED).min(rest.len()).min(ALIGN);
        let (page, rest) = rest.split_at(used);
        input = rest;
        file.extend_from_slice(page);
        if marked & UNPADDED == 0 {
            file.resize(file.len() + ALIGN - used, 0);
        }
        if file.len() > MAX_FILE {
            break;
        }
    }
    file
}

/// Makes every check and digest fit; the places are those that [`format`] states.
fn fix_checks(file: &mut [u8]) {
    if let Some(page) = file.get_mut(..ALIGN) {
        put_crc(page, 0..ALIGN - 4, ALIGN - 4);
    }
    for start in (ALIGN..file.len()).step_by(ALIGN) {
        if file[start..].starts_with(b"SWPBLOCK") {
            fix_block(&mut file[start..]);
        }
    }
    fix_footer(file);
}

fn fix_block(block: &mut [u8]) {
    const HEADER: usize = 80;
    const ENTRY: usize = 40;
    if block.len() < HEADER {
        return;
    }
    let len = u32_at(block, 32).min(block.len());
    let frames = u32_at(block, 36);
    let table_end = frames.checked_mul(ENTRY).and_then(|len| len.checked_add(HEADER));
    if let Some(table_end) = table_end.filter(|end| *end <= block.len()) {
        for entry in (HEADER..table_end).step_by(ENTRY) {
            let offset = u32_at(block, entry);
            let body = offset..offset.saturating_add(u32_at(block, entry + 4)).min(len);
            let Some(body) = block.get(body) else { continue };
            if let swp_fast::wire::Digest::Blake3(digest) = swp_fast::wire::Digest::blake3(body) {
                block[entry + 24..entry + 40].copy_from_slice(&digest);
            }
        }
        put_crc(block, HEADER..table_end, 72);
    }
    put_crc(block, 0..68, 68);
}

fn fix_footer(file: &mut [u8]) {
    const TRAILER: usize = 48;
    let Some(trailer) = file.len().checked_sub(TRAILER).filter(|at| *at >= ALIGN) else { return };
    if !file[trailer..].starts_with(b"SWPTRAIL") {
        return;
    }
    put_crc(&mut file[trailer..], 0..44, 44);
    let offset = usize::try_from(u64_at(file, trailer + 24)).unwrap_or(usize::MAX);
    if let Some(footer) = file.get_mut(offset..trailer).filter(|footer| footer.len() > 4) {
        let check = footer.len() - 4;
        put_crc(footer, 0..check, check);
    }
}

fn put_crc(bytes: &mut [u8], covered: std::ops::Range<usize>, at: usize) {
    let check = crc_fast::crc32_iscsi(&bytes[covered]);
    bytes[at..at + 4].copy_from_slice(&check.to_le_bytes());
}

fn u32_at(bytes: &[u8], at: usize) -> usize {
    bytes[at..].first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes) as usize)
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    bytes[at..].first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes))
}
