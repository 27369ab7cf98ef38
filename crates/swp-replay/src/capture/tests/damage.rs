use std::fs;

use super::*;

/// A capture without long records, its file and its records' encodings.
struct Sample {
    scratch: Scratch,
    file: Vec<u8>,
    records: Vec<Owned>,
    capture: Capture,
}

fn sample(lengths: impl IntoIterator<Item = usize>) -> Sample {
    let scratch = Scratch::new();
    let records = owned(lengths);
    let path = scratch.write("a", small(), &records);
    let file = fs::read(&path).expect("reads");
    let capture = open(&path);
    Sample { scratch, file, records, capture }
}

impl Sample {
    /// The same file with other bytes.
    fn put(&self, bytes: &[u8]) -> PathBuf {
        let path = self.scratch.path("damaged");
        fs::write(&path, bytes).expect("writes");
        path
    }

    /// The range of block `position` in the file.
    fn block(&self, position: usize) -> std::ops::Range<usize> {
        let entry = &self.capture.index()[position];
        let start = entry.offset as usize;
        start..start + entry.len
    }

    /// The numbers of the records that end in block `position`.
    fn seqs(&self, position: usize) -> std::ops::Range<u64> {
        let index = self.capture.index();
        let end = index.get(position + 1).map_or(self.records.len() as u64, |next| next.first_seq);
        index[position].first_seq..end
    }

    /// Whatever was read is what was written, under its own number.
    fn check(&self, found: &[(u64, Bytes)]) {
        assert!(found.is_sorted_by(|(a, _), (b, _)| a < b));
        for (seq, bytes) in found {
            assert!(*bytes == self.records[*seq as usize].encoded(), "record {seq}");
        }
    }

    /// The file without footer and trailer.
    fn without_footer(&self) -> &[u8] {
        let last = self.block(self.capture.index().len() - 1);
        &self.file[..last.end]
    }
}

fn seqs_of(found: &[(u64, Bytes)]) -> Vec<u64> {
    found.iter().map(|(seq, _)| *seq).collect()
}

#[test]
fn a_file_without_footer_is_the_same_capture_and_says_so() {
    let sample = sample((0..60).map(|number| number * 300));
    let path = sample.put(sample.without_footer());
    let capture = open(&path);
    assert_eq!(capture.totals(), sample.capture.totals());
    assert_eq!(capture.index(), sample.capture.index());
    assert_eq!(capture.ending(), None);
    let lossless = Recovered { reason: Reason::NoFooter, lost_bytes: 0, lost_messages: 0 };
    assert_eq!(capture.recovered(), Some(&lossless));
    assert_same(&read_whole(&capture), &sample.records);
    let told = lossless.to_string();
    assert_eq!(told, "not whole, the file ends without a footer: 0 bytes cannot be read");
}

#[test]
fn a_file_cut_anywhere_gives_the_blocks_before_the_cut() {
    let sample = sample([2500; 150]);
    assert!(sample.capture.index().len() > 5);
    let blocks = 0..sample.capture.index().len();
    let edges = blocks.clone().map(|position| sample.block(position).end);
    let near = edges.flat_map(|edge| edge.saturating_sub(2)..edge + 3);
    let cuts = (0..sample.file.len()).step_by(2221).chain(near).chain([1, 4095, 4096, 4097]);
    for cut in cuts.filter(|cut| *cut < sample.file.len()) {
        let path = sample.put(&sample.file[..cut]);
        let capture = match Capture::open(&path) {
            Ok(capture) => capture,
            Err(CaptureError::Empty { .. }) if cut == 0 => continue,
            Err(CaptureError::NotACapture { .. }) if cut < 8 => continue,
            Err(CaptureError::Truncated { len, .. }) if cut < 4096 => {
                assert_eq!(len, cut as u64);
                continue;
            }
            Err(error) => panic!("cut at {cut}: {error}"),
        };
        let whole =
            blocks.clone().take_while(|position| sample.block(*position).end <= cut).count();
        let expected = if whole == 0 { 0 } else { sample.seqs(whole - 1).end };
        let found = read_whole(&capture);
        assert_eq!(found.len() as u64, expected, "cut at {cut}");
        assert_same(&found, &sample.records[..found.len()]);
        assert_eq!(capture.totals().messages, expected);
        assert_eq!(capture.totals().content, content_of_owned(&sample.records[..found.len()]));
        let recovered = capture.recovered().expect("it was cut");
        if whole < blocks.len() {
            let end = if whole == 0 { 4096 } else { sample.block(whole - 1).end };
            assert_eq!(recovered.lost_bytes, (cut - end) as u64, "cut at {cut}");
        } else {
            assert!(recovered.lost_bytes < 4096, "cut at {cut} in the footer");
        }
    }
}

#[test]
fn a_long_record_cut_off_is_left_out_whole() {
    let sample = sample([100, 400_000, 100]);
    let blocks = 0..sample.capture.index().len();
    let inside: Vec<usize> = blocks.filter(|last| sample.seqs(*last).end == 1).collect();
    assert!(inside.len() > 3);
    for last in inside {
        let path = sample.put(&sample.file[..sample.block(last).end]);
        let capture = open(&path);
        let found = read_whole(&capture);
        assert_same(&found, &sample.records[..1]);
        assert_eq!(capture.index().len(), 1);
        assert_eq!((capture.totals().messages, capture.totals().frames), (1, 1));
        assert_eq!(capture.totals().content, content_of_owned(&sample.records[..1]));
        assert!(capture.recovered().expect("it was cut").lost_bytes > 0);
        // Nor do its frames come with the block.
        let block = capture.blocks(0).next().expect("a block").expect("intact");
        assert_eq!((block.frames.len(), block.records), (1, 1));
    }
}

#[test]
fn a_block_lost_in_the_middle_costs_its_records_and_no_others() {
    let sample = sample([2500; 150]);
    for (with_footer, lost) in [(false, 2), (true, 2), (false, 0), (true, 0)] {
        let mut bytes = match with_footer {
            true => sample.file.clone(),
            false => sample.without_footer().to_vec(),
        };
        bytes[sample.block(lost).start + 50] ^= 1;
        let capture = open(&sample.put(&bytes));
        let (found, errors) = read(&capture);
        sample.check(&found);
        let gone = sample.seqs(lost);
        let kept = (0..sample.records.len() as u64).filter(|seq| !gone.contains(seq));
        assert_eq!(seqs_of(&found), kept.collect::<Vec<_>>());
        match capture.recovered() {
            None => assert_eq!((with_footer, errors), (true, 1)),
            Some(recovered) => {
                assert!(!with_footer && errors == 0);
                assert_eq!(recovered.lost_bytes, sample.block(lost).len() as u64);
                assert_eq!(recovered.lost_messages, gone.end - gone.start);
                assert_eq!(capture.totals().messages, found.len() as u64);
                let content = content_of(found.iter().map(|(_, bytes)| &bytes[..]));
                assert_eq!(capture.totals().content, content);
            }
        }
    }
}

#[test]
fn a_long_record_with_a_block_lost_is_left_out_whole() {
    let sample = sample([50, 60, 400_000, 70, 80, 300_000, 90]);
    let long = sample.capture.index().iter().position(|entry| entry.first_seq == 2);
    let lost = long.expect("a block in the long record");
    for with_footer in [false, true] {
        let mut bytes = match with_footer {
            true => sample.file.clone(),
            false => sample.without_footer().to_vec(),
        };
        bytes[sample.block(lost).start] ^= 1;
        let capture = open(&sample.put(&bytes));
        let (found, errors) = read(&capture);
        sample.check(&found);
        assert_eq!(seqs_of(&found), [0, 1, 3, 4, 5, 6]);
        // With the footer the block is missed twice: itself, and by the part that does not follow.
        assert_eq!(errors, if with_footer { 2 } else { 0 });
        if !with_footer {
            assert_eq!(capture.totals().messages, 6);
            assert_eq!(capture.recovered().expect("no footer").lost_messages, 1);
            // Bodies can go out as they are: every part that is left belongs to a whole record.
            let mut content = ContentDigest::new();
            for block in capture.blocks(0) {
                let block = block.expect("intact");
                for entry in &block.frames {
                    let body = Bytes::copy_from_slice(block.body(entry));
                    match entry.kind {
                        swp_fast::wire::Kind::Fragment => {
                            let fragment = swp_fast::wire::Fragment::decode(&body).expect("a part");
                            content.update_fragment(&fragment).expect("in order");
                        }
                        _ => content.update_body(&body).expect("in order"),
                    }
                }
            }
            assert_eq!(content.finish(), Ok(capture.totals().content));
        }
    }
}

#[test]
fn a_damaged_body_is_found_when_records_are_read_and_when_asked() {
    let sample = sample([2500; 60]);
    let mut bytes = sample.file.clone();
    let entry = sample.capture.blocks(0).next().expect("a block").expect("intact").frames[1];
    bytes[sample.block(0).start + entry.offset + 100] ^= 0x10;
    let capture = open(&sample.put(&bytes));
    let block = capture.blocks(0).next().expect("a block").expect("its header is intact");
    assert_eq!(block.verify(), Err(entry));
    let (found, errors) = read(&capture);
    sample.check(&found);
    assert_eq!(errors, 1);
    assert_eq!(found.len(), sample.records.len() - entry.messages as usize);
}

#[test]
fn a_damaged_superblock_is_told_and_the_rest_is_read() {
    let sample = sample([2500; 60]);
    for at in [0, 9, 30, 45, 2000, 4095] {
        for end in [sample.file.len(), sample.without_footer().len()] {
            let mut bytes = sample.file[..end].to_vec();
            bytes[at] ^= 4;
            let capture = open(&sample.put(&bytes));
            assert_eq!(capture.totals(), sample.capture.totals());
            assert_same(&read_whole(&capture), &sample.records);
            let recovered = capture.recovered().expect("the superblock is damaged");
            assert_eq!((recovered.reason, recovered.lost_bytes), (Reason::Superblock, 4096));
        }
    }
    let mut alone = sample.file[..4096].to_vec();
    alone[20] ^= 1;
    let refused = Capture::open(sample.put(&alone));
    assert!(matches!(refused, Err(CaptureError::Superblock { .. })));
}

#[test]
fn a_damaged_footer_costs_nothing() {
    let sample = sample([2500; 60]);
    let footer = sample.without_footer().len();
    for at in (footer..sample.file.len()).step_by(7) {
        let mut bytes = sample.file.clone();
        bytes[at] ^= 0x40;
        let capture = open(&sample.put(&bytes));
        assert_eq!(capture.totals(), sample.capture.totals());
        assert_eq!(capture.index(), sample.capture.index());
        let recovered = capture.recovered().expect("the footer is damaged");
        assert_ne!(recovered.reason, Reason::Superblock);
        assert_eq!(recovered.lost_messages, 0);
    }
}

#[test]
fn blocks_of_an_older_file_in_the_same_place_are_not_mistaken() {
    let old = sample([2500; 150]);
    let new = sample([1000; 80]);
    let mut bytes = new.without_footer().to_vec();
    bytes.extend_from_slice(&old.file[bytes.len()..]);
    let capture = open(&new.put(&bytes));
    assert_eq!(capture.totals(), new.capture.totals());
    let lost = bytes.len() - new.without_footer().len();
    assert_eq!(capture.recovered().expect("no footer").lost_bytes, lost as u64);
    // Nor is a block of the file itself that turns up again.
    let mut bytes = new.without_footer().to_vec();
    bytes.extend_from_slice(&new.file[new.block(0)]);
    let capture = open(&new.put(&bytes));
    assert_same(&read_whole(&capture), &new.records);
}

#[test]
fn other_files_are_refused_in_plain_words() {
    let sample = sample([10]);
    let refused = |bytes: &[u8]| Capture::open(sample.put(bytes)).expect_err("no capture");
    assert!(matches!(refused(b""), CaptureError::Empty { .. }));
    assert!(matches!(refused(b"hello"), CaptureError::NotACapture { .. }));
    assert!(matches!(refused(&[0; 100_000]), CaptureError::NotACapture { .. }));
    assert!(matches!(refused(&sample.file[..100]), CaptureError::Truncated { len: 100, .. }));
    let mut newer = sample.file.clone();
    newer[8] = 2;
    let check = crc_fast::crc32_iscsi(&newer[..4092]);
    newer[4092..4096].copy_from_slice(&check.to_le_bytes());
    let error = refused(&newer);
    assert!(matches!(error, CaptureError::Version { found: 2, .. }));
    assert!(error.to_string().ends_with("format version 2, this program reads 1"));
    let directory = Capture::open(sample.scratch.dir.path());
    assert!(matches!(directory, Err(CaptureError::IsDirectory { .. })));
    let device = Capture::open("/dev/zero");
    assert!(matches!(device, Err(CaptureError::NotACapture { .. })));
    let nothing = Capture::open(sample.scratch.path("nothing"));
    assert!(matches!(nothing, Err(CaptureError::Io { .. })));
}

/// Opens and reads whatever is there, by every way in.
fn read_by_all_means(sample: &Sample, path: &Path) -> Option<(Vec<(u64, Bytes)>, usize)> {
    let capture = Capture::open(path).ok()?;
    for block in capture.blocks(0).flatten() {
        let _ = block.verify();
    }
    let found = read(&capture);
    sample.check(&found.0);
    Some(found)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn flipped_bits_cost_the_blocks_that_they_are_in(
        flips in vec((any::<prop::sample::Index>(), 0..8u32), 1..4),
        with_footer in any::<bool>(),
    ) {
        let sample = sample([2500; 150]);
        let mut bytes =
            if with_footer { sample.file.clone() } else { sample.without_footer().to_vec() };
        let flips: Vec<usize> = flips.iter().map(|(at, bit)| {
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
            at
        }).collect();
        let path = sample.put(&bytes);
        let found = read_by_all_means(&sample, &path);
        // Only where the superblock and the first block are both hit is nothing left.
        let hit = |range: std::ops::Range<usize>| flips.iter().any(|at| range.contains(at));
        let Some((found, _)) = found else {
            prop_assert!(hit(0..4096) && hit(sample.block(0)));
            return Ok(());
        };
        let found = seqs_of(&found);
        for position in 0..sample.capture.index().len() {
            if !hit(sample.block(position)) {
                for seq in sample.seqs(position) {
                    prop_assert!(found.binary_search(&seq).is_ok(), "record {} is missing", seq);
                }
            }
        }
    }

    #[test]
    fn no_damage_makes_a_wrong_record(
        lengths in lengths(),
        cut in any::<prop::sample::Index>(),
        patches in vec((any::<prop::sample::Index>(), vec(any::<u8>(), 1..9000)), 0..3),
        with_footer in any::<bool>(),
    ) {
        let sample = sample(lengths.into_iter().chain([1]));
        let mut bytes =
            if with_footer { sample.file.clone() } else { sample.without_footer().to_vec() };
        for (at, patch) in patches {
            let at = at.index(bytes.len());
            let end = (at + patch.len()).min(bytes.len());
            bytes[at..end].copy_from_slice(&patch[..end - at]);
        }
        if !with_footer {
            bytes.truncate(cut.index(bytes.len()));
        }
        let path = sample.put(&bytes);
        read_by_all_means(&sample, &path);
    }

    #[test]
    fn arbitrary_files_do_no_harm(
        garbage in vec(any::<u8>(), 0..20_000),
        front in any::<bool>(),
    ) {
        let sample = sample([10]);
        let front = if front { &sample.file[..4096] } else { &[] };
        let path = sample.put(&[front, &garbage].concat());
        if let Some((found, _)) = read_by_all_means(&sample, &path) {
            prop_assert_eq!(found.len(), 0);
        }
    }
}
