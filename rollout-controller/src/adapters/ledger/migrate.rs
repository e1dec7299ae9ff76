//! Creates and upgrades the ledger's tables. At deploy, never inside a tick.

use std::time::Duration;

use sqlx::AnyPool;
use sqlx::any::AnyPoolOptions;
use sqlx::migrate::{Migrate as _, MigrateError as SqlxMigrateError, Migrator};

use super::address::{Backend, LedgerUrl};
use super::login::{Login, LoginError};
use super::session::options;
use crate::ports::BoxError;

static MIGRATIONS: Migrator = sqlx::migrate!("./migrations");

/// Tries on SQLite, which has no lock for migrators: the loser of two sees the
/// winner's tables on its next try.
const TRIES: u32 = 5;

/// Time to open the connection.
const CONNECT: Duration = Duration::from_secs(10);

/// What a migration did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Migrated {
    /// Versions that are new since we looked, ascending; empty if all were there.
    pub applied: Vec<i64>,
    /// The version that the tables have now.
    pub version: i64,
}

/// Why the tables could not be brought up to date.
#[derive(Debug, thiserror::Error)]
pub enum MigrationError {
    /// No password.
    #[error("migrating the ledger at {address}")]
    Login {
        /// Where.
        address: LedgerUrl,
        /// Why.
        #[source]
        source: LoginError,
    },
    /// No connection.
    #[error("connecting to the ledger at {address} to migrate it")]
    Connect {
        /// Where.
        address: LedgerUrl,
        /// The driver's error.
        #[source]
        source: BoxError,
    },
    /// A newer version has been here.
    #[error(
        "the ledger at {address} has version {found}, and this program knows {known} at most; \
         deploy the newer program"
    )]
    Newer {
        /// Where.
        address: LedgerUrl,
        /// Version of the tables.
        found: i64,
        /// Newest version that this program has.
        known: i64,
    },
    /// A migration failed; those before it are kept.
    #[error("migrating the ledger at {address}")]
    Failed {
        /// Where.
        address: LedgerUrl,
        /// The driver's error.
        #[source]
        source: BoxError,
    },
}

/// Brings the tables to this program's version. Safe to run again, and by several
/// at once. Needs the database's own address, not a transaction pooler's: the
/// migrator holds a lock of its session.
///
/// # Errors
/// [`MigrationError`]; nothing is half done, each migration is a transaction.
pub async fn migrate(address: &LedgerUrl, login: &Login) -> Result<Migrated, MigrationError> {
    let url = login.url(address).await;
    let url = url.map_err(|source| MigrationError::Login { address: address.clone(), source })?;
    let mut tries = match address.backend() {
        Backend::Postgres => 1,
        Backend::Sqlite => TRIES,
    };
    loop {
        let connect = |source: sqlx::Error| MigrationError::Connect {
            address: address.clone(),
            source: source.into(),
        };
        let options = options(&url).map_err(connect)?;
        let one = AnyPoolOptions::new().max_connections(1).acquire_timeout(CONNECT);
        let pool = one.connect_with(options).await.map_err(connect)?;
        tries -= 1;
        let result = run(&pool).await;
        pool.close().await;
        match result {
            Ok(migrated) => return Ok(migrated),
            Err(SqlxMigrateError::VersionMissing(found)) => {
                return Err(MigrationError::Newer {
                    address: address.clone(),
                    found,
                    known: newest(),
                });
            }
            Err(_) if tries > 0 => {}
            Err(source) => {
                return Err(MigrationError::Failed {
                    address: address.clone(),
                    source: source.into(),
                });
            }
        }
    }
}

/// A pool only because the migrator's future is not `Send` on a bare connection.
async fn run(pool: &AnyPool) -> Result<Migrated, SqlxMigrateError> {
    // No table yet: no versions. Whatever else is wrong, the run says.
    let before = versions(pool).await.unwrap_or_default();
    MIGRATIONS.run(pool).await?;
    let after = versions(pool).await?;
    Ok(Migrated {
        version: after.iter().copied().max().unwrap_or_default(),
        applied: after.into_iter().filter(|version| !before.contains(version)).collect(),
    })
}

async fn versions(pool: &AnyPool) -> Result<Vec<i64>, SqlxMigrateError> {
    let table = &MIGRATIONS.table_name;
    let mut connection = pool.acquire().await?;
    let applied = connection.list_applied_migrations(table).await?;
    Ok(applied.into_iter().map(|migration| migration.version).collect())
}

fn newest() -> i64 {
    MIGRATIONS.iter().map(|migration| migration.version).max().unwrap_or_default()
}
