//! Where the database is and how to log in.

use std::fmt;
use std::str::FromStr;

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions, Connection};

use super::DbError;
use crate::secrets::{Secret, SecretReader};

/// How to come by an address and a password.
#[derive(Debug)]
pub enum Source {
    /// `DATABASE_URL`, as on a laptop.
    Url(Secret),
    /// A secret in Secrets Manager, read at first need and again after a refused login.
    Secret(Box<SecretSource>),
}

/// A secret and what goes with it.
#[derive(Debug)]
pub struct SecretSource {
    /// Reads the secret.
    pub reader: SecretReader,
    /// What the environment says beside the secret.
    pub overrides: Overrides,
    /// What was read last.
    pub known: tokio::sync::Mutex<Option<Credentials>>,
}

/// Settings that go before those in the secret: the proxy is not the host the secret names.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// `DATABASE_HOST`.
    pub host: Option<String>,
    /// `DATABASE_PORT`.
    pub port: Option<u16>,
    /// `DATABASE_NAME`.
    pub name: Option<String>,
    /// `DATABASE_SSLMODE`, default `verify-full`.
    pub ssl_mode: Option<String>,
    /// `DATABASE_SSLROOTCERT`, path of a PEM bundle.
    pub ssl_root_cert: Option<String>,
}

/// The fields of an RDS secret.
#[derive(Clone, serde::Deserialize)]
pub struct Credentials {
    username: String,
    password: String,
    #[serde(default)]
    host: Option<String>,
    #[serde(default)]
    port: Option<u16>,
    #[serde(default)]
    dbname: Option<String>,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Credentials")
            .field("username", &self.username)
            .finish_non_exhaustive()
    }
}

impl Source {
    /// Opens a connection.
    ///
    /// # Errors
    /// [`DbError`], never with a password in its text.
    pub async fn connect(&self) -> Result<PgConnection, DbError> {
        match self {
            Self::Url(url) => open(url_options(url)?).await,
            Self::Secret(secret) => secret.connect().await,
        }
    }
}

impl SecretSource {
    async fn connect(&self) -> Result<PgConnection, DbError> {
        let mut known = self.known.lock().await;
        let fresh = known.is_none();
        if fresh {
            *known = Some(read(&self.reader).await?);
        }
        match open(secret_options(known.as_ref(), &self.overrides)?).await {
            // The password may have been rotated since we read it.
            Err(DbError::Refused { code, .. }) if code.starts_with("28") && !fresh => {
                *known = Some(read(&self.reader).await?);
                open(secret_options(known.as_ref(), &self.overrides)?).await
            }
            other => other,
        }
    }
}

async fn read(reader: &SecretReader) -> Result<Credentials, DbError> {
    let text = reader.read().await.map_err(DbError::Unavailable)?;
    serde_json::from_str(text.expose()).map_err(|error| {
        // The message of serde_json names fields and positions, never values of strings.
        DbError::Unavailable(format!(
            "DATABASE_SECRET_ARN: the secret needs the JSON keys username and password: line {} column {}",
            error.line(),
            error.column()
        ))
    })
}

fn url_options(url: &Secret) -> Result<PgConnectOptions, DbError> {
    PgConnectOptions::from_str(url.expose()).map_err(|_| {
        DbError::Unavailable(
            "DATABASE_URL is no address like postgres://user@host:5432/name".to_owned(),
        )
    })
}

fn secret_options(
    credentials: Option<&Credentials>,
    overrides: &Overrides,
) -> Result<PgConnectOptions, DbError> {
    let missing =
        |what: &str| DbError::Unavailable(format!("{what} is neither set nor in the secret"));
    let credentials = credentials.ok_or_else(|| missing("DATABASE_SECRET_ARN"))?;
    let host = overrides
        .host
        .as_ref()
        .or(credentials.host.as_ref())
        .ok_or_else(|| missing("DATABASE_HOST"))?;
    let name = overrides
        .name
        .as_ref()
        .or(credentials.dbname.as_ref())
        .ok_or_else(|| missing("DATABASE_NAME"))?;
    let mode = overrides.ssl_mode.as_deref().unwrap_or("verify-full");
    let mode = mode.parse().map_err(|_| {
        DbError::Unavailable(format!(
            "DATABASE_SSLMODE={mode}: use disable, require, verify-ca or verify-full"
        ))
    })?;
    let mut options = PgConnectOptions::new_without_pgpass()
        .host(host)
        .port(overrides.port.or(credentials.port).unwrap_or(5432))
        .database(name)
        .username(&credentials.username)
        .password(&credentials.password)
        .ssl_mode(mode);
    if let Some(path) = &overrides.ssl_root_cert {
        options = options.ssl_root_cert(path);
    }
    Ok(options)
}

async fn open(options: PgConnectOptions) -> Result<PgConnection, DbError> {
    // Slow statements are counted in our own log line; sqlx's would go nowhere.
    let options = options
        .application_name("scorer-fn")
        .statement_cache_capacity(0)
        .disable_statement_logging();
    PgConnection::connect_with(&options)
        .await
        .map_err(|error| match DbError::from_sqlx(&error) {
            DbError::Lost(cause) => DbError::Unavailable(cause),
            other => other,
        })
}
