use proptest::prelude::*;

use super::*;
use crate::wire::MAX_COUNT;
use crate::wire::tests::arb;

const EDGES: [usize; 7] = [0, 1, 255, 256, 65_535, 65_536, 65_537];

fn packed(messages: &[Vec<u8>]) -> Bytes {
    Bytes::copy_from_slice(arb::packed(messages).body())
}

proptest! {
    #[test]
    fn messages_read_back(messages in arb::messages()) {
        let body = packed(&messages);
        prop_assert_eq!(count_messages(&body), Ok(messages.len() as u32));
        let read: Result<Vec<_>, _> = Messages::new(body.clone()).collect();
        prop_assert_eq!(&read.expect("in order"), &messages);
        let slices: Result<Vec<_>, _> = MessageSlices::new(&body).collect();
        prop_assert_eq!(&slices.expect("in order"), &messages);
    }

    /// Three ways to read a body, one opinion; and nothing after an error.
    #[test]
    fn readers_agree_on_any_body(body in arb::soup(), messages in arb::messages()) {
        let body = Bytes::from([&packed(&messages)[..], &body].concat());
        let owned: Vec<_> = Messages::new(body.clone()).collect();
        let slices: Vec<_> = MessageSlices::new(&body).collect();
        prop_assert_eq!(owned.len(), slices.len());
        for (owned, slice) in owned.iter().zip(&slices) {
            prop_assert_eq!(owned.as_ref().map(|bytes| &bytes[..]), slice.as_ref().map(|&s| s));
        }
        let error = owned.last().and_then(|last| last.as_ref().err().copied());
        let errors = owned.iter().filter(|message| message.is_err()).count();
        prop_assert_eq!(errors, usize::from(error.is_some()));
        match count_messages(&body) {
            Ok(count) => prop_assert_eq!((owned.len(), error), (count as usize, None)),
            Err(said) => prop_assert_eq!(Some(said), error),
        }
    }

    #[test]
    fn a_cut_body_is_cut_short_or_has_fewer_messages(
        messages in arb::messages(),
        at in any::<prop::sample::Index>(),
    ) {
        let body = packed(&messages);
        if body.is_empty() {
            return Ok(());
        }
        match count_messages(&body[..at.index(body.len())]) {
            Ok(count) => prop_assert!((count as usize) < messages.len()),
            Err(error) => prop_assert_eq!(error, WireError::Truncated),
        }
    }

    #[test]
    fn the_limit_is_kept_to_the_byte(
        messages in arb::messages(),
        limit in prop_oneof![0..1000_usize, 60_000..70_000_usize],
    ) {
        let mut open = OpenFrame::new(limit);
        let mut expected = Vec::new();
        for message in messages {
            let full = open.is_full();
            let before = open.body_len();
            let fits = before + message_len(message.len()) <= limit && !full;
            prop_assert_eq!(open.push(&message), fits);
            if fits {
                prop_assert_eq!(open.body_len(), before + message_len(message.len()));
                expected.push(message);
            } else {
                prop_assert_eq!(open.body_len(), before);
            }
            prop_assert!(open.body_len() <= limit);
        }
        prop_assert_eq!(open.messages() as usize, expected.len());
        prop_assert_eq!(open.is_empty(), expected.is_empty());
        let body = Bytes::from(open.body().to_vec());
        let read: Result<Vec<_>, _> = Messages::new(body).collect();
        prop_assert_eq!(read.expect("in order"), expected);
    }

    #[test]
    fn lengths_are_written_as_rmp_writes_them(len in any::<u32>(), shift in 0..32_u32) {
        same_as_rmp(len >> shift);
    }

    #[test]
    fn fragments_read_back(
        piece in arb::bytes(300).prop_filter("never empty", |piece| !piece.is_empty()),
        offset in arb::number(),
        rest in arb::number(),
    ) {
        let offset = offset.min(MAX_COUNT - piece.len() as u64);
        let total = (offset + piece.len() as u64).saturating_add(rest).min(MAX_COUNT);
        let buf = encode_fragment(total, offset, &piece);
        prop_assert!(buf.len() <= MAX_HEADER + FRAGMENT_OVERHEAD + piece.len());
        let body = buf.freeze().slice(MAX_HEADER..);
        let read = Fragment::decode(&body).expect("in order");
        prop_assert_eq!(read.is_last(), offset + piece.len() as u64 == total);
        prop_assert_eq!(read, Fragment { total, offset, piece: piece.into() });
        for cut in 0..body.len() {
            prop_assert_eq!(Fragment::decode(&body.slice(..cut)), Err(WireError::Truncated));
        }
    }

    /// What is taken for a fragment is what the encoder would write for it.
    #[test]
    fn fragments_have_one_encoding(
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
                let again = encode_fragment(read.total, read.offset, &read.piece);
                prop_assert_eq!(&again[MAX_HEADER..], &body[..]);
                prop_assert!(!read.piece.is_empty() && read.total <= MAX_COUNT);
                prop_assert!(read.offset + read.piece.len() as u64 <= read.total);
            }
        }
    }
}

proptest! {
    /// With the limit that is recommended, messages of up to 1 KiB always fill the run that is hashed
    /// at full speed, and go beyond it by less than one of them.
    #[test]
    fn short_messages_fill_a_whole_run(sizes in prop::collection::vec(0..=1024_usize, 1..50)) {
        let mut open = OpenFrame::new(BODY_LIMIT);
        let mut last = 0;
        for &size in sizes.iter().cycle() {
            if !open.push(&vec![7; size]) {
                break;
            }
            last = message_len(size);
        }
        prop_assert!(open.is_full());
        prop_assert!((HASH_RUN..=BODY_LIMIT).contains(&open.body_len()));
        prop_assert!(open.body_len() - last < HASH_RUN);
    }

    /// Whatever the limit, its longest message fits a frame of its own.
    #[test]
    fn a_message_of_the_limit_fits_an_empty_frame(limit in MESSAGE_OVERHEAD..100_000_usize) {
        let longest = vec![7; limit - MESSAGE_OVERHEAD];
        prop_assert!(OpenFrame::new(limit).push(&longest));
    }
}

#[test]
fn a_frame_is_full_once_it_has_filled_its_runs() {
    let filled = |limit, size| {
        let mut open = OpenFrame::new(limit);
        while open.push(&vec![7; size]) {}
        open.body_len()
    };
    assert_eq!(filled(1_000, 8), 1_000, "below a run the limit alone counts");
    assert_eq!(filled(HASH_RUN - 1, 1), HASH_RUN - 1);
    assert_eq!(filled(HASH_RUN, 62), HASH_RUN);
    assert_eq!(filled(BODY_LIMIT, 62), HASH_RUN);
    assert_eq!(filled(3 * HASH_RUN - 1, 62), 2 * HASH_RUN);
    assert_eq!(filled(BODY_LIMIT, 2_000), 8 * 2_003, "a longer message may leave a run unfilled");
}

/// `put_bin_len` and `message_len` against rmp's own `write_bin_len`.
fn same_as_rmp(len: u32) {
    let mut ours = BytesMut::new();
    put_bin_len(&mut ours, len as usize);
    let mut theirs = Vec::new();
    rmp::encode::write_bin_len(&mut theirs, len).expect("in memory");
    assert_eq!(&ours[..], &theirs[..], "{len}");
    assert_eq!(message_len(len as usize), theirs.len() + len as usize);
    assert!(theirs.len() <= MESSAGE_OVERHEAD);
}

#[test]
fn the_edges_of_the_length_encodings() {
    for len in EDGES {
        same_as_rmp(len as u32);
        let message = vec![7; len];
        let mut open = OpenFrame::new(message_len(len));
        assert!(open.push(&message));
        assert_eq!(open.body_len(), message_len(len));
        assert_eq!(open.messages(), 1);
        let body = Bytes::copy_from_slice(open.body());
        assert_eq!(Messages::new(body).collect::<Vec<_>>(), [Ok(Bytes::from(message.clone()))]);

        let mut tight = OpenFrame::new(message_len(len) - 1);
        assert!(!tight.push(&message), "{len} bytes need {}", message_len(len));
        assert!(tight.is_empty() && tight.body().is_empty());
    }
    same_as_rmp(u32::MAX);
}

#[test]
fn a_longer_marker_than_needed_is_refused() {
    let long = Err(WireError::Malformed("message length"));
    let mut bin16 = vec![0xc5, 0, 255];
    bin16.resize(3 + 255, 0);
    assert_eq!(count_messages(&bin16), long);
    let mut bin32 = vec![0xc6, 0, 0, 255, 255];
    bin32.resize(5 + 65_535, 0);
    assert_eq!(count_messages(&bin32), long);
    assert_eq!(count_messages(&[0xc6, 0, 0, 0, 0]), long);
    assert_eq!(count_messages(&[0xa1, b'a']), Err(WireError::Malformed("message")));
    assert_eq!(count_messages(&[]), Ok(0));
}

#[test]
fn a_body_that_ends_within_a_length_is_cut_short() {
    for body in [&[0xc4][..], &[0xc5], &[0xc5, 1], &[0xc6, 0, 1, 0], &[0xc4, 2, 1]] {
        assert_eq!(count_messages(body), Err(WireError::Truncated), "{body:02x?}");
        let first = Messages::new(Bytes::copy_from_slice(body)).next();
        assert_eq!(first, Some(Err(WireError::Truncated)), "{body:02x?}");
    }
}

#[test]
fn fragments_that_cannot_be_are_refused() {
    let out_of_range = Err(WireError::OutOfRange("fragment"));
    let said = |total, offset, piece: &[u8]| {
        let body = encode_fragment(total, offset, piece).freeze().slice(MAX_HEADER..);
        Fragment::decode(&body).map(|_| ())
    };
    assert_eq!(said(5, 0, b"piece"), Ok(()));
    assert_eq!(said(4, 0, b"piece"), out_of_range);
    assert_eq!(said(5, 1, b"piece"), out_of_range);
    assert_eq!(said(5, 5, b""), out_of_range);
    assert_eq!(said(MAX_COUNT, MAX_COUNT - 5, b"piece"), Ok(()));
    assert_eq!(said(MAX_COUNT, MAX_COUNT, b"piece"), out_of_range);
    // Numbers beyond what the protocol counts to.
    let mut huge = vec![0xcf];
    huge.extend_from_slice(&u64::MAX.to_be_bytes());
    let huge = [&huge[..], &huge, &[0xc4, 1, 0]].concat();
    let error = Err(WireError::OutOfRange("message length"));
    assert_eq!(Fragment::decode(&Bytes::from(huge)), error);
    let trailing = Bytes::from_static(&[1, 0, 0xc4, 1, 0, 0]);
    assert_eq!(Fragment::decode(&trailing), Err(WireError::Malformed("trailing bytes")));
}

/// Built by hand, a fragment may be nonsense; asking it must not overflow.
#[test]
fn a_fragment_beyond_all_bounds_is_not_the_last() {
    let piece = Bytes::from_static(b"piece");
    assert!(!Fragment { total: 5, offset: u64::MAX, piece }.is_last());
}
