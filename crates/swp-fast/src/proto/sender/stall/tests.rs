use super::*;
use crate::testing::at_ms as at;

#[test]
fn the_time_counts_from_when_the_same_consumer_began_to_hold_the_stream_back() {
    let mut stall = StallWatch::default();
    stall.note_holder(Some(PeerId(1)), at(1));
    stall.note_holder(Some(PeerId(1)), at(5));
    assert_eq!(stall.holder(), Some(Holder { id: PeerId(1), since: at(1) }));
    stall.note_holder(Some(PeerId(2)), at(6));
    assert_eq!(stall.holder(), Some(Holder { id: PeerId(2), since: at(6) }));
    stall.note_holder(None, at(7));
    assert_eq!(stall.holder(), None);
}
