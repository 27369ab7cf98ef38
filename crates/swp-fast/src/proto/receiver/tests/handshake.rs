//! Joining, being removed, and joining again.

use super::*;
use crate::wire::{Announce, Reset, ResetCode, Resume, Syn};

fn removal() -> Bytes {
    let reason = "nothing heard".to_owned();
    control(&Control::Reset(Reset { peer: ID, code: ResetCode::TimedOut, reason }))
}

fn syn(receiver: &mut Receiver, now: Time) -> Option<Syn> {
    match sent(receiver, now)? {
        Control::Syn(syn) => Some(syn),
        other => panic!("a SYN was due, not {other:?}"),
    }
}

/// Runs a receiver on its own deadlines until it is over. Returns when that was.
fn run(receiver: &mut Receiver, mut now: Time) -> Time {
    loop {
        while receiver.poll_transmit(now).is_some() {}
        let Some(at) = receiver.poll_timeout() else { return now };
        now = at;
        receiver.handle_timeout(now);
    }
}

#[test]
fn syn_is_sent_again_with_back_off() {
    let mut receiver = new(SubscribeConfig::default());
    let mut times = Vec::new();
    while times.len() < 6 {
        let now = receiver.poll_timeout().expect("the next SYN");
        receiver.handle_timeout(now);
        assert!(receiver.poll_transmit(now).is_some());
        assert!(receiver.poll_transmit(now).is_none());
        times.push(now.as_nanos() / 1_000_000);
    }
    assert_eq!(times, [0, 100, 300, 700, 1_500, 2_500]);
}

#[test]
fn an_announcement_or_a_reconnect_makes_the_next_syn_due() {
    let mut receiver = new(SubscribeConfig::default());
    assert!(syn(&mut receiver, us(0)).is_some());
    let announce = Announce { peer: PeerId(1), claiming: true };
    receiver.handle_frame(us(10), &control(&Control::Announce(announce)));
    assert!(syn(&mut receiver, us(10)).is_some() && syn(&mut receiver, us(20)).is_none());
    receiver.handle_reconnect(us(20));
    assert!(syn(&mut receiver, us(20)).is_some() && syn(&mut receiver, us(30)).is_none());
}

/// A frame without pauses between keep-alives would make the consumer send without a pause.
#[test]
fn durations_that_no_publisher_sets_are_refused() {
    let (zero, second) = (Duration::ZERO, Duration::from_secs(1));
    for (keep_alive, idle_timeout) in [(zero, second), (second * 2, second)] {
        let mut receiver = new(SubscribeConfig::default());
        let syn_ack = SynAck { keep_alive, idle_timeout, ..accepted(0, 0) };
        receiver.handle_frame(us(0), &control(&Control::SynAck(syn_ack)));
        assert_eq!((receiver.is_connected(), receiver.stats().dropped.malformed), (false, 1));
    }
}

#[test]
fn a_resume_elsewhere_than_asked_fails() {
    let sack = Default::default();
    let resume =
        Resume { session: SESSION, epoch: 1, peer: ID, next: seq(5), next_bytes: 500, sack };
    for (start, start_bytes, connected) in [(5, 500, true), (5, 499, false), (4, 500, false)] {
        let config = SubscribeConfig { resume: Some(resume.clone()), ..SubscribeConfig::default() };
        let mut receiver = new(config);
        assert_eq!(syn(&mut receiver, us(0)).expect("due").resume, Some(resume.clone()));
        receiver.handle_frame(us(0), &syn_ack(start, start_bytes));
        assert_eq!((receiver.is_connected(), receiver.is_over()), (connected, !connected));
    }
}

#[test]
fn a_late_join_can_be_resumed_once_a_message_begins() {
    let mut receiver = new(SubscribeConfig::default());
    receiver.handle_frame(us(0), &syn_ack(5, 500));
    assert!(receiver.is_connected() && receiver.resume_point().is_none());
    receiver.handle_frame(us(1), &data(5, b"whole"));
    let resume = receiver.resume_point().expect("a message has begun");
    assert_eq!((resume.next, resume.next_bytes), (seq(5), 500));
}

#[test]
fn a_further_syn_ack_of_the_session_is_acked_and_one_of_another_is_foreign() {
    let mut receiver = joined(100, 100_000);
    receiver.handle_frame(us(1), &syn_ack(0, 0));
    assert!(ack(&mut receiver, us(1)).is_some());
    receiver.handle_frame(us(2), &control_in(2, &Control::SynAck(accepted(0, 0))));
    assert!(ack(&mut receiver, us(2)).is_none());
    assert_eq!(receiver.stats().dropped.foreign, 1);
}

/// A consumer that was removed may have accepted frames for which it had no credit. They must not
/// fill the space that the missing frames need.
#[test]
fn a_removed_consumer_discards_frames_that_leave_no_space_for_missing_ones() {
    let mut receiver = joined(100, 4_000);
    receiver.handle_frame(us(10), &data(0, &[0; 100]));
    receiver.handle_frame(us(10), &data(2, &[0; 100]));
    receiver.handle_frame(us(10), &data(9, &[0; 900]));
    let before = receiver.stats();
    assert_eq!((before.frames, before.queued_frames), (3, 3));
    receiver.handle_frame(us(20), &removal());
    let resume = syn(&mut receiver, us(20)).and_then(|syn| syn.resume).expect("it resumes");
    assert_eq!((resume.next, resume.next_bytes), (seq(1), 102));
    assert_eq!(resume.sack.iter().collect::<Vec<_>>(), [(seq(2), seq(3))]);
    let stats = receiver.stats();
    assert_eq!((stats.frames, stats.queued_frames, stats.dropped.beyond_window), (2, 2, 1));
}

#[test]
fn a_removed_consumer_continues_where_it_resumed() {
    let mut receiver = joined(100, 100_000);
    receiver.handle_frame(us(10), &data(0, b"one"));
    receiver.handle_frame(us(10), &data(2, b"three"));
    receiver.handle_frame(us(20), &removal());
    // It answers a SYN that was sent before frame 0 arrived.
    receiver.handle_frame(us(21), &syn_ack(0, 0));
    assert_eq!(receiver.poll_event(), None);
    receiver.handle_frame(us(22), &syn_ack(1, 5));
    assert_eq!(receiver.poll_event(), Some(ReceiverEvent::Reconnected));
    receiver.handle_frame(us(23), &data(1, b"two"));
    let messages: Vec<Bytes> = std::iter::from_fn(|| receiver.read_message(us(24))).collect();
    assert_eq!(messages, [&b"one"[..], b"two", b"three"]);
    assert_eq!(receiver.stats().dropped.unexpected, 1);
}

#[test]
fn a_consumer_that_is_not_readmitted_fails_after_the_idle_time_out() {
    let mut receiver = joined(100, 100_000);
    receiver.handle_frame(ms(20), &removal());
    // The same RESET again answers a late ack, and is no refusal.
    receiver.handle_frame(ms(21), &removal());
    assert_eq!(run(&mut receiver, ms(21)), ms(20) + Duration::from_secs(10));
    let reason = "nothing heard".to_owned();
    assert_eq!(receiver.failure(), Some(&ReceiverError::NotReadmitted { reason }));
}

#[test]
fn a_stopped_process_has_the_whole_time_to_be_readmitted() {
    let mut receiver = joined(100, 100_000);
    receiver.handle_frame(ms(20), &removal());
    receiver.handle_timeout(ms(60_020));
    assert!(!receiver.is_over());
    assert_eq!(run(&mut receiver, ms(60_020)), ms(70_020));
}

#[test]
fn a_refusal_ends_a_consumer_that_joins() {
    let mut receiver = new(SubscribeConfig::default());
    let (peer, code, reason) = (ID, ResetCode::Refused, "full\u{7}".to_owned());
    receiver.handle_frame(us(1), &control(&Control::Reset(Reset { peer, code, reason })));
    let reason = "full".to_owned();
    assert_eq!(receiver.failure(), Some(&ReceiverError::Reset { code, reason }));
}

#[test]
fn silence_for_the_idle_time_out_fails_the_session() {
    let mut receiver = joined(100, 100_000);
    let idle_timeout = Duration::from_secs(10);
    assert_eq!(run(&mut receiver, us(0)), us(0) + idle_timeout);
    assert_eq!(receiver.failure(), Some(&ReceiverError::TimedOut(idle_timeout)));
}

#[test]
fn an_outage_of_the_bus_is_not_silence_of_the_publisher() {
    let mut receiver = joined(100, 100_000);
    receiver.handle_outage(ms(9_000));
    let over = run(&mut receiver, us(0));
    assert_eq!(over, ms(19_000));
}

#[test]
fn there_is_no_resume_point_amid_a_batch_or_a_message() {
    let mut receiver = joined(100, 100_000);
    receiver.handle_frame(us(1), &frames().data(0, &[b"one", b"two"]));
    receiver.handle_frame(us(1), &frames().fragment(1, 4, 0, b"ab"));
    let next = |receiver: &Receiver| receiver.resume_point().map(|point| point.next);
    assert_eq!(next(&receiver), Some(seq(0)));
    assert!(receiver.read_message(us(2)).is_some());
    assert_eq!(next(&receiver), None, "the second message would be lost");
    assert!(receiver.read_message(us(2)).is_some());
    assert_eq!(next(&receiver), Some(seq(1)));
    assert!(receiver.read_message(us(2)).is_none());
    assert_eq!(next(&receiver), None, "the fragment would make no message");
    assert_eq!(receiver.read_point().map(|point| point.next), Some(seq(2)));
    receiver.handle_frame(us(3), &frames().fragment(2, 4, 2, b"cd"));
    assert!(receiver.read_message(us(4)).is_some());
    assert_eq!(next(&receiver), Some(seq(3)));
}
