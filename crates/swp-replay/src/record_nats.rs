//! `record`: plain NATS messages, as they arrive, into a capture.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use async_nats::{Client, Message, Subscriber};
use futures_util::StreamExt;
use futures_util::stream::SelectAll;
use swp_replay::capture::{CaptureWriter, Ending, WriterOptions};
use swp_replay::record::{Headers, Record};

use crate::cli::RecordArgs;
use crate::connect::{self, Broker};
use crate::error::Error;
use crate::interrupt::Interrupt;
use crate::progress::Progress;
use crate::report::{Report, Transfer};
use crate::units::{hex, show_count};

/// Messages that the client queues while the disk is busy; more are dropped, and counted. At 1 KiB a
/// message it is 128 MiB, a second and more of all that a broker delivers.
const CAPACITY: usize = 1 << 17;

/// Messages that wait this long for their block to fill are written, and synced, without it: what is
/// lost with a process that is killed is then a block, or what came within twice this time, whichever
/// is less. A second costs at most 4 KiB of padding a second.
const MOST_UNWRITTEN: Duration = Duration::from_secs(1);

/// How long the server may take to answer that it has the subscriptions. It answers within a round trip,
/// unless this user may not publish.
const SUBSCRIBE_TIMEOUT: Duration = Duration::from_secs(1);

/// How long the server may take to send what was under way when the recording ended.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);

pub(crate) async fn record(args: &RecordArgs, report: &mut Report) -> Result<(), Error> {
    let quiet = args.output.quiet;
    for subject in &args.subjects {
        check_subject(subject)?;
    }
    let mut interrupt = Interrupt::listen()?;
    // Its own connection: everything that comes over it is to be recorded, so that what was dropped is
    // what came less what was taken.
    let broker = tokio::select! {
        broker = connect::connect(&args.connect, CAPACITY, quiet) => broker?,
        () = interrupt.wait() => {
            return Err(Error::Interrupted("interrupted before anything was recorded".to_owned()));
        }
    };
    let options = WriterOptions {
        overwrite: args.force,
        notes: notes(&args.subjects),
        ..WriterOptions::default()
    };
    let writer = CaptureWriter::create(&args.output_file, options)?;
    let messages = subscribe(&broker.client, &args.subjects).await?;
    // What is published once this says that it is recording is recorded: the server has answered.
    let answered = tokio::time::timeout(SUBSCRIBE_TIMEOUT, echo(&broker.client)).await == Ok(true);
    let mut progress = Progress::new(quiet, args.count);
    progress.say(&format!(
        "recording {} to {}; Ctrl-C ends it",
        args.subjects.join(" "),
        args.output_file.display()
    ));
    let mut recorder = Recorder {
        writer,
        messages,
        answered,
        taken: u64::from(answered),
        recorded: 0,
        payload_bytes: 0,
        synced: 0,
        file_bytes: 0,
    };
    let started = Instant::now();
    progress.start(0, 0);
    let result = tokio::select! {
        result = recorder.run(args, &mut progress) => result,
        () = interrupt.wait() => Ok(()),
        () = after(args.duration) => Ok(()),
    };
    let result = match result {
        Ok(()) => recorder.drain(&broker.client, args).await,
        error => error,
    };
    progress.done();
    let mut transfer = Transfer {
        messages: recorder.recorded,
        bytes: recorder.payload_bytes,
        ..Transfer::default()
    };
    transfer.took(started.elapsed());
    let result = recorder.finish(&broker, result, &mut transfer);
    report.transfer = Some(transfer);
    result
}

/// A recording under way.
struct Recorder {
    writer: CaptureWriter,
    messages: SelectAll<Subscriber>,
    /// Whether a message to itself comes back, see [`echo`].
    answered: bool,
    /// Messages that the client handed over, echoes of our own among them.
    taken: u64,
    /// Those of them that are in the capture.
    recorded: u64,
    payload_bytes: u64,
    /// How many of those are known to be on the disk.
    synced: u64,
    /// Where the file ended at the last tick.
    file_bytes: u64,
}

impl Recorder {
    /// Records until a bound is reached or the connection ends.
    async fn run(&mut self, args: &RecordArgs, progress: &mut Progress) -> Result<(), Error> {
        let mut ticks = tokio::time::interval(progress.interval());
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        ticks.tick().await;
        let mut syncs = tokio::time::interval(MOST_UNWRITTEN);
        syncs.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        while !self.is_full(args) {
            tokio::select! {
                message = self.messages.next() => match message {
                    Some(message) => self.take(&message)?,
                    None => return Err(Error::Failed("the connection to NATS ended".to_owned())),
                },
                _ = ticks.tick() => progress.show(self.recorded, self.payload_bytes, ""),
                _ = syncs.tick() => self.sync_if_slow()?,
            }
        }
        Ok(())
    }

    /// Writes the open block where none was filled since the last tick, and something is new. While blocks
    /// fill by themselves nobody waits for the disk: messages would be dropped meanwhile.
    fn sync_if_slow(&mut self) -> Result<(), Error> {
        if self.writer.file_bytes() == self.file_bytes && self.recorded > self.synced {
            self.writer.sync()?;
            self.synced = self.recorded;
        }
        self.file_bytes = self.writer.file_bytes();
        Ok(())
    }

    fn is_full(&self, args: &RecordArgs) -> bool {
        args.count.is_some_and(|count| self.recorded >= count)
            || args.max_bytes.is_some_and(|bytes| self.payload_bytes >= bytes)
    }

    fn take(&mut self, message: &Message) -> Result<(), Error> {
        self.taken += 1;
        self.writer.append(&Record {
            timestamp_ns: now_ns(),
            subject: &message.subject,
            reply: message.reply.as_deref(),
            headers: message.headers.as_ref().map(|headers| {
                headers
                    .iter()
                    .flat_map(|(name, values)| values.iter().map(move |value| (name, value)))
                    .collect::<Headers<'_>>()
            }),
            payload: &message.payload,
        })?;
        self.recorded += 1;
        self.payload_bytes += message.payload.len() as u64;
        Ok(())
    }

    /// Ends the subscriptions and takes what the server had for them by then; past a bound it is counted
    /// only. The client's own drain ends as soon as it was asked for, whatever is still under way, so
    /// first a message makes its way to the server and back: what was sent before it has arrived then.
    async fn drain(&mut self, client: &Client, args: &RecordArgs) -> Result<(), Error> {
        let deadline = tokio::time::Instant::now() + DRAIN_TIMEOUT;
        let echo = tokio::time::timeout_at(deadline, echo(client));
        tokio::pin!(echo);
        while self.answered {
            tokio::select! {
                came = &mut echo => {
                    // It came over this connection like all the others.
                    self.taken += u64::from(came == Ok(true));
                    break;
                }
                Some(message) = self.messages.next() => self.take_within(&message, args)?,
            }
        }
        for subscriber in self.messages.iter_mut() {
            // Of a connection that is gone nothing is left to take.
            let _ = subscriber.drain().await;
        }
        while let Ok(Some(message)) = tokio::time::timeout_at(deadline, self.messages.next()).await
        {
            self.take_within(&message, args)?;
        }
        Ok(())
    }

    /// Takes a message, or only counts it where a bound was reached.
    fn take_within(&mut self, message: &Message, args: &RecordArgs) -> Result<(), Error> {
        if self.is_full(args) {
            self.taken += 1;
            return Ok(());
        }
        self.take(message)
    }

    /// Finishes the file, with what is known of the messages that are not in it.
    fn finish(
        self,
        broker: &Broker,
        result: Result<(), Error>,
        transfer: &mut Transfer,
    ) -> Result<(), Error> {
        let arrived =
            broker.client.statistics().in_messages.load(std::sync::atomic::Ordering::Relaxed);
        let dropped = arrived.saturating_sub(self.taken);
        transfer.dropped.insert("slow_consumer", dropped);
        let notes = match &result {
            Ok(()) => String::new(),
            Err(error) => format!("recording ended by an error: {error}"),
        };
        let summary = self.writer.finish(Ending { dropped, notes });
        result?;
        let summary = summary?;
        transfer.frames = summary.totals.frames;
        transfer.content_digest = Some(hex(&summary.totals.content));
        if dropped > 0 {
            return Err(Error::Incomplete(format!(
                "{} messages were dropped because they came faster than they could be written; the capture holds the other {}",
                show_count(dropped),
                show_count(self.recorded)
            )));
        }
        Ok(())
    }
}

/// Sends a message to itself by way of the server; whether it came back. Where publishing is not
/// permitted it never does.
async fn echo(client: &Client) -> bool {
    let inbox = client.new_inbox();
    let Ok(mut back) = client.subscribe(inbox.clone()).await else { return false };
    client.publish(inbox, "".into()).await.is_ok() && back.next().await.is_some()
}

async fn subscribe(client: &Client, subjects: &[String]) -> Result<SelectAll<Subscriber>, Error> {
    let failed =
        |error: &dyn std::fmt::Display| Error::Failed(format!("cannot subscribe: {error}"));
    let mut all = SelectAll::new();
    for subject in subjects {
        all.push(client.subscribe(subject.clone()).await.map_err(|error| failed(&error))?);
    }
    client.flush().await.map_err(|error| failed(&error))?;
    Ok(all)
}

/// What NATS takes as a subject to subscribe to: `>` last only, `*` alone in its part.
fn check_subject(subject: &str) -> Result<(), Error> {
    let refuse = |why: &str| Err(Error::Usage(format!("'{subject}' is no NATS subject: {why}")));
    if subject.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return refuse("it contains white space");
    }
    let parts: Vec<&str> = subject.split('.').collect();
    for (position, part) in parts.iter().enumerate() {
        if part.is_empty() {
            return refuse("it has an empty part");
        }
        if *part == ">" && position + 1 < parts.len() {
            return refuse("> stands at the end only");
        }
        if part.len() > 1 && part.contains(['*', '>']) {
            return refuse("a wildcard stands alone between dots");
        }
    }
    Ok(())
}

/// What is recorded, for the capture's front, within its bound.
fn notes(subjects: &[String]) -> String {
    let mut text = format!("recorded from {}", subjects.join(" "));
    let mut end = text.len().min(swp_replay::capture::format::MAX_NOTES);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
    text
}

async fn after(duration: Option<Duration>) {
    match duration {
        Some(duration) => tokio::time::sleep(duration).await,
        None => std::future::pending().await,
    }
}

/// Now, in nanoseconds since the Unix epoch.
fn now_ns() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
