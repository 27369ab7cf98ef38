use proptest::prelude::*;

use super::*;

const PEER: PeerId = PeerId(9);

fn syn(name: &str) -> Syn {
    let name = name.to_owned();
    Syn {
        peer: PEER,
        name,
        tag: String::new(),
        window_frames: 1,
        window_bytes: 2,
        max_message_bytes: 3,
        resume: None,
    }
}

fn syn_ack(keep_alive: Duration, idle_timeout: Duration) -> SynAck {
    SynAck {
        peer: PEER,
        start: Seq::ZERO,
        start_bytes: 0,
        integrity: Integrity::None,
        max_body_bytes: 1,
        max_message_bytes: 1,
        keep_alive,
        idle_timeout,
        members: 1,
        generation: 1,
        paces: true,
    }
}

proptest! {
    /// A name or reason of any length is cut to what the other side takes, at a character's edge.
    #[test]
    fn long_texts_are_cut(text in "\\PC{0,300}") {
        let name = Syn::decode(&syn(&text).encode()).expect("readable").name;
        prop_assert!(text.starts_with(&name) && name.len() <= MAX_NAME);
        prop_assert!(name == text || name.len() > MAX_NAME - 4);
        let reset = Reset { peer: PEER, code: ResetCode::Refused, reason: text.clone() };
        let reason = Reset::decode(&reset.encode()).expect("readable").reason;
        prop_assert!(text.starts_with(&reason) && reason.len() <= MAX_REASON);
        prop_assert!(reason == text || reason.len() > MAX_REASON - 4);
    }

    #[test]
    fn a_fin_can_be_read_whatever_its_trailer(len in 0..3 * MAX_TRAILER) {
        let fin = Fin { end: Seq::ZERO, trailer: Bytes::from(vec![7; len]) };
        let read = Fin::decode(&fin.encode()).expect("readable");
        prop_assert_eq!(read.trailer, &fin.trailer[..len.min(MAX_TRAILER)]);
    }

    /// Rounded up, so that what is not zero stays so.
    #[test]
    fn times_travel_in_whole_milliseconds(nanos in any::<u64>(), shift in 0..64_u32) {
        let sent = Duration::from_nanos(nanos >> shift);
        let read = SynAck::decode(&syn_ack(sent, sent).encode()).expect("readable");
        let most = Duration::from_millis(u64::from(u32::MAX));
        prop_assert_eq!(read.keep_alive, read.idle_timeout);
        prop_assert_eq!(read.keep_alive.subsec_nanos() % 1_000_000, 0);
        let sent = sent.min(most);
        prop_assert!(read.keep_alive >= sent);
        prop_assert!(read.keep_alive - sent < Duration::from_millis(1));
    }
}

#[test]
fn times_at_their_edges() {
    let read = |time| SynAck::decode(&syn_ack(time, time).encode()).map(|read| read.keep_alive);
    assert_eq!(read(Duration::ZERO), Ok(Duration::ZERO));
    assert_eq!(read(Duration::from_micros(500)), Ok(Duration::from_millis(1)));
    assert_eq!(read(Duration::from_micros(1_001)), Ok(Duration::from_millis(2)));
    assert_eq!(read(Duration::MAX), Ok(Duration::from_millis(u64::from(u32::MAX))));
}

#[test]
fn a_publisher_is_claiming_or_not() {
    for claiming in [false, true] {
        let announce = Announce { peer: PEER, claiming };
        assert_eq!(Announce::decode(&announce.encode()), Ok(announce));
    }
    for byte in [2, 3, 0x7f] {
        let said = Announce::decode(&[0x92, 9, byte]);
        assert_eq!(said, Err(WireError::OutOfRange("claiming")), "{byte}");
    }
}

#[test]
fn codes_have_the_numbers_they_are_read_by() {
    for code in 0..=u8::MAX {
        let read = ResetCode::from_code(code);
        assert_eq!(read.is_some(), (1..=9).contains(&code));
        assert!(read.is_none_or(|read| read as u8 == code));
    }
    let said = Reset::decode(&[0x93, 9, 10, 0xa0]);
    assert_eq!(said, Err(WireError::OutOfRange("reset code")));
    let said = SynAck::decode(&[0x9b, 9, 0, 0, 3, 1, 1, 1, 1, 1, 1, 1]);
    assert_eq!(said, Err(WireError::OutOfRange("integrity")));
}

/// What a hostile publisher or consumer could make the other side overflow with.
#[test]
fn numbers_beyond_the_protocol_are_refused() {
    const HUGE: &[u8] = &[0xcf, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
    let start = SynAck::decode(&[&[0x9b, 9, 0], HUGE, &[0, 1, 1, 1, 1, 1, 1, 1]].concat());
    assert_eq!(start, Err(WireError::OutOfRange("start")));
    let window = Syn::decode(&[&[0x97, 9, 0xa0, 0xa0, 1], HUGE, &[1, 0x90]].concat());
    assert_eq!(window, Err(WireError::OutOfRange("window")));
    let number = Probe::decode(&[&[0x95, 0x90], HUGE, &[1, 1, 1]].concat());
    assert_eq!(number, Err(WireError::OutOfRange("probe number")));
    let peer = FinAck::decode(&[&[0x91], HUGE].concat());
    assert_eq!(peer, Ok(FinAck { peer: PeerId(u64::MAX) }));
}
