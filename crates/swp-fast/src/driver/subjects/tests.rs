use super::*;

#[test]
fn names_that_nats_would_misread_are_refused() {
    for bad in
        ["", ".", "a.", ".a", "a..b", "a b", "a\tb", "a\n", "*", "a.>", "x*", &"n".repeat(256)]
    {
        assert!(Subjects::new(bad).is_err(), "{bad:?} was accepted");
    }
}

#[test]
fn a_subject_belongs_to_one_stream_only() {
    let outer = Subjects::new("a").expect("a valid name");
    let inner = Subjects::new("a.b").expect("a valid name");
    let id = PeerId(7);
    assert_eq!(outer.inbox(id).as_str(), "swp.peer.a.0000000000000007");
    assert_ne!(outer.data, inner.data);
    assert_ne!(outer.inbox(id), inner.inbox(id));
    // The second generation of one stream's group is not the first generation of another stream.
    let mut moved = outer.clone();
    assert_eq!(moved.group(1), outer.data);
    assert_eq!(moved.group(2).as_str(), "swp.group.a.2");
    assert_eq!(moved.group(3).as_str(), "swp.group.a.3");
    for own in [&outer.data, &outer.control, &outer.inbox(id), &moved.group(2)] {
        assert!(outer.contain(own.as_str()), "{own}");
        assert!(!inner.contain(own.as_str()), "{own}");
    }
    assert!(!outer.contain(inner.inbox(id).as_str()));
    assert!(!outer.contain("swp.peer.a") && !outer.contain("a"));
}
