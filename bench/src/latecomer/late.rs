//! The consumer that comes late: it joins, reads from the start, and leaves when it is told to.

use std::time::Duration;

use swp_fast::SubscribeConfig;
use swp_replay::generate::GenerateOptions;
use swp_replay::record::Record;
use tokio::sync::{oneshot, watch};

use crate::Failure;
use crate::peers::{self, swp};

/// Its name, by which it is found among its publisher's consumers.
pub(super) const NAME: &str = "late";

/// It finds its publisher at once, or that has just come to its end.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// Reads until `leave` comes, or the end. `tell` is how many messages it has.
pub(super) async fn read(
    url: String,
    stream: &'static str,
    tell: watch::Sender<u64>,
    mut leave: oneshot::Receiver<()>,
) -> Result<(), Failure> {
    let mut config = SubscribeConfig::default();
    config.name = NAME.to_owned();
    config.connect_timeout = Some(CONNECT_TIMEOUT);
    let mut subscriber = swp::endpoint(&url).await?.subscribe(stream, config).await?;
    let made = GenerateOptions::default();
    let (mut received, mut sum) = (0, 0_u64);
    loop {
        let batch = tokio::select! {
            biased;
            _ = &mut leave => break,
            batch = subscriber.next_batch() => batch?,
        };
        let Some(batch) = batch else { return Ok(subscriber.close().await?) };
        for message in batch.iter() {
            check(message, received, &made)?;
            sum = sum.wrapping_add(peers::read(message));
            received += 1;
        }
        tell.send_replace(received);
    }
    std::hint::black_box(sum);
    subscriber.cancel("its phase is over").await;
    Ok(())
}

/// Whether this is the capture's message of that number. Its time stamp tells, which no other has; what else
/// is in it was compared with its frame's digest when it arrived.
fn check(message: &[u8], number: u64, made: &GenerateOptions) -> Result<(), Failure> {
    let since_ns = u128::from(number) * 1_000_000_000 / u128::from(made.rate);
    let record = Record::decode(message)?;
    match u128::from(record.timestamp_ns) == u128::from(made.start_ns) + since_ns {
        true => Ok(()),
        false => Err(format!("a latecomer did not get message {number} as number {number}").into()),
    }
}

#[cfg(test)]
mod tests;
