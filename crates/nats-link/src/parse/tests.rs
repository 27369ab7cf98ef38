//! Any split into reads yields the same operations, and no bytes panic.

use proptest::{collection::vec, prelude::*};

use super::*;

/// Decodes `stream`, cut into reads of the given sizes in turns. Ends with the error, if any.
fn decode(stream: &[u8], reads: &[usize], limits: Limits) -> (Vec<Op>, Option<ParseError>) {
    let mut decoder = Decoder::new(limits);
    let mut ops = Vec::new();
    let mut rest = stream;
    let mut sizes = reads.iter().cycle();
    while !rest.is_empty() {
        let space = decoder.space();
        let most = (*sizes.next().unwrap()).clamp(1, space.capacity() - space.len());
        let (now, later) = rest.split_at(most.min(rest.len()));
        space.extend_from_slice(now);
        rest = later;
        loop {
            match decoder.next() {
                Ok(Some(op)) => ops.push(op),
                Ok(None) => break,
                Err(error) => {
                    assert_eq!(decoder.next(), Err(error.clone()), "an error stays");
                    return (ops, Some(error));
                }
            }
        }
    }
    (ops, None)
}

fn whole(stream: &[u8]) -> (Vec<Op>, Option<ParseError>) {
    decode(stream, &[usize::MAX], Limits::default())
}

/// What a test compares of a message: not how its memory is shared.
type Plain = (Vec<u8>, Option<Vec<u8>>, Vec<u8>, Vec<u8>, u64);

fn plain(op: &Op) -> Result<Plain, String> {
    match op {
        Op::Message(m) => Ok((
            m.subject().to_vec(),
            m.reply().map(<[u8]>::to_vec),
            m.header().to_vec(),
            m.payload().to_vec(),
            m.sid,
        )),
        other => Err(format!("{other:?}")),
    }
}

fn plains(ops: &[Op]) -> Vec<Result<Plain, String>> {
    ops.iter().map(plain).collect()
}

/// A message as it is on the wire.
fn encode((subject, reply, header, payload, sid): &Plain) -> Vec<u8> {
    let mut line = Vec::from(if header.is_empty() { &b"MSG "[..] } else { b"HMSG " });
    line.extend_from_slice(subject);
    line.extend_from_slice(format!(" {sid} ").as_bytes());
    if let Some(reply) = reply {
        line.extend_from_slice(reply);
        line.push(b' ');
    }
    if !header.is_empty() {
        line.extend_from_slice(format!("{} ", header.len()).as_bytes());
    }
    line.extend_from_slice(format!("{}\r\n", header.len() + payload.len()).as_bytes());
    [&line[..], header, payload, b"\r\n"].concat()
}

/// A subject of any bytes but those that end it.
fn subject() -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>().prop_filter("a blank or line end", |b| !b" \t\r\n".contains(b)), 1..40)
}

fn messages() -> impl Strategy<Value = Vec<Plain>> {
    let payload = prop_oneof![
        9 => vec(any::<u8>(), 0..200),
        1 => (0usize..40_000, any::<u8>()).prop_map(|(len, byte)| vec![byte; len]),
    ];
    let header = prop_oneof![Just(Vec::new()), vec(any::<u8>(), 1..60)];
    vec((subject(), proptest::option::of(subject()), header, payload, any::<u64>()), 0..30)
}

proptest! {
    #[test]
    fn any_split_of_messages_yields_those_messages(
        messages in messages(),
        reads in vec(1usize..5_000, 1..20),
    ) {
        let stream: Vec<u8> = messages.iter().flat_map(encode).collect();
        let (ops, error) = decode(&stream, &reads, Limits::default());
        prop_assert_eq!(error, None);
        let expected: Vec<_> = messages.into_iter().map(Ok).collect();
        prop_assert_eq!(plains(&ops), expected);
    }

    #[test]
    fn any_bytes_yield_the_same_operations_in_any_split(
        bytes in vec(prop_oneof![
            3 => any::<u8>(),
            2 => prop::sample::select(&b" \t\r\n'0123456789"[..]),
            2 => prop::sample::select(&b"MSGHPINOERF+-"[..]),
        ], 0..400),
        start in prop::sample::select(
            vec!["", "MSG ", "HMSG a 1 ", "MSG a 1 4\r\n", "-ERR '", "INFO"]
        ),
        reads in vec(1usize..40, 1..10),
    ) {
        let stream = [start.as_bytes(), &bytes].concat();
        let limits = Limits { line_bytes: 64, message_bytes: 64 };
        let at_once = decode(&stream, &[usize::MAX], limits);
        let split = decode(&stream, &reads, limits);
        prop_assert_eq!(plains(&at_once.0), plains(&split.0));
        prop_assert_eq!(at_once.1.map(|e| std::mem::discriminant(&e)),
            split.1.map(|e| std::mem::discriminant(&e)));
    }

}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_slice_keeps_at_most_the_stated_factor_alive(
        sizes in vec(prop_oneof![0usize..20_000, 0usize..600_000], 1..30),
    ) {
        let stream: Vec<u8> = sizes
            .iter()
            .flat_map(|size| encode(&(b"s".to_vec(), None, vec![], vec![7; *size], 1)))
            .collect();
        let (ops, error) = decode(&stream, &[1 << 20], Limits::default());
        prop_assert_eq!((ops.len(), error), (sizes.len(), None));
        for op in ops {
            let Op::Message(message) = op else { panic!("a message") };
            if let Some(buffer) = message.buffer {
                prop_assert!(buffer.capacity as usize <= message.size() * SLICE_FACTOR);
            }
        }
    }
}

#[test]
fn each_operation_is_recognised() {
    let (ops, error) = whole(
        b"INFO {\"a\":1}\r\nPING\r\nPONG\r\n+OK\r\n-ERR 'Slow Consumer'\r\n-ERR odd\r\nping\n",
    );
    assert_eq!(error, None);
    let text = Bytes::from_static;
    let expected = vec![
        Op::Info(text(b" {\"a\":1}")),
        Op::Ping,
        Op::Pong,
        Op::Ok,
        Op::Err(text(b"Slow Consumer")),
        Op::Err(text(b"odd")),
        Op::Ping,
    ];
    assert_eq!(ops, expected);
}

#[test]
fn an_unknown_line_leaves_its_neighbours() {
    let (ops, error) = whole(b"MSG a 1 1\r\nx\r\nWHAT is this\r\n\r\nMSG b 1 0\r\n\r\n");
    assert_eq!((ops.len(), error), (4, None));
    assert_eq!(ops[1], Op::Unknown(Bytes::from_static(b"WHAT is this")));
    assert_eq!(ops[2], Op::Unknown(Bytes::new()));
}

#[test]
fn odd_headers_and_subjects_are_delivered_as_they_are() {
    let headers: [&[u8]; 5] =
        [b"NATS/1.0\r\nK: a\rb\r\n\r\n", b"NATS/1.0 5\r\n\r\n", b"nats", b"\r\r\n\n", b"\xff\x00"];
    for header in headers {
        let message =
            (b"d.\xff\x0b".to_vec(), Some(b"r\xff".to_vec()), header.to_vec(), vec![1], 7);
        let stream = [encode(&message), b"PING\r\n".to_vec()].concat();
        let (ops, _) = whole(&stream);
        assert_eq!((plain(&ops[0]), &ops[1]), (Ok(message), &Op::Ping));
    }
}

#[test]
fn an_error_names_the_line() {
    let named = |stream: &[u8]| whole(stream).1.unwrap().to_string();
    assert!(named(b"MSG a 1 99999999999999999999999\r\n").contains("\"MSG a 1 999"));
    assert!(named(b"MSG a 1 67108865\r\n").contains("67108865 bytes, more than 67108864"));
    for line in ["MSG a 1", "MSG a x 1", "MSG a 1 -1", "HMSG a 1 9 8", "MSG a 1 r 1 1 1", "MSG"] {
        let error = whole(format!("{line}\r\n").as_bytes()).1;
        assert_eq!(error, Some(ParseError::BadMessage { line: line.to_owned() }));
    }
    assert!(named(&[b'x'; 300_000]).contains("more than 262144 bytes"));
    assert!(named(b"MSG a 1 2\r\nxyz\r\n").contains("no line end after the 2 bytes"));
}

#[test]
fn buffers_are_reused_once_their_slices_are_gone() {
    let mut decoder = Decoder::new(Limits::default());
    let message = encode(&(b"s".to_vec(), None, vec![], vec![7; 100_000], 1));
    for _ in 0..100 {
        let mut rest = &message[..];
        while !rest.is_empty() {
            let space = decoder.space();
            let most = (space.capacity() - space.len()).min(rest.len());
            space.extend_from_slice(&rest[..most]);
            rest = &rest[most..];
            while decoder.next().unwrap().is_some() {}
        }
    }
    // A buffer that is not taken from the pool again stays there.
    assert!(decoder.buffer.pool.len() <= 1, "{} buffers", decoder.buffer.pool.len());
    assert_eq!(decoder.buffered(), 0);
}

#[test]
fn a_message_turns_into_its_parts() {
    let expected = (b"a.b".to_vec(), Some(b"r".to_vec()), b"h\r\n".to_vec(), vec![5; 9_000], 3);
    let (ops, _) = whole(&encode(&expected));
    let Op::Message(mut message) = ops[0].clone() else { panic!("a message") };
    assert_eq!(message.subject_bytes(), expected.0);
    assert_eq!(message.reply_bytes().as_deref(), expected.1.as_deref());
    assert_eq!(message.header_bytes(), expected.2);
    assert_eq!(message.payload_bytes(), expected.3);
    assert!(message.buffer.is_some());
    message.detach();
    assert!(message.buffer.is_none());
    assert_eq!(plain(&Op::Message(message.clone())), Ok(expected));
    assert_eq!(message.into_payload(), vec![5; 9_000]);
}
