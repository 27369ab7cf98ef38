//! The headers of a message: name and value pairs, in order, repeats kept.

use std::borrow::Cow;

use rmp::encode;

use super::reader::Reader;
use super::{RecordError, done, put_str};

/// Name and value pairs in order; a name may occur any number of times. Both are any UTF-8 text, so
/// every header section that the NATS client can hold is representable.
///
/// They are kept encoded, which bounds their number by the size of a record and lets a decoded record
/// borrow them. Make one with `collect`, or with [`Headers::push`].
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Headers<'a> {
    count: usize,
    pairs: Cow<'a, [u8]>,
}

impl<'a> Headers<'a> {
    /// No headers yet.
    pub fn new() -> Headers<'a> {
        Headers::default()
    }

    /// Adds a pair behind the others.
    pub fn push(&mut self, name: &str, value: &str) {
        let pairs = self.pairs.to_mut();
        done(encode::write_array_len(pairs, 2));
        put_str(pairs, name);
        put_str(pairs, value);
        self.count += 1;
    }

    /// How many pairs there are.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The pairs, in order.
    pub fn iter(&self) -> HeaderIter<'_> {
        HeaderIter { reader: Reader::new(&self.pairs) }
    }

    /// Bytes that the array takes in a record.
    pub(super) fn encoded_len(&self) -> usize {
        let head = match self.count {
            0..=15 => 1,
            16..=0xffff => 3,
            _ => 5,
        };
        head + self.pairs.len()
    }

    pub(super) fn put(&self, out: &mut Vec<u8>) {
        // A pair takes 3 bytes at least, so `MAX_RECORD` keeps the count within 32 bits.
        done(encode::write_array_len(out, self.count as u32));
        out.extend_from_slice(&self.pairs);
    }

    /// Reads the array, checking every pair in it.
    pub(super) fn read(reader: &mut Reader<'a>) -> Result<Headers<'a>, RecordError> {
        let count = reader.array("headers")?;
        let pairs = reader.rest();
        let start = reader.position();
        for _ in 0..count {
            read_pair(reader)?;
        }
        let pairs = &pairs[..reader.position() - start];
        Ok(Headers { count, pairs: Cow::Borrowed(pairs) })
    }
}

fn read_pair<'a>(reader: &mut Reader<'a>) -> Result<(&'a str, &'a str), RecordError> {
    if reader.array("header")? != 2 {
        return Err(RecordError::Malformed("header"));
    }
    Ok((reader.str("header name")?, reader.str("header value")?))
}

impl<N: AsRef<str>, V: AsRef<str>> FromIterator<(N, V)> for Headers<'_> {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        let mut headers = Headers::new();
        for (name, value) in pairs {
            headers.push(name.as_ref(), value.as_ref());
        }
        headers
    }
}

impl std::fmt::Debug for Headers<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// Iterator over the pairs of [`Headers`].
pub struct HeaderIter<'a> {
    reader: Reader<'a>,
}

impl<'a> Iterator for HeaderIter<'a> {
    type Item = (&'a str, &'a str);

    fn next(&mut self) -> Option<Self::Item> {
        // The pairs were written by `push` or checked by `read`: the only error left is the end.
        read_pair(&mut self.reader).ok()
    }
}
