use super::*;

#[test]
fn a_small_frame_is_copied_and_a_large_one_is_not() {
    let buffer = Bytes::from(vec![7; 64 << 10]);
    for (len, copied) in [(0, true), (COPY_BYTES - 1, true), (COPY_BYTES, false)] {
        let frame = buffer.slice(100..100 + len);
        let detached = detach_small(frame.clone());
        assert_eq!(detached, frame);
        assert_eq!(detached.as_ptr() != frame.as_ptr(), copied, "{len} bytes");
    }
}
