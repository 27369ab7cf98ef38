use bytes::Bytes;

use super::*;
use crate::proto::receiver::tests::{fragment_body, header, packed_body, seq};

fn check(kind: Kind, body: Bytes, max_message_bytes: u64) -> Result<ReadyFrame, ReceiverError> {
    ReadyFrame::check(Frame { header: header(7, kind, &body), body }, max_message_bytes)
}

#[test]
fn messages_count_in_the_frame_that_they_end_in() {
    let packed = check(Kind::Data, packed_body(&[b"one", b"", b"three"]), 10).unwrap();
    assert_eq!((packed.seq, packed.messages, packed.body_bytes()), (seq(7), 3, 5 + 2 + 7));
    let first = check(Kind::Fragment, fragment_body(4, 0, b"ab"), 10).unwrap();
    let last = check(Kind::Fragment, fragment_body(4, 2, b"cd"), 10).unwrap();
    assert_eq!((first.messages, last.messages), (0, 1));
}

#[test]
fn only_a_fragment_with_an_offset_continues_a_message() {
    let begins = |kind, body| check(kind, body, 10).unwrap().begins_message();
    assert!(begins(Kind::Data, packed_body(&[b"one"])));
    assert!(begins(Kind::Fragment, fragment_body(4, 0, b"ab")));
    assert!(!begins(Kind::Fragment, fragment_body(4, 2, b"cd")));
}

#[test]
fn a_body_that_does_not_decode_breaks_the_protocol() {
    for kind in [Kind::Data, Kind::Fragment] {
        let refused = check(kind, Bytes::from_static(b"\xc6\xff\xff\xff\xffa"), 10);
        assert!(matches!(refused, Err(ReceiverError::Protocol(_))), "{kind:?}");
    }
}

#[test]
fn a_fragment_of_a_message_above_the_bound_breaks_the_protocol() {
    assert!(check(Kind::Fragment, fragment_body(10, 0, b"a"), 10).is_ok());
    let refused = check(Kind::Fragment, fragment_body(11, 0, b"a"), 10).map(|frame| frame.seq);
    assert_eq!(refused, Err(ReceiverError::Protocol("a message exceeds its bound")));
}
