use super::*;
use crate::wire::{Integrity, Messages};

mod any_sequence;

fn packer(queue_bytes: usize) -> Packer {
    packer_with(&PublishConfig { queue_bytes, ..PublishConfig::default() })
}

fn packer_with(config: &PublishConfig) -> Packer {
    Packer::new(config, Accepts::Anything)
}

fn push(packer: &mut Packer, message: &[u8]) -> Position {
    packer.push(message).expect("there is space")
}

/// Takes all frames out. Returns the number of messages in each.
fn messages_by_frame(packer: &mut Packer) -> Vec<u32> {
    let bodies = std::iter::from_fn(|| packer.take(true)).map(|packed| packed.into_body());
    bodies.map(|body| body.expect("only bodies were queued").2).collect()
}

/// Takes all frames out. Returns the position of each.
fn positions(packer: &mut Packer) -> Vec<u64> {
    std::iter::from_fn(|| packer.take(true)).map(|packed| packed.end.0).collect()
}

#[test]
fn a_stream_of_blocks_refuses_messages() {
    let mut packer = Packer::new(&PublishConfig::default(), Accepts::Blocks);
    assert_eq!(packer.push(b"message"), Err(Refused::PackedOnly));
    assert_eq!(packer.push_bytes(Bytes::from(vec![0; 1 << 20])), Err(Refused::PackedOnly));
    assert_eq!(packer.push_block(block(&[10, 20])), Ok(Some(Position(1))));
}

fn block(lens: &[usize]) -> PackedBlock {
    let mut bodies = Vec::new();
    let mut at = 0;
    for &len in lens {
        let start = at + crate::wire::MAX_HEADER;
        at = start + len;
        let digest = crate::wire::Digest::None;
        let kind = Kind::Data;
        bodies.push(crate::proto::PackedBody { range: start..at, kind, messages: 1, digest });
    }
    PackedBlock::new(vec![0; at], bodies).expect("the bodies are in order")
}

#[test]
fn a_block_has_one_position_and_an_empty_block_has_none() {
    let mut packer = packer(1 << 20);
    assert_eq!(packer.push_block(block(&[])), Ok(None));
    assert!(packer.is_empty());
    assert_eq!(packer.push_block(block(&[10, 20, 30])), Ok(Some(Position(1))));
    assert_eq!(positions(&mut packer), [1]);
    let max = PublishConfig::default().max_body_bytes();
    let refused = packer.push_block(block(&[max + 1]));
    assert_eq!(refused, Err(Refused::BodyTooLarge { bytes: max + 1, max }));
}

#[test]
fn messages_share_a_frame_until_it_is_full() {
    let mut packer = packer(1 << 20);
    for number in 1..=40 {
        assert_eq!(push(&mut packer, &[7; 1000]), Position(number));
    }
    // A frame is full at 16 KiB, which 17 messages of 1,003 bytes pass.
    assert_eq!(positions(&mut packer), [17, 34, 40]);
}

#[test]
fn a_full_queue_refuses_and_keeps_what_it_has() {
    let mut packer = packer(20_000);
    let mut taken = 0;
    while packer.push(&[1; 100]).is_ok() {
        taken += 1;
    }
    assert_eq!(taken, 20_000 / 102);
    assert_eq!(packer.push(&[1; 100]), Err(Refused::Blocked));
    assert_eq!(packer.push_bytes(Bytes::from(vec![0; 100_000])), Err(Refused::Blocked));
    assert_eq!(packer.admit(100_000), Err(Refused::Blocked));
    assert_eq!(packer.accepted(), Position(taken));
}

#[test]
fn a_message_larger_than_the_queue_is_accepted_alone() {
    let mut packer = packer(20_000);
    push(&mut packer, &[0; 100_000]);
    assert_eq!(packer.push(b"x"), Err(Refused::Blocked));
    let positions = positions(&mut packer);
    assert_eq!(positions.len(), 100_000_usize.div_ceil(16 << 10));
    assert_eq!((positions[0], positions.last().copied()), (0, Some(1)));
}

#[test]
fn messages_above_the_bound_and_after_the_end_are_refused() {
    let config = PublishConfig { max_message_bytes: 1_000, ..PublishConfig::default() };
    let mut packer = packer_with(&config);
    assert_eq!(packer.push(&[0; 1_001]), Err(Refused::TooLarge));
    assert_eq!(packer.push_bytes(Bytes::from(vec![0; 1_001])), Err(Refused::TooLarge));
    assert_eq!(packer.admit(1_001), Err(Refused::TooLarge));
    assert!(packer.push(&[0; 1_000]).is_ok());
    packer.close();
    assert_eq!(packer.push(b"x"), Err(Refused::Closed));
    assert_eq!(packer.push_block(block(&[1])), Err(Refused::Closed));
}

#[test]
fn the_open_frame_is_taken_only_if_the_caller_allows_it() {
    let mut packer = packer(1 << 20);
    for _ in 0..18 {
        push(&mut packer, &[7; 1000]);
    }
    let messages = |packed: Option<Packed>| packed.and_then(Packed::into_body).map(|body| body.2);
    assert_eq!(messages(packer.take(false)), Some(17));
    assert_eq!(messages(packer.take(false)), None);
    assert!(!packer.is_empty());
    assert_eq!(messages(packer.take(true)), Some(1));
    assert!(packer.is_empty());
}

#[test]
fn without_blake3_frames_are_filled_to_their_bound() {
    let config = PublishConfig::with_integrity(Integrity::Crc32c);
    let mut packer = packer_with(&config);
    while packer.queue.is_empty() {
        push(&mut packer, &[7; 1000]);
    }
    let (_, buf, messages) = packer.take(false).and_then(Packed::into_body).expect("a body");
    assert_eq!(messages as usize, config.solo_body_bytes() / 1_003);
    assert_eq!(buf.len(), crate::wire::MAX_HEADER + messages as usize * 1_003);
}

/// Two such messages do not fit one frame, and neither may take the memory of a whole frame.
#[test]
fn a_message_of_more_than_half_a_frame_has_a_buffer_of_its_own() {
    let mut packer = packer_with(&PublishConfig::with_integrity(Integrity::Crc32c));
    let big = vec![9; 17_000];
    for message in [b"first".as_slice(), &big, &big, &big, b"last"] {
        push(&mut packer, message);
    }
    let mut frames = Vec::new();
    while let Some((_, buf, messages)) = packer.take(true).and_then(Packed::into_body) {
        if messages == 1 && buf.len() > 100 {
            assert!(buf.capacity() < buf.len() + 64, "{} for {}", buf.capacity(), buf.len());
        }
        let body = buf.freeze().slice(crate::wire::MAX_HEADER..);
        frames.push(Messages::new(body).collect::<Result<Vec<_>, _>>().expect("packed"));
    }
    // The first large message still fits beside the message before it.
    assert_eq!(frames, [vec![&b"first"[..], &big], vec![&big], vec![&big], vec![b"last"]]);
}

#[test]
fn for_several_consumers_large_messages_share_frames() {
    for integrity in [Integrity::Blake3, Integrity::Crc32c] {
        let mut packer = packer_with(&PublishConfig::with_integrity(integrity));
        packer.set_shared(true);
        for _ in 0..7 {
            push(&mut packer, &[7; 16 << 10]);
        }
        assert_eq!(messages_by_frame(&mut packer), [3, 3, 1], "{integrity}");
        packer.set_shared(false);
        for _ in 0..3 {
            push(&mut packer, &[7; 16 << 10]);
        }
        assert_eq!(messages_by_frame(&mut packer), [1, 1, 1], "{integrity}");
    }
}

#[test]
fn for_several_consumers_a_message_that_fits_a_frame_is_sent_whole() {
    let (mut packer, limit) = (packer(1 << 20), PublishConfig::default().max_body_bytes());
    let fits = limit - (message_len(limit) - limit);
    for (shared, len, frames, kind) in [
        (false, 40_000, 3, Kind::Fragment),
        (true, fits, 1, Kind::Data),
        (true, fits + 1, 4, Kind::Fragment),
    ] {
        packer.set_shared(shared);
        packer.push_bytes(Bytes::from(vec![7; len])).expect("there is space");
        // The number of consumers counts when the message is queued, not when it is taken.
        packer.set_shared(!shared);
        let bodies: Vec<_> = std::iter::from_fn(|| packer.take(true)?.into_body()).collect();
        assert_eq!((bodies.len(), bodies[0].0), (frames, kind), "{len}");
        assert_eq!((packer.is_empty(), packer.queued_bytes), (true, 0));
    }
}

#[test]
fn a_frame_that_is_open_when_a_second_consumer_joins_is_not_lost() {
    let mut packer = packer(1 << 20);
    push(&mut packer, &[7; 100]);
    push(&mut packer, &[7; 100]);
    packer.set_shared(true);
    packer.set_shared(true);
    push(&mut packer, &[7; 100]);
    packer.set_shared(false);
    push(&mut packer, &[7; 100]);
    assert_eq!(messages_by_frame(&mut packer), [2, 1, 1]);
}

#[test]
fn frames_for_several_consumers_do_not_exceed_the_configured_size() {
    let config = PublishConfig { frame_bytes: 4 << 10, ..PublishConfig::default() };
    let mut packer = packer_with(&config);
    packer.set_shared(true);
    while packer.queue.len() < 3 {
        push(&mut packer, &[7; 100]);
    }
    while let Some((_, buf, _)) = packer.take(false).and_then(Packed::into_body) {
        assert!(buf.len() <= config.frame_bytes, "{}", buf.len());
    }
}

#[test]
fn holds_one_frame_is_true_for_one_packed_frame_only() {
    let mut packer = packer(1 << 20);
    push(&mut packer, b"small");
    assert!(packer.holds_one_frame());
    packer.push_block(block(&[10])).expect("there is space");
    assert!(!packer.holds_one_frame());
    assert!(packer.take(true).is_some() && !packer.holds_one_frame());
    assert!(packer.take(true).is_some() && !packer.holds_one_frame(), "nothing waits");
    push(&mut packer, &[7; 20_000]);
    while !packer.is_empty() {
        assert!(!packer.holds_one_frame());
        packer.take(true);
    }
}
