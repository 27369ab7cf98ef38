use super::*;

#[test]
fn decodes_what_it_encodes_and_nothing_else() {
    let trailer = StreamTrailer { content_digest: "00ff".to_owned(), messages: u64::MAX };
    assert_eq!(StreamTrailer::decode(&trailer.encode()), Some(trailer));
    for other in [&b""[..], b"{}", b"[1]", b"\xff\x00", b"{\"messages\":1}"] {
        assert_eq!(StreamTrailer::decode(other), None);
    }
}
