//! Of made-up measurements, which are in no results.

use std::path::Path;

use super::data::Data;
use super::front::{self, Placed};
use super::stats::{Spread, bytes, count, duration, number, spread};
use super::summary::Summary;
use super::targets::{self, Target};
use super::{ReportError, page, write_report};

/// The page that the measurements below make. `SWP_SNAPSHOT=write` accepts a new one.
const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/report/tests/golden.md");

fn put(dir: &Path, name: &str, lines: &[String]) {
    std::fs::write(dir.join(name), lines.join("\n")).unwrap();
}

fn rate(peer: &str, size: usize, round: usize, per_s: u64, lost: u64) -> String {
    format!(
        r#"{{"peer":"{peer}","size":{size},"round":{round},"sent":{},"received":{per_s},"seconds":1.0,"retransmits":0}}"#,
        per_s + lost
    )
}

fn latency(peer: &str, kind: &str, scale: u64, received: u64) -> String {
    format!(
        r#"{{"peer":"{peer}",{kind},"size":64,"round":0,"sent":1000,"received":{received},"p50_ns":{},"p90_ns":{},"p99_ns":{},"p999_ns":{},"max_ns":{}}}"#,
        scale,
        2 * scale,
        4 * scale,
        8 * scale,
        16 * scale
    )
}

/// A run of each mode, small enough to check the page by hand.
fn measured() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path();
    let throughput = [
        // An even number of rounds, and a lossy one.
        rate("raw", 64, 0, 900_000, 0),
        rate("raw", 64, 1, 1_100_000, 1_000),
        rate("swp", 64, 0, 8_000_000, 0),
        rate("swp", 64, 1, 10_000_000, 0),
        rate("jetstream", 64, 0, 100_000, 0),
        rate("raw", 256, 0, 600_000, 0),
        rate("swp", 256, 0, 1_800_000, 0),
    ];
    put(path, "throughput.jsonl", &throughput);
    let closed = r#""kind":"closed""#;
    let open = |percent: u32| format!(r#""kind":"open","percent_of_raw":{percent},"rate":50000.0"#);
    let latencies = [
        latency("raw", closed, 300_000, 1000),
        latency("swp", closed, 270_000, 1000),
        latency("raw", &open(80), 1_000_000, 1000),
        latency("swp", &open(80), 600_000, 1000),
        latency("raw", &open(120), 9_000_000, 800),
        latency("swp", &open(120), 9_000_000, 1000),
    ];
    put(path, "latency.jsonl", &latencies);
    let fanout = |peer: &str, each: u64| {
        format!(
            r#"{{"peer":"{peer}","size":64,"consumers":4,"slow":false,"round":0,"sent":{each},"received":[{each},{each},{each},{each}],"seconds":2.0,"retransmits":0,"group_retransmits":0}}"#
        )
    };
    put(path, "fanout.jsonl", &[fanout("raw", 500_000), fanout("swp", 2_500_000)]);
    let replay = |kind: &str, source: &str, engine: &str, cache: &str, direct: bool, bytes: u64| {
        format!(
            r#"{{"kind":"{kind}","source":"{source}","engine":"{engine}","cache":"{cache}","direct":{direct},"reads_in_flight":8,"block_bytes":1048576,"size":1024,"round":0,"bytes":{bytes},"seconds":1.0}}"#
        )
    };
    let replays = [
        replay("stream", "disk", "uring", "warm", false, 880_000_000),
        replay("stream", "memory", "", "", false, 800_000_000),
        replay("stream", "disk", "uring", "cold", true, 600_000_000),
        replay("stream", "disk", "pread", "cold", false, 300_000_000),
        replay("read", "disk", "uring", "cold", true, 930_000_000),
        replay("read", "disk", "pread", "cold", true, 310_000_000),
    ];
    put(path, "replay.jsonl", &replays);
    let late = |phase: usize, messages: u64, late_messages: u64| {
        let latecomer = phase % 2 == 1;
        format!(
            r#"{{"size":1024,"in_memory":true,"round":0,"phase":{phase},"latecomer":{latecomer},"messages":{messages},"late_messages":{late_messages},"seconds":1.0}}"#
        )
    };
    let mut phases: Vec<String> =
        [(600_000, 0), (600_000, 60_000), (600_000, 0), (450_000, 50_000), (600_000, 0)]
            .into_iter()
            .enumerate()
            .map(|(phase, (messages, late_messages))| late(phase, messages, late_messages))
            .collect();
    let ended =
        late(5, 100_000, 10_000).replace(r#""messages""#, r#""discarded":"ended","messages""#);
    phases.push(ended);
    put(path, "latecomer.jsonl", &phases);
    let cpu = r#"{"peer":"swp","integrity":"crc32c","size":1024,"round":0,"process":"broker","user_s":0.25,"system_s":0.5,"bytes":500000000,"messages":500000}"#;
    put(path, "cpu.jsonl", &[cpu.to_owned()]);
    let micro = r#"{"name":"try_send, sending/64 B","count":1,"unit":"element","median_ns":42.5,"low_ns":40.0,"high_ns":45.0}"#;
    let ratio = r#"{"name":"4,096 in flight to 64/sender, in order","count":1,"unit":"","median_ns":1.05,"low_ns":1.01,"high_ns":1.25}"#;
    put(path, "micro.jsonl", &[micro.to_owned(), ratio.to_owned()]);
    let run = r#"{"date":"2026-01-02T03:04:05Z","machine":{"cpu":"A processor","cores":2,"memory_bytes":8589934592,"kernel":"Linux 6.18"},"versions":{"nats-server":"2.14.0"},"commands":["swp-bench throughput"]}"#;
    put(path, "run.json", &[run.to_owned()]);
    dir
}

#[test]
fn a_median_is_the_middle_of_what_is_finite() {
    assert_eq!(spread([]), None);
    assert_eq!(spread([3.0, 1.0, 2.0]), Some(Spread { median: 2.0, min: 1.0, max: 3.0 }));
    assert_eq!(spread([4.0, 1.0, 2.0, 3.0]).unwrap().median, 2.5);
    assert_eq!(spread([f64::NAN, 7.0, f64::INFINITY]).unwrap().median, 7.0);
}

#[test]
fn numbers_are_written_as_people_read_them() {
    let written = [0.0, 1.004, 12.34, 123.4, 1234.0, 1_234_567.0].map(number);
    assert_eq!(written, ["0", "1.00", "12.3", "123", "1,234", "1,234,567"]);
    assert_eq!([0, 7, 1_234_567].map(count), ["0", "7", "1,234,567"]);
    assert_eq!([64, 1000, 1024, 16 << 20].map(bytes), ["64 B", "1000 B", "1 KiB", "16 MiB"]);
    assert_eq!(
        [900.0, 1500.0, 2.5e6, 3e9].map(duration),
        ["900 ns", "1.50 us", "2.50 ms", "3.00 s"]
    );
}

#[test]
fn the_page_is_the_one_that_was_accepted() {
    let dir = measured();
    let data = Data::read(dir.path()).unwrap();
    let page = page::render("2026-01-02-2core", &data, &Summary::new(&data), &[]);
    if std::env::var_os("SWP_SNAPSHOT").is_some_and(|what| what == "write") {
        std::fs::write(GOLDEN, &page).unwrap();
    }
    let golden = std::fs::read_to_string(GOLDEN).unwrap();
    for (ours, theirs) in page.lines().zip(golden.lines()) {
        assert_eq!(ours, theirs, "SWP_SNAPSHOT=write accepts the new page");
    }
    assert_eq!(page.lines().count(), golden.lines().count());
}

fn find<'a>(targets: &'a [Target], what: &str) -> &'a Target {
    let found = targets.iter().find(|target| target.what.contains(what));
    found.unwrap_or_else(|| panic!("no target of {what} in {targets:#?}"))
}

#[test]
fn targets_are_judged_by_medians() {
    let dir = measured();
    let targets = targets::evaluate(&Summary::new(&Data::read(dir.path()).unwrap()));
    let judged = |what| (find(&targets, what).value, find(&targets, what).reached());
    // 9 M to 1 M; of rounds without integrity, which were blake3.
    assert_eq!(judged("64 B: swp (blake3) to raw"), (Some(9.0), Some(true)));
    assert_eq!(judged("64 B: swp (blake3) to jetstream"), (Some(90.0), Some(true)));
    assert_eq!(judged("256 B: swp (blake3) to raw"), (Some(3.0), Some(false)));
    assert_eq!(judged("1 KiB: swp (blake3) to raw"), (None, None));
    assert_eq!(judged("p50 of swp"), (Some(0.9), Some(true)));
    assert_eq!(judged("80 %"), (Some(0.6), Some(false)));
    assert_eq!(judged("120 %"), (Some(0.0), Some(true)));
    assert_eq!(judged("one to 4"), (Some(5.0), Some(true)));
    assert_eq!(judged("replay, warm"), (Some(1.1), Some(true)));
    assert_eq!(judged("replay, cold"), (Some(2.0), Some(true)));
    // 1 and 0.75.
    assert_eq!(judged("1 KiB: what others keep"), (Some(0.875), Some(true)));
    assert_eq!(judged("try_send"), (Some(42.5), Some(true)));
}

#[test]
fn a_huge_message_that_was_lost_was_not_delivered() {
    let dir = tempfile::tempdir().unwrap();
    let evaluate = |lost| {
        let lines = [rate("swp", 16 << 20, 0, 60, lost), rate("swp", 512 << 10, 0, 1600, 0)];
        put(dir.path(), "throughput.jsonl", &lines);
        targets::evaluate(&Summary::new(&Data::read(dir.path()).unwrap()))
    };
    assert_eq!(find(&evaluate(0), "16 MiB").value, Some(1.2));
    assert_eq!(find(&evaluate(1), "16 MiB").value, None);
}

#[test]
fn results_of_before_there_were_latecomers_are_shown_without() {
    let dir = measured();
    std::fs::remove_file(dir.path().join("latecomer.jsonl")).unwrap();
    let data = Data::read(dir.path()).unwrap();
    let summary = Summary::new(&data);
    let targets = targets::evaluate(&summary);
    let target = find(&targets, "what others keep of their pace beside a latecomer");
    assert_eq!((target.value, target.verdict()), (None, "not measured"));
    assert!(!page::render("old", &data, &summary, &[]).contains("## Latecomers"));
}

#[test]
fn everything_is_written_and_every_plot_is_drawn() {
    let dir = measured();
    let written = write_report(dir.path(), None).unwrap();
    let names: Vec<_> =
        written.iter().map(|path| path.file_name().unwrap().to_str().unwrap()).collect();
    let plots = [
        "throughput-messages.svg",
        "throughput-ratio.svg",
        "throughput-bytes.svg",
        "latency.svg",
        "fanout.svg",
        "replay.svg",
        "replay-disk.svg",
    ];
    assert_eq!(names[..plots.len()], plots);
    assert_eq!(names[plots.len()..], ["README.md"]);
    for plot in plots {
        let svg = std::fs::read_to_string(dir.path().join(plot)).unwrap();
        assert!(svg.starts_with("<svg") && svg.contains("raw") | svg.contains("pread"), "{plot}");
        assert!(!svg.contains("NaN"), "{plot}");
    }
}

#[test]
fn what_cannot_be_read_is_named() {
    let dir = tempfile::tempdir().unwrap();
    assert!(matches!(write_report(dir.path(), None), Err(ReportError::Empty(_))));
    put(dir.path(), "throughput.jsonl", &[rate("raw", 64, 0, 1, 0), "{}".to_owned()]);
    let error = write_report(dir.path(), None).unwrap_err().to_string();
    assert!(error.contains("throughput.jsonl, line 2: "), "{error}");
    let nowhere = write_report(&dir.path().join("nowhere"), None).unwrap_err();
    assert!(matches!(nowhere, ReportError::Empty(_)), "{nowhere}");
}

#[test]
fn criterion_s_estimates_are_collected() {
    let dir = measured();
    let criterion = tempfile::tempdir().unwrap();
    let one = criterion.path().join("protocol/sender/new");
    std::fs::create_dir_all(&one).unwrap();
    put(
        &one,
        "benchmark.json",
        &[r#"{"full_id":"protocol/sender","throughput":{"Elements":4}}"#.to_owned()],
    );
    let estimate = r#"{"median":{"point_estimate":80.0,"confidence_interval":{"lower_bound":70.0,"upper_bound":90.0}}}"#;
    put(&one, "estimates.json", &[estimate.to_owned()]);
    write_report(dir.path(), Some(criterion.path())).unwrap();
    let summary = Summary::new(&Data::read(dir.path()).unwrap());
    assert_eq!(summary.micro_ns("protocol/sender"), Some(20.0));
    assert_eq!(summary.micro.len(), 1, "what was there before is replaced");
}

const FRONT: &str = "# Results\n\n<!-- newest run: a -->\nold\n<!-- end of the newest run -->\n\n\
    ## Older runs\n\ntext\n";

fn placed(page: &str, name: &str) -> String {
    match front::place(page, name, "new\n") {
        Some(Placed::Changed(page)) => page,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_new_run_takes_the_first_place_and_the_old_one_is_listed() {
    let page = placed(FRONT, "b");
    assert_eq!(
        page,
        "# Results\n\n<!-- newest run: b -->\nnew\n<!-- end of the newest run -->\n\n\
         ## Older runs\n\n- [a](a/README.md)\n\ntext\n"
    );
    let page = placed(&page, "c");
    assert!(page.ends_with("\n\n- [b](b/README.md)\n- [a](a/README.md)\n\ntext\n"), "{page}");
    // The same run again changes nothing but its own section.
    assert_eq!(placed(&page, "c"), page);
}

#[test]
fn an_older_run_leaves_the_front_page_alone() {
    assert_eq!(front::place(FRONT, "0", "new\n"), Some(Placed::Older));
    assert_eq!(front::place("# Results\n", "b", "new\n"), None);
    let empty = FRONT.replace(" a ", " ");
    assert!(!placed(&empty, "b").contains("- ["));
}
