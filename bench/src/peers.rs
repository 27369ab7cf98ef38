//! The systems that are compared. Each sends a load to a consumer that reads every byte of it, and
//! tells what arrived, and when.

pub(crate) mod jetstream;
pub(crate) mod raw;
mod relay;
pub(crate) mod replay;
pub(crate) mod swp;
mod wire;

use std::time::{Duration, Instant};

use clap::ValueEnum;
use swp_fast::wire::Integrity;

use crate::Failure;
use crate::stage::Stage;

/// A server's `max_payload` unless it was told otherwise, in bytes: what a plain message can be.
const MAX_PAYLOAD: usize = 1 << 20;

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Peer {
    /// Plain async-nats publish and subscribe.
    Raw,
    /// This project, from memory.
    Swp,
    /// This project, a capture from the warm page cache, with the digests stored in it.
    Replay,
    /// JetStream, memory storage: async publish with a window of acks, an ordered consumer beside it.
    Jetstream,
    /// The same with the fast-ingest batch publisher of jetstream-extra.
    JetstreamFast,
    /// NATS lines made beforehand, over blocking sockets: what the broker can do at most.
    Wire,
    /// The bytes through a plain TCP relay: what any broker must pay.
    Relay,
}

impl Peer {
    /// As in the files.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Peer::Raw => "raw",
            Peer::Swp => "swp",
            Peer::Replay => "replay",
            Peer::Jetstream => "jetstream",
            Peer::JetstreamFast => "jetstream-fast",
            Peer::Wire => "wire",
            Peer::Relay => "relay",
        }
    }

    /// Whether it can move messages of `size` bytes at all.
    pub(crate) fn takes(self, size: usize) -> bool {
        matches!(self, Peer::Swp | Peer::Replay | Peer::Relay) || size <= MAX_PAYLOAD
    }
}

/// A peer, and how its frames are protected where that can be chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct System {
    pub(crate) peer: Peer,
    pub(crate) integrity: Option<Integrity>,
}

impl System {
    /// Every peer, and swp once for each integrity. A capture's digests are blake3, so replay has that.
    pub(crate) fn all(peers: &[Peer], integrities: &[Integrity]) -> Vec<System> {
        let mut systems = Vec::new();
        for &peer in peers {
            match peer {
                Peer::Swp => {
                    systems.extend(integrities.iter().map(|i| System { peer, integrity: Some(*i) }))
                }
                Peer::Replay => systems.push(System { peer, integrity: Some(Integrity::Blake3) }),
                _ => systems.push(System { peer, integrity: None }),
            }
        }
        systems
    }

    pub(crate) fn integrity_name(self) -> Option<String> {
        self.integrity.map(|integrity| integrity.to_string())
    }

    /// For tables.
    pub(crate) fn label(self) -> String {
        match (self.peer, self.integrity) {
            (Peer::Swp, Some(integrity)) => format!("swp {integrity}"),
            (peer, _) => peer.name().to_owned(),
        }
    }
}

/// What is sent in a round.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    pub(crate) size: usize,
    pub(crate) count: u64,
    /// JetStream stops sending after this, so that its rounds end: it is a tenth as fast.
    pub(crate) limit: Duration,
}

/// What came of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Outcome {
    pub(crate) sent: u64,
    pub(crate) received: u64,
    /// From the first send to the last arrival.
    pub(crate) seconds: f64,
    pub(crate) retransmits: u64,
}

impl Outcome {
    fn new(sent: u64, (received, last): (u64, Instant), start: Instant) -> Outcome {
        let seconds = last.duration_since(start).as_secs_f64();
        Outcome { sent, received, seconds, retransmits: 0 }
    }

    pub(crate) fn messages_per_s(&self) -> f64 {
        self.received as f64 / self.seconds.max(1e-9)
    }
}

/// One round of one system.
pub(crate) fn run(stage: &mut Stage, system: System, load: Load) -> Result<Outcome, Failure> {
    let integrity = system.integrity.unwrap_or_default();
    match system.peer {
        Peer::Raw => stage.runtime.block_on(raw::run(stage.url(), load)),
        Peer::Swp => stage.runtime.block_on(swp::run(stage.url(), load, integrity)),
        Peer::Replay => {
            let path = stage.capture(load.size, load.count, None)?;
            stage.runtime.block_on(replay::run(stage.url(), &path))
        }
        Peer::Jetstream => {
            let url = stage.jetstream_url()?;
            stage.runtime.block_on(jetstream::run(&url, load))
        }
        Peer::JetstreamFast => {
            let url = stage.jetstream_url()?;
            stage.runtime.block_on(jetstream::run_fast(&url, load))
        }
        Peer::Wire => wire::run(stage.port(), load),
        Peer::Relay => relay::run(load),
    }
}

/// Reads every byte, as a consumer would.
pub(crate) fn read(message: &[u8]) -> u64 {
    let (words, rest) = message.as_chunks::<8>();
    let rest = rest.iter().fold(0, |sum, byte| sum + u64::from(*byte));
    words.iter().fold(rest, |sum, word| sum.wrapping_add(u64::from_le_bytes(*word)))
}

#[cfg(test)]
mod tests;
