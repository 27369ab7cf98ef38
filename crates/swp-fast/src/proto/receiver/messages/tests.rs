use super::*;
use crate::proto::receiver::tests::{fragment_frame, packed_frame};

fn messages(batch: Option<Batch>) -> Vec<Bytes> {
    batch.map(|batch| batch.into_iter().collect()).unwrap_or_default()
}

#[test]
fn a_message_is_complete_with_its_last_fragment() {
    let mut reader = MessageReader::new(100);
    assert!(reader.push(fragment_frame(0, 5, 0, b"ab")).unwrap().is_none());
    let whole = reader.push(fragment_frame(1, 5, 2, b"cde")).unwrap();
    assert_eq!(messages(whole), [&b"abcde"[..]]);
    let packed = reader.push(packed_frame(2, &[b"one", b"two"])).unwrap();
    assert_eq!(messages(packed), [&b"one"[..], b"two"]);
}

#[test]
fn an_empty_body_holds_no_batch() {
    let mut reader = MessageReader::new(100);
    assert!(reader.push(packed_frame(0, &[])).unwrap().is_none());
}

#[test]
fn a_frame_that_does_not_continue_the_message_is_an_error() {
    let mut reader = MessageReader::new(100);
    assert!(reader.push(fragment_frame(0, 5, 0, b"ab")).unwrap().is_none());
    let refused = reader.push(packed_frame(1, &[b"one"])).map(messages);
    assert!(matches!(refused, Err(ReceiverError::Protocol(_))));
    let refused = reader.push(fragment_frame(1, 5, 3, b"de")).map(messages);
    assert!(matches!(refused, Err(ReceiverError::Fragments(_))));
}

#[test]
fn a_batch_that_was_begun_is_returned_from_where_it_stands() {
    let mut reader = MessageReader::new(100);
    let batch = reader.push(packed_frame(0, &[b"one", b"two", b"three"])).unwrap();
    reader.keep(batch.expect("three messages"));
    assert_eq!(reader.next_message().as_deref(), Some(&b"one"[..]));
    assert_eq!(messages(reader.take_rest()), [&b"two"[..], b"three"]);
    assert!(reader.next_message().is_none() && reader.take_rest().is_none());
}
