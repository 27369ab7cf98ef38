//! The data frames of a session, as the bus first saw them.

use bytes::Bytes;

use crate::wire::{Fragment, Frame, Kind, Seq, count_messages};

/// Every frame of one session, and which messages the frame holds. Made from the frames alone.
#[derive(Default)]
pub(super) struct FrameLog {
    frames: Vec<SentFrame>,
    /// The message that is not complete yet: its length, and how much of it was sent.
    open: Option<(u64, u64)>,
}

/// A data frame.
pub(super) struct SentFrame {
    pub(super) kind: Kind,
    pub(super) body: Bytes,
    /// Where in the session's bytes the body ends.
    end_bytes: u64,
    /// A message begins where the body begins.
    begins: bool,
    /// A message ends where the body ends.
    ends: bool,
    /// The messages that end in this frame or before it.
    ended: u64,
}

impl FrameLog {
    /// The sequence number of the next frame.
    pub(super) fn next_seq(&self) -> Seq {
        Seq::ZERO.advance(self.frames.len() as u64)
    }

    pub(super) fn get(&self, seq: Seq) -> Option<&SentFrame> {
        self.frames.get(usize::try_from(seq.get()).ok()?)
    }

    /// The last frame below `seq`.
    fn before(&self, seq: Seq) -> Option<&SentFrame> {
        seq.get().checked_sub(1).and_then(Seq::new).and_then(|last| self.get(last))
    }

    /// Where in the session's bytes the frames below `seq` end.
    pub(super) fn end_bytes(&self, seq: Seq) -> u64 {
        self.before(seq).map_or(0, |frame| frame.end_bytes)
    }

    /// The messages that end in the frames below `seq`.
    pub(super) fn ended_below(&self, seq: Seq) -> u64 {
        self.before(seq).map_or(0, |frame| frame.ended)
    }

    /// Returns true if the frame below `seq` ends no message.
    pub(super) fn is_amid_message(&self, seq: Seq) -> bool {
        self.before(seq).is_some_and(|frame| !frame.ends)
    }

    /// Returns true if a message begins with this frame.
    pub(super) fn begins(&self, seq: Seq) -> bool {
        self.get(seq).is_some_and(|frame| frame.begins)
    }

    /// Returns the first frame from `seq` on with which a message begins, and the number of that
    /// message.
    pub(super) fn first_beginning_from(&self, seq: Seq) -> Option<(Seq, u64)> {
        let skipped = usize::try_from(seq.get()).ok()?;
        let at = self.frames.get(skipped..)?.iter().position(|frame| frame.begins)?;
        let first = seq.advance(at as u64);
        Some((first, self.ended_below(first)))
    }

    /// Appends a frame that is sent for the first time.
    ///
    /// # Errors
    /// If the body does not continue the stream: a message must be complete before the next begins.
    pub(super) fn push(&mut self, frame: &Frame) -> Result<(), String> {
        let (seq, kind, body) = (frame.header.seq, frame.header.kind, &frame.body);
        let broken = |what: String| format!("frame {seq}: {what}");
        let (begins, messages) = match kind {
            Kind::Fragment => self.push_fragment(body).map_err(broken)?,
            _ if self.open.is_some() => return Err(broken("messages amid a message".to_owned())),
            _ => match count_messages(body) {
                Ok(messages) if messages > 0 => (true, u64::from(messages)),
                Ok(_) => return Err(broken("without a message".to_owned())),
                Err(error) => return Err(broken(error.to_string())),
            },
        };
        let end_bytes = self.end_bytes(seq) + body.len() as u64;
        let (ends, ended) = (messages > 0, self.ended_below(seq) + messages);
        let body = body.clone();
        self.frames.push(SentFrame { kind, body, end_bytes, begins, ends, ended });
        Ok(())
    }

    /// Returns whether a message begins with the fragment, and how many end with it.
    fn push_fragment(&mut self, body: &Bytes) -> Result<(bool, u64), String> {
        let fragment = Fragment::decode(body).map_err(|error| error.to_string())?;
        let expected = self.open.unwrap_or((fragment.total, 0));
        if (fragment.total, fragment.offset) != expected {
            let (total, offset) = expected;
            return Err(format!(
                "byte {} of a message of {} where byte {offset} of {total} is due",
                fragment.offset, fragment.total
            ));
        }
        let last = fragment.is_last();
        let sent = fragment.offset + fragment.part.len() as u64;
        self.open = (!last).then_some((fragment.total, sent));
        Ok((fragment.offset == 0, u64::from(last)))
    }

    /// Compares a frame that is sent again with what was sent first.
    pub(super) fn check_again(&self, frame: &Frame) -> Result<(), String> {
        let seq = frame.header.seq;
        match self.get(seq) {
            Some(sent) if (sent.kind, &sent.body) == (frame.header.kind, &frame.body) => Ok(()),
            Some(_) => Err(format!("frame {seq} is sent again with another body")),
            None => Err(format!("frame {seq} was retransmitted before it was sent")),
        }
    }
}
