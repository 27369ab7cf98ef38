//! The subscriber's task: takes frames, acknowledges them and follows the group, whatever the
//! application does.

use std::sync::Arc;

use super::SubscribeShared;
use crate::driver::connection::{Connection, ConnectionError, LinkChange};
use crate::driver::intake::Intake;
use crate::driver::{Alarm, Clock, SubscribeFailure, lock};
use crate::proto::{ACK_DELAY, ReceiverEvent, Transmit};
use crate::time::Time;

struct SubscribeTask {
    connection: Connection,
    clock: Clock,
    alarm: Alarm,
    shared: Arc<SubscribeShared>,
    transmits: Vec<Transmit>,
    /// When the task last looked whether anything has arrived.
    looked_at: Time,
}

/// Starts the task. It ends with the session, or when the link is lost.
pub(crate) fn run_subscriber(connection: Connection, clock: Clock, shared: Arc<SubscribeShared>) {
    let (alarm, transmits, looked_at) = (Alarm::new(clock), Vec::new(), Time::ZERO);
    let task = SubscribeTask { connection, clock, alarm, shared, transmits, looked_at };
    tokio::spawn(task.run());
}

impl SubscribeTask {
    async fn run(mut self) {
        loop {
            match self.step().await {
                Ok(true) => self.wait().await,
                Ok(false) => {
                    self.connection.flush_last().await;
                    break;
                }
                Err(failure) => {
                    // A session that was over before keeps its outcome.
                    if !lock(&self.shared.receiver).is_over() {
                        *lock(&self.shared.failure) = Some(failure);
                    }
                    break;
                }
            }
        }
        *lock(&self.shared.intake) = None;
        self.shared.ended.send_replace(true);
        self.shared.waker.wake_app();
    }

    /// Does everything that can be done now. Returns false once the session is over.
    async fn step(&mut self) -> Result<bool, SubscribeFailure> {
        let now = self.clock.now();
        let change = self.connection.check(now);
        let (over, generations, arrived) = {
            let mut receiver = lock(&self.shared.receiver);
            match &change {
                LinkChange::Up => {}
                LinkChange::Down => receiver.handle_outage(now),
                LinkChange::Back => receiver.handle_reconnect(now),
                LinkChange::Lost => return Err(SubscribeFailure::Disconnected),
                LinkChange::Denied(denial) => return Err(SubscribeFailure::Denied(denial.clone())),
            }
            receiver.handle_timeout(now);
            if change != LinkChange::Down {
                while let Some(transmit) = receiver.poll_transmit(now) {
                    self.transmits.push(transmit);
                }
            }
            let mut arrived = receiver.has_ready() || receiver.at_end() || receiver.is_over();
            while let Some(event) = receiver.poll_event() {
                tracing::debug!(stream = self.connection.subjects.stream(), ?event, "subscriber");
                arrived |= event == ReceiverEvent::Connected;
            }
            (receiver.is_over(), receiver.generations(), arrived)
        };
        if arrived {
            // Only now that the lock is free: the application takes it.
            self.shared.waker.wake_app();
        }
        // Before anything is sent: an ack tells the publisher that this consumer follows the group.
        if change != LinkChange::Down {
            self.follow(generations).await?;
        }
        self.publish().await?;
        // The last frames of a session wait for the link to come back.
        Ok(!over || change == LinkChange::Down)
    }

    /// Subscribes to these generations of the group and to no others. Nothing is taken meanwhile.
    async fn follow(
        &mut self,
        wanted: impl Iterator<Item = u32> + Clone,
    ) -> Result<(), ConnectionError> {
        let changed = |intake: &mut Intake| !intake.follows(wanted.clone());
        let Some(mut intake) = lock(&self.shared.intake).take_if(changed) else { return Ok(()) };
        let followed = intake.follow(&mut self.connection, wanted).await;
        *lock(&self.shared.intake) = Some(intake);
        followed
    }

    async fn publish(&mut self) -> Result<(), ConnectionError> {
        for transmit in self.transmits.drain(..) {
            let subject = self.connection.subjects.of(transmit.to);
            self.connection.publish(&subject, transmit.frame).await?;
        }
        Ok(())
    }

    /// Takes what has arrived. Sleeps where nothing has, until something arrives or is due.
    async fn wait(&mut self) {
        let now = self.clock.now();
        {
            let receiver = lock(&self.shared.receiver);
            let due = self.connection.wake_at(now, receiver.poll_timeout().unwrap_or(now));
            // While frames arrive the task looks often, so that acks do not depend on the
            // application.
            let busy = receiver.last_heard() >= self.looked_at;
            let at = if busy { due.min(now + ACK_DELAY) } else { due };
            self.shared.waker.set_task_wakes_at(self.alarm.set(at));
        }
        self.looked_at = now;
        if self.shared.take(now).frames == 0 {
            tokio::select! {
                () = self.shared.waker.task_woken() => {}
                () = self.alarm.fired() => {}
            }
        }
    }
}
