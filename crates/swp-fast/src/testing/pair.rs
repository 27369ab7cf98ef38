//! A publisher and one consumer on a bus without time or loss.

use std::time::Duration;

use bytes::BytesMut;

use super::{Frames, at_ms};
use crate::config::{PublishConfig, SubscribeConfig};
use crate::proto::{Packed, ReadyFrame, Receiver, Sender, SenderIds};
use crate::time::Time;
use crate::wire::{Kind, PeerId, Seq, SessionId};

/// Delivers the frames that a publisher and one consumer send, until neither has a frame to send.
///
/// The consumer receives every frame of the publisher, also a frame that is addressed to another
/// consumer.
pub fn exchange(now: Time, sender: &mut Sender, receiver: &mut Receiver) {
    loop {
        let down = sender.poll_transmit(now);
        let up = receiver.poll_transmit(now);
        if down.is_none() && up.is_none() {
            return;
        }
        if let Some(down) = down {
            receiver.handle_frame(now, &down.frame);
        }
        if let Some(up) = up {
            sender.handle_frame(now, &up.frame);
        }
    }
}

/// A publisher and one consumer that has joined the stream.
///
/// Frames travel in [`Pair::exchange`] and [`Pair::wait`] only.
///
/// ```
/// use std::time::Duration;
/// use swp_fast::testing::{Pair, packed, seq};
/// use swp_fast::{PublishConfig, SubscribeConfig};
///
/// let mut pair = Pair::new(PublishConfig::default(), SubscribeConfig::default());
/// pair.write(packed(&[b"one", b"two"]), 2);
/// pair.exchange();
/// assert_eq!(pair.read().map(|frame| frame.messages), Some(2));
/// pair.wait(Duration::from_millis(50));
/// assert_eq!(pair.sender.acked(), seq(1));
/// ```
#[derive(Debug)]
pub struct Pair {
    /// The time for the next call of either state machine.
    pub now: Time,
    /// The publisher.
    pub sender: Sender,
    /// The consumer.
    pub receiver: Receiver,
    /// Makes frames of this session, with the digest and the key of the publisher.
    pub frames: Frames,
}

impl Pair {
    /// The ids of the publisher.
    pub const IDS: SenderIds =
        SenderIds { session: SessionId(0xabcd), epoch: 7, inbox: PeerId(0x1b) };

    /// The id of the consumer.
    pub const CONSUMER: PeerId = PeerId(0xc0);

    /// Creates a pair and completes the handshake. The publisher claims nothing, so
    /// [`PublishConfig::claim_timeout`] is ignored.
    ///
    /// # Panics
    /// If a configuration is out of its bounds, or asks for more than one consumer to start.
    pub fn new(publish: PublishConfig, subscribe: SubscribeConfig) -> Pair {
        let publish = PublishConfig { claim_timeout: Duration::ZERO, ..publish };
        let frames = Frames::new(Pair::IDS.session, Pair::IDS.epoch);
        let frames = match publish.key.clone() {
            Some(key) => frames.with_key(key),
            None => frames.with_integrity(publish.integrity),
        };
        let now = at_ms(1_000);
        let sender = Sender::new(publish, Pair::IDS, now).expect("the publisher's configuration");
        let receiver = Receiver::new(subscribe, Pair::CONSUMER, u64::MAX, now)
            .expect("the consumer's configuration");
        let mut pair = Pair { now, sender, receiver, frames };
        pair.exchange();
        assert!(pair.sender.has_started() && pair.receiver.is_connected(), "{pair:?}");
        pair
    }

    /// Delivers frames until neither has a frame to send now.
    pub fn exchange(&mut self) {
        exchange(self.now, &mut self.sender, &mut self.receiver);
    }

    /// Lets `time` pass. Every timer that is due by then runs, and all frames are delivered.
    pub fn wait(&mut self, time: Duration) {
        self.exchange();
        let until = self.now + time;
        while let Some(at) = self.next_timeout().filter(|at| *at <= until) {
            self.now = self.now.max(at);
            self.sender.handle_timeout(self.now);
            self.receiver.handle_timeout(self.now);
            self.exchange();
        }
        self.now = until;
    }

    fn next_timeout(&self) -> Option<Time> {
        let timeouts = [self.sender.poll_timeout(), self.receiver.poll_timeout()];
        timeouts.into_iter().flatten().min()
    }

    /// Writes a data frame with the body in `buf`, which holds `messages`. See [`Packed::body`].
    /// The frame is sent by the next [`Pair::exchange`].
    ///
    /// # Panics
    /// If the publisher refuses the frame.
    pub fn write(&mut self, buf: BytesMut, messages: u32) -> Seq {
        let packed = Packed::body(Kind::Data, buf, messages);
        self.sender.write(packed).expect("the publisher takes the frame")
    }

    /// Reads the next frame in order, or returns `None` if the frame has not arrived.
    pub fn read(&mut self) -> Option<ReadyFrame> {
        self.receiver.read_frame(self.now)
    }
}
