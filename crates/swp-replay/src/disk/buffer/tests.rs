use bytes::Bytes;

use super::*;

#[test]
fn buffers_are_aligned_and_as_long_as_requested_up_to_the_size_of_the_pool() {
    for bytes in [0, 1, 4095, 4096, 4097, 1 << 20] {
        let mut pool = Pool::new(1, bytes);
        let mut buffer = pool.try_take(bytes + 1).expect("a buffer");
        assert_eq!((buffer.len(), buffer.is_empty()), (bytes, bytes == 0));
        assert_eq!(buffer.as_ref().len(), bytes);
        assert_eq!(buffer.as_mut().as_ptr().addr() % ALIGN, 0);
        buffer.as_mut().fill(7);
        assert!(buffer.as_ref().iter().all(|byte| *byte == 7));
    }
}

#[tokio::test]
async fn pool_lends_a_fixed_number_of_buffers_and_takes_them_back() {
    let mut pool = Pool::new(2, 5000);
    let first = pool.take(10).await;
    let address = first.as_ref().as_ptr().addr();
    let second = pool.take(5000).await;
    assert_eq!((first.len(), second.len()), (10, 5000));
    assert!(pool.try_take(1).is_none());
    // The pool lends a buffer beyond its count, and does not keep that buffer.
    let extra = pool.take_or_make(1);
    let slice = Bytes::from_owner(first).slice(2..5);
    let also = slice.clone();
    drop(slice);
    assert!(pool.try_take(1).is_none(), "a slice is still held");
    let back = tokio::spawn(async move { drop(also) });
    let third = pool.take(20).await;
    assert_eq!(third.as_ref().as_ptr().addr(), address);
    back.await.expect("drops");
    drop((second, third));
    drop(extra);
    let both = (pool.try_take(1).expect("back"), pool.try_take(1).expect("back"));
    assert!(pool.try_take(1).is_none());
    drop(pool);
    drop(both);
}

#[test]
#[cfg_attr(debug_assertions, should_panic(expected = "a read was dropped in flight"))]
fn buffer_whose_memory_a_read_owns_does_not_return_to_the_pool() {
    let mut pool = Pool::new(1, 100);
    let mut buffer = pool.try_take(100).expect("a buffer");
    let (memory, start) = buffer.take_memory();
    assert_eq!((memory.as_ptr().addr() + start) % ALIGN, 0);
    assert_eq!((buffer.as_ref().len(), buffer.as_mut().len()), (0, 0));
    drop(buffer);
    assert!(pool.try_take(1).is_none());
}
