use std::fs;

use swp_fast::wire::{Digest, Kind};

use super::*;
use crate::capture::block::{BlockHeader, FrameEntry};
use crate::capture::format::{ALIGN, BLOCK_HEADER, FOOTER_FIXED, TRAILER};
use crate::capture::index::{Footer, Trailer};

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("4 bytes"))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("8 bytes"))
}

/// Holds the file against the table in the documentation of the format.
#[test]
fn the_file_is_laid_out_as_documented() {
    let scratch = Scratch::new();
    let path = scratch.path("a");
    let records = owned([10, 20, 70_000]);
    let options = WriterOptions { notes: "front".to_owned(), ..small() };
    let mut writer = CaptureWriter::create(&path, options).expect("creates");
    for record in &records {
        writer.append(&record.record()).expect("appends");
    }
    let ending = Ending { dropped: 5, notes: "back".to_owned() };
    writer.finish(ending).expect("finishes");
    let file = fs::read(&path).expect("reads");
    let id = &file[24..40];

    assert_eq!(&file[..8], b"\x89SWPCAP\n");
    let front: Vec<u32> = (8..24).step_by(4).map(|at| u32_at(&file, at)).collect();
    assert_eq!(front, [1, 65_536, 17_411, 5]);
    assert_eq!(&file[48..53], b"front");
    assert_eq!(u32_at(&file, 4092), crc_fast::crc32_iscsi(&file[..4092]));

    let block = &file[4096..];
    assert_eq!((&block[..8], &block[8..24]), (&b"SWPBLOCK"[..], id));
    let length = u32_at(block, 32) as usize;
    assert_eq!((u64_at(block, 24), u32_at(block, 36), u32_at(block, 40)), (0, 4, 2));
    assert_eq!(
        (u64_at(block, 44), u64_at(block, 52), u64_at(block, 60)),
        (0, 1_000_000, 1_000_002)
    );
    assert_eq!(u32_at(block, 68), crc_fast::crc32_iscsi(&block[..68]));
    assert_eq!(u32_at(block, 72), crc_fast::crc32_iscsi(&block[80..80 + 4 * 40]));
    assert_eq!(u32_at(block, 76), 0);
    let entry = &block[80..120];
    let (offset, len) = (u32_at(entry, 0) as usize, u32_at(entry, 4) as usize);
    assert_eq!(
        (offset, u32_at(entry, 8), &entry[12..16]),
        (80 + 4 * 40 + 64, 2, &[0, 0, 0, 0][..])
    );
    assert_eq!(u64_at(entry, 16), 1_000_000);
    let body = &block[offset..offset + len];
    assert_eq!(&entry[24..], &blake3::hash(body).as_bytes()[..16]);
    assert_eq!((block[120 + 12], block[120 + 13]), (1, 0));
    assert_eq!((block[160 + 12], block[160 + 13]), (1, 1));

    let trailer = &file[file.len() - 48..];
    assert_eq!((&trailer[..8], &trailer[8..24]), (&b"SWPTRAIL"[..], id));
    let (offset, len) = (u64_at(trailer, 24) as usize, u64_at(trailer, 32) as usize);
    assert_eq!(offset + len + 48, file.len());
    let footer = &file[offset..offset + len];
    assert_eq!((&footer[..8], &footer[8..24]), (&b"SWPINDEX"[..], id));
    let counts: Vec<u64> = (24..88).step_by(8).map(|at| u64_at(footer, at)).collect();
    assert_eq!(counts, [2, 3, 70_030, 6, 1_000_000, 1_000_002, 5, 3]);
    assert_eq!((u32_at(footer, 88), u32_at(footer, 92)), (1, 4));
    assert_eq!(&footer[96..128], content_of_owned(&records));
    let index = &footer[128..208];
    assert_eq!((u64_at(index, 0), u32_at(index, 8) as usize, u32_at(index, 12)), (4096, length, 4));
    assert_eq!((u64_at(index, 40), u64_at(index, 56)), (4096 + length as u64, 2));
    assert_eq!(&footer[208..212], b"back");
    assert_eq!(u32_at(footer, 212), crc_fast::crc32_iscsi(&footer[..212]));
}

/// Bytes of a small capture to play with.
fn a_file() -> Vec<u8> {
    let scratch = Scratch::new();
    let path = scratch.write("a", small(), &owned([10, 20, 70_000, 30]));
    fs::read(path).expect("reads")
}

proptest! {
    /// A table whose check fits is not believed either: no frame may lie outside its block.
    #[test]
    fn tables_that_lie_are_refused(at in 8..BLOCK_HEADER + 160, value in any::<u8>(), cut in 0..70_000usize) {
        let file = a_file();
        let mut block = file[ALIGN..].to_vec();
        block[at] = value;
        block.truncate(block.len().saturating_sub(cut));
        let fix = |block: &mut [u8], at: usize, range: std::ops::Range<usize>| {
            if let Some(covered) = block.get(range) {
                let check = crc_fast::crc32_iscsi(covered).to_le_bytes();
                block[at..at + 4].copy_from_slice(&check);
            }
        };
        if block.len() >= BLOCK_HEADER {
            fix(&mut block, 68, 0..68);
        }
        let Ok(header) = BlockHeader::decode(&block, None) else { return Ok(()) };
        let head_len = format::head_len(header.frames);
        fix(&mut block, 72, BLOCK_HEADER..head_len);
        if let Ok(table) = header.table(&block) {
            let mut free_from = head_len;
            for entry in table {
                prop_assert!(entry.offset >= free_from + format::ROOM);
                prop_assert!(entry.range().end <= block.len());
                free_from = entry.range().end;
            }
        }
    }

    /// The same for an index.
    #[test]
    fn indexes_that_lie_are_refused(at in 24..300usize, value in any::<u8>(), wide in any::<bool>()) {
        let file = a_file();
        let id = file[24..40].try_into().expect("16 bytes");
        let trailer = file.last_chunk::<TRAILER>().expect("a trailer");
        let trailer = Trailer::decode(trailer, &id, file.len() as u64).expect("fits");
        let mut footer = file[trailer.offset as usize..][..trailer.len].to_vec();
        let end = footer.len() - 4;
        let at = at % end;
        footer[at] = value;
        if wide {
            footer[24..32].copy_from_slice(&(u64::MAX / u64::from(value.max(1))).to_le_bytes());
        }
        let check = crc_fast::crc32_iscsi(&footer[..end]);
        footer[end..].copy_from_slice(&check.to_le_bytes());
        if let Ok(footer) = Footer::decode(&footer, &id, trailer.offset) {
            let mut next = ALIGN as u64;
            for entry in &footer.index {
                prop_assert_eq!(entry.offset, next);
                prop_assert!(entry.len <= format::MAX_BLOCK);
                next += entry.len as u64;
            }
            prop_assert_eq!(next, trailer.offset);
        }
    }

    #[test]
    fn footers_and_trailers_come_back(
        lens in vec(1..4096usize, 0..20),
        dropped in any::<u64>(),
        at_least in any::<bool>(),
        notes in ".{0,50}",
        content in any::<[u8; 32]>(),
    ) {
        let id = [3; 16];
        let mut offset = ALIGN as u64;
        let index = lens.iter().enumerate().map(|(number, pages)| {
            let entry = IndexEntry {
                number: number as u64,
                offset,
                len: pages * ALIGN,
                frames: 0..*pages,
                first_seq: number as u64 * 3,
                first_ns: 1,
                last_ns: u64::MAX,
            };
            offset += entry.len as u64;
            entry
        }).collect();
        let subjects = Subjects { count: 9, at_least };
        let totals = Totals { content, subjects, messages: dropped / 2, ..Totals::default() };
        let footer = Footer { totals, ending: Ending { dropped, notes }, index };
        let mut bytes = footer.encode(&id);
        prop_assert_eq!(Footer::decode(&bytes, &id, offset), Ok(footer));
        prop_assert!(Footer::decode(&bytes, &[4; 16], offset).is_err());
        prop_assert!(Footer::decode(&bytes, &id, offset + 4096).is_err());
        let trailer = Trailer { offset, len: bytes.len() };
        trailer.encode(&id, &mut bytes);
        let end = bytes.last_chunk::<TRAILER>().expect("a trailer");
        let file_len = offset + bytes.len() as u64;
        prop_assert_eq!(Trailer::decode(end, &id, file_len), Ok(trailer));
        prop_assert!(Trailer::decode(end, &id, file_len + 1).is_err());
    }

    #[test]
    fn arbitrary_bytes_are_no_parts(bytes in vec(any::<u8>(), 0..400)) {
        prop_assert!(BlockHeader::decode(&bytes, None).is_err());
        prop_assert!(Footer::decode(&bytes, &[0; 16], 4096).is_err());
        prop_assert!(Superblock::decode(&bytes).is_err());
    }
}

#[test]
fn an_entry_of_another_block_reads_nothing() {
    let scratch = Scratch::new();
    let capture = open(&scratch.write("a", small(), &owned([10])));
    let block = capture.blocks(0).next().expect("a block").expect("intact");
    let entry = FrameEntry {
        offset: 1 << 20,
        len: 5,
        kind: Kind::Data,
        continues: false,
        messages: 1,
        first_ns: 0,
        digest: Digest::None,
    };
    assert_eq!(block.body(&entry), b"");
}

#[test]
fn the_sizes_in_the_documentation_are_the_ones_in_the_code() {
    assert_eq!((BLOCK_HEADER, format::FRAME_ENTRY, FOOTER_FIXED), (80, 40, 128));
    assert_eq!((format::INDEX_ENTRY, TRAILER, format::ROOM), (40, 48, 64));
    assert_eq!(size_of::<IndexEntry>(), 64);
}
