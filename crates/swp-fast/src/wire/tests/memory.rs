//! Allocations: none for a length that the bytes do not back, one for a frame, none for a message.

use allocation_counter::measure;
use bytes::Bytes;

use crate::wire::*;

fn header(kind: Kind, body: &[u8]) -> Header {
    let digest = Integrity::Crc32c.digest(body);
    Header { kind, session: SessionId(1), epoch: 1, seq: Seq::ZERO, digest }
}

fn seal(kind: Kind, body: &[u8]) -> Bytes {
    let mut space = [0; MAX_HEADER];
    let start = Sealer::default().put_header(&mut space, &header(kind, body));
    // Static, because `Bytes` allocates a reference count for the first slice of any other buffer.
    Bytes::from_static(Vec::leak([&space[start..], body].concat()))
}

/// Decodes `body` as the body of a control frame, and returns the error.
fn decode_without_allocation(kind: Kind, body: &[u8]) -> Option<WireError> {
    let frame = seal(kind, body);
    let mut error = None;
    let made = measure(|| {
        let frame = Sealer::default().open(&frame).expect("valid header");
        error = frame.control().expect("a control frame").err();
    });
    assert_eq!(made.bytes_total, 0, "{kind:?}");
    error
}

/// Tries a length of 2^32 - 1 wherever a decoder reads a length.
#[test]
fn huge_length_allocates_nothing() {
    const BIN: &[u8] = &[0xc6, 0xff, 0xff, 0xff, 0xff, 1, 2, 3];
    const STR: &[u8] = &[0xdb, 0xff, 0xff, 0xff, 0xff, b'a', b'b'];
    const ARRAY: &[u8] = &[0xdd, 0xff, 0xff, 0xff, 0xff, 1, 2, 3];
    let out_of_range = |what| Some(WireError::OutOfRange(what));
    let malformed = |what| Some(WireError::Malformed(what));
    let cases = [
        (Kind::Syn, [&[0x97, 1], STR].concat(), out_of_range("name")),
        (Kind::Reset, [&[0x93, 1, 7], STR].concat(), out_of_range("reason")),
        (Kind::Fin, [&[0x92, 1], BIN].concat(), out_of_range("trailer")),
        (
            Kind::Ack,
            [&[0x9c, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0], ARRAY].concat(),
            out_of_range("sack ranges"),
        ),
        (Kind::Probe, [&[0x95], ARRAY].concat(), out_of_range("probe")),
    ];
    for (kind, body, error) in cases {
        assert_eq!(decode_without_allocation(kind, &body), error, "{kind:?}");
    }
    for &kind in Kind::ALL.iter().filter(|kind| !kind.is_data()) {
        let error = decode_without_allocation(kind, ARRAY);
        assert!(matches!(error, Some(WireError::Malformed(_))), "{kind:?}: {error:?}");
    }

    let body = Bytes::from_static(BIN);
    let fragment =
        Bytes::from_static(&[0xce, 0xff, 0xff, 0xff, 0xff, 0, 0xc6, 0xff, 0xff, 0xff, 0xff, 1]);
    let frame = Bytes::from_static(ARRAY);
    let made = measure(|| {
        assert_eq!(Messages::new(body.clone()).next(), Some(Err(WireError::Truncated)));
        assert_eq!(count_messages(&body), Err(WireError::Truncated));
        assert_eq!(Fragment::decode(&fragment).err(), Some(WireError::Truncated));
        assert_eq!(Sealer::default().open(&frame).err(), malformed("header"));
    });
    assert_eq!(made.bytes_total, 0);
}

#[test]
fn frame_is_allocated_once_and_message_never() {
    const MESSAGES: usize = 200;
    const LIMIT: usize = MESSAGES * message_len(64);
    let mut sealed = None;
    let filled = measure(|| {
        let mut open = OpenFrame::new(LIMIT);
        while open.push(&[1; 64]) {}
        let header = header(Kind::Data, open.body());
        sealed = Some(Sealer::default().seal_data(open.into_buf(), &header));
    });
    // The buffer, and the reference count of `Bytes`.
    assert!(filled.count_total <= 2, "{filled:?}");
    assert!(filled.bytes_max <= (MAX_HEADER + LIMIT + 64) as u64, "{filled:?}");

    let frame = Sealer::default().open(&sealed.take().expect("sealed")).expect("valid frame");
    let mut kept = Vec::with_capacity(MESSAGES);
    let read = measure(|| {
        assert_eq!(count_messages(&frame.body), Ok(MESSAGES as u32));
        kept.extend(Messages::new(frame.body.clone()).map(|message| message.expect("valid frame")));
    });
    assert_eq!(kept.len(), MESSAGES);
    assert_eq!(read.count_total, 0, "{read:?}");

    let fragment = measure(|| {
        let buf = encode_fragment(1 << 40, 1 << 33, &[1; 16_384]);
        let header = header(Kind::Fragment, &buf[MAX_HEADER..]);
        sealed = Some(Sealer::default().seal_data(buf, &header));
    });
    assert!(fragment.count_total <= 2, "{fragment:?}");
}
