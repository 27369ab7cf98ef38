use super::*;
use crate::config::PublishConfig;

fn outbox(queue_bytes: usize) -> Outbox {
    Outbox::new(&PublishConfig { queue_bytes, ..PublishConfig::default() }, false)
}

#[test]
fn what_must_be_read_again_is_packed_before() {
    let mut outbox = Outbox::new(&PublishConfig::default(), true);
    assert_eq!(outbox.push(b"message"), Err(Refused::PackedOnly));
    assert_eq!(outbox.push_large(Bytes::from(vec![0; 1 << 20])), Err(Refused::PackedOnly));
    let (packed, _) = outbox.push_block(vec![0; 100], Vec::new());
    assert_eq!((packed, outbox.is_empty()), (None, false));
}

#[test]
fn messages_share_a_frame_until_it_is_full() {
    let mut outbox = outbox(1 << 20);
    let message = [7; 1000];
    let frames: Vec<u64> =
        (0..40).map(|_| outbox.push(&message).expect("there is room").0.get()).collect();
    // 17 messages of 1,003 bytes pass 16 KiB, at which a frame is full.
    assert_eq!(frames[..17], [0; 17]);
    assert_eq!(frames[17..34], [1; 17]);
    assert_eq!(outbox.end(), Seq::new(3).expect("in range"));
}

#[test]
fn a_full_queue_refuses_and_keeps_what_it_has() {
    let mut outbox = outbox(20_000);
    let mut taken = 0;
    while outbox.push(&[1; 100]).is_ok() {
        taken += 1;
    }
    assert_eq!(taken, 20_000 / 102);
    assert_eq!(outbox.push(&[1; 100]), Err(Refused::Blocked));
    assert_eq!(outbox.push_large(Bytes::from(vec![0; 100_000])), Err(Refused::Blocked));
}

#[test]
fn a_large_message_is_taken_alone_and_numbered_by_its_last_fragment() {
    let mut outbox = outbox(20_000);
    let (last, rouses) =
        outbox.push_large(Bytes::from(vec![0; 100_000])).expect("the queue is empty");
    assert!(rouses);
    assert_eq!(last.get(), 100_000_u64.div_ceil(16 << 10) - 1);
    assert_eq!(outbox.push(b"x"), Err(Refused::Blocked));
}

/// Once, and not by what comes while a flush is under way, behind which the task looks by itself.
#[test]
fn the_task_is_woken_by_what_it_waits_for() {
    let mut outbox = outbox(1 << 20);
    let rouses = |outbox: &mut Outbox| outbox.push(b"x").expect("there is room").1;
    assert_eq!([rouses(&mut outbox), rouses(&mut outbox)], [true, false]);
    // The task takes it all, and flushes.
    assert!(outbox.next(true).is_some() && outbox.is_empty());
    assert!(!rouses(&mut outbox));
    assert!(outbox.next(true).is_some() && outbox.next(true).is_none());
    outbox.await_more();
    assert!(rouses(&mut outbox));
    // Taken past the task, which sleeps on.
    assert!(outbox.next_alone().is_some());
    assert_eq!([rouses(&mut outbox), rouses(&mut outbox)], [true, false]);
}

#[test]
fn nothing_is_taken_after_the_end_and_nothing_above_the_bound() {
    let mut outbox = outbox(1 << 20);
    assert_eq!(outbox.admit_large(65 << 20), Err(Refused::TooLarge));
    outbox.close();
    assert_eq!(outbox.push(b"x"), Err(Refused::Closed));
}

#[test]
fn the_open_frame_goes_only_where_it_is_asked_for() {
    let mut outbox = outbox(1 << 20);
    for _ in 0..18 {
        outbox.push(&[7; 1000]).expect("there is room");
    }
    let messages = |job: Option<Job>| match job {
        Some(Job::Frame { messages, .. }) => messages,
        _ => 0,
    };
    assert_eq!(messages(outbox.next(false)), 17);
    assert_eq!(messages(outbox.next(false)), 0);
    assert!(!outbox.is_empty());
    assert_eq!(messages(outbox.next(true)), 1);
    assert!(outbox.is_empty());
}

#[test]
fn without_blake3_frames_are_filled_to_their_bound() {
    let config = PublishConfig::with_integrity(crate::wire::Integrity::Crc32c);
    let mut outbox = Outbox::new(&config, false);
    while outbox.queue.is_empty() {
        outbox.push(&[7; 1000]).expect("there is room");
    }
    let Some(Job::Frame { buf, messages }) = outbox.next(false) else { unreachable!() };
    assert_eq!(messages as usize, config.solo_body_bytes() / 1_003);
    assert_eq!(buf.len(), MAX_HEADER + messages as usize * 1_003);
}

/// Of two that do not fit one frame, neither may take the memory of a whole one; and what was there before
/// keeps its place.
#[test]
fn a_message_of_more_than_half_a_frame_has_a_buffer_of_its_own() {
    let config = PublishConfig::with_integrity(crate::wire::Integrity::Crc32c);
    let mut outbox = Outbox::new(&config, false);
    let big = vec![9; 17_000];
    let numbers = [b"first".as_slice(), &big, &big, &big, b"last"]
        .map(|message| outbox.push(message).expect("there is room").0.get());
    // The first big one still fits beside what was there.
    assert_eq!(numbers, [0, 0, 1, 2, 3]);
    let mut frames = Vec::new();
    while let Some(Job::Frame { buf, messages }) = outbox.next(true) {
        if messages == 1 && buf.len() > 100 {
            assert!(buf.capacity() < buf.len() + 64, "{} for {}", buf.capacity(), buf.len());
        }
        let body = buf.freeze().slice(MAX_HEADER..);
        frames
            .push(crate::wire::Messages::new(body).collect::<Result<Vec<_>, _>>().expect("packed"));
    }
    assert_eq!(frames, [vec![&b"first"[..], &big], vec![&big], vec![&big], vec![b"last"]]);
}

/// Takes all frames out: the messages in each.
fn messages_by_frame(outbox: &mut Outbox) -> Vec<u32> {
    let mut counts = Vec::new();
    while let Some(job) = outbox.next(true) {
        let Job::Frame { messages, .. } = job else { unreachable!("only frames were queued") };
        counts.push(messages);
    }
    counts
}

#[test]
fn for_several_consumers_large_messages_share_frames_too() {
    for integrity in [crate::wire::Integrity::Blake3, crate::wire::Integrity::Crc32c] {
        let mut outbox = Outbox::new(&PublishConfig::with_integrity(integrity), false);
        outbox.set_shared(true);
        let numbers: Vec<u64> =
            (0..7).map(|_| outbox.push(&[7; 16 << 10]).expect("there is room").0.get()).collect();
        assert_eq!(numbers, [0, 0, 0, 1, 1, 1, 2], "{integrity}");
        assert_eq!(messages_by_frame(&mut outbox), [3, 3, 1], "{integrity}");
        outbox.set_shared(false);
        for _ in 0..3 {
            outbox.push(&[7; 16 << 10]).expect("there is room");
        }
        assert_eq!(messages_by_frame(&mut outbox), [1, 1, 1], "{integrity}");
    }
}

/// Cut up, each consumer would have to put it together again.
#[test]
fn for_several_consumers_a_message_that_a_frame_holds_is_sent_whole() {
    let (mut outbox, limit) = (outbox(1 << 20), PublishConfig::default().max_body_bytes());
    let fits = limit - (message_len(limit) - limit);
    for (shared, len, frames, whole) in
        [(false, 40_000, 3, false), (true, fits, 1, true), (true, fits + 1, 4, false)]
    {
        outbox.set_shared(shared);
        let first = outbox.end();
        let message = Bytes::from(vec![7; len]);
        let (last, _) = outbox.push_large(message).expect("there is room");
        assert_eq!(last, first.advance(frames - 1));
        // What was queued goes as it was meant to, whoever has the stream by then.
        outbox.set_shared(!shared);
        let jobs: Vec<_> = std::iter::from_fn(|| outbox.next(true)).collect();
        assert_eq!(jobs.len() as u64, frames, "{len}");
        assert_eq!(matches!(jobs[0], Job::Whole { .. }), whole, "{len}");
        assert_eq!((outbox.is_empty(), outbox.queued_bytes), (true, 0));
    }
}

/// Numbers that were given out stay true, and the frame that was open is not lost.
#[test]
fn a_frame_that_is_open_when_a_second_consumer_comes_goes_as_it_is() {
    let mut outbox = outbox(1 << 20);
    let push = |outbox: &mut Outbox| outbox.push(&[7; 100]).expect("there is room").0.get();
    assert_eq!([push(&mut outbox), push(&mut outbox)], [0, 0]);
    outbox.set_shared(true);
    outbox.set_shared(true);
    assert_eq!(push(&mut outbox), 1);
    outbox.set_shared(false);
    assert_eq!(push(&mut outbox), 2);
    assert_eq!(outbox.end(), Seq::new(3).expect("in range"));
    assert_eq!(messages_by_frame(&mut outbox), [2, 1, 1]);
}

#[test]
fn a_bound_below_what_suits_holds_for_several_consumers_too() {
    let config = PublishConfig { frame_bytes: 4 << 10, ..PublishConfig::default() };
    let mut outbox = Outbox::new(&config, false);
    outbox.set_shared(true);
    while outbox.queue.len() < 3 {
        outbox.push(&[7; 100]).expect("there is room");
    }
    while let Some(Job::Frame { buf, .. }) = outbox.next(false) {
        assert!(buf.len() <= config.frame_bytes, "{}", buf.len());
    }
}
