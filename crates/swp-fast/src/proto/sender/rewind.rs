//! Reading the stream again for consumers that catch up from before what is retained.

use bytes::BytesMut;

use super::{LostReason, Sender, WriteError};
use crate::proto::peer::PeerState;
use crate::wire::{Digest, Integrity, Kind, MAX_HEADER, PeerId, Seq};

/// What is to be read again from the source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rewind {
    /// The consumer that needs the frame.
    pub peer: PeerId,
    /// The sequence number of the next frame for [`Sender::write_reread`].
    pub from: Seq,
}

impl Sender {
    /// The source of this stream can be read again, from any frame on. So consumers may resume from
    /// where nothing is retained any more, and join from the start.
    pub fn set_rewindable(&mut self) {
        self.catch_up.set_rewindable();
    }

    /// Returns the next frame that is wanted from the source: of each consumer in turn that needs
    /// one, and whose window has space for it. To be asked again after every input.
    pub fn poll_rewind(&mut self) -> Option<Rewind> {
        // A peer that needs frames which no source can supply is removed at the next
        // `handle_timeout`.
        if self.is_over() || !self.catch_up.is_rewindable() {
            return None;
        }
        let first = self.window.queue().first_seq();
        let mut in_turn = self.peers.in_turn(self.catch_up.last_reread());
        let rewind = in_turn.find_map(|peer| {
            let reread = peer.needs_reread(first)?;
            let from = reread.next_seq();
            let has_space = peer.credit().is_open_at(from, reread.end_bytes())
                && self.window.may_reread(reread);
            let wanted = peer.state() == PeerState::Live && has_space;
            wanted.then_some(Rewind { peer: peer.id(), from })
        })?;
        self.catch_up.note_reread(rewind.peer);
        Some(rewind)
    }

    /// Gives a frame that [`Self::poll_rewind`] wanted. `buf` holds its body behind [`MAX_HEADER`]
    /// bytes of space. `digest` saves the hash, where it is of the session's kind. A frame that the
    /// consumer does not need any more is dropped.
    ///
    /// # Errors
    /// Where the body cannot have been one of this session's.
    pub fn write_reread(
        &mut self,
        rewind: Rewind,
        kind: Kind,
        buf: BytesMut,
        digest: Option<Digest>,
    ) -> Result<(), WriteError> {
        let body_len = buf.len().saturating_sub(MAX_HEADER);
        let max = self.config.max_body_bytes();
        if body_len > max {
            return Err(WriteError::BodyTooLarge { bytes: body_len, max });
        }
        if buf.len() < MAX_HEADER || !kind.is_data() {
            return Err(WriteError::NotData);
        }
        let queue = self.window.queue();
        let (first, first_bytes) = (queue.first_seq(), queue.first_bytes());
        let reread = self.peers.get(rewind.peer).and_then(|peer| peer.needs_reread(first));
        let Some(reread) = reread.filter(|reread| reread.next_seq() == rewind.from) else {
            return Ok(());
        };
        let end_bytes = reread.end_bytes() + body_len as u64;
        let integrity = self.config.integrity;
        let digest = digest
            .filter(|digest| digest.integrity() == integrity && integrity != Integrity::None)
            .unwrap_or_else(|| integrity.digest(&buf[MAX_HEADER..]));
        let header = self.control.data_header(kind, rewind.from, digest);
        let frame = self.control.sealer().seal_data(buf, &header);
        self.peers.update(rewind.peer, |peer| peer.push_reread(frame, end_bytes));
        if rewind.from.next() == first && end_bytes != first_bytes {
            self.fail_rewind(rewind.peer, "what is read again is not what was sent");
        }
        Ok(())
    }

    /// Whether this consumer has not caught up.
    pub fn is_catching_up(&self, peer: PeerId) -> bool {
        self.peers.get(peer).is_some_and(|peer| !peer.is_caught_up())
    }

    /// The source cannot supply what [`Self::poll_rewind`] wanted: the consumer is told so, and
    /// removed.
    pub fn fail_rewind(&mut self, peer: PeerId, reason: &str) {
        self.remove(peer, LostReason::Unavailable(reason.to_owned()));
    }

    /// Tells whether the link has yet to take what it was handed. Consumers that catch up wait as
    /// long, or they would fill the link before the group's next frames are there. A caller that
    /// never tells has a link that is never busy.
    pub fn handle_link(&mut self, busy: bool) {
        self.catch_up.handle_link(busy);
    }
}
