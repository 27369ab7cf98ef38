use proptest::prelude::*;

use super::*;
use crate::wire::tests::arb;
use crate::wire::{MAX_COUNT, MAX_SEQ};

fn seq(value: u64) -> Seq {
    Seq::new(value).expect("within bounds")
}

fn ack(cumulative: u64, ranges: &[(u64, u64)]) -> Ack {
    let mut sack = SackRanges::default();
    for &(start, end) in ranges {
        assert!(sack.push(seq(start), seq(end)));
    }
    Ack {
        peer: PeerId(1),
        cumulative: seq(cumulative),
        sack,
        credit: Credit::default(),
        latest: None,
        delay_us: 0,
        probe: 0,
        probe_delay_us: 0,
        generation: 1,
        duplicates: 0,
        dropped: 0,
    }
}

/// The body of an ack with these lengths of gaps and ranges, and without bounds checks.
fn body(cumulative: u64, lengths: &[u64]) -> Vec<u8> {
    let mut body = Vec::new();
    rmp::encode::write_array_len(&mut body, 12).expect("in memory");
    for value in [1, cumulative, 0, 0, 0, 0, 0, 0, 1, 0, 0] {
        rmp::encode::write_uint(&mut body, value).expect("in memory");
    }
    rmp::encode::write_array_len(&mut body, lengths.len() as u32).expect("in memory");
    for &length in lengths {
        rmp::encode::write_uint(&mut body, length).expect("in memory");
    }
    body
}

proptest! {
    #[test]
    fn ack_reads_back(ack in arb::ack()) {
        prop_assert_eq!(Ack::decode(&ack.encode()), Ok(ack));
    }

    /// The type allows ranges at or below the cumulative ack, which a decoder would refuse.
    #[test]
    fn every_ack_that_can_be_built_can_be_decoded(
        ack in arb::ack(),
        cumulative in arb::seq(),
        bytes in any::<u64>(),
        probe in any::<u64>(),
    ) {
        let credit = Credit { bytes, ..ack.credit };
        let ack = Ack { cumulative, credit, probe, ..ack };
        let read = Ack::decode(&ack.encode()).expect("valid body");
        let above: Vec<_> = ack.sack.iter().filter(|&(start, _)| start > cumulative).collect();
        prop_assert_eq!(read.sack.iter().collect::<Vec<_>>(), above);
        prop_assert_eq!(read.cumulative, cumulative);
        prop_assert_eq!(read.credit.bytes, bytes.min(MAX_COUNT));
        prop_assert_eq!(read.probe, probe.min(MAX_COUNT));
    }

    #[test]
    fn push_keeps_ranges_ascending_and_apart(
        pushes in prop::collection::vec((0..200_u64, 0..200_u64), 0..100),
    ) {
        let mut sack = SackRanges::default();
        let mut expected: Vec<(u64, u64)> = Vec::new();
        for (start, end) in pushes {
            let fits = start < end
                && expected.last().is_none_or(|&(_, last)| last < start)
                && expected.len() < MAX_SACK_RANGES;
            prop_assert_eq!(sack.push(seq(start), seq(end)), fits);
            if fits {
                expected.push((start, end));
            }
        }
        let held: Vec<_> = sack.iter().map(|(start, end)| (start.get(), end.get())).collect();
        prop_assert_eq!(held, expected);
    }
}

#[test]
fn invalid_ranges_are_refused() {
    let malformed = Err(WireError::Malformed("sack ranges"));
    let gap = Err(WireError::OutOfRange("sack gap"));
    let range = Err(WireError::OutOfRange("sack range"));
    let decoded = |lengths: &[u64]| Ack::decode(&body(5, lengths)).map(|ack| ack.sack);
    assert_eq!(decoded(&[1, 1]), Ok(ack(5, &[(6, 7)]).sack));
    assert_eq!(decoded(&[0, 1]), malformed, "the first range touches the cumulative ack");
    assert_eq!(decoded(&[1, 0]), malformed, "an empty range");
    assert_eq!(decoded(&[1, 1, 0, 1]), malformed, "two ranges that touch");
    assert_eq!(decoded(&[1, 1, 1]), malformed, "a range without its length");
    assert_eq!(decoded(&[1; 66]), Err(WireError::OutOfRange("sack ranges")), "33 ranges");
    assert_eq!(decoded(&[1; 64]).map(|sack| sack.len()), Ok(32));
    assert_eq!(decoded(&[MAX_SEQ - 5, 1]), range);
    assert_eq!(decoded(&[MAX_SEQ - 4, 1]), gap);
    assert_eq!(decoded(&[u64::MAX, 1]), gap);
    assert_eq!(decoded(&[1, u64::MAX]), range);
    assert_eq!(decoded(&[MAX_SEQ - 6, 1]), Ok(ack(5, &[(MAX_SEQ - 1, MAX_SEQ)]).sack));
}

#[test]
fn ranges_at_or_below_the_cumulative_ack_are_left_out() {
    let first_sent = |cumulative| {
        let ack = ack(cumulative, &[(6, 8), (10, 12), (20, 21)]);
        Ack::decode(&ack.encode()).map(|ack| ack.sack.iter().next().map(|(start, _)| start.get()))
    };
    assert_eq!(first_sent(5), Ok(Some(6)));
    assert_eq!(first_sent(6), Ok(Some(10)), "the first range touches the cumulative ack");
    assert_eq!(first_sent(7), Ok(Some(10)));
    assert_eq!(first_sent(9), Ok(Some(10)));
    assert_eq!(first_sent(30), Ok(None));
}

#[test]
fn last_sequence_number_can_be_the_latest_frame() {
    let last = Ack { latest: Some(seq(MAX_SEQ - 1)), ..ack(0, &[]) };
    assert_eq!(Ack::decode(&last.encode()), Ok(last));
    let first = Ack { latest: Some(Seq::ZERO), ..ack(0, &[]) };
    assert_eq!(Ack::decode(&first.encode()), Ok(first));
}

#[test]
fn largest_ack_has_its_documented_size() {
    let wide = 1_u64 << 33;
    let ranges: Vec<_> = (1..=32).map(|n| ((2 * n) * wide, (2 * n + 1) * wide)).collect();
    let largest = Ack {
        peer: PeerId(u64::MAX),
        credit: Credit { frames: seq(MAX_SEQ), bytes: MAX_COUNT },
        latest: Some(seq(MAX_SEQ - 1)),
        delay_us: u32::MAX,
        probe: MAX_COUNT,
        probe_delay_us: u32::MAX,
        generation: 1,
        duplicates: MAX_COUNT,
        dropped: MAX_COUNT,
        ..ack(wide, &ranges)
    };
    let body = largest.encode();
    assert_eq!(body.len(), 663);
    assert_eq!(Ack::decode(&body), Ok(largest));
}

#[test]
fn credit_compares_frames_and_bytes_separately() {
    let left = Credit { frames: seq(3), bytes: 100 };
    let right = Credit { frames: seq(5), bytes: 50 };
    assert_eq!(left.max(right), Credit { frames: seq(5), bytes: 100 });
    assert_eq!(left.min(right), Credit { frames: seq(3), bytes: 50 });
}
