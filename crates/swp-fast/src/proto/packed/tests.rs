use super::*;

fn body(range: Range<usize>, kind: Kind) -> PackedBody {
    PackedBody { range, kind, messages: 1, digest: Digest::None }
}

#[test]
fn bodies_outside_of_the_block_or_without_space_for_headers_are_refused() {
    let wrong = [
        (vec![body(63..100, Kind::Data)], 0),
        (vec![body(64..201, Kind::Data)], 0),
        (vec![body(64..80, Kind::Ack)], 0),
        (vec![body(64..80, Kind::Data), body(143..160, Kind::Data)], 1),
        (vec![body(64..80, Kind::Data), body(20..30, Kind::Data)], 1),
        (vec![PackedBody { range: Range { start: 100, end: 90 }, ..body(0..1, Kind::Data) }], 0),
    ];
    for (bodies, index) in wrong {
        let refused = PackedBlock::new(vec![0; 200], bodies.clone()).map(|_| ());
        assert_eq!(refused, Err(BlockError { index }), "{bodies:?}");
    }
    let right = vec![body(64..80, Kind::Data), body(144..200, Kind::Fragment)];
    let block = PackedBlock::new(vec![0; 200], right).expect("the bodies are in order");
    assert_eq!((block.len(), block.longest_body(), block.is_empty()), (200, 56, false));
}

#[test]
fn what_was_kept_by_reference_encodes_as_the_wire_does() {
    let message = Bytes::from_static(b"0123456789");
    let packed = |content| Packed { content, end: Position::default() };
    let whole = packed(Content::Whole(message.clone())).into_body();
    assert_eq!(whole, Some((Kind::Data, encode_message(&message), 1)));
    for (range, messages) in [(0..4, 0), (4..8, 0), (8..10, 1)] {
        let buf = encode_fragment(10, range.start as u64, &message[range.clone()]);
        let fragment = Content::Fragment { message: message.clone(), range };
        assert_eq!(packed(fragment).into_body(), Some((Kind::Fragment, buf, messages)));
    }
    let block = PackedBlock::new(vec![0; 200], vec![body(64..80, Kind::Data)]).expect("in order");
    assert_eq!(packed(Content::Block(block)).into_body(), None);
}
