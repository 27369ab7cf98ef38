//! Hostile and damaged input: decoders never panic, and never accept a frame that nobody sealed.

use bytes::Bytes;
use proptest::prelude::*;

use super::arb;
use crate::wire::*;

const SESSION: SessionId = SessionId(0x0123_4567_89ab_cdef);

/// Runs every decoder over `bytes`, and ignores the results.
fn decode_all(bytes: &Bytes) {
    for sealer in [Sealer::default(), Sealer::new(Some(Key::from_bytes([7; 32])))] {
        let _ = sealer.peek(bytes);
        if let Ok(frame) = sealer.open(bytes) {
            let _ = frame.control();
        }
    }
    let messages = Messages::new(bytes.clone()).take_while(Result::is_ok).count();
    if let Ok(counted) = count_messages(bytes) {
        assert_eq!(counted as usize, messages);
    }
    let _ = Fragment::decode(bytes);
}

/// Returns a frame with a valid header and an arbitrary body, as a hostile holder of the key can.
fn seal_raw(kind: Kind, body: &[u8]) -> Bytes {
    let digest = Integrity::Blake3.digest(body);
    let header = Header { kind, session: SESSION, epoch: 1, seq: Seq::ZERO, digest };
    let mut space = [0; MAX_HEADER];
    let start = Sealer::default().put_header(&mut space, &header);
    Bytes::from([&space[start..], body].concat())
}

/// Checks that `body` is refused as a body of `kind`, or is the only encoding of its content.
fn control_is_canonical(kind: Kind, body: &[u8]) -> Result<(), TestCaseError> {
    let frame = Sealer::default().open(&seal_raw(kind, body)).expect("valid frame");
    if let Some(Ok(control)) = frame.control() {
        prop_assert_eq!(control.kind(), kind);
        let again = Sealer::default().seal_control(SESSION, 1, Seq::ZERO, &control);
        let again = Sealer::default().open(&again).expect("valid frame");
        prop_assert_eq!(&again.body[..], body, "{:?} has two encodings", control);
    }
    Ok(())
}

proptest! {
    #[test]
    fn no_decoder_panics_on_arbitrary_bytes(bytes in arb::bytes(300)) {
        decode_all(&Bytes::from(bytes));
    }

    #[test]
    fn no_decoder_panics_on_message_pack_soup(bytes in arb::soup()) {
        decode_all(&Bytes::from(bytes));
    }

    #[test]
    fn no_control_decoder_panics_on_any_body(body in arb::soup(), fields in 0..12_u8) {
        let bodies = [body.clone(), [&[0x90 | fields], &body[..]].concat()];
        for kind in Kind::ALL {
            for body in &bodies {
                control_is_canonical(*kind, body)?;
            }
        }
    }

    /// A changed body with a valid digest is refused, or is the only encoding of other content.
    #[test]
    fn control_bodies_have_one_encoding(
        control in arb::control(),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let frame = Sealer::default().seal_control(SESSION, 1, Seq::ZERO, &control);
        let body = Sealer::default().open(&frame).expect("valid frame").body.to_vec();
        let at = at.index(body.len());
        let mut changed = body.clone();
        changed[at] = byte;
        control_is_canonical(control.kind(), &changed)?;
        let mut longer = body.clone();
        longer.insert(at, byte);
        control_is_canonical(control.kind(), &longer)?;
        let cut = seal_raw(control.kind(), &body[..at]);
        let cut = Sealer::default().open(&cut).expect("valid frame");
        prop_assert_eq!(cut.control(), Some(Err(WireError::Truncated)));
        let more = seal_raw(control.kind(), &[&body[..], &[byte]].concat());
        let more = Sealer::default().open(&more).expect("valid frame").control();
        prop_assert_eq!(more, Some(Err(WireError::Malformed("trailing bytes"))));
    }

    #[test]
    fn version_is_checked_before_every_later_field(
        version in any::<u8>().prop_filter("another", |&version| version != VERSION),
        fields in prop_oneof![0..16_u32, any::<u32>()],
        garbage in arb::bytes(80),
    ) {
        let mut frame = Vec::new();
        rmp::encode::write_array_len(&mut frame, fields).expect("in memory");
        rmp::encode::write_uint(&mut frame, u64::from(version)).expect("in memory");
        frame.extend_from_slice(&garbage);
        let refused = Err(WireError::Version { theirs: version });
        for sealer in [Sealer::default(), Sealer::new(Some(Key::from_bytes([7; 32])))] {
            prop_assert_eq!(sealer.peek(&frame), refused);
            prop_assert_eq!(sealer.open(&Bytes::from(frame.clone())).err(), refused.err());
        }
    }

    #[test]
    fn changed_or_cut_frame_is_refused(
        header in arb::header(),
        messages in arb::messages(),
        integrity in arb::integrity(),
        key in prop::option::of(arb::key()),
        at in any::<prop::sample::Index>(),
        flip in 1..=u8::MAX,
    ) {
        let integrity = if key.is_some() { Integrity::Blake3 } else { integrity };
        let sealer = Sealer::new(key);
        let frame = arb::data_frame(&sealer, header, integrity, &messages);
        let at = at.index(frame.len());
        damage(&sealer, &frame, at, flip);
        cut(&sealer, &frame, at);
    }
}

/// Changes the byte at `at`, and checks that the frame is refused. Without a digest, a frame with a
/// changed body is accepted.
fn damage(sealer: &Sealer, frame: &Bytes, at: usize, flip: u8) {
    let good = sealer.open(frame).expect("undamaged");
    let body_at = frame.len() - good.body.len();
    let mut changed = frame.to_vec();
    changed[at] ^= flip;
    match sealer.open(&Bytes::from(changed)) {
        Err(_) => {}
        Ok(taken) => {
            assert_eq!(good.header.digest, Digest::None, "byte {at} ^ {flip:#04x}");
            assert!(at >= body_at, "byte {at} ^ {flip:#04x} of the header");
            assert_eq!(taken.header, good.header);
            assert_eq!(taken.body.len(), good.body.len());
        }
    }
}

/// Cuts the frame before the byte at `at`, and checks that it is refused. Without a digest, a frame
/// with a shorter body is accepted.
fn cut(sealer: &Sealer, frame: &Bytes, at: usize) {
    let good = sealer.open(frame).expect("whole");
    let body_at = frame.len() - good.body.len();
    match sealer.open(&frame.slice(..at)) {
        Err(error) if at < body_at => assert_eq!(error, WireError::Truncated, "cut to {at}"),
        Err(error) => assert_eq!(error, WireError::Corrupt("body"), "cut to {at}"),
        Ok(taken) => {
            assert_eq!(good.header.digest, Digest::None, "cut to {at}");
            assert!(at >= body_at, "cut to {at}");
            assert_eq!(taken.header, good.header);
        }
    }
}

/// Tries every value of every byte of the golden frames, with and without a key.
#[test]
fn frame_with_any_single_byte_changed_is_refused() {
    for key in [None, Some(Key::from_bytes([7; 32]))] {
        let sealer = Sealer::new(key);
        for (_, frame) in super::golden::frames(&sealer) {
            for at in 0..frame.len() {
                cut(&sealer, &frame, at);
                for flip in 1..=u8::MAX {
                    damage(&sealer, &frame, at, flip);
                }
            }
        }
    }
}

#[test]
fn control_frame_without_a_digest_is_refused() {
    let header = Header {
        kind: Kind::FinAck,
        session: SESSION,
        epoch: 1,
        seq: Seq::ZERO,
        digest: Digest::None,
    };
    let mut space = [0; MAX_HEADER];
    let start = Sealer::default().put_header(&mut space, &header);
    let frame = Bytes::from([&space[start..], &[0x91, 0x05]].concat());
    assert_eq!(Sealer::default().open(&frame).err(), Some(WireError::Corrupt("body")));
}
