use super::{Table, append, median, ratio};

#[test]
fn the_median_is_in_the_middle() {
    assert_eq!(median([]), None);
    assert_eq!(median([3.0, 1.0, 2.0]), Some(2.0));
    assert_eq!(median([4.0, 1.0, 3.0, 2.0]), Some(2.5));
}

#[test]
fn a_ratio_needs_both() {
    assert_eq!(ratio(Some(3.0), Some(2.0)), "1.50");
    assert_eq!(ratio(Some(3.0), None), "-");
    assert_eq!(ratio(Some(3.0), Some(0.0)), "-");
}

#[test]
fn a_table_is_markdown() {
    let mut table = Table::new(["size", "raw"]);
    table.row(vec!["64 B".to_owned(), "1.00".to_owned()]);
    assert_eq!(table.render(), "| size | raw |\n|---|---|\n| 64 B | 1.00 |\n");
}

#[test]
fn lines_are_appended() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lines.jsonl");
    append(Some(&path), &1).unwrap();
    append(Some(&path), &2).unwrap();
    append(None, &3).unwrap();
    assert_eq!(std::fs::read_to_string(path).unwrap(), "1\n2\n");
}
