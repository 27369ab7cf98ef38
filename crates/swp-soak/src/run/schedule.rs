//! The faults: which comes when follows from the seed alone.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use nats_chaos::{ChaosProxy, Faults};
use nats_child::NatsServer;
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;
use rustix::process::{Pid, Signal, kill_process};
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use super::{PLANS, Shared, lock};

/// From one fault's end to the next.
const GAP_MS: std::ops::Range<u64> = 1_500..5_000;

/// Before the first: all have joined by then.
const FIRST: Duration = Duration::from_secs(3);

/// How often messages meet each fault while the network is bad.
const RATE: f64 = 0.01;

pub(super) struct Targets {
    pub(super) broker: NatsServer,
    pub(super) proxies: Arc<Vec<ChaosProxy>>,
}

struct Schedule {
    targets: Targets,
    random: Pcg64Mcg,
    shared: Arc<Shared>,
    /// When the network is to be good again.
    bad_until: Option<Instant>,
}

/// Does harm until it is told to stop; then heals everything, and gives the broker back.
pub(super) async fn harm(
    targets: Targets,
    seed: u64,
    shared: Arc<Shared>,
    mut stop: watch::Receiver<bool>,
) -> Targets {
    let random = Pcg64Mcg::seed_from_u64(seed);
    let mut schedule = Schedule { targets, random, shared, bad_until: None };
    let mut gap = FIRST;
    loop {
        tokio::select! {
            () = sleep(gap) => {}
            _ = stop.wait_for(|stop| *stop) => break,
        }
        let shared = Arc::clone(&schedule.shared);
        let _calm = shared.calm.lock().await;
        if let Err(error) = schedule.next().await {
            lock(&schedule.shared.tally).problem(format!("a fault could not be made: {error}"));
        }
        gap = schedule.time(GAP_MS);
    }
    schedule.set_network(&Faults::default());
    schedule.targets
}

impl Schedule {
    fn time(&mut self, ms: std::ops::Range<u64>) -> Duration {
        Duration::from_millis(self.random.random_range(ms))
    }

    fn note(&self, kind: &'static str) {
        eprintln!("fault: {kind}");
        *lock(&self.shared.faults).entry(kind).or_default() += 1;
    }

    /// One fault, from its beginning to its end; a bad network alone goes on beside others.
    async fn next(&mut self) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        if self.bad_until.is_some_and(|at| at <= Instant::now()) {
            self.bad_until = None;
            self.set_network(&Faults::default());
        }
        match self.random.random_range(0..10) {
            0 => {
                self.note("broker killed and restarted");
                let down = self.time(0..1_500);
                self.targets.broker.kill()?;
                sleep(down).await;
                tokio::task::block_in_place(|| self.targets.broker.restart())?;
                let pid = self.targets.broker.pid();
                lock(&self.shared.pids).insert("nats-server".to_owned(), pid);
            }
            1 => {
                self.note("broker stopped");
                let stopped = self.time(300..3_000);
                self.targets.broker.pause()?;
                sleep(stopped).await;
                self.targets.broker.resume()?;
            }
            2 | 3 => self.stop_process("consumer stopped", "consumer").await?,
            4 => self.stop_process("publisher stopped", "publisher").await?,
            5 => {
                self.note("connections cut");
                self.proxy().cut_all();
            }
            6 => {
                self.note("connections cut and refused");
                let refused = self.time(300..2_000);
                let proxy = self.random.random_range(0..2);
                self.targets.proxies[proxy].refuse(true);
                self.targets.proxies[proxy].cut_all();
                sleep(refused).await;
                self.targets.proxies[proxy].refuse(false);
            }
            7 => {
                self.note("connections stalled");
                let stalled = self.time(300..4_000);
                let proxy = self.random.random_range(0..2);
                self.targets.proxies[proxy].stall(true);
                sleep(stalled).await;
                self.targets.proxies[proxy].stall(false);
            }
            _ => self.spoil_network(),
        }
        Ok(())
    }

    fn proxy(&mut self) -> &ChaosProxy {
        let index = self.random.random_range(0..self.targets.proxies.len());
        &self.targets.proxies[index]
    }

    fn spoil_network(&mut self) {
        let (kind, faults) = match self.random.random_range(0..6) {
            0 => ("network loses", Faults { drop: RATE, ..Faults::default() }),
            1 => ("network duplicates", Faults { duplicate: RATE, ..Faults::default() }),
            2 => ("network reorders", Faults { reorder: RATE, ..Faults::default() }),
            3 => ("network corrupts", Faults { corrupt: RATE, ..Faults::default() }),
            4 => ("network delays", Faults { delay: RATE, ..Faults::default() }),
            _ => ("network does all of it", Faults::all(RATE)),
        };
        self.note(kind);
        self.set_network(&faults);
        self.bad_until = Some(Instant::now() + self.time(5_000..15_000));
    }

    fn set_network(&self, faults: &Faults) {
        for proxy in self.targets.proxies.iter() {
            proxy.set_faults(faults.clone());
        }
    }

    /// Stops one of the nodes whose name begins with `role`, for less than it takes to be given up.
    async fn stop_process(&mut self, kind: &'static str, role: &str) -> io::Result<()> {
        let names: Vec<&str> =
            PLANS.iter().map(|plan| plan.name).filter(|name| name.starts_with(role)).collect();
        let name = names[self.random.random_range(0..names.len())];
        let stopped = self.time(300..5_000);
        let pid = lock(&self.shared.pids).get(name).copied();
        let pid = pid.and_then(|pid| Pid::from_raw(pid as i32));
        let pid = pid.ok_or_else(|| io::Error::other(format!("{name} has no process")))?;
        self.note(kind);
        kill_process(pid, Signal::STOP)?;
        sleep(stopped).await;
        Ok(kill_process(pid, Signal::CONT)?)
    }
}
