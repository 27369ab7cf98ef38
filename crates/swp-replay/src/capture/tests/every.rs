//! A small capture cut at every byte, and with every bit of a block flipped.

use std::fs;
use std::os::unix::fs::FileExt;

use super::*;

/// Records a block.
const EACH: usize = 4;
const BLOCKS: usize = 3;

/// A capture of three blocks of 4 KiB with four records each, and its bytes.
struct Small {
    scratch: Scratch,
    records: Vec<Owned>,
    file: Vec<u8>,
    index: Vec<IndexEntry>,
}

impl Small {
    fn new() -> Small {
        let scratch = Scratch::new();
        let records = owned((0..EACH * BLOCKS).map(|number| 20 + number * 7));
        let path = scratch.path("small");
        let mut writer = CaptureWriter::create(&path, small()).expect("creates");
        for block in records.chunks(EACH) {
            for record in block {
                writer.append(&record.record()).expect("appends");
            }
            writer.sync().expect("syncs");
        }
        writer.finish(Ending::default()).expect("finishes");
        let index = open(&path).index().to_vec();
        assert_eq!((index.len(), index[0].len), (BLOCKS, ALIGN));
        let file = fs::read(&path).expect("reads");
        Small { scratch, records, file, index }
    }

    /// A file of these bytes.
    fn put(&self, bytes: &[u8]) -> PathBuf {
        let path = self.scratch.path("damaged");
        fs::write(&path, bytes).expect("writes");
        path
    }

    /// What is found is what was written under its number; returns the numbers.
    fn seqs(&self, found: &[(u64, Bytes)]) -> Vec<u64> {
        for (seq, bytes) in found {
            assert!(*bytes == self.records[*seq as usize].encoded(), "record {seq}");
        }
        found.iter().map(|(seq, _)| *seq).collect()
    }
}

#[test]
fn cut_at_every_byte_it_gives_the_blocks_before_the_cut() {
    let small = Small::new();
    let end = small.index[BLOCKS - 1].offset as usize + ALIGN;
    let path = small.put(&small.file);
    let file = fs::File::options().write(true).open(&path).expect("opens");
    for cut in (0..small.file.len()).rev() {
        file.set_len(cut as u64).expect("cuts");
        let whole = (cut / ALIGN).saturating_sub(1).min(BLOCKS);
        // Without a footer both search the file, so now and then will do for the second.
        let recovered = cut.is_multiple_of(64).then(|| Capture::recover(&path));
        for capture in [Some(Capture::open(&path)), recovered].into_iter().flatten() {
            let Ok(capture) = capture else {
                assert!(cut < ALIGN, "cut at {cut}");
                continue;
            };
            let (found, errors) = read(&capture);
            assert_eq!(errors, 0, "cut at {cut}");
            let expected: Vec<u64> = (0..(whole * EACH) as u64).collect();
            assert_eq!(small.seqs(&found), expected, "cut at {cut}");
            let recovered = capture.recovered().expect("it was cut");
            // Of the footer, too, no byte is passed over in silence.
            let lost = if cut < end { cut % ALIGN } else { 0 };
            if cut < end {
                assert_eq!(recovered.lost_bytes, lost as u64, "cut at {cut}");
            }
            assert!(matches!(recovered.reason, Reason::NoFooter | Reason::Footer(_)));
            assert_eq!(capture.totals().messages, expected.len() as u64);
        }
    }
}

/// Flips every bit of the middle block, in turn, and opens the file; `check` is told the bit, whether the
/// block was lost (else nothing was), and how many errors came while records were read.
fn flip_every_bit(
    open: impl Fn(&Path) -> Result<Capture, CaptureError>,
    check: impl Fn(usize, &Capture, bool, usize),
) {
    let small = Small::new();
    let start = small.index[1].offset as usize;
    let all: Vec<u64> = (0..(EACH * BLOCKS) as u64).collect();
    let others: Vec<u64> = all.iter().copied().filter(|seq| *seq as usize / EACH != 1).collect();
    let path = small.put(&small.file);
    let file = fs::File::options().write(true).open(&path).expect("opens");
    let put = |at: usize, byte: u8| file.write_all_at(&[byte], at as u64).expect("writes");
    let mut lost_blocks = 0;
    let used = small.file[start..start + ALIGN].iter().rposition(|byte| *byte != 0);
    let used = used.expect("a block") + 1;
    // In the padding behind the last body a byte at a time, all of its bits at once.
    for bit in (0..used * 8).chain((used * 8..ALIGN * 8).step_by(8)) {
        let at = start + bit / 8;
        put(at, small.file[at] ^ if bit < used * 8 { 1 << (bit % 8) } else { 0xff });
        let capture = open(&path).expect("opens");
        let (found, errors) = read(&capture);
        let seqs = small.seqs(&found);
        let lost = seqs != all;
        assert!(!lost || seqs == others, "bit {bit}");
        check(bit, &capture, lost, errors);
        lost_blocks += usize::from(lost);
        put(at, small.file[at]);
    }
    // The room in front of each body and the padding behind the last carry nothing.
    assert!(lost_blocks > ALIGN / 4 && lost_blocks < used * 8, "{lost_blocks} of {used} bytes");
}

#[test]
fn every_bit_of_a_block_costs_that_block_at_most_and_reading_says_so() {
    flip_every_bit(
        |path| Capture::open(path),
        |bit, _, lost, errors| {
            assert_eq!(errors, usize::from(lost), "bit {bit}");
        },
    );
}

#[test]
fn every_bit_of_a_block_costs_that_block_at_most_and_recovery_says_so() {
    flip_every_bit(
        |path| Capture::recover(path),
        |bit, capture, lost, errors| {
            let expected = lost.then_some(Recovered {
                reason: Reason::Blocks,
                lost_bytes: ALIGN as u64,
                lost_messages: EACH as u64,
            });
            assert_eq!((capture.recovered(), errors), (expected.as_ref(), 0), "bit {bit}");
        },
    );
}

#[test]
fn a_table_that_tells_another_number_of_records_is_damage() {
    // Both counts of the block and every check fit; only the body itself tells.
    let small = Small::new();
    let mut bytes = small.file.clone();
    let block = &mut bytes[ALIGN..2 * ALIGN];
    block[40] += 1;
    block[80 + 8] += 1;
    for (covered, at) in [(80..120, 72), (0..68, 68)] {
        let check = crc_fast::crc32_iscsi(&block[covered]);
        block[at..at + 4].copy_from_slice(&check.to_le_bytes());
    }
    let capture = Capture::recover(small.put(&bytes)).expect("opens");
    let (found, errors) = read(&capture);
    let expected: Vec<u64> = (EACH as u64..(EACH * BLOCKS) as u64).collect();
    assert_eq!((small.seqs(&found), errors), (expected, 0));
    let lost = capture.recovered().expect("a block is lost");
    assert_eq!((lost.lost_bytes, lost.lost_messages), (ALIGN as u64, EACH as u64));
}
