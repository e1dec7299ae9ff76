//! The processes of one function: who is idle, who is busy, how many at most.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::Notify;

use super::environment::{Environment, Ran};
use super::logs::{Log, LogLine};
use super::versions::{Catalog, LATEST};
use super::{
    Build, CallContext, ColdStart, FunctionCode, FunctionStats, InvokeError, Surroundings,
    UpdateStatus,
};
use crate::aws::AwsError;
use crate::clock::Clock;
use crate::metrics::{Metrics, dimensions};
use crate::tasks::Tasks;
use crate::topology::{AliasSpec, Deployment, FunctionSpec};

/// One function.
#[derive(Debug)]
pub(super) struct Pool {
    /// Name and limits; what a process runs is in its [`Build`].
    spec: FunctionSpec,
    catalog: Mutex<Catalog>,
    surroundings: Arc<Surroundings>,
    pub(super) clock: Arc<Clock>,
    pub(super) metrics: Arc<Metrics>,
    tasks: Tasks,
    pub(super) log: Log,
    state: Mutex<State>,
    /// Told when a place becomes free.
    freed: Notify,
}

#[derive(Debug, Default)]
struct State {
    live: BTreeMap<u64, Arc<Environment>>,
    /// Numbers of live environments that wait for work, the latest used last.
    idle: Vec<u64>,
    /// Builds that nothing will ask for again; their processes end when they are done.
    retired: BTreeSet<u64>,
    in_flight: u32,
    started: u64,
    cold_starts: Vec<ColdStart>,
    invocations: u64,
    errors: u64,
    throttles: u64,
    peak_rss_kib: u64,
    stopped: bool,
}

impl Pool {
    pub(super) fn new(
        spec: FunctionSpec,
        surroundings: Arc<Surroundings>,
        clock: Arc<Clock>,
        metrics: Arc<Metrics>,
        tasks: Tasks,
    ) -> Self {
        let file = surroundings.log_dir.as_ref().map(|dir| dir.join(format!("{}.log", spec.name)));
        let log = Log::new(file);
        Self {
            catalog: Mutex::new(Catalog::new(&spec)),
            spec,
            surroundings,
            clock,
            metrics,
            tasks,
            log,
            state: Mutex::default(),
            freed: Notify::new(),
        }
    }

    pub(super) fn spec(&self) -> &FunctionSpec {
        &self.spec
    }

    pub(super) fn surroundings(&self) -> &Surroundings {
        &self.surroundings
    }

    /// The build that a request with this qualifier goes to; `draw` gives 0 to 1.
    pub(super) fn build(
        &self,
        qualifier: Option<&str>,
        draw: &mut dyn FnMut() -> f64,
    ) -> Option<Arc<Build>> {
        let catalog = self.settled();
        let qualifier = qualifier.unwrap_or(LATEST);
        let Some(alias) = catalog.alias(qualifier) else {
            return catalog.version(qualifier).cloned();
        };
        let version = match &alias.split {
            Some(split) if draw() < split.weight => &split.version,
            _ => &alias.version,
        };
        catalog.version(version).cloned()
    }

    /// What the API says of a version or of an alias's own version.
    pub(super) fn describe(&self, qualifier: Option<&str>) -> Option<(Arc<Build>, UpdateStatus)> {
        let catalog = self.settled();
        let qualifier = qualifier.unwrap_or(LATEST);
        let version = catalog.alias(qualifier).map_or(qualifier, |alias| &alias.version);
        let build = catalog.version(version)?;
        Some(catalog.described(build, self.clock.now_ms()))
    }

    pub(super) fn code(&self) -> FunctionCode {
        let catalog = self.settled();
        FunctionCode {
            name: self.spec.name.clone(),
            versions: catalog.versions(self.clock.now_ms()),
            aliases: catalog.aliases(),
        }
    }

    pub(super) fn alias(&self, name: &str) -> Option<AliasSpec> {
        self.settled().alias(name).cloned()
    }

    pub(super) fn deploy(&self, deployment: &Deployment) -> Result<String, AwsError> {
        let version = self.settled().deploy(deployment, self.clock.now_ms())?;
        // Takes effect now, if it does not wait.
        drop(self.settled());
        Ok(version)
    }

    pub(super) fn set_alias(&self, name: &str, alias: AliasSpec) -> Result<(), AwsError> {
        self.settled().set_alias(name, alias)
    }

    pub(super) fn remove_alias(&self, name: &str) -> bool {
        self.settled().remove_alias(name)
    }

    /// The catalog, after an update whose time has come.
    fn settled(&self) -> std::sync::MutexGuard<'_, Catalog> {
        let mut catalog = self.catalog.lock().expect("catalog lock");
        if let Some(replaced) = catalog.settle(self.clock.now_ms()) {
            self.retire(replaced);
        }
        catalog
    }

    /// Ends the idle processes of a build; the busy ones end when they are done.
    fn retire(&self, build: u64) {
        let mut state = self.lock();
        state.retired.insert(build);
        let State { live, idle, .. } = &mut *state;
        idle.retain(|id| {
            let Some(environment) = live.get(id).filter(|one| one.build.number == build) else {
                return true;
            };
            environment.kill();
            false
        });
    }

    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn(task);
    }

    /// Runs one event to its end, even if the caller goes away meanwhile.
    pub(super) async fn invoke(
        self: &Arc<Self>,
        build: Arc<Build>,
        arn: String,
        payload: Bytes,
        context: CallContext,
    ) -> Result<Bytes, InvokeError> {
        let (tell, told) = tokio::sync::oneshot::channel();
        let pool = self.clone();
        self.spawn(async move {
            // Fails only if the caller has left; the invocation counts all the same.
            let _ = tell.send(pool.admit(build, arn, payload, context).await);
        });
        told.await.unwrap_or_else(|_| Err(InvokeError::Service("the local cloud stops".to_owned())))
    }

    async fn admit(
        self: &Arc<Self>,
        build: Arc<Build>,
        arn: String,
        payload: Bytes,
        context: CallContext,
    ) -> Result<Bytes, InvokeError> {
        self.enter().await?;
        let begun = Instant::now();
        let result = self.dispatch(&build, &arn, payload, context).await;
        let failed = matches!(result, Err(InvokeError::Function { .. }));
        {
            let mut state = self.lock();
            state.in_flight -= 1;
            state.invocations += 1;
            state.errors += u64::from(failed);
        }
        self.freed.notify_one();
        let at_ms = self.clock.now_ms();
        let dimensions = dimensions([("FunctionName", self.spec.name.as_str())]);
        let count = |name: &str, value: f64| {
            self.metrics.count("AWS/Lambda", name, &dimensions, at_ms, value);
        };
        count("Invocations", 1.0);
        count("Duration", begun.elapsed().as_secs_f64() * 1000.0);
        count("Errors", if failed { 1.0 } else { 0.0 });
        result
    }

    /// Takes one of the allowed places, waits for one, or is throttled.
    async fn enter(&self) -> Result<(), InvokeError> {
        let most = self.spec.max_environments;
        let reserved = self.spec.reserved_concurrency.filter(|reserved| *reserved < most);
        let wait = if reserved.is_some() { Duration::ZERO } else { self.spec.queue };
        let until = Instant::now() + wait;
        loop {
            let freed = self.freed.notified();
            {
                let mut state = self.lock();
                if state.stopped {
                    return Err(InvokeError::Service("the local cloud stops".to_owned()));
                }
                if state.in_flight < reserved.unwrap_or(most) {
                    state.in_flight += 1;
                    return Ok(());
                }
            }
            let left = until.saturating_duration_since(Instant::now());
            if tokio::time::timeout(left, freed).await.is_err() {
                return Err(self.throttle(reserved.is_some()));
            }
        }
    }

    fn throttle(&self, reserved: bool) -> InvokeError {
        self.lock().throttles += 1;
        let dimensions = dimensions([("FunctionName", self.spec.name.as_str())]);
        let at_ms = self.clock.now_ms();
        self.metrics.count("AWS/Lambda", "Throttles", &dimensions, at_ms, 1.0);
        let reason = if reserved {
            "ReservedFunctionConcurrentInvocationLimitExceeded"
        } else {
            "ConcurrentInvocationLimitExceeded"
        };
        InvokeError::Throttled { reason }
    }

    async fn dispatch(
        self: &Arc<Self>,
        build: &Arc<Build>,
        arn: &str,
        payload: Bytes,
        context: CallContext,
    ) -> Result<Bytes, InvokeError> {
        loop {
            let environment = match self.take_idle(build) {
                Some(environment) => environment,
                None => self.start(build).await?,
            };
            let fresh = environment.init_ms().is_none();
            let ran = environment.run(arn.to_owned(), payload.clone(), context.clone()).await;
            if fresh && let Some(init_ms) = environment.init_ms() {
                let environment = environment.id;
                self.lock().cold_starts.push(ColdStart { environment, init_ms });
            }
            match ran {
                Ran::Done(result) => {
                    let mut state = self.lock();
                    if state.retired.contains(&build.number) {
                        environment.kill();
                    } else if state.live.contains_key(&environment.id) {
                        state.idle.push(environment.id);
                    }
                    return result;
                }
                Ran::Failed(error) => {
                    self.forget(environment.id);
                    return Err(error);
                }
                Ran::NeverTaken => self.forget(environment.id),
            }
        }
    }

    fn take_idle(&self, build: &Build) -> Option<Arc<Environment>> {
        let mut state = self.lock();
        let State { live, idle, .. } = &mut *state;
        let ours = |id: &u64| {
            live.get(id).is_some_and(|environment| environment.build.number == build.number)
        };
        let at = idle.iter().rposition(ours)?;
        let id = idle.remove(at);
        live.get(&id).cloned()
    }

    async fn start(self: &Arc<Self>, build: &Arc<Build>) -> Result<Arc<Environment>, InvokeError> {
        let id = {
            let mut state = self.lock();
            state.started += 1;
            // An idle process of another version makes room, the one idle for longest first.
            let most = usize::try_from(self.spec.max_environments).unwrap_or(usize::MAX);
            if state.live.len() >= most && !state.idle.is_empty() {
                let displaced = state.idle.remove(0);
                if let Some(environment) = state.live.get(&displaced) {
                    environment.kill();
                }
            }
            state.started
        };
        let environment = Environment::start(self, build.clone(), id).await?;
        let mut state = self.lock();
        if state.stopped {
            environment.kill();
        }
        state.live.insert(id, environment.clone());
        Ok(environment)
    }

    /// Takes a dead process off the list.
    pub(super) fn forget(&self, id: u64) {
        let mut state = self.lock();
        state.idle.retain(|idle| *idle != id);
        state.live.remove(&id);
    }

    /// Ends every process; the next invocation starts a new one.
    pub(super) fn kill_all(&self) -> usize {
        self.sample_memory();
        let mut state = self.lock();
        state.idle.clear();
        for environment in state.live.values() {
            environment.kill();
        }
        state.live.len()
    }

    pub(super) fn stop(&self) {
        self.lock().stopped = true;
        self.kill_all();
    }

    pub(super) fn sample_memory(&self) {
        let live: Vec<_> = self.lock().live.values().cloned().collect();
        let peak = live.iter().filter_map(|one| one.peak_rss_kib()).max().unwrap_or(0);
        let mut state = self.lock();
        state.peak_rss_kib = state.peak_rss_kib.max(peak);
    }

    /// Ends when every process asks for an event.
    pub(super) async fn rests(&self) {
        let live: Vec<_> = self.lock().live.values().cloned().collect();
        for environment in live {
            environment.rests().await;
        }
    }

    pub(super) fn stats(&self) -> FunctionStats {
        self.sample_memory();
        let state = self.lock();
        FunctionStats {
            name: self.spec.name.clone(),
            environments: state.live.len(),
            busy: state.in_flight,
            pids: state.live.values().map(|environment| environment.pid).collect(),
            invocations: state.invocations,
            errors: state.errors,
            throttles: state.throttles,
            peak_rss_kib: state.peak_rss_kib,
            cold_starts: state.cold_starts.clone(),
        }
    }

    pub(super) fn logs(&self) -> Vec<LogLine> {
        self.log.lines()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().expect("pool lock")
    }
}
