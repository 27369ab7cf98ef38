//! The task of a connection: serves one connection after the other, and connects again between
//! them.

use std::{future::Future, sync::Arc};

use tokio::time::Instant;

use crate::{
    event::{CloseReason, DisconnectReason, Event},
    handshake::{ConnectError, Session},
    pool::Pool,
    serve::Serve,
    shared::Shared,
};

#[derive(Debug)]
pub(crate) struct Task {
    shared: Arc<Shared>,
    pool: Pool,
    /// How many rounds of attempts have failed, connections that broke at once included.
    round: u32,
}

/// Closes the connection if the runtime drops its task.
struct CloseAtLast(Arc<Shared>);

impl Drop for CloseAtLast {
    fn drop(&mut self) {
        self.0.close(CloseReason::RuntimeGone);
    }
}

impl Task {
    pub(crate) fn new(shared: Arc<Shared>, pool: Pool) -> Self {
        Self { shared, pool, round: 0 }
    }

    pub(crate) fn run(self, session: Session) -> impl Future<Output = ()> {
        // Made here and not in the future: a runtime that is gone drops the future unpolled.
        let at_last = CloseAtLast(Arc::clone(&self.shared));
        async move {
            let reason = self.serve(session).await;
            at_last.0.close(reason);
        }
    }

    /// Returns why there is no connection any more.
    async fn serve(mut self, mut session: Session) -> CloseReason {
        loop {
            let began = Instant::now();
            let reason = Serve::new(&self.shared, &mut self.pool, session).run().await;
            let left = matches!(reason, DisconnectReason::LameDuck);
            self.shared.break_off(reason).await;
            if self.shared.outbox().closing {
                return CloseReason::Requested;
            }
            // A server that breaks each connection at once must not be stormed.
            let lasted = began.elapsed() >= self.shared.options.reconnect.delay_max;
            self.round = if lasted || left { 0 } else { self.round + 1 };
            session = match self.reconnect().await {
                Ok(session) => session,
                Err(reason) => return reason,
            };
            self.shared.begin(&session);
        }
    }

    async fn reconnect(&mut self) -> Result<Session, CloseReason> {
        let since = Instant::now();
        loop {
            let delay = self.pool.delay(self.round);
            self.unless_closing(tokio::time::sleep(delay)).await?;
            for server in self.pool.order() {
                let shared = Arc::clone(&self.shared);
                let attempt = self.pool.connect(&server);
                let error = match unless_closing(&shared, attempt).await? {
                    Ok(session) => return Ok(session),
                    Err(error) => self.note(error),
                };
                let after = since.elapsed();
                let limit = self.shared.options.reconnect.give_up_after;
                if limit.is_some_and(|limit| after >= limit) {
                    return Err(CloseReason::GaveUp { after, source: error });
                }
                if self.pool.is_refused() {
                    return Err(CloseReason::AuthorizationLost(error));
                }
            }
            self.round = self.round.saturating_add(1);
        }
    }

    fn note(&self, error: ConnectError) -> Arc<ConnectError> {
        let error = Arc::new(error);
        self.shared.count(|counts| counts.failed_attempts += 1);
        self.shared.tell(Event::ConnectFailed { error: Arc::clone(&error) });
        error
    }

    async fn unless_closing<T>(&self, future: impl Future<Output = T>) -> Result<T, CloseReason> {
        unless_closing(&self.shared, future).await
    }
}

async fn unless_closing<T>(
    shared: &Shared,
    future: impl Future<Output = T>,
) -> Result<T, CloseReason> {
    let closing = async {
        while !shared.outbox().closing {
            shared.wake.notified().await;
        }
    };
    tokio::select! {
        biased;
        () = closing => Err(CloseReason::Requested),
        result = future => Ok(result),
    }
}
