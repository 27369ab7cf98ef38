//! Frames made to do harm, handed to both ends directly. Each test says what must not move, and under
//! which cause the frame was counted. Floods and forgeries amid a transfer are in `sim_hostile.rs`.

use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use swp_fast::proto::{DropCounts, Packed, Receiver, ReceiverError, Sender, SenderIds};
use swp_fast::time::Time;
use swp_fast::wire::{
    Ack, Control, Credit, Digest, Fin, FinAck, Header, Integrity, Key, Kind, MAX_HEADER, MAX_SEQ,
    OpenFrame, PeerId, Probe, Reset, ResetCode, SackRanges, Sealer, Seq, SessionId, Syn,
};
use swp_fast::{PublishConfig, SubscribeConfig};

const SESSION: SessionId = SessionId(0xabcd);
const EPOCH: u32 = 7;
const CONSUMER: PeerId = PeerId(0xc0);
const WINDOW: u64 = 64;

fn seq(number: u64) -> Seq {
    Seq::ZERO.advance(number)
}

/// A publisher and one consumer that has joined, on a bus without time or loss.
struct Pair {
    now: Time,
    key: Option<Key>,
    sender: Sender,
    receiver: Receiver,
    written: u64,
}

impl Pair {
    fn new(key: Option<Key>) -> Pair {
        let now = Time::from_nanos(1_000_000_000);
        let mut publish = PublishConfig::default();
        publish.key = key.clone();
        publish.claim_timeout = Duration::ZERO;
        publish.max_consumers = 4;
        let mut subscribe = SubscribeConfig::default();
        subscribe.key = key.clone();
        subscribe.window_frames = WINDOW;
        let ids = SenderIds { session: SESSION, epoch: EPOCH, inbox: PeerId(0x1b) };
        let sender = Sender::new(publish, ids, now).expect("a valid configuration");
        let receiver =
            Receiver::new(subscribe, CONSUMER, 1024, now).expect("a valid configuration");
        let mut pair = Pair { now, key, sender, receiver, written: 0 };
        pair.pump();
        assert!(pair.receiver.is_connected() && pair.sender.has_started());
        pair.write(3);
        pair.pump();
        assert_eq!(pair.read(), 3);
        pair
    }

    fn open() -> Pair {
        Pair::new(None)
    }

    fn keyed() -> Pair {
        Pair::new(Some(Key::from_bytes([3; 32])))
    }

    /// What a member has.
    fn sealer(&self) -> Sealer {
        Sealer::new(self.key.clone())
    }

    /// Everything that both ends have to say is heard, until they are at rest.
    fn pump(&mut self) {
        loop {
            let down = self.sender.poll_transmit(self.now).map(|transmit| transmit.frame);
            let up = self.receiver.poll_transmit(self.now).map(|transmit| transmit.frame);
            if down.is_none() && up.is_none() {
                return;
            }
            down.iter().for_each(|frame| self.receiver.handle_frame(self.now, frame));
            up.iter().for_each(|frame| self.sender.handle_frame(self.now, frame));
        }
    }

    /// Time passes: what is due is said and heard.
    fn wait(&mut self, time: Duration) {
        self.pump();
        let until = self.now + time;
        let next = |pair: &Pair| {
            let due = [pair.sender.poll_timeout(), pair.receiver.poll_timeout()];
            due.into_iter().flatten().min().filter(|at| *at <= until)
        };
        while let Some(at) = next(self) {
            self.now = self.now.max(at);
            self.sender.handle_timeout(self.now);
            self.receiver.handle_timeout(self.now);
            self.pump();
        }
        self.now = until;
    }

    fn write(&mut self, frames: u64) {
        for _ in 0..frames {
            let mut open = OpenFrame::new(1000);
            assert!(open.push(&self.written.to_be_bytes()));
            self.sender.write(Packed::body(Kind::Data, open.into_buf(), 1)).expect("it takes more");
            self.written += 1;
        }
    }

    /// Reads what is there; it must be what was written, in order.
    fn read(&mut self) -> u64 {
        let mut frames = 0;
        while let Some(frame) = self.receiver.read_frame(self.now) {
            assert_eq!(frame.body[2..], frame.seq.get().to_be_bytes());
            frames += 1;
        }
        frames
    }

    /// The session is as good as before: it carries more, and ends well.
    fn goes_on(mut self) {
        self.write(40);
        for _ in 0..10 {
            self.wait(Duration::from_millis(5));
        }
        assert_eq!(self.read(), 40);
        self.sender.finish(Bytes::new());
        self.wait(Duration::from_millis(100));
        assert!(self.receiver.at_end());
        self.receiver.close(self.now);
        self.wait(Duration::from_millis(100));
        assert_eq!(self.sender.outcome(), Some(Ok(())));
        assert!(self.receiver.is_over() && self.receiver.failure().is_none());
    }

    /// Hands `frame` to the publisher: nothing moves, nothing is answered, `cause` counts one.
    fn publisher_drops(&mut self, frame: &Bytes, cause: &str) {
        let before = self.sender.stats();
        self.sender.handle_frame(self.now, frame);
        let mut after = self.sender.stats();
        assert_counted(&before.dropped, &after.dropped, cause);
        after.dropped = before.dropped;
        assert_eq!(before, after);
        assert!(!self.sender.is_over());
        assert!(self.sender.poll_transmit(self.now).is_none());
    }

    /// The same for the consumer.
    fn consumer_drops(&mut self, frame: &Bytes, cause: &str) {
        let before = self.receiver.stats();
        self.receiver.handle_frame(self.now, frame);
        let mut after = self.receiver.stats();
        assert_counted(&before.dropped, &after.dropped, cause);
        after.dropped = before.dropped;
        assert_eq!(before, after);
        assert!(!self.receiver.is_over() && !self.receiver.has_ready());
        assert!(self.receiver.poll_transmit(self.now).is_none());
    }

    /// Like `consumer_drops`, while frames wait to be read.
    fn consumer_waits_and_drops(&mut self, frame: &Bytes, cause: &str) {
        let before = self.receiver.stats();
        self.receiver.handle_frame(self.now, frame);
        let after = self.receiver.stats();
        assert_counted(&before.dropped, &after.dropped, cause);
        assert_eq!(before.queued_frames, after.queued_frames);
        assert!(!self.receiver.is_over());
    }
}

fn assert_counted(before: &DropCounts, after: &DropCounts, cause: &str) {
    let grown: Vec<(&str, u64)> = after
        .by_cause()
        .iter()
        .zip(before.by_cause())
        .filter(|(after, before)| after.1 > before.1)
        .map(|(after, before)| (after.0, after.1 - before.1))
        .collect();
    assert_eq!(grown, [(cause, 1)]);
}

fn control(sealer: &Sealer, control: &Control) -> Bytes {
    sealer.seal_control(SESSION, EPOCH, seq(1_000_000), control)
}

fn header(kind: Kind, number: u64, body: &[u8]) -> Header {
    let digest = Integrity::Blake3.digest(body);
    Header { kind, session: SESSION, epoch: EPOCH, seq: seq(number), digest }
}

/// A frame with any header over any body.
fn put(sealer: &Sealer, header: &Header, body: &[u8]) -> Bytes {
    let mut buf = BytesMut::zeroed(MAX_HEADER);
    buf.put_slice(body);
    sealer.seal_data(buf, header)
}

fn data(sealer: &Sealer, number: u64, message: &[u8]) -> Bytes {
    let mut open = OpenFrame::new(1000);
    assert!(open.push(message));
    put(sealer, &header(Kind::Data, number, open.body()), open.body())
}

fn ack(cumulative: u64) -> Ack {
    Ack {
        peer: CONSUMER,
        cumulative: seq(cumulative),
        sack: SackRanges::default(),
        credit: Credit { frames: seq(3 + WINDOW), bytes: 1 << 22 },
        latest: None,
        delay_us: 0,
        probe: 0,
        probe_delay_us: 0,
        generation: 1,
        duplicates: 0,
        dropped: 0,
    }
}

fn reset(peer: PeerId) -> Control {
    Control::Reset(Reset { peer, code: ResetCode::Cancelled, reason: "go away".to_owned() })
}

/// One of each that could move a session, from either side.
fn everything() -> Vec<Control> {
    let everybody = Probe { peer: None, number: 99, next: seq(3), members: 1, generation: 1 };
    vec![
        Control::Ack(ack(3)),
        Control::FinAck(FinAck { peer: CONSUMER }),
        Control::Probe(everybody),
        Control::Fin(Fin { end: seq(3), trailer: Bytes::new() }),
        Control::Closed(FinAck { peer: CONSUMER }),
    ]
}

#[test]
fn frames_of_another_epoch_are_foreign() {
    let mut pair = Pair::open();
    let sealer = pair.sealer();
    for epoch in [EPOCH - 1, EPOCH + 1, 0, u32::MAX] {
        for control in everything().iter().chain([&reset(CONSUMER)]) {
            let frame = sealer.seal_control(SESSION, epoch, seq(1_000_000), control);
            pair.publisher_drops(&frame, "foreign");
            pair.consumer_drops(&frame, "foreign");
        }
        let stale = Header { epoch, ..header(Kind::Data, 3, b"\xc4\x01x") };
        pair.consumer_drops(&put(&sealer, &stale, b"\xc4\x01x"), "foreign");
    }
    pair.goes_on();
}

#[test]
fn frames_of_another_session_are_foreign() {
    let mut pair = Pair::open();
    let sealer = pair.sealer();
    for control in everything().iter().chain([&reset(CONSUMER)]) {
        let frame = sealer.seal_control(SessionId(0xabce), EPOCH, seq(1_000_000), control);
        pair.publisher_drops(&frame, "foreign");
        pair.consumer_drops(&frame, "foreign");
    }
    pair.goes_on();
}

#[test]
fn without_the_key_nothing_is_moved() {
    let mut pair = Pair::keyed();
    let strangers = [Sealer::default(), Sealer::new(Some(Key::from_bytes([4; 32])))];
    for stranger in strangers {
        for frame in everything().iter().chain([&reset(CONSUMER), &reset(PeerId(0x1b))]) {
            let frame = control(&stranger, frame);
            pair.publisher_drops(&frame, "unauthenticated");
            pair.consumer_drops(&frame, "unauthenticated");
        }
        let join = Syn {
            peer: PeerId(5),
            name: String::new(),
            tag: String::new(),
            window_frames: 1,
            window_bytes: 1 << 20,
            max_message_bytes: 1 << 30,
            resume: None,
        };
        let join = stranger.seal_control(SessionId(5), 0, Seq::ZERO, &Control::Syn(join));
        pair.publisher_drops(&join, "unauthenticated");
        pair.consumer_drops(&data(&stranger, 3, b"forged"), "unauthenticated");
    }
    pair.goes_on();
}

#[test]
fn a_digest_that_can_be_forged_is_refused_even_under_the_key() {
    let mut pair = Pair::keyed();
    let sealer = pair.sealer();
    let body = b"\xc4\x06forged";
    for integrity in [Integrity::Crc32c, Integrity::None] {
        let weak = Header { digest: integrity.digest(body), ..header(Kind::Data, 3, body) };
        pair.consumer_drops(&put(&sealer, &weak, body), "unauthenticated");
    }
    // The header of a genuine frame over another body.
    let genuine = header(Kind::Data, 3, b"\xc4\x06stolen");
    pair.consumer_drops(&put(&sealer, &genuine, body), "corrupt");
    pair.goes_on();
}

#[test]
fn genuine_frames_repeated_by_a_stranger_change_nothing() {
    let mut pair = Pair::keyed();
    let now = pair.now;
    // What a listener on the bus has heard of a session under a key.
    pair.write(2);
    let heard: Vec<Bytes> =
        std::iter::from_fn(|| pair.sender.poll_transmit(now)).map(|sent| sent.frame).collect();
    assert_eq!(heard.len(), 2);
    heard.iter().for_each(|frame| pair.receiver.handle_frame(now, frame));
    let report = pair.receiver.poll_transmit(now + Duration::from_millis(5)).expect("a report");
    pair.sender.handle_frame(now, &report.frame);
    assert_eq!(pair.read(), 2);
    pair.wait(Duration::from_millis(20));

    let before = pair.receiver.stats();
    for _ in 0..100 {
        heard.iter().for_each(|frame| pair.receiver.handle_frame(pair.now, frame));
    }
    let after = pair.receiver.stats();
    assert_eq!(after.duplicates - before.duplicates, 200);
    assert_eq!((after.frames, after.messages), (before.frames, before.messages));
    assert_eq!(after.dropped, before.dropped);
    assert!(!pair.receiver.has_ready());

    let before = pair.sender.stats();
    for _ in 0..100 {
        pair.sender.handle_frame(pair.now, &report.frame);
    }
    let after = pair.sender.stats();
    assert_eq!(after.consumers[0].credit_frames, before.consumers[0].credit_frames);
    assert_eq!((after.retransmits, after.rtt), (before.retransmits, before.rtt));
    assert_eq!(after.acks - before.acks, 100);
    pair.pump();
    // Sent back to where they came from they mean nothing.
    pair.publisher_drops(&heard[0], "unexpected");
    pair.consumer_drops(&report.frame, "foreign");
    pair.goes_on();
}

#[test]
fn reports_of_what_cannot_be_are_forged() {
    let mut pair = Pair::open();
    let sealer = pair.sealer();
    let mut beyond = SackRanges::default();
    assert!(beyond.push(seq(3), seq(4)));
    let forged = [
        ack(4),
        ack(MAX_SEQ),
        Ack { sack: beyond, ..ack(2) },
        Ack { latest: Some(seq(3)), ..ack(3) },
        Ack { latest: Some(seq(MAX_SEQ)), ..ack(0) },
    ];
    for forged in forged {
        pair.publisher_drops(&control(&sealer, &Control::Ack(forged)), "forged");
    }
    pair.goes_on();
}

#[test]
fn an_older_report_takes_no_credit_back() {
    let mut pair = Pair::open();
    let sealer = pair.sealer();
    let before = pair.sender.stats().consumers[0].credit_frames;
    for number in [2_000_000, 1, 2_000_001] {
        let less = Ack { credit: Credit::default(), ..ack(3) };
        let frame = sealer.seal_control(SESSION, EPOCH, seq(number), &Control::Ack(less));
        pair.sender.handle_frame(pair.now, &frame);
        let stats = pair.sender.stats();
        assert_eq!(stats.consumers[0].credit_frames, before);
        assert_eq!(stats.dropped, DropCounts::default());
    }
    pair.goes_on();
}

/// The body of a report, with ranges as they travel: lengths of gaps and of what is held, in turns.
fn report(ranges: &[u64]) -> Vec<u8> {
    let mut body = vec![0x9c];
    let credit = 3 + WINDOW;
    for number in [CONSUMER.0, 1, credit, 1 << 22, 0, 0, 0, 0, 1, 0, 0] {
        rmp::encode::write_uint(&mut body, number).expect("memory takes it");
    }
    rmp::encode::write_array_len(&mut body, ranges.len() as u32).expect("memory takes it");
    for number in ranges {
        rmp::encode::write_uint(&mut body, *number).expect("memory takes it");
    }
    body
}

#[test]
fn ranges_that_overlap_or_run_backwards_are_malformed() {
    let mut pair = Pair::open();
    let sealer = pair.sealer();
    let hostile: [&[u64]; 9] = [
        &[0, 1],                   // touches the cumulative ack
        &[1, 0],                   // ends where it starts
        &[1, 1, 0, 1],             // touches the range before
        &[1, 1, 1, 0],             // the second ends where it starts
        &[1],                      // a gap and no range
        &[1, 1, 1],                // the same, later
        &[MAX_SEQ, 1],             // begins at the end of all numbers
        &[1, MAX_SEQ],             // ends beyond it
        &[u64::MAX - 1, u64::MAX], // would wrap to below what it began at
    ];
    for ranges in hostile {
        let body = report(ranges);
        pair.publisher_drops(&put(&sealer, &header(Kind::Ack, 1 << 40, &body), &body), "malformed");
    }
    // More than a report may carry.
    let body = report(&[1; 66]);
    pair.publisher_drops(&put(&sealer, &header(Kind::Ack, 1 << 40, &body), &body), "malformed");
    // In order, and of what was never sent.
    let body = report(&[1, 1, 1, 1]);
    pair.publisher_drops(&put(&sealer, &header(Kind::Ack, 1 << 40, &body), &body), "forged");
    pair.goes_on();
}

#[test]
fn numbers_at_the_end_of_64_bits_are_malformed() {
    let mut pair = Pair::open();
    let sealer = pair.sealer();
    for number in [u64::MAX, MAX_SEQ + 1] {
        // The header's frame number, by hand: version, kind, session, epoch, number, digest.
        let body = b"\xc4\x01x";
        let Digest::Blake3(digest) = Digest::blake3(body) else { unreachable!() };
        let mut frame = vec![0x96];
        for field in [1, 0, SESSION.0, u64::from(EPOCH), number] {
            rmp::encode::write_uint(&mut frame, field).expect("memory takes it");
        }
        rmp::encode::write_bin(&mut frame, &digest).expect("memory takes it");
        let check = crc_fast::crc32_iscsi(&frame);
        rmp::encode::write_uint(&mut frame, u64::from(check)).expect("memory takes it");
        frame.extend_from_slice(body);
        pair.consumer_drops(&Bytes::from(frame), "malformed");

        // The fields of a SYN: id, name, frames, bytes, longest message.
        for place in 0..3 {
            let mut body = vec![0x95, 9, 0xa0];
            for field in 0..3 {
                let value = if field == place { number } else { 1 << 30 };
                rmp::encode::write_uint(&mut body, value).expect("memory takes it");
            }
            let syn = Header { session: SessionId(9), epoch: 0, ..header(Kind::Syn, 0, &body) };
            pair.publisher_drops(&put(&sealer, &syn, &body), "malformed");
        }
        let mut body = vec![0x92];
        rmp::encode::write_uint(&mut body, number).expect("memory takes it");
        body.extend_from_slice(&[0xc4, 0]);
        pair.consumer_drops(&put(&sealer, &header(Kind::Fin, 0, &body), &body), "malformed");
    }
    pair.goes_on();
}

#[test]
fn data_beyond_the_window_is_dropped_up_to_the_last_number() {
    let mut pair = Pair::open();
    let sealer = pair.sealer();
    for number in [3 + WINDOW, 3 + 2 * WINDOW, 1 << 40, MAX_SEQ - 1, MAX_SEQ] {
        pair.consumer_drops(&data(&sealer, number, b"far"), "beyond_window");
    }
    pair.goes_on();
}

/// Whoever can seal frames can break a session, but not hurt its consumer: it ends with a reason, and
/// no memory is taken for what was only claimed.
#[test]
fn a_claim_of_gigabytes_ends_the_session_that_made_it() {
    let longest = swp_fast::config::DEFAULT_MAX_MESSAGE_BYTES;
    let mut too_long = vec![];
    rmp::encode::write_uint(&mut too_long, longest + 1).expect("memory takes it");
    let cases: [(Kind, Vec<u8>, &str); 5] = [
        (Kind::Data, b"\xc6\xff\xff\xff\xffabc".to_vec(), "a body does not decode"),
        (Kind::Data, b"\xdd\xff\xff\xff\xff".to_vec(), "a body does not decode"),
        (Kind::Fragment, b"\x05\x00\xc6\xff\xff\xff\xffa".to_vec(), "a fragment does not decode"),
        (Kind::Fragment, b"\x05\x05\xc4\x01a".to_vec(), "a fragment does not decode"),
        (Kind::Fragment, [&too_long[..], b"\x00\xc4\x01a"].concat(), "a message exceeds its bound"),
    ];
    for (kind, body, what) in cases {
        let mut pair = Pair::open();
        let frame = put(&pair.sealer(), &header(kind, 3, &body), &body);
        pair.receiver.handle_frame(pair.now, &frame);
        assert_eq!(pair.receiver.failure(), Some(&ReceiverError::Protocol(what)));
        assert!(!pair.receiver.has_ready());
    }
}

#[test]
fn a_fin_before_what_has_arrived_ends_the_session() {
    // Below what is held in order, and below what is held beyond a gap.
    for (arrives, end) in [(3, 2), (3, 0), (8, 3), (8, 8)] {
        let mut pair = Pair::open();
        let sealer = pair.sealer();
        pair.receiver.handle_frame(pair.now, &data(&sealer, arrives, &arrives.to_be_bytes()));
        let fin = Control::Fin(Fin { end: seq(end), trailer: Bytes::new() });
        pair.receiver.handle_frame(pair.now, &control(&sealer, &fin));
        let expected = ReceiverError::Protocol("the end lies before what was sent");
        assert_eq!(pair.receiver.failure(), Some(&expected), "{arrives} came, end {end}");
        assert!(!pair.receiver.at_end());
    }
}

#[test]
fn a_second_fin_cannot_move_the_end() {
    let mut pair = Pair::open();
    let sealer = pair.sealer();
    pair.write(4);
    pair.sender.finish(Bytes::from_static(b"genuine"));
    pair.pump();
    for end in [3, 6, 8, MAX_SEQ] {
        let fin = Fin { end: seq(end), trailer: Bytes::from_static(b"forged") };
        pair.consumer_waits_and_drops(&control(&sealer, &Control::Fin(fin)), "forged");
    }
    // Nor is there anything behind it.
    pair.consumer_waits_and_drops(&data(&sealer, 7, b"more"), "beyond_window");
    assert_eq!(pair.read(), 4);
    assert!(pair.receiver.at_end());
    assert_eq!(pair.receiver.trailer(), Some(&Bytes::from_static(b"genuine")));
}

#[test]
fn a_flood_of_probes_gets_an_answer_a_batch() {
    let mut pair = Pair::open();
    let sealer = pair.sealer();
    let now = pair.now;
    let probe = |number, peer| {
        control(
            &sealer,
            &Control::Probe(Probe { peer, number, next: seq(3), members: 1, generation: 1 }),
        )
    };
    for number in 1..10_000 {
        pair.receiver.handle_frame(now, &probe(number, None));
    }
    // One report answers them all, and it is no longer for there having been so many.
    let answer = pair.receiver.poll_transmit(now).expect("a report");
    assert!(answer.frame.len() < 100, "{} bytes", answer.frame.len());
    assert!(pair.receiver.poll_transmit(now).is_none());
    // Where each is handled by itself: one report each, and none for those meant for others.
    let before = pair.receiver.stats().acks;
    for number in 10_000..10_100 {
        pair.receiver.handle_frame(now, &probe(number, Some(CONSUMER)));
        while pair.receiver.poll_transmit(now).is_some() {}
        pair.receiver.handle_frame(now, &probe(number, Some(PeerId(1))));
        assert!(pair.receiver.poll_transmit(now).is_none());
    }
    assert_eq!(pair.receiver.stats().acks - before, 100);
    assert_eq!(pair.receiver.stats().dropped, DropCounts::default());
    // A publisher has no use for probes.
    pair.publisher_drops(&probe(1, None), "unexpected");
}

#[test]
fn a_flood_of_syns_keeps_a_bounded_number_of_answers() {
    const SYNS: u64 = 10_000;
    let mut pair = Pair::open();
    let sealer = pair.sealer();
    for id in 0..SYNS {
        let syn = Syn {
            peer: PeerId(1 << 32 | id),
            name: "x".repeat(64),
            tag: String::new(),
            window_frames: MAX_SEQ,
            window_bytes: MAX_SEQ,
            max_message_bytes: MAX_SEQ,
            resume: None,
        };
        let frame = sealer.seal_control(SessionId(syn.peer.0), 0, Seq::ZERO, &Control::Syn(syn));
        pair.sender.handle_frame(pair.now, &frame);
    }
    let answers = std::iter::from_fn(|| pair.sender.poll_transmit(pair.now)).count() as u64;
    let stats = pair.sender.stats();
    // The stream has begun, so all are refused; answers beyond the queue's bound are counted.
    assert_eq!(stats.consumers.len(), 1);
    assert_eq!((answers, stats.dropped.unexpected), (256, SYNS - 256));
    pair.goes_on();
}

#[test]
fn a_stranger_cannot_leave_in_another_consumers_place_or_finish_for_it() {
    let mut pair = Pair::open();
    let sealer = pair.sealer();
    // Of somebody who is no member: counted, and told so.
    let before = pair.sender.stats();
    for frame in [Control::FinAck(FinAck { peer: CONSUMER }), reset(PeerId(77))] {
        pair.sender.handle_frame(pair.now, &control(&sealer, &frame));
    }
    let after = pair.sender.stats();
    assert_eq!(after.dropped.unexpected - before.dropped.unexpected, 1, "nothing has ended yet");
    assert_eq!(after.dropped.foreign - before.dropped.foreign, 1);
    assert_eq!(after.consumers, before.consumers);
    pair.goes_on();
}
