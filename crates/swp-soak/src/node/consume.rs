//! The consumer's side of a node: it knows every message, and says what is not as it should be.

use std::time::Duration;

use futures_util::StreamExt;
use swp_fast::wire::ResetCode;
use swp_fast::{
    Endpoint, ReceiveError, ReceiverError, SubscribeConfig, SubscribeError, Subscriber,
};
use tokio::sync::watch;

use super::{ConsumeArgs, STALL, stop_signal};
use crate::content::Content;
use crate::event::{Counters, Event};

/// A slow phase: this many messages, with a pause after each few.
const SLOW_MESSAGES: u64 = 10_000;
const SLOW_BURST: u64 = 50;
const SLOW_PAUSE: Duration = Duration::from_millis(20);

/// After a session that could not be joined.
const RETRY: Duration = Duration::from_millis(100);

/// Consumes session after session.
pub(crate) async fn consume(args: ConsumeArgs) -> Result<(), String> {
    let mut stop = stop_signal();
    let endpoint = args.node.endpoint().await?;
    let mut sessions = 0;
    while args.node.goes_on(sessions, &stop) {
        let subscriber = tokio::select! {
            subscriber = join(&endpoint, &args) => subscriber,
            _ = stop.wait_for(|stop| *stop) => break,
        };
        let mut session = Session { content: None, messages: 0, bytes: 0 };
        let ended = match subscriber {
            Ok(subscriber) => session.run(subscriber, &args, &stop).await,
            Err(error) if is_refusal(&error) => {
                // The last session goes on for others; the next one will do.
                tokio::time::sleep(RETRY).await;
                continue;
            }
            Err(error) => Err(error.to_string()),
        };
        match ended {
            Ok(event) => event.tell(),
            Err(error) => {
                session.ended(error).tell();
                tokio::time::sleep(RETRY).await;
            }
        }
        sessions += 1;
    }
    Ok(())
}

async fn join(endpoint: &Endpoint, args: &ConsumeArgs) -> Result<Subscriber, SubscribeError> {
    let mut config = SubscribeConfig::default();
    config.name.clone_from(&args.name);
    endpoint.subscribe(&args.node.stream, config).await
}

fn is_refusal(error: &SubscribeError) -> bool {
    let SubscribeError::Session(ReceiveError::Protocol(error)) = error else { return false };
    matches!(error, ReceiverError::Reset { code: ResetCode::Refused, .. })
}

/// One session, as far as it came.
struct Session {
    content: Option<Content>,
    messages: u64,
    bytes: u64,
}

impl Session {
    async fn run(
        &mut self,
        mut subscriber: Subscriber,
        args: &ConsumeArgs,
        stop: &watch::Receiver<bool>,
    ) -> Result<Event, String> {
        Event::Begun.tell();
        loop {
            let next = match tokio::time::timeout(STALL, subscriber.next()).await {
                Ok(next) => next,
                // The publisher was told to stop before it had begun, and says nothing any more.
                Err(_) if *stop.borrow() && self.messages == 0 => {
                    return Err("stopped before the first message".to_owned());
                }
                Err(_) => {
                    Event::Stalled.tell();
                    continue;
                }
            };
            let Some(message) = next else { break };
            let message = message.map_err(|error| error.to_string())?;
            let content = *self.content.get_or_insert(Content {
                seed: args.node.seed,
                session: Content::session_of(&message).unwrap_or(u64::MAX),
            });
            if content.message(self.messages) != message {
                return Ok(self.wrong(describe(&message)));
            }
            self.messages += 1;
            self.bytes += message.len() as u64;
            if args.node.progress.is_some_and(|every| self.messages.is_multiple_of(every)) {
                Event::Progress { messages: self.messages }.tell();
            }
            if args.slow && self.is_slow(content.session) {
                tokio::time::sleep(SLOW_PAUSE).await;
            }
        }
        let sent = subscriber.trailer().and_then(|trailer| trailer[..].try_into().ok());
        if sent.map(u64::from_be_bytes) != Some(self.messages) {
            return Ok(self.wrong(format!("the end, where the publisher says {sent:?}")));
        }
        let counters = counters(&subscriber);
        // Until the publisher knows: a process that ended at once could take the word with it.
        subscriber.close().await.map_err(|error| error.to_string())?;
        let (session, messages, bytes) = (self.number(), self.messages, self.bytes);
        Ok(Event::Completed { session, messages, bytes, counters })
    }

    /// In every third session, after a while.
    fn is_slow(&self, session: u64) -> bool {
        session % 3 == 1
            && (SLOW_MESSAGES..2 * SLOW_MESSAGES).contains(&self.messages)
            && self.messages.is_multiple_of(SLOW_BURST)
    }

    fn number(&self) -> u64 {
        self.content.map_or(u64::MAX, |content| content.session)
    }

    fn wrong(&self, what: String) -> Event {
        Event::Wrong { session: self.number(), message: self.messages, what }
    }

    fn ended(&self, error: String) -> Event {
        Event::Ended { session: self.number(), messages: self.messages, error }
    }
}

/// A message that is not the one expected, for people.
fn describe(message: &[u8]) -> String {
    let start: String = message.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    format!("{} bytes that begin with {start}", message.len())
}

fn counters(subscriber: &Subscriber) -> Counters {
    let stats = subscriber.stats();
    let mut counters = Counters::from([
        ("frames".to_owned(), stats.frames),
        ("duplicates".to_owned(), stats.duplicates),
        ("out of order".to_owned(), stats.out_of_order),
        ("reports".to_owned(), stats.acks),
    ]);
    for (cause, count) in stats.dropped.by_cause() {
        counters.insert(format!("dropped as {cause}"), count);
    }
    counters
}
