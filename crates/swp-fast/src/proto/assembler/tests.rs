use bytes::Bytes;
use proptest::prelude::*;

use super::{AssembleError, Assembler, RESERVE_BYTES};
use crate::wire::Fragment;

fn fragment(total: u64, offset: u64, part: &[u8]) -> Fragment {
    Fragment { total, offset, part: Bytes::copy_from_slice(part) }
}

proptest! {
    #[test]
    fn fragments_of_any_size_make_the_message(
        message in prop::collection::vec(any::<u8>(), 1..5_000),
        size in 1..700usize,
    ) {
        let mut assembler = Assembler::new(5_000);
        let parts = message.chunks(size);
        let last = parts.len() - 1;
        for (index, part) in parts.enumerate() {
            let offset = (index * size) as u64;
            let whole = assembler.push(&fragment(message.len() as u64, offset, part));
            let whole = whole.map_err(|error| TestCaseError::fail(error.to_string()))?;
            prop_assert_eq!(whole.is_some(), index == last);
            prop_assert_eq!(assembler.is_open(), index != last);
            if let Some(whole) = whole {
                prop_assert_eq!(&whole[..], &message[..]);
            }
        }
    }
}

/// A message of this many bytes of `fill`, put together from fragments of 16 KiB.
fn message(assembler: &mut Assembler, bytes: usize, fill: u8) -> Bytes {
    let content = vec![fill; bytes];
    let mut offset = 0;
    for part in content.chunks(16 << 10) {
        let whole = assembler.push(&fragment(bytes as u64, offset, part)).expect("in its place");
        offset += part.len() as u64;
        if let Some(whole) = whole {
            return whole;
        }
    }
    panic!("the last fragment completes the message")
}

#[test]
fn a_message_takes_the_memory_of_the_message_before_if_that_was_dropped() {
    const LONG: usize = 3 << 20;
    let mut assembler = Assembler::new(LONG as u64);
    let first = message(&mut assembler, LONG, 1);
    let memory = first.as_ptr();
    drop(first);
    let second = message(&mut assembler, LONG, 2);
    assert_eq!(second.as_ptr(), memory);
    let third = message(&mut assembler, LONG, 3);
    assert_ne!(third.as_ptr(), memory);
    assert!(second.iter().all(|&byte| byte == 2) && third.iter().all(|&byte| byte == 3));
    drop((second, third));
    let short = message(&mut assembler, LONG / 2, 4);
    assert_eq!((short.len(), short[0]), (LONG / 2, 4));
}

#[test]
fn a_fragment_out_of_place_drops_the_message() {
    let mut assembler = Assembler::new(100);
    assert_eq!(
        assembler.push(&fragment(10, 5, b"later")),
        Err(AssembleError::OutOfPlace { offset: 5, expected: 0 })
    );
    assert_eq!(assembler.push(&fragment(10, 0, b"start")), Ok(None));
    assert_eq!(
        assembler.push(&fragment(11, 5, b"other")),
        Err(AssembleError::OutOfPlace { offset: 5, expected: 5 })
    );
    assert!(!assembler.is_open());
    assert_eq!(assembler.push(&fragment(5, 0, b"whole")), Ok(Some(Bytes::from_static(b"whole"))));
}

#[test]
fn a_stated_length_allocates_little() {
    let mut assembler = Assembler::new(u64::MAX);
    assert_eq!(assembler.push(&fragment(1 << 50, 0, b"x")), Ok(None));
    assert!(assembler.message.capacity() <= 2 * RESERVE_BYTES);
}

#[test]
fn a_message_above_the_bound_is_refused() {
    let mut assembler = Assembler::new(9);
    let refused = assembler.push(&fragment(10, 0, b"start"));
    assert_eq!(refused, Err(AssembleError::TooLong { total: 10, max: 9 }));
    assert!(!assembler.is_open());
}
