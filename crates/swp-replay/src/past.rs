//! A capture as the past of its own replay: for consumers that come late, or come back.

use swp_fast::{OpenPast, PastFrame, PastFrames};
use tokio::sync::mpsc;

use crate::capture::Capture;

/// Frames read ahead for one consumer: 1 MiB of full ones, a sixteenth of its default window.
const READ_AHEAD: usize = 64;

/// Opens `capture` at any of its frames, and reads on from there on a thread of its own. Where `verifies`
/// is set, bodies are compared with their digests, because the consumer is not given those. For
/// `swp_fast::Endpoint::publish_rewindable`; it reads within a tokio runtime.
pub fn open(capture: &Capture, verifies: bool) -> OpenPast {
    let capture = capture.clone();
    Box::new(move |from| read_from(capture.clone(), from, verifies))
}

fn read_from(capture: Capture, from: u64, verifies: bool) -> PastFrames {
    let (sender, frames) = mpsc::channel(READ_AHEAD);
    tokio::task::spawn_blocking(move || {
        if let Err(error) = send_from(&capture, from, verifies, &sender) {
            // Where nobody listens any more, nobody needs to know.
            let _ = sender.blocking_send(Err(error));
        }
    });
    frames
}

fn send_from(
    capture: &Capture,
    from: u64,
    verifies: bool,
    to: &mpsc::Sender<Result<PastFrame, String>>,
) -> Result<(), String> {
    let (position, mut skip) = position_of(capture, from);
    for block in capture.blocks(position) {
        let block = block.map_err(|error| error.to_string())?;
        if verifies {
            block.verify().map_err(|_| format!("block {} is damaged", block.number))?;
        }
        for frame in block.frames.iter().skip(std::mem::take(&mut skip)) {
            let past = PastFrame::copy(frame.kind, block.body(frame), Some(frame.digest));
            if to.blocking_send(Ok(past)).is_err() {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// The position in the index of the block that holds a frame, and how many frames of it come before; behind
/// the last block where the capture has no such frame.
pub fn position_of(capture: &Capture, frame: u64) -> (usize, usize) {
    let mut before = 0;
    for (position, entry) in capture.index().iter().enumerate() {
        let end = before + entry.frames.len() as u64;
        if frame < end {
            return (position, (frame - before) as usize);
        }
        before = end;
    }
    (capture.index().len(), 0)
}
