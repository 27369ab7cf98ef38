//! The player: waits for the consumers, sends the blocks, and finishes the session.

use std::time::Duration;

use bytes::Bytes;
use swp_fast::{PackedBody, Publisher};
use swp_replay::capture::{Block, BlockReader, Capture, CaptureError, Unpacker};

use crate::error::Error;
use crate::trailer::StreamTrailer;
use crate::units::hex;

/// Sends a capture through a publisher.
pub(super) struct Player<'a> {
    publisher: &'a Publisher,
    capture: &'a Capture,
    verifies: bool,
    skip: usize,
}

impl<'a> Player<'a> {
    /// `verifies` compares each body with its digest before it is sent. `skip` is the number of
    /// frames of the first block that the consumers already hold.
    pub(super) fn new(
        publisher: &'a Publisher,
        capture: &'a Capture,
        verifies: bool,
        skip: usize,
    ) -> Player<'a> {
        Player { publisher, capture, verifies, skip }
    }

    /// Waits until enough consumers have joined, at most `limit`.
    pub(super) async fn wait_for_consumers(&self, limit: Option<Duration>) -> Result<(), Error> {
        let Some(limit) = limit else { return Ok(self.publisher.ready().await?) };
        match tokio::time::timeout(limit, self.publisher.ready()).await {
            Ok(ready) => Ok(ready?),
            Err(_) => Err(Error::Failed(format!(
                "too few consumers came within {:.1} s; start them with `swp-replay recv`, or \
                 lower --min-consumers",
                limit.as_secs_f64()
            ))),
        }
    }

    /// Sends the blocks, then the trailer, and waits until the consumers have consumed
    /// everything.
    pub(super) async fn play(&self, blocks: BlockReader) -> Result<(), Error> {
        self.send_all(blocks).await?;
        let totals = self.capture.totals();
        let trailer =
            StreamTrailer { content_digest: hex(&totals.content), messages: totals.messages };
        Ok(self.publisher.finish_with(Bytes::from(trailer.encode())).await?)
    }

    /// Sends the blocks one after the other.
    async fn send_all(&self, mut blocks: BlockReader) -> Result<(), Error> {
        let packed =
            self.capture.superblock().body_bytes as usize <= self.publisher.max_body_bytes();
        let mut unpacker = Unpacker::default();
        let mut skip = self.skip;
        while let Some(block) = blocks.next().await {
            let block = block?;
            if self.verifies || !packed {
                verify(self.capture, &block)?;
            }
            match packed {
                true => self.send_packed(block, std::mem::take(&mut skip)).await?,
                false => self.send_records(block, &mut unpacker).await?,
            }
        }
        Ok(())
    }

    /// Sends the bodies of a block as they are, except the first `skip`. The frames are slices of
    /// the buffer that the block was read into.
    async fn send_packed(&self, block: Block, skip: usize) -> Result<(), Error> {
        let bodies = block
            .frames
            .iter()
            .skip(skip)
            .map(|frame| PackedBody {
                range: frame.range(),
                kind: frame.kind,
                messages: frame.messages,
                digest: frame.digest,
            })
            .collect();
        self.publisher.send_packed(block.buffer, bodies).await?;
        Ok(())
    }

    /// Sends the records of a block one by one, for a broker that refuses messages as large as a
    /// body.
    async fn send_records(&self, block: Block, unpacker: &mut Unpacker) -> Result<(), Error> {
        unpacker.start_block(block.first_seq);
        let bytes = Bytes::from_owner(block.buffer);
        for frame in &block.frames {
            unpacker.load(frame, bytes.slice(frame.range()));
            for record in &mut *unpacker {
                let record = record.map_err(|source| CaptureError::Content {
                    path: self.capture.path().to_owned(),
                    block: block.number,
                    source,
                })?;
                self.publisher.send(record.bytes).await?;
            }
        }
        Ok(())
    }
}

/// Compares every body of a block with its digest.
pub(super) fn verify(capture: &Capture, block: &Block) -> Result<(), CaptureError> {
    block.verify().map_err(|_| CaptureError::Corrupt {
        path: capture.path().to_owned(),
        block: block.number,
        what: "digest of a body",
    })
}
