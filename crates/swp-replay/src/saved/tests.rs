use swp_replay::capture::{CaptureWriter, Ending, WriterOptions};
use swp_replay::generate::{GenerateOptions, generate};

use super::*;

fn capture(path: &Path, seed: u64) -> Capture {
    let options = GenerateOptions { messages: 100, seed, ..GenerateOptions::default() };
    let mut writer = CaptureWriter::create(path, WriterOptions::default()).expect("a file");
    generate(&options, &mut writer).expect("messages");
    writer.finish(Ending::default()).expect("a capture");
    Capture::open(path).expect("a capture")
}

fn file(path: &Path, capture: &Capture) -> SavedFile {
    let saved = Saved {
        stream: "s".to_owned(),
        capture: id(capture),
        content_digest: digest(capture),
        session: SessionId(7).to_string(),
        epoch: 3,
        next_frame: 1,
        next_byte: 16_000,
        through: 1,
        finished: false,
    };
    let file = SavedFile { path: path.to_owned(), saved, through_before: 1 };
    file.write().expect("written");
    file
}

fn refusal(path: &Path, stream: &str, capture: &Capture) -> String {
    SavedFile::open(path, stream, capture).err().expect("refused").to_string()
}

#[test]
fn a_state_is_taken_over_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let (capture, path) = (capture(&folder.path().join("c"), 1), folder.path().join("state"));
    assert!(SavedFile::open(&path, "s", &capture).expect("no error").is_none());
    file(&path, &capture);
    for epoch in [3, 4] {
        let mut found = SavedFile::open(&path, "s", &capture).expect("fits").expect("there");
        assert_eq!((found.through(), found.is_finished()), (1, false));
        let point = found.take_over().expect("taken over");
        assert_eq!((point.session, point.epoch), (SessionId(7), epoch));
        assert_eq!((point.next.get(), point.next_bytes), (1, 16_000));
    }
    let leftovers = std::fs::read_dir(folder.path()).expect("a folder").count();
    assert_eq!(leftovers, 2, "the capture and the state, and nothing else");
}

#[test]
fn a_state_of_something_else_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("state");
    let (one, two) = (capture(&folder.path().join("1"), 1), capture(&folder.path().join("2"), 2));
    let mut file = file(&path, &one);
    assert!(refusal(&path, "s", &two).contains("another capture"));
    assert!(refusal(&path, "t", &one).contains("of stream s, not t"));
    file.saved.next_frame = one.totals().frames + 1;
    file.write().expect("written");
    assert!(refusal(&path, "s", &one).contains("does not have"));
    for text in ["", "{}", "[]", "\u{0}"] {
        std::fs::write(&path, text).expect("written");
        assert!(refusal(&path, "s", &one).contains("not the saved state"), "{text}");
    }
}
