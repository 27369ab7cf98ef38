use std::path::Path;

use super::arguments;

#[test]
fn every_mode_writes_its_own_file_in_the_folder() {
    let told = |mode| arguments(mode, Path::new("out"), true).join(" ");
    assert_eq!(told("cpu"), "cpu --json out/cpu.jsonl --quick");
    assert_eq!(told("fanout"), "fanout --json out/fanout.jsonl --slow --quick");
    assert_eq!(told("latecomer"), "latecomer --json out/latecomer.jsonl --quick");
    assert_eq!(told("latency"), "latency --json out/latency.jsonl --hdr out/hdr --quick");
}
