//! The subscriber's task. Frames are received, checked and reported whatever the application does.

use std::sync::{Arc, Mutex, TryLockError};
use std::task::{Context, Waker};
use std::time::Duration;

use async_nats::Subscriber as Subscription;

use super::doorbell::Doorbell;
use super::intake::{Intake, Taken};
use super::link::{Link, LinkChange, LinkError};
use super::{Alarm, Clock, DenialWatch, Subjects, SubscribeFailure, lock};
use crate::proto::{ACK_DELAY, Receiver, ReceiverEvent, Transmit};
use crate::time::Time;

/// What the subscriber's handle and its task share. Locked in this order: `intake`, `receiver`.
pub(crate) struct SubscribeShared {
    pub(crate) receiver: Mutex<Receiver>,
    pub(crate) bell: Arc<Doorbell>,
    /// The bell, for the client.
    ring: Waker,
    /// Gone for as long as the task changes it, and when the task has ended.
    intake: Mutex<Option<Intake>>,
    /// Set when the task has ended for a reason that the protocol does not know.
    pub(crate) failure: Mutex<Option<SubscribeFailure>>,
    /// The task has ended.
    pub(crate) ended: tokio::sync::watch::Sender<bool>,
}

impl SubscribeShared {
    pub(crate) fn new(
        receiver: Receiver,
        clock: Clock,
        (data, inbox): (Subscription, Subscription),
    ) -> SubscribeShared {
        let bell = Arc::new(Doorbell::new(clock));
        SubscribeShared {
            receiver: Mutex::new(receiver),
            ring: Waker::from(Arc::clone(&bell)),
            bell,
            intake: Mutex::new(Some(Intake::new(data, inbox))),
            failure: Mutex::new(None),
            ended: tokio::sync::watch::Sender::new(false),
        }
    }

    /// Takes what has arrived, at most a turn's worth. Nothing where the other side is about it: then that
    /// one sees to it that all is taken.
    fn take(&self, now: Time) -> Taken {
        let mut intake = match self.intake.try_lock() {
            Ok(intake) => intake,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return Taken::NOTHING,
        };
        let Some(intake) = intake.as_mut() else { return Taken::NOTHING };
        let taken = intake.take(&mut Context::from_waker(&self.ring), now, &self.receiver);
        self.bell.set_streaming(intake.is_streaming());
        taken
    }

    /// The application is about to wait: takes what has arrived in its thread, unless that is the task's to do.
    /// `false` where there was nothing; then it will be woken.
    pub(crate) fn take_for_app(&self, now: Time) -> bool {
        if !self.bell.app_takes() {
            return false;
        }
        let taken = self.take(now);
        if !taken.all && !self.bell.task_looks_soon() {
            // Nobody would tell of the rest, should the application not come back.
            self.bell.wake_task();
        }
        taken.frames > 0
    }
}

struct SubscribeTask {
    link: Link,
    clock: Clock,
    alarm: Alarm,
    shared: Arc<SubscribeShared>,
    transmits: Vec<Transmit>,
    /// When it last looked whether anything is going on.
    looked_at: Time,
}

pub(crate) fn run_subscriber(
    client: async_nats::Client,
    subjects: Subjects,
    clock: Clock,
    shared: Arc<SubscribeShared>,
    (outage_timeout, denials): (Duration, DenialWatch),
) {
    let link = Link::new(client, subjects, outage_timeout, denials);
    let (alarm, transmits) = (Alarm::new(clock), Vec::new());
    let task = SubscribeTask { link, clock, alarm, shared, transmits, looked_at: Time::ZERO };
    tokio::spawn(task.run());
}

impl SubscribeTask {
    async fn run(mut self) {
        loop {
            match self.step().await {
                Ok(true) => self.wait().await,
                Ok(false) => {
                    self.link.flush_last().await;
                    break;
                }
                Err(failure) => {
                    // What was over before stays as it ended.
                    if !lock(&self.shared.receiver).is_over() {
                        *lock(&self.shared.failure) = Some(failure);
                    }
                    break;
                }
            }
        }
        *lock(&self.shared.intake) = None;
        self.shared.ended.send_replace(true);
        self.shared.bell.wake_app();
    }

    /// Does all that can be done now; `false` once the session is over.
    async fn step(&mut self) -> Result<bool, SubscribeFailure> {
        let now = self.clock.now();
        let link = self.link.check(now);
        let (over, generations, arrived) = {
            let mut receiver = lock(&self.shared.receiver);
            match &link {
                LinkChange::Up => {}
                LinkChange::Down => receiver.handle_outage(now),
                LinkChange::Back => receiver.handle_reconnect(now),
                LinkChange::Lost => return Err(SubscribeFailure::Disconnected),
                LinkChange::Denied(denial) => return Err(SubscribeFailure::Denied(denial.clone())),
            }
            receiver.handle_timeout(now);
            if link != LinkChange::Down {
                while let Some(transmit) = receiver.poll_transmit(now) {
                    self.transmits.push(transmit);
                }
            }
            let mut arrived = receiver.has_ready() || receiver.at_end() || receiver.is_over();
            while let Some(event) = receiver.poll_event() {
                tracing::debug!(stream = self.link.subjects.stream(), ?event, "subscriber");
                arrived |= event == ReceiverEvent::Connected;
            }
            (receiver.is_over(), receiver.generations(), arrived)
        };
        if arrived {
            // Not before the lock is free: who is woken takes it.
            self.shared.bell.wake_app();
        }
        // Before anything is said: the publisher takes what is said as a sign that this is done.
        if link != LinkChange::Down {
            self.follow(generations).await?;
        }
        self.link.publish(&mut self.transmits).await?;
        // What is to be said last waits for the link to come back.
        Ok(!over || link == LinkChange::Down)
    }

    /// Listens to these generations of the group. Nothing is taken meanwhile.
    async fn follow(&mut self, wanted: impl Iterator<Item = u32> + Clone) -> Result<(), LinkError> {
        let changed = |intake: &mut Intake| !intake.groups.are(wanted.clone());
        let Some(mut intake) = lock(&self.shared.intake).take_if(changed) else { return Ok(()) };
        let followed = intake.groups.follow(&mut self.link, wanted).await;
        *lock(&self.shared.intake) = Some(intake);
        followed
    }

    /// Takes what has arrived; where there is nothing, sleeps until there is something to do.
    async fn wait(&mut self) {
        let now = self.clock.now();
        {
            let receiver = lock(&self.shared.receiver);
            let due = self.link.wake_at(now, receiver.poll_timeout().unwrap_or(now));
            // While something is going on it looks in often, so that the application need not be trusted.
            let busy = receiver.last_heard() >= self.looked_at;
            let at = if busy { due.min(now + ACK_DELAY) } else { due };
            self.shared.bell.set_wakes_at(self.alarm.set(at));
        }
        self.looked_at = now;
        if self.shared.take(now).frames == 0 {
            tokio::select! {
                () = self.shared.bell.task_woken() => {}
                () = self.alarm.fired() => {}
            }
        }
    }
}
