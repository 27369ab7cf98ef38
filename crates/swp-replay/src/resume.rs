//! `recv --resume`: goes on with a file that broke off.
//!
//! A capture that is being received holds the stream's frames one for one, so what it holds whole says where
//! to go on. Whose frames they are stands in a small file beside it, from the first frame to the end.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use swp_fast::Resume;
use swp_fast::wire::{PeerId, SackRanges, Seq, SessionId};
use swp_replay::capture::{Capture, CaptureWriter, WriterOptions};

use crate::error::Error;
use crate::recover;

/// What is there to be gone on with.
pub(crate) enum Found {
    /// Nothing: no file, or none with anything in it.
    Nothing,
    /// A file that lacks nothing.
    Whole,
    /// A file that broke off.
    Part(Box<Continued>),
}

/// A file that broke off, ready to be gone on with.
pub(crate) struct Continued {
    pub(crate) writer: CaptureWriter,
    pub(crate) resume: Resume,
    /// What the file holds already.
    pub(crate) messages: u64,
    pub(crate) bytes: u64,
}

/// Which session the frames in a file are of.
pub(crate) struct Origin {
    session: SessionId,
    epoch: u32,
    peer: PeerId,
    /// The number of the first frame in the file, and where in the session's bytes it begins.
    first: u64,
    first_bytes: u64,
}

impl Origin {
    /// From where a consumer stood after its first frame, which had this length.
    pub(crate) fn new(after: &Resume, len: u64) -> Origin {
        Origin {
            session: after.session,
            epoch: after.epoch,
            peer: after.peer,
            first: after.next.get().saturating_sub(1),
            first_bytes: after.next_bytes.saturating_sub(len),
        }
    }

    /// The same frames, received on by another consumer.
    pub(crate) fn taken_over(&self, by: PeerId) -> Origin {
        Origin { peer: by, ..*self }
    }

    /// Whether the file begins amid the stream.
    pub(crate) fn is_late(&self) -> bool {
        self.first > 0
    }

    /// Keeps it beside the capture; a crash leaves either the old text or the new one.
    pub(crate) fn write(&self, capture: &Path) -> Result<(), Error> {
        let text = json!({
            "session": self.session.to_string(),
            "epoch": self.epoch,
            "consumer": self.peer.to_string(),
            "first_frame": self.first,
            "first_byte": self.first_bytes,
        });
        let path = beside(capture, "session");
        let new = beside(capture, "session.new");
        fs::write(&new, format!("{text}\n"))
            .and_then(|()| fs::rename(&new, &path))
            .map_err(|error| Error::Failed(format!("{}: {error}", path.display())))
    }

    pub(crate) fn read(capture: &Path) -> Result<Origin, Error> {
        let path = beside(capture, "session");
        let text = fs::read_to_string(&path).map_err(|error| match error.kind() {
            ErrorKind::NotFound => Error::Incomplete(format!(
                "{}: {} is not there, and without it nobody knows which session to go on with; receive it anew with --force",
                capture.display(),
                path.display()
            )),
            _ => Error::Failed(format!("{}: {error}", path.display())),
        })?;
        Origin::parse(&text).ok_or_else(|| {
            Error::Incomplete(format!("{}: does not say which session it is of", path.display()))
        })
    }

    fn parse(text: &str) -> Option<Origin> {
        let value: Value = serde_json::from_str(text).ok()?;
        let id = |name: &str| u64::from_str_radix(value.get(name)?.as_str()?, 16).ok();
        let number = |name: &str| value.get(name)?.as_u64();
        Some(Origin {
            session: SessionId(id("session")?),
            epoch: u32::try_from(number("epoch")?).ok()?,
            peer: PeerId(id("consumer")?),
            first: number("first_frame")?,
            first_bytes: number("first_byte")?,
        })
    }

    /// Where to go on when this many frames, with this many bytes of body, are held.
    fn after(&self, frames: u64, bytes: u64) -> Option<Resume> {
        Some(Resume {
            session: self.session,
            epoch: self.epoch,
            peer: self.peer,
            next: Seq::new(self.first.checked_add(frames)?)?,
            next_bytes: self.first_bytes.checked_add(bytes)?,
            sack: SackRanges::default(),
        })
    }
}

/// The file is whole, or will not be gone on with.
pub(crate) fn forget(capture: &Path) {
    // Left behind it does no harm: the file beside it is whole.
    let _ = fs::remove_file(beside(capture, "session"));
}

/// Whether a file that broke off can be gone on with: it is known whose frames are in it.
pub(crate) fn is_possible(capture: &Path) -> bool {
    Origin::read(capture).is_ok()
}

/// Opens a file that broke off. What is whole in it is copied first, and takes its place at once: whatever
/// happens meanwhile, nothing is lost.
pub(crate) fn open(path: &Path) -> Result<Found, Error> {
    if !path.exists() {
        return Ok(Found::Nothing);
    }
    let capture = Capture::recover(path)?;
    let Some(recovered) = capture.recovered() else {
        forget(path);
        return Ok(Found::Whole);
    };
    if recovered.lost_messages > 0 {
        return Err(Error::Incomplete(format!(
            "{}: {recovered}: it cannot be gone on with; receive it anew with --force",
            path.display()
        )));
    }
    if capture.totals().frames == 0 {
        // It broke off before anything came.
        fs::remove_file(path)
            .map_err(|error| Error::Failed(format!("{}: {error}", path.display())))?;
        return Ok(Found::Nothing);
    }
    let origin = Origin::read(path)?;
    let new = beside(path, "resumed");
    let options = WriterOptions { durable: true, ..recover::options(&capture, true) };
    let mut writer = CaptureWriter::create(&new, options)?;
    let (frames, bytes) = recover::copy(&capture, &mut writer)?;
    writer.sync()?;
    fs::rename(&new, path)
        .map_err(|error| Error::Failed(format!("{}: {error}", path.display())))?;
    let resume = origin.after(frames, bytes).ok_or_else(|| {
        Error::Incomplete(format!("{}: its session's numbers cannot be", path.display()))
    })?;
    let messages = writer.messages();
    Ok(Found::Part(Box::new(Continued { messages, bytes, writer, resume })))
}

fn beside(capture: &Path, ending: &str) -> PathBuf {
    let mut name = capture.as_os_str().to_owned();
    name.push(".");
    name.push(ending);
    PathBuf::from(name)
}

#[cfg(test)]
mod tests;
