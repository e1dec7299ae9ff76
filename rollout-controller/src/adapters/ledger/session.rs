//! The one place through which every statement goes.
//!
//! Behind a transaction pooler (RDS Proxy, pgbouncer) the two trips of a bound
//! query may meet different server connections. Named statements then collide,
//! and unnamed ones outside a transaction silently return another client's rows.
//! Two ways are right on every pooler:
//!
//! - the values written into the text ([`super::text`]) and sent by the simple
//!   protocol: one message, which is its own transaction. One round trip, and RDS
//!   Proxy does not pin the session for a parse message;
//! - bound, unnamed and *inside* an explicit transaction: four round trips. For
//!   what is longer than RDS Proxy takes as text without pinning.

use std::sync::Once;
use std::time::Duration;

use function_kit::login::is_refused_login;
use futures_util::TryStreamExt as _;
use sqlx::any::{AnyConnectOptions, AnyQueryResult, AnyRow};
use sqlx::{
    AnyConnection, AssertSqlSafe, ConnectOptions as _, Connection as _, Either, Executor as _,
};
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use super::address::LedgerUrl;
use super::login::{Login, LoginError};
use super::text::{Bind, written};

/// Time to open a connection: name, TCP, TLS, login.
const CONNECT: Duration = Duration::from_secs(2);
/// Time of a whole statement. A stuck lock and a proxy without free servers end
/// here: a slow database is one that cannot be reached, and protection goes on
/// without it. Only this side gives up. A `SET statement_timeout` would pin the
/// session of RDS Proxy to its server, so the server's own limit belongs to the role
/// (`ALTER ROLE … SET statement_timeout`).
const STATEMENT: Duration = Duration::from_secs(2);
/// A connection that was used so lately is taken to be alive.
const FRESH: Duration = Duration::from_secs(1);
/// Time in which an older one must answer. One that died while the Lambda was
/// frozen says nothing, and a new one still fits into the tick's patience.
const PROBE: Duration = Duration::from_millis(500);
/// Bytes of text that go as one message. RDS Proxy pins a session for a statement
/// of more than 16 KB (its guide, "Avoiding pinning").
const MOST_TEXT: usize = 16_000;

/// What a statement brought.
#[derive(Default)]
pub(super) struct Answer {
    pub(super) rows: Vec<AnyRow>,
    /// How many rows it wrote.
    pub(super) written: u64,
}

/// Why a statement brought nothing.
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
    /// What was sent may have been done all the same.
    #[error("the connection was lost; whether the statement took effect shows on the next read")]
    Lost(#[source] sqlx::Error),
}

impl Failure {
    /// The database's own error, if it answered.
    pub(super) fn database(&self) -> Option<&dyn sqlx::error::DatabaseError> {
        match self {
            Self::Connect(error) | Self::Statement(error) | Self::Lost(error) => {
                error.as_database_error()
            }
            Self::Login(_) | Self::Slow { .. } => None,
        }
    }

    /// Whether the connection itself is to blame, and another may do better.
    fn is_lost_connection(&self) -> bool {
        match self {
            Self::Lost(_) => true,
            // 57P01 to 57P05: shut down, crashed, starting, dropped, idle too long.
            // Class 08: connection exceptions, also of poolers.
            Self::Statement(_) => self
                .database()
                .and_then(sqlx::error::DatabaseError::code)
                .is_some_and(|code| code.starts_with("57P") || code.starts_with("08")),
            Self::Login(_) | Self::Slow { .. } | Self::Connect(_) => false,
        }
    }
}

impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Self {
        match error {
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::Protocol(_)
            | sqlx::Error::WorkerCrashed => Self::Lost(error),
            _ => Self::Statement(error),
        }
    }
}

/// One connection, opened when first needed and kept between statements.
///
/// Not a pool: one Lambda environment does one thing at a time, and a pool's
/// timers stand still while the environment is frozen.
pub(super) struct Session {
    address: LedgerUrl,
    login: Login,
    idle: Mutex<Option<Kept>>,
}

struct Kept {
    connection: AnyConnection,
    used: Instant,
}

impl Session {
    pub(super) fn new(address: LedgerUrl, login: Login) -> Self {
        Self { address, login, idle: Mutex::new(None) }
    }

    pub(super) fn address(&self) -> &LedgerUrl {
        &self.address
    }

    /// Runs one statement, a transaction of its own. If a kept connection turns out to
    /// be lost, the statement is repeated on another. It may have been done by then:
    /// whoever inserts finds the number taken, and looks again like the loser of a race.
    pub(super) async fn run(&self, sql: &str, binds: &[Bind<'_>]) -> Result<Answer, Failure> {
        let mut idle = self.idle.lock().await;
        let text = written(self.address.backend(), sql, binds);
        let text = text.filter(|text| text.len() <= MOST_TEXT);
        if let Some(mut connection) = alive(idle.take()).await {
            match attempt(&mut connection, text.as_deref(), sql, binds).await {
                Ok(answer) => {
                    *idle = Some(Kept { connection, used: Instant::now() });
                    return Ok(answer);
                }
                Err(failure) if failure.is_lost_connection() => {}
                Err(failure) => return Err(failure),
            }
        }
        let mut connection = self.connect().await?;
        let answer = attempt(&mut connection, text.as_deref(), sql, binds).await?;
        *idle = Some(Kept { connection, used: Instant::now() });
        Ok(answer)
    }

    async fn connect(&self) -> Result<AnyConnection, Failure> {
        let open = |url: url::Url| async move {
            match timeout(CONNECT, open(&url)).await {
                Ok(result) => result.map_err(Failure::Connect),
                Err(_) => Err(Failure::Slow { doing: "connecting", limit: CONNECT }),
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

/// The kept connection, if it still answers or was used a moment ago.
async fn alive(kept: Option<Kept>) -> Option<AnyConnection> {
    let Kept { mut connection, used } = kept?;
    let alive =
        used.elapsed() < FRESH || matches!(timeout(PROBE, connection.ping()).await, Ok(Ok(())));
    alive.then_some(connection)
}

/// A connection whose statement failed is to be closed: the server rolls back whatever
/// was open.
async fn attempt(
    connection: &mut AnyConnection,
    text: Option<&str>,
    sql: &str,
    binds: &[Bind<'_>],
) -> Result<Answer, Failure> {
    let run = async {
        match text {
            Some(text) => as_text(connection, text.to_owned()).await,
            None => bound(connection, sql, binds).await,
        }
    };
    match timeout(STATEMENT, run).await {
        Ok(answer) => Ok(answer?),
        Err(_) => Err(Failure::Slow { doing: "running a statement", limit: STATEMENT }),
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

/// One message, one answer.
async fn as_text(connection: &mut AnyConnection, text: String) -> Result<Answer, sqlx::Error> {
    let parts = sqlx::raw_sql(AssertSqlSafe(text)).fetch_many(connection);
    parts.try_fold(Answer::default(), |answer, part| async { Ok(with(answer, part)) }).await
}

fn with(mut answer: Answer, part: Either<AnyQueryResult, AnyRow>) -> Answer {
    match part {
        Either::Left(done) => answer.written += done.rows_affected(),
        Either::Right(row) => answer.rows.push(row),
    }
    answer
}

/// BEGIN, parse, run, COMMIT.
async fn bound(
    connection: &mut AnyConnection,
    sql: &str,
    binds: &[Bind<'_>],
) -> Result<Answer, sqlx::Error> {
    let mut transaction = connection.begin().await?;
    let query = sqlx::query(AssertSqlSafe(sql.to_owned())).persistent(false);
    let query = binds.iter().fold(query, |query, bind| match *bind {
        Bind::Int(value) => query.bind(value),
        Bind::Text(value) => query.bind(value.to_owned()),
    });
    let parts = transaction.fetch_many(query);
    let answer =
        parts.try_fold(Answer::default(), |answer, part| async { Ok(with(answer, part)) }).await?;
    transaction.commit().await?;
    Ok(answer)
}
