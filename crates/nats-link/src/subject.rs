//! Subjects and messages that an application hands over.

use std::{fmt, str::FromStr};

use bytes::Bytes;

/// A server reads the length of subjects into 16 bits in places.
pub(crate) const SUBJECT_BYTES_MAX: usize = u16::MAX as usize;

/// A subject, or queue group, that can stand in a line of the protocol: not empty, at most
/// 65,535 bytes, and without blank, tab, carriage return and line feed.
///
/// Nothing else is checked. A subject need not be UTF-8, for what was received may be published
/// again as it is. A server refuses a line beyond its `max_control_line`, 4 KiB by default.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Subject(Bytes);

/// Why bytes are no [`Subject`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SubjectError {
    /// There are no bytes.
    #[error("a NATS subject cannot be empty")]
    Empty,
    /// There are more than 65,535 bytes.
    #[error("a NATS subject has at most {SUBJECT_BYTES_MAX} bytes, this has {size}")]
    TooLong {
        /// The size in bytes.
        size: usize,
    },
    /// A byte would end the subject.
    #[error("a NATS subject has no blanks or line ends, but \"{subject}\" has")]
    Blank {
        /// The subject, escaped.
        subject: String,
    },
}

impl Subject {
    /// Checks `subject`. Shares its memory.
    ///
    /// # Errors
    ///
    /// Any [`SubjectError`].
    pub fn new(subject: impl Into<Bytes>) -> Result<Self, SubjectError> {
        let subject = subject.into();
        if subject.is_empty() {
            return Err(SubjectError::Empty);
        }
        if subject.len() > SUBJECT_BYTES_MAX {
            return Err(SubjectError::TooLong { size: subject.len() });
        }
        if subject.iter().any(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n')) {
            let subject = subject.escape_ascii().to_string();
            return Err(SubjectError::Blank { subject });
        }
        Ok(Self(subject))
    }

    /// The bytes of the subject.
    #[must_use]
    pub fn as_bytes(&self) -> &Bytes {
        &self.0
    }
}

impl FromStr for Subject {
    type Err = SubjectError;

    fn from_str(subject: &str) -> Result<Self, SubjectError> {
        Self::new(Bytes::copy_from_slice(subject.as_bytes()))
    }
}

impl TryFrom<&'static str> for Subject {
    type Error = SubjectError;

    fn try_from(subject: &'static str) -> Result<Self, SubjectError> {
        Self::new(subject)
    }
}

/// The subject with everything that is not printable ASCII escaped.
impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.escape_ascii().fmt(f)
    }
}

impl fmt::Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Subject(\"{self}\")")
    }
}

/// A message to publish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// Where the message goes.
    pub subject: Subject,
    /// Where an answer goes.
    pub reply: Option<Subject>,
    /// The header section, sent as it is, or empty for none. A server expects a line `NATS/1.0`,
    /// lines `Name: value` and an empty line, each ended by CR LF. It does not check them.
    pub header: Bytes,
    /// The payload. A large payload goes to the socket by reference. Until then, it keeps the whole
    /// allocation alive that it is a slice of.
    pub payload: Bytes,
}

impl Outgoing {
    /// Creates a message without reply subject and headers.
    #[must_use]
    pub fn new(subject: Subject, payload: impl Into<Bytes>) -> Self {
        Self { subject, reply: None, header: Bytes::new(), payload: payload.into() }
    }

    /// The size that a server compares with its `max_payload`: header section and payload.
    #[must_use]
    pub fn size(&self) -> usize {
        self.header.len() + self.payload.len()
    }
}
