//! Every decoder of the wire: no panic, the readers agree with each other, and an accepted frame
//! has one encoding, so that encoding what was decoded gives the same bytes again.

use arbitrary::{Arbitrary, Unstructured};
use bytes::{BufMut, Bytes, BytesMut};
use swp_fast::proto::Assembler;
use swp_fast::wire::{
    Digest, Fragment, Frame, Header, Integrity, Key, Kind, MAX_HEADER, MessageSlices, Messages,
    Preamble, Sealer, Seq, SessionId, VERSION, count_messages, encode_fragment, message_len,
};

/// The longest message for the assembler. It must hold no more than about this, whatever a fragment
/// claims.
const MAX_MESSAGE: u64 = 1 << 20;

/// The first byte holds two flags. With 1, a key is set. With 2, the rest is the fields and body of
/// a frame that is sealed here, because checks and digests stop a fuzzer before it reaches a
/// decoder. Without 2, the rest is a whole frame.
pub fn frame_decode(data: &[u8]) {
    let Some((&mode, rest)) = data.split_first() else { return };
    let key = (mode & 1 != 0).then(|| Key::from_bytes([7; 32]));
    let sealer = Sealer::new(key);
    if mode & 2 == 0 {
        check_body(&Bytes::copy_from_slice(rest));
        check_frame(&sealer, &Bytes::copy_from_slice(rest));
    } else if let Ok((frame, acceptable)) = sealed(&sealer, Unstructured::new(rest)) {
        let opened = check_frame(&sealer, &frame);
        assert_eq!(opened.is_some(), acceptable, "a sealed frame opens, and only a fit one");
    }
}

/// A frame with any body and checks that fit, and whether the frame must be accepted.
fn sealed(sealer: &Sealer, mut u: Unstructured<'_>) -> arbitrary::Result<(Bytes, bool)> {
    let kind = *u.choose(Kind::ALL)?;
    let integrity = *u.choose(&[Integrity::Blake3, Integrity::Crc32c, Integrity::None])?;
    let session = SessionId(u64::arbitrary(&mut u)?);
    let epoch = u32::arbitrary(&mut u)?;
    let seq = Seq::ZERO.advance(u64::arbitrary(&mut u)?);
    let body = u.take_rest();
    let header = Header { kind, session, epoch, seq, digest: integrity.digest(body) };
    let protected = match sealer.is_keyed() {
        true => integrity == Integrity::Blake3,
        false => kind.is_data() || integrity != Integrity::None,
    };
    Ok((put(sealer, &header, body), protected))
}

/// Header and body as a frame.
pub(crate) fn put(sealer: &Sealer, header: &Header, body: &[u8]) -> Bytes {
    let mut buf = BytesMut::zeroed(MAX_HEADER);
    buf.put_slice(body);
    sealer.seal_data(buf, header)
}

/// Opens a frame, and compares everything that the decoders tell.
fn check_frame(sealer: &Sealer, frame: &Bytes) -> Option<Frame> {
    let preamble = Preamble::decode(frame);
    let peeked = sealer.peek(frame);
    let opened = match sealer.open(frame) {
        Ok(opened) => opened,
        // After a header that decodes, only the body can be at fault.
        Err(error) => {
            assert!(peeked.is_ok() || peeked == Err(error));
            return None;
        }
    };
    let header = opened.header;
    assert_eq!(peeked, Ok(header));
    let expected = Preamble { version: VERSION, kind: Some(header.kind), session: header.session };
    assert_eq!(preamble, Ok(expected));
    assert!(!sealer.is_keyed() || matches!(header.digest, Digest::Blake3(_)));
    assert_eq!(put(sealer, &header, &opened.body), frame, "a header has one encoding");
    match opened.control() {
        None => {
            assert!(header.kind.is_data());
            check_body(&opened.body);
        }
        Some(Err(_)) => {}
        Some(Ok(control)) => {
            assert_eq!(control.kind(), header.kind);
            let again = sealer.seal_control(header.session, header.epoch, header.seq, &control);
            let again = sealer.open(&again).expect("what was sealed here opens here");
            assert_eq!(again.body, opened.body, "a control frame has one encoding");
            assert_eq!(again.control(), Some(Ok(control)));
        }
    }
    Some(opened)
}

/// Reads any bytes as either kind of data body.
fn check_body(body: &Bytes) {
    let copied: Vec<_> = Messages::new(body.clone()).collect();
    let borrowed: Vec<_> = MessageSlices::new(body).collect();
    assert_eq!(copied.len(), borrowed.len());
    for (copied, borrowed) in copied.iter().zip(&borrowed) {
        assert_eq!(copied.as_ref().map(|message| &message[..]), borrowed.as_ref().map(|m| *m));
    }
    let whole: Result<Vec<_>, _> = copied.iter().cloned().collect();
    assert_eq!(count_messages(body), whole.as_ref().map(|m| m.len() as u32).map_err(|e| *e));
    if let Ok(messages) = whole {
        let len: usize = messages.iter().map(|message| message_len(message.len())).sum();
        assert_eq!(len, body.len(), "every byte of a packed body is a message's");
    }
    if let Ok(fragment) = Fragment::decode(body) {
        let again = encode_fragment(fragment.total, fragment.offset, &fragment.part);
        assert_eq!(again[MAX_HEADER..], body[..], "a fragment has one encoding");
        let end = fragment.offset + fragment.part.len() as u64;
        assert!(!fragment.part.is_empty() && end <= fragment.total);
        assert_eq!(fragment.is_last(), end == fragment.total);
        assemble(&fragment);
    }
}

fn assemble(fragment: &Fragment) {
    let mut assembler = Assembler::new(MAX_MESSAGE);
    match assembler.push(fragment) {
        Ok(Some(message)) => assert_eq!(message, fragment.part),
        Ok(None) => assert!(assembler.is_open()),
        Err(_) => assert!(!assembler.is_open()),
    }
}
