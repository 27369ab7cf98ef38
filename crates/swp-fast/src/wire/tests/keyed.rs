//! What a key protects: the body of every frame, its position in the stream, and its session.

use bytes::Bytes;
use proptest::prelude::*;

use super::arb;
use crate::wire::*;

/// Returns the frame with another header and the old tag, as an attacker without the key can build
/// it from a recorded frame.
fn with_header(sealer: &Sealer, frame: &Bytes, header: &Header) -> Bytes {
    let body = &sealer.open(frame).expect("valid frame").body;
    let head = &frame[..frame.len() - body.len()];
    let tag = &head[head.len() - 18..];
    let mut space = [0; MAX_HEADER];
    let start = sealer.put_header(&mut space, header);
    Bytes::from([&space[start..MAX_HEADER - 18], tag, body].concat())
}

proptest! {
    #[test]
    fn only_a_frame_sealed_with_the_key_opens(
        header in arb::header(),
        messages in arb::messages(),
        key in arb::key(),
        other in arb::key(),
    ) {
        prop_assume!(key != other);
        let sealer = Sealer::new(Some(key));
        let frame = arb::data_frame(&sealer, header, Integrity::Blake3, &messages);
        prop_assert!(sealer.open(&frame).is_ok());

        let error = |sealer: &Sealer, frame: &Bytes| {
            let error = sealer.open(frame).err();
            assert!(error == Some(WireError::Corrupt("body")) || sealer.peek(frame).err() == error);
            error
        };
        prop_assert_eq!(error(&Sealer::default(), &frame), Some(WireError::WrongKey));
        let other_sealer = Sealer::new(Some(other));
        prop_assert_eq!(error(&other_sealer, &frame), Some(WireError::WrongKey));
        let forged = arb::data_frame(&other_sealer, header, Integrity::Blake3, &messages);
        prop_assert_eq!(error(&sealer, &forged), Some(WireError::WrongKey));
        for integrity in [Integrity::Blake3, Integrity::Crc32c, Integrity::None] {
            let bare = arb::data_frame(&Sealer::default(), header, integrity, &messages);
            prop_assert_eq!(error(&sealer, &bare), Some(WireError::Unauthenticated));
        }
    }

    #[test]
    fn neither_header_nor_body_of_a_frame_can_be_replaced(
        header in arb::header(),
        messages in arb::messages(),
        key in arb::key(),
        moved_to in arb::header(),
        other_body in arb::bytes(100),
    ) {
        let sealer = Sealer::new(Some(key));
        let frame = arb::data_frame(&sealer, header, Integrity::Blake3, &messages);
        let good = sealer.open(&frame).expect("valid frame");
        let digest = good.header.digest;

        let changes = [
            Header { seq: moved_to.seq, ..good.header },
            Header { session: moved_to.session, ..good.header },
            Header { epoch: moved_to.epoch, ..good.header },
            Header { kind: moved_to.kind, ..good.header },
        ];
        for changed in changes {
            let frame = with_header(&sealer, &frame, &changed);
            let error = (changed != good.header).then_some(WireError::WrongKey);
            prop_assert_eq!(sealer.open(&frame).err(), error, "{:?}", changed);
        }

        prop_assume!(good.body != other_body);
        let head = &frame[..frame.len() - good.body.len()];
        let refilled = Bytes::from([head, &other_body].concat());
        prop_assert_eq!(sealer.open(&refilled).err(), Some(WireError::Corrupt("body")));
        // The digest matches the new body here, and the tag does not match the header.
        let fitting = Header { digest: Digest::blake3(&other_body), ..good.header };
        prop_assert_ne!(fitting.digest, digest);
        let refilled = with_header(&sealer, &frame, &fitting);
        prop_assert_eq!(sealer.open(&refilled).err(), Some(WireError::WrongKey));
    }

    /// An attacker can construct a body for a given crc32c.
    #[test]
    fn key_requires_a_blake3_digest(
        header in arb::header(),
        messages in arb::messages(),
        key in arb::key(),
    ) {
        let sealer = Sealer::new(Some(key));
        for integrity in [Integrity::Crc32c, Integrity::None] {
            let weak = arb::data_frame(&sealer, header, integrity, &messages);
            prop_assert_eq!(sealer.peek(&weak).err(), Some(WireError::Unauthenticated));
            prop_assert_eq!(sealer.open(&weak).err(), Some(WireError::Unauthenticated));
        }
    }

    #[test]
    fn control_frame_opens_with_its_key_only(
        control in arb::control(),
        session in arb::session(),
        seq in arb::seq(),
        key in arb::key(),
        other in arb::key(),
    ) {
        prop_assume!(key != other);
        let sealer = Sealer::new(Some(key));
        let frame = sealer.seal_control(session, 3, seq, &control);
        let opened = sealer.open(&frame).expect("valid frame");
        prop_assert_eq!(opened.control(), Some(Ok(control.clone())));
        for receiver in [Sealer::default(), Sealer::new(Some(other))] {
            prop_assert_eq!(receiver.open(&frame).err(), Some(WireError::WrongKey));
        }
        let bare = Sealer::default().seal_control(session, 3, seq, &control);
        prop_assert_eq!(sealer.open(&bare).err(), Some(WireError::Unauthenticated));
    }
}

/// Even if the first bytes of a shorter or longer tag match.
#[test]
fn tag_of_any_length_but_sixteen_bytes_is_refused() {
    let sealer = Sealer::new(Some(Key::from_bytes([7; 32])));
    let header = Header {
        kind: Kind::Data,
        session: SessionId(1),
        epoch: 1,
        seq: Seq::ZERO,
        digest: Digest::blake3(b""),
    };
    let mut space = [0; MAX_HEADER];
    let start = sealer.put_header(&mut space, &header);
    let (head, tag) = space[start..].split_at(MAX_HEADER - start - 16);
    let head = &head[..head.len() - 2];
    for len in 0..40_u8 {
        let tag: Vec<u8> = tag.iter().copied().chain([0; 24]).take(usize::from(len)).collect();
        let frame = Bytes::from([head, &[0xc4, len], &tag].concat());
        let expected = match len {
            16 => None,
            17.. => Some(WireError::OutOfRange("check")),
            _ => Some(WireError::WrongKey),
        };
        assert_eq!(sealer.open(&frame).err(), expected, "{len} bytes");
    }
}
