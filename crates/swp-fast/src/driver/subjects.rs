//! The NATS subjects of a stream.

use crate::link::Subject;
use crate::proto::{Dest, FIRST_GENERATION};
use crate::wire::PeerId;

/// The longest name of a stream, in bytes. A longer subject, with what a client puts around it,
/// would come close to the broker's bound on a protocol line (4 KiB).
const MAX_STREAM_BYTES: usize = 255;

/// The subjects of a stream's frames. A user with permission for `swp.*.<stream>`,
/// `swp.group.<stream>.*` and `swp.peer.<stream>.*` can use the stream, and nothing else.
#[derive(Debug, Clone)]
pub(crate) struct Subjects {
    /// `swp.data.<stream>`: the first generation of the group, to every consumer.
    pub(crate) data: Subject,
    /// `swp.ctl.<stream>`: to the publisher.
    pub(crate) control: Subject,
    /// The later generation that was asked for last, and its subject.
    later: (u32, Subject),
    stream: String,
}

impl Subjects {
    /// # Errors
    /// Says what is wrong with the name.
    pub(crate) fn new(stream: &str) -> Result<Subjects, &'static str> {
        if stream.is_empty() {
            return Err("it is empty");
        }
        if stream.len() > MAX_STREAM_BYTES {
            return Err("it is longer than 255 bytes");
        }
        if stream.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err("it contains white space");
        }
        if stream.contains(['*', '>']) {
            return Err("it contains a wildcard (* or >)");
        }
        if stream.split('.').any(str::is_empty) {
            return Err("it has an empty part (a dot at an end, or two in a row)");
        }
        Ok(Subjects {
            data: Subject::from(format!("swp.data.{stream}")),
            control: Subject::from(format!("swp.ctl.{stream}")),
            later: (FIRST_GENERATION, Subject::from_static("")),
            stream: stream.to_owned(),
        })
    }

    /// `swp.peer.<stream>.<id>`: to one consumer.
    pub(crate) fn inbox(&self, peer: PeerId) -> Subject {
        Subject::from(format!("swp.peer.{}.{peer}", self.stream))
    }

    /// The subject of a generation of the group: `swp.group.<stream>.<generation>` after the first.
    pub(crate) fn group(&mut self, generation: u32) -> Subject {
        if generation == FIRST_GENERATION {
            return self.data.clone();
        }
        if self.later.0 != generation {
            let subject = format!("swp.group.{}.{generation}", self.stream);
            self.later = (generation, Subject::from(subject));
        }
        self.later.1.clone()
    }

    /// Returns whether this is a subject of the stream.
    pub(crate) fn contain(&self, subject: &str) -> bool {
        let below = |prefix: &str| {
            let rest = subject.strip_prefix(prefix)?.strip_prefix(&self.stream)?.strip_prefix('.');
            rest.filter(|last| !last.contains('.'))
        };
        subject == self.data.as_str()
            || subject == self.control.as_str()
            || below("swp.peer.").or_else(|| below("swp.group.")).is_some()
    }

    pub(crate) fn of(&mut self, dest: Dest) -> Subject {
        match dest {
            Dest::Group(generation) => self.group(generation),
            Dest::Publisher => self.control.clone(),
            Dest::Peer(peer) => self.inbox(peer),
        }
    }

    pub(crate) fn stream(&self) -> &str {
        &self.stream
    }
}

#[cfg(test)]
mod tests;
