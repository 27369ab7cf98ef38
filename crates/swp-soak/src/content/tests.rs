use super::*;

#[test]
fn each_message_is_its_own_and_always_the_same() {
    let content = Content { seed: 1, session: 2 };
    let mut seen = std::collections::HashSet::new();
    for n in 0..10_000 {
        let message = content.message(n);
        assert_eq!(message, content.message(n));
        assert_eq!(Content::session_of(&message), Some(2));
        assert!(seen.insert(message), "message {n} was there before");
    }
    assert_ne!(content.message(0)[8..], Content { session: 3, ..content }.message(0)[8..]);
    assert_eq!(content.message(4_999).len(), HEAD_BYTES + 300_000);
    assert_eq!(Content::session_of(b"short"), None);
}
