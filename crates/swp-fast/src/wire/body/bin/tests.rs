use proptest::prelude::*;

use super::*;

proptest! {
    #[test]
    fn length_is_written_as_rmp_writes_it(len in any::<u32>(), shift in 0..32_u32) {
        same_as_rmp(len >> shift);
    }
}

#[test]
fn length_at_the_edge_of_each_marker_is_written_as_rmp_writes_it() {
    for len in [0, 1, 255, 256, 65_535, 65_536, 65_537, u32::MAX] {
        same_as_rmp(len);
    }
}

/// Compares `put_bin_len` and `message_len` with `write_bin_len` of `rmp`.
fn same_as_rmp(len: u32) {
    let mut ours = BytesMut::new();
    put_bin_len(&mut ours, len as usize);
    let mut theirs = Vec::new();
    rmp::encode::write_bin_len(&mut theirs, len).expect("in memory");
    assert_eq!(&ours[..], &theirs[..], "{len}");
    assert_eq!(message_len(len as usize), theirs.len() + len as usize);
    assert!(theirs.len() <= MESSAGE_OVERHEAD);
}
