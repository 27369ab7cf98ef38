use std::fs;
use std::io;

use swp_fast::wire::{Digest, Fragment, Kind, MAX_HEADER, WireError, encode_fragment};

use super::*;
use crate::record::RecordError;

fn create(path: &Path) -> CaptureWriter {
    CaptureWriter::create(path, small()).expect("creates")
}

fn part(record: &[u8], range: std::ops::Range<usize>) -> Bytes {
    let body = encode_fragment(record.len() as u64, range.start as u64, &record[range]);
    body.freeze().slice(MAX_HEADER..)
}

#[test]
fn an_existing_file_is_refused_unless_asked_for() {
    let scratch = Scratch::new();
    let path = scratch.write("a", small(), &owned([1, 2, 3]));
    let before = fs::read(&path).expect("reads");
    let refused = CaptureWriter::create(&path, small());
    assert!(matches!(refused, Err(WriteError::Exists { path: named }) if named == path));
    assert_eq!(fs::read(&path).expect("reads"), before);
    let options = WriterOptions { overwrite: true, ..small() };
    scratch.write("a", options, &owned([4]));
    assert_eq!(open(&path).totals().messages, 1);
}

#[test]
fn places_where_no_file_can_be_are_named() {
    let scratch = Scratch::new();
    for overwrite in [false, true] {
        let options = WriterOptions { overwrite, ..small() };
        let directory = CaptureWriter::create(scratch.dir.path(), options.clone());
        assert!(matches!(directory, Err(WriteError::IsDirectory { .. })));
        let nowhere = scratch.path("no/such/place");
        let error = CaptureWriter::create(&nowhere, options).err().expect("no parent");
        assert!(matches!(&error, WriteError::Io { path, .. } if *path == nowhere));
        assert!(error.to_string().contains("no/such/place"));
    }
}

#[test]
fn a_full_device_is_named() {
    let options = WriterOptions { overwrite: true, ..small() };
    let error = CaptureWriter::create("/dev/full", options).err().expect("it is full");
    assert!(matches!(&error, WriteError::Full { path, .. } if *path == Path::new("/dev/full")));
}

#[test]
fn options_have_bounds() {
    let scratch = Scratch::new();
    let bad = [
        WriterOptions { block_bytes: (64 << 10) - 1, ..small() },
        WriterOptions { block_bytes: (16 << 20) + 1, ..small() },
        WriterOptions { body_bytes: 511, ..small() },
        WriterOptions { body_bytes: (60 << 10) + 1, ..small() },
        WriterOptions { notes: "n".repeat(3073), ..small() },
    ];
    for options in bad {
        let refused = CaptureWriter::create(scratch.path("a"), options);
        assert!(matches!(refused, Err(WriteError::Option { .. })));
    }
    assert!(!scratch.path("a").exists());
    let options = WriterOptions {
        block_bytes: (64 << 10) + 1,
        body_bytes: 60 << 10,
        notes: "n".repeat(3072),
        ..small()
    };
    let capture = open(&scratch.write("a", options.clone(), &owned([70_000, 10])));
    assert_eq!(capture.superblock().notes, options.notes);
    assert_eq!(capture.superblock().block_bytes, 64 << 10);
    assert_eq!(capture.superblock().body_bytes, 60 << 10);
    let ending = Ending { dropped: 0, notes: "n".repeat(65_537) };
    let refused = create(&scratch.path("b")).finish(ending);
    assert!(matches!(refused, Err(WriteError::Option { .. })));
}

#[test]
fn a_disk_that_fills_up_leaves_a_readable_file_and_may_be_given_room() {
    let scratch = Scratch::new();
    let records = owned([3000; 200]);
    let path = scratch.path("a");
    let mut writer = create(&path);
    writer.limit_room(Some(200_000));
    let mut taken = 0;
    let error = loop {
        match writer.append(&records[taken].record()) {
            Ok(()) => taken += 1,
            Err(error) => break error,
        }
    };
    let WriteError::Full { path: named, source } = error else { panic!("{error}") };
    assert_eq!((named, source.kind()), (path.clone(), io::ErrorKind::StorageFull));

    // As if it had been killed now: whole blocks are there, and the torn one is told.
    let capture = open(&path);
    let found = read_whole(&capture);
    assert_same(&found, &records[..found.len()]);
    assert_eq!(capture.index().len(), 3);
    let recovered = capture.recovered().expect("no footer");
    assert_eq!(recovered.reason, Reason::NoFooter);
    assert_eq!(
        recovered.lost_bytes,
        capture.file_bytes() - 4096 - 3 * capture.index()[0].len as u64
    );

    // Nothing was lost in memory: with room, everything is written after all.
    assert!(matches!(writer.sync(), Err(WriteError::Full { .. })));
    writer.limit_room(None);
    for record in &records[taken..] {
        writer.append(&record.record()).expect("there is room");
    }
    writer.finish(Ending::default()).expect("finishes");
    let capture = open(&path);
    assert_eq!(capture.recovered(), None);
    assert_same(&read_whole(&capture), &records);
    assert_eq!(capture.totals().content, content_of_owned(&records));
}

#[test]
fn a_record_cut_off_by_a_full_disk_is_left_out() {
    let scratch = Scratch::new();
    let records = owned([100, 500_000]);
    let path = scratch.path("a");
    let mut writer = create(&path);
    writer.append(&records[0].record()).expect("appends");
    writer.limit_room(Some(200_000));
    let error = writer.append(&records[1].record()).expect_err("no room");
    assert!(matches!(error, WriteError::Full { .. }));
    writer.limit_room(None);
    // Half of it is in the file, so nothing can follow.
    assert!(matches!(writer.append(&records[0].record()), Err(WriteError::Broken { .. })));
    assert!(matches!(writer.sync(), Err(WriteError::Broken { .. })));
    assert!(matches!(writer.finish(Ending::default()), Err(WriteError::Broken { .. })));
    let capture = open(&path);
    assert_same(&read_whole(&capture), &records[..1]);
    assert_eq!(capture.totals().content, content_of_owned(&records[..1]));
    assert_eq!((capture.totals().messages, capture.totals().frames), (1, 1));
}

#[test]
fn what_was_synced_can_be_read_while_writing_goes_on() {
    let scratch = Scratch::new();
    let records = owned([50; 10]);
    let path = scratch.path("a");
    let mut writer = create(&path);
    assert_eq!(open(&path).totals().messages, 0);
    for (number, record) in records.iter().enumerate() {
        writer.append(&record.record()).expect("appends");
        let before = open(&path).totals().messages;
        assert_eq!(before, number as u64);
        writer.sync().expect("syncs");
        writer.sync().expect("with nothing new");
        assert_same(&read_whole(&open(&path)), &records[..=number]);
    }
    assert_eq!(writer.messages(), 10);
    assert_eq!(writer.file_bytes(), 4096 * 11);
    assert_eq!(fs::metadata(&path).expect("there").len(), 4096 * 11);
}

#[test]
fn bodies_that_carry_no_records_are_refused_and_not_counted() {
    let scratch = Scratch::new();
    let record = owned([10]).remove(0);
    let body = |record: &[u8]| {
        let mut bin = Vec::new();
        rmp::encode::write_bin(&mut bin, record).expect("memory takes it");
        Bytes::from(bin)
    };
    let good = body(&record.encoded());
    let half = [&good[..], &body(b"junk")].concat().into();
    let long = Bytes::from(vec![0; format::MAX_BODY + 1]);
    let mut writer = create(&scratch.path("a"));
    let mut refused = |kind, body: &Bytes| match writer.append_body(kind, body, Digest::None) {
        Err(WriteError::Body(error)) => error,
        other => panic!("{other:?}"),
    };
    assert_eq!(refused(Kind::Ack, &good), BodyError::Kind);
    assert_eq!(refused(Kind::Data, &Bytes::new()), BodyError::Length(0));
    assert_eq!(refused(Kind::Data, &long), BodyError::Length(long.len()));
    let junk = BodyError::Record(RecordError::Malformed("record"));
    assert_eq!(refused(Kind::Data, &half), junk);
    assert_eq!(refused(Kind::Fragment, &part(b"junk", 0..2)), junk);
    let wire = refused(Kind::Fragment, &good);
    assert_eq!(wire, BodyError::Wire(WireError::Malformed("message length")));
    let orphan = refused(Kind::Fragment, &part(&record.encoded(), 5..9));
    assert_eq!(orphan, BodyError::NoBeginning { offset: 5 });
    writer.append_body(Kind::Data, &good, Digest::None).expect("a record");
    let summary = writer.finish(Ending::default()).expect("finishes");
    assert_eq!((summary.totals.messages, summary.totals.frames), (1, 1));
    assert_eq!(summary.totals.content, content_of_owned(&[record]));
}

#[test]
fn in_the_midst_of_a_record_only_its_next_fragment_is_taken() {
    let scratch = Scratch::new();
    let long = owned([300]).remove(0);
    let record = long.encoded();
    let path = scratch.path("a");
    let mut writer = create(&path);
    let first = part(&record, 0..100);
    writer.append_body(Kind::Fragment, &first, Digest::blake3(&first)).expect("the first part");
    let error = writer.append(&long.record()).expect_err("not now");
    let unfinished = BodyError::Unfinished { total: record.len() as u64, have: 100 };
    assert!(matches!(error, WriteError::Body(found) if found == unfinished));
    writer.sync().expect("what is there can be synced");
    writer
        .append_body(Kind::Fragment, &part(&record, 100..record.len()), Digest::None)
        .expect("the rest");
    writer.append(&long.record()).expect("now");
    writer.append_body(Kind::Fragment, &first, Digest::None).expect("the first part");
    let error = writer.finish(Ending::default()).expect_err("not finished");
    assert!(matches!(error, WriteError::Body(found) if found == unfinished));
    // No footer, and nothing of the open block.
    assert_eq!(open(&path).totals().messages, 0);
    assert_eq!(open(&path).recovered().expect("no footer").lost_bytes, first.len() as u64);
}

#[test]
fn a_fragment_that_does_not_follow_ends_the_recording() {
    let scratch = Scratch::new();
    let record = owned([300]).remove(0).encoded();
    let mut writer = create(&scratch.path("a"));
    writer.append_body(Kind::Fragment, &part(&record, 0..100), Digest::None).expect("the first");
    let gap = part(&record, 200..300);
    assert!(writer.append_body(Kind::Fragment, &gap, Digest::None).is_err());
    assert!(matches!(writer.sync(), Err(WriteError::Broken { .. })));
}

#[test]
fn a_record_whose_front_comes_in_small_fragments_is_counted() {
    let scratch = Scratch::new();
    let records = owned([400]);
    let record = records[0].encoded();
    let mut writer = create(&scratch.path("a"));
    for start in (0..record.len()).step_by(12) {
        let body = part(&record, start..record.len().min(start + 12));
        assert!(Fragment::decode(&body).is_ok());
        writer.append_body(Kind::Fragment, &body, Digest::None).expect("the next part");
    }
    let totals = writer.finish(Ending::default()).expect("finishes").totals;
    assert_eq!((totals.messages, totals.payload_bytes), (1, 400));
    assert_eq!(totals.content, content_of_owned(&records));
    assert_eq!(read_whole(&open(&scratch.path("a"))), [record]);
}

#[test]
fn a_record_that_is_not_one_shows_at_its_end() {
    let scratch = Scratch::new();
    let mut record = owned([400]).remove(0).encoded();
    record.push(0);
    let mut writer = create(&scratch.path("a"));
    let first = part(&record, 0..12);
    writer.append_body(Kind::Fragment, &first, Digest::None).expect("looks like one");
    let rest = part(&record, 12..record.len());
    let error = writer.append_body(Kind::Fragment, &rest, Digest::None).expect_err("no record");
    let wanted = BodyError::Record(RecordError::Malformed("record length"));
    assert!(matches!(error, WriteError::Body(found) if found == wanted));
}

#[test]
fn a_body_longer_than_a_block_gets_a_block_of_its_own() {
    let scratch = Scratch::new();
    let wide = WriterOptions { block_bytes: 1 << 20, body_bytes: 900_000, ..small() };
    let records = owned([800_000, 100]);
    let from = open(&scratch.write("a", wide, &records));
    let block = from.blocks(0).next().expect("a block").expect("intact");
    let body = Bytes::copy_from_slice(block.body(&block.frames[0]));
    let mut writer = create(&scratch.path("b"));
    writer.append(&records[1].record()).expect("appends");
    writer.append_body(Kind::Data, &body, block.frames[0].digest).expect("the next body");
    writer.append(&records[1].record()).expect("appends");
    writer.finish(Ending::default()).expect("finishes");
    let capture = open(&scratch.path("b"));
    let lens: Vec<usize> = capture.index().iter().map(|entry| entry.len).collect();
    assert_eq!(lens, [4096, 4096 * 196, 4096]);
    assert_eq!(capture.largest_block(), 4096 * 196);
    // By which a replay knows what frames it takes; also where the front was lost.
    assert_eq!(capture.superblock().body_bytes as usize, body.len());
    let mut file = std::fs::read(scratch.path("b")).expect("reads");
    file[50] ^= 1;
    let footerless = file.len() - 4096;
    std::fs::write(scratch.path("c"), &file[..footerless]).expect("writes");
    let found = open(&scratch.path("c"));
    assert!(found.recovered().is_some());
    assert_eq!(found.superblock().body_bytes as usize, body.len());
    assert_eq!(read_whole(&capture).len(), 4);
}
