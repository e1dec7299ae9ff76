//! A private Redis for the rate limit's tests and cases.
//!
//! It listens on loopback with a random password, keeps nothing on disk and is
//! stopped and removed when dropped, also when the process is killed.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use redis::aio::MultiplexedConnection;
use redis::{AsyncTypedCommands as _, Client, RedisResult};
use tempfile::TempDir;

use crate::supervised::{
    Account, READY_LIMIT, Recipe, ServerError, Supervised, find_program, free_port, io_error,
    on_free_port, path_folders, random_password,
};
use crate::tls::Certificate;

/// Whether tests that need a Redis are to be left out, and if so says why on
/// standard error: `scripts/dev-env` found none (`LOCAL_CLOUD_WITHOUT_REDIS`).
pub fn left_out() -> bool {
    crate::supervised::left_out(
        "LOCAL_CLOUD_WITHOUT_REDIS",
        "Redis is not installed (`apt-get install redis-server`)",
    )
}

/// The same for tests of TLS to Redis: the one from the wheel has none
/// (`LOCAL_CLOUD_REDIS_WITHOUT_TLS`).
pub fn tls_left_out() -> bool {
    left_out()
        || crate::supervised::left_out(
            "LOCAL_CLOUD_REDIS_WITHOUT_TLS",
            "this Redis has no TLS (`apt-get install redis-server`)",
        )
}

/// A running Redis; stopped and removed when dropped.
pub struct PrivateRedis {
    // Before `_folder`: it must be gone when its files are removed.
    server: Option<Supervised>,
    _folder: TempDir,
    port: u16,
    tls_port: Option<u16>,
    password: String,
}

/// Without the password.
impl fmt::Debug for PrivateRedis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PrivateRedis")
            .field("port", &self.port)
            .field("tls_port", &self.tls_port)
            .finish_non_exhaustive()
    }
}

impl PrivateRedis {
    /// Starts one.
    ///
    /// # Errors
    /// [`ServerError::NoBinary`] where it is not installed; otherwise what it
    /// printed.
    pub async fn start() -> Result<Self, ServerError> {
        on_free_port(|port| Self::try_start(port, None)).await
    }

    /// Starts one that also listens on a second port with TLS.
    ///
    /// # Errors
    /// As [`start`](Self::start); also where this Redis was built without TLS.
    pub async fn start_with_tls(certificate: &Certificate) -> Result<Self, ServerError> {
        on_free_port(|port| Self::try_start(port, Some(certificate))).await
    }

    async fn try_start(port: u16, certificate: Option<&Certificate>) -> Result<Self, ServerError> {
        let program = find_binary()?;
        let account = Account::for_servers().map_err(io_error("choosing an account"))?;
        let folder = tempfile::Builder::new()
            .prefix("local-cloud-redis-")
            .tempdir()
            .map_err(io_error("making a temporary folder"))?;
        let password = random_password().map_err(io_error("reading /dev/urandom"))?;
        let [settings, log] = ["redis.conf", "redis.log"].map(|name| folder.path().join(name));
        let mut text = format!(
            "bind 127.0.0.1\nport {port}\nrequirepass {password}\nsave \"\"\nappendonly no\ndir {}\n",
            folder.path().display()
        );
        let mut tls_port = None;
        if let Some(certificate) = certificate {
            let port = free_port().map_err(io_error("finding a free port"))?;
            tls_port = Some(port);
            let files = certificate.write(folder.path(), account.as_ref())?;
            text.push_str(&format!(
                "tls-port {port}\ntls-cert-file {}\ntls-key-file {}\ntls-auth-clients no\n",
                files.chain.display(),
                files.key.display()
            ));
        }
        std::fs::write(&settings, text).map_err(io_error("writing redis.conf"))?;
        if let Some(account) = &account {
            for path in [folder.path(), &settings] {
                account.own(path).map_err(io_error("giving files to Redis' account"))?;
            }
        }
        let server = Supervised::start(&Recipe {
            program: program.as_os_str(),
            args: vec![settings.display().to_string()],
            env: Vec::new(),
            stop_signal: "TERM",
            account: account.as_ref(),
            folder: folder.path(),
            log: &log,
            remove_folder: true,
        })
        .map_err(io_error("starting Redis"))?;
        let url = &url(port, &password);
        let server = server
            .once_up("redis-server", &log, READY_LIMIT, || async move {
                match connect(url).await {
                    Ok(mut open) => open.ping().await.is_ok(),
                    Err(_) => false,
                }
            })
            .await?;
        Ok(Self { server: Some(server), _folder: folder, port, tls_port, password })
    }

    /// `redis://:PASSWORD@127.0.0.1:PORT/0`: do not log it.
    pub fn url(&self) -> String {
        url(self.port, &self.password)
    }

    /// `rediss://:PASSWORD@HOST:PORT/0`, for a client that calls it `host`: do
    /// not log it. None if started without a certificate.
    pub fn tls_url(&self, host: &str) -> Option<String> {
        let port = self.tls_port?;
        Some(format!("rediss://:{}@{host}:{port}/0", self.password))
    }

    /// The password: do not log it.
    pub fn password(&self) -> &str {
        &self.password
    }

    /// All counters by key: value, and seconds left to live.
    ///
    /// # Errors
    /// The server's or the client's.
    pub async fn counters(&self) -> RedisResult<BTreeMap<String, (i64, i64)>> {
        let mut open = connect(&self.url()).await?;
        let mut counters = BTreeMap::new();
        for key in open.keys("*").await? {
            let value = open.get_int(&key).await?.unwrap_or_default();
            let left: i64 = redis::cmd("TTL").arg(&key).query_async(&mut open).await?;
            counters.insert(key, (i64::try_from(value).unwrap_or(i64::MAX), left));
        }
        Ok(counters)
    }

    /// Forgets all counters.
    ///
    /// # Errors
    /// The server's or the client's.
    pub async fn clear(&self) -> RedisResult<()> {
        connect(&self.url()).await?.flushall().await
    }

    /// Cuts off all clients, as a restart would.
    ///
    /// # Errors
    /// The server's or the client's.
    pub async fn cut_clients(&self) -> RedisResult<()> {
        let mut open = connect(&self.url()).await?;
        redis::cmd("CLIENT")
            .arg(&["KILL", "TYPE", "normal", "SKIPME", "yes"])
            .query_async::<i64>(&mut open)
            .await
            .map(drop)
    }

    /// Stops the server for good. Blocks for a moment.
    pub fn stop_server(&mut self) {
        self.server = None;
    }
}

fn url(port: u16, password: &str) -> String {
    format!("redis://:{password}@127.0.0.1:{port}/0")
}

async fn connect(url: &str) -> RedisResult<MultiplexedConnection> {
    Client::open(url)?.get_multiplexed_async_connection().await
}

/// `REDIS_SERVER`, which `scripts/dev-env` sets, else on `PATH`.
fn find_binary() -> Result<PathBuf, ServerError> {
    let named = std::env::var_os("REDIS_SERVER").filter(|value| !value.is_empty());
    let searched = path_folders();
    let found = named.map(PathBuf::from).or_else(|| find_program("redis-server", &searched));
    found.ok_or(ServerError::NoBinary { name: "redis-server", package: "redis-server", searched })
}
