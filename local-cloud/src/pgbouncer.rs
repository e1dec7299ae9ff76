//! A private pgbouncer in transaction mode: the stand-in for RDS Proxy.
//!
//! Clients and the server behind it use TLS and SCRAM-SHA-256 if that server does,
//! and the pooler shows the server's certificate.
//!
//! Every transaction may meet another server connection, so whatever a client
//! leaves in its session is gone, or worse, somebody else's. Tests that must
//! hold behind RDS Proxy run through this with several clients at once.

use std::fmt;
use std::path::PathBuf;

use sqlx::{Connection as _, PgConnection};
use tempfile::TempDir;

use crate::postgres::{PrivatePostgres, Transport, USER};
use crate::supervised::{
    Account, READY_LIMIT, Recipe, ServerError, Supervised, find_program, io_error, on_free_port,
    path_folders,
};

/// Server connections per database when nothing else is asked for. Two are
/// enough to mix up clients, and few enough to make them wait.
pub const SERVER_CONNECTIONS: u32 = 2;

/// Whether tests through a pooler are to be left out, and if so says why on
/// standard error.
///
/// `scripts/dev-env` sets `LOCAL_CLOUD_WITHOUT_PGBOUNCER` where pgbouncer is
/// missing and cannot be installed. Without that a missing pgbouncer is an
/// error, so that no test is left out unnoticed.
pub fn left_out() -> bool {
    crate::supervised::left_out(
        "LOCAL_CLOUD_WITHOUT_PGBOUNCER",
        "pgbouncer is not installed (`apt-get install pgbouncer`)",
    )
}

/// What went wrong with a private pgbouncer.
pub type PgbouncerError = ServerError;

/// A running pgbouncer; stopped and removed when dropped.
pub struct Pgbouncer {
    // Before `_folder`: it must be gone when its files are removed.
    _server: Supervised,
    _folder: TempDir,
    port: u16,
    password: String,
    /// As the server's, with the same certificate.
    transport: Transport,
}

/// Without the password.
impl fmt::Debug for Pgbouncer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pgbouncer").field("port", &self.port).finish_non_exhaustive()
    }
}

impl Pgbouncer {
    /// A pooler in front of `postgres` with [`SERVER_CONNECTIONS`] a database.
    ///
    /// # Errors
    /// [`PgbouncerError::NoBinary`] where it is not installed; otherwise what
    /// it printed.
    pub async fn start(postgres: &PrivatePostgres) -> Result<Self, PgbouncerError> {
        Self::start_with(postgres, SERVER_CONNECTIONS).await
    }

    /// The same with `server_connections` (1 or more) a database.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub async fn start_with(
        postgres: &PrivatePostgres,
        server_connections: u32,
    ) -> Result<Self, PgbouncerError> {
        on_free_port(|port| Self::try_start(postgres, server_connections, port)).await
    }

    async fn try_start(
        postgres: &PrivatePostgres,
        server_connections: u32,
        port: u16,
    ) -> Result<Self, PgbouncerError> {
        let mut searched = path_folders();
        // Debian's place, which is not on an ordinary user's PATH.
        searched.push(PathBuf::from("/usr/sbin"));
        let Some(program) = find_program("pgbouncer", &searched) else {
            return Err(ServerError::NoBinary {
                name: "pgbouncer",
                package: "pgbouncer",
                searched,
            });
        };
        let account = Account::for_servers().map_err(io_error("choosing an account"))?;
        let folder = tempfile::Builder::new()
            .prefix("local-cloud-pgbouncer-")
            .tempdir()
            .map_err(io_error("making a temporary folder"))?;
        let [settings, users, log] =
            ["pgbouncer.ini", "users.txt", "pgbouncer.log"].map(|name| folder.path().join(name));
        let password = postgres.password();
        let (auth, tls) = match postgres.transport() {
            Transport::Plain => ("plain", "server_tls_sslmode = disable\n".to_owned()),
            // The files are the server's: both run as the same account.
            Transport::Tls { files, mode } => (
                "scram-sha-256",
                format!(
                    "client_tls_sslmode = require\n\
                     client_tls_cert_file = {}\n\
                     client_tls_key_file = {}\n\
                     server_tls_sslmode = {mode}\n\
                     server_tls_ca_file = {}\n",
                    files.chain.display(),
                    files.key.display(),
                    files.authority.display(),
                ),
            ),
        };
        let text = format!(
            "[databases]\n\
             * = host=127.0.0.1 port={}\n\
             [pgbouncer]\n\
             listen_addr = 127.0.0.1\n\
             listen_port = {port}\n\
             unix_socket_dir =\n\
             auth_type = {auth}\n\
             auth_file = {}\n\
             pool_mode = transaction\n\
             default_pool_size = {server_connections}\n\
             max_client_conn = 200\n\
             max_db_connections = {server_connections}\n\
             {tls}\
             ; sqlx sends this one, and pgbouncer refuses what it does not know\n\
             ignore_startup_parameters = extra_float_digits\n",
            postgres.port(),
            users.display(),
        );
        std::fs::write(&settings, text).map_err(io_error("writing pgbouncer.ini"))?;
        std::fs::write(&users, format!("\"{USER}\" \"{password}\"\n"))
            .map_err(io_error("writing users.txt"))?;
        if let Some(account) = &account {
            for path in [folder.path(), &settings, &users] {
                account.own(path).map_err(io_error("giving files to pgbouncer's account"))?;
            }
        }
        let server = Supervised::start(&Recipe {
            program: program.as_os_str(),
            args: vec![settings.display().to_string()],
            env: Vec::new(),
            stop_signal: "TERM", // at once; INT waits for clients
            account: account.as_ref(),
            folder: folder.path(),
            log: &log,
            remove_folder: true,
        })
        .map_err(io_error("starting pgbouncer"))?;

        let server = server
            .once_up("pgbouncer", &log, READY_LIMIT, || async move {
                match PgConnection::connect(&postgres.url_at(port, USER)).await {
                    Ok(connection) => connection.close().await.is_ok(),
                    Err(_) => false,
                }
            })
            .await?;
        Ok(Self {
            _server: server,
            _folder: folder,
            port,
            password: password.to_owned(),
            transport: postgres.transport().clone(),
        })
    }

    /// URL of one database through the pooler, with the password: do not log it.
    pub fn url(&self, database: &str) -> String {
        self.transport.url(self.port, &self.password, database)
    }

    /// The loopback port of the pooler.
    pub fn port(&self) -> u16 {
        self.port
    }
}
