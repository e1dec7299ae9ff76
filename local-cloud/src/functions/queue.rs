//! Asynchronous invocations: accepted at once, retried as Lambda does.
//!
//! A function error is tried again after one and then two simulated minutes, a
//! throttle with a growing wait until the event is too old. Reserved
//! concurrency 0 drops events at once.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;

use super::{CallContext, Functions, InvokeError};
use crate::clock::Clock;
use crate::tasks::Tasks;
use crate::topology::FunctionSpec;

const RING_RECORDS: usize = 2000;

/// What became of an asynchronous event.
#[derive(Clone, Debug, Serialize)]
pub struct AsyncRecord {
    /// Function.
    pub function: String,
    /// Who sent it, for example `schedule rollout-tick`.
    pub source: String,
    /// The event.
    pub event: String,
    /// Simulated milliseconds since 1970 at which it was accepted.
    pub accepted_ms: i64,
    /// Simulated milliseconds since 1970 at which it was settled.
    pub settled_ms: i64,
    /// Invocations that reached the function.
    pub attempts: u32,
    /// Invocations that were throttled.
    pub throttles: u32,
    /// The answer, if the last attempt succeeded.
    pub answer: Option<String>,
    /// Why it was given up, if it was.
    pub error: Option<String>,
}

#[derive(Debug)]
pub(super) struct Queue {
    clock: Arc<Clock>,
    tasks: Tasks,
    records: Arc<Mutex<VecDeque<AsyncRecord>>>,
}

impl Queue {
    pub(super) fn new(clock: Arc<Clock>, tasks: Tasks) -> Self {
        Self { clock, tasks, records: Arc::default() }
    }

    pub(super) fn push(
        &self,
        functions: Arc<Functions>,
        name: String,
        spec: FunctionSpec,
        payload: Bytes,
        source: &str,
    ) {
        let record = AsyncRecord {
            function: spec.name.clone(),
            source: source.to_owned(),
            event: String::from_utf8_lossy(&payload).into_owned(),
            accepted_ms: self.clock.now_ms(),
            settled_ms: 0,
            attempts: 0,
            throttles: 0,
            answer: None,
            error: None,
        };
        let (clock, records) = (self.clock.clone(), self.records.clone());
        self.tasks.spawn(async move {
            let mut record = deliver(&functions, &name, &spec, &clock, payload, record).await;
            record.settled_ms = clock.now_ms();
            if let Some(error) = &record.error {
                eprintln!(
                    "local-cloud: event for {} from {} given up: {error}",
                    record.function, record.source
                );
            }
            let mut records = records.lock().expect("records lock");
            if records.len() == RING_RECORDS {
                records.pop_front();
            }
            records.push_back(record);
        });
    }

    pub(super) fn records(&self) -> Vec<AsyncRecord> {
        self.records.lock().expect("records lock").iter().cloned().collect()
    }
}

async fn deliver(
    functions: &Functions,
    name: &str,
    spec: &FunctionSpec,
    clock: &Clock,
    payload: Bytes,
    mut record: AsyncRecord,
) -> AsyncRecord {
    if spec.reserved_concurrency == Some(0) {
        record.error = Some("reserved concurrency is 0".to_owned());
        return record;
    }
    let oldest_ms = i64::try_from(spec.async_max_age.as_millis()).unwrap_or(i64::MAX);
    let mut backoff = Duration::from_secs(1);
    loop {
        // A retry goes where the alias points by then.
        let wait = match functions.invoke(name, payload.clone(), CallContext::default()).await {
            Ok(answer) => {
                record.attempts += 1;
                record.answer = Some(String::from_utf8_lossy(&answer).into_owned());
                return record;
            }
            Err(InvokeError::Throttled { .. } | InvokeError::Service(_)) => {
                record.throttles += 1;
                let wait = backoff;
                backoff = (backoff * 2).min(Duration::from_mins(5));
                wait
            }
            Err(error) => {
                record.attempts += 1;
                if record.attempts > spec.async_retries {
                    record.error = Some(error.to_string());
                    return record;
                }
                Duration::from_mins(u64::from(record.attempts))
            }
        };
        clock.sleep(wait).await;
        if clock.now_ms() - record.accepted_ms > oldest_ms {
            record.error = Some("older than async_max_age".to_owned());
            return record;
        }
    }
}
