//! Tests of the whole wire format: its exact bytes, and its decoders under hostile input. The tests
//! of a single file stand beside that file.

pub(super) mod arb;
mod golden;
mod hostile;
mod keyed;
mod memory;
