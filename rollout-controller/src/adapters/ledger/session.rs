//! The one helper through which every statement goes.
//!
//! Behind a transaction pooler (RDS Proxy, pgbouncer) the two trips of a bound
//! query may meet different server connections. Named statements then collide,
//! and unnamed ones outside a transaction silently return another client's rows.
//! Right on every pooler is only: unnamed statements *inside* an explicit
//! transaction, a single SELECT too. [`Tx`] has no other way to run SQL.

use std::sync::Once;
use std::time::Duration;

use async_trait::async_trait;
use function_kit::login::is_refused_login;
use sqlx::any::{AnyConnectOptions, AnyRow};
use sqlx::{Any, AnyConnection, ConnectOptions as _, Connection as _, SqlSafeStr, Transaction};
use tokio::sync::Mutex;
use tokio::time::timeout;

use super::address::LedgerUrl;
use super::login::{Login, LoginError};

/// Time to open a connection: name, TCP, TLS, login.
const CONNECT: Duration = Duration::from_secs(2);
/// Time of a whole transaction. A stuck lock and a proxy without free servers end
/// here: a slow database is one that cannot be reached, and protection goes on
/// without it. Only this side gives up. A `SET statement_timeout` would pin the
/// session of RDS Proxy to its server, so the server's own limit belongs to the role
/// (`ALTER ROLE … SET statement_timeout`).
const TRANSACTION: Duration = Duration::from_secs(2);
/// Time in which a kept connection must begin a transaction. One that died while the
/// Lambda was frozen says nothing, and a new one still fits into the tick's patience.
const KEPT: Duration = Duration::from_millis(500);

/// A value of a statement.
#[derive(Clone, Copy)]
pub(super) enum Bind<'a> {
    Int(i64),
    Text(&'a str),
}

/// An open transaction.
pub(super) struct Tx<'c>(Transaction<'c, Any>);

impl Tx<'_> {
    pub(super) async fn rows(
        &mut self,
        sql: impl SqlSafeStr,
        binds: &[Bind<'_>],
    ) -> Result<Vec<AnyRow>, sqlx::Error> {
        unnamed(sql, binds).fetch_all(&mut *self.0).await
    }

    /// Returns how many rows were touched.
    pub(super) async fn execute(
        &mut self,
        sql: &'static str,
        binds: &[Bind<'_>],
    ) -> Result<u64, sqlx::Error> {
        Ok(unnamed(sql, binds).execute(&mut *self.0).await?.rows_affected())
    }
}

fn unnamed(
    sql: impl SqlSafeStr,
    binds: &[Bind<'_>],
) -> sqlx::query::Query<'static, Any, sqlx::any::AnyArguments> {
    binds.iter().fold(sqlx::query(sql).persistent(false), |query, bind| match *bind {
        Bind::Int(value) => query.bind(value),
        Bind::Text(value) => query.bind(value.to_owned()),
    })
}

/// What happens inside one transaction. May run twice, the second time after a
/// lost connection whose transaction the server has rolled back.
#[async_trait]
pub(super) trait Job: Sync {
    type Output: Send;
    async fn run(&self, tx: &mut Tx<'_>) -> Result<Self::Output, sqlx::Error>;
}

/// Why a transaction brought nothing.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error("no login for the database")]
    Login(#[from] LoginError),
    #[error("the database did not answer within {} s while {doing}", .limit.as_secs_f64())]
    Slow { doing: &'static str, limit: Duration },
    #[error("connecting to the database")]
    Connect(#[source] sqlx::Error),
    #[error("running a statement")]
    Statement(#[source] sqlx::Error),
    /// The one failure after which the work may be done all the same.
    #[error("committing; whether it took effect shows on the next read")]
    Commit(#[source] sqlx::Error),
}

impl Failure {
    /// The database's own error, if it answered.
    pub(super) fn database(&self) -> Option<&dyn sqlx::error::DatabaseError> {
        match self {
            Self::Connect(error) | Self::Statement(error) | Self::Commit(error) => {
                error.as_database_error()
            }
            Self::Login(_) | Self::Slow { .. } => None,
        }
    }

    /// Whether the connection itself is to blame.
    fn is_lost_connection(&self) -> bool {
        match self {
            Self::Slow { doing, .. } => *doing == BEGINNING,
            Self::Statement(error) => match error {
                sqlx::Error::Io(_)
                | sqlx::Error::Tls(_)
                | sqlx::Error::Protocol(_)
                | sqlx::Error::WorkerCrashed => true,
                // 57P01 to 57P05: shut down, crashed, starting, dropped, idle too long.
                // Class 08: connection exceptions, also of poolers.
                sqlx::Error::Database(error) => error
                    .code()
                    .is_some_and(|code| code.starts_with("57P") || code.starts_with("08")),
                _ => false,
            },
            Self::Login(_) | Self::Connect(_) | Self::Commit(_) => false,
        }
    }
}

const CONNECTING: &str = "connecting";
const BEGINNING: &str = "beginning a transaction";
const WORKING: &str = "running a transaction";
const COMMITTING: &str = "committing";

/// One connection, opened when first needed and kept between transactions.
///
/// Not a pool: one Lambda environment does one thing at a time, and a pool's
/// timers stand still while the environment is frozen.
pub(super) struct Session {
    address: LedgerUrl,
    login: Login,
    idle: Mutex<Option<AnyConnection>>,
}

impl Session {
    pub(super) fn new(address: LedgerUrl, login: Login) -> Self {
        Self { address, login, idle: Mutex::new(None) }
    }

    pub(super) fn address(&self) -> &LedgerUrl {
        &self.address
    }

    /// Runs a job in a transaction of its own. A kept connection that turns out
    /// to be lost before the commit is replaced once.
    pub(super) async fn transact<J: Job>(&self, job: &J) -> Result<J::Output, Failure> {
        let mut idle = self.idle.lock().await;
        if let Some(kept) = idle.take() {
            match attempt(kept, job, KEPT).await {
                (Err(failure), _) if failure.is_lost_connection() => {}
                (result, kept) => {
                    *idle = kept;
                    return result;
                }
            }
        }
        let opened = self.connect().await?;
        let (result, kept) = attempt(opened, job, TRANSACTION).await;
        *idle = kept;
        result
    }

    async fn connect(&self) -> Result<AnyConnection, Failure> {
        let open = |url: url::Url| async move {
            match timeout(CONNECT, open(&url)).await {
                Ok(result) => result.map_err(Failure::Connect),
                Err(_) => Err(Failure::Slow { doing: CONNECTING, limit: CONNECT }),
            }
        };
        let refused = |failure: &Failure| {
            failure
                .database()
                .and_then(sqlx::error::DatabaseError::code)
                .is_some_and(|it| is_refused_login(&it))
        };
        self.login.connect(&self.address, open, refused).await
    }
}

/// Settings for a complete URL.
pub(super) fn options(url: &url::Url) -> Result<AnyConnectOptions, sqlx::Error> {
    static DRIVERS: Once = Once::new();
    DRIVERS.call_once(sqlx::any::install_default_drivers);
    // A failure is told once, by whoever handles it; the driver keeps quiet.
    Ok(AnyConnectOptions::from_url(url)?.disable_statement_logging())
}

/// Opens a connection to a complete URL.
async fn open(url: &url::Url) -> Result<AnyConnection, sqlx::Error> {
    options(url)?.connect().await
}

/// Runs a job and returns the connection too if it is still good.
async fn attempt<J: Job>(
    mut connection: AnyConnection,
    job: &J,
    begin: Duration,
) -> (Result<J::Output, Failure>, Option<AnyConnection>) {
    let mut doing = BEGINNING;
    match timeout(TRANSACTION, work(&mut connection, job, begin, &mut doing)).await {
        Ok(Ok(output)) => (Ok(output), Some(connection)),
        Ok(Err((failure, After::RolledBack))) => (Err(failure), Some(connection)),
        Ok(Err((failure, After::Unknown))) => (Err(failure), None),
        Err(_) => (Err(Failure::Slow { doing, limit: TRANSACTION }), None),
    }
}

/// State of a connection after a failure.
enum After {
    RolledBack,
    /// To be closed: the server rolls back whatever was open.
    Unknown,
}

async fn work<J: Job>(
    connection: &mut AnyConnection,
    job: &J,
    begin: Duration,
    doing: &mut &'static str,
) -> Result<J::Output, (Failure, After)> {
    let opened = match timeout(begin, connection.begin()).await {
        Ok(opened) => opened.map_err(Failure::Statement),
        Err(_) => Err(Failure::Slow { doing: BEGINNING, limit: begin }),
    };
    let mut tx = Tx(opened.map_err(|failure| (failure, After::Unknown))?);
    *doing = WORKING;
    match job.run(&mut tx).await {
        Ok(output) => {
            *doing = COMMITTING;
            let committed = tx.0.commit().await;
            committed.map_err(|error| (Failure::Commit(error), After::Unknown))?;
            Ok(output)
        }
        Err(error) => {
            let answered = error.as_database_error().is_some();
            let after = if answered && tx.0.rollback().await.is_ok() {
                After::RolledBack
            } else {
                After::Unknown
            };
            Err((Failure::Statement(error), after))
        }
    }
}
