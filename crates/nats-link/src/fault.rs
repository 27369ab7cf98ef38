//! What a server complains about with `-ERR`, as types.

use crate::{parse, subject::SUBJECT_BYTES_MAX};

#[cfg(test)]
mod tests;

/// An error that a server sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ServerError {
    /// The user may not publish to a subject. The message is gone; the connection stays.
    #[error("the server does not permit this user to publish to \"{subject}\"")]
    PublishDenied {
        /// The subject, or the reply subject that is not permitted.
        subject: String,
    },
    /// The user may not subscribe to a subject. The connection stays.
    #[error("the server does not permit this user to subscribe to \"{subject}\"")]
    SubscribeDenied {
        /// The subject.
        subject: String,
        /// The queue group, if there is one.
        queue: Option<String>,
    },
    /// The account or the user has as many subscriptions as it may have. The connection stays.
    #[error("the limit of subscriptions is reached; raise it on the server, or subscribe to less")]
    SubscriptionLimit,
    /// A message was larger than the account permits. The server closes the connection.
    #[error("a message was larger than the server or the account permits; send smaller messages")]
    MaxPayload,
    /// The credentials are not valid, or not any more. The server closes the connection.
    #[error("the server refuses these credentials: {text}")]
    Authorization {
        /// The start of the server's words, escaped as in [`Self::Other`].
        text: String,
    },
    /// The client took too long to read. The server closes the connection.
    #[error("the server gave this connection up as a slow consumer; read faster")]
    SlowConsumer,
    /// Anything else.
    #[error("the server sent an error: {text}")]
    Other {
        /// The start of the server's words, with everything that is not printable ASCII escaped.
        text: String,
    },
}

impl ServerError {
    /// Understands the text of an `-ERR` line.
    #[must_use]
    pub fn parse(text: &[u8]) -> Self {
        let shown = String::from_utf8_lossy(text);
        let lower = shown.to_ascii_lowercase();
        let quoted = |after: &str| {
            let found = lower.find(after).and_then(|at| quoted(&shown[at + after.len()..]));
            found.filter(|name| name.len() <= SUBJECT_BYTES_MAX)
        };
        if lower.starts_with("permissions violation for publish") {
            if let Some(subject) = quoted(" to ").or_else(|| quoted(" reply of ")) {
                return Self::PublishDenied { subject };
            }
        } else if lower.starts_with("permissions violation for subscription") {
            if let Some(subject) = quoted(" to ") {
                return Self::SubscribeDenied { subject, queue: quoted(" using queue ") };
            }
        } else if lower.contains("maximum subscriptions exceeded") {
            return Self::SubscriptionLimit;
        } else if lower.contains("maximum payload") {
            return Self::MaxPayload;
        } else if lower.contains("slow consumer") {
            return Self::SlowConsumer;
        } else if lower.contains("timeout") {
            // A server under load: "Authentication Timeout" says nothing about the credentials.
        } else if lower.contains("authorization") || lower.contains("authentication") {
            return Self::Authorization { text: parse::shown(text) };
        }
        Self::Other { text: parse::shown(text) }
    }

    /// Returns true if the server closes the connection because of this.
    #[must_use]
    pub fn is_fatal(&self) -> bool {
        !matches!(
            self,
            Self::PublishDenied { .. }
                | Self::SubscribeDenied { .. }
                | Self::SubscriptionLimit
                | Self::Other { .. }
        )
    }
}

/// Returns which subscription a permission was withdrawn from. Then the server names no queue
/// group.
pub(crate) fn withdrawn_sid(text: &[u8]) -> Option<u64> {
    let digits = text.strip_suffix(b"\")")?.rsplit(|byte| *byte == b'"').next()?;
    let before = text.len() - digits.len() - "\")".len();
    let is_sid = text[..before].ends_with(b" (sid \"");
    std::str::from_utf8(digits).ok().filter(|_| is_sid)?.parse().ok()
}

/// Reads a string in quotation marks at the start of `text`. The server escapes as Go does, which
/// for printable characters means quotation mark and backslash.
fn quoted(text: &str) -> Option<String> {
    let inner = text.strip_prefix('"')?;
    let mut result = String::new();
    let mut characters = inner.chars();
    loop {
        match characters.next()? {
            '"' => return Some(result),
            '\\' => match characters.next()? {
                escaped @ ('"' | '\\') => result.push(escaped),
                other => result.extend(['\\', other]),
            },
            other => result.push(other),
        }
    }
}
