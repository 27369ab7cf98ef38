use std::time::Duration;

use tokio::sync::mpsc;

use super::{OpenPast, Past, PastFrame};
use crate::config::{LateJoin, PublishConfig, SubscribeConfig};
use crate::proto::{LostReason, Packed, Receiver, Sender, SenderEvent, SenderIds};
use crate::time::Time;
use crate::wire::{Kind, MAX_HEADER, OpenFrame, PeerId, SessionId};

const FRAMES: u64 = 10;

fn body(number: u64) -> OpenFrame {
    let mut open = OpenFrame::new(1_000);
    assert!(open.push(format!("message {number}").as_bytes()));
    open
}

fn receiver(id: u64) -> Receiver {
    Receiver::new(SubscribeConfig::default(), PeerId(id), 65_536, Time::ZERO).expect("it works")
}

/// Exchanges frames until neither end sends any.
fn exchange(sender: &mut Sender, receiver: &mut Receiver, now: Time) {
    loop {
        let mut silent = true;
        while let Some(transmit) = receiver.poll_transmit(now) {
            sender.handle_frame(now, &transmit.frame);
            silent = false;
        }
        while let Some(transmit) = sender.poll_transmit(now) {
            receiver.handle_frame(now, &transmit.frame);
            silent = false;
        }
        if silent {
            return;
        }
    }
}

/// A sender whose ten frames its first consumer has acknowledged, and a late consumer.
fn late() -> (Sender, Receiver) {
    let ids = SenderIds { session: SessionId(1), epoch: 1, inbox: PeerId(2) };
    let config = PublishConfig {
        claim_timeout: Duration::ZERO,
        late_join: LateJoin::FromStart,
        ..PublishConfig::default()
    };
    let mut sender = Sender::new(config, ids, Time::ZERO).expect("it works");
    sender.set_rewindable();
    let mut first = receiver(3);
    exchange(&mut sender, &mut first, Time::ZERO);
    for number in 0..FRAMES {
        sender.write(Packed::body(Kind::Data, body(number).into_buf(), 1)).expect("it is open");
    }
    let later = Time::ZERO + Duration::from_millis(50);
    exchange(&mut sender, &mut first, later);
    // The ack may be delayed.
    let later = later + Duration::from_millis(5);
    exchange(&mut sender, &mut first, later);
    assert_eq!(sender.acked().get(), FRAMES);
    let mut late = receiver(4);
    exchange(&mut sender, &mut late, later);
    (sender, late)
}

fn now() -> Time {
    Time::ZERO + Duration::from_millis(60)
}

fn past(frames: u64, then: Option<&'static str>) -> OpenPast {
    Box::new(move |from| {
        let (to, read) = mpsc::channel(64);
        for number in from..frames {
            let body = body(number).into_buf();
            let frame = PastFrame::copy(Kind::Data, &body[MAX_HEADER..], None);
            to.try_send(Ok(frame)).expect("there is space");
        }
        if let Some(error) = then {
            to.try_send(Err(error.to_owned())).expect("there is space");
        }
        read
    })
}

#[test]
fn a_late_consumer_gets_the_past() {
    let (mut sender, mut late) = late();
    let mut past = Past::new(past(FRAMES, None));
    past.serve(&mut sender);
    exchange(&mut sender, &mut late, now());
    let read: Vec<u64> =
        std::iter::from_fn(|| late.read_frame(now())).map(|frame| frame.seq.get()).collect();
    assert_eq!(read, (0..FRAMES).collect::<Vec<_>>());
    assert!(!sender.is_catching_up(PeerId(4)), "it has caught up");
}

#[test]
fn a_past_that_cannot_be_read_ends_the_session_of_the_late_consumer_alone() {
    for (frames, then) in [(3, Some("the disk is gone")), (3, None)] {
        let (mut sender, mut late) = late();
        while sender.poll_event().is_some() {}
        let mut past = Past::new(past(frames, then));
        past.serve(&mut sender);
        exchange(&mut sender, &mut late, now());
        let lost = std::iter::from_fn(|| sender.poll_event()).find_map(|event| match event {
            SenderEvent::Lost { reason: LostReason::Unavailable(reason), .. } => Some(reason),
            _ => None,
        });
        let reason = lost.expect("it is lost");
        let why = then.unwrap_or("it ends there");
        assert!(
            reason.contains("frame 3 cannot be read again") && reason.contains(why),
            "{reason}"
        );
        assert!(late.is_over() && !sender.is_over());
        assert_eq!(sender.live_consumers(), 1);
    }
}

#[test]
fn a_past_that_differs_from_what_was_sent_ends_the_session_of_its_reader() {
    let (mut sender, mut late) = late();
    let other: OpenPast = Box::new(|from| {
        let (to, read) = mpsc::channel(64);
        for number in from..FRAMES {
            let body = body(number + 1_000).into_buf();
            to.try_send(Ok(PastFrame::copy(Kind::Data, &body[MAX_HEADER..], None))).unwrap();
        }
        read
    });
    Past::new(other).serve(&mut sender);
    exchange(&mut sender, &mut late, now());
    assert!(late.is_over() && !sender.is_over());
    let lost = std::iter::from_fn(|| sender.poll_event())
        .any(|event| matches!(event, SenderEvent::Lost { reason: LostReason::Unavailable(_), .. }));
    assert!(lost);
}

#[test]
fn bodies_that_no_data_frame_has_are_refused() {
    let (mut sender, _) = late();
    let rewind = sender.poll_rewind().expect("it wants the past");
    let short = bytes::BytesMut::new();
    assert!(sender.write_reread(rewind, Kind::Data, short, None).is_err());
    let control = body(0).into_buf();
    assert!(sender.write_reread(rewind, Kind::Ack, control, None).is_err());
}
