use super::*;

fn summary(rss_kib: impl Fn(u64) -> u64, files: impl Fn(u64) -> u64) -> Summary {
    let mut samples = Samples::default();
    for second in 0..100 {
        let (rss_kib, files) = (rss_kib(second), files(second));
        let point = Point { at_s: second as f64, rss_kib, peak_kib: rss_kib, files };
        samples.take("x".to_owned(), 1, point);
    }
    samples.summaries().remove(0)
}

#[test]
fn flat_is_told_from_growing() {
    let flat = summary(|second| 20_000 + second % 7 * 100, |second| 10 + second % 2);
    assert!(flat.rss_flat && flat.files_flat, "{flat:?}");
    assert_eq!((flat.lives, flat.samples, flat.series.len()), (1, 100, 10));
    let growing = summary(|second| 20_000 + second * 200, |second| 10 + second / 10);
    assert!(!growing.rss_flat && !growing.files_flat, "{growing:?}");
    assert_eq!(growing.rss_first_kib, 22_000, "the first ten seconds are warming up");
}

#[test]
fn this_process_can_be_looked_at() {
    let point = look(std::process::id(), 1.0).unwrap();
    assert!(point.rss_kib > 100 && point.peak_kib >= point.rss_kib && point.files >= 3);
    assert!(look(u32::MAX, 1.0).is_none());
}
