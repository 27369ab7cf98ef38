//! A link for unit tests, whose space, flushes and state the test sets.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;

use super::{
    Denial, DenialLog, DenialWatch, Link, LinkError, LinkFuture, LinkState, Subject, Subscription,
};

/// A link that records what it accepts. It begins up, with endless space, and flushes at once.
#[derive(Debug)]
pub(crate) struct FakeLink {
    inner: Arc<Mutex<Inner>>,
    denials: Arc<DenialLog>,
}

#[derive(Debug)]
struct Inner {
    state: LinkState,
    /// How many more frames are accepted.
    space: usize,
    closed: bool,
    flushes_held: bool,
    /// The space that a flush frees when it resolves.
    freed_by_flush: usize,
    accepted: Vec<(Subject, Bytes)>,
    subscriptions: Vec<Queue>,
    wakers: Vec<Waker>,
}

#[derive(Debug)]
struct Queue {
    subject: Subject,
    frames: VecDeque<Bytes>,
    drained: bool,
}

impl FakeLink {
    pub(crate) fn new() -> Arc<FakeLink> {
        let inner = Inner {
            state: LinkState::Up(1),
            space: usize::MAX,
            closed: false,
            flushes_held: false,
            freed_by_flush: 0,
            accepted: Vec::new(),
            subscriptions: Vec::new(),
            wakers: Vec::new(),
        };
        Arc::new(FakeLink { inner: Arc::new(Mutex::new(inner)), denials: Arc::default() })
    }

    pub(crate) fn set_state(&self, state: LinkState) {
        self.change(|inner| inner.state = state);
    }

    /// Accepts this many more frames.
    pub(crate) fn set_space(&self, frames: usize) {
        self.change(|inner| inner.space = frames);
    }

    /// Accepts nothing any more.
    pub(crate) fn close(&self) {
        self.change(|inner| inner.closed = true);
    }

    /// While true, no flush resolves.
    pub(crate) fn hold_flushes(&self, held: bool) {
        self.change(|inner| inner.flushes_held = held);
    }

    /// Each flush frees space for this many frames when it resolves, as if it had stood in the
    /// queue.
    pub(crate) fn free_by_flush(&self, frames: usize) {
        self.change(|inner| inner.freed_by_flush = frames);
    }

    pub(crate) fn deny(&self, subject: &str) {
        self.denials.push(Denial { publishing: true, subject: subject.to_owned() });
    }

    /// Takes what was accepted since the last call.
    pub(crate) fn take_accepted(&self) -> Vec<(Subject, Bytes)> {
        std::mem::take(&mut lock(&self.inner).accepted)
    }

    /// A frame arrives on a subject.
    pub(crate) fn deliver(&self, subject: &str, frame: impl Into<Bytes>) {
        let frame = frame.into();
        self.change(|inner| {
            for queue in inner.subscriptions.iter_mut().filter(|q| !q.drained) {
                if queue.subject.as_str() == subject {
                    queue.frames.push_back(frame.clone());
                }
            }
        });
    }

    fn change(&self, change: impl FnOnce(&mut Inner)) {
        let wakers = {
            let mut inner = lock(&self.inner);
            change(&mut inner);
            std::mem::take(&mut inner.wakers)
        };
        wakers.into_iter().for_each(Waker::wake);
    }
}

impl Inner {
    fn accept(&mut self, subject: &Subject, frame: Bytes) -> Result<(), Bytes> {
        if self.closed || self.space == 0 {
            return Err(frame);
        }
        self.space -= 1;
        self.accepted.push((subject.clone(), frame));
        Ok(())
    }

    fn pending<T>(&mut self, context: &Context<'_>) -> Poll<T> {
        self.wakers.push(context.waker().clone());
        Poll::Pending
    }
}

impl Link for FakeLink {
    fn max_payload(&self) -> usize {
        1 << 20
    }

    fn state(&self) -> LinkState {
        lock(&self.inner).state
    }

    fn denials(&self) -> DenialWatch {
        self.denials.watch()
    }

    fn try_publish(&self, subject: &Subject, frame: Bytes) -> Result<(), Bytes> {
        lock(&self.inner).accept(subject, frame)
    }

    fn publish(&self, subject: &Subject, frame: Bytes) -> LinkFuture<'_, Result<(), LinkError>> {
        let subject = subject.clone();
        Box::pin(poll_fn(move |context| {
            let mut inner = lock(&self.inner);
            if inner.closed {
                return Poll::Ready(Err(LinkError("closed".to_owned())));
            }
            match inner.accept(&subject, frame.clone()) {
                Ok(()) => Poll::Ready(Ok(())),
                Err(_) => inner.pending(context),
            }
        }))
    }

    fn flush(&self) -> LinkFuture<'static, ()> {
        let inner = Arc::clone(&self.inner);
        Box::pin(poll_fn(move |context| {
            let mut inner = lock(&inner);
            if inner.flushes_held {
                return inner.pending(context);
            }
            inner.space = inner.space.saturating_add(inner.freed_by_flush);
            let wakers = std::mem::take(&mut inner.wakers);
            drop(inner);
            wakers.into_iter().for_each(Waker::wake);
            Poll::Ready(())
        }))
    }

    fn subscribe(
        &self,
        subject: &Subject,
    ) -> LinkFuture<'_, Result<Box<dyn Subscription>, LinkError>> {
        let subject = subject.clone();
        Box::pin(async move {
            let mut inner = lock(&self.inner);
            let index = inner.subscriptions.len();
            let frames = VecDeque::new();
            inner.subscriptions.push(Queue { subject, frames, drained: false });
            let subscription = FakeSubscription { inner: Arc::clone(&self.inner), index };
            Ok(Box::new(subscription) as Box<dyn Subscription>)
        })
    }
}

struct FakeSubscription {
    inner: Arc<Mutex<Inner>>,
    index: usize,
}

impl Subscription for FakeSubscription {
    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let mut inner = lock(&self.inner);
        let queue = &mut inner.subscriptions[self.index];
        match queue.frames.pop_front() {
            Some(frame) => Poll::Ready(Some(frame)),
            None if queue.drained => Poll::Ready(None),
            None => inner.pending(context),
        }
    }

    fn drain(&mut self) -> LinkFuture<'_, ()> {
        lock(&self.inner).subscriptions[self.index].drained = true;
        Box::pin(std::future::ready(()))
    }
}

fn lock(inner: &Mutex<Inner>) -> MutexGuard<'_, Inner> {
    inner.lock().unwrap_or_else(PoisonError::into_inner)
}
