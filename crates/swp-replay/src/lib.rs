//! Captures of NATS traffic: writes them, reads them back, and replays them at line rate.
//!
//! ```text
//!   disk        extents of a file into pooled, aligned buffers: io_uring, or pread
//!   record      one message of the stream and its encoding
//!   capture     the file: blocks of ready-to-send frame bodies, writer, reader, recovery
//!   past        the catch-up of late joiners, read from the capture of a replay
//!   generate    captures of generated traffic, for tests and measurements
//! ```
//!
//! The layers: `disk` knows no other module, and `capture` reads through `disk`.
//!
//! A capture is a stored stream. Its unit is the body of a transport frame, kept with its digest
//! and with free bytes in front. A replay reads a block, writes headers into the free bytes, and
//! sends slices of the block. A replay without a filter copies, parses and hashes nothing.
#![forbid(unsafe_code)]

pub mod capture;
pub mod disk;
pub mod generate;
pub mod past;
pub mod record;
