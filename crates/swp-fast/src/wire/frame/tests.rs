use proptest::prelude::*;

use super::*;
use crate::wire::tests::arb;
use crate::wire::{Kind, Messages, OpenFrame};

proptest! {
    #[test]
    fn sealed_data_frame_opens(
        header in arb::header(),
        messages in arb::messages(),
        integrity in arb::integrity(),
        key in prop::option::of(arb::key()),
    ) {
        let integrity = if key.is_some() { Integrity::Blake3 } else { integrity };
        let sealer = Sealer::new(key);
        let sealed = arb::data_frame(&sealer, header, integrity, &messages);
        let frame = sealer.open(&sealed).expect("valid frame");
        prop_assert_eq!(sealer.peek(&sealed), Ok(frame.header));
        let unopened = sealer.begin(&sealed).map(|unopened| *unopened.header());
        prop_assert_eq!(unopened, Ok(frame.header));
        let digest = integrity.digest(&frame.body);
        prop_assert_eq!(frame.header, Header { kind: Kind::Data, digest, ..header });
        prop_assert!(frame.control().is_none());
        let read: Result<Vec<_>, _> = Messages::new(frame.body).collect();
        prop_assert_eq!(read.expect("valid frame"), messages);
    }

    #[test]
    fn sealed_control_frame_opens(
        control in arb::control(),
        session in arb::session(),
        epoch in any::<u32>(),
        seq in arb::seq(),
        key in prop::option::of(arb::key()),
    ) {
        let sealer = Sealer::new(key);
        let frame = sealer.open(&sealer.seal_control(session, epoch, seq, &control));
        let frame = frame.expect("valid frame");
        prop_assert_eq!(frame.header.kind, control.kind());
        prop_assert_eq!(
            (frame.header.session, frame.header.epoch, frame.header.seq),
            (session, epoch, seq)
        );
        prop_assert_eq!(frame.control(), Some(Ok(control)));
    }

    /// As for a stored body with any amount of space in front, from `MAX_HEADER` bytes up.
    #[test]
    fn header_ends_where_the_body_begins(
        header in arb::header(),
        space in MAX_HEADER..200_usize,
        body in arb::bytes(50),
    ) {
        let sealer = Sealer::default();
        let header = Header { digest: Digest::blake3(&body), ..header };
        let mut buf = [vec![0xee; space], body.clone()].concat();
        let start = sealer.put_header(&mut buf[..space], &header);
        prop_assert!(buf[..start].iter().all(|&byte| byte == 0xee));
        let frame = sealer.open(&Bytes::from(buf).slice(start..)).expect("valid frame");
        prop_assert_eq!((frame.header, &frame.body[..]), (header, &body[..]));
    }
}

#[test]
fn sealing_and_opening_do_not_copy_the_body() {
    let mut open = OpenFrame::new(1000);
    assert!(open.push(&[1; 500]));
    let at = open.body().as_ptr();
    let header = Header {
        kind: Kind::Data,
        session: SessionId(1),
        epoch: 1,
        seq: Seq::ZERO,
        digest: Digest::blake3(open.body()),
    };
    let sealed = Sealer::default().seal_data(open.into_buf(), &header);
    let frame = Sealer::default().open(&sealed).expect("valid frame");
    assert_eq!(frame.body.as_ptr(), at);
    let message = Messages::new(frame.body).next().expect("one message").expect("valid frame");
    assert_eq!(message.as_ptr() as usize, at as usize + 3);
}
