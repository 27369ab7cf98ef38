use proptest::prelude::*;

use super::*;
use crate::wire::tests::arb;
use crate::wire::{MAX_HEADER, MAX_SEQ, OpenFrame, Sealer};

proptest! {
    #[test]
    fn header_reads_back(
        header in arb::header(),
        key in prop::option::of(arb::key()),
        body in arb::bytes(40),
    ) {
        let digest = if key.is_some() { Digest::blake3(&body) } else { header.digest };
        let header = Header { digest, ..header };
        let encoded = header.encode(key.as_ref());
        prop_assert!(encoded.as_slice().len() <= MAX_HEADER);
        let frame = [encoded.as_slice(), &body].concat();
        let start = encoded.as_slice().len();
        prop_assert_eq!(Header::decode(&frame, key.as_ref()), Ok((header, start)));
        for cut in 0..start {
            let cut = Header::decode(&frame[..cut], key.as_ref());
            prop_assert_eq!(cut.err(), Some(WireError::Truncated));
        }
    }

    /// A header with the same fields, but a longer form of one integer, is refused.
    #[test]
    fn header_has_one_encoding(header in arb::header(), key in prop::option::of(arb::key())) {
        let digest = if key.is_some() { Digest::blake3(&[]) } else { header.digest };
        let header = Header { digest, ..header };
        let encoded = header.encode(key.as_ref()).as_slice().to_vec();
        for at in 0..encoded.len() {
            for wider in wider(&encoded[at..]) {
                let changed = resealed([&encoded[..at], &wider].concat(), key.as_ref());
                if changed == encoded {
                    continue; // The change was in the check, which `resealed` has replaced.
                }
                if let Ok((read, _)) = Header::decode(&changed, key.as_ref()) {
                    prop_assert_ne!(read, header, "{:02x?}", changed);
                }
            }
        }
    }

    #[test]
    fn preamble_reads_back(header in arb::header(), key in prop::option::of(arb::key())) {
        let encoded = header.encode(key.as_ref());
        let preamble =
            Preamble { version: VERSION, kind: Some(header.kind), session: header.session };
        prop_assert_eq!(Preamble::decode(encoded.as_slice()), Ok(preamble));
    }

    /// A header of another version may have any values behind its first three fields.
    #[test]
    fn preamble_of_another_version_reads_back(
        version in any::<u8>(),
        kind in any::<u8>(),
        session in arb::session(),
        fields in 3..=u32::MAX,
        garbage in arb::bytes(20),
    ) {
        let mut frame = Vec::new();
        rmp::encode::write_array_len(&mut frame, fields).expect("in memory");
        for value in [u64::from(version), u64::from(kind), session.0] {
            rmp::encode::write_uint(&mut frame, value).expect("in memory");
        }
        frame.extend(garbage);
        let expected = Preamble { version, kind: Kind::from_code(kind), session };
        prop_assert_eq!(Preamble::decode(&frame), Ok(expected));
    }

    #[test]
    fn decoding_a_preamble_never_panics(frame in arb::soup()) {
        let _ = Preamble::decode(&frame);
    }
}

/// Returns `bytes` with the integer at the front in each longer form, and in each signed form.
fn wider(bytes: &[u8]) -> Vec<Vec<u8>> {
    let (value, used): (u64, usize) = match *bytes {
        [value @ 0..0x80, ..] => (u64::from(value), 1),
        [0xcc, a, ..] => (u64::from(a), 2),
        [0xcd, a, b, ..] => (u64::from(u16::from_be_bytes([a, b])), 3),
        [0xce, a, b, c, d, ..] => (u64::from(u32::from_be_bytes([a, b, c, d])), 5),
        _ => return Vec::new(),
    };
    let rest = &bytes[used..];
    let mut all = Vec::new();
    if let Ok(small) = u8::try_from(value) {
        all.push([&[0xcc], &small.to_be_bytes()[..], rest].concat());
    }
    if let Ok(small) = i8::try_from(value) {
        all.push([&[0xd0], &small.to_be_bytes()[..], rest].concat());
    }
    if let Ok(small) = u16::try_from(value) {
        all.push([&[0xcd], &small.to_be_bytes()[..], rest].concat());
    }
    if let Ok(small) = i16::try_from(value) {
        all.push([&[0xd1], &small.to_be_bytes()[..], rest].concat());
    }
    if let Ok(small) = u32::try_from(value) {
        all.push([&[0xce], &small.to_be_bytes()[..], rest].concat());
    }
    if let Ok(small) = i32::try_from(value) {
        all.push([&[0xd2], &small.to_be_bytes()[..], rest].concat());
    }
    all.push([&[0xcf], &value.to_be_bytes()[..], rest].concat());
    all.push([&[0xd3], &value.to_be_bytes()[..], rest].concat());
    all.retain(|wide| wide != bytes);
    all
}

/// Replaces the check at the end of `encoded` with a check that matches. Returns `encoded`
/// unchanged if it has no check there.
fn resealed(encoded: Vec<u8>, key: Option<&Key>) -> Vec<u8> {
    let check = if key.is_some() { 18 } else { 5 };
    let Some(covered) = encoded.len().checked_sub(check).map(|len| &encoded[..len]) else {
        return encoded;
    };
    match (key, encoded[covered.len()]) {
        (Some(key), 0xc4) => [covered, &[0xc4, 16], &key.tag(covered)].concat(),
        (None, 0xce) => {
            let mut sealed = covered.to_vec();
            rmp::encode::write_uint(&mut sealed, u64::from(crc_fast::crc32_iscsi(covered)))
                .expect("in memory");
            sealed
        }
        _ => encoded,
    }
}

/// Returns a header with these encoded fields and a check that matches.
fn header_of(fields: &[u8], key: Option<&Key>) -> Vec<u8> {
    let dummy: &[u8] = if key.is_some() { &[0xc4; 18] } else { &[0xce; 5] };
    resealed([fields, dummy].concat(), key)
}

#[test]
fn invalid_fields_are_refused() {
    let decoded = |fields: &[u8]| Header::decode(&header_of(fields, None), None).map(|_| ());
    assert_eq!(decoded(&[0x96, 1, 0, 5, 1, 0, 0xc4, 0]), Ok(()));
    assert_eq!(decoded(&[0x95, 1, 0, 5, 1, 0, 0xc4, 0]), Err(WireError::Malformed("header")));
    assert_eq!(decoded(&[0x97, 1, 0, 5, 1, 0, 0xc4, 0]), Err(WireError::Malformed("header")));
    assert_eq!(decoded(&[0x96, 1, 11, 5, 1, 0, 0xc4, 0]), Err(WireError::Malformed("kind")));
    assert_eq!(decoded(&[0x96, 1, 0xff, 5, 1, 0, 0xc4, 0]), Err(WireError::Malformed("kind")));
    assert_eq!(decoded(&[0x96, 1, 0, 5, 1, 0, 0xc4, 1, 0]), Err(WireError::Malformed("digest")));
    assert_eq!(decoded(&[0x96, 1, 0, 5, 1, 0, 0xc4, 17]), Err(WireError::OutOfRange("digest")));
    assert_eq!(
        decoded(&[0x96, 1, 0, 5, 1, 0xc0, 0xc4, 0]),
        Err(WireError::Malformed("sequence number"))
    );
    let wide = [0xcf, 0, 0, 0, 1, 0, 0, 0, 0];
    let epoch = [&[0x96, 1, 0, 5], &wide[..], &[0, 0xc4, 0]].concat();
    assert_eq!(decoded(&epoch), Err(WireError::OutOfRange("epoch")));
    let beyond = [&[0xcf][..], &(MAX_SEQ + 1).to_be_bytes()].concat();
    let seq = [&[0x96, 1, 0, 5, 1], &beyond[..], &[0xc4, 0]].concat();
    assert_eq!(decoded(&seq), Err(WireError::OutOfRange("sequence number")));
    assert_eq!(decoded(b"PING"), Err(WireError::Malformed("header")));
}

/// Returns the size of the header of a data frame with this sequence number.
fn data_header_bytes(key: Option<&Key>, seq: u64) -> usize {
    let header = Header {
        kind: Kind::Data,
        session: SessionId(u64::MAX),
        epoch: 1,
        seq: Seq::new(seq).expect("within bounds"),
        digest: Digest::blake3(b"body"),
    };
    header.encode(key).as_slice().len()
}

#[test]
fn key_adds_the_same_size_to_every_header() {
    let key = Key::from_bytes([7; 32]);
    for (seq, bytes) in [(0, 37), (1_000, 39), (1_000_000, 41), (10_000_000_000, 45)] {
        let unkeyed = data_header_bytes(None, seq);
        assert!(unkeyed <= bytes, "{unkeyed} bytes");
        assert_eq!(data_header_bytes(Some(&key), seq), bytes + 13);
    }
}

#[test]
fn longest_header_fits_the_space_for_it() {
    let header = Header {
        kind: Kind::Announce,
        session: SessionId(u64::MAX),
        epoch: u32::MAX,
        seq: Seq::new(MAX_SEQ).expect("within bounds"),
        digest: Digest::blake3(b"body"),
    };
    let key = Key::from_bytes([7; 32]);
    assert_eq!(header.encode(Some(&key)).as_slice().len(), 62);
    assert!(header.encode(None).as_slice().len() <= 49);
    let frame = Sealer::new(Some(key)).seal_data(OpenFrame::new(0).into_buf(), &header);
    assert_eq!(frame.len(), 62);
}
