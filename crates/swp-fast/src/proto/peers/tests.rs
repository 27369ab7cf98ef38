use std::time::Duration;

use super::*;
use crate::proto::peer::Joining;
use crate::wire::Seq;

fn at(ms: u64) -> Time {
    Time::from_nanos(1) + Duration::from_millis(ms)
}

fn joining(id: u64, window_frames: u64) -> Peer {
    let joining = Joining {
        id: PeerId(id),
        name: String::new(),
        tag: String::new(),
        required: true,
        start: Seq::ZERO,
        start_bytes: 0,
        window_frames,
        window_bytes: 1 << 20,
        behind: None,
        at_present: true,
        replaces: None,
    };
    Peer::new(joining, at(0))
}

fn two() -> Peers {
    let mut peers = Peers::default();
    peers.insert(PeerId(1), joining(1, 10));
    peers.insert(PeerId(2), joining(2, 20));
    peers
}

#[test]
fn the_sum_follows_every_change() {
    let mut peers = two();
    let limit = |peers: &Peers| peers.sum().limit.map(|limit| limit.frames.get());
    peers.add_up();
    assert_eq!(limit(&peers), Some(10));
    peers.get_mut(&PeerId(1)).unwrap().credit.frames = Seq::ZERO.advance(15);
    assert_eq!(limit(&peers), Some(15), "the change is seen before it is added up again");
    peers.add_up();
    peers.remove(&PeerId(1));
    assert_eq!(limit(&peers), Some(20));
    peers.add_up();
    peers.remove(&PeerId(2));
    assert_eq!(limit(&peers), None);
    assert!(!peers.sum().repairs);
}

#[test]
fn what_went_to_the_group_counts_for_each_as_if_it_were_noted_at_once() {
    let mut peers = two();
    peers.get_mut(&PeerId(2)).unwrap().backoff = 1;
    for ms in 1..=3 {
        peers.note_group_send(at(ms));
    }
    let expected = [
        Waiting { since: at(3), unheard: 3, unheard_since: at(1) },
        // Already waited for: its time-out goes on running.
        Waiting { since: at(0), unheard: 3, unheard_since: at(1) },
    ];
    let seen: Vec<Waiting> = peers.values().map(|peer| peers.waiting(peer)).collect();
    assert_eq!(seen, expected);
    let taken: Vec<Waiting> = peers.values_mut().map(|peer| peer.waiting).collect();
    assert_eq!(taken, expected);
    let first = peers.get_mut(&PeerId(1)).unwrap();
    first.heard(at(4));
    assert_eq!(first.waiting.unheard, 0);
    peers.note_group_send(at(5));
    let seen: Vec<Waiting> = peers.values().map(|peer| peers.waiting(peer)).collect();
    assert_eq!(seen[0], Waiting { since: at(5), unheard: 1, unheard_since: at(5) });
    assert_eq!(seen[1], Waiting { since: at(0), unheard: 4, unheard_since: at(1) });
}
