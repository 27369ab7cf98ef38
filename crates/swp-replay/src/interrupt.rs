//! Ctrl-C and SIGTERM, as a future.

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::error::Error;

/// Both signals, listened to from the moment that it is made.
pub(crate) struct Interrupt {
    ctrl_c: Signal,
    terminate: Signal,
}

impl Interrupt {
    /// Listens from now on: the signals no longer end the process by themselves.
    pub(crate) fn listen() -> Result<Interrupt, Error> {
        let listen = |kind| {
            signal(kind)
                .map_err(|error| Error::Failed(format!("cannot listen for Ctrl-C: {error}")))
        };
        Ok(Interrupt {
            ctrl_c: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
        })
    }

    /// Returns when one of them has come. May be dropped and called again.
    pub(crate) async fn wait(&mut self) {
        tokio::select! {
            _ = self.ctrl_c.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
