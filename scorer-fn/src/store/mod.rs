//! PostgreSQL, safe behind a transaction pooler, in as few round trips as can be.
//!
//! One rule, kept in one place ([`connection`]): every statement is sent whole
//! (parse, bind, execute, sync) and unnamed, so it is a transaction of its own
//! and nothing of it is in the session before or after. What several statements
//! would need a transaction for, one does: see [`queries`].
//!
//! # Why tokio-postgres
//!
//! sqlx 0.9, which the rest of the workspace uses, sends the parse of an unnamed
//! statement and waits before it sends the values. That is two round trips, and
//! between them a transaction pooler may give the server to another client,
//! whose statement then runs in place of ours; so sqlx needs BEGIN and COMMIT
//! around even a single SELECT. It also leaves Nagle's algorithm on: over TLS a
//! message of several packets waits for an acknowledgement that the server delays
//! by 40 ms. tokio-postgres turns it off.
//!
//! | | sqlx 0.9.0 | tokio-postgres 0.7.18 |
//! | --- | --- | --- |
//! | round trips of a statement, safe behind a pooler | 4 | 1 |
//! | round trips of a score | 10 | 2 |
//! | statement with 20 kB over TLS on loopback, busy machine | 48 ms | 11 ms |
//!
//! `cargo test -p scorer-fn --test service driver:: -- --nocapture` counts them on
//! the wire, and prints the times.
//!
//! What is left of a statement's time is mostly its planning: see `queries::planned`.
//!
//! Neither driver's pool is used: sqlx's pings a connection after each release in
//! a task of its own, which a frozen Lambda environment would cut in half.

mod connect;
mod connection;
pub mod queries;
mod tls;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use function_kit::errors::chain;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use tokio_postgres::Row;
use tokio_postgres::error::Severity;

pub use connect::{Address, Overrides, SecretSource, Source};
pub use tls::{Roots, TlsMode};

use connection::{Behind, CANCEL, Connection, Statement};

/// What went wrong with the database.
#[derive(Debug, thiserror::Error)]
pub enum DbError {
    /// No connection, or no answer on it, within the time allowed.
    #[error("the database cannot be reached: {0}")]
    Unavailable(String),
    /// The connection broke. A statement that was on its way is done or not.
    #[error("the connection to the database was lost: {0}")]
    Lost(String),
    /// The database refused a statement.
    #[error("the database refused a statement ({code}): {message}")]
    Refused {
        /// SQLSTATE.
        code: String,
        /// The server's message.
        message: String,
    },
}

impl DbError {
    /// Another request changed the same rows; doing it again from the start may succeed.
    ///
    /// Unique violation, serialization failure, deadlock.
    pub fn is_race(&self) -> bool {
        matches!(self, Self::Refused { code, .. } if matches!(code.as_str(), "23505" | "40001" | "40P01"))
    }

    /// Whether the database is out rather than refusing this request.
    ///
    /// Class 08 connection, 53 resources, 57 operator intervention (a statement
    /// that a timeout has ended, too), 55P03 lock not available in time, 25006
    /// a replica that takes no writes, 3D000 and 28 for a database or login that
    /// is (not yet) there.
    pub fn is_outage(&self) -> bool {
        match self {
            Self::Unavailable(_) | Self::Lost(_) => true,
            Self::Refused { code, .. } => {
                matches!(code.as_str(), "55P03" | "25006")
                    || matches!(code.get(..2), Some("08" | "53" | "57" | "28" | "3D"))
            }
        }
    }

    /// The name that Python's drivers give this kind of error.
    pub fn python_class(&self) -> &'static str {
        match self {
            Self::Refused { code, .. } => match code.get(..2) {
                Some("22") => "DataError",
                Some("23") => "IntegrityError",
                Some("42") => "ProgrammingError",
                _ => "OperationalError",
            },
            Self::Unavailable(_) | Self::Lost(_) => "OperationalError",
        }
    }

    fn new(error: &tokio_postgres::Error) -> Self {
        match error.as_db_error() {
            // Ended by an operator, a crash or a timeout, or cut off by the
            // pooler: the connection is gone, whatever the statement was.
            Some(refusal) if closes(refusal) => Self::Lost(refusal.message().to_owned()),
            Some(refusal) => Self::refused(refusal),
            None => Self::Lost(chain(error)),
        }
    }

    fn refused(refusal: &tokio_postgres::error::DbError) -> Self {
        Self::Refused {
            code: refusal.code().code().to_owned(),
            message: refusal.message().to_owned(),
        }
    }
}

/// Whether the connection is closed after this message.
fn closes(refusal: &tokio_postgres::error::DbError) -> bool {
    matches!(refusal.parsed_severity(), Some(Severity::Fatal | Severity::Panic))
        || refusal.code().code().starts_with("08")
}

/// How long things may take, and how many connections there are.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Most connections at a time: one per Lambda environment.
    pub connections: usize,
    /// For the wait for a free connection, for a new one, and for the secret
    /// with its password, each.
    pub connect: Duration,
    /// For one statement, and for the tries to get at a wallet that others change.
    pub statement: Duration,
    /// A connection that idled for longer must show a sign of life first.
    pub probe_after: Duration,
}

/// The database and the connections that are open to it.
#[derive(Debug)]
pub struct Database {
    source: Source,
    limits: Limits,
    free: Arc<Semaphore>,
    idle: Mutex<Vec<Connection>>,
    functions: AtomicBool,
}

impl Database {
    /// Opens nothing yet: the first [`lease`](Self::lease) does.
    pub fn new(source: Source, limits: Limits) -> Self {
        let free = Arc::new(Semaphore::new(limits.connections));
        let functions = AtomicBool::new(false);
        Self { source, limits, free, idle: Mutex::default(), functions }
    }

    /// Whether it asks by the functions of `sql/functions.sql`, as long as they are there.
    #[must_use]
    pub fn with_functions(self, on: bool) -> Self {
        Self { functions: AtomicBool::new(on), ..self }
    }

    /// Limits as configured.
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// A connection for a request that must be done by `until`; an idle one if
    /// there is one.
    ///
    /// # Errors
    /// [`DbError`] if the database cannot be reached in time.
    pub async fn lease(&self, until: Option<Instant>) -> Result<Lease<'_>, DbError> {
        let permit = timeout(self.limits.connect, self.free.clone().acquire_owned())
            .await
            .map_err(|_| DbError::Unavailable("all connections are busy".to_owned()))?
            .map_err(|error| DbError::Unavailable(error.to_string()))?;
        let connection = loop {
            let idle = self.idle().pop();
            match idle {
                Some(closed) if closed.is_closed() => {}
                Some(open) => break open,
                None => break self.source.connect(self.limits.connect).await?,
            }
        };
        let trips = Trips::default();
        Ok(Lease { database: self, connection, permit, until, trips, behind: None })
    }

    /// Waits for a statement that an answer did not wait for, and takes the
    /// connection back.
    ///
    /// # Errors
    /// [`DbError`], also if it takes longer than `patience`, or than its request has.
    async fn settle(
        &self,
        unsettled: Unsettled,
        patience: Duration,
    ) -> (Result<Vec<Row>, DbError>, Trips) {
        let Unsettled { mut connection, behind, alone, until, _permit } = unsettled;
        let Behind { what, at, .. } = behind;
        let left = until.map(|until| until.saturating_duration_since(Instant::now()));
        let patience = left.map_or(patience, |left| patience.min(left.saturating_sub(CANCEL)));
        let rows = connection.settle(behind, patience).await;
        let timings = vec![Timing { what, at, took: at.elapsed() }];
        self.take_back(connection);
        (rows, Trips { statements: 1, round_trips: u32::from(alone), timings })
    }

    fn take_back(&self, connection: Connection) {
        if !connection.is_closed() {
            self.idle().push(connection);
        }
    }

    /// Closes what is idle: where one connection has died, the others have, too.
    pub fn forget_idle(&self) {
        self.idle().clear();
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a request cost so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trips {
    /// Statements sent.
    pub statements: u32,
    /// Waits for the server.
    pub round_trips: u32,
    /// Each statement with its time, for the trace.
    pub timings: Vec<Timing>,
}

/// When a statement ran.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// Our name for it; no SQL, no values.
    pub what: &'static str,
    /// When it was sent.
    pub at: Instant,
    /// Until its last row, or its failure.
    pub took: Duration,
}

impl std::ops::AddAssign for Trips {
    fn add_assign(&mut self, other: Self) {
        self.statements += other.statements;
        self.round_trips += other.round_trips;
        self.timings.extend(other.timings);
    }
}

/// A connection while a request has it. Dropped without [`keep`](Self::keep), it
/// is closed.
#[derive(Debug)]
pub struct Lease<'d> {
    database: &'d Database,
    connection: Connection,
    permit: OwnedSemaphorePermit,
    until: Option<Instant>,
    trips: Trips,
    behind: Option<(Behind, Alone)>,
}

/// A connection on which a statement runs that the answer did not wait for.
/// Dropped, it is closed, and the statement asked to stop.
#[derive(Debug)]
pub struct Unsettled {
    connection: Connection,
    behind: Behind,
    alone: Alone,
    until: Option<Instant>,
    _permit: OwnedSemaphorePermit,
}

/// Whether a statement is not in the packet of another one.
type Alone = bool;

impl Lease<'_> {
    /// Hands the connection back for the next request, if it is of use and no
    /// statement runs on it.
    pub fn keep(self) -> Option<Unsettled> {
        let Self { database, connection, permit, until, behind, .. } = self;
        let Some((behind, alone)) = behind else {
            database.take_back(connection);
            return None;
        };
        Some(Unsettled { connection, behind, alone, until, _permit: permit })
    }

    /// Whether statements go by the database's functions.
    fn plans_once(&self) -> bool {
        self.database.functions.load(Ordering::Relaxed)
    }

    /// Whether a statement failed because the functions are not there, or not for us.
    /// From then on this process does without them.
    fn has_no_functions(&self, error: &DbError) -> bool {
        let DbError::Refused { code, message } = error else { return false };
        // invalid_schema_name, undefined_function, insufficient_privilege.
        let missing = matches!(code.as_str(), "3F000" | "42883" | "42501");
        if missing && self.database.functions.swap(false, Ordering::Relaxed) {
            let fields = serde_json::json!({"error_type": "no_functions", "error": message});
            let text = "DATABASE_FUNCTIONS is on, but the functions cannot be used: each statement is \
                        planned anew; run sql/functions.sql";
            crate::log::print_event("WARN", text, &fields);
        }
        missing
    }

    /// Cost since the last time it was taken.
    pub fn take_trips(&mut self) -> Trips {
        std::mem::take(&mut self.trips)
    }

    /// Runs a statement that changes nothing, first of a request.
    async fn ask(&mut self, statement: Statement<'_>) -> Result<Vec<Row>, DbError> {
        let (at, limit) = (Instant::now(), self.limit());
        let rows = if self.connection.idle() > self.database.limits.probe_after {
            self.connection.run_probed(statement, limit).await
        } else {
            self.connection.run(statement, limit).await
        };
        self.count(statement, at);
        rows
    }

    /// Runs a statement.
    async fn run(&mut self, statement: Statement<'_>) -> Result<Vec<Row>, DbError> {
        let at = Instant::now();
        let rows = self.connection.run(statement, self.limit()).await;
        self.count(statement, at);
        rows
    }

    /// Sends a statement when the answer is out.
    fn later(&mut self, what: &'static str, sql: &'static str, values: String) {
        self.behind = Some((self.connection.later(what, sql, values), true));
    }

    /// Runs a statement and sends another one behind it, in the same packet.
    async fn run_before(
        &mut self,
        statement: Statement<'_>,
        (what, sql, values): (&'static str, &'static str, String),
    ) -> Result<Vec<Row>, DbError> {
        let mut behind = self.connection.later(what, sql, values);
        let at = Instant::now();
        let rows = self.connection.run_before(statement, &mut behind, self.limit()).await;
        self.count(statement, at);
        self.behind = Some((behind, false));
        rows
    }

    /// Waits for a statement behind another one that came to nothing.
    async fn abandon_behind(&mut self, patience: Duration) {
        if let Some((behind, _)) = self.behind.take() {
            let patience = self.limit().min(patience);
            // Its rows and its failure are of no consequence: it is made again.
            let _ = self.connection.settle(behind, patience).await;
        }
    }

    /// So long that there is time left to stop a statement that is late.
    fn limit(&self) -> Duration {
        let left = self.until.map(|until| until.saturating_duration_since(Instant::now()));
        let limit = self.database.limits.statement;
        left.map_or(limit, |left| limit.min(left.saturating_sub(CANCEL)))
    }

    fn count(&mut self, statement: Statement<'_>, at: Instant) {
        self.trips.round_trips += 1;
        self.trips.statements += 1;
        self.trips.timings.push(Timing { what: statement.what, at, took: at.elapsed() });
    }
}
