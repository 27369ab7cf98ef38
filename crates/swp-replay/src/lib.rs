//! Captures of NATS traffic: recording them, reading them back, replaying them at line rate.
//!
//! ```text
//!   record      one message of the stream and its encoding
//!   capture     the file: blocks of ready-to-send frame bodies, writer, reader, recovery
//!   disk        blocks from the disk into pooled, aligned buffers: io_uring, or pread
//!   past        a capture, read again for consumers that come late to its replay
//!   generate    captures of made-up traffic, for tests and measurements
//! ```
//!
//! A capture is a stored stream. Its unit is the body of a transport frame, kept with its digest and
//! with free room in front, so a replay that filters nothing copies nothing, parses nothing and hashes
//! nothing: a block is read, headers are written into the room, and slices of it go to the socket.
#![forbid(unsafe_code)]

pub mod capture;
pub mod disk;
pub mod generate;
pub mod past;
pub mod record;
