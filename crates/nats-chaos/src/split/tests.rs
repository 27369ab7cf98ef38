use bytes::BufMut;
use proptest::prelude::*;

use super::*;

/// All units in `wire`, handed over in parts that end at `cuts`.
fn split(origin: Origin, wire: &[u8], cuts: &[usize]) -> Result<Vec<Unit>, SplitError> {
    let mut splitter = Splitter::new(origin);
    let mut units = Vec::new();
    let mut start = 0;
    for &end in cuts.iter().chain([&wire.len()]) {
        splitter.buffer().put_slice(&wire[start..end]);
        start = end;
        while let Some(unit) = splitter.next_unit()? {
            units.push(unit);
        }
    }
    Ok(units)
}

fn parts(unit: &Unit) -> Option<(&[u8], &[u8])> {
    match unit {
        Unit::Line(_) => None,
        Unit::Message(message) => {
            Some((&message.bytes[message.subject.clone()], &message.bytes[message.payload.clone()]))
        }
    }
}

fn bytes(unit: &Unit) -> &[u8] {
    match unit {
        Unit::Line(line) => line,
        Unit::Message(message) => &message.bytes,
    }
}

const CLIENT: &[u8] = b"CONNECT {\"verbose\":false}\r\nPING\r\nPUB a.b 5\r\nhello\r\nSUB c 1\r\n\
    PUB a.b reply.to 0\r\n\r\nhpub x 12 17\r\nNATS/1.0\r\n\r\npay\r\n\r\nPUB\td  3\r\nPUB\r\nPONG\r\n";
const SERVER: &[u8] = b"INFO {}\r\nMSG a.b 7 5\r\nhello\r\nMSG a.b 7 re.ply 4\r\nMSG \r\n+OK\r\n\
    HMSG q 12 12 12\r\nNATS/1.0\r\n\r\n\r\n-ERR 'x'\r\n";

#[test]
fn messages_are_told_from_the_rest() {
    let units = split(Origin::Client, CLIENT, &[]).unwrap();
    assert_eq!(units.iter().map(bytes).collect::<Vec<_>>().concat(), CLIENT);
    let found: Vec<_> = units.iter().filter_map(parts).collect();
    let wanted: [(&[u8], &[u8]); 4] =
        [(b"a.b", b"hello"), (b"a.b", b""), (b"x", b"pay\r\n"), (b"d", b"PUB")];
    assert_eq!(found, wanted);
    let units = split(Origin::Server, SERVER, &[]).unwrap();
    assert_eq!(units.iter().map(bytes).collect::<Vec<_>>().concat(), SERVER);
    let found: Vec<_> = units.iter().filter_map(parts).collect();
    let wanted: [(&[u8], &[u8]); 3] = [(b"a.b", b"hello"), (b"a.b", b"MSG "), (b"q", b"")];
    assert_eq!(found, wanted);
}

#[test]
fn a_cut_at_any_byte_makes_no_difference() {
    for (origin, wire) in [(Origin::Client, CLIENT), (Origin::Server, SERVER)] {
        let whole = split(origin, wire, &[]);
        for at in 0..wire.len() {
            assert_eq!(split(origin, wire, &[at]), whole, "cut at {at}");
        }
        let everywhere: Vec<usize> = (0..wire.len()).collect();
        assert_eq!(split(origin, wire, &everywhere), whole);
    }
}

#[test]
fn what_cannot_be_nats_is_an_error() {
    let client = |wire: &[u8]| split(Origin::Client, wire, &[]);
    assert_eq!(client(b"PUB\r\n"), Err(SplitError::BadSizes));
    assert_eq!(client(b"PUB a\r\n"), Err(SplitError::BadSizes));
    assert_eq!(client(b"PUB a -1\r\n"), Err(SplitError::BadSizes));
    assert_eq!(client(b"HPUB a 5\r\nhello\r\n"), Err(SplitError::BadSizes));
    assert_eq!(client(b"HPUB a 6 5\r\nhello\r\n"), Err(SplitError::BadSizes));
    assert_eq!(client(b"PUB a 5\r\nhelloes\r\n"), Err(SplitError::Unterminated));
    assert_eq!(client(b"PUB a 67108865\r\n"), Err(SplitError::MessageTooLong));
    assert_eq!(client(&[b'x'; LINE_BYTES_MAX]), Ok(vec![]));
    assert_eq!(client(&[b'x'; LINE_BYTES_MAX + 1]), Err(SplitError::LineTooLong));
}

/// A unit's bytes, and its payload if it is a message.
fn any_unit() -> impl Strategy<Value = (Vec<u8>, Option<Vec<u8>>)> {
    let payload = prop::collection::vec(any::<u8>(), 0..200);
    let line = "(PING|\\+OK|SUB [a-z]{1,9} 4|INFO \\{\"a\":[0-9]\\})";
    prop_oneof![
        line.prop_map(|line| (format!("{line}\r\n").into_bytes(), None)),
        ("[a-z.]{1,20}", prop::option::of("[A-Z]{1,9}"), payload, 0..30_usize).prop_map(
            |(subject, reply, payload, headers)| {
                let reply = reply.map_or(String::new(), |reply| format!("{reply} "));
                let total = headers + payload.len();
                let mut wire = match headers {
                    0 => format!("MSG {subject} 1 {reply}{total}\r\n"),
                    _ => format!("HMSG {subject} 1 {reply}{headers} {total}\r\n"),
                }
                .into_bytes();
                wire.extend(vec![b'\n'; headers]);
                wire.extend(&payload);
                wire.extend(b"\r\n");
                (wire, Some(payload))
            }
        ),
    ]
}

proptest! {
    #[test]
    fn any_units_come_out_as_they_went_in(
        units in prop::collection::vec(any_unit(), 0..20),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..20),
    ) {
        let wire: Vec<u8> = units.iter().flat_map(|(wire, _)| wire.clone()).collect();
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(wire.len() + 1)).collect();
        cuts.sort_unstable();
        let found = split(Origin::Server, &wire, &cuts).unwrap();
        prop_assert_eq!(found.len(), units.len());
        for (found, (wire, payload)) in found.iter().zip(&units) {
            prop_assert_eq!(bytes(found), &wire[..]);
            prop_assert_eq!(parts(found).map(|(_, payload)| payload), payload.as_deref());
        }
    }

    #[test]
    fn noise_neither_panics_nor_changes(wire in prop::collection::vec(any::<u8>(), 0..500)) {
        if let Ok(units) = split(Origin::Client, &wire, &[]) {
            let passed: Vec<u8> = units.iter().map(bytes).collect::<Vec<_>>().concat();
            prop_assert!(wire.starts_with(&passed));
        }
    }
}
