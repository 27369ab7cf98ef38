//! Turns what a server sends into operations, without doing I/O.
//!
//! The caller reads into [`Decoder::space`] and calls [`Decoder::next`] until it returns `None`:
//!
//! ```
//! use nats_link::parse::{Decoder, Limits, Op};
//!
//! let mut decoder = Decoder::new(Limits::default());
//! decoder.space().extend_from_slice(b"PING\r\nMSG a.b 1 2\r\nhi\r\nMSG a.");
//! assert_eq!(decoder.next()?, Some(Op::Ping));
//! let Some(Op::Message(message)) = decoder.next()? else { panic!("a message") };
//! assert_eq!((message.subject(), message.payload()), (&b"a.b"[..], &b"hi"[..]));
//! assert_eq!(decoder.next()?, None); // the rest of the last message has not been read yet
//! # Ok::<(), nats_link::parse::ParseError>(())
//! ```
//!
//! The same bytes yield the same operations, however they are split into reads.

mod buffer;
mod error;
mod line;
#[cfg(test)]
mod tests;

use bytes::{Buf, Bytes, BytesMut};

pub use self::error::ParseError;
pub(crate) use self::error::shown;
use self::{buffer::ReadBuffer, line::Line};
use crate::message::{Message, Parts};

/// A message is a slice of its read buffer if the buffer is at most this many times as large.
/// Smaller messages are copied. At 32, a frame of 8 KiB is sliced from a buffer of 256 KiB.
pub const SLICE_FACTOR: usize = 32;

/// Bounds on what a server may send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// The longest line, in bytes. Default: 256 KiB. A subject may have 64 KiB, and an INFO line
    /// names every server of a cluster.
    pub line_bytes: usize,
    /// The largest header section and payload together, in bytes. Default: 64 MiB, the most that
    /// a server accepts. A message allocates its size when its first line arrives.
    pub message_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { line_bytes: 256 << 10, message_bytes: 64 << 20 }
    }
}

/// One operation of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Op {
    /// `INFO`, with its JSON.
    Info(Bytes),
    /// `MSG` or `HMSG`.
    Message(Message),
    /// `PING`, to be answered with `PONG`.
    Ping,
    /// `PONG`, the answer to a `PING`.
    Pong,
    /// `+OK`, sent to clients that asked for it.
    Ok,
    /// `-ERR`, with its text without quotation marks.
    Err(Bytes),
    /// A line that the protocol does not know. The lines before and after are not affected.
    Unknown(Bytes),
}

/// Parses the byte stream of one connection to a server.
///
/// Call order: [`Self::space`], read into it, then [`Self::next`] until it returns `None`. After an
/// error, each further call returns the same error: the connection is of no more use.
#[derive(Debug)]
pub struct Decoder {
    buffer: ReadBuffer,
    limits: Limits,
    /// How many bytes at the start of the buffer hold no line feed.
    scanned: usize,
    /// The first line of a message whose payload is incomplete.
    head: Option<Head>,
}

/// What the first line of a message says. Offsets count from the start of that line.
#[derive(Debug, Clone, Copy)]
struct Head {
    sid: u64,
    subject: (usize, usize),
    reply: (usize, usize),
    /// Where the header section starts.
    body: usize,
    header_len: usize,
    body_len: usize,
}

/// The bytes after each payload.
const CRLF: &[u8] = b"\r\n";

impl Decoder {
    /// Creates a decoder for a new connection.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        // Offsets in a message are 32 bits wide.
        let most = u32::MAX as usize / 4;
        let limits = Limits {
            line_bytes: limits.line_bytes.min(most),
            message_bytes: limits.message_bytes.min(most),
        };
        Self { buffer: ReadBuffer::default(), limits, scanned: 0, head: None }
    }

    /// Returns the buffer to append the next bytes of the connection to, with spare capacity for
    /// a large read.
    pub fn space(&mut self) -> &mut BytesMut {
        let wanted = self.head.map(|head| head.body + head.body_len + CRLF.len());
        self.buffer.space(wanted)
    }

    /// Returns the number of bytes that were appended and not yet returned as operations.
    #[must_use]
    pub fn buffered(&self) -> usize {
        self.buffer.bytes.len()
    }

    /// Returns the next operation, or `None` if it is incomplete.
    ///
    /// # Errors
    ///
    /// [`ParseError`] if the bytes cannot be told apart any further. The error names the line.
    #[expect(clippy::should_implement_trait, reason = "the next call after None may succeed")]
    pub fn next(&mut self) -> Result<Option<Op>, ParseError> {
        if self.head.is_none() {
            let Some(end) = self.find_line()? else { return Ok(None) };
            let line = trim_cr(&self.buffer.bytes[..end]);
            match Line::parse(line)? {
                Line::Message(head) => {
                    if head.body_len > self.limits.message_bytes {
                        let (size, limit) = (head.body_len, self.limits.message_bytes);
                        return Err(ParseError::message_too_large(line, size, limit));
                    }
                    self.head = Some(Head { body: end + 1, ..head });
                }
                other => {
                    let len = line.len();
                    self.scanned = 0;
                    return Ok(Some(self.take_line(other.into_kind(), len, end + 1)));
                }
            }
        }
        let Some(head) = self.head else { return Ok(None) };
        self.take_message(head)
    }

    /// Returns the offset of the line feed that ends the next line.
    fn find_line(&mut self) -> Result<Option<usize>, ParseError> {
        let bytes = &self.buffer.bytes;
        let found = memchr::memchr(b'\n', &bytes[self.scanned..]).map(|at| at + self.scanned);
        // The bound does not depend on how much of the line was read.
        if found.unwrap_or(bytes.len()) > self.limits.line_bytes {
            return Err(ParseError::line_too_long(bytes, self.limits.line_bytes));
        }
        // A message that is complete but for its payload finds its line again at once.
        self.scanned = found.unwrap_or(bytes.len());
        Ok(found)
    }

    fn take_line(&mut self, kind: line::Kind, len: usize, consumed: usize) -> Op {
        let argument = |from: usize, to: usize| {
            Bytes::copy_from_slice(self.buffer.bytes.get(from..to).unwrap_or_default())
        };
        let op = match kind {
            line::Kind::Info(from) => Op::Info(argument(from, len)),
            line::Kind::Err(from, to) => Op::Err(argument(from, to)),
            line::Kind::Ping => Op::Ping,
            line::Kind::Pong => Op::Pong,
            line::Kind::Ok => Op::Ok,
            line::Kind::Unknown => Op::Unknown(argument(0, len)),
        };
        self.buffer.bytes.advance(consumed);
        op
    }

    fn take_message(&mut self, head: Head) -> Result<Option<Op>, ParseError> {
        let end = head.body + head.body_len;
        let Some(after) = self.buffer.bytes.get(end..end + CRLF.len()) else { return Ok(None) };
        if after != CRLF {
            let line = trim_cr(&self.buffer.bytes[..head.body - 1]);
            return Err(ParseError::unterminated(line, head.body_len));
        }
        let start = head.subject.0;
        let (frame, buffer) = self.buffer.take(start, end, CRLF.len());
        self.scanned = 0;
        self.head = None;
        let offset = |at: usize| (at - start) as u32;
        let reply = match head.reply {
            (0, 0) => (0, 0),
            (from, to) => (offset(from), offset(to)),
        };
        let parts = Parts {
            subject_end: offset(head.subject.1),
            reply,
            header_start: offset(head.body),
            payload_start: offset(head.body + head.header_len),
        };
        Ok(Some(Op::Message(Message { frame, sid: head.sid, parts, buffer })))
    }
}

/// A line without the carriage return before its line feed. Any other is part of the line.
fn trim_cr(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}
