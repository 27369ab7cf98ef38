//! Now and then a pair of `swp-replay` processes among the others: a capture is played, received through
//! a proxy or not, and its digest compared.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;
use tokio::sync::{oneshot, watch};

use super::tally::SessionError;
use super::{Shared, lock};

/// From one pair's end to the next one's start.
const GAP: Duration = Duration::from_secs(15);

/// A third of a gigabyte a pair would be most of the run's traffic; this is some 25 MB.
const GENERATE: [&str; 6] = ["--messages", "50000", "--size", "0-1000", "--subjects", "100"];

/// The receiver takes no more than this a second, so that a pair lasts some 6 s and meets faults.
const RECEIVE_RATE: &str = "4MB";

/// No fault begins before the receiver has joined, or this has passed: the command gives up at once where
/// no server answers its first connection.
const JOIN_LIMIT: Duration = Duration::from_secs(20);

/// Longer than all faults together can delay a pair.
const LIMIT: Duration = Duration::from_secs(80);

/// What the other one gets to end once one has failed: longer than either takes to be given up.
const GRACE: Duration = Duration::from_secs(20);

/// Plays until it is told to stop. `servers` are the addresses that the receivers take in turns; the
/// player takes the first.
pub(super) async fn replay(
    binary: PathBuf,
    servers: Vec<String>,
    shared: Arc<Shared>,
    mut stop: watch::Receiver<bool>,
) {
    let folder = match tempfile::tempdir() {
        Ok(folder) => folder,
        Err(error) => return lock(&shared.tally).problem(format!("no folder: {error}")),
    };
    let capture = folder.path().join("soak.dat");
    let path = capture.display().to_string();
    let made = run(&binary, &[&["gen", "-o", &path], &GENERATE[..]].concat(), None).await;
    let digest = match made.and(run(&binary, &["info", "--json", &path], None).await) {
        Ok(info) => info["content_digest"].clone(),
        Err(error) => return lock(&shared.tally).problem(format!("no capture: {error}")),
    };
    for session in 0.. {
        tokio::select! {
            () = tokio::time::sleep(GAP) => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
        lock(&shared.tally).replays.begun += 1;
        let server = &servers[session as usize % servers.len()];
        let ended = pair(&binary, &capture, (&servers[0], server), &digest, &shared).await;
        let mut tally = lock(&shared.tally);
        match ended {
            Ok((messages, bytes, repairs)) => {
                tally.replays.completed += 1;
                tally.replays.messages += messages;
                tally.replays.bytes += bytes;
                tally.replays.repairs += repairs;
            }
            Err(error) => {
                let node = "swp-replay".to_owned();
                tally.error(SessionError { node, session, messages: 0, error });
            }
        }
    }
}

/// One pair; messages, bytes and repairs of a session in which all was right.
async fn pair(
    binary: &Path,
    capture: &Path,
    (player, receiver): (&str, &str),
    digest: &Value,
    shared: &Shared,
) -> Result<(u64, u64, u64), String> {
    let path = capture.display().to_string();
    let play = ["play", &path, "--to", "soak.replay", "--server", player, "--json", "--quiet"];
    let recv = ["recv", "soak.replay", "--discard", "--max-rate", RECEIVE_RATE];
    let recv = [&recv[..], &["--wait", "60s", "--server", receiver, "--json"]].concat();
    let calm = shared.calm.lock().await;
    let (joined, has_joined) = oneshot::channel();
    let session = both(run(binary, &play, None), run(binary, &recv, Some(joined)));
    let session = tokio::time::timeout(LIMIT, session);
    tokio::pin!(session);
    let ended = tokio::select! {
        ended = &mut session => Some(ended),
        _ = tokio::time::timeout(JOIN_LIMIT, has_joined) => None,
    };
    drop(calm);
    let ended = match ended {
        Some(ended) => ended,
        None => session.await,
    };
    let (played, received) = ended.map_err(|_| format!("it did not end within {LIMIT:?}"))?;
    let (played, received) = match (played, received) {
        (Ok(played), Ok(received)) => (played, received),
        (played, received) => {
            let text = |ended: Result<Value, String>| ended.err().unwrap_or("complete".to_owned());
            return Err(format!("play: {}; recv: {}", text(played), text(received)));
        }
    };
    for (who, report) in [("play", &played), ("recv", &received)] {
        if report["content_digest"] != *digest {
            return Err(format!("{who} has another digest: {}", report["content_digest"]));
        }
    }
    let number = |field: &str| played[field].as_u64().unwrap_or_default();
    Ok((number("messages"), number("bytes"), number("retransmits")))
}

type Ended = Result<Value, String>;

/// Waits for both; where one has failed, for the other only a while: it may have nobody to talk to.
async fn both(
    play: impl Future<Output = Ended>,
    recv: impl Future<Output = Ended>,
) -> (Ended, Ended) {
    tokio::pin!(play, recv);
    tokio::select! {
        played = &mut play => {
            let received = after(&played, recv).await;
            (played, received)
        }
        received = &mut recv => {
            let played = after(&received, play).await;
            (played, received)
        }
    }
}

async fn after(first: &Ended, second: impl Future<Output = Ended>) -> Ended {
    if first.is_ok() {
        return second.await;
    }
    let ended = tokio::time::timeout(GRACE, second).await;
    ended.unwrap_or_else(|_| Err("still waiting; killed".to_owned()))
}

/// Runs the command: the JSON object that it prints last, or why it failed. Says when it has joined.
async fn run(binary: &Path, args: &[&str], mut joined: Option<oneshot::Sender<()>>) -> Ended {
    let system = |error: std::io::Error| format!("{}: {error}", binary.display());
    let mut child = Command::new(binary)
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .map_err(system)?;
    let mut said = child.stderr.take().map(|stderr| BufReader::new(stderr).lines());
    let listening = async {
        let mut last = String::new();
        while let Some(lines) = &mut said
            && let Ok(Some(line)) = lines.next_line().await
        {
            if line.contains("joined")
                && let Some(joined) = joined.take()
            {
                // Nobody waits for it any more: no matter.
                let _ = joined.send(());
            }
            last = line;
        }
        last
    };
    let (last, output) = tokio::join!(listening, child.wait_with_output());
    let output = output.map_err(system)?;
    if !output.status.success() {
        return Err(format!("{}: {last}", output.status));
    }
    let out = String::from_utf8_lossy(&output.stdout);
    Ok(out.lines().last().and_then(|line| serde_json::from_str(line).ok()).unwrap_or_default())
}
