//! Consumers that come back, and those that catch up.

use super::*;
use crate::config::Slow;
use crate::proto::sender::{LostReason, SenderError};

/// Asks to go on as `peer` where the first consumer was, at frame `next`.
fn resume_of(peer: PeerId, before: PeerId, next: u64, next_bytes: u64) -> Bytes {
    let sack = SackRanges::default();
    let (session, epoch) = (IDS.session, IDS.epoch);
    let resume = Resume { session, epoch, peer: before, next: seq(next), next_bytes, sack };
    sealed(Syn { resume: Some(resume), ..wish(peer, 1 << 20) })
}

/// The generation that the one SYN-ACK among these tells to listen to, and where it begins.
fn let_in(sent: &[(Dest, Frame)]) -> (u32, Seq) {
    let told = sent.iter().filter_map(|(_, frame)| match frame.control() {
        Some(Ok(Control::SynAck(syn_ack))) => Some((syn_ack.generation, syn_ack.start)),
        _ => None,
    });
    let told: Vec<_> = told.collect();
    assert_eq!(told.len(), 1, "{sent:?}");
    told[0]
}

/// The swarm's seeds 710840 and 742089: whoever resumes asks several times, and a copy that comes late is no
/// new wish. Its credit would bind nobody until its next report, and the group overrun it.
#[test]
fn a_late_copy_of_the_wish_to_resume_leaves_a_member_as_it_is() {
    for again in [PeerId(10), CONSUMER] {
        // To the publisher of a session that another began, or one whose consumer was started again.
        let mut sender = sender(PublishConfig::default());
        let wish = resume_of(again, CONSUMER, 0, 0);
        sender.handle_frame(at(2), &wish);
        poll(&mut sender, at(2));
        sender.handle_frame(at(3), &ack_of(again, 1, 0));
        let paces = |sender: &Sender| sender.stats().consumers.iter().all(|one| one.paces);
        assert!(sender.has_started() && paces(&sender), "{again}: it is let in");
        write(&mut sender, b"m").expect("it fits");
        poll(&mut sender, at(3));
        sender.handle_frame(at(4), &wish);
        assert_eq!(let_in(&poll(&mut sender, at(4))), (1, seq(0)), "{again}");
        assert!(paces(&sender), "{again}: it still holds the stream to its credit");
        for _ in 0..WINDOW_FRAMES {
            write(&mut sender, b"m").expect("it fits");
        }
        poll(&mut sender, at(5));
        assert_eq!(sender.sent(), seq(WINDOW_FRAMES), "{again}");
        // Also where it has gone on since.
        sender.handle_frame(at(6), &ack_of(again, 2, 10));
        poll(&mut sender, at(6));
        sender.handle_frame(at(7), &wish);
        assert!(paces(&sender), "{again}: what it was is long past");
    }
}

/// The swarm's seed 1086040: the first wish of all came late, to the publisher of the next life, and let the
/// consumer in at the start; what it had asked since was answered with that, and not taken for an answer.
#[test]
fn a_late_first_wish_is_no_answer_to_who_resumes() {
    let before =
        PublishResume { session: IDS.session, epoch: IDS.epoch - 1, next: seq(0), next_bytes: 0 };
    let config =
        PublishConfig { resume: Some(before), claim_timeout: Duration::ZERO, ..Default::default() };
    let mut sender = Sender::new(config, IDS, Time::ZERO).expect("the configuration works");
    sender.handle_frame(at(1), &syn(1 << 20));
    assert_eq!(let_in(&poll(&mut sender, at(1))).1, seq(0));
    sender.handle_frame(at(2), &resume_of(CONSUMER, CONSUMER, 9, 900));
    assert_eq!(let_in(&poll(&mut sender, at(2))).1, seq(9));
}

/// Cut off by a word that came late, it has read on: told its old beginning, it would ask for ever.
#[test]
fn a_member_that_asks_to_resume_further_on_is_let_in_there() {
    let mut sender = started(PublishConfig::default());
    write(&mut sender, b"one").expect("it fits");
    poll(&mut sender, at(2));
    let end_bytes = sender.written_bytes;
    sender.handle_frame(at(3), &resume_of(CONSUMER, CONSUMER, 1, end_bytes));
    assert_eq!(let_in(&poll(&mut sender, at(3))).1, seq(1));
}

/// The swarm's seed 1052969: one that catches up and takes nothing is sent nothing, and does not hear what goes
/// to the group. Its own keep-alives put off the question that would have told it that its publisher lives.
#[test]
fn one_behind_that_takes_nothing_hears_of_a_busy_publisher() {
    let keep_alive = Duration::from_millis(100);
    let idle_timeout = keep_alive * 4;
    let late_join = LateJoin::FromStart;
    let config = PublishConfig { keep_alive, idle_timeout, late_join, ..PublishConfig::default() };
    let mut sender = started(config);
    sender.set_rewindable();
    write(&mut sender, b"one").expect("it fits");
    poll(&mut sender, at(2));
    sender.handle_frame(at(3), &syn_of(LATECOMER, 1 << 20));
    poll(&mut sender, at(3));
    let mut heard = at(3);
    for step in 1..100 {
        let now = at(3 + step * 10);
        if step % 9 == 0 {
            sender.handle_frame(now, &ack_up_to(LATECOMER, step, 0, 0));
        }
        write(&mut sender, b"more").expect("it fits");
        let told = |(to, _): &(Dest, Frame)| *to == Dest::Peer(LATECOMER);
        sender.handle_timeout(now);
        if poll(&mut sender, now).iter().any(told) {
            heard = now;
        }
        sender.handle_frame(now, &ack(step + 1, sender.sent().get()));
        assert!(now.since(heard) < idle_timeout, "at {now:?} it has heard nothing since {heard:?}");
    }
}

/// The swarm's seed 981334: the one consumer that counts hung while it caught up, and the stream waited for it
/// to set the pace without anybody being told, or it being given up.
#[test]
fn the_one_that_is_to_set_the_pace_holds_the_stream_back_while_it_catches_up() {
    let stalled_for = Duration::from_millis(1_500);
    let slow = Slow::Evict { stalled_for };
    let mut sender = started(PublishConfig { slow, ..PublishConfig::default() });
    write(&mut sender, b"one").expect("it fits");
    poll(&mut sender, at(2));
    let again = PeerId(10);
    sender.handle_frame(at(3), &resume_of(again, CONSUMER, 0, 0));
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

/// Resuming, a consumer is not yet known to be there; lost at that, it is missed like any other.
#[test]
fn a_member_that_is_lost_while_it_joins_again_ends_the_session() {
    let mut sender = started(PublishConfig::default());
    let syn = resume_of(PeerId(10), CONSUMER, 0, 0);
    sender.handle_frame(at(2), &syn);
    assert_eq!(sender.stats().consumers.len(), 1, "the old life is replaced");
    let mut now = at(2);
    while !sender.is_over() && now < at(60_000) {
        poll(&mut sender, now);
        now = sender.poll_timeout().expect("it goes on");
        sender.handle_timeout(now);
    }
    assert!(matches!(sender.outcome(), Some(Err(SenderError::ConsumerLost { .. }))));
}

#[test]
fn who_catches_up_waits_for_the_link_and_has_few_frames_on_their_way() {
    let late_join = LateJoin::FromStart;
    let mut sender = started(PublishConfig { late_join, ..PublishConfig::default() });
    sender.set_rewindable();
    for _ in 0..WINDOW_FRAMES {
        write(&mut sender, b"live").expect("it fits");
    }
    assert_eq!(poll(&mut sender, at(2)).len() as u64, WINDOW_FRAMES);
    sender.handle_link(true);
    sender.handle_frame(at(3), &syn_of(LATECOMER, 1 << 20));
    sender.handle_frame(at(4), &ack_of(LATECOMER, 1, 0));
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
    sender.handle_frame(at(22), &ack_of(LATECOMER, 2, 32));
    assert_eq!(data(&mut sender, at(22)), 32);
}

/// As many frames of one message as are wanted, sent.
fn send(sender: &mut Sender, frames: u64, now: Time) {
    for _ in 0..frames {
        write(sender, b"m").expect("it fits");
    }
    poll(sender, now);
}

/// Cut off where it began by a word that came late, a consumer lets go of what it had no credit for, though it had
/// reported that.
#[test]
fn what_a_member_has_let_go_of_is_repeated() {
    let mut sender = started(PublishConfig::default());
    send(&mut sender, 4, at(2));
    let report = |number: u64, probe: u64, cumulative: u64, held: &[(u64, u64)]| {
        let mut sack = SackRanges::default();
        assert!(held.iter().all(|&(start, end)| sack.push(seq(start), seq(end))));
        let credit = Credit { frames: seq(cumulative + WINDOW_FRAMES), bytes: 1 << 30 };
        let ack = Ack { sack, credit, probe, ..ack_fields(CONSUMER, cumulative) };
        Sealer::default().seal_control(IDS.session, IDS.epoch, seq(number), &Control::Ack(ack))
    };
    sender.handle_frame(at(3), &report(2, 0, 0, &[(2, 4)]));
    sender.handle_frame(at(4), &resume_of(CONSUMER, CONSUMER, 0, 0));
    assert_eq!(let_in(&poll(&mut sender, at(4))), (1, seq(0)));
    let (mut got, mut now) = ([false; 4], at(5));
    for number in 4..40 {
        now = sender.poll_timeout().expect("it goes on").max(now);
        sender.handle_timeout(now);
        for (_, frame) in poll(&mut sender, now) {
            let cumulative = got.iter().take_while(|got| **got).count() as u64;
            match frame.control() {
                Some(Ok(Control::Probe(probe))) => {
                    sender.handle_frame(now, &report(number, probe.number, cumulative, &[]));
                }
                None => got[frame.header.seq.get() as usize] = true,
                _ => {}
            }
        }
    }
    assert_eq!(got, [true; 4]);
}

/// The same as of the swarm's seed 1086040, where consumers may be late: a first wish lets it in beyond what it has
/// asked since.
#[test]
fn a_late_first_wish_at_the_present_is_no_answer_either() {
    let late_join = LateJoin::FromNow;
    let mut sender = started(PublishConfig { late_join, ..PublishConfig::default() });
    send(&mut sender, 1, at(2));
    let one = sender.written_bytes;
    send(&mut sender, 1, at(2));
    sender.handle_frame(at(3), &syn_of(LATECOMER, 1 << 20));
    assert_eq!(let_in(&poll(&mut sender, at(3))).1, seq(2));
    sender.handle_frame(at(4), &resume_of(LATECOMER, LATECOMER, 1, one));
    assert_eq!(let_in(&poll(&mut sender, at(4))).1, seq(1));
}

const EVICTS: Slow = Slow::Evict { stalled_for: Duration::from_millis(1_500) };

/// What it waits for is the source, which is no fault of its own.
#[test]
fn whoever_waits_for_the_source_does_not_hold_the_stream_back() {
    let mut sender = started(PublishConfig { slow: EVICTS, ..PublishConfig::default() });
    sender.set_rewindable();
    send(&mut sender, 8, at(2));
    sender.handle_frame(at(2), &ack(2, 8));
    let again = PeerId(10);
    sender.handle_frame(at(3), &resume_of(again, CONSUMER, 0, 0));
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
fn while_one_of_those_that_catch_up_gets_on_nobody_is_evicted() {
    let late_join = LateJoin::FromStart;
    let mut sender = started(PublishConfig { slow: EVICTS, late_join, ..PublishConfig::default() });
    sender.set_rewindable();
    send(&mut sender, 16, at(2));
    let (one, other) = (PeerId(10), PeerId(11));
    sender.handle_frame(at(3), &syn_of(other, 1 << 20));
    poll(&mut sender, at(3));
    sender.handle_frame(at(3), &ack_up_to(other, 1, 0, 0));
    sender.handle_frame(at(3), &resume_of(one, CONSUMER, 0, 0));
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

/// Nothing is retained for one that holds it, though what it lacks before that is kept for it alone.
#[test]
fn what_one_holds_beyond_its_gap_is_released() {
    let mut sender = started(PublishConfig::default());
    sender.set_rewindable();
    send(&mut sender, 4, at(2));
    sender.handle_frame(at(2), &ack(2, 4));
    let again = PeerId(10);
    let report = |number: u64, held: &[(u64, u64)]| {
        let mut sack = SackRanges::default();
        assert!(held.iter().all(|&(start, end)| sack.push(seq(start), seq(end))));
        let credit = Credit { frames: seq(WINDOW_FRAMES), bytes: 1 << 30 };
        let ack = Ack { sack, credit, ..ack_fields(again, 0) };
        Sealer::default().seal_control(IDS.session, IDS.epoch, seq(number), &Control::Ack(ack))
    };
    sender.handle_frame(at(3), &resume_of(again, CONSUMER, 0, 0));
    sender.handle_frame(at(3), &report(1, &[]));
    while let Some(rewind) = sender.poll_rewind() {
        let mut open = OpenFrame::new(1 << 20);
        assert!(open.push(b"m"));
        sender.write_reread(rewind, Kind::Data, open.into_buf(), None).expect("what was sent");
    }
    poll(&mut sender, at(20));
    sender.handle_frame(at(21), &report(2, &[(1, 4)]));
    send(&mut sender, 4, at(22));
    assert_eq!((sender.sent(), sender.acked()), (seq(8), seq(4)));
    sender.handle_frame(at(23), &report(3, &[(1, 8)]));
    assert_eq!(sender.acked(), seq(8));
}
