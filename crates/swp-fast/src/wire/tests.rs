//! Tests of the wire as a whole: its exact bytes, and what hostile bytes can do to it. What concerns
//! one file is tested beside that file.

pub(super) mod arb;
mod golden;
mod hostile;
mod keyed;
mod memory;
