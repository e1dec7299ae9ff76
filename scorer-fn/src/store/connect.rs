//! Where the database is and how to log in.

use std::fmt;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgConnection, PgSslMode};
use sqlx::{ConnectOptions, Connection};
use tokio::time::timeout;
use url::Url;

use super::DbError;
use crate::secrets::SecretReader;

/// How to come by an address and a password.
#[derive(Debug)]
pub enum Source {
    /// `DATABASE_URL`, as on a laptop.
    Url(Box<Address>),
    /// A secret in Secrets Manager, read at first need and again after a refused login.
    Secret(Box<SecretSource>),
}

/// An address with its password.
pub struct Address(PgConnectOptions);

/// Without user and password.
impl fmt::Debug for Address {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Address")
            .field("host", &self.0.get_host())
            .field("port", &self.0.get_port())
            .finish_non_exhaustive()
    }
}

impl Address {
    /// Reads `postgres://user:password@host:port/name?sslmode=…&sslrootcert=…`.
    ///
    /// # Errors
    /// What is wrong with it; never its password.
    pub fn parse(text: &str) -> Result<Self, String> {
        let form = "use postgres://user:password@host:5432/name";
        let url = Url::parse(text).map_err(|error| format!("{error}; {form}"))?;
        if !matches!(url.scheme(), "postgres" | "postgresql") {
            return Err(format!("it does not begin with postgres://; {form}"));
        }
        for (name, value) in url.query_pairs() {
            match &*name {
                "sslmode" | "ssl-mode" => drop(ssl_mode(&value)?),
                "sslrootcert" | "ssl-root-cert" | "ssl-ca" => readable_bundle(&value)?,
                _ => {}
            }
        }
        let options = PgConnectOptions::from_url(&url);
        // Its message may quote what it could not read.
        options.map(Self).map_err(|_| format!("no address; {form}"))
    }
}

/// Reads a mode as libpq spells it.
///
/// # Errors
/// The modes there are.
pub fn ssl_mode(text: &str) -> Result<PgSslMode, String> {
    text.parse().map_err(|_| {
        format!("{text:?} is no sslmode; use disable, require, verify-ca or verify-full")
    })
}

/// Checks that a PEM bundle is there (or is the text itself, which is taken, too).
///
/// # Errors
/// The path, and why it cannot be read.
pub fn readable_bundle(path: &str) -> Result<(), String> {
    if path.starts_with("-----BEGIN ") {
        return Ok(());
    }
    let readable = std::fs::File::open(path).map(drop);
    readable.map_err(|error| format!("the certificates in {path} cannot be read: {error}"))
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
    pub ssl_mode: Option<PgSslMode>,
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
        out.debug_struct("Credentials").field("username", &self.username).finish_non_exhaustive()
    }
}

impl Source {
    /// Opens a connection. Takes `limit` at most, and as much again for reading
    /// the secret.
    ///
    /// # Errors
    /// [`DbError`], never with a password in its text.
    pub async fn connect(&self, limit: Duration) -> Result<PgConnection, DbError> {
        match self {
            Self::Url(address) => open(address.0.clone(), limit).await,
            Self::Secret(secret) => secret.connect(limit).await,
        }
    }
}

impl SecretSource {
    async fn connect(&self, limit: Duration) -> Result<PgConnection, DbError> {
        let mut known = self.known.lock().await;
        let fresh = known.is_none();
        if fresh {
            *known = Some(read(&self.reader, limit).await?);
        }
        match open(secret_options(known.as_ref(), &self.overrides)?, limit).await {
            // The password may have been rotated since we read it.
            Err(DbError::Refused { code, .. }) if code.starts_with("28") && !fresh => {
                *known = Some(read(&self.reader, limit).await?);
                open(secret_options(known.as_ref(), &self.overrides)?, limit).await
            }
            other => other,
        }
    }
}

async fn read(reader: &SecretReader, limit: Duration) -> Result<Credentials, DbError> {
    let text = timeout(limit, reader.read())
        .await
        .unwrap_or_else(|_| Err(format!("Secrets Manager did not answer within {limit:?}")))
        .map_err(DbError::Unavailable)?;
    serde_json::from_str(text.expose()).map_err(|error| {
        // The message of serde_json names fields and positions, never values of strings.
        DbError::Unavailable(format!(
            "DATABASE_SECRET_ARN: the secret needs the JSON keys username and password: line {} column {}",
            error.line(),
            error.column()
        ))
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
    let mut options = PgConnectOptions::new_without_pgpass()
        .host(host)
        .port(overrides.port.or(credentials.port).unwrap_or(5432))
        .database(name)
        .username(&credentials.username)
        .password(&credentials.password)
        .ssl_mode(overrides.ssl_mode.unwrap_or(PgSslMode::VerifyFull));
    if let Some(path) = &overrides.ssl_root_cert {
        options = options.ssl_root_cert(path);
    }
    Ok(options)
}

async fn open(options: PgConnectOptions, limit: Duration) -> Result<PgConnection, DbError> {
    // Slow statements are counted in our own log line; sqlx's would go nowhere.
    let options = options
        .application_name("scorer-fn")
        .statement_cache_capacity(0)
        .disable_statement_logging();
    timeout(limit, PgConnection::connect_with(&options))
        .await
        .map_err(|_| DbError::Unavailable(format!("no connection within {limit:?}")))?
        .map_err(|error| match error {
            // Always fatal, as a refused login is.
            sqlx::Error::Database(refusal) => DbError::refused(refusal.as_ref()),
            other => DbError::Unavailable(other.to_string()),
        })
}
