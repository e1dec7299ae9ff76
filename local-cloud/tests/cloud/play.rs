//! `local-cloud play` as a person uses it: words in, lines out, and nothing left.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use crate::common::get;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

/// A busy machine takes its time; a line that never comes is a failure.
const PATIENCE: Duration = Duration::from_mins(3);

struct Play {
    child: Child,
    typed: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
    seen: Vec<String>,
}

impl Play {
    fn start() -> Self {
        let program = Path::new(env!("CARGO_BIN_EXE_local-cloud"));
        for name in ["scorer-fn", "rollout-controller", "rolloutctl"] {
            let path: PathBuf = program.with_file_name(name);
            assert!(path.is_file(), "{} is missing; run `make build`", path.display());
        }
        let mut child = Command::new(program)
            .args(["play", "--minute", "1s", "--rate", "20"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("it starts");
        let typed = child.stdin.take().expect("piped");
        let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        Self { child, typed, lines, seen: Vec::new() }
    }

    async fn says(&mut self, part: &str) -> String {
        loop {
            let line = timeout(PATIENCE, self.lines.next_line()).await;
            let line = line.unwrap_or_else(|_| panic!("`{part}` never came: {:#?}", self.seen));
            let Some(line) = line.expect("text") else {
                panic!("it ended before `{part}`: {:#?}", self.seen)
            };
            assert!(!line.contains('\u{1b}'), "no colours in a pipe: {line:?}");
            self.seen.push(line.clone());
            if line.contains(part) {
                return line;
            }
        }
    }

    async fn types(&mut self, word: &str) {
        self.typed.write_all(format!("{word}\n").as_bytes()).await.expect("it listens");
    }
}

/// Whether somebody listens where the page was.
async fn listens(address: &str) -> bool {
    tokio::net::TcpStream::connect(parts(address).0).await.is_ok()
}

/// Host with port, and path.
fn parts(address: &str) -> (&str, String) {
    let rest = address.strip_prefix("http://").expect("an address");
    let (host, path) = rest.split_once('/').expect("with a path");
    (host, format!("/{path}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn words_start_break_repair_and_end_a_rollout() {
    let mut play = Play::start();
    let line = play.says("The rollout's page: ").await;
    let address = line.split_whitespace().last().expect("an address").to_owned();
    play.says("export AWS_ENDPOINT_URL=").await;
    play.says("quit ").await;
    let (host, path) = parts(&address);
    let page = get(&format!("http://{host}"), &path).await;
    assert!(page.status == 200 && page.body.contains("data-rollout=\"score\""), "{page:?}");

    play.types("strat").await;
    play.says("`strat` is not known").await;
    play.types("wait 4").await;
    play.types("start").await;
    play.says("▶ Rust has ").await;
    play.types("pause").await;
    play.says("✔ Paused").await;
    play.types("outage").await;
    play.says("Every request to Rust fails now.").await;
    play.says("Rust has 0% of the requests").await;
    play.types("repair").await;
    play.says("the good build is deployed").await;
    play.types("quit").await;
    play.says("Everything is stopped.").await;
    let ended = timeout(PATIENCE, play.child.wait()).await.expect("it ends").expect("a status");
    assert!(ended.success(), "{ended}");
    assert!(!listens(&address).await, "nobody listens any more");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_standard_input_is_the_end() {
    let mut play = Play::start();
    play.says("quit ").await;
    let Play { mut child, typed, mut lines, .. } = play;
    drop(typed);
    let mut last = String::new();
    while let Some(line) = timeout(PATIENCE, lines.next_line()).await.expect("it ends").unwrap() {
        last = line;
    }
    assert_eq!(last, "Everything is stopped.");
    assert!(child.wait().await.expect("a status").success());
}
