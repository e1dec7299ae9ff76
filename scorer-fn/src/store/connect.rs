//! Where the database is and how to log in.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use function_kit::errors::chain;
use function_kit::login::{Credentials, Rotating, is_refused_login};
use percent_encoding::percent_decode_str;
use tokio::time::timeout;
use tokio_postgres::Config;
use url::Url;

use super::DbError;
use super::connection::Connection;
use super::tls::{Roots, Tls, TlsMode};
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
pub struct Address {
    config: Config,
    tls: Tls,
}

/// Without user and password.
impl fmt::Debug for Address {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Address")
            .field("host", &self.config.get_hosts())
            .field("port", &self.config.get_ports())
            .finish_non_exhaustive()
    }
}

impl Address {
    /// Reads `postgres://user:password@host:port/name?sslmode=…&sslrootcert=…`.
    ///
    /// As with libpq the mode is `prefer` if there is none.
    ///
    /// # Errors
    /// What is wrong with it; never its password.
    pub fn parse(text: &str) -> Result<Self, String> {
        let form = "use postgres://user:password@host:5432/name?sslmode=verify-full";
        let refused = |problem: &dyn fmt::Display| format!("{problem}; {form}");
        let url = Url::parse(text).map_err(|error| refused(&error))?;
        if !matches!(url.scheme(), "postgres" | "postgresql") {
            return Err(refused(&"it does not begin with postgres://"));
        }
        let (mut mode, mut roots) = (TlsMode::Prefer, None);
        for (name, value) in url.query_pairs() {
            match &*name {
                "sslmode" | "ssl-mode" => mode = value.parse()?,
                "sslrootcert" | "ssl-root-cert" | "ssl-ca" => roots = Some(Roots::read(&value)?),
                other => return Err(refused(&format!("the parameter {other} is not known"))),
            }
        }
        let decoded = |part: &str, what: &str| {
            let text = percent_decode_str(part).decode_utf8();
            // The error would quote it.
            text.map(String::from).map_err(|_| refused(&format!("the {what} is no UTF-8")))
        };
        let host =
            url.host_str().filter(|host| !host.is_empty()).ok_or_else(|| refused(&"no host"))?;
        let given = |part| Some(part).filter(|part: &&str| !part.is_empty());
        let user = given(url.username()).map(|user| decoded(user, "user")).transpose()?;
        let name = given(url.path().trim_start_matches('/'));
        let name = name.map(|name| decoded(name, "name")).transpose()?;
        let password = url.password().map(|password| decoded(password, "password")).transpose()?;
        // An IPv6 address has brackets in a URL, and nowhere else.
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let login = Login { user: user.as_deref(), password: password.as_deref() };
        let port = url.port().unwrap_or(5432);
        Self::new(host, port, name.as_deref(), login, mode, roots.as_ref())
    }

    fn new(
        host: &str,
        port: u16,
        name: Option<&str>,
        login: Login<'_>,
        mode: TlsMode,
        roots: Option<&Roots>,
    ) -> Result<Self, String> {
        let tls = Tls::new(mode, roots)?;
        let mut config = Config::new();
        config.host(host).port(port).application_name("scorer-fn").ssl_mode(tls.mode);
        if let Some(name) = name {
            config.dbname(name);
        }
        if let Some(user) = login.user {
            config.user(user);
        }
        if let Some(password) = login.password {
            config.password(password);
        }
        Ok(Self { config, tls })
    }

    /// Opens a connection within `limit`.
    ///
    /// # Errors
    /// [`DbError`], never with a password in its text.
    async fn open(&self, limit: Duration) -> Result<Connection, DbError> {
        let mut config = self.config.clone();
        // The kernel gives a connection up whose peer acknowledges nothing for so long.
        config.tcp_user_timeout(limit);
        let tls = self.tls.connect.clone();
        // It sets TCP_NODELAY: without that each second packet of a request waits for
        // the first one's acknowledgement, which the server delays by 40 ms.
        let opened = timeout(limit, config.connect(tls.clone()))
            .await
            .map_err(|_| DbError::Unavailable(format!("no connection within {limit:?}")))?;
        let (client, io) = opened.map_err(|error| match error.as_db_error() {
            // Always fatal, as a refused login is.
            Some(refusal) => DbError::refused(refusal),
            None => DbError::Unavailable(chain(&error)),
        })?;
        Ok(Connection::new(client, io, tls))
    }
}

/// As libpq, the user is that of the system where none is given.
#[derive(Clone, Copy)]
struct Login<'a> {
    user: Option<&'a str>,
    password: Option<&'a str>,
}

/// A secret and what goes with it.
#[derive(Debug)]
pub struct SecretSource {
    /// Reads the secret.
    pub reader: SecretReader,
    /// What the environment says beside the secret.
    pub overrides: Overrides,
    /// Where the secret that was read last leads to.
    pub known: Rotating<Address>,
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
    pub tls: Option<TlsMode>,
    /// `DATABASE_SSLROOTCERT`, a PEM bundle.
    pub roots: Option<Roots>,
}

impl Source {
    /// Opens a connection. Takes `limit` at most, and as much again for reading
    /// the secret.
    ///
    /// # Errors
    /// [`DbError`], never with a password in its text.
    pub(super) async fn connect(&self, limit: Duration) -> Result<Connection, DbError> {
        match self {
            Self::Url(address) => address.open(limit).await,
            Self::Secret(secret) => secret.connect(limit).await,
        }
    }
}

impl SecretSource {
    async fn connect(&self, limit: Duration) -> Result<Connection, DbError> {
        let read = async || self.overrides.address(&read(&self.reader, limit).await?);
        let open = |address: Arc<Address>| async move { address.open(limit).await };
        let refused = |error: &DbError| match error {
            DbError::Refused { code, .. } => is_refused_login(code),
            DbError::Unavailable(_) | DbError::Lost(_) => false,
        };
        self.known.connect(read, open, refused).await
    }
}

async fn read(reader: &SecretReader, limit: Duration) -> Result<Credentials, DbError> {
    timeout(limit, reader.read())
        .await
        .unwrap_or_else(|_| Err(format!("Secrets Manager did not answer within {limit:?}")))
        .map_err(DbError::Unavailable)
}

impl Overrides {
    fn address(&self, secret: &Credentials) -> Result<Address, DbError> {
        let missing =
            |what: &str| DbError::Unavailable(format!("{what} is neither set nor in the secret"));
        let host = self.host.as_ref().or(secret.host.as_ref());
        let name = self.name.as_ref().or(secret.dbname.as_ref());
        Address::new(
            host.ok_or_else(|| missing("DATABASE_HOST"))?,
            self.port.or(secret.port).unwrap_or(5432),
            Some(name.ok_or_else(|| missing("DATABASE_NAME"))?),
            Login { user: Some(&secret.username), password: Some(secret.password.expose()) },
            self.tls.unwrap_or(TlsMode::VerifyFull),
            self.roots.as_ref(),
        )
        .map_err(DbError::Unavailable)
    }
}
