use proptest::prelude::*;

use super::*;
use crate::wire::tests::arb;

proptest! {
    #[test]
    fn digest_matches_its_own_body_only(
        body in arb::bytes(2000),
        at in any::<prop::sample::Index>(),
        flip in 1..=u8::MAX,
        integrity in arb::integrity(),
    ) {
        let digest = integrity.digest(&body);
        prop_assert_eq!(digest.integrity(), integrity);
        prop_assert!(digest.matches(&body));
        if body.is_empty() || integrity == Integrity::None {
            return Ok(());
        }
        let at = at.index(body.len());
        prop_assert!(!digest.matches(&body[..at]));
        let mut changed = body;
        changed[at] ^= flip;
        prop_assert!(!digest.matches(&changed));
    }
}

/// RFC 3720 appendix B.4, and the published test vector of blake3 for no input.
#[test]
fn digests_equal_the_published_vectors() {
    assert_eq!(Integrity::Crc32c.digest(&[0; 32]), Digest::Crc32c(0x8a91_36aa));
    assert_eq!(Integrity::Crc32c.digest(&[0xff; 32]), Digest::Crc32c(0x62a8_ab43));
    let empty = 0xaf13_49b9_f5f9_a1a6_a040_4dea_36dc_c949_u128;
    assert_eq!(Integrity::Blake3.digest(&[]), Digest::Blake3(empty.to_be_bytes()));
    assert_eq!(Integrity::None.digest(b"anything"), Digest::None);
}

#[test]
fn names_and_codes_of_integrity_read_back() {
    for integrity in [Integrity::Blake3, Integrity::Crc32c, Integrity::None] {
        assert_eq!(integrity.to_string().parse(), Ok(integrity));
        assert_eq!(Integrity::from_code(integrity.code()), Some(integrity));
    }
    assert!((3..=u8::MAX).all(|code| Integrity::from_code(code).is_none()));
    let error = "md5".parse::<Integrity>().map_err(|error| error.to_string());
    assert_eq!(error, Err("unknown digest 'md5': use blake3, crc32c or none".to_owned()));
}

#[test]
fn debug_output_does_not_contain_the_key() {
    assert_eq!(format!("{:?}", Key::from_bytes([7; 32])), "Key(..)");
}

#[test]
fn different_secrets_derive_different_keys() {
    assert_ne!(Key::derive(b"one"), Key::derive(b"two"));
    assert_eq!(Key::derive(b"one"), Key::derive(b"one"));
}

#[test]
fn derived_key_never_changes() {
    let derived = Key::derive(b"a secret of high entropy");
    assert_eq!(derived, Key::from_bytes(DERIVED));
}

const DERIVED: [u8; 32] = [
    0x35, 0xf8, 0x91, 0x85, 0x4c, 0xf5, 0x95, 0x37, 0xce, 0xaf, 0x8d, 0xc5, 0x9c, 0xd5, 0xa3, 0x85,
    0xf9, 0xaa, 0x34, 0x07, 0x94, 0x83, 0xf1, 0x67, 0xcc, 0x03, 0x23, 0x91, 0xce, 0x18, 0x74, 0x86,
];
