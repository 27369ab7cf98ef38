use swp_fast::wire::{Fragment, MAX_HEADER, OpenFrame, encode_fragment};

use super::*;

fn fragments(record: &[u8], part_len: usize) -> Vec<Fragment> {
    let cut = |(number, part): (usize, &[u8])| {
        let offset = (number * part_len) as u64;
        let body = encode_fragment(record.len() as u64, offset, part).split_off(MAX_HEADER);
        Fragment::decode(&body.freeze()).expect("decodes")
    };
    record.chunks(part_len).enumerate().map(cut).collect()
}

proptest! {
    #[test]
    fn packing_and_cutting_make_no_difference(
        records in vec((vec(any::<u8>(), 1..3000), 0..2000usize), 0..20),
        limit in 100..9000usize,
    ) {
        let mut digest = ContentDigest::new();
        let mut frame = OpenFrame::new(limit);
        for (record, part_len) in &records {
            // Packed where it fits and chance says so, else in parts of a length that chance chose.
            let wanted = part_len % 3 != 0;
            if wanted && (frame.push(record) || {
                digest.update_body(frame.body()).expect("between records");
                frame = OpenFrame::new(limit);
                frame.push(record)
            }) {
                continue;
            }
            digest.update_body(frame.body()).expect("between records");
            frame = OpenFrame::new(limit);
            for fragment in fragments(record, part_len + 1) {
                digest.update_fragment(&fragment).expect("in order");
            }
        }
        digest.update_body(frame.body()).expect("between records");
        let wanted = content_of(records.iter().map(|(record, _)| record.as_slice()));
        prop_assert_eq!(digest.finish(), Ok(wanted));
    }
}

#[test]
fn fragments_that_do_not_follow_are_refused_and_change_nothing() {
    let record = vec![5; 1000];
    let parts = fragments(&record, 300);
    let mut digest = ContentDigest::new();
    let early = digest.update_fragment(&parts[1]);
    assert_eq!(early, Err(BodyError::NoBeginning { offset: 300 }));
    digest.update_fragment(&parts[0]).expect("the first");
    let again = digest.update_fragment(&parts[0]);
    assert_eq!(again, Err(BodyError::OutOfOrder { expected: 300, found: 0 }));
    let skipped = digest.update_fragment(&parts[2]);
    assert_eq!(skipped, Err(BodyError::OutOfOrder { expected: 300, found: 600 }));
    let other = Fragment { total: 2000, ..parts[1].clone() };
    assert_eq!(digest.update_fragment(&other), Err(BodyError::Total(2000)));
    let unfinished = BodyError::Unfinished { total: 1000, have: 300 };
    assert_eq!(digest.update_body(b""), Err(unfinished));
    assert_eq!(digest.finish(), Err(unfinished));
    for part in &parts[1..] {
        digest.update_fragment(part).expect("in order");
    }
    assert_eq!(digest.finish(), Ok(content_of([record.as_slice()])));
}

#[test]
fn a_record_longer_than_any_can_be_is_refused() {
    let part = Bytes::from_static(b"x");
    let endless = Fragment { total: u64::MAX, offset: 0, part };
    assert_eq!(ContentDigest::new().update_fragment(&endless), Err(BodyError::Total(u64::MAX)));
}
