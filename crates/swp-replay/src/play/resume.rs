//! `--resume-state`: where a resumed replay starts, and how far the consumers of this one are.

use swp_fast::{PublishResume, Publisher};
use swp_replay::capture::Capture;
use swp_replay::past;
use tokio::time::MissedTickBehavior;

use crate::error::Error;
use crate::saved::{SAVE_INTERVAL, SavedFile};

/// Where a replay starts in its capture. The default is the start of the capture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct StartPoint {
    /// Sequence number of the first frame to send.
    pub(super) frame: u64,
    /// Position in the index of the block that holds this frame.
    pub(super) block: usize,
    /// Frames of this block before the first frame to send.
    pub(super) in_block: usize,
    /// Messages that end before the first frame to send.
    pub(super) messages: u64,
    /// Body bytes before the first frame to send.
    pub(super) bytes: u64,
}

impl StartPoint {
    /// Returns the start of a replay that resumes at `point`. Reads one block of the capture.
    pub(super) fn resume(capture: &Capture, point: &PublishResume) -> Result<StartPoint, Error> {
        let frame = point.next.get();
        let (block, in_block) = past::position_of(capture, frame);
        let messages = match capture.blocks(block).next() {
            None => capture.totals().messages,
            Some(found) => {
                let found = found?;
                let passed = found.frames.iter().take(in_block);
                let first = capture.index().first().map_or(0, |entry| entry.first_seq);
                let before = found.first_seq.saturating_sub(first);
                before + passed.map(|frame| u64::from(frame.messages)).sum::<u64>()
            }
        };
        Ok(StartPoint { frame, block, in_block, messages, bytes: point.next_bytes })
    }
}

/// Saves how far the consumers are, if the user asked for that.
pub(super) struct Saver<'a> {
    publisher: &'a Publisher,
    file: Option<SavedFile>,
}

impl<'a> Saver<'a> {
    /// Without a `file`, nothing is saved.
    pub(super) fn new(publisher: &'a Publisher, file: Option<SavedFile>) -> Saver<'a> {
        Saver { publisher, file }
    }

    /// Saves at each interval. Returns only if that fails.
    pub(super) async fn save_regularly(&mut self) -> Error {
        let Some(file) = &mut self.file else { return std::future::pending().await };
        let mut ticks = tokio::time::interval(SAVE_INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            if let Err(error) = file.save(self.publisher) {
                return error;
            }
        }
    }

    /// Saves when the replay has ended. `finished` says that every consumer holds everything.
    pub(super) fn save_last(&mut self, finished: bool) -> Result<(), Error> {
        match &mut self.file {
            Some(file) if finished => file.finish(self.publisher),
            Some(file) => file.save(self.publisher),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
