//! What is allocated: nothing for a claim, a frame's buffer once, a message never.

use allocation_counter::measure;
use bytes::Bytes;

use crate::wire::*;

fn header(kind: Kind, body: &[u8]) -> Header {
    let digest = Integrity::Crc32c.digest(body);
    Header { kind, session: SessionId(1), epoch: 1, seq: Seq::ZERO, digest }
}

fn seal(kind: Kind, body: &[u8]) -> Bytes {
    let mut room = [0; MAX_HEADER];
    let start = Sealer::default().put_header(&mut room, &header(kind, body));
    // Static, so that the slices that decoders take of it cost no allocation of `Bytes`' own.
    Bytes::from_static(Vec::leak([&room[start..], body].concat()))
}

/// Lengths and counts of 2^32 - 1, in every place where a length or count is read.
#[test]
fn huge_claims_allocate_nothing() {
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
        (Kind::Ack, ARRAY.to_vec(), malformed("ack")),
        (Kind::Syn, ARRAY.to_vec(), malformed("syn")),
        (Kind::SynAck, ARRAY.to_vec(), malformed("syn-ack")),
        (Kind::Probe, ARRAY.to_vec(), malformed("probe")),
        (Kind::Fin, ARRAY.to_vec(), malformed("fin")),
        (Kind::FinAck, ARRAY.to_vec(), malformed("fin-ack")),
        (Kind::Closed, ARRAY.to_vec(), malformed("fin-ack")),
        (Kind::Reset, ARRAY.to_vec(), malformed("reset")),
        (Kind::Announce, ARRAY.to_vec(), malformed("announce")),
    ];
    for (kind, body, error) in cases {
        let frame = seal(kind, &body);
        let mut said = None;
        let made = measure(|| {
            let frame = Sealer::default().open(&frame).expect("the header is in order");
            said = frame.control().expect("a control frame").err();
        });
        assert_eq!(said, error, "{kind:?}");
        assert_eq!(made.bytes_total, 0, "{kind:?}");
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
fn a_frame_is_allocated_once_and_a_message_never() {
    const MESSAGES: usize = 200;
    const LIMIT: usize = MESSAGES * message_len(64);
    let mut sealed = None;
    let filled = measure(|| {
        let mut open = OpenFrame::new(LIMIT);
        while open.push(&[1; 64]) {}
        let header = header(Kind::Data, open.body());
        sealed = Some(Sealer::default().seal_data(open.into_buf(), &header));
    });
    // The buffer, and what `Bytes` counts its owners with.
    assert!(filled.count_total <= 2, "{filled:?}");
    assert!(filled.bytes_max <= (MAX_HEADER + LIMIT + 64) as u64, "{filled:?}");

    let frame = Sealer::default().open(&sealed.take().expect("sealed")).expect("in order");
    let mut kept = Vec::with_capacity(MESSAGES);
    let read = measure(|| {
        assert_eq!(count_messages(&frame.body), Ok(MESSAGES as u32));
        kept.extend(Messages::new(frame.body.clone()).map(|message| message.expect("in order")));
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
