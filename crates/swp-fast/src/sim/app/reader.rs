//! The consumer's application: it reads at its own speed, and compares with what was sent.

use std::time::Duration;

use super::{ReadAs, message};
use crate::proto::{ReadyFrame, Receiver};
use crate::sim::frames::FrameLog;
use crate::time::Time;
use crate::wire::{Resume, Seq, SessionId};

/// What a stream consists of, as the world knows it.
#[derive(Clone, Copy)]
pub(in crate::sim) struct StreamView<'a> {
    /// The frames that were sent, if any was.
    pub(in crate::sim) frames: Option<&'a FrameLog>,
    /// The indices of the messages in the order of the stream, or `None` where that is their own
    /// order.
    pub(in crate::sim) order: Option<&'a [u64]>,
    /// The sizes of the messages, by index.
    pub(in crate::sim) sizes: &'a [usize],
}

impl StreamView<'_> {
    /// Returns message number `number` of the stream.
    fn message(&self, number: u64) -> Option<Vec<u8>> {
        let index = match self.order {
            Some(order) => *order.get(number as usize)?,
            None => number,
        };
        self.sizes.get(index as usize).map(|&size| message(index, size))
    }
}

/// See the [module](self).
pub(in crate::sim) struct Reader {
    read_as: ReadAs,
    interval: Duration,
    paused: bool,
    hung: bool,
    next_read: Time,
    /// The number of the next message, or `None` before the first of a stream joined late.
    next_message: Option<u64>,
    /// The first frame of a stream joined late.
    joined_at: Seq,
    /// Frames below this were consumed, or `None` before the first.
    read_end: Option<Seq>,
    /// A message was read in part, so that a new process must read the message again ...
    amid_message: bool,
    /// ... from here.
    resume: Option<Resume>,
    frames: u64,
    delivered: u64,
    last_delivery: Time,
}

impl Reader {
    pub(in crate::sim) fn new(read_as: ReadAs, interval: Duration) -> Reader {
        Reader {
            read_as,
            interval,
            paused: false,
            hung: false,
            next_read: Time::ZERO,
            next_message: Some(0),
            joined_at: Seq::ZERO,
            read_end: None,
            amid_message: false,
            resume: None,
            frames: 0,
            delivered: 0,
            last_delivery: Time::ZERO,
        }
    }

    pub(in crate::sim) fn set_paused(&mut self, paused: bool) {
        self.paused = paused;
    }

    /// As [`Self::set_paused`], for an application that does not recover when everything else does.
    pub(in crate::sim) fn set_hung(&mut self, hung: bool) {
        self.hung = hung;
    }

    pub(in crate::sim) fn is_hung(&self) -> bool {
        self.hung
    }

    pub(in crate::sim) fn set_interval(&mut self, interval: Duration) {
        self.interval = interval;
    }

    pub(in crate::sim) fn set_read_as(&mut self, read_as: ReadAs) {
        self.read_as = read_as;
    }

    /// Frames consumed.
    pub(in crate::sim) fn frames(&self) -> u64 {
        self.frames
    }

    /// Messages delivered.
    pub(in crate::sim) fn delivered(&self) -> u64 {
        self.delivered
    }

    pub(in crate::sim) fn last_delivery(&self) -> Time {
        self.last_delivery
    }

    /// Returns true if the application has read a frame.
    pub(in crate::sim) fn has_begun(&self) -> bool {
        self.read_end.is_some()
    }

    /// Returns true if all messages of the stream were delivered, from wherever this consumer
    /// joined.
    pub(in crate::sim) fn has_all(&self, messages: usize) -> bool {
        self.next_message.is_none_or(|next| next == messages as u64)
    }

    /// The stream begins with this frame for the consumer.
    pub(in crate::sim) fn joins_at(&mut self, start: Seq) {
        if self.read_end.is_none() {
            self.next_message = (start == Seq::ZERO).then_some(0);
            self.joined_at = start;
        }
    }

    /// The process is started again. Returns where the new process continues, if the old process
    /// knew.
    pub(in crate::sim) fn start_again(&mut self, receiver: &Receiver) -> Option<Resume> {
        let kept = self.resume.take();
        let resume = if self.amid_message { kept } else { receiver.resume_point() }?;
        self.amid_message = false;
        if self.read_end.is_some() {
            self.read_end = Some(resume.next);
        }
        Some(resume)
    }

    /// Returns when the application reads next, if it does not read now.
    pub(in crate::sim) fn wake_at(&self, now: Time) -> Option<Time> {
        (!self.paused && !self.hung && self.next_read > now).then_some(self.next_read)
    }

    /// Returns the session of the frame that the application is to read now, if there is any.
    pub(in crate::sim) fn due(&self, now: Time, receiver: &Receiver) -> Option<SessionId> {
        let reads = !self.paused && !self.hung && self.next_read <= now && receiver.has_ready();
        reads.then(|| receiver.read_point()).flatten().map(|point| point.session)
    }

    /// Reads once, and returns the end of the frames consumed. One call can consume several frames,
    /// the fragments of a message, and then lasts as long as so many calls.
    pub(in crate::sim) fn read(
        &mut self,
        now: Time,
        receiver: &mut Receiver,
        stream: StreamView<'_>,
    ) -> Result<Seq, String> {
        let frames = stream.frames.ok_or("read a frame of a session in which none was sent")?;
        let point = receiver.read_point().ok_or("read before the stream began")?;
        let before = point.next;
        self.check_start(before, frames)?;
        if !self.amid_message {
            self.resume = Some(point);
        }
        match self.read_as {
            ReadAs::Messages => self.read_messages(now, receiver, stream, frames)?,
            ReadAs::Batches => {
                let batch = receiver.read_batch(now);
                for bytes in batch.iter().flat_map(|batch| batch.iter()) {
                    self.deliver(now, bytes, stream)?;
                }
            }
            ReadAs::Frames => {
                let frame = receiver.read_frame(now).ok_or("no frame was handed out")?;
                self.take_frame(now, &frame, frames)?;
            }
        }
        let end = consumed(receiver).ok_or("the session was forgotten")?;
        if receiver.failure().is_none() && self.next_message != Some(frames.ended_below(end)) {
            return Err(format!(
                "with the frames below {end} came the messages below {:?}, and {} end there",
                self.next_message,
                frames.ended_below(end)
            ));
        }
        let count = end.since(before);
        self.frames += count;
        self.next_read = now + self.interval * u32::try_from(count).unwrap_or(u32::MAX);
        self.read_end = Some(end);
        // An application that reads frames stores each as it is.
        self.amid_message = self.read_as != ReadAs::Frames && frames.is_amid_message(end);
        Ok(end)
    }

    /// What is read begins where the application stopped, or with the first message that begins at
    /// the join or behind it.
    fn check_start(&mut self, at: Seq, frames: &FrameLog) -> Result<(), String> {
        if self.next_message.is_none() {
            let first = frames.first_beginning_from(self.joined_at);
            match first {
                Some((seq, number)) if seq == at => self.next_message = Some(number),
                _ => return Err(format!("joined at frame {}, first read {at}", self.joined_at)),
            }
        }
        match self.read_end {
            Some(end) if end != at => Err(format!("frame {at} was handed out where {end} was due")),
            _ => Ok(()),
        }
    }

    /// Reads messages until all that end in the frames consumed were delivered.
    fn read_messages(
        &mut self,
        now: Time,
        receiver: &mut Receiver,
        stream: StreamView<'_>,
        frames: &FrameLog,
    ) -> Result<(), String> {
        while let Some(bytes) = receiver.read_message(now) {
            self.deliver(now, &bytes, stream)?;
            let ended = consumed(receiver).map(|end| frames.ended_below(end));
            if self.next_message >= ended {
                break;
            }
        }
        Ok(())
    }

    fn deliver(&mut self, now: Time, bytes: &[u8], stream: StreamView<'_>) -> Result<(), String> {
        let number = self.next_message.unwrap_or(0);
        let Some(expected) = stream.message(number) else {
            return Err(format!("message {number} was delivered and never accepted"));
        };
        if bytes != expected {
            let head = &bytes[..bytes.len().min(16)];
            return Err(format!(
                "where message {number} of {} bytes was due, {} bytes came: {head:?} ...",
                expected.len(),
                bytes.len()
            ));
        }
        self.next_message = Some(number + 1);
        self.delivered += 1;
        self.last_delivery = now;
        Ok(())
    }

    /// Compares a frame with what was sent under its sequence number.
    fn take_frame(&mut self, now: Time, frame: &ReadyFrame, log: &FrameLog) -> Result<(), String> {
        let seq = frame.seq;
        let sent = log.get(seq).ok_or_else(|| format!("frame {seq} was never sent"))?;
        if (frame.kind, &frame.body) != (sent.kind, &sent.body) {
            return Err(format!("frame {seq} is not what was sent"));
        }
        let messages = log.ended_below(seq.next()) - log.ended_below(seq);
        if u64::from(frame.messages) != messages {
            return Err(format!("frame {seq} has {} messages of {messages}", frame.messages));
        }
        self.next_message = Some(log.ended_below(seq.next()));
        self.delivered += messages;
        if messages > 0 {
            self.last_delivery = now;
        }
        Ok(())
    }
}

/// The end of the frames that were consumed.
fn consumed(receiver: &Receiver) -> Option<Seq> {
    receiver.read_point().map(|point| point.next)
}
