use proptest::prelude::*;

use super::*;
use crate::wire::tests::arb;

fn packed(messages: &[Vec<u8>]) -> Bytes {
    Bytes::copy_from_slice(arb::packed(messages).body())
}

proptest! {
    #[test]
    fn packed_messages_read_back(messages in arb::messages()) {
        let body = packed(&messages);
        prop_assert_eq!(count_messages(&body), Ok(messages.len() as u32));
        let read: Result<Vec<_>, _> = Messages::new(body.clone()).collect();
        prop_assert_eq!(&read.expect("valid body"), &messages);
        let slices: Result<Vec<_>, _> = MessageSlices::new(&body).collect();
        prop_assert_eq!(&slices.expect("valid body"), &messages);
    }

    /// Also checks that no reader yields anything after an error.
    #[test]
    fn all_readers_agree_on_any_body(body in arb::soup(), messages in arb::messages()) {
        let body = Bytes::from([&packed(&messages)[..], &body].concat());
        let owned: Vec<_> = Messages::new(body.clone()).collect();
        let slices: Vec<_> = MessageSlices::new(&body).collect();
        prop_assert_eq!(owned.len(), slices.len());
        for (owned, slice) in owned.iter().zip(&slices) {
            prop_assert_eq!(owned.as_ref().map(|bytes| &bytes[..]), slice.as_ref().map(|&s| s));
        }
        let error = owned.last().and_then(|last| last.as_ref().err().copied());
        let errors = owned.iter().filter(|message| message.is_err()).count();
        prop_assert_eq!(errors, usize::from(error.is_some()));
        match count_messages(&body) {
            Ok(count) => prop_assert_eq!((owned.len(), error), (count as usize, None)),
            Err(refused) => prop_assert_eq!(Some(refused), error),
        }
    }

    #[test]
    fn cut_body_is_truncated_or_has_fewer_messages(
        messages in arb::messages(),
        at in any::<prop::sample::Index>(),
    ) {
        let body = packed(&messages);
        if body.is_empty() {
            return Ok(());
        }
        match count_messages(&body[..at.index(body.len())]) {
            Ok(count) => prop_assert!((count as usize) < messages.len()),
            Err(error) => prop_assert_eq!(error, WireError::Truncated),
        }
    }
}

#[test]
fn marker_longer_than_needed_is_refused() {
    let long = Err(WireError::Malformed("message length"));
    let mut bin16 = vec![0xc5, 0, 255];
    bin16.resize(3 + 255, 0);
    assert_eq!(count_messages(&bin16), long);
    let mut bin32 = vec![0xc6, 0, 0, 255, 255];
    bin32.resize(5 + 65_535, 0);
    assert_eq!(count_messages(&bin32), long);
    assert_eq!(count_messages(&[0xc6, 0, 0, 0, 0]), long);
    assert_eq!(count_messages(&[0xa1, b'a']), Err(WireError::Malformed("message")));
    assert_eq!(count_messages(&[]), Ok(0));
}

#[test]
fn body_that_ends_within_a_message_is_truncated() {
    for body in [&[0xc4][..], &[0xc5], &[0xc5, 1], &[0xc6, 0, 1, 0], &[0xc4, 2, 1]] {
        assert_eq!(count_messages(body), Err(WireError::Truncated), "{body:02x?}");
        let first = Messages::new(Bytes::copy_from_slice(body)).next();
        assert_eq!(first, Some(Err(WireError::Truncated)), "{body:02x?}");
    }
}
