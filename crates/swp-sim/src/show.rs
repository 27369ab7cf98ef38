//! One seed: its plan, on request its trace, and its result.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::Write;
use std::rc::Rc;

use swp_fast::sim::swarm::Plan;

use crate::attempt;

/// Lines of the trace that are shown of a seed that failed.
const TAIL: usize = 60;

/// Runs one seed and prints it. Returns true if the seed passed.
pub(crate) fn one(seed: u64, trace: bool) -> bool {
    println!("seed {seed}");
    let result = attempt(|| {
        let plan = Plan::draw(seed);
        if !trace {
            println!("{plan}");
            return plan.run();
        }
        let mut out = std::io::BufWriter::new(std::io::stdout());
        // After `| head`, for example, nothing reads the rest.
        plan.run_traced(move |line| drop(writeln!(out, "{line}")))
    });
    match result {
        Ok(report) => println!(
            "seed {seed} passed: {:?} after {:?}; {} frames, {} retransmits, {} of {} copies lost, \
             {} damaged; longest time without progress once all had healed {:?} of {:?}",
            report.end,
            report.simulated,
            report.frames,
            report.retransmits,
            report.traffic.lost,
            report.traffic.copies,
            report.traffic.damaged,
            report.longest_stall,
            report.stall_bound,
        ),
        Err(what) => {
            println!("seed {seed} FAILED: {what}");
            return false;
        }
    }
    true
}

/// Prints a seed that failed: its plan, its last events, and the command that repeats it.
pub(crate) fn failure(seed: u64, what: &str) {
    let tail = Rc::new(RefCell::new(VecDeque::new()));
    let sink = Rc::clone(&tail);
    let _ = attempt(|| {
        let plan = Plan::draw(seed);
        eprintln!("\n{plan}");
        plan.run_traced(move |line| {
            let mut tail = sink.borrow_mut();
            if tail.len() == TAIL {
                tail.pop_front();
            }
            tail.push_back(line.to_owned());
        })
    });
    for line in tail.borrow().iter() {
        eprintln!("{line}");
    }
    eprintln!("seed {seed} FAILED: {}", first_line(what));
    eprintln!("repeat it: cargo run --release -p swp-sim -- --seed {seed} --trace");
}

/// The rule that was broken. The lines behind it are the state of the world.
pub(crate) fn first_line(what: &str) -> &str {
    what.lines().next().unwrap_or_default()
}
