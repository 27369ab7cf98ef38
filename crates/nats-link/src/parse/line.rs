//! One line of a server: which operation it is, and the arguments of a message.

use super::{Head, ParseError};

/// What a line says.
#[derive(Debug)]
pub(super) enum Line {
    /// The first line of a message; its `body` is not set yet.
    Message(Head),
    Other(Kind),
}

/// A line that is complete in itself, with the offsets of its argument.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    Info(usize),
    Ping,
    Pong,
    Ok,
    Err(usize, usize),
    Unknown,
}

impl Line {
    pub(super) fn parse(line: &[u8]) -> Result<Self, ParseError> {
        let (name, arguments) = match line.iter().position(|byte| is_blank(*byte)) {
            Some(at) => (&line[..at], at),
            None => (line, line.len()),
        };
        // Nearly every line is one of the first two.
        let kind = if name.eq_ignore_ascii_case(b"MSG") {
            return message(line, arguments, false).map(Self::Message);
        } else if name.eq_ignore_ascii_case(b"HMSG") {
            return message(line, arguments, true).map(Self::Message);
        } else if name.eq_ignore_ascii_case(b"PING") {
            Kind::Ping
        } else if name.eq_ignore_ascii_case(b"PONG") {
            Kind::Pong
        } else if name.eq_ignore_ascii_case(b"INFO") {
            Kind::Info(arguments)
        } else if name.eq_ignore_ascii_case(b"-ERR") {
            let (start, len) = unquote(&line[arguments..]);
            Kind::Err(arguments + start, arguments + start + len)
        } else if name.eq_ignore_ascii_case(b"+OK") {
            Kind::Ok
        } else {
            Kind::Unknown
        };
        Ok(Self::Other(kind))
    }

    /// The kind of a line that is no message.
    pub(super) fn into_kind(self) -> Kind {
        match self {
            Self::Other(kind) => kind,
            Self::Message(_) => Kind::Unknown,
        }
    }
}

fn is_blank(byte: u8) -> bool {
    byte == b' ' || byte == b'\t'
}

/// Returns where the text of an error starts and its length, without blanks and quotation marks
/// around it.
fn unquote(text: &[u8]) -> (usize, usize) {
    let start = text.iter().position(|byte| !is_blank(*byte)).unwrap_or(text.len());
    let trimmed = &text[start..];
    let quoted = trimmed.strip_prefix(b"'").and_then(|inner| inner.strip_suffix(b"'"));
    match quoted {
        Some(inner) => (start + 1, inner.len()),
        None => (start, trimmed.len()),
    }
}

/// A message has three arguments (subject, subscription, size), or four with a reply subject; with
/// headers the size of the header section comes before that of the whole.
fn message(line: &[u8], arguments: usize, with_header: bool) -> Result<Head, ParseError> {
    const MOST: usize = 5;
    let mut words = [(0, 0); MOST];
    let mut count = 0;
    let mut at = arguments;
    while at < line.len() {
        if is_blank(line[at]) {
            at += 1;
            continue;
        }
        let rest = &line[at..];
        let end = memchr::memchr2(b' ', b'\t', rest).map_or(line.len(), |len| at + len);
        *words.get_mut(count).ok_or_else(|| ParseError::bad_message(line))? = (at, end);
        count += 1;
        at = end;
    }
    let sizes = if with_header { 2 } else { 1 };
    let reply = match count.checked_sub(2 + sizes) {
        Some(0) => (0, 0),
        Some(1) => words[2],
        _ => return Err(ParseError::bad_message(line)),
    };
    let number = |index: usize| {
        let (from, to) = words[index];
        number(&line[from..to]).ok_or_else(|| ParseError::bad_message(line))
    };
    let body_len = number(count - 1)?;
    let header_len = if with_header { number(count - 2)? } else { 0 };
    if header_len > body_len {
        return Err(ParseError::bad_message(line));
    }
    let sid = number(1)?;
    let subject = words[0];
    // A size beyond the address space is too large for any limit.
    let size = |len: u64| usize::try_from(len).unwrap_or(usize::MAX);
    let (header_len, body_len) = (size(header_len), size(body_len));
    Ok(Head { sid, subject, reply, body: 0, header_len, body_len })
}

/// Reads a decimal number. A number beyond 64 bits counts as the largest of 64 bits.
fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0u64, |value, digit| {
        digit
            .is_ascii_digit()
            .then(|| value.saturating_mul(10).saturating_add(u64::from(digit - b'0')))
    })
}
