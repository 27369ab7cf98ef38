//! The run: starts everything, lets it be harmed for the time asked for, heals it, and reports.

mod replay;
mod report;
mod sample;
mod schedule;
mod tally;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use clap::Args;
use nats_chaos::ChaosProxy;
use nats_child::NatsServer;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};

use crate::event::Event;
use report::Report;
use sample::Samples;
use tally::Tally;

/// What each publisher sends at most, in bytes a second: two of them to two consumers each leave one of
/// two cores for the faults.
const RATE: u64 = 8_000_000;

/// Messages of a session, at most: some 8 s at that rate, so that faults meet beginnings and ends too.
const MESSAGES: u64 = 80_000;

/// How long sessions that run may take to end once all is healed.
const WIND_DOWN: Duration = Duration::from_secs(90);

/// What the broker keeps for a consumer, and for how long: little, so that stopped ones are cut off.
const BROKER_LINES: [&str; 2] = ["max_pending: 2MB", "write_deadline: \"2s\""];

#[derive(Debug, Clone, Args)]
pub(crate) struct RunArgs {
    /// How long to run
    #[arg(long, default_value_t = 20.0)]
    minutes: f64,
    /// Seed of the schedule of faults, of the proxies, and of the content
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Folder for soak.md and soak.json; made if need be
    #[arg(long)]
    out: PathBuf,
    /// The binary of swp-replay; without it, none takes part
    #[arg(long)]
    swp_replay: Option<PathBuf>,
    /// A sentence for the report, about the machine for example
    #[arg(long)]
    note: Option<String>,
}

/// What the tasks of a run share.
#[derive(Debug, Default)]
struct Shared {
    /// The long-lived processes, by name.
    pids: Mutex<BTreeMap<String, u32>>,
    /// Faults so far, by kind.
    faults: Mutex<BTreeMap<&'static str, u64>>,
    tally: Mutex<Tally>,
    samples: Mutex<Samples>,
    /// Held while a fault lasts, and while somebody connects for the first time, which is not to fail.
    calm: tokio::sync::Mutex<()>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A node's process.
struct Node {
    name: &'static str,
    child: Child,
    /// Closed, it asks the node to end.
    stdin: Option<ChildStdin>,
}

/// What a node is to be.
struct Plan {
    name: &'static str,
    stream: &'static str,
    /// Which proxy it goes through, if any.
    proxy: Option<usize>,
    role: Role,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    /// To two consumers.
    Publisher,
    Consumer {
        slow: bool,
    },
}

const fn plan(name: &'static str, stream: &'static str, proxy: Option<usize>, role: Role) -> Plan {
    Plan { name, stream, proxy, role }
}

const STEADY: Role = Role::Consumer { slow: false };
const SLOW: Role = Role::Consumer { slow: true };

/// The nodes. Names begin with the role.
const PLANS: [Plan; 6] = [
    plan("publisher a", "soak.a", None, Role::Publisher),
    plan("consumer a1", "soak.a", None, STEADY),
    plan("consumer a2, proxied, slow at times", "soak.a", Some(0), SLOW),
    plan("publisher b, proxied", "soak.b", Some(1), Role::Publisher),
    plan("consumer b1, slow at times", "soak.b", None, SLOW),
    plan("consumer b2, proxied", "soak.b", Some(0), STEADY),
];

pub(crate) async fn run(args: RunArgs) -> Result<(), String> {
    std::fs::create_dir_all(&args.out)
        .map_err(|error| format!("{}: {error}", args.out.display()))?;
    let mut builder = NatsServer::builder().shield_from_ctrl_c();
    for line in BROKER_LINES {
        builder = builder.config_line(line);
    }
    let broker = builder.start().map_err(|error| format!("no broker: {error}"))?;
    let proxy = |n| ChaosProxy::start(broker.port(), args.seed ^ n);
    let proxies = [proxy(1), proxy(2)].into_iter().collect::<Result<Vec<_>, _>>();
    let proxies = Arc::new(proxies.map_err(|error| format!("no proxy: {error}"))?);
    let shared = Arc::new(Shared::default());
    lock(&shared.pids).insert("soak itself, with the proxies".to_owned(), std::process::id());
    lock(&shared.pids).insert("nats-server".to_owned(), broker.pid());

    let (events, told) = mpsc::channel(1024);
    let url = broker.url().to_owned();
    let mut nodes = Vec::new();
    for plan in &PLANS {
        let server = plan.proxy.map_or_else(|| url.clone(), |proxy| proxies[proxy].url());
        let node = start(plan, &server, args.seed, events.clone())?;
        lock(&shared.pids).extend(node.child.id().map(|pid| (node.name.to_owned(), pid)));
        nodes.push(node);
    }
    drop(events);
    let collecting = tokio::spawn(collect(told, Arc::clone(&shared)));
    let sampling = tokio::spawn(sample::sample(Arc::clone(&shared)));
    let (stop, stopped) = watch::channel(false);
    let servers = vec![url, proxies[0].url()];
    let harming = schedule::harm(
        schedule::Targets { broker, proxies: Arc::clone(&proxies) },
        args.seed,
        Arc::clone(&shared),
        stopped.clone(),
    );
    let harming = tokio::spawn(harming);
    let replaying = args
        .swp_replay
        .clone()
        .map(|binary| tokio::spawn(replay::replay(binary, servers, Arc::clone(&shared), stopped)));

    let started = tokio::time::Instant::now();
    let ended_by = wait(&args).await?;
    let ran = started.elapsed();
    eprintln!("{ended_by}: healing all, and ending the sessions that run");
    stop.send_replace(true);
    // The broker has to stay until everybody has ended.
    let healed = harming.await.map_err(|error| format!("the schedule failed: {error}"))?;
    wind_down(nodes, &shared).await;
    if let Some(replaying) = replaying
        && tokio::time::timeout(WIND_DOWN, replaying).await.is_err()
    {
        lock(&shared.tally).problem("swp-replay did not end".to_owned());
    }
    collecting.await.map_err(|error| format!("the tally failed: {error}"))?;
    sampling.abort();
    drop(healed);
    let counts = proxies.iter().map(ChaosProxy::counts).collect();
    let report = Report::new(&args, (ended_by, ran), &shared, counts);
    report.write(&args.out)?;
    print!("{}", report.markdown());
    if report.is_sound() { Ok(()) } else { Err("not everything was as it should be".to_owned()) }
}

/// Until the time is over, or somebody has had enough.
async fn wait(args: &RunArgs) -> Result<&'static str, String> {
    let mut terminated = signal(SignalKind::terminate()).map_err(|error| error.to_string())?;
    let time = Duration::try_from_secs_f64(args.minutes * 60.0);
    let time = time.map_err(|_| format!("--minutes {} is no time", args.minutes))?;
    Ok(tokio::select! {
        () = tokio::time::sleep(time) => "the time is over",
        _ = tokio::signal::ctrl_c() => "interrupted",
        _ = terminated.recv() => "terminated",
    })
}

fn start(
    plan: &'static Plan,
    server: &str,
    seed: u64,
    events: mpsc::Sender<(&'static Plan, Event)>,
) -> Result<Node, String> {
    let name = plan.name;
    let binary = std::env::current_exe().map_err(|error| error.to_string())?;
    let mut command = Command::new(binary);
    match plan.role {
        Role::Publisher => {
            command.args(["publish", "--consumers", "2"]);
            command.args(["--rate", &RATE.to_string(), "--messages", &MESSAGES.to_string()]);
        }
        Role::Consumer { slow } => {
            command.args(["consume", "--name", name]).args(slow.then_some("--slow"));
        }
    }
    command.args(["--server", server, "--stream", plan.stream, "--seed", &seed.to_string()]);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        // Ctrl-C is for this process, which then ends them in order.
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| format!("{name} does not start: {error}"))?;
    let stdin = child.stdin.take();
    if let Some(stdout) = child.stdout.take() {
        tokio::spawn(async move {
            let mut lines = BufReader::new(stdout).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                let event = serde_json::from_str(&line).unwrap_or_else(|error| Event::Wrong {
                    session: 0,
                    message: 0,
                    what: format!("it said {line:?}: {error}"),
                });
                if events.send((plan, event)).await.is_err() {
                    return;
                }
            }
        });
    }
    Ok(Node { name, child, stdin })
}

async fn collect(mut told: mpsc::Receiver<(&'static Plan, Event)>, shared: Arc<Shared>) {
    while let Some((plan, event)) = told.recv().await {
        if matches!(event, Event::Ended { .. } | Event::Wrong { .. }) {
            eprintln!("{}: {event:?}", plan.name);
        }
        lock(&shared.tally).take(plan.name, plan.stream, plan.role == Role::Publisher, event);
    }
}

/// Publishers first: once they have finished, the consumers have nothing left to wait for.
async fn wind_down(mut nodes: Vec<Node>, shared: &Shared) {
    for publishers in [true, false] {
        let of_kind = |node: &&mut Node| node.name.starts_with("publisher") == publishers;
        for node in nodes.iter_mut().filter(of_kind) {
            node.stdin = None;
        }
        for node in nodes.iter_mut().filter(of_kind) {
            let ended = tokio::time::timeout(WIND_DOWN, node.child.wait()).await;
            let problem = match ended {
                Ok(Ok(status)) if status.success() => continue,
                Ok(Ok(status)) => format!("{} ended with {status}", node.name),
                Ok(Err(error)) => format!("{}: {error}", node.name),
                Err(_) => format!("{} did not end within {WIND_DOWN:?}; killed", node.name),
            };
            lock(&shared.tally).problem(problem);
            let _ = node.child.kill().await;
        }
    }
}
