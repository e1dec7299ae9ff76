//! Open-loop load over HTTP/1.1, to loopback only.
//!
//! Requests are due at times fixed in advance, and latency counts from the
//! time a request *was due*. A closed loop would wait for a slow answer before
//! it asks again, and so leave out just those requests that the slowness would
//! have hurt (coordinated omission).
//!
//! Which side of a weighted rule answered cannot be seen in an answer that is
//! equal on both sides. Every request therefore carries an `x-amzn-trace-id`
//! of ours, which the load balancer keeps and writes into its access log: the
//! caller's [`Classify`] may look there, or at response headers, or join the
//! [`Record`]s later.

pub mod cli;
mod pool;
mod schedule;
mod tally;

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher as _, Hasher as _};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::{JoinHandle, Thread};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use hyper::header::{HeaderMap, HeaderName, HeaderValue, InvalidHeaderName, InvalidHeaderValue};
use hyper::http::uri::InvalidUri;
use hyper::{Method, Uri};
use tokio::sync::mpsc;

pub use schedule::Spacing;
pub use tally::{Latency, Side, Summary};

use pool::Pool;
use schedule::Schedule;
use tally::Tally;

/// The header that carries our trace id to the load balancer.
pub const TRACE_HEADER: &str = "x-amzn-trace-id";

/// How much, how fast, and when to stop. Every bound is always in force.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Requests a second, above 0 and at most 100,000.
    pub rate: f64,
    /// How they are spread.
    pub spacing: Spacing,
    /// Requests are due from the start until this much later.
    pub duration: Duration,
    /// At most this many requests, 1 to 10,000,000.
    pub max_requests: u64,
    /// At most this many connections; a request that finds none free waits,
    /// and the wait is part of its latency.
    pub max_connections: usize,
    /// While so many requests are without an answer the schedule stands still,
    /// and everything after is due that much later. `None`, the default, is an
    /// open loop to the end; a number keeps a machine that is too slow for the
    /// rate from piling up requests ([`Summary::held_secs`] says for how long).
    pub max_unanswered: Option<u64>,
    /// A request that is not answered this long after it was due has failed.
    pub timeout: Duration,
    /// Draws the gaps between requests.
    pub seed: u64,
    /// Keep every [`Record`] in memory for [`Running::finish`].
    pub keep_records: bool,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            rate: 100.0,
            spacing: Spacing::Poisson,
            duration: Duration::from_secs(10),
            max_requests: 1_000_000,
            max_connections: 256,
            max_unanswered: None,
            timeout: Duration::from_secs(30),
            seed: 1,
            keep_records: false,
        }
    }
}

/// One request of the list that is sent round robin.
#[derive(Clone, Debug)]
pub struct Ask {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
}

impl Ask {
    /// A GET of `path` (with query, starting with `/`).
    ///
    /// # Errors
    /// [`LoadError::Path`] if it cannot be a request target.
    pub fn get(path: &str) -> Result<Self, LoadError> {
        let bad = |source| LoadError::Path { path: path.to_owned(), source };
        if !path.starts_with('/') {
            return Err(bad(None));
        }
        let uri = path.parse().map_err(|error| bad(Some(error)))?;
        Ok(Self { method: Method::GET, uri, headers: HeaderMap::new() })
    }

    /// Adds a header.
    ///
    /// # Errors
    /// [`LoadError::HeaderName`] or [`LoadError::HeaderValue`].
    pub fn header(mut self, name: &str, value: &str) -> Result<Self, LoadError> {
        let key = HeaderName::from_bytes(name.as_bytes())
            .map_err(|source| LoadError::HeaderName { name: name.to_owned(), source })?;
        let value = HeaderValue::from_str(value)
            .map_err(|source| LoadError::HeaderValue { name: name.to_owned(), source })?;
        self.headers.append(key, value);
        Ok(self)
    }
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// With this status, whole body read.
    Status(u16),
    /// No connection could be made.
    NotConnected,
    /// The connection broke before the answer was complete.
    Broken,
    /// No complete answer within [`Plan::timeout`].
    TimedOut,
}

impl End {
    /// Whether the client got what it asked for: a status below 500.
    ///
    /// A 4xx is an answer about the request, not a failure of the service.
    pub fn served(self) -> bool {
        matches!(self, Self::Status(status) if status < 500)
    }
}

/// One request that has ended.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Record {
    /// 0, 1, 2 … in the order in which they were due.
    pub number: u64,
    /// Index in the list of requests.
    pub ask: usize,
    /// As sent in [`TRACE_HEADER`]: `Root=1-…`.
    pub trace_id: String,
    /// When it was due, after the start.
    pub due: Duration,
    /// From when it was due to the end of the answer.
    pub latency: Duration,
    /// How it ended.
    pub end: End,
}

/// Names the side that answered, from the record and the response's headers
/// (empty if there was no response). `None`: unknown, counted only in total.
///
/// Called once a request, on a runtime thread: it must not block.
pub type Classify = dyn Fn(&Record, &HeaderMap) -> Option<String> + Send + Sync;

/// Why no load was started.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The generator is for servers on this machine.
    #[error("load goes to loopback addresses only, not to {address}")]
    NotLoopback {
        /// The address given.
        address: SocketAddr,
    },
    /// A number is out of its range.
    #[error("{field} is {value}; use {range}")]
    OutOfRange {
        /// Which field of the plan.
        field: &'static str,
        /// Its value.
        value: String,
        /// What it may be.
        range: &'static str,
    },
    /// There is nothing to send.
    #[error("the list of requests is empty; give at least one path")]
    NoRequests,
    /// Not a path.
    #[error("path {path:?} is no request target; write /like/this?and=that, percent-encoded")]
    Path {
        /// The text given.
        path: String,
        /// The parser's reason, if it got that far.
        #[source]
        source: Option<InvalidUri>,
    },
    /// Not a header name.
    #[error("header name {name:?} is not valid")]
    HeaderName {
        /// The text given.
        name: String,
        /// Why.
        #[source]
        source: InvalidHeaderName,
    },
    /// Not a header value; the value may be a secret, so it is not shown.
    #[error("the value of header {name} is not valid")]
    HeaderValue {
        /// Which header.
        name: String,
        /// Why.
        #[source]
        source: InvalidHeaderValue,
    },
    /// The thread that keeps the schedule could not be started.
    #[error("starting the schedule's thread")]
    Thread(#[source] std::io::Error),
}

/// What tasks and the schedule share.
struct Shared {
    pool: Pool,
    asks: Vec<Ask>,
    timeout: Duration,
    classify: Arc<Classify>,
    tally: Mutex<Tally>,
    records: Option<Mutex<Vec<Record>>>,
    started: Instant,
    trace_prefix: String,
    stop: AtomicBool,
    sent: AtomicU64,
    answered: AtomicU64,
    max_unanswered: Option<u64>,
    /// How long the schedule stood still, in microseconds.
    held_us: AtomicU64,
    /// The thread that keeps the schedule, to wake it.
    schedule: OnceLock<Thread>,
}

impl Shared {
    fn is_full(&self) -> bool {
        let sent = self.sent.load(Ordering::SeqCst);
        let unanswered = sent - self.answered.load(Ordering::SeqCst);
        self.max_unanswered.is_some_and(|most| unanswered >= most)
    }
}

/// Load under way.
///
/// Dropping it stops the schedule; requests on their way still end.
pub struct Running {
    shared: Arc<Shared>,
    schedule: Option<JoinHandle<()>>,
    ended: mpsc::Receiver<()>,
    expected: u64,
}

/// Starts load on the current tokio runtime.
///
/// # Errors
/// [`LoadError`] if address, plan or list cannot be used.
///
/// # Panics
/// Outside of a tokio runtime.
pub fn start(
    address: SocketAddr,
    asks: Vec<Ask>,
    plan: &Plan,
    classify: Arc<Classify>,
) -> Result<Running, LoadError> {
    if !address.ip().is_loopback() {
        return Err(LoadError::NotLoopback { address });
    }
    if asks.is_empty() {
        return Err(LoadError::NoRequests);
    }
    check(plan)?;
    let shared = Arc::new(Shared {
        pool: Pool::new(address, plan.max_connections),
        asks,
        timeout: plan.timeout,
        classify,
        tally: Mutex::new(Tally::default()),
        records: plan.keep_records.then(Mutex::default),
        started: Instant::now(),
        trace_prefix: trace_prefix(),
        stop: AtomicBool::new(false),
        sent: AtomicU64::new(0),
        answered: AtomicU64::new(0),
        max_unanswered: plan.max_unanswered,
        held_us: AtomicU64::new(0),
        schedule: OnceLock::new(),
    });
    let schedule = Schedule::new(plan);
    let expected = schedule.expected();
    // Closed when the schedule and every task have let go of their sender.
    let (alive, ended) = mpsc::channel(1);
    let runtime = tokio::runtime::Handle::current();
    let thread = {
        let shared = Arc::clone(&shared);
        // A thread of its own: the runtime's timer is a millisecond coarse,
        // which would be as long as a quick answer.
        std::thread::Builder::new()
            .name("load-schedule".to_owned())
            .spawn(move || keep_schedule(&shared, schedule, &runtime, &alive))
            .map_err(LoadError::Thread)?
    };
    Ok(Running { shared, schedule: Some(thread), ended, expected })
}

fn check(plan: &Plan) -> Result<(), LoadError> {
    let refuse = |field, value: String, range| Err(LoadError::OutOfRange { field, value, range });
    if !(plan.rate > 0.0 && plan.rate <= 100_000.0) {
        return refuse("rate", plan.rate.to_string(), "more than 0 and at most 100000 a second");
    }
    if !(1..=10_000_000).contains(&plan.max_requests) {
        return refuse("max_requests", plan.max_requests.to_string(), "1 to 10000000");
    }
    if !(1..=10_000).contains(&plan.max_connections) {
        return refuse("max_connections", plan.max_connections.to_string(), "1 to 10000");
    }
    if plan.max_unanswered == Some(0) {
        return refuse("max_unanswered", "0".to_owned(), "at least 1");
    }
    if plan.timeout.is_zero() {
        return refuse("timeout", "0 s".to_owned(), "more than 0 s");
    }
    Ok(())
}

/// `Root=1-` + time + 8 digits that differ between runs; each request adds 16.
fn trace_prefix() -> String {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let random = RandomState::new().build_hasher().finish() >> 32;
    format!("Root=1-{seconds:08x}-{random:08x}")
}

fn keep_schedule(
    shared: &Arc<Shared>,
    schedule: Schedule,
    runtime: &tokio::runtime::Handle,
    alive: &mpsc::Sender<()>,
) {
    shared.schedule.get_or_init(std::thread::current);
    let mut held = Duration::ZERO;
    for (number, planned) in (0_u64..).zip(schedule) {
        let mut due = planned + held;
        let mut full_since = None;
        loop {
            if shared.stop.load(Ordering::Relaxed) {
                return;
            }
            let now = Instant::now();
            let wait = (shared.started + due).saturating_duration_since(now);
            if !wait.is_zero() {
                std::thread::park_timeout(wait);
            } else if shared.is_full() {
                full_since.get_or_insert(now);
                // Whoever answers wakes us.
                std::thread::park();
            } else {
                if let Some(since) = full_since {
                    let stood = now.saturating_duration_since(since);
                    due += stood;
                    held += stood;
                    shared.held_us.store(tally::micros(held), Ordering::Relaxed);
                }
                break;
            }
        }
        shared.sent.fetch_add(1, Ordering::SeqCst);
        let (shared, alive) = (Arc::clone(shared), alive.clone());
        runtime.spawn(async move {
            send(&shared, number, due).await;
            drop(alive);
        });
    }
}

async fn send(shared: &Shared, number: u64, due: Duration) {
    let at = shared.started + due;
    let lag = at.elapsed();
    let index = usize::try_from(number % shared.asks.len() as u64).expect("below a usize");
    let trace_id = format!("{}{number:016x}", shared.trace_prefix);
    let answer = shared.pool.send(&shared.asks[index], &trace_id);
    let deadline = tokio::time::Instant::from_std(at + shared.timeout);
    let (end, headers) = match tokio::time::timeout_at(deadline, answer).await {
        Ok(answered) => answered,
        Err(_) => (End::TimedOut, HeaderMap::new()),
    };
    let record = Record { number, ask: index, trace_id, due, latency: at.elapsed(), end };
    shared.answered.fetch_add(1, Ordering::SeqCst);
    if shared.max_unanswered.is_some()
        && let Some(schedule) = shared.schedule.get()
    {
        schedule.unpark();
    }
    let side = (shared.classify)(&record, &headers);
    locked(&shared.tally).add(&record, lag, side);
    if let Some(records) = &shared.records {
        locked(records).push(record);
    }
}

/// The lock, also after a panic elsewhere: counts stay usable.
fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Running {
    /// The counts so far.
    pub fn summary(&self) -> Summary {
        let sent = self.shared.sent.load(Ordering::Relaxed);
        let held = Duration::from_micros(self.shared.held_us.load(Ordering::Relaxed));
        locked(&self.shared.tally).summary(sent, self.shared.started.elapsed(), held)
    }

    /// About how many requests the whole schedule has.
    pub fn expected(&self) -> u64 {
        self.expected
    }

    /// Sends no more requests.
    pub fn stop(&self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        if let Some(schedule) = &self.schedule {
            schedule.thread().unpark();
        }
    }

    /// Waits for the end of the schedule and of every request. Cancel-safe.
    pub async fn wait(&mut self) {
        // Nothing is ever sent: this ends when the last task has ended.
        let _ = self.ended.recv().await;
    }

    /// Waits to the end and hands over the counts and the records.
    ///
    /// The records are in the order in which requests ended; empty unless
    /// [`Plan::keep_records`]. Dropping the future stops the load.
    pub async fn finish(mut self) -> (Summary, Vec<Record>) {
        self.wait().await;
        let records = self.shared.records.as_ref();
        let records = records.map(|records| std::mem::take(&mut *locked(records)));
        (self.summary(), records.unwrap_or_default())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop();
        if let Some(schedule) = self.schedule.take() {
            // It ends within microseconds of being woken.
            let _ = schedule.join();
        }
    }
}
