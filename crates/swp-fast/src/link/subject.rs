//! A NATS subject as links pass it on.

use std::fmt;

use bytes::Bytes;

/// A NATS subject: valid UTF-8, and a clone costs no allocation. Not checked for anything else.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Subject(Bytes);

impl Subject {
    pub(crate) const fn from_static(subject: &'static str) -> Subject {
        Subject(Bytes::from_static(subject.as_bytes()))
    }

    pub(crate) fn as_str(&self) -> &str {
        // Both constructors take valid UTF-8.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// Returns the subject's bytes, which are valid UTF-8, for a client that shares buffers.
    pub(super) fn to_bytes(&self) -> Bytes {
        self.0.clone()
    }
}

impl From<String> for Subject {
    fn from(subject: String) -> Subject {
        Subject(Bytes::from(subject))
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

#[cfg(test)]
mod tests;
