//! One round: a replay, its first consumer, and the latecomers that come and go beside it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use swp_fast::wire::Integrity;
use swp_fast::{LateJoin, PublishConfig, Publisher, ReceiveError};
use swp_replay::capture::Capture;
use swp_replay::disk::DiskOptions;
use swp_replay::past;
use tokio::sync::{oneshot, watch};
use tokio::task::{JoinError, JoinHandle};

use super::late;
use crate::Failure;
use crate::peers::{self, replay, swp};
use crate::record::Discarded;

const STREAM: &str = "bench-late";

/// Not measured, before a phase alone: what is still under way to a latecomer that left is a window of 16 MiB
/// at most, some 30 ms at line rate.
const SETTLE: Duration = Duration::from_millis(100);

/// What was seen in a phase.
#[derive(Debug)]
pub(super) struct Phase {
    pub(super) latecomer: bool,
    pub(super) discarded: Option<Discarded>,
    pub(super) messages: u64,
    pub(super) late_messages: u64,
    pub(super) seconds: f64,
}

type First = JoinHandle<Result<(u64, Instant), ReceiveError>>;

/// A replay, as it is watched.
struct Round<'a> {
    url: &'a str,
    publisher: &'a Publisher,
    /// Messages of the capture.
    total: u64,
    length: Duration,
    first: First,
    /// Messages that the first consumer has read.
    seen: Arc<AtomicU64>,
}

/// Replays the capture once, and watches phases of this length until it is through.
pub(super) async fn round(
    url: &str,
    capture: &Capture,
    length: Duration,
) -> Result<Vec<Phase>, Failure> {
    let mut config = PublishConfig::with_integrity(Integrity::Blake3);
    config.late_join = LateJoin::FromStart;
    let endpoint = swp::endpoint(url).await?;
    let past = past::open(capture, false);
    let publisher = endpoint.publish_rewindable(STREAM, config, past).await?;
    let subscriber = swp::subscriber(url, STREAM).await?;
    publisher.ready().await?;
    let seen = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&seen);
    let first = tokio::spawn(async move {
        let (mut received, mut sum) = (0, 0_u64);
        let each = |message: &[u8]| {
            sum = sum.wrapping_add(peers::read(message));
            received += 1;
            counter.store(received, Ordering::Relaxed);
        };
        let result = swp::receive(subscriber, each).await;
        std::hint::black_box(sum);
        result
    });
    let total = capture.totals().messages;
    let mut round = Round { url, publisher: &publisher, total, length, first, seen };
    // The capture was just written, or read in the round before: it is in memory anyway.
    let options = DiskOptions { direct: false, ..DiskOptions::default() };
    let (phases, ()) = tokio::try_join!(round.watch(), replay::play(&publisher, capture, options))?;
    Ok(phases)
}

impl Round<'_> {
    async fn watch(&mut self) -> Result<Vec<Phase>, Failure> {
        let mut phases: Vec<Phase> = Vec::new();
        loop {
            let phase = match phases.len() % 2 {
                0 => self.alone().await?,
                _ => self.beside().await?,
            };
            let ended = phase.discarded == Some(Discarded::Ended);
            phases.push(phase);
            if ended {
                return Ok(phases);
            }
        }
    }

    async fn alone(&mut self) -> Result<Phase, Failure> {
        // Where the end comes already, the phase is one without anything.
        let mut ended = self.ends_within(SETTLE.min(self.length / 2)).await?;
        let begin = self.mark();
        if !ended {
            ended = self.ends_within(self.length).await?;
        }
        Ok(self.phase(begin, None, ended.then_some(Discarded::Ended)))
    }

    async fn beside(&mut self) -> Result<Phase, Failure> {
        let (tell, mut told) = watch::channel(0);
        let (leave, left) = oneshot::channel();
        let task = tokio::spawn(late::read(self.url.to_owned(), STREAM, tell, left));
        let mut ended = tokio::select! {
            // Where it does not get as far, its task says why.
            _ = told.wait_for(|received| *received > 0) => false,
            result = &mut self.first => self.end(result)?,
        };
        let joined = *told.borrow() > 0;
        let (begin, late_begin) = (self.mark(), *told.borrow());
        if joined && !ended {
            ended = self.ends_within(self.length).await?;
        }
        let discarded = match ended {
            true => Some(Discarded::Ended),
            false => self.has_caught_up().then_some(Discarded::CaughtUp),
        };
        let late = *told.borrow() - late_begin;
        let phase = self.phase(begin, Some(late), discarded);
        // Where its task is over already, nobody has to be told.
        let _ = leave.send(());
        let result = task.await?;
        // One that came when the stream was over found no publisher: no fault of anybody.
        if joined || !ended {
            result?;
        }
        Ok(phase)
    }

    /// Whether the first consumer comes to its end before this much time has passed.
    async fn ends_within(&mut self, time: Duration) -> Result<bool, Failure> {
        tokio::select! {
            () = tokio::time::sleep(time) => Ok(false),
            result = &mut self.first => self.end(result),
        }
    }

    /// The first consumer ended: with all of the stream, or this round is worth nothing.
    fn end(
        &self,
        result: Result<Result<(u64, Instant), ReceiveError>, JoinError>,
    ) -> Result<bool, Failure> {
        match result?? {
            (received, _) if received == self.total => Ok(true),
            (received, _) => Err(format!("{received} of {} messages arrived", self.total).into()),
        }
    }

    /// Whether the latecomer is served with all others now.
    fn has_caught_up(&self) -> bool {
        let consumers = self.publisher.stats().consumers;
        consumers.iter().any(|consumer| consumer.name == late::NAME && consumer.paces)
    }

    fn mark(&self) -> (Instant, u64) {
        (Instant::now(), self.seen.load(Ordering::Relaxed))
    }

    /// What was seen since `begin`.
    fn phase(
        &self,
        (begin, seen): (Instant, u64),
        late: Option<u64>,
        discarded: Option<Discarded>,
    ) -> Phase {
        let (now, seen_now) = self.mark();
        Phase {
            latecomer: late.is_some(),
            discarded,
            messages: seen_now - seen,
            late_messages: late.unwrap_or_default(),
            seconds: now.duration_since(begin).as_secs_f64(),
        }
    }
}
