//! Encoding, and writes that take any number of bytes at a time.

use proptest::{collection::vec, prelude::*};

use super::*;
use crate::subject::Subject;

fn message(subject: &'static str, header: usize, payload: usize) -> Outgoing {
    let header = Bytes::from(vec![b'h'; header]);
    let subject = Subject::new(subject).unwrap();
    Outgoing { header, ..Outgoing::new(subject, vec![b'p'; payload]) }
}

fn expected(message: &Outgoing) -> Vec<u8> {
    let (header, payload) = (&message.header, &message.payload);
    let reply = message.reply.as_ref().map(|reply| format!("{reply} ")).unwrap_or_default();
    let line = match header.len() {
        0 => format!("PUB {} {reply}{}\r\n", message.subject, payload.len()),
        len => format!("HPUB {} {reply}{len} {}\r\n", message.subject, len + payload.len()),
    };
    [line.as_bytes(), header, payload, b"\r\n"].concat()
}

/// Writes a batch to its end, `sizes` bytes at a time in turns.
fn write_out(batch: &mut Batch, sizes: &[usize]) -> Vec<u8> {
    let mut written = Vec::new();
    let mut sizes = sizes.iter().cycle();
    while !batch.is_empty() {
        let mut slices = [IoSlice::new(&[]); SLICES_MAX];
        let count = batch.io_slices(&mut slices);
        let offered: Vec<u8> = slices[..count].iter().flat_map(|slice| slice.to_vec()).collect();
        let taken = (*sizes.next().unwrap()).min(offered.len());
        written.extend_from_slice(&offered[..taken]);
        batch.advance(taken);
    }
    written
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn what_is_written_is_what_was_queued(
        parts in vec((0usize..3_000, 0usize..40_000, any::<bool>()), 1..40),
        sizes in vec(500usize..100_000, 1..10),
    ) {
        let (mut queue, mut batch, mut wire) = (Queue::default(), Batch::default(), Vec::new());
        for (header, payload, reply) in parts {
            let mut message = message("a.b", header, payload);
            message.reply = reply.then(|| Subject::new("r").unwrap());
            let bytes = expected(&message);
            prop_assert_eq!(queue.push_message(message), bytes.len());
            wire.extend(bytes);
        }
        prop_assert_eq!(queue.push_line(&[b"PING", b"\r\n"]), 6);
        wire.extend(b"PING\r\n");
        queue.move_into(&mut batch);
        prop_assert!(queue.is_empty());
        prop_assert_eq!(write_out(&mut batch, &sizes), wire);
    }
}

#[test]
fn a_large_payload_is_queued_by_reference() {
    let (mut queue, mut batch) = (Queue::default(), Batch::default());
    let large = message("s", 0, COPY_BYTES_MAX + 1);
    let pointer = large.payload.as_ptr();
    queue.push_message(large);
    queue.push_message(message("s", 0, COPY_BYTES_MAX));
    queue.move_into(&mut batch);
    let mut slices = [IoSlice::new(&[]); SLICES_MAX];
    // The first line, the payload, and one chunk with all that follows.
    assert_eq!(batch.io_slices(&mut slices), 3);
    assert_eq!(slices[1].as_ptr(), pointer);
}

#[test]
fn a_subject_that_would_end_its_line_is_refused() {
    for bad in ["", "a b", "a\tb", "a\r", "\na"] {
        Subject::new(bad).unwrap_err();
    }
    Subject::new(vec![b'a'; 70_000]).unwrap_err();
    assert_eq!(Subject::new(&b"a.\xff"[..]).unwrap().to_string(), "a.\\xff");
}
