use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::*;

/// An owned record, for the generators.
#[derive(Debug, Clone)]
struct Owned {
    timestamp_ns: u64,
    subject: String,
    reply: Option<String>,
    headers: Option<Vec<(String, String)>>,
    payload: Vec<u8>,
}

impl Owned {
    fn record(&self) -> Record<'_> {
        Record {
            timestamp_ns: self.timestamp_ns,
            subject: &self.subject,
            reply: self.reply.as_deref(),
            headers: self.headers.as_ref().map(|pairs| pairs.iter().cloned().collect()),
            payload: &self.payload,
        }
    }
}

fn subjects() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z.*>$]{1,40}", "\\PC{1,300}".prop_map(|text| text.replace(' ', "_"))]
}

fn records() -> impl Strategy<Value = Owned> {
    let times = prop_oneof![0..300u64, any::<u64>(), 65_000..66_000u64, (1u64 << 32) - 2..1 << 33];
    let pairs = vec((".{0,40}", ".{0,300}"), 0..20);
    let payload =
        prop_oneof![vec(any::<u8>(), 0..600), (65_500..65_600usize).prop_map(|n| vec![7; n])];
    (times, subjects(), option::of(subjects()), option::of(pairs), payload).prop_map(
        |(timestamp_ns, subject, reply, headers, payload)| Owned {
            timestamp_ns,
            subject,
            reply,
            headers,
            payload,
        },
    )
}

fn encoded(record: &Record<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    record.encode(&mut out).expect("a valid record");
    out
}

const PLAIN: Record<'static> =
    Record { timestamp_ns: 1, subject: "a", reply: None, headers: None, payload: b"xy" };

proptest! {
    #[test]
    fn what_is_encoded_is_decoded(owned in records()) {
        let record = owned.record();
        let bytes = encoded(&record);
        prop_assert_eq!(record.encoded_len(), Ok(bytes.len()));
        let back = Record::decode(&bytes).expect("decodes");
        prop_assert_eq!(&back, &record);
        if let (Some(found), Some(pairs)) = (&back.headers, &owned.headers) {
            let found: Vec<_> = found.iter().map(|(n, v)| (n.to_owned(), v.to_owned())).collect();
            prop_assert_eq!(&found, pairs);
        }
    }

    #[test]
    fn a_cut_record_is_truncated_and_a_longer_one_refused(owned in records(), cut in any::<prop::sample::Index>()) {
        let mut bytes = encoded(&owned.record());
        let cut = cut.index(bytes.len());
        prop_assert_eq!(Record::decode(&bytes[..cut]), Err(RecordError::Truncated));
        bytes.push(0);
        prop_assert_eq!(Record::decode(&bytes), Err(RecordError::Malformed("trailing bytes")));
    }

    #[test]
    fn whatever_decodes_is_the_one_encoding(
        owned in records(),
        at in any::<prop::sample::Index>(),
        patch in vec(any::<u8>(), 0..4),
        insert in any::<bool>(),
    ) {
        let mut bytes = encoded(&owned.record());
        let at = at.index(bytes.len().min(64));
        let end = if insert { at } else { (at + patch.len()).min(bytes.len()) };
        bytes.splice(at..end, patch);
        if let Ok(record) = Record::decode(&bytes) {
            prop_assert_eq!(encoded(&record), bytes);
        }
    }

    #[test]
    fn arbitrary_bytes_do_no_harm(bytes in vec(any::<u8>(), 0..200)) {
        let mut with_head = vec![0x95, 1, 0xa1, b'a', 0xc0];
        with_head.extend_from_slice(&bytes);
        for bytes in [&bytes, &with_head] {
            if let Ok(record) = Record::decode(bytes) {
                prop_assert_eq!(&encoded(&record), bytes);
            }
        }
    }
}

#[test]
fn the_bytes_of_a_record_are_these() {
    let headers: Headers<'_> = [("K", "v"), ("K", "w")].into_iter().collect();
    let record = Record { reply: Some("r"), headers: Some(headers), ..PLAIN };
    let wanted = [
        &[0x95, 1, 0xa1, b'a', 0xa1, b'r', 0x92][..],
        &[0x92, 0xa1, b'K', 0xa1, b'v', 0x92, 0xa1, b'K', 0xa1, b'w'],
        &[0xc4, 2, b'x', b'y'],
    ]
    .concat();
    assert_eq!(encoded(&record), wanted);
    assert_eq!(encoded(&PLAIN), [0x95, 1, 0xa1, b'a', 0xc0, 0xc0, 0xc4, 2, b'x', b'y']);
}

#[test]
fn longer_forms_of_the_same_values_are_refused() {
    let longer: [(&[u8], &str); 9] = [
        (&[0x95, 0xcc, 1, 0xa1, b'a', 0xc0, 0xc0, 0xc4, 0], "timestamp"),
        (&[0x95, 0xcd, 0, 200, 0xa1, b'a', 0xc0, 0xc0, 0xc4, 0], "timestamp"),
        (&[0x95, 0xce, 0, 0, 1, 0, 0xa1, b'a', 0xc0, 0xc0, 0xc4, 0], "timestamp"),
        (&[0x95, 1, 0xd9, 1, b'a', 0xc0, 0xc0, 0xc4, 0], "subject"),
        (&[0x95, 1, 0xa1, b'a', 0xda, 0, 1, b'r', 0xc0, 0xc4, 0], "reply"),
        (&[0x95, 1, 0xa1, b'a', 0xc0, 0xdc, 0, 0, 0xc4, 0], "headers"),
        (&[0x95, 1, 0xa1, b'a', 0xc0, 0xdd, 0, 0, 0, 0, 0xc4, 0], "headers"),
        (&[0x95, 1, 0xa1, b'a', 0xc0, 0xc0, 0xc5, 0, 0], "payload"),
        (&[0xdc, 0, 5, 1, 0xa1, b'a', 0xc0, 0xc0, 0xc4, 0], "record"),
    ];
    for (bytes, what) in longer {
        assert_eq!(Record::decode(bytes), Err(RecordError::NotCanonical(what)), "{bytes:x?}");
    }
    // The signed forms of a positive number are no forms of it here at all.
    let signed = [0x95, 0xd1, 1, 44, 0xa1, b'a', 0xc0, 0xc0, 0xc4, 0];
    assert_eq!(Record::decode(&signed), Err(RecordError::Malformed("timestamp")));
}

#[test]
fn subjects_have_bounds() {
    let long = "s".repeat(MAX_SUBJECT + 1);
    for (subject, error) in [
        ("", RecordError::OutOfRange("subject")),
        (long.as_str(), RecordError::OutOfRange("subject")),
        ("two words", RecordError::Malformed("subject")),
        ("line\r\nPUB x 0", RecordError::Malformed("subject")),
    ] {
        let record = Record { subject, ..PLAIN };
        assert_eq!(record.encoded_len(), Err(error));
        let mut out = b"before".to_vec();
        assert_eq!(record.encode(&mut out), Err(error));
        assert_eq!(out, b"before");
        // The decoder holds the same bounds: a record made without the check is refused.
        record.put(&mut out);
        assert_eq!(Record::decode(&out[6..]), Err(error));
    }
    let longest = Record { subject: &long[1..], reply: Some(&long[1..]), ..PLAIN };
    assert_eq!(Record::decode(&encoded(&longest)), Ok(longest));
}

#[test]
fn records_have_a_bound() {
    let payload = vec![0; MAX_RECORD];
    let too_long = Record { payload: &payload, ..PLAIN };
    assert_eq!(too_long.encoded_len(), Err(RecordError::OutOfRange("record")));
    let head = encoded(&Record { payload: &payload[..70_000], ..PLAIN }).len() - 70_000;
    let longest = Record { payload: &payload[head..], ..PLAIN };
    assert_eq!(longest.encoded_len(), Ok(MAX_RECORD));
    assert_eq!(Record::decode(&encoded(&longest)), Ok(longest));
}

#[test]
fn no_headers_and_an_empty_section_are_two_things() {
    let none = encoded(&PLAIN);
    let empty = encoded(&Record { headers: Some(Headers::new()), ..PLAIN });
    assert_ne!(none, empty);
    let back = Record::decode(&empty).expect("decodes");
    assert!(back.headers.is_some_and(|headers| headers.is_empty()));
}

#[test]
fn every_header_map_of_the_client_is_representable() {
    let mut map = async_nats::HeaderMap::new();
    map.append("Nats-Msg-Id", "1");
    map.append("X", "a");
    map.append("X", "");
    map.append("X", "b: ü");
    for number in 0..70_000 {
        map.append(format!("N{number}"), "v");
    }
    let headers: Headers<'_> = map
        .iter()
        .flat_map(|(name, values)| values.iter().map(move |value| (name, value)))
        .map(|(name, value)| (name.to_string(), value.as_str()))
        .collect();
    assert_eq!(headers.len(), 70_004);
    let bytes = encoded(&Record { headers: Some(headers), ..PLAIN });
    let back = Record::decode(&bytes).expect("decodes").headers.expect("headers");
    let mut again = async_nats::HeaderMap::new();
    for (name, value) in back.iter() {
        again.append(name, value);
    }
    assert_eq!(again, map);
}

#[test]
fn a_count_of_headers_that_is_not_there_costs_nothing() {
    let bytes = [0x95, 1, 0xa1, b'a', 0xc0, 0xdd, 0xff, 0xff, 0xff, 0xff, 0x92, 0xa0, 0xa0];
    assert_eq!(Record::decode(&bytes), Err(RecordError::Truncated));
}

#[test]
fn decoding_borrows() {
    let bytes = encoded(&PLAIN);
    let record = Record::decode(&bytes).expect("decodes");
    assert_eq!(record.payload.as_ptr(), bytes[bytes.len() - 2..].as_ptr());
}
