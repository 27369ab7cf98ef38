//! Whatever is accepted comes out again, in order and whole.

use proptest::prelude::*;

use super::*;
use crate::proto::{Assembler, PackedBody};
use crate::wire::{Digest, Fragment, MAX_HEADER, encode_fragment};

/// A size of message that decides something, before `delta` bytes are added.
#[derive(Debug, Clone, Copy)]
enum Size {
    Empty,
    HalfBody,
    /// The largest message that is packed with others.
    Packed,
    SoloBody,
    /// The largest message that a frame for several consumers holds.
    Whole,
    SharedBody,
    /// The part of a message in so many fragments.
    Fragments(usize),
    Largest,
    Any(usize),
}

#[derive(Debug, Clone)]
enum Step {
    Push { size: (Size, isize), by_reference: bool },
    PushBlock(Vec<(Size, isize)>),
    SetShared(bool),
    Take { with_open: bool },
}

fn size() -> impl Strategy<Value = (Size, isize)> {
    let size = prop_oneof![
        Just(Size::Empty),
        Just(Size::HalfBody),
        Just(Size::Packed),
        Just(Size::SoloBody),
        Just(Size::Whole),
        Just(Size::SharedBody),
        (1..4usize).prop_map(Size::Fragments),
        Just(Size::Largest),
        (0..300usize).prop_map(Size::Any),
    ];
    (size, -1..=1isize)
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (size(), any::<bool>())
            .prop_map(|(size, by_reference)| Step::Push { size, by_reference }),
        1 => prop::collection::vec(size(), 0..4).prop_map(Step::PushBlock),
        1 => any::<bool>().prop_map(Step::SetShared),
        5 => any::<bool>().prop_map(|with_open| Step::Take { with_open }),
    ]
}

/// Small frames, those of the default configuration, and the smallest.
fn config() -> impl Strategy<Value = PublishConfig> {
    let integrity = prop_oneof![Just(Integrity::Blake3), Just(Integrity::Crc32c)];
    let frame_bytes = prop_oneof![Just(None), Just(Some((1_000, 500))), Just(Some((256, 256)))];
    let queue_frames = 1..5usize;
    (integrity, frame_bytes, queue_frames).prop_map(|(integrity, frame_bytes, queue_frames)| {
        let mut config = PublishConfig::with_integrity(integrity);
        if let Some((frame_bytes, solo_frame_bytes)) = frame_bytes {
            (config.frame_bytes, config.solo_frame_bytes) = (frame_bytes, solo_frame_bytes);
        }
        config.queue_bytes = queue_frames * config.frame_bytes;
        config.max_message_bytes = 5 * config.frame_bytes as u64;
        config.validate().expect("the configuration works");
        config
    })
}

/// The longest message whose encoding fits `body` bytes.
fn longest_in(body: usize) -> usize {
    (0..=body).rev().find(|&len| message_len(len) <= body).unwrap_or(0)
}

/// A packer, and what must come out of it.
struct Trial {
    config: PublishConfig,
    packer: Packer,
    was_shared: bool,
    /// Bytes that wait in the packer.
    waiting: usize,
    accepted: Vec<Bytes>,
    /// How many messages were accepted with each position and all before it.
    messages_by_position: Vec<usize>,
    assembler: Assembler,
    taken: Vec<Bytes>,
    last_position: Position,
}

impl Trial {
    fn new(config: PublishConfig) -> Trial {
        Trial {
            packer: packer_with(&config),
            was_shared: false,
            waiting: 0,
            accepted: Vec::new(),
            messages_by_position: Vec::new(),
            assembler: Assembler::new(config.max_message_bytes),
            taken: Vec::new(),
            last_position: Position::default(),
            config,
        }
    }

    /// A message unlike its neighbours, of this size.
    fn message(&self, index: usize, (size, delta): (Size, isize)) -> Bytes {
        let (solo, shared) = (self.config.solo_body_bytes(), self.config.max_body_bytes());
        let len = match size {
            Size::Empty => 0,
            Size::HalfBody => solo / 2,
            Size::Packed => longest_in(solo),
            Size::SoloBody => solo,
            Size::Whole => longest_in(shared),
            Size::SharedBody => shared,
            Size::Fragments(count) => count * self.config.max_fragment_bytes(),
            Size::Largest => self.config.max_message_bytes as usize,
            Size::Any(len) => len,
        };
        let len = len.saturating_add_signed(delta);
        (0..len).map(|at| (index * 31 + at + at / 251) as u8).collect()
    }

    fn step(&mut self, step: Step) -> Result<(), TestCaseError> {
        match step {
            Step::Push { size, by_reference } => {
                let message = self.message(self.accepted.len(), size);
                self.push(message, by_reference)?;
            }
            Step::PushBlock(sizes) => self.push_block(&sizes)?,
            Step::SetShared(shared) => {
                self.packer.set_shared(shared);
                self.was_shared |= shared;
            }
            Step::Take { with_open } => {
                let due = !self.packer.queue.is_empty() || (with_open && self.waiting > 0);
                prop_assert_eq!(self.take(with_open)?, due);
            }
        }
        prop_assert_eq!(self.packer.queued_bytes + self.packer.open.body_len(), self.waiting);
        prop_assert_eq!(self.packer.is_empty(), self.waiting == 0);
        Ok(())
    }

    fn push(&mut self, message: Bytes, by_reference: bool) -> Result<(), TestCaseError> {
        let packed = message_len(message.len());
        let bytes = if packed <= self.config.solo_body_bytes() { packed } else { message.len() };
        let expected = if message.len() as u64 > self.config.max_message_bytes {
            Err(Refused::TooLarge)
        } else {
            self.expected(bytes)
        };
        let pushed = match by_reference {
            true => self.packer.push_bytes(message.clone()),
            false => self.packer.push(&message),
        };
        prop_assert_eq!(pushed, expected);
        if pushed.is_ok() {
            self.note_accepted(bytes, vec![message]);
        }
        Ok(())
    }

    /// What comes of a message or block that would add this many bytes.
    fn expected(&self, bytes: usize) -> Result<Position, Refused> {
        match self.waiting > 0 && self.waiting + bytes > self.config.queue_bytes {
            true => Err(Refused::Blocked),
            false => Ok(Position(self.packer.accepted().0 + 1)),
        }
    }

    fn note_accepted(&mut self, bytes: usize, messages: Vec<Bytes>) {
        self.waiting += bytes;
        self.accepted.extend(messages);
        self.messages_by_position.push(self.accepted.len());
    }

    /// Pushes a block as a capture holds it: messages in bodies of their own, large ones cut.
    fn push_block(&mut self, sizes: &[(Size, isize)]) -> Result<(), TestCaseError> {
        let (mut bytes, mut bodies, mut messages) = (Vec::new(), Vec::new(), Vec::new());
        let mut add = |kind, messages, buf: &[u8]| {
            let range = bytes.len() + MAX_HEADER..bytes.len() + buf.len();
            bytes.extend_from_slice(buf);
            bodies.push(PackedBody { range, kind, messages, digest: Digest::None });
        };
        for &size in sizes {
            let message = self.message(self.accepted.len() + messages.len(), size);
            if message.len() as u64 > self.config.max_message_bytes {
                continue;
            }
            if message_len(message.len()) <= self.config.max_body_bytes() {
                add(Kind::Data, 1, &encode_message(&message));
            } else {
                let part_bytes = self.config.max_fragment_bytes();
                for (index, part) in message.chunks(part_bytes).enumerate() {
                    let offset = index * part_bytes;
                    let last = offset + part.len() == message.len();
                    let buf = encode_fragment(message.len() as u64, offset as u64, part);
                    add(Kind::Fragment, u32::from(last), &buf);
                }
            }
            messages.push(message);
        }
        let len = bytes.len();
        let block = PackedBlock::new(bytes, bodies).expect("the bodies are in order");
        let expected = self.expected(len).map(|position| (len > 0).then_some(position));
        let pushed = self.packer.push_block(block);
        prop_assert_eq!(pushed, expected);
        if let Ok(Some(_)) = pushed {
            self.note_accepted(len, messages);
        }
        Ok(())
    }

    /// Takes the next bodies out. Returns false if there are none.
    fn take(&mut self, with_open: bool) -> Result<bool, TestCaseError> {
        let Some(packed) = self.packer.take(with_open) else { return Ok(false) };
        self.waiting -= packed.len();
        let end = packed.end;
        match packed.encode() {
            crate::proto::packed::Encoded::Body(body) => {
                let Body { kind, buf, messages } = body;
                let body = buf.freeze().slice(MAX_HEADER..);
                let solo_bound = self.config.solo_body_bytes();
                prop_assert!(self.was_shared || body.len() <= solo_bound, "{}", body.len());
                self.receive(kind, body, messages)?;
            }
            crate::proto::packed::Encoded::Block(block) => {
                let bytes = Bytes::copy_from_slice(block.bytes.as_ref());
                for body in block.bodies {
                    self.receive(body.kind, bytes.slice(body.range), body.messages)?;
                }
            }
        }
        prop_assert!(end >= self.last_position);
        let taken = self.taken.len();
        let complete = self.messages_by_position.partition_point(|&messages| messages <= taken);
        prop_assert_eq!(end, Position(complete as u64));
        self.last_position = end;
        Ok(true)
    }

    /// Decodes a body as a receiver does.
    fn receive(&mut self, kind: Kind, body: Bytes, messages: u32) -> Result<(), TestCaseError> {
        prop_assert!(body.len() <= self.config.max_body_bytes(), "{}", body.len());
        let before = self.taken.len();
        if kind == Kind::Fragment {
            let fragment = Fragment::decode(&body).expect("it decodes");
            self.taken.extend(self.assembler.push(&fragment).expect("it is in its place"));
        } else {
            prop_assert!(!self.assembler.is_open());
            self.taken.extend(Messages::new(body).map(|message| message.expect("it decodes")));
        }
        prop_assert_eq!(self.taken.len() - before, messages as usize);
        prop_assert_eq!(&self.taken[before..], &self.accepted[before..self.taken.len()]);
        Ok(())
    }
}

proptest! {
    #[test]
    fn what_was_accepted_comes_out_in_order_and_whole(
        config in config(),
        steps in prop::collection::vec(step(), 0..80),
    ) {
        let mut trial = Trial::new(config);
        for step in steps {
            trial.step(step)?;
        }
        while trial.take(true)? {}
        prop_assert_eq!(&trial.taken, &trial.accepted);
        prop_assert_eq!(trial.last_position, trial.packer.accepted());
        prop_assert_eq!(trial.packer.accepted().0 as usize, trial.messages_by_position.len());
        prop_assert_eq!((trial.packer.queued_bytes, trial.waiting), (0, 0));
        prop_assert!(trial.packer.is_empty() && !trial.assembler.is_open());
    }
}
