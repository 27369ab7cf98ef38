use super::{LOCK, field, locked, memory_bytes};

#[test]
fn fields_of_proc_files() {
    let text = "processor\t: 0\nmodel name\t: Some CPU: 2 GHz\n";
    assert_eq!(field(text, "model name").as_deref(), Some("Some CPU: 2 GHz"));
    assert_eq!(field(text, "model"), None);
    assert_eq!(memory_bytes("MemFree: 1 kB\nMemTotal:       16 kB\n"), Some(16 << 10));
}

#[test]
fn versions_come_from_the_lock_file() {
    assert_eq!(locked(LOCK, "swp-bench"), [env!("CARGO_PKG_VERSION")]);
    assert_eq!(locked(LOCK, "async-nats").len(), 2);
    assert!(locked(LOCK, "no such crate").is_empty());
}
