//! A capture, played to a consumer as `swp-replay` plays it: read ahead, nothing copied, parsed or hashed.

use std::path::Path;
use std::time::Instant;

use swp_fast::wire::Integrity;
use swp_fast::{PackedBody, Publisher};
use swp_replay::capture::{BlockReader, Capture};
use swp_replay::disk::DiskOptions;

use super::{Outcome, swp};
use crate::Failure;

/// Reads the capture through and sends it.
pub(crate) async fn play(
    publisher: &Publisher,
    capture: &Capture,
    options: DiskOptions,
) -> Result<(), Failure> {
    let mut blocks = BlockReader::start(capture, 0, options).await?;
    while let Some(block) = blocks.next().await {
        let block = block?;
        let bodies = block.frames.iter().map(|frame| PackedBody {
            range: frame.range(),
            kind: frame.kind,
            messages: frame.messages,
            digest: frame.digest,
        });
        let bodies = bodies.collect();
        publisher.send_packed(block.buffer, bodies).await?;
    }
    Ok(publisher.finish().await?)
}

/// One capture to one consumer. The clock runs from before the first read.
pub(crate) async fn stream(
    url: &str,
    capture: &Capture,
    options: DiskOptions,
) -> Result<Outcome, Failure> {
    let (publisher, mut subscribers) = swp::session(url, "bench", Integrity::Blake3, 1).await?;
    let subscriber = subscribers.pop().ok_or("no consumer")?;
    let receiving = tokio::spawn(swp::receive_all(subscriber));
    let start = Instant::now();
    play(&publisher, capture, options).await?;
    let mut outcome = Outcome::new(capture.totals().messages, receiving.await??, start);
    outcome.retransmits = publisher.stats().retransmits;
    Ok(outcome)
}

/// Just written, or read in the round before, so it is in the page cache: warm.
pub(crate) async fn run(url: &str, path: &Path) -> Result<Outcome, Failure> {
    let options = DiskOptions { direct: false, ..DiskOptions::default() };
    stream(url, &Capture::open(path)?, options).await
}
