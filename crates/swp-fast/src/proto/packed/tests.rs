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
