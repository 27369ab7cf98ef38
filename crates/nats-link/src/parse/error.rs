//! Why the bytes of a server cannot be parsed any further.

/// How much of a line an error shows.
const SHOWN_BYTES: usize = 120;

/// Why a [`Decoder`](super::Decoder) stopped. The connection has to be opened anew.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseError {
    /// A line exceeds [`Limits::line_bytes`](super::Limits::line_bytes).
    #[error("the server sent a line of more than {limit} bytes, which starts \"{line}\"")]
    LineTooLong {
        /// The start of the line, escaped.
        line: String,
        /// The limit in bytes.
        limit: usize,
    },
    /// A message exceeds [`Limits::message_bytes`](super::Limits::message_bytes).
    #[error("the server announced a message of {size} bytes, more than {limit}: \"{line}\"")]
    MessageTooLarge {
        /// The first line of the message, escaped and cut.
        line: String,
        /// The announced size of header section and payload.
        size: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// The first line of a message does not say where the message ends.
    #[error("the server sent a message line that cannot be understood: \"{line}\"")]
    BadMessage {
        /// The line, escaped and cut.
        line: String,
    },
    /// No line end stands after the announced size of a message.
    #[error("no line end after the {size} bytes of message \"{line}\"")]
    Unterminated {
        /// The first line of the message, escaped and cut.
        line: String,
        /// The announced size of header section and payload.
        size: usize,
    },
}

impl ParseError {
    pub(super) fn line_too_long(bytes: &[u8], limit: usize) -> Self {
        Self::LineTooLong { line: shown(bytes), limit }
    }

    pub(super) fn message_too_large(line: &[u8], size: usize, limit: usize) -> Self {
        Self::MessageTooLarge { line: shown(line), size, limit }
    }

    pub(super) fn bad_message(line: &[u8]) -> Self {
        Self::BadMessage { line: shown(line) }
    }

    pub(super) fn unterminated(line: &[u8], size: usize) -> Self {
        Self::Unterminated { line: shown(line), size }
    }
}

/// The start of a line, safe to print.
pub(crate) fn shown(line: &[u8]) -> String {
    let start = &line[..line.len().min(SHOWN_BYTES)];
    start.escape_ascii().to_string()
}
