//! Stand-ins for AWS that we did not write, for contract tests.
//!
//! An adapter that passes against our own stand-in may share its mistakes.
//! Each of these was written by others from AWS's own descriptions:
//!
//! - [`Moto`]: ELBv2 rules and weights; account 123456789012. No data plane,
//!   weights over 999 and 0/0 accepted, rules in the order of creation.
//! - [`Ministack`]: CloudWatch over CBOR (sums, averages, percentiles, alarms)
//!   and SNS; account 000000000000. `TC(…)` and `PR(…)` silently give the
//!   average: a test of these proves nothing there.
//!
//! Both come from the Python environment that `scripts/dev-env` makes; the
//! variable `LOCAL_CLOUD_PYTHON` names its interpreter.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::supervised::{Recipe, ServerError, Supervised, free_port, io_error};

/// Names the Python interpreter that has the foreign servers installed.
pub const PYTHON_VARIABLE: &str = "LOCAL_CLOUD_PYTHON";

/// The region that [`Ministack`] answers for.
pub const REGION: &str = "eu-west-1";

/// How long a server may take to answer. Some four seconds on a free machine.
const READY_LIMIT: Duration = Duration::from_mins(2);

/// Ports are drawn before the server binds them, so one may be taken meanwhile.
const PORT_TRIES: u32 = 3;

/// What went wrong with a foreign server.
#[derive(Debug, thiserror::Error)]
pub enum ForeignError {
    /// No Python environment is named.
    #[error(
        "LOCAL_CLOUD_PYTHON is not set; run scripts/dev-env, then `. .dev/env` (`make test` does both)"
    )]
    NoPython,
    /// The named interpreter does not exist.
    #[error("LOCAL_CLOUD_PYTHON names {path}, which does not exist; run scripts/dev-env")]
    PythonMissing {
        /// Its path.
        path: PathBuf,
    },
    /// The server did not come up.
    #[error(transparent)]
    Server(#[from] ServerError),
}

/// The interpreter that [`PYTHON_VARIABLE`] names.
///
/// # Errors
/// [`ForeignError::NoPython`] or [`ForeignError::PythonMissing`].
pub fn python() -> Result<PathBuf, ForeignError> {
    let path = std::env::var_os(PYTHON_VARIABLE)
        .filter(|value| !value.is_empty())
        .map(PathBuf::from)
        .ok_or(ForeignError::NoPython)?;
    if path.is_file() { Ok(path) } else { Err(ForeignError::PythonMissing { path }) }
}

/// A running moto server; stopped when dropped.
#[derive(Debug)]
pub struct Moto(Server);

impl Moto {
    /// Starts an empty one on a loopback port of its own.
    ///
    /// # Errors
    /// [`ForeignError`], which says what to install or what moto printed.
    pub async fn start() -> Result<Self, ForeignError> {
        let args = |port: u16| {
            ["-m", "moto.server", "-H", "127.0.0.1", "-p"]
                .map(str::to_owned)
                .into_iter()
                .chain([port.to_string()])
                .collect()
        };
        Server::start("moto", args, |_| Vec::new(), "/moto-api/data.json").await.map(Self)
    }

    /// Endpoint of every service, e.g. `http://127.0.0.1:40123`.
    pub fn url(&self) -> String {
        self.0.url()
    }
}

/// A running ministack; stopped when dropped.
#[derive(Debug)]
pub struct Ministack(Server);

impl Ministack {
    /// Starts an empty one on a loopback port of its own.
    ///
    /// # Errors
    /// [`ForeignError`], which says what to install or what ministack printed.
    pub async fn start() -> Result<Self, ForeignError> {
        let args = |_| ["-m", "ministack"].map(str::to_owned).into();
        let env = |port: u16| {
            vec![
                // Without it the server would listen on every address.
                ("BIND_HOST", "127.0.0.1".to_owned()),
                ("GATEWAY_PORT", port.to_string()),
                ("MINISTACK_HOST", "127.0.0.1".to_owned()),
                ("MINISTACK_REGION", REGION.to_owned()),
                ("STATE_DIR", "state".to_owned()),
                ("LAMBDA_EXECUTOR", "local".to_owned()),
                // Fixed ports, so two instances could not run side by side.
                ("IOT_MTLS_ENABLED", "0".to_owned()),
                ("SFTP_ENABLED", "0".to_owned()),
            ]
        };
        Server::start("ministack", args, env, "/_ministack/health").await.map(Self)
    }

    /// Endpoint of every service, e.g. `http://127.0.0.1:40123`.
    pub fn url(&self) -> String {
        self.0.url()
    }
}

#[derive(Debug)]
struct Server {
    // Before `_folder`: it must be gone when its files are removed.
    _process: Supervised,
    _folder: TempDir,
    port: u16,
}

impl Server {
    async fn start(
        name: &'static str,
        args: impl Fn(u16) -> Vec<String>,
        env: impl Fn(u16) -> Vec<(&'static str, String)>,
        health: &str,
    ) -> Result<Self, ForeignError> {
        let mut tries = 0;
        loop {
            tries += 1;
            let port = free_port().map_err(io_error("finding a free port"))?;
            match Self::try_start(name, args(port), env(port), port, health).await {
                Err(ForeignError::Server(ServerError::Server { output, .. }))
                    if tries < PORT_TRIES && output.contains("in use") => {}
                other => return other,
            }
        }
    }

    async fn try_start(
        name: &'static str,
        args: Vec<String>,
        env: Vec<(&'static str, String)>,
        port: u16,
        health: &str,
    ) -> Result<Self, ForeignError> {
        let python = python()?;
        let folder = tempfile::Builder::new()
            .prefix("local-cloud-foreign-")
            .tempdir()
            .map_err(io_error("making a temporary folder"))?;
        let log = folder.path().join("server.log");
        let server = Supervised::start(&Recipe {
            program: python.as_os_str(),
            args,
            env: env.into_iter().map(|(key, value)| (key.to_owned(), value)).collect(),
            stop_signal: "KILL", // nothing to keep, and both are slow to end
            account: None,
            folder: folder.path(),
            log: &log,
            remove_folder: true,
        })
        .map_err(io_error("starting a foreign server"))?;

        let server = server.once_up(name, &log, READY_LIMIT, || healthy(port, health)).await?;
        Ok(Self { _process: server, _folder: folder, port })
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

/// Whether the server answers `path` with 200.
async fn healthy(port: u16, path: &str) -> bool {
    let ask = async {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
        let request = format!("GET {path} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut start = [0; 12];
        stream.read_exact(&mut start).await?;
        io::Result::Ok(start.ends_with(b" 200"))
    };
    matches!(tokio::time::timeout(Duration::from_secs(5), ask).await, Ok(Ok(true)))
}
