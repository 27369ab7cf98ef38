//! Counts what a capture holds, the same way when it is written and when its index is rebuilt.

use std::collections::HashSet;

use bytes::Bytes;
use swp_fast::wire::{Fragment, Kind};

use super::content::ContentDigest;
use super::fragments::BodyError;
use super::index::{Subjects, Totals};
use crate::record::{Head, Reader, Record, RecordError};

/// Different subjects are counted exactly up to this many, then "at least": more are rarely wanted as a
/// number, and counting needs each of them in memory.
pub const MAX_SUBJECTS: usize = 65_536;

/// The same, for the bytes that they take together.
pub const MAX_SUBJECT_BYTES: usize = 8 << 20;

/// The count so far. Memory: at most [`MAX_SUBJECT_BYTES`] and the front of one record in parts.
#[derive(Default)]
pub(super) struct Tally {
    totals: Totals,
    subjects: SubjectSet,
    content: ContentDigest,
    partial: Option<Partial>,
    /// Digest and frames as they were before the record in parts, should it never end.
    before: Option<(ContentDigest, u64)>,
}

/// What is known of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BodyFacts {
    pub(super) continues: bool,
    /// Records that end in it.
    pub(super) messages: u32,
    pub(super) first_ns: u64,
    pub(super) last_ns: u64,
}

/// A record of which not all parts were seen.
struct Partial {
    timestamp_ns: u64,
    /// The front of the record, as far as it is known and until it could be read.
    front: Vec<u8>,
    /// Its subject and the length of its payload, once the front could be read.
    known: Option<(String, u64)>,
    /// The front is tried again when it is this long: doubling keeps the work linear.
    try_at: usize,
}

impl Tally {
    /// Whether a record in parts has begun and not ended.
    pub(super) fn in_record(&self) -> bool {
        self.content.in_record()
    }

    /// Refuses to go on in the midst of a record's parts.
    pub(super) fn between(&self) -> Result<(), BodyError> {
        self.content.between()
    }

    /// Counts a whole record; its body is hashed with [`Tally::own_body`] or [`Tally::own_record`].
    #[inline]
    pub(super) fn record(&mut self, timestamp_ns: u64, subject: &str, payload_len: u64) {
        let totals = &mut self.totals;
        if totals.messages == 0 {
            (totals.first_ns, totals.last_ns) = (timestamp_ns, timestamp_ns);
        }
        totals.first_ns = totals.first_ns.min(timestamp_ns);
        totals.last_ns = totals.last_ns.max(timestamp_ns);
        totals.messages += 1;
        totals.payload_bytes += payload_len;
        self.subjects.insert(subject);
    }

    /// Hashes a packed body whose records were counted one by one.
    pub(super) fn own_body(&mut self, body: &[u8]) -> Result<(), BodyError> {
        self.content.update_body(body)?;
        self.totals.frames += 1;
        Ok(())
    }

    /// Hashes a record that was cut into `frames` parts, having counted it.
    pub(super) fn own_record(&mut self, head: &[u8], payload: &[u8], frames: u64) {
        self.content.update_record(head, payload);
        self.totals.frames += frames;
    }

    /// Counts and hashes a body of unknown content. Refused bodies are not counted.
    pub(super) fn body(&mut self, kind: Kind, body: &Bytes) -> Result<BodyFacts, BodyError> {
        match kind {
            _ if body.is_empty() => Err(BodyError::Length(0)),
            Kind::Data => self.packed(body),
            Kind::Fragment => self.part(&Fragment::decode(body)?),
            _ => Err(BodyError::Kind),
        }
    }

    fn packed(&mut self, body: &[u8]) -> Result<BodyFacts, BodyError> {
        // Everything is read before anything is counted.
        let mut records = Vec::new();
        let mut reader = Reader::new(body);
        while !reader.rest().is_empty() {
            let record = Record::decode(reader.bytes("message")?)?;
            records.push((record.timestamp_ns, record.subject, record.payload.len() as u64));
        }
        self.content.update_body(body)?;
        let times = || records.iter().map(|record| record.0);
        let facts = BodyFacts {
            continues: false,
            messages: records.len() as u32,
            first_ns: times().min().unwrap_or(0),
            last_ns: times().max().unwrap_or(0),
        };
        self.totals.frames += 1;
        for (timestamp_ns, subject, payload_len) in records {
            self.record(timestamp_ns, subject, payload_len);
        }
        Ok(facts)
    }

    fn part(&mut self, fragment: &Fragment) -> Result<BodyFacts, BodyError> {
        let before = (!self.in_record()).then(|| (self.content.clone(), self.totals.frames));
        let first = before.is_some();
        self.content.update_fragment(fragment)?;
        if first {
            self.before = before;
        }
        let partial = match self.partial.take() {
            Some(partial) => partial.advance(fragment),
            None => Partial::begin(fragment).and_then(|partial| partial.advance(fragment)),
        };
        let partial = partial.inspect_err(|_| {
            // Of the earlier parts of a record nothing can become any more, but a first one is as
            // if it had not been seen.
            if first {
                self.abandon();
            }
        })?;
        let facts = BodyFacts {
            continues: !first,
            messages: u32::from(fragment.is_last()),
            first_ns: partial.timestamp_ns,
            last_ns: partial.timestamp_ns,
        };
        self.totals.frames += 1;
        if fragment.is_last() {
            self.before = None;
            if let Some((subject, payload_len)) = &partial.known {
                self.record(partial.timestamp_ns, subject, *payload_len);
            }
        } else {
            self.partial = Some(partial);
        }
        Ok(facts)
    }

    /// Gives up a record in parts, as if it had never begun.
    pub(super) fn abandon(&mut self) {
        self.partial = None;
        if let Some((content, frames)) = self.before.take() {
            self.content = content;
            self.totals.frames = frames;
        }
    }

    /// The totals; refused in the midst of a record's parts.
    pub(super) fn totals(&self) -> Result<Totals, BodyError> {
        let content = self.content.finish()?;
        Ok(Totals { content, subjects: self.subjects.count(), ..self.totals.clone() })
    }

    /// Messages so far.
    pub(super) fn messages(&self) -> u64 {
        self.totals.messages
    }
}

impl Partial {
    fn begin(fragment: &Fragment) -> Result<Partial, RecordError> {
        let timestamp_ns = Head::timestamp_ns(&fragment.part)?;
        Ok(Partial { timestamp_ns, front: Vec::new(), known: None, try_at: 0 })
    }

    /// Takes a part: reads the record's front when it is there, and at the end insists on it.
    fn advance(mut self, fragment: &Fragment) -> Result<Partial, RecordError> {
        if self.known.is_some() {
            return Ok(self);
        }
        self.front.extend_from_slice(&fragment.part);
        if self.front.len() < self.try_at && !fragment.is_last() {
            return Ok(self);
        }
        match Head::decode(&self.front) {
            Ok(head) if (head.len + head.payload_len) as u64 != fragment.total => {
                Err(RecordError::Malformed("record length"))
            }
            Ok(head) => {
                self.known = Some((head.record.subject.to_owned(), head.payload_len as u64));
                self.front = Vec::new();
                Ok(self)
            }
            Err(RecordError::Truncated) if !fragment.is_last() => {
                self.try_at = self.front.len() * 2;
                Ok(self)
            }
            Err(error) => Err(error),
        }
    }
}

/// The different subjects, up to the bounds.
#[derive(Default)]
struct SubjectSet {
    seen: HashSet<Box<str>>,
    seen_bytes: usize,
    at_least: bool,
    /// The last one: runs of one subject need no look-up.
    last: String,
}

impl SubjectSet {
    #[inline]
    fn insert(&mut self, subject: &str) {
        if self.last != subject {
            self.last.clear();
            self.last.push_str(subject);
            self.look_up(subject);
        }
    }

    fn look_up(&mut self, subject: &str) {
        if self.at_least || self.seen.contains(subject) {
            return;
        }
        if self.seen.len() == MAX_SUBJECTS || self.seen_bytes + subject.len() > MAX_SUBJECT_BYTES {
            self.at_least = true;
            return;
        }
        self.seen_bytes += subject.len();
        self.seen.insert(subject.into());
    }

    fn count(&self) -> Subjects {
        Subjects { count: self.seen.len() as u64, at_least: self.at_least }
    }
}
