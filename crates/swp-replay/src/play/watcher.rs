//! The watcher: shows progress and events, and searches the capture for damage.

use swp_fast::{Publisher, PublisherStats, SenderEvent};
use swp_replay::capture::Capture;
use tokio::time::MissedTickBehavior;

use super::outcome::LostConsumers;
use super::player::verify;
use super::resume::StartPoint;
use crate::connect;
use crate::error::Error;
use crate::progress::Progress;
use crate::units::{show_bytes, show_count};

/// Follows the consumers of a replay, and tells the user.
pub(super) struct Watcher<'a> {
    publisher: &'a Publisher,
    capture: &'a Capture,
    start: StartPoint,
    lost: LostConsumers,
}

impl<'a> Watcher<'a> {
    /// `start` is where the replay starts, so that progress counts what was played before.
    pub(super) fn new(
        publisher: &'a Publisher,
        capture: &'a Capture,
        start: StartPoint,
    ) -> Watcher<'a> {
        Watcher { publisher, capture, start, lost: LostConsumers::default() }
    }

    /// Tells the user how many consumers the replay waits for, and how to start one.
    pub(super) fn say_waiting(
        &self,
        progress: &Progress,
        stream: &str,
        count: usize,
        server: Option<&str>,
    ) {
        if self.start.frame > 0 {
            progress.say(&format!(
                "going on behind the first {} of {} messages, which all consumers have",
                show_count(self.start.messages),
                show_count(self.capture.totals().messages)
            ));
        }
        let option = connect::option(server);
        progress.say(&format!(
            "waiting for {count} consumer{} on stream {stream}: run `swp-replay recv {stream} -o \
             FILE{option}` elsewhere",
            if count == 1 { "" } else { "s" },
        ));
    }

    /// Starts the progress display: the first frame is sent now.
    pub(super) fn start(&self, progress: &mut Progress) {
        progress.start(self.start.messages, self.start.bytes);
    }

    /// Tells of consumers that join and leave. Returns only if the session fails.
    pub(super) async fn watch_events(&mut self, progress: &Progress) -> Error {
        while let Some(event) = self.publisher.next_event().await {
            self.handle_event(&event, progress);
        }
        match self.publisher.over().await {
            Err(error) => error.into(),
            // Every consumer holds everything. The player, which finishes the session, returns.
            Ok(()) => std::future::pending().await,
        }
    }

    /// Shows progress and events. Returns only if the capture is damaged.
    ///
    /// A consumer that drops frames means that the network or the capture is damaged. Reading the
    /// capture tells which.
    pub(super) async fn watch(&mut self, progress: &mut Progress) -> Error {
        let mut ticks = tokio::time::interval(progress.interval());
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        ticks.tick().await;
        let mut looked = false;
        loop {
            tokio::select! {
                event = self.publisher.next_event() => match event {
                    Some(event) => self.handle_event(&event, progress),
                    // The session is over. The player returns its result.
                    None => return std::future::pending().await,
                },
                _ = ticks.tick() => {
                    let stats = self.publisher.stats();
                    let StartPoint { messages, bytes, .. } = self.start;
                    let (messages, bytes) = (messages + stats.messages, bytes + stats.bytes);
                    progress.show(messages, bytes, &standing(&stats));
                    if !looked && stats.consumers.iter().any(|consumer| consumer.dropped > 0) {
                        looked = true;
                        if let Err(error) = find_damage(self.capture).await {
                            return error;
                        }
                    }
                }
            }
        }
    }

    /// The consumers that were lost so far.
    pub(super) fn lost(&self) -> &LostConsumers {
        &self.lost
    }

    fn handle_event(&mut self, event: &SenderEvent, progress: &Progress) {
        match event {
            SenderEvent::Joined { name, consumers, replaces } => {
                progress.say(&format!("consumer {name} joined: {consumers} now"));
                self.lost.joined(*replaces);
            }
            SenderEvent::Refused { name, reason } => {
                progress.say(&format!("consumer {name} was refused: {reason}"));
            }
            SenderEvent::Lost { id, name, reason } => {
                progress.say(&format!("consumer {name} was lost: {reason}"));
                self.lost.add(*id, name, reason);
            }
            _ => {}
        }
    }
}

/// Returns the state of the consumers in words, for the progress display.
fn standing(stats: &PublisherStats) -> String {
    let live = stats.consumers.iter().filter(|consumer| consumer.live).count();
    let slowest = stats.consumers.iter().find(|consumer| Some(consumer.id) == stats.held_back_by);
    let behind = match slowest {
        Some(slowest) => {
            let id = format!("{:016x}", slowest.id);
            let name = if slowest.name.is_empty() { &id } else { &slowest.name };
            format!(", held back by {name}: {} behind", show_bytes(slowest.lag_bytes as f64))
        }
        None => String::new(),
    };
    format!(", {live} consumer{}{behind}", if live == 1 { "" } else { "s" })
}

/// Reads the whole capture. Returns an error for the first damaged body.
async fn find_damage(capture: &Capture) -> Result<(), Error> {
    let capture = capture.clone();
    let look = move || {
        for block in capture.blocks(0) {
            verify(&capture, &block?)?;
        }
        Ok::<(), Error>(())
    };
    tokio::task::spawn_blocking(look)
        .await
        .map_err(|error| Error::Failed(format!("cannot verify the capture: {error}")))?
}
