//! What was published: pages on SNS topics, events on EventBridge.

use std::collections::VecDeque;
use std::sync::Mutex;

use serde::Serialize;
use serde_json::Value;

const RING: usize = 5000;

/// A message on a topic.
#[derive(Clone, Debug, Serialize)]
pub struct Page {
    /// Message id.
    pub id: String,
    /// Simulated milliseconds since 1970.
    pub at_ms: i64,
    /// Topic.
    pub topic_arn: String,
    /// Subject, if it has one.
    pub subject: Option<String>,
    /// Body.
    pub message: String,
}

/// An event on the default bus.
#[derive(Clone, Debug, Serialize)]
pub struct BusEvent {
    /// Simulated milliseconds since 1970.
    pub at_ms: i64,
    /// The whole event.
    pub event: Value,
    /// Names of the event rules that took it.
    pub rules: Vec<String>,
}

#[derive(Debug)]
pub(crate) struct Ring<T>(Mutex<VecDeque<T>>);

impl<T> Default for Ring<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T: Clone> Ring<T> {
    pub(crate) fn push(&self, item: T) {
        let mut ring = self.0.lock().expect("ring lock");
        if ring.len() == RING {
            ring.pop_front();
        }
        ring.push_back(item);
    }

    pub(crate) fn all(&self) -> Vec<T> {
        self.0.lock().expect("ring lock").iter().cloned().collect()
    }
}
