use proptest::prelude::*;

use super::*;

proptest! {
    #[test]
    fn sequence_numbers_never_exceed_their_bound(value in any::<u64>(), frames in any::<u64>()) {
        prop_assert_eq!(Seq::new(value).is_some(), value <= MAX_SEQ);
        let seq = Seq::new(value & (MAX_SEQ - 1)).expect("within bounds");
        let later = seq.advance(frames);
        prop_assert_eq!(later.get(), seq.get().saturating_add(frames).min(MAX_SEQ));
        prop_assert_eq!(later.since(seq), later.get() - seq.get());
        prop_assert_eq!(seq.since(later), 0);
        prop_assert_eq!(seq.next(), seq.advance(1));
    }
}

#[test]
fn last_sequence_number_is_its_own_next() {
    let last = Seq::new(MAX_SEQ).expect("within bounds");
    assert_eq!(last.next(), last);
}

#[test]
fn ids_are_displayed_with_all_digits() {
    assert_eq!(SessionId(0xab).to_string(), "00000000000000ab");
    assert_eq!(PeerId(u64::MAX).to_string(), "ffffffffffffffff");
    assert_eq!(Seq::ZERO.next().to_string(), "1");
}
