//! The capture file, version 1, byte by byte.
//!
//! ```text
//! offset 0          superblock, 4 KiB
//! offset 4096       block 0      every block starts at a multiple of 4 KiB and is padded to one
//!                   block 1      normally about 1 MiB, at most 16 MiB
//!                   ...
//!                   footer       starts at a multiple of 4 KiB: totals and the index of the blocks
//!                   trailer      the last 48 bytes of the file: where the footer is
//! ```
//!
//! All integers are little-endian. Times are nanoseconds since the Unix epoch. Checks are crc32c:
//! they find accidental damage. A blake3 digest covers each body. Reserved bytes are zero.
//!
//! ```text
//! superblock                              block header
//!    0  magic            8  "\x89SWPCAP\n"    0  magic            8  "SWPBLOCK"
//!    8  version          4  1                 8  file id         16
//!   12  block bytes      4  usual size       24  block number     8  from 0, dense
//!   16  body bytes       4  limit            32  length           4  whole, a multiple of 4096
//!   20  notes length     4  at most 3072     36  frames           4
//!   24  file id         16  random           40  records          4  that END in this block
//!   40  created          8                   44  first record     8  that ends here
//!   48  notes              UTF-8             52  earliest time    8  of records with a frame here
//! 4092  check            4  of bytes 0-4091  60  latest time      8
//!                                            68  check            4  of bytes 0-67
//!                                            72  table's check    4  of the frame table
//!                                            76  reserved         4
//! frame table, from byte 80, an entry a frame
//!    0  offset           4  of the body, from the block's start
//!    4  length           4  of the body, at least 1
//!    8  records          4  that END in this frame
//!   12  kind             1  0 packed messages, 1 a fragment of a record
//!   13  continues        1  1 for a fragment that is not its record's first, else 0
//!   14  reserved         2
//!   16  earliest time    8  of the records in this frame
//!   24  digest          16  first half of the blake3 hash of the body
//!
//! bodies, in the order of the table, each with at least 64 free bytes in front: the publisher
//! writes the frame's header there, so header and body are contiguous without a copy.
//!
//! footer                                  index entry, one a block
//!    0  magic            8  "SWPINDEX"        0  offset           8
//!    8  file id         16                    8  length           4
//!   24  blocks           8                   12  frames           4
//!   32  messages         8                   16  first record     8  as in the block's header
//!   40  payload bytes    8                   24  earliest time    8
//!   48  frames           8                   32  latest time      8
//!   56  earliest time    8
//!   64  latest time      8                trailer
//!   72  dropped          8                    0  magic            8  "SWPTRAIL"
//!   80  subjects         8                    8  file id         16
//!   88  subjects exact   4  0 or 1           24  footer offset    8
//!   92  notes length     4  at most 65536    32  footer length    8
//!   96  content digest  32                   40  reserved         4
//!  128  index entries                        44  check            4  of bytes 0-43
//!       notes              UTF-8
//!       check            4  of all before
//! ```
//!
//! A record may extend over many frames and several blocks. A block counts the records that end in
//! it. Records are numbered from 0.
//!
//! Later versions of the format keep the magic, the version, and the check at the end of the
//! superblock. An old reader can therefore name the version of a file that it cannot read.
//!
//! If the writer was interrupted, the file has no footer. A reader then searches for blocks at
//! every multiple of 4 KiB. The file id distinguishes them from blocks of an older file in reused
//! space.

/// The version of the format that this crate writes and reads.
pub const VERSION: u32 = 1;

/// Blocks start at multiples of this many bytes, so that direct reads can fetch them. Part of the
/// format.
pub const ALIGN: usize = 4096;

// Reads of whole blocks are aligned reads.
const _: () = assert!(ALIGN.is_multiple_of(crate::disk::ALIGN));

/// The longest block in bytes. It bounds the memory that a reader allocates for a block.
pub const MAX_BLOCK: usize = 16 << 20;

/// The smallest block size that can be set: below it, padding to 4 KiB becomes noticeable.
pub const MIN_BLOCK_BYTES: usize = 64 << 10;

/// The default block size: large enough for full disk throughput with a few reads in flight, small
/// enough that the buffers of a replay need little memory.
pub const DEFAULT_BLOCK_BYTES: usize = 1 << 20;

/// The default limit of a body: what a publisher packs by default for a single consumer. The reason
/// stands beside [`swp_fast::wire::BODY_LIMIT`].
pub const DEFAULT_BODY_BYTES: usize = swp_fast::wire::BODY_LIMIT;

/// The smallest limit of a body that can be set.
pub const MIN_BODY_BYTES: usize = 512;

/// Free bytes in front of every body.
pub const ROOM: usize = swp_fast::wire::MAX_HEADER;

/// The longest body in bytes: the longest block without its header.
pub const MAX_BODY: usize = MAX_BLOCK - ALIGN;

/// The most blocks in a file: 16 TiB at the default size. Each takes 64 bytes of memory while the
/// file is open.
pub const MAX_BLOCKS: usize = 1 << 24;

/// The longest notes in the superblock, in bytes.
pub const MAX_NOTES: usize = 3072;

/// The longest notes in the footer, in bytes.
pub const MAX_END_NOTES: usize = 65_536;

/// The superblock begins like a PNG: a byte that occurs in no text, a name, and an end of line that
/// a transfer as text would change.
pub(super) const SUPERBLOCK_MAGIC: [u8; 8] = *b"\x89SWPCAP\n";
pub(super) const BLOCK_MAGIC: [u8; 8] = *b"SWPBLOCK";
pub(super) const FOOTER_MAGIC: [u8; 8] = *b"SWPINDEX";
pub(super) const TRAILER_MAGIC: [u8; 8] = *b"SWPTRAIL";

pub(super) const BLOCK_HEADER: usize = 80;
pub(super) const FRAME_ENTRY: usize = 40;
pub(super) const FOOTER_FIXED: usize = 128;
pub(super) const INDEX_ENTRY: usize = 40;
pub(super) const TRAILER: usize = 48;

/// Distinguishes the blocks of one file from the blocks of any other.
pub(super) type FileId = [u8; 16];

/// Returns the next multiple of [`ALIGN`].
pub(super) const fn align_up(len: usize) -> usize {
    len.next_multiple_of(ALIGN)
}

/// Returns the length of header and table in a block of `frames` frames.
pub(super) const fn head_len(frames: usize) -> usize {
    BLOCK_HEADER + FRAME_ENTRY * frames
}

/// The part of the format that some bytes violate.
pub(super) type What = &'static str;

/// Reads fields off the front of a slice.
pub(super) struct Fields<'a>(pub(super) &'a [u8]);

impl<'a> Fields<'a> {
    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], What> {
        let (head, rest) = self.0.split_first_chunk::<N>().ok_or("cut short")?;
        self.0 = rest;
        Ok(*head)
    }

    pub(super) fn u32(&mut self) -> Result<u32, What> {
        self.array().map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Result<u64, What> {
        self.array().map(u64::from_le_bytes)
    }

    pub(super) fn take(&mut self, len: usize) -> Result<&'a [u8], What> {
        let (head, rest) = self.0.split_at_checked(len).ok_or("cut short")?;
        self.0 = rest;
        Ok(head)
    }

    pub(super) fn text(&mut self, len: usize) -> Result<String, What> {
        let text = std::str::from_utf8(self.take(len)?).map_err(|_| "notes")?;
        Ok(text.to_owned())
    }
}
