//! Frames whose checks fit and whose integers do not: SACK ranges out of order, and values at the
//! end of 64 bits.

use super::*;
use swp_fast::wire::{Digest, Integrity, Kind, MAX_SEQ, SessionId};

fn put_uint(body: &mut Vec<u8>, value: u64) {
    rmp::encode::write_uint(body, value).expect("a vector takes it");
}

/// The body of an ack with these SACK ranges in their encoding: the length of a gap and the length
/// of a range, in turns. The encoder of the crate would refuse most of them.
fn ack_body(ranges: &[u64]) -> Vec<u8> {
    let mut body = vec![0x9c];
    let (cumulative, credit) = (1, READ + WINDOW);
    for field in [CONSUMER.0, cumulative, credit, 1 << 22, 0, 0, 0, 0, 1, 0, 0] {
        put_uint(&mut body, field);
    }
    rmp::encode::write_array_len(&mut body, ranges.len() as u32).expect("a vector takes it");
    ranges.iter().for_each(|length| put_uint(&mut body, *length));
    body
}

fn ack_with_ranges(pair: &Pair, ranges: &[u64]) -> Bytes {
    pair.frames.raw(1 << 40, Kind::Ack, &ack_body(ranges))
}

#[test]
fn sack_ranges_that_touch_overlap_or_wrap_are_malformed() {
    let mut pair = open_session();
    let hostile: [&[u64]; 9] = [
        &[0, 1],                   // touches the cumulative ack
        &[1, 0],                   // is empty
        &[1, 1, 0, 1],             // touches the range before
        &[1, 1, 1, 0],             // the second is empty
        &[1],                      // a gap without a range
        &[1, 1, 1],                // the second gap has no range
        &[MAX_SEQ, 1],             // begins above the largest sequence number
        &[1, MAX_SEQ],             // ends above the largest sequence number
        &[u64::MAX - 1, u64::MAX], // would wrap to an end below its start
    ];
    for ranges in hostile {
        let frame = ack_with_ranges(&pair, ranges);
        publisher_drops(&mut pair, &frame, "malformed");
    }
    assert_unharmed(pair);
}

#[test]
fn more_sack_ranges_than_an_ack_may_carry_are_malformed() {
    let mut pair = open_session();
    let frame = ack_with_ranges(&pair, &[1; 66]);
    publisher_drops(&mut pair, &frame, "malformed");
    assert_unharmed(pair);
}

#[test]
fn sack_ranges_in_order_of_frames_never_sent_are_forged() {
    let mut pair = open_session();
    let frame = ack_with_ranges(&pair, &[1, 1, 1, 1]);
    publisher_drops(&mut pair, &frame, "forged");
    assert_unharmed(pair);
}

/// A data frame with this sequence number, which [`Seq`](swp_fast::wire::Seq) cannot hold.
fn data_with_seq(value: u64) -> Bytes {
    let body = b"\xc4\x01x";
    let Digest::Blake3(digest) = Digest::blake3(body) else { unreachable!() };
    let (version, kind) = (1, 0);
    let mut frame = vec![0x96];
    for field in [version, kind, IDS.session.0, u64::from(IDS.epoch), value] {
        put_uint(&mut frame, field);
    }
    rmp::encode::write_bin(&mut frame, &digest).expect("a vector takes it");
    let check = crc_fast::crc32_iscsi(&frame);
    put_uint(&mut frame, u64::from(check));
    frame.extend_from_slice(body);
    Bytes::from(frame)
}

#[test]
fn integers_above_their_largest_value_are_malformed() {
    let mut pair = open_session();
    let syns = Frames::new(SessionId(9), 0).with_integrity(Integrity::Blake3);
    for value in [u64::MAX, MAX_SEQ + 1] {
        consumer_drops(&mut pair, &data_with_seq(value), "malformed");

        // A SYN is an id, a name, the window in frames and in bytes, and the longest message.
        for place in 0..3 {
            let mut body = vec![0x95, 9, 0xa0];
            for field in 0..3 {
                put_uint(&mut body, if field == place { value } else { 1 << 30 });
            }
            publisher_drops(&mut pair, &syns.raw(0, Kind::Syn, &body), "malformed");
        }

        // A FIN is the end and a trailer.
        let mut body = vec![0x92];
        put_uint(&mut body, value);
        body.extend_from_slice(&[0xc4, 0]);
        let fin = pair.frames.raw(0, Kind::Fin, &body);
        consumer_drops(&mut pair, &fin, "malformed");
    }
    assert_unharmed(pair);
}
