//! The frames that begin, keep and end a session.

use std::time::Duration;

use bytes::Bytes;

use super::ack::SackRanges;
use super::cursor::Cursor;
use super::digest::Integrity;
use super::error::WireError;
use super::put::Put;
use super::seq::{PeerId, Seq, SessionId};

/// The longest name that a consumer may give itself, in bytes; it is for people to read.
pub const MAX_NAME: usize = 64;
/// The longest tag of a consumer, in bytes.
pub const MAX_TAG: usize = 64;
/// The longest reason in a RESET, in bytes.
pub const MAX_REASON: usize = 256;
/// The longest trailer in a FIN, in bytes.
pub const MAX_TRAILER: usize = 1024;

/// A consumer asks to join. The header's session is the consumer's own id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Syn {
    /// Who asks; its inbox subject follows from this.
    pub peer: PeerId,
    /// What it calls itself, for the publisher's reports. Cut to [`MAX_NAME`] bytes. As it came from
    /// the network it can hold control characters: escape it before it is shown.
    pub name: String,
    /// The group that it counts itself to; empty is none. At most [`MAX_TAG`] bytes, cut like the name.
    pub tag: String,
    /// The frames that it takes beyond those consumed.
    pub window_frames: u64,
    /// The body bytes that it takes beyond those consumed.
    pub window_bytes: u64,
    /// The longest message that it takes, in bytes.
    pub max_message_bytes: u64,
    /// What it holds already of a session that it was cut off from.
    pub resume: Option<Resume>,
}

/// Where a consumer goes on in a session that it was a member of before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resume {
    /// The session.
    pub session: SessionId,
    /// Its epoch.
    pub epoch: u32,
    /// The id that it had there. A consumer that lost its memory since takes another: what it said under the
    /// old one is no longer true.
    pub peer: PeerId,
    /// It holds every frame below this number.
    pub next: Seq,
    /// Where in the session's bytes that frame begins.
    pub next_bytes: u64,
    /// What it holds above that.
    pub sack: SackRanges,
}

impl Resume {
    /// It holds nothing from this number on.
    pub fn held_end(&self) -> Seq {
        self.sack.end_or(self.next)
    }
}

/// The publisher lets a consumer join.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SynAck {
    /// Who may join.
    pub peer: PeerId,
    /// The first frame that it is sent.
    pub start: Seq,
    /// The byte offset of that frame, from which byte credit counts.
    pub start_bytes: u64,
    /// The protection of data frames, which the consumer then demands.
    pub integrity: Integrity,
    /// No data frame has a body longer than this, in bytes.
    pub max_body_bytes: u32,
    /// No message is longer than this, in bytes.
    pub max_message_bytes: u64,
    /// Each side sends something at least this often. Carried in milliseconds, rounded up, at most 2^32.
    pub keep_alive: Duration,
    /// Each side gives the other up after hearing nothing for this long. Carried like `keep_alive`.
    pub idle_timeout: Duration,
    /// How many consumers share the way back; the more, the seldomer each reports.
    pub members: u32,
    /// The generation of the group that it is to listen to, 0 for none. A consumer that joins far behind the
    /// present is sent what it lacks to its inbox first, and told to listen when it has nearly caught up.
    /// Where the number grows, the group is about to go there from the generation before: a consumer listens
    /// to both until a [`Probe`] says that it has.
    pub generation: u32,
    /// It counts: once it listens to the group, what that is sent keeps to its credit. One that does not has to
    /// leave room for what it lacks itself.
    pub paces: bool,
}

/// Keep-alive and question in one: every consumer (or one) answers with an ACK at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Probe {
    /// Who is to answer; all, where none is named.
    pub peer: Option<PeerId>,
    /// Counts the session's probes from 1.
    pub number: u64,
    /// Every frame below this was sent before the probe.
    pub next: Seq,
    /// See [`SynAck::members`].
    pub members: u32,
    /// The generation of the group that is sent to.
    pub generation: u32,
}

/// The stream ends before frame `end`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fin {
    /// The number that the next frame would have had.
    pub end: Seq,
    /// A last word of the application's. Beyond [`MAX_TRAILER`] bytes it is cut, so that the stream can
    /// always end: whoever takes it from the application refuses a longer one there.
    pub trailer: Bytes,
}

/// A consumer has consumed the stream to its end (FIN-ACK), or is told that this was heard (Closed).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FinAck {
    /// The consumer.
    pub peer: PeerId,
}

/// A publisher is here; `peer` is its own inbox, to which an elder publisher of the stream objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Announce {
    /// The publisher's inbox.
    pub peer: PeerId,
    /// Whether it is still finding out if the stream is free.
    pub claiming: bool,
}

/// Why a session is over for somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
#[non_exhaustive]
pub enum ResetCode {
    /// The other side speaks another version of the wire.
    Version = 1,
    /// Another publisher holds the stream.
    StreamInUse = 2,
    /// The publisher takes no (more) consumers.
    Refused = 3,
    /// The session is not, or no longer, known.
    UnknownSession = 4,
    /// Nothing was heard for the idle time-out.
    TimedOut = 5,
    /// The application gave up before the end.
    Cancelled = 6,
    /// The other side broke the protocol, or what it asks cannot be.
    Protocol = 7,
    /// The consumer held the stream back for longer than its publisher waits, or was left behind by it.
    TooSlow = 8,
    /// What the consumer still needs is no longer to be had.
    Unavailable = 9,
}

impl ResetCode {
    fn from_code(code: u8) -> Option<ResetCode> {
        use ResetCode::*;
        [
            Version,
            StreamInUse,
            Refused,
            UnknownSession,
            TimedOut,
            Cancelled,
            Protocol,
            TooSlow,
            Unavailable,
        ]
        .get(usize::from(code).checked_sub(1)?)
        .copied()
    }
}

/// The session is over for whoever reads this.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reset {
    /// The consumer concerned.
    pub peer: PeerId,
    /// Why.
    pub code: ResetCode,
    /// Why, for people. Cut to [`MAX_REASON`] bytes. As it came from the network it can hold control
    /// characters: escape it before it is shown.
    pub reason: String,
}

impl Syn {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut put = Put::array(7);
        put.id(self.peer.0).str(cut(&self.name, MAX_NAME)).str(cut(&self.tag, MAX_TAG));
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
            max_message_bytes: cursor.uint("message bound")?,
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
        put.uint(self.members).uint(self.generation).uint(u8::from(self.paces));
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
            max_body_bytes: cursor.uint("frame bound")?,
            max_message_bytes: cursor.uint("message bound")?,
            keep_alive: Duration::from_millis(u64::from(cursor.uint::<u32>("keep-alive")?)),
            idle_timeout: Duration::from_millis(u64::from(cursor.uint::<u32>("idle time-out")?)),
            members: cursor.uint("members")?,
            generation: cursor.uint("generation")?,
            paces: cursor.flag("pace")?,
        };
        cursor.finish()?;
        Ok(syn_ack)
    }
}

impl Probe {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut put = Put::array(5);
        put.nested(u32::from(self.peer.is_some()));
        if let Some(peer) = self.peer {
            put.id(peer.0);
        }
        put.uint(self.number).uint(self.next.get()).uint(self.members).uint(self.generation);
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
            number: cursor.uint("probe number")?,
            next: cursor.seq("next")?,
            members: cursor.uint("members")?,
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
            // A copy, so that a trailer that is kept does not keep a read buffer.
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

impl Reset {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut put = Put::array(3);
        put.id(self.peer.0).uint(self.code as u8).str(cut(&self.reason, MAX_REASON));
        put.into_vec()
    }

    pub(super) fn decode(body: &[u8]) -> Result<Reset, WireError> {
        let mut cursor = Cursor::new(body);
        cursor.array(3, "reset")?;
        let reset = Reset {
            peer: cursor.peer()?,
            code: ResetCode::from_code(cursor.uint("reset code")?)
                .ok_or(WireError::OutOfRange("reset code"))?,
            reason: cursor.str(MAX_REASON, "reason")?.to_owned(),
        };
        cursor.finish()?;
        Ok(reset)
    }
}

/// `text`, cut at a character's edge to at most `max` bytes.
fn cut(text: &str, max: usize) -> &str {
    &text[..text.floor_char_boundary(max)]
}

/// Rounded up, so that a short time does not become none.
fn millis(duration: Duration) -> u32 {
    u32::try_from(duration.as_nanos().div_ceil(1_000_000)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
