use super::{PROCESSES, Round, Times, records, render};
use crate::peers::{Peer, System};

fn round(system: System, seconds: f64, received: u64) -> Round {
    let times = Times { user_s: seconds / 2.0, system_s: seconds / 2.0 };
    Round { system, size: 1000, times: [times; 3], sent: 1_000_000, received }
}

#[test]
fn seconds_are_told_by_the_gigabyte_and_by_the_million() {
    let systems = System::all(&[Peer::Raw], &[]);
    let shown = render(&systems, &[1000], &[round(systems[0], 1.0, 500_000)]);
    let row = shown.lines().nth(2).unwrap();
    // A consumer that got half of it spent twice as much on each byte.
    assert_eq!(row, "| 1000 B | raw | 1.00 | 1.00 | 2.00 | 3.00 | 3.00 | 1.00 | 500000 |");
}

#[test]
fn each_process_has_its_line() {
    let system = System { peer: Peer::Raw, integrity: None };
    let lines = records(&round(system, 1.0, 7), 3);
    let of: Vec<(&str, u64)> = lines.iter().map(|l| (l.process.as_str(), l.messages)).collect();
    assert_eq!(PROCESSES, ["publisher", "broker", "consumer"]);
    assert_eq!(of, [("publisher", 1_000_000), ("broker", 1_000_000), ("consumer", 7)]);
}
