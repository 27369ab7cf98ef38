use proptest::prelude::*;

use super::*;
use crate::wire::MAX_COUNT;
use crate::wire::tests::arb;

proptest! {
    #[test]
    fn fragment_reads_back(
        part in arb::bytes(300).prop_filter("never empty", |part| !part.is_empty()),
        offset in arb::number(),
        rest in arb::number(),
    ) {
        let offset = offset.min(MAX_COUNT - part.len() as u64);
        let total = (offset + part.len() as u64).saturating_add(rest).min(MAX_COUNT);
        let buf = encode_fragment(total, offset, &part);
        prop_assert!(buf.len() <= MAX_HEADER + FRAGMENT_OVERHEAD + part.len());
        let body = buf.freeze().slice(MAX_HEADER..);
        let read = Fragment::decode(&body).expect("valid body");
        prop_assert_eq!(read.is_last(), offset + part.len() as u64 == total);
        prop_assert_eq!(read, Fragment { total, offset, part: part.into() });
        for cut in 0..body.len() {
            prop_assert_eq!(Fragment::decode(&body.slice(..cut)), Err(WireError::Truncated));
        }
    }

    #[test]
    fn fragment_has_one_encoding(
        soup in arb::soup(),
        total in arb::number(),
        offset in arb::number(),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let mut changed = encode_fragment(total, offset, b"piece")[MAX_HEADER..].to_vec();
        let at = at.index(changed.len());
        changed[at] = byte;
        for body in [changed, soup] {
            let body = Bytes::from(body);
            if let Ok(read) = Fragment::decode(&body) {
                let again = encode_fragment(read.total, read.offset, &read.part);
                prop_assert_eq!(&again[MAX_HEADER..], &body[..]);
                prop_assert!(!read.part.is_empty() && read.total <= MAX_COUNT);
                prop_assert!(read.offset + read.part.len() as u64 <= read.total);
            }
        }
    }
}

#[test]
fn fragment_outside_its_message_is_refused() {
    let out_of_range = Err(WireError::OutOfRange("fragment"));
    let decoded = |total, offset, part: &[u8]| {
        let body = encode_fragment(total, offset, part).freeze().slice(MAX_HEADER..);
        Fragment::decode(&body).map(|_| ())
    };
    assert_eq!(decoded(5, 0, b"piece"), Ok(()));
    assert_eq!(decoded(4, 0, b"piece"), out_of_range);
    assert_eq!(decoded(5, 1, b"piece"), out_of_range);
    assert_eq!(decoded(5, 5, b""), out_of_range);
    assert_eq!(decoded(MAX_COUNT, MAX_COUNT - 5, b"piece"), Ok(()));
    assert_eq!(decoded(MAX_COUNT, MAX_COUNT, b"piece"), out_of_range);
    // A length above `MAX_COUNT`.
    let mut huge = vec![0xcf];
    huge.extend_from_slice(&u64::MAX.to_be_bytes());
    let huge = [&huge[..], &huge, &[0xc4, 1, 0]].concat();
    let error = Err(WireError::OutOfRange("message length"));
    assert_eq!(Fragment::decode(&Bytes::from(huge)), error);
    let trailing = Bytes::from_static(&[1, 0, 0xc4, 1, 0, 0]);
    assert_eq!(Fragment::decode(&trailing), Err(WireError::Malformed("trailing bytes")));
}

/// The fields are public, so a caller can build such a fragment. `is_last` must not overflow.
#[test]
fn fragment_beyond_all_bounds_is_not_the_last() {
    let part = Bytes::from_static(b"piece");
    assert!(!Fragment { total: 5, offset: u64::MAX, part }.is_last());
}
