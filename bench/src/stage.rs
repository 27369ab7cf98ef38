//! Where all peers are measured: one broker, one runtime, and captures that are made once.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use nats_child::NatsServer;
use swp_replay::capture::{CaptureWriter, Ending, WriterOptions};
use swp_replay::generate::{GenerateOptions, generate};
use tokio::runtime::Runtime;

use crate::Failure;

/// Publisher and consumer share a runtime, as in a program that does both. Two workers for two cores;
/// beyond eight nothing is gained by a handful of tasks.
fn workers() -> usize {
    std::thread::available_parallelism().map_or(2, usize::from).clamp(2, 8)
}

/// The runtime of a measurement, with as many workers for every peer.
pub(crate) fn runtime() -> Result<Runtime, Failure> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    Ok(builder.worker_threads(workers()).enable_all().build()?)
}

/// Writes a capture of `count` messages with payloads of `size` bytes; it is on the disk when this returns.
pub(crate) fn write_capture(
    path: &Path,
    size: usize,
    count: u64,
    block_bytes: usize,
) -> Result<(), Failure> {
    let options = WriterOptions { block_bytes, ..WriterOptions::default() };
    let mut writer = CaptureWriter::create(path, options)?;
    let options = GenerateOptions {
        messages: count,
        min_bytes: size,
        max_bytes: size,
        ..GenerateOptions::default()
    };
    generate(&options, &mut writer)?;
    writer.finish(Ending::default())?;
    Ok(())
}

/// Brokers, runtime and captures of a run.
pub(crate) struct Stage {
    pub(crate) runtime: Runtime,
    plain: NatsServer,
    /// A server of its own, so that what JetStream keeps in memory slows down or speeds up nobody else.
    /// Idle servers cost nothing. Started when first asked for.
    jetstream: Option<NatsServer>,
    /// By block size, message size and count.
    captures: BTreeMap<(usize, usize, u64), PathBuf>,
    folder: tempfile::TempDir,
}

impl Stage {
    pub(crate) fn new() -> Result<Stage, Failure> {
        Ok(Stage {
            runtime: runtime()?,
            plain: NatsServer::start()?,
            jetstream: None,
            captures: BTreeMap::new(),
            folder: tempfile::Builder::new().prefix("swp-bench-").tempdir()?,
        })
    }

    /// The broker of everything but JetStream.
    pub(crate) fn url(&self) -> &str {
        self.plain.url()
    }

    pub(crate) fn port(&self) -> u16 {
        self.plain.port()
    }

    /// The process of that broker.
    pub(crate) fn broker_pid(&self) -> u32 {
        self.plain.pid()
    }

    /// The broker of JetStream.
    pub(crate) fn jetstream_url(&mut self) -> Result<String, Failure> {
        if self.jetstream.is_none() {
            self.jetstream = Some(NatsServer::builder().jetstream().start()?);
        }
        Ok(self.jetstream.as_ref().map(|server| server.url().to_owned()).unwrap_or_default())
    }

    /// A capture of `count` messages with payloads of `size` bytes, made when first asked for, and on the
    /// disk (synced) when this returns.
    pub(crate) fn capture(
        &mut self,
        size: usize,
        count: u64,
        block_bytes: Option<usize>,
    ) -> Result<PathBuf, Failure> {
        let block_bytes = block_bytes.unwrap_or(WriterOptions::default().block_bytes);
        let key = (block_bytes, size, count);
        if let Some(path) = self.captures.get(&key) {
            return Ok(path.clone());
        }
        let path = self.folder.path().join(format!("{block_bytes}-{size}-{count}.dat"));
        write_capture(&path, size, count, block_bytes)?;
        self.captures.insert(key, path.clone());
        Ok(path)
    }

    /// Removes the captures, which can be large.
    pub(crate) fn drop_captures(&mut self) -> Result<(), Failure> {
        for path in std::mem::take(&mut self.captures).into_values() {
            std::fs::remove_file(path)?;
        }
        Ok(())
    }
}
