use swp_fast::wire::{
    Digest, Fragment, Header, Kind, MAX_HEADER, Sealer, Seq, SessionId, encode_fragment,
};

use super::*;

/// Takes every body of a capture over into another one.
fn take_over(from: &Capture, to: &Path, options: WriterOptions) -> Summary {
    let mut writer = CaptureWriter::create(to, options).expect("creates");
    for block in from.blocks(0) {
        let block = block.expect("intact");
        let bytes = Bytes::from_owner(block.buffer);
        for entry in &block.frames {
            writer
                .append_body(entry.kind, &bytes.slice(entry.range()), entry.digest)
                .expect("the next body");
        }
    }
    writer.finish(Ending::default()).expect("finishes")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_written_is_read(
        lengths in lengths(),
        block_bytes in 65_536..400_000usize,
        body_bytes in prop_oneof![512..2000usize, 2000..60_000usize],
        sync_every in 1..40usize,
    ) {
        let scratch = Scratch::new();
        let records = owned(lengths);
        let options = WriterOptions { block_bytes, body_bytes, ..small() };
        let mut writer = CaptureWriter::create(scratch.path("a"), options).expect("creates");
        for (number, record) in records.iter().enumerate() {
            writer.append(&record.record()).expect("appends");
            if number % sync_every == sync_every - 1 {
                writer.sync().expect("syncs");
            }
        }
        let ending = Ending { dropped: 7, notes: "stopped by hand".to_owned() };
        let summary = writer.finish(ending.clone()).expect("finishes");

        let capture = open(&scratch.path("a"));
        prop_assert_eq!(capture.recovered(), None);
        prop_assert_eq!(capture.ending(), Some(&ending));
        prop_assert_eq!(capture.totals(), &summary.totals);
        prop_assert_eq!(capture.index().len() as u64, summary.blocks);
        prop_assert_eq!(capture.file_bytes(), summary.file_bytes);
        assert_same(&read_whole(&capture), &records);
        let totals = capture.totals();
        prop_assert_eq!(totals.messages, records.len() as u64);
        let payload: usize = records.iter().map(|record| record.payload.len()).sum();
        prop_assert_eq!(totals.payload_bytes, payload as u64);
        prop_assert_eq!(totals.content, content_of_owned(&records));
        prop_assert_eq!(totals.subjects.count, records.len().min(3) as u64);
        if let (Some(first), Some(last)) = (records.first(), records.last()) {
            prop_assert_eq!((totals.first_ns, totals.last_ns), (first.timestamp_ns, last.timestamp_ns));
        }
        let frames: usize = capture.index().iter().map(|entry| entry.frames.len()).sum();
        prop_assert_eq!(totals.frames, frames as u64);

        // Bodies taken over as they are make the same stream, in blocks of another size.
        let again = take_over(&capture, &scratch.path("b"), small());
        prop_assert_eq!(&again.totals, &summary.totals);
        assert_same(&read_whole(&open(&scratch.path("b"))), &records);
    }

    #[test]
    fn blocks_are_aligned_bounded_and_say_what_is_in_them(lengths in lengths()) {
        let scratch = Scratch::new();
        let records = owned(lengths);
        let capture = open(&scratch.write("a", small(), &records));
        let mut seq = 0;
        for (entry, block) in capture.index().iter().zip(capture.blocks(0)) {
            let block = block.expect("intact");
            prop_assert!(entry.offset.is_multiple_of(4096) && entry.len <= 64 << 10);
            prop_assert_eq!(block.buffer.as_ref().as_ptr().addr() % 4096, 0);
            prop_assert_eq!(block.buffer.len(), entry.len);
            prop_assert_eq!((entry.first_seq, block.first_seq), (seq, seq));
            prop_assert!(entry.first_ns <= entry.last_ns);
            seq += block.records;
            let mut free_from = 0;
            for frame in &block.frames {
                prop_assert!(frame.offset >= free_from + MAX_HEADER);
                prop_assert!(frame.len <= format::DEFAULT_BODY_BYTES);
                free_from = frame.range().end;
            }
            prop_assert_eq!(block.verify(), Ok(()));
        }
        prop_assert_eq!(seq, records.len() as u64);
    }
}

#[test]
fn a_block_is_sent_without_copying_and_the_stored_digest_serves() {
    let scratch = Scratch::new();
    let records = owned((0..40).map(|number| number * 900));
    let capture = open(&scratch.write("a", small(), &records));
    let sealer = Sealer::default();
    let mut content = ContentDigest::new();
    let mut seq = Seq::ZERO;
    for block in capture.blocks(0) {
        let Block { mut buffer, frames, .. } = block.expect("intact");
        let memory = buffer.as_ref().as_ptr_range();
        let mut starts = Vec::new();
        for frame in &frames {
            let (kind, digest) = (frame.kind, frame.digest);
            let header = Header { kind, session: SessionId(u64::MAX), epoch: 1, seq, digest };
            let room = &mut buffer.as_mut()[frame.offset - MAX_HEADER..frame.offset];
            starts.push(frame.offset - MAX_HEADER + sealer.put_header(room, &header));
            seq = seq.next();
        }
        let bytes = Bytes::from_owner(buffer);
        for (frame, start) in frames.iter().zip(starts) {
            let sent = bytes.slice(start..frame.range().end);
            assert!(memory.contains(&sent.as_ptr()));
            let received = sealer.open(&sent).expect("whole, and its digest fits");
            match received.header.kind {
                Kind::Fragment => {
                    let fragment = Fragment::decode(&received.body).expect("a part");
                    content.update_fragment(&fragment).expect("in order");
                }
                _ => content.update_body(&received.body).expect("in order"),
            }
        }
    }
    assert_eq!(content.finish(), Ok(capture.totals().content));
}

#[test]
fn full_frames_pass_16_kib_and_full_blocks_make_nearly_1_mib() {
    let scratch = Scratch::new();
    let options = WriterOptions { durable: false, ..WriterOptions::default() };
    let capture = open(&scratch.write("a", options, &owned([100; 20_000])));
    let block = capture.blocks(0).next().expect("a block").expect("intact");
    assert!(block.frames.len() >= 58);
    let full = 17_411 - 150..=17_411;
    assert!(block.frames.iter().all(|frame| full.contains(&frame.len)));
    assert!(capture.index()[0].len > (1 << 20) - 32_768);
}

#[test]
fn fragments_are_encoded_as_the_wire_does() {
    let scratch = Scratch::new();
    let records = owned([150_000]);
    let record = records[0].encoded();
    let capture = open(&scratch.write("a", small(), &records));
    let mut at = 0;
    for block in capture.blocks(0) {
        let block = block.expect("intact");
        for frame in &block.frames {
            assert_eq!((frame.kind, frame.continues), (Kind::Fragment, at != 0));
            assert_eq!(frame.first_ns, records[0].timestamp_ns);
            let body = Bytes::copy_from_slice(block.body(frame));
            let len = Fragment::decode(&body).expect("a part").part.len();
            let wire = encode_fragment(record.len() as u64, at as u64, &record[at..at + len]);
            assert_eq!(body, wire[MAX_HEADER..]);
            at += len;
            assert_eq!(frame.messages, u32::from(at == record.len()));
        }
    }
    assert_eq!(at, record.len());
}

#[test]
fn an_empty_capture_is_one() {
    let scratch = Scratch::new();
    let capture = open(&scratch.write("a", small(), &[]));
    assert_eq!(capture.recovered(), None);
    assert_eq!(capture.totals().content, content_of([]));
    assert_eq!(capture.totals().messages, 0);
    assert_eq!(read_whole(&capture), Vec::<Vec<u8>>::new());
}

#[test]
fn reading_begins_at_any_block() {
    let scratch = Scratch::new();
    let records = owned((0..30).map(|number| if number % 4 == 0 { 90_000 } else { 5_000 }));
    let capture = open(&scratch.write("a", small(), &records));
    for wanted in 0..records.len() as u64 {
        let mut unpacker = Unpacker::default();
        let mut found = Vec::new();
        for block in capture.blocks(capture.block_of(wanted)) {
            let block = block.expect("intact");
            unpacker.start_block(block.first_seq);
            let bytes = Bytes::from_owner(block.buffer);
            for entry in &block.frames {
                unpacker.load(entry, bytes.slice(entry.range()));
                found.extend(unpacker.by_ref().map(|record| record.expect("a record")));
            }
        }
        let first = found[0].seq;
        assert!(first <= wanted, "{first} is behind {wanted}");
        for record in found {
            assert_eq!(record.bytes, records[record.seq as usize].encoded());
        }
    }
}

#[test]
fn long_records_can_be_refused_and_the_others_are_read() {
    let scratch = Scratch::new();
    let records = owned([10, 200_000, 20, 40_000, 30]);
    let capture = open(&scratch.write("a", small(), &records));
    let found: Vec<_> = capture.records().max_record(100_000).collect();
    let seqs: Vec<u64> = found.iter().flatten().map(|record| record.seq).collect();
    assert_eq!(seqs, [0, 2, 3, 4]);
    let errors: Vec<_> = found.iter().filter_map(|record| record.as_ref().err()).collect();
    assert!(matches!(errors[..], [CaptureError::Content { source: BodyError::Total(_), .. }]));
}

#[test]
fn records_out_of_a_block_are_slices_of_it() {
    let scratch = Scratch::new();
    let records = owned([1000]);
    let capture = open(&scratch.write("a", small(), &records));
    let record = capture.records().next().expect("a record").expect("intact");
    let payload = record.payload().expect("a record");
    assert_eq!(payload, records[0].payload);
    assert!(record.bytes.as_ptr_range().contains(&payload.as_ptr()));
    assert_eq!(record.decode().expect("a record"), records[0].record());
}

#[test]
fn subjects_are_counted_up_to_a_bound() {
    let mut tally = crate::capture::tally::Tally::default();
    for number in 0..MAX_SUBJECTS {
        tally.record(0, &format!("{}", number % MAX_SUBJECTS), 0);
    }
    let exact = Subjects { count: MAX_SUBJECTS as u64, at_least: false };
    tally.record(0, "1", 0);
    assert_eq!(tally.totals().expect("whole").subjects, exact);
    tally.record(0, "one.more", 0);
    let bounded = Subjects { at_least: true, ..exact };
    assert_eq!(tally.totals().expect("whole").subjects, bounded);
}

#[test]
fn a_digest_that_comes_with_a_body_is_kept() {
    let scratch = Scratch::new();
    let from = open(&scratch.write("a", small(), &owned([5, 6])));
    let block = from.blocks(0).next().expect("a block").expect("intact");
    let entry = block.frames[0];
    let body = Bytes::copy_from_slice(block.body(&entry));
    let wrong = Digest::Blake3([9; 16]);
    let mut writer = CaptureWriter::create(scratch.path("b"), small()).expect("creates");
    for digest in [wrong, Digest::None, Digest::Crc32c(1)] {
        writer.append_body(Kind::Data, &body, digest).expect("the next body");
    }
    writer.finish(Ending::default()).expect("finishes");
    let block = open(&scratch.path("b")).blocks(0).next().expect("a block").expect("intact");
    let digests: Vec<Digest> = block.frames.iter().map(|entry| entry.digest).collect();
    assert_eq!(digests, [wrong, entry.digest, entry.digest]);
    assert_eq!(block.verify(), Err(block.frames[0]));
}
