//! A consumer at the other end of a fake link, for unit tests of the publisher's side.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::config::{PublishConfig, SubscribeConfig};
use crate::link::fake::FakeLink;
use crate::proto::{Receiver, Sender, SenderIds};
use crate::time::Time;
use crate::wire::{Kind, PeerId, Sealer, SessionId};

/// The stream's name.
pub(super) const STREAM: &str = "s";

/// Takes what the link accepted, and records the order of data frames.
pub(super) struct FakeConsumer {
    link: Arc<FakeLink>,
    receiver: Receiver,
    /// Sequence numbers of the data frames that the link accepted, in the order of acceptance.
    pub(super) sequence: Vec<u64>,
}

impl FakeConsumer {
    pub(super) fn new(link: &Arc<FakeLink>, config: SubscribeConfig) -> FakeConsumer {
        let receiver = Receiver::new(config, PeerId(3), 65_536, Time::ZERO);
        let receiver = receiver.expect("the configuration works");
        FakeConsumer { link: Arc::clone(link), receiver, sequence: Vec::new() }
    }

    /// Takes what the link accepted since the last call. Returns how many frames that were.
    pub(super) fn take(&mut self, now: Time) -> usize {
        let accepted = self.link.take_accepted();
        for (_, frame) in &accepted {
            let opened = Sealer::new(None).open(frame).expect("the link changes no frame");
            if matches!(opened.header.kind, Kind::Data | Kind::Fragment) {
                self.sequence.push(opened.header.seq.get());
            }
            self.receiver.handle_frame(now, frame);
        }
        accepted.len()
    }

    /// Returns the frames that the consumer sends.
    pub(super) fn frames(&mut self, now: Time) -> Vec<Bytes> {
        self.receiver.handle_timeout(now);
        std::iter::from_fn(|| self.receiver.poll_transmit(now))
            .map(|transmit| transmit.frame)
            .collect()
    }

    /// Returns the messages that have arrived in order.
    pub(super) fn messages(&mut self, now: Time) -> Vec<Bytes> {
        std::iter::from_fn(|| self.receiver.read_message(now)).collect()
    }
}

/// A sender whose stream is claimed at once.
pub(super) fn sender(config: &PublishConfig) -> Sender {
    let ids = SenderIds { session: SessionId(1), epoch: 1, inbox: PeerId(2) };
    Sender::new(config.clone(), ids, Time::ZERO).expect("the configuration works")
}

pub(super) fn publish_config() -> PublishConfig {
    PublishConfig { claim_timeout: Duration::ZERO, ..PublishConfig::default() }
}
