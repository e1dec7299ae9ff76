//! The operator of the demo: the real `rolloutctl`, run as a process.

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use anyhow::{Context as _, bail};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::process::Command;

use crate::clock::CLOCK_VARIABLE;

/// A person's own profile must not lead the demo to a real account.
const SURROUNDINGS: [(&str, &str); 5] = [
    ("AWS_ACCESS_KEY_ID", "DEMO"),
    ("AWS_SECRET_ACCESS_KEY", "demo"),
    ("AWS_EC2_METADATA_DISABLED", "true"),
    ("AWS_CONFIG_FILE", "/dev/null"),
    ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null"),
];

/// `rolloutctl` with the surroundings of an operator.
#[derive(Debug)]
pub(super) struct Ctl {
    program: PathBuf,
    endpoint: String,
    region: String,
    clock: Option<String>,
}

/// What `rolloutctl status --json` says, as far as the demo shows it.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Status {
    #[serde(rename = "phase")]
    pub(super) state: String,
    #[serde(rename = "share")]
    pub(super) shares: Shares,
    pub(super) routes: Vec<Route>,
    pub(super) reason: Reason,
    pub(super) metrics: Vec<Metric>,
    pub(super) suspicion: Option<Suspicion>,
    pub(super) changes: Vec<Change>,
}

/// Shares in percent.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Shares {
    pub(super) journal: Option<f64>,
}

/// Why the share is where it is.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Reason {
    pub(super) text: String,
}

/// One line of the rollout's story.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Change {
    pub(super) revision: i64,
    pub(super) text: String,
}

/// What one rule shows right now.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Route {
    pub(super) shows: String,
}

/// All evidence against Rust.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Suspicion {
    pub(super) log_e: f64,
    pub(super) log_e_rollback: f64,
}

/// One limit.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Metric {
    pub(super) name: String,
    pub(super) log: Log,
}

/// Proof of one limit for the next step, in nats.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Log {
    pub(super) proof: Option<f64>,
    pub(super) proof_needed: f64,
}

/// What `rolloutctl history --json` says.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct History {
    /// As journalled: `seq`, `at_ms`, `event`.
    pub(super) events: Vec<Value>,
    pub(super) earlier: Option<i64>,
}

impl Ctl {
    pub(super) fn new(program: &Path, endpoint: String, region: &str) -> Self {
        Self { program: program.to_owned(), endpoint, region: region.to_owned(), clock: None }
    }

    /// The same for functions whose time is this clock's.
    pub(super) fn at(self, clock: Option<String>) -> Self {
        Self { clock, ..self }
    }

    /// What a person's shell needs to run the same `rolloutctl`, as `NAME=VALUE`.
    pub(super) fn environment(&self) -> Vec<String> {
        let folder = self.program.parent().unwrap_or(Path::new("."));
        let clock = self.clock.iter().map(|clock| format!("{CLOCK_VARIABLE}={clock}"));
        let own = SURROUNDINGS.iter().map(|(name, value)| format!("{name}={value}"));
        [format!("AWS_ENDPOINT_URL={}", self.endpoint), format!("AWS_REGION={}", self.region)]
            .into_iter()
            .chain(own)
            .chain(clock)
            .chain([format!("PATH={}:$PATH", folder.display())])
            .collect()
    }

    /// Lines of what a command says to people, on both streams, whatever its exit code.
    ///
    /// # Errors
    /// If it cannot be run.
    pub(super) async fn said(&self, args: &[&str]) -> anyhow::Result<Vec<String>> {
        let output = self.output(args).await?;
        let (said, errors) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        Ok(said.lines().chain(errors.lines()).map(str::to_owned).collect())
    }

    /// Lines of `rolloutctl compare`, and its exit code. The key goes by the environment,
    /// as `--key-env` has it.
    ///
    /// # Errors
    /// If it cannot be run.
    pub(super) async fn compare(
        &self,
        args: &[&str],
        key: (&str, &str),
    ) -> anyhow::Result<(Vec<String>, Option<i32>)> {
        let output = self.output_with(args, Some(key)).await?;
        let (said, errors) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        let lines = said.lines().chain(errors.lines()).map(str::to_owned).collect();
        Ok((lines, output.status.code()))
    }

    /// Runs a command to its end, whatever its exit code.
    async fn output(&self, args: &[&str]) -> anyhow::Result<Output> {
        self.output_with(args, None).await
    }

    async fn output_with(
        &self,
        args: &[&str],
        variable: Option<(&str, &str)>,
    ) -> anyhow::Result<Output> {
        Command::new(&self.program)
            .args(args)
            .envs(variable)
            .env("AWS_ENDPOINT_URL", &self.endpoint)
            .env("AWS_REGION", &self.region)
            .envs(SURROUNDINGS)
            .envs(self.clock.iter().map(|clock| (CLOCK_VARIABLE, clock)))
            .env_remove("AWS_PROFILE")
            .env_remove("AWS_SESSION_TOKEN")
            .env_remove("ROLLOUT_NAME")
            .env_remove("ROLLOUT_LEDGER_URL")
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output()
            .await
            .with_context(|| format!("running {}", self.program.display()))
    }

    /// Runs a command that must succeed; what it printed.
    ///
    /// # Errors
    /// The command and everything it said.
    pub(super) async fn run(&self, args: &[&str]) -> anyhow::Result<String> {
        let output = self.output(args).await?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        if !output.status.success() {
            let errors = String::from_utf8_lossy(&output.stderr);
            bail!("`rolloutctl {}` ended with {}:\n{said}{errors}", args.join(" "), output.status);
        }
        Ok(said)
    }

    /// How the rollout stands, and the exit code that says it too.
    ///
    /// # Errors
    /// If the controller does not answer.
    pub(super) async fn status(&self) -> anyhow::Result<(Status, i32)> {
        let output = self.output(&["status", "--json"]).await?;
        let status = parsed(&output, "status --json")?;
        Ok((status, output.status.code().unwrap_or(-1)))
    }

    /// The journal of the rollout, oldest event first.
    ///
    /// # Errors
    /// As [`status`](Self::status).
    pub(super) async fn history(&self) -> anyhow::Result<Vec<Value>> {
        let mut all = Vec::new();
        let mut before: Option<String> = None;
        loop {
            let mut args = vec!["history", "--json", "--all", "--limit", "500"];
            if let Some(before) = &before {
                args.extend(["--before", before]);
            }
            let output = self.output(&args).await?;
            let page: History = parsed(&output, "history --json")?;
            all.splice(0..0, page.events);
            match page.earlier {
                Some(revision) => before = Some(revision.to_string()),
                None => return Ok(all),
            }
        }
    }
}

fn parsed<T: DeserializeOwned>(output: &Output, what: &str) -> anyhow::Result<T> {
    serde_json::from_slice(&output.stdout).with_context(|| {
        format!(
            "`rolloutctl {what}` ended with {} and said: {}",
            output.status,
            String::from_utf8_lossy(&output.stderr).trim()
        )
    })
}
