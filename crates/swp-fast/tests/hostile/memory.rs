//! Claims of memory, and floods: neither makes a publisher or a consumer hold more than its bound.

use super::*;
use swp_fast::config::DEFAULT_MAX_MESSAGE_BYTES;
use swp_fast::wire::{Kind, MAX_SEQ, Syn};

#[test]
fn a_body_that_claims_more_than_it_holds_ends_the_session() {
    let mut too_long = vec![];
    rmp::encode::write_uint(&mut too_long, DEFAULT_MAX_MESSAGE_BYTES + 1)
        .expect("a vector takes it");
    let cases: [(Kind, Vec<u8>, &str); 5] = [
        (Kind::Data, b"\xc6\xff\xff\xff\xffabc".to_vec(), "a body does not decode"),
        (Kind::Data, b"\xdd\xff\xff\xff\xff".to_vec(), "a body does not decode"),
        (Kind::Fragment, b"\x05\x00\xc6\xff\xff\xff\xffa".to_vec(), "a fragment does not decode"),
        (Kind::Fragment, b"\x05\x05\xc4\x01a".to_vec(), "a fragment does not decode"),
        (Kind::Fragment, [&too_long[..], b"\x00\xc4\x01a"].concat(), "a message exceeds its bound"),
    ];
    for (kind, body, what) in cases {
        let mut pair = open_session();
        let frame = pair.frames.raw(READ, kind, &body);
        pair.receiver.handle_frame(pair.now, &frame);
        assert_eq!(pair.receiver.failure(), Some(&ReceiverError::Protocol(what)));
        assert!(!pair.receiver.has_ready());
    }
}

fn probe_frame(pair: &Pair, number: u64, peer: Option<PeerId>) -> Bytes {
    pair.frames.control(NEWEST, &Control::Probe(probe(peer, number, READ)))
}

#[test]
fn a_flood_of_probes_gets_one_short_ack() {
    let mut pair = open_session();
    for number in 1..10_000 {
        pair.receiver.handle_frame(pair.now, &probe_frame(&pair, number, None));
    }
    let ack = pair.receiver.poll_transmit(pair.now).expect("an ack is due");
    assert!(ack.frame.len() < 100, "{} bytes", ack.frame.len());
    assert!(pair.receiver.poll_transmit(pair.now).is_none());
    assert_eq!(pair.receiver.stats().dropped, DropCounts::default());
}

#[test]
fn a_probe_gets_one_ack_of_its_addressee_and_none_of_another_consumer() {
    let mut pair = open_session();
    let before = pair.receiver.stats().acks;
    for number in 1..=100 {
        pair.receiver.handle_frame(pair.now, &probe_frame(&pair, number, Some(CONSUMER)));
        while pair.receiver.poll_transmit(pair.now).is_some() {}
        pair.receiver.handle_frame(pair.now, &probe_frame(&pair, number, Some(PeerId(1))));
        assert!(pair.receiver.poll_transmit(pair.now).is_none());
    }
    assert_eq!(pair.receiver.stats().acks - before, 100);
    assert_eq!(pair.receiver.stats().dropped, DropCounts::default());
}

#[test]
fn a_publisher_drops_a_probe_as_unexpected() {
    let mut pair = open_session();
    let frame = probe_frame(&pair, 1, None);
    publisher_drops(&mut pair, &frame, "unexpected");
}

#[test]
fn a_flood_of_syns_gets_no_more_answers_than_the_control_queue_holds() {
    const SYNS: u64 = 10_000;
    const CONTROL_QUEUE: u64 = 256;
    let mut pair = open_session();
    for id in 0..SYNS {
        let syn = swp_fast::testing::syn(PeerId(1 << 32 | id), MAX_SEQ, MAX_SEQ);
        let frame = pair.frames.syn(Syn { name: "x".repeat(64), ..syn });
        pair.sender.handle_frame(pair.now, &frame);
    }
    let answers = std::iter::from_fn(|| pair.sender.poll_transmit(pair.now)).count() as u64;
    let stats = pair.sender.stats();
    // The stream has started, so each SYN is refused. Answers beyond the bound are counted.
    assert_eq!(stats.consumers.len(), 1);
    assert_eq!((answers, stats.dropped.unexpected), (CONTROL_QUEUE, SYNS - CONTROL_QUEUE));
    assert_unharmed(pair);
}
