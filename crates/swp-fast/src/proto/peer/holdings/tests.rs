use super::*;
use crate::testing::{at_ms as at, sack, seq};

/// Every frame was sent at the millisecond of its sequence number.
fn sent_at(seq: Seq) -> Option<Time> {
    Some(at(seq.get()))
}

fn missing(losses: &LossDetector, end: u64) -> Vec<u64> {
    (0..end).filter(|number| losses.is_missing(seq(*number))).collect()
}

#[test]
fn gaps_below_and_between_ranges_are_missing_until_they_close() {
    let (mut holdings, mut losses) =
        (Holdings::new(seq(0), SackRanges::default()), LossDetector::default());
    assert!(holdings.advance(seq(2)) && !holdings.advance(seq(1)));
    holdings.take_sack(&sack(&[(3, 5), (7, 8)]), seq(10), &mut losses, sent_at);
    assert_eq!(missing(&losses, 12), [2, 5, 6, 8, 9]);
    assert_eq!(holdings.evidence_end(), seq(10));
    holdings.take_sack(&sack(&[(3, 8)]), seq(10), &mut losses, sent_at);
    assert_eq!(missing(&losses, 12), [2, 8, 9]);
}

#[test]
fn a_frame_that_was_never_sent_is_not_missing() {
    let (mut holdings, mut losses) =
        (Holdings::new(seq(0), SackRanges::default()), LossDetector::default());
    holdings.take_sack(&sack(&[(4, 5)]), seq(5), &mut losses, |frame| {
        (frame != seq(1)).then(|| at(frame.get()))
    });
    assert_eq!(missing(&losses, 6), [0, 2, 3]);
}

#[test]
fn a_replaced_sack_makes_all_else_missing() {
    let (mut holdings, mut losses) =
        (Holdings::new(seq(0), SackRanges::default()), LossDetector::default());
    holdings.take_sack(&sack(&[(2, 6)]), seq(6), &mut losses, sent_at);
    holdings.replace_sack(&sack(&[(3, 4)]), &mut losses, sent_at);
    assert_eq!(missing(&losses, 8), [0, 1, 2, 4, 5]);
}

#[test]
fn only_the_newest_ack_counts_as_newest() {
    let mut holdings = Holdings::new(seq(0), SackRanges::default());
    let newest = [3, 2, 3, 4].map(|number| holdings.note_ack(seq(number)));
    assert_eq!(newest, [true, false, false, true]);
}

#[test]
fn held_ranges_are_skipped_on_the_way_to_the_newest_frame() {
    let mut holdings = Holdings::new(seq(3), sack(&[(4, 6), (7, 9)]));
    assert_eq!((holdings.start(), holdings.held_end()), (seq(3), seq(9)));
    let next = |holdings: &mut Holdings| {
        let next = holdings.skip_held();
        assert_eq!(holdings.note_sent_next(), next);
        next.get()
    };
    assert_eq!([next(&mut holdings), next(&mut holdings), next(&mut holdings)], [3, 6, 9]);
}

/// The consumer rejoined, and frames that it held before have arrived on the way.
#[test]
fn frames_in_a_replaced_sack_are_not_missing() {
    let (mut holdings, mut losses) =
        (Holdings::new(seq(0), SackRanges::default()), LossDetector::default());
    holdings.take_sack(&sack(&[(1, 8), (9, 12)]), seq(12), &mut losses, sent_at);
    assert_eq!(missing(&losses, 12), [0, 8]);
    holdings.replace_sack(&sack(&[(1, 12)]), &mut losses, sent_at);
    assert_eq!(missing(&losses, 12), [0]);
    holdings.take_sack(&sack(&[(1, 12)]), seq(12), &mut losses, sent_at);
    assert_eq!(missing(&losses, 12), [0]);
}

/// An ack from before a rejoin can arrive after it, and names frames that were discarded since.
#[test]
fn frames_that_the_newest_ack_no_longer_lists_are_missing_again() {
    let (mut holdings, mut losses) =
        (Holdings::new(seq(0), SackRanges::default()), LossDetector::default());
    holdings.take_sack(&sack(&[(5, 19)]), seq(19), &mut losses, sent_at);
    assert_eq!(missing(&losses, 20), [0, 1, 2, 3, 4]);
    holdings.take_sack(&sack(&[(5, 7)]), seq(7), &mut losses, sent_at);
    assert_eq!(missing(&losses, 20), [0, 1, 2, 3, 4], "the ack says nothing from frame 7 on");
    holdings.take_sack(&sack(&[(5, 7)]), seq(19), &mut losses, sent_at);
    let all = [0, 1, 2, 3, 4].into_iter().chain(7..19);
    assert_eq!(missing(&losses, 20), all.collect::<Vec<_>>());
    holdings.advance(seq(5));
    losses.note_arrived_below(seq(5));
    holdings.take_sack(&sack(&[(8, 12)]), seq(12), &mut losses, sent_at);
    assert_eq!(missing(&losses, 20), [5, 6, 7, 12, 13, 14, 15, 16, 17, 18]);
}

/// Below the end of an ack, the frames that it does not list are missing, whatever acks said
/// before.
#[test]
fn the_newest_ack_decides_what_is_missing_below_its_end() {
    let frames = 24;
    let acks = proptest::collection::vec(
        (proptest::collection::vec(proptest::bool::ANY, frames), 0..=frames, 0..3_usize),
        1..12,
    );
    proptest::proptest!(|(acks in acks)| {
        let mut holdings = Holdings::new(seq(0), SackRanges::default());
        let mut losses = LossDetector::default();
        let (mut cumulative, mut evidence) = (0, 0);
        let mut model = vec![false; frames];
        for (held, end, advance) in acks {
            cumulative = (cumulative + advance).min(frames);
            holdings.advance(seq(cumulative as u64));
            losses.note_arrived_below(seq(cumulative as u64));
            let end = end.max(cumulative);
            evidence = evidence.max(end);
            let listed = |at: usize| at > cumulative && at < end && held[at];
            let mut ranges: Vec<(u64, u64)> = Vec::new();
            for at in (0..frames).filter(|at| listed(*at)) {
                match ranges.last_mut().filter(|range| range.1 == at as u64) {
                    Some(range) => range.1 += 1,
                    None => ranges.push((at as u64, at as u64 + 1)),
                }
            }
            holdings.take_sack(&sack(&ranges), seq(end as u64), &mut losses, sent_at);
            for (at, missing) in model.iter_mut().enumerate().take(end) {
                *missing = at >= cumulative && !listed(at);
            }
            let expected = (0..frames as u64).filter(|at| model[*at as usize]);
            proptest::prop_assert_eq!(missing(&losses, frames as u64), expected.collect::<Vec<_>>());
            proptest::prop_assert_eq!(holdings.evidence_end(), seq(evidence as u64));
        }
    });
}
