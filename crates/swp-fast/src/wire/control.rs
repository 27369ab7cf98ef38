//! The list of frame kinds, and the bodies of the control frames of an open session.
//!
//! `frame_kinds!` below is the only list of kinds. [`Kind`], [`Control`], encoding and decoding
//! follow from that list. Larger bodies have their own files: `ack.rs`, `join.rs` (SYN and SYN-ACK)
//! and `reset.rs`.
//!
//! To add a control frame, add these three parts in this directory:
//!
//! 1. in this file, a line in the list, and the body's type with `encode` and `decode`
//! 2. in `tests/arb.rs`, a strategy for the body, as an arm of `control()`
//! 3. in `tests/golden.rs`, a sample in `controls()`, and its bytes with and without a key
//!
//! A test fails if a kind of the list is missing from 2 or 3. Codes are never reused.

use bytes::Bytes;

use super::ack::Ack;
use super::cursor::Cursor;
use super::error::WireError;
use super::join::{Syn, SynAck};
use super::kinds::frame_kinds;
use super::put::Put;
use super::reset::Reset;
use super::seq::{PeerId, Seq};

frame_kinds! {
    data {
        /// Publisher to consumers: whole messages, packed. See [`Messages`](super::Messages).
        Data = 0,
        /// Publisher to consumers: a part of one message that is larger than a frame. See
        /// [`Fragment`](super::Fragment).
        Fragment = 1,
    }
    control {
        /// Consumer to publisher: which frames the consumer holds, and its credit. See [`Ack`].
        Ack(Ack) = 2,
        /// Consumer to publisher: the consumer asks to join. See [`Syn`].
        Syn(Syn) = 3,
        /// Publisher to consumer: the consumer has joined, and where the stream starts for it. See
        /// [`SynAck`].
        SynAck(SynAck) = 4,
        /// Publisher to consumers: keep-alive, and asks for an ack. See [`Probe`].
        Probe(Probe) = 5,
        /// Publisher to consumers: where the stream ends. See [`Fin`].
        Fin(Fin) = 6,
        /// Consumer to publisher: the consumer has consumed the stream to its end. See [`FinAck`].
        FinAck(FinAck) = 7,
        /// Publisher to consumer: the FIN-ACK has arrived, and the consumer may stop sending the
        /// FIN-ACK. See [`FinAck`].
        Closed(FinAck) = 8,
        /// Either direction: the session is over for the receiver of this frame. See [`Reset`].
        Reset(Reset) = 9,
        /// Publisher to consumers and other publishers: a session of the stream exists. See
        /// [`Announce`].
        Announce(Announce) = 10,
    }
}

/// The longest trailer in a FIN, in bytes.
pub const MAX_TRAILER: usize = 1024;

/// Keep-alive of the publisher, and a request for an ack. A consumer that a probe addresses sends
/// an ack at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Probe {
    /// The consumer that must send an ack. `None` addresses every consumer.
    pub peer: Option<PeerId>,
    /// Counts the probes of the session, from 1.
    pub number: u64,
    /// The publisher sent every frame below this sequence number before it sent the probe.
    pub next: Seq,
    /// The number of consumers that send acks. See [`SynAck::consumers`].
    pub consumers: u32,
    /// The generation of the group to which the publisher sends data frames. See
    /// [`SynAck::generation`].
    pub generation: u32,
}

/// The stream ends before frame `end`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fin {
    /// The sequence number after that of the last frame.
    pub end: Seq,
    /// Bytes that the publisher's application sends with the end of the stream.
    ///
    /// The encoder cuts a trailer at [`MAX_TRAILER`] bytes, so that a stream can always end. Code
    /// that accepts a trailer from an application returns an error for a longer one.
    pub trailer: Bytes,
}

/// A consumer has consumed the stream to its end ([`Control::FinAck`]), or the publisher confirms
/// that the FIN-ACK has arrived ([`Control::Closed`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FinAck {
    /// The consumer.
    pub peer: PeerId,
}

/// A publisher states that it has a session of the stream, or claims the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Announce {
    /// The publisher's inbox. Another publisher that holds the stream sends its RESET to this
    /// inbox.
    pub peer: PeerId,
    /// True while the publisher still waits for such a RESET.
    pub claiming: bool,
}

impl Probe {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut put = Put::array(5);
        put.nested(u32::from(self.peer.is_some()));
        if let Some(peer) = self.peer {
            put.id(peer.0);
        }
        put.uint(self.number).uint(self.next.get()).uint(self.consumers).uint(self.generation);
        put.into_vec()
    }

    pub(super) fn decode(body: &[u8]) -> Result<Probe, WireError> {
        let mut cursor = Cursor::new(body);
        cursor.array(5, "probe")?;
        let peer = match cursor.array_len(1, "probe")? {
            0 => None,
            _ => Some(cursor.peer()?),
        };
        let probe = Probe {
            peer,
            number: cursor.uint("probe count")?,
            next: cursor.seq("next")?,
            consumers: cursor.uint("consumer count")?,
            generation: cursor.uint("generation")?,
        };
        cursor.finish()?;
        Ok(probe)
    }
}

impl Fin {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut put = Put::array(2);
        let trailer = &self.trailer[..self.trailer.len().min(MAX_TRAILER)];
        put.uint(self.end.get()).bin(trailer);
        put.into_vec()
    }

    pub(super) fn decode(body: &[u8]) -> Result<Fin, WireError> {
        let mut cursor = Cursor::new(body);
        cursor.array(2, "fin")?;
        let fin = Fin {
            end: cursor.seq("end")?,
            // A copy: a slice would keep the whole read buffer alive as long as the trailer.
            trailer: Bytes::copy_from_slice(cursor.bin(MAX_TRAILER, "trailer")?),
        };
        cursor.finish()?;
        Ok(fin)
    }
}

impl FinAck {
    pub(super) fn encode(self) -> Vec<u8> {
        let mut put = Put::array(1);
        put.id(self.peer.0);
        put.into_vec()
    }

    pub(super) fn decode(body: &[u8]) -> Result<FinAck, WireError> {
        let mut cursor = Cursor::new(body);
        cursor.array(1, "fin-ack")?;
        let fin_ack = FinAck { peer: cursor.peer()? };
        cursor.finish()?;
        Ok(fin_ack)
    }
}

impl Announce {
    pub(super) fn encode(self) -> Vec<u8> {
        let mut put = Put::array(2);
        put.id(self.peer.0).uint(u8::from(self.claiming));
        put.into_vec()
    }

    pub(super) fn decode(body: &[u8]) -> Result<Announce, WireError> {
        let mut cursor = Cursor::new(body);
        cursor.array(2, "announce")?;
        let peer = cursor.peer()?;
        let claiming = cursor.flag("claiming")?;
        cursor.finish()?;
        Ok(Announce { peer, claiming })
    }
}

#[cfg(test)]
mod tests;
