use std::fs;

use tempfile::NamedTempFile;

use super::{LOG_BYTES_MAX, TAIL_LINES, read_from, tail_from};

#[test]
fn the_tail_is_the_last_lines_from_the_start_asked_for() {
    let file = NamedTempFile::new().unwrap();
    let text: String = (0..100).map(|line| format!("line {line:02}\n")).collect();
    fs::write(file.path(), &text).unwrap();

    let tail = tail_from(file.path(), 0);
    assert_eq!(tail.lines().count(), TAIL_LINES);
    assert!(tail.starts_with("line 80\n") && tail.ends_with("line 99"), "{tail}");

    let only_two = u64::try_from(text.find("line 98").unwrap()).unwrap();
    assert_eq!(tail_from(file.path(), only_two), "line 98\nline 99");
}

#[test]
fn an_empty_or_missing_log_says_so() {
    let file = NamedTempFile::new().unwrap();
    assert_eq!(tail_from(file.path(), 0), "(nothing was logged)");
    let path = file.path().to_owned();
    drop(file);
    assert!(tail_from(&path, 0).starts_with("(the log cannot be read:"));
}

#[test]
fn a_long_log_is_read_from_its_end_within_the_bound() {
    let file = NamedTempFile::new().unwrap();
    let bound = usize::try_from(LOG_BYTES_MAX).unwrap();
    fs::write(file.path(), "x".repeat(bound) + "the end").unwrap();
    let text = read_from(file.path(), 0).unwrap();
    assert_eq!(text.len(), bound);
    assert!(text.ends_with("the end"));
}
