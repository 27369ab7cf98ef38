use super::*;
use crate::wire::{MAX_HEADER, OpenFrame};

fn packed(messages: &[&[u8]]) -> Batch {
    let mut open = OpenFrame::new(1_000);
    messages.iter().for_each(|message| assert!(open.push(message)));
    Batch::packed(open.into_buf().freeze().slice(MAX_HEADER..))
}

#[test]
fn borrowed_and_owned_messages_are_the_same() {
    let batch = packed(&[b"one", b"", b"three"]);
    assert_eq!(batch.iter().collect::<Vec<_>>(), [&b"one"[..], b"", b"three"]);
    assert_eq!(batch.len(), 3);
    assert_eq!(batch.into_iter().collect::<Vec<_>>(), [&b"one"[..], b"", b"three"]);
    let whole = Batch::whole(Bytes::from_static(b"whole"));
    assert_eq!((whole.len(), whole.iter().next()), (1, Some(&b"whole"[..])));
    assert_eq!(whole.into_iter().collect::<Vec<_>>(), [&b"whole"[..]]);
}

#[test]
fn the_rest_of_a_batch_begins_behind_what_was_yielded() {
    let mut messages = packed(&[b"one", b"two"]).into_iter();
    assert_eq!(messages.next().as_deref(), Some(&b"one"[..]));
    let rest = messages.take_rest().expect("a message is left");
    assert_eq!(rest.iter().collect::<Vec<_>>(), [&b"two"[..]]);
    assert!(messages.next().is_none() && messages.take_rest().is_none());
}
