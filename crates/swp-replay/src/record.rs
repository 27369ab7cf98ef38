//! One message of the stream, as the recorder saw it, and its encoding.
//!
//! A record is the MessagePack array `[timestamp_ns, subject, reply, headers, payload]`: an unsigned
//! integer, a str, a str or nil, an array of `[name, value]` pairs or nil, a bin. There is exactly one
//! encoding for one record, the shortest, and the decoder refuses every other, so equal streams have
//! equal digests. Decoding borrows everything and copies nothing.

mod headers;
mod reader;

#[cfg(test)]
mod tests;

use rmp::encode;

pub use headers::{HeaderIter, Headers};
pub(crate) use reader::Reader;

/// The longest subject or reply subject in bytes: the most that a `str 16` holds, and 16 times the
/// protocol line (subject, reply and sizes together) that a NATS server takes unless told otherwise.
pub const MAX_SUBJECT: usize = 65_535;

/// The longest encoded record in bytes. A NATS server takes headers and payload of at most 64 MiB
/// together (its `max_pending`); 1 MiB more is ample for both subjects and for what the structure adds.
pub const MAX_RECORD: usize = 65 << 20;

/// Fields of the array.
const FIELDS: u32 = 5;

/// A message of the stream. It borrows, be it from the client's message or from a block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record<'a> {
    /// When it was recorded, in nanoseconds since the Unix epoch.
    pub timestamp_ns: u64,
    /// Where it was published: 1 to [`MAX_SUBJECT`] bytes, without white space.
    pub subject: &'a str,
    /// Where answers were wanted; the same bounds.
    pub reply: Option<&'a str>,
    /// Its headers; `None` for a message without a header section, which is not an empty section.
    pub headers: Option<Headers<'a>>,
    /// Its payload, possibly empty.
    pub payload: &'a [u8],
}

/// Why a record cannot be encoded, or why bytes are no record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// The bytes end before the record does.
    #[error("record is cut short")]
    Truncated,
    /// Not the MessagePack that a record consists of.
    #[error("not a record: {0}")]
    Malformed(&'static str),
    /// A longer encoding than needed; a record has one encoding only.
    #[error("record is not in its shortest form: {0}")]
    NotCanonical(&'static str),
    /// Shorter or longer than allowed.
    #[error("{0} is out of range")]
    OutOfRange(&'static str),
}

/// The front of a record: everything but the payload's bytes.
pub(crate) struct Head<'a> {
    /// The record, its payload still empty.
    pub(crate) record: Record<'a>,
    pub(crate) payload_len: usize,
    /// Where the payload starts.
    pub(crate) len: usize,
}

impl<'a> Record<'a> {
    /// The length of its encoding in bytes, having checked every bound.
    pub fn encoded_len(&self) -> Result<usize, RecordError> {
        check_subject(self.subject, "subject")?;
        if let Some(reply) = self.reply {
            check_subject(reply, "reply")?;
        }
        let headers = self.headers.as_ref().map_or(1, Headers::encoded_len);
        let len = 1
            + uint_len(self.timestamp_ns)
            + str_len(self.subject.len())
            + self.reply.map_or(1, |reply| str_len(reply.len()))
            + headers
            + bin_len(self.payload.len());
        if len > MAX_RECORD { Err(RecordError::OutOfRange("record")) } else { Ok(len) }
    }

    /// Appends its encoding to `out`. After an error `out` is as it was.
    pub fn encode(&self, out: &mut Vec<u8>) -> Result<(), RecordError> {
        out.reserve(self.encoded_len()?);
        self.put(out);
        Ok(())
    }

    /// Reads the record that `bytes` consists of, whole and in its one valid form.
    pub fn decode(bytes: &'a [u8]) -> Result<Record<'a>, RecordError> {
        if bytes.len() > MAX_RECORD {
            return Err(RecordError::OutOfRange("record"));
        }
        let head = Head::decode(bytes)?;
        let payload = &bytes[head.len..];
        match payload.len() {
            len if len < head.payload_len => Err(RecordError::Truncated),
            len if len > head.payload_len => Err(RecordError::Malformed("trailing bytes")),
            _ => Ok(Record { payload, ..head.record }),
        }
    }

    /// Writes the encoding of a record whose [`Record::encoded_len`] was asked before.
    pub(crate) fn put(&self, out: &mut Vec<u8>) {
        self.put_head(out);
        out.extend_from_slice(self.payload);
    }

    /// Writes all but the payload's bytes.
    pub(crate) fn put_head(&self, out: &mut Vec<u8>) {
        done(encode::write_array_len(out, FIELDS));
        done(encode::write_uint(out, self.timestamp_ns));
        put_str(out, self.subject);
        match self.reply {
            Some(reply) => put_str(out, reply),
            None => done(encode::write_nil(out)),
        }
        match &self.headers {
            Some(headers) => headers.put(out),
            None => done(encode::write_nil(out)),
        }
        put_bin_len(out, self.payload.len());
    }
}

impl<'a> Head<'a> {
    /// Only the timestamp, off the first bytes of a record.
    pub(crate) fn timestamp_ns(bytes: &[u8]) -> Result<u64, RecordError> {
        let mut reader = Reader::new(bytes);
        if reader.array("record")? != FIELDS as usize {
            return Err(RecordError::Malformed("record"));
        }
        reader.uint("timestamp")
    }

    /// Reads the front of a record. [`RecordError::Truncated`] says that more bytes are needed.
    pub(crate) fn decode(bytes: &'a [u8]) -> Result<Head<'a>, RecordError> {
        let mut reader = Reader::new(bytes);
        if reader.array("record")? != FIELDS as usize {
            return Err(RecordError::Malformed("record"));
        }
        let timestamp_ns = reader.uint("timestamp")?;
        let subject = reader.str("subject")?;
        check_subject(subject, "subject")?;
        let reply = if reader.nil() { None } else { Some(reader.str("reply")?) };
        if let Some(reply) = reply {
            check_subject(reply, "reply")?;
        }
        let headers = if reader.nil() { None } else { Some(Headers::read(&mut reader)?) };
        let payload_len = reader.bin("payload")?;
        let record = Record { timestamp_ns, subject, reply, headers, payload: &[] };
        Ok(Head { record, payload_len, len: reader.position() })
    }
}

/// A subject has bytes, not too many, and none that the NATS protocol line uses as a separator.
fn check_subject(subject: &str, what: &'static str) -> Result<(), RecordError> {
    if subject.is_empty() || subject.len() > MAX_SUBJECT {
        return Err(RecordError::OutOfRange(what));
    }
    if subject.bytes().any(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n')) {
        return Err(RecordError::Malformed(what));
    }
    Ok(())
}

/// Takes the result of writing to memory, which cannot fail.
pub(crate) fn done<T, E>(result: Result<T, E>) {
    debug_assert!(result.is_ok(), "writing to memory cannot fail");
}

pub(crate) fn put_bin_len(out: &mut Vec<u8>, len: usize) {
    // Lengths are checked against `MAX_RECORD` before anything is written.
    done(encode::write_bin_len(out, len as u32));
}

fn put_str(out: &mut Vec<u8>, text: &str) {
    done(encode::write_str_len(out, text.len() as u32));
    out.extend_from_slice(text.as_bytes());
}

fn uint_len(value: u64) -> usize {
    match value {
        0..=0x7f => 1,
        0x80..=0xff => 2,
        0x100..=0xffff => 3,
        0x1_0000..=0xffff_ffff => 5,
        _ => 9,
    }
}

fn str_len(len: usize) -> usize {
    let head = match len {
        0..=31 => 1,
        32..=0xff => 2,
        0x100..=0xffff => 3,
        _ => 5,
    };
    head + len
}

fn bin_len(len: usize) -> usize {
    swp_fast::wire::message_len(len)
}
