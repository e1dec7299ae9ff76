//! The demo as people run it: the short one to its end, and one that is cut off.
//!
//! It runs the production binaries of the same build, which `cargo test
//! --workspace` does not make by itself: `make test` builds them first.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::sync::Mutex;
use tokio::time::timeout;

/// Real time without a new line after which a demo hangs rather than runs. It
/// has limits of its own for every wait, which are shorter and say what hangs.
const PATIENCE: Duration = Duration::from_mins(8);

/// One at a time: two would measure each other.
static ALONE: Mutex<()> = Mutex::const_new(());

/// A demo whose every trace is in one folder, or names it in its environment.
struct Demo {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    folder: TempDir,
}

impl Demo {
    fn start() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        // PostgreSQL runs as another account if we are root.
        let everybody = std::fs::Permissions::from_mode(0o777);
        std::fs::set_permissions(folder.path(), everybody).expect("a folder for everybody");
        let mut child = Command::new(env!("CARGO_BIN_EXE_local-cloud"))
            .args(["demo", "--short"])
            .env("TMPDIR", folder.path())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("the demo starts");
        let stdout = child.stdout.take().expect("its output");
        Self { child, lines: BufReader::new(stdout).lines(), folder }
    }

    /// Output up to the line that contains `text`, or to its end.
    async fn read_until(&mut self, text: &str) -> String {
        let mut read = String::new();
        loop {
            let Ok(line) = timeout(PATIENCE, self.lines.next_line()).await else {
                panic!("no new line for {PATIENCE:?} after:\n{read}");
            };
            let Some(line) = line.expect("UTF-8") else {
                return read;
            };
            // A path may be as long as it is.
            let fits = line.chars().count() <= 100 || line.contains('/');
            assert!(fits, "wider than 100 columns: {line}");
            read.push_str(&line);
            read.push('\n');
            if line.contains(text) {
                return read;
            }
        }
    }

    async fn exit_code(&mut self) -> Option<i32> {
        let exit = timeout(PATIENCE, self.child.wait()).await;
        exit.expect("a demo that ends").expect("its exit").code()
    }

    /// Nothing that it started lives, none of its files are there.
    fn assert_gone(&self) {
        let left: Vec<_> = std::fs::read_dir(self.folder.path())
            .expect("the folder")
            .map(|entry| entry.expect("an entry").file_name())
            .collect();
        assert!(left.is_empty(), "left behind: {left:?}");
        self.assert_stopped();
    }

    /// Nothing that it started lives.
    ///
    /// PostgreSQL's watchdog notices the end a fraction of a second later.
    fn assert_stopped(&self) {
        let mut alive = processes_that_name(self.folder.path());
        for _ in 0..600 {
            if alive.is_empty() {
                return;
            }
            std::thread::sleep(Duration::from_millis(100));
            alive = processes_that_name(self.folder.path());
        }
        panic!("still running: {alive:?}");
    }
}

/// Processes with this folder in their environment: functions, servers and
/// operators' commands inherit where temporary files belong.
fn processes_that_name(folder: &Path) -> Vec<String> {
    let wanted = format!("TMPDIR={}", folder.display());
    let processes = std::fs::read_dir("/proc").expect("/proc");
    let of = |path: &Path, file: &str| std::fs::read(path.join(file)).unwrap_or_default();
    processes
        .flatten()
        .map(|entry| entry.path())
        .filter(|process| {
            let environment = of(process, "environ");
            environment.split(|byte| *byte == 0).any(|one| one == wanted.as_bytes())
        })
        .map(|process| {
            let command = of(&process, "cmdline");
            String::from_utf8_lossy(&command).replace('\0', " ")
        })
        .collect()
}

#[tokio::test]
async fn the_short_demo_sees_what_it_expects_and_leaves_nothing_behind() {
    let _alone = ALONE.lock().await;
    let mut demo = Demo::start();
    let output = demo.read_until("\0").await;
    assert_eq!(demo.exit_code().await, Some(0), "{output}");
    // What a person came to see, in the product's own words.
    for wanted in [
        "so it plays: ",
        "a build that rounds one weight: exit code 1",
        "number stamps.*.score",
        "the build as it is: exit code 0",
        "in the function, P50: ",
        "50% → 80%: every limit is proven",
        "80% → 100%: every limit is proven",
        "completed: every limit",
        "ROLLBACK 50% → 0%: Rust",
        "ALARM: score: rolled back, 50% -> 0%",
        "✔ testers reach Rust at every weight",
        "✔ controller below 64 MiB resident",
        "✔ all as expected",
    ] {
        assert!(output.contains(wanted), "no `{wanted}` in:\n{output}");
    }
    assert!(!output.contains('✖'), "{output}");
    demo.assert_gone();
}

#[tokio::test]
async fn an_interrupted_demo_leaves_nothing_behind() {
    let _alone = ALONE.lock().await;
    // Before the cloud is up, while the machine is measured, in the middle of a rollout.
    for (signal, code, at) in [
        (Signal::SIGTERM, 143, "Starting"),
        (Signal::SIGHUP, 129, "Measuring"),
        (Signal::SIGINT, 130, "1. A healthy release"),
    ] {
        let mut demo = Demo::start();
        let output = demo.read_until(at).await;
        assert!(output.contains(at), "{output}");
        let alive = processes_that_name(demo.folder.path());
        assert!(!alive.is_empty(), "the demo itself at least runs");
        let pid = demo.child.id().expect("a running demo");
        let pid = Pid::from_raw(i32::try_from(pid).expect("a process id"));
        kill(pid, signal).expect("a signal is sent");
        assert_eq!(demo.exit_code().await, Some(code), "{output}");
        demo.assert_gone();
    }
}
