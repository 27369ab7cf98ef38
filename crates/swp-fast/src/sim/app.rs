//! The applications at both ends: one that writes what it can, ones that read at their own speed.

use std::time::Duration;

use bytes::{Bytes, BytesMut};

use crate::proto::{Assembler, Packed, ReadyFrame, Receiver, Sender, WriteError};
use crate::time::Time;
use crate::wire::{Fragment, Kind, Messages, OpenFrame, Seq, encode_fragment, message_len};

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

/// What a frame that was written begins with.
#[derive(Debug, Clone, Copy)]
pub(super) struct FrameStart {
    /// The number of the message.
    pub(super) message: u64,
    /// It is the message's own beginning, and not a later piece of it.
    pub(super) whole: bool,
}

/// A frame that was written: its kind, its body behind room for a header, and the messages that end in it.
type PastFrame = (Kind, BytesMut, u32);

/// Writes the messages of a workload as fast as it may, packed as a driver would.
pub(super) struct Writer {
    sizes: Vec<usize>,
    interval: Duration,
    /// The interval counts from this time and this message on.
    paced_from: (Time, u64),
    /// What a frame is filled up to for several consumers, and for one.
    max_body: usize,
    solo_body: usize,
    max_piece: usize,
    finish: bool,
    finished: bool,
    index: u64,
    /// By frame number.
    starts: Vec<FrameStart>,
    /// All frames, where they can be wanted again.
    past: Option<Vec<PastFrame>>,
    /// The frame of the past that a publisher which was started again writes next.
    again: usize,
    /// The message that is being cut up, and how much of it has been written.
    cutting: Option<(Vec<u8>, usize)>,
}

impl Writer {
    pub(super) fn new(config: &super::SimConfig) -> Writer {
        Writer {
            sizes: config.messages.clone(),
            interval: config.write_interval,
            paced_from: (Time::ZERO, 0),
            max_body: config.publish.max_body_bytes(),
            solo_body: config.publish.solo_body_bytes(),
            max_piece: config.publish.max_fragment_bytes(),
            finish: config.finish,
            finished: false,
            index: 0,
            starts: Vec::new(),
            past: config.rewindable.then(Vec::new),
            again: usize::MAX,
            cutting: None,
        }
    }

    /// Messages written, whole.
    pub(super) fn written(&self) -> u64 {
        self.index
    }

    /// Whether there is nothing left to write, and `sender` was let send all that was written.
    pub(super) fn has_sent_all(&self, sender: &Sender) -> bool {
        let all = self.index as usize == self.sizes.len() && self.again == usize::MAX;
        all && sender.sent().get() >= self.starts.len() as u64
    }

    /// Where the frame with this number stands among the messages; `None` before it is written.
    pub(super) fn start_of(&self, seq: Seq) -> Option<FrameStart> {
        self.starts.get(usize::try_from(seq.get()).ok()?).copied()
    }

    /// Takes on more; where there was nothing left to write, the pace counts from now.
    pub(super) fn extend(&mut self, now: Time, sizes: &[usize]) {
        if self.index as usize == self.sizes.len() {
            self.paced_from = (now, self.index);
        }
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
        let (start, first) = self.paced_from;
        start + self.interval * (index - first) as u32
    }

    fn next_size(&self, now: Time) -> Option<usize> {
        let size = self.sizes.get(self.index as usize)?;
        (self.due_at(self.index) <= now).then_some(*size)
    }

    /// A publisher that begins with this frame takes the place of the one that was written to.
    pub(super) fn begin_again(&mut self, from: Seq) {
        self.again = from.get() as usize;
        self.finished = false;
    }

    /// Writes what a publisher before wrote already; `false` while there is more than may be written.
    fn pump_again(&mut self, sender: &mut Sender) -> Result<bool, WriteError> {
        while let Some((kind, buf, messages)) =
            self.past.as_ref().and_then(|past| past.get(self.again))
        {
            if sender.is_over() || !sender.can_write() {
                sender.set_backlog(true);
                return Ok(false);
            }
            self.again += 1;
            sender.write(Packed::body(*kind, buf.clone(), *messages))?;
        }
        self.again = usize::MAX;
        Ok(true)
    }

    pub(super) fn pump(&mut self, now: Time, sender: &mut Sender) -> Result<(), String> {
        let refused = |error: WriteError| format!("a write was refused: {error}");
        if !self.pump_again(sender).map_err(refused)? {
            return Ok(());
        }
        while let Some(size) = self.next_size(now) {
            if sender.is_over() {
                return Ok(());
            }
            if !sender.can_write() {
                sender.set_backlog(true);
                return Ok(());
            }
            let wrote = match message_len(size) <= self.solo_body {
                true => self.write_packed(now, sender),
                false => self.write_piece(size, sender),
            };
            wrote.map_err(refused)?;
        }
        sender.set_backlog(false);
        let all = self.index as usize == self.sizes.len();
        if all && self.finish && !self.finished {
            self.finished = true;
            sender.finish(Bytes::from_static(b"that was all"));
        }
        Ok(())
    }

    fn write_packed(&mut self, now: Time, sender: &mut Sender) -> Result<(), WriteError> {
        let mut open = OpenFrame::new(match sender.is_shared() {
            true => self.max_body,
            false => self.solo_body,
        });
        self.starts.push(FrameStart { message: self.index, whole: true });
        while let Some(size) = self.next_size(now) {
            if !open.push(&message(self.index, size)) {
                break;
            }
            self.index += 1;
        }
        let (messages, buf) = (open.messages(), open.into_buf());
        self.keep(Kind::Data, &buf, messages);
        sender.write(Packed::body(Kind::Data, buf, messages)).map(drop)
    }

    fn keep(&mut self, kind: Kind, buf: &BytesMut, messages: u32) {
        if let Some(past) = &mut self.past {
            past.push((kind, buf.clone(), messages));
            self.again = usize::MAX;
        }
    }

    /// Gives frames of the past to whoever lacks them.
    pub(super) fn write_reread(&self, sender: &mut Sender) -> Result<(), String> {
        while let Some(rewind) = sender.poll_rewind() {
            let past = self.past.as_ref().and_then(|past| past.get(rewind.from.get() as usize));
            let (kind, buf, _) = past.ok_or("what was never written is wanted again")?.clone();
            let wrote = sender.write_reread(rewind, kind, buf, None);
            wrote.map_err(|error| format!("a frame of the past was refused: {error}"))?;
        }
        Ok(())
    }

    fn write_piece(&mut self, size: usize, sender: &mut Sender) -> Result<(), WriteError> {
        let index = self.index;
        let (bytes, at) = self.cutting.get_or_insert_with(|| (message(index, size), 0));
        self.starts.push(FrameStart { message: index, whole: *at == 0 });
        let end = (*at + self.max_piece).min(size);
        let buf = encode_fragment(size as u64, *at as u64, &bytes[*at..end]);
        *at = end;
        let last = end == size;
        self.keep(Kind::Fragment, &buf, u32::from(last));
        sender.write(Packed::body(Kind::Fragment, buf, u32::from(last)))?;
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
    hung: bool,
    next_read: Time,
    assembler: Assembler,
    /// The number of the next message; `None` before the first of a stream joined late.
    expected: Option<u64>,
    /// The first frame of a stream joined late.
    joined_at: Seq,
    /// Frames below this were read; `None` before the first.
    pub(super) read_end: Option<Seq>,
    /// Frames read.
    pub(super) frames: u64,
    pub(super) delivered: u64,
    pub(super) last_delivery: Time,
}

impl Reader {
    pub(super) fn new(interval: Duration, max_message_bytes: u64) -> Reader {
        Reader {
            interval,
            paused: false,
            hung: false,
            next_read: Time::ZERO,
            assembler: Assembler::new(max_message_bytes),
            expected: Some(0),
            joined_at: Seq::ZERO,
            read_end: None,
            frames: 0,
            delivered: 0,
            last_delivery: Time::ZERO,
        }
    }

    pub(super) fn set_paused(&mut self, paused: bool) {
        self.paused = paused;
    }

    /// As [`Self::set_paused`], but not ended by it.
    pub(super) fn set_hung(&mut self, hung: bool) {
        self.hung = hung;
    }

    pub(super) fn is_hung(&self) -> bool {
        self.hung
    }

    pub(super) fn set_interval(&mut self, interval: Duration) {
        self.interval = interval;
    }

    pub(super) fn wake_at(&self, now: Time) -> Option<Time> {
        (!self.paused && !self.hung && self.next_read > now).then_some(self.next_read)
    }

    /// Reads one frame if it is time to, and says which.
    pub(super) fn pump(
        &mut self,
        now: Time,
        receiver: &mut Receiver,
        writer: Option<&Writer>,
        sizes: &[usize],
    ) -> Result<Option<Seq>, String> {
        if self.paused || self.hung || self.next_read > now {
            return Ok(None);
        }
        let Some(frame) = receiver.read_frame(now) else { return Ok(None) };
        let seq = frame.seq;
        self.next_read = now + self.interval;
        self.frames += 1;
        if self.read_end.is_some_and(|end| end != seq) {
            return Err(format!("frame {seq} was handed out where {:?} was due", self.read_end));
        }
        self.read_end = Some(seq.next());
        if self.expected.is_none() {
            let begins =
                |seq| writer.and_then(|writer| writer.start_of(seq)).filter(|one| one.whole);
            // With the first message that begins where it joined, or later.
            let first = (self.joined_at.get()..=seq.get()).filter_map(Seq::new).find_map(begins);
            match (first, begins(seq)) {
                (Some(first), Some(start)) if first.message == start.message => {
                    self.expected = Some(start.message);
                }
                _ => {
                    return Err(format!("joined at frame {} and read {seq} first", self.joined_at));
                }
            }
        }
        self.take(now, frame, sizes)?;
        Ok(Some(seq))
    }

    fn take(&mut self, now: Time, frame: ReadyFrame, sizes: &[usize]) -> Result<(), String> {
        if frame.kind == Kind::Fragment {
            let fragment = Fragment::decode(&frame.body).map_err(|error| error.to_string())?;
            let whole = self.assembler.push(&fragment).map_err(|error| error.to_string())?;
            return whole.map_or(Ok(()), |bytes| self.deliver(now, &bytes, sizes));
        }
        if self.assembler.is_open() {
            return Err("a packed frame came amid a message".to_owned());
        }
        for bytes in Messages::new(frame.body) {
            let bytes = bytes.map_err(|error| error.to_string())?;
            self.deliver(now, &bytes, sizes)?;
        }
        Ok(())
    }

    fn deliver(&mut self, now: Time, bytes: &[u8], sizes: &[usize]) -> Result<(), String> {
        let index = self.expected.unwrap_or(0);
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

    /// The stream begins with this frame for it.
    pub(super) fn joins_at(&mut self, start: Seq) {
        if self.read_end.is_none() {
            self.expected = (start == Seq::ZERO).then_some(0);
            self.joined_at = start;
        }
    }
}
