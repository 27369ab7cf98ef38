//! What a NATS server sends: no panic, the same operations in any split into reads, and an
//! operation that follows what was understood is understood too.

use nats_link::{
    ServerError,
    parse::{Decoder, Limits, Op, ParseError, SLICE_FACTOR},
};

/// Small enough that a fuzzer reaches both.
const LINE_BYTES: usize = 200;
const MESSAGE_BYTES: usize = 100_000;

/// A read buffer, and as much again for its successor.
const BUFFER_BYTES: usize = 256 << 10;

/// The first byte says how many bytes a read yields; the rest is what the server sends.
pub fn server_ops(data: &[u8]) {
    let Some((&read, stream)) = data.split_first() else { return };
    let (whole, rest) = decode(stream, stream.len().max(1));
    let (split, _) = decode(stream, usize::from(read).max(1));
    assert_eq!(split, whole, "a split into reads changes nothing");
    let Some(rest) = rest else { return };
    if rest == 0 {
        // A neighbour.
        let (more, _) = decode(&[stream, b"PING\r\n"].concat(), stream.len().max(1));
        assert_eq!(
            (more.0.len(), more.0.last()),
            (whole.0.len() + 1, Some(&Seen::Other(Op::Ping)))
        );
        assert_eq!(more.1, None);
    }
}

/// An operation, without how its memory is shared.
#[derive(Debug, PartialEq)]
enum Seen {
    Message { subject: Vec<u8>, reply: Option<Vec<u8>>, header: Vec<u8>, payload: Vec<u8> },
    Other(Op),
}

type Decoded = (Vec<Seen>, Option<std::mem::Discriminant<ParseError>>);

/// Decodes a stream in reads of `read` bytes. Returns what is left over, if there is no error.
fn decode(stream: &[u8], read: usize) -> (Decoded, Option<usize>) {
    let mut limits = Limits::default();
    (limits.line_bytes, limits.message_bytes) = (LINE_BYTES, MESSAGE_BYTES);
    let mut decoder = Decoder::new(limits);
    let mut seen = Vec::new();
    let mut rest = stream;
    while !rest.is_empty() {
        let space = decoder.space();
        let spare = space.capacity() - space.len();
        assert!(spare > 0 && space.capacity() <= MESSAGE_BYTES * SLICE_FACTOR + BUFFER_BYTES);
        let (now, later) = rest.split_at(read.min(spare).min(rest.len()));
        space.extend_from_slice(now);
        rest = later;
        loop {
            match decoder.next() {
                Ok(Some(op)) => seen.push(look(op)),
                Ok(None) => break,
                Err(error) => {
                    assert_eq!(decoder.next(), Err(error.clone()), "an error stays");
                    assert!(error.to_string().len() < 1_000, "an error is short");
                    return ((seen, Some(std::mem::discriminant(&error))), None);
                }
            }
        }
    }
    ((seen, None), Some(decoder.buffered()))
}

fn look(op: Op) -> Seen {
    match op {
        Op::Message(mut message) => {
            let (subject, reply) =
                (message.subject().to_vec(), message.reply().map(<[u8]>::to_vec));
            let (header, payload) = (message.header().to_vec(), message.payload().to_vec());
            assert!(!subject.is_empty() && !subject.iter().any(|byte| b" \t\n".contains(byte)));
            assert!(header.len() + payload.len() <= MESSAGE_BYTES);
            assert_eq!(message.subject_bytes(), subject);
            assert_eq!(message.header_bytes(), header);
            assert_eq!(message.payload_bytes(), payload);
            message.detach();
            assert_eq!(message.into_payload(), payload);
            Seen::Message { subject, reply, header, payload }
        }
        other => {
            if let Op::Err(text) = &other {
                let error = ServerError::parse(text);
                assert!(!error.to_string().is_empty());
            }
            Seen::Other(other)
        }
    }
}
