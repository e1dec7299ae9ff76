//! Paths of recent requests, from the table in which the service notes its calls.
//!
//! Only the columns `id`, `path` and `created_at` are named: headers, keys, bodies and
//! answers are never read, so a login needs no right to them. The statement looks at a
//! bounded number of rows from the newest back, by the primary key, and the server ends
//! it after [`STATEMENT`].

use sqlx::postgres::{PgConnectOptions, PgConnection, PgSslMode};
use sqlx::{ConnectOptions as _, Connection as _};
use std::str::FromStr as _;
use std::time::Duration;
use url::Url;

/// Time to open the connection: name, TCP, TLS, login.
const CONNECT: Duration = Duration::from_secs(10);
/// Longest that a statement may run on the server.
pub const STATEMENT: Duration = Duration::from_secs(20);
/// What the network may add to that.
const SLACK: Duration = Duration::from_secs(5);
/// Rows that are looked at for each path that is wanted, and the least and most in all.
/// Wallets ask again and again, and other endpoints note their calls here, too.
const ROWS_A_PATH: i64 = 100;
const ROWS: (i64, i64) = (10_000, 1_000_000);

/// Tables of the service, in which a login for reading may change nothing. Servers that
/// are replicas take no writes whoever asks.
const WRITABLE: &str = "SELECT format('%I.%I', n.nspname, c.relname)
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE NOT pg_is_in_recovery() AND c.relkind IN ('r', 'p')
   AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname NOT LIKE 'pg\\_%'
   AND (has_table_privilege(c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE')
        OR has_any_column_privilege(c.oid, 'INSERT, UPDATE'))
 ORDER BY c.relname = 'account_accountapikeyanalytics' DESC, 1 LIMIT 1";

/// `…/stamps/{scorer}/score/{address}` and nothing behind it, each path once, newest first.
/// Printable characters only: no client of ours can send others as they are.
const PATHS: &str = "SELECT path
  FROM (SELECT id, path, created_at FROM account_accountapikeyanalytics
         ORDER BY id DESC LIMIT $1) AS newest
 WHERE created_at >= now() - make_interval(secs => $2)
   AND path ~ '^/[!-~]*$' AND path ~ '/stamps/[^/]+/score/[^/]+$'
 GROUP BY path ORDER BY max(id) DESC LIMIT $3";

/// Which requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// How far back.
    pub since: Duration,
    /// Most different paths, at least 1.
    pub limit: u32,
}

/// Why there are no paths. Never holds the address: it has a password in it.
#[derive(Debug, thiserror::Error)]
pub enum AnalyticsError {
    /// Not an address of PostgreSQL.
    #[error(
        "the database's address is no URL of PostgreSQL; write \
         postgres://USER:PASSWORD@HOST:5432/DATABASE?sslmode=verify-full"
    )]
    Address,
    /// Nobody there, another certificate, or a login that is refused.
    #[error("connecting to the database")]
    Connect(#[source] sqlx::Error),
    /// It did not answer.
    #[error("the database did not answer within {} s while {doing}", .limit.as_secs())]
    Slow {
        /// What we were doing.
        doing: &'static str,
        /// How long we waited.
        limit: Duration,
    },
    /// A login that could change something.
    #[error(
        "the login may write to {table}, and this only reads; give one that may read three columns: \
         GRANT SELECT (id, path, created_at) ON account_accountapikeyanalytics TO …"
    )]
    MayWrite {
        /// The first table that it may write to.
        table: String,
    },
    /// The statement failed: no such table, no right to read it, its time is over.
    #[error("reading account_accountapikeyanalytics")]
    Read(#[source] sqlx::Error),
}

/// Reads the paths. Without `sslmode` in `url` the server must prove who it is.
///
/// # Errors
/// [`AnalyticsError`].
pub async fn paths(url: &str, wanted: Wanted) -> Result<Vec<String>, AnalyticsError> {
    let options = options(url)?;
    let connecting = tokio::time::timeout(CONNECT, options.connect());
    let slow = |doing, limit| move |_| AnalyticsError::Slow { doing, limit };
    let mut connection =
        connecting.await.map_err(slow("connecting", CONNECT))?.map_err(AnalyticsError::Connect)?;
    let limit = STATEMENT + SLACK;
    let read = tokio::time::timeout(limit, read(&mut connection, wanted));
    let paths = read.await.map_err(slow("reading", limit))??;
    // What was read is here; how the connection ends does not matter.
    let _ = tokio::time::timeout(SLACK, connection.close()).await;
    Ok(paths)
}

fn options(url: &str) -> Result<PgConnectOptions, AnalyticsError> {
    let parsed = Url::parse(url.trim()).map_err(|_| AnalyticsError::Address)?;
    if !matches!(parsed.scheme(), "postgres" | "postgresql") {
        return Err(AnalyticsError::Address);
    }
    let chooses = parsed.query_pairs().any(|(key, _)| key == "sslmode" || key == "ssl-mode");
    let options =
        PgConnectOptions::from_str(parsed.as_str()).map_err(|_| AnalyticsError::Address)?;
    let options = options.application_name("rolloutctl compare").disable_statement_logging();
    Ok(if chooses { options } else { options.ssl_mode(PgSslMode::VerifyFull) })
}

/// Everything in one transaction that cannot write, and unnamed: behind a pooler each
/// statement would otherwise meet another server.
async fn read(
    connection: &mut PgConnection,
    wanted: Wanted,
) -> Result<Vec<String>, AnalyticsError> {
    let mut transaction =
        connection.begin_with("BEGIN TRANSACTION READ ONLY").await.map_err(AnalyticsError::Read)?;
    let limit = format!("{}", STATEMENT.as_millis());
    sqlx::query("SELECT set_config('statement_timeout', $1, true)")
        .bind(limit)
        .persistent(false)
        .execute(&mut *transaction)
        .await
        .map_err(AnalyticsError::Read)?;
    let table: Option<String> = sqlx::query_scalar(WRITABLE)
        .persistent(false)
        .fetch_optional(&mut *transaction)
        .await
        .map_err(AnalyticsError::Read)?;
    if let Some(table) = table {
        return Err(AnalyticsError::MayWrite { table });
    }
    let limit = i64::from(wanted.limit);
    let rows = (limit * ROWS_A_PATH).clamp(ROWS.0, ROWS.1);
    let paths = sqlx::query_scalar(PATHS)
        .bind(rows)
        .bind(wanted.since.as_secs_f64())
        .bind(limit)
        .persistent(false)
        .fetch_all(&mut *transaction)
        .await
        .map_err(AnalyticsError::Read)?;
    transaction.rollback().await.map_err(AnalyticsError::Read)?;
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_of_postgresql_and_its_server_proves_itself_unless_it_says_otherwise() {
        let mode = |url: &str| options(url).map(|options| options.get_ssl_mode());
        let verified = mode("postgres://reader:s3cr3t@db.example.com/scorer").unwrap();
        assert!(matches!(verified, PgSslMode::VerifyFull));
        let chosen = mode("postgresql://reader:s3cr3t@db/scorer?sslmode=require").unwrap();
        assert!(matches!(chosen, PgSslMode::Require));
        for wrong in
            ["", "db.example.com", "sqlite:///s3cr3t.db", "postgres://u:s3cr3t@db/d?sslmode=maybe"]
        {
            let error = options(wrong).unwrap_err();
            assert!(matches!(error, AnalyticsError::Address), "{wrong}");
            assert!(!format!("{error} {error:?}").contains("s3cr3t"), "{wrong}");
        }
    }
}
