use super::{new, text};

#[test]
fn the_text_ends_with_the_maximum_at_one_hundred_percent() {
    let mut times = new().unwrap();
    for us in 1..=1000_u64 {
        times.record(us * 1000).unwrap();
    }
    let text = text(&times);
    let rows: Vec<Vec<&str>> = text
        .lines()
        .skip(2)
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.split_whitespace().collect())
        .collect();
    let last = rows.last().unwrap();
    assert_eq!((last[1], last[2], last.len()), ("1.000000000000", "1000", 3));
    let median = rows.iter().find(|row| row[1].starts_with("0.500000")).unwrap();
    let us: f64 = median[0].parse().unwrap();
    assert!((495.0..505.0).contains(&us), "{us}");
    assert!(text.contains("Total count    =         1000]"));
}
