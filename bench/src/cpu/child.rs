//! A publisher or consumer in a process of its own: this program again, with a hidden subcommand.
//!
//! ```text
//!   child:  "ready\n"                  "<count>\n"              exits
//!   parent:           "go\n"                        closes stdin
//! ```

use std::io::{BufRead, BufReader, Write};
use std::process::{self, ChildStdin, ChildStdout, Command, Stdio};

use clap::{Args, ValueEnum};
use swp_fast::wire::Integrity;
use tokio::runtime::Runtime;

use crate::Failure;
use crate::peers::{Load, Peer, raw, swp};
use crate::stage;

const SUBJECT: &str = "bench.cpu";
const STREAM: &str = "bench-cpu";

/// Which end a process is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Publisher,
    Consumer,
}

impl Role {
    fn name(self) -> &'static str {
        match self {
            Role::Publisher => "publisher",
            Role::Consumer => "consumer",
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct Options {
    #[arg(long)]
    pub(super) peer: Peer,
    #[arg(long)]
    pub(super) server: String,
    #[arg(long)]
    pub(super) size: u64,
    #[arg(long)]
    pub(super) count: u64,
    #[arg(long)]
    pub(super) integrity: Integrity,
}

impl Options {
    fn load(&self) -> Result<Load, Failure> {
        let size = usize::try_from(self.size)?;
        Ok(Load { size, count: self.count, limit: std::time::Duration::MAX })
    }
}

/// The parent's side of a child.
pub(super) struct Child {
    role: Role,
    process: process::Child,
    to: Option<ChildStdin>,
    from: BufReader<ChildStdout>,
}

impl Child {
    pub(super) fn spawn(role: Role, options: &Options) -> Result<Child, Failure> {
        let peer = options.peer.to_possible_value().ok_or("this peer has no name")?;
        let mut process = Command::new(std::env::current_exe()?)
            .arg(role.name())
            .args(["--peer", peer.get_name(), "--server", &options.server])
            .args(["--size", &options.size.to_string(), "--count", &options.count.to_string()])
            .args(["--integrity", &options.integrity.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let to = process.stdin.take();
        let from = process.stdout.take().ok_or("a child without stdout")?;
        Ok(Child { role, process, to, from: BufReader::new(from) })
    }

    pub(super) fn pid(&self) -> u32 {
        self.process.id()
    }

    /// What it says next.
    fn line(&mut self) -> Result<String, Failure> {
        let mut line = String::new();
        if self.from.read_line(&mut line)? == 0 {
            return Err(format!("the {} ended before its time", self.role.name()).into());
        }
        Ok(line.trim_end().to_owned())
    }

    /// Waits until it is connected, and has joined.
    pub(super) fn ready(&mut self) -> Result<(), Failure> {
        match self.line()?.as_str() {
            "ready" => Ok(()),
            other => Err(format!("the {} said '{other}'", self.role.name()).into()),
        }
    }

    pub(super) fn go(&mut self) -> Result<(), Failure> {
        let to = self.to.as_mut().ok_or("a child without stdin")?;
        Ok(to.write_all(b"go\n")?)
    }

    /// Waits until it is through. How many messages it sent or received.
    pub(super) fn count(&mut self) -> Result<u64, Failure> {
        Ok(self.line()?.parse()?)
    }

    /// Lets it end.
    pub(super) fn end(mut self) -> Result<(), Failure> {
        self.to = None;
        match self.process.wait()? {
            status if status.success() => Ok(()),
            status => Err(format!("the {} failed: {status}", self.role.name()).into()),
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // After `end` there is nothing to kill, which is no error that matters.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The child's side.
pub(crate) fn run(role: Role, options: &Options) -> Result<(), Failure> {
    let runtime = stage::runtime()?;
    let count = match (options.peer, role) {
        (Peer::Raw, Role::Publisher) => raw_publisher(&runtime, options)?,
        (Peer::Raw, Role::Consumer) => raw_consumer(&runtime, options)?,
        (Peer::Swp, Role::Publisher) => swp_publisher(&runtime, options)?,
        (Peer::Swp, Role::Consumer) => swp_consumer(&runtime, options)?,
        (peer, _) => return Err(format!("{} has no process of its own", peer.name()).into()),
    };
    println!("{count}");
    // Whoever started it looks at its times now, then closes stdin.
    wait_for_line()
}

/// Says "ready", and waits for "go".
fn ready() -> Result<(), Failure> {
    println!("ready");
    wait_for_line()
}

/// Blocks the main thread, which is none of the runtime's workers. The end of stdin is a line too.
fn wait_for_line() -> Result<(), Failure> {
    std::io::stdin().read_line(&mut String::new())?;
    Ok(())
}

fn raw_publisher(runtime: &Runtime, options: &Options) -> Result<u64, Failure> {
    let client = runtime.block_on(async_nats::connect(&options.server))?;
    ready()?;
    let load = options.load()?;
    runtime.block_on(raw::publish(&client, SUBJECT, load))?;
    Ok(load.count)
}

fn raw_consumer(runtime: &Runtime, options: &Options) -> Result<u64, Failure> {
    let load = options.load()?;
    // The whole round fits: what is wanted is the cost of a message that arrives.
    let queue = usize::try_from(load.count)?.max(raw::DEFAULT_QUEUE);
    let consumer = runtime.block_on(raw::consumer(&options.server, SUBJECT, queue))?;
    ready()?;
    let (received, _) = runtime.block_on(consumer.receive_all(load.count, raw::no_rest));
    Ok(received)
}

fn swp_publisher(runtime: &Runtime, options: &Options) -> Result<u64, Failure> {
    let joining = async {
        let publisher = swp::publisher(&options.server, STREAM, options.integrity, 1).await?;
        publisher.ready().await?;
        Ok::<_, Failure>(publisher)
    };
    let publisher = runtime.block_on(joining)?;
    ready()?;
    let load = options.load()?;
    runtime.block_on(swp::publish(&publisher, load))?;
    Ok(load.count)
}

fn swp_consumer(runtime: &Runtime, options: &Options) -> Result<u64, Failure> {
    let subscriber = runtime.block_on(swp::subscriber(&options.server, STREAM))?;
    ready()?;
    let (received, _) = runtime.block_on(swp::receive_all(subscriber))?;
    Ok(received)
}
