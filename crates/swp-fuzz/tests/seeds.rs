//! Replays the inputs that fuzzing kept, on any toolchain.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop where it is")]

use std::path::PathBuf;

use allocation_counter::measure;

/// Runs every kept input, each with at most `most_bytes` allocated at a time.
fn replay(target: &str, most_bytes: u64, run: impl Fn(&[u8])) {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds").join(target);
    let mut seeds: Vec<PathBuf> =
        folder.read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
    seeds.sort();
    assert!(seeds.len() >= 10, "{} has only {} seeds", folder.display(), seeds.len());
    for seed in seeds {
        let input = std::fs::read(&seed).unwrap();
        // Printed with a failure only.
        println!("{}", seed.display());
        let used = measure(|| run(&input));
        assert!(used.bytes_max <= most_bytes, "{}: {used:?}", seed.display());
    }
}

/// A frame is decoded in place, so the memory is that of the test's own lists.
#[test]
fn frame_decode() {
    replay("frame_decode", 1 << 20, swp_fuzz::frame_decode);
}

/// Four endpoints with windows of some kilobytes.
#[test]
fn session() {
    replay("session", 4 << 20, swp_fuzz::session);
}

/// Two read buffers of 256 KiB, a large one, and the test's own copies.
#[test]
fn server_ops() {
    replay("server_ops", 4 << 20, swp_fuzz::server_ops);
}

/// The buffer of the longest block that there can be (16 MiB), and the file itself.
#[test]
fn capture_read() {
    replay("capture_read", 64 << 20, swp_fuzz::capture_read);
}
