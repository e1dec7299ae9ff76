//! Simulated time: a queue of what is to happen, in order.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// A deed of the world at its time, such as a request that arrives.
pub type Deed = Box<dyn FnOnce() + Send>;

enum Entry {
    Wake(Waker),
    Do(Deed),
}

struct Queue {
    now_ms: i64,
    made: u64,
    entries: BTreeMap<(i64, u64), Entry>,
}

/// The one time of a history; clones share it.
#[derive(Clone)]
pub struct Time(Arc<Mutex<Queue>>);

impl Time {
    /// Begins at this time, in milliseconds since the Unix epoch.
    pub fn new(now_ms: i64) -> Self {
        Self(Arc::new(Mutex::new(Queue { now_ms, made: 0, entries: BTreeMap::new() })))
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Now, in milliseconds.
    pub fn now_ms(&self) -> i64 {
        self.queue().now_ms
    }

    fn put(&self, at_ms: i64, entry: Entry) {
        let mut queue = self.queue();
        queue.made += 1;
        let place = (at_ms.max(queue.now_ms), queue.made);
        queue.entries.insert(place, entry);
    }

    /// Does this at its time, whatever becomes of the process that asked for it.
    pub fn at(&self, at_ms: i64, deed: Deed) {
        self.put(at_ms, Entry::Do(deed));
    }

    /// When the next thing happens.
    pub fn next_ms(&self) -> Option<i64> {
        self.queue().entries.first_key_value().map(|((at_ms, _), _)| *at_ms)
    }

    /// Goes on to this time, which must not be after the next entry's.
    pub fn pass_to(&self, at_ms: i64) {
        let mut queue = self.queue();
        queue.now_ms = queue.now_ms.max(at_ms);
    }

    /// Goes on to the next entry, and lets it happen.
    pub fn step(&self) {
        let next = {
            let mut queue = self.queue();
            let Some(((at_ms, _), entry)) = queue.entries.pop_first() else { return };
            queue.now_ms = queue.now_ms.max(at_ms);
            entry
        };
        match next {
            Entry::Wake(waker) => waker.wake(),
            Entry::Do(deed) => deed(),
        }
    }

    /// Ends at this time.
    pub fn until(&self, at_ms: i64) -> Nap {
        Nap { time: self.clone(), at_ms, queued: false }
    }
}

/// A wait.
pub struct Nap {
    time: Time,
    at_ms: i64,
    queued: bool,
}

impl Future for Nap {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.time.now_ms() >= self.at_ms {
            return Poll::Ready(());
        }
        if !self.queued {
            self.queued = true;
            self.time.put(self.at_ms, Entry::Wake(context.waker().clone()));
        }
        Poll::Pending
    }
}
