use std::collections::BTreeSet;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use super::*;
use crate::wire::tests::arb;

const PEER: PeerId = PeerId(9);

/// A `uint 64` with all bits set, which is above `MAX_COUNT`.
const HUGE: &[u8] = &[0xcf, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];

proptest! {
    #[test]
    fn fin_can_be_read_with_a_trailer_of_any_length(len in 0..3 * MAX_TRAILER) {
        let fin = Fin { end: Seq::ZERO, trailer: Bytes::from(vec![7; len]) };
        let read = Fin::decode(&fin.encode()).expect("valid body");
        prop_assert_eq!(read.trailer, &fin.trailer[..len.min(MAX_TRAILER)]);
    }
}

#[test]
fn every_code_reads_back_as_its_kind() {
    for code in 0..=u8::MAX {
        let kind = Kind::from_code(code);
        assert_eq!(kind, Kind::ALL.get(usize::from(code)).copied());
        assert!(kind.is_none_or(|kind| kind as u8 == code));
    }
}

#[test]
fn only_data_and_fragment_carry_messages() {
    let data: Vec<_> = Kind::ALL.iter().filter(|kind| kind.is_data()).collect();
    assert_eq!(data, [&Kind::Data, &Kind::Fragment]);
}

#[test]
fn property_tests_draw_every_control_kind() {
    let mut runner = TestRunner::deterministic();
    let mut drawn = BTreeSet::new();
    for _ in 0..1_000 {
        let tree = arb::control().new_tree(&mut runner).expect("a value");
        drawn.insert(tree.current().kind() as u8);
    }
    let control = Kind::ALL.iter().filter(|kind| !kind.is_data());
    assert_eq!(drawn, control.map(|&kind| kind as u8).collect());
}

#[test]
fn claiming_is_one_or_zero() {
    for claiming in [false, true] {
        let announce = Announce { peer: PEER, claiming };
        assert_eq!(Announce::decode(&announce.encode()), Ok(announce));
    }
    for byte in [2, 3, 0x7f] {
        let decoded = Announce::decode(&[0x92, 9, byte]);
        assert_eq!(decoded, Err(WireError::OutOfRange("claiming")), "{byte}");
    }
}

#[test]
fn only_ids_may_use_all_64_bits() {
    let number = Probe::decode(&[&[0x95, 0x90], HUGE, &[1, 1, 1]].concat());
    assert_eq!(number, Err(WireError::OutOfRange("probe count")));
    let peer = FinAck::decode(&[&[0x91], HUGE].concat());
    assert_eq!(peer, Ok(FinAck { peer: PeerId(u64::MAX) }));
}
