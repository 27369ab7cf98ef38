//! What a key protects: each frame, its place in the stream, and its session.

use bytes::Bytes;
use proptest::prelude::*;

use super::arb;
use crate::wire::*;

/// The frame with another header in front of its body, under the old check: what somebody without the
/// key can make of a frame that was overheard.
fn with_header(sealer: &Sealer, frame: &Bytes, header: &Header) -> Bytes {
    let body = &sealer.open(frame).expect("in order").body;
    let head = &frame[..frame.len() - body.len()];
    let tag = &head[head.len() - 18..];
    let mut room = [0; MAX_HEADER];
    let start = sealer.put_header(&mut room, header);
    Bytes::from([&room[start..MAX_HEADER - 18], tag, body].concat())
}

proptest! {
    #[test]
    fn only_holders_of_the_key_are_heard(
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
        let stranger = Sealer::new(Some(other));
        prop_assert_eq!(error(&stranger, &frame), Some(WireError::WrongKey));
        let forged = arb::data_frame(&stranger, header, Integrity::Blake3, &messages);
        prop_assert_eq!(error(&sealer, &forged), Some(WireError::WrongKey));
        for integrity in [Integrity::Blake3, Integrity::Crc32c, Integrity::None] {
            let bare = arb::data_frame(&Sealer::default(), header, integrity, &messages);
            prop_assert_eq!(error(&sealer, &bare), Some(WireError::Unauthenticated));
        }
    }

    #[test]
    fn a_frame_cannot_be_moved_or_refilled(
        header in arb::header(),
        messages in arb::messages(),
        key in arb::key(),
        moved_to in arb::header(),
        other_body in arb::bytes(100),
    ) {
        let sealer = Sealer::new(Some(key));
        let frame = arb::data_frame(&sealer, header, Integrity::Blake3, &messages);
        let good = sealer.open(&frame).expect("in order");
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
        // With a digest that fits the new body, the tag no longer fits the header.
        let fitting = Header { digest: Digest::blake3(&other_body), ..good.header };
        prop_assert_ne!(fitting.digest, digest);
        let refilled = with_header(&sealer, &frame, &fitting);
        prop_assert_eq!(sealer.open(&refilled).err(), Some(WireError::WrongKey));
    }

    /// A crc32c can be met by whoever likes, so under a key it protects a body from nobody.
    #[test]
    fn with_a_key_the_body_must_be_covered_by_blake3(
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
    fn control_frames_are_authenticated_too(
        control in arb::control(),
        session in arb::session(),
        seq in arb::seq(),
        key in arb::key(),
        other in arb::key(),
    ) {
        prop_assume!(key != other);
        let sealer = Sealer::new(Some(key));
        let frame = sealer.seal_control(session, 3, seq, &control);
        prop_assert_eq!(sealer.open(&frame).expect("in order").control(), Some(Ok(control.clone())));
        let refused = [(Sealer::default(), WireError::WrongKey), (Sealer::new(Some(other)), WireError::WrongKey)];
        for (receiver, error) in refused {
            prop_assert_eq!(receiver.open(&frame).err(), Some(error));
        }
        let bare = Sealer::default().seal_control(session, 3, seq, &control);
        prop_assert_eq!(sealer.open(&bare).err(), Some(WireError::Unauthenticated));
    }
}

/// A tag that is shorter or longer than ours is no tag, whatever its first bytes are.
#[test]
fn a_tag_has_sixteen_bytes() {
    let sealer = Sealer::new(Some(Key::from_bytes([7; 32])));
    let header = Header {
        kind: Kind::Data,
        session: SessionId(1),
        epoch: 1,
        seq: Seq::ZERO,
        digest: Digest::blake3(b""),
    };
    let mut room = [0; MAX_HEADER];
    let start = sealer.put_header(&mut room, &header);
    let (head, tag) = room[start..].split_at(MAX_HEADER - start - 16);
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
