use swp_fast::wire::{Seq, SessionId};
use swp_replay::capture::{CaptureWriter, Ending, WriterOptions};
use swp_replay::generate::{GenerateOptions, generate};

use super::*;

#[test]
fn replay_resumes_behind_the_messages_of_the_frames_that_it_skips() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("capture");
    let options = GenerateOptions { messages: 3000, ..GenerateOptions::default() };
    let small = WriterOptions { block_bytes: 64 << 10, durable: false, ..WriterOptions::default() };
    let mut writer = CaptureWriter::create(&path, small).expect("creates");
    generate(&options, &mut writer).expect("generates");
    writer.finish(Ending::default()).expect("finishes");
    let capture = Capture::open(&path).expect("opens");
    assert!(capture.index().len() > 3, "the capture has several blocks");

    let (mut frame, mut messages) = (0, 0);
    let mut assert_start = |block: usize, in_block: usize, ended: u32| {
        let point = PublishResume {
            session: SessionId(7),
            epoch: 1,
            next: Seq::new(frame).expect("in range"),
            next_bytes: 10 * frame,
        };
        let start = StartPoint::resume(&capture, &point).expect("reads");
        let wanted = StartPoint { frame, block, in_block, messages, bytes: 10 * frame };
        assert_eq!(start, wanted);
        frame += 1;
        messages += u64::from(ended);
    };
    for (position, block) in capture.blocks(0).enumerate() {
        for (in_block, frame) in block.expect("intact").frames.iter().enumerate() {
            assert_start(position, in_block, frame.messages);
        }
    }
    // Every frame is held: the replay resumes behind the last block.
    assert_start(capture.index().len(), 0, 0);
    assert_eq!(messages, capture.totals().messages);
}
