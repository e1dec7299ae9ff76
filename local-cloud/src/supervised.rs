//! Foreign servers that never outlive us.
//!
//! A test that is killed cannot run `Drop`, and a database left behind holds
//! its port and its memory. So every server runs under a few lines of shell
//! that hold the other end of a pipe: the pipe closes when we drop it *or die
//! in any way*, and the shell then stops the server and removes its folder.
//! The shell has its own process group, so Ctrl-C reaches us first and the
//! order of stopping is ours.

use std::ffi::OsStr;
use std::io::{self, Write as _};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::unistd::{Uid, User};

/// Arguments: the signal that stops the server, a folder to remove at the end
/// (or an empty text), then the command. Standard input is the life line: the
/// server is stopped when it ends, and the folder stays if `keep` was the last
/// line on it.
const KEEPER: &str = r#"
signal=$1 folder=$2; shift 2
exec 3<&0 </dev/null
remove=; trap 'remove=yes' USR1
"$@" 3<&- & server=$!
( trap - USR1
  word=; while read -r line <&3; do word=$line; done
  [ "$word" = keep ] || kill -USR1 $$
  kill -"$signal" "$server"
  tries=0; while kill -0 "$server"; do
    tries=$((tries + 1)); [ $tries -lt 100 ] || kill -KILL "$server"; sleep 0.1
  done ) </dev/null >/dev/null 2>&1 & keeper=$!
exec 3<&-
while :; do wait "$server"; code=$?; kill -0 "$server" 2>/dev/null || break; done
kill "$keeper" 2>/dev/null
if [ -n "$folder" ] && [ -n "$remove" ]; then cd /; rm -rf -- "$folder"; fi
exit $code
"#;

/// How long most servers may take to answer; a loaded machine needs a second or two.
pub(crate) const READY_LIMIT: Duration = Duration::from_secs(30);

/// Ports are drawn before the server binds them, so one may be taken meanwhile.
const PORT_TRIES: u32 = 5;

/// How long a stopped server may take before it is killed; the shell kills it
/// after 10 s, the rest is for removing files.
const STOP_LIMIT: Duration = Duration::from_secs(15);

/// What went wrong with a foreign server that a test wanted.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// It is not installed.
    #[error(
        "{name} is missing in {searched:?}; run scripts/dev-env, or as root `apt-get install {package}`"
    )]
    NoBinary {
        /// The program.
        name: &'static str,
        /// Debian's package with it.
        package: &'static str,
        /// Folders that were looked into.
        searched: Vec<PathBuf>,
    },
    /// It did not come up.
    #[error("{name} did not come up: {output}")]
    Server {
        /// The program.
        name: &'static str,
        /// The last lines of its log.
        output: String,
    },
    /// A file or process could not be handled.
    #[error("{doing}")]
    Io {
        /// What we were doing.
        doing: &'static str,
        /// The operating system's reason.
        #[source]
        source: io::Error,
    },
}

pub(crate) fn io_error(doing: &'static str) -> impl FnOnce(io::Error) -> ServerError {
    move |source| ServerError::Io { doing, source }
}

/// The account a server runs as.
#[derive(Clone, Debug)]
pub(crate) struct Account {
    uid: u32,
    gid: u32,
}

impl Account {
    /// `None` for an ordinary user: the server runs as that user.
    ///
    /// PostgreSQL and pgbouncer refuse to run as root, so root gets the
    /// account `postgres`, or `nobody` where that does not exist.
    pub(crate) fn for_servers() -> io::Result<Option<Self>> {
        if !Uid::effective().is_root() {
            return Ok(None);
        }
        for name in ["postgres", "nobody"] {
            if let Some(user) = User::from_name(name)? {
                return Ok(Some(Self { uid: user.uid.as_raw(), gid: user.gid.as_raw() }));
            }
        }
        Err(io::Error::other(
            "running as root, and neither account `postgres` nor `nobody` exists; run as an ordinary user",
        ))
    }

    /// Makes `path` belong to this account.
    pub(crate) fn own(&self, path: &Path) -> io::Result<()> {
        chown(path, Some(self.uid), Some(self.gid))
    }
}

/// Makes `command` run as `account`, in `folder` (which that account can read).
pub(crate) fn run_as(command: &mut Command, account: Option<&Account>, folder: &Path) {
    command.current_dir(folder);
    if let Some(account) = account {
        command.uid(account.uid).gid(account.gid);
    }
}

/// A server under its keeper; stopped when dropped.
#[derive(Debug)]
pub(crate) struct Supervised {
    keeper: Child,
}

/// What to run and how to stop it.
pub(crate) struct Recipe<'a> {
    pub(crate) program: &'a OsStr,
    pub(crate) args: Vec<String>,
    pub(crate) env: Vec<(String, String)>,
    /// Signal that stops it in order, e.g. `INT`.
    pub(crate) stop_signal: &'a str,
    pub(crate) account: Option<&'a Account>,
    /// Working folder; the log lies here.
    pub(crate) folder: &'a Path,
    /// File that receives standard output and error.
    pub(crate) log: &'a Path,
    /// Remove `folder` when the server was stopped, or when we died.
    pub(crate) remove_folder: bool,
}

impl Supervised {
    /// Starts the server; it may not be ready yet.
    pub(crate) fn start(recipe: &Recipe<'_>) -> io::Result<Self> {
        let log = std::fs::OpenOptions::new().create(true).append(true).open(recipe.log)?;
        let mut command = Command::new("/bin/sh");
        command
            .args(["-c", KEEPER, "keeper", recipe.stop_signal])
            .arg(if recipe.remove_folder { recipe.folder.as_os_str() } else { OsStr::new("") })
            .arg(recipe.program)
            .args(&recipe.args)
            .envs(recipe.env.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::piped())
            .stdout(log.try_clone()?)
            .stderr(log)
            .process_group(0);
        run_as(&mut command, recipe.account, recipe.folder);
        Ok(Self { keeper: command.spawn()? })
    }

    /// The server, once `answers` says that it does; stopped if it never does.
    pub(crate) async fn once_up<F: Future<Output = bool>>(
        mut self,
        name: &'static str,
        log: &Path,
        limit: Duration,
        answers: impl Fn() -> F,
    ) -> Result<Self, ServerError> {
        let limit = Instant::now() + limit;
        loop {
            let ended = self.ended().map_err(io_error("watching a server"))?;
            if ended.is_none() && answers().await {
                return Ok(self);
            }
            if ended.is_some() || Instant::now() >= limit {
                self.stop_and_keep();
                let output = tail(log);
                return Err(ServerError::Server { name, output });
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// `Some` once the server has ended by itself.
    pub(crate) fn ended(&mut self) -> io::Result<Option<ExitStatus>> {
        self.keeper.try_wait()
    }

    /// Stops the server, keeping its folder, and waits until it is gone.
    pub(crate) fn stop_and_keep(&mut self) {
        if let Some(stdin) = &mut self.keeper.stdin {
            // A keeper that is gone already has nothing to be told.
            let _ = stdin.write_all(b"keep\n");
        }
        self.stop();
    }

    /// Stops the server and waits until it and its keeper are gone.
    pub(crate) fn stop(&mut self) {
        drop(self.keeper.stdin.take());
        let limit = Instant::now() + STOP_LIMIT;
        while Instant::now() < limit {
            match self.keeper.try_wait() {
                Ok(Some(_)) | Err(_) => return,
                Ok(None) => std::thread::sleep(Duration::from_millis(5)),
            }
        }
        let _ = self.keeper.kill();
        let _ = self.keeper.wait();
    }
}

impl Drop for Supervised {
    fn drop(&mut self) {
        self.stop();
    }
}

/// A loopback port that was free a moment ago.
///
/// Somebody may take it before the server does; callers try again with
/// another one when the server says so.
pub(crate) fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

/// Starts a server on a free port, and again on another one if that was taken meanwhile.
pub(crate) async fn on_free_port<T, F>(start: impl Fn(u16) -> F) -> Result<T, ServerError>
where
    F: Future<Output = Result<T, ServerError>>,
{
    let mut tries = 0;
    loop {
        tries += 1;
        let port = free_port().map_err(io_error("finding a free port"))?;
        match start(port).await {
            Err(ServerError::Server { output, .. })
                if tries < PORT_TRIES && output.contains("in use") => {}
            other => return other,
        }
    }
}

/// Whether tests are to be left out because `variable` is set; says why on
/// standard error. In CI that is an error: there, nothing may be missing.
pub(crate) fn left_out(variable: &str, why: &str) -> bool {
    let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let left_out = is_set(variable);
    assert!(!(left_out && is_set("CI")), "{variable} is set in CI: {why}");
    if left_out {
        eprintln!("left out: {why}");
    }
    left_out
}

/// The first of `folders` that holds the executable `name`.
pub(crate) fn find_program(name: &str, folders: &[PathBuf]) -> Option<PathBuf> {
    folders.iter().map(|folder| folder.join(name)).find(|path| path.is_file())
}

/// The folders of `PATH`, in order.
pub(crate) fn path_folders() -> Vec<PathBuf> {
    std::env::var_os("PATH").map(|path| std::env::split_paths(&path).collect()).unwrap_or_default()
}

/// 128 random bits in decimal digits, so that no other account on this machine gets in.
pub(crate) fn random_password() -> io::Result<String> {
    use std::io::Read as _;
    let mut bytes = [0_u8; 16];
    std::fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(u128::from_be_bytes(bytes).to_string())
}

/// The last lines of a log, for an error message.
pub(crate) fn tail(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(12)..].join("\n")
}
