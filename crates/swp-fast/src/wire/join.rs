//! SYN and SYN-ACK: how a consumer joins a stream or resumes a session.

use std::time::Duration;

use super::ack::SackRanges;
use super::cursor::Cursor;
use super::digest::Integrity;
use super::error::WireError;
use super::put::Put;
use super::seq::{PeerId, Seq, SessionId};

/// The longest name of a consumer, in bytes. A name is for people to read.
pub const MAX_NAME: usize = 64;
/// The longest tag of a consumer, in bytes.
pub const MAX_TAG: usize = 64;

/// A consumer asks to join. The header's session field holds the consumer's own id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Syn {
    /// The consumer's id. Its inbox subject is derived from this id.
    pub peer: PeerId,
    /// The consumer's name, for the publisher's messages to people. The encoder cuts the name at
    /// [`MAX_NAME`] bytes.
    ///
    /// A decoded name is untrusted and may contain control characters. Escape the name before
    /// display.
    pub name: String,
    /// The tag of the consumer, or empty for none. The publisher may require a tag of the consumers
    /// that set the pace. The encoder cuts the tag at [`MAX_TAG`] bytes.
    pub tag: String,
    /// The consumer's window in frames: how many frames it accepts beyond those consumed.
    pub window_frames: u64,
    /// The consumer's window in body bytes: how many bytes it accepts beyond those consumed.
    pub window_bytes: u64,
    /// The longest message that the consumer accepts, in bytes.
    pub max_message_bytes: u64,
    /// What the consumer already holds, if it resumes a session.
    pub resume: Option<Resume>,
}

/// The position at which a consumer resumes a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resume {
    /// The session to resume.
    pub session: SessionId,
    /// The epoch of the session that the consumer knows.
    pub epoch: u32,
    /// The consumer's id at that time. A consumer that has lost its state since then uses a new id
    /// in the SYN, because acks under the old id no longer hold.
    pub peer: PeerId,
    /// The consumer holds every frame below this sequence number.
    pub next: Seq,
    /// The byte offset of frame `next` in the session.
    pub next_bytes: u64,
    /// The frames above `next` that the consumer holds.
    pub sack: SackRanges,
}

impl Resume {
    /// Returns the first sequence number above every frame that the consumer holds.
    pub fn held_end(&self) -> Seq {
        self.sack.end_or(self.next)
    }
}

/// The publisher accepts a consumer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SynAck {
    /// The consumer that has joined.
    pub peer: PeerId,
    /// The first frame that the publisher sends to the consumer.
    pub start: Seq,
    /// The byte offset of frame `start` in the session. Byte credit counts from this offset.
    pub start_bytes: u64,
    /// The digest of data frames. The consumer drops data frames with any other digest.
    pub integrity: Integrity,
    /// The longest body of a data frame, in bytes.
    pub max_body_bytes: u32,
    /// The longest message, in bytes.
    pub max_message_bytes: u64,
    /// Publisher and consumer each send a frame at least this often. The wire carries whole
    /// milliseconds in 32 bits, rounded up.
    pub keep_alive: Duration,
    /// Publisher and consumer each time out when they have received nothing for this long. The wire
    /// carries the time like `keep_alive`.
    pub idle_timeout: Duration,
    /// The number of consumers that send acks. The more consumers there are, the less often each of
    /// them sends an ack.
    pub consumers: u32,
    /// The generation of the group that the consumer subscribes to, or 0 for none.
    ///
    /// During catch-up the publisher sends frames to the consumer's inbox, and the generation is 0.
    /// Another SYN-ACK names a generation when catch-up is almost complete. A higher generation
    /// tells the consumer that the group is about to move there from the generation below. The
    /// consumer subscribes to both until a [`Probe`](super::Probe) names the higher one.
    pub generation: u32,
    /// True if the consumer sets the pace: the publisher keeps frames for the group within the
    /// consumer's credit.
    ///
    /// Frames for the group may exceed the credit of any other consumer. Such a consumer reserves
    /// part of its window for the frames that it still misses.
    pub paces: bool,
}

impl Syn {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut put = Put::array(7);
        put.id(self.peer.0).str_cut(&self.name, MAX_NAME).str_cut(&self.tag, MAX_TAG);
        put.uint(self.window_frames).uint(self.window_bytes).uint(self.max_message_bytes);
        match &self.resume {
            None => put.nested(0),
            Some(resume) => {
                put.nested(6).id(resume.session.0).uint(resume.epoch).id(resume.peer.0);
                put.uint(resume.next.get()).uint(resume.next_bytes);
                resume.sack.encode(&mut put, resume.next);
                &mut put
            }
        };
        put.into_vec()
    }

    pub(super) fn decode(body: &[u8]) -> Result<Syn, WireError> {
        let mut cursor = Cursor::new(body);
        cursor.array(7, "syn")?;
        let syn = Syn {
            peer: cursor.peer()?,
            name: cursor.str(MAX_NAME, "name")?.to_owned(),
            tag: cursor.str(MAX_TAG, "tag")?.to_owned(),
            window_frames: cursor.uint("window")?,
            window_bytes: cursor.uint("window")?,
            max_message_bytes: cursor.uint("longest message")?,
            resume: Resume::decode(&mut cursor)?,
        };
        cursor.finish()?;
        Ok(syn)
    }
}

impl Resume {
    fn decode(cursor: &mut Cursor<'_>) -> Result<Option<Resume>, WireError> {
        match cursor.array_len(6, "resume")? {
            0 => return Ok(None),
            6 => {}
            _ => return Err(WireError::Malformed("resume")),
        }
        let session = cursor.session()?;
        let epoch = cursor.uint("epoch")?;
        let peer = cursor.peer()?;
        let next = cursor.seq("resume")?;
        let next_bytes = cursor.uint("resume")?;
        let sack = SackRanges::decode(cursor, next)?;
        Ok(Some(Resume { session, epoch, peer, next, next_bytes, sack }))
    }
}

impl SynAck {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut put = Put::array(11);
        put.id(self.peer.0).uint(self.start.get()).uint(self.start_bytes);
        put.uint(self.integrity.code()).uint(self.max_body_bytes).uint(self.max_message_bytes);
        put.uint(millis(self.keep_alive)).uint(millis(self.idle_timeout));
        put.uint(self.consumers).uint(self.generation).uint(u8::from(self.paces));
        put.into_vec()
    }

    pub(super) fn decode(body: &[u8]) -> Result<SynAck, WireError> {
        let mut cursor = Cursor::new(body);
        cursor.array(11, "syn-ack")?;
        let syn_ack = SynAck {
            peer: cursor.peer()?,
            start: cursor.seq("start")?,
            start_bytes: cursor.uint("start")?,
            integrity: Integrity::from_code(cursor.uint("integrity")?)
                .ok_or(WireError::OutOfRange("integrity"))?,
            max_body_bytes: cursor.uint("longest body")?,
            max_message_bytes: cursor.uint("longest message")?,
            keep_alive: Duration::from_millis(u64::from(cursor.uint::<u32>("keep-alive")?)),
            idle_timeout: Duration::from_millis(u64::from(cursor.uint::<u32>("idle time-out")?)),
            consumers: cursor.uint("consumer count")?,
            generation: cursor.uint("generation")?,
            paces: cursor.flag("paces")?,
        };
        cursor.finish()?;
        Ok(syn_ack)
    }
}

/// Returns `duration` in milliseconds, rounded up so that only zero becomes zero.
fn millis(duration: Duration) -> u32 {
    u32::try_from(duration.as_nanos().div_ceil(1_000_000)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
