//! Functions: processes that speak the Lambda Runtime API.
//!
//! One request at a time per process, more processes on demand, idle ones
//! reused: cold starts are real. What is missing against Lambda: versions and
//! aliases (a qualifier is accepted and ignored), memory and disk limits,
//! frozen processes between requests, response streaming, destinations.

mod environment;
mod logs;
mod pool;
mod queue;
mod runtime_api;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use serde::Serialize;

pub use logs::LogLine;
pub use queue::AsyncRecord;

use crate::clock::Clock;
use crate::metrics::Metrics;
use crate::names::Names;
use crate::tasks::Tasks;
use crate::topology::FunctionSpec;
pub(crate) use environment::request_id;
use pool::Pool;
use queue::Queue;

/// Why an invocation gave no result.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvokeError {
    /// No function has this name.
    #[error("Function not found: {arn}")]
    NotFound {
        /// ARN that was asked for.
        arn: String,
    },
    /// All environments are busy, or reserved concurrency is used up.
    #[error("Rate Exceeded.")]
    Throttled {
        /// AWS's reason code.
        reason: &'static str,
    },
    /// The function raised an error, crashed or timed out.
    #[error("{error_type}: {}", String::from_utf8_lossy(payload))]
    Function {
        /// For example `Sandbox.Timedout`, `Runtime.ExitError`, or the function's own.
        error_type: String,
        /// JSON with `errorMessage` and `errorType`.
        payload: Bytes,
    },
    /// The process could not be started.
    #[error("{0}")]
    Service(String),
}

/// What travels beside an event.
#[derive(Clone, Debug, Default)]
pub(crate) struct CallContext {
    /// Value of the trace id header.
    pub(crate) trace: Option<String>,
    /// Client context as JSON text.
    pub(crate) client_context: Option<String>,
}

/// A process start.
#[derive(Clone, Debug, Serialize)]
pub struct ColdStart {
    /// Number of the environment.
    pub environment: u64,
    /// Real milliseconds from spawn to the first `next`.
    pub init_ms: f64,
}

/// What a function has done so far.
#[derive(Clone, Debug, Serialize)]
pub struct FunctionStats {
    /// Name.
    pub name: String,
    /// Processes that live now.
    pub environments: usize,
    /// Of those, the ones at work.
    pub busy: u32,
    /// Process ids of those that live.
    pub pids: Vec<u32>,
    /// Invocations that a process has taken or refused to take.
    pub invocations: u64,
    /// Of those, the ones that ended in a function error.
    pub errors: u64,
    /// Invocations refused for concurrency.
    pub throttles: u64,
    /// Greatest resident size of any one process, in KiB (`VmHWM`).
    pub peak_rss_kib: u64,
    /// All process starts.
    pub cold_starts: Vec<ColdStart>,
}

/// All functions of the cloud.
#[derive(Debug)]
pub(crate) struct Functions {
    names: Names,
    pools: BTreeMap<String, Arc<Pool>>,
    queue: Arc<Queue>,
}

/// What every function process is told.
#[derive(Debug)]
pub(crate) struct Surroundings {
    pub(crate) names: Names,
    pub(crate) log_dir: Option<PathBuf>,
    /// Set once the endpoint listens, before the first invocation.
    pub(crate) aws_endpoint: Arc<OnceLock<String>>,
}

impl Functions {
    pub(crate) fn new(
        specs: &[FunctionSpec],
        surroundings: Surroundings,
        clock: &Arc<Clock>,
        metrics: &Arc<Metrics>,
        tasks: &Tasks,
    ) -> Self {
        let names = surroundings.names.clone();
        let surroundings = Arc::new(surroundings);
        let pools = specs
            .iter()
            .map(|spec| {
                let pool = Pool::new(
                    spec.clone(),
                    surroundings.clone(),
                    clock.clone(),
                    metrics.clone(),
                    tasks.clone(),
                );
                (spec.name.clone(), Arc::new(pool))
            })
            .collect();
        Self { names, pools, queue: Arc::new(Queue::new(clock.clone(), tasks.clone())) }
    }

    /// Invokes and waits.
    pub(crate) async fn invoke(
        &self,
        name: &str,
        payload: Bytes,
        context: CallContext,
    ) -> Result<Bytes, InvokeError> {
        self.pool(name)?.invoke(payload, context).await
    }

    /// Queues an event; `source` is told in the record of what became of it.
    pub(crate) fn invoke_later(
        &self,
        name: &str,
        payload: Bytes,
        source: &str,
    ) -> Result<(), InvokeError> {
        self.queue.push(self.pool(name)?, payload, source);
        Ok(())
    }

    /// Looks a function up by name, ARN, or either with a qualifier.
    pub(crate) fn find(&self, name: &str) -> Result<&str, InvokeError> {
        Ok(&self.pool(name)?.spec().name)
    }

    fn pool(&self, name: &str) -> Result<&Arc<Pool>, InvokeError> {
        let bare = match name.split_once(":function:") {
            Some((_, tail)) => tail,
            None => name,
        };
        let bare = bare.split(':').next().unwrap_or(bare);
        self.pools.get(bare).ok_or_else(|| InvokeError::NotFound { arn: self.names.function(bare) })
    }

    pub(crate) fn stats(&self) -> Vec<FunctionStats> {
        self.pools.values().map(|pool| pool.stats()).collect()
    }

    pub(crate) fn logs(&self, name: &str) -> Result<Vec<LogLine>, InvokeError> {
        Ok(self.pool(name)?.logs())
    }

    pub(crate) fn async_records(&self) -> Vec<AsyncRecord> {
        self.queue.records()
    }

    /// Ends every process of one function, as a deployment would.
    pub(crate) fn recycle(&self, name: &str) -> Result<usize, InvokeError> {
        Ok(self.pool(name)?.kill_all())
    }

    /// Ends every process and starts no more.
    pub(crate) fn stop(&self) {
        for pool in self.pools.values() {
            pool.stop();
        }
    }

    /// Notes the resident size of every process.
    pub(crate) fn sample_memory(&self) {
        for pool in self.pools.values() {
            pool.sample_memory();
        }
    }
}

impl Drop for Functions {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The JSON of an error that the platform, not the function, reports.
fn platform_error(error_type: &str, message: &str) -> InvokeError {
    let payload = serde_json::json!({ "errorMessage": message, "errorType": error_type });
    InvokeError::Function { error_type: error_type.to_owned(), payload: payload.to_string().into() }
}
