//! The applications at both ends: one that writes what it can, ones that read at their own speed.

use std::time::Duration;

use bytes::Bytes;

use crate::proto::{Assembler, Receiver, Sender};
use crate::time::Time;
use crate::wire::{Kind, Messages, OpenFrame, encode_fragment, message_len};

/// Message number `index` of a stream, `len` bytes long: its number, as far as there is room, and then
/// bytes that follow from it.
pub fn message(index: u64, len: usize) -> Vec<u8> {
    let head = index.to_le_bytes();
    let mut bytes: Vec<u8> =
        (0..len).map(|at| (at as u64).wrapping_add(index * 31) as u8).collect();
    let known = len.min(head.len());
    bytes[..known].copy_from_slice(&head[..known]);
    bytes
}

/// Writes the messages of a workload as fast as it may, packed as a driver would.
pub(super) struct Writer {
    sizes: Vec<usize>,
    interval: Duration,
    max_body: usize,
    max_piece: usize,
    finish: bool,
    finished: bool,
    index: u64,
    /// The message that is being cut up, and how much of it has been written.
    cutting: Option<(Vec<u8>, usize)>,
}

impl Writer {
    pub(super) fn new(config: &super::SimConfig) -> Writer {
        Writer {
            sizes: config.messages.clone(),
            interval: config.write_interval,
            max_body: config.publish.max_body_bytes(),
            max_piece: config.publish.max_piece_bytes(),
            finish: config.finish,
            finished: false,
            index: 0,
            cutting: None,
        }
    }

    /// Messages written, whole.
    pub(super) fn written(&self) -> u64 {
        self.index
    }

    pub(super) fn extend(&mut self, sizes: &[usize]) {
        self.sizes.extend_from_slice(sizes);
    }

    pub(super) fn finish(&mut self) {
        self.finish = true;
    }

    /// When the next message is due, if it is not due yet.
    pub(super) fn wake_at(&self, now: Time) -> Option<Time> {
        let more = (self.index as usize) < self.sizes.len();
        more.then(|| self.due_at(self.index)).filter(|at| *at > now)
    }

    fn due_at(&self, index: u64) -> Time {
        Time::ZERO + self.interval * index as u32
    }

    fn next_size(&self, now: Time) -> Option<usize> {
        let size = self.sizes.get(self.index as usize)?;
        (self.due_at(self.index) <= now).then_some(*size)
    }

    pub(super) fn pump(&mut self, now: Time, sender: &mut Sender) -> Result<(), String> {
        while let Some(size) = self.next_size(now) {
            if sender.is_over() {
                return Ok(());
            }
            if !sender.can_write() {
                sender.note_backlog(true);
                return Ok(());
            }
            let wrote = match message_len(size) <= self.max_body {
                true => self.write_packed(now, sender),
                false => self.write_piece(size, sender),
            };
            wrote.map_err(|error| format!("a write was refused: {error}"))?;
        }
        sender.note_backlog(false);
        let all = self.index as usize == self.sizes.len();
        if all && self.finish && !self.finished {
            self.finished = true;
            sender.finish(Bytes::from_static(b"that was all"));
        }
        Ok(())
    }

    fn write_packed(
        &mut self,
        now: Time,
        sender: &mut Sender,
    ) -> Result<(), crate::proto::WriteError> {
        let mut open = OpenFrame::new(self.max_body);
        while let Some(size) = self.next_size(now) {
            if !open.push(&message(self.index, size)) {
                break;
            }
            self.index += 1;
        }
        let messages = open.messages();
        sender.write(Kind::Data, open.into_buf(), messages).map(drop)
    }

    fn write_piece(
        &mut self,
        size: usize,
        sender: &mut Sender,
    ) -> Result<(), crate::proto::WriteError> {
        let index = self.index;
        let (bytes, at) = self.cutting.get_or_insert_with(|| (message(index, size), 0));
        let end = (*at + self.max_piece).min(size);
        let buf = encode_fragment(size as u64, *at as u64, &bytes[*at..end]);
        *at = end;
        let last = end == size;
        sender.write(Kind::Fragment, buf, u32::from(last))?;
        if last {
            self.cutting = None;
            self.index += 1;
        }
        Ok(())
    }
}

/// Reads at its own speed, and compares what it reads with what was written.
pub(super) struct Reader {
    interval: Duration,
    paused: bool,
    next_read: Time,
    assembler: Assembler,
    /// The number of the next message; `None` before the first of a stream joined late.
    expected: Option<u64>,
    pub(super) delivered: u64,
    pub(super) last_delivery: Time,
}

impl Reader {
    pub(super) fn new(interval: Duration, max_message_bytes: u64, from_start: bool) -> Reader {
        Reader {
            interval,
            paused: false,
            next_read: Time::ZERO,
            assembler: Assembler::new(max_message_bytes),
            expected: from_start.then_some(0),
            delivered: 0,
            last_delivery: Time::ZERO,
        }
    }

    pub(super) fn set_paused(&mut self, paused: bool) {
        self.paused = paused;
    }

    pub(super) fn wake_at(&self, now: Time) -> Option<Time> {
        (!self.paused && self.next_read > now).then_some(self.next_read)
    }

    pub(super) fn pump(
        &mut self,
        now: Time,
        receiver: &mut Receiver,
        sizes: &[usize],
    ) -> Result<(), String> {
        while !self.paused && self.next_read <= now {
            let Some(frame) = receiver.read(now) else { break };
            self.next_read = now + self.interval;
            if frame.kind == Kind::Fragment {
                let fragment = crate::wire::Fragment::decode(&frame.body);
                let fragment = fragment.map_err(|error| error.to_string())?;
                let whole = self.assembler.push(&fragment).map_err(|error| error.to_string())?;
                if let Some(bytes) = whole {
                    self.deliver(now, &bytes, sizes)?;
                }
                continue;
            }
            if self.assembler.is_open() {
                return Err("a packed frame came amid a message".to_owned());
            }
            for bytes in Messages::new(frame.body) {
                let bytes = bytes.map_err(|error| error.to_string())?;
                self.deliver(now, &bytes, sizes)?;
            }
        }
        Ok(())
    }

    fn deliver(&mut self, now: Time, bytes: &[u8], sizes: &[usize]) -> Result<(), String> {
        let index = match self.expected {
            Some(index) => index,
            None => match bytes.first_chunk::<8>() {
                Some(head) => u64::from_le_bytes(*head),
                None => return Err("the first message of a late join has no number".to_owned()),
            },
        };
        let Some(&size) = sizes.get(index as usize) else {
            return Err(format!("message {index} was delivered and never sent"));
        };
        if bytes != message(index, size) {
            let head = &bytes[..bytes.len().min(16)];
            return Err(format!(
                "where message {index} of {size} bytes was due, {} bytes came: {head:?} ...",
                bytes.len()
            ));
        }
        self.expected = Some(index + 1);
        self.delivered += 1;
        self.last_delivery = now;
        Ok(())
    }

    /// Whether it has read all of `sizes`, from wherever it began.
    pub(super) fn has_all(&self, sizes: usize) -> bool {
        self.expected.is_none_or(|expected| expected == sizes as u64)
    }

    pub(super) fn begins_anywhere(&mut self) {
        self.expected = None;
    }
}
