use super::*;
use crate::testing::at_ms as at;

#[test]
fn each_request_is_taken_once() {
    let mut probes = ProbeSchedule::new(Duration::from_millis(100), at(0));
    probes.request(&[PeerId(1), PeerId(2)]);
    probes.request(&[PeerId(2), PeerId(3)]);
    let inboxes: Vec<u64> = std::iter::from_fn(|| probes.take_inbox()).map(|id| id.0).collect();
    assert_eq!(inboxes, [1, 2, 3]);
    probes.request_all();
    assert!(probes.take_all() && !probes.take_all());
    probes.request_fin();
    assert!(probes.take_fin() && !probes.take_fin());
    assert_eq!([probes.next_number(), probes.next_number()], [1, 2]);
}

#[test]
fn a_send_to_the_group_puts_the_keep_alive_off() {
    let mut probes = ProbeSchedule::new(Duration::from_millis(100), at(0));
    assert_eq!(probes.keep_alive_at(), at(100));
    probes.note_group_send(at(30));
    assert_eq!(probes.keep_alive_at(), at(130));
}
