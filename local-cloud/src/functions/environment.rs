//! One process with its own Runtime API listener.
//!
//! A listener each, because `awslambdaric` accepts no path prefix by which one
//! listener could tell its callers apart.

use std::net::SocketAddr;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::process::{Child, Command};
use tokio::sync::{Notify, oneshot, watch};

use super::pool::Pool;
use super::{Build, CallContext, InvokeError, platform_error, runtime_api};
use crate::clock::CLOCK_VARIABLE;
use crate::serve;
use crate::tasks::Tasks;
use crate::topology::FunctionSpec;

/// Variables of our own environment that a function may see.
const INHERITED: [&str; 7] =
    ["PATH", "HOME", "TMPDIR", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "LLVM_PROFILE_FILE"];

/// An event on its way to the process.
pub(super) struct Invocation {
    pub(super) request_id: String,
    pub(super) payload: Bytes,
    /// ARN that was invoked.
    pub(super) arn: String,
    pub(super) context: CallContext,
    /// Told when the process takes the event.
    pub(super) taken: oneshot::Sender<()>,
    /// Told what the process made of it; dropped if the process ends first.
    pub(super) done: oneshot::Sender<Result<Bytes, InvokeError>>,
}

/// An event that a process has taken.
pub(super) struct Taken {
    pub(super) request_id: String,
    pub(super) payload: Bytes,
    pub(super) arn: String,
    pub(super) context: CallContext,
    /// Real milliseconds since 1970.
    pub(super) deadline_ms: u64,
}

#[derive(Default)]
struct Slot {
    queued: Option<Invocation>,
    running: Option<(String, oneshot::Sender<Result<Bytes, InvokeError>>)>,
    init_ms: Option<f64>,
    init_error: Option<InvokeError>,
    ended: Option<String>,
}

/// A running process.
pub(super) struct Environment {
    pub(super) id: u64,
    pub(super) pid: u32,
    pub(super) build: Arc<Build>,
    started: Instant,
    slot: Mutex<Slot>,
    wake: Notify,
    /// Whether the process asks for an event, or has ended.
    at_rest: watch::Sender<bool>,
    /// Its API server and output readers; they end with it.
    tasks: Tasks,
}

/// What became of an event that was offered to a process.
pub(super) enum Ran {
    /// The process answered and can be used again.
    Done(Result<Bytes, InvokeError>),
    /// The process is gone; this is the caller's error.
    Failed(InvokeError),
    /// A reused process ended before it took the event: try another one.
    NeverTaken,
}

impl Environment {
    /// Starts a process; returns before it has asked for work.
    pub(super) async fn start(
        pool: &Arc<Pool>,
        build: Arc<Build>,
        id: u64,
    ) -> Result<Arc<Self>, InvokeError> {
        let listener = serve::bind(0).await.map_err(|error| cannot("listen", &error))?;
        let api = listener.local_addr().map_err(|error| cannot("listen", &error))?;
        let started = Instant::now();
        let mut child = command(pool, &build, id, api)
            .spawn()
            .map_err(|error| cannot(&format!("start {}", build.spec.command[0]), &error))?;
        let tasks = Tasks::default();
        let environment = Arc::new(Self {
            id,
            pid: child.id().unwrap_or_default(),
            build,
            started,
            slot: Mutex::default(),
            wake: Notify::new(),
            at_rest: watch::Sender::new(false),
            tasks: tasks.clone(),
        });
        if let Some(stdout) = child.stdout.take() {
            let pool = pool.clone();
            pool.clone().spawn(super::logs::pump(stdout, pool, id, "stdout"));
        }
        if let Some(stderr) = child.stderr.take() {
            let pool = pool.clone();
            pool.clone().spawn(super::logs::pump(stderr, pool, id, "stderr"));
        }
        serve::serve(&tasks, listener, {
            // Weak: the server is held by the environment, not the other way round.
            let weak = Arc::downgrade(&environment);
            move |request, _peer| {
                let environment = weak.upgrade();
                async move { runtime_api::handle(environment?, request).await }
            }
        });
        pool.spawn(watch(child, environment.clone(), pool.clone()));
        Ok(environment)
    }

    /// Offers an event and waits for the answer, the timeout or the end.
    pub(super) async fn run(&self, arn: String, payload: Bytes, context: CallContext) -> Ran {
        let FunctionSpec { timeout, init_timeout, .. } = self.build.spec;
        let (taken, is_taken) = oneshot::channel();
        let (done, is_done) = oneshot::channel();
        let request_id = request_id();
        let fresh = {
            let mut slot = self.slot.lock().expect("slot lock");
            if slot.ended.is_none() {
                slot.queued = Some(Invocation {
                    request_id: request_id.clone(),
                    payload,
                    arn,
                    context,
                    taken,
                    done,
                });
            }
            slot.init_ms.is_none()
        };
        self.wake.notify_one();
        match tokio::time::timeout(init_timeout, is_taken).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) | Err(_) if !fresh => {
                self.kill();
                return Ran::NeverTaken;
            }
            Ok(Err(_)) => return Ran::Failed(self.init_failure()),
            Err(_) => {
                self.kill();
                let text =
                    format!("Init timed out after {:.2} seconds", init_timeout.as_secs_f64());
                return Ran::Failed(platform_error("Sandbox.Timedout", &text));
            }
        }
        match tokio::time::timeout(timeout, is_done).await {
            Ok(Ok(result)) => Ran::Done(result),
            Ok(Err(_)) => {
                let how = self.slot.lock().expect("slot lock").ended.clone();
                let text = format!(
                    "RequestId: {request_id} Error: Runtime exited with error: {}",
                    how.as_deref().unwrap_or("killed")
                );
                Ran::Failed(platform_error("Runtime.ExitError", &text))
            }
            Err(_) => {
                self.kill();
                let secs = timeout.as_secs_f64();
                let text = format!(
                    "RequestId: {request_id} Error: Task timed out after {secs:.2} seconds"
                );
                Ran::Failed(platform_error("Sandbox.Timedout", &text))
            }
        }
    }

    /// Waits for the next event. Called by the process.
    pub(super) async fn next(&self) -> Option<Taken> {
        loop {
            let woken = self.wake.notified();
            {
                let mut slot = self.slot.lock().expect("slot lock");
                if slot.init_ms.is_none() {
                    slot.init_ms = Some(self.started.elapsed().as_secs_f64() * 1000.0);
                }
                if slot.ended.is_some() {
                    return None;
                }
                if let Some(invocation) = slot.queued.take() {
                    let Invocation { request_id, payload, arn, context, taken, done } = invocation;
                    slot.running = Some((request_id.clone(), done));
                    // Fails only if the caller has given up waiting; then `done` tells it.
                    let _ = taken.send(());
                    self.at_rest.send_replace(false);
                    let deadline = SystemTime::now() + self.build.spec.timeout;
                    let deadline_ms = deadline.duration_since(UNIX_EPOCH).unwrap_or_default();
                    let deadline_ms = u64::try_from(deadline_ms.as_millis()).unwrap_or(u64::MAX);
                    return Some(Taken { request_id, payload, arn, context, deadline_ms });
                }
            }
            self.at_rest.send_replace(true);
            woken.await;
        }
    }

    /// Ends when the process asks for an event: it may work on after an answer.
    pub(super) async fn rests(&self) {
        // The sender lives as long as we do.
        let _ = self.at_rest.subscribe().wait_for(|at_rest| *at_rest).await;
    }

    /// Takes the result of an event; false if no such event is running.
    pub(super) fn finish(&self, request_id: &str, result: Result<Bytes, InvokeError>) -> bool {
        let mut slot = self.slot.lock().expect("slot lock");
        match slot.running.take_if(|(running, _)| running == request_id) {
            Some((_, done)) => {
                let _ = done.send(result);
                true
            }
            None => false,
        }
    }

    /// Notes what the process says about its failed start.
    pub(super) fn fail_init(&self, error: InvokeError) {
        self.slot.lock().expect("slot lock").init_error = Some(error);
    }

    pub(super) fn init_ms(&self) -> Option<f64> {
        self.slot.lock().expect("slot lock").init_ms
    }

    /// Ends the process and everything it started.
    pub(super) fn kill(&self) {
        let slot = self.slot.lock().expect("slot lock");
        // Under the lock: once `ended` is set the number may belong to another process.
        if slot.ended.is_none()
            && let Ok(pid) = i32::try_from(self.pid)
            && pid > 0
        {
            // Gone already is as good.
            let _ = killpg(Pid::from_raw(pid), Signal::SIGKILL);
        }
    }

    /// `VmHWM` in KiB, while the process lives.
    pub(super) fn peak_rss_kib(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid)).ok()?;
        let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
        line.split_whitespace().nth(1)?.parse().ok()
    }

    fn init_failure(&self) -> InvokeError {
        let slot = self.slot.lock().expect("slot lock");
        if let Some(error) = &slot.init_error {
            return error.clone();
        }
        let how = slot.ended.as_deref().unwrap_or("killed");
        platform_error("Runtime.ExitError", &format!("Error: Runtime exited during init: {how}"))
    }

    fn end(&self, status: Option<ExitStatus>) {
        let mut slot = self.slot.lock().expect("slot lock");
        slot.ended = Some(status.map_or_else(|| "unknown".to_owned(), |one| one.to_string()));
        // Dropping the senders is the message.
        slot.queued = None;
        slot.running = None;
        self.at_rest.send_replace(true);
    }
}

impl std::fmt::Debug for Environment {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Environment")
            .field("id", &self.id)
            .field("pid", &self.pid)
            .finish_non_exhaustive()
    }
}

async fn watch(mut child: Child, environment: Arc<Environment>, pool: Arc<Pool>) {
    let status = child.wait().await.ok();
    // What the process started dies with it; the group keeps its number until it is empty.
    if let Ok(pid) = i32::try_from(environment.pid) {
        let _ = killpg(Pid::from_raw(pid), Signal::SIGKILL);
    }
    environment.end(status);
    pool.forget(environment.id);
    environment.tasks.stop().await;
}

fn command(pool: &Pool, build: &Build, id: u64, api: SocketAddr) -> Command {
    let spec = &build.spec;
    let surroundings = pool.surroundings();
    let mut command = Command::new(&spec.command[0]);
    command.args(&spec.command[1..]).env_clear();
    for name in INHERITED {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    let cwd = spec.cwd.clone().or_else(|| std::env::current_dir().ok()).unwrap_or_default();
    command
        .current_dir(&cwd)
        .env("LAMBDA_TASK_ROOT", &cwd)
        .env("AWS_LAMBDA_RUNTIME_API", api.to_string())
        .env("AWS_LAMBDA_FUNCTION_NAME", &spec.name)
        .env("AWS_LAMBDA_FUNCTION_VERSION", &build.version)
        .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", spec.memory_mb.to_string())
        .env("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand")
        .env("AWS_LAMBDA_LOG_GROUP_NAME", format!("/aws/lambda/{}", spec.name))
        .env("AWS_LAMBDA_LOG_STREAM_NAME", format!("local/[{}]{id}", build.version))
        .env("_HANDLER", spec.command.last().map_or("", String::as_str))
        .env("TZ", ":UTC")
        .env("AWS_REGION", &surroundings.names.region)
        .env("AWS_DEFAULT_REGION", &surroundings.names.region)
        // Says in the list of calls who made one.
        .env("AWS_ACCESS_KEY_ID", &spec.name)
        .env("AWS_SECRET_ACCESS_KEY", "local-cloud")
        .env("AWS_SESSION_TOKEN", "local-cloud")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("LOCAL_CLOUD_FAULTS", "1");
    if let Some(endpoint) = surroundings.aws_endpoint.get() {
        command.env("AWS_ENDPOINT_URL", endpoint);
    }
    if let Some(clock) = pool.clock.as_variable() {
        command.env(CLOCK_VARIABLE, clock);
    }
    command
        .envs(&spec.env)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true);
    command
}

fn cannot(what: &str, error: &std::io::Error) -> InvokeError {
    InvokeError::Service(format!("cannot {what}: {error}"))
}

/// A fresh identifier in the form of a UUID; unique in this process.
pub(crate) fn request_id() -> String {
    use std::sync::atomic::{AtomicU64, Ordering};
    static NEXT: AtomicU64 = AtomicU64::new(1);
    static START: OnceLock<u64> = OnceLock::new();
    let start = START.get_or_init(|| {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_nanos()).unwrap_or_default()
    });
    let next = NEXT.fetch_add(1, Ordering::Relaxed);
    let a = crate::names::id("request", &format!("{start}#{next}"));
    let b = crate::names::id("request", &format!("{next}#{start}"));
    format!("{}-{}-4{}-8{}-{}", &a[..8], &a[8..12], &a[13..16], &b[1..4], &b[4..])
}
