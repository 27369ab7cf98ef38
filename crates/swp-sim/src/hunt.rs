//! Many seeds: threads run them one after the other until enough have run.

use std::io::IsTerminal;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use swp_fast::sim::swarm::{Feature, Report};

use crate::cli::Cli;
use crate::summary::Summary;
use crate::{attempt_seed, show};

/// How often a bar moves, and how often a line is printed without a terminal.
const BAR_INTERVAL: Duration = Duration::from_millis(200);
const LINE_INTERVAL: Duration = Duration::from_secs(5);

/// The result of one seed.
type Result = (u64, Vec<Feature>, std::result::Result<Report, String>);

/// The seeds that are still to be run.
struct Work {
    next: AtomicU64,
    end: u64,
    stop: AtomicBool,
    until: Option<Instant>,
}

impl Work {
    fn take(&self) -> Option<u64> {
        let late = self.until.is_some_and(|until| Instant::now() >= until);
        if late || self.stop.load(Ordering::Relaxed) {
            return None;
        }
        let seed = self.next.fetch_add(1, Ordering::Relaxed);
        (seed < self.end).then_some(seed)
    }
}

/// Runs the seeds and prints a summary. Returns true if all passed.
pub(crate) fn many(cli: &Cli) -> bool {
    let cores = || std::thread::available_parallelism().map_or(1, |cores| cores.get() as u64);
    let jobs = cli.jobs.unwrap_or_else(cores);
    let end = match cli.minutes {
        Some(_) => u64::MAX,
        None => cli.first.saturating_add(cli.seeds),
    };
    let started = Instant::now();
    let until = cli.minutes.map(|minutes| started + Duration::from_secs_f64(minutes * 60.0));
    println!("first seed {}, {jobs} threads", cli.first);
    let (next, stop) = (AtomicU64::new(cli.first), AtomicBool::new(false));
    let work = Work { next, end, stop, until };
    let mut summary = Summary::default();
    let mut failed = Vec::new();
    std::thread::scope(|scope| {
        let (results, received) = channel();
        for _ in 0..jobs {
            let (work, results) = (&work, results.clone());
            scope.spawn(move || run_seeds(work, &results));
        }
        drop(results);
        let total = cli.minutes.is_none().then_some(cli.seeds);
        collect(&received, Progress::new(total, started), |(seed, features, result)| {
            match result {
                Ok(report) => summary.add(&features, &report),
                Err(what) => {
                    failed.push((seed, what));
                    work.stop.fetch_or(!cli.keep_going, Ordering::Relaxed);
                }
            }
            (summary.seeds + failed.len() as u64, failed.len())
        });
    });
    failed.sort();
    summary.print(started.elapsed(), failed.len());
    if let Some((seed, what)) = failed.first() {
        show::failure(*seed, what);
    }
    failed.is_empty()
}

fn run_seeds(work: &Work, results: &Sender<Result>) {
    while let Some(seed) = work.take() {
        let (plan, result) = attempt_seed(seed);
        let features = plan.map(|plan| plan.features).unwrap_or_default();
        if results.send((seed, features, result)).is_err() {
            return;
        }
    }
}

/// Hands every result to `take`, which returns how many results there were and how many failed.
fn collect(
    received: &Receiver<Result>,
    mut progress: Progress,
    mut take: impl FnMut(Result) -> (u64, usize),
) {
    let mut counts = (0, 0);
    loop {
        match received.recv_timeout(progress.interval()) {
            Ok(result) => {
                if let (seed, _, Err(what)) = &result {
                    progress.say(&format!("seed {seed} FAILED: {}", show::first_line(what)));
                }
                counts = take(result);
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
        progress.show(counts);
    }
    progress.bar.finish_and_clear();
}

/// Shows progress: a bar on a terminal, a line now and then elsewhere.
struct Progress {
    bar: ProgressBar,
    lines: bool,
    started: Instant,
    shown: Instant,
}

impl Progress {
    fn new(total: Option<u64>, started: Instant) -> Progress {
        let lines = !std::io::stderr().is_terminal();
        let (bar, template) = match total {
            _ if lines => (ProgressBar::hidden(), "{msg}"),
            Some(total) => (ProgressBar::new(total), "{bar:24} {percent:>3}% {msg}"),
            None => (ProgressBar::new_spinner(), "{spinner} {msg}"),
        };
        // The templates are constants. The plain style is good enough.
        let style = ProgressStyle::with_template(template);
        let bar = bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        Progress { bar, lines, started, shown: started }
    }

    fn interval(&self) -> Duration {
        if self.lines { LINE_INTERVAL } else { BAR_INTERVAL }
    }

    /// Prints a line beside the progress.
    fn say(&self, text: &str) {
        self.bar.suspend(|| eprintln!("{text}"));
    }

    fn show(&mut self, (seeds, failed): (u64, usize)) {
        let now = Instant::now();
        if now - self.shown < self.interval() {
            return;
        }
        self.shown = now;
        let rate = seeds as f64 / (now - self.started).as_secs_f64();
        let text = format!("{seeds} seeds, {rate:.0}/s, {failed} failed");
        if self.lines {
            eprintln!("{text}");
        } else {
            self.bar.set_position(seeds);
            self.bar.set_message(text);
        }
    }
}
