use super::{Cell, Outcome, Peer, System, render};

fn outcome(sent: u64, received: u64, seconds: f64) -> Outcome {
    Outcome { sent, received, seconds, retransmits: 0 }
}

#[test]
fn medians_ratios_and_losses_are_shown() {
    let systems = System::all(&[Peer::Raw, Peer::Relay], &[]);
    let raw: Cell =
        vec![outcome(1000, 1000, 1.0), outcome(1000, 900, 9.0), outcome(1000, 1000, 1.0)];
    let relay: Cell = vec![outcome(1000, 1000, 0.5)];
    let shown = render(&systems, &[(64, vec![raw, relay]), (16 << 20, vec![vec![], vec![]])]);
    let rows: Vec<&str> = shown.lines().skip(2).collect();
    assert_eq!(rows[0], "| 64 B | 1.0 k (0), 1.00 | 2.0 k (0), 2.00 | raw 100 of 3000 |");
    assert_eq!(rows[1], "| 16 MiB | - | - | 0 |");
}
