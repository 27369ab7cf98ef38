use proptest::prelude::*;

use super::*;

proptest! {
    #[test]
    fn long_reason_is_cut_at_a_character_boundary(text in "\\PC{0,300}") {
        let reset = Reset { peer: PeerId(9), code: ResetCode::Refused, reason: text.clone() };
        let reason = Reset::decode(&reset.encode()).expect("valid body").reason;
        prop_assert!(text.starts_with(&reason) && reason.len() <= MAX_REASON);
        prop_assert!(reason == text || reason.len() > MAX_REASON - 4);
    }
}

#[test]
fn every_code_reads_back_as_its_reason() {
    use ResetCode::*;
    let codes = [
        Version,
        StreamInUse,
        Refused,
        UnknownSession,
        TimedOut,
        Cancelled,
        Protocol,
        TooSlow,
        Unavailable,
    ];
    assert_eq!(ResetCode::ALL, codes);
    for code in 0..=u8::MAX {
        let read = ResetCode::from_code(code);
        assert_eq!(read.is_some(), (1..=9).contains(&code));
        assert!(read.is_none_or(|read| read as u8 == code));
    }
}

#[test]
fn unknown_reset_code_is_refused() {
    let decoded = Reset::decode(&[0x93, 9, 10, 0xa0]);
    assert_eq!(decoded, Err(WireError::OutOfRange("reset code")));
}
