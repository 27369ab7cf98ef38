use super::*;

fn refused() -> Option<io::Result<()>> {
    Some(Err(io::Error::from_raw_os_error(1)))
}

#[test]
fn auto_falls_back_to_pread_and_says_why() {
    let Ok(Chosen::Pread { why: Some(why) }) = choose(Engine::Auto, refused()) else {
        panic!("auto falls back");
    };
    assert!(why.starts_with("io_uring cannot be used here: "), "{why}");
    let report = EngineReport { engine: Engine::Pread, direct: true, why: Some(why) };
    assert!(report.to_string().starts_with("pread, direct (io_uring cannot"));
}

#[test]
fn demanded_io_uring_that_is_refused_is_an_error() {
    assert!(matches!(choose(Engine::Uring, refused()), Err(DiskError::NoUring(_))));
}

#[test]
fn auto_uses_a_ring_where_there_is_one() {
    assert!(matches!(choose(Engine::Auto, Some(Ok(()))), Ok(Chosen::Uring(()))));
}

#[test]
fn demanded_pread_needs_no_reason() {
    assert!(matches!(choose::<()>(Engine::Pread, None), Ok(Chosen::Pread { why: None })));
}

#[test]
fn engine_names_parse_to_their_engines() {
    for engine in [Engine::Auto, Engine::Uring, Engine::Pread] {
        assert_eq!(engine.to_string().parse(), Ok(engine));
    }
    assert!("aio".parse::<Engine>().is_err());
}
