//! A private PostgreSQL cluster for tests and the demo.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use local_cloud::postgres::PrivatePostgres;
//!
//! let postgres = PrivatePostgres::start().await?;
//! postgres.create_database("seeded").await?;
//! postgres.load_sql_file("seeded", "seed.sql".as_ref()).await?;
//! postgres.create_from_template("mine", "seeded").await?;
//! let url = postgres.url("mine");
//! # Ok(()) }
//! ```
//!
//! It listens on loopback, keeps nothing (no fsync) and is stopped and removed
//! when dropped, also when the process is killed. Clients come in as they do on
//! RDS: over TLS, with a certificate that they verify, and with SCRAM-SHA-256 for
//! a random password, which the clusters of one process share.

use std::fmt;
use std::fs::File;
use std::io::{self, Seek as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

#[cfg(target_os = "linux")]
use nix::sys::statfs::{TMPFS_MAGIC, statfs};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use tempfile::TempDir;

use crate::supervised::{
    Account, Recipe, ServerError, Supervised, find_program, free_port, path_folders,
    random_password, run_as, tail,
};
use crate::tls::{Authority, Certificate, Files};

/// The superuser of the cluster.
pub const USER: &str = "postgres";

/// How long the server may take to answer its first query. A loaded machine
/// needs a second or two.
const READY_LIMIT: Duration = Duration::from_mins(1);

/// Ports are drawn before the server binds them, so one may be taken meanwhile.
const PORT_TRIES: u32 = 5;

/// What went wrong with a private PostgreSQL.
#[derive(Debug, thiserror::Error)]
pub enum PostgresError {
    /// No server binaries on this machine.
    #[error(
        "PostgreSQL is missing: no folder with `initdb` and `postgres` among {searched:?}; \
         run scripts/dev-env, or `apt-get install postgresql`, or set PG_BIN to the folder"
    )]
    NoBinaries {
        /// Folders that were looked into.
        searched: Vec<PathBuf>,
    },
    /// The cluster could not be made or started.
    #[error("{doing}: {output}")]
    Server {
        /// What we were doing.
        doing: &'static str,
        /// The last lines that the program printed.
        output: String,
    },
    /// A file or process could not be handled.
    #[error("{doing}")]
    Io {
        /// What we were doing.
        doing: String,
        /// The operating system's reason.
        #[source]
        source: io::Error,
    },
    /// Its certificate could not be made.
    #[error("making a certificate for the PostgreSQL server")]
    Certificate(#[source] rcgen::Error),
    /// Its certificate could not be put down.
    #[error(transparent)]
    CertificateFile(ServerError),
    /// The server refused a statement.
    #[error("{doing}")]
    Sql {
        /// What we were doing.
        doing: String,
        /// The server's or driver's reason.
        #[source]
        source: sqlx::Error,
    },
}

fn io_error(doing: impl Into<String>) -> impl FnOnce(io::Error) -> PostgresError {
    let doing = doing.into();
    move |source| PostgresError::Io { doing, source }
}

fn sql_error(doing: impl Into<String>) -> impl FnOnce(sqlx::Error) -> PostgresError {
    let doing = doing.into();
    move |source| PostgresError::Sql { doing, source }
}

/// A running cluster; stopped and removed when dropped.
pub struct PrivatePostgres {
    // Before `folder`: the server must be gone when its files are removed.
    server: Option<Supervised>,
    folder: TempDir,
    binaries: PathBuf,
    account: Option<Account>,
    port: u16,
    password: String,
    transport: Transport,
}

/// How clients come in.
#[derive(Clone, Debug)]
pub(crate) enum Transport {
    /// Without TLS, and with the password as it is.
    Plain,
    /// With TLS alone, and SCRAM-SHA-256.
    Tls {
        /// The server's certificate.
        files: Files,
        /// What clients verify: `verify-full`, or `verify-ca` where a test chose the
        /// names in the certificate.
        mode: &'static str,
    },
}

/// What stands in a URL as it is.
const PATH: AsciiSet = NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'_').remove(b'.');

impl Transport {
    /// URL of a database on a loopback `port`, with the password.
    pub(crate) fn url(&self, port: u16, password: &str, database: &str) -> String {
        let tail = match self {
            Self::Plain => "sslmode=disable".to_owned(),
            Self::Tls { files, mode } => {
                let file = files.authority.to_string_lossy();
                format!("sslmode={mode}&sslrootcert={}", utf8_percent_encode(&file, &PATH))
            }
        };
        format!("postgres://{USER}:{password}@127.0.0.1:{port}/{database}?{tail}")
    }

    /// Who may come in (`pg_hba.conf`).
    fn access(&self) -> &'static str {
        match self {
            Self::Plain => "host all all 127.0.0.1/32 password\nlocal all all password\n",
            Self::Tls { .. } => {
                "hostssl all all 127.0.0.1/32 scram-sha-256\nlocal all all scram-sha-256\n"
            }
        }
    }
}

/// Without the password.
impl fmt::Debug for PrivatePostgres {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PrivatePostgres")
            .field("folder", &self.folder.path())
            .field("port", &self.port)
            .finish_non_exhaustive()
    }
}

/// A cluster as `initdb` left it, packed: `initdb` takes a second or two, to unpack it a tenth of
/// one, and a test binary wants dozens.
struct Pristine {
    binaries: PathBuf,
    password: String,
    /// Without a name, so that it is gone with this process.
    archive: File,
}

/// The first cluster of this process.
static PRISTINE: Mutex<Option<Pristine>> = Mutex::new(None);

impl Pristine {
    /// Makes `data` in the folder and gives its superuser's password, which all clusters of
    /// this process share.
    fn put_into(
        folder: &Path,
        binaries: &Path,
        account: Option<&Account>,
    ) -> Result<String, PostgresError> {
        // Held while the first one is made: whoever waits is served sooner than by an
        // `initdb` of its own.
        let mut pristine = PRISTINE.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pristine) = pristine.as_mut().filter(|pristine| pristine.binaries == binaries) {
            pristine.unpack(folder, account)?;
            return Ok(pristine.password.clone());
        }
        let password = init(folder, binaries, account)?;
        // Without `tar` the next cluster is made as this one was.
        *pristine = Self::pack(folder, account).map(|archive| Self {
            binaries: binaries.to_owned(),
            password: password.clone(),
            archive,
        });
        Ok(password)
    }

    fn pack(folder: &Path, account: Option<&Account>) -> Option<File> {
        let archive = tempfile::tempfile().ok()?;
        let mut tar = Command::new("tar");
        tar.args(["-cf", "-", "data"]).stdin(Stdio::null()).stdout(archive.try_clone().ok()?);
        run_as(&mut tar, account, folder);
        tar.output().ok()?.status.success().then_some(archive)
    }

    fn unpack(&mut self, folder: &Path, account: Option<&Account>) -> Result<(), PostgresError> {
        let doing = "unpacking a PostgreSQL cluster";
        let archive = self.archive.rewind().and_then(|()| self.archive.try_clone());
        let mut tar = Command::new("tar");
        tar.args(["-xpf", "-"]).stdin(archive.map_err(io_error(doing))?);
        run_as(&mut tar, account, folder);
        let output = tar.output().map_err(io_error(doing))?;
        if output.status.success() { Ok(()) } else { Err(printed(doing, &output)) }
    }
}

/// `initdb` into the folder's `data`; gives the superuser's password.
fn init(
    folder: &Path,
    binaries: &Path,
    account: Option<&Account>,
) -> Result<String, PostgresError> {
    let password = random_password().map_err(io_error("reading /dev/urandom"))?;
    let password_file = folder.join("password");
    std::fs::write(&password_file, &password).map_err(io_error("writing a password file"))?;
    if let Some(account) = account {
        account.own(&password_file).map_err(io_error("giving files to the server's account"))?;
    }
    let mut initdb = Command::new(binaries.join("initdb"));
    initdb
        .args(["--no-sync", "--auth=scram-sha-256", "--username", USER])
        .args(["--encoding=UTF8", "--locale=C", "--pwfile"])
        .arg(&password_file)
        .arg("--pgdata")
        .arg(folder.join("data"))
        .stdin(Stdio::null());
    run_as(&mut initdb, account, folder);
    let output = initdb.output().map_err(io_error(format!("running {initdb:?}")))?;
    if !output.status.success() {
        return Err(printed("initdb failed", &output));
    }
    std::fs::remove_file(&password_file).map_err(io_error("removing the password file"))?;
    Ok(password)
}

fn printed(doing: &'static str, output: &Output) -> PostgresError {
    let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.push_str(&String::from_utf8_lossy(&output.stderr));
    PostgresError::Server { doing, output: text }
}

impl PrivatePostgres {
    /// Makes a cluster and starts it; it answers queries when this returns.
    ///
    /// It takes clients with TLS only, and has a certificate for `127.0.0.1` and
    /// `localhost` by an authority of its own; [`url`](Self::url) makes a client
    /// verify it. The first of a process takes about two seconds, most of it in `initdb`.
    ///
    /// # Errors
    /// [`PostgresError::NoBinaries`] where nothing is installed; otherwise what
    /// the server printed.
    pub async fn start() -> Result<Self, PostgresError> {
        let certificate = Authority::new("a private PostgreSQL")
            .and_then(|authority| authority.issue(&["127.0.0.1", "localhost"]))
            .map_err(PostgresError::Certificate)?;
        Self::start_as(Some((&certificate, "verify-full"))).await
    }

    /// [`start`](Self::start) with a certificate of the test's choice, whose
    /// names [`url`](Self::url) leaves unchecked.
    ///
    /// # Errors
    /// As `start`.
    pub async fn start_with_tls(certificate: &Certificate) -> Result<Self, PostgresError> {
        Self::start_as(Some((certificate, "verify-ca"))).await
    }

    /// [`start`](Self::start) without TLS and SCRAM: to see what they cost, and how
    /// a client refuses a server that cannot encrypt.
    ///
    /// # Errors
    /// As `start`.
    pub async fn start_plain() -> Result<Self, PostgresError> {
        Self::start_as(None).await
    }

    async fn start_as(
        certificate: Option<(&Certificate, &'static str)>,
    ) -> Result<Self, PostgresError> {
        let mut cluster = tokio::task::spawn_blocking(Self::create)
            .await
            .map_err(|error| io_error("making a PostgreSQL cluster")(io::Error::other(error)))??;
        if let Some((certificate, mode)) = certificate {
            let files = certificate.write(cluster.folder.path(), cluster.account.as_ref());
            let files = files.map_err(PostgresError::CertificateFile)?;
            cluster.transport = Transport::Tls { files, mode };
        }
        let access = cluster.folder.path().join("data/pg_hba.conf");
        std::fs::write(&access, cluster.transport.access())
            .map_err(io_error("writing pg_hba.conf"))?;
        cluster.start_server().await?;
        Ok(cluster)
    }

    /// [`start`](Self::start) for callers without a runtime.
    ///
    /// # Errors
    /// As `start`.
    pub fn start_blocking() -> Result<Self, PostgresError> {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(io_error("starting a runtime"))?
            .block_on(Self::start())
    }

    /// A cluster in a folder of its own.
    fn create() -> Result<Self, PostgresError> {
        let binaries = find_binaries()?;
        let account = Account::for_servers().map_err(io_error("choosing an account"))?;
        let folder = tempfile::Builder::new()
            .prefix("local-cloud-pg-")
            .tempdir_in(place())
            .map_err(io_error("making a temporary folder"))?;
        if let Some(account) = &account {
            account.own(folder.path()).map_err(io_error("giving files to the server's account"))?;
        }
        let password = Pristine::put_into(folder.path(), &binaries, account.as_ref())?;
        Ok(Self {
            server: None,
            folder,
            binaries,
            account,
            port: 0,
            password,
            transport: Transport::Plain,
        })
    }

    /// Starts the server again after [`stop_server`](Self::stop_server), on
    /// the same port and with the same data. Does nothing if it runs.
    ///
    /// # Errors
    /// What the server printed, when it does not come up within a minute.
    pub async fn start_server(&mut self) -> Result<(), PostgresError> {
        if self.server.is_some() {
            return Ok(());
        }
        let fixed = self.port != 0;
        let mut tries = 0;
        loop {
            tries += 1;
            if !fixed {
                self.port = free_port().map_err(io_error("finding a free port"))?;
            }
            match self.try_start().await {
                Err(PostgresError::Server { output, .. })
                    if !fixed && tries < PORT_TRIES && output.contains("in use") => {}
                other => return other,
            }
        }
    }

    async fn try_start(&mut self) -> Result<(), PostgresError> {
        let folder = self.folder.path();
        let log = self.log();
        let _ = std::fs::remove_file(&log);
        let mut args = vec!["-D".to_owned(), folder.join("data").display().to_string()];
        for setting in [
            format!("port={}", self.port),
            format!("unix_socket_directories={}", folder.display()),
            "listen_addresses=127.0.0.1".to_owned(),
            "max_connections=200".to_owned(),
            "shared_buffers=32MB".to_owned(),
            // Nothing here outlives the process.
            "fsync=off".to_owned(),
            "synchronous_commit=off".to_owned(),
            "full_page_writes=off".to_owned(),
            "wal_level=minimal".to_owned(),
            "max_wal_senders=0".to_owned(),
            "max_wal_size=4GB".to_owned(),
        ] {
            args.extend(["-c".to_owned(), setting]);
        }
        if let Transport::Tls { files, .. } = &self.transport {
            for setting in [
                "ssl=on".to_owned(),
                format!("ssl_cert_file={}", files.chain.display()),
                format!("ssl_key_file={}", files.key.display()),
            ] {
                args.extend(["-c".to_owned(), setting]);
            }
        }
        let mut server = Supervised::start(&Recipe {
            program: self.binaries.join("postgres").as_os_str(),
            args,
            env: Vec::new(),
            stop_signal: "INT", // fast shutdown: clients are cut off
            account: self.account.as_ref(),
            folder,
            log: &log,
            remove_folder: true,
        })
        .map_err(io_error("starting the PostgreSQL server"))?;

        let limit = Instant::now() + READY_LIMIT;
        loop {
            let ended = server.ended().map_err(io_error("watching the PostgreSQL server"))?;
            if ended.is_none() {
                match PgConnection::connect(&self.admin_url("postgres")).await {
                    Ok(connection) => {
                        let _ = connection.close().await;
                        self.server = Some(server);
                        return Ok(());
                    }
                    Err(_) if Instant::now() < limit => {
                        tokio::time::sleep(Duration::from_millis(20)).await;
                        continue;
                    }
                    Err(_) => {}
                }
            }
            server.stop_and_keep();
            return Err(PostgresError::Server {
                doing: "the PostgreSQL server did not come up",
                output: tail(&log),
            });
        }
    }

    /// Stops the server as an outage would: open connections are cut off. The
    /// data stay; see [`start_server`](Self::start_server). Blocks for a moment.
    pub fn stop_server(&mut self) {
        if let Some(mut server) = self.server.take() {
            server.stop_and_keep();
        }
    }

    /// URL of one database, with the password: do not log it.
    pub fn url(&self, database: &str) -> String {
        self.url_at(self.port, database)
    }

    /// URL of one database over the server's socket, which is in a folder of its own
    /// and has no TLS: for setting up and looking on. Do not log it.
    ///
    /// sqlx 0.9.0 does not set TCP_NODELAY, so that opening a connection with TLS
    /// takes it 150 ms instead of 10.
    pub fn admin_url(&self, database: &str) -> String {
        let folder = self.folder.path().to_string_lossy();
        let folder = utf8_percent_encode(&folder, &PATH);
        let (password, port) = (&self.password, self.port);
        format!("postgres://{USER}:{password}@localhost:{port}/{database}?host={folder}")
    }

    /// [`url`](Self::url) where something between, such as a
    /// [`LatencyProxy`](crate::latency::LatencyProxy), listens on a loopback port.
    pub fn url_at(&self, port: u16, database: &str) -> String {
        self.transport.url(port, &self.password, database)
    }

    /// File with the certificate of the authority that signed the server's; `None`
    /// without TLS.
    pub fn root_certificate(&self) -> Option<&Path> {
        match &self.transport {
            Transport::Plain => None,
            Transport::Tls { files, .. } => Some(&files.authority),
        }
    }

    pub(crate) fn transport(&self) -> &Transport {
        &self.transport
    }

    /// The loopback port of the server.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The password of [`USER`]: do not log it.
    pub fn password(&self) -> &str {
        &self.password
    }

    /// Where the server writes its log, until it is removed.
    pub fn log(&self) -> PathBuf {
        self.folder.path().join("server.log")
    }

    /// Creates an empty database.
    ///
    /// # Errors
    /// The server's refusal, e.g. that the name is taken.
    pub async fn create_database(&self, name: &str) -> Result<(), PostgresError> {
        let sql = format!("CREATE DATABASE {}", quoted(name));
        self.run("postgres", sql, format!("creating database {name}")).await
    }

    /// Copies a whole database in some 50 ms. Nobody may be connected to
    /// `template`; the server waits five seconds for that.
    ///
    /// File by file, as every PostgreSQL did before 15, which writes each page to its log
    /// unless told not to: four times as long for a small database.
    ///
    /// # Errors
    /// The server's refusal, e.g. that the template is in use.
    pub async fn create_from_template(
        &self,
        name: &str,
        template: &str,
    ) -> Result<(), PostgresError> {
        let copy = format!("CREATE DATABASE {} TEMPLATE {}", quoted(name), quoted(template));
        let sql = |server: &PgConnection| {
            let by_file = server.server_version_num().is_some_and(|version| version >= 150_000);
            if by_file { copy + " STRATEGY FILE_COPY" } else { copy }
        };
        self.run_on("postgres", sql, format!("copying database {template} to {name}")).await
    }

    /// Drops a database, cutting off whoever is connected.
    ///
    /// # Errors
    /// The server's refusal.
    pub async fn drop_database(&self, name: &str) -> Result<(), PostgresError> {
        let sql = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", quoted(name));
        self.run("postgres", sql, format!("dropping database {name}")).await
    }

    /// Runs a script of SQL statements (no psql commands) in one database, all
    /// or nothing unless the script has its own transactions.
    ///
    /// # Errors
    /// The server's refusal of a statement.
    pub async fn load_sql(&self, database: &str, script: &str) -> Result<(), PostgresError> {
        self.run(database, script.to_owned(), format!("running SQL in database {database}")).await
    }

    /// [`load_sql`](Self::load_sql) from a file.
    ///
    /// # Errors
    /// The file cannot be read, or the server refuses a statement.
    pub async fn load_sql_file(&self, database: &str, file: &Path) -> Result<(), PostgresError> {
        let script = std::fs::read_to_string(file)
            .map_err(io_error(format!("reading {}", file.display())))?;
        self.run(database, script, format!("loading {} into {database}", file.display())).await
    }

    async fn run(&self, database: &str, sql: String, doing: String) -> Result<(), PostgresError> {
        self.run_on(database, |_| sql, doing).await
    }

    /// [`run`](Self::run) for SQL that depends on the server.
    async fn run_on(
        &self,
        database: &str,
        sql: impl FnOnce(&PgConnection) -> String,
        doing: String,
    ) -> Result<(), PostgresError> {
        let work = async {
            let mut connection = PgConnection::connect(&self.admin_url(database)).await?;
            let sql = sql(&connection);
            sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await?;
            connection.close().await
        };
        work.await.map_err(sql_error(doing))
    }
}

/// An SQL identifier.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Where clusters lie: in memory, where there is enough of it and `TMPDIR` does not say
/// otherwise. A database is 300 files, and ext4 looks for a free inode past all that were
/// removed in the last five seconds (`recently_deleted`): half of the processor time of
/// tests that make and drop databases.
#[cfg(target_os = "linux")]
fn place() -> PathBuf {
    const SHARED_MEMORY: &str = "/dev/shm";
    const ENOUGH: u64 = 4 << 30;
    let in_memory = std::env::var_os("TMPDIR").is_none()
        && statfs(SHARED_MEMORY).is_ok_and(|found| {
            let free = found.blocks_available().saturating_mul(found.block_size().unsigned_abs());
            found.filesystem_type() == TMPFS_MAGIC && free >= ENOUGH
        });
    if in_memory { SHARED_MEMORY.into() } else { std::env::temp_dir() }
}

#[cfg(not(target_os = "linux"))]
fn place() -> PathBuf {
    std::env::temp_dir()
}

/// The folder with `initdb` and `postgres`: `PG_BIN`, else `PATH`, else the
/// newest of Debian's `/usr/lib/postgresql/*/bin`.
fn find_binaries() -> Result<PathBuf, PostgresError> {
    let mut searched: Vec<PathBuf> = Vec::new();
    searched.extend(std::env::var_os("PG_BIN").filter(|v| !v.is_empty()).map(PathBuf::from));
    searched.extend(path_folders());
    let mut debian: Vec<(u32, PathBuf)> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin")))
        })
        .collect();
    debian.sort();
    searched.extend(debian.into_iter().rev().map(|(_, folder)| folder));
    searched
        .iter()
        .find(|folder| {
            let folder = std::slice::from_ref(*folder);
            find_program("initdb", folder).is_some() && find_program("postgres", folder).is_some()
        })
        .cloned()
        .ok_or(PostgresError::NoBinaries { searched })
}
