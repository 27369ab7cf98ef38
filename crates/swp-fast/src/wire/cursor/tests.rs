use proptest::prelude::*;

use super::*;
use crate::wire::MAX_COUNT;
use crate::wire::put::Put;
use crate::wire::tests::arb;

/// Checks that `read` accepts a value only in the bytes that `rmp` writes for it.
fn one_encoding<'a, T>(
    bytes: &'a [u8],
    read: impl FnOnce(&mut Cursor<'a>) -> Result<T, WireError>,
    write: impl FnOnce(&mut Vec<u8>, T),
) -> Result<(), TestCaseError> {
    let mut cursor = Cursor::new(bytes);
    if let Ok(value) = read(&mut cursor) {
        let mut again = Vec::new();
        write(&mut again, value);
        prop_assert_eq!(&again[..], &bytes[..cursor.position()]);
    }
    Ok(())
}

proptest! {
    #[test]
    fn every_value_has_one_encoding(soup in arb::soup()) {
        for at in 0..soup.len() {
            let bytes = &soup[at..];
            one_encoding(bytes, |c| c.id("x"), |out, value| {
                rmp::encode::write_uint(out, value).expect("in memory");
            })?;
            one_encoding(bytes, |c| c.uint::<u64>("x"), |out, value| {
                assert!(value <= MAX_COUNT);
                rmp::encode::write_uint(out, value).expect("in memory");
            })?;
            one_encoding(bytes, |c| c.array_len(u32::MAX, "x"), |out, len| {
                rmp::encode::write_array_len(out, len).expect("in memory");
            })?;
            one_encoding(bytes, |c| c.bin(usize::MAX, "x"), |out, bytes| {
                rmp::encode::write_bin(out, bytes).expect("in memory");
            })?;
            one_encoding(bytes, |c| c.str(usize::MAX, "x"), |out, text| {
                rmp::encode::write_str(out, text).expect("in memory");
            })?;
        }
    }

    #[test]
    fn integers_read_back_up_to_their_bound(id in any::<u64>(), shift in 0..64_u32) {
        let id = id >> shift;
        let mut put = Put::default();
        put.id(id).uint(id);
        let bytes = put.into_vec();
        let mut cursor = Cursor::new(&bytes);
        prop_assert_eq!(cursor.id("id"), Ok(id));
        // `Put` writes `MAX_COUNT` in place of a larger integer.
        prop_assert_eq!(cursor.uint("count"), Ok(id.min(MAX_COUNT)));
        prop_assert_eq!(cursor.finish(), Ok(()));
    }

    #[test]
    fn text_and_bytes_read_back(
        text in "\\PC{0,300}",
        bytes in arb::bytes(300),
        len in any::<u32>(),
    ) {
        let mut put = Put::default();
        put.str_cut(&text, usize::MAX).bin(&bytes).nested(len);
        let written = put.into_vec();
        let mut cursor = Cursor::new(&written);
        prop_assert_eq!(cursor.str(text.len(), "text"), Ok(&text[..]));
        prop_assert_eq!(cursor.bin(bytes.len(), "bytes"), Ok(&bytes[..]));
        prop_assert_eq!(cursor.array_len(u32::MAX, "array"), Ok(len));
        prop_assert_eq!(cursor.finish(), Ok(()));
        for cut in 0..written.len() {
            let mut cursor = Cursor::new(&written[..cut]);
            let read = cursor
                .str(text.len(), "text")
                .and_then(|_| cursor.bin(bytes.len(), "bytes"))
                .and_then(|_| cursor.array_len(u32::MAX, "array"));
            prop_assert_eq!(read, Err(WireError::Truncated));
        }
        let mut cursor = Cursor::new(&written);
        if !text.is_empty() {
            prop_assert_eq!(cursor.str(text.len() - 1, "text"), Err(WireError::OutOfRange("text")));
        }
    }
}

#[test]
fn values_of_another_type_are_refused() {
    let malformed = WireError::Malformed("x");
    // nil, a negative integer, a float, a map, an extension
    for bytes in [&[0xc0][..], &[0xff], &[0xca, 0, 0, 0, 0], &[0x80], &[0xd4, 1, 1]] {
        assert_eq!(Cursor::new(bytes).id("x"), Err(malformed), "{bytes:02x?}");
        assert_eq!(Cursor::new(bytes).uint::<u8>("x"), Err(malformed), "{bytes:02x?}");
        assert_eq!(Cursor::new(bytes).array(1, "x"), Err(malformed), "{bytes:02x?}");
        assert_eq!(Cursor::new(bytes).array_len(9, "x"), Err(malformed), "{bytes:02x?}");
        assert_eq!(Cursor::new(bytes).bin(9, "x"), Err(malformed), "{bytes:02x?}");
        assert_eq!(Cursor::new(bytes).str(9, "x"), Err(malformed), "{bytes:02x?}");
    }
    assert_eq!(Cursor::new(&[0xa1, 0xff]).str(9, "x"), Err(malformed), "not UTF-8");
    assert_eq!(Cursor::new(&[0xcd, 1, 0]).uint::<u8>("x"), Err(WireError::OutOfRange("x")));
}
