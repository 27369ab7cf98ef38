use std::collections::BTreeSet;

use proptest::prelude::*;

use super::RangeSet;
use crate::wire::{MAX_SACK_RANGES, Seq};

fn seq(number: u64) -> Seq {
    Seq::ZERO.advance(number)
}

/// The ranges of a set of plain numbers, as the lowest that an ACK can carry.
fn ranges(numbers: &BTreeSet<u64>) -> Vec<(Seq, Seq)> {
    let mut ranges: Vec<(Seq, Seq)> = Vec::new();
    for &number in numbers {
        match ranges.last_mut() {
            Some((_, end)) if *end == seq(number) => *end = seq(number + 1),
            _ => ranges.push((seq(number), seq(number + 1))),
        }
    }
    ranges.truncate(MAX_SACK_RANGES);
    ranges
}

proptest! {
    #[test]
    fn same_as_a_set_of_numbers(steps in prop::collection::vec((0..200u64, prop::bool::weighted(0.1)), 0..300)) {
        let mut set = RangeSet::default();
        let mut numbers = BTreeSet::new();
        for (number, cut) in steps {
            if cut {
                set.remove_below(seq(number));
                numbers.retain(|&held| held >= number);
            } else if !numbers.contains(&number) {
                let alone = (number == 0 || !numbers.contains(&(number - 1)))
                    && !numbers.contains(&(number + 1));
                prop_assert_eq!(set.insert(seq(number)), alone);
                numbers.insert(number);
            }
            prop_assert_eq!(set.to_sack().iter().collect::<Vec<_>>(), ranges(&numbers));
        }
    }
}

#[test]
fn what_lies_from_a_number_on_is_forgotten() {
    let mut set = RangeSet::default();
    for number in [1, 2, 3, 7, 8, 12] {
        set.insert(seq(number));
    }
    set.remove_from(seq(20));
    assert_eq!(set.to_sack().len(), 3);
    set.remove_from(seq(8));
    assert_eq!(set.to_sack().iter().collect::<Vec<_>>(), [(seq(1), seq(4)), (seq(7), seq(8))]);
    set.remove_from(seq(7));
    assert_eq!(set.to_sack().iter().collect::<Vec<_>>(), [(seq(1), seq(4))]);
    set.remove_from(seq(0));
    assert!(set.to_sack().is_empty());
}
