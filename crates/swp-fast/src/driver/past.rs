//! Catch-up from a source that can be read again: gives the sender the frames that late consumers
//! want.

use std::collections::{BTreeMap, BTreeSet};
use std::future::poll_fn;
use std::task::Poll;

use bytes::BytesMut;
use tokio::sync::mpsc;

use crate::proto::{Rewind, Sender};
use crate::wire::{Digest, Kind, MAX_HEADER, PeerId};

/// A frame of a stream's past, exactly as it was sent.
#[derive(Debug)]
pub struct PastFrame {
    /// [`Kind::Data`] or [`Kind::Fragment`].
    pub kind: Kind,
    /// The body behind [`MAX_HEADER`] bytes of space.
    pub buf: BytesMut,
    /// The digest of the body, if it is known. The body is hashed otherwise.
    pub digest: Option<Digest>,
}

impl PastFrame {
    /// Makes a frame with a copy of this body.
    pub fn copy(kind: Kind, body: &[u8], digest: Option<Digest>) -> PastFrame {
        let mut buf = BytesMut::with_capacity(MAX_HEADER + body.len());
        buf.resize(MAX_HEADER, 0);
        buf.extend_from_slice(body);
        PastFrame { kind, buf, digest }
    }
}

/// Frames in the order of the stream, read ahead as far as the channel's capacity allows. An error,
/// or an end before the consumer has caught up, ends the session of this consumer.
pub type PastFrames = mpsc::Receiver<Result<PastFrame, String>>;

/// Opens the source at a sequence number. The first frame has number 0.
pub type OpenPast = Box<dyn Fn(u64) -> PastFrames + Send>;

struct Reader {
    /// The sequence number of the next frame.
    next: u64,
    frames: PastFrames,
    /// A frame that was read and not yet taken.
    peeked: Option<Result<PastFrame, String>>,
}

/// The readers of a publisher: one for each consumer that catches up.
pub(crate) struct Past {
    open: OpenPast,
    readers: BTreeMap<PeerId, Reader>,
    /// Consumers whose next frame was not read yet.
    waiting: BTreeSet<PeerId>,
}

impl Past {
    pub(crate) fn new(open: OpenPast) -> Past {
        Past { open, readers: BTreeMap::new(), waiting: BTreeSet::new() }
    }

    /// Gives the sender the frames that it wants from the source, as far as they were read.
    pub(crate) fn serve(&mut self, sender: &mut Sender) {
        self.waiting.clear();
        self.readers.retain(|peer, _| sender.is_catching_up(*peer));
        while let Some(rewind) = sender.poll_rewind() {
            if self.serve_one(sender, rewind) {
                self.waiting.clear();
            } else if !self.waiting.insert(rewind.peer) {
                // Each consumer had its turn, and no reader had a frame.
                return;
            }
        }
    }

    /// Returns false if the next frame was not read yet.
    fn serve_one(&mut self, sender: &mut Sender, rewind: Rewind) -> bool {
        let from = rewind.from.get();
        let open = &self.open;
        let reopen = || Reader { next: from, frames: open(from), peeked: None };
        let reader = self.readers.entry(rewind.peer).or_insert_with(reopen);
        if reader.next != from {
            *reader = reopen();
        }
        let frame = match reader.peeked.take().map_or_else(|| reader.frames.try_recv(), Ok) {
            Ok(frame) => frame,
            Err(mpsc::error::TryRecvError::Empty) => return false,
            Err(mpsc::error::TryRecvError::Disconnected) => Err("it ends there".to_owned()),
        };
        let written = frame.and_then(|frame| {
            let PastFrame { kind, buf, digest } = frame;
            sender.write_reread(rewind, kind, buf, digest).map_err(|error| error.to_string())
        });
        reader.next += 1;
        if let Err(error) = written {
            let reason = format!("frame {from} cannot be read again: {error}");
            sender.fail_rewind(rewind.peer, &reason);
        }
        true
    }

    /// Waits until [`Self::serve`] has a frame that it did not have when it was called last. Waits
    /// forever where no consumer wants a frame.
    ///
    /// # Cancel safety
    /// A dropped future has lost no frame.
    pub(crate) async fn ready(&mut self) {
        if self.waiting.is_empty() {
            return std::future::pending().await;
        }
        poll_fn(|cx| {
            for peer in &self.waiting {
                let Some(reader) = self.readers.get_mut(peer) else { return Poll::Ready(()) };
                if reader.peeked.is_some() {
                    return Poll::Ready(());
                }
                if let Poll::Ready(frame) = reader.frames.poll_recv(cx) {
                    reader.peeked = frame;
                    return Poll::Ready(());
                }
            }
            Poll::Pending
        })
        .await;
    }
}

#[cfg(test)]
mod tests;
