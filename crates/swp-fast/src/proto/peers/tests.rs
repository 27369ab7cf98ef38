use std::time::Duration;

use super::*;
use crate::proto::peer::{Identity, Joining, Window};
use crate::testing::{ack, seq};
use crate::wire::Seq;

fn at(ms: u64) -> Time {
    Time::from_nanos(1) + Duration::from_millis(ms)
}

fn joining(id: u64, window_frames: u64) -> Peer {
    let (name, tag) = (String::new(), String::new());
    let joining = Joining {
        identity: Identity { id: PeerId(id), name, tag, counts: true, replaces: None },
        start: Seq::ZERO,
        start_bytes: 0,
        window: Window { frames: window_frames, bytes: 1 << 20 },
        catches_up: None,
        misses_nothing: true,
    };
    Peer::new(joining, at(0))
}

fn two() -> Peers {
    let mut peers = Peers::default();
    peers.insert(joining(1, 10));
    peers.insert(joining(2, 20));
    peers
}

#[test]
fn the_sum_follows_every_change() {
    let mut peers = two();
    let limit = |peers: &Peers| peers.sum().limit.map(|limit| limit.frames.get());
    peers.add_up();
    assert_eq!(limit(&peers), Some(10));
    let more = ack(PeerId(1), 5).with_credit(15, 0);
    let queue = crate::proto::retransmit::RetransmitQueue::default();
    peers.update(PeerId(1), |peer| {
        let ack = crate::proto::peer::NumberedAck { seq: seq(1), ack: &more };
        peer.handle_ack(at(1), ack, &queue, Duration::ZERO);
    });
    assert_eq!(limit(&peers), Some(15), "the change is seen before it is added up again");
    peers.add_up();
    peers.remove(PeerId(1));
    assert_eq!(limit(&peers), Some(20));
    peers.add_up();
    peers.remove(PeerId(2));
    assert_eq!(limit(&peers), None);
    assert!(!peers.sum().has_due);
}

#[test]
fn sends_to_the_group_count_as_if_each_were_noted_at_once() {
    let mut peers = two();
    peers.update(PeerId(2), |peer| peer.liveness_mut().back_off(at(0)));
    for ms in 1..=3 {
        peers.note_group_send(at(ms));
    }
    let expected = [
        Waiting { since: at(3), unheard: 3, unheard_since: at(1) },
        // The publisher waits for this consumer already: its time-out goes on running.
        Waiting { since: at(0), unheard: 3, unheard_since: at(1) },
    ];
    let seen = |peers: &Peers| peers.iter().map(|peer| peers.waiting(peer)).collect::<Vec<_>>();
    assert_eq!(seen(&peers), expected);
    peers.for_each_mut(|_| {});
    assert_eq!(seen(&peers), expected, "also once they are settled");
    peers.update(PeerId(1), |peer| peer.liveness_mut().note_heard(at(4)));
    peers.note_group_send(at(5));
    assert_eq!(seen(&peers)[0], Waiting { since: at(5), unheard: 1, unheard_since: at(5) });
    assert_eq!(seen(&peers)[1], Waiting { since: at(0), unheard: 4, unheard_since: at(1) });
}

#[test]
fn turns_begin_behind_the_last_and_end_with_it() {
    let mut peers = two();
    peers.insert(joining(3, 10));
    let turn = |last| peers.in_turn(PeerId(last)).map(|peer| peer.id().0).collect::<Vec<_>>();
    assert_eq!(turn(0), [1, 2, 3]);
    assert_eq!(turn(2), [3, 1, 2]);
    assert_eq!(turn(3), [1, 2, 3]);
}
