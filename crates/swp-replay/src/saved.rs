//! `play --resume-state FILE`: what a replay must know to go on where one before it was cut off.
//!
//! The file is one JSON object, replaced as a whole: a process that dies leaves the old text or the new one.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use swp_fast::wire::{Seq, SessionId};
use swp_fast::{PublishResume, Publisher};
use swp_replay::capture::Capture;

use crate::error::Error;
use crate::units::hex;

/// How often it is kept. What was acknowledged since is read from the disk again, and not sent: 200 ms at
/// 500 MB/s are 100 MB, a fifth of a second's reading.
pub(crate) const SAVE_INTERVAL: Duration = Duration::from_millis(200);

/// A replay's place in its session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Saved {
    stream: String,
    /// The capture's own id and the digest of its content, in hexadecimal.
    capture: String,
    content_digest: String,
    session: String,
    epoch: u32,
    /// All consumers that count hold every frame before this one ...
    next_frame: u64,
    /// ... which begins at this byte of the session.
    next_byte: u64,
    /// Consumers that have everything, and need not come back.
    through: usize,
    /// So do all.
    finished: bool,
}

/// The file, and what it says.
pub(crate) struct SavedFile {
    path: PathBuf,
    saved: Saved,
    /// Consumers that were through before this process began.
    through_before: usize,
}

impl SavedFile {
    /// Reads a file; `None` where there is none yet.
    pub(crate) fn open(
        path: &Path,
        stream: &str,
        capture: &Capture,
    ) -> Result<Option<Self>, Error> {
        let text = match std::fs::read(path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(path, &error)),
        };
        let bad = |what: &str| {
            Error::Failed(format!(
                "{}: {what}; remove it to play from the start, or name another --resume-state",
                path.display()
            ))
        };
        let saved: Saved =
            serde_json::from_slice(&text).map_err(|_| bad("is not the saved state of a replay"))?;
        let name = capture.path().display();
        if (&saved.capture, &saved.content_digest) != (&id(capture), &digest(capture)) {
            return Err(bad(&format!("is the state of another capture than {name}")));
        }
        if saved.stream != stream {
            return Err(bad(&format!("is the state of stream {}, not {stream}", saved.stream)));
        }
        let possible = saved.next_frame <= capture.totals().frames && saved.epoch < u32::MAX;
        if !possible || saved.point().is_none() {
            return Err(bad(&format!("names a place that {name} does not have")));
        }
        let through_before = saved.through;
        Ok(Some(SavedFile { path: path.to_owned(), saved, through_before }))
    }

    /// Begins a file for a session that begins.
    pub(crate) fn begin(
        path: &Path,
        stream: &str,
        capture: &Capture,
        publisher: &Publisher,
    ) -> Result<Self, Error> {
        let point = publisher.resume_point();
        let saved = Saved {
            stream: stream.to_owned(),
            capture: id(capture),
            content_digest: digest(capture),
            session: point.session.to_string(),
            epoch: point.epoch,
            next_frame: point.next.get(),
            next_byte: point.next_bytes,
            through: 0,
            finished: false,
        };
        let file = SavedFile { path: path.to_owned(), saved, through_before: 0 };
        file.write()?;
        Ok(file)
    }

    /// Whether nothing is left to be done.
    pub(crate) fn is_finished(&self) -> bool {
        self.saved.finished
    }

    /// Consumers that were through, and do not come back.
    pub(crate) fn through(&self) -> usize {
        self.through_before
    }

    /// Where to go on. The epoch of whoever does is kept before it begins: no two may have the same.
    pub(crate) fn take_over(&mut self) -> Result<PublishResume, Error> {
        let point = self.saved.point().ok_or_else(|| {
            Error::Failed(format!("{}: its session's numbers cannot be", self.path.display()))
        })?;
        self.saved.epoch = point.epoch.saturating_add(1);
        self.write()?;
        Ok(point)
    }

    /// Keeps where the publisher is, if that is news.
    pub(crate) fn save(&mut self, publisher: &Publisher) -> Result<(), Error> {
        let point = publisher.resume_point();
        let through = publisher.stats().consumers.iter().filter(|one| one.finished).count();
        let saved = Saved {
            next_frame: point.next.get(),
            next_byte: point.next_bytes,
            through: self.through_before + through,
            ..self.saved.clone()
        };
        self.replace(saved)
    }

    /// Keeps that everything is done.
    pub(crate) fn finish(&mut self, publisher: &Publisher) -> Result<(), Error> {
        self.save(publisher)?;
        self.replace(Saved { finished: true, ..self.saved.clone() })
    }

    fn replace(&mut self, saved: Saved) -> Result<(), Error> {
        if saved == self.saved {
            return Ok(());
        }
        self.saved = saved;
        self.write()
    }

    fn write(&self) -> Result<(), Error> {
        let mut new = self.path.clone().into_os_string();
        new.push(".new");
        let text =
            serde_json::to_string(&self.saved).map_err(|error| failed(&self.path, &error))?;
        std::fs::write(&new, text + "\n")
            .and_then(|()| std::fs::rename(&new, &self.path))
            .map_err(|error| failed(&self.path, &error))
    }
}

impl Saved {
    fn point(&self) -> Option<PublishResume> {
        Some(PublishResume {
            session: SessionId(u64::from_str_radix(&self.session, 16).ok()?),
            epoch: self.epoch,
            next: Seq::new(self.next_frame)?,
            next_bytes: self.next_byte,
        })
    }
}

fn id(capture: &Capture) -> String {
    hex(&capture.superblock().file_id)
}

fn digest(capture: &Capture) -> String {
    hex(&capture.totals().content)
}

fn failed(path: &Path, error: &dyn std::fmt::Display) -> Error {
    Error::Failed(format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests;
