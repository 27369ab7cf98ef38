use std::time::Duration;

use bytes::Bytes;

use super::{Receiver, ReceiverError, ReceiverEvent};
use crate::config::SubscribeConfig;
use crate::proto::{ACK_DELAY, Dest};
use crate::time::Time;
use crate::wire::{
    Ack, Control, Fin, Header, Integrity, Kind, OpenFrame, PeerId, Probe, Reset, ResetCode, Sealer,
    Seq, SessionId, SynAck, encode_fragment,
};

const SESSION: SessionId = SessionId(7);
const ID: PeerId = PeerId(9);

fn seq(number: u64) -> Seq {
    Seq::ZERO.advance(number)
}

fn at(us: u64) -> Time {
    Time::from_nanos(us * 1_000)
}

fn control(control: &Control) -> Bytes {
    Sealer::default().seal_control(SESSION, 1, Seq::ZERO, control)
}

fn syn_ack(start: u64, start_bytes: u64) -> Bytes {
    control(&Control::SynAck(let_in(start, start_bytes)))
}

fn let_in(start: u64, start_bytes: u64) -> SynAck {
    SynAck {
        peer: ID,
        start: seq(start),
        start_bytes,
        integrity: Integrity::Crc32c,
        max_body_bytes: 1_000,
        max_message_bytes: 1_000,
        keep_alive: Duration::from_secs(1),
        idle_timeout: Duration::from_secs(10),
        members: 1,
        generation: 1,
        paces: true,
    }
}

fn probe(number: u64) -> Bytes {
    control(&Control::Probe(Probe {
        peer: None,
        number,
        next: Seq::ZERO,
        members: 1,
        generation: 1,
    }))
}

fn header(number: u64, kind: Kind, body: &[u8]) -> Header {
    let digest = Integrity::Crc32c.digest(body);
    Header { kind, session: SESSION, epoch: 1, seq: seq(number), digest }
}

fn data(number: u64, message: &[u8]) -> Bytes {
    let mut open = OpenFrame::new(2_000);
    assert!(open.push(message));
    let header = header(number, Kind::Data, open.body());
    Sealer::default().seal_data(open.into_buf(), &header)
}

/// A receiver with a window, joined at frame 0 at time 0, its first report sent.
fn joined(window_frames: u64, window_bytes: u64) -> Receiver {
    joined_by(&let_in(0, 0), window_frames, window_bytes)
}

fn joined_by(syn_ack: &SynAck, window_frames: u64, window_bytes: u64) -> Receiver {
    let config = SubscribeConfig { window_frames, window_bytes, ..SubscribeConfig::default() };
    let mut receiver =
        Receiver::new(config, ID, 65_536, Time::ZERO).expect("the configuration works");
    receiver.handle_frame(Time::ZERO, &control(&Control::SynAck(syn_ack.clone())));
    assert_eq!(receiver.poll_event(), Some(ReceiverEvent::Connected));
    assert!(report(&mut receiver, Time::ZERO).is_some());
    receiver
}

/// The report that is due, if one is.
fn report(receiver: &mut Receiver, now: Time) -> Option<Ack> {
    let transmit = receiver.poll_transmit(now)?;
    assert_eq!(transmit.to, Dest::Publisher);
    let frame = Sealer::default().open(&transmit.frame).expect("it opens");
    match frame.control() {
        Some(Ok(Control::Ack(ack))) => Some(ack),
        other => panic!("a report was due, not {other:?}"),
    }
}

#[test]
fn receipt_is_reported_within_the_ack_delay_and_credit_stays_until_read() {
    let mut receiver = joined(100, 100_000);
    receiver.handle_frame(at(10), &data(0, b"one"));
    assert!(report(&mut receiver, at(10)).is_none());
    assert_eq!(receiver.poll_timeout(), Some(at(10) + ACK_DELAY));
    let ack = report(&mut receiver, at(10) + ACK_DELAY).expect("due");
    assert_eq!((ack.cumulative, ack.latest, ack.delay_us), (seq(1), Some(seq(0)), 1_000));
    assert_eq!((ack.credit.frames, ack.credit.bytes), (seq(100), 100_000));
    let frame = receiver.read_frame(at(2_000)).expect("ready");
    assert_eq!((frame.seq, frame.messages), (seq(0), 1));
    let ack = report(&mut receiver, at(2_000) + ACK_DELAY).expect("due");
    assert_eq!((ack.credit.frames, ack.credit.bytes), (seq(101), 100_005));
}

#[test]
fn while_frames_come_one_by_one_a_report_waits_for_a_pause() {
    let mut receiver = joined(1_000, 1_000_000);
    let (mut now, mut reports) = (at(0), Vec::new());
    for number in 0..60 {
        now = now + ACK_DELAY * 9 / 10;
        receiver.handle_frame(now, &data(number, b"trickles"));
        assert!(receiver.read_frame(now).is_some());
        if let Some(ack) = report(&mut receiver, now) {
            reports.push((now.as_nanos() / 1_000, ack.cumulative.get(), ack.delay_us));
        }
    }
    // 20 ms after the first that they tell of; and in the pause that follows.
    assert_eq!(reports, [(21_600, 24, 0), (43_200, 48, 0)]);
    assert_eq!(receiver.poll_timeout(), Some(now + ACK_DELAY));
    assert_eq!(report(&mut receiver, now + ACK_DELAY).expect("due").cumulative, seq(60));
}

/// The report of the gap may be lost, and the publisher would hear of it late.
#[test]
fn beside_a_gap_no_report_waits_for_a_pause() {
    let mut receiver = joined(1_000, 1_000_000);
    receiver.handle_frame(at(0), &data(1, b"after a gap"));
    assert!(report(&mut receiver, at(0)).is_some(), "a new gap");
    receiver.handle_frame(at(100), &data(2, b"trickles"));
    receiver.handle_frame(at(900), &data(3, b"trickles"));
    assert_eq!(receiver.poll_timeout(), Some(at(100) + ACK_DELAY));
}

#[test]
fn a_gap_is_reported_at_once_and_so_is_what_fills_it() {
    let mut receiver = joined(100, 100_000);
    receiver.handle_frame(at(10), &data(3, b"early"));
    let ack = report(&mut receiver, at(10)).expect("a new gap");
    assert_eq!(ack.sack.iter().collect::<Vec<_>>(), [(seq(3), seq(4))]);
    receiver.handle_frame(at(11), &data(4, b"early"));
    assert!(report(&mut receiver, at(11)).is_none());
    receiver.handle_frame(at(12), &data(2, b"fills a part"));
    let ack = report(&mut receiver, at(12)).expect("a part of the gap is filled");
    assert_eq!(ack.sack.iter().collect::<Vec<_>>(), [(seq(2), seq(5))]);
    receiver.handle_frame(at(13), &data(0, b"fills below"));
    receiver.handle_frame(at(13), &data(1, b"fills all"));
    let ack = report(&mut receiver, at(13)).expect("no gap is left");
    assert_eq!((ack.cumulative, ack.sack.len()), (seq(5), 0));
    let order: Vec<u64> =
        std::iter::from_fn(|| receiver.read_frame(at(14))).map(|frame| frame.seq.get()).collect();
    assert_eq!(order, [0, 1, 2, 3, 4]);
}

#[test]
fn a_report_says_how_long_ago_the_probe_came() {
    let mut receiver = joined(100, 100_000);
    receiver.handle_frame(at(10), &probe(7));
    let ack = report(&mut receiver, at(10)).expect("asked");
    assert_eq!((ack.probe, ack.probe_delay_us), (7, 0));
    // That report may be lost; the next one is an answer too, and not taken for a slow path's.
    receiver.handle_frame(at(500), &probe(7));
    let ack = report(&mut receiver, at(510)).expect("asked");
    assert_eq!((ack.probe, ack.probe_delay_us), (7, 500));
    // One that nobody sent is answered, and forgotten with the next.
    receiver.handle_frame(at(600), &probe(1 << 60));
    assert_eq!(report(&mut receiver, at(600)).expect("asked").probe, 1 << 60);
    receiver.handle_frame(at(700), &probe(8));
    assert_eq!(report(&mut receiver, at(700)).expect("asked").probe, 8);
}

#[test]
fn frames_beyond_the_credit_are_dropped_and_counted() {
    let mut receiver = joined(2, 1_000);
    receiver.handle_frame(at(1), &data(2, b"too far"));
    receiver.handle_frame(at(1), &data(1 << 61, b"much too far"));
    receiver.handle_frame(at(1), &data(0, &[0; 900]));
    receiver.handle_frame(at(1), &data(1, &[0; 900]));
    let stats = receiver.stats();
    assert_eq!((stats.dropped.beyond_window, stats.frames, stats.queued_frames), (3, 1, 1));
}

/// The swarm's seed 861418: what came early filled the window of one that the group does not wait for, and what
/// it lacked before that found no room, however often it was repeated.
#[test]
fn who_sets_no_pace_leaves_room_for_what_it_lacks() {
    let body = [7; 300];
    for (paces, early) in [(true, 1), (false, 0)] {
        let mut receiver = joined_by(&SynAck { paces, ..let_in(0, 0) }, 100, 1_200);
        receiver.handle_frame(at(10), &data(1, &body));
        assert_eq!(receiver.stats().frames, early, "{paces}");
        receiver.handle_frame(at(11), &data(0, &[7; 990]));
        assert_eq!(receiver.read_frame(at(12)).is_some(), !paces, "{paces}: the first finds room");
    }
}

#[test]
fn repeats_are_counted_and_reported_at_once() {
    let mut receiver = joined(100, 100_000);
    receiver.handle_frame(at(1), &data(0, b"one"));
    receiver.handle_frame(at(2), &data(0, b"one"));
    let ack = report(&mut receiver, at(2)).expect("a repeat asks for a report");
    assert_eq!((ack.cumulative, ack.duplicates), (seq(1), 1));
    receiver.handle_frame(at(3), &data(2, b"early"));
    receiver.handle_frame(at(3), &data(2, b"early"));
    assert_eq!(receiver.stats().duplicates, 2);
}

#[test]
fn a_probe_is_answered_by_whom_it_names() {
    let mut receiver = joined(100, 100_000);
    let other = Probe { peer: Some(PeerId(1)), number: 1, next: seq(0), members: 1, generation: 1 };
    receiver.handle_frame(at(1), &control(&Control::Probe(other)));
    assert!(report(&mut receiver, at(1)).is_none());
    for peer in [Some(ID), None] {
        let probe = Probe { peer, number: 2, next: seq(0), members: 1, generation: 1 };
        receiver.handle_frame(at(1), &control(&Control::Probe(probe)));
        assert_eq!(report(&mut receiver, at(1)).map(|ack| ack.probe), Some(2));
    }
}

#[test]
fn without_the_digest_that_was_agreed_data_is_refused() {
    let mut receiver = joined(100, 100_000);
    let mut open = OpenFrame::new(100);
    assert!(open.push(b"bare"));
    let bare = Header { digest: Integrity::None.digest(b""), ..header(0, Kind::Data, b"") };
    receiver.handle_frame(at(1), &Sealer::default().seal_data(open.into_buf(), &bare));
    assert_eq!((receiver.stats().dropped.malformed, receiver.stats().frames), (1, 0));
}

#[test]
fn an_overlong_message_ends_the_session_before_it_is_stored() {
    let config = SubscribeConfig { max_message_bytes: 50, ..SubscribeConfig::default() };
    let mut receiver =
        Receiver::new(config, ID, 65_536, Time::ZERO).expect("the configuration works");
    receiver.handle_frame(Time::ZERO, &syn_ack(0, 0));
    let buf = encode_fragment(51, 0, b"x");
    let header = header(0, Kind::Fragment, &buf[crate::wire::MAX_HEADER..]);
    receiver.handle_frame(at(1), &Sealer::default().seal_data(buf, &header));
    assert!(matches!(receiver.failure(), Some(ReceiverError::Protocol(_))));
    assert_eq!(receiver.stats().queued_frames, 0);
}

/// FIN must not discard what was not delivered yet.
#[test]
fn fin_waits_for_what_is_missing_and_unread() {
    let mut receiver = joined(100, 100_000);
    let fin = Fin { end: seq(2), trailer: Bytes::from_static(b"bye") };
    receiver.handle_frame(at(1), &data(0, b"one"));
    receiver.handle_frame(at(1), &control(&Control::Fin(fin)));
    assert_eq!(receiver.trailer(), Some(&Bytes::from_static(b"bye")));
    assert!(receiver.read_frame(at(2)).is_some());
    receiver.close(at(2));
    assert!(!receiver.at_end());
    receiver.handle_frame(at(3), &data(1, b"two"));
    assert!(!receiver.at_end());
    assert!(receiver.read_frame(at(3)).is_some());
    assert!(receiver.at_end());
    receiver.close(at(3));
    let transmit = receiver.poll_transmit(at(3)).expect("FIN-ACK");
    let frame = Sealer::default().open(&transmit.frame).expect("it opens");
    assert_eq!(frame.header.kind, Kind::FinAck);
    receiver.handle_frame(at(4), &control(&Control::Closed(crate::wire::FinAck { peer: ID })));
    assert_eq!(receiver.poll_event(), Some(ReceiverEvent::Ended));
    assert!(receiver.is_over());
}

#[test]
fn syn_is_repeated_with_back_off() {
    let mut receiver = Receiver::new(SubscribeConfig::default(), ID, 65_536, Time::ZERO)
        .expect("the configuration works");
    let mut sent = Vec::new();
    while sent.len() < 6 {
        let now = receiver.poll_timeout().expect("it goes on asking");
        receiver.handle_timeout(now);
        assert!(receiver.poll_transmit(now).is_some());
        assert!(receiver.poll_transmit(now).is_none());
        sent.push(now.as_nanos() / 1_000_000);
    }
    assert_eq!(sent, [0, 100, 300, 700, 1_500, 2_500]);
}

/// Its timers are never further apart than two keep-alives, which would look like a stopped process.
#[test]
fn a_consumer_that_is_through_gives_up_after_the_idle_time_out_however_short_keep_alives_are() {
    for keep_alive_ms in [5, 20, 100, 400, 1_000, 5_000] {
        let keep_alive = Duration::from_millis(keep_alive_ms);
        let idle_timeout = keep_alive * 10;
        let mut receiver = Receiver::new(SubscribeConfig::default(), ID, 8_192, at(0)).unwrap();
        let syn_ack = SynAck { keep_alive, idle_timeout, ..let_in(0, 0) };
        receiver.handle_frame(at(0), &control(&Control::SynAck(syn_ack)));
        let fin = Control::Fin(Fin { end: Seq::ZERO, trailer: Bytes::new() });
        receiver.handle_frame(at(0), &control(&fin));
        receiver.close(at(0));
        let mut now = at(0);
        while !receiver.is_over() {
            while receiver.poll_transmit(now).is_some() {}
            now = receiver.poll_timeout().expect("a time-out");
            assert!(now <= at(0) + idle_timeout, "{keep_alive_ms} ms: still there at {now:?}");
            receiver.handle_timeout(now);
        }
        assert_eq!(now, at(0) + idle_timeout);
        assert!(receiver.failure().is_none());
    }
}

/// A consumer that was given up goes on where it is. What it took meanwhile without having had credit for it
/// must not fill the room that what it lacks needs.
#[test]
fn whoever_comes_back_lets_go_of_what_leaves_no_room_for_what_it_lacks() {
    let mut receiver = joined(100, 4_000);
    receiver.handle_frame(at(10), &data(0, &[0; 100]));
    receiver.handle_frame(at(10), &data(2, &[0; 100]));
    receiver.handle_frame(at(10), &data(9, &[0; 900]));
    let before = receiver.stats();
    assert_eq!((before.frames, before.queued_frames), (3, 3));
    let reason = "nothing heard".to_owned();
    let reset = Reset { peer: ID, code: ResetCode::TimedOut, reason };
    receiver.handle_frame(at(20), &control(&Control::Reset(reset)));
    let syn = receiver.poll_transmit(at(20)).expect("it asks to be let in again");
    let Some(Ok(Control::Syn(syn))) = Sealer::default().open(&syn.frame).unwrap().control() else {
        panic!("it asks with a SYN");
    };
    let resume = syn.resume.expect("it says what it holds");
    assert_eq!((resume.next, resume.next_bytes), (seq(1), 102));
    assert_eq!(resume.sack.iter().collect::<Vec<_>>(), [(seq(2), seq(3))]);
    let stats = receiver.stats();
    assert_eq!((stats.frames, stats.queued_frames, stats.dropped.beyond_window), (2, 2, 1));
}
