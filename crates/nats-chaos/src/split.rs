//! Cuts one direction of a NATS connection into messages and everything else, as bytes arrive.
//!
//! ```text
//!   PUB <subject> [reply] <bytes>\r\n<payload>\r\n
//!   HPUB <subject> [reply] <header bytes> <bytes>\r\n<headers><payload>\r\n
//!   MSG <subject> <sid> [reply] <bytes>\r\n<payload>\r\n
//!   HMSG <subject> <sid> [reply] <header bytes> <bytes>\r\n<headers><payload>\r\n
//! ```

use std::ops::Range;

use bytes::{Bytes, BytesMut};

#[cfg(test)]
mod tests;

/// The longest line: clients and servers keep to 4 KiB, but INFO names every server of a cluster.
pub const LINE_BYTES_MAX: usize = 64 * 1024;

/// The longest message, headers included: the most that a nats-server can be told to take.
pub const MESSAGE_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Whose words are to be split.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// Messages begin with PUB or HPUB.
    Client,
    /// Messages begin with MSG or HMSG.
    Server,
}

/// What cannot be NATS. The connection is of no use any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SplitError {
    /// A line without an end.
    #[error("a line has more than {LINE_BYTES_MAX} bytes")]
    LineTooLong,
    /// A message whose sizes are missing, no numbers, or contradict each other.
    #[error("the first line of a message states no sizes that can be")]
    BadSizes,
    /// A message that no server takes.
    #[error("a message has more than {MESSAGE_BYTES_MAX} bytes")]
    MessageTooLong,
    /// A message that does not end where it said.
    #[error("a message does not end where its first line says")]
    Unterminated,
}

/// One message, as it stood on the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// All of it, from the verb to the last line end.
    pub bytes: Bytes,
    /// Where its subject stands in `bytes`.
    pub subject: Range<usize>,
    /// Where its payload stands in `bytes`, NATS headers not counted in.
    pub payload: Range<usize>,
}

/// A whole thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unit {
    /// A message.
    Message(Message),
    /// A line that is none, with its end.
    Line(Bytes),
}

/// Keeps what has arrived of a unit that is not whole yet: at most a line and a message.
#[derive(Debug)]
pub struct Splitter {
    origin: Origin,
    buffer: BytesMut,
    /// No line end is in the buffer before this.
    searched: usize,
    /// The message under way, once its first line is whole.
    head: Option<Head>,
}

#[derive(Debug, Clone)]
struct Head {
    subject: Range<usize>,
    payload: Range<usize>,
}

impl Splitter {
    /// Begins at the start of a connection.
    #[must_use]
    pub fn new(origin: Origin) -> Splitter {
        Splitter { origin, buffer: BytesMut::new(), searched: 0, head: None }
    }

    /// Where to put what has arrived. What is in it already is not to be touched.
    pub fn buffer(&mut self) -> &mut BytesMut {
        &mut self.buffer
    }

    /// The next whole unit; `None` until more has arrived.
    ///
    /// # Errors
    /// Where the bytes cannot be NATS. Nothing sensible comes after that.
    pub fn next_unit(&mut self) -> Result<Option<Unit>, SplitError> {
        let head = match self.head.take() {
            Some(head) => head,
            None => {
                let Some(end) = self.line_end()? else { return Ok(None) };
                match parse_head(self.origin, &self.buffer[..end])? {
                    None => return Ok(Some(Unit::Line(self.take(end)))),
                    Some(head) => head,
                }
            }
        };
        let end = head.payload.end + 2;
        if self.buffer.len() < end {
            self.head = Some(head);
            return Ok(None);
        }
        if &self.buffer[head.payload.end..end] != b"\r\n" {
            return Err(SplitError::Unterminated);
        }
        let Head { subject, payload } = head;
        Ok(Some(Unit::Message(Message { bytes: self.take(end), subject, payload })))
    }

    /// The length of the first line, with its end.
    fn line_end(&mut self) -> Result<Option<usize>, SplitError> {
        let found = self.buffer[self.searched..].iter().position(|&byte| byte == b'\n');
        let end = found.map(|at| self.searched + at + 1);
        if end.unwrap_or(self.buffer.len()) > LINE_BYTES_MAX {
            return Err(SplitError::LineTooLong);
        }
        if end.is_none() {
            self.searched = self.buffer.len();
        }
        Ok(end)
    }

    fn take(&mut self, end: usize) -> Bytes {
        self.searched = 0;
        self.buffer.split_to(end).freeze()
    }
}

/// What the first line of a message says; `None` for any other line.
fn parse_head(origin: Origin, line: &[u8]) -> Result<Option<Head>, SplitError> {
    let mut fields = Fields { line, at: 0 };
    let Some(verb) = fields.next() else { return Ok(None) };
    let verb = &line[verb];
    let (plain, with_headers): (&[u8], &[u8]) = match origin {
        Origin::Client => (b"PUB", b"HPUB"),
        Origin::Server => (b"MSG", b"HMSG"),
    };
    let has_headers = verb.eq_ignore_ascii_case(with_headers);
    if !has_headers && !verb.eq_ignore_ascii_case(plain) {
        return Ok(None);
    }
    let subject = fields.next().ok_or(SplitError::BadSizes)?;
    let (mut header_bytes, mut total) = (None, None);
    for field in fields {
        header_bytes = total.replace(field);
    }
    let number = |field: Option<Range<usize>>| {
        let digits = std::str::from_utf8(&line[field?]).ok()?;
        digits.parse::<usize>().ok()
    };
    let total = number(total).ok_or(SplitError::BadSizes)?;
    let header_bytes =
        if has_headers { number(header_bytes).ok_or(SplitError::BadSizes)? } else { 0 };
    if total > MESSAGE_BYTES_MAX {
        return Err(SplitError::MessageTooLong);
    }
    if header_bytes > total {
        return Err(SplitError::BadSizes);
    }
    Ok(Some(Head { subject, payload: line.len() + header_bytes..line.len() + total }))
}

/// The places of a line's words.
struct Fields<'a> {
    line: &'a [u8],
    at: usize,
}

impl Iterator for Fields<'_> {
    type Item = Range<usize>;

    fn next(&mut self) -> Option<Range<usize>> {
        let is_space = |byte: &u8| byte.is_ascii_whitespace();
        let start = self.at + self.line[self.at..].iter().position(|byte| !is_space(byte))?;
        let length = self.line[start..].iter().position(is_space);
        self.at = length.map_or(self.line.len(), |length| start + length);
        Some(start..self.at)
    }
}
