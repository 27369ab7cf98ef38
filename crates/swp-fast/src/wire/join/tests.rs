use proptest::prelude::*;

use super::*;

const PEER: PeerId = PeerId(9);

/// A `uint 64` with all bits set, which is above `MAX_COUNT`.
const HUGE: &[u8] = &[0xcf, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];

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
        consumers: 1,
        generation: 1,
        paces: true,
    }
}

proptest! {
    #[test]
    fn long_name_is_cut_at_a_character_boundary(text in "\\PC{0,300}") {
        let name = Syn::decode(&syn(&text).encode()).expect("valid body").name;
        prop_assert!(text.starts_with(&name) && name.len() <= MAX_NAME);
        prop_assert!(name == text || name.len() > MAX_NAME - 4);
    }

    #[test]
    fn duration_is_rounded_up_to_milliseconds(nanos in any::<u64>(), shift in 0..64_u32) {
        let sent = Duration::from_nanos(nanos >> shift);
        let read = SynAck::decode(&syn_ack(sent, sent).encode()).expect("valid body");
        let most = Duration::from_millis(u64::from(u32::MAX));
        prop_assert_eq!(read.keep_alive, read.idle_timeout);
        prop_assert_eq!(read.keep_alive.subsec_nanos() % 1_000_000, 0);
        let sent = sent.min(most);
        prop_assert!(read.keep_alive >= sent);
        prop_assert!(read.keep_alive - sent < Duration::from_millis(1));
    }
}

#[test]
fn only_a_duration_of_zero_is_read_as_zero() {
    let read = |time| SynAck::decode(&syn_ack(time, time).encode()).map(|read| read.keep_alive);
    assert_eq!(read(Duration::ZERO), Ok(Duration::ZERO));
    assert_eq!(read(Duration::from_micros(500)), Ok(Duration::from_millis(1)));
    assert_eq!(read(Duration::from_micros(1_001)), Ok(Duration::from_millis(2)));
    assert_eq!(read(Duration::MAX), Ok(Duration::from_millis(u64::from(u32::MAX))));
}

#[test]
fn unknown_integrity_is_refused() {
    let decoded = SynAck::decode(&[0x9b, 9, 0, 0, 3, 1, 1, 1, 1, 1, 1, 1]);
    assert_eq!(decoded, Err(WireError::OutOfRange("integrity")));
}

/// A hostile peer could otherwise make the receiver's arithmetic overflow.
#[test]
fn integer_above_its_bound_is_refused() {
    let start = SynAck::decode(&[&[0x9b, 9, 0], HUGE, &[0, 1, 1, 1, 1, 1, 1, 1]].concat());
    assert_eq!(start, Err(WireError::OutOfRange("start")));
    let window = Syn::decode(&[&[0x97, 9, 0xa0, 0xa0, 1], HUGE, &[1, 0x90]].concat());
    assert_eq!(window, Err(WireError::OutOfRange("window")));
}
