//! PostgreSQL, safe behind a transaction pooler.
//!
//! One rule, kept in one place: every statement runs unnamed *and* inside an
//! explicit transaction. Anything else has been seen to return another
//! client's rows through a pooler, without an error. [`Tx`] is the only way to
//! run a statement, and only [`Database::begin`] makes one.
//!
//! sqlx's own pool is not used: it pings a connection after each release in a
//! task of its own, which a frozen Lambda environment would cut in half.

mod connect;
pub mod queries;

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use sqlx::error::DatabaseError;
use sqlx::postgres::{PgArguments, PgConnection, PgDatabaseError, PgRow, PgSeverity};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;

pub use connect::{
    Address, Credentials, Overrides, SecretSource, Source, readable_bundle, ssl_mode,
};

/// What went wrong with the database.
#[derive(Debug, thiserror::Error)]
pub enum DbError {
    /// No connection, or no answer on it, within the time allowed.
    #[error("the database cannot be reached: {0}")]
    Unavailable(String),
    /// The connection broke before the commit; nothing is written.
    #[error("the connection to the database was lost: {0}")]
    Lost(String),
    /// The connection broke during the commit: written or not, nobody knows.
    #[error("the connection to the database was lost while committing: {0}")]
    CommitUnknown(String),
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
    /// Somebody else changed the same rows; doing it again from the start may succeed.
    ///
    /// Unique violation, serialization failure, deadlock.
    pub fn is_race(&self) -> bool {
        matches!(self, Self::Refused { code, .. } if matches!(code.as_str(), "23505" | "40001" | "40P01"))
    }

    /// Whether the database is out rather than refusing this request.
    ///
    /// Class 08 connection, 53 resources, 57 operator intervention, 3D000 and
    /// 28 for a database or login that is (not yet) there.
    pub fn is_outage(&self) -> bool {
        match self {
            Self::Unavailable(_) | Self::Lost(_) | Self::CommitUnknown(_) => true,
            Self::Refused { code, .. } => {
                matches!(code.get(..2), Some("08" | "53" | "57" | "28" | "3D"))
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
            _ => "OperationalError",
        }
    }

    fn from_sqlx(error: &sqlx::Error) -> Self {
        match error {
            // Ended by an operator, a crash or a timeout, or cut off by the
            // pooler: the connection is gone, whatever the statement was.
            sqlx::Error::Database(refusal) if closes(refusal.as_ref()) => {
                Self::Lost(refusal.message().to_owned())
            }
            sqlx::Error::Database(refusal) => Self::refused(refusal.as_ref()),
            other => Self::Lost(other.to_string()),
        }
    }

    fn refused(refusal: &dyn DatabaseError) -> Self {
        Self::Refused {
            code: refusal.code().unwrap_or_default().into_owned(),
            message: refusal.message().to_owned(),
        }
    }
}

/// Whether the connection is closed after this message.
fn closes(refusal: &dyn DatabaseError) -> bool {
    let severity = refusal.try_downcast_ref().map(PgDatabaseError::severity);
    matches!(severity, Some(PgSeverity::Fatal | PgSeverity::Panic))
        || refusal.code().is_some_and(|code| code.starts_with("08"))
}

/// How long things may take, and how many connections there are.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Most connections at a time: one per Lambda environment.
    pub connections: usize,
    /// For the wait for a free connection, for a new one, and for the secret
    /// with its password, each.
    pub connect: Duration,
    /// For one statement.
    pub statement: Duration,
}

/// The database and the connections that are open to it.
#[derive(Debug)]
pub struct Database {
    source: Source,
    limits: Limits,
    free: Semaphore,
    idle: Mutex<Vec<PgConnection>>,
}

impl Database {
    /// Opens nothing yet: the first [`begin`](Self::begin) does.
    pub fn new(source: Source, limits: Limits) -> Self {
        let free = Semaphore::new(limits.connections);
        Self { source, limits, free, idle: Mutex::new(Vec::new()) }
    }

    /// Starts a transaction, on an idle connection if there is one.
    ///
    /// An idle connection that turns out to be dead is replaced once.
    ///
    /// # Errors
    /// [`DbError`] if the database cannot be reached in time.
    pub async fn begin(&self) -> Result<Tx<'_>, DbError> {
        let permit = timeout(self.limits.connect, self.free.acquire())
            .await
            .map_err(|_| DbError::Unavailable("all connections are busy".to_owned()))?
            .map_err(|error| DbError::Unavailable(error.to_string()))?;
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let Some(conn) = idle else {
            return self.begin_fresh(permit).await;
        };
        let mut tx = Tx { database: self, conn, permit, trips: Trips::default() };
        match tx.control("BEGIN", self.limits.connect).await {
            Ok(()) => Ok(tx),
            Err(refused @ DbError::Refused { .. }) => Err(refused),
            // Dead since the last request: forget it and open another.
            Err(_) => self.begin_fresh(tx.permit).await,
        }
    }

    async fn begin_fresh<'d>(&'d self, permit: SemaphorePermit<'d>) -> Result<Tx<'d>, DbError> {
        let conn = self.source.connect(self.limits.connect).await?;
        let mut tx = Tx { database: self, conn, permit, trips: Trips::default() };
        tx.control("BEGIN", self.limits.connect).await?;
        Ok(tx)
    }
}

/// What a transaction cost so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trips {
    /// Statements sent, BEGIN and COMMIT included.
    pub statements: u32,
    /// Waits for the server: an unnamed statement with values takes two
    /// (parse, then bind and execute), BEGIN and COMMIT one each.
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

/// An open transaction. Dropped without [`commit`](Self::commit), its
/// connection is closed and the server rolls back.
pub struct Tx<'d> {
    database: &'d Database,
    conn: PgConnection,
    permit: SemaphorePermit<'d>,
    trips: Trips,
}

impl Tx<'_> {
    /// Runs one statement, called `what` in traces, and gives its rows.
    ///
    /// # Errors
    /// [`DbError`] if it is refused or the connection breaks.
    pub async fn rows(
        &mut self,
        what: &'static str,
        sql: &'static str,
        values: PgArguments,
    ) -> Result<Vec<PgRow>, DbError> {
        let limit = self.database.limits.statement;
        let query = sqlx::query_with(sql, values).persistent(false);
        let at = Instant::now();
        let rows = within(limit, query.fetch_all(&mut self.conn)).await;
        self.count(what, 2, at);
        rows
    }

    /// Makes the writes permanent and keeps the connection for the next request.
    ///
    /// # Errors
    /// [`DbError::CommitUnknown`] if the connection breaks on the way.
    pub async fn commit(self) -> Result<Trips, DbError> {
        self.end("COMMIT").await.map_err(|error| match error {
            DbError::Lost(cause) | DbError::Unavailable(cause) => DbError::CommitUnknown(cause),
            other => other,
        })
    }

    /// Takes the writes back and keeps the connection.
    ///
    /// # Errors
    /// [`DbError`] if the connection breaks; the writes are gone then, too.
    pub async fn rollback(self) -> Result<Trips, DbError> {
        self.end("ROLLBACK").await
    }

    /// Cost so far.
    pub fn trips(&self) -> Trips {
        self.trips.clone()
    }

    async fn end(mut self, sql: &'static str) -> Result<Trips, DbError> {
        let limit = self.database.limits.statement;
        self.control(sql, limit).await?;
        let Self { database, conn, trips, permit: _ } = self;
        database.idle.lock().unwrap_or_else(PoisonError::into_inner).push(conn);
        Ok(trips)
    }

    async fn control(&mut self, sql: &'static str, limit: Duration) -> Result<(), DbError> {
        let at = Instant::now();
        let done = within(limit, sqlx::raw_sql(sql).execute(&mut self.conn)).await;
        self.count(sql, 1, at);
        done.map(|_| ())
    }

    fn count(&mut self, what: &'static str, round_trips: u32, at: Instant) {
        self.trips.statements += 1;
        self.trips.round_trips += round_trips;
        self.trips.timings.push(Timing { what, at, took: at.elapsed() });
    }
}

async fn within<T>(
    limit: Duration,
    work: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, DbError> {
    match timeout(limit, work).await {
        Ok(done) => done.map_err(|error| DbError::from_sqlx(&error)),
        // Not "lost": trying again would only wait as long again.
        Err(_) => Err(DbError::Unavailable(format!("no answer within {limit:?}"))),
    }
}
