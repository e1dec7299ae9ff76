//! Functions: processes that speak the Lambda Runtime API.
//!
//! One request at a time per process, more processes on demand, idle ones
//! reused: cold starts are real. A process belongs to one version; an alias
//! chooses one for each request. What is missing against Lambda: memory and
//! disk limits, frozen processes between requests, response streaming,
//! destinations.

mod environment;
mod logs;
mod pool;
mod queue;
mod runtime_api;
mod versions;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock};

use bytes::Bytes;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::Serialize;

pub use logs::LogLine;
pub use queue::AsyncRecord;
pub use versions::VersionState;

use crate::aws::AwsError;
use crate::clock::Clock;
use crate::metrics::Metrics;
use crate::names::Names;
use crate::tasks::Tasks;
use crate::topology::{AliasSpec, Deployment, FunctionSpec};
pub(crate) use environment::request_id;
use pool::Pool;
use queue::Queue;
pub(crate) use versions::{Build, UpdateStatus, aws_time, check_alias, is_alias};

/// Why an invocation gave no result.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvokeError {
    /// No function has this name, or it has no such version or alias.
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

/// A function with the build that one request shall run.
#[derive(Debug)]
pub(crate) struct Target {
    pool: Arc<Pool>,
    build: Arc<Build>,
    /// As it was asked for, with its qualifier.
    arn: String,
}

impl Target {
    /// `$LATEST` or a number.
    pub(crate) fn version(&self) -> &str {
        &self.build.version
    }

    /// Invokes and waits.
    pub(crate) async fn invoke(
        self,
        payload: Bytes,
        context: CallContext,
    ) -> Result<Bytes, InvokeError> {
        self.pool.invoke(self.build, self.arn, payload, context).await
    }
}

/// What the API says of one version.
pub(crate) struct Described {
    pub(crate) arn: String,
    pub(crate) build: Arc<Build>,
    pub(crate) status: UpdateStatus,
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

/// What a function runs.
#[derive(Clone, Debug, Serialize)]
pub struct FunctionCode {
    /// Name.
    pub name: String,
    /// `$LATEST`, then the published versions.
    pub versions: Vec<VersionState>,
    /// Where aliases point.
    pub aliases: BTreeMap<String, AliasSpec>,
}

/// All functions of the cloud.
#[derive(Debug)]
pub(crate) struct Functions {
    names: Names,
    pools: BTreeMap<String, Arc<Pool>>,
    queue: Arc<Queue>,
    /// Draws of aliases that split.
    dice: Mutex<ChaCha8Rng>,
}

/// What every function process is told.
#[derive(Debug)]
pub(crate) struct Surroundings {
    pub(crate) names: Names,
    pub(crate) log_dir: Option<PathBuf>,
    /// Set once the endpoint listens, before the first invocation.
    pub(crate) aws_endpoint: Arc<OnceLock<String>>,
    pub(crate) seed: u64,
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
        // Another stream than the weights' and the faults', so that none shifts the others.
        let mut dice = ChaCha8Rng::seed_from_u64(surroundings.seed);
        dice.set_stream(2);
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
        Self {
            names,
            pools,
            queue: Arc::new(Queue::new(clock.clone(), tasks.clone())),
            dice: Mutex::new(dice),
        }
    }

    /// Invokes and waits.
    pub(crate) async fn invoke(
        &self,
        name: &str,
        payload: Bytes,
        context: CallContext,
    ) -> Result<Bytes, InvokeError> {
        self.target(name)?.invoke(payload, context).await
    }

    /// Queues an event; `source` is told in the record of what became of it.
    pub(crate) fn invoke_later(
        self: &Arc<Self>,
        name: &str,
        payload: Bytes,
        source: &str,
    ) -> Result<(), InvokeError> {
        let spec = self.target(name)?.pool.spec().clone();
        self.queue.push(self.clone(), name.to_owned(), spec, payload, source);
        Ok(())
    }

    /// Looks a function up by name, ARN, or either with a qualifier.
    pub(crate) fn find(&self, name: &str) -> Result<&str, InvokeError> {
        self.describe(name)?;
        Ok(&self.pool(name)?.spec().name)
    }

    /// The function and the version that one request to `name` goes to: a name
    /// or an ARN, either with a qualifier or without. Draws if an alias splits.
    pub(crate) fn target(&self, name: &str) -> Result<Target, InvokeError> {
        let (bare, qualifier) = qualified(name);
        let arn = self.arn(bare, qualifier);
        let missing = || InvokeError::NotFound { arn: arn.clone() };
        let pool = self.pools.get(bare).ok_or_else(missing)?;
        let mut draw = || self.dice.lock().expect("alias dice lock").random::<f64>();
        let build = pool.build(qualifier, &mut draw).ok_or_else(missing)?;
        Ok(Target { pool: pool.clone(), build, arn })
    }

    /// What `GetFunctionConfiguration` tells; an alias shows its own version, not the split.
    pub(crate) fn describe(&self, name: &str) -> Result<Described, InvokeError> {
        let (bare, qualifier) = qualified(name);
        let arn = self.arn(bare, qualifier);
        let missing = || InvokeError::NotFound { arn: arn.clone() };
        let pool = self.pools.get(bare).ok_or_else(missing)?;
        let (build, status) = pool.describe(qualifier).ok_or_else(missing)?;
        Ok(Described { arn, build, status })
    }

    /// An alias of a function; `None` if the function has none of this name.
    pub(crate) fn alias(&self, name: &str, alias: &str) -> Result<Option<AliasSpec>, InvokeError> {
        Ok(self.pool(name)?.alias(alias))
    }

    pub(crate) fn deploy(&self, name: &str, change: &Deployment) -> Result<String, AwsError> {
        self.pool(name).map_err(|error| not_found(&error))?.deploy(change)
    }

    pub(crate) fn set_alias(
        &self,
        name: &str,
        alias: &str,
        spec: AliasSpec,
    ) -> Result<(), AwsError> {
        self.pool(name).map_err(|error| not_found(&error))?.set_alias(alias, spec)
    }

    pub(crate) fn remove_alias(&self, name: &str, alias: &str) -> Result<bool, InvokeError> {
        Ok(self.pool(name)?.remove_alias(alias))
    }

    fn arn(&self, bare: &str, qualifier: Option<&str>) -> String {
        let arn = self.names.function(bare);
        qualifier.map_or(arn.clone(), |qualifier| format!("{arn}:{qualifier}"))
    }

    fn pool(&self, name: &str) -> Result<&Arc<Pool>, InvokeError> {
        let (bare, _) = qualified(name);
        self.pools.get(bare).ok_or_else(|| InvokeError::NotFound { arn: self.names.function(bare) })
    }

    pub(crate) fn stats(&self) -> Vec<FunctionStats> {
        self.pools.values().map(|pool| pool.stats()).collect()
    }

    pub(crate) fn code(&self) -> Vec<FunctionCode> {
        self.pools.values().map(|pool| pool.code()).collect()
    }

    pub(crate) fn logs(&self, name: &str) -> Result<Vec<LogLine>, InvokeError> {
        Ok(self.pool(name)?.logs())
    }

    pub(crate) fn async_records(&self) -> Vec<AsyncRecord> {
        self.queue.records()
    }

    /// Ends when every process of one function asks for an event.
    pub(crate) async fn at_rest(&self, name: &str) -> Result<(), InvokeError> {
        self.pool(name)?.rests().await;
        Ok(())
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

/// Name and qualifier of a function's name or ARN.
pub(crate) fn qualified(name: &str) -> (&str, Option<&str>) {
    let tail = name.split_once("function:").map_or(name, |(_, tail)| tail);
    match tail.split_once(':') {
        Some((bare, qualifier)) => (bare, Some(qualifier)),
        None => (tail, None),
    }
}

/// `ResourceNotFoundException`, as Lambda's API answers it.
pub(crate) fn not_found(error: &InvokeError) -> AwsError {
    AwsError {
        status: 404,
        code: "ResourceNotFoundException".to_owned(),
        message: error.to_string(),
    }
}

/// The JSON of an error that the platform, not the function, reports.
fn platform_error(error_type: &str, message: &str) -> InvokeError {
    let payload = serde_json::json!({ "errorMessage": message, "errorType": error_type });
    InvokeError::Function { error_type: error_type.to_owned(), payload: payload.to_string().into() }
}
