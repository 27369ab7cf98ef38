use super::*;
use crate::testing::{at_ms as at, seq};

fn probe(number: u64) -> SentProbe {
    SentProbe { number, sent_at: at(number), next: seq(0) }
}

#[test]
fn what_is_sent_counts_as_unheard_until_the_consumer_is_heard() {
    let mut liveness = PeerLiveness::new(at(0));
    liveness.note_sent(at(5));
    liveness.note_sent(at(7));
    let waiting = Waiting { since: at(0), unheard: 2, unheard_since: at(5) };
    assert_eq!(liveness.waiting_after(None), waiting);
    liveness.note_group_retransmission();
    assert_eq!(liveness.group_retransmits_unheard(), 1);
    liveness.note_heard(at(9));
    assert_eq!((liveness.waiting_after(None).unheard, liveness.last_heard()), (0, at(9)));
    assert_eq!(liveness.group_retransmits_unheard(), 0);
}

#[test]
fn a_first_send_restarts_only_a_time_out_that_has_not_fired() {
    let mut liveness = PeerLiveness::new(at(0));
    liveness.note_sent_first(at(3));
    assert_eq!(liveness.waiting_after(None).since, at(3));
    liveness.back_off(at(10));
    liveness.note_sent_first(at(12));
    assert_eq!((liveness.waiting_after(None).since, liveness.backoff()), (at(10), 1));
    liveness.reset_backoff();
    liveness.restart_wait(at(20));
    assert_eq!((liveness.waiting_after(None).since, liveness.backoff()), (at(20), 0));
}

#[test]
fn an_answer_settles_all_probes_before() {
    let mut liveness = PeerLiveness::new(at(0));
    (1..=20).for_each(|number| liveness.note_probe(probe(number)));
    assert!(liveness.take_answered_probe(4).is_none(), "only the newest are told apart");
    assert_eq!(liveness.take_answered_probe(10).map(|probe| probe.sent_at), Some(at(10)));
    assert!(liveness.take_answered_probe(9).is_none());
    assert!(liveness.take_answered_probe(11).is_some());
}

#[test]
fn the_time_in_which_the_process_stood_still_does_not_count() {
    let mut liveness = PeerLiveness::new(at(0));
    liveness.note_heard(at(100));
    liveness.note_progress(at(50));
    liveness.note_sent(at(120));
    liveness.skip_gap(Duration::from_secs(5), at(5_060));
    assert_eq!((liveness.last_heard(), liveness.progress_at()), (at(5_060), at(5_050)));
    assert_eq!(liveness.waiting_after(None).unheard, 0);
}
