//! The publisher's side of a node.

use std::time::Duration;

use bytes::Bytes;
use swp_fast::{Endpoint, PublishConfig, Publisher};
use tokio::sync::watch;
use tokio::time::Instant;

use super::{PublishArgs, STALL, stop_signal};
use crate::content::Content;
use crate::event::{Counters, Event};

/// Bytes between two looks at the clock.
const PACE_BYTES: u64 = 64 << 10;

/// After a session that could not begin, so that a broker that is away is not asked without pause.
const RETRY: Duration = Duration::from_millis(200);

/// Publishes session after session.
pub(crate) async fn publish(args: PublishArgs) -> Result<(), String> {
    let mut stop = stop_signal();
    let endpoint = args.node.endpoint().await?;
    let mut session = 0;
    while args.node.goes_on(session, &stop) {
        let content = Content { seed: args.node.seed, session };
        let mut messages = 0;
        match run(&endpoint, &args, content, &mut stop, &mut messages).await {
            Ok(Some(completed)) => completed.tell(),
            Ok(None) => break,
            Err(error) => {
                Event::Ended { session, messages, error }.tell();
                tokio::time::sleep(RETRY).await;
            }
        }
        session += 1;
    }
    Ok(())
}

/// One session; `None` where it was to stop before anybody had joined.
async fn run(
    endpoint: &Endpoint,
    args: &PublishArgs,
    content: Content,
    stop: &mut watch::Receiver<bool>,
    messages: &mut u64,
) -> Result<Option<Event>, String> {
    let mut config = PublishConfig::default();
    config.min_consumers = args.consumers;
    config.idle_timeout = args.idle_timeout;
    config.keep_alive = (args.idle_timeout / 5).min(config.keep_alive);
    let text = |error: &dyn std::error::Error| error.to_string();
    let publisher =
        endpoint.publish(&args.node.stream, config).await.map_err(|error| text(&error))?;
    tokio::select! {
        ready = publisher.ready() => ready.map_err(|error| text(&error))?,
        _ = stop.wait_for(|stop| *stop) => return Ok(None),
    }
    Event::Begun.tell();
    let count = args.messages - content.session * 7_919 % (args.messages / 2).max(1);
    let mut pace = Pace::new(args.rate);
    let mut bytes = 0;
    for n in 0..count {
        if *stop.borrow() {
            break;
        }
        let message = content.message(n);
        bytes += message.len() as u64;
        pace.wait(message.len() as u64).await;
        send(&publisher, message.into()).await?;
        *messages = n + 1;
        if args.node.progress.is_some_and(|every| messages.is_multiple_of(every)) {
            Event::Progress { messages: *messages }.tell();
        }
    }
    let trailer = Bytes::copy_from_slice(&messages.to_be_bytes());
    publisher.finish_with(trailer).await.map_err(|error| text(&error))?;
    let (session, messages) = (content.session, *messages);
    Ok(Some(Event::Completed { session, messages, bytes, counters: counters(&publisher) }))
}

async fn send(publisher: &Publisher, message: Bytes) -> Result<(), String> {
    let sending = publisher.send(message);
    tokio::pin!(sending);
    loop {
        match tokio::time::timeout(STALL, &mut sending).await {
            Ok(sent) => return sent.map(drop).map_err(|error| error.to_string()),
            Err(_) => Event::Stalled.tell(),
        }
    }
}

fn counters(publisher: &Publisher) -> Counters {
    let stats = publisher.stats();
    let mut counters = Counters::from([
        ("frames".to_owned(), stats.frames),
        ("repairs".to_owned(), stats.retransmits),
        ("probes".to_owned(), stats.probes),
    ]);
    for (cause, count) in stats.dropped.by_cause() {
        counters.insert(format!("dropped as {cause}"), count);
    }
    counters
}

/// Keeps to a rate over the last second or so.
struct Pace {
    rate: u64,
    unpaid: u64,
    due: Instant,
}

impl Pace {
    fn new(rate: u64) -> Pace {
        Pace { rate, unpaid: 0, due: Instant::now() }
    }

    async fn wait(&mut self, bytes: u64) {
        self.unpaid += bytes;
        if self.unpaid < PACE_BYTES {
            return;
        }
        let now = Instant::now();
        // What was missed in a long pause is not made up for.
        self.due = self.due.max(now - STALL);
        self.due += Duration::from_secs_f64(self.unpaid as f64 / self.rate as f64);
        self.unpaid = 0;
        if self.due > now {
            tokio::time::sleep_until(self.due).await;
        }
    }
}
