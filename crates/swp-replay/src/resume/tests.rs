use super::*;

fn origin() -> Origin {
    Origin {
        session: SessionId(u64::MAX),
        epoch: 1,
        peer: PeerId(0x0123_4567_89ab_cdef),
        first: 3,
        first_bytes: 50_000,
    }
}

#[test]
fn what_is_kept_beside_a_capture_can_be_read_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("copy.dat");
    origin().write(&path).expect("it is written");
    let resume = Origin::read(&path).expect("it is read").after(10, 1_000).expect("it fits");
    assert_eq!(
        (resume.session, resume.epoch, resume.peer),
        (SessionId(u64::MAX), 1, origin().peer)
    );
    assert_eq!((resume.next.get(), resume.next_bytes), (13, 51_000));
    forget(&path);
    assert!(matches!(Origin::read(&path), Err(Error::Incomplete(_))));
}

#[test]
fn other_text_is_refused() {
    for text in ["", "{}", "[]", r#"{"session":"x","epoch":1}"#, r#"{"session":7}"#] {
        assert!(Origin::parse(text).is_none(), "{text}");
    }
    assert!(origin().after(u64::MAX, 0).is_none());
    assert!(origin().after(0, u64::MAX).is_none());
}

#[test]
fn the_origin_follows_from_where_a_consumer_stood_after_its_first_frame() {
    let after = origin().after(1, 700).expect("it fits");
    let found = Origin::new(&after, 700);
    assert_eq!((found.first, found.first_bytes), (3, 50_000));
    assert_eq!(found.taken_over(PeerId(9)).peer, PeerId(9));
}

#[test]
fn a_file_that_is_not_there_or_whole_is_not_gone_on_with() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("copy.dat");
    assert!(matches!(open(&path), Ok(Found::Nothing)));
    let writer = CaptureWriter::create(&path, WriterOptions::default()).expect("it is made");
    writer.finish(swp_replay::capture::Ending::default()).expect("it is finished");
    assert!(matches!(open(&path), Ok(Found::Whole)));
}
