use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::wire::tests::arb;
use crate::wire::{BODY_LIMIT, MESSAGE_OVERHEAD, Messages};

proptest! {
    #[test]
    fn body_never_exceeds_its_limit(
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
        prop_assert_eq!(read.expect("valid body"), expected);
    }

    /// With the recommended limit, messages of up to 1 KiB always fill the run that blake3 hashes
    /// in parallel, and exceed the run by less than one message.
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

    #[test]
    fn longest_message_of_a_limit_fits_an_empty_frame(limit in MESSAGE_OVERHEAD..100_000_usize) {
        let longest = vec![7; limit - MESSAGE_OVERHEAD];
        prop_assert!(OpenFrame::new(limit).push(&longest));
    }
}

#[test]
fn frame_is_full_when_its_whole_runs_are_filled() {
    let filled = |limit, size| {
        let mut open = OpenFrame::new(limit);
        while open.push(&vec![7; size]) {}
        open.body_len()
    };
    assert_eq!(filled(1_000, 8), 1_000, "below one run only the limit applies");
    assert_eq!(filled(HASH_RUN - 1, 1), HASH_RUN - 1);
    assert_eq!(filled(HASH_RUN, 62), HASH_RUN);
    assert_eq!(filled(BODY_LIMIT, 62), HASH_RUN);
    assert_eq!(filled(3 * HASH_RUN - 1, 62), 2 * HASH_RUN);
    assert_eq!(filled(BODY_LIMIT, 2_000), 8 * 2_003, "longer messages may leave a run unfilled");
}

#[test]
fn message_fits_a_limit_of_exactly_its_size() {
    for len in [0, 1, 255, 256, 65_535, 65_536, 65_537] {
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
}
