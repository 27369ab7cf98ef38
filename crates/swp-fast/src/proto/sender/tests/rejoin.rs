//! Consumers that resume, rejoin or catch up.

use super::*;
use crate::config::Slow;
use crate::proto::sender::{LostReason, SenderError};

/// A SYN of `peer` that resumes at frame `next` in the place of `former`.
fn resume(peer: PeerId, former: PeerId, next: u64, next_bytes: u64) -> Bytes {
    frames().resume(syn(peer, WINDOW_BYTES), former, next, next_bytes)
}

/// The generation and the first frame that the only SYN-ACK among `sent` tells.
fn syn_ack(sent: &[(Dest, Frame)]) -> (u32, Seq) {
    let told = sent.iter().filter_map(|(_, frame)| match frame.control() {
        Some(Ok(Control::SynAck(syn_ack))) => Some((syn_ack.generation, syn_ack.start)),
        _ => None,
    });
    let told: Vec<_> = told.collect();
    assert_eq!(told.len(), 1, "{sent:?}");
    told[0]
}

/// The byte offset behind everything written.
fn written_bytes(sender: &Sender) -> u64 {
    sender.window.queue().end_bytes()
}

/// If the copy started a new membership, the consumer's credit would bind nobody until its next
/// ack, and the group would overrun it.
#[test]
fn a_delayed_copy_of_the_resuming_syn_leaves_the_peer_as_it_is() {
    for peer in [PeerId(10), CONSUMER] {
        let mut sender = sender(PublishConfig::default());
        let syn = resume(peer, CONSUMER, 0, 0);
        sender.handle_frame(at(2), &syn);
        poll(&mut sender, at(2));
        sender.handle_frame(at(3), &ack(peer, 1, 0));
        let paces = |sender: &Sender| sender.stats().consumers.iter().all(|one| one.paces);
        assert!(sender.has_started() && paces(&sender), "{peer}: the consumer has joined");
        write(&mut sender, b"m").expect("it fits");
        poll(&mut sender, at(3));
        sender.handle_frame(at(4), &syn);
        assert_eq!(syn_ack(&poll(&mut sender, at(4))), (1, seq(0)), "{peer}");
        assert!(paces(&sender), "{peer}: the consumer still holds the stream to its credit");
        for _ in 0..WINDOW_FRAMES {
            write(&mut sender, b"m").expect("it fits");
        }
        poll(&mut sender, at(5));
        assert_eq!(sender.sent(), seq(WINDOW_FRAMES), "{peer}");
        // Also where the cumulative ack has moved since.
        sender.handle_frame(at(6), &ack(peer, 2, 10));
        poll(&mut sender, at(6));
        sender.handle_frame(at(7), &syn);
        assert!(paces(&sender), "{peer}: the SYN is of the past");
    }
}

/// A restarted publisher may get the consumer's first SYN late, after the consumer has asked to
/// resume.
#[test]
fn a_delayed_first_syn_is_superseded_by_the_resuming_syn() {
    let before =
        PublishResume { session: IDS.session, epoch: IDS.epoch - 1, next: seq(0), next_bytes: 0 };
    let config =
        PublishConfig { resume: Some(before), claim_timeout: Duration::ZERO, ..Default::default() };
    let mut sender = Sender::new(config, IDS, Time::ZERO).expect("the configuration works");
    sender.handle_frame(at(1), &joins(CONSUMER));
    assert_eq!(syn_ack(&poll(&mut sender, at(1))).1, seq(0));
    sender.handle_frame(at(2), &resume(CONSUMER, CONSUMER, 9, 900));
    assert_eq!(syn_ack(&poll(&mut sender, at(2))).1, seq(9));
}

#[test]
fn a_delayed_first_syn_at_the_newest_frame_is_superseded_too() {
    let late_join = LateJoin::FromNow;
    let mut sender = started(PublishConfig { late_join, ..PublishConfig::default() });
    send(&mut sender, 1, at(2));
    let one = written_bytes(&sender);
    send(&mut sender, 1, at(2));
    sender.handle_frame(at(3), &joins(LATECOMER));
    assert_eq!(syn_ack(&poll(&mut sender, at(3))).1, seq(2));
    sender.handle_frame(at(4), &resume(LATECOMER, LATECOMER, 1, one));
    assert_eq!(syn_ack(&poll(&mut sender, at(4))).1, seq(1));
}

/// A late RESET made the consumer rejoin after it had read more. Told its old start, it would ask
/// for ever.
#[test]
fn a_peer_that_resumes_beyond_its_cumulative_ack_starts_there() {
    let mut sender = started(PublishConfig::default());
    send(&mut sender, 1, at(2));
    let end_bytes = written_bytes(&sender);
    sender.handle_frame(at(3), &resume(CONSUMER, CONSUMER, 1, end_bytes));
    assert_eq!(syn_ack(&poll(&mut sender, at(3))).1, seq(1));
}

/// A consumer that catches up and takes nothing is sent no data, and does not hear the group.
#[test]
fn a_consumer_that_catches_up_and_takes_nothing_is_sent_probes() {
    let keep_alive = Duration::from_millis(100);
    let idle_timeout = keep_alive * 4;
    let late_join = LateJoin::FromStart;
    let config = PublishConfig { keep_alive, idle_timeout, late_join, ..PublishConfig::default() };
    let mut sender = started(config);
    sender.set_rewindable();
    send(&mut sender, 1, at(2));
    sender.handle_frame(at(3), &joins(LATECOMER));
    poll(&mut sender, at(3));
    let mut heard = at(3);
    for step in 1..100 {
        let now = at(3 + step * 10);
        if step % 9 == 0 {
            sender.handle_frame(now, &ack_up_to(LATECOMER, step, 0, 0));
        }
        write(&mut sender, b"more").expect("it fits");
        let to_latecomer = |(to, _): &(Dest, Frame)| *to == Dest::Peer(LATECOMER);
        sender.handle_timeout(now);
        if poll(&mut sender, now).iter().any(to_latecomer) {
            heard = now;
        }
        sender.handle_frame(now, &ack(CONSUMER, step + 1, sender.sent().get()));
        assert!(now.since(heard) < idle_timeout, "at {now:?} nothing was heard since {heard:?}");
    }
}

#[test]
fn the_only_counting_consumer_holds_the_stream_back_while_it_catches_up() {
    let stalled_for = Duration::from_millis(1_500);
    let slow = Slow::Evict { stalled_for };
    let mut sender = started(PublishConfig { slow, ..PublishConfig::default() });
    send(&mut sender, 1, at(2));
    let again = PeerId(10);
    sender.handle_frame(at(3), &resume(again, CONSUMER, 0, 0));
    poll(&mut sender, at(3));
    sender.handle_frame(at(4), &ack_up_to(again, 1, 0, 0));
    write(&mut sender, b"two").expect("it fits");
    let mut now = at(4);
    while now < at(2_000) && !sender.is_over() {
        poll(&mut sender, now);
        assert_eq!(sender.stats().held_back_by, Some(again.0), "{now:?}");
        now = sender.poll_timeout().expect("it goes on");
        sender.handle_timeout(now);
    }
    let reason = LostReason::Stalled(stalled_for);
    let name = "c (000000000000000a)".to_owned();
    assert_eq!(sender.outcome(), Some(Err(SenderError::ConsumerLost { name, reason })));
}

#[test]
fn a_peer_that_is_lost_while_it_rejoins_ends_the_session() {
    let mut sender = started(PublishConfig::default());
    sender.handle_frame(at(2), &resume(PeerId(10), CONSUMER, 0, 0));
    assert_eq!(sender.stats().consumers.len(), 1, "the former membership is replaced");
    let mut now = at(2);
    while !sender.is_over() && now < at(60_000) {
        poll(&mut sender, now);
        now = sender.poll_timeout().expect("it goes on");
        sender.handle_timeout(now);
    }
    assert!(matches!(sender.outcome(), Some(Err(SenderError::ConsumerLost { .. }))));
}

#[test]
fn a_consumer_that_catches_up_waits_for_the_link_and_has_few_frames_in_flight() {
    let late_join = LateJoin::FromStart;
    let mut sender = started(PublishConfig { late_join, ..PublishConfig::default() });
    sender.set_rewindable();
    for _ in 0..WINDOW_FRAMES {
        write(&mut sender, b"live").expect("it fits");
    }
    assert_eq!(poll(&mut sender, at(2)).len() as u64, WINDOW_FRAMES);
    sender.handle_link(true);
    sender.handle_frame(at(3), &joins(LATECOMER));
    sender.handle_frame(at(4), &ack(LATECOMER, 1, 0));
    let data = |sender: &mut Sender, now| {
        let sent = poll(sender, now);
        let alone = |(to, frame): &&(Dest, Frame)| {
            *to == Dest::Peer(LATECOMER) && frame.header.kind == Kind::Data
        };
        sent.iter().filter(alone).count()
    };
    // The group is silent for long, because the link takes nothing.
    assert_eq!(data(&mut sender, at(20)), 0);
    sender.handle_link(false);
    assert_eq!(data(&mut sender, at(20)), 64);
    assert_eq!(data(&mut sender, at(21)), 0);
    sender.handle_frame(at(22), &ack(LATECOMER, 2, 32));
    assert_eq!(data(&mut sender, at(22)), 32);
}

/// A late RESET made the consumer rejoin at its start. It has discarded frames beyond its credit,
/// though it had SACKed them.
#[test]
fn discarded_frames_are_retransmitted_after_a_rejoin() {
    let mut sender = started(PublishConfig::default());
    send(&mut sender, 4, at(2));
    let ack = |number: u64, probe: u64, cumulative: u64, held: &[(u64, u64)]| {
        let ack = crate::testing::ack(CONSUMER, cumulative).with_sack(held).with_probe(probe);
        let ack = ack.with_credit(cumulative + WINDOW_FRAMES, 1 << 30);
        frames().control(number, &Control::Ack(ack))
    };
    sender.handle_frame(at(3), &ack(2, 0, 0, &[(2, 4)]));
    sender.handle_frame(at(4), &resume(CONSUMER, CONSUMER, 0, 0));
    assert_eq!(syn_ack(&poll(&mut sender, at(4))), (1, seq(0)));
    let (mut got, mut now) = ([false; 4], at(5));
    for number in 4..40 {
        now = sender.poll_timeout().expect("it goes on").max(now);
        sender.handle_timeout(now);
        for (_, frame) in poll(&mut sender, now) {
            let cumulative = got.iter().take_while(|got| **got).count() as u64;
            match frame.control() {
                Some(Ok(Control::Probe(probe))) => {
                    sender.handle_frame(now, &ack(number, probe.number, cumulative, &[]));
                }
                None => got[frame.header.seq.get() as usize] = true,
                _ => {}
            }
        }
    }
    assert_eq!(got, [true; 4]);
}

const EVICTS: Slow = Slow::Evict { stalled_for: Duration::from_millis(1_500) };

#[test]
fn a_consumer_that_waits_for_the_source_does_not_hold_the_stream_back() {
    let mut sender = started(PublishConfig { slow: EVICTS, ..PublishConfig::default() });
    sender.set_rewindable();
    send(&mut sender, 8, at(2));
    sender.handle_frame(at(2), &ack(CONSUMER, 2, 8));
    let again = PeerId(10);
    sender.handle_frame(at(3), &resume(again, CONSUMER, 0, 0));
    send(&mut sender, 1, at(3));
    for step in 1..200 {
        let now = at(3 + step * 10);
        sender.handle_frame(now, &ack_up_to(again, step, 0, 64));
        sender.handle_timeout(now);
        poll(&mut sender, now);
        assert!(sender.poll_rewind().is_some(), "the publisher owes it frames");
        assert_eq!((sender.stats().held_back_by, sender.outcome()), (None, None), "{now:?}");
    }
}

#[test]
fn nobody_is_evicted_while_one_consumer_gets_on_with_catching_up() {
    let late_join = LateJoin::FromStart;
    let mut sender = started(PublishConfig { slow: EVICTS, late_join, ..PublishConfig::default() });
    sender.set_rewindable();
    send(&mut sender, 16, at(2));
    let (one, other) = (PeerId(10), PeerId(11));
    sender.handle_frame(at(3), &joins(other));
    poll(&mut sender, at(3));
    sender.handle_frame(at(3), &ack_up_to(other, 1, 0, 0));
    sender.handle_frame(at(3), &resume(one, CONSUMER, 0, 0));
    send(&mut sender, 1, at(3));
    for step in 1..250 {
        let now = at(3 + step * 10);
        let taken = step / 25;
        sender.handle_frame(now, &ack_up_to(one, step, taken, taken + 1));
        sender.handle_frame(now, &ack_up_to(other, step + 1, 0, 0));
        sender.handle_timeout(now);
        poll(&mut sender, now);
        assert_eq!(sender.stats().consumers.len(), 2, "{now:?} {:?}", sender.outcome());
    }
}

/// Nothing is retained for frames that a consumer holds, though the gap below them is retained for
/// it alone.
#[test]
fn frames_held_beyond_a_gap_are_released() {
    let mut sender = started(PublishConfig::default());
    sender.set_rewindable();
    send(&mut sender, 4, at(2));
    sender.handle_frame(at(2), &ack(CONSUMER, 2, 4));
    let again = PeerId(10);
    let ack = |number: u64, held: &[(u64, u64)]| {
        let ack = crate::testing::ack(again, 0).with_sack(held);
        frames().control(number, &Control::Ack(ack.with_credit(WINDOW_FRAMES, 1 << 30)))
    };
    sender.handle_frame(at(3), &resume(again, CONSUMER, 0, 0));
    sender.handle_frame(at(3), &ack(1, &[]));
    while let Some(rewind) = sender.poll_rewind() {
        let reread = sender.write_reread(rewind, Kind::Data, packed(&[b"m"]), None);
        reread.expect("what was sent");
    }
    poll(&mut sender, at(20));
    sender.handle_frame(at(21), &ack(2, &[(1, 4)]));
    send(&mut sender, 4, at(22));
    assert_eq!((sender.sent(), sender.acked()), (seq(8), seq(4)));
    sender.handle_frame(at(23), &ack(3, &[(1, 8)]));
    assert_eq!(sender.acked(), seq(8));
}

#[test]
fn a_source_that_supplies_other_bytes_costs_the_consumer_its_membership() {
    let mut sender = started(PublishConfig { quorum: Some(0), ..PublishConfig::default() });
    sender.set_rewindable();
    send(&mut sender, 1, at(2));
    sender.handle_frame(at(2), &ack(CONSUMER, 2, 1));
    sender.handle_frame(at(3), &resume(PeerId(10), CONSUMER, 0, 0));
    sender.handle_frame(at(3), &ack_up_to(PeerId(10), 1, 0, 64));
    let rewind = sender.poll_rewind().expect("the consumer needs the frame");
    let other = sender.write_reread(rewind, Kind::Data, packed(&[b"longer"]), None);
    assert_eq!(other, Ok(()));
    let lost = std::iter::from_fn(|| sender.poll_event())
        .find(|event| matches!(event, SenderEvent::Lost { .. }));
    let Some(SenderEvent::Lost { reason: LostReason::Unavailable(why), .. }) = lost else {
        panic!("the consumer is lost, not {lost:?}");
    };
    assert_eq!(why, "what is read again is not what was sent");
}
